//! Values of MessagePack as JSON text with placeholders. Owns: the bounds of what is made. Nesting ends at
//! [`json::MAX_DEPTH`], `bin` values at [`MAX_INLINE`].

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::sync::Arc;

use super::MAX_INLINE;
use super::source::{Item, Source};
use crate::wire::json;
use crate::wire::socketio::{BadPacket, MAX_ACK_ID, placeholder};

/// A payload as JSON, with what its placeholders stand for.
#[derive(Default)]
pub(in crate::wire) struct Data {
    pub(in crate::wire) json: String,
    pub(in crate::wire) attachments: Vec<Arc<[u8]>>,
    /// Some key is one that only placeholders have.
    has_lookalike: bool,
}

impl Data {
    /// With room for so many bytes of JSON.
    pub(in crate::wire) fn with_capacity(bytes: usize) -> Data {
        Data { json: String::with_capacity(bytes), ..Data::default() }
    }

    /// The same, if every placeholder in it is one.
    pub(in crate::wire) fn checked(self) -> Result<Data, BadPacket> {
        if self.has_lookalike && !self.attachments.is_empty() { Err(BadPacket::Lookalike) } else { Ok(self) }
    }

    /// Appends the value that starts with the item, inside of `depth` others. It calls itself for what is in it, at
    /// most [`json::MAX_DEPTH`] times.
    pub(in crate::wire) fn value(
        &mut self,
        item: Item<'_>,
        source: &mut Source<'_>,
        depth: usize,
    ) -> Result<(), BadPacket> {
        // Bytes are an object, their placeholder; an extension has one in an array.
        let levels = match item {
            Item::Array(_) | Item::Map(_) | Item::Binary(_) => 1,
            Item::Extension(..) => 2,
            _ => 0,
        };
        if depth + levels > json::MAX_DEPTH {
            return Err(BadPacket::TooDeep);
        }
        match item {
            Item::Null | Item::Undefined => self.json.push_str("null"),
            Item::Bool(value) => self.json.push_str(if value { "true" } else { "false" }),
            Item::Integer(number) => push_number(number, &mut self.json),
            Item::Float(number) => push_float(number, &mut self.json),
            Item::Text(text) => json::quote(&text, &mut self.json),
            Item::Date(millis) => push_date(millis, &mut self.json),
            Item::Binary(bytes) => self.binary(bytes)?,
            // As programs in JavaScript get one that they do not know.
            Item::Extension(kind, bytes) => {
                self.json.push('[');
                push_number(kind, &mut self.json);
                self.json.push(',');
                self.binary(bytes)?;
                self.json.push(']');
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

    fn binary(&mut self, bytes: &[u8]) -> Result<(), BadPacket> {
        if self.attachments.len() == MAX_INLINE {
            return Err(BadPacket::TooManyAttachments);
        }
        placeholder::write(self.attachments.len(), &mut self.json);
        self.attachments.push(bytes.into());
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

fn push_number(number: impl fmt::Display, json: &mut String) {
    // Writing to a string does not fail.
    let _ = write!(json, "{number}");
}

fn push_float(number: f64, json: &mut String) {
    // The largest integers that a float tells apart are written as such, as JavaScript does.
    if number.fract() == 0.0 && number.abs() <= MAX_ACK_ID as f64 {
        push_number(number as i64, json);
        return;
    }
    match serde_json::Number::from_f64(number) {
        Some(number) => push_number(number, json),
        None => json.push_str("null"),
    }
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
