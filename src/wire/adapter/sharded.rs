//! The sharded wire: `{type, data, uid, nsp}` for everything, JSON unless there is binary in it.
//!
//! The numbers are those of `ClusterAdapter` in `socket.io-adapter`, which other adapters share.

use std::borrow::Cow;

use super::channel::tail;
use super::decode::{
    OptsRead, broadcast, claim, kind, names, need, optional, opts, opts_with, packet, report, request,
    server_event, sockets, value,
};
use super::encode::{Beside, write_claim, write_opts, write_packet, write_report, write_sockets, writer};
use super::raw::Raw;
use super::writer::Writer;
use super::{BadMessage, Body, Heartbeat, Message};

const INITIAL_HEARTBEAT: u64 = 1;
const HEARTBEAT: u64 = 2;
const BROADCAST: u64 = 3;
const SOCKETS_JOIN: u64 = 4;
const SOCKETS_LEAVE: u64 = 5;
const DISCONNECT_SOCKETS: u64 = 6;
const FETCH_SOCKETS: u64 = 7;
const FETCH_SOCKETS_RESPONSE: u64 = 8;
const SERVER_SIDE_EMIT: u64 = 9;
const SERVER_SIDE_EMIT_RESPONSE: u64 = 10;
const BROADCAST_CLIENT_COUNT: u64 = 11;
const BROADCAST_ACK: u64 = 12;
const ADAPTER_CLOSE: u64 = 13;
/// Our own, as the next two.
const BROADCAST_REPORT: u64 = 100;
const ALL_ROOMS: u64 = 101;
const ALL_ROOMS_RESPONSE: u64 = 102;

/// Reads a message. `rest` is its channel behind the prefix.
pub(super) fn decode<'a>(
    node: &str,
    rest: &'a str,
    bytes: &'a [u8],
) -> Result<Option<Message<'a>>, BadMessage> {
    let fields = Raw::whole(bytes)?.find(["type", "data", "uid", "nsp", "seq"]);
    let [number, data, uid, nsp, seq] = fields.ok_or(BadMessage::Shape)?;
    let from = uid.and_then(Raw::text);
    if from.as_deref() == Some(node) {
        return Ok(None);
    }
    let scope = need(nsp.and_then(Raw::text), "nsp")?;
    let number = kind(number)?;
    // The room of a broadcast, or the server that an answer is for.
    let tail = tail(rest, &scope)?;
    let body = match number {
        INITIAL_HEARTBEAT => Body::Heartbeat(Heartbeat::Initial),
        HEARTBEAT => Body::Heartbeat(Heartbeat::Regular),
        ADAPTER_CLOSE => Body::Heartbeat(Heartbeat::Close),
        BROADCAST..=BROADCAST_ACK | BROADCAST_REPORT..=ALL_ROOMS_RESPONSE => {
            decode_data(number, need(data, "data")?, &scope)?
        }
        _ => Body::Unknown { kind: Some(number) },
    };
    let to = tail.filter(|_| body.is_response()).map(Cow::Borrowed);
    Ok(Some(Message { scope, from, to, seq: seq.and_then(Raw::integer), body }))
}

fn decode_data<'a>(number: u64, data: Raw<'a>, scope: &str) -> Result<Body<'a>, BadMessage> {
    let fields =
        data.find(["requestId", "opts", "rooms", "close", "packet", "sockets", "clientCount", "claim"]);
    let [id, options, rooms, close, parcel, list, count, owned] = need(fields, "data")?;
    Ok(match number {
        BROADCAST => {
            let found = parcel.and_then(|packet| packet.find(["type", "data"]));
            let [kind, data] = need(found, "packet")?;
            Body::Broadcast(broadcast(packet(kind, data, scope)?, opts_with(options)?, id)?)
        }
        SOCKETS_JOIN => {
            let OptsRead { opts, report, .. } = opts_with(options)?;
            Body::SocketsJoin { opts, rooms: names(rooms, "rooms")?, report }
        }
        SOCKETS_LEAVE => {
            let OptsRead { opts, report, .. } = opts_with(options)?;
            Body::SocketsLeave { opts, rooms: names(rooms, "rooms")?, claim: claim(owned)?, report }
        }
        DISCONNECT_SOCKETS => {
            let OptsRead { opts, report, .. } = opts_with(options)?;
            Body::DisconnectSockets { opts, close: close.and_then(Raw::boolean).unwrap_or(false), report }
        }
        FETCH_SOCKETS => Body::FetchSockets { opts: opts(options)?, request: request(id)? },
        FETCH_SOCKETS_RESPONSE => Body::FetchSocketsResponse {
            request: request(id)?,
            sockets: sockets(need(list.and_then(Raw::elements), "sockets")?)?,
        },
        SERVER_SIDE_EMIT => Body::ServerSideEmit {
            data: server_event(parcel, "packet")?,
            request: optional(id, "requestId")?,
        },
        SERVER_SIDE_EMIT_RESPONSE => {
            Body::ServerSideEmitResponse { request: request(id)?, data: value(parcel)? }
        }
        BROADCAST_CLIENT_COUNT => Body::BroadcastClientCount {
            request: request(id)?,
            count: need(count.and_then(Raw::integer), "clientCount")?,
        },
        BROADCAST_ACK => Body::BroadcastAck { request: request(id)?, data: value(parcel)? },
        BROADCAST_REPORT => Body::BroadcastReport { request: request(id)?, report: report(data)? },
        ALL_ROOMS => Body::AllRooms { request: request(id)? },
        ALL_ROOMS_RESPONSE => Body::AllRoomsResponse { request: request(id)?, rooms: names(rooms, "rooms")? },
        _ => Body::Unknown { kind: Some(number) },
    })
}

pub(super) fn encode(message: &Message<'_>) -> Option<Vec<u8>> {
    let number = match &message.body {
        Body::Broadcast(_) => BROADCAST,
        Body::SocketsJoin { .. } => SOCKETS_JOIN,
        Body::SocketsLeave { .. } => SOCKETS_LEAVE,
        Body::DisconnectSockets { .. } => DISCONNECT_SOCKETS,
        Body::FetchSockets { .. } => FETCH_SOCKETS,
        Body::FetchSocketsResponse { .. } => FETCH_SOCKETS_RESPONSE,
        Body::ServerSideEmit { .. } => SERVER_SIDE_EMIT,
        Body::ServerSideEmitResponse { .. } => SERVER_SIDE_EMIT_RESPONSE,
        Body::BroadcastClientCount { .. } => BROADCAST_CLIENT_COUNT,
        Body::BroadcastAck { .. } => BROADCAST_ACK,
        Body::BroadcastReport { .. } => BROADCAST_REPORT,
        Body::AllRooms { .. } => ALL_ROOMS,
        Body::AllRoomsResponse { .. } => ALL_ROOMS_RESPONSE,
        Body::Heartbeat(Heartbeat::Initial) => INITIAL_HEARTBEAT,
        Body::Heartbeat(Heartbeat::Regular) => HEARTBEAT,
        Body::Heartbeat(Heartbeat::Close) => ADAPTER_CLOSE,
        Body::Old(_) | Body::Unknown { .. } => return None,
    };
    let mut w = writer(message);
    w.map(|w| {
        w.key("type").number(number);
        if !matches!(message.body, Body::Heartbeat(_)) {
            w.key("data").map(|w| write_data(w, &message.body));
        }
        if let Some(from) = &message.from {
            w.key("uid").text(from);
        }
        w.key("nsp").text(&message.scope);
        if let Some(seq) = message.seq {
            w.key("seq").number(seq);
        }
    });
    Some(w.finish())
}

fn write_data(w: &mut Writer, body: &Body<'_>) {
    let id = |w: &mut Writer, request: Option<&str>| {
        if let Some(request) = request {
            w.key("requestId").text(request);
        }
    };
    let none = || Beside { report: None, seq: None };
    let beside = |report| Beside { report, seq: None };
    match body {
        Body::Broadcast(broadcast) => {
            write_packet(w.key("packet"), broadcast, None);
            id(w, broadcast.request.as_deref());
            write_opts(w.key("opts"), &broadcast.opts, true, beside(broadcast.report.as_deref()));
        }
        Body::SocketsJoin { opts, rooms, report } => {
            write_opts(w.key("opts"), opts, true, beside(report.as_deref()));
            w.key("rooms").names(rooms);
        }
        Body::SocketsLeave { opts, rooms, claim, report } => {
            write_opts(w.key("opts"), opts, true, beside(report.as_deref()));
            w.key("rooms").names(rooms);
            write_claim(w, claim);
        }
        Body::DisconnectSockets { opts, close, report } => {
            write_opts(w.key("opts"), opts, true, beside(report.as_deref()));
            w.key("close").boolean(*close);
        }
        Body::FetchSockets { opts, request } => {
            write_opts(w.key("opts"), opts, true, none());
            id(w, Some(request));
        }
        Body::FetchSocketsResponse { request, sockets } => {
            id(w, Some(request));
            write_sockets(w, sockets);
        }
        Body::ServerSideEmit { data, request } => {
            id(w, request.as_deref());
            w.key("packet").payload(data);
        }
        Body::ServerSideEmitResponse { request, data } | Body::BroadcastAck { request, data } => {
            id(w, Some(request));
            w.key("packet").payload(data);
        }
        Body::BroadcastClientCount { request, count } => {
            id(w, Some(request));
            w.key("clientCount").number(*count);
        }
        Body::BroadcastReport { request, report } => {
            id(w, Some(request));
            write_report(w, report);
        }
        Body::AllRooms { request } => id(w, Some(request)),
        Body::AllRoomsResponse { request, rooms } => {
            id(w, Some(request));
            w.key("rooms").names(rooms);
        }
        Body::Heartbeat(_) | Body::Old(_) | Body::Unknown { .. } => {}
    }
}
