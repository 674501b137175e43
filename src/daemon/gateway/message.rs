//! The gateway's messages: what a client says, what a receiver gets, what is answered.
//!
//! `msgId` and `content` are never turned into values: their text is kept and sent on as it came.

use super::{client_room, group_room};
use crate::raw::present;
use fanfare::{Frame, FrameBuilder, NAME_BYTES, To};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::io::Write as _;

/// The most groups that one list may name.
const MAX_GROUPS: usize = 64;

/// What cannot be taken, and how that is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: u16,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn bad(message: impl Into<String>) -> Fault {
        Fault { code: 400, message: message.into() }
    }
}

/// Splits a comma list of groups.
pub(crate) fn groups(list: &str) -> Result<Vec<&str>, Fault> {
    let names: Vec<&str> = list.split(',').collect();
    if names.len() > MAX_GROUPS {
        return Err(Fault::bad(format!("group names {} groups; {MAX_GROUPS} at most", names.len())));
    }
    match names.iter().find(|name| name.is_empty() || name.len() > NAME_BYTES) {
        Some(_) => Err(Fault::bad(format!("the name of a group has 1 to {NAME_BYTES} bytes"))),
        None => Ok(names),
    }
}

/// Whom a message of mode 100 to 300 is for, within a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Client(String),
    Groups(Vec<String>),
    Domain,
}

impl Address {
    /// Reads the fields that go with the mode.
    pub(crate) fn read(
        mode: u64,
        target: Option<&RawValue>,
        group: Option<&RawValue>,
    ) -> Result<Address, Fault> {
        match mode {
            100 => {
                let target = string("targetClientId", target)?;
                if !(1..=NAME_BYTES).contains(&target.len()) {
                    return Err(Fault::bad(format!("targetClientId has 1 to {NAME_BYTES} bytes")));
                }
                Ok(Address::Client(target))
            }
            200 => {
                let list = string("group", group)?;
                Ok(Address::Groups(groups(&list)?.into_iter().map(str::to_owned).collect()))
            }
            300 => Ok(Address::Domain),
            _ => Err(unknown_mode()),
        }
    }

    /// The rooms of that, in the scope of a domain.
    pub(crate) fn to(&self, scope: &str) -> To {
        match self {
            Address::Client(client) => To::room(scope, &client_room(client)),
            Address::Groups(groups) => {
                groups.iter().fold(To::everybody(scope), |to, group| to.and_room(&group_room(group)))
            }
            Address::Domain => To::everybody(scope),
        }
    }
}

/// A message on its way to receivers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<'a> {
    /// A string or a number, as sent.
    pub(crate) msg_id: Option<&'a RawValue>,
    pub(crate) mode: u64,
    /// As sent; told in mode 200.
    pub(crate) group: Option<&'a RawValue>,
    pub(crate) content: &'a RawValue,
}

impl Outgoing<'_> {
    /// The frame that every receiver gets.
    pub(crate) fn frame(&self, from: Option<&str>) -> Frame {
        let content = self.content.get();
        let mut frame = FrameBuilder::text(content.len() + 96);
        frame.push(b"{\"msgId\":");
        frame.push(id_text(self.msg_id).as_bytes());
        push_number(&mut frame, ",\"mode\":", self.mode);
        if let Some(from) = from {
            frame.push(b",\"from\":");
            push_string(&mut frame, from);
        }
        if let (200, Some(group)) = (self.mode, self.group) {
            frame.push(b",\"group\":");
            frame.push(group.get().as_bytes());
        }
        frame.push(b",\"content\":");
        frame.push(content.as_bytes());
        frame.push(b"}");
        frame.finish()
    }
}

/// The fields of a message, each still text, so that a bad one does not hide the others.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    msg_id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    mode: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    target_client_id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    group: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    content: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    receipt: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    token: Option<&'a RawValue>,
}

/// A message of a client.
#[derive(Debug)]
pub(crate) struct Incoming<'a> {
    fields: Fields<'a>,
    /// The text is no JSON object.
    broken: Option<String>,
    /// The list of groups, decoded.
    group: Option<Result<String, Fault>>,
}

/// What a message asks for.
#[derive(Debug)]
pub(crate) enum Command<'a> {
    Heartbeat,
    Join(Vec<&'a str>),
    Leave(Vec<&'a str>),
    /// With the token that takes the place of the one that is running out.
    Refresh(String),
    Send {
        address: Address,
        outgoing: Outgoing<'a>,
        receipt: bool,
    },
}

impl<'a> Incoming<'a> {
    /// Reads a text. It never fails: what is wrong with it is said by [`Incoming::command`].
    pub(crate) fn parse(text: &'a str) -> Incoming<'a> {
        // An array would be read as an object without names.
        let parsed = if text.trim_ascii_start().starts_with('{') {
            serde_json::from_str::<Fields<'a>>(text).map_err(|error| error.to_string())
        } else {
            Err("expected an object".to_owned())
        };
        match parsed {
            Ok(fields) => {
                let group = fields.group.map(|group| string("group", Some(group)));
                Incoming { fields, broken: None, group }
            }
            Err(error) => Incoming { fields: Fields::default(), broken: Some(error), group: None },
        }
    }

    /// What it asks for.
    pub(crate) fn command(&self) -> Result<Command<'_>, Fault> {
        if let Some(error) = &self.broken {
            return Err(Fault::bad(format!("no JSON object that can be read: {error}")));
        }
        let mode = self.fields.mode.ok_or_else(|| Fault::bad("mode is missing"))?;
        let mode: u64 = serde_json::from_str(mode.get()).map_err(|_| unknown_mode())?;
        check_id(self.fields.msg_id)?;
        match mode {
            1 => Ok(Command::Heartbeat),
            2 => Ok(Command::Join(self.groups()?)),
            3 => Ok(Command::Leave(self.groups()?)),
            4 => Ok(Command::Refresh(string("token", self.fields.token)?)),
            _ => {
                let address = Address::read(mode, self.fields.target_client_id, self.fields.group)?;
                let content = self.fields.content.ok_or_else(|| Fault::bad("content is missing"))?;
                let receipt = match self.fields.receipt.map(RawValue::get) {
                    None | Some("false") => false,
                    Some("true") => true,
                    Some(_) => return Err(Fault::bad("receipt: expected true or false")),
                };
                let Fields { msg_id, group, .. } = self.fields;
                Ok(Command::Send { address, outgoing: Outgoing { msg_id, mode, group, content }, receipt })
            }
        }
    }

    fn groups(&self) -> Result<Vec<&str>, Fault> {
        match &self.group {
            None => Err(Fault::bad("group is missing")),
            Some(Err(fault)) => Err(fault.clone()),
            Some(Ok(list)) => groups(list),
        }
    }

    /// The beginning of what it is answered, now or later.
    pub(crate) fn answer(&self) -> Answer {
        let mut frame = FrameBuilder::text(64);
        frame.push(b"{\"msgId\":");
        frame.push(id_text(self.fields.msg_id).as_bytes());
        frame.push(b",\"mode\":");
        // A mode that is no number cannot come back as one.
        let mode = self.fields.mode.map(RawValue::get).filter(|text| is_number(text));
        frame.push(mode.unwrap_or("null").as_bytes());
        Answer(frame)
    }
}

/// An answer that is still to say how it went.
#[derive(Debug)]
pub(crate) struct Answer(FrameBuilder);

impl Answer {
    /// It was done.
    pub(crate) fn ok(mut self) -> Frame {
        self.0.push(b",\"code\":0");
        self.finish()
    }

    /// The heartbeat was heard, at this time.
    pub(crate) fn heard(mut self, time: u64) -> Frame {
        push_number(&mut self.0, ",\"code\":0,\"time\":", time);
        self.finish()
    }

    /// It was sent to so many.
    pub(crate) fn delivered(mut self, delivered: u64) -> Frame {
        push_number(&mut self.0, ",\"code\":0,\"delivered\":", delivered);
        self.finish()
    }

    /// It was not done.
    pub(crate) fn fault(mut self, fault: &Fault) -> Frame {
        push_number(&mut self.0, ",\"code\":", u64::from(fault.code));
        self.0.push(b",\"message\":");
        push_string(&mut self.0, &fault.message);
        self.finish()
    }

    fn finish(mut self) -> Frame {
        self.0.push(b"}");
        self.0.finish()
    }
}

/// Whether a message id may come back: a string, a number, or nothing.
pub(crate) fn check_id(msg_id: Option<&RawValue>) -> Result<(), Fault> {
    match msg_id.map(RawValue::get) {
        None | Some("null") => Ok(()),
        Some(text) if text.starts_with('"') || is_number(text) => Ok(()),
        Some(_) => Err(Fault::bad("msgId: expected a string or a number")),
    }
}

fn id_text(msg_id: Option<&RawValue>) -> &str {
    msg_id.filter(|id| check_id(Some(id)).is_ok()).map_or("null", RawValue::get)
}

/// Raw values are valid JSON, so the first character tells.
fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
}

fn unknown_mode() -> Fault {
    Fault::bad("mode: expected 1, 2, 3, 4, 100, 200 or 300")
}

fn string(field: &str, value: Option<&RawValue>) -> Result<String, Fault> {
    let value = value.ok_or_else(|| Fault::bad(format!("{field} is missing")))?;
    serde_json::from_str(value.get()).map_err(|_| Fault::bad(format!("{field}: expected a string")))
}

fn push_number(frame: &mut FrameBuilder, label: &str, number: u64) {
    // Writing to memory does not fail.
    let _ = write!(frame, "{label}{number}");
}

fn push_string(frame: &mut FrameBuilder, text: &str) {
    // Text always has a JSON form, and writing to memory does not fail.
    let _ = serde_json::to_writer(frame, text);
}
