//! Clients of Engine.IO and Socket.IO: what they say by way of their carrier, and what they make of what comes.

use super::carrier::{Carrier, Message, Net};
use super::talk::{ROOMS, Talk};
use super::wires::Dice;
use crate::session::packets::{Decoded, Decoder, Parser, Rules};
use crate::wire::engine::Revision as EngineRevision;
use crate::wire::socketio::{PacketType, Revision};
use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Engine.IO messages as they are.
    Bare,
    SocketIo,
    /// Socket.IO without ever asking for a namespace.
    Silent,
}

pub(super) struct Guest {
    pub(super) n: usize,
    pub(super) kind: Kind,
    pub(super) talk: Talk,
    pub(super) carrier: Carrier,
    /// The rooms that it is in as soon as it is open.
    admitted: Vec<String>,
    decoder: Decoder,
    asked_in: bool,
    pub(super) is_in: bool,
    acks: BTreeSet<u64>,
    /// It does nothing at all.
    pub(super) stalled: bool,
    /// It said that it goes, or broke the protocol.
    pub(super) leaving: bool,
    /// It broke the protocol.
    offends: bool,
    /// It has left its namespace, and goes when that is said.
    parting: bool,
}

impl Guest {
    pub(super) fn new(n: usize, gentle: bool, dice: &mut Dice) -> Guest {
        let kind = match dice.below(20) {
            0 if !gentle => Kind::Silent,
            0..6 => Kind::Bare,
            _ => Kind::SocketIo,
        };
        let mut admitted = vec![format!("n{n}")];
        let mut query = format!("&n=n{n}");
        let scope = if kind == Kind::Bare { if dice.chance(75) { "d1" } else { "d2" } } else { "/" };
        if kind == Kind::Bare {
            let groups: Vec<&str> = ROOMS[..3].iter().copied().filter(|_| dice.chance(30)).collect();
            query += &format!("&d={scope}&g={}", groups.join(","));
            admitted.extend(groups.into_iter().map(str::to_owned));
            if dice.chance(60) {
                let user = format!("@{}", dice.below(5));
                query += &format!("&u={user}");
                admitted.push(user);
            }
        }
        let path = if kind == Kind::Bare { "/engine/" } else { "/socket.io/" };
        Guest {
            n,
            kind,
            talk: Talk::new(n, scope),
            carrier: Carrier::new(path, query, dice),
            admitted,
            decoder: Decoder::new(),
            asked_in: false,
            is_in: false,
            acks: BTreeSet::new(),
            stalled: false,
            leaving: false,
            offends: false,
            parting: false,
        }
    }

    /// Whether it may still be told something, and tells it to those who wonder.
    pub(super) fn is_well(&self) -> bool {
        self.is_in && self.carrier.is_open() && !self.stalled && !self.leaving
    }

    /// Whether everything that it waits for has come.
    pub(super) fn is_at_rest(&self) -> bool {
        let answered = self.acks.is_empty() && !self.talk.waits();
        self.stalled || self.carrier.is_idle() && (answered || self.carrier.is_over() || self.leaving)
    }

    pub(super) fn step(&mut self, net: &mut Net<'_>) {
        if self.stalled {
            return;
        }
        self.carrier.step(net);
        if self.carrier.has_opened() && !self.asked_in {
            self.ask_in();
        }
        while let Some(message) = self.carrier.inbox.pop_front() {
            // Whoever polls twice at once, say, is to blame for what it makes of the answers.
            if !self.offends {
                self.heard(message, net);
            }
        }
        if self.parting && self.carrier.is_idle() && !self.carrier.is_over() {
            self.carrier.leave(net);
        }
    }

    fn ask_in(&mut self) {
        self.asked_in = true;
        match (self.kind, self.carrier.revision) {
            (Kind::Bare, _) => self.enter(),
            (Kind::SocketIo, EngineRevision::Four) => self.carrier.send(Message::Text("0".to_owned())),
            _ => {}
        }
    }

    fn enter(&mut self) {
        self.is_in = true;
        self.talk.rooms = self.admitted.iter().cloned().collect();
    }

    fn heard(&mut self, message: Message, net: &mut Net<'_>) {
        if self.kind == Kind::Bare {
            return match message {
                Message::Text(text) => self.talk.heard(&text),
                Message::Binary(bytes) => self.talk.heard_binary(&bytes),
            };
        }
        let revision = match self.carrier.revision {
            EngineRevision::Three => Revision::Four,
            EngineRevision::Four => Revision::Five,
        };
        let rules = Rules { parser: Parser::Json, revision, max_bytes: 100_000 };
        let mut decoder = std::mem::take(&mut self.decoder);
        match message {
            Message::Text(text) => {
                let decoded = decoder.text(rules, &text).expect("a packet");
                if let Some(decoded) = decoded {
                    self.packet(&decoded, net);
                }
            }
            Message::Binary(bytes) => {
                let packet = decoder.binary(rules, &bytes).expect("an attachment");
                if let Some(packet) = packet {
                    self.packet(&Decoded::from(&packet), net);
                }
            }
        }
        self.decoder = decoder;
    }

    fn packet(&mut self, decoded: &Decoded<'_>, net: &mut Net<'_>) {
        assert_eq!(decoded.namespace, "/");
        let first = decoded.args.iter().next();
        match decoded.kind {
            PacketType::Connect => {
                assert!(!self.is_in, "{}: connected twice", self.n);
                self.enter();
            }
            PacketType::Event => {
                assert!(self.is_in, "{}: an event before it is connected", self.n);
                let first = first.expect("an argument");
                match decoded.name.as_deref() {
                    Some("w") => self.talk.heard(&first.parse::<String>().expect("a text")),
                    Some("b") => self.talk.heard_binary(first.as_binary().expect("an attachment")),
                    Some("q") => {
                        let id = decoded.id.expect("it wants to know");
                        let number: u64 = first.parse().expect("a number");
                        if net.dice.chance(90) || net.thorough {
                            self.carrier.send(Message::Text(format!("3{id}[{}]", number + 1)));
                        }
                    }
                    other => panic!("the event {other:?}"),
                }
            }
            PacketType::Ack => {
                assert!(self.acks.remove(&decoded.id.expect("an id")), "an acknowledgement of nothing");
                self.talk.heard(&first.expect("an argument").parse::<String>().expect("a text"));
            }
            PacketType::Disconnect => {
                self.is_in = false;
                self.leaving = true;
                self.carrier.leave(net);
            }
            other => panic!("the server sent {other:?}"),
        }
    }

    /// Says something or other.
    pub(super) fn speak(&mut self, net: &mut Net<'_>, gentle: bool) {
        if !self.is_well() {
            return;
        }
        match net.dice.below(100) {
            0..20 => self.ask(net.dice),
            20..40 => {
                let words = self.talk.publish("pub", net.dice);
                self.say(&words);
            }
            40..45 if self.kind == Kind::SocketIo => {
                let words = self.talk.publish("vol", net.dice);
                self.say(&words);
            }
            45..60 => {
                let words = self.talk.move_about(net.dice);
                self.say(&words);
            }
            60..68 if self.kind == Kind::SocketIo => {
                let words = self.talk.change_user(net.dice);
                self.say(&words);
            }
            68..76 => {
                let bytes = self.talk.binary(net.dice);
                if self.kind == Kind::SocketIo {
                    let packet = r#"51-["b",{"_placeholder":true,"num":0}]"#;
                    self.carrier.send(Message::Text(packet.to_owned()));
                }
                self.carrier.send(Message::Binary(bytes));
            }
            76..80 if self.kind == Kind::SocketIo => {
                self.talk.number += 1;
                let words = format!("quiz {}", self.talk.number);
                self.say(&words);
            }
            80..82 if !gentle => self.leave(net),
            82..84 if !gentle => self.say("close please"),
            84..88 if !gentle => {
                self.offends = self.carrier.misbehave(net);
                self.leaving = self.offends;
            }
            88..90 if !gentle => self.stalled = true,
            90 if !gentle && self.kind == Kind::SocketIo => {
                self.leaving = true;
                self.carrier.send(Message::Text("9".to_owned()));
            }
            _ => {}
        }
    }

    /// A publish whose outcome it wants to know.
    fn ask(&mut self, dice: &mut Dice) {
        let word = if self.kind == Kind::SocketIo && dice.chance(20) { "ask-vol" } else { "ask" };
        let words = self.talk.publish(word, dice);
        if self.kind == Kind::Bare {
            return self.say(&words);
        }
        let id = self.talk.number;
        self.acks.insert(id);
        let text = serde_json::to_string(&words).expect("a text");
        self.carrier.send(Message::Text(format!("2{id}[\"w\",{text}]")));
    }

    fn say(&mut self, words: &str) {
        if self.kind == Kind::Bare {
            return self.carrier.send(Message::Text(words.to_owned()));
        }
        let text = serde_json::to_string(words).expect("a text");
        self.carrier.send(Message::Text(format!("2[\"w\",{text}]")));
    }

    /// Goes, more or less politely.
    pub(super) fn leave(&mut self, net: &mut Net<'_>) {
        if self.carrier.is_over() || self.parting {
            return;
        }
        if std::mem::replace(&mut self.leaving, true) {
            // It broke the protocol, and nobody noticed.
            return self.carrier.leave(net);
        }
        match net.dice.below(10) {
            0..2 => self.carrier.lose(net),
            2..4 if self.kind == Kind::SocketIo && self.is_in && self.carrier.is_open() => {
                self.carrier.send(Message::Text("1".to_owned()));
                self.parting = true;
            }
            _ => self.carrier.leave(net),
        }
    }
}
