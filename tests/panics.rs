//! Handlers that panic: each ends its own socket or request, is counted, and nobody else notices.

mod embedded;
mod support;

use embedded::Embedded;
use fanfare::socketio::{ConnectError, EngineOptions, Namespace, SocketIo};
use fanfare::wire::frame::Opcode;
use fanfare::{Admission, Endpoint, Message, Request, Response, Server, Socket};
use serde_json::json;
use support::Received;

const EIO4: &str = "/socket.io/?EIO=4";

/// What no handler may rely on.
fn false_now() -> bool {
    std::hint::black_box(false)
}

/// Panics wherever it is told to.
struct Fragile;

impl Endpoint for Fragile {
    fn on_upgrade(&self, request: &Request<'_>) -> Result<Admission, Response> {
        assert!(!request.query().unwrap().iter().any(|(name, _)| name == "upgrade"), "told to");
        Ok(Admission::to_scope("fragile"))
    }

    fn on_open(&self, socket: &mut Socket<'_>) {
        socket.send_text("open");
    }

    fn on_message(&self, socket: &mut Socket<'_>, message: Message<'_>) {
        match message {
            Message::Text(text) => socket.send_text(text),
            Message::Binary(_) => panic!("bytes"),
        };
    }
}

fn serve(main: Namespace) -> Embedded {
    let engine = EngineOptions::at("/socket.io/").allow_request(|request| {
        assert!(request.header("x-panic").is_none(), "told to");
        Ok(())
    });
    let builder = Server::builder()
        .socketio(SocketIo::new(engine).namespace(main).namespace(Namespace::new("/other")))
        .endpoint("/fragile", Fragile)
        .route("GET", "/panic", |_, _, _, _| panic!("a route"))
        .route("GET", "/late", |cx, _, _, responder| {
            responder.send(cx, Response::text(200, "in time"));
            panic!("after the answer");
        })
        .route("GET", "/put-off", |cx, _, _, responder| {
            cx.later(|_| panic!("later"));
            responder.send(cx, Response::text(200, "fine"));
        });
    Embedded::start(builder)
}

#[test]
fn a_handler_of_an_event_that_panics_ends_its_socket_and_no_other() {
    let main = Namespace::new("/")
        .on("panic", |_, _| assert!(false_now(), "told to"))
        .on("ask", |socket, _| socket.emit_with_ack("q", (), |_, _| assert!(false_now(), "answered")))
        .on("echo", |socket, event| event.ack(socket, event.args()));
    let mut server = serve(main);
    let (mut first, mut second) = (server.websocket(EIO4, ""), server.websocket(EIO4, ""));
    for ws in [&mut first, &mut second] {
        ws.send("40");
        assert!(ws.text().starts_with("40{"));
    }
    first.send("40/other,");
    assert!(first.text().starts_with("40/other,{"));
    first.send(r#"42["panic"]"#);
    assert_eq!(first.text(), "41");
    // Its connection and its other namespace stay, and it may come back.
    first.send("40");
    assert!(first.text().starts_with("40{"));
    first.send(r#"421["echo",1]"#);
    assert_eq!(first.text(), "431[1]");
    second.send(r#"42["ask"]"#);
    assert_eq!(second.text(), r#"420["q"]"#);
    second.send("430[]");
    assert_eq!(second.text(), "41");
    server.panics = 2;
}

#[test]
fn a_handler_of_a_connection_that_panics_ends_it() {
    let main = Namespace::new("/")
        .middleware(|_, connecting| match connecting.query("m") {
            None => Ok(()),
            Some(word) if word == "no" => Err(ConnectError::new("no")),
            Some(_) => panic!("told to"),
        })
        .on_connect(|_, connecting| assert!(connecting.query("c").is_none(), "told to"))
        .on_disconnecting(|_, _| assert!(false_now(), "leaving"))
        .on_disconnect(|_, _| assert!(false_now(), "left"));
    let mut server = serve(main);
    let mut ws = server.websocket(&format!("{EIO4}&m=panic"), "");
    ws.send("40");
    assert_eq!(ws.text(), r#"44{"message":"internal error"}"#);
    let mut ws = server.websocket(&format!("{EIO4}&c=panic"), "");
    ws.send("40");
    assert!(ws.text().starts_with("40{"));
    assert_eq!(ws.text(), "41");
    // The middleware, the connection, and twice its end.
    server.panics = 4;
    let (reply, _) = server.upgrade(&format!("{EIO4}&transport=websocket"), "X-Panic: 1\r\n");
    assert_eq!((reply.status, reply.body.as_str()), (400, "internal error"));
    let reply = server.request("GET", &format!("{EIO4}&transport=polling"), "X-Panic: 1\r\n", "");
    assert_eq!(reply.body, json!({"code": 4, "message": "internal error"}).to_string());
    server.panics += 2;
}

#[test]
fn an_endpoint_or_a_route_that_panics_ends_its_connection_or_request() {
    let mut server = serve(Namespace::new("/"));
    let (reply, _) = server.upgrade("/fragile?upgrade", "");
    assert_eq!(reply.status, 500);
    let (_, mut ws) = server.upgrade("/fragile", "");
    assert_eq!(ws.text(), "open");
    ws.send_frame(Opcode::Binary, b"x");
    assert_eq!(ws.recv(), Received::Close(1011, "internal error".to_owned()));
    assert_eq!(server.request("GET", "/panic", "", "").status, 500);
    assert_eq!(server.request("GET", "/late", "", "").body, "in time");
    assert_eq!(server.request("GET", "/put-off", "", "").body, "fine");
    server.panics = 5;
}

/// Panics when it is dropped.
struct Fuse;

impl Drop for Fuse {
    fn drop(&mut self) {
        assert!(false_now(), "dropped");
    }
}

#[test]
fn what_is_kept_with_a_socket_may_panic_when_it_is_dropped() {
    let main = Namespace::new("/")
        .middleware(|socket, connecting| {
            socket.set(Fuse);
            if connecting.auth() == "{}" { Ok(()) } else { Err(ConnectError::new("no")) }
        })
        .on("echo", |socket, event| event.ack(socket, event.args()));
    let mut server = serve(main);
    let mut ws = server.websocket(EIO4, "");
    // It is refused, leaves, comes back, and its connection ends.
    ws.send(r#"40{"a":1}"#);
    assert_eq!(ws.text(), r#"44{"message":"no"}"#);
    ws.send("40");
    assert!(ws.text().starts_with("40{"));
    ws.send("41");
    ws.send("40");
    assert!(ws.text().starts_with("40{"));
    drop(ws);
    let mut ws = server.websocket(EIO4, "");
    ws.send("40");
    assert!(ws.text().starts_with("40{"));
    ws.send(r#"421["echo",1]"#);
    assert_eq!(ws.text(), "431[1]");
    server.panics = 4;
}
