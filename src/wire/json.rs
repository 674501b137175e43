//! JSON that is scanned and not built (RFC 8259).
//!
//! Owns: [`Reader`], which takes a text apart into tokens one by one, without recursion and without memory of its
//! own, and what follows from it: where a value ends, the elements of a list, the members of an object, what a string
//! says.
//! Leaves to others: values; serde_json builds them where a program asks for them.

use std::borrow::Cow;
use std::fmt;

/// The deepest nesting of arrays and objects that is taken. serde_json refuses the 128th level, and a received
/// value has to fit into one more of our own around it.
pub const MAX_DEPTH: usize = 120;

/// The most levels that a [`Reader`] can hold.
pub const LEVELS: usize = 128;

/// How a text can fail to be JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonError {
    /// Something else than the grammar wants at this byte; the length of the text if it ends too early.
    Unexpected(usize),
    /// An array or an object inside of more than were allowed, at this byte.
    TooDeep(usize),
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JsonError::Unexpected(at) => write!(f, "not JSON from byte {at} on"),
            JsonError::TooDeep(at) => write!(f, "JSON is nested too deeply at byte {at}"),
        }
    }
}

impl std::error::Error for JsonError {}

/// A step through a text. The texts are raw: strings have their quotes and escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// `{`
    Object,
    /// A member's name, with its quotes; its value follows.
    Key(&'a str),
    /// `[`
    Array,
    /// `}` or `]`
    End,
    /// A string, with its quotes.
    Text(&'a str),
    /// A number.
    Number(&'a str),
    /// `true` or `false`
    Bool(bool),
    /// `null`
    Null,
}

/// What the grammar allows next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Value,
    /// Behind `[`.
    ValueOrEnd,
    /// Behind `{`.
    KeyOrEnd,
    /// Behind a value in an array or an object.
    CommaOrEnd,
    /// The value is whole.
    Nothing,
}

/// Reads one JSON value token by token; what is behind the value is not looked at.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    text: &'a str,
    start: usize,
    at: usize,
    expect: Expect,
    /// How many arrays and objects are open. Invariant: `depth <= max_depth <= LEVELS`.
    depth: usize,
    max_depth: usize,
    /// Bit `d` says that the container at depth `d` (from 0) is an object.
    objects: u128,
}

impl<'a> Reader<'a> {
    /// Reads the value at the start of `text`, in which at most `max_depth` (up to [`LEVELS`]) containers may be open at
    /// once.
    pub fn new(text: &'a str, max_depth: usize) -> Reader<'a> {
        assert!(max_depth <= LEVELS, "a bit for each level");
        Reader { text, start: 0, at: 0, expect: Expect::Value, depth: 0, max_depth, objects: 0 }
    }

    /// Where the last token starts, in bytes.
    pub fn start(&self) -> usize {
        self.start
    }

    /// Where the last token ends, in bytes: behind the value once that is whole. A key ends behind its colon.
    pub fn end(&self) -> usize {
        self.at
    }

    /// The next token, or `None` when the value is whole.
    #[expect(clippy::should_implement_trait, reason = "an iterator would go on behind an error")]
    pub fn next(&mut self) -> Result<Option<Token<'a>>, JsonError> {
        if self.expect == Expect::Nothing {
            return Ok(None);
        }
        self.skip_space();
        if self.expect == Expect::CommaOrEnd {
            if self.peek() != Some(b',') {
                return self.close().map(Some);
            }
            self.at += 1;
            self.skip_space();
            if self.in_object() {
                return self.key().map(Some);
            }
        }
        match (self.expect, self.peek()) {
            (Expect::KeyOrEnd, Some(b'}')) | (Expect::ValueOrEnd, Some(b']')) => self.close().map(Some),
            (Expect::KeyOrEnd, _) => self.key().map(Some),
            _ => self.value().map(Some),
        }
    }

    /// Reads to the end of the container whose token came last.
    pub fn leave(&mut self) -> Result<(), JsonError> {
        let inside = self.depth;
        while self.depth >= inside && self.next()?.is_some() {}
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn unexpected<T>(&self) -> Result<T, JsonError> {
        Err(JsonError::Unexpected(self.at))
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn in_object(&self) -> bool {
        self.depth > 0 && self.objects >> (self.depth - 1) & 1 == 1
    }

    /// A value has ended.
    fn ended(&mut self) {
        self.expect = if self.depth == 0 { Expect::Nothing } else { Expect::CommaOrEnd };
    }

    fn close(&mut self) -> Result<Token<'a>, JsonError> {
        self.start = self.at;
        if self.peek() != Some(if self.in_object() { b'}' } else { b']' }) {
            return self.unexpected();
        }
        self.at += 1;
        self.depth -= 1;
        self.ended();
        Ok(Token::End)
    }

    fn open(&mut self, token: Token<'a>) -> Result<Token<'a>, JsonError> {
        if self.depth == self.max_depth {
            return Err(JsonError::TooDeep(self.at));
        }
        let bit = 1 << self.depth;
        if token == Token::Object {
            self.objects |= bit;
            self.expect = Expect::KeyOrEnd;
        } else {
            self.objects &= !bit;
            self.expect = Expect::ValueOrEnd;
        }
        self.depth += 1;
        self.at += 1;
        Ok(token)
    }

    fn key(&mut self) -> Result<Token<'a>, JsonError> {
        self.start = self.at;
        let name = self.string()?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return self.unexpected();
        }
        self.at += 1;
        self.expect = Expect::Value;
        Ok(Token::Key(name))
    }

    fn value(&mut self) -> Result<Token<'a>, JsonError> {
        self.start = self.at;
        let token = match self.peek() {
            Some(b'{') => return self.open(Token::Object),
            Some(b'[') => return self.open(Token::Array),
            Some(b'"') => Token::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word("true", Token::Bool(true))?,
            Some(b'f') => self.word("false", Token::Bool(false))?,
            Some(b'n') => self.word("null", Token::Null)?,
            _ => return self.unexpected(),
        };
        self.ended();
        Ok(token)
    }

    fn word(&mut self, word: &str, token: Token<'a>) -> Result<Token<'a>, JsonError> {
        for &byte in word.as_bytes() {
            if self.peek() != Some(byte) {
                return self.unexpected();
            }
            self.at += 1;
        }
        Ok(token)
    }

    /// Section 6.
    fn number(&mut self) -> Result<Token<'a>, JsonError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Token::Number(&self.text[self.start..self.at]))
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let first = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == first { self.unexpected() } else { Ok(()) }
    }

    /// Section 7. An escape may name half of a surrogate pair: the grammar has it, and JavaScript writes it.
    fn string(&mut self) -> Result<&'a str, JsonError> {
        let bytes = self.text.as_bytes();
        let first = self.at;
        if self.peek() != Some(b'"') {
            return self.unexpected();
        }
        self.at += 1;
        loop {
            self.at += plain(&bytes[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(&self.text[first..self.at]);
                }
                Some(b'\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
                        Some(b'u') => {
                            self.at += 1;
                            for _ in 0..4 {
                                if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                                    return self.unexpected();
                                }
                                self.at += 1;
                            }
                        }
                        _ => return self.unexpected(),
                    }
                }
                _ => return self.unexpected(),
            }
        }
    }
}

/// How many bytes at the start of a string's inside stand for themselves: no quote, backslash or control character.
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    // The high bit of the lowest byte below `bound` is set, and none below it.
    let below = |word: u64, bound: u64| word.wrapping_sub(ONES * bound) & !word & HIGHS;
    let (words, rest) = bytes.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let special = below(word, 0x20)
            | below(word ^ (ONES * u64::from(b'"')), 1)
            | below(word ^ (ONES * u64::from(b'\\')), 1);
        if special != 0 {
            return i * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    words.len() * 8 + rest.iter().position(special).unwrap_or(rest.len())
}

/// Where the JSON value at the start of `text` ends. What follows is not looked at; for what is allowed see
/// [`Reader::new`].
pub fn scan(text: &str, max_depth: usize) -> Result<usize, JsonError> {
    let mut reader = Reader::new(text, max_depth);
    while reader.next()?.is_some() {}
    Ok(reader.end())
}

/// The JSON value that `text` is, nested at most [`MAX_DEPTH`] deep, without the space around it.
pub fn whole(text: &str) -> Result<&str, JsonError> {
    whole_within(text, MAX_DEPTH)
}

/// The same, nested at most as deep as is said; for what is allowed see [`Reader::new`].
pub fn whole_within(text: &str, max_depth: usize) -> Result<&str, JsonError> {
    let end = scan(text, max_depth)?;
    let (value, rest) = text.split_at(end);
    let rest = trim_start(rest);
    if rest.is_empty() { Ok(trim_start(value)) } else { Err(JsonError::Unexpected(text.len() - rest.len())) }
}

const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

fn trim(text: &str) -> &str {
    text.trim_matches(SPACE)
}

fn trim_start(text: &str) -> &str {
    text.trim_start_matches(SPACE)
}

/// The values of a list, raw and in order: what stands in an array between its brackets.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    rest: &'a str,
}

impl<'a> Elements<'a> {
    /// The values that `list` joins with commas. It was found valid before; otherwise they end at the first that is not.
    pub fn new(list: &'a str) -> Elements<'a> {
        Elements { rest: trim(list) }
    }

    /// What has not been returned yet.
    pub fn rest(&self) -> &'a str {
        self.rest
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let Ok(end) = scan(self.rest, LEVELS) else {
            self.rest = "";
            return None;
        };
        let (element, rest) = self.rest.split_at(end);
        self.rest = trim_start(rest).strip_prefix(',').map_or("", trim_start);
        Some(element)
    }
}

/// The elements of an array that was found valid.
pub fn elements(array: &str) -> Elements<'_> {
    Elements::new(inside(array))
}

/// The members of an object, each its raw name with quotes and its raw value.
#[derive(Clone, Debug)]
pub struct Members<'a> {
    rest: &'a str,
}

/// The members of an object that was found valid; none if it is no object.
pub fn members(object: &str) -> Members<'_> {
    let inside = object.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    Members { rest: inside.map_or("", trim) }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<(&'a str, &'a str)> {
        let (name, rest) = self.rest.split_at(scan(self.rest, LEVELS).ok()?);
        let rest = trim_start(trim_start(rest).strip_prefix(':')?);
        let (value, rest) = rest.split_at(scan(rest, LEVELS).ok()?);
        self.rest = trim_start(rest).strip_prefix(',').map_or("", trim_start);
        Some((name, value))
    }
}

/// What is between the brackets of an array that was found valid; nothing if it is no array.
pub fn inside(array: &str) -> &str {
    array.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).map_or("", trim)
}

/// What a string that was found valid says. Half a surrogate pair, which no text can hold, becomes U+FFFD.
pub fn unquote(string: &str) -> Cow<'_, str> {
    let inside = string.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(string);
    if !inside.contains('\\') {
        return Cow::Borrowed(inside);
    }
    let mut text = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some((before, escape)) = rest.split_once('\\') {
        text.push_str(before);
        let mut following = escape.chars();
        match following.next() {
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('t') => text.push('\t'),
            Some('u') => {
                let (character, behind) = unescape(escape);
                text.push(character);
                rest = behind;
                continue;
            }
            Some(itself) => text.push(itself),
            None => {}
        }
        rest = following.as_str();
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// The character of an escape, a `u` with four hexadecimal digits, or of a pair of them that are surrogates with a
/// backslash between; and what is behind it.
fn unescape(escape: &str) -> (char, &str) {
    fn unit(escape: &str) -> Option<(u16, &str)> {
        let (digits, behind) = escape.strip_prefix('u')?.split_at_checked(4)?;
        Some((u16::from_str_radix(digits, 16).ok()?, behind))
    }
    let Some((first, behind)) = unit(escape) else {
        return (char::REPLACEMENT_CHARACTER, escape);
    };
    let second = behind.strip_prefix('\\').and_then(unit);
    if let Some((second, behind)) = second
        && let Some(Ok(character)) = char::decode_utf16([first, second]).next()
        && character.len_utf16() == 2
    {
        return (character, behind);
    }
    (char::from_u32(u32::from(first)).unwrap_or(char::REPLACEMENT_CHARACTER), behind)
}

/// Appends `text` to `json` as a string, with quotes and escapes.
pub fn quote(text: &str, json: &mut String) {
    json.push('"');
    let mut rest = text;
    loop {
        let (before, from) = rest.split_at(plain(rest.as_bytes()));
        json.push_str(before);
        let mut following = from.chars();
        match following.next() {
            None => break,
            Some('\n') => json.push_str("\\n"),
            Some('\r') => json.push_str("\\r"),
            Some('\t') => json.push_str("\\t"),
            Some(itself @ ('"' | '\\')) => json.extend(['\\', itself]),
            Some(control) => {
                let digit = |value: u32| char::from_digit(value, 16).unwrap_or('0');
                let code = u32::from(control);
                json.push_str("\\u00");
                json.extend([digit(code >> 4), digit(code & 0xf)]);
            }
        }
        rest = following.as_str();
    }
    json.push('"');
}
