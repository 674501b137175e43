//! What a load may use of its worker: the connections, the account, and a way to send.

use std::sync::Arc;

use mio::Registry;

use crate::shared::Shared;
use crate::tally::Tally;
use crate::wire::engine::{Revision, binary_frame};
use crate::wire::frame::{opcode, put_client_frame};
use crate::worker::conn::{Client, Conn, State};
use crate::worker::polling::{LINKS, Poller};

/// The part of a worker that is lent to its load.
#[derive(Debug)]
pub struct Floor {
    /// What all threads see.
    pub shared: Arc<Shared>,
    /// Which worker this is.
    pub index: u32,
    /// The number of the connection in slot 0.
    pub base: u32,
    /// This worker's account.
    pub tally: Tally,
    /// The revision of Engine.IO; `None` for a plain WebSocket.
    pub(crate) revision: Option<Revision>,
    /// By slot; clients that begin with polling have [`LINKS`], the second ones after all first ones, and so on.
    pub(crate) conns: Vec<Conn>,
    /// Sessions of Socket.IO by slot; empty for a plain WebSocket.
    pub(crate) clients: Vec<Client>,
    /// What polls, by slot; empty if nothing begins with polling.
    pub(crate) pollers: Vec<Option<Box<Poller>>>,
    /// Slots with something to POST.
    pub(crate) posts: Vec<u32>,
    pub(crate) registry: Registry,
    /// Connections that failed while something was sent, with the reason; reaped at the end of a turn.
    pub(crate) broken: Vec<(u32, String)>,
    slots: u32,
    /// Frames for the connection in `out_slot`, written together.
    out: Vec<u8>,
    out_slot: u32,
    /// Whether a numbered message is among them.
    out_numbered: bool,
    random: u32,
}

impl Floor {
    pub(crate) fn new(shared: Arc<Shared>, registry: Registry, index: u32) -> Self {
        let numbers = shared.numbers_of(index);
        let slots = numbers.end - numbers.start;
        let speech = shared.options.speech;
        let revision = speech.protocol.revision();
        let links = if speech.polls() { LINKS } else { 1 };
        Self {
            index,
            base: numbers.start,
            tally: Tally::default(),
            revision,
            conns: (0..slots * links).map(|_| Conn::absent()).collect(),
            clients: vec![Client::default(); if revision.is_some() { slots as usize } else { 0 }],
            pollers: if speech.polls() { (0..slots).map(|_| None).collect() } else { Vec::new() },
            posts: Vec::new(),
            registry,
            broken: Vec::new(),
            slots,
            out: Vec::with_capacity(16 << 10),
            out_slot: 0,
            out_numbered: false,
            random: (shared.run as u32 ^ index.wrapping_mul(0x9e37_79b9)) | 1,
            shared,
        }
    }

    /// How many connections the worker has, open or not.
    pub fn slots(&self) -> u32 {
        self.slots
    }

    /// Whether messages can be sent on a slot.
    pub fn is_open(&self, slot: u32) -> bool {
        self.conns[slot as usize].state == State::Open
    }

    /// The slot of a connection, if this worker has it and it is open.
    pub fn slot_of(&self, number: u32) -> Option<u32> {
        let slot = number.checked_sub(self.base)?;
        (slot < self.slots() && self.is_open(slot)).then_some(slot)
    }

    /// Queues a numbered message; those for one slot leave in one write.
    pub fn send(&mut self, slot: u32, opcode: u8, payload: &[u8]) {
        self.queue(slot, opcode, payload);
        self.out_numbered |= !self.polls(slot);
        self.tally.sent += 1;
    }

    /// Queues an attachment of the message that was sent last.
    pub fn attach(&mut self, slot: u32, data: &[u8]) {
        self.queue(slot, opcode::BINARY, data);
    }

    /// The id under which the next event of this slot is acknowledged.
    pub(crate) fn next_ack(&mut self, slot: u32) -> u32 {
        let acks = &mut self.clients[slot as usize].acks;
        *acks = acks.wrapping_add(1);
        acks.wrapping_sub(1)
    }

    /// Queues a frame, or a packet to POST.
    pub(crate) fn queue(&mut self, slot: u32, opcode: u8, payload: &[u8]) {
        if self.polls(slot) {
            self.queue_packet(slot, opcode, payload);
            return;
        }
        if self.out_slot != slot {
            self.flush();
            self.out_slot = slot;
        }
        let mask = self.draw().to_ne_bytes();
        match self.revision.filter(|_| opcode == opcode::BINARY) {
            Some(revision) => put_client_frame(&mut self.out, opcode, &binary_frame(revision, payload), mask),
            None => put_client_frame(&mut self.out, opcode, payload, mask),
        }
        if opcode < opcode::CLOSE && self.out.len() > 256 << 10 {
            self.flush();
        }
    }

    /// The next of a row of numbers that differ, nothing more (xorshift).
    pub(crate) fn draw(&mut self) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random
    }

    /// Writes what is queued.
    pub fn flush(&mut self) {
        if self.out.is_empty() {
            return;
        }
        self.tally.writes += u64::from(std::mem::take(&mut self.out_numbered));
        let conn = &mut self.conns[self.out_slot as usize];
        if let Err(error) = conn.write(&self.out) {
            self.broken.push((self.out_slot, format!("write: {}", kind(&error))));
        }
        self.out.clear();
    }

    /// Whether a slot is at polling now.
    pub(crate) fn polls(&self, slot: u32) -> bool {
        self.pollers.get(slot as usize).is_some_and(Option::is_some)
    }

    /// Forgets a slot and everything that it had open.
    pub(crate) fn hang_up(&mut self, slot: u32) {
        let place = slot as usize;
        for conn in self.conns[place..].iter_mut().step_by(self.slots as usize) {
            *conn = Conn::absent();
        }
        if let Some(client) = self.clients.get_mut(place) {
            *client = Client::default();
        }
        if let Some(poller) = self.pollers.get_mut(place) {
            *poller = None;
        }
    }
}

/// An error in the same few words whatever the connection.
pub(crate) fn kind(error: &std::io::Error) -> String {
    error.kind().to_string()
}
