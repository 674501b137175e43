//! Reading a packet. Owns: the bounds. A length that is announced is never allocated; nesting ends at
//! [`json::MAX_DEPTH`].

use std::borrow::Cow;
use std::sync::Arc;

use rmp::Marker;

use super::MAX_INLINE;
use crate::wire::json;
use crate::wire::socketio::{
    BadPacket, MAX_ACK_ID, Packet, PacketType, check_data, check_namespace, placeholder,
};

/// Reads a packet, which the bytes have to be from their first to their last.
pub fn decode(bytes: &[u8]) -> Result<Packet, BadPacket> {
    let mut source = Source { rest: bytes };
    let Item::Map(fields) = source.item()? else { return Err(BadPacket::UnknownType) };
    let (mut kind, mut namespace, mut id, mut data) = (None, None, None, Data::default());
    for _ in 0..fields {
        let key = match source.item()? {
            Item::Text(key) => key,
            Item::Integer(_) => Cow::Borrowed(""),
            _ => return Err(BadPacket::Key),
        };
        match &*key {
            "type" => match source.item()? {
                Item::Integer(number @ 0..=4) => kind = PacketType::from_number(number as u64),
                _ => return Err(BadPacket::UnknownType),
            },
            "nsp" => match source.item()? {
                Item::Text(name) => namespace = Some(name),
                _ => return Err(BadPacket::Namespace),
            },
            "id" => match source.item()? {
                Item::Integer(number) if (0..=i128::from(MAX_ACK_ID)).contains(&number) => {
                    id = Some(number as u64)
                }
                Item::Undefined => id = None,
                _ => return Err(BadPacket::AckId),
            },
            "data" => {
                data = Data::default();
                match source.item()? {
                    Item::Undefined => {}
                    // As JSON they would look like what a payload may be.
                    Item::Binary(_) | Item::Date(_) => return Err(BadPacket::Payload),
                    item => data.value(item, &mut source, 0)?,
                }
            }
            _ => source.skip()?,
        }
    }
    if !source.rest.is_empty() {
        return Err(BadPacket::Trailing);
    }
    if data.has_lookalike && !data.attachments.is_empty() {
        return Err(BadPacket::Lookalike);
    }
    let kind = kind.ok_or(BadPacket::UnknownType)?;
    let namespace = namespace.ok_or(BadPacket::Namespace)?.into_owned();
    check_namespace(&namespace)?;
    check_data(kind, &data.json)?;
    Ok(Packet { kind, namespace, query: None, id, data: data.json, attachments: data.attachments })
}

/// A value, or the head of one whose parts follow.
enum Item<'a> {
    Null,
    Bool(bool),
    /// Either of the 64-bit kinds.
    Integer(i128),
    Float(f64),
    Text(Cow<'a, str>),
    Binary(&'a [u8]),
    Undefined,
    /// Milliseconds since 1970.
    Date(i64),
    /// So many values follow.
    Array(u32),
    /// So many pairs of a key and a value follow.
    Map(u32),
}

/// What has not been read yet.
struct Source<'a> {
    rest: &'a [u8],
}

impl<'a> Source<'a> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], BadPacket> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(BadPacket::Truncated)?;
        self.rest = rest;
        Ok(*bytes)
    }

    /// A big-endian number of `N` bytes, at most four.
    fn length<const N: usize>(&mut self) -> Result<u32, BadPacket> {
        Ok(self.bytes::<N>()?.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    fn slice(&mut self, len: u32) -> Result<&'a [u8], BadPacket> {
        let (bytes, rest) = self.rest.split_at_checked(len as usize).ok_or(BadPacket::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn text(&mut self, len: u32) -> Result<Item<'a>, BadPacket> {
        Ok(Item::Text(String::from_utf8_lossy(self.slice(len)?)))
    }

    fn typed_array(&mut self, len: u32) -> Result<Item<'a>, BadPacket> {
        self.extension()?;
        Ok(Item::Binary(self.slice(len)?))
    }

    /// The type of an extension, if it is the one of the package.
    fn extension(&mut self) -> Result<(), BadPacket> {
        match i8::from_be_bytes(self.bytes()?) {
            0 => Ok(()),
            other => Err(BadPacket::Extension(other)),
        }
    }

    fn item(&mut self) -> Result<Item<'a>, BadPacket> {
        let [first] = self.bytes()?;
        Ok(match Marker::from_u8(first) {
            Marker::Null => Item::Null,
            Marker::True => Item::Bool(true),
            Marker::False => Item::Bool(false),
            Marker::FixPos(number) => Item::Integer(number.into()),
            Marker::U8 => Item::Integer(u8::from_be_bytes(self.bytes()?).into()),
            Marker::U16 => Item::Integer(u16::from_be_bytes(self.bytes()?).into()),
            Marker::U32 => Item::Integer(u32::from_be_bytes(self.bytes()?).into()),
            Marker::U64 => Item::Integer(u64::from_be_bytes(self.bytes()?).into()),
            Marker::FixNeg(number) => Item::Integer(number.into()),
            Marker::I8 => Item::Integer(i8::from_be_bytes(self.bytes()?).into()),
            Marker::I16 => Item::Integer(i16::from_be_bytes(self.bytes()?).into()),
            Marker::I32 => Item::Integer(i32::from_be_bytes(self.bytes()?).into()),
            Marker::I64 => Item::Integer(i64::from_be_bytes(self.bytes()?).into()),
            Marker::F32 => Item::Float(f32::from_be_bytes(self.bytes()?).into()),
            Marker::F64 => Item::Float(f64::from_be_bytes(self.bytes()?)),
            Marker::FixStr(len) => self.text(len.into())?,
            Marker::Str8 => self.length::<1>().and_then(|len| self.text(len))?,
            Marker::Str16 => self.length::<2>().and_then(|len| self.text(len))?,
            Marker::Str32 => self.length::<4>().and_then(|len| self.text(len))?,
            Marker::Bin8 => self.length::<1>().and_then(|len| self.slice(len)).map(Item::Binary)?,
            Marker::Bin16 => self.length::<2>().and_then(|len| self.slice(len)).map(Item::Binary)?,
            Marker::Bin32 => self.length::<4>().and_then(|len| self.slice(len)).map(Item::Binary)?,
            Marker::FixArray(len) => Item::Array(len.into()),
            Marker::Array16 => Item::Array(self.length::<2>()?),
            Marker::Array32 => Item::Array(self.length::<4>()?),
            Marker::FixMap(len) => Item::Map(len.into()),
            Marker::Map16 => Item::Map(self.length::<2>()?),
            Marker::Map32 => Item::Map(self.length::<4>()?),
            Marker::Ext8 => self.length::<1>().and_then(|len| self.typed_array(len))?,
            Marker::Ext16 => self.length::<2>().and_then(|len| self.typed_array(len))?,
            Marker::Ext32 => self.length::<4>().and_then(|len| self.typed_array(len))?,
            Marker::FixExt1 => {
                self.extension()?;
                self.bytes::<1>()?;
                Item::Undefined
            }
            Marker::FixExt8 => {
                self.extension()?;
                Item::Date(i64::from_be_bytes(self.bytes()?))
            }
            // The package writes its extension in no other way.
            Marker::FixExt2 | Marker::FixExt4 | Marker::FixExt16 => {
                return Err(BadPacket::Extension(i8::from_be_bytes(self.bytes()?)));
            }
            Marker::Reserved => return Err(BadPacket::Reserved),
        })
    }

    /// Passes over a value, however deep it is.
    fn skip(&mut self) -> Result<(), BadPacket> {
        // An item is at least a byte, so that lies about their number end with the input.
        let mut left = 1u64;
        while left > 0 {
            left -= 1;
            match self.item()? {
                Item::Array(len) => left += u64::from(len),
                Item::Map(len) => left += 2 * u64::from(len),
                _ => {}
            }
        }
        Ok(())
    }
}

/// A payload as JSON, with what its placeholders stand for.
#[derive(Default)]
struct Data {
    json: String,
    attachments: Vec<Arc<[u8]>>,
    /// Some key is one that only placeholders have.
    has_lookalike: bool,
}

impl Data {
    /// Appends the value that starts with the item, inside of `depth` others. It calls itself for what is in it, at
    /// most [`json::MAX_DEPTH`] times.
    fn value(&mut self, item: Item<'_>, source: &mut Source<'_>, depth: usize) -> Result<(), BadPacket> {
        // Bytes are an object, their placeholder.
        if depth == json::MAX_DEPTH && matches!(item, Item::Array(_) | Item::Map(_) | Item::Binary(_)) {
            return Err(BadPacket::TooDeep);
        }
        match item {
            Item::Null | Item::Undefined => self.json.push_str("null"),
            Item::Bool(value) => self.json.push_str(if value { "true" } else { "false" }),
            Item::Integer(number) => self.json.push_str(&number.to_string()),
            Item::Float(number) => push_float(number, &mut self.json),
            Item::Text(text) => json::quote(&text, &mut self.json),
            Item::Date(millis) => push_date(millis, &mut self.json),
            Item::Binary(bytes) => {
                if self.attachments.len() == MAX_INLINE {
                    return Err(BadPacket::TooManyAttachments);
                }
                placeholder::write(self.attachments.len(), &mut self.json);
                self.attachments.push(bytes.into());
            }
            Item::Array(len) => {
                self.json.push('[');
                for i in 0..len {
                    if i > 0 {
                        self.json.push(',');
                    }
                    self.value(source.item()?, source, depth + 1)?;
                }
                self.json.push(']');
            }
            Item::Map(len) => {
                self.json.push('{');
                for i in 0..len {
                    if i > 0 {
                        self.json.push(',');
                    }
                    self.key(source.item()?)?;
                    self.value(source.item()?, source, depth + 1)?;
                }
                self.json.push('}');
            }
        }
        Ok(())
    }

    fn key(&mut self, item: Item<'_>) -> Result<(), BadPacket> {
        let key = match item {
            Item::Text(key) => key,
            Item::Integer(number) => Cow::Owned(number.to_string()),
            _ => return Err(BadPacket::Key),
        };
        self.has_lookalike |= placeholder::is_mark(&key);
        json::quote(&key, &mut self.json);
        self.json.push(':');
        Ok(())
    }
}

fn push_float(number: f64, json: &mut String) {
    // The largest integers that a float tells apart are written as such, as JavaScript does.
    if number.fract() == 0.0 && number.abs() <= MAX_ACK_ID as f64 {
        json.push_str(&(number as i64).to_string());
        return;
    }
    // A number that is not finite is written as null.
    json.push_str(&serde_json::Value::from(number).to_string());
}

const DAY_MS: i64 = 86_400_000;
/// The farthest that a date of JavaScript is from 1970, in days.
const MOST_DAYS: i64 = 100_000_000;

/// Appends a date as JSON has it from JavaScript: `"1970-01-01T00:00:00.000Z"`, or null if there is no such date.
fn push_date(millis: i64, json: &mut String) {
    if millis.unsigned_abs() > (MOST_DAYS * DAY_MS) as u64 {
        json.push_str("null");
        return;
    }
    let (year, month, day) = civil(millis.div_euclid(DAY_MS));
    let time = millis.rem_euclid(DAY_MS);
    let year = if (0..=9999).contains(&year) { format!("{year:04}") } else { format!("{year:+07}") };
    json.push_str(&format!(
        "\"{year}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z\"",
        time / 3_600_000,
        time / 60_000 % 60,
        time / 1_000 % 60,
        time % 1_000,
    ));
}

/// Year, month and day of the Gregorian calendar, `days` after the first of January 1970.
fn civil(days: i64) -> (i64, i64, i64) {
    // The calendar repeats every 400 years. Years begin with March here, so that a leap day is the last of its year:
    // the day number of a month's first is then the same in every year.
    const CYCLE_DAYS: i64 = 146_097;
    const MARCH_FIRST_0: i64 = -719_468;
    let since = days - MARCH_FIRST_0;
    let (cycle, day) = (since.div_euclid(CYCLE_DAYS), since.rem_euclid(CYCLE_DAYS));
    // A year over-counts by the leap days before it: one in 4 years, none in 100.
    let leaps = |year: i64| year / 4 - year / 100;
    let mut year = day / 365;
    while year > 399 || day < 365 * year + leaps(year) {
        year -= 1;
    }
    let day = day - 365 * year - leaps(year);
    // Months of 31, 30, 31, 30, 31 days, from March and again from August and January: 153 in five.
    let month = (5 * day + 2) / 153;
    let first = (153 * month + 2) / 5;
    let year = 400 * cycle + year + i64::from(month >= 10);
    (year, if month < 10 { month + 3 } else { month - 9 }, day - first + 1)
}
