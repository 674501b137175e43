//! Writing a message, and the parts that both wires have.

use super::writer::Writer;
use super::{Body, Broadcast, Channels, Claim, Message, Names, Opts, Payload, RemoteSocket, Report, Wire};
use super::{classic, sharded};

/// The channel and the bytes of a message. `None` if the wire has no form for it: [`Body::Old`] and [`Body::Unknown`] are
/// only read, and the classic wire has no [`Body::Heartbeat`].
///
/// It allocates the two; [`Payload`]s with bytes cost a list of their places more.
pub fn encode(channels: &Channels, message: &Message<'_>) -> Option<(String, Vec<u8>)> {
    let channel = channels.target(message)?;
    let bytes = match channels.wire() {
        Wire::Classic => classic::encode(message)?,
        Wire::Sharded => sharded::encode(message)?,
    };
    Some((channel, bytes))
}

/// A writer for the form that the message has to have, and about as large.
pub(super) fn writer(message: &Message<'_>) -> Writer {
    let capacity = 192 + message.scope.len() + weight(&message.body);
    if has_attachments(&message.body) { Writer::packed(capacity) } else { Writer::json(capacity) }
}

fn has_attachments(body: &Body<'_>) -> bool {
    let has = |payload: &Payload<'_>| !payload.attachments().is_empty();
    match body {
        Body::Broadcast(broadcast) => has(&broadcast.data),
        Body::ServerSideEmit { data, .. }
        | Body::ServerSideEmitResponse { data, .. }
        | Body::BroadcastAck { data, .. } => has(data),
        Body::FetchSocketsResponse { sockets, .. } => {
            sockets.iter().any(|socket| has(&socket.handshake) || has(&socket.data))
        }
        _ => false,
    }
}

/// About how many bytes the parts of a body have that may be long.
pub(super) fn weight(body: &Body<'_>) -> usize {
    let of_names = |names: &Names<'_>| names.iter().map(|name| name.len() + 6).sum::<usize>();
    let of_opts = |opts: &Opts<'_>| of_names(&opts.rooms) + of_names(&opts.except);
    let of = |payload: &Payload<'_>| {
        payload.json().len() + payload.attachments().iter().map(|bytes| bytes.len() + 5).sum::<usize>()
    };
    match body {
        Body::Broadcast(broadcast) => of(&broadcast.data) + of_opts(&broadcast.opts),
        Body::SocketsJoin { opts, rooms, .. } | Body::SocketsLeave { opts, rooms, .. } => {
            of_opts(opts) + of_names(rooms)
        }
        Body::ServerSideEmit { data, .. }
        | Body::ServerSideEmitResponse { data, .. }
        | Body::BroadcastAck { data, .. } => of(data),
        Body::FetchSocketsResponse { sockets, .. } => sockets
            .iter()
            .map(|socket| 64 + of(&socket.handshake) + of(&socket.data) + of_names(&socket.rooms))
            .sum(),
        Body::DisconnectSockets { opts, .. } | Body::FetchSockets { opts, .. } => of_opts(opts),
        Body::AllRoomsResponse { rooms, .. } => of_names(rooms),
        _ => 0,
    }
}

/// Where our own additions to a broadcast's options are to be.
pub(super) struct Beside<'m> {
    pub(super) report: Option<&'m str>,
    pub(super) seq: Option<u64>,
}

/// Options of a broadcast, with `flags`, or of anything else.
pub(super) fn write_opts(w: &mut Writer, opts: &Opts<'_>, with_flags: bool, beside: Beside<'_>) {
    w.map(|w| {
        w.key("rooms").names(&opts.rooms);
        w.key("except").names(&opts.except);
        if with_flags {
            w.key("flags").map(|w| write_flags(w, opts));
        }
        if let Some(report) = beside.report {
            w.key("report").text(report);
        }
        if let Some(seq) = beside.seq {
            w.key("seq").number(seq);
        }
    });
}

fn write_flags(w: &mut Writer, opts: &Opts<'_>) {
    // Some ask whether it is there, not what it is.
    if opts.flags.volatile {
        w.key("volatile").boolean(true);
    }
    if let Some(compress) = opts.flags.compress {
        w.key("compress").boolean(compress);
    }
    if let Some(timeout) = opts.flags.timeout_ms {
        w.key("timeout").number(timeout);
    }
    if opts.flags.local {
        w.key("local").boolean(true);
    }
}

/// The packet of a broadcast, on the classic wire with its scope.
pub(super) fn write_packet(w: &mut Writer, broadcast: &Broadcast<'_>, scope: Option<&str>) {
    w.map(|w| {
        w.key("type").number(2);
        w.key("data").payload(&broadcast.data);
        if let Some(scope) = scope {
            w.key("nsp").text(scope);
        }
    });
}

pub(super) fn write_claim(w: &mut Writer, claim: &Option<Claim<'_>>) {
    if let Some(claim) = claim {
        w.key("claim").map(|w| {
            w.key("at").number(claim.at_us);
            w.key("node").text(&claim.node);
        });
    }
}

pub(super) fn write_sockets(w: &mut Writer, sockets: &[RemoteSocket<'_>]) {
    w.key("sockets").array(sockets.len(), |w| {
        for socket in sockets {
            w.map(|w| {
                w.key("id").text(&socket.id);
                w.key("handshake").payload(&socket.handshake);
                w.key("rooms").names(&socket.rooms);
                w.key("data").payload(&socket.data);
            });
        }
    });
}

pub(super) fn write_report(w: &mut Writer, report: &Report) {
    w.key("matched").number(report.matched);
    w.key("written").number(report.written);
    w.key("queued").number(report.queued);
    w.key("dropped").map(|w| {
        w.key("slow").number(report.dropped_slow);
        w.key("volatile").number(report.dropped_volatile);
        w.key("closed").number(report.dropped_closed);
        w.key("busy").number(report.dropped_busy);
    });
}
