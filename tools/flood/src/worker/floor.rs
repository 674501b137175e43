//! What a load may use of its worker: the connections, the account, and a way to send.

use std::sync::Arc;

use crate::shared::Shared;
use crate::tally::Tally;
use crate::wire::frame::{opcode, put_client_frame};
use crate::worker::conn::{Conn, State};

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
    pub(crate) conns: Vec<Conn>,
    /// Connections that failed while something was sent, with the reason; reaped at the end of a turn.
    pub(crate) broken: Vec<(u32, String)>,
    /// Frames for the connection in `out_slot`, written together.
    out: Vec<u8>,
    out_slot: u32,
    mask: u32,
}

impl Floor {
    pub(crate) fn new(shared: Arc<Shared>, index: u32) -> Self {
        let numbers = shared.numbers_of(index);
        Self {
            index,
            base: numbers.start,
            tally: Tally::default(),
            conns: numbers.map(|_| Conn::absent()).collect(),
            broken: Vec::new(),
            out: Vec::with_capacity(16 << 10),
            out_slot: 0,
            mask: (shared.run as u32) | 1,
            shared,
        }
    }

    /// How many connections the worker has, open or not.
    pub fn slots(&self) -> u32 {
        self.conns.len() as u32
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
        self.tally.sent += 1;
    }

    /// Queues any frame.
    pub(crate) fn queue(&mut self, slot: u32, opcode: u8, payload: &[u8]) {
        if self.out_slot != slot {
            self.flush();
            self.out_slot = slot;
        }
        // xorshift: the mask has to differ from frame to frame, nothing more.
        self.mask ^= self.mask << 13;
        self.mask ^= self.mask >> 17;
        self.mask ^= self.mask << 5;
        put_client_frame(&mut self.out, opcode, payload, self.mask.to_ne_bytes());
        if opcode < opcode::CLOSE && self.out.len() > 256 << 10 {
            self.flush();
        }
    }

    /// Writes what is queued.
    pub fn flush(&mut self) {
        if self.out.is_empty() {
            return;
        }
        self.tally.writes += 1;
        let conn = &mut self.conns[self.out_slot as usize];
        if let Err(error) = conn.write(&self.out) {
            self.broken.push((self.out_slot, format!("write: {}", kind(&error))));
        }
        self.out.clear();
    }
}

/// An error in the same few words whatever the connection.
pub(crate) fn kind(error: &std::io::Error) -> String {
    error.kind().to_string()
}
