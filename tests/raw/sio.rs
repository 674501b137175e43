//! Sessions of Engine.IO and sockets of Socket.IO, by raw requests and frames.

use super::{Answer, Got, KEY, PATIENCE, Raw, Rest, Server, frame};
use std::time::{Duration, Instant};

/// Sessions that nobody asks for are over soon.
const CONFIG: &str =
    "[socketio]\nping_interval_ms = 2500\nping_timeout_ms = 2500\nupgrade_timeout_ms = 1000\n";

/// A polling session.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) sid: String,
    pub(crate) revision: u8,
}

/// A request as bytes.
pub(crate) fn request(method: &str, target: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = if method == "GET" { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let head = format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{length}{headers}\r\n");
    [head.as_bytes(), body].concat()
}

/// The answer to one request on a connection of its own.
pub(crate) fn ask(server: &Server, request: &[u8]) -> Answer {
    let mut raw = server.connect();
    raw.send(request);
    raw.answer().expect("an answer")
}

/// What is refused has a code of Engine.IO.
pub(crate) fn code(answer: &Answer) -> i64 {
    let text = String::from_utf8_lossy(&answer.body);
    let code = text.strip_prefix("{\"code\":").and_then(|rest| rest.split(',').next());
    code.and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no code in {text:?}"))
}

impl Session {
    pub(crate) fn open(server: &Server, revision: u8) -> Session {
        let target = format!("/socket.io/?EIO={revision}&transport=polling");
        Session::from_answer(&ask(server, &request("GET", &target, "", b"")), revision)
    }

    pub(crate) fn from_answer(answer: &Answer, revision: u8) -> Session {
        let text = String::from_utf8(answer.body.clone()).expect("text");
        assert_eq!(answer.status, 200, "{text}");
        let (_, rest) = text.split_once("\"sid\":\"").expect("an open packet");
        Session { sid: rest[..20].to_owned(), revision }
    }

    pub(crate) fn target(&self) -> String {
        format!("/socket.io/?EIO={}&transport=polling&sid={}", self.revision, self.sid)
    }

    pub(crate) fn poll_request(&self) -> Vec<u8> {
        request("GET", &self.target(), "", b"")
    }

    pub(crate) fn post_request(&self, body: &[u8]) -> Vec<u8> {
        request("POST", &self.target(), "Content-Type: text/plain;charset=UTF-8\r\n", body)
    }

    pub(crate) fn poll(&self, server: &Server) -> Answer {
        ask(server, &self.poll_request())
    }

    pub(crate) fn post(&self, server: &Server, body: &[u8]) -> Answer {
        ask(server, &self.post_request(body))
    }

    /// A poll that is held.
    pub(crate) fn hold(&self, server: &Server) -> Raw {
        let mut raw = server.connect();
        raw.send(&self.poll_request());
        raw
    }

    /// Connects to the main namespace, with revision 4.
    pub(crate) fn enter(self, server: &Server) -> Session {
        assert_eq!(self.post(server, b"40").body, b"ok");
        let answer = self.poll(server);
        assert!(answer.body.starts_with(b"40{\"sid\":\""), "{answer:?}");
        self
    }

    /// The session goes on: it takes a packet.
    pub(crate) fn lives(&self, server: &Server, name: &str) {
        let packet: &[u8] = if self.revision == 3 { b"1:6" } else { b"6" };
        let answer = self.post(server, packet);
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"ok"[..]), "{name}: {answer:?}");
    }

    /// It is over, and nothing is known of it.
    pub(crate) fn is_over(&self, server: &Server, name: &str) {
        let start = Instant::now();
        loop {
            let answer = self.poll(server);
            // Whoever was not told yet is told.
            if answer.status == 400 {
                assert_eq!(code(&answer), 1, "{name}");
                return;
            }
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(text.ends_with('1') && start.elapsed() < PATIENCE, "{name}: {answer:?}");
        }
    }

    pub(crate) fn close(&self, server: &Server) {
        let packet: &[u8] = if self.revision == 3 { b"1:1" } else { b"1" };
        assert_eq!(self.post(server, packet).body, b"ok");
    }
}

/// The request for a WebSocket, with a session's id or without.
pub(crate) fn websocket_request(revision: u8, sid: &str) -> Vec<u8> {
    let sid = if sid.is_empty() { String::new() } else { format!("&sid={sid}") };
    let target = format!("/socket.io/?EIO={revision}&transport=websocket{sid}");
    let headers = format!(
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
    );
    request("GET", &target, &headers, b"")
}

/// A connection that was upgraded, for a session or for a new one.
pub(crate) fn websocket(server: &Server, revision: u8, sid: &str) -> Raw {
    upgraded(server.connect(), revision, sid)
}

pub(crate) fn upgraded(mut raw: Raw, revision: u8, sid: &str) -> Raw {
    raw.send(&websocket_request(revision, sid));
    let answer = raw.answer().expect("an answer");
    assert_eq!(answer.status, 101, "{}", answer.head);
    raw
}

/// A socket of the main namespace, on a WebSocket.
pub(crate) fn socket(server: &Server, revision: u8) -> Raw {
    enter(websocket(server, revision, ""), revision)
}

pub(crate) fn narrow_socket(server: &Server, revision: u8) -> Raw {
    enter(upgraded(server.connect_narrow(), revision, ""), revision)
}

fn enter(mut raw: Raw, revision: u8) -> Raw {
    let opened = raw.frame();
    assert!(matches!(&opened, Got::Text(text) if text.starts_with("0{\"sid\":\"")), "{opened:?}");
    if revision == 4 {
        raw.text("40");
    }
    let entered = raw.frame();
    assert!(matches!(&entered, Got::Text(text) if text.starts_with("40")), "{entered:?}");
    raw
}

/// What comes next but pings, which are answered.
pub(crate) fn next(raw: &mut Raw) -> Got {
    loop {
        match raw.frame() {
            Got::Text(text) if text == "2" => raw.text("3"),
            other => return other,
        }
    }
}

/// The socket does what it is asked.
pub(crate) fn answers(raw: &mut Raw, name: &str) {
    raw.text(r#"42987["register",{"group":"answers"}]"#);
    let got = next(raw);
    assert_eq!(got, Got::Text(r#"43987[{"ok":true}]"#.to_owned()), "{name}");
}

/// The WebSocket is closed without a code, as Engine.IO does it.
pub(crate) fn expect_closed(raw: &mut Raw, name: &str) {
    let got = next(raw);
    assert_eq!(got, Got::Close(None, String::new()), "{name}");
    raw.send(&frame(0x88, b""));
    raw.expect_end(name);
}

pub(crate) fn say_goodbye(mut raw: Raw, name: &str) {
    raw.send(&frame(0x88, b""));
    assert_eq!(next(&mut raw), Got::Close(None, String::new()), "{name}");
    raw.expect_end(name);
}

/// A good client of each revision and transport is served, by upgrade too.
pub(crate) fn serves_good_clients(server: &Server, name: &str) {
    for revision in [3, 4] {
        let mut raw = socket(server, revision);
        answers(&mut raw, name);
        say_goodbye(raw, name);
    }
    let session = Session::open(server, 4).enter(server);
    assert_eq!(session.post(server, br#"42["register",{"user":"good"}]"#).body, b"ok", "{name}");
    session.close(server);

    let session = Session::open(server, 4).enter(server);
    let mut raw = websocket(server, 4, &session.sid);
    raw.text("2probe");
    assert_eq!(raw.frame(), Got::Text("3probe".to_owned()), "{name}");
    raw.text("5");
    answers(&mut raw, name);
    say_goodbye(raw, name);
}

/// A server at rest that has served clients of Socket.IO, and what it may weigh more later.
pub(crate) fn start(reactors: usize, config: &str, slack: u64) -> (Server, Rest) {
    let server = Server::start(reactors, &format!("{CONFIG}{config}"));
    let descriptors = server.descriptors();
    serves_good_clients(&server, "at the start");
    server.wait_for_descriptors(&descriptors, "at the start");
    let rest = Rest::of(&server, slack);
    (server, rest)
}

/// Nothing is left of what happened: no session, no descriptor, no memory. Good clients are served.
pub(crate) fn check(server: &Server, rest: &Rest, name: &str) {
    serves_good_clients(server, name);
    let start = Instant::now();
    loop {
        let text = ask(server, &request("GET", "/metrics", "", b"")).body;
        let text = String::from_utf8(text).expect("text");
        let transports =
            ["fanfare_connections{transport=\"polling\"", "fanfare_connections{transport=\"websocket\""];
        let is_one = |line: &&str| transports.iter().any(|transport| line.starts_with(transport));
        let counted = text.lines().filter(is_one);
        let left: f64 = counted.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum();
        if left == 0.0 {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "{name}: {left} sessions are left");
        std::thread::sleep(Duration::from_millis(50));
    }
    rest.check(server, name);
}
