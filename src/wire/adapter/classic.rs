//! The classic wire: `[sender, packet, opts]` in MessagePack for broadcasts, and flat maps for questions and answers.

use std::borrow::Cow;

use super::channel::tail;
use super::decode::{
    OptsRead, broadcast, claim, kind, names, need, optional, opts, opts_with, packet, report, request,
    server_event, sockets, value,
};
use super::encode::{
    Beside, weight, write_claim, write_opts, write_packet, write_report, write_sockets, writer,
};
use super::old::Old;
use super::raw::Raw;
use super::writer::Writer;
use super::{BadMessage, Body, Broadcast, Message};

const SOCKETS: u64 = 0;
const ALL_ROOMS: u64 = 1;
const REMOTE_JOIN: u64 = 2;
const REMOTE_LEAVE: u64 = 3;
const REMOTE_DISCONNECT: u64 = 4;
const REMOTE_FETCH: u64 = 5;
const SERVER_SIDE_EMIT: u64 = 6;
const BROADCAST: u64 = 7;
const BROADCAST_CLIENT_COUNT: u64 = 8;
const BROADCAST_ACK: u64 = 9;
/// Our own.
const BROADCAST_REPORT: u64 = 100;

type Decoded<'a> = Result<Option<Message<'a>>, BadMessage>;

/// Reads a broadcast without acknowledgements. `rest` is its channel behind the prefix.
pub(super) fn decode_broadcast<'a>(node: &str, rest: &'a str, bytes: &'a [u8]) -> Decoded<'a> {
    let mut parts = Raw::whole(bytes)?.elements().ok_or(BadMessage::Shape)?;
    let (Some(from), Some(parcel), Some(opts)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(BadMessage::Shape);
    };
    let from = from.text().filter(|from| !from.is_empty());
    if from.as_deref() == Some(node) {
        return Ok(None);
    }
    let [kind, data, nsp] = parcel.find(["type", "data", "nsp"]).ok_or(BadMessage::Shape)?;
    let scope = optional(nsp, "nsp")?.unwrap_or(Cow::Borrowed("/"));
    let room = tail(rest, &scope)?;
    let data = packet(kind, data, &scope)?;
    let mut read = opts_with(Some(opts))?;
    if let Some(room) = room
        && read.opts.rooms.len() > 1
    {
        read.opts.rooms = vec![Cow::Borrowed(room)];
    }
    let seq = read.seq;
    let body = Body::Broadcast(broadcast(data, read, None)?);
    Ok(Some(Message { scope, from, to: None, seq, body }))
}

/// Reads what is asked of all servers of a scope.
pub(super) fn decode_request<'a>(node: &str, scope: &'a str, bytes: &'a [u8]) -> Decoded<'a> {
    let body = Raw::whole(bytes)?;
    let [uid, number, old_id] = body.find(["uid", "type", "requestid"]).ok_or(BadMessage::Shape)?;
    let from = uid.and_then(Raw::text);
    if from.as_deref() == Some(node) {
        return Ok(None);
    }
    let number = kind(number)?;
    let [id, options, rooms, close, data, parcel, owned, sid, seq] = body
        .find(["requestId", "opts", "rooms", "close", "data", "packet", "claim", "sid", "seq"])
        .ok_or(BadMessage::Shape)?;
    let is_about_one = options.is_none() && sid.is_some();
    let body = match number {
        _ if old_id.is_some() => Body::Old(Old::read_revision_5(number, body)?),
        SOCKETS => Body::Old(Old::read(number, body)?),
        REMOTE_JOIN | REMOTE_LEAVE | REMOTE_DISCONNECT if is_about_one => Body::Old(Old::read(number, body)?),
        ALL_ROOMS => Body::AllRooms { request: request(id)? },
        REMOTE_JOIN => {
            let OptsRead { opts, report, .. } = opts_with(options)?;
            Body::SocketsJoin { opts, rooms: names(rooms, "rooms")?, report }
        }
        REMOTE_LEAVE => {
            let OptsRead { opts, report, .. } = opts_with(options)?;
            Body::SocketsLeave { opts, rooms: names(rooms, "rooms")?, claim: claim(owned)?, report }
        }
        REMOTE_DISCONNECT => {
            let OptsRead { opts, report, .. } = opts_with(options)?;
            Body::DisconnectSockets { opts, close: close.and_then(Raw::boolean).unwrap_or(false), report }
        }
        REMOTE_FETCH => Body::FetchSockets { opts: opts(options)?, request: request(id)? },
        SERVER_SIDE_EMIT => {
            Body::ServerSideEmit { data: server_event(data, "data")?, request: optional(id, "requestId")? }
        }
        BROADCAST => {
            let found = parcel.and_then(|packet| packet.find(["type", "data", "nsp"]));
            let [kind, data, nsp] = need(found, "packet")?;
            if nsp.is_some_and(|nsp| nsp.text().as_deref() != Some(scope)) {
                return Err(BadMessage::Scope);
            }
            request(id)?;
            Body::Broadcast(broadcast(packet(kind, data, scope)?, opts_with(options)?, id)?)
        }
        _ => Body::Unknown { kind: Some(number) },
    };
    let seq = seq.and_then(Raw::integer);
    Ok(Some(Message { scope: Cow::Borrowed(scope), from, to: None, seq, body }))
}

/// Reads an answer. Most do not tell what they answer, and many are not for us: those are unknown.
pub(super) fn decode_response<'a>(node: &str, rest: &'a str, bytes: &'a [u8]) -> Decoded<'a> {
    let scope = rest.strip_suffix('#').ok_or(BadMessage::Channel)?;
    // A scope may end like a channel of one server, but not with our own id.
    let ours = scope.strip_suffix(node).and_then(|scope| scope.strip_suffix('#'));
    let (scope, to) =
        ours.map_or((scope, None), |ours| (ours, Some(Cow::Borrowed(&scope[ours.len() + 1..]))));
    let body = Raw::whole(bytes)?;
    let [uid, number, id, list, rooms, data, parcel, count, seq] = body
        .find(["uid", "type", "requestId", "sockets", "rooms", "data", "packet", "clientCount", "seq"])
        .ok_or(BadMessage::Shape)?;
    let from = uid.and_then(Raw::text);
    if from.as_deref() == Some(node) {
        return Ok(None);
    }
    let number = number.map(|number| kind(Some(number))).transpose()?;
    let unknown = Body::Unknown { kind: number };
    let body = match number {
        _ if id.is_none() => unknown,
        Some(SERVER_SIDE_EMIT) => Body::ServerSideEmitResponse { request: request(id)?, data: value(data)? },
        Some(BROADCAST_CLIENT_COUNT) => Body::BroadcastClientCount {
            request: request(id)?,
            count: need(count.and_then(Raw::integer), "clientCount")?,
        },
        Some(BROADCAST_ACK) => Body::BroadcastAck { request: request(id)?, data: value(parcel)? },
        Some(BROADCAST_REPORT) => Body::BroadcastReport { request: request(id)?, report: report(body)? },
        Some(_) => unknown,
        None => {
            let list = list.and_then(Raw::elements);
            // Ids alone answer a question that only older servers ask.
            let mut list = list.map(Iterator::peekable);
            if list.as_mut().is_some_and(|list| list.peek().is_some_and(|first| first.name().is_some())) {
                unknown
            } else if let Some(list) = list {
                Body::FetchSocketsResponse { request: request(id)?, sockets: sockets(list)? }
            } else if rooms.is_some() {
                Body::AllRoomsResponse { request: request(id)?, rooms: names(rooms, "rooms")? }
            } else {
                unknown
            }
        }
    };
    let seq = seq.and_then(Raw::integer);
    Ok(Some(Message { scope: Cow::Borrowed(scope), from, to, seq, body }))
}

pub(super) fn encode(message: &Message<'_>) -> Option<Vec<u8>> {
    match &message.body {
        Body::Broadcast(broadcast) if broadcast.request.is_none() => {
            Some(encode_broadcast(message, broadcast))
        }
        _ => encode_map(message),
    }
}

fn encode_broadcast(message: &Message<'_>, broadcast: &Broadcast<'_>) -> Vec<u8> {
    let mut w = Writer::packed(128 + message.scope.len() + weight(&message.body));
    w.array(3, |w| {
        w.text(message.from.as_deref().unwrap_or_default());
        write_packet(w, broadcast, Some(&message.scope));
        let beside = Beside { report: broadcast.report.as_deref(), seq: message.seq };
        write_opts(w, &broadcast.opts, true, beside);
    });
    w.finish()
}

fn encode_map(message: &Message<'_>) -> Option<Vec<u8>> {
    let mut w = writer(message);
    let mut is_known = true;
    w.map(|w| {
        let is_response = message.body.is_response();
        let uid = |w: &mut Writer, wanted: bool| {
            if let Some(from) = message.from.as_deref().filter(|_| wanted) {
                w.key("uid").text(from);
            }
        };
        uid(w, !is_response);
        is_known = write_body(w, message);
        // It is our own addition to an answer.
        uid(w, is_response);
        if let Some(seq) = message.seq {
            w.key("seq").number(seq);
        }
    });
    is_known.then(|| w.finish())
}

fn write_body(w: &mut Writer, message: &Message<'_>) -> bool {
    let head = |w: &mut Writer, request: Option<&str>, number: Option<u64>| {
        if let Some(request) = request {
            w.key("requestId").text(request);
        }
        if let Some(number) = number {
            w.key("type").number(number);
        }
    };
    // The package writes these the other way round.
    let answer = |w: &mut Writer, request: &str, number: u64| {
        w.key("type").number(number);
        w.key("requestId").text(request);
    };
    let none = || Beside { report: None, seq: None };
    let beside = |report| Beside { report, seq: None };
    match &message.body {
        Body::Broadcast(broadcast) => {
            head(w, broadcast.request.as_deref(), Some(BROADCAST));
            write_packet(w.key("packet"), broadcast, Some(&message.scope));
            write_opts(w.key("opts"), &broadcast.opts, true, beside(broadcast.report.as_deref()));
        }
        Body::SocketsJoin { opts, rooms, report } => {
            head(w, None, Some(REMOTE_JOIN));
            write_opts(w.key("opts"), opts, false, beside(report.as_deref()));
            w.key("rooms").names(rooms);
        }
        Body::SocketsLeave { opts, rooms, claim, report } => {
            head(w, None, Some(REMOTE_LEAVE));
            write_opts(w.key("opts"), opts, false, beside(report.as_deref()));
            w.key("rooms").names(rooms);
            write_claim(w, claim);
        }
        Body::DisconnectSockets { opts, close, report } => {
            head(w, None, Some(REMOTE_DISCONNECT));
            write_opts(w.key("opts"), opts, false, beside(report.as_deref()));
            w.key("close").boolean(*close);
        }
        Body::FetchSockets { opts, request } => {
            head(w, Some(request), Some(REMOTE_FETCH));
            write_opts(w.key("opts"), opts, false, none());
        }
        Body::FetchSocketsResponse { request, sockets } => {
            head(w, Some(request), None);
            write_sockets(w, sockets);
        }
        Body::ServerSideEmit { data, request } => {
            head(w, request.as_deref(), Some(SERVER_SIDE_EMIT));
            w.key("data").payload(data);
        }
        Body::ServerSideEmitResponse { request, data } => {
            answer(w, request, SERVER_SIDE_EMIT);
            w.key("data").payload(data);
        }
        Body::BroadcastClientCount { request, count } => {
            answer(w, request, BROADCAST_CLIENT_COUNT);
            w.key("clientCount").number(*count);
        }
        Body::BroadcastAck { request, data } => {
            answer(w, request, BROADCAST_ACK);
            w.key("packet").payload(data);
        }
        Body::BroadcastReport { request, report } => {
            answer(w, request, BROADCAST_REPORT);
            write_report(w, report);
        }
        Body::AllRooms { request } => head(w, Some(request), Some(ALL_ROOMS)),
        Body::AllRoomsResponse { request, rooms } => {
            head(w, Some(request), None);
            w.key("rooms").names(rooms);
        }
        Body::Heartbeat(_) | Body::Old(_) | Body::Unknown { .. } => return false,
    }
    true
}
