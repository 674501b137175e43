//! Socket.IO packets out of messages: what is lent, attachments that arrive in order or do not, hostile packets, and
//! arguments on their way through beside a naive model.

use std::sync::Arc;

use fanfare::session::packets::{Decoded, Decoder, Parser, Rules};
use fanfare::wire::json::JsonError;
use fanfare::wire::socketio::args::{Args, ArgsRef};
use fanfare::wire::socketio::{BadPacket, Packet, PacketType, Revision};
use proptest::prelude::*;
use serde_json::{Value, json};

const RULES: Rules = Rules { parser: Parser::Json, revision: Revision::Five, max_bytes: 1_000_000 };

fn bytes(list: &[&[u8]]) -> Vec<Arc<[u8]>> {
    list.iter().map(|bytes| Arc::from(*bytes)).collect()
}

/// Everything that a packet says, owned.
#[derive(Debug, PartialEq)]
struct Said {
    kind: PacketType,
    namespace: String,
    id: Option<u64>,
    name: Option<String>,
    args: Vec<String>,
    data: String,
    attachments: Vec<Vec<u8>>,
}

fn said(decoded: Decoded<'_>) -> Said {
    assert_eq!(decoded.is_binary, !decoded.args.attachments().is_empty());
    Said {
        kind: decoded.kind,
        namespace: decoded.namespace.to_owned(),
        id: decoded.id,
        name: decoded.name.map(|name| name.into_owned()),
        args: decoded.args.iter().map(|arg| arg.raw().to_owned()).collect(),
        data: decoded.data.to_owned(),
        attachments: decoded.args.attachments().iter().map(|bytes| bytes.to_vec()).collect(),
    }
}

/// A text and the binary messages behind it; the packet comes with the last.
fn decode(rules: Rules, text: &str, attachments: &[&[u8]]) -> Result<Said, BadPacket> {
    let mut decoder = Decoder::new();
    if let Some(decoded) = decoder.text(rules, text)? {
        assert!(attachments.is_empty() && decoder.is_idle());
        return Ok(said(decoded));
    }
    for (i, bytes) in attachments.iter().enumerate() {
        assert!(!decoder.is_idle());
        if let Some(packet) = decoder.binary(rules, bytes)? {
            assert_eq!(i + 1, attachments.len());
            assert!(decoder.is_idle(), "nothing is kept");
            return Ok(said(Decoded::from(&packet)));
        }
    }
    panic!("{text} wants more attachments");
}

#[test]
fn packets_become_events() {
    let event = decode(RULES, "2/a,5[\"n\\u00e4me\", 1,{\"k\":[2]} ]", &[]).unwrap();
    assert_eq!((event.kind, event.namespace.as_str(), event.id), (PacketType::Event, "/a", Some(5)));
    assert_eq!(event.name.as_deref(), Some("näme"));
    assert_eq!(event.args, ["1", "{\"k\":[2]}"]);
    assert_eq!(event.data, "");
    for name in ["12", "-1.5e3", "\"__proto__\"", "\"\"", "\"error\""] {
        let event = decode(RULES, &format!("2[{name}]"), &[]).unwrap();
        assert_eq!(event.name.as_deref(), Some(name.trim_matches('"')));
        assert_eq!(event.args, [""; 0]);
    }
    let ack = decode(RULES, "3/a,5[1,\"x\"]", &[]).unwrap();
    assert_eq!(
        (ack.kind, ack.id, ack.name, ack.args),
        (PacketType::Ack, Some(5), None, vec!["1".into(), "\"x\"".into()])
    );
    let connect = decode(RULES, "0/a,{\"token\":[1]}", &[]).unwrap();
    assert_eq!((connect.kind, connect.data.as_str()), (PacketType::Connect, "{\"token\":[1]}"));
    assert_eq!(connect.args, [""; 0]);
    let mut decoder = Decoder::new();
    let rules = Rules { revision: Revision::Four, ..RULES };
    assert_eq!(decoder.text(rules, "0/a?x=1,").unwrap().unwrap().query, Some("x=1"));
}

#[test]
fn a_text_is_lent_and_not_copied() {
    let text = String::from("2/namespace,[\"name\",\"argument\"]");
    let mut decoder = Decoder::new();
    let decoded = decoder.text(RULES, &text).unwrap().unwrap();
    let name = decoded.name.as_deref().unwrap();
    for part in [decoded.namespace, name, decoded.args.json(), decoded.args.iter().next().unwrap().raw()] {
        assert!(text.as_bytes().as_ptr_range().contains(&part.as_ptr()), "{part}");
    }
    assert!(decoder.is_idle());
    assert!(size_of::<Decoder>() <= 16);
}

#[test]
fn attachments_follow_in_order() {
    let text = "53-/a,7[\"e\",{\"_placeholder\":true,\"num\":2},[{\"_placeholder\":true,\"num\":0}]]";
    let event = decode(RULES, text, &[b"zero", b"", b"two"]).unwrap();
    assert_eq!((event.kind, event.namespace.as_str(), event.id), (PacketType::Event, "/a", Some(7)));
    assert_eq!(event.attachments, [&b"zero"[..], b"", b"two"]);
    let ack = decode(RULES, "61-7[{\"_placeholder\":true,\"num\":0}]", &[b"x"]).unwrap();
    assert_eq!((ack.kind, ack.args.len()), (PacketType::Ack, 1));

    let mut decoder = Decoder::new();
    for round in 0..3u8 {
        assert!(decoder.text(RULES, "510-[\"e\",{\"_placeholder\":true,\"num\":9}]").unwrap().is_none());
        for i in 0..9 {
            assert_eq!(decoder.binary(RULES, &[i]), Ok(None));
        }
        let packet = decoder.binary(RULES, &[round]).unwrap().unwrap();
        assert_eq!(Decoded::from(&packet).args.iter().next().unwrap().as_binary(), Some(&[round][..]));
        assert!(decoder.text(RULES, "2[\"between\"]").unwrap().is_some());
    }
}

#[test]
fn what_comes_out_of_order_is_refused() {
    let text = "52-[\"e\",{\"_placeholder\":true,\"num\":1}]";
    assert_eq!(Decoder::new().binary(RULES, b"x"), Err(BadPacket::StrayBinary));
    for between in ["2[\"e\"]", text, "1", "rubbish"] {
        let mut decoder = Decoder::new();
        decoder.text(RULES, text).unwrap();
        decoder.binary(RULES, b"x").unwrap();
        assert_eq!(decoder.text(RULES, between).unwrap_err(), BadPacket::StrayText);
        assert!(decoder.is_idle(), "what it had is freed");
    }
    let mut decoder = Decoder::new();
    decoder.text(RULES, "2[\"e\"]").unwrap();
    assert_eq!(decoder.binary(RULES, b"x"), Err(BadPacket::StrayBinary));
}

#[test]
fn placeholder_lies_are_refused() {
    for num in [
        "\"length\"",
        "\"0\"",
        "-1",
        "1.5",
        "1",
        "2",
        "1e9",
        "1e400",
        "null",
        "true",
        "[0]",
        "{}",
        "\"__proto__\"",
        "\"constructor\"",
        "4294967296",
        "18446744073709551616",
    ] {
        for shape in ["[\"e\",@]", "[\"e\",{\"a\":[@]}]", "[\"e\",@,{\"_placeholder\":true,\"num\":0}]"] {
            let data = shape.replace('@', &format!("{{\"_placeholder\":true,\"num\":{num}}}"));
            let binary = decode(RULES, &format!("51-{data}"), &[b"x"]);
            assert_eq!(binary.unwrap_err(), BadPacket::Placeholder, "{data}");
            let plain =
                decode(RULES, &format!("2{data}"), &[]).expect("without attachments it is plain data");
            assert_eq!(plain.name.as_deref(), Some("e"));
        }
    }
    assert_eq!(decode(RULES, "51-[\"e\",{\"_placeholder\":true}]", &[]).unwrap_err(), BadPacket::Placeholder);
    // Fewer placeholders than attachments are none, and the same one twice is the same bytes.
    assert!(decode(RULES, "52-[\"e\"]", &[b"x", b"y"]).is_ok());
    let twice = "51-[\"e\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":0}]";
    assert_eq!(decode(RULES, twice, &[b"x"]).unwrap().attachments.len(), 1);
}

#[test]
fn text_and_attachments_share_one_bound() {
    let text = "52-[\"e\"]";
    let bound = |max_bytes| Rules { max_bytes, ..RULES };
    assert!(decode(bound(text.len() + 5), text, &[b"abc", b"de"]).is_ok());
    assert_eq!(decode(bound(text.len() + 4), text, &[b"abc", b"de"]), Err(BadPacket::TooBig));
    assert_eq!(decode(bound(text.len() - 1), text, &[]), Err(BadPacket::TooBig));
    assert_eq!(decode(bound(text.len()), text, &[b"", b""]).unwrap().attachments, [b"", b""]);
    let mut decoder = Decoder::new();
    decoder.text(bound(20), text).unwrap();
    assert_eq!(decoder.binary(bound(20), &[0; 100]), Err(BadPacket::TooBig));
    assert!(decoder.is_idle(), "what it had is freed");
}

#[test]
fn a_hundred_thousand_arguments() {
    let many = vec!["{\"a\":[1,\"é\"]}"; 100_000].join(",");
    let event = decode(Rules { max_bytes: 2_000_000, ..RULES }, &format!("2[\"e\",{many}]"), &[]).unwrap();
    assert_eq!(event.args.len(), 100_000);
    let attachments = bytes(&[b"x"]);
    let many = vec!["{\"_placeholder\":true,\"num\":0}"; 100_000].join(",");
    let mut args = Args::new();
    for arg in ArgsRef::new(&many, &attachments).iter().take(1_000) {
        args.push_ref(arg).unwrap();
    }
    assert_eq!(args.as_ref().iter().filter(|arg| arg.as_binary() == Some(b"x")).count(), 1_000);
    let rules = Rules { max_bytes: 4_000_000, ..RULES };
    assert_eq!(decode(rules, &format!("51-[\"e\",{many}]"), &[b"x"]).unwrap().args.len(), 100_000);
}

#[test]
fn floods_end() {
    let nested = |text: &str| decode(Rules { max_bytes: 10_000_000, ..RULES }, text, &[]).unwrap_err();
    for open in ["[", "{\"_placeholder\":", "{\"\\u005fplaceholder\":{\"num\":["] {
        let text = format!("51-[\"e\",{}", open.repeat(200_000));
        assert!(matches!(nested(&text), BadPacket::Json(JsonError::TooDeep(_))), "{open}");
    }
    for kind in ["2", "3", "0/"] {
        assert!(matches!(
            nested(&format!("{kind}{}[", "9".repeat(1_000_000))),
            BadPacket::AckId | BadPacket::Namespace
        ));
    }
    assert_eq!(nested(&format!("5{}-[]", "9".repeat(1_000_000))), BadPacket::TooManyAttachments);
    assert!(matches!(nested(&format!("2[\"{}", "\\u0000".repeat(1_000_000))), BadPacket::Json(_)));
}

// -- against a naive model

/// Values in which some objects are placeholders for one of three attachments, and some nearly so.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i32>().prop_map(Value::from),
        "[a_\\\\\"é]{0,4}".prop_map(Value::from),
        Just(Value::from("_placeholder")),
        (0..3u8).prop_map(|num| json!({"_placeholder": true, "num": num})),
        (0..3u8).prop_map(
            |num| json!({"_placeholder": true, "num": num, "zz": [{"_placeholder": true, "num": 0}]})
        ),
        Just(json!({"_placeholder": false, "num": 0})),
        Just(json!({"num": 1})),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map("[a-z]{1,3}", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

const THREE: [&[u8]; 3] = [b"zero", b"one", b"two"];

/// The value with the bytes at their places.
fn fill(value: &Value, attachments: &[Arc<[u8]>]) -> Value {
    match value {
        Value::Object(map) if map.get("_placeholder") == Some(&Value::Bool(true)) => {
            let num = map["num"].as_u64().unwrap() as usize;
            json!({ "bytes": attachments[num].to_vec() })
        }
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.clone(), fill(value, attachments))).collect()
        }
        Value::Array(list) => list.iter().map(|value| fill(value, attachments)).collect(),
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_messages_cause_a_panic(texts in prop::collection::vec("[0-6]?(/a,)?[0-3]-?\\[\"[a-z]\",[{}0-9,]*\\]", 1..6), binary in any::<[bool; 6]>()) {
        let mut decoder = Decoder::new();
        for (text, binary) in texts.iter().zip(binary) {
            if let Ok(Some(decoded)) = decoder.text(RULES, text) {
                said(decoded);
            }
            if binary && let Ok(Some(packet)) = decoder.binary(RULES, text.as_bytes()) {
                said(Decoded::from(&packet));
            }
        }
    }

    #[test]
    fn arguments_arrive_with_their_bytes(values in prop::collection::vec(value(), 1..5), keep in any::<[bool; 5]>()) {
        let attachments = bytes(&THREE);
        let data = serde_json::to_string(&[&[json!("e")], &values[..]].concat()).unwrap();
        let mut decoder = Decoder::new();
        let text = format!("53-{data}");
        prop_assert!(decoder.text(RULES, &text).unwrap().is_none());
        let mut packets = THREE.iter().filter_map(|bytes| decoder.binary(RULES, bytes).unwrap());
        let packet: Packet = packets.next().unwrap();
        let event = Decoded::from(&packet);

        let (mut passed_on, mut expected) = (Args::new(), Vec::new());
        for ((arg, value), keep) in event.args.iter().zip(&values).zip(keep) {
            prop_assert_eq!(&arg.parse::<Value>().unwrap(), value);
            let is_binary = value.get("_placeholder") == Some(&Value::Bool(true));
            let whole = is_binary.then(|| THREE[value["num"].as_u64().unwrap() as usize]);
            prop_assert_eq!(arg.as_binary(), whole);
            if keep {
                passed_on.push_ref(arg).unwrap();
                expected.push(fill(value, &attachments));
            }
        }
        let passed_on = passed_on.as_ref();
        let list: Vec<Value> = serde_json::from_str(&format!("[{}]", passed_on.json())).unwrap();
        let list: Vec<Value> = list.iter().map(|value| fill(value, passed_on.attachments())).collect();
        prop_assert_eq!(list, expected);
    }
}
