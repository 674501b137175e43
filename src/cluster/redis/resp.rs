//! RESP3, the bytes between a client and Redis: commands are written, frames are found and walked through.
//!
//! A frame is looked at in place, as a flat walk over its tokens, so that nothing recurses and nothing is allocated because
//! of an announced length: the buffer grows with the bytes that came. A search continues where it ended, however the bytes
//! are cut. Attributes and streamed types, which Redis does not send unasked, are errors.

use std::fmt;
use std::io::Write;

/// What the buffer has at rest, and what is read at once, in bytes.
const BUFFER_BYTES: usize = 64 << 10;
/// The longest line: errors and simple texts are that, bulk texts are not.
const LINE_BYTES: usize = 64 << 10;

/// Bytes that are not RESP3, or too many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RespError {
    /// A type that is unknown or not expected here.
    Type(u8),
    /// A length or a number that is none.
    Number,
    /// A text that does not end where it said, or a line that does not end.
    Text,
    /// A frame of more bytes than the settings allow.
    TooLong,
}

impl fmt::Display for RespError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RespError::Type(byte) => write!(f, "not RESP3: a value of the type {:?}", char::from(*byte)),
            RespError::Number => f.write_str("not RESP3: a length or a number that is none"),
            RespError::Text => f.write_str("not RESP3: a text without its end"),
            RespError::TooLong => f.write_str("a message beyond the limit"),
        }
    }
}

/// One step of the walk over a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Token<'a> {
    Text(&'a [u8]),
    Integer(i64),
    Error(&'a [u8]),
    Null,
    /// A list, set or push of that many values.
    Open(u8, usize),
    /// A boolean, a double or a big number, as written.
    Other(&'a [u8]),
}

/// The tokens of a frame that is whole.
#[derive(Clone, Debug)]
pub(crate) struct Tokens<'a>(&'a [u8]);

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let line = self.0.iter().position(|byte| *byte == b'\r')?;
        let (kind, text) = (self.0[0], &self.0[1..line]);
        let rest = &self.0[line + 2..];
        let (token, rest) = match kind {
            b'+' => (Token::Text(text), rest),
            b'-' => (Token::Error(text), rest),
            b':' => (Token::Integer(number(text).ok()?), rest),
            b'_' => (Token::Null, rest),
            b'$' | b'=' | b'!' => match usize::try_from(number(text).ok()?) {
                Err(_) => (Token::Null, rest),
                Ok(length) => {
                    let (bytes, rest) = (&rest[..length], &rest[length + 2..]);
                    let token = if kind == b'!' { Token::Error(bytes) } else { Token::Text(bytes) };
                    (token, rest)
                }
            },
            b'*' | b'>' | b'~' | b'%' => match usize::try_from(number(text).ok()?) {
                Err(_) => (Token::Null, rest),
                Ok(count) => (Token::Open(kind, if kind == b'%' { 2 * count } else { count }), rest),
            },
            _ => (Token::Other(text), rest),
        };
        self.0 = rest;
        Some(token)
    }
}

impl<'a> Tokens<'a> {
    /// Over the bytes of a frame that is whole.
    pub(crate) fn over(frame: &'a [u8]) -> Tokens<'a> {
        Tokens(frame)
    }

    /// What is left to walk over.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn text(&mut self) -> Option<&'a [u8]> {
        match self.next()? {
            Token::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn integer(&mut self) -> Option<i64> {
        match self.next()? {
            Token::Integer(number) => Some(number),
            _ => None,
        }
    }

    pub(crate) fn open(&mut self) -> Option<usize> {
        match self.next()? {
            Token::Open(_, count) => Some(count),
            _ => None,
        }
    }

    /// Passes over so many values with all that is in them.
    pub(crate) fn skip_values(&mut self, values: usize) -> Option<()> {
        let mut pending = values;
        while pending > 0 {
            pending -= 1;
            if let Token::Open(_, count) = self.next()? {
                pending += count;
            }
        }
        Some(())
    }
}

/// Bytes that came, and the frames in them.
#[derive(Debug)]
pub(crate) struct Decoder {
    buffer: Vec<u8>,
    /// What came and is not used up: `start..end`.
    start: usize,
    end: usize,
    /// Up to here the next frame is known, and the line behind it has no end up to `looked`.
    scan: usize,
    looked: usize,
    /// Values that the next frame still lacks at `scan`; 0 before its first.
    pending: usize,
    max: usize,
}

impl Decoder {
    /// For frames of up to `max` bytes.
    pub(crate) fn new(max: usize) -> Decoder {
        Decoder { buffer: Vec::new(), start: 0, end: 0, scan: 0, looked: 0, pending: 0, max }
    }

    /// Where to put more bytes; never empty.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end, self.scan, self.looked) = (0, 0, 0, 0);
            if self.buffer.len() != BUFFER_BYTES {
                self.buffer = vec![0; BUFFER_BYTES];
            }
        } else if self.end == self.buffer.len() && self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.scan -= self.start;
            self.looked = self.looked.saturating_sub(self.start);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            self.buffer.resize(2 * self.end, 0);
        }
        &mut self.buffer[self.end..]
    }

    /// So many bytes were put there.
    pub(crate) fn filled(&mut self, bytes: usize) {
        self.end += bytes;
        debug_assert!(self.end <= self.buffer.len());
    }

    /// The next frame that is whole. After an error the connection is of no use.
    pub(crate) fn next(&mut self) -> Result<Option<Tokens<'_>>, RespError> {
        if self.pending == 0 {
            self.pending = 1;
        }
        while self.pending > 0 {
            if !self.scan_value()? {
                return if self.end - self.start > self.max { Err(RespError::TooLong) } else { Ok(None) };
            }
        }
        let frame = self.start..self.scan;
        self.start = self.scan;
        Ok(Some(Tokens(&self.buffer[frame])))
    }

    /// Goes past one header, and the text that it announces; false if that is not there yet.
    fn scan_value(&mut self) -> Result<bool, RespError> {
        let bytes = &self.buffer[..self.end];
        let from = self.looked.max(self.scan);
        let Some(line) = bytes[from..].iter().position(|byte| *byte == b'\r').map(|at| from + at) else {
            self.looked = self.end;
            return if self.end - self.scan > LINE_BYTES { Err(RespError::Text) } else { Ok(false) };
        };
        self.looked = line;
        match bytes.get(line + 1) {
            None => return Ok(false),
            Some(b'\n') if line > self.scan => {}
            Some(_) => return Err(RespError::Text),
        }
        let (kind, text, after) = (bytes[self.scan], &bytes[self.scan + 1..line], line + 2);
        let announced = |text| match number(text)? {
            -1 => Ok(0),
            count => usize::try_from(count).map_err(|_| RespError::Number),
        };
        match kind {
            b'+' | b'-' | b'_' | b',' | b'#' | b'(' => self.scan = after,
            b':' => {
                number(text)?;
                self.scan = after;
            }
            b'$' | b'=' | b'!' if text == b"-1" => self.scan = after,
            b'$' | b'=' | b'!' => {
                let length = announced(text)?;
                if length > self.max {
                    return Err(RespError::TooLong);
                }
                let text_end = after + length;
                if self.end < text_end + 2 {
                    return Ok(false);
                }
                if &bytes[text_end..text_end + 2] != b"\r\n" {
                    return Err(RespError::Text);
                }
                self.scan = text_end + 2;
            }
            b'*' | b'>' | b'~' | b'%' => {
                let count = announced(text)?;
                // A value has three bytes at least.
                if count > self.max || self.pending > self.max {
                    return Err(RespError::TooLong);
                }
                self.pending += if kind == b'%' { 2 * count } else { count };
                self.scan = after;
            }
            other => return Err(RespError::Type(other)),
        }
        self.pending -= 1;
        Ok(true)
    }
}

fn number(text: &[u8]) -> Result<i64, RespError> {
    let text = std::str::from_utf8(text).map_err(|_| RespError::Number)?;
    text.parse().map_err(|_| RespError::Number)
}

/// Writes the head of a command of so many arguments, its name among them.
pub(crate) fn begin(out: &mut Vec<u8>, arguments: usize) {
    head(out, b'*', arguments);
}

/// Writes an argument.
pub(crate) fn argument(out: &mut Vec<u8>, bytes: &[u8]) {
    head(out, b'$', bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// Writes a whole command.
pub(crate) fn command(out: &mut Vec<u8>, arguments: &[&str]) {
    begin(out, arguments.len());
    arguments.iter().for_each(|text| argument(out, text.as_bytes()));
}

fn head(out: &mut Vec<u8>, kind: u8, number: usize) {
    out.push(kind);
    write!(out, "{number}\r\n").expect("a vector takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 1 << 20;

    /// Feeds pieces; what every frame has.
    fn feed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, max: usize) -> Result<Vec<String>, RespError> {
        let mut decoder = Decoder::new(max);
        let mut frames = Vec::new();
        for mut piece in pieces {
            while !piece.is_empty() {
                let space = decoder.space();
                let bytes = space.len().min(piece.len());
                space[..bytes].copy_from_slice(&piece[..bytes]);
                decoder.filled(bytes);
                piece = &piece[bytes..];
                while let Some(tokens) = decoder.next()? {
                    frames.push(format!("{:?}", tokens.collect::<Vec<_>>()));
                }
            }
        }
        Ok(frames)
    }

    fn expect(tokens: &[&[Token<'_>]]) -> Vec<String> {
        tokens.iter().map(|tokens| format!("{tokens:?}")).collect()
    }

    #[test]
    fn frames_are_found_however_they_are_cut() {
        use Token::*;
        let bytes = b"+OK\r\n:-12\r\n$5\r\na\r\nbc\r\n$-1\r\n_\r\n-ERR no\r\n!3\r\nx y\r\n\
            >3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$0\r\n\r\n%1\r\n+k\r\n*2\r\n#t\r\n,1.5\r\n*0\r\n*-1\r\n";
        let expected = expect(&[
            &[Text(b"OK")],
            &[Integer(-12)],
            &[Text(b"a\r\nbc")],
            &[Null],
            &[Null],
            &[Error(b"ERR no")],
            &[Error(b"x y")],
            &[Open(b'>', 3), Text(b"message"), Text(b"c"), Text(b"")],
            &[Open(b'%', 2), Text(b"k"), Open(b'*', 2), Other(b"t"), Other(b"1.5")],
            &[Open(b'*', 0)],
            &[Null],
        ]);
        assert_eq!(feed([&bytes[..]], MAX).unwrap(), expected);
        for cut in 0..bytes.len() {
            assert_eq!(feed([&bytes[..cut], &bytes[cut..]], MAX).unwrap(), expected, "cut at {cut}");
        }
        assert_eq!(feed(bytes.chunks(1), MAX).unwrap(), expected);
    }

    #[test]
    fn what_is_not_resp3_is_an_error() {
        for (bytes, error) in [
            (&b"hello\r\n"[..], RespError::Type(b'h')),
            (b"|1\r\n", RespError::Type(b'|')),
            (b"\r\n", RespError::Text),
            (b"+OK\rx", RespError::Text),
            (b":x\r\n", RespError::Number),
            (b":99999999999999999999\r\n", RespError::Number),
            (b"$-2\r\n", RespError::Number),
            (b"$?\r\n", RespError::Number),
            (b"*-2\r\n", RespError::Number),
            (b"$1\r\nabc", RespError::Text),
            (b"$9999999999\r\n", RespError::TooLong),
            (b"*9999999999\r\n", RespError::TooLong),
            (b"*9223372036854775807\r\n", RespError::TooLong),
        ] {
            assert_eq!(feed([bytes], MAX), Err(error), "{:?}", bytes.escape_ascii().to_string());
        }
        let line = [b"+".as_slice(), &vec![b'a'; LINE_BYTES + 1]].concat();
        assert_eq!(feed([&line[..]], MAX), Err(RespError::Text));
    }

    #[test]
    fn lists_in_lists_end_at_the_limit_and_nowhere_before() {
        let deep = b"*1\r\n".repeat(50_000);
        assert_eq!(feed([&deep[..]], MAX), Ok(Vec::new()));
        assert_eq!(feed([&deep[..]], 100_000), Err(RespError::TooLong));
        let mut decoder = Decoder::new(MAX);
        let whole = [&deep[..], b"+x\r\n"].concat();
        for byte in whole {
            decoder.space()[0] = byte;
            decoder.filled(1);
        }
        let mut tokens = decoder.next().unwrap().unwrap();
        assert_eq!(tokens.skip_values(1), Some(()));
        assert_eq!(tokens.next(), None);
    }

    #[test]
    fn the_buffer_grows_with_what_came_and_shrinks_again() {
        let mut decoder = Decoder::new(8 << 20);
        let announce = b"$4000000\r\n";
        decoder.space()[..announce.len()].copy_from_slice(announce);
        decoder.filled(announce.len());
        assert!(decoder.next().unwrap().is_none());
        assert_eq!(decoder.buffer.len(), BUFFER_BYTES);
        let mut left = 4_000_002;
        while left > 0 {
            let space = decoder.space();
            let bytes = space.len().min(left);
            space[..bytes].fill(b'x');
            if left <= bytes {
                space[bytes - 2..bytes].copy_from_slice(b"\r\n");
            }
            decoder.filled(bytes);
            left -= bytes;
            assert_eq!(decoder.next().unwrap().is_some(), left == 0);
        }
        decoder.space();
        assert_eq!(decoder.buffer.len(), BUFFER_BYTES);
    }

    #[test]
    fn a_command_is_a_list_of_bulk_texts() {
        let mut out = Vec::new();
        command(&mut out, &["PUBLISH", "é", ""]);
        assert_eq!(out, "*3\r\n$7\r\nPUBLISH\r\n$2\r\né\r\n$0\r\n\r\n".as_bytes());
    }
}
