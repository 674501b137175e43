//! A session of Socket.IO as its client sees it, whatever the transport: the open packet, joining `/`, registering,
//! pings in either direction, events and acknowledgements with their attachments.

use std::time::Instant;

use serde::Deserialize;

use crate::load::{Incoming, events};
use crate::speech::Transport;
use crate::wire::engine::{Handshake, Revision, kind as engine};
use crate::wire::frame::opcode;
use crate::wire::socketio::{Packet, kind};
use crate::worker::conn::{Partial, Stage, State};
use crate::worker::{PER_TURN_MAX, Worker};

/// How often, and for how long, the server said that pings are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pings {
    interval_ms: u32,
    timeout_ms: u32,
}

/// What Socket.IO protocol 5 says when a namespace is joined.
#[derive(Deserialize)]
struct Joined {
    #[serde(rename = "sid")]
    _sid: String,
}

/// A part of an error message of a server: enough to know it by.
const SHOWN_BYTES: usize = 120;

impl Worker {
    /// An Engine.IO packet of text.
    pub(super) fn text_packet(&mut self, slot: u32, packet: &[u8], now_ns: u64) -> Result<(), String> {
        let [code, data @ ..] = packet else { return Err(broke("an empty packet")) };
        let revision = self.floor.revision;
        let client = &mut self.floor.clients[slot as usize];
        match (*code, revision) {
            (engine::MESSAGE, _) => return self.socketio_packet(slot, data, now_ns),
            (engine::PING, Some(Revision::Four)) => {
                client.heard_ms = milliseconds(now_ns);
                self.floor.queue(slot, opcode::TEXT, &[&[engine::PONG], data].concat());
                self.floor.tally.heartbeats += 1;
                self.floor.tally.heartbeats_answered += 1;
            }
            (engine::PONG, Some(Revision::Three)) => {
                client.heard_ms = milliseconds(now_ns);
                self.floor.tally.heartbeats_answered += 1;
            }
            (engine::NOOP, _) => {}
            (engine::OPEN, _) if client.stage == Stage::Opening => {
                return self.open_packet(slot, data, now_ns);
            }
            (engine::CLOSE, _) => return Err("Engine.IO close packet".to_owned()),
            _ => return Err(broke(&format!("Engine.IO packet {}", shown(packet)))),
        }
        Ok(())
    }

    /// The data of a binary Engine.IO message: an attachment.
    pub(super) fn binary_packet(&mut self, slot: u32, data: &[u8], now_ns: u64) -> Result<(), String> {
        let extra = self.floor.conns[slot as usize].extra();
        let Some(partial) = &mut extra.partial else {
            return Err(broke("an attachment of nothing"));
        };
        partial.attachments.push(data.to_vec());
        if partial.attachments.len() == partial.expected
            && let Some(Partial { packet, attachments, .. }) = extra.partial.take()
        {
            let incoming = Incoming { opcode: opcode::TEXT, payload: &packet, attachments: &attachments };
            self.load.message(&mut self.floor, slot, incoming, now_ns);
        }
        Ok(())
    }

    fn open_packet(&mut self, slot: u32, data: &[u8], now_ns: u64) -> Result<(), String> {
        let handshake = Handshake::read(data).map_err(|error| broke(&error))?;
        self.pings = Pings { interval_ms: handshake.ping_interval, timeout_ms: handshake.ping_timeout };
        let client = &mut self.floor.clients[slot as usize];
        client.stage = Stage::Joining;
        client.heard_ms = milliseconds(now_ns);
        self.look_again(slot, milliseconds(now_ns));
        if let Some(Some(poller)) = self.floor.pollers.get_mut(slot as usize) {
            poller.open(&handshake);
            self.floor.begin_probe(slot, &handshake)?;
        }
        if self.floor.revision == Some(Revision::Four) {
            self.floor.queue(slot, opcode::TEXT, b"40");
        }
        Ok(())
    }

    fn socketio_packet(&mut self, slot: u32, text: &[u8], now_ns: u64) -> Result<(), String> {
        let extra = self.floor.conns[slot as usize].extra.as_ref();
        if extra.is_some_and(|extra| extra.partial.is_some()) {
            return Err(broke("a packet where an attachment is missing"));
        }
        let incoming = Incoming { opcode: opcode::TEXT, payload: text, attachments: &[] };
        let stage = self.floor.clients[slot as usize].stage;
        // By far the most; whoever takes it reads it anyway.
        if text.first() == Some(&kind::EVENT) && stage > Stage::Joining {
            self.load.message(&mut self.floor, slot, incoming, now_ns);
            return Ok(());
        }
        let packet = Packet::read(text).map_err(broke)?;
        match (packet.kind, stage) {
            (kind::CONNECT, Stage::Joining) => return self.joined(slot, packet.json),
            (kind::CONNECT_ERROR, _) => return Err(format!("connect error {}", shown(packet.json))),
            (kind::DISCONNECT, _) => return Err("Socket.IO disconnect packet".to_owned()),
            (kind::ACK, Stage::Registering) if packet.id == Some(0) => {
                events::read_registered(packet.json)?;
                self.ready_at_last(slot);
            }
            (kind::ACK, Stage::Registering | Stage::Ready) => {
                self.load.message(&mut self.floor, slot, incoming, now_ns);
            }
            (kind::BINARY_EVENT | kind::BINARY_ACK, Stage::Registering | Stage::Ready) => {
                let partial =
                    Partial { packet: text.to_vec(), expected: packet.attachments, attachments: Vec::new() };
                self.floor.conns[slot as usize].extra().partial = Some(partial);
            }
            _ => return Err(broke(&format!("Socket.IO packet {}", shown(text)))),
        }
        Ok(())
    }

    /// The namespace is joined: registers, if there is anything to register.
    fn joined(&mut self, slot: u32, json: &[u8]) -> Result<(), String> {
        if self.floor.revision == Some(Revision::Four) && serde_json::from_slice::<Joined>(json).is_err() {
            return Err(broke(&format!("joined without a sid: {}", shown(json))));
        }
        let shared = std::sync::Arc::clone(&self.floor.shared);
        let number = self.floor.base + slot;
        let mut event = Vec::new();
        let (user, group) = (shared.roster.client(number), shared.roster.group(number));
        if events::put_register(&mut event, 0, user, group) {
            let client = &mut self.floor.clients[slot as usize];
            (client.stage, client.acks) = (Stage::Registering, 1);
            self.floor.queue(slot, opcode::TEXT, &event);
        } else {
            self.ready_at_last(slot);
        }
        Ok(())
    }

    /// Everything that the session needed is there; one that is to be upgraded waits for that.
    fn ready_at_last(&mut self, slot: u32) {
        self.floor.clients[slot as usize].stage = Stage::Ready;
        let upgrading =
            self.floor.shared.options.speech.transport == Transport::Upgrade && self.floor.polls(slot);
        if !upgrading {
            self.opened(slot, Instant::now());
        }
    }

    /// Sends the pings that are due, or misses those of the server; true when more looks are due.
    pub(super) fn look_at_pings(&mut self, now_ms: u32) -> bool {
        let Pings { interval_ms, timeout_ms } = self.pings;
        let patience_ms = interval_ms.saturating_add(timeout_ms);
        for _ in 0..PER_TURN_MAX {
            let Some((due_ms, slot)) = self.looks.front().copied().filter(|(due_ms, _)| *due_ms <= now_ms)
            else {
                return false;
            };
            self.looks.pop_front();
            let client = self.floor.clients[slot as usize];
            let state = self.floor.conns[slot as usize].state;
            if client.look_ms != due_ms || !matches!(state, State::Greeting | State::Open) {
                continue;
            }
            // A client of revision 3 looks when it pings, and the pong to the last ping has had an interval.
            let late = now_ms.saturating_sub(client.heard_ms) > patience_ms;
            if late {
                let what = if self.floor.revision == Some(Revision::Four) { "ping" } else { "pong" };
                self.floor.broken.push((slot, format!("no {what} from the server for {patience_ms} ms")));
                continue;
            }
            if self.floor.revision == Some(Revision::Three) {
                self.floor.queue(slot, opcode::TEXT, &[engine::PING]);
                self.floor.flush();
                self.floor.tally.heartbeats += 1;
            }
            self.look_again(slot, now_ms);
        }
        true
    }

    fn look_again(&mut self, slot: u32, now_ms: u32) {
        let due_ms = now_ms.saturating_add(self.pings.interval_ms.max(1));
        self.floor.clients[slot as usize].look_ms = due_ms;
        self.looks.push_back((due_ms, slot));
    }
}

/// Milliseconds since the run began.
pub(super) fn milliseconds(now_ns: u64) -> u32 {
    (now_ns / 1_000_000) as u32
}

fn broke(what: &str) -> String {
    format!("protocol error: {what}")
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN_BYTES)]).into_owned()
}
