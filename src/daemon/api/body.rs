//! The body of a publish: its bytes to messages, or to one sentence that says what is wrong and where.
//!
//! Strict, unlike the gateway: a field that is not known, given twice or of no use to the mode is refused, because
//! a program that misspells `targetClientId` would otherwise lose its messages without a word.

use crate::gateway::{Address, Outgoing, check_id};
use fanfare::{Frame, NAME_BYTES, To};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The most messages of one request.
pub(super) const MAX_MESSAGES: usize = 1_000;
/// The most fields of one message; more than any form has.
const MAX_FIELDS: usize = 32;

const FIELDS: [&str; 6] = ["bizCode", "mode", "targetClientId", "group", "content", "msgId"];
/// The message of the one form that is known.
const KNOWN: &str = "known are messages with bizCode, mode, content, and targetClientId or group";

/// One message, ready to be delivered.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) to: To,
    pub(super) frame: Frame,
}

/// What a request holds.
#[derive(Debug)]
pub(super) enum Body {
    One(Parcel),
    Many(Vec<Parcel>),
}

/// Why a body is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadBody {
    /// Not JSON, or not a message.
    Bad(String),
    /// More than [`MAX_MESSAGES`].
    TooMany,
}

impl Body {
    /// Reads all of it, or nothing.
    pub(super) fn parse(bytes: &[u8]) -> Result<Body, BadBody> {
        let text =
            std::str::from_utf8(bytes).map_err(|_| BadBody::Bad("the body is not UTF-8".to_owned()))?;
        match text.trim_ascii_start().bytes().next() {
            None => Err(BadBody::Bad("the body is empty".to_owned())),
            Some(b'[') => {
                let Items(items) = json(text)?;
                let parcels = items.iter().enumerate().map(|(index, item)| {
                    let fields = Fields::parse(item.get());
                    fields.and_then(|fields| fields.parcel()).map_err(|fault| fault.at(Some(index)))
                });
                Ok(Body::Many(parcels.collect::<Result<_, _>>()?))
            }
            Some(b'{') => {
                // The whole text, so that an error tells line and column as its sender counts them.
                let item: &RawValue = json(text)?;
                let parcel = Fields::parse(item.get()).and_then(|fields| fields.parcel());
                Ok(Body::One(parcel.map_err(|fault| fault.at(None))?))
            }
            Some(_) => Err(BadBody::Bad("expected an object or an array of objects".to_owned())),
        }
    }
}

fn json<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, BadBody> {
    serde_json::from_str(text).map_err(|error| {
        let what = error.to_string();
        if what.starts_with(TOO_MANY) {
            return BadBody::TooMany;
        }
        BadBody::Bad(format!("the body is not JSON: {what}"))
    })
}

/// What is wrong with one message, and with which field.
#[derive(Debug)]
struct Fault {
    field: Option<String>,
    what: String,
}

impl Fault {
    fn of(field: &str, what: impl Into<String>) -> Fault {
        // It may be a name that the sender chose.
        let short = field.chars().take(NAME_BYTES).collect();
        Fault { field: Some(short), what: what.into() }
    }

    fn whole(what: impl Into<String>) -> Fault {
        Fault { field: None, what: what.into() }
    }

    /// As a sentence; the index is the message's place in an array.
    fn at(self, index: Option<usize>) -> BadBody {
        let Fault { field, what } = self;
        BadBody::Bad(match (index, field) {
            (None, None) => what,
            (None, Some(field)) => format!("{field}: {what}"),
            (Some(index), None) => format!("[{index}]: {what}"),
            (Some(index), Some(field)) => format!("[{index}].{field}: {what}"),
        })
    }
}

/// The members of an object in their order, their values still text.
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    fn parse(text: &'a str) -> Result<Fields<'a>, Fault> {
        if !text.starts_with('{') {
            return Err(Fault::whole("expected an object"));
        }
        // It is JSON, so what is left to fail are names that are no text, and too many of them.
        serde_json::from_str(text).map_err(|error| Fault::whole(error.to_string()))
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(found, _)| found == name)
    }

    fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| *value)
    }

    /// A field that many programs write as `null` when they have nothing to say.
    fn get_some(&self, name: &str) -> Option<&'a RawValue> {
        self.get(name).filter(|value| value.get() != "null")
    }

    fn required(&self, name: &str) -> Result<&'a RawValue, Fault> {
        self.get(name).ok_or_else(|| Fault::of(name, "is missing"))
    }

    fn check_names(&self) -> Result<(), Fault> {
        if !self.has("bizCode")
            && let Some(name) = ["namespace", "event", "roomName"].into_iter().find(|name| self.has(name))
        {
            return Err(Fault::of(name, format!("this form is not served yet; {KNOWN}")));
        }
        for (place, (name, _)) in self.0.iter().enumerate() {
            if !FIELDS.contains(&name.as_ref()) {
                return Err(Fault::of(name, format!("unknown field; {KNOWN}, and perhaps msgId")));
            }
            if self.0[..place].iter().any(|(before, _)| before == name) {
                return Err(Fault::of(name, "is given more than once"));
            }
        }
        Ok(())
    }

    fn parcel(&self) -> Result<Parcel, Fault> {
        self.check_names()?;
        let domain: String = serde_json::from_str(self.required("bizCode")?.get())
            .map_err(|_| Fault::of("bizCode", "expected a string"))?;
        if !(1..=NAME_BYTES).contains(&domain.len()) {
            return Err(Fault::of("bizCode", format!("has 1 to {NAME_BYTES} bytes")));
        }
        let mode = self.required("mode")?;
        let (mode, own, other) = match mode.get() {
            "100" => (100, "targetClientId", &["group"][..]),
            "200" => (200, "group", &["targetClientId"][..]),
            "300" => (300, "", &["targetClientId", "group"][..]),
            _ => return Err(Fault::of("mode", "expected 100, 200 or 300")),
        };
        if let Some(name) = other.iter().find(|name| self.get_some(name).is_some()) {
            return Err(Fault::of(name, format!("mode {mode} does not take it")));
        }
        let (target, group) = (self.get_some("targetClientId"), self.get_some("group"));
        let address = Address::read(mode, target, group).map_err(|fault| {
            // A fault of the gateway begins with the name of the field as part of its sentence.
            let what = fault.message.strip_prefix(own).unwrap_or(&fault.message);
            Fault::of(own, what.trim_start_matches(':').trim_start())
        })?;
        let content = self.required("content")?;
        let msg_id = self.get_some("msgId");
        check_id(msg_id).map_err(|_| Fault::of("msgId", "expected a string or a number"))?;
        Ok(Parcel { to: address.to(&domain), frame: Outgoing { msg_id, mode, group, content }.frame(None) })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Fields<'a>, D::Error> {
        from.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            if fields.len() == MAX_FIELDS {
                return Err(A::Error::custom(format!("more than {MAX_FIELDS} fields")));
            }
            fields.push((name, map.next_value()?));
        }
        Ok(Fields(fields))
    }
}

/// A name, borrowed unless it has escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// The elements of an array, still text; one more than allowed ends the reading.
struct Items<'a>(Vec<&'a RawValue>);

const TOO_MANY: &str = "too many elements";

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Items<'a>, D::Error> {
        from.deserialize_seq(ItemsVisitor)
    }
}

struct ItemsVisitor;

impl<'de> Visitor<'de> for ItemsVisitor {
    type Value = Items<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Items<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            if items.len() == MAX_MESSAGES {
                return Err(A::Error::custom(TOO_MANY));
            }
            items.push(item);
        }
        Ok(Items(items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        match Body::parse(text.as_bytes()) {
            Err(BadBody::Bad(message)) => message,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn payload(text: &str) -> String {
        let Ok(Body::One(parcel)) = Body::parse(text.as_bytes()) else { panic!("{text}") };
        // Two bytes of header, or four when the payload has 126 bytes and more.
        let header = if parcel.frame[1] == 126 { 4 } else { 2 };
        String::from_utf8(parcel.frame[header..].to_vec()).unwrap()
    }

    #[test]
    fn content_and_id_keep_their_bytes() {
        let text = r#" {"content": {"b":1.0, "a":"\u00e9\/","a":1e400} ,"msgId":18446744073709551617,
            "bizCode":"d1","mode":300}"#;
        let expected =
            r#"{"msgId":18446744073709551617,"mode":300,"content":{"b":1.0, "a":"\u00e9\/","a":1e400}}"#;
        assert_eq!(payload(text), expected);
        let text = r#"{"bizCode":"d1","mode":200,"group":"g\u0031,g2","targetClientId":null,"content":null}"#;
        assert_eq!(payload(text), r#"{"msgId":null,"mode":200,"group":"g\u0031,g2","content":null}"#);
        let Ok(Body::One(parcel)) = Body::parse(text.as_bytes()) else { panic!() };
        assert_eq!(parcel.to, To::room("d1", "#g1").and_room("#g2"));
    }

    #[test]
    fn faults_name_the_place() {
        for (text, message) in [
            ("", "the body is empty"),
            ("3", "expected an object or an array of objects"),
            (r#"{"mode":300,"content":1}"#, "bizCode: is missing"),
            (r#"{"bizCode":1,"mode":300,"content":1}"#, "bizCode: expected a string"),
            (r#"{"bizCode":"","mode":300,"content":1}"#, "bizCode: has 1 to 256 bytes"),
            (r#"{"bizCode":"d","content":1}"#, "mode: is missing"),
            (r#"{"bizCode":"d","mode":1,"content":1}"#, "mode: expected 100, 200 or 300"),
            (r#"{"bizCode":"d","mode":"100","content":1}"#, "mode: expected 100, 200 or 300"),
            (r#"{"bizCode":"d","mode":100,"content":1}"#, "targetClientId: is missing"),
            (
                r#"{"bizCode":"d","mode":100,"targetClientId":7,"content":1}"#,
                "targetClientId: expected a string",
            ),
            (
                r#"{"bizCode":"d","mode":100,"targetClientId":"","content":1}"#,
                "targetClientId: has 1 to 256 bytes",
            ),
            (r#"{"bizCode":"d","mode":200,"content":1}"#, "group: is missing"),
            (
                r#"{"bizCode":"d","mode":200,"group":"a,","content":1}"#,
                "group: the name of a group has 1 to 256 bytes",
            ),
            (r#"{"bizCode":"d","mode":300,"group":"a","content":1}"#, "group: mode 300 does not take it"),
            (r#"{"bizCode":"d","mode":300}"#, "content: is missing"),
            (r#"{"bizCode":"d","mode":300,"content":1,"msgId":[]}"#, "msgId: expected a string or a number"),
            (r#"{"bizCode":"d","bizCode":"e","mode":300,"content":1}"#, "bizCode: is given more than once"),
            (
                r#"[{"bizCode":"d","mode":300,"content":1},{"bizCode":"d","mode":4,"content":1}]"#,
                "[1].mode: expected 100, 200 or 300",
            ),
            ("[[]]", "[0]: expected an object"),
        ] {
            assert_eq!(fault(text), message, "{text}");
        }
        let unknown = r#"[{"bizCode":"d","mode":300,"content":1,"from":"x"}]"#;
        assert!(fault(unknown).starts_with("[0].from: unknown field; known are"));
        assert!(fault(r#"{"roomName":"R","eventName":"E","text":1}"#).starts_with("roomName: this form"));
        assert!(fault(r#"{"bizCode":"d","mode":300,"content":01}"#).starts_with("the body is not JSON: "));
        let long = format!(r#"{{"{}":1}}"#, "é".repeat(100_000));
        assert!(fault(&long).len() < 1_000);
        let many: Vec<String> = (0..=MAX_FIELDS).map(|i| format!("\"f{i}\":1")).collect();
        assert!(fault(&format!("{{{}}}", many.join(","))).starts_with("more than 32 fields"));
        let bytes = Body::parse(b"\xff");
        assert!(matches!(bytes, Err(BadBody::Bad(message)) if message == "the body is not UTF-8"));
    }

    #[test]
    fn a_thousand_and_no_more() {
        let item = r#"{"bizCode":"d","mode":300,"content":1}"#;
        let array = |count: usize| format!("[{}]", vec![item; count].join(","));
        assert!(matches!(Body::parse(array(1_000).as_bytes()), Ok(Body::Many(all)) if all.len() == 1_000));
        assert_eq!(Body::parse(array(1_001).as_bytes()).unwrap_err(), BadBody::TooMany);
        assert!(matches!(Body::parse(b"[]"), Ok(Body::Many(all)) if all.is_empty()));
    }

    #[test]
    fn a_deep_content_is_only_text() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let text = format!(r#"{{"bizCode":"d","mode":300,"content":{deep}}}"#);
        assert!(Body::parse(text.as_bytes()).is_ok());
    }
}
