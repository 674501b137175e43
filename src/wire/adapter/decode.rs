//! Reading a message, and the parts that both wires have.
//!
//! Tolerated, because senders do so: no rooms or flags as nothing, null, an empty text or an empty map; one room as a text
//! instead of a list; rooms that are numbers; events whose type says that they are binary. Unknown fields are passed
//! over. What decides whom a message is for is not guessed: if it cannot be read, the message is refused.

use std::borrow::Cow;

use super::channel::Stem;
use super::raw::Raw;
use super::{
    BadMessage, Broadcast, Channels, Claim, Flags, Message, Names, Opts, Payload, RemoteSocket, Report, Wire,
};
use super::{classic, sharded};
use crate::wire::socketio::{BadPacket, PacketType, check_data, split_event};

/// Reads what came through a channel, for the server with the id `node`. `None` if that sent it itself.
///
/// A publish to several rooms on the channel of one of them is for that one: some emitters repeat it on each.
pub fn decode<'a>(
    channels: &Channels,
    node: &str,
    channel: &'a str,
    bytes: &'a [u8],
) -> Result<Option<Message<'a>>, BadMessage> {
    match (channels.wire(), channels.stem(channel)?) {
        (Wire::Sharded, Stem::Main(rest)) => sharded::decode(node, rest, bytes),
        (Wire::Sharded, _) => Err(BadMessage::Channel),
        (Wire::Classic, Stem::Main(rest)) => classic::decode_broadcast(node, rest, bytes),
        (Wire::Classic, Stem::Requests(scope)) => classic::decode_request(node, scope, bytes),
        (Wire::Classic, Stem::Responses(rest)) => classic::decode_response(node, rest, bytes),
    }
}

/// The value of a field that has to be there.
pub(super) fn need<T>(value: Option<T>, name: &'static str) -> Result<T, BadMessage> {
    value.ok_or(BadMessage::Field(name))
}

/// The id of a request that wants an answer.
pub(super) fn request<'a>(value: Option<Raw<'a>>) -> Result<Cow<'a, str>, BadMessage> {
    need(value.and_then(Raw::text), "requestId")
}

/// The same, if there is one.
pub(super) fn optional<'a>(
    value: Option<Raw<'a>>,
    name: &'static str,
) -> Result<Option<Cow<'a, str>>, BadMessage> {
    value.map(|value| need(value.text(), name)).transpose()
}

/// The number of a message's type.
pub(super) fn kind(value: Option<Raw<'_>>) -> Result<u64, BadMessage> {
    value.and_then(Raw::integer).ok_or(BadMessage::Type)
}

/// A list of names, or one.
pub(super) fn names<'a>(value: Option<Raw<'a>>, field: &'static str) -> Result<Names<'a>, BadMessage> {
    let Some(value) = value else { return Ok(Names::new()) };
    if let Some(elements) = value.elements() {
        return elements.map(|element| need(element.name(), field)).collect();
    }
    match value.name() {
        Some(name) => Ok(Some(name).filter(|name| !name.is_empty()).into_iter().collect()),
        None if value.is_empty_map() => Ok(Names::new()),
        None => Err(BadMessage::Field(field)),
    }
}

/// Options of their own, and behind them what is in them beside: the request for a report, and a sequence number.
pub(super) struct OptsRead<'a> {
    pub(super) opts: Opts<'a>,
    pub(super) report: Option<Cow<'a, str>>,
    pub(super) seq: Option<u64>,
}

pub(super) fn opts_with<'a>(value: Option<Raw<'a>>) -> Result<OptsRead<'a>, BadMessage> {
    let found = value.and_then(|opts| opts.find(["rooms", "except", "flags", "report", "seq"]));
    let [rooms, except, flags, report, seq] = need(found, "opts")?;
    let opts = Opts {
        rooms: names(rooms, "rooms")?,
        except: names(except, "except")?,
        flags: flags.map(read_flags).unwrap_or_default(),
    };
    Ok(OptsRead { opts, report: optional(report, "report")?, seq: seq.and_then(Raw::integer) })
}

pub(super) fn opts<'a>(value: Option<Raw<'a>>) -> Result<Opts<'a>, BadMessage> {
    opts_with(value).map(|read| read.opts)
}

fn read_flags(value: Raw<'_>) -> Flags {
    let Some([volatile, compress, timeout, local]) = value.find(["volatile", "compress", "timeout", "local"])
    else {
        return Flags::default();
    };
    let is = |value: Option<Raw<'_>>| value.and_then(Raw::boolean);
    Flags {
        volatile: is(volatile) == Some(true),
        compress: is(compress),
        timeout_ms: timeout.and_then(Raw::integer),
        local: is(local) == Some(true),
    }
}

/// The data of an event's packet, if it is one for the scope.
pub(super) fn packet<'a>(
    kind: Option<Raw<'a>>,
    data: Option<Raw<'a>>,
    scope: &str,
) -> Result<Payload<'a>, BadMessage> {
    let kind = kind.and_then(Raw::integer).and_then(PacketType::from_number);
    if kind.map(PacketType::plain) != Some(PacketType::Event) {
        return Err(BadMessage::PacketType);
    }
    let data = need(data, "data")?;
    if data.elements().is_none() {
        return Err(BadPacket::Payload.into());
    }
    let data = data.payload()?;
    // A domain has frames, no events.
    if scope.starts_with('/') {
        check_data(PacketType::Event, data.json())?;
    }
    Ok(data)
}

/// A broadcast, out of its packet, its options and the id of its request.
pub(super) fn broadcast<'a>(
    data: Payload<'a>,
    read: OptsRead<'a>,
    request: Option<Raw<'a>>,
) -> Result<Broadcast<'a>, BadMessage> {
    Ok(Broadcast { data, opts: read.opts, request: optional(request, "requestId")?, report: read.report })
}

/// The data of an event for servers.
pub(super) fn server_event<'a>(
    value: Option<Raw<'a>>,
    name: &'static str,
) -> Result<Payload<'a>, BadMessage> {
    let value = need(value, name)?;
    if value.elements().is_none() {
        return Err(BadMessage::Field(name));
    }
    let data = value.payload()?;
    split_event(data.json()).ok_or(BadPacket::EventName)?;
    Ok(data)
}

/// A value that may have been left out.
pub(super) fn value(raw: Option<Raw<'_>>) -> Result<Payload<'_>, BadMessage> {
    raw.map_or_else(|| Ok(Payload::default()), Raw::payload)
}

pub(super) fn claim<'a>(value: Option<Raw<'a>>) -> Result<Option<Claim<'a>>, BadMessage> {
    let Some(value) = value else { return Ok(None) };
    let [at, node] = need(value.find(["at", "node"]), "claim")?;
    let at_us = need(at.and_then(Raw::integer), "claim")?;
    Ok(Some(Claim { at_us, node: need(node.and_then(Raw::text), "claim")? }))
}

pub(super) fn sockets<'a>(
    elements: impl Iterator<Item = Raw<'a>>,
) -> Result<Vec<RemoteSocket<'a>>, BadMessage> {
    elements
        .map(|socket| {
            let [id, handshake, rooms, data] =
                need(socket.find(["id", "handshake", "rooms", "data"]), "sockets")?;
            Ok(RemoteSocket {
                id: need(id.and_then(Raw::name), "id")?,
                handshake: value(handshake)?,
                rooms: names(rooms, "rooms")?,
                data: value(data)?,
            })
        })
        .collect()
}

pub(super) fn report(body: Raw<'_>) -> Result<Report, BadMessage> {
    let [matched, written, queued, dropped] =
        need(body.find(["matched", "written", "queued", "dropped"]), "matched")?;
    let [slow, volatile, closed, busy] =
        dropped.and_then(|dropped| dropped.find(["slow", "volatile", "closed", "busy"])).unwrap_or_default();
    let number = |value: Option<Raw<'_>>| value.and_then(Raw::integer).unwrap_or(0);
    Ok(Report {
        matched: need(matched.and_then(Raw::integer), "matched")?,
        written: number(written),
        queued: number(queued),
        dropped_slow: number(slow),
        dropped_volatile: number(volatile),
        dropped_closed: number(closed),
        dropped_busy: number(busy),
    })
}
