//! Placeholders: what stands in a payload where its sender had bytes, `{"_placeholder":true,"num":0}`.
//!
//! Owns: finding them anywhere in a value, as the reference does: any object whose `_placeholder` is `true` is one,
//! whatever else it has; of equal keys the last counts. `num` has to be an integer (CVE-2022-2421).
//! Leaves to others: whether they count, which they do only in packets with attachments; what they stand for.

use crate::wire::json::{JsonError, LEVELS, Reader, Token, unquote};

/// A placeholder in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placeholder {
    /// Where its object starts, in bytes.
    pub start: usize,
    /// Where its object ends.
    pub end: usize,
    /// The attachment that it names; `None` if it names none.
    pub num: Option<usize>,
}

/// What the value to come means for the object it is in.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    Mark,
    Num,
    Other,
}

/// An array or object that is open.
struct Open {
    start: usize,
    /// How many were found before it.
    before: usize,
    role: Role,
    is_marked: bool,
    num: Option<usize>,
}

/// The placeholders of one JSON value, in order; they do not overlap.
pub fn find(json: &str) -> Result<Vec<Placeholder>, JsonError> {
    let mut found: Vec<Placeholder> = Vec::new();
    // Most values have none, and most of those do not have the letters either. An escape could hide them.
    if !json.contains("_placeholder") && !json.contains("\\u") {
        return Ok(found);
    }
    let mut opened: Vec<Open> = Vec::new();
    let mut reader = Reader::new(json, LEVELS);
    while let Some(token) = reader.next()? {
        match token {
            Token::End => {
                if let Some(object) = opened.pop()
                    && object.is_marked
                {
                    // The attachment takes the place of the object with all that is in it.
                    found.truncate(object.before);
                    found.push(Placeholder { start: object.start, end: reader.end(), num: object.num });
                }
            }
            Token::Key(key) => {
                if let Some(object) = opened.last_mut() {
                    object.role = role(key);
                }
            }
            value => {
                if let Some(object) = opened.last_mut() {
                    match object.role {
                        Role::Mark => object.is_marked = value == Token::Bool(true),
                        Role::Num => object.num = index(value),
                        Role::Other => {}
                    }
                }
                if matches!(value, Token::Object | Token::Array) {
                    opened.push(Open {
                        start: reader.start(),
                        before: found.len(),
                        role: Role::Other,
                        is_marked: false,
                        num: None,
                    });
                }
            }
        }
    }
    Ok(found)
}

/// Whether a key is the one that makes an object a placeholder.
pub fn is_mark(key: &str) -> bool {
    key == "_placeholder"
}

fn role(key: &str) -> Role {
    match &*unquote(key) {
        key if is_mark(key) => Role::Mark,
        "num" => Role::Num,
        _ => Role::Other,
    }
}

/// The integer that a value is, in whatever way it is written.
fn index(value: Token<'_>) -> Option<usize> {
    let Token::Number(number) = value else { return None };
    let number: f64 = number.parse().ok()?;
    // Every integer in the range is exact, and no packet has as many attachments.
    let is_index = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    is_index.then_some(number as usize)
}

/// Appends a placeholder for an attachment.
pub fn write(num: usize, json: &mut String) {
    json.push_str("{\"_placeholder\":true,\"num\":");
    json.push_str(&num.to_string());
    json.push('}');
}
