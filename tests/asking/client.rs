//! Clients of Socket.IO of every kind, and the namespace that they come to.

use crate::embedded::Embedded;
use crate::support::Ws;
use fanfare::socketio::{Namespace, SocketIo};
use fanfare::{EngineOptions, Server};
use serde_json::{Value, json};
use std::collections::{HashSet, VecDeque};
use std::net::TcpStream;

/// How a client comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) revision: u8,
    pub(crate) polling: bool,
}

pub(crate) const WS: Way = Way { revision: 4, polling: false };
pub(crate) const POLLING: Way = Way { revision: 4, polling: true };
pub(crate) const ALL: [Way; 4] =
    [WS, POLLING, Way { revision: 3, polling: false }, Way { revision: 3, polling: true }];

pub(crate) enum Line {
    Ws(Ws<TcpStream>),
    /// Where it is polled, and what came and was not looked at.
    Polling(String, VecDeque<String>),
}

pub(crate) struct Client<'a> {
    server: &'a Embedded,
    pub(crate) way: Way,
    pub(crate) line: Line,
    pub(crate) id: String,
    pub(crate) reactor: u64,
}

impl<'a> Client<'a> {
    /// In the main namespace.
    pub(crate) fn new(server: &'a Embedded, way: Way) -> Client<'a> {
        let target = format!("/socket.io/?EIO={}&way={}", way.revision, u8::from(way.polling));
        let line = match way.polling {
            false => Line::Ws(server.websocket(&target, "")),
            true => Line::Polling(server.polling(&target), VecDeque::new()),
        };
        let mut client = Client { server, way, line, id: String::new(), reactor: 0 };
        client.enter();
        client
    }

    pub(crate) fn enter(&mut self) {
        if self.way.revision == 4 {
            self.send("40");
        }
        assert!(self.recv().starts_with("40"));
        (self.reactor, self.id) = serde_json::from_value(self.event("here")).unwrap();
    }

    pub(crate) fn send(&mut self, packet: &str) {
        match &mut self.line {
            Line::Ws(ws) => ws.send(packet),
            Line::Polling(target, _) if self.way.revision == 3 => {
                self.server.post(target, &format!("{}:{packet}", packet.encode_utf16().count()));
            }
            Line::Polling(target, _) => self.server.post(target, packet),
        }
    }

    /// The next packet of Socket.IO, with its 4.
    pub(crate) fn recv(&mut self) -> String {
        match &mut self.line {
            Line::Ws(ws) => ws.text(),
            Line::Polling(target, waiting) => {
                if waiting.is_empty() {
                    let body = self.server.poll(target);
                    let packets =
                        if self.way.revision == 3 { packets_of_3(&body) } else { packets_of_4(&body) };
                    waiting.extend(packets);
                }
                waiting.pop_front().unwrap()
            }
        }
    }

    /// The arguments of the next event, which has this name and wants no acknowledgement.
    pub(crate) fn event(&mut self, name: &str) -> Value {
        let text = self.recv();
        let all: Vec<Value> = text
            .strip_prefix("42")
            .and_then(|json| serde_json::from_str(json).ok())
            .unwrap_or_else(|| panic!("{name}: {text}"));
        assert_eq!(all[0], name, "{text}");
        json!(all[1..])
    }

    /// The id of the acknowledgement that the next event wants, which is the question `q`.
    pub(crate) fn question(&mut self) -> u64 {
        let text = self.recv();
        let inner = text.strip_prefix("42").and_then(|text| text.strip_suffix(r#"["q","?"]"#));
        inner.and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("{text}"))
    }

    pub(crate) fn answer(&mut self, id: u64, args: &Value) {
        self.send(&format!("43{id}{args}"));
    }

    /// Everything that it sent before has been dealt with.
    pub(crate) fn sync(&mut self) {
        self.send(r#"42["sync"]"#);
        assert_eq!(self.event("synced"), json!([]));
    }
}

pub(crate) fn packets_of_3(mut body: &str) -> Vec<String> {
    let mut packets = Vec::new();
    // All of it is ASCII here.
    while let Some((length, rest)) = body.split_once(':') {
        let (packet, rest) = rest.split_at(length.parse().unwrap());
        packets.push(packet.to_owned());
        body = rest;
    }
    packets
}

pub(crate) fn packets_of_4(body: &str) -> Vec<String> {
    body.split('\u{1e}').map(str::to_owned).collect()
}

/// The main namespace: clients are told where they are, may go into rooms, and may ask whether they were heard.
pub(crate) fn main_namespace() -> Namespace {
    Namespace::new("/")
        .on_connect(|socket, _| {
            let here = (socket.context().reactor(), socket.id());
            socket.emit("here", here)
        })
        .on("join", |socket, event| {
            socket.join(event.parse::<String>()?)?;
            socket.emit("synced", ())
        })
        .on("sync", |socket, _| socket.emit("synced", ()))
}

pub(crate) fn serve_on(reactors: usize, namespace: Namespace) -> Embedded {
    let socketio = SocketIo::new(EngineOptions::at("/socket.io/"));
    let socketio = socketio.namespace(namespace).namespace(Namespace::new("/b"));
    Embedded::with_reactors(Server::builder().socketio(socketio), reactors)
}

pub(crate) fn join(client: &mut Client<'_>, room: &str) {
    client.send(&format!(r#"42["join","{room}"]"#));
    assert_eq!(client.event("synced"), json!([]));
}

/// Clients of every kind, some on each of two reactors. The kernel decides which one they come to.
pub(crate) fn crowd(server: &Embedded) -> Vec<Client<'_>> {
    let mut clients: Vec<Client<'_>> = Vec::new();
    while clients.len() < 8 || clients.iter().map(|it| it.reactor).collect::<HashSet<_>>().len() < 2 {
        assert!(clients.len() < 200, "all on one reactor");
        clients.push(Client::new(server, ALL[clients.len() % ALL.len()]));
    }
    clients
}
