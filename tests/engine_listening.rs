//! What a program says to every request of an Engine.IO server, and what it is told of those that are refused.

mod embedded;
mod support;

use embedded::Embedded;
use fanfare::socketio::{Cors, Namespace, SocketIo};
use fanfare::{EngineOptions, Response, Server};
use std::io::Write;
use std::sync::{Arc, Mutex, mpsc};
use support::{PATIENCE, Received, Reply};

const EIO4: &str = "/socket.io/?EIO=4";
const KEY: &str = "X-Key: 1\r\n";

fn serve(engine: EngineOptions, reactors: usize) -> Embedded {
    let socketio = SocketIo::new(engine).namespace(Namespace::new("/"));
    Embedded::with_reactors(Server::builder().socketio(socketio), reactors)
}

#[test]
fn every_request_passes_the_middlewares_in_their_order() {
    let engine = EngineOptions::at("/socket.io/")
        .middleware(|request| match request.header("x-key") {
            Some(_) => Ok(()),
            None => Err(Response::text(401, "no key").header("X-Why", request.method().to_owned())),
        })
        .middleware(|request| {
            assert!(request.header("x-panic").is_none(), "told to");
            if request.header("x-second").is_some() { Err(Response::text(418, "second")) } else { Ok(()) }
        })
        .cors(Cors { origins: vec!["http://a".to_owned()], credentials: false });
    let mut server = serve(engine, 2);
    let open = format!("{EIO4}&transport=polling");
    let reply = server.request("GET", &open, "Origin: http://a\r\n", "");
    assert_eq!((reply.status, reply.body.as_str()), (401, "no key"));
    assert_eq!(reply.header("x-why"), Some("GET"));
    // The page may read why.
    assert_eq!(reply.header("access-control-allow-origin"), Some("http://a"));
    // A browser asks first, and without the field.
    assert_eq!(server.request("OPTIONS", &open, "Origin: http://a\r\nConnection: close\r\n", "").status, 204);
    // Before anything else is looked at.
    for target in
        ["/socket.io/", "/socket.io/?EIO=4&transport=polling&sid=x", "/socket.io/?EIO=4&transport=x"]
    {
        assert_eq!(server.request("GET", target, "", "").status, 401, "{target}");
    }
    assert_eq!(server.request("GET", &open, &format!("{KEY}X-Second: 1\r\n"), "").status, 418);

    let reply = server.request("GET", &open, KEY, "");
    assert_eq!(reply.status, 200, "{reply:?}");
    let session = format!("{open}&sid={}", embedded::sid_of(&reply.body));
    // Whichever reactor it comes to.
    for _ in 0..8 {
        assert_eq!(server.request("GET", &session, "", "").status, 401);
        assert_eq!(server.request("POST", &session, "", "40").status, 401);
        let target = session.replace("polling", "websocket");
        assert_eq!(server.upgrade(&target, "").0.status, 401);
    }
    // One whose body comes late is refused late, and is not under way any more.
    let mut late = server.connect();
    write!(late, "POST {session} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(50));
    write!(late, "40").unwrap();
    assert_eq!(Reply::read(&mut late).unwrap().status, 401);
    let reply = server.request("POST", &session, KEY, "40");
    assert_eq!((reply.status, reply.body.as_str()), (200, "ok"));
    assert!(server.request("GET", &session, KEY, "").body.starts_with("40{"));

    let (reply, mut ws) = server.upgrade(&session.replace("polling", "websocket"), KEY);
    assert_eq!(reply.status, 101);
    ws.send("2probe");
    assert_eq!(ws.text(), "3probe");
    let (reply, _) = server.upgrade(&format!("{EIO4}&transport=websocket"), "");
    assert_eq!((reply.status, reply.body.as_str()), (401, "no key"));

    let reply = server.request("GET", &open, &format!("{KEY}X-Panic: 1\r\n"), "");
    assert_eq!((reply.status, reply.body.as_str()), (400, r#"{"code":3,"message":"Bad request"}"#));
    server.panics = 1;
}

#[test]
fn a_program_is_told_of_what_is_refused_with_the_code_that_its_client_sees() {
    let (sender, told) = mpsc::channel();
    let sender = Arc::new(Mutex::new(sender));
    let engine = EngineOptions::at("/socket.io/")
        .allow_eio3(false)
        .allow_request(|request| match request.header("x-key") {
            Some(_) => Ok(()),
            None => Err("no key".to_owned()),
        })
        .on_connection_error(move |request, code, message| {
            let mark = request.header("x-mark").map(|mark| String::from_utf8_lossy(mark).into_owned());
            let line = format!("{} {} {code} {message}", mark.unwrap_or_default(), request.method());
            // The test may be over.
            drop(sender.lock().unwrap().send(line));
        });
    let server = serve(engine, 2);
    let open = format!("{EIO4}&transport=polling");
    let reply = server.request("GET", &open, KEY, "");
    let session = format!("{open}&sid={}", embedded::sid_of(&reply.body));
    let gone = {
        let reply = server.request("GET", &open, KEY, "");
        let gone = format!("{open}&sid={}", embedded::sid_of(&reply.body));
        server.post(&gone, "1");
        gone
    };
    for (mark, method, target, key, code, message) in [
        ("a", "GET", "/socket.io/", KEY, 0, "Transport unknown"),
        ("b", "GET", "/socket.io/?EIO=4&transport=x", KEY, 0, "Transport unknown"),
        ("c", "GET", "/socket.io/?EIO=4&transport=polling&sid=x", KEY, 1, "Session ID unknown"),
        ("d", "GET", &gone, KEY, 1, "Session ID unknown"),
        ("e", "POST", &gone, KEY, 1, "Session ID unknown"),
        ("f", "POST", &open, KEY, 2, "Bad handshake method"),
        ("g", "PUT", &session, KEY, 3, "Bad request"),
        ("h", "GET", "/socket.io/?EIO=4&transport=websocket", KEY, 3, "Bad request"),
        ("i", "GET", &open, "", 4, "no key"),
        ("j", "GET", "/socket.io/?EIO=3&transport=polling", KEY, 5, "Unsupported protocol version"),
        ("k", "POST", &session, KEY, 3, "Bad request"),
    ] {
        let reply = server.request(method, target, &format!("X-Mark: {mark}\r\n{key}"), "x");
        assert_eq!(reply.status, if code == 4 { 403 } else { 400 }, "{mark}");
        assert_eq!(reply.body, format!("{{\"code\":{code},\"message\":\"{message}\"}}"), "{mark}");
        let line = told.recv_timeout(PATIENCE).unwrap();
        assert_eq!(line, format!("{mark} {method} {code} {message}"));
    }
    // A request for a WebSocket is told the words only.
    let (reply, _) = server.upgrade("/socket.io/?EIO=4&transport=websocket", "X-Mark: l\r\n");
    assert_eq!((reply.status, reply.body.as_str()), (400, "no key"));
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), "l GET 4 no key");
    let (reply, mut ws) = server.upgrade(&gone.replace("polling", "websocket"), "X-Mark: m\r\n");
    assert_eq!(reply.status, 101);
    assert!(matches!(ws.recv(), Received::Close(..)));
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), "m GET 1 Session ID unknown");
    // What is served is not told.
    let reply = server.request("GET", &open, KEY, "");
    assert_eq!(reply.status, 200);
    assert!(told.try_recv().is_err());
}
