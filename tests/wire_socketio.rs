//! Socket.IO packets as text: examples both ways and cut at every byte, what the reference refuses, placeholders, and
//! arguments that are passed on.

use std::sync::Arc;

use fanfare::wire::json::{JsonError, MAX_DEPTH};
use fanfare::wire::socketio::args::{Args, ArgsError, ArgsRef};
use fanfare::wire::socketio::packet::{self, Header, parse};
use fanfare::wire::socketio::placeholder::{self, Placeholder};
use fanfare::wire::socketio::{
    BadPacket, MAX_ACK_ID, PacketType, RESERVED_EVENTS, Revision, connect_data, connect_error_data,
    event_data,
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Text, kind, attachments, namespace, id, data; each is the only way to write its packet.
type Vector = (&'static str, PacketType, usize, &'static str, Option<u64>, &'static str);
const VECTORS: &[Vector] = &[
    ("0", PacketType::Connect, 0, "/", None, ""),
    ("0{\"token\":\"123\"}", PacketType::Connect, 0, "/", None, "{\"token\":\"123\"}"),
    ("0/admin,{\"sid\":\"x\"}", PacketType::Connect, 0, "/admin", None, "{\"sid\":\"x\"}"),
    ("1", PacketType::Disconnect, 0, "/", None, ""),
    ("1/admin,", PacketType::Disconnect, 0, "/admin", None, ""),
    ("2[\"e\",1]", PacketType::Event, 0, "/", None, "[\"e\",1]"),
    ("2/admin,12[\"e\"]", PacketType::Event, 0, "/admin", Some(12), "[\"e\"]"),
    ("20[\"e\"]", PacketType::Event, 0, "/", Some(0), "[\"e\"]"),
    ("2/é€/😀,[\"é\",\"😀\"]", PacketType::Event, 0, "/é€/😀", None, "[\"é\",\"😀\"]"),
    ("29007199254740991[7,null]", PacketType::Event, 0, "/", Some(MAX_ACK_ID), "[7,null]"),
    ("3/admin,12[\"r\"]", PacketType::Ack, 0, "/admin", Some(12), "[\"r\"]"),
    ("31[]", PacketType::Ack, 0, "/", Some(1), "[]"),
    ("4{\"message\":\"no\"}", PacketType::ConnectError, 0, "/", None, "{\"message\":\"no\"}"),
    ("4/admin,\"no\"", PacketType::ConnectError, 0, "/admin", None, "\"no\""),
    (
        "51-[\"e\",{\"_placeholder\":true,\"num\":0}]",
        PacketType::BinaryEvent,
        1,
        "/",
        None,
        "[\"e\",{\"_placeholder\":true,\"num\":0}]",
    ),
    (
        "510-/a,3[\"e\",{\"_placeholder\":true,\"num\":9}]",
        PacketType::BinaryEvent,
        10,
        "/a",
        Some(3),
        "[\"e\",{\"_placeholder\":true,\"num\":9}]",
    ),
    (
        "61-/admin,1[{\"_placeholder\":true,\"num\":0}]",
        PacketType::BinaryAck,
        1,
        "/admin",
        Some(1),
        "[{\"_placeholder\":true,\"num\":0}]",
    ),
];

#[test]
fn vectors_both_ways() {
    for &(text, kind, attachments, namespace, id, data) in VECTORS {
        for revision in [Revision::Four, Revision::Five] {
            let header = Header { kind, attachments, namespace, query: None, id, data };
            assert_eq!(parse(text, revision), Ok(header), "{text}");
        }
        assert_eq!(packet::encode(kind, attachments, namespace, id, data), text);
    }
}

/// Writes again what was understood.
fn again(header: &Header<'_>) -> String {
    packet::encode(header.kind, header.attachments, header.namespace, header.id, header.data)
}

#[test]
fn vectors_cut_at_every_byte() {
    for &(text, kind, ..) in VECTORS {
        for at in (1..text.len()).filter(|at| text.is_char_boundary(*at)) {
            let (first, second) = text.split_at(at);
            // A beginning can be a packet of its own, but then it says nothing that is not in it.
            if let Ok(header) = parse(first, Revision::Five) {
                let again = again(&header);
                let same =
                    [first, &format!("{first},"), first.trim_end_matches('/')].contains(&again.as_str());
                assert!(same, "{first} was read as {again}");
                assert!(
                    matches!(kind, PacketType::Connect | PacketType::Disconnect),
                    "{first} has no payload"
                );
            }
            if let Ok(header) = parse(second, Revision::Five) {
                assert!(second.ends_with(header.data));
            }
        }
    }
}

#[test]
fn what_only_some_clients_write() {
    let namespace = |text, revision| parse(text, revision).map(|header| (header.namespace, header.query));
    for text in ["0/admin", "0/admin,"] {
        assert_eq!(namespace(text, Revision::Five), Ok(("/admin", None)));
    }
    assert_eq!(namespace("1/", Revision::Five), Ok(("/", None)));
    assert_eq!(namespace("2/,[\"e\"]", Revision::Five), Ok(("/", None)));
    for (text, query) in
        [("0/admin?token=a%20b,", "token=a%20b"), ("0/admin?token=a", "token=a"), ("0/admin?,", "")]
    {
        assert_eq!(namespace(text, Revision::Four), Ok(("/admin", Some(query))));
    }
    assert_eq!(namespace("0/?a=1?2,", Revision::Four), Ok(("/", Some("a=1?2"))));
    assert_eq!(namespace("0/admin?token=a,", Revision::Five), Ok(("/admin?token=a", None)));
    assert_eq!(parse("2007[\"e\"]", Revision::Five).unwrap().id, Some(7));
    assert_eq!(parse("501-[\"e\"]", Revision::Five).unwrap().attachments, 1);
    assert_eq!(parse("2[ \"e\" ,1 ] \n", Revision::Five).unwrap().data, "[ \"e\" ,1 ]");
}

#[test]
fn what_is_refused() {
    let long = format!("0/{},", "n".repeat(256));
    let long_query = format!("0/{}?{},", "n".repeat(255), "q".repeat(1_000));
    let deep = |open: &str| format!("2[\"e\",{}", open.repeat(1_000_000));
    let cases: &[(&str, BadPacket)] = &[
        ("", BadPacket::UnknownType),
        ("7", BadPacket::UnknownType),
        ("9[\"e\"]", BadPacket::UnknownType),
        ("a", BadPacket::UnknownType),
        (" ", BadPacket::UnknownType),
        ("é", BadPacket::UnknownType),
        ("5", BadPacket::Attachments),
        ("5-", BadPacket::Attachments),
        ("5-[\"e\"]", BadPacket::Attachments),
        ("50-[\"e\"]", BadPacket::Attachments),
        ("51", BadPacket::Attachments),
        ("51[\"e\"]", BadPacket::Attachments),
        ("5 1-[\"e\"]", BadPacket::Attachments),
        ("51.0-[\"e\"]", BadPacket::Attachments),
        ("5-1-[\"e\"]", BadPacket::Attachments),
        ("511-[\"e\"]", BadPacket::TooManyAttachments),
        ("51000000000-[\"e\"]", BadPacket::TooManyAttachments),
        ("599999999999999999999999999-[\"e\"]", BadPacket::TooManyAttachments),
        ("51-", BadPacket::Payload),
        ("61-", BadPacket::Payload),
        (&long, BadPacket::Namespace),
        ("29007199254740992[\"e\"]", BadPacket::AckId),
        ("218446744073709551616[\"e\"]", BadPacket::AckId),
        ("299999999999999999999999999999[\"e\"]", BadPacket::AckId),
        ("2 [\"e\"]", BadPacket::Json(JsonError::Unexpected(0))),
        ("21 [\"e\"]", BadPacket::Json(JsonError::Unexpected(0))),
        ("2-1[\"e\"]", BadPacket::Json(JsonError::Unexpected(2))),
        ("2[\"e\"", BadPacket::Json(JsonError::Unexpected(4))),
        ("2[\"e\"]]", BadPacket::Json(JsonError::Unexpected(5))),
        ("2[\"e\",}", BadPacket::Json(JsonError::Unexpected(5))),
        ("2[\"e\"]2[\"e\"]", BadPacket::Json(JsonError::Unexpected(5))),
        ("0{}x", BadPacket::Json(JsonError::Unexpected(2))),
        ("0[1]", BadPacket::Payload),
        ("0\"token\"", BadPacket::Payload),
        ("0null", BadPacket::Payload),
        ("1{}", BadPacket::Payload),
        ("1/a,[]", BadPacket::Payload),
        ("2", BadPacket::Payload),
        ("2/a,", BadPacket::Payload),
        ("2{}", BadPacket::Payload),
        ("2\"e\"", BadPacket::Payload),
        ("3", BadPacket::Payload),
        ("31{}", BadPacket::Payload),
        ("4", BadPacket::Payload),
        ("4[]", BadPacket::Payload),
        ("41", BadPacket::Payload),
        ("2[]", BadPacket::EventName),
        ("2[null]", BadPacket::EventName),
        ("2[true]", BadPacket::EventName),
        ("2[{}]", BadPacket::EventName),
        ("2[{\"toString\":\"e\"}]", BadPacket::EventName),
        ("2[[\"e\"]]", BadPacket::EventName),
        ("51-[{\"_placeholder\":true,\"num\":0}]", BadPacket::EventName),
        ("2[\"connect\"]", BadPacket::ReservedEvent),
        ("2[\"\\u0063onnect\",1]", BadPacket::ReservedEvent),
        ("51-[\"disconnecting\"]", BadPacket::ReservedEvent),
        (&deep("["), BadPacket::Json(JsonError::TooDeep(5 + MAX_DEPTH - 1))),
        (&deep("{\"a\":"), BadPacket::Json(JsonError::TooDeep(5 + (MAX_DEPTH - 1) * 5))),
    ];
    for (text, error) in cases {
        for revision in [Revision::Four, Revision::Five] {
            let start: String = text.chars().take(60).collect();
            assert_eq!(parse(text, revision).as_ref().map(|_| ()), Err(error), "{start}");
        }
    }
    for name in RESERVED_EVENTS {
        assert_eq!(parse(&format!("2[\"{name}\"]"), Revision::Five), Err(BadPacket::ReservedEvent));
        assert!(parse(&format!("2[\"{name}_\",\"{name}\"]"), Revision::Five).is_ok());
        assert!(parse(&format!("30[\"{name}\"]"), Revision::Five).is_ok(), "an acknowledgement has no name");
    }
    assert_eq!(parse(&long_query, Revision::Four).unwrap().query.unwrap().len(), 1_000);
    assert_eq!(parse(&long_query, Revision::Five), Err(BadPacket::Namespace));
}

fn event(namespace: &str, id: Option<u64>, name: &str, args: ArgsRef<'_>) -> String {
    let count = args.attachments().len();
    let kind = if count > 0 { PacketType::BinaryEvent } else { PacketType::Event };
    packet::encode(kind, count, namespace, id, &event_data(name, args.json()))
}

fn ack(namespace: &str, id: u64, args: ArgsRef<'_>) -> String {
    let count = args.attachments().len();
    let kind = if count > 0 { PacketType::BinaryAck } else { PacketType::Ack };
    packet::encode(kind, count, namespace, Some(id), &format!("[{}]", args.json()))
}

#[test]
fn packets_of_the_server() {
    let connect = |namespace: &str, sid: Option<&str>| {
        packet::encode(PacketType::Connect, 0, namespace, None, &connect_data(sid))
    };
    assert_eq!(connect("/", None), "0");
    assert_eq!(connect("/admin", None), "0/admin,");
    assert_eq!(connect("/", Some("abc")), "0{\"sid\":\"abc\"}");
    assert_eq!(packet::encode(PacketType::Disconnect, 0, "/", None, ""), "1");
    assert_eq!(packet::encode(PacketType::Disconnect, 0, "/admin", None, ""), "1/admin,");
    let refuse = |revision: Revision, namespace: &str, message: &str, data: Option<&str>| {
        let data = connect_error_data(revision, message, data);
        packet::encode(PacketType::ConnectError, 0, namespace, None, &data)
    };
    assert_eq!(
        refuse(Revision::Five, "/random", "Invalid namespace", None),
        "4/random,{\"message\":\"Invalid namespace\"}"
    );
    assert_eq!(
        refuse(Revision::Five, "/", "a \"b\"\n", Some("[1]")),
        "4{\"message\":\"a \\\"b\\\"\\n\",\"data\":[1]}"
    );
    assert_eq!(refuse(Revision::Four, "/nope", "Invalid namespace", None), "4/nope,\"Invalid namespace\"");
    assert_eq!(refuse(Revision::Four, "/", "unused", Some("{\"code\":1}")), "4{\"code\":1}");

    let mut args = Args::new();
    assert_eq!(event("/", None, "a \"b\"", args.as_ref()), "2[\"a \\\"b\\\"\"]");
    assert_eq!(ack("/a", 5, args.as_ref()), "3/a,5[]");
    args.push(&json!({"k": [1, null]})).unwrap();
    args.push_raw(" \"x\" ").unwrap();
    assert_eq!(event("/a", Some(7), "e", args.as_ref()), "2/a,7[\"e\",{\"k\":[1,null]},\"x\"]");
    args.push_binary(&b"\x01\x02"[..]).unwrap();
    assert_eq!(
        event("/", None, "e", args.as_ref()),
        "51-[\"e\",{\"k\":[1,null]},\"x\",{\"_placeholder\":true,\"num\":0}]"
    );
    assert_eq!(ack("/", 0, args.as_ref()), "61-0[{\"k\":[1,null]},\"x\",{\"_placeholder\":true,\"num\":0}]");
}

// -- placeholders

#[test]
fn placeholders_are_found_as_the_reference_finds_them() {
    let nums = |json: &str| -> Vec<Option<usize>> {
        placeholder::find(json).unwrap().into_iter().map(|found| found.num).collect()
    };
    let cases: &[(&str, &[Option<usize>])] = &[
        (r#"{"_placeholder":true,"num":3}"#, &[Some(3)]),
        (r#" { "num" : 3 , "_placeholder" : true } "#, &[Some(3)]),
        (r#"[1,[{"a":{"_placeholder":true,"num":1}}],{"_placeholder":true,"num":0}]"#, &[Some(1), Some(0)]),
        (r#"[{"_placeholder":true,"num":1},{"_placeholder":true,"num":1}]"#, &[Some(1), Some(1)]),
        (r#"{"_placeholder":true,"num":0,"more":[1]}"#, &[Some(0)]),
        (r#"{"_pl\u0061ceholder":true,"n\u0075m":2}"#, &[Some(2)]),
        // What is inside of one is gone with it.
        (r#"{"_placeholder":true,"num":0,"a":{"_placeholder":true,"num":99}}"#, &[Some(0)]),
        (r#"{"a":{"_placeholder":true,"num":99},"_placeholder":true,"num":0}"#, &[Some(0)]),
        // Of equal keys the last counts.
        (r#"{"_placeholder":false,"_placeholder":true,"num":1,"num":2}"#, &[Some(2)]),
        (r#"{"_placeholder":true,"_placeholder":false,"num":1}"#, &[]),
        (r#"{"_placeholder":true,"_placeholder":{},"num":1}"#, &[]),
        (r#"{"_placeholder":true,"num":1,"num":"1"}"#, &[None]),
        // Other ways to write an integer.
        (r#"{"_placeholder":true,"num":-0}"#, &[Some(0)]),
        (r#"{"_placeholder":true,"num":1.0}"#, &[Some(1)]),
        (r#"{"_placeholder":true,"num":10e-1}"#, &[Some(1)]),
        // No integer that could name an attachment.
        (r#"{"_placeholder":true}"#, &[None]),
        (r#"{"_placeholder":true,"num":"length"}"#, &[None]),
        (r#"{"_placeholder":true,"num":"__proto__"}"#, &[None]),
        (r#"{"_placeholder":true,"num":-1}"#, &[None]),
        (r#"{"_placeholder":true,"num":1.5}"#, &[None]),
        (r#"{"_placeholder":true,"num":1e300}"#, &[None]),
        (r#"{"_placeholder":true,"num":1e999}"#, &[None]),
        (r#"{"_placeholder":true,"num":null}"#, &[None]),
        (r#"{"_placeholder":true,"num":[0]}"#, &[None]),
        (r#"{"_placeholder":true,"num":{"num":0}}"#, &[None]),
        // None at all.
        (r#"{"_placeholder":1,"num":0}"#, &[]),
        (r#"{"_placeholder":"true","num":0}"#, &[]),
        (r#"{"_placeholder":[true],"num":0}"#, &[]),
        (r#"{"_placeholder":null,"num":0}"#, &[]),
        (r#"["_placeholder",true,"num",0]"#, &[]),
        (r#""{\"_placeholder\":true,\"num\":0}""#, &[]),
        (r#"{"__proto__":true,"num":0,"x":"_placeholder"}"#, &[]),
        (r#"{"_placeholder ":true,"num":0}"#, &[]),
    ];
    for (json, expected) in cases {
        assert_eq!(nums(json), *expected, "{json}");
        assert_eq!(nums(&format!("[{json},{{\"a\":{json}}}]")), [*expected, *expected].concat(), "{json}");
    }
    let mut written = String::new();
    placeholder::write(12, &mut written);
    assert_eq!(
        placeholder::find(&written),
        Ok(vec![Placeholder { start: 0, end: written.len(), num: Some(12) }])
    );
    assert_eq!(placeholder::find("[\"_placeholder\""), Err(JsonError::Unexpected(15)));
}

// -- arguments

fn bytes(list: &[&[u8]]) -> Vec<Arc<[u8]>> {
    list.iter().map(|bytes| Arc::from(*bytes)).collect()
}

#[test]
fn arguments_are_read_one_by_one() {
    let attachments = bytes(&[b"zero", b"one"]);
    let json =
        "{\"_placeholder\":true,\"num\":1}, [1,{\"num\":0,\"_placeholder\":true}] ,\"t\\u00e9xt\",{\"a\":5}";
    let args: Vec<_> = ArgsRef::new(json, &attachments).iter().collect();
    let raws: Vec<_> = args.iter().map(|arg| arg.raw()).collect();
    assert_eq!(
        raws,
        [
            "{\"_placeholder\":true,\"num\":1}",
            "[1,{\"num\":0,\"_placeholder\":true}]",
            "\"t\\u00e9xt\"",
            "{\"a\":5}"
        ]
    );
    assert_eq!(args[0].as_binary(), Some(&b"one"[..]));
    assert!(args[1..].iter().all(|arg| arg.as_binary().is_none()), "what contains bytes is not bytes");
    assert_eq!(args[2].parse::<String>().unwrap(), "téxt");
    assert_eq!(args[3].parse::<Value>().unwrap(), json!({"a": 5}));
    assert!(args[3].parse::<&str>().is_err());
    assert!(ArgsRef::new("", &[]).is_empty());
    assert_eq!(ArgsRef::new("", &[]).iter().count(), 0);
    let lookalike = ArgsRef::new("{\"_placeholder\":true,\"num\":0}", &[]);
    assert_eq!(lookalike.iter().next().unwrap().as_binary(), None, "without attachments nothing is one");
}

#[test]
fn passing_on_takes_along_what_is_named() {
    let attachments = bytes(&[b"zero", b"one", b"two"]);
    let json = "\"plain\",{\"a\":{\"_placeholder\":true,\"num\":2},\"b\":[{\"num\":0,\"_placeholder\":true},{\"_placeholder\":true,\"num\":2}]}";
    let received: Vec<_> = ArgsRef::new(json, &attachments).iter().collect();
    let mut args = Args::new();
    args.push_binary(&b"mine"[..]).unwrap();
    args.push_ref(received[1]).unwrap();
    args.push_ref(received[0]).unwrap();
    args.push_binary(&b"last"[..]).unwrap();
    args.push_ref(received[1]).unwrap();
    assert_eq!(
        args.as_ref().json(),
        "{\"_placeholder\":true,\"num\":0},\
         {\"a\":{\"_placeholder\":true,\"num\":1},\"b\":[{\"_placeholder\":true,\"num\":2},{\"_placeholder\":true,\"num\":1}]},\
         \"plain\",\
         {\"_placeholder\":true,\"num\":3},\
         {\"a\":{\"_placeholder\":true,\"num\":4},\"b\":[{\"_placeholder\":true,\"num\":5},{\"_placeholder\":true,\"num\":4}]}"
    );
    let sent: Vec<&[u8]> = args.as_ref().attachments().iter().map(|bytes| &bytes[..]).collect();
    assert_eq!(sent, [&b"mine"[..], b"two", b"zero", b"last", b"two", b"zero"]);
    assert!(Arc::ptr_eq(&args.as_ref().attachments()[1], &attachments[2]), "bytes are shared");
}

/// What a client says as plain data must not become a reference to another's bytes on its way through.
#[test]
fn a_lookalike_never_meets_attachments() {
    let text = "{\"x\":{\"_placeholder\":true,\"num\":99}}";
    let attachments = bytes(&[b"b"]);
    let lookalike = ArgsRef::new(text, &[]).iter().next().unwrap();
    let binary = ArgsRef::new("{\"_placeholder\":true,\"num\":0}", &attachments).iter().next().unwrap();
    let broken = ArgsRef::new(text, &attachments).iter().next().unwrap();

    let mut args = Args::new();
    args.push_ref(lookalike).unwrap();
    args.push_raw(text).unwrap();
    args.push(&json!({"_placeholder": true})).unwrap();
    assert_eq!(
        event("/", None, "e", args.as_ref()),
        format!("2[\"e\",{text},{text},{{\"_placeholder\":true}}]"),
        "alone it is passed on"
    );
    assert!(matches!(args.push_binary(&b"b"[..]), Err(ArgsError::Lookalike)));
    assert!(matches!(args.push_ref(binary), Err(ArgsError::Lookalike)));

    let mut args = Args::new();
    args.push_ref(binary).unwrap();
    for result in [
        args.push_ref(lookalike),
        args.push_raw(text),
        args.push(&json!({"_placeholder": true})),
        args.push_ref(broken),
    ] {
        assert!(matches!(result, Err(ArgsError::Lookalike)));
    }
    args.push("{\"_placeholder\":true,\"num\":99}").unwrap();
    assert_eq!(args.as_ref().attachments().len(), 1);
    assert_eq!(
        args.as_ref().json(),
        "{\"_placeholder\":true,\"num\":0},\"{\\\"_placeholder\\\":true,\\\"num\\\":99}\"",
        "a failed call adds nothing, and a text is a text"
    );
}

#[test]
fn only_json_is_an_argument() {
    let mut args = Args::new();
    for text in ["", "1,2", "[", "x", "1]", "],["] {
        assert!(matches!(args.push_raw(text), Err(ArgsError::Json(_))), "{text}");
    }
    let deep = format!("{}{}", "[".repeat(MAX_DEPTH + 1), "]".repeat(MAX_DEPTH + 1));
    assert!(matches!(args.push_raw(&deep), Err(ArgsError::Json(JsonError::TooDeep(_)))));
    assert!(matches!(args.push(&std::collections::HashMap::from([((1, 2), 3)])), Err(ArgsError::Value(_))));
    assert!(args.as_ref().is_empty());
    args.push(&f64::NAN).unwrap();
    assert_eq!(args.as_ref().json(), "null");
}

/// Text of every part that a packet can have, in the right order or not.
fn soup() -> impl Strategy<Value = String> {
    let pieces = vec![
        "0",
        "1",
        "2",
        "3",
        "4",
        "5",
        "6",
        "7",
        "1-",
        "2-",
        "10-",
        "11-",
        "-",
        "/",
        "/a",
        "/a,",
        "/a?b=c,",
        ",",
        "12",
        "007",
        "9007199254740992",
        " ",
        "[",
        "]",
        "[\"e\"",
        "[\"e\"]",
        "[1,2]",
        "{}",
        "{\"a\":1}",
        "\"x\"",
        "null",
        ",1]",
        "[\"connect\"]",
        "{\"_placeholder\":true,\"num\":0}",
        "[\"e\",{\"_placeholder\":true,\"num\":1}]",
        "é",
    ];
    prop::collection::vec(prop::sample::select(pieces), 0..7).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_read_can_be_written_and_read(text in soup(), four in any::<bool>()) {
        let revision = if four { Revision::Four } else { Revision::Five };
        if let Ok(header) = parse(&text, revision) {
            let again = again(&header);
            prop_assert_eq!(parse(&again, revision), Ok(Header { query: None, ..header }), "{} {}", text, again);
        }
    }

    #[test]
    fn no_text_causes_a_panic(text in any::<String>(), kind in "[0-6]?([0-9]-)?") {
        if let Ok(header) = parse(&(kind + &text), Revision::Five) {
            again(&header);
        }
    }
}
