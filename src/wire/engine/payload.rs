//! The bodies that long-polling clients POST: several packets in one.
//!
//! Owns: taking a body apart. Revision 4 puts U+001E between packets. Revision 3 puts the length before each,
//! `<length>:<packet>`, counted in UTF-16 code units because that is how long a string is in JavaScript; or, if the
//! body is binary, a form byte (0 text, 1 binary), the digits of the length as bytes of the values 0 to 9, 0xFF,
//! and the packet, counted in bytes.
//! Leaves to others: how large a body may be, which HTTP decides; answers ([`super::compose`]).
//!
//! Every byte is looked at once: no length, true or not, makes the reader go back or reach ahead.

use std::borrow::Cow;
use std::fmt;
use std::str;

use super::packet::{BadPacket, Packet, Revision, from_binary, from_text};

/// More digits than the length of any body has. Leading zeros count.
const LENGTH_DIGITS: usize = 15;
/// Stands between the digits of a length and the packet in a binary body.
pub(super) const LENGTH_END: u8 = 0xFF;
/// Stands between the packets of revision 4.
pub(super) const SEPARATOR: char = '\u{1e}';

/// How a body is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// Text; binary packets are in base64.
    Text,
    /// `Content-Type: application/octet-stream`, which only revision 3 knows.
    Binary,
}

/// How a body can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPayload {
    /// No packet at all.
    Empty,
    /// A binary body in revision 4.
    BinaryBody,
    /// A text that is not UTF-8.
    NotUtf8,
    /// The form byte of a binary body is neither 0 nor 1.
    UnknownForm,
    /// No length where one has to be, or one of too many digits.
    Length,
    /// The body ends before the packet does.
    Truncated,
    /// The length ends a packet between the two code units of one character.
    SplitCharacter,
    /// The form of a JSONP request has no field `d`.
    NoField,
    /// A packet is wrong in itself.
    Packet(BadPacket),
}

impl fmt::Display for BadPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadPayload::Empty => "empty payload",
            BadPayload::BinaryBody => "binary payload in revision 4",
            BadPayload::NotUtf8 => "payload is not UTF-8",
            BadPayload::UnknownForm => "packet is neither text nor binary",
            BadPayload::Length => "malformed packet length",
            BadPayload::Truncated => "packet is shorter than its length",
            BadPayload::SplitCharacter => "packet length splits a character",
            BadPayload::NoField => "form without the field d",
            BadPayload::Packet(error) => return error.fmt(f),
        })
    }
}

impl std::error::Error for BadPayload {}

impl From<BadPacket> for BadPayload {
    fn from(error: BadPacket) -> BadPayload {
        BadPayload::Packet(error)
    }
}

/// Yields the packets of a body one by one. After an error comes nothing more.
#[derive(Clone, Debug)]
pub struct PayloadReader<'a> {
    rest: Rest<'a>,
}

/// What was not read yet.
#[derive(Clone, Copy, Debug)]
enum Rest<'a> {
    /// Text of revision 3.
    Counted(&'a str),
    /// A binary body of revision 3.
    Binary(&'a [u8]),
    /// Text of revision 4, in which a packet follows even if nothing is left.
    Separated(&'a str),
    /// All was read, or an error was found.
    End,
}

impl<'a> PayloadReader<'a> {
    /// Begins to read a body.
    pub fn new(revision: Revision, kind: BodyKind, body: &'a [u8]) -> Result<PayloadReader<'a>, BadPayload> {
        let text = || str::from_utf8(body).map_err(|_| BadPayload::NotUtf8);
        let rest = match (revision, kind) {
            (Revision::Four, BodyKind::Binary) => return Err(BadPayload::BinaryBody),
            _ if body.is_empty() => return Err(BadPayload::Empty),
            (Revision::Three, BodyKind::Binary) => Rest::Binary(body),
            (Revision::Three, BodyKind::Text) => Rest::Counted(text()?),
            (Revision::Four, BodyKind::Text) => Rest::Separated(text()?),
        };
        Ok(PayloadReader { rest })
    }

    /// What was not read yet, as a body of its own; nothing if all was.
    pub fn rest(&self) -> Option<(BodyKind, &'a [u8])> {
        match self.rest {
            Rest::Counted("") | Rest::Binary([]) | Rest::End => None,
            Rest::Counted(text) | Rest::Separated(text) => Some((BodyKind::Text, text.as_bytes())),
            Rest::Binary(bytes) => Some((BodyKind::Binary, bytes)),
        }
    }
}

impl<'a> Iterator for PayloadReader<'a> {
    type Item = Result<Packet<'a>, BadPayload>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = match self.rest {
            Rest::Counted(rest) => counted(rest),
            Rest::Binary(rest) => binary(rest),
            Rest::Separated(rest) => separated(rest),
            Rest::End => return None,
        };
        match read {
            Ok(Some((packet, rest))) => {
                self.rest = rest;
                Some(Ok(packet))
            }
            Ok(None) => {
                self.rest = Rest::End;
                None
            }
            Err(error) => {
                self.rest = Rest::End;
                Some(Err(error))
            }
        }
    }
}

/// The first packet and what follows it; `None` if there is no more.
type Read<'a> = Result<Option<(Packet<'a>, Rest<'a>)>, BadPayload>;

fn counted(mut rest: &str) -> Read<'_> {
    while !rest.is_empty() {
        let (size, len) = length(rest.as_bytes(), b':', b'0')?;
        rest = &rest[size..];
        let (text, after) = rest.split_at(units(rest, len)?);
        // An empty payload is written `0:`.
        if !text.is_empty() {
            return Ok(Some((from_text(Revision::Three, text)?, Rest::Counted(after))));
        }
        rest = after;
    }
    Ok(None)
}

fn binary(rest: &[u8]) -> Read<'_> {
    let Some((&form, rest)) = rest.split_first() else { return Ok(None) };
    if form > 1 {
        return Err(BadPayload::UnknownForm);
    }
    let (size, len) = length(rest, LENGTH_END, 0)?;
    let rest = &rest[size..];
    let len = usize::try_from(len).map_err(|_| BadPayload::Truncated)?;
    let (bytes, after) = rest.split_at_checked(len).ok_or(BadPayload::Truncated)?;
    let packet = if form == 1 {
        from_binary(Revision::Three, bytes)?
    } else {
        match string(bytes)? {
            Cow::Borrowed(text) => from_text(Revision::Three, text)?,
            Cow::Owned(text) => from_text(Revision::Three, &text)?.into_owned(),
        }
    };
    Ok(Some((packet, Rest::Binary(after))))
}

fn separated(rest: &str) -> Read<'_> {
    let (text, after) = match rest.split_once(SEPARATOR) {
        Some((text, after)) => (text, Rest::Separated(after)),
        None => (rest, Rest::End),
    };
    count_work(text.len() + 1);
    Ok(Some((from_text(Revision::Four, text)?, after)))
}

/// The length that `bytes` begin with, up to and with `end`: how many bytes it takes, and its value.
fn length(bytes: &[u8], end: u8, zero: u8) -> Result<(usize, u64), BadPayload> {
    let mut value = 0;
    for (at, &byte) in bytes.iter().enumerate().take(LENGTH_DIGITS + 1) {
        count_work(1);
        match byte.wrapping_sub(zero) {
            _ if byte == end && at > 0 => return Ok((at + 1, value)),
            digit @ 0..=9 if at < LENGTH_DIGITS => value = value * 10 + u64::from(digit),
            _ => break,
        }
    }
    Err(BadPayload::Length)
}

/// In how many bytes of `text` there are `wanted` UTF-16 code units.
fn units(text: &str, wanted: u64) -> Result<usize, BadPayload> {
    // A code unit takes at least one byte, so that a lie is found before a byte is looked at.
    if wanted > text.len() as u64 {
        return Err(BadPayload::Truncated);
    }
    let mut counted = 0;
    for (at, character) in text.char_indices() {
        if counted >= wanted {
            return if counted == wanted { Ok(at) } else { Err(BadPayload::SplitCharacter) };
        }
        count_work(character.len_utf8());
        counted += character.len_utf16() as u64;
    }
    match counted.cmp(&wanted) {
        std::cmp::Ordering::Less => Err(BadPayload::Truncated),
        std::cmp::Ordering::Equal => Ok(text.len()),
        std::cmp::Ordering::Greater => Err(BadPayload::SplitCharacter),
    }
}

/// A string of a binary body. A surrogate without its other half, which JavaScript strings can hold and
/// which Socket.IO 1 writes as three bytes, becomes U+FFFD, as in the parsers of later versions.
fn string(bytes: &[u8]) -> Result<Cow<'_, str>, BadPayload> {
    if let Ok(text) = str::from_utf8(bytes) {
        return Ok(Cow::Borrowed(text));
    }
    let mut mended = bytes.to_vec();
    let mut at = 0;
    while at + 3 <= mended.len() {
        // 0xED begins a character of three bytes wherever it stands; 0xA0 and more behind it make a surrogate.
        if let [0xED, 0xA0..=0xBF, 0x80..=0xBF] = mended[at..at + 3] {
            mended[at..at + 3].copy_from_slice("\u{fffd}".as_bytes());
            at += 3;
        } else {
            at += 1;
        }
    }
    String::from_utf8(mended).map(Cow::Owned).map_err(|_| BadPayload::NotUtf8)
}

/// Where the tests count how many bytes are looked at.
#[cfg(not(test))]
fn count_work(_bytes: usize) {}
#[cfg(test)]
use tests::count_work;

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::packet::{Data, PacketType};
    use super::*;
    use BodyKind::{Binary, Text};
    use Revision::{Four, Three};

    thread_local! {
        static WORK: Cell<usize> = const { Cell::new(0) };
    }

    /// Counts the bytes that the reader looks at.
    pub(super) fn count_work(bytes: usize) {
        WORK.set(WORK.get() + bytes);
    }

    /// The packets in short: the digit, then the text or the bytes.
    fn read(revision: Revision, kind: BodyKind, body: &[u8]) -> Result<Vec<String>, BadPayload> {
        PayloadReader::new(revision, kind, body)?
            .map(|packet| {
                let Packet { kind, data } = packet?;
                let digit = char::from(kind.digit());
                Ok(match data {
                    Data::Text(text) => format!("{digit}{text}"),
                    Data::Binary(bytes) => format!("{digit}{bytes:?}"),
                })
            })
            .collect()
    }

    fn three(body: &str) -> Result<Vec<String>, BadPayload> {
        read(Three, Text, body.as_bytes())
    }

    fn good(packets: &[&str]) -> Result<Vec<String>, BadPayload> {
        Ok(packets.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn lengths_count_utf_16_code_units() {
        assert_eq!(three("6:4hello"), good(&["4hello"]));
        assert_eq!(three("2:4€"), good(&["4€"]));
        assert_eq!(three("3:4😀1:2"), good(&["4😀", "2"]));
        assert_eq!(three("5:4é€😀1:1"), good(&["4é€😀", "1"]));
        assert_eq!(three("6:4test16:4test210:b4AQIDBA=="), good(&["4test1", "4test2", "4[1, 2, 3, 4]"]));
        assert_eq!(three("000000000000002:4x"), good(&["4x"]));
        assert_eq!(three("0:"), good(&[]));
        assert_eq!(three("0:0:1:60:"), good(&["6"]));
        // What looks like a length inside of a packet is none.
        assert_eq!(three("8:41:6100:1:6"), good(&["41:6100:", "6"]));
    }

    #[test]
    fn lies_about_lengths() {
        use BadPayload::*;
        for (body, error) in [
            ("", Empty),
            ("abc", Length),
            (":", Length),
            (":4", Length),
            ("1", Length),
            ("12", Length),
            ("1:41", Length),
            ("1:44", Length),
            ("-1:4", Length),
            ("+1:4", Length),
            ("1.0:4", Length),
            ("1e1:4", Length),
            (" 1:4", Length),
            ("0x1:4", Length),
            ("٣:4ab", Length),
            ("NaN:4", Length),
            ("Infinity:4", Length),
            ("0000000000000001:4", Length),
            ("9999999999999999:4", Length),
            ("18446744073709551617:4", Length),
            ("999999999999999:4", Truncated),
            ("3:4x", Truncated),
            ("1:", Truncated),
            ("3:4€", Truncated),
            ("2:4😀", SplitCharacter),
            ("2:4😀x", SplitCharacter),
            ("4:4😀1:2", Length),
            ("1:7", Packet(BadPacket::UnknownType)),
            ("3:b4*", Packet(BadPacket::Base64)),
            ("1:b", Packet(BadPacket::Empty)),
        ] {
            assert_eq!(three(body), Err(error), "{body}");
        }
        assert_eq!(read(Three, Text, b"2:4\xff"), Err(NotUtf8));
    }

    #[test]
    fn what_is_before_an_error_is_read_and_then_nothing() {
        let mut reader = PayloadReader::new(Three, Text, b"1:21:7:1:2").unwrap();
        assert_eq!(reader.next().unwrap().unwrap().kind, PacketType::Ping);
        assert_eq!(reader.next(), Some(Err(BadPayload::Packet(BadPacket::UnknownType))));
        assert_eq!(reader.next(), None);
        let mut reader = PayloadReader::new(Four, Text, b"2\x1e\x1e2").unwrap();
        assert_eq!(reader.next().unwrap().unwrap().kind, PacketType::Ping);
        assert_eq!(reader.next(), Some(Err(BadPayload::Packet(BadPacket::Empty))));
        assert_eq!(reader.next(), None);
    }

    #[test]
    fn separated_packets() {
        let four = |body: &str| read(Four, Text, body.as_bytes());
        assert_eq!(four("4hello"), good(&["4hello"]));
        assert_eq!(four("4€\u{1e}bAQIDBA==\u{1e}1"), good(&["4€", "4[1, 2, 3, 4]", "1"]));
        assert_eq!(four("4\u{1e}4"), good(&["4", "4"]));
        for empty in ["\u{1e}", "4\u{1e}", "\u{1e}4", "4\u{1e}\u{1e}4"] {
            assert_eq!(four(empty), Err(BadPayload::Packet(BadPacket::Empty)), "{empty:?}");
        }
        assert_eq!(four(""), Err(BadPayload::Empty));
        assert_eq!(four("abc"), Err(BadPayload::Packet(BadPacket::UnknownType)));
        assert_eq!(read(Four, Text, b"4\x80"), Err(BadPayload::NotUtf8));
        assert_eq!(read(Four, Binary, b"4"), Err(BadPayload::BinaryBody));
    }

    #[test]
    fn binary_bodies() {
        let body = [0, 4, 255, 0x34, 0xE2, 0x82, 0xAC, 1, 5, 255, 4, 1, 2, 3, 4];
        assert_eq!(read(Three, Binary, &body), good(&["4€", "4[1, 2, 3, 4]"]));
        let mut long = vec![1, 1, 0, 0, 255, 4];
        long.extend([7; 99]);
        assert_eq!(read(Three, Binary, &long), good(&[&format!("4{:?}", [7; 99])]));
        assert_eq!(read(Three, Binary, &[0, 8, 255, b'b', b'4', b'A', b'Q', b'I', b'D', b'B', b'A']), {
            Err(BadPayload::Packet(BadPacket::Base64))
        });
        assert_eq!(read(Three, Binary, b"\0\x01\x00\xffb4AQIDBA=="), good(&["4[1, 2, 3, 4]"]));
        use BadPayload::*;
        let bad: &[(&[u8], BadPayload)] = &[
            (b"", Empty),
            (b"\x02\x01\xff4", UnknownForm),
            (b"6:4hello", UnknownForm),
            (b"\0", Length),
            (b"\0\xff", Length),
            (b"\0\x01", Length),
            (b"\0\x0a\xff4", Length),
            (b"\x0011\xff4", Length),
            (b"\0\xfe\xff4", Length),
            (&[0; 40], Length),
            (&[9; 40], UnknownForm),
            (b"\0\x02\xff4", Truncated),
            (b"\x01\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\xff4", Truncated),
            (b"\x01\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\xff4", Length),
            (b"\0\0\xff", Packet(BadPacket::Empty)),
            (b"\x01\0\xff", Packet(BadPacket::Empty)),
            (b"\x01\x02\xff\x07x", Packet(BadPacket::UnknownType)),
            (b"\0\x02\xff4\xe9", NotUtf8),
            (b"\0\x03\xff4\xed\xa0", NotUtf8),
        ];
        for (body, error) in bad {
            assert_eq!(read(Three, Binary, body), Err(*error), "{body:x?}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_becomes_a_replacement_character() {
        assert_eq!(read(Three, Binary, b"\0\x05\xff4\xed\xa0\x80x"), good(&["4\u{fffd}x"]));
        // U+D7FF begins with the same byte and is no surrogate.
        let low = b"\0\x09\xff4\xed\xbf\xbf\xc3\xa9\xed\x9f\xbf";
        assert_eq!(read(Three, Binary, low), good(&["4\u{fffd}é\u{d7ff}"]));
    }

    #[test]
    fn every_byte_is_looked_at_once() {
        let tiny = ["1:2", "0:", "00000002:4x", "3:4😀", "6:b4AQID"];
        for size in [500_000, 1_000_000] {
            for packet in tiny {
                let body = packet.repeat(size / packet.len());
                WORK.set(0);
                let reader = PayloadReader::new(Three, Text, body.as_bytes()).unwrap();
                let packets = reader.map(Result::unwrap).count();
                let expected = if packet == "0:" { 0 } else { size / packet.len() };
                assert_eq!((packets, WORK.get()), (expected, body.len()), "{packet}");
            }
            let body = "2\u{1e}".repeat(size / 2 - 1) + "2";
            WORK.set(0);
            let reader = PayloadReader::new(Four, Text, body.as_bytes()).unwrap();
            assert_eq!(reader.map(Result::unwrap).count(), size / 2);
            assert_eq!(WORK.get(), body.len() + 1);
        }
        // A lie about a length is found without looking at what it claims.
        let body = format!("{}:{}", 1_000_002, "4".repeat(1_000_000));
        WORK.set(0);
        assert_eq!(three(&body), Err(BadPayload::Truncated));
        assert!(WORK.get() < 10);
    }
}
