//! Messages as events of Socket.IO: application 1 of the contract (`register`, `broadcastInfo`), and an echo by
//! acknowledgement.
//!
//! What is written here are Engine.IO messages, what is read are the Socket.IO packets in them.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::load::Incoming;
use crate::load::envelope::{Reading, put, token};
use crate::shared::Shared;
use crate::token::Token;
use crate::wire::frame::opcode;
use crate::wire::socketio::{Packet, kind};

/// The event that numbered messages arrive as.
const EVENT: &str = "flood";
/// What echoes: servers of the protocol's own test suite acknowledge this event with its arguments.
const ECHO: &str = "message-with-ack";
/// An attachment, as the JSON refers to it.
const PLACEHOLDER: &str = r#"{"_placeholder":true,"num":0}"#;
/// Bytes around a content in the Engine.IO packet that arrives.
pub(super) const ENVELOPE_BYTES: usize = r#"42["flood",""]"#.len();

/// What an application 1 acknowledges, and what it says as the event `exception`.
#[derive(Deserialize)]
struct Acknowledgement<'a> {
    ok: bool,
    delivered: Option<u64>,
    #[serde(borrow)]
    error: Option<Exception<'a>>,
}

#[derive(Deserialize)]
struct Exception<'a> {
    #[serde(borrow)]
    code: Cow<'a, str>,
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
}

impl Exception<'_> {
    fn reason(&self) -> String {
        format!("{} {}", self.code, self.message.as_deref().unwrap_or_default()).trim_end().to_owned()
    }
}

/// Writes the event that registers a user and a group, to be acknowledged under `id`; false if there is nothing to
/// register.
pub(crate) fn put_register(out: &mut Vec<u8>, id: u32, user: Option<&str>, group: Option<&str>) -> bool {
    let names = match (user, group) {
        (Some(user), Some(group)) => format!(r#""user":"{user}","group":"{group}""#),
        (Some(user), None) => format!(r#""user":"{user}""#),
        (None, Some(group)) => format!(r#""group":"{group}""#),
        (None, None) => return false,
    };
    put(out, format_args!(r#"42{id}["register",{{{names}}}]"#));
    true
}

/// Reads the acknowledgement of `register`.
pub(crate) fn read_registered(json: &[u8]) -> Result<(), String> {
    match serde_json::from_slice::<(Acknowledgement<'_>,)>(json) {
        Ok((Acknowledgement { ok: true, .. },)) => Ok(()),
        Ok((Acknowledgement { error: Some(error), .. },)) => Err(format!("register: {}", error.reason())),
        _ => Err("register: an acknowledgement that says nothing".to_owned()),
    }
}

/// Writes a message to a room, to be acknowledged if there is an `id`.
pub(super) fn put_broadcast(out: &mut Vec<u8>, id: Option<u32>, room: &str, token: &Token, bytes: usize) {
    out.extend_from_slice(b"42");
    if let Some(id) = id {
        put(out, format_args!("{id}"));
    }
    put(out, format_args!(r#"["broadcastInfo",{{"roomName":"{room}","eventName":"{EVENT}","text":""#));
    token.put(out, bytes);
    out.extend_from_slice(br#""}]"#);
}

/// Reads an event or an acknowledgement.
pub(super) fn read(shared: &Shared, packet: &[u8]) -> Reading {
    let Ok(packet) = Packet::read(packet) else { return Reading::Corrupt };
    match packet.kind {
        kind::EVENT => {
            let Ok(event) = serde_json::from_slice::<Vec<&RawValue>>(packet.json) else {
                return Reading::Corrupt;
            };
            let name = event.first().map_or("", |name| name.get().trim_matches('"'));
            match (name, &event[..]) {
                (EVENT, [_, content]) => match token(shared, content.get()) {
                    Ok(token) => Reading::Message(token),
                    Err(reading) => reading,
                },
                (EVENT, _) => Reading::Corrupt,
                ("exception", [_, what]) => match serde_json::from_str::<Exception<'_>>(what.get()) {
                    Ok(exception) => Reading::Refused(exception.reason()),
                    Err(_) => Reading::Corrupt,
                },
                _ => Reading::Stranger,
            }
        }
        kind::ACK => match serde_json::from_slice::<(Acknowledgement<'_>,)>(packet.json) {
            Ok((Acknowledgement { ok: true, delivered: Some(delivered), .. },)) => {
                Reading::Receipt(delivered)
            }
            Ok((Acknowledgement { ok: false, error: Some(error), .. },)) => Reading::Refused(error.reason()),
            _ => Reading::Corrupt,
        },
        _ => Reading::Stranger,
    }
}

/// Writes an event that is to be echoed; the content of a binary one follows as an attachment.
pub(super) fn put_echo(out: &mut Vec<u8>, id: u32, content: &[u8], binary: bool) {
    if binary {
        put(out, format_args!(r#"451-{id}["{ECHO}",{PLACEHOLDER}]"#));
    } else {
        put(out, format_args!(r#"42{id}["{ECHO}",""#));
        out.extend_from_slice(content);
        out.extend_from_slice(br#""]"#);
    }
}

/// The acknowledgement's id, the opcode that its content would have alone, and the content.
pub(super) fn read_echo<'a>(incoming: &Incoming<'a>) -> Option<(u64, u8, &'a [u8])> {
    let packet = Packet::read(incoming.payload).ok()?;
    match (packet.kind, incoming.attachments) {
        (kind::ACK, []) => {
            let content = packet.json.strip_prefix(br#"[""#)?.strip_suffix(br#""]"#)?;
            Some((packet.id?, opcode::TEXT, content))
        }
        (kind::BINARY_ACK, [content]) => {
            let json: serde_json::Value = serde_json::from_slice(packet.json).ok()?;
            let place = serde_json::json!([{"_placeholder": true, "num": 0}]);
            (json == place).then_some((packet.id?, opcode::BINARY, &content[..]))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_registered_and_what_the_answer_means() {
        let both = text(|out| assert!(put_register(out, 0, Some("u1"), Some("g1"))));
        assert_eq!(both, r#"420["register",{"user":"u1","group":"g1"}]"#);
        assert_eq!(text(|out| assert!(!put_register(out, 0, None, None))), "");
        assert_eq!(read_registered(br#"[{"ok":true}]"#), Ok(()));
        let refused = br#"[{"ok":false,"error":{"code":"not_allowed","message":"no"}}]"#;
        assert_eq!(read_registered(refused), Err("register: not_allowed no".to_owned()));
        assert!(read_registered(b"[]").is_err());
    }

    #[test]
    fn an_echo_is_an_acknowledgement_with_the_same_argument() {
        assert_eq!(text(|out| put_echo(out, 3, b"abc", false)), r#"423["message-with-ack","abc"]"#);
        let binary = text(|out| put_echo(out, 3, b"abc", true));
        assert_eq!(binary, r#"451-3["message-with-ack",{"_placeholder":true,"num":0}]"#);
        let attachments = [b"abc".to_vec()];
        let read = |payload: &'static str, attachments| {
            let incoming = Incoming { opcode: opcode::TEXT, payload: payload.as_bytes(), attachments };
            read_echo(&incoming).map(|(id, opcode, content)| (id, opcode, content.to_vec()))
        };
        assert_eq!(read(r#"33["abc"]"#, &[]), Some((3, opcode::TEXT, b"abc".to_vec())));
        let answer = r#"61-3[{"num":0,"_placeholder":true}]"#;
        assert_eq!(read(answer, &attachments), Some((3, opcode::BINARY, b"abc".to_vec())));
        assert_eq!(read(r#"3["abc"]"#, &[]), None);
        assert_eq!(read(r#"61-3[{"_placeholder":true,"num":1}]"#, &attachments), None);
    }
}
