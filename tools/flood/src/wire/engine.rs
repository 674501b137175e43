//! Engine.IO, revisions 3 and 4, from the client's side: packets, and payloads of several as polling has them.
//!
//! A packet is a digit and its data. Over WebSocket a frame is a packet; over polling a body is a payload.
//! Revision 3 counts the UTF-16 code units of each packet (or, in a body with binary, its bytes), revision 4
//! separates packets by a control character. What the packets mean is left to the session of a worker.

use std::borrow::Cow;

use data_encoding::BASE64;
use serde::Deserialize;

/// Packet types, as the digits that they are on the wire.
pub mod kind {
    /// The server's first packet.
    pub const OPEN: u8 = b'0';
    /// The session is over.
    pub const CLOSE: u8 = b'1';
    /// Asks for a pong.
    pub const PING: u8 = b'2';
    /// Answers a ping.
    pub const PONG: u8 = b'3';
    /// A packet of Socket.IO.
    pub const MESSAGE: u8 = b'4';
    /// The client goes on over WebSocket.
    pub const UPGRADE: u8 = b'5';
    /// Lets a poll end.
    pub const NOOP: u8 = b'6';
}

/// Between the packets of a revision 4 payload.
const SEPARATOR: u8 = 0x1e;
/// The type of a binary message, where revision 3 writes it before the data.
const BINARY_MESSAGE: u8 = 4;

/// A revision of the protocol: the `EIO` of the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revision {
    /// Socket.IO 1.x and 2.x: the client pings.
    Three,
    /// Socket.IO 3.x and 4.x: the server pings.
    Four,
}

impl Revision {
    /// As it stands in the query.
    pub fn number(self) -> u8 {
        match self {
            Self::Three => 3,
            Self::Four => 4,
        }
    }
}

/// One packet; binary ones are always messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet<'a> {
    /// A digit and text; never empty.
    Text(&'a [u8]),
    /// The data of a binary message.
    Binary(Cow<'a, [u8]>),
}

/// What the open packet says.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Handshake {
    /// The session's id.
    pub sid: String,
    /// Transports that the session may go over to.
    pub upgrades: Vec<String>,
    /// Milliseconds between two pings.
    pub ping_interval: u32,
    /// Milliseconds that a ping may remain unanswered.
    pub ping_timeout: u32,
    /// Bytes of a payload at most; absent from servers of 1.x and 2.x.
    pub max_payload: Option<usize>,
}

impl Handshake {
    /// Reads the data of an open packet.
    pub fn read(data: &[u8]) -> Result<Self, String> {
        let handshake: Self =
            serde_json::from_slice(data).map_err(|error| format!("open packet: {error}"))?;
        let plain = handshake.sid.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'&' && byte != b'#');
        if handshake.sid.is_empty() || !plain {
            return Err("open packet: the sid cannot stand in a URL".to_owned());
        }
        Ok(handshake)
    }
}

/// The data of a binary WebSocket frame.
pub fn read_binary_frame(revision: Revision, payload: &[u8]) -> Result<&[u8], String> {
    match (revision, payload) {
        (Revision::Four, data) | (Revision::Three, [BINARY_MESSAGE, data @ ..]) => Ok(data),
        (Revision::Three, _) => Err("a binary frame that does not begin with 4".to_owned()),
    }
}

/// What the binary WebSocket frame with this data carries.
pub fn binary_frame(revision: Revision, data: &[u8]) -> Cow<'_, [u8]> {
    match revision {
        Revision::Three => [&[BINARY_MESSAGE], data].concat().into(),
        Revision::Four => data.into(),
    }
}

/// A binary message as it stands in a payload of text.
pub fn base64_packet(revision: Revision, data: &[u8]) -> Vec<u8> {
    let mark = if revision == Revision::Three { "b4" } else { "b" };
    format!("{mark}{}", BASE64.encode(data)).into_bytes()
}

/// Appends a packet to a payload of text.
pub fn put_in_payload(out: &mut Vec<u8>, revision: Revision, packet: &[u8]) {
    match revision {
        Revision::Three => {
            let text = String::from_utf8_lossy(packet);
            out.extend_from_slice(format!("{}:{text}", text.encode_utf16().count()).as_bytes());
        }
        Revision::Four => {
            if !out.is_empty() {
                out.push(SEPARATOR);
            }
            out.extend_from_slice(packet);
        }
    }
}

/// The packets of a payload; `bytes` when the answer said that it is one of bytes (revision 3 only).
pub fn read_payload(revision: Revision, body: &[u8], bytes: bool) -> Result<Vec<Packet<'_>>, String> {
    match (revision, bytes) {
        (Revision::Four, false) => {
            std::str::from_utf8(body).map_err(|_| "a payload that is not UTF-8")?;
            body.split(|byte| *byte == SEPARATOR).map(|packet| text(packet, b"b")).collect()
        }
        (Revision::Four, true) => Err("a payload of bytes in revision 4".to_owned()),
        (Revision::Three, false) => counted(body),
        (Revision::Three, true) => byte_payload(body),
    }
}

/// A packet of a text payload; binary ones begin with `mark` and are base64.
fn text<'a>(packet: &'a [u8], mark: &[u8]) -> Result<Packet<'a>, String> {
    match packet.strip_prefix(mark) {
        Some(coded) => match BASE64.decode(coded) {
            Ok(data) => Ok(Packet::Binary(data.into())),
            Err(error) => Err(format!("a binary packet that is not base64: {error}")),
        },
        None if packet.is_empty() => Err("an empty packet".to_owned()),
        None => Ok(Packet::Text(packet)),
    }
}

/// `<length>:<packet>`, again and again, with lengths in UTF-16 code units.
fn counted(body: &[u8]) -> Result<Vec<Packet<'_>>, String> {
    let mut rest = std::str::from_utf8(body).map_err(|_| "a payload that is not UTF-8")?;
    let mut packets = Vec::new();
    while !rest.is_empty() {
        let (length, after) = rest.split_once(':').ok_or("a payload without a length")?;
        let length: usize = length.parse().map_err(|_| "a length that is not a number")?;
        let end = after_units(after, length).ok_or("a length that does not fit its packet")?;
        packets.push(text(&after.as_bytes()[..end], b"b4")?);
        rest = &after[end..];
    }
    Ok(packets)
}

/// Where the first `units` UTF-16 code units of `text` end, in bytes.
fn after_units(text: &str, units: usize) -> Option<usize> {
    let mut seen = 0;
    for (at, symbol) in text.char_indices() {
        if seen >= units {
            return (seen == units).then_some(at);
        }
        seen += symbol.len_utf16();
    }
    (seen == units).then_some(text.len())
}

/// `00` or `01`, the digits of the length one a byte, `FF`, the packet.
fn byte_payload(body: &[u8]) -> Result<Vec<Packet<'_>>, String> {
    let (mut rest, mut packets) = (body, Vec::new());
    while let [what, after @ ..] = rest {
        let digits = after.iter().position(|byte| *byte == 0xff).ok_or("a packet without a length")?;
        let length = after[..digits].iter().try_fold(0usize, |length, digit| {
            let digit = usize::from(*digit);
            (digit < 10).then(|| length.checked_mul(10)?.checked_add(digit)).flatten()
        });
        let length = length.ok_or("a length that is not a number")?;
        let (packet, left) =
            after[digits + 1..].split_at_checked(length).ok_or("a length that does not fit its packet")?;
        packets.push(match (what, packet) {
            (0, [_, ..]) => Packet::Text(packet),
            (1, [BINARY_MESSAGE, data @ ..]) => Packet::Binary(data.into()),
            _ => return Err("a packet that is neither text nor a binary message".to_owned()),
        });
        rest = left;
    }
    Ok(packets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(body: &str, revision: Revision) -> Vec<String> {
        let packets = read_payload(revision, body.as_bytes(), false).unwrap();
        let text = |packet| match packet {
            Packet::Text(text) => String::from_utf8_lossy(text).into_owned(),
            Packet::Binary(data) => format!("{data:?}"),
        };
        packets.into_iter().map(text).collect()
    }

    #[test]
    fn payloads_of_both_revisions() {
        assert_eq!(texts("4a\u{1e}2\u{1e}bAQIDBA==", Revision::Four), ["4a", "2", "[1, 2, 3, 4]"]);
        assert_eq!(texts("6:4hello2:4\u{20ac}3:4\u{1f600}1:6", Revision::Three).len(), 4);
        assert_eq!(texts("2:4\u{20ac}10:b4AQIDBA==", Revision::Three), ["4\u{20ac}", "[1, 2, 3, 4]"]);
        let bytes = [0, 4, 0xff, b'4', 0xe2, 0x82, 0xac, 1, 5, 0xff, 4, 1, 2, 3, 4];
        let packets = read_payload(Revision::Three, &bytes, true).unwrap();
        assert_eq!(packets[0], Packet::Text("4\u{20ac}".as_bytes()));
        assert_eq!(packets[1], Packet::Binary(vec![1, 2, 3, 4].into()));
    }

    #[test]
    fn what_is_written_is_read_again() {
        for revision in [Revision::Three, Revision::Four] {
            let mut body = Vec::new();
            for packet in ["40", "42[\"\u{1f600}\"]", "2"] {
                put_in_payload(&mut body, revision, packet.as_bytes());
            }
            put_in_payload(&mut body, revision, &base64_packet(revision, &[0, 255]));
            let packets = read_payload(revision, &body, false).unwrap();
            assert_eq!(packets.len(), 4);
            assert_eq!(packets[1], Packet::Text("42[\"\u{1f600}\"]".as_bytes()));
            assert_eq!(packets[3], Packet::Binary(vec![0, 255].into()));
            assert_eq!(
                read_binary_frame(revision, &binary_frame(revision, &[7, 8])).unwrap(),
                [7, 8],
                "{revision:?}"
            );
        }
    }

    #[test]
    fn what_a_server_must_not_send_is_an_error() {
        for body in ["4a\u{1e}", "", "b!", "4\u{1e}\u{1e}4"] {
            assert!(read_payload(Revision::Four, body.as_bytes(), false).is_err(), "{body:?}");
        }
        for body in ["4a", "3:4a", "x:4a", "0:", "1:\u{1f600}", "-1:4", "99999999999999999999:4"] {
            assert!(read_payload(Revision::Three, body.as_bytes(), false).is_err(), "{body:?}");
        }
        for body in [&[0, 1][..], &[0, 1, 0xff], &[2, 1, 0xff, b'6'], &[1, 1, 0xff, 5], &[0, 0x0b, 0xff]] {
            assert!(read_payload(Revision::Three, body, true).is_err(), "{body:?}");
        }
        assert!(read_payload(Revision::Four, b"6", true).is_err());
        assert!(read_payload(Revision::Four, b"4\xff", false).is_err());
        assert!(read_binary_frame(Revision::Three, &[1]).is_err());
    }

    #[test]
    fn an_open_packet() {
        let open = br#"{"sid":"abc_-","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}"#;
        let handshake = Handshake::read(open).unwrap();
        assert_eq!((handshake.ping_interval, handshake.max_payload), (25_000, None));
        assert!(Handshake::read(br#"{"sid":"a b","upgrades":[],"pingInterval":1,"pingTimeout":1}"#).is_err());
        assert!(Handshake::read(b"{}").is_err());
    }
}
