//! A small Socket.IO server with application 1, on std threads, that does what it is told to do wrong.
//!
//! Both revisions, polling, WebSocket and the upgrade; a thread for each TCP connection, one lock for everything.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use fanfare_flood::target::query_value;
use fanfare_flood::token::Token;
use fanfare_flood::wire::engine::{self, Packet, Revision, base64_packet, binary_frame};
use fanfare_flood::wire::frame::{opcode, put_server_frame};
use serde_json::{Value, json};

use super::{Wrong, frame};

/// Bytes of a POST.
const MAX_PAYLOAD: usize = 100_000;

/// What can leave: text, or the data of a binary message.
#[derive(Clone)]
enum Out {
    Text(String),
    Binary(Vec<u8>),
}

struct Session {
    sid: String,
    revision: Revision,
    user: String,
    groups: Vec<String>,
    /// Its WebSocket, once it has one.
    socket: Option<TcpStream>,
    /// What waits for a poll.
    outbox: Vec<Out>,
    /// A message that is held back until the next.
    held: Vec<Out>,
    /// The event that waits for its attachment.
    partial: Option<String>,
}

#[derive(Default)]
struct State {
    sessions: Vec<Session>,
    /// Requests for a session.
    opened: u32,
    /// Sessions that there have been.
    begun: u32,
}

struct Server {
    state: Mutex<State>,
    changed: Condvar,
    wrong: Wrong,
}

/// Starts the server; it lives as long as the process.
pub(crate) fn serve(wrong: Wrong) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = Arc::new(Server { state: Mutex::default(), changed: Condvar::new(), wrong });
    let pinger = Arc::clone(&server);
    thread::spawn(move || {
        loop {
            thread::sleep(Duration::from_millis(200));
            let mut state = pinger.lock();
            for session in &mut state.sessions {
                if session.revision == Revision::Four && wrong != Wrong::Deaf {
                    session.send(Out::Text("2".to_owned()));
                }
            }
            pinger.changed.notify_all();
        }
    });
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let server = Arc::clone(&server);
            thread::spawn(move || server.connection(stream));
        }
    });
    address
}

impl Session {
    fn send(&mut self, out: Out) {
        let Some(socket) = &mut self.socket else {
            self.outbox.push(out);
            return;
        };
        let mut bytes = Vec::new();
        match out {
            Out::Text(text) => put_server_frame(&mut bytes, opcode::TEXT, text.as_bytes()),
            Out::Binary(data) => {
                put_server_frame(&mut bytes, opcode::BINARY, &binary_frame(self.revision, &data));
            }
        }
        drop(socket.write_all(&bytes));
    }

    fn payload(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        for out in self.outbox.drain(..) {
            match out {
                Out::Text(text) => engine::put_in_payload(&mut body, self.revision, text.as_bytes()),
                Out::Binary(data) => {
                    engine::put_in_payload(&mut body, self.revision, &base64_packet(self.revision, &data));
                }
            }
        }
        body
    }
}

impl Server {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Requests, one after the other, until one asks for an upgrade.
    fn connection(&self, mut stream: TcpStream) -> Option<()> {
        stream.set_nodelay(true).ok()?;
        loop {
            let mut bytes = Vec::new();
            while !bytes.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).ok()?;
                bytes.push(byte[0]);
            }
            let head = String::from_utf8(bytes).ok()?;
            let path = head.split(' ').nth(1)?.to_owned();
            let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            let length = field("Content-Length: ").map_or(0, |length| length.parse().unwrap());
            let mut body = vec![0; length];
            stream.read_exact(&mut body).ok()?;
            let revision =
                if query_value(&path, "EIO") == Some("3") { Revision::Three } else { Revision::Four };
            let sid = query_value(&path, "sid").unwrap_or_default().to_owned();
            if let Some(key) = field("Sec-WebSocket-Key: ") {
                return self.upgraded(stream, &key, revision, sid);
            }
            let (status, kind, answer) = if head.starts_with("POST") {
                self.posted(&sid, revision, &body)
            } else if sid.is_empty() {
                self.opened(revision)
            } else {
                self.polled(&sid)
            };
            let closes = if self.wrong == Wrong::Closes { "Connection: close\r\n" } else { "" };
            let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{closes}");
            // Errors in chunks, as Node sends them.
            let answer = if status == "200 OK" {
                [format!("{head}Content-Length: {}\r\n\r\n", answer.len()).as_bytes(), &answer].concat()
            } else {
                let size = answer.len();
                let head = format!("{head}Retry-After: 0\r\nTransfer-Encoding: chunked\r\n\r\n{size:x}\r\n");
                [head.as_bytes(), &answer, b"\r\n0\r\n\r\n"].concat()
            };
            stream.write_all(&answer).ok()?;
            if self.wrong == Wrong::Closes {
                return None;
            }
        }
    }

    /// Whether the session after so many others is refused.
    fn refuses(&self, opened: u32) -> bool {
        match self.wrong {
            Wrong::Full => true,
            Wrong::FullAtFirst => opened.is_multiple_of(2),
            // Everybody who comes back.
            Wrong::FullAfterwards => opened >= 4,
            Wrong::FullForAWhile => (4..8).contains(&opened),
            _ => false,
        }
    }

    fn begin(&self, state: &mut State, revision: Revision, socket: Option<TcpStream>) -> String {
        state.begun += 1;
        let sid = format!("session-{}", state.begun);
        let (interval, timeout) = if self.wrong == Wrong::Deaf { (100, 100) } else { (200, 20_000) };
        let open = json!({
            "sid": sid, "upgrades": ["websocket"], "pingInterval": interval, "pingTimeout": timeout,
            "maxPayload": MAX_PAYLOAD,
        });
        let mut session = Session {
            sid: sid.clone(),
            revision,
            user: String::new(),
            groups: Vec::new(),
            socket,
            outbox: Vec::new(),
            held: Vec::new(),
            partial: None,
        };
        session.send(Out::Text(format!("0{open}")));
        if revision == Revision::Three {
            session.send(Out::Text("40".to_owned()));
        }
        state.sessions.push(session);
        sid
    }

    fn opened(&self, revision: Revision) -> (&'static str, &'static str, Vec<u8>) {
        let mut state = self.lock();
        state.opened += 1;
        if self.refuses(state.opened - 1) {
            let body = br#"{"code":"full","message":"no room"}"#.to_vec();
            return ("503 Service Unavailable", "application/json", body);
        }
        self.begin(&mut state, revision, None);
        let body = state.sessions.last_mut().unwrap().payload();
        ("200 OK", "text/plain; charset=UTF-8", body)
    }

    fn polled(&self, sid: &str) -> (&'static str, &'static str, Vec<u8>) {
        let mut state = self.lock();
        loop {
            match state.sessions.iter_mut().find(|session| session.sid == sid) {
                None => return unknown(),
                Some(session) if !session.outbox.is_empty() => {
                    return ("200 OK", "text/plain; charset=UTF-8", session.payload());
                }
                Some(_) => state = self.changed.wait(state).unwrap(),
            }
        }
    }

    fn posted(&self, sid: &str, revision: Revision, body: &[u8]) -> (&'static str, &'static str, Vec<u8>) {
        let mut state = self.lock();
        if !state.sessions.iter().any(|session| session.sid == sid) {
            return unknown();
        }
        if body.len() > MAX_PAYLOAD {
            return ("413 Payload Too Large", "text/plain", Vec::new());
        }
        for packet in engine::read_payload(revision, body, false).unwrap() {
            match packet {
                Packet::Text(packet) => {
                    self.packet(&mut state, sid, std::str::from_utf8(packet).unwrap());
                }
                Packet::Binary(data) => self.attachment(&mut state, sid, &data),
            }
        }
        self.changed.notify_all();
        ("200 OK", "text/html", b"ok".to_vec())
    }

    fn upgraded(&self, mut stream: TcpStream, key: &str, revision: Revision, sid: String) -> Option<()> {
        let fresh = sid.is_empty();
        let mut sid = sid;
        if fresh {
            let mut state = self.lock();
            state.opened += 1;
            if self.refuses(state.opened - 1) {
                let refusal =
                    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n";
                return stream.write_all(refusal.as_bytes()).ok();
            }
        }
        let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        stream.write_all(answer.as_bytes()).ok()?;
        if fresh {
            sid = self.begin(&mut self.lock(), revision, Some(stream.try_clone().ok()?));
        }
        while let Some((code, payload)) = frame(&mut stream) {
            let mut state = self.lock();
            let mut out = Vec::new();
            match (code, std::str::from_utf8(&payload)) {
                (opcode::TEXT, Ok("2probe")) => {
                    put_server_frame(&mut out, opcode::TEXT, b"3probe");
                    let session = state.sessions.iter_mut().find(|session| session.sid == sid)?;
                    session.send(Out::Text("6".to_owned()));
                }
                (opcode::TEXT, Ok("5")) => {
                    let session = state.sessions.iter_mut().find(|session| session.sid == sid)?;
                    session.socket = Some(stream.try_clone().ok()?);
                    for out in std::mem::take(&mut session.outbox) {
                        session.send(out);
                    }
                }
                (opcode::TEXT, Ok(packet)) => self.packet(&mut state, &sid, packet),
                (opcode::BINARY, _) => {
                    let data = engine::read_binary_frame(revision, &payload).unwrap();
                    self.attachment(&mut state, &sid, data);
                }
                (opcode::CLOSE, _) => {
                    put_server_frame(&mut out, opcode::CLOSE, &payload);
                    state.sessions.retain(|session| session.sid != sid);
                }
                _ => {}
            }
            self.changed.notify_all();
            stream.write_all(&out).ok()?;
        }
        self.lock().sessions.retain(|session| session.sid != sid);
        None
    }

    fn packet(&self, state: &mut State, sid: &str, packet: &str) {
        let Some(session) = state.sessions.iter_mut().find(|session| session.sid == sid) else { return };
        match packet {
            "1" => {
                session.send(Out::Text("6".to_owned()));
                let sid = sid.to_owned();
                state.sessions.retain(|session| session.sid != sid);
            }
            "2" if self.wrong != Wrong::Deaf => session.send(Out::Text("3".to_owned())),
            "40" if self.wrong == Wrong::Denies => {
                session.send(Out::Text(r#"44{"message":"not you"}"#.to_owned()));
            }
            "40" => session.send(Out::Text(r#"40{"sid":"of-the-namespace"}"#.to_owned())),
            _ if packet.starts_with("45") => session.partial = Some(packet[2..].to_owned()),
            _ if packet.starts_with("42") => self.event(state, sid, &packet[2..]),
            _ => {}
        }
    }

    /// Binary events are only echoed.
    fn attachment(&self, state: &mut State, sid: &str, data: &[u8]) {
        let session = state.sessions.iter_mut().find(|session| session.sid == sid).unwrap();
        let event = session.partial.take().expect("an attachment without an event");
        let (id, _) = event.strip_prefix("1-").unwrap().split_once('[').unwrap();
        session.send(Out::Text(format!(r#"461-{id}[{{"_placeholder":true,"num":0}}]"#)));
        session.send(Out::Binary(data.to_vec()));
    }

    fn event(&self, state: &mut State, sid: &str, event: &str) {
        let (id, json) = event.split_at(event.find('[').unwrap());
        let json: Value = serde_json::from_str(json).unwrap();
        let argument = &json[1];
        let mut answer = json!({"ok": true});
        match json[0].as_str().unwrap() {
            "register" => {
                let session = state.sessions.iter_mut().find(|session| session.sid == sid).unwrap();
                session.user = argument["user"].as_str().unwrap_or_default().to_owned();
                session.groups = argument["group"].as_str().iter().map(|&group| group.to_owned()).collect();
            }
            "broadcastInfo" => {
                answer["delivered"] = self.broadcast(&mut state.sessions, sid, argument).into()
            }
            _ => answer = argument.clone(),
        }
        let session = state.sessions.iter_mut().find(|session| session.sid == sid).unwrap();
        if !id.is_empty() {
            session.send(Out::Text(format!("43{id}[{answer}]")));
        }
    }

    fn broadcast(&self, sessions: &mut [Session], sender: &str, argument: &Value) -> u64 {
        let (room, text) = (argument["roomName"].as_str().unwrap(), argument["text"].as_str().unwrap());
        let number = Token::read(text.as_bytes()).unwrap().number;
        let (mut delivered, mut place) = (0, 0);
        for session in sessions.iter_mut().filter(|session| session.sid != sender) {
            let leak = self.wrong == Wrong::Leaks && number == 3;
            if !(leak || session.user == room || session.groups.iter().any(|group| group == room)) {
                continue;
            }
            place += 1;
            delivered += 1;
            let hit = number == 3 && place == 2;
            let mut text = text.to_owned();
            match self.wrong {
                Wrong::Loses if hit => continue,
                Wrong::Corrupts if hit => text = text.replacen(".a", ".b", 1).replacen(".d", ".e", 1),
                Wrong::Cuts if hit => {
                    session.send(Out::Text("1".to_owned()));
                    continue;
                }
                _ => {}
            }
            let event = json!([argument["eventName"], text]);
            let out = Out::Text(format!("42{event}"));
            match self.wrong {
                Wrong::Duplicates if hit => session.send(out.clone()),
                Wrong::Reorders if hit => {
                    session.held.push(out);
                    continue;
                }
                _ => {}
            }
            session.send(out);
            for out in std::mem::take(&mut session.held) {
                session.send(out);
            }
        }
        delivered + u64::from(self.wrong == Wrong::Exaggerates && number == 3)
    }
}

fn unknown() -> (&'static str, &'static str, Vec<u8>) {
    ("400 Bad Request", "application/json", br#"{"code":1,"message":"Session ID unknown"}"#.to_vec())
}
