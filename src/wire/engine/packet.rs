//! Engine.IO packets as WebSocket messages.
//!
//! Owns: the seven types, the text, base64 and binary forms of a packet, and the frames that carry them.
//! Leaves to others: several packets in one HTTP body ([`super::payload`], [`super::compose`]).

use std::borrow::Cow;
use std::fmt;

use data_encoding::{BASE64, BASE64_MIME};

use crate::wire::frame::{Frame, FrameBuilder};

/// The revision of the protocol that a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revision {
    /// Socket.IO 1 and 2.
    Three,
    /// Socket.IO 3 and 4.
    Four,
}

impl Revision {
    /// The revision that the parameter `EIO` names.
    pub fn from_query(value: &str) -> Option<Revision> {
        match value {
            "3" => Some(Revision::Three),
            "4" => Some(Revision::Four),
            _ => None,
        }
    }
}

/// What a packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketType {
    /// The server's handshake.
    Open,
    /// The end of the session.
    Close,
    /// A question for a sign of life, and the probe of an upgrade.
    Ping,
    /// The answer to a ping.
    Pong,
    /// What the application says.
    Message,
    /// The switch to another transport.
    Upgrade,
    /// Nothing; it ends a poll.
    Noop,
}

impl PacketType {
    /// In the order of their numbers.
    const ALL: [PacketType; 7] = [
        PacketType::Open,
        PacketType::Close,
        PacketType::Ping,
        PacketType::Pong,
        PacketType::Message,
        PacketType::Upgrade,
        PacketType::Noop,
    ];

    /// The number as revision 3 writes it before binary data.
    const fn number(self) -> u8 {
        self as u8
    }

    /// The number as a digit, with which a packet begins.
    pub const fn digit(self) -> u8 {
        b'0' + self.number()
    }

    fn from_number(number: u8) -> Result<PacketType, BadPacket> {
        PacketType::ALL.get(usize::from(number)).copied().ok_or(BadPacket::UnknownType)
    }

    fn from_digit(digit: u8) -> Result<PacketType, BadPacket> {
        PacketType::from_number(digit.wrapping_sub(b'0'))
    }
}

/// What a packet carries. A packet without data carries an empty text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data<'a> {
    /// Text.
    Text(Cow<'a, str>),
    /// Bytes; owned if they came in base64.
    Binary(Cow<'a, [u8]>),
}

/// A packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What it is for.
    pub kind: PacketType,
    /// What it carries.
    pub data: Data<'a>,
}

impl Packet<'_> {
    /// The packet with data of its own.
    pub fn into_owned(self) -> Packet<'static> {
        let data = match self.data {
            Data::Text(text) => Data::Text(Cow::Owned(text.into_owned())),
            Data::Binary(bytes) => Data::Binary(Cow::Owned(bytes.into_owned())),
        };
        Packet { kind: self.kind, data }
    }
}

/// How a packet can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPacket {
    /// Not even a type.
    Empty,
    /// A type that does not exist.
    UnknownType,
    /// Not base64 where it has to be.
    Base64,
}

impl fmt::Display for BadPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadPacket::Empty => "empty packet",
            BadPacket::UnknownType => "unknown packet type",
            BadPacket::Base64 => "malformed base64",
        })
    }
}

impl std::error::Error for BadPacket {}

/// The packet that a text is: a WebSocket text message, or a string of a payload.
///
/// Base64 may be wrapped into lines, because the Java clients wrap it.
pub fn from_text(revision: Revision, text: &str) -> Result<Packet<'_>, BadPacket> {
    let (&first, rest) = text.as_bytes().split_first().ok_or(BadPacket::Empty)?;
    if first != b'b' {
        let kind = PacketType::from_digit(first)?;
        return Ok(Packet { kind, data: Data::Text(Cow::Borrowed(&text[1..])) });
    }
    let (kind, digits) = match revision {
        Revision::Three => {
            let (&digit, digits) = rest.split_first().ok_or(BadPacket::Empty)?;
            (PacketType::from_digit(digit)?, digits)
        }
        Revision::Four => (PacketType::Message, rest),
    };
    let bytes = BASE64_MIME.decode(digits).map_err(|_| BadPacket::Base64)?;
    Ok(Packet { kind, data: Data::Binary(Cow::Owned(bytes)) })
}

/// The packet that bytes are: a WebSocket binary message, or a binary packet of a payload. In revision 3 the
/// first byte is the type; in revision 4 there is none, and it is always a message.
pub fn from_binary(revision: Revision, bytes: &[u8]) -> Result<Packet<'_>, BadPacket> {
    let (kind, data) = match revision {
        Revision::Three => {
            let (&number, data) = bytes.split_first().ok_or(BadPacket::Empty)?;
            (PacketType::from_number(number)?, data)
        }
        Revision::Four => (PacketType::Message, bytes),
    };
    Ok(Packet { kind, data: Data::Binary(Cow::Borrowed(data)) })
}

/// A packet with text, or without data if `data` is empty. The same bytes in both revisions.
pub fn text_frame(kind: PacketType, data: &str) -> Frame {
    let mut builder = FrameBuilder::text(1 + data.len());
    builder.push(&[kind.digit()]);
    builder.push(data.as_bytes());
    builder.finish()
}

/// A message with text.
pub fn message_frame(text: &str) -> Frame {
    text_frame(PacketType::Message, text)
}

/// A message with bytes, for a client that takes binary frames.
pub fn binary_frame(revision: Revision, bytes: &[u8]) -> Frame {
    match revision {
        Revision::Three => {
            let mut builder = FrameBuilder::binary(1 + bytes.len());
            builder.push(&[PacketType::Message.number()]);
            builder.push(bytes);
            builder.finish()
        }
        Revision::Four => Frame::binary(bytes),
    }
}

/// A message with bytes, for a client that takes no binary frames.
pub fn base64_frame(revision: Revision, bytes: &[u8]) -> Frame {
    let mut text = Vec::with_capacity(base64_len(revision, bytes.len()));
    push_base64(revision, PacketType::Message.number(), bytes, &mut text);
    let mut builder = FrameBuilder::text(text.len());
    builder.push(&text);
    builder.finish()
}

/// How long the base64 form of so many bytes is.
pub(super) fn base64_len(revision: Revision, bytes: usize) -> usize {
    let prefix = match revision {
        Revision::Three => 2,
        Revision::Four => 1,
    };
    prefix + BASE64.encode_len(bytes)
}

/// Appends the base64 form of a binary packet; `number` is its type, which revision 4 does not write.
pub(super) fn push_base64(revision: Revision, number: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'b');
    if revision == Revision::Three {
        out.push(b'0' + number);
    }
    let start = out.len();
    out.resize(start + BASE64.encode_len(bytes.len()), 0);
    BASE64.encode_mut(bytes, &mut out[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use Revision::{Four, Three};

    fn text(kind: PacketType, data: &str) -> Result<Packet<'_>, BadPacket> {
        Ok(Packet { kind, data: Data::Text(Cow::Borrowed(data)) })
    }

    fn binary(kind: PacketType, data: &[u8]) -> Result<Packet<'_>, BadPacket> {
        Ok(Packet { kind, data: Data::Binary(Cow::Borrowed(data)) })
    }

    #[test]
    fn types_have_their_numbers() {
        for (number, kind) in (0..).zip(PacketType::ALL) {
            assert_eq!(kind.number(), number);
            assert_eq!(PacketType::from_digit(kind.digit()), Ok(kind));
            for revision in [Three, Four] {
                assert_eq!(from_text(revision, &format!("{number}x€")), text(kind, "x€"));
                assert_eq!(from_text(revision, &number.to_string()), text(kind, ""));
            }
            assert_eq!(from_binary(Three, &[number, 9]), binary(kind, &[9]));
        }
    }

    #[test]
    fn binary_forms() {
        assert_eq!(from_text(Three, "b4AQIDBA=="), binary(PacketType::Message, &[1, 2, 3, 4]));
        assert_eq!(from_text(Four, "bAQIDBA=="), binary(PacketType::Message, &[1, 2, 3, 4]));
        assert_eq!(from_text(Three, "b2AQIDBA=="), binary(PacketType::Ping, &[1, 2, 3, 4]));
        assert_eq!(from_text(Three, "b4"), binary(PacketType::Message, &[]));
        assert_eq!(from_text(Four, "b"), binary(PacketType::Message, &[]));
        assert_eq!(from_binary(Three, &[4, 1, 2]), binary(PacketType::Message, &[1, 2]));
        assert_eq!(from_binary(Three, &[4]), binary(PacketType::Message, &[]));
        assert_eq!(from_binary(Four, &[4, 1, 2]), binary(PacketType::Message, &[4, 1, 2]));
        assert_eq!(from_binary(Four, &[]), binary(PacketType::Message, &[]));
    }

    #[test]
    fn base64_in_lines() {
        let line = "QUJD".repeat(19);
        let wrapped = format!("b{line}\n{line}\r\nQQ==\n");
        let expected = ["ABC".repeat(38).as_bytes(), b"A"].concat();
        assert_eq!(from_text(Four, &wrapped), binary(PacketType::Message, &expected));
    }

    #[test]
    fn bad_packets() {
        use BadPacket::*;
        for revision in [Three, Four] {
            assert_eq!(from_text(revision, ""), Err(Empty));
            for bad in ["7", "9x", "a", " 4", "\0", "/", ":", "-1", "€", "😀", "B4AQID"] {
                assert_eq!(from_text(revision, bad), Err(UnknownType), "{bad}");
            }
        }
        assert_eq!(from_text(Three, "b"), Err(Empty));
        assert_eq!(from_text(Three, "b7AQID"), Err(UnknownType));
        assert_eq!(from_text(Three, "bAQID"), Err(UnknownType));
        assert_eq!(from_text(Three, "b€"), Err(UnknownType));
        for bad in ["A", "AB", "AQI", "AQI*", "A===", "AQ==x", "AR==", "AQI€", "AQ_-", "AQ I"] {
            assert_eq!(from_text(Four, &format!("b{bad}")), Err(Base64), "{bad}");
            assert_eq!(from_text(Three, &format!("b4{bad}")), Err(Base64), "{bad}");
        }
        assert_eq!(from_binary(Three, &[]), Err(Empty));
        assert_eq!(from_binary(Three, &[7]), Err(UnknownType));
        assert_eq!(from_binary(Three, b"4x"), Err(UnknownType));
        assert_eq!(from_binary(Three, &[0xff, 1]), Err(UnknownType));
    }

    #[test]
    fn frames() {
        assert_eq!(text_frame(PacketType::Pong, "probe"), Frame::text("3probe"));
        assert_eq!(text_frame(PacketType::Noop, ""), Frame::text("6"));
        assert_eq!(message_frame("€"), Frame::text("4€"));
        assert_eq!(binary_frame(Three, &[1, 2]), Frame::binary(&[4, 1, 2]));
        assert_eq!(binary_frame(Four, &[1, 2]), Frame::binary(&[1, 2]));
        assert_eq!(base64_frame(Three, &[1, 2, 3, 4]), Frame::text("b4AQIDBA=="));
        assert_eq!(base64_frame(Four, &[1, 2, 3, 4]), Frame::text("bAQIDBA=="));
        assert_eq!(base64_frame(Four, &[]), Frame::text("b"));
    }

    #[test]
    fn revisions() {
        assert_eq!(Revision::from_query("3"), Some(Three));
        assert_eq!(Revision::from_query("4"), Some(Four));
        for other in ["", "2", "5", "03", "4 ", "abc", "__proto__"] {
            assert_eq!(Revision::from_query(other), None);
        }
    }
}
