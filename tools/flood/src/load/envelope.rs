//! How a numbered message is wrapped for the server, and what a wrapped one turns out to be, by protocol.

use std::io::Write as _;

use crate::load::{events, gateway};
use crate::shared::Shared;
use crate::token::{MARK, Token};
use crate::worker::Floor;

/// For whom a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Address<'a> {
    /// One client, or user.
    Client(&'a str),
    /// Everyone else in a group.
    Group(&'a str),
    /// Everyone else in the sender's domain (for Socket.IO, its group).
    Domain,
}

/// What arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// A numbered message of this run, in the right envelope.
    Message(Token),
    /// What no server may make of anything that the tool sends.
    Corrupt,
    /// Something else.
    Stranger,
    /// The answer to a heartbeat.
    Heartbeat,
    /// A receipt, with the number of deliveries.
    Receipt(u64),
    /// An error.
    Refused(String),
}

/// Sends a message from `slot`, with `bytes` of content.
pub(super) fn send(
    floor: &mut Floor,
    scratch: &mut Vec<u8>,
    slot: u32,
    token: &Token,
    bytes: usize,
    address: Address<'_>,
    receipt: bool,
) {
    scratch.clear();
    if floor.shared.options.speech.protocol.revision().is_some() {
        let id = receipt.then(|| floor.next_ack(slot));
        let room = match address {
            Address::Client(name) | Address::Group(name) => name,
            Address::Domain => floor.shared.roster.group(floor.base + slot).unwrap_or_default(),
        };
        events::put_broadcast(scratch, id, room, token, bytes);
    } else {
        gateway::put_message(scratch, address, token, bytes, receipt);
    }
    floor.send(slot, crate::wire::frame::opcode::TEXT, scratch);
}

/// Reads what arrived; `mode` is that of the messages that are sent.
pub(super) fn read(shared: &Shared, payload: &[u8], mode: u16) -> Reading {
    if shared.options.speech.protocol.revision().is_some() {
        events::read(shared, payload)
    } else {
        gateway::read(shared, payload, mode)
    }
}

/// The token of a content, as the JSON has it; otherwise what it is instead.
pub(super) fn token(shared: &Shared, content: &str) -> Result<Token, Reading> {
    let content = content.trim_matches('"').as_bytes();
    if !content.starts_with(MARK) {
        return Err(Reading::Stranger);
    }
    let token = Token::read(content).ok_or(Reading::Corrupt)?;
    let ours = token.run == shared.run && token.sender < shared.roster.count();
    if ours { Ok(token) } else { Err(Reading::Stranger) }
}

/// Appends `text` to a vector, which takes all.
pub(super) fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a vector takes all");
}
