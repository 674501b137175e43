//! Bytes that no server sends: cut, changed, made up, and lying about their sizes.

use super::{NODE, channels, read};
use crate::vectors::*;
use fanfare::wire::adapter::{BadMessage, Body, Message, Wire, decode};
use fanfare::wire::json::{JsonError, MAX_DEPTH};
use fanfare::wire::socketio::BadPacket;
use proptest::prelude::*;

fn judge(wire: Wire, channel: &str, bytes: &[u8]) -> Result<(), BadMessage> {
    decode(&channels(wire), NODE, channel, bytes).map(drop)
}

fn vectors() -> impl Iterator<Item = (Wire, &'static Vector)> {
    let classic = CLASSIC.iter().map(|vector| (Wire::Classic, vector));
    classic.chain(SHARDED.iter().map(|vector| (Wire::Sharded, vector)))
}

#[test]
fn every_cut_is_seen() {
    for (wire, vector) in vectors() {
        assert_eq!(judge(wire, vector.channel, vector.bytes), Ok(()));
        for end in 0..vector.bytes.len() {
            let judged = judge(wire, vector.channel, &vector.bytes[..end]);
            assert!(judged.is_err(), "{}", vector.bytes[..end].escape_ascii());
        }
        let longer = [vector.bytes, b"\xc0"].concat();
        assert!(judge(wire, vector.channel, &longer).is_err());
    }
}

#[test]
fn no_changed_bit_causes_a_panic() {
    for (wire, vector) in vectors() {
        let mut bytes = vector.bytes.to_vec();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                bytes[at] ^= 1 << bit;
                let _ = judge(wire, vector.channel, &bytes);
                bytes[at] ^= 1 << bit;
            }
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_cause_a_panic(
        wire in prop_oneof![Just(Wire::Classic), Just(Wire::Sharded)],
        channel in prop_oneof!["socket.io(|-request|-response)#/?#?a?#", "\\PC{0,12}"],
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let _ = judge(wire, &channel, &bytes);
    }

    #[test]
    fn no_splice_causes_a_panic(
        first in 0..CLASSIC.len(),
        second in 0..CLASSIC.len(),
        (start, end) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
    ) {
        let (first, second) = (&CLASSIC[first], &CLASSIC[second]);
        let head = &first.bytes[..start.index(first.bytes.len())];
        let bytes = [head, &second.bytes[end.index(second.bytes.len())..]].concat();
        let _ = judge(Wire::Classic, first.channel, &bytes);
        let _ = judge(Wire::Sharded, first.channel, &bytes);
    }
}

const MAIN: &str = "socket.io#/#";
const REQUEST: &str = "socket.io-request#/#";
const RESPONSE: &str = "socket.io-response#/#";

/// A broadcast whose data is `["e", <these bytes>]`.
fn broadcast(value: &[u8]) -> Vec<u8> {
    [b"\x93\xa1x\x82\xa4type\x02\xa4data\x92\xa1e", value, b"\x80"].concat()
}

#[test]
fn lies_about_lengths() {
    for head in [
        &b"\xdd\xff\xff\xff\xff"[..],
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x05",
    ] {
        let truncated = Err(BadMessage::Value(BadPacket::Truncated));
        assert_eq!(judge(Wire::Classic, MAIN, head), truncated);
        assert_eq!(judge(Wire::Classic, MAIN, &broadcast(head)), truncated);
        assert_eq!(judge(Wire::Sharded, MAIN, head), truncated);
        assert_eq!(judge(Wire::Classic, REQUEST, &[b"\x81\xa5rooms", head].concat()), truncated);
    }
}

#[test]
fn depth_is_bounded() {
    let packed = |depth: usize| broadcast(&[vec![0x91; depth - 1], vec![0x90]].concat());
    // The list of arguments is a level of its own.
    assert_eq!(judge(Wire::Classic, MAIN, &packed(MAX_DEPTH - 1)), Ok(()));
    assert_eq!(judge(Wire::Classic, MAIN, &packed(MAX_DEPTH)), Err(BadMessage::Value(BadPacket::TooDeep)));
    assert_eq!(judge(Wire::Classic, MAIN, &packed(1_000_000)), Err(BadMessage::Value(BadPacket::TooDeep)));
    let json = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(
            r#"{{"type":3,"data":{{"packet":{{"type":2,"data":["e",{open}{close}]}},"opts":{{}}}},"uid":"x","nsp":"/"}}"#
        )
    };
    assert_eq!(judge(Wire::Sharded, MAIN, json(MAX_DEPTH - 1).as_bytes()), Ok(()));
    for depth in [MAX_DEPTH, 1_000_000] {
        let error = judge(Wire::Sharded, MAIN, json(depth).as_bytes());
        assert!(matches!(error, Err(BadMessage::Value(BadPacket::Json(JsonError::TooDeep(_))))), "{error:?}");
    }
    // What nobody asked for may be as deep as it likes where that costs nothing.
    let extra = [
        b"\x85\xa4type\x01\xa5extra".to_vec(),
        vec![0x91; 100_000],
        b"\x90\xa3uid\xa1x\xa3nsp\xa1/\xa3seq\x01".to_vec(),
    ];
    let extra = extra.concat();
    assert_eq!(read(Wire::Sharded, MAIN, &extra).seq, Some(1));
}

#[test]
fn each_way_to_be_wrong() {
    let value = BadMessage::Value;
    let field = BadMessage::Field;
    for (channel, bytes, error) in [
        ("other#/#", &b"\x90"[..], BadMessage::Channel),
        ("socket.io#/", b"\x90", BadMessage::Channel),
        ("socket.io-other#/#", b"\x90", BadMessage::Channel),
        (MAIN, b"", value(BadPacket::Truncated)),
        (MAIN, b"\xc1", value(BadPacket::Reserved)),
        (MAIN, b"\x90\xc0", value(BadPacket::Trailing)),
        (MAIN, b"[1", value(BadPacket::Json(JsonError::Unexpected(2)))),
        (MAIN, b"[\"\xff\"]", BadMessage::Utf8),
        (MAIN, b"\x80", BadMessage::Shape),
        (MAIN, b"\x92\xa1x\x80", BadMessage::Shape),
        (MAIN, b"\x93\xa1x\x90\x80", BadMessage::Shape),
        (MAIN, b"\x93\xa1x\x80\x80", BadMessage::PacketType),
        (MAIN, b"\x93\xa1x\x81\xa4type\x01\x80", BadMessage::PacketType),
        (MAIN, b"\x93\xa1x\x81\xa4type\x02\x80", field("data")),
        (MAIN, b"\x93\xa1x\x82\xa4type\x02\xa4data\xa1e\x80", value(BadPacket::Payload)),
        (MAIN, b"\x93\xa1x\x82\xa4type\x02\xa4data\x91\xc3\x80", value(BadPacket::EventName)),
        (MAIN, b"\x93\xa1x\x82\xa4type\x02\xa4data\x91\xa7connect\x80", value(BadPacket::ReservedEvent)),
        (MAIN, b"\x93\xa1x\x83\xa4type\x02\xa4data\x91\xa1e\xa3nsp\xa2/a\x80", BadMessage::Scope),
        (MAIN, b"\x93\xa1x\x83\xa4type\x02\xa4data\x91\xa1e\xa3nsp\x05\x80", field("nsp")),
        (MAIN, b"\x93\xa1x\x82\xa4type\x02\xa4data\x91\xa1e\xc0", field("opts")),
        (MAIN, b"\x93\xa1x\x82\xa4type\x02\xa4data\x91\xa1e\x81\xa5rooms\xc3", field("rooms")),
        (MAIN, b"\x93\xa1x\x82\xa4type\x02\xa4data\x91\xa1e\x81\xa5rooms\x91\xc0", field("rooms")),
        (MAIN, b"\x93\xa1x\x82\xa4type\x02\xa4data\x91\xa1e\x81\xa6except\x81\x01\x02", field("except")),
        (REQUEST, b"[]", BadMessage::Shape),
        (REQUEST, b"{}", BadMessage::Type),
        (REQUEST, br#"{"type":"3"}"#, BadMessage::Type),
        (REQUEST, br#"{"type":2}"#, field("opts")),
        (REQUEST, br#"{"type":5,"opts":{}}"#, field("requestId")),
        (REQUEST, br#"{"type":6,"data":{}}"#, field("data")),
        (REQUEST, br#"{"type":6,"data":[]}"#, value(BadPacket::EventName)),
        (REQUEST, br#"{"type":7,"requestId":"q","opts":{}}"#, field("packet")),
        (REQUEST, br#"{"type":7,"packet":{"type":2,"data":["e"]},"opts":{}}"#, field("requestId")),
        (
            REQUEST,
            br#"{"type":7,"requestId":"q","packet":{"type":2,"data":["e"],"nsp":"/a"},"opts":{}}"#,
            BadMessage::Scope,
        ),
        (REQUEST, br#"{"type":3,"opts":{},"rooms":["a"],"claim":1}"#, field("claim")),
        (REQUEST, br#"{"type":3,"opts":{},"rooms":["a"],"claim":{"at":-1,"node":"n"}}"#, field("claim")),
        (REQUEST, br#"{"type":3,"requestid":"q"}"#, field("sid")),
        (RESPONSE, br#"{"type":8,"requestId":"q"}"#, field("clientCount")),
        (RESPONSE, br#"{"type":100,"requestId":"q"}"#, field("matched")),
        (RESPONSE, br#"{"requestId":"q","sockets":[{}]}"#, field("id")),
        (RESPONSE, br#"{"requestId":"q","sockets":[[]]}"#, field("sockets")),
        ("socket.io-response#/", b"{}", BadMessage::Channel),
    ] {
        assert_eq!(judge(Wire::Classic, channel, bytes), Err(error), "{channel} {}", bytes.escape_ascii());
    }
    for (channel, bytes, error) in [
        (REQUEST, &b"{}"[..], BadMessage::Channel),
        (MAIN, b"[]", BadMessage::Shape),
        (MAIN, b"{}", field("nsp")),
        (MAIN, br#"{"nsp":"/"}"#, BadMessage::Type),
        (MAIN, br#"{"nsp":"/a","type":3}"#, BadMessage::Scope),
        (MAIN, br#"{"nsp":"/","type":3}"#, field("data")),
        (MAIN, br#"{"nsp":"/","type":3,"data":[]}"#, field("data")),
        (MAIN, br#"{"nsp":"/","type":3,"data":{}}"#, field("packet")),
        (MAIN, br#"{"nsp":"/","type":8,"data":{"requestId":"q"}}"#, field("sockets")),
        (MAIN, br#"{"nsp":"/","type":9,"data":{}}"#, field("packet")),
    ] {
        assert_eq!(judge(Wire::Sharded, channel, bytes), Err(error), "{channel} {}", bytes.escape_ascii());
    }
}

#[test]
fn what_is_tolerated() {
    let plain = read(Wire::Classic, MAIN, b"\x93\xa1x\x82\xa4type\x02\xa4data\x91\xa1e\x80");
    assert_eq!(plain.scope, "/");
    // No rooms, exceptions or flags, in every way in which that is said; the sender as something else than text.
    for bytes in [
        &b"\x93\xa1x\x83\xa4type\x02\xa4data\x91\xa1e\xa3nsp\xc0\x83\xa5rooms\xc0\xa6except\xc0\xa5flags\xc0"
            [..],
        b"\x93\xa1x\x82\xa4type\x05\xa4data\x91\xa1e\x83\xa5rooms\xa0\xa6except\xa0\xa5flags\xa0",
        b"\x93\xa1x\x82\xa4type\x02\xa4data\x91\xa1e\x83\xa5rooms\x80\xa6except\x80\xa5flags\x90",
        b"\x94\xa1x\x83\xa4type\xcb\x40\0\0\0\0\0\0\0\xa4data\xdc\0\x01\xa1e\xa2id\x01\x81\xa4more\x01\x05",
        b"\x93\xda\0\x01x\x82\xa4type\x02\xa4data\x91\xdb\0\0\0\x01e\x80",
        br#"["x",{"type":2,"data":["e"]},{}]"#,
        br#"[ "x" , {"type":3,"\u0074ype":2,"data":["e"]} , {"rooms":[],"flags":{}} ]"#,
    ] {
        assert_eq!(read(Wire::Classic, MAIN, bytes), plain, "{}", bytes.escape_ascii());
    }
    let nobody = Message { from: None, ..plain.clone() };
    for from in [&b"\xc0"[..], b"\x05", b"\xa0", b"\x80"] {
        let bytes = [b"\x93", from, b"\x82\xa4type\x02\xa4data\x91\xa1e\x80"].concat();
        assert_eq!(read(Wire::Classic, MAIN, &bytes), nobody);
    }
    // One room, or a number.
    for rooms in [&b"\xa1r"[..], b"\x91\xa1r"] {
        let bytes = [b"\x93\xa1x\x82\xa4type\x02\xa4data\x91\xa1e\x81\xa5rooms", rooms].concat();
        let Body::Broadcast(broadcast) = read(Wire::Classic, MAIN, &bytes).body else { panic!() };
        assert_eq!(broadcast.opts.rooms[..], ["r"]);
    }
    let Body::SocketsJoin { rooms, .. } =
        read(Wire::Classic, REQUEST, br#"{"type":2,"opts":{},"rooms":-5}"#).body
    else {
        panic!()
    };
    assert_eq!(rooms[..], ["-5"]);
    // Extensions as a program in JavaScript gets them; a name of a key that is no text is passed over.
    for (value, json) in [
        (&b"\xc7\x02\x05ab"[..], r#"["e",[5,{"_placeholder":true,"num":0}]]"#),
        (b"\xd5\x05ab", r#"["e",[5,{"_placeholder":true,"num":0}]]"#),
        (b"\xd8\xfe0123456789abcdef", r#"["e",[-2,{"_placeholder":true,"num":0}]]"#),
        (b"\xc7\x03\x00abc", r#"["e",{"_placeholder":true,"num":0}]"#),
        (b"\xd7\xff\xff\xff\xff\xff\xff\xff\xff\xff", r#"["e","2514-05-30T01:53:04.073Z"]"#),
        (b"\xc7\x0c\xff\0\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", r#"["e",null]"#),
        (b"\xc7\x0c\xff\xff\xff\xff\xff\x80\0\0\0\0\0\0\0", r#"["e",null]"#),
        (b"\xd6\xff\0\0\0\0", r#"["e","1970-01-01T00:00:00.000Z"]"#),
    ] {
        let bytes = broadcast(value);
        let Body::Broadcast(broadcast) = read(Wire::Classic, MAIN, &bytes).body else { panic!() };
        assert_eq!(broadcast.data.json(), json);
    }
    // What is newer than this, or not for us.
    for (wire, channel, bytes, kind) in [
        (Wire::Classic, REQUEST, &br#"{"uid":"x","type":77}"#[..], Some(77)),
        (Wire::Classic, RESPONSE, br#"{"uid":"x","type":77,"requestId":"q"}"#, Some(77)),
        (Wire::Classic, RESPONSE, br#"{"uid":"x","type":8,"requestid":"q"}"#, Some(8)),
        (Wire::Classic, RESPONSE, br#"{"uid":"x","data":null}"#, None),
        (Wire::Sharded, MAIN, br#"{"uid":"x","type":77,"nsp":"/","data":5}"#, Some(77)),
    ] {
        assert_eq!(read(wire, channel, bytes).body, Body::Unknown { kind });
    }
}

#[test]
fn many_of_everything_is_linear() {
    // A quadratic step would take minutes for any of these.
    const MANY: usize = 300_000;
    let list = |item: &[u8]| [&b"\xdd"[..], &(MANY as u32).to_be_bytes(), &item.repeat(MANY)].concat();
    let bytes = [&b"\x93\xa1x\x82\xa4type\x02\xa4data\x91\xa1e\x81\xa5rooms"[..], &list(b"\xa1r")].concat();
    let Body::Broadcast(broadcast) = read(Wire::Classic, MAIN, &bytes).body else { panic!() };
    assert_eq!(broadcast.opts.rooms.len(), MANY);
    let bytes = [&b"\x82\xa9requestId\xa1q\xa7sockets"[..], &list(b"\x81\xa2id\xa1s")].concat();
    let Body::FetchSocketsResponse { sockets, .. } = read(Wire::Classic, RESPONSE, &bytes).body else {
        panic!()
    };
    assert_eq!(sockets.len(), MANY);
    let json =
        format!(r#"{{"requestId":"q","sockets":[{}{{"id":"s"}}]}}"#, r#"{"id":"s"},"#.repeat(MANY - 1));
    let Body::FetchSocketsResponse { sockets, .. } = read(Wire::Classic, RESPONSE, json.as_bytes()).body
    else {
        panic!()
    };
    assert_eq!(sockets.len(), MANY);
    let json = format!(r#"{{{}"type":1,"nsp":"/"}}"#, r#""type":2,"#.repeat(MANY));
    assert!(matches!(read(Wire::Sharded, MAIN, json.as_bytes()).body, Body::Heartbeat(_)));
}
