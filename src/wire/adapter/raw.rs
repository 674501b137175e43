//! A value as it came, JSON or MessagePack, that is taken apart only as far as needed.
//!
//! Owns: that both can be read in the same way. Lengths, depth and UTF-8 of the whole were checked when it was made, so
//! that parts of it are parts.

use std::borrow::Cow;

use super::{BadMessage, Payload};
use crate::wire::json::{self, LEVELS};
use crate::wire::socketio::BadPacket;
use crate::wire::socketio::msgpack::source::{Extensions, Item, Source};
use crate::wire::socketio::msgpack::text::Data;

/// A whole value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Raw<'a> {
    Json(&'a str),
    Packed(&'a [u8]),
}

impl<'a> Raw<'a> {
    /// The value that the bytes are from first to last. It is JSON if it begins as an object or an array, which no
    /// message in MessagePack does.
    pub(super) fn whole(bytes: &'a [u8]) -> Result<Raw<'a>, BadMessage> {
        if let Some(b'{' | b'[') = bytes.first() {
            let text = std::str::from_utf8(bytes).map_err(|_| BadMessage::Utf8)?;
            return Ok(Raw::Json(json::whole_within(text, LEVELS)?));
        }
        let mut source = packed(bytes);
        source.skip()?;
        if source.rest().is_empty() { Ok(Raw::Packed(bytes)) } else { Err(BadPacket::Trailing.into()) }
    }

    /// The values of a map's fields with these names, the last of each; null is none. `None` if it is no map.
    pub(super) fn find<const N: usize>(self, names: [&str; N]) -> Option<[Option<Raw<'a>>; N]> {
        let mut found = [None; N];
        let mut keep = |name: &str, value: Raw<'a>| {
            if let Some(place) = names.iter().position(|wanted| *wanted == name) {
                found[place] = Some(value).filter(|value| !value.is_null());
            }
        };
        match self {
            Raw::Json(text) => {
                text.starts_with('{').then_some(())?;
                json::members(text).for_each(|(name, value)| keep(&json::unquote(name), Raw::Json(value)));
            }
            Raw::Packed(bytes) => {
                let mut source = packed(bytes);
                let Ok(Item::Map(fields)) = source.item() else { return None };
                for _ in 0..fields {
                    let (key, value) = (source.take().ok()?, source.take().ok()?);
                    if let Ok(Item::Text(name)) = packed(key).item() {
                        keep(&name, Raw::Packed(value));
                    }
                }
            }
        }
        Some(found)
    }

    /// The elements of an array; `None` if it is none.
    pub(super) fn elements(self) -> Option<Elements<'a>> {
        match self {
            Raw::Json(text) => text.starts_with('[').then(|| Elements::Json(json::elements(text))),
            Raw::Packed(bytes) => {
                let mut source = packed(bytes);
                match source.item() {
                    Ok(Item::Array(left)) => Some(Elements::Packed { source, left }),
                    _ => None,
                }
            }
        }
    }

    pub(super) fn is_null(self) -> bool {
        match self {
            Raw::Json(text) => text == "null",
            Raw::Packed(_) => matches!(self.item(), Some(Item::Null | Item::Undefined)),
        }
    }

    pub(super) fn is_empty_map(self) -> bool {
        match self {
            Raw::Json(text) => text.starts_with('{') && json::members(text).next().is_none(),
            Raw::Packed(_) => matches!(self.item(), Some(Item::Map(0))),
        }
    }

    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Raw::Json(text) => text.starts_with('"').then(|| json::unquote(text)),
            Raw::Packed(_) => match self.item()? {
                Item::Text(text) => Some(text),
                _ => None,
            },
        }
    }

    /// A text, or a number as JavaScript would print it if it is an integer.
    pub(super) fn name(self) -> Option<Cow<'a, str>> {
        self.text().or_else(|| {
            let number = self.number().filter(|number| number.fract() == 0.0 && number.abs() < 1e15)?;
            Some(Cow::Owned((number as i64).to_string()))
        })
    }

    pub(super) fn boolean(self) -> Option<bool> {
        match self {
            Raw::Json("true") => Some(true),
            Raw::Json("false") => Some(false),
            Raw::Json(_) => None,
            Raw::Packed(_) => match self.item()? {
                Item::Bool(value) => Some(value),
                _ => None,
            },
        }
    }

    /// An integer that is not negative; a number with a fraction is cut off.
    pub(super) fn integer(self) -> Option<u64> {
        let exact = match self {
            Raw::Json(text) => text.parse().ok(),
            Raw::Packed(_) => match self.item()? {
                Item::Integer(number) => u64::try_from(number).ok(),
                _ => None,
            },
        };
        exact.or_else(|| self.number().filter(|number| *number >= 0.0).map(|number| number as u64))
    }

    fn number(self) -> Option<f64> {
        match self {
            Raw::Json(text) => {
                let first = text.bytes().next()?;
                (first == b'-' || first.is_ascii_digit()).then(|| text.parse().ok())?
            }
            Raw::Packed(_) => match self.item()? {
                Item::Integer(number) => Some(number as f64),
                Item::Float(number) => Some(number),
                _ => None,
            },
        }
    }

    /// The value as JSON with attachments.
    pub(super) fn payload(self) -> Result<Payload<'a>, BadMessage> {
        match self {
            Raw::Json(text) => Ok(Payload::new(json::whole(text)?, Vec::new())),
            Raw::Packed(bytes) => {
                let mut source = packed(bytes);
                let mut data = Data::with_capacity(bytes.len() + 16);
                data.value(source.item()?, &mut source, 0)?;
                let Data { json, attachments, .. } = data.checked()?;
                Ok(Payload::new(json, attachments))
            }
        }
    }

    /// The first item of a value in MessagePack.
    fn item(self) -> Option<Item<'a>> {
        match self {
            Raw::Json(_) => None,
            Raw::Packed(bytes) => packed(bytes).item().ok(),
        }
    }
}

fn packed(bytes: &[u8]) -> Source<'_> {
    Source::new(bytes, Extensions::All)
}

/// The elements of an array, in order.
pub(super) enum Elements<'a> {
    Json(json::Elements<'a>),
    Packed {
        source: Source<'a>,
        /// How many are left, as was announced.
        left: u32,
    },
}

impl<'a> Iterator for Elements<'a> {
    type Item = Raw<'a>;

    fn next(&mut self) -> Option<Raw<'a>> {
        match self {
            Elements::Json(elements) => elements.next().map(Raw::Json),
            Elements::Packed { source, left } => {
                *left = left.checked_sub(1)?;
                source.take().ok().map(Raw::Packed)
            }
        }
    }
}
