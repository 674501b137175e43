//! The client's side of an Engine.IO session: over polling, a WebSocket, or first the one and then the other.
//!
//! Each request has a connection of its own or one that is free, and every connection comes out on some reactor or
//! other. What a session carries is its owner's business.

mod endings;
mod hearing;

use super::wires::{Dice, Pipe};
use crate::wire::engine::{
    Data, Packet, PacketType, Revision, base64_frame, binary_frame, compose, message_frame, text_frame,
};
use crate::wire::frame::{Opcode, encode_masked_part};
use std::collections::VecDeque;

/// What a client can reach: the network, and the dice.
pub(super) struct Net<'a> {
    pub(super) pipes: &'a mut Vec<Pipe>,
    pub(super) dice: &'a mut Dice,
    pub(super) now_ms: u64,
    /// Everything that can be done is done.
    pub(super) thorough: bool,
    /// How many bytes were received.
    pub(super) received: usize,
    /// Connections that begin now.
    pub(super) begun: Vec<usize>,
}

impl Net<'_> {
    fn connect(&mut self) -> usize {
        let capacity = self.dice.between(300, 20_000);
        self.pipes.push(Pipe::new(capacity));
        self.begun.push(self.pipes.len() - 1);
        self.pipes.len() - 1
    }

    fn may(&mut self, percent: usize) -> bool {
        self.thorough || self.dice.chance(percent)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Text(String),
    Binary(Vec<u8>),
}

/// Which way a session goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    Polling,
    WebSocket,
    Upgrade,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Fresh,
    Opening,
    Open,
    /// The server said that it is over.
    Told,
    /// A request was refused.
    Refused(u16),
    /// A connection ended without a word.
    Lost,
    /// This side wanted that.
    Left,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Idle,
    Handshake,
    Poll,
    Post,
    /// A WebSocket whose handshake is under way.
    Upgrading,
    /// One that wants to take over.
    Probe,
    /// One that may, as soon as no request is under way.
    Probed,
    /// One that may not any more.
    Spoiled,
    /// The transport.
    WebSocket,
}

struct Line {
    pipe: usize,
    purpose: Purpose,
    out: VecDeque<u8>,
    /// The end of what is to be sent, kept back for a while.
    withheld: Vec<u8>,
    input: Vec<u8>,
    ended: bool,
}

pub(super) struct Carrier {
    pub(super) revision: Revision,
    base64: bool,
    path: &'static str,
    query: String,
    plan: Plan,
    pub(super) state: State,
    sid: String,
    lines: Vec<Line>,
    /// It has said goodbye and waits for the answers that are due.
    parting: bool,
    outgoing: VecDeque<(PacketType, Message)>,
    pub(super) inbox: VecDeque<Message>,
    interval_ms: u64,
    next_ping_ms: u64,
    /// It says nothing any more, and only listens.
    pub(super) asleep: bool,
    pub(super) upgrades: usize,
    pub(super) abandoned: usize,
}

impl Line {
    fn upgrades(&self) -> bool {
        matches!(self.purpose, Purpose::Upgrading | Purpose::Probe | Purpose::Probed)
    }
}

impl Carrier {
    pub(super) fn new(path: &'static str, query: String, dice: &mut Dice) -> Carrier {
        let revision = if dice.chance(50) { Revision::Three } else { Revision::Four };
        Carrier {
            revision,
            base64: dice.chance(25),
            path,
            query,
            plan: *dice.pick(&[Plan::Polling, Plan::WebSocket, Plan::Upgrade, Plan::Upgrade]),
            state: State::Fresh,
            sid: String::new(),
            lines: Vec::new(),
            parting: false,
            outgoing: VecDeque::new(),
            inbox: VecDeque::new(),
            interval_ms: 0,
            next_ping_ms: 0,
            asleep: false,
            upgrades: 0,
            abandoned: 0,
        }
    }

    pub(super) fn send(&mut self, message: Message) {
        self.outgoing.push_back((PacketType::Message, message));
    }

    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Whether it had its first packet.
    pub(super) fn has_opened(&self) -> bool {
        !self.sid.is_empty()
    }

    pub(super) fn is_over(&self) -> bool {
        !matches!(self.state, State::Fresh | State::Opening | State::Open)
    }

    /// Whether nothing is under way but a poll.
    pub(super) fn is_idle(&self) -> bool {
        let waits = |line: &Line| {
            line.out.is_empty()
                && line.withheld.is_empty()
                && matches!(line.purpose, Purpose::Idle | Purpose::Poll | Purpose::WebSocket)
        };
        let polls = self.lines.iter().any(|line| matches!(line.purpose, Purpose::Poll | Purpose::WebSocket));
        self.is_over() && self.lines.is_empty()
            || self.is_open()
                && !self.parting
                && (polls || self.asleep)
                && self.lines.iter().all(waits)
                && (self.outgoing.is_empty() || self.asleep)
    }

    /// Its connections.
    pub(super) fn pipes(&self) -> impl Iterator<Item = usize> {
        self.lines.iter().map(|line| line.pipe)
    }

    fn find(&self, purpose: Purpose) -> Option<usize> {
        self.lines.iter().position(|line| line.purpose == purpose)
    }

    fn has(&self, purpose: Purpose) -> bool {
        self.find(purpose).is_some()
    }

    // ---- a step

    pub(super) fn step(&mut self, net: &mut Net<'_>) {
        for at in 0..self.lines.len() {
            self.transfer(at, net);
            while self.read(at, net) {}
        }
        self.notice_ends();
        self.drop_lines(net, |line| line.ended);
        if self.parting && !self.has(Purpose::Poll) && !self.has(Purpose::Post) && !self.is_over() {
            self.state = State::Left;
        }
        if self.is_over() {
            return self.hang_up(net);
        }
        match self.state {
            State::Fresh => self.shake_hands(net),
            State::Open => self.go_on(net),
            _ => {}
        }
    }

    fn go_on(&mut self, net: &mut Net<'_>) {
        if self.parting {
            return;
        }
        if self.asleep {
            if !self.has(Purpose::WebSocket) && !self.has(Purpose::Poll) {
                self.poll(net);
            }
            return;
        }
        if self.revision == Revision::Three && net.now_ms >= self.next_ping_ms {
            self.next_ping_ms = net.now_ms + self.interval_ms;
            self.outgoing.push_back((PacketType::Ping, Message::Text(String::new())));
        }
        if let Some(at) = self.find(Purpose::WebSocket) {
            while let Some((kind, message)) = self.outgoing.pop_front() {
                self.frame(at, kind, &message, net.dice);
            }
            return;
        }
        let (polls, posts) = (self.has(Purpose::Poll), self.has(Purpose::Post));
        let probed = self.find(Purpose::Probed);
        if let Some(at) = probed {
            if !polls && !posts {
                self.frame(at, PacketType::Upgrade, &Message::Text(String::new()), net.dice);
                self.lines[at].purpose = Purpose::WebSocket;
                self.upgrades += 1;
                self.drop_lines(net, |line| line.purpose != Purpose::WebSocket);
                return;
            }
        } else {
            if !polls && net.may(60) {
                self.poll(net);
            }
            if !posts && !self.outgoing.is_empty() && net.may(60) {
                self.post(net);
            }
        }
        let upgrades = self.lines.iter().any(Line::upgrades);
        if upgrades && net.dice.chance(4) {
            self.abandon(net);
        } else if self.plan == Plan::Upgrade
            // Not while everything is to come to rest.
            && !net.thorough
            && net.dice.chance(if upgrades { 2 } else { 15 })
        {
            self.upgrade_request(net);
        }
    }

    fn opened(&mut self, text: &str, now_ms: u64) {
        let open: serde_json::Value = serde_json::from_str(text).expect("an open packet");
        self.sid = open["sid"].as_str().expect("a session id").to_owned();
        self.interval_ms = open["pingInterval"].as_u64().expect("a ping interval");
        // The answer may have been long under way, and its clock runs.
        self.next_ping_ms = now_ms;
        self.state = State::Open;
    }

    fn packet(&mut self, packet: Packet<'_>, now_ms: u64) {
        match (packet.kind, packet.data) {
            (PacketType::Open, Data::Text(text)) => {
                assert_eq!(self.state, State::Opening, "a second open packet");
                self.opened(&text, now_ms);
            }
            (PacketType::Close, _) => self.state = State::Told,
            (PacketType::Ping, _) => {
                assert_eq!(self.revision, Revision::Four, "a ping of the server");
                self.outgoing.push_back((PacketType::Pong, Message::Text(String::new())));
            }
            (PacketType::Pong, _) => assert_eq!(self.revision, Revision::Three, "a pong of the server"),
            (PacketType::Message, Data::Text(text)) => {
                self.inbox.push_back(Message::Text(text.into_owned()));
            }
            (PacketType::Message, Data::Binary(bytes)) => {
                self.inbox.push_back(Message::Binary(bytes.into_owned()));
            }
            (PacketType::Noop, _) => {}
            (kind, data) => panic!("the server sent {kind:?} {data:?}"),
        }
    }

    // ---- what it asks for

    fn target(&self, transport: &str) -> String {
        let revision = if self.revision == Revision::Three { 3 } else { 4 };
        let base64 = if self.base64 { "&b64=1" } else { "" };
        let session = match self.sid.as_str() {
            "" => self.query.clone(),
            sid => format!("&sid={sid}"),
        };
        format!("{}?EIO={revision}&transport={transport}{base64}{session}", self.path)
    }

    fn line(&mut self, purpose: Purpose, net: &mut Net<'_>) -> usize {
        let idle = self.find(Purpose::Idle).filter(|_| net.dice.chance(75));
        if let Some(at) = idle {
            self.lines[at].purpose = purpose;
            return at;
        }
        self.lines.push(Line {
            pipe: net.connect(),
            purpose,
            out: VecDeque::new(),
            withheld: Vec::new(),
            input: Vec::new(),
            ended: false,
        });
        self.lines.len() - 1
    }

    fn shake_hands(&mut self, net: &mut Net<'_>) {
        self.state = State::Opening;
        if self.plan == Plan::WebSocket {
            self.upgrade_request(net);
        } else {
            let at = self.line(Purpose::Handshake, net);
            let request = format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", self.target("polling"));
            self.lines[at].out.extend(request.bytes());
        }
    }

    fn upgrade_request(&mut self, net: &mut Net<'_>) {
        let at = self.line(Purpose::Upgrading, net);
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            self.target("websocket")
        );
        self.lines[at].out.extend(request.bytes());
    }

    /// The WebSocket does not become the transport, and polling goes on.
    fn abandon(&mut self, net: &mut Net<'_>) {
        if net.dice.chance(30)
            && let Some(at) = self.find(Purpose::Probe).or(self.find(Purpose::Probed))
        {
            let wrong = Message::Text("too early".to_owned());
            self.frame(at, PacketType::Message, &wrong, net.dice);
            self.lines[at].purpose = Purpose::Spoiled;
        }
        self.drop_lines(net, Line::upgrades);
        self.abandoned += 1;
    }

    fn poll(&mut self, net: &mut Net<'_>) {
        let at = self.line(Purpose::Poll, net);
        let request = format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", self.target("polling"));
        self.lines[at].out.extend(request.bytes());
    }

    fn post(&mut self, net: &mut Net<'_>) -> usize {
        let mut frames = Vec::new();
        while let Some((kind, message)) = self.outgoing.pop_front() {
            let frame = match (kind, &message) {
                (PacketType::Message, Message::Text(text)) => message_frame(text),
                (_, Message::Text(text)) => text_frame(kind, text),
                (_, Message::Binary(bytes)) if self.base64 => base64_frame(self.revision, bytes),
                (_, Message::Binary(bytes)) => binary_frame(self.revision, bytes),
            };
            frames.extend_from_slice(&frame);
            if frames.len() > 3_000 || !net.thorough && net.dice.chance(20) {
                break;
            }
        }
        let payload = compose(self.revision, !self.base64, false, &frames);
        let (kind, length) = (payload.content_type(), payload.bytes.len());
        let at = self.line(Purpose::Post, net);
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n",
            self.target("polling")
        );
        self.lines[at].out.extend(head.bytes());
        self.lines[at].out.extend(payload.bytes);
        at
    }

    /// One frame of a WebSocket, sometimes in two parts.
    fn frame(&mut self, at: usize, kind: PacketType, message: &Message, dice: &mut Dice) {
        let (opcode, bytes) = match (kind, message) {
            (_, Message::Text(_)) | (_, Message::Binary(_)) if self.base64 => {
                (Opcode::Text, self.text_of(kind, message))
            }
            (_, Message::Text(_)) => (Opcode::Text, self.text_of(kind, message)),
            (_, Message::Binary(bytes)) => {
                let mark: &[u8] = if self.revision == Revision::Three { &[4] } else { &[] };
                (Opcode::Binary, [mark, bytes].concat())
            }
        };
        let cut = if dice.chance(20) { dice.below(bytes.len() + 1) } else { bytes.len() };
        let (front, back) = bytes.split_at(cut);
        let mut out = Vec::new();
        let whole = cut == bytes.len();
        encode_masked_part(Some(opcode), whole, front, (dice.next() as u32).to_ne_bytes(), &mut out);
        if !whole {
            encode_masked_part(None, true, back, (dice.next() as u32).to_ne_bytes(), &mut out);
        }
        self.lines[at].out.extend(out);
    }

    fn text_of(&self, kind: PacketType, message: &Message) -> Vec<u8> {
        let frame = match message {
            Message::Text(text) => text_frame(kind, text),
            Message::Binary(bytes) => base64_frame(self.revision, bytes),
        };
        let (_, payload) = frame.message().expect("a frame of one message");
        payload.to_vec()
    }
}

/// A packet that means nothing.
fn noop() -> (PacketType, Message) {
    (PacketType::Noop, Message::Text(String::new()))
}
