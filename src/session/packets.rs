//! Socket.IO packets out of Engine.IO messages.
//!
//! Owns: putting attachments to the packet that announced them, within the bound on a message's size. A packet that
//! is one text is lent out of it; one with attachments is collected, and handed over when it is whole, so that an
//! idle client owns no memory.
//! Leaves to others: what a packet looks like (`wire::socketio`); which packet may come when.

use std::borrow::Cow;
use std::sync::Arc;

use crate::wire::json;
use crate::wire::socketio::args::ArgsRef;
use crate::wire::socketio::packet::{self, Header};
use crate::wire::socketio::{BadPacket, Packet, PacketType, Revision, msgpack, placeholder, split_event};

/// How packets are encoded; the configuration says which one a server's clients use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parser {
    /// As text, with attachments behind it: what clients do unless told otherwise.
    Json,
    /// As MessagePack, a binary message each.
    MessagePack,
}

/// What a client's packets are read by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How packets are encoded.
    pub parser: Parser,
    /// The revision of the protocol that the client speaks.
    pub revision: Revision,
    /// The most that a packet may have, in bytes as it came, its text and its attachments together.
    pub max_bytes: usize,
}

/// A packet, ready to be acted on.
#[derive(Clone, Debug)]
pub struct Decoded<'a> {
    /// What it is for. An event is an event however its arguments travelled: never one of the binary kinds.
    pub kind: PacketType,
    /// The namespace, with its slash.
    pub namespace: &'a str,
    /// What followed a question mark behind the namespace (revision 4).
    pub query: Option<&'a str>,
    /// The id that asks for an acknowledgement, or that is acknowledged.
    pub id: Option<u64>,
    /// The name of an event; the digits of a name that is a number. Never a reserved one.
    pub name: Option<Cow<'a, str>>,
    /// The arguments of an event, without its name, or of an acknowledgement.
    pub args: ArgsRef<'a>,
    /// The payload of the other kinds, a JSON value, and of CONNECT an object; empty if there is none.
    pub data: &'a str,
    /// Whether attachments came with it.
    pub is_binary: bool,
}

impl<'a> Decoded<'a> {
    fn new(header: Header<'a>, attachments: &'a [Arc<[u8]>]) -> Decoded<'a> {
        let kind = header.kind.plain();
        let (name, args, data) = match kind {
            PacketType::Event => match split_event(header.data) {
                Some((name, args)) => (Some(name), args, ""),
                None => (None, "", ""),
            },
            PacketType::Ack => (None, json::inside(header.data), ""),
            _ => (None, "", header.data),
        };
        let Header { namespace, query, id, .. } = header;
        let args = ArgsRef::new(args, attachments);
        Decoded { kind, namespace, query, id, name, args, data, is_binary: !attachments.is_empty() }
    }
}

impl<'a> From<&'a Packet> for Decoded<'a> {
    fn from(packet: &'a Packet) -> Decoded<'a> {
        let header = Header {
            kind: packet.kind,
            attachments: packet.attachments.len(),
            namespace: &packet.namespace,
            query: packet.query.as_deref(),
            id: packet.id,
            data: &packet.data,
        };
        Decoded::new(header, &packet.attachments)
    }
}

/// The packets of one client. After an error there is no going on.
#[derive(Debug, Default)]
pub struct Decoder {
    pending: Option<Box<Pending>>,
}

/// A packet whose attachments have not all arrived.
#[derive(Debug)]
struct Pending {
    packet: Packet,
    /// How many attachments it announced. Invariant: more than it has.
    wanted: usize,
    /// The size so far. Invariant: at most [`Rules::max_bytes`].
    bytes: usize,
}

impl Decoder {
    /// Before the first message.
    pub fn new() -> Decoder {
        Decoder::default()
    }

    /// What it owns of a packet that waits for attachments, in bytes.
    pub fn unfinished_bytes(&self) -> usize {
        self.pending.as_deref().map_or(0, |pending| pending.bytes)
    }

    /// Whether no packet waits for attachments; then nothing is owned.
    pub fn is_idle(&self) -> bool {
        self.pending.is_none()
    }

    /// A text message: a packet, or `None` if its attachments are to come.
    pub fn text<'t>(&mut self, rules: Rules, text: &'t str) -> Result<Option<Decoded<'t>>, BadPacket> {
        if self.pending.take().is_some() || rules.parser == Parser::MessagePack {
            return Err(BadPacket::StrayText);
        }
        if text.len() > rules.max_bytes {
            return Err(BadPacket::TooBig);
        }
        let header = packet::parse(text, rules.revision)?;
        if header.attachments == 0 {
            return Ok(Some(Decoded::new(header, &[])));
        }
        let names_one = |num: Option<usize>| num.is_some_and(|num| num < header.attachments);
        if !placeholder::find(header.data)?.iter().all(|found| names_one(found.num)) {
            return Err(BadPacket::Placeholder);
        }
        let packet = Packet {
            kind: header.kind.plain(),
            namespace: header.namespace.to_owned(),
            query: header.query.map(str::to_owned),
            id: header.id,
            data: header.data.to_owned(),
            attachments: Vec::new(),
        };
        self.pending = Some(Box::new(Pending { packet, wanted: header.attachments, bytes: text.len() }));
        Ok(None)
    }

    /// A binary message: the packet that it makes whole, or `None` if more attachments are to come.
    pub fn binary(&mut self, rules: Rules, bytes: &[u8]) -> Result<Option<Packet>, BadPacket> {
        if rules.parser == Parser::MessagePack {
            return if bytes.len() > rules.max_bytes {
                Err(BadPacket::TooBig)
            } else {
                msgpack::decode(bytes).map(Some)
            };
        }
        let mut pending = self.pending.take().ok_or(BadPacket::StrayBinary)?;
        if bytes.len() > rules.max_bytes.saturating_sub(pending.bytes) {
            return Err(BadPacket::TooBig);
        }
        pending.bytes += bytes.len();
        pending.packet.attachments.push(bytes.into());
        if pending.packet.attachments.len() == pending.wanted {
            return Ok(Some(pending.packet));
        }
        self.pending = Some(pending);
        Ok(None)
    }
}
