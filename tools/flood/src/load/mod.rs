//! What the connections do once they are open; one file a command, and one a protocol for what messages look like.

mod broadcast;
mod echo;
mod envelope;
pub(crate) mod events;
mod gateway;
mod inbox;
mod rate;

pub use broadcast::{Board, Broadcast};
pub use echo::Echo;
pub use rate::{Mode, Pick, Rate, RatePlan};

use std::time::Instant;

use crate::ledger::Ledger;
use crate::worker::Floor;

/// How many messages left in one stream, or in all streams of a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// The connection that sent.
    pub sender: u32,
    /// Whom it was for.
    pub to: To,
    /// How many, numbered from 0.
    pub count: u32,
}

/// For whom messages are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// One connection.
    One(u32),
    /// Everyone else in the sender's domain.
    Domain,
    /// Everyone else in the sender's first group.
    Group,
}

/// A whole message.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// Of the WebSocket message; text for a packet of Socket.IO.
    pub opcode: u8,
    /// The payload, or the Socket.IO packet.
    pub payload: &'a [u8],
    /// The attachments of the packet.
    pub attachments: &'a [Vec<u8>],
}

/// A worker's part in a command. Called by the worker only, and never blocks.
pub trait Load: Send {
    /// The ramp is over everywhere; nothing is sent before every worker has done this.
    fn prepare(&mut self, floor: &mut Floor);
    /// Sending begins.
    fn start(&mut self, floor: &mut Floor, now: Instant);
    /// Sending ends; messages may still arrive.
    fn halt(&mut self);
    /// A whole message arrived.
    fn message(&mut self, floor: &mut Floor, slot: u32, incoming: Incoming<'_>, now_ns: u64);
    /// Sends what is due; returns when something will be due again.
    fn turn(&mut self, floor: &mut Floor, now: Instant) -> Option<Instant>;
    /// The server has ended a connection.
    fn closed(&mut self, floor: &mut Floor, slot: u32);
    /// What arrived and what was sent.
    fn settle(self: Box<Self>) -> (Ledger, Vec<Sent>);
}
