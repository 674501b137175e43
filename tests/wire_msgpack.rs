//! Socket.IO packets as MessagePack: bytes by its specification, cut and lied about; JSON values there and back.

use std::sync::Arc;

use fanfare::session::packets::{Decoded, Decoder, Parser, Rules};
use fanfare::wire::json::{LEVELS, MAX_DEPTH};
use fanfare::wire::socketio::msgpack::{MAX_INLINE, decode, encode};
use fanfare::wire::socketio::{BadPacket, MAX_ACK_ID, Packet, PacketType, Revision, placeholder};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A fixstr, str 8 or str 32.
fn text(text: &str) -> Vec<u8> {
    let head = match text.len() {
        len @ 0..32 => vec![0xa0 | len as u8],
        len @ 32..256 => vec![0xd9, len as u8],
        len => [&[0xdb], &(len as u32).to_be_bytes()[..]].concat(),
    };
    [&head, text.as_bytes()].concat()
}

/// A key and the bytes of its value.
type Field<'a> = (&'a str, &'a [u8]);

/// A packet of the given fields.
fn packet(fields: &[Field<'_>]) -> Vec<u8> {
    let mut bytes = vec![0x80 | fields.len() as u8];
    for (key, value) in fields {
        bytes.extend(text(key));
        bytes.extend(*value);
    }
    bytes
}

/// An acknowledgement in `/` whose one argument has these bytes.
fn one(value: &[u8]) -> Vec<u8> {
    packet(&[("type", &[3]), ("data", &[&[0x91], value].concat()), ("nsp", &text("/")), ("id", &[0])])
}

type Attachments = Vec<Arc<[u8]>>;

/// The JSON of the one argument, and the attachments.
fn read(value: &[u8]) -> Result<(String, Attachments), BadPacket> {
    let packet = decode(&one(value))?;
    let inside = packet.data.strip_prefix('[').and_then(|data| data.strip_suffix(']')).unwrap();
    Ok((inside.to_owned(), packet.attachments))
}

fn json_of(value: &[u8]) -> String {
    let (json, attachments) = read(value).unwrap();
    assert!(attachments.is_empty());
    json
}

/// What the one argument is written as.
fn written(json: &str) -> Vec<u8> {
    let bytes = encode(PacketType::Ack, "/", Some(0), &format!("[{json}]"), &[]);
    let (head, tail) =
        (packet(&[("type", &[3]), ("data", &[0x91])]), packet(&[("id", &[0]), ("nsp", &text("/"))]));
    assert_eq!(bytes[0], 0x84);
    let inside = bytes[1..].strip_prefix(&head[1..]).unwrap();
    inside.strip_suffix(&tail[1..]).unwrap().to_vec()
}

#[test]
fn packets_both_ways() {
    // {"type":2,"data":["e",<01 02>],"id":5,"nsp":"/a"}
    let bytes = b"\x84\xa4type\x02\xa4data\x92\xa1e\xc4\x02\x01\x02\xa2id\x05\xa3nsp\xa2/a";
    let event = Packet {
        kind: PacketType::Event,
        namespace: "/a".into(),
        query: None,
        id: Some(5),
        data: "[\"e\",{\"_placeholder\":true,\"num\":0}]".into(),
        attachments: vec![Arc::from(&b"\x01\x02"[..])],
    };
    assert_eq!(decode(bytes), Ok(event.clone()));
    for kind in [PacketType::Event, PacketType::BinaryEvent] {
        assert_eq!(encode(kind, "/a", Some(5), &event.data, &event.attachments), bytes);
    }
    let bare = |kind| Packet {
        kind,
        namespace: "/".into(),
        query: None,
        id: None,
        data: String::new(),
        attachments: vec![],
    };
    for kind in [PacketType::Connect, PacketType::Disconnect] {
        let bytes = [b"\x82\xa4type", &[kind.number()][..], b"\xa3nsp\xa1/"].concat();
        assert_eq!(decode(&bytes), Ok(bare(kind)));
        assert_eq!(encode(kind, "/", None, "", &[]), bytes);
    }
    let bytes = b"\x83\xa4type\x04\xa4data\x81\xa7message\xa2no\xa3nsp\xa1/";
    assert_eq!(
        decode(bytes),
        Ok(Packet { data: "{\"message\":\"no\"}".into(), ..bare(PacketType::ConnectError) })
    );
    assert_eq!(encode(PacketType::ConnectError, "/", None, "{\"message\":\"no\"}", &[]), bytes);

    let mut decoder = Decoder::new();
    let rules = Rules { parser: Parser::MessagePack, revision: Revision::Five, max_bytes: bytes.len() };
    assert_eq!(decoder.text(rules, "2[\"e\"]").unwrap_err(), BadPacket::StrayText);
    let smaller = Rules { max_bytes: bytes.len() - 1, ..rules };
    assert_eq!(decoder.binary(smaller, bytes), Err(BadPacket::TooBig));
    let packet = decoder.binary(rules, bytes).unwrap().unwrap();
    assert_eq!(Decoded::from(&packet).data, "{\"message\":\"no\"}");
    assert!(decoder.is_idle());
}

#[test]
fn fields_in_any_order_and_more_of_them() {
    let skipped = b"\x94\x81\xa8compress\xc3\xc7\x03\x00\x01\x02\x03\xcb\0\0\0\0\0\0\0\0\xde\0\x01\xc0\x90";
    let bytes = packet(&[
        ("options", skipped),
        ("nsp", &text("/")),
        ("data", &[0x91, 0xa1, b'e']),
        ("id", b"\xcf\x00\x1f\xff\xff\xff\xff\xff\xff"),
        ("type", &[0xcc, 2]),
    ]);
    let event = decode(&bytes).unwrap();
    assert_eq!((event.kind, event.id, event.data.as_str()), (PacketType::Event, Some(MAX_ACK_ID), "[\"e\"]"));
    // The package writes `undefined` where a field has no value.
    let bytes = packet(&[("type", &[0]), ("data", b"\xd4\0\0"), ("id", b"\xd4\0\0"), ("nsp", &text("/"))]);
    let connect = decode(&bytes).unwrap();
    assert_eq!((connect.kind, connect.id, connect.data.as_str()), (PacketType::Connect, None, ""));
    // Of equal fields the last counts, with its own attachments only.
    let bytes = packet(&[
        ("type", &[3]),
        ("data", b"\x91\xc4\x01x"),
        ("data", b"\x91\xc4\x01y"),
        ("nsp", &text("/")),
        ("id", &[7]),
    ]);
    assert_eq!(decode(&bytes).unwrap().attachments, [Arc::from(&b"y"[..])]);
}

#[test]
fn packets_that_are_refused() {
    let nsp = text("/");
    let reserved = [&[0x91], &text("disconnect")[..]].concat();
    let long = text(&format!("/{}", "n".repeat(256)));
    let cases: &[(&[Field<'_>], BadPacket)] = &[
        (&[("nsp", &nsp)], BadPacket::UnknownType),
        (&[("type", &[5]), ("nsp", &nsp), ("data", b"\x91\xa1e")], BadPacket::UnknownType),
        (&[("type", &[0xff]), ("nsp", &nsp)], BadPacket::UnknownType),
        (&[("type", b"\xcb\0\0\0\0\0\0\0\0"), ("nsp", &nsp)], BadPacket::UnknownType),
        (&[("type", b"\xa11"), ("nsp", &nsp)], BadPacket::UnknownType),
        (&[("type", &[1])], BadPacket::Namespace),
        (&[("type", &[1]), ("nsp", &[5])], BadPacket::Namespace),
        (&[("type", &[1]), ("nsp", &text("a"))], BadPacket::Namespace),
        (&[("type", &[1]), ("nsp", &text(""))], BadPacket::Namespace),
        (&[("type", &[1]), ("nsp", &long)], BadPacket::Namespace),
        (&[("type", &[1]), ("nsp", &nsp), ("id", &[0xff])], BadPacket::AckId),
        (&[("type", &[1]), ("nsp", &nsp), ("id", &[0xc0])], BadPacket::AckId),
        (&[("type", &[1]), ("nsp", &nsp), ("id", b"\xcf\x00\x20\0\0\0\0\0\0")], BadPacket::AckId),
        (&[("type", &[0]), ("nsp", &nsp), ("data", b"\x90")], BadPacket::Payload),
        (&[("type", &[0]), ("nsp", &nsp), ("data", b"\xc0")], BadPacket::Payload),
        (&[("type", &[0]), ("nsp", &nsp), ("data", b"\xc4\x01x")], BadPacket::Payload),
        (&[("type", &[4]), ("nsp", &nsp), ("data", b"\xd7\0\0\0\0\0\0\0\0\0")], BadPacket::Payload),
        (&[("type", &[4]), ("nsp", &nsp)], BadPacket::Payload),
        (&[("type", &[1]), ("nsp", &nsp), ("data", b"\x80")], BadPacket::Payload),
        (&[("type", &[2]), ("nsp", &nsp)], BadPacket::Payload),
        (&[("type", &[2]), ("nsp", &nsp), ("data", b"\x81\x00\x01")], BadPacket::Payload),
        (&[("type", &[3]), ("nsp", &nsp), ("data", b"\xa1x")], BadPacket::Payload),
        (&[("type", &[2]), ("nsp", &nsp), ("data", b"\x90")], BadPacket::EventName),
        (&[("type", &[2]), ("nsp", &nsp), ("data", b"\x91\xc4\x01e")], BadPacket::EventName),
        (&[("type", &[2]), ("nsp", &nsp), ("data", &reserved)], BadPacket::ReservedEvent),
    ];
    for (fields, error) in cases {
        assert_eq!(decode(&packet(fields)), Err(*error), "{fields:x?}");
    }
    for not_a_map in [&b"\x90"[..], b"\xa1x", b"\x02", b"\xc0", b"2[\"e\"]"] {
        assert_eq!(decode(not_a_map), Err(BadPacket::UnknownType));
    }
    assert_eq!(decode(b""), Err(BadPacket::Truncated));
    assert_eq!(decode(b"\x81\xc0\x01"), Err(BadPacket::Key));
    assert_eq!(decode(&[&one(&[1])[..], &[0xc0]].concat()), Err(BadPacket::Trailing));
    assert_eq!(read(b"\xc1"), Err(BadPacket::Reserved));
    assert_eq!(read(b"\x81\xc0\x01"), Err(BadPacket::Key));
    assert_eq!(read(b"\x81\x91\x01\x01"), Err(BadPacket::Key));
}

#[test]
fn values_are_read() {
    let cases: &[(&[u8], &str)] = &[
        (b"\xc0", "null"),
        (b"\xc2", "false"),
        (b"\xc3", "true"),
        (b"\x7f", "127"),
        (b"\xe0", "-32"),
        (b"\xff", "-1"),
        (b"\xcc\xff", "255"),
        (b"\xcd\xff\xff", "65535"),
        (b"\xce\xff\xff\xff\xff", "4294967295"),
        (b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615"),
        (b"\xd0\x80", "-128"),
        (b"\xd1\x80\x00", "-32768"),
        (b"\xd2\x80\x00\x00\x00", "-2147483648"),
        (b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00", "-9223372036854775808"),
        (b"\xd3\x00\x00\x00\x00\x00\x00\x00\x01", "1"),
        (b"\xca\x3f\xc0\x00\x00", "1.5"),
        (b"\xcb\xbf\xd0\x00\x00\x00\x00\x00\x00", "-0.25"),
        (b"\xcb\x40\x14\x00\x00\x00\x00\x00\x00", "5"),
        (b"\xcb\x80\x00\x00\x00\x00\x00\x00\x00", "0"),
        (b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", "null"),
        (b"\xcb\xff\xf0\x00\x00\x00\x00\x00\x00", "null"),
        (b"\xca\x7f\x80\x00\x00", "null"),
        (b"\xa0", "\"\""),
        (b"\xa2\xc3\xa9", "\"é\""),
        (b"\xa3\"\\\n", "\"\\\"\\\\\\n\""),
        (b"\xa3\x00\x1f\x7f", "\"\\u0000\\u001f\x7f\""),
        (b"\xd9\x01a", "\"a\""),
        (b"\xda\x00\x01a", "\"a\""),
        (b"\xdb\x00\x00\x00\x01a", "\"a\""),
        (b"\xa3a\xffb", "\"a\u{fffd}b\""),
        (b"\x90", "[]"),
        (b"\x93\x01\xc0\x91\x02", "[1,null,[2]]"),
        (b"\xdc\x00\x01\x01", "[1]"),
        (b"\xdd\x00\x00\x00\x01\x01", "[1]"),
        (b"\x80", "{}"),
        (b"\x82\xa1a\x01\xa1b\x81\xa0\xc0", "{\"a\":1,\"b\":{\"\":null}}"),
        (b"\xde\x00\x01\xa1a\x01", "{\"a\":1}"),
        (b"\xdf\x00\x00\x00\x01\xa1a\x01", "{\"a\":1}"),
        (b"\x82\x05\x01\xff\x02", "{\"5\":1,\"-1\":2}"),
        (b"\x81\xa9__proto__\x80", "{\"__proto__\":{}}"),
        (b"\xd4\x00\x00", "null"),
        (b"\x81\xac_placeholder\xc3", "{\"_placeholder\":true}"),
    ];
    for (bytes, json) in cases {
        assert_eq!(json_of(bytes), *json, "{bytes:x?}");
    }
}

#[test]
fn bytes_become_attachments() {
    let cases: &[(&[u8], &[u8])] = &[
        (b"\xc4\x00", b""),
        (b"\xc4\x02ab", b"ab"),
        (b"\xc5\x00\x02ab", b"ab"),
        (b"\xc6\x00\x00\x00\x02ab", b"ab"),
        (b"\xc7\x01\x00a", b"a"),
        (b"\xc8\x00\x02\x00ab", b"ab"),
        (b"\xc9\x00\x00\x00\x02\x00ab", b"ab"),
    ];
    for (value, bytes) in cases {
        let (json, attachments) = read(value).unwrap();
        assert_eq!(json, "{\"_placeholder\":true,\"num\":0}");
        assert_eq!(attachments, [Arc::from(*bytes)]);
    }
    let (json, attachments) = read(b"\x82\xa1a\x91\xc4\x01x\xa1b\xc4\x01y").unwrap();
    assert_eq!(json, "{\"a\":[{\"_placeholder\":true,\"num\":0}],\"b\":{\"_placeholder\":true,\"num\":1}}");
    assert_eq!(attachments, [Arc::from(&b"x"[..]), Arc::from(&b"y"[..])]);

    let many =
        |count: usize| [&[0xdc], &(count as u16).to_be_bytes()[..], &b"\xc4\x00".repeat(count)].concat();
    assert_eq!(read(&many(MAX_INLINE)).unwrap().1.len(), MAX_INLINE);
    assert_eq!(read(&many(MAX_INLINE + 1)), Err(BadPacket::TooManyAttachments));
    // A map that looks like a placeholder could take away another's bytes.
    for value in [
        &b"\x92\xc4\x01x\x82\xac_placeholder\xc3\xa3num\x00"[..],
        b"\x82\xac_placeholder\xc3\xa3num\xc4\x01x",
    ] {
        assert_eq!(read(value), Err(BadPacket::Lookalike));
    }
}

#[test]
fn extensions() {
    for (head, kind) in [
        (&b"\xd4"[..], 1i8),
        (b"\xd5", 0),
        (b"\xd6", -1),
        (b"\xd7", -1),
        (b"\xd8", 0),
        (b"\xc7\x0c", -1),
        (b"\xc8\x00\x10", 5),
        (b"\xc9\x00\x00\x00\x10", 127),
    ] {
        let value = [head, &kind.to_be_bytes(), &[0; 16]].concat();
        assert_eq!(read(&value), Err(BadPacket::Extension(kind)), "{value:x?}");
    }
}

#[test]
fn dates() {
    let date = |millis: i64| json_of(&[&b"\xd7\x00"[..], &millis.to_be_bytes()].concat());
    // ECMA-262, sections 21.4.1.1 and 21.4.1.32, and well-known days.
    for (millis, text) in [
        (0, "\"1970-01-01T00:00:00.000Z\""),
        (-1, "\"1969-12-31T23:59:59.999Z\""),
        (951_868_799_999, "\"2000-02-29T23:59:59.999Z\""),
        (1_000_000_000_000, "\"2001-09-09T01:46:40.000Z\""),
        (253_402_300_800_000, "\"+010000-01-01T00:00:00.000Z\""),
        (-62_167_219_200_000, "\"0000-01-01T00:00:00.000Z\""),
        (-62_198_755_200_000, "\"-000001-01-01T00:00:00.000Z\""),
        (8_640_000_000_000_000, "\"+275760-09-13T00:00:00.000Z\""),
        (-8_640_000_000_000_000, "\"-271821-04-20T00:00:00.000Z\""),
        (8_640_000_000_000_001, "null"),
        (i64::MIN, "null"),
        (i64::MAX, "null"),
    ] {
        assert_eq!(date(millis), text);
    }
    // Every day of a cycle of the calendar, counted.
    let (mut year, mut month, mut day) = (1970, 1, 1);
    for days in 0..146_097 {
        assert_eq!(date(days * 86_400_000), format!("\"{year}-{month:02}-{day:02}T00:00:00.000Z\""));
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let last = match month {
            2 => 28 + i32::from(is_leap),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        day += 1;
        if day > last {
            (month, day) = (month + 1, 1);
        }
        if month > 12 {
            (year, month) = (year + 1, 1);
        }
    }
    assert_eq!((year, month, day), (2370, 1, 1));
}

#[test]
fn values_are_written_in_the_shortest_form() {
    let cases: &[(&str, &[u8])] = &[
        ("null", b"\xc0"),
        ("false", b"\xc2"),
        ("true", b"\xc3"),
        ("0", b"\x00"),
        ("-0", b"\x00"),
        ("127", b"\x7f"),
        ("128", b"\xcc\x80"),
        ("255", b"\xcc\xff"),
        ("256", b"\xcd\x01\x00"),
        ("65536", b"\xce\x00\x01\x00\x00"),
        ("4294967296", b"\xcf\x00\x00\x00\x01\x00\x00\x00\x00"),
        ("18446744073709551615", b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
        ("-32", b"\xe0"),
        ("-33", b"\xd0\xdf"),
        ("-128", b"\xd0\x80"),
        ("-129", b"\xd1\xff\x7f"),
        ("-32769", b"\xd2\xff\xff\x7f\xff"),
        ("-2147483649", b"\xd3\xff\xff\xff\xff\x7f\xff\xff\xff"),
        ("5.0", b"\x05"),
        ("1e2", b"\x64"),
        ("1.5", b"\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00"),
        // 2^64, which no integer form holds.
        ("18446744073709551616", b"\xcb\x43\xf0\x00\x00\x00\x00\x00\x00"),
        ("1e999", b"\xc0"),
        ("\"\"", b"\xa0"),
        ("\"\\u00e9\\n\"", b"\xa3\xc3\xa9\n"),
        ("\"\\ud800\"", b"\xa3\xef\xbf\xbd"),
        ("[]", b"\x90"),
        ("[1,[ ] ,{}]", b"\x93\x01\x90\x80"),
        ("{\"a\":{\"b\":[1,2]},\"c\":3}", b"\x82\xa1a\x81\xa1b\x92\x01\x02\xa1c\x03"),
        ("{\"_placeholder\":true,\"num\":0}", b"\x82\xac_placeholder\xc3\xa3num\x00"),
    ];
    for (json, bytes) in cases {
        assert_eq!(written(json), *bytes, "{json}");
    }
    for (len, head) in [
        (15, &b"\x9f"[..]),
        (16, b"\xdc\x00\x10"),
        (65_535, b"\xdc\xff\xff"),
        (65_536, b"\xdd\x00\x01\x00\x00"),
    ] {
        let list = format!("[{}]", vec!["1"; len].join(","));
        assert_eq!(written(&list), [head, &vec![1; len]].concat());
        let map = format!("{{{}}}", vec!["\"\":1"; len].join(","));
        let head: Vec<u8> = match head {
            [0x9f] => vec![0x8f],
            [first, rest @ ..] => [&[first + 2], rest].concat(),
            [] => unreachable!(),
        };
        assert_eq!(written(&map), [head, [0xa0, 1].repeat(len)].concat());
    }
    for len in [31, 32, 255, 256, 65_535, 65_536] {
        let text = "x".repeat(len);
        let bytes = written(&format!("\"{text}\""));
        let head = match len {
            31 => 1,
            32..=255 => 2,
            256..=65_535 => 3,
            _ => 5,
        };
        assert_eq!(bytes.len(), head + len);
        assert_eq!(json_of(&bytes), format!("\"{text}\""));
    }
}

#[test]
fn every_cut_is_seen() {
    let value = b"\x94\x82\xa1a\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\xd9\x01b\xc5\x00\x02xy\xd7\x00\0\0\0\0\0\0\0\0\xce\0\0\0\x01\xc8\x00\x01\x00z";
    let bytes = one(value);
    assert!(decode(&bytes).is_ok());
    for at in 0..bytes.len() {
        assert_eq!(decode(&bytes[..at]), Err(BadPacket::Truncated), "cut at {at}");
    }
}

#[test]
fn lies_about_lengths_cost_nothing() {
    for head in [&b"\xdd"[..], b"\xdf", b"\xdb", b"\xc6", b"\xc9"] {
        let lie = [head, &[0xff; 4], &[0; 8]].concat();
        assert!(matches!(read(&lie), Err(BadPacket::Truncated | BadPacket::Trailing)), "{lie:x?}");
        assert_eq!(decode(&packet(&[("x", &lie)])), Err(BadPacket::Truncated), "a field that is passed over");
    }
    assert_eq!(decode(b"\xdf\xff\xff\xff\xff"), Err(BadPacket::Truncated));
}

#[test]
fn depth_is_bounded_and_what_is_passed_over_is_not() {
    let nested = |levels: usize, inside: &[u8]| [&vec![0x91; levels][..], inside].concat();
    // The list of arguments is a level, and so is the placeholder that bytes become.
    assert!(read(&nested(MAX_DEPTH - 1, &[1])).is_ok());
    assert_eq!(read(&nested(MAX_DEPTH, &[1])), Err(BadPacket::TooDeep));
    let (json, attachments) = read(&nested(MAX_DEPTH - 2, b"\xc4\x01x")).unwrap();
    assert_eq!(placeholder::find(&json).unwrap().len(), attachments.len());
    assert_eq!(read(&nested(MAX_DEPTH - 1, b"\xc4\x01x")), Err(BadPacket::TooDeep));
    assert_eq!(read(&nested(1_000_000, &[1])), Err(BadPacket::TooDeep));
    assert_eq!(read(&b"\x81\xa0".repeat(1_000_000)), Err(BadPacket::TooDeep));
    let bytes = packet(&[("type", &[1]), ("nsp", &text("/")), ("x", &nested(1_000_000, &[1]))]);
    assert_eq!(decode(&bytes).unwrap().kind, PacketType::Disconnect);
    // What the program itself sends may be as deep as a reader can follow.
    let deep = format!("{}{}", "[".repeat(LEVELS), "]".repeat(LEVELS));
    assert!(encode(PacketType::Ack, "/", None, &deep, &[]).len() > LEVELS);
}

/// A value in which some objects are placeholders; they are numbered afterwards.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e6..1e6).prop_map(|number: f64| Value::from(number + 0.5e-7)),
        any::<String>().prop_map(Value::from),
        Just(json!({"_placeholder": true})),
    ];
    leaf.prop_recursive(5, 80, 20, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..20)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Numbers the placeholders in the order of the text.
fn number(value: &mut Value, attachments: &mut Vec<Arc<[u8]>>) {
    match value {
        Value::Object(map) if map.contains_key("_placeholder") => {
            map.insert("num".into(), attachments.len().into());
            attachments.push(vec![attachments.len() as u8; 3].into());
        }
        Value::Object(map) => map.values_mut().for_each(|value| number(value, attachments)),
        Value::Array(list) => list.iter_mut().for_each(|value| number(value, attachments)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn there_and_back(mut value in value(), id in prop::option::of(0..=MAX_ACK_ID), at in any::<prop::sample::Index>()) {
        let mut attachments = Vec::new();
        number(&mut value, &mut attachments);
        let data = json!([value]).to_string();
        let bytes = encode(PacketType::Ack, "/é", id, &data, &attachments);
        let packet = decode(&bytes).unwrap();
        prop_assert_eq!((packet.kind, packet.namespace.as_str(), packet.id), (PacketType::Ack, "/é", id));
        prop_assert_eq!(serde_json::from_str::<Value>(&packet.data).unwrap(), serde_json::from_str::<Value>(&data).unwrap());
        prop_assert_eq!(packet.attachments, attachments);
        prop_assert_eq!(decode(&bytes[..at.index(bytes.len())]), Err(BadPacket::Truncated));
    }

    #[test]
    fn no_bytes_cause_a_panic(
        value in value(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        rubbish in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut bytes = encode(PacketType::Ack, "/", Some(1), &json!([value]).to_string(), &[]);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        for bytes in [bytes, one(&rubbish), rubbish] {
            if let Ok(packet) = decode(&bytes) {
                // Whatever it was, it is valid now.
                encode(packet.kind, &packet.namespace, packet.id, &packet.data, &packet.attachments);
                prop_assert!(Decoded::from(&packet).args.iter().count() <= packet.data.len());
            }
        }
    }
}
