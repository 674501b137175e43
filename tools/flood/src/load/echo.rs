//! Echo: every connection sends, and wants the same bytes back, with a few messages in flight.
//!
//! A Socket.IO server has no connection that echoes: there an event is sent whose acknowledgement has to bring its
//! argument back.

use std::time::Instant;

use crate::ledger::{Fault, Ledger, Stream};
use crate::load::{Incoming, Load, Sent, To, events};
use crate::stats::nanoseconds;
use crate::token::{TOKEN_BYTES_MIN, Token};
use crate::wire::frame::opcode;
use crate::wire::socketio::kind;
use crate::worker::Floor;

/// Connections whose first messages leave in one turn.
const STARTS_PER_TURN: u32 = 512;

/// One worker's part.
#[derive(Debug)]
pub struct Echo {
    opcode: u8,
    bytes: usize,
    in_flight: u32,
    /// Messages of one connection; `None` as many as there is time for.
    messages: Option<u32>,
    /// The next number of each slot.
    next: Vec<u32>,
    /// Slots that have sent their first messages.
    started: u32,
    running: bool,
    finished: u32,
    ledger: Ledger,
    base: u32,
    content: Vec<u8>,
    scratch: Vec<u8>,
}

impl Echo {
    /// Messages of `bytes` with this opcode.
    pub fn new(opcode: u8, bytes: usize, in_flight: u32, messages: Option<u32>) -> Self {
        Self {
            opcode,
            bytes,
            in_flight,
            messages,
            next: Vec::new(),
            started: 0,
            running: false,
            finished: 0,
            ledger: Ledger::default(),
            base: 0,
            content: Vec::new(),
            scratch: Vec::new(),
        }
    }

    fn send(&mut self, floor: &mut Floor, slot: u32) {
        let next = &mut self.next[slot as usize];
        if !self.running || self.messages.is_some_and(|messages| *next >= messages) || !floor.is_open(slot) {
            return;
        }
        let time_ns = nanoseconds(floor.shared.epoch, Instant::now());
        let sender = floor.base + slot;
        let token = Token { run: floor.shared.run, sender, number: *next, to: sender, time_ns };
        *next += 1;
        self.content.clear();
        token.put(&mut self.content, self.bytes);
        if floor.shared.options.speech.protocol.revision().is_none() {
            floor.send(slot, self.opcode, &self.content);
            return;
        }
        self.scratch.clear();
        let binary = self.opcode == opcode::BINARY;
        events::put_echo(&mut self.scratch, acknowledgement(token.number), &self.content, binary);
        floor.send(slot, opcode::TEXT, &self.scratch);
        if binary {
            floor.attach(slot, &self.content);
        }
    }

    /// The token of what came back, if that is this connection's own bytes, of the right length and kind.
    fn token(&self, floor: &Floor, number: u32, incoming: Incoming<'_>) -> Option<Token> {
        let (id, opcode, content) = match floor.shared.options.speech.protocol.revision() {
            None => (None, incoming.opcode, incoming.payload),
            Some(_) => {
                events::read_echo(&incoming).map(|(id, opcode, content)| (Some(id), opcode, content))?
            }
        };
        Token::read(content).filter(|token| {
            token.run == floor.shared.run
                && token.sender == number
                && opcode == self.opcode
                && content.len() == self.bytes.max(TOKEN_BYTES_MIN)
                && id.is_none_or(|id| id == u64::from(acknowledgement(token.number)))
        })
    }

    fn finish_one(&mut self, floor: &Floor) {
        self.finished += 1;
        if self.finished == floor.slots() {
            floor.shared.spent.fetch_add(1, std::sync::atomic::Ordering::Release);
        }
    }
}

/// The id under which a message is acknowledged; 0 was that of `register`.
fn acknowledgement(number: u32) -> u32 {
    number.wrapping_add(1)
}

impl Load for Echo {
    fn prepare(&mut self, floor: &mut Floor) {
        self.base = floor.base;
        self.next = vec![0; floor.slots() as usize];
    }

    fn start(&mut self, _: &mut Floor, _: Instant) {
        self.running = true;
    }

    fn halt(&mut self) {
        self.running = false;
    }

    fn message(&mut self, floor: &mut Floor, slot: u32, incoming: Incoming<'_>, now_ns: u64) {
        let number = floor.base + slot;
        let socketio = floor.shared.options.speech.protocol.revision().is_some();
        if socketio && incoming.payload.first() == Some(&kind::EVENT) {
            // The server's own affair: an echo is an acknowledgement.
            floor.tally.strangers += 1;
            return;
        }
        let Some(token) = self.token(floor, number, incoming) else {
            let payload = incoming.payload;
            self.ledger.faults.add(Fault::Corrupted, || {
                let shown = String::from_utf8_lossy(&payload[..payload.len().min(160)]);
                format!("connection {number} got back {shown}")
            });
            return;
        };
        if self.ledger.arrive(Stream { recipient: number, sender: number }, token.number) {
            floor.tally.received += 1;
            floor.tally.latency.record(now_ns, now_ns.saturating_sub(token.time_ns));
            self.send(floor, slot);
            if self.messages == Some(token.number + 1) {
                self.finish_one(floor);
            }
        }
    }

    fn turn(&mut self, floor: &mut Floor, now: Instant) -> Option<Instant> {
        if !self.running || self.started == floor.slots() {
            return None;
        }
        let end = floor.slots().min(self.started + STARTS_PER_TURN);
        for slot in self.started..end {
            for _ in 0..self.in_flight {
                self.send(floor, slot);
            }
            floor.flush();
            if !floor.is_open(slot) {
                self.finish_one(floor);
            }
        }
        self.started = end;
        Some(now)
    }

    fn closed(&mut self, floor: &mut Floor, slot: u32) {
        let unfinished = self.messages.is_some_and(|messages| {
            let number = floor.base + slot;
            self.ledger.outstanding(Stream { recipient: number, sender: number }, messages).next().is_some()
        });
        if unfinished && slot < self.started {
            self.finish_one(floor);
        }
    }

    fn settle(self: Box<Self>) -> (Ledger, Vec<Sent>) {
        let sent = self.next.iter().zip(self.base..).filter(|(count, _)| **count > 0);
        let sent = sent.map(|(count, sender)| Sent { sender, to: To::One(sender), count: *count }).collect();
        (self.ledger, sent)
    }
}
