//! Engine.IO payloads as a client meets them: what the server composes is read by a decoder of its own, written after the
//! protocol's description, and what such a client writes is read by the server. Vectors are those of the
//! protocol's documents; cut anywhere and changed anywhere they may be wrong, but nothing worse.

use fanfare::wire::engine::{
    BadPayload, BodyKind, Data, Packet, PacketType, PayloadReader, Query, Revision, base64_frame,
    binary_frame, compose, from_binary, from_text, message_frame, text_frame, unwrap_form, wrap,
};
use fanfare::wire::frame::Frame;
use proptest::prelude::*;

/// A packet that owns what it says: the digit of its type and its data.
#[derive(Clone, Debug, PartialEq)]
enum Said {
    Text(u8, String),
    Binary(u8, Vec<u8>),
}

fn own(packet: Packet<'_>) -> Said {
    match packet.data {
        Data::Text(text) => Said::Text(packet.kind.digit(), text.into_owned()),
        Data::Binary(bytes) => Said::Binary(packet.kind.digit(), bytes.into_owned()),
    }
}

fn read(revision: Revision, kind: BodyKind, body: &[u8]) -> Result<Vec<Said>, BadPayload> {
    PayloadReader::new(revision, kind, body)?.map(|packet| packet.map(own)).collect()
}

/// A client of Engine.IO, as simple as can be: it copies, it is slow, and it panics when it is lied to.
mod client {
    use super::{Revision, Said};

    fn base64(digits: &str) -> Vec<u8> {
        const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        assert_eq!(digits.len() % 4, 0);
        let mut out = Vec::new();
        for group in digits.as_bytes().chunks(4) {
            let pads = group.iter().filter(|&&b| b == b'=').count();
            let bits = group.iter().fold(0, |bits, &b| {
                bits << 6 | if b == b'=' { 0 } else { ALPHABET.find(char::from(b)).unwrap() as u32 }
            });
            out.extend(&bits.to_be_bytes()[1..4 - pads]);
        }
        out
    }

    fn packet(revision: Revision, text: &str) -> Said {
        let (first, rest) = text.split_at(1);
        match (first, revision) {
            ("b", Revision::Three) => Said::Binary(rest.as_bytes()[0], base64(&rest[1..])),
            ("b", Revision::Four) => Said::Binary(b'4', base64(rest)),
            _ => Said::Text(first.as_bytes()[0], rest.to_owned()),
        }
    }

    /// Revision 3, in a language whose strings are made of UTF-16 code units.
    pub(super) fn counted(body: &str) -> Vec<Said> {
        let body: Vec<u16> = body.encode_utf16().collect();
        let (mut at, mut said) = (0, Vec::new());
        while at < body.len() {
            let colon = at + body[at..].iter().position(|&unit| unit == u16::from(b':')).unwrap();
            let length: usize = String::from_utf16(&body[at..colon]).unwrap().parse().unwrap();
            at = colon + 1 + length;
            said.push(packet(Revision::Three, &String::from_utf16(&body[colon + 1..at]).unwrap()));
        }
        said
    }

    pub(super) fn binary(body: &[u8]) -> Vec<Said> {
        let (mut at, mut said) = (0, Vec::new());
        while at < body.len() {
            let end = at + body[at..].iter().position(|&byte| byte == 255).unwrap();
            let length = body[at + 1..end].iter().fold(0, |length, &digit| length * 10 + usize::from(digit));
            let data = &body[end + 1..end + 1 + length];
            said.push(match body[at] {
                0 => packet(Revision::Three, std::str::from_utf8(data).unwrap()),
                1 => Said::Binary(data[0] + b'0', data[1..].to_vec()),
                other => panic!("form {other}"),
            });
            at = end + 1 + length;
        }
        said
    }

    pub(super) fn separated(body: &str) -> Vec<Said> {
        body.split('\u{1e}').map(|text| packet(Revision::Four, text)).collect()
    }
}

/// Payloads of the protocol's documents and suites, with what they say.
fn vectors() -> Vec<(Revision, BodyKind, Vec<u8>, Vec<Said>)> {
    use BodyKind::{Binary, Text};
    use Revision::{Four, Three};
    let text = |data: &str| Said::Text(b'4', data.to_owned());
    let bytes = || Said::Binary(b'4', vec![1, 2, 3, 4]);
    let bare = |digit| Said::Text(digit, String::new());
    let open =
        r#"{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":5000}"#;
    vec![
        (Three, Text, b"6:4hello".to_vec(), vec![text("hello")]),
        (Three, Text, b"6:4test16:4test2".to_vec(), vec![text("test1"), text("test2")]),
        (Three, Text, "6:4hello2:4€".into(), vec![text("hello"), text("€")]),
        (Three, Text, b"6:4hello10:b4AQIDBA==".to_vec(), vec![text("hello"), bytes()]),
        (Three, Text, "2:4€10:b4AQIDBA==".into(), vec![text("€"), bytes()]),
        (Three, Text, format!("96:0{open}2:40").into(), vec![Said::Text(b'0', open.to_owned()), text("0")]),
        (Three, Text, b"1:21:61:1".to_vec(), vec![bare(b'2'), bare(b'6'), bare(b'1')]),
        (Three, Text, "3:4😀8:2probe😀".into(), vec![text("😀"), Said::Text(b'2', "probe😀".into())]),
        (
            Three,
            Binary,
            b"\0\x06\xff4hello\x01\x05\xff\x04\x01\x02\x03\x04".to_vec(),
            vec![text("hello"), bytes()],
        ),
        (
            Three,
            Binary,
            b"\0\x04\xff4\xe2\x82\xac\x01\x05\xff\x04\x01\x02\x03\x04".to_vec(),
            vec![text("€"), bytes()],
        ),
        (Four, Text, b"4hello".to_vec(), vec![text("hello")]),
        (Four, Text, "4hello\u{1e}4€".into(), vec![text("hello"), text("€")]),
        (Four, Text, "4hello\u{1e}bAQIDBA==".into(), vec![text("hello"), bytes()]),
        (Four, Text, "4test1\u{1e}4test2\u{1e}4test3".into(), ["test1", "test2", "test3"].map(text).into()),
        (Four, Text, "2\u{1e}6\u{1e}1".into(), vec![bare(b'2'), bare(b'6'), bare(b'1')]),
    ]
}

#[test]
fn vectors_are_read() {
    for (revision, kind, body, expected) in vectors() {
        assert_eq!(read(revision, kind, &body), Ok(expected.clone()), "{}", body.escape_ascii());
        // The decoder of this file is held to the same examples.
        let text = || std::str::from_utf8(&body).unwrap();
        let said = match (revision, kind) {
            (Revision::Three, BodyKind::Text) => client::counted(text()),
            (Revision::Three, BodyKind::Binary) => client::binary(&body),
            (Revision::Four, _) => client::separated(text()),
        };
        assert_eq!(said, expected);
    }
}

/// Reads the body in every way there is. Returns what it says in the way that it is meant for.
fn survive(revision: Revision, kind: BodyKind, body: &[u8]) -> Result<Vec<Said>, BadPayload> {
    for revision in [Revision::Three, Revision::Four] {
        let _ = read(revision, BodyKind::Text, body);
        let _ = read(revision, BodyKind::Binary, body);
        let _ = from_binary(revision, body);
        let _ = from_text(revision, &String::from_utf8_lossy(body));
    }
    let _ = unwrap_form(body);
    Query::parse(&String::from_utf8_lossy(body));
    read(revision, kind, body)
}

#[test]
fn a_cut_body_says_less_or_is_wrong() {
    for (revision, kind, body, expected) in vectors() {
        for cut in 0..body.len() {
            match survive(revision, kind, &body[..cut]) {
                Err(_) => {}
                // Base64 can be cut where it is still whole, and revision 4 has no lengths to break.
                Ok(said) if revision == Revision::Four => assert!(said.len() <= expected.len()),
                Ok(said) => assert_eq!(said, expected[..said.len()], "a length holds the packet together"),
            }
            for byte in [0, 0xff, b'9', b':', 0x1e, 0xed] {
                let mut changed = body.clone();
                changed[cut] = byte;
                let _ = survive(revision, kind, &changed);
            }
        }
    }
}

/// What a test says to a client.
fn frame(revision: Revision, said: &Said, base64: bool) -> Frame {
    match said {
        Said::Text(b'4', text) => message_frame(text),
        Said::Text(b'2', text) => text_frame(PacketType::Ping, text),
        Said::Text(b'1', text) => text_frame(PacketType::Close, text),
        Said::Binary(b'4', bytes) if base64 => base64_frame(revision, bytes),
        Said::Binary(b'4', bytes) => binary_frame(revision, bytes),
        _ => unreachable!("the strategy below makes no others"),
    }
}

fn any_said() -> impl Strategy<Value = Said> {
    let text = prop_oneof!["[a-z0-9:é€😀\u{1d}\u{1f}\u{0}]{0,40}", "[x]{120,130}"];
    prop_oneof![
        4 => text.prop_map(|text| Said::Text(b'4', text)),
        1 => "(probe)?".prop_map(|text| Said::Text(b'2', text)),
        1 => Just(Said::Text(b'1', String::new())),
        2 => prop::collection::vec(any::<u8>(), 0..140).prop_map(|bytes| Said::Binary(b'4', bytes)),
    ]
}

proptest! {
    #[test]
    fn what_is_composed_is_read_back(
        said in prop::collection::vec((any_said(), any::<bool>()), 1..12),
        binary_ok: bool,
    ) {
        let expected: Vec<Said> = said.iter().map(|(said, _)| said.clone()).collect();
        for revision in [Revision::Three, Revision::Four] {
            let frames: Vec<Frame> = said.iter().map(|(said, base64)| frame(revision, said, *base64)).collect();
            let outbox: Vec<u8> = frames.iter().flat_map(|frame| frame.iter().copied()).collect();
            let payload = compose(revision, binary_ok, false, &outbox);
            let has_binary = said.iter().any(|(said, base64)| matches!(said, Said::Binary(..)) && !base64);
            prop_assert_eq!(payload.is_binary, revision == Revision::Three && binary_ok && has_binary);
            let kind = if payload.is_binary { BodyKind::Binary } else { BodyKind::Text };
            let text = String::from_utf8(payload.bytes.clone());
            let read_back = match revision {
                Revision::Three if payload.is_binary => client::binary(&payload.bytes),
                Revision::Three => client::counted(&text.unwrap()),
                Revision::Four => client::separated(&text.unwrap()),
            };
            prop_assert_eq!(&read_back, &expected);
            // A client's payloads have the same forms.
            prop_assert_eq!(read(revision, kind, &payload.bytes), Ok(expected.clone()));
        }
    }

    #[test]
    fn no_bytes_are_too_strange(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = survive(Revision::Three, BodyKind::Binary, &body);
    }

    /// Nearly right bodies reach further into the reader than noise does.
    #[test]
    fn no_lengths_are_too_strange(
        parts in prop::collection::vec(("[0-9]{0,17}", "[:\u{1e}€😀]{0,2}", "[0-7b€😀A=]{0,8}"), 0..8),
    ) {
        let text: String = parts.into_iter().flat_map(|(length, end, packet)| [length, end, packet]).collect();
        let _ = survive(Revision::Three, BodyKind::Text, text.as_bytes());
        let binary: Vec<u8> = text.bytes().map(|b| match b {
            b'0'..=b'9' => b - b'0',
            b':' => 0xff,
            other => other,
        }).collect();
        let _ = survive(Revision::Three, BodyKind::Binary, &binary);
    }

    #[test]
    fn a_script_says_what_was_wrapped(payload in "[a\"\\\\\n\r\u{0}\u{1f}\u{7f}é€😀\u{2028}\u{2029}</>]{0,40}") {
        let script = String::from_utf8(wrap("7", &payload)).unwrap();
        let json = script.strip_prefix("___eio[7](").unwrap().strip_suffix(");").unwrap();
        let raw = |c: char| c < ' ' || c == '\u{2028}' || c == '\u{2029}';
        prop_assert!(!json.contains(raw), "{}", json);
        prop_assert_eq!(serde_json::from_str::<String>(json).unwrap(), payload);
    }

    /// What the clients do before they put a payload into a form. It leaves one thing in the dark, which no payload
    /// of Socket.IO has: a backslash before a real newline.
    #[test]
    fn a_form_says_what_was_posted(payload in "[an\\\\\n&=+%€😀]{0,40}") {
        prop_assume!(!payload.contains("\\\n"));
        let escaped = payload.replace("\\n", "\\\\n").replace('\n', "\\n");
        let body: String = escaped.bytes().map(|byte| format!("%{byte:02x}")).collect();
        prop_assert_eq!(unwrap_form(format!("d={body}").as_bytes()), Ok(payload));
    }
}

#[test]
fn a_million_bytes_of_tiny_packets() {
    for (revision, kind, packet, last) in [
        (Revision::Three, BodyKind::Text, "1:2".as_bytes(), &b""[..]),
        (Revision::Three, BodyKind::Binary, b"\0\x01\xff2", b""),
        (Revision::Three, BodyKind::Binary, b"\x01\x01\xff\x02", b""),
        (Revision::Four, BodyKind::Text, b"2\x1e", b"2"),
    ] {
        let count = 1_000_000 / packet.len();
        let body = [&packet.repeat(count), last].concat();
        let reader = PayloadReader::new(revision, kind, &body).unwrap();
        let pings = reader.filter(|packet| packet.as_ref().is_ok_and(|p| p.kind == PacketType::Ping)).count();
        assert_eq!(pings, count + last.len());
    }
}
