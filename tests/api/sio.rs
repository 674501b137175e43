//! Clients of Socket.IO, byte by byte: both revisions of Engine.IO, over WebSocket and over polling.

use crate::http::Http;
use crate::server::Server;
use crate::support::{Received, Ws};
use data_encoding::BASE64;
use fanfare::wire::frame::Opcode;
use serde_json::Value;
use std::collections::VecDeque;
use std::io::Read;
use std::net::TcpStream;

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Of Engine.IO: 3 or 4.
    pub(crate) revision: u8,
    pub(crate) polling: bool,
    /// Binary messages travel as text.
    pub(crate) base64: bool,
    /// Messages may be compressed, where the server is configured so.
    pub(crate) deflate: bool,
}

pub(crate) const EIO3: Kind = Kind { revision: 3, polling: false, base64: false, deflate: false };
pub(crate) const EIO4: Kind = Kind { revision: 4, polling: false, base64: false, deflate: false };
pub(crate) const EIO3_POLLING: Kind = Kind { revision: 3, polling: true, base64: false, deflate: false };
pub(crate) const EIO3_BASE64: Kind = Kind { revision: 3, polling: true, base64: true, deflate: false };
pub(crate) const EIO4_POLLING: Kind = Kind { revision: 4, polling: true, base64: true, deflate: false };

pub(crate) const EIO3_DEFLATE: Kind = Kind { deflate: true, ..EIO3 };
pub(crate) const EIO4_DEFLATE: Kind = Kind { deflate: true, ..EIO4 };

/// Every kind that needs no configuration.
pub(crate) const KINDS: [Kind; 5] = [EIO3, EIO4, EIO3_POLLING, EIO3_BASE64, EIO4_POLLING];

impl Kind {
    /// A client whose Engine.IO revision is 3 calls its socket by its session's id.
    fn is_old(self) -> bool {
        self.revision == 3
    }
}

/// One message of Engine.IO.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Message {
    Text(String),
    Binary(Vec<u8>),
}

enum Transport {
    WebSocket(Box<Ws<TcpStream>>),
    /// One connection to ask with, one to tell with.
    Polling {
        target: String,
        get: Box<Http>,
        post: Box<Http>,
        arrived: VecDeque<Message>,
    },
}

/// A client that is connected to one namespace, and reads.
pub(crate) struct Sio {
    transport: Transport,
    kind: Kind,
    namespace: String,
    pub(crate) id: String,
    acks: u32,
}

impl Sio {
    /// A client of the main namespace.
    pub(crate) fn connect(server: &Server, kind: Kind) -> Sio {
        Sio::connect_to(server, kind, "/")
    }

    pub(crate) fn connect_to(server: &Server, kind: Kind, namespace: &str) -> Sio {
        let transport = if kind.polling { "polling" } else { "websocket" };
        let b64 = if kind.base64 && kind.is_old() { "&b64=1" } else { "" };
        let target = format!("/socket.io/?EIO={}&transport={transport}{b64}", kind.revision);
        let mut transport = if kind.polling {
            let (get, post) = (Box::new(server.http()), Box::new(server.http()));
            Transport::Polling { target, get, post, arrived: VecDeque::new() }
        } else {
            let offer = if kind.deflate { "Sec-WebSocket-Extensions: permessage-deflate\r\n" } else { "" };
            let ws = Ws::open(server.0.connect(), &target, offer);
            Transport::WebSocket(Box::new(ws.unwrap_or_else(|reply| panic!("{reply:?}"))))
        };
        let Message::Text(open) = transport.next(kind) else { panic!("a packet that is no text") };
        let open: Value = serde_json::from_str(open.strip_prefix('0').expect(&open)).unwrap();
        let sid = open["sid"].as_str().unwrap().to_owned();
        if let Transport::Polling { target, .. } = &mut transport {
            target.push_str(&format!("&sid={sid}"));
        }
        let mut client = Sio { transport, kind, namespace: namespace.to_owned(), id: sid, acks: 0 };
        client.join_namespace();
        client
    }

    fn join_namespace(&mut self) {
        let prefix = self.prefix();
        if self.kind.is_old() {
            assert_eq!(self.packet(), Message::Text("40".to_owned()));
            if self.namespace != "/" {
                self.send(&format!("40{prefix}"));
                assert_eq!(self.packet(), Message::Text(format!("40{prefix}")));
                self.id = format!("{}#{}", self.namespace, self.id);
            }
            return;
        }
        self.send(&format!("40{prefix}"));
        let Message::Text(connected) = self.packet() else { panic!("a binary answer") };
        let data = connected.strip_prefix(&format!("40{prefix}")).expect(&connected);
        let data: Value = serde_json::from_str(data).unwrap();
        self.id = data["sid"].as_str().unwrap().to_owned();
    }

    /// Leaves its namespace and comes back, as another socket; revision 4 of Engine.IO only.
    pub(crate) fn come_back(&mut self) {
        self.send(&format!("41{}", self.prefix()));
        self.join_namespace();
    }

    /// A WebSocket over which it may go on.
    pub(crate) fn probe(&self, server: &Server) -> Ws<TcpStream> {
        let Transport::Polling { target, .. } = &self.transport else { panic!("it has one") };
        let mut ws = server.0.ws(&target.replace("transport=polling", "transport=websocket"));
        ws.send("2probe");
        assert_eq!(ws.text(), "3probe");
        ws
    }

    /// Goes on over a WebSocket.
    pub(crate) fn upgrade(&mut self, server: &Server) {
        let mut ws = self.probe(server);
        let Transport::Polling { target, get, .. } = &mut self.transport else { panic!("it has one") };
        // Whoever polls now is sent home.
        let polled = get.get(target);
        assert_eq!((polled.status, polled.text()), (200, if self.kind.is_old() { "1:6" } else { "6" }));
        ws.send("5");
        self.transport = Transport::WebSocket(Box::new(ws));
    }

    /// Says that it closes, and is heard.
    pub(crate) fn close(mut self) {
        self.send("1");
    }

    /// What stands before the data of a packet.
    fn prefix(&self) -> String {
        if self.namespace == "/" { String::new() } else { format!("{},", self.namespace) }
    }

    /// A client of application 1 in these groups.
    pub(crate) fn register(server: &Server, kind: Kind, groups: &[&str]) -> Sio {
        let mut client = Sio::connect(server, kind);
        let payload = serde_json::json!(["register", { "group": groups }]).to_string();
        assert_eq!(client.ask(&payload), r#"[{"ok":true}]"#);
        client
    }

    /// Emits an event (a JSON array) with an acknowledgement, which is the next thing to arrive.
    pub(crate) fn ask(&mut self, event: &str) -> String {
        let (id, prefix) = (self.acks, self.prefix());
        self.acks += 1;
        self.send(&format!("42{prefix}{id}{event}"));
        let answer = self.packet();
        let Message::Text(text) = &answer else { panic!("{answer:?}") };
        text.strip_prefix(&format!("43{prefix}{id}")).unwrap_or_else(|| panic!("{text}")).to_owned()
    }

    /// Emits an event with one attachment.
    pub(crate) fn emit_binary(&mut self, event: &str, attachment: &[u8]) {
        let prefix = self.prefix();
        self.send(&format!("451-{prefix}{event}"));
        let Transport::WebSocket(ws) = &mut self.transport else { panic!("only over WebSocket") };
        let marked = [&[4][..], attachment].concat();
        let payload = if self.kind.is_old() { &marked } else { attachment };
        ws.send_frame(Opcode::Binary, payload);
    }

    /// The next event: the JSON of its array.
    pub(crate) fn next(&mut self) -> String {
        let packet = self.packet();
        let start = format!("42{}", self.prefix());
        match &packet {
            Message::Text(text) => text.strip_prefix(&start).unwrap_or_else(|| panic!("{text}")).to_owned(),
            Message::Binary(_) => panic!("{packet:?}"),
        }
    }

    /// The next event, which has one attachment: its array, and the attachment.
    pub(crate) fn next_binary(&mut self) -> (String, Vec<u8>) {
        let (packet, attachment) = (self.packet(), self.packet());
        match (packet, attachment) {
            (Message::Text(text), Message::Binary(bytes)) => {
                let start = format!("451-{}", self.prefix());
                (text.strip_prefix(&start).unwrap_or_else(|| panic!("{text}")).to_owned(), bytes)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Nothing has arrived until now: what is answered now comes first. In the main namespace only.
    pub(crate) fn has_nothing(&mut self) {
        assert_eq!(self.ask(r#"["unRegister",{"group":[]}]"#), r#"[{"ok":true}]"#);
    }

    /// The server takes it out of its namespace.
    pub(crate) fn is_disconnected(&mut self) {
        assert_eq!(self.packet(), Message::Text(format!("41{}", self.prefix())));
    }

    /// The server takes it out of its namespace and ends the connection.
    pub(crate) fn is_closed(&mut self) {
        self.is_disconnected();
        match &mut self.transport {
            Transport::WebSocket(ws) => assert_eq!(ws.recv(), Received::Close(1005, String::new())),
            Transport::Polling { .. } => {
                assert_eq!(self.transport.next(self.kind), Message::Text("1".to_owned()));
            }
        }
    }

    fn send(&mut self, packet: &str) {
        let old = self.kind.is_old();
        match &mut self.transport {
            Transport::WebSocket(ws) => ws.send(packet),
            Transport::Polling { target, post, .. } => {
                let length = packet.encode_utf16().count();
                let body = if old { format!("{length}:{packet}") } else { packet.to_owned() };
                let answer = post.request("POST", target, &[], body.as_bytes());
                assert_eq!((answer.status, answer.text()), (200, "ok"));
            }
        }
    }

    /// The next packet that is no heartbeat.
    fn packet(&mut self) -> Message {
        loop {
            let message = self.transport.next(self.kind);
            if message != Message::Text("2".to_owned()) {
                return message;
            }
            self.send("3");
        }
    }
}

impl Transport {
    fn next(&mut self, kind: Kind) -> Message {
        match self {
            Transport::WebSocket(ws) if kind.deflate => match compressed(&mut ws.stream) {
                (1, text) => Message::Text(String::from_utf8(text).unwrap()),
                (2, bytes) => Message::Binary(if kind.is_old() { bytes[1..].to_vec() } else { bytes }),
                other => panic!("{other:?}"),
            },
            Transport::WebSocket(ws) => match ws.recv() {
                Received::Text(text) => Message::Text(text),
                Received::Binary(bytes) if kind.is_old() => {
                    assert_eq!(bytes[0], 4, "a message");
                    Message::Binary(bytes[1..].to_vec())
                }
                Received::Binary(bytes) => Message::Binary(bytes),
                other => panic!("{other:?}"),
            },
            Transport::Polling { target, get, arrived, .. } => loop {
                if let Some(message) = arrived.pop_front() {
                    return message;
                }
                let answer = get.get(target);
                assert_eq!(answer.status, 200, "{}", answer.text());
                let is_binary = answer.header("content-type") == Some("application/octet-stream");
                arrived.extend(match (kind.revision, is_binary) {
                    (3, true) => binary_payload(&answer.body),
                    (3, false) => text_payload(answer.text()),
                    _ => answer.text().split('\u{1e}').map(|packet| text_packet(packet, "b")).collect(),
                });
            },
        }
    }
}

/// The opcode and the payload of the next frame, which may be compressed.
fn compressed(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    let mut length = vec![0; [0, 2, 8][usize::from(head[1] >= 126) + usize::from(head[1] == 127)]];
    stream.read_exact(&mut length).unwrap();
    let length = length.iter().fold(0, |all, byte| all << 8 | usize::from(*byte));
    let mut payload = vec![0; if head[1] < 126 { usize::from(head[1]) } else { length }];
    stream.read_exact(&mut payload).unwrap();
    if head[0] & 0x40 == 0 {
        return (head[0] & 0xf, payload);
    }
    // What the sender left out, see RFC 7692, section 7.2.2; and an end, which the reader wants.
    payload.extend([0x00, 0x00, 0xff, 0xff, 0x03, 0x00]);
    let mut message = Vec::new();
    flate2::read::DeflateDecoder::new(&payload[..]).read_to_end(&mut message).unwrap();
    (head[0] & 0xf, message)
}

/// A packet in text; a binary message has this mark before its base64.
fn text_packet(packet: &str, mark: &str) -> Message {
    match packet.strip_prefix(mark) {
        Some(base64) => Message::Binary(BASE64.decode(base64.as_bytes()).unwrap()),
        None => Message::Text(packet.to_owned()),
    }
}

/// Revision 3: each packet behind its length in UTF-16.
fn text_payload(mut text: &str) -> Vec<Message> {
    let mut messages = Vec::new();
    while !text.is_empty() {
        let (length, rest) = text.split_once(':').expect(text);
        let mut left: usize = length.parse().unwrap();
        let end = rest.char_indices().find(|(_, c)| {
            let here = left == 0;
            left = left.saturating_sub(c.len_utf16());
            here
        });
        let (packet, after) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
        messages.push(text_packet(packet, "b4"));
        text = after;
    }
    messages
}

/// Revision 3: a byte that tells the kind, the digits of the length, 255, the packet.
fn binary_payload(mut bytes: &[u8]) -> Vec<Message> {
    let mut messages = Vec::new();
    while let [kind, rest @ ..] = bytes {
        let end = rest.iter().position(|byte| *byte == 255).unwrap();
        let length = rest[..end].iter().fold(0, |length, digit| length * 10 + usize::from(*digit));
        let (packet, after) = rest[end + 1..].split_at(length);
        messages.push(match kind {
            0 => Message::Text(String::from_utf8(packet.to_vec()).unwrap()),
            _ => {
                assert_eq!(packet[0], 4, "a message");
                Message::Binary(packet[1..].to_vec())
            }
        });
        bytes = after;
    }
    messages
}
