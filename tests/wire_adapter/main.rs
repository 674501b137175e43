//! What servers of a cluster tell one another: bytes of the packages there and back, tolerance, our own additions.

mod hostile;
mod round_trips;
mod vectors;

use std::borrow::Cow;
use std::sync::Arc;

use fanfare::wire::adapter::old::{Answer, Ask, Old};
use fanfare::wire::adapter::{
    BadMessage, Body, Broadcast, Channels, Claim, Flags, Heartbeat, Message, Names, Opts, Payload, Report,
    Wire, decode, encode,
};
use fanfare::wire::socketio::BadPacket;
use vectors::*;

/// Our own id.
const NODE: &str = "0123456789abcdef";
/// The server that spoke in the vectors.
const CLASSIC_UID: &str = "smcg_i";
const SHARDED_UID: &str = "ef88354b67b163b2";

fn channels(wire: Wire) -> Channels {
    Channels::new("socket.io", wire)
}

fn names(names: &[&'static str]) -> Names<'static> {
    names.iter().map(|name| Cow::Borrowed(*name)).collect()
}

fn bytes(bytes: &[u8]) -> Arc<[u8]> {
    bytes.into()
}

fn opts(rooms: &[&'static str], except: &[&'static str]) -> Opts<'static> {
    Opts { rooms: names(rooms), except: names(except), flags: Flags::default() }
}

fn json(json: &str) -> Payload<'_> {
    Payload::new(json, Vec::new())
}

fn said<'a>(scope: &'a str, from: &'a str, body: Body<'a>) -> Message<'a> {
    Message {
        scope: scope.into(),
        from: Some(from).filter(|from| !from.is_empty()).map(Cow::Borrowed),
        to: None,
        seq: None,
        body,
    }
}

fn event<'a>(data: Payload<'a>, opts: Opts<'a>) -> Body<'a> {
    Body::Broadcast(Broadcast { data, opts, request: None, report: None })
}

fn read<'a>(wire: Wire, channel: &'a str, bytes: &'a [u8]) -> Message<'a> {
    decode(&channels(wire), NODE, channel, bytes).unwrap().expect("it is not from ourselves")
}

/// What a vector says.
#[track_caller]
fn says(wire: Wire, vector: &Vector, expected: &Message<'_>) {
    assert_eq!(&read(wire, vector.channel, vector.bytes), expected);
}

/// What a vector says, and that saying it gives the same channel and bytes.
#[track_caller]
fn same(wire: Wire, vector: &Vector, expected: &Message<'_>) {
    says(wire, vector, expected);
    let (channel, bytes) = encode(&channels(wire), expected).unwrap();
    assert_eq!(channel, vector.channel);
    assert_eq!(bytes, vector.bytes, "{}", bytes.escape_ascii());
}

/// One that both adapters published, each in its own way.
#[track_caller]
fn both(classic: &Vector, sharded: &Vector, body: Body<'static>) {
    same(Wire::Classic, classic, &said("/", CLASSIC_UID, body.clone()));
    same(Wire::Sharded, sharded, &said("/", SHARDED_UID, body));
}

#[test]
fn broadcasts() {
    both(&CLASSIC_ALL, &SHARDED_ALL, event(json(r#"["ev",1,"é",null,[true,{"a":1.5}]]"#), opts(&[], &[])));
    both(&CLASSIC_ROOM, &SHARDED_ROOM, event(json(r#"["ev",1]"#), opts(&["r1"], &[])));
    let id = "12345678901234567890";
    both(&CLASSIC_ROOM_OF_20, &SHARDED_ROOM_OF_20, event(json(r#"["ev"]"#), opts(&[id], &[])));
    let flags = Flags { volatile: true, compress: Some(false), ..Flags::default() };
    let some = Opts { flags, ..opts(&["r1", "r2"], &["r3"]) };
    both(
        &CLASSIC_ROOMS_EXCEPT_VOLATILE,
        &SHARDED_ROOMS_EXCEPT_VOLATILE,
        event(json(r#"["ev",{"x":"y"}]"#), some),
    );
    let data = r#"["ev",{"b":{"_placeholder":true,"num":0}},{"_placeholder":true,"num":1}]"#;
    let data = Payload::new(data, vec![bytes(&[1, 2, 3]), bytes(&[4, 5])]);
    both(&CLASSIC_BINARY, &SHARDED_BINARY, event(data, opts(&["r1"], &[])));
}

#[test]
fn namespaces_and_senders() {
    let body = event(json(r#"["ev"]"#), opts(&["a#b"], &[]));
    same(Wire::Classic, &CLASSIC_NSP, &said("/admin", "5CRlpE", body.clone()));
    same(Wire::Sharded, &SHARDED_NSP, &said("/admin", "b7e4e7b7365a626c", body));
    let body = |except| event(json(r#"["ev"]"#), opts(&["r1"], &[except]));
    same(
        Wire::Classic,
        &CLASSIC_BROADCAST_FROM_SOCKET,
        &said("/", CLASSIC_UID, body("R6gSDYl-LT-UPZPcAAAA")),
    );
    same(
        Wire::Sharded,
        &SHARDED_BROADCAST_FROM_SOCKET,
        &said("/", SHARDED_UID, body("XWYMrrvfzm8xFcHdAAAB")),
    );
    // Rooms that are numbers are names for us.
    let body = event(json(r#"["ev"]"#), opts(&["5"], &[]));
    says(Wire::Classic, &CLASSIC_NUMERIC_ROOM, &said("/", CLASSIC_UID, body.clone()));
    says(Wire::Sharded, &SHARDED_NUMERIC_ROOM, &said("/", SHARDED_UID, body));
}

#[test]
fn values_that_json_has_no_words_for() {
    let dates = r#"["ev","2023-11-14T22:13:20.123Z",null,{"d":"2023-11-14T22:13:20.000Z"},"1969-12-31T23:59:59.999Z"]"#;
    let body = event(json(dates), opts(&[], &[]));
    says(Wire::Classic, &CLASSIC_DATES, &said("/", CLASSIC_UID, body.clone()));
    same(Wire::Sharded, &SHARDED_DATES, &said("/", SHARDED_UID, body));
    // The package writes 1e300 as an integer of 64 bits, of which nothing is left.
    let numbers = r#"["ev",null,0,-1,-200,70000,1099511627776,-1099511627776,1.25]"#;
    says(Wire::Classic, &CLASSIC_NUMBERS, &said("/", CLASSIC_UID, event(json(numbers), opts(&[], &[]))));
    let numbers = r#"["ev",null,1e+300,-1,-200,70000,1099511627776,-1099511627776,1.25]"#;
    same(Wire::Sharded, &SHARDED_NUMBERS, &said("/", SHARDED_UID, event(json(numbers), opts(&[], &[]))));
}

#[test]
fn sockets_are_moved_and_looked_up() {
    both(
        &CLASSIC_JOIN,
        &SHARDED_JOIN,
        Body::SocketsJoin { opts: opts(&["r1"], &[]), rooms: names(&["a", "b"]), report: None },
    );
    let rooms = names(&["a"]);
    both(
        &CLASSIC_LEAVE,
        &SHARDED_LEAVE,
        Body::SocketsLeave { opts: opts(&["r1"], &["z"]), rooms, claim: None, report: None },
    );
    both(
        &CLASSIC_DISCONNECT,
        &SHARDED_DISCONNECT,
        Body::DisconnectSockets { opts: opts(&["nobody"], &[]), close: true, report: None },
    );
    let fetch = |request| Body::FetchSockets { opts: opts(&["r1"], &[]), request };
    same(Wire::Classic, &CLASSIC_FETCH, &said("/", CLASSIC_UID, fetch("cf_ddL".into())));
    same(Wire::Sharded, &SHARDED_FETCH, &said("/", SHARDED_UID, fetch("bd8946ffce9c96c4".into())));
    let body = Body::AllRooms { request: "tap98d".into() };
    same(Wire::Classic, &CLASSIC_ALL_ROOMS, &said("/", CLASSIC_UID, body));
}

#[test]
fn sockets_of_others() {
    let none = Body::FetchSocketsResponse { request: "req004".into(), sockets: Vec::new() };
    same(Wire::Classic, &CLASSIC_ANSWER_FETCH_NONE, &said("/", "", none));
    let rooms = names(&["R6gSDYl-LT-UPZPcAAAA", "r1"]);
    let body = Body::AllRoomsResponse { request: "req002".into(), rooms: rooms.clone() };
    same(Wire::Classic, &CLASSIC_ANSWER_ALL_ROOMS, &said("/", "", body));

    let message = read(Wire::Classic, CLASSIC_ANSWER_FETCH.channel, CLASSIC_ANSWER_FETCH.bytes);
    let Body::FetchSocketsResponse { request, sockets } = &message.body else { panic!("{message:?}") };
    assert_eq!((&**request, sockets.len()), ("req003", 1));
    assert_eq!((&*sockets[0].id, &sockets[0].rooms), ("R6gSDYl-LT-UPZPcAAAA", &rooms));
    assert_eq!(sockets[0].data, json(r#"{"user":"u1"}"#));
    let handshake: serde_json::Value = serde_json::from_str(sockets[0].handshake.json()).unwrap();
    assert_eq!(handshake["auth"]["token"], "é");
    same(Wire::Classic, &CLASSIC_ANSWER_FETCH, &message);

    let message = read(Wire::Sharded, SHARDED_ANSWER_FETCH.channel, SHARDED_ANSWER_FETCH.bytes);
    assert_eq!(message.to.as_deref(), Some(NODE));
    same(Wire::Sharded, &SHARDED_ANSWER_FETCH, &message);

    let message = read(Wire::Sharded, SHARDED_ANSWER_FETCH_BIN.channel, SHARDED_ANSWER_FETCH_BIN.bytes);
    let Body::FetchSocketsResponse { sockets, .. } = &message.body else { panic!("{message:?}") };
    let data = Payload::new(r#"{"bin":{"_placeholder":true,"num":0}}"#, vec![bytes(&[1, 2])]);
    assert_eq!(sockets[0].data, data);
    same(Wire::Sharded, &SHARDED_ANSWER_FETCH_BIN, &message);

    // Ids are what older servers ask for.
    says(Wire::Classic, &CLASSIC_ANSWER_SOCKETS, &said("/", "", Body::Unknown { kind: None }));
}

#[test]
fn servers_among_themselves() {
    let sse = |data, request| Body::ServerSideEmit { data, request };
    both(&CLASSIC_SSE, &SHARDED_SSE, sse(json(r#"["hello",1,{"a":2}]"#), None));
    let data = json(r#"["hello",{"type":"Buffer","data":[1]}]"#);
    same(Wire::Classic, &CLASSIC_SSE_BINARY, &said("/", CLASSIC_UID, sse(data, None)));
    let data = Payload::new(r#"["hello",{"_placeholder":true,"num":0}]"#, vec![bytes(&[1])]);
    same(Wire::Sharded, &SHARDED_SSE_BINARY, &said("/", SHARDED_UID, sse(data, None)));
    let asked = |request: &'static str| sse(json(r#"["hello",1]"#), Some(request.into()));
    same(Wire::Classic, &CLASSIC_SSE_ACK, &said("/", CLASSIC_UID, asked("IWBdDv")));
    same(Wire::Sharded, &SHARDED_SSE_ACK, &said("/", SHARDED_UID, asked("03e97b7b4166221a")));

    let answer = |request: &'static str, data| Body::ServerSideEmitResponse { request: request.into(), data };
    same(Wire::Classic, &CLASSIC_ANSWER_SSE, &said("/", "", answer("req005", json(r#"{"got":4}"#))));
    says(Wire::Classic, &CLASSIC_ANSWER_SSE_NONE, &said("/", "", answer("req005", json("null"))));
    let to_us = |body| Message { to: Some(NODE.into()), ..said("/", SHARDED_UID, body) };
    let request = "00112233aabbccd1";
    same(Wire::Sharded, &SHARDED_ANSWER_SSE, &to_us(answer(request, json(r#"{"got":4}"#))));
    says(Wire::Sharded, &SHARDED_ANSWER_SSE_NONE, &to_us(answer(request, json("null"))));
    let data = Payload::new(r#"{"_placeholder":true,"num":0}"#, vec![bytes(&[7, 8])]);
    same(Wire::Sharded, &SHARDED_ANSWER_SSE_BIN, &to_us(answer(request, data)));
}

#[test]
fn broadcasts_with_acknowledgements() {
    let flags = Flags { timeout_ms: Some(1000), ..Flags::default() };
    let asked = |request: &'static str| {
        Body::Broadcast(Broadcast {
            data: json(r#"["q",1]"#),
            opts: Opts { flags, ..opts(&["r1"], &[]) },
            request: Some(request.into()),
            report: None,
        })
    };
    let classic = said("/", CLASSIC_UID, asked("bkRSdv"));
    says(Wire::Classic, &CLASSIC_BROADCAST_ACK, &classic);
    // What has no binary is JSON here, the same map.
    let (channel, written) = encode(&channels(Wire::Classic), &classic).unwrap();
    assert_eq!(channel, CLASSIC_BROADCAST_ACK.channel);
    assert_eq!(
        written.escape_ascii().to_string().replace('\\', ""),
        concat!(
            r#"{"uid":"smcg_i","requestId":"bkRSdv","type":7,"packet":{"type":2,"data":["q",1],"nsp":"/"},"#,
            r#""opts":{"rooms":["r1"],"except":[],"flags":{"timeout":1000}}}"#
        )
    );
    assert_eq!(read(Wire::Classic, &channel, &written), classic);
    same(Wire::Sharded, &SHARDED_BROADCAST_ACK, &said("/", SHARDED_UID, asked("558d83d86541dcd9")));

    let to_us = |body| Message { to: Some(NODE.into()), ..said("/", SHARDED_UID, body) };
    let count = |request: &'static str| Body::BroadcastClientCount { request: request.into(), count: 1 };
    same(Wire::Classic, &CLASSIC_ANSWER_BROADCAST, &said("/", "", count("req006")));
    same(Wire::Sharded, &SHARDED_ANSWER_BROADCAST, &to_us(count("00112233aabbccd2")));
    let ack = |request: &'static str, data| Body::BroadcastAck { request: request.into(), data };
    says(Wire::Classic, &CLASSIC_ACKNOWLEDGED, &said("/", "", ack("req006", json("\"ok\""))));
    says(Wire::Classic, &CLASSIC_ACKNOWLEDGED_NOTHING, &said("/", "", ack("req008", json("null"))));
    same(Wire::Sharded, &SHARDED_ACKNOWLEDGED, &to_us(ack("00112233aabbccd2", json("\"ok\""))));
    let data = Payload::new(r#"{"_placeholder":true,"num":0}"#, vec![bytes(&[9])]);
    same(Wire::Classic, &CLASSIC_ACKNOWLEDGED_BINARY, &said("/", "", ack("req007", data.clone())));
    same(Wire::Sharded, &SHARDED_ACKNOWLEDGED_BINARY, &to_us(ack("00112233aabbccd2", data.clone())));
    let Body::BroadcastAck { data, .. } = ack("", data) else { unreachable!() };
    assert_eq!(data.as_args().iter().next().unwrap().as_binary(), Some(&[9][..]));
}

#[test]
fn emitters() {
    let says = |vector: &Vector, scope, from, body| says(Wire::Classic, vector, &said(scope, from, body));
    let binary = |more: &str, list: &[&[u8]]| {
        Payload::new(more.to_owned(), list.iter().map(|list| bytes(list)).collect())
    };
    let volatile = Flags { volatile: true, ..Flags::default() };
    says(&EMITTER_5_ALL, "/", "emitter", event(json(r#"["ev",1]"#), opts(&[], &[])));
    let data = binary(r#"["ev",{"_placeholder":true,"num":0}]"#, &[&[1]]);
    let some = Opts { flags: volatile, ..opts(&["r1"], &["r2"]) };
    says(&EMITTER_5_ROOM, "/", "emitter", event(data, some));
    let data = json(r#"["ev",{"d":"1970-01-01T00:00:00.000Z"}]"#);
    says(&EMITTER_5_NSP, "/admin", "emitter", event(data, opts(&["a", "b"], &[])));
    says(
        &EMITTER_5_JOIN,
        "/",
        "",
        Body::SocketsJoin { opts: opts(&["r1"], &[]), rooms: names(&["a"]), report: None },
    );
    let rooms = names(&["a"]);
    says(
        &EMITTER_5_LEAVE,
        "/",
        "",
        Body::SocketsLeave { opts: opts(&["r1"], &[]), rooms, claim: None, report: None },
    );
    says(
        &EMITTER_5_DISCONNECT,
        "/",
        "",
        Body::DisconnectSockets { opts: opts(&[], &[]), close: true, report: None },
    );
    says(
        &EMITTER_5_SSE,
        "/",
        "emitter",
        Body::ServerSideEmit { data: json(r#"["hello","w"]"#), request: None },
    );

    let data = json(r#"["ev",1,null,"2023-11-14T22:13:20.123Z"]"#);
    says(&EMITTER_3_ALL, "/", "emitter", event(data, opts(&[], &[])));
    let text = "é".repeat(40);
    let data = format!(r#"["ev",{{"_placeholder":true,"num":0}},{{"_placeholder":true,"num":1}},"{text}"]"#);
    let some = Opts { flags: volatile, ..opts(&["r1"], &[]) };
    says(&EMITTER_3_ROOM, "/", "emitter", event(binary(&data, &[&[1], &[2, 3]]), some));

    says(&PYTHON_ALL, "/", "emitter", event(json(r#"["ev",1,"é"]"#), opts(&[], &[])));
    says(&PYTHON_ROOM, "/", "emitter", event(json(r#"["ev"]"#), opts(&["r1"], &[])));
    // Published twice; each is for its channel's room, so that nobody gets it for a room that he is not in.
    says(&PYTHON_ROOMS, "/", "emitter", event(json(r#"["ev",{"a":null}]"#), opts(&["r1"], &[])));
    says(&PYTHON_ROOMS_2, "/", "emitter", event(json(r#"["ev",{"a":null}]"#), opts(&["r2"], &[])));
    let data = binary(r#"["ev",{"_placeholder":true,"num":0}]"#, &[&[1, 2]]);
    says(&PYTHON_NSP, "/admin", "emitter", event(data, opts(&[], &[])));
}

#[test]
fn servers_of_socket_io_2() {
    let uid = "eaUhmP";
    let says = |vector: &Vector, from, body| says(Wire::Classic, vector, &said("/", from, body));
    says(&REVISION_5_ALL, uid, event(json(r#"["ev",1]"#), opts(&[], &[])));
    let data = r#"["ev",{"_placeholder":true,"num":0},null,"2023-11-14T22:13:20.123Z"]"#;
    let data = Payload::new(data, vec![bytes(&[1, 2])]);
    says(&REVISION_5_ROOM_BINARY, uid, event(data, opts(&["r1"], &[])));
    let flags = Flags { volatile: true, compress: Some(false), ..Flags::default() };
    says(&REVISION_5_VOLATILE, uid, event(json(r#"["ev"]"#), Opts { flags, ..opts(&["r1", "r2"], &[]) }));
    let data = Payload::new(r#"["ev",{"_placeholder":true,"num":0}]"#, vec![bytes(&[1, 2, 3])]);
    says(&REVISION_5_ARRAY_BUFFER, uid, event(data, opts(&[], &[])));

    let old = |request: &'static str, ask| Old { request: request.into(), is_revision_5: true, ask };
    let socket = || Cow::Borrowed("sidsidsid");
    let room = || Cow::Borrowed("r9");
    for (vector, expected) in [
        (&REVISION_5_ROOMS_OF, old("pLZijv", Ask::RoomsOf(socket()))),
        (&REVISION_5_JOIN, old("7sWXjZ", Ask::Join { socket: socket(), room: room() })),
        (&REVISION_5_LEAVE, old("omdYhk", Ask::Leave { socket: socket(), room: room() })),
        (&REVISION_5_DISCONNECT, old("AIwM3T", Ask::Disconnect { socket: socket(), close: true })),
        (&REVISION_5_CLIENTS, old("svXMlO", Ask::Sockets(names(&["r1"])))),
        (&REVISION_5_ALL_ROOMS, old("mz0FCU", Ask::AllRooms)),
        (&REVISION_5_CUSTOM, old("ppfph8", Ask::Custom(json(r#"{"a":1}"#)))),
    ] {
        says(vector, "", Body::Old(expected));
    }
    // Their answers among themselves are nothing for us, and ours are as theirs.
    let unknown = || Body::Unknown { kind: None };
    says(&REVISION_5_ANSWER_ALL_ROOMS, "", unknown());
    says(&REVISION_5_ANSWER_CUSTOM, "", unknown());
    says(&REVISION_5_ANSWER_CLIENTS, "", unknown());
    let answer = |request, answer| old(request, Ask::AllRooms).answer(answer);
    assert_eq!(answer("old002", Answer::Rooms(&[])), REVISION_5_ANSWER_ALL_ROOMS.bytes);
    assert_eq!(answer("old003", Answer::Value("null")), REVISION_5_ANSWER_CUSTOM.bytes);
    assert_eq!(answer("old001", Answer::Sockets(&[])), REVISION_5_ANSWER_CLIENTS.bytes);
    assert_eq!(answer("old004", Answer::Done), b"{\"requestid\":\"old004\"}");
}

#[test]
fn servers_with_adapters_6_and_7() {
    let ask = |bytes: &'static [u8]| match read(Wire::Classic, "socket.io-request#/#", bytes).body {
        Body::Old(old) => old,
        other => panic!("{other:?}"),
    };
    let sockets = ask(br#"{"uid":"abcdef","requestId":"req001","type":0,"rooms":["r1"]}"#);
    assert_eq!((&sockets.ask, sockets.is_revision_5), (&Ask::Sockets(names(&["r1"])), false));
    assert_eq!(sockets.answer(Answer::Sockets(&["R6gSDYl-LT-UPZPcAAAA"])), CLASSIC_ANSWER_SOCKETS.bytes);
    let join = ask(br#"{"requestId":"req009","type":2,"sid":"s1","room":"r1"}"#);
    assert_eq!(join.ask, Ask::Join { socket: "s1".into(), room: "r1".into() });
    assert_eq!(join.answer(Answer::Done), CLASSIC_ANSWER_OLD_JOIN.bytes);
    let leave = ask(br#"{"requestId":"req009","type":3,"sid":"s1","room":7}"#);
    assert_eq!(leave.ask, Ask::Leave { socket: "s1".into(), room: "7".into() });
    let disconnect = ask(br#"{"requestId":"req009","type":4,"sid":"s1","close":true}"#);
    assert_eq!(disconnect.ask, Ask::Disconnect { socket: "s1".into(), close: true });
    says(Wire::Classic, &CLASSIC_ANSWER_OLD_JOIN, &said("/", "", Body::Unknown { kind: None }));
}

#[test]
fn what_we_said_ourselves_is_passed_over() {
    for (wire, vectors, uid) in
        [(Wire::Classic, &CLASSIC[..], CLASSIC_UID), (Wire::Sharded, &SHARDED[..], SHARDED_UID)]
    {
        let own =
            |vector: &&Vector| decode(&channels(wire), uid, vector.channel, vector.bytes).unwrap().is_none();
        let found = vectors.iter().filter(own).count();
        let said = vectors
            .iter()
            .filter(|vector| read(wire, vector.channel, vector.bytes).from.as_deref() == Some(uid));
        assert_eq!(found, said.count());
        assert!(found > 15, "{found}");
    }
}

#[test]
fn channels_are_put_together_and_taken_apart() {
    let classic = channels(Wire::Classic);
    assert_eq!(classic.main("/"), "socket.io#/#");
    assert_eq!(classic.room("/a", "r"), "socket.io#/a#r#");
    assert_eq!(classic.pattern("/"), "socket.io#/#*");
    assert_eq!(classic.pattern("/[a]?*\\"), r"socket.io#/\[a\]\?\*\\#*");
    assert_eq!(classic.requests("/"), "socket.io-request#/#");
    assert_eq!(classic.responses("/", None), "socket.io-response#/#");
    assert_eq!(classic.responses("/", Some("u")), "socket.io-response#/#u#");
    let sharded = Channels::new("fanfare", Wire::Sharded);
    assert_eq!(sharded.requests("d1"), "fanfare#d1#");
    assert_eq!(sharded.responses("d1", Some("u")), "fanfare#d1#u#");
    // 20 units of UTF-16, as JavaScript counts.
    for (room, own) in
        [("x", true), (&"x".repeat(20), false), (&"😀".repeat(10), false), (&"é".repeat(10), true)]
    {
        assert_eq!((sharded.has_own(room), classic.has_own(room)), (own, true), "{room}");
    }
    for (scope, channel, room) in [
        ("/", "socket.io#/#", None),
        ("/", "socket.io#/#r#", Some("r")),
        ("/", "socket.io#/#a#b#", Some("a#b")),
        ("/", "socket.io#/#a", None),
        ("/", "socket.io#/a#b#", None),
        ("/a", "socket.io#/a#b#", Some("b")),
        ("/a#b", "socket.io#/a#b#", None),
        ("/", "socket.io-request#/#", None),
        ("/", "other#/#r#", None),
    ] {
        assert_eq!(classic.room_of(scope, channel), room, "{scope} {channel}");
    }
}

#[test]
fn names_with_the_sign_of_channels() {
    // Scope `/a#b`, and room `b` of `/a`: the same channel, told apart by what is in it.
    for wire in [Wire::Classic, Wire::Sharded] {
        let one = said("/a#b", "x", event(json(r#"["ev"]"#), opts(&[], &[])));
        let other = said("/a", "x", event(json(r#"["ev"]"#), opts(&["b"], &[])));
        let (first, second) =
            (encode(&channels(wire), &one).unwrap(), encode(&channels(wire), &other).unwrap());
        assert_eq!(first.0, second.0);
        assert_eq!(read(wire, &first.0, &first.1), one);
        assert_eq!(read(wire, &second.0, &second.1), other);
        let elsewhere = decode(&channels(wire), NODE, "socket.io#/b#", &first.1);
        assert_eq!(elsewhere, Err(BadMessage::Scope));
    }
    let answer = |to: Option<&'static str>| Message {
        to: to.map(Cow::Borrowed),
        ..said("/a#b", "x", Body::AllRoomsResponse { request: "q".into(), rooms: names(&["r"]) })
    };
    for to in [None, Some(NODE)] {
        let (channel, bytes) = encode(&channels(Wire::Classic), &answer(to)).unwrap();
        assert_eq!(read(Wire::Classic, &channel, &bytes), answer(to));
    }
}

#[test]
fn our_own_additions() {
    let claim = Claim { at_us: 1_795_270_214_643_123, node: "n1".into() };
    assert!(claim < Claim { node: "n2".into(), ..claim.clone() });
    let leave = |wire| {
        let body = Body::SocketsLeave {
            opts: opts(&["u"], &[]),
            rooms: names(&["u"]),
            claim: Some(claim.clone()),
            report: None,
        };
        encode(&channels(wire), &Message { seq: Some(7), ..said("/", "n1", body) }).unwrap().1
    };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    assert_eq!(
        text(leave(Wire::Classic)),
        concat!(
            r#"{"uid":"n1","type":3,"opts":{"rooms":["u"],"except":[]},"rooms":["u"],"#,
            r#""claim":{"at":1795270214643123,"node":"n1"},"seq":7}"#
        )
    );
    assert_eq!(
        text(leave(Wire::Sharded)),
        concat!(
            r#"{"type":5,"data":{"opts":{"rooms":["u"],"except":[],"flags":{}},"rooms":["u"],"#,
            r#""claim":{"at":1795270214643123,"node":"n1"}},"uid":"n1","nsp":"/","seq":7}"#
        )
    );
    let report = Report {
        matched: 10,
        written: 5,
        queued: 2,
        dropped_slow: 1,
        dropped_volatile: 1,
        dropped_closed: 1,
        dropped_busy: 0,
    };
    let body = Body::BroadcastReport { request: "q".into(), report };
    let (channel, bytes) =
        encode(&channels(Wire::Classic), &Message { to: Some("u2".into()), ..said("/", "n1", body) })
            .unwrap();
    assert_eq!(channel, "socket.io-response#/#u2#");
    assert_eq!(
        text(bytes),
        concat!(
            r#"{"type":100,"requestId":"q","matched":10,"written":5,"queued":2,"#,
            r#""dropped":{"slow":1,"volatile":1,"closed":1,"busy":0},"uid":"n1"}"#
        )
    );
    let body = Broadcast {
        data: json(r#"["{\"mode\":300}"]"#),
        opts: opts(&[], &[]),
        request: None,
        report: Some("q".into()),
    };
    let message = Message { seq: Some(8), ..said("d1", "n1", Body::Broadcast(body)) };
    let (channel, bytes) = encode(&Channels::new("fanfare", Wire::Classic), &message).unwrap();
    assert_eq!(channel, "fanfare#d1#");
    assert_eq!(
        bytes,
        b"\x93\xa2n1\x83\xa4type\x02\xa4data\x91\xac{\"mode\":300}\xa3nsp\xa2d1\x85\xa5rooms\x90\xa6except\x90\xa5flags\x80\xa6report\xa1q\xa3seq\x08"
    );
}

#[test]
fn the_frames_of_a_domain_are_no_events() {
    for wire in [Wire::Classic, Wire::Sharded] {
        let channels = Channels::new("fanfare", wire);
        for data in
            [json(r#"["disconnect"]"#), Payload::new(r#"[{"_placeholder":true,"num":0}]"#, vec![bytes(&[1])])]
        {
            let message = said("d1", "n1", event(data.clone(), opts(&["#g1"], &[])));
            let (channel, bytes) = encode(&channels, &message).unwrap();
            assert_eq!(channel, "fanfare#d1##g1#");
            assert_eq!(decode(&channels, NODE, &channel, &bytes), Ok(Some(message)));
            // No client of a namespace could be sent either.
            let (channel, bytes) = encode(&channels, &said("/", "n1", event(data, opts(&[], &[])))).unwrap();
            let refused = decode(&channels, NODE, &channel, &bytes).unwrap_err();
            assert!(matches!(refused, BadMessage::Value(BadPacket::ReservedEvent | BadPacket::EventName)));
        }
    }
}

#[test]
fn what_a_wire_has_no_form_for() {
    let old = || Old { request: "q".into(), is_revision_5: true, ask: Ask::AllRooms };
    for wire in [Wire::Classic, Wire::Sharded] {
        for body in [Body::Unknown { kind: Some(99) }, Body::Old(old())] {
            assert_eq!(encode(&channels(wire), &said("/", "n1", body)), None);
        }
    }
    let beat = said("/", "n1", Body::Heartbeat(Heartbeat::Initial));
    assert_eq!(encode(&channels(Wire::Classic), &beat), None);
    let (channel, bytes) = encode(&channels(Wire::Sharded), &beat).unwrap();
    assert_eq!((&*channel, &bytes[..]), ("socket.io#/#", &br#"{"type":1,"uid":"n1","nsp":"/"}"#[..]));
}
