//! The bodies of requests: from bytes to objects whose values are still text, or to one sentence that says what is wrong
//! and where.
//!
//! Strict, unlike the gateway: a field that is not known or is given twice is refused, because a program that misspells
//! a name would otherwise lose its messages without a word. What the fields mean is the business of whoever asks for them.

use crate::events;
use fanfare::{NAME_BYTES, Request, Response};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The most messages of one request.
pub(super) const MAX_MESSAGES: usize = 1_000;
/// The most rooms that one field may name.
const MAX_NAMES: usize = 1_000;
/// The most fields of one object; more than any form has.
const MAX_FIELDS: usize = 32;

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadBody {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl BadBody {
    fn bad(message: impl Into<String>) -> BadBody {
        BadBody { status: 400, code: "bad_request", message: message.into() }
    }

    pub(super) fn response(&self) -> Response {
        Response::error(self.status, self.code, &self.message)
    }
}

/// The text of a body that should be JSON.
pub(super) fn text_of<'a>(request: &Request<'a>) -> Result<&'a str, BadBody> {
    if !request.header("content-type").is_none_or(is_taken) {
        let message = "expected Content-Type: application/json".to_owned();
        return Err(BadBody { status: 415, code: "unsupported_media_type", message });
    }
    std::str::from_utf8(request.body()).map_err(|_| BadBody::bad("the body is not UTF-8"))
}

/// `application/json`, a type with the suffix `+json`, or what curl and others say when they were not told;
/// parameters do not matter.
fn is_taken(content_type: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(content_type) else { return false };
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    ["application/json", "application/x-www-form-urlencoded"].contains(&essence.as_str())
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// One object, or an array of them.
#[derive(Debug)]
pub(super) enum Body<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> Body<T> {
    /// Reads all of it, or nothing.
    pub(super) fn parse(
        text: &str,
        read: impl Fn(&Fields<'_>) -> Result<T, Fault>,
    ) -> Result<Body<T>, BadBody> {
        let item = |item: &RawValue| Fields::parse(item.get()).and_then(|fields| read(&fields));
        match text.trim_ascii_start().bytes().next() {
            None => Err(BadBody::bad("the body is empty")),
            Some(b'[') => {
                let Items(items) = json(text)?;
                let items = items.into_iter().enumerate();
                let read = items.map(|(index, one)| item(one).map_err(|fault| fault.at(Some(index))));
                Ok(Body::Many(read.collect::<Result<_, _>>()?))
            }
            // The whole text, so that an error tells line and column as its sender counts them.
            Some(b'{') => Ok(Body::One(item(json(text)?).map_err(|fault| fault.at(None))?)),
            Some(_) => Err(BadBody::bad("expected an object or an array of objects")),
        }
    }
}

/// Reads a body that is one object.
pub(super) fn parse_one<T>(text: &str, read: impl Fn(&Fields<'_>) -> Result<T, Fault>) -> Result<T, BadBody> {
    match Body::parse(text, read)? {
        Body::One(one) => Ok(one),
        Body::Many(_) => Err(BadBody::bad("expected an object")),
    }
}

fn json<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, BadBody> {
    serde_json::from_str(text).map_err(|error| {
        let what = error.to_string();
        if what.starts_with(TOO_MANY) {
            let message = format!("{MAX_MESSAGES} messages at most in one request");
            return BadBody { status: 413, code: "too_large", message };
        }
        BadBody::bad(format!("the body is not JSON: {what}"))
    })
}

/// What is wrong with one object, and with which field.
#[derive(Debug)]
pub(super) struct Fault {
    status: u16,
    code: &'static str,
    field: Option<String>,
    what: String,
}

impl Fault {
    pub(super) fn of(field: &str, what: impl Into<String>) -> Fault {
        // It may be a name that the sender chose.
        let short = field.chars().take(NAME_BYTES).collect();
        Fault { field: Some(short), ..Fault::whole(what) }
    }

    pub(super) fn whole(what: impl Into<String>) -> Fault {
        Fault { status: 400, code: "bad_request", field: None, what: what.into() }
    }

    /// A namespace that nobody can be in.
    pub(super) fn unknown_namespace(name: &str) -> Fault {
        Fault { status: 404, code: "unknown_namespace", ..Fault::of("namespace", not_served(name)) }
    }

    /// A fault of application 1, whose sentence begins with the name of the field.
    pub(super) fn of_event(field: &str, fault: &events::Fault) -> Fault {
        let what = fault.message.strip_prefix(field).unwrap_or(&fault.message);
        Fault { code: fault.code, ..Fault::of(field, what.trim_start_matches(':').trim_start()) }
    }

    /// As a sentence; the index is the object's place in an array.
    fn at(self, index: Option<usize>) -> BadBody {
        let Fault { status, code, field, what } = self;
        let message = match (index, field) {
            (None, None) => what,
            (None, Some(field)) => format!("{field}: {what}"),
            (Some(index), None) => format!("[{index}]: {what}"),
            (Some(index), Some(field)) => format!("[{index}].{field}: {what}"),
        };
        BadBody { status, code, message }
    }
}

/// What is said of a namespace that is not configured; the name is the sender's.
pub(super) fn not_served(name: &str) -> String {
    format!("{:?} is not served", name.chars().take(NAME_BYTES).collect::<String>())
}

/// The members of an object in their order, their values still text.
pub(super) struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    fn parse(text: &'a str) -> Result<Fields<'a>, Fault> {
        if !text.starts_with('{') {
            return Err(Fault::whole("expected an object"));
        }
        // It is JSON, so what is left to fail are names that are no text, and too many of them.
        serde_json::from_str(text).map_err(|error| Fault::whole(error.to_string()))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_ref())
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| *value)
    }

    /// A field that many programs write as `null` when they have nothing to say.
    pub(super) fn get_some(&self, name: &str) -> Option<&'a RawValue> {
        self.get(name).filter(|value| value.get() != "null")
    }

    pub(super) fn required(&self, name: &str) -> Result<&'a RawValue, Fault> {
        self.get(name).ok_or_else(|| Fault::of(name, "is missing"))
    }

    /// Every field is one of these, and there once.
    pub(super) fn check(&self, known: &[&str]) -> Result<(), Fault> {
        for (place, name) in self.names().enumerate() {
            if !known.contains(&name) {
                return Err(Fault::of(name, format!("unknown field; known here are {}", known.join(", "))));
            }
            if self.names().take(place).any(|before| before == name) {
                return Err(Fault::of(name, "is given more than once"));
            }
        }
        Ok(())
    }

    /// A string that has to be there.
    pub(super) fn string(&self, name: &str) -> Result<String, Fault> {
        string(name, self.required(name)?)
    }

    /// The namespace, which is the main one if nothing is said.
    pub(super) fn namespace(&self, served: &[String]) -> Result<String, Fault> {
        let namespace = match self.get_some("namespace") {
            Some(value) => string("namespace", value)?,
            None => events::NAMESPACE.to_owned(),
        };
        if served.contains(&namespace) { Ok(namespace) } else { Err(Fault::unknown_namespace(&namespace)) }
    }

    /// Names of rooms: an array, or one alone. None if nothing is said.
    pub(super) fn rooms(&self, name: &str) -> Result<Vec<String>, Fault> {
        let rooms: Vec<String> = match self.get_some(name) {
            None => Vec::new(),
            Some(one) if one.get().starts_with('"') => vec![string(name, one)?],
            Some(list) => serde_json::from_str(list.get())
                .map_err(|_| Fault::of(name, "expected a string or an array of strings"))?,
        };
        if rooms.len() > MAX_NAMES {
            return Err(Fault::of(name, format!("names {} rooms; {MAX_NAMES} at most", rooms.len())));
        }
        let checked = rooms.iter().try_for_each(|room| events::check_name(name, room));
        checked.map_err(|fault| Fault::of_event(name, &fault))?;
        Ok(rooms)
    }

    /// A whole number up to the most that there may be, if it is there.
    pub(super) fn number(&self, name: &str, most: u32) -> Result<Option<u32>, Fault> {
        let Some(value) = self.get_some(name) else { return Ok(None) };
        let number = value.get().parse().ok().filter(|number| *number <= most);
        number.map(Some).ok_or_else(|| Fault::of(name, format!("expected a whole number from 0 to {most}")))
    }

    /// Whether something is wanted.
    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, Fault> {
        match self.get_some(name).map(RawValue::get) {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(Fault::of(name, "expected true or false")),
        }
    }
}

fn string(name: &str, value: &RawValue) -> Result<String, Fault> {
    serde_json::from_str(value.get()).map_err(|_| Fault::of(name, "expected a string"))
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

    #[test]
    fn json_has_several_names() {
        for json in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.a+json ;x=1"] {
            assert!(is_taken(json.as_bytes()), "{json}");
        }
        for other in ["", "text/plain", "multipart/form-data", "application/jsonp", "json", "\u{e9}"] {
            assert!(!is_taken(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn rooms_are_a_list_or_one_alone() {
        let rooms = |value: &str| {
            let text = format!("{{\"in\":{value}}}");
            parse_one(&text, |fields| fields.rooms("in")).map_err(|refusal| refusal.message)
        };
        let ok = |names: &[&str]| Ok(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(rooms("null"), ok(&[]));
        assert_eq!(rooms("[]"), ok(&[]));
        assert_eq!(rooms("\"a,b\""), ok(&["a,b"]));
        assert_eq!(rooms("[\"\\u0061\", \"b\"]"), ok(&["a", "b"]));
        let long = format!("[\"{}\"]", "x".repeat(NAME_BYTES + 1));
        for bad in ["\"\"", "[\"a\",\"\"]", &long] {
            assert_eq!(rooms(bad).unwrap_err(), "in: a name has 1 to 256 bytes", "{bad}");
        }
        for bad in ["7", "{}", "[7]", "[[\"a\"]]", "[null]", "true"] {
            assert_eq!(rooms(bad).unwrap_err(), "in: expected a string or an array of strings", "{bad}");
        }
        let many = |count: usize| format!("[{}]", vec!["\"r\""; count].join(","));
        assert_eq!(rooms(&many(MAX_NAMES)).unwrap().len(), MAX_NAMES);
        assert_eq!(rooms(&many(MAX_NAMES + 1)).unwrap_err(), "in: names 1001 rooms; 1000 at most");
    }

    #[test]
    fn numbers_are_whole_and_have_a_bound() {
        let number = |value: &str| {
            parse_one(&format!("{{\"n\":{value}}}"), |fields| fields.number("n", 7))
                .map_err(|bad| bad.message)
        };
        assert_eq!((number("0"), number("7"), number("null")), (Ok(Some(0)), Ok(Some(7)), Ok(None)));
        for bad in ["8", "-1", "1.0", "\"1\"", "99999999999", "[1]"] {
            assert_eq!(number(bad).unwrap_err(), "n: expected a whole number from 0 to 7", "{bad}");
        }
    }

    #[test]
    fn flags_are_true_or_false() {
        let flag = |text: &str| parse_one(text, |fields| fields.flag("f", true));
        assert_eq!((flag("{}"), flag("{\"f\":null}")), (Ok(true), Ok(true)));
        assert_eq!((flag("{\"f\":true}"), flag("{\"f\":false}")), (Ok(true), Ok(false)));
        for bad in ["{\"f\":1}", "{\"f\":\"true\"}", "{\"f\":[]}"] {
            assert_eq!(flag(bad).unwrap_err().message, "f: expected true or false", "{bad}");
        }
        for no_object in ["[]", "[{}]"] {
            assert_eq!(flag(no_object).unwrap_err().message, "expected an object");
        }
    }
}
