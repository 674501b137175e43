//! The arguments of an event or an acknowledgement: JSON that is passed on as text, and bytes beside it.
//!
//! Owns: [`ArgsRef`] and [`ArgRef`], as received; [`Args`], to be sent. An argument goes from one to the other
//! without being parsed, and its attachments without being copied.
//! Leaves to others: packets ([`super::packet`]).

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::{placeholder, value};
use crate::wire::json::{self, Elements, JsonError};

/// Why something cannot be an argument.
#[derive(Debug)]
pub enum ArgsError {
    /// The text is not JSON, or nested deeper than [`json::MAX_DEPTH`].
    Json(JsonError),
    /// The value cannot be written as JSON.
    Value(serde_json::Error),
    /// An object that looks like a placeholder would go beside real ones, and a receiver could not tell them apart.
    Lookalike,
}

impl fmt::Display for ArgsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ArgsError::Json(error) => error.fmt(f),
            ArgsError::Value(error) => error.fmt(f),
            ArgsError::Lookalike => f.write_str("an object looks like a placeholder and is none"),
        }
    }
}

impl std::error::Error for ArgsError {}

impl From<JsonError> for ArgsError {
    fn from(error: JsonError) -> ArgsError {
        ArgsError::Json(error)
    }
}

/// Arguments to be sent. A call that fails leaves them as they were.
#[derive(Clone, Debug, Default)]
pub struct Args {
    /// Valid JSON values, joined by commas.
    json: String,
    /// Invariant: if there are any, every object in `json` that looks like a placeholder names one of them.
    attachments: Vec<Arc<[u8]>>,
    /// Some object only looks like a placeholder. Invariant: then there are no attachments.
    has_lookalike: bool,
}

impl Args {
    /// No arguments.
    pub fn new() -> Args {
        Args::default()
    }

    /// Adds a value; what it serializes as bytes becomes attachments.
    pub fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ArgsError> {
        let before = self.attachments.len();
        let result = value::write(value, &mut self.attachments)
            .map_err(ArgsError::Value)
            .and_then(|element| self.push_written(&element, before));
        if result.is_err() {
            self.attachments.truncate(before);
        }
        result
    }

    /// Adds a value that is JSON already.
    pub fn push_raw(&mut self, element: &str) -> Result<(), ArgsError> {
        self.push_plain(json::whole(element)?)
    }

    /// Adds bytes. Clients of 2026 and later take at most [`super::MAX_ATTACHMENTS`] with one packet.
    pub fn push_binary(&mut self, bytes: impl Into<Arc<[u8]>>) -> Result<(), ArgsError> {
        if self.has_lookalike {
            return Err(ArgsError::Lookalike);
        }
        self.separate();
        placeholder::write(self.attachments.len(), &mut self.json);
        self.attachments.push(bytes.into());
        Ok(())
    }

    /// Adds an argument as it was received, with the attachments that it names and no others.
    pub fn push_ref(&mut self, arg: ArgRef<'_>) -> Result<(), ArgsError> {
        let found = arg.placeholders()?;
        if found.is_empty() {
            return self.push_plain(arg.json);
        }
        if self.has_lookalike {
            return Err(ArgsError::Lookalike);
        }
        let nums: Option<Vec<usize>> =
            found.iter().map(|found| found.num.filter(|num| *num < arg.attachments.len())).collect();
        // The decoder lets no such argument through; one that was put together otherwise is no placeholder.
        let nums = nums.ok_or(ArgsError::Lookalike)?;
        self.separate();
        // Old numbers by new ones, which count on from the first.
        let first = self.attachments.len();
        let mut taken: Vec<usize> = Vec::new();
        let mut copied = 0;
        for (place, num) in found.iter().zip(nums) {
            let new = taken.iter().position(|old| *old == num).unwrap_or_else(|| {
                taken.push(num);
                self.attachments.push(Arc::clone(&arg.attachments[num]));
                taken.len() - 1
            });
            self.json.push_str(&arg.json[copied..place.start]);
            placeholder::write(first + new, &mut self.json);
            copied = place.end;
        }
        self.json.push_str(&arg.json[copied..]);
        Ok(())
    }

    /// The arguments, to be read or written.
    pub fn as_ref(&self) -> ArgsRef<'_> {
        ArgsRef { json: &self.json, attachments: &self.attachments }
    }

    /// Adds valid JSON whose attachments, if it has any, are the last ones.
    fn push_written(&mut self, element: &str, before: usize) -> Result<(), ArgsError> {
        let added = self.attachments.len() - before;
        if added == 0 {
            return self.push_plain(element);
        }
        let found = placeholder::find(element)?;
        let mut own = String::new();
        let mut numbers = before..;
        let all_own = found.iter().zip(&mut numbers).all(|(found, number)| {
            own.clear();
            placeholder::write(number, &mut own);
            element[found.start..found.end] == own
        });
        if self.has_lookalike || found.len() != added || !all_own {
            return Err(ArgsError::Lookalike);
        }
        self.separate();
        self.json.push_str(element);
        Ok(())
    }

    /// Adds valid JSON in which nothing is a placeholder.
    fn push_plain(&mut self, element: &str) -> Result<(), ArgsError> {
        if !placeholder::find(element)?.is_empty() {
            if !self.attachments.is_empty() {
                return Err(ArgsError::Lookalike);
            }
            self.has_lookalike = true;
        }
        self.separate();
        self.json.push_str(element);
        Ok(())
    }

    fn separate(&mut self) {
        if !self.json.is_empty() {
            self.json.push(',');
        }
    }
}

/// Arguments as they were received.
#[derive(Clone, Copy, Debug)]
pub struct ArgsRef<'a> {
    json: &'a str,
    attachments: &'a [Arc<[u8]>],
}

impl<'a> ArgsRef<'a> {
    /// Arguments out of valid JSON values joined by commas. If there are attachments, every placeholder names one.
    pub fn new(json: &'a str, attachments: &'a [Arc<[u8]>]) -> ArgsRef<'a> {
        ArgsRef { json, attachments }
    }

    /// One after the other. The text is scanned along the way: take what is needed in one pass.
    pub fn iter(self) -> impl Iterator<Item = ArgRef<'a>> {
        Elements::new(self.json).map(move |json| ArgRef { json, attachments: self.attachments })
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.json.is_empty()
    }

    /// The JSON values, joined by commas.
    pub fn json(self) -> &'a str {
        self.json
    }

    /// What the placeholders stand for, in the order of their numbers.
    pub fn attachments(self) -> &'a [Arc<[u8]>] {
        self.attachments
    }
}

/// One argument as it was received.
#[derive(Clone, Copy, Debug)]
pub struct ArgRef<'a> {
    json: &'a str,
    attachments: &'a [Arc<[u8]>],
}

impl<'a> ArgRef<'a> {
    /// The bytes, if the argument as a whole is binary.
    pub fn as_binary(self) -> Option<&'a [u8]> {
        let whole = self
            .placeholders()
            .ok()?
            .into_iter()
            .next()
            .filter(|found| found.end - found.start == self.json.len())?;
        self.attachments.get(whole.num?).map(|bytes| &bytes[..])
    }

    /// The argument as JSON, as it came.
    pub fn raw(self) -> &'a str {
        self.json
    }

    /// What the placeholders of its packet stand for.
    pub(super) fn attachments(self) -> &'a [Arc<[u8]>] {
        self.attachments
    }

    /// Without attachments nothing is a placeholder, whatever it looks like.
    fn placeholders(self) -> Result<Vec<placeholder::Placeholder>, JsonError> {
        if self.attachments.is_empty() { Ok(Vec::new()) } else { placeholder::find(self.json) }
    }
}
