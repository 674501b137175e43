//! Socket.IO packets, of the protocol's revisions 4 (clients 1.x and 2.x) and 5 (clients 3.x and 4.x).
//!
//! Owns: what both encodings share: kinds, limits, the shapes of payloads, and how a peer can be wrong. [`packet`] is
//! the encoding as text, [`msgpack`] the one as MessagePack, [`args`] the arguments of events, [`placeholder`] what
//! stands in them for binary.
//! Leaves to others: which packet may come when; putting attachments to their packet (`session::packets`).
//!
//! Rules are those of the reference parser (socket.io-parser 4.2.7). Where it reads a number as JavaScript would, so
//! that a space, nothing at all or `0x1` are numbers too, only decimal digits are taken here.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::json::{self, JsonError};
use crate::hub::NAME_BYTES;

pub mod args;
pub mod msgpack;
pub mod packet;
pub mod placeholder;
pub mod value;

/// The most attachments of one packet that is encoded as text; the same as the reference has.
pub const MAX_ATTACHMENTS: usize = 10;

/// The longest name of a namespace, in bytes and without its query: a namespace is a scope.
pub const NAMESPACE_BYTES: usize = NAME_BYTES;

/// The largest id of an acknowledgement: the largest integer that JavaScript tells from its neighbours.
pub const MAX_ACK_ID: u64 = (1 << 53) - 1;

/// What no event may be called, because programs would take it for something that happened to the connection.
pub const RESERVED_EVENTS: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// A revision of the Socket.IO protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revision {
    /// Clients 1.x and 2.x, on Engine.IO 3.
    Four,
    /// Clients 3.x and 4.x, on Engine.IO 4.
    Five,
}

/// What a packet is for; the numbers are those of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketType {
    /// Asks for a namespace, or grants it.
    Connect = 0,
    /// Leaves a namespace.
    Disconnect = 1,
    /// An event with its arguments.
    Event = 2,
    /// An acknowledgement with its arguments.
    Ack = 3,
    /// Refuses a namespace; revision 4 calls it an error.
    ConnectError = 4,
    /// An event whose attachments follow.
    BinaryEvent = 5,
    /// An acknowledgement whose attachments follow.
    BinaryAck = 6,
}

impl PacketType {
    /// The kind with a number.
    pub fn from_number(number: u64) -> Option<PacketType> {
        Some(match number {
            0 => PacketType::Connect,
            1 => PacketType::Disconnect,
            2 => PacketType::Event,
            3 => PacketType::Ack,
            4 => PacketType::ConnectError,
            5 => PacketType::BinaryEvent,
            6 => PacketType::BinaryAck,
            _ => return None,
        })
    }

    /// The number of the kind.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Whether attachments follow.
    pub fn is_binary(self) -> bool {
        matches!(self, PacketType::BinaryEvent | PacketType::BinaryAck)
    }

    /// The kind as the program sees it, for which it is the same how the arguments travelled.
    pub fn plain(self) -> PacketType {
        match self {
            PacketType::BinaryEvent => PacketType::Event,
            PacketType::BinaryAck => PacketType::Ack,
            kind => kind,
        }
    }
}

/// A packet with everything that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// What it is for; never a binary kind.
    pub kind: PacketType,
    /// The namespace, with its slash.
    pub namespace: String,
    /// What followed a question mark behind the namespace (revision 4).
    pub query: Option<String>,
    /// The id that asks for an acknowledgement, or that is acknowledged.
    pub id: Option<u64>,
    /// The payload, as valid JSON; empty if there is none.
    pub data: String,
    /// What the placeholders in the payload stand for.
    pub attachments: Vec<Arc<[u8]>>,
}

/// How a packet can be wrong. The reference closes the connection for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPacket {
    /// Nothing that a packet starts with.
    UnknownType,
    /// The number of attachments is missing, zero, or no number.
    Attachments,
    /// More than [`MAX_ATTACHMENTS`], or [`msgpack::MAX_INLINE`].
    TooManyAttachments,
    /// A namespace without a slash at its start, or longer than [`NAMESPACE_BYTES`].
    Namespace,
    /// The id is over [`MAX_ACK_ID`], or no number.
    AckId,
    /// The payload is not JSON, or too deep; the place counts from the payload's start.
    Json(JsonError),
    /// The payload is missing, or of a shape that its packet cannot have.
    Payload,
    /// An event without a name that is a string or a number.
    EventName,
    /// An event with one of the names in [`RESERVED_EVENTS`].
    ReservedEvent,
    /// A placeholder for an attachment that there is not.
    Placeholder,
    /// Text where an attachment, or a packet that is binary itself, should be.
    StrayText,
    /// An attachment that belongs to no packet.
    StrayBinary,
    /// A packet is larger with its attachments than a message may be.
    TooBig,
    /// MessagePack that ends within a value.
    Truncated,
    /// Bytes behind the packet.
    Trailing,
    /// MessagePack's one byte that never begins a value.
    Reserved,
    /// An extension of MessagePack, by its type, that is not known.
    Extension(i8),
    /// A key of MessagePack that is neither text nor integer.
    Key,
    /// MessagePack that is nested deeper than [`json::MAX_DEPTH`].
    TooDeep,
    /// A key that only placeholders have, beside bytes: their placeholders could not be told from it.
    Lookalike,
}

impl fmt::Display for BadPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadPacket::Json(error) => return error.fmt(f),
            BadPacket::Extension(number) => return write!(f, "unknown extension {number}"),
            BadPacket::UnknownType => "unknown packet type",
            BadPacket::Attachments => "bad number of attachments",
            BadPacket::TooManyAttachments => "too many attachments",
            BadPacket::Namespace => "bad namespace",
            BadPacket::AckId => "bad acknowledgement id",
            BadPacket::Payload => "payload does not fit the packet",
            BadPacket::EventName => "event without a name",
            BadPacket::ReservedEvent => "reserved event name",
            BadPacket::Placeholder => "placeholder for no attachment",
            BadPacket::StrayText => "text where binary is due",
            BadPacket::StrayBinary => "attachment without a packet",
            BadPacket::TooBig => "packet with attachments is too big",
            BadPacket::Truncated => "packet ends too early",
            BadPacket::Trailing => "bytes behind the packet",
            BadPacket::Reserved => "reserved byte",
            BadPacket::Key => "key is neither text nor integer",
            BadPacket::TooDeep => "packet is nested too deeply",
            BadPacket::Lookalike => "object looks like a placeholder and is none",
        })
    }
}

impl std::error::Error for BadPacket {}

impl From<JsonError> for BadPacket {
    fn from(error: JsonError) -> BadPacket {
        BadPacket::Json(error)
    }
}

/// Whether an event may not be called so.
pub fn is_reserved(event: &str) -> bool {
    RESERVED_EVENTS.contains(&event)
}

/// The name of an event, and its arguments, out of the payload that [`packet::parse`] gave. A name that is a number
/// is its digits as they came. `None` if the payload has no name.
pub fn split_event(data: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut elements = json::elements(data);
    let first = elements.next()?;
    let name = match first.as_bytes().first()? {
        b'"' => json::unquote(first),
        b'-' | b'0'..=b'9' => Cow::Borrowed(first),
        _ => return None,
    };
    Some((name, elements.rest()))
}

/// Whether the payload, valid JSON or nothing, has a shape that its packet can have.
pub(super) fn check_data(kind: PacketType, data: &str) -> Result<(), BadPacket> {
    let first = data.bytes().next();
    let fits = match kind.plain() {
        PacketType::Connect => matches!(first, None | Some(b'{')),
        PacketType::Disconnect => first.is_none(),
        PacketType::ConnectError => matches!(first, Some(b'"' | b'{')),
        _ => first == Some(b'['),
    };
    if !fits {
        return Err(BadPacket::Payload);
    }
    if kind.plain() == PacketType::Event {
        let (name, _) = split_event(data).ok_or(BadPacket::EventName)?;
        // A number is never reserved, and no reserved name looks like one.
        if is_reserved(&name) {
            return Err(BadPacket::ReservedEvent);
        }
    }
    Ok(())
}

fn check_namespace(namespace: &str) -> Result<(), BadPacket> {
    if namespace.starts_with('/') && namespace.len() <= NAMESPACE_BYTES {
        Ok(())
    } else {
        Err(BadPacket::Namespace)
    }
}

/// The payload of a CONNECT that grants a namespace: revision 5 tells the socket's id, revision 4 nothing.
pub fn connect_data(sid: Option<&str>) -> String {
    let Some(sid) = sid else { return String::new() };
    let mut data = String::from("{\"sid\":");
    json::quote(sid, &mut data);
    data.push('}');
    data
}

/// The payload of a CONNECT_ERROR. `data` is valid JSON that a program adds; in revision 4 it takes the message's place.
pub fn connect_error_data(revision: Revision, message: &str, data: Option<&str>) -> String {
    let mut text = String::new();
    match (revision, data) {
        (Revision::Four, Some(data)) => text.push_str(data),
        (Revision::Four, None) => json::quote(message, &mut text),
        (Revision::Five, _) => {
            text.push_str("{\"message\":");
            json::quote(message, &mut text);
            if let Some(data) = data {
                text.push_str(",\"data\":");
                text.push_str(data);
            }
            text.push('}');
        }
    }
    text
}

/// The payload of an event: its name and its arguments, which are JSON joined by commas.
pub fn event_data(name: &str, args: &str) -> String {
    let mut data = String::with_capacity(name.len() + args.len() + 5);
    data.push('[');
    json::quote(name, &mut data);
    if !args.is_empty() {
        data.push(',');
        data.push_str(args);
    }
    data.push(']');
    data
}
