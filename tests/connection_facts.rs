//! What handlers find of the connection that a socket is on, and when it changes.

mod embedded;
mod support;

use embedded::{Embedded, sid_of};
use fanfare::socketio::{Namespace, Socket, SocketIo};
use fanfare::{EngineOptions, Peer, Server};
use serde_json::{Value, json};
use std::net::TcpStream;
use support::Ws;

const EIO3: &str = "/socket.io/?EIO=3";
const EIO4: &str = "/socket.io/?EIO=4";

fn facts(socket: &Socket<'_>) -> Value {
    let header =
        |name| socket.handshake().and_then(|handshake| handshake.header(name)).map(String::from_utf8_lossy);
    json!({
        "session": socket.session_id(),
        "transport": format!("{:?}", socket.transport()),
        "revision": socket.revision(),
        "local": socket.peer().map(|peer| matches!(peer, Peer::Tcp(addr) if addr.ip().is_loopback())),
        "a": header("x-a"),
        "b": header("x-b"),
        "query": socket.handshake().and_then(|handshake| handshake.query("q")),
    })
}

/// Tells its facts while it connects, and when it is asked.
fn telling(name: &str) -> Namespace {
    Namespace::new(name)
        .on_connect(|socket, _| socket.emit("facts", facts(socket)))
        .on("facts", |socket, _| socket.emit("facts", facts(socket)))
        .on_disconnect(|socket, _| {
            assert!(socket.handshake().is_none_or(|handshake| handshake.unix_ms() > 0))
        })
}

type Set = fn(SocketIo) -> SocketIo;

fn serve(set: impl Fn(SocketIo) -> SocketIo) -> Embedded {
    let socketio = SocketIo::new(EngineOptions::at("/socket.io/")).namespace(telling("/"));
    Embedded::start(Server::builder().socketio(set(socketio)))
}

fn read(text: &str) -> Value {
    let (_, json) = text.split_once("42").unwrap_or_else(|| panic!("{text}"));
    let (name, facts): (String, Value) = serde_json::from_str(json).unwrap();
    assert_eq!(name, "facts");
    facts
}

/// The facts of a socket while it connects, and later.
fn both(ws: &mut Ws<TcpStream>, connect: bool) -> [Value; 2] {
    if connect {
        ws.send("40");
    }
    assert!(ws.text().starts_with("40"));
    let first = read(&ws.text());
    ws.send(r#"42["facts"]"#);
    [first, read(&ws.text())]
}

#[test]
fn the_handshake_is_whole_while_a_socket_connects_and_then_what_is_kept() {
    const HEADERS: &str = "X-A: 1\r\nX-B: 2\r\n";
    let whole = |socketio: SocketIo| socketio.keep_handshake(true);
    let one_header = |socketio: SocketIo| socketio.keep_handshake(true).keep_headers(&["x-b"]);
    let several = |socketio: SocketIo| socketio.namespace(telling("/other"));
    let alone = |socketio: SocketIo| socketio;
    let sets: [(Set, &str, [Value; 4]); 5] = [
        (alone, "", [json!(null), json!(null), json!(null), json!(null)]),
        (alone, "&q=1", [json!(true), json!(null), json!(null), json!("1")]),
        (whole, "&q=1", [json!(true), json!("1"), json!("2"), json!("1")]),
        (one_header, "", [json!(true), json!(null), json!("2"), json!(null)]),
        (several, "", [json!(true), json!("1"), json!("2"), json!(null)]),
    ];
    for (number, (set, query, [local, a, b, q])) in sets.into_iter().enumerate() {
        let server = serve(set);
        for (target, revision) in [(EIO3, 3), (EIO4, 4)] {
            let (reply, mut ws) = server.upgrade(&format!("{target}{query}&transport=websocket"), HEADERS);
            assert_eq!(reply.status, 101);
            let sid = sid_of(&ws.text());
            let [first, later] = both(&mut ws, revision == 4);
            let asked = if query.is_empty() { json!(null) } else { json!("1") };
            let expected = json!({"session": sid, "transport": "WebSocket", "revision": revision, "local": true,
                "a": "1", "b": "2", "query": asked});
            assert_eq!(first, expected, "{number}");
            let expected = json!({"session": sid, "transport": "WebSocket", "revision": revision, "local": local,
                "a": a, "b": b, "query": q});
            assert_eq!(later, expected, "{number}");
        }
    }
}

#[test]
fn a_change_of_the_transport_is_told_to_every_socket_of_the_session() {
    let upgraded = |name: &str| {
        telling(name).on_upgrade(|socket| socket.emit("upgraded", format!("{:?}", socket.transport())))
    };
    let bad = Namespace::new("/bad").on_upgrade(|_| assert!(std::hint::black_box(false), "told to"));
    let socketio = SocketIo::new(EngineOptions::at("/socket.io/"));
    let socketio = socketio.namespace(upgraded("/")).namespace(upgraded("/other")).namespace(bad);
    let socketio = socketio.namespace(upgraded("/not joined"));
    let mut server = Embedded::start(Server::builder().socketio(socketio));
    let target = server.polling(EIO4);
    for packet in ["40", "40/other,", "40/bad,"] {
        server.post(&target, packet);
    }
    let mut got = String::new();
    while !got.contains("40/bad,") {
        got += &server.poll(&target);
    }
    assert!(got.contains(r#""transport":"Polling""#), "{got}");
    let (_, mut ws) = server.upgrade(&target.replace("polling", "websocket"), "");
    ws.send("2probe");
    assert_eq!(ws.text(), "3probe");
    ws.send("5");
    assert_eq!(ws.text(), r#"42["upgraded","WebSocket"]"#);
    assert_eq!(ws.text(), r#"42/other,["upgraded","WebSocket"]"#);
    assert_eq!(ws.text(), "41/bad,");
    ws.send(r#"42["facts"]"#);
    assert_eq!(read(&ws.text())["transport"], "WebSocket");
    server.panics = 1;
}
