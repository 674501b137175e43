//! What the events of application 1 carry, and how it can be wrong.

use crate::raw::present;
use fanfare::NAME_BYTES;
use fanfare::socketio::{ArgRef, ArgsRef, Event, is_reserved};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashSet;

/// Why an event is not acted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn bad_request(message: impl Into<String>) -> Fault {
        Fault { code: "bad_request", message: message.into() }
    }

    pub(crate) fn rate_limited() -> Fault {
        Fault { code: "rate_limited", message: "too many messages".to_owned() }
    }

    pub(crate) fn not_allowed(message: impl Into<String>) -> Fault {
        Fault { code: "not_allowed", message: message.into() }
    }

    pub(crate) fn too_large(message: impl Into<String>) -> Fault {
        Fault { code: "too_large", message: message.into() }
    }
}

/// Whether a name may be given to a user, a group or an event.
pub(crate) fn check_name(field: &str, name: &str) -> Result<(), Fault> {
    if (1..=NAME_BYTES).contains(&name.len()) {
        Ok(())
    } else {
        Err(Fault::bad_request(format!("{field}: a name has 1 to {NAME_BYTES} bytes")))
    }
}

/// Whether an event may be sent under this name.
pub(crate) fn check_event(field: &str, name: &str) -> Result<(), Fault> {
    check_name(field, name)?;
    if is_reserved(name) {
        return Err(Fault {
            code: "reserved_event",
            message: format!("{field}: Socket.IO reserves {name:?}"),
        });
    }
    Ok(())
}

/// The payload of `register` and `unRegister`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) user: Option<String>,
    /// Each once.
    pub(super) groups: Vec<String>,
}

#[derive(Deserialize)]
struct NameFields<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    user: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    group: Option<&'a RawValue>,
}

impl Names {
    pub(super) fn read(event: &Event<'_>) -> Result<Names, Fault> {
        Names::parse(object(event)?.raw())
    }

    fn parse(payload: &str) -> Result<Names, Fault> {
        let fields: NameFields<'_> = parse(payload)?;
        let user: Option<String> = fields.user.map(|user| string("user", user)).transpose()?;
        let mut groups: Vec<String> = match fields.group.map(RawValue::get) {
            None => Vec::new(),
            Some(list) if list.starts_with('[') => serde_json::from_str(list)
                .map_err(|_| Fault::bad_request("group: expected a string or an array of strings"))?,
            Some(one) if one.starts_with('"') => vec![
                serde_json::from_str(one)
                    .map_err(|_| Fault::bad_request("group: expected a string or an array of strings"))?,
            ],
            Some(_) => return Err(Fault::bad_request("group: expected a string or an array of strings")),
        };
        if fields.user.is_none() && fields.group.is_none() {
            return Err(Fault::bad_request("user or group is missing"));
        }
        user.iter().try_for_each(|user| check_name("user", user))?;
        groups.iter().try_for_each(|group| check_name("group", group))?;
        let mut seen = HashSet::new();
        groups.retain(|group| seen.insert(group.clone()));
        Ok(Names { user, groups })
    }
}

/// The payload of `broadcastInfo`.
pub(super) struct Info<'a> {
    pub(super) room: String,
    pub(super) event: String,
    pub(super) text: ArgRef<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InfoFields<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    room_name: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    event_name: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    text: Option<&'a RawValue>,
}

impl<'a> Info<'a> {
    pub(super) fn read(event: &Event<'a>) -> Result<Info<'a>, Fault> {
        let fields: InfoFields<'a> = parse(object(event)?.raw())?;
        let room = required("roomName", fields.room_name)?;
        let name = required("eventName", fields.event_name)?;
        check_name("roomName", &room)?;
        check_event("eventName", &name)?;
        let missing = || Fault::bad_request("text is missing");
        let text = fields.text.ok_or_else(missing)?.get();
        // Its attachments are among those of the event.
        let text = ArgsRef::new(text, event.args().attachments()).iter().next().ok_or_else(missing)?;
        Ok(Info { room, event: name, text })
    }
}

/// The one argument.
fn object<'a>(event: &Event<'a>) -> Result<ArgRef<'a>, Fault> {
    let first = event.args().iter().next();
    first
        .filter(|arg| arg.raw().starts_with('{'))
        .ok_or_else(|| Fault::bad_request("expected an object as the first argument"))
}

fn parse<'a, T: Deserialize<'a>>(payload: &'a str) -> Result<T, Fault> {
    serde_json::from_str(payload)
        .map_err(|error| Fault::bad_request(format!("the payload cannot be read: {error}")))
}

fn required(field: &str, value: Option<&RawValue>) -> Result<String, Fault> {
    string(field, value.ok_or_else(|| Fault::bad_request(format!("{field} is missing")))?)
}

fn string(field: &str, value: &RawValue) -> Result<String, Fault> {
    serde_json::from_str(value.get()).map_err(|_| Fault::bad_request(format!("{field}: expected a string")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups_are_named_once_or_in_a_list() {
        let names = |user: Option<&str>, groups: &[&str]| {
            let groups = groups.iter().map(|group| (*group).to_owned()).collect();
            Ok(Names { user: user.map(str::to_owned), groups })
        };
        assert_eq!(Names::parse(r#"{"user":"u"}"#), names(Some("u"), &[]));
        assert_eq!(Names::parse(r#"{"group":"g"}"#), names(None, &["g"]));
        assert_eq!(Names::parse(r#"{"group":["g","h"],"user":"ü"}"#), names(Some("ü"), &["g", "h"]));
        assert_eq!(Names::parse(r#"{"group":[]}"#), names(None, &[]));
        assert_eq!(Names::parse(r#"{"group":["g","h","g","g"]}"#), names(None, &["g", "h"]));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let long = format!(r#"{{"user":"{}"}}"#, "x".repeat(NAME_BYTES + 1));
        for (payload, field) in [
            ("{}", "user or group"),
            (r#"{"user":5}"#, "user"),
            (r#"{"user":""}"#, "user"),
            (&long, "user"),
            (r#"{"group":5}"#, "group"),
            (r#"{"group":["a",5]}"#, "group"),
            (r#"{"user":"u","group":null}"#, "group"),
            (r#"{"group":["a",""]}"#, "group"),
        ] {
            let fault = Names::parse(payload).unwrap_err();
            assert_eq!(fault.code, "bad_request");
            assert!(fault.message.starts_with(field), "{payload}: {}", fault.message);
        }
        assert!(check_name("user", &"x".repeat(NAME_BYTES)).is_ok());
        assert_eq!(check_event("eventName", "disconnect").unwrap_err().code, "reserved_event");
    }
}
