//! What other nodes, servers and emitters say, done here and answered.

use super::peers::{Peers, answer_scope, lock};
use super::presence::Sign;
use super::redis::Event;
use super::wanted::Wanted;
use crate::app::socketio::{Answer, Emit, Moves, RemoteSocket};
use crate::app::{Back, Cluster as _, DeliveryReport, NODES, To};
use crate::wire::adapter::{
    Body, Broadcast, Message, Opts, Payload, RemoteSocket as WireSocket, Report, decode,
};
use crate::wire::frame::Frame;
use crate::wire::socketio::args::{Args, ArgsRef};
use crate::wire::socketio::value::{Binary, ToArgs};
use compact_str::CompactString;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long the link waits for reactors that have a lot to do before it brings more, in all: Redis keeps what comes
/// meanwhile, up to its own limit.
const CROWDED_PAUSE: Duration = Duration::from_millis(1);
const CROWDED_PAUSES: u32 = 1_000;
/// What an answer counts beside its message, in bytes.
const ANSWER_OVERHEAD: usize = 128;
/// The most sockets that another node can have; a report of more is not believed.
const MOST_SOCKETS: u64 = u32::MAX as u64;

impl Peers {
    /// Something came by the link.
    pub(crate) fn hear(self: &Arc<Self>, event: &Event<'_>) {
        match event {
            Event::Up { gap } => {
                self.stats.up.store(true, Ordering::Relaxed);
                if *gap {
                    self.stats.gaps.add(1);
                    lock(&self.claims).again = true;
                    self.sign(Sign::Missed);
                } else {
                    self.sign(Sign::Hello);
                }
                // Everybody gets the time again in which to say that it is there.
                lock(&self.presence).hear_again(self.clock.now());
            }
            Event::Down { .. } => {
                self.stats.up.store(false, Ordering::Relaxed);
                lock(&self.heard).went_out();
            }
            Event::Message { channel, payload } => self.hear_message(channel, payload),
            Event::Published { ticket, receivers, own } => self.published(*ticket, *receivers, *own),
            Event::Lost { ticket, .. } => self.give_up(*ticket),
            Event::Counted { ticket, count } => {
                if let Some(namespace) = self.census_of(*ticket) {
                    return self.note_servers(namespace, *count);
                }
                match count {
                    None => self.give_up(*ticket),
                    Some(count) => self.counted(*ticket, *count),
                }
            }
            Event::Dropped { .. } => {}
        }
    }

    /// So many servers hear a question, this one among them.
    fn counted(&self, ticket: u64, count: u64) {
        let others = count.saturating_sub(1);
        // Those of other programs answer, but report nothing.
        let report = self.questions().wants_report(ticket);
        let silent = report.is_some_and(|scope| self.is_mixed(&scope));
        self.questions().expect(ticket, if silent { others.min(self.others()) } else { others });
    }

    fn published(&self, ticket: u64, receivers: u64, own: bool) {
        let scope = self.questions().wants_report(ticket);
        if let Some(scope) = scope {
            let count = self.hearers(receivers, own, &scope);
            self.questions().expect(ticket, count);
        }
    }

    fn hear_message(self: &Arc<Self>, channel: &[u8], bytes: &[u8]) {
        let Ok(channel) = std::str::from_utf8(channel) else { return };
        if channel == self.signs {
            return self.hear_sign(bytes);
        }
        for _ in 0..CROWDED_PAUSES {
            if !self.gateway.is_crowded() {
                break;
            }
            std::thread::sleep(CROWDED_PAUSE);
        }
        let mut decoded = decode(&self.own, &self.id, channel, bytes);
        if decoded.is_err() {
            decoded = decode(&self.shared, &self.id, channel, bytes);
        }
        match decoded {
            Ok(Some(message)) if self.is_in_order(channel, &message) => self.act(message, bytes.len()),
            // One that comes too late, or what this node said itself.
            Ok(_) => {}
            Err(error) => {
                self.stats.bad.add(1);
                log::debug!("cluster: bad message in {channel:?}: {error}");
            }
        }
    }

    fn hear_sign(&self, bytes: &[u8]) {
        let seen = lock(&self.presence).hear(&self.id, bytes, self.clock.now());
        let Some(seen) = seen else { return };
        self.note_others();
        {
            let mut claims = lock(&self.claims);
            claims.follow(seen.unix_us, self.clock.unix_us());
            claims.again |= seen.sign == Sign::Missed;
        }
        if seen.is_new || seen.sign == Sign::Hello {
            self.sign(Sign::Here);
        }
    }

    /// Whether a message is in its sender's order. It tells how many were said before, too.
    fn is_in_order(&self, channel: &str, message: &Message<'_>) -> bool {
        let (Body::Broadcast(_), Some(from), Some(number)) = (&message.body, &message.from, message.seq)
        else {
            return true;
        };
        if !self.is_wanted(&message.scope, channel) {
            return true;
        }
        let missed = lock(&self.heard).hear(from, channel, number);
        missed.inspect(|missed| self.stats.missed.add(*missed)).is_some()
    }

    fn act(self: &Arc<Self>, message: Message<'_>, bytes: usize) {
        let Message { scope, from, body, .. } = message;
        let scope = &*scope;
        match body {
            Body::Broadcast(broadcast) => self.broadcast(scope, from.as_deref(), &broadcast),
            Body::SocketsJoin { opts, rooms, report } => {
                let back = self.back_of_report(scope, from.as_deref(), report.as_deref());
                self.gateway.move_sockets(to(scope, &opts), Moves::Join(owned(&rooms)), back);
            }
            Body::SocketsLeave { rooms, claim: Some(claim), .. } => {
                for room in &rooms {
                    self.replace(scope, room, &claim);
                }
            }
            Body::SocketsLeave { opts, rooms, claim: None, report } => {
                let back = self.back_of_report(scope, from.as_deref(), report.as_deref());
                self.gateway.move_sockets(to(scope, &opts), Moves::Leave(owned(&rooms)), back);
            }
            Body::DisconnectSockets { opts, close, report } => {
                let back = self.back_of_report(scope, from.as_deref(), report.as_deref());
                self.gateway.move_sockets(to(scope, &opts), Moves::Disconnect { close }, back);
            }
            Body::FetchSockets { opts, request } => self.fetch(scope, from.as_deref(), &opts, &request),
            Body::ServerSideEmit { data, request } => {
                self.server_side(scope, from.as_deref(), &data, request.as_deref());
            }
            Body::AllRooms { request } => {
                let (peers, from) = (self.clone(), from.map(|from| from.into_owned()));
                let (request, of) = (request.into_owned(), scope.to_owned());
                self.all_rooms(scope, move |rooms| {
                    let rooms = rooms.into_iter().map(Into::into).collect();
                    let body = Body::AllRoomsResponse { request: request.into(), rooms };
                    peers.answer(&of, from.as_deref(), body);
                });
            }
            Body::Old(old) => self.old(scope, &old),
            answer => self.answered(scope, answer, ANSWER_OVERHEAD + bytes),
        }
    }

    fn broadcast(self: &Arc<Self>, scope: &str, from: Option<&str>, broadcast: &Broadcast<'_>) {
        let Broadcast { data, opts, request, report } = broadcast;
        let to = to(scope, opts);
        if let Some(request) = request {
            return self.ask_here(to, from, data, opts, request);
        }
        let back = self.back_of_report(scope, from, report.as_deref());
        let router = &self.gateway.router;
        if scope.starts_with('/') {
            let event = (data.json(), data.attachments());
            let parcel = router.event_parcel(scope, event, (None, opts.flags.volatile));
            self.gateway.publish(to, parcel, back);
        } else if let Some(frame) = frame_of(data) {
            self.gateway.publish(to, router.parcel(&frame), back);
        }
    }

    /// The way back of what became of something here, if its sender wants to know.
    fn back_of_report(
        self: &Arc<Self>,
        scope: &str,
        from: Option<&str>,
        request: Option<&str>,
    ) -> Option<Back<DeliveryReport>> {
        let request = request?.to_owned();
        let (peers, scope, from) = (self.clone(), scope.to_owned(), from.map(str::to_owned));
        Some(Back::new(move |report: Option<DeliveryReport>| {
            let report = wire_report(report.unwrap_or_default());
            let body = Body::BroadcastReport { request: request.into(), report };
            peers.answer(&scope, from.as_deref(), body);
        }))
    }

    /// A broadcast that wants acknowledgements.
    fn ask_here(
        self: &Arc<Self>,
        to: To,
        from: Option<&str>,
        data: &Payload<'_>,
        opts: &Opts<'_>,
        request: &str,
    ) {
        let given = opts.flags.timeout_ms.map_or(super::peers::REQUEST_TIME, Duration::from_millis);
        // Whoever asks has to have the answers within that.
        let timeout = given.mul_f32(0.9);
        let (json, attachments) = (data.json().to_owned(), data.attachments().to_vec());
        let (peers, from, request) = (self.clone(), from.map(str::to_owned), request.to_owned());
        let volatile = opts.flags.volatile;
        self.gateway.run(move |cx| {
            let scope = to.scope.clone();
            let parcel = |cx: &crate::app::Context<'_>, id| {
                cx.core.router.event_parcel(&to.scope, (&json, &attachments), (Some(id), volatile))
            };
            cx.ask_here_for(to.clone(), parcel, timeout, move |_, asked, answers| {
                let count = Body::BroadcastClientCount { request: request.as_str().into(), count: asked };
                peers.answer(&scope, from.as_deref(), count);
                for answer in &answers {
                    let args = answer.args();
                    let first = args.iter().next().map_or("null", |arg| arg.raw());
                    let data = Payload::new(first, args.attachments().to_vec());
                    let body = Body::BroadcastAck { request: request.as_str().into(), data };
                    peers.answer(&scope, from.as_deref(), body);
                }
            });
        });
    }

    fn fetch(self: &Arc<Self>, scope: &str, from: Option<&str>, opts: &Opts<'_>, request: &str) {
        let (peers, to) = (self.clone(), to(scope, opts));
        let (from, request) = (from.map(str::to_owned), request.to_owned());
        self.gateway.run(move |cx| {
            let scope = to.scope.clone();
            Emit::new(cx, None, to).fetch_sockets(move |_, sockets| {
                let sockets = sockets.iter().map(wire_socket).collect();
                let body = Body::FetchSocketsResponse { request: request.into(), sockets };
                peers.answer(&scope, from.as_deref(), body);
            });
        });
    }

    fn server_side(
        self: &Arc<Self>,
        scope: &str,
        from: Option<&str>,
        data: &Payload<'_>,
        request: Option<&str>,
    ) {
        let Some((event, rest)) = crate::wire::socketio::split_event(data.json()) else { return };
        let event = event.into_owned();
        let Ok(args) = ArgsRef::new(rest, data.attachments()).to_args().map(|args| args.into_owned()) else {
            return;
        };
        let (scope, peers, from) = (scope.to_owned(), self.clone(), from.map(str::to_owned));
        let request = request.map(str::to_owned);
        self.gateway.run(move |cx| {
            let answer_scope = scope.clone();
            let ack = request.map(|request| -> crate::app::socketio::ServerAck {
                Box::new(move |_, args: Args| {
                    let args = args.as_ref();
                    let first = args.iter().next().map_or("null", |arg| arg.raw()).to_owned();
                    let data = Payload::new(first, args.attachments().to_vec());
                    let body = Body::ServerSideEmitResponse { request: request.into(), data };
                    peers.answer(&answer_scope, from.as_deref(), body);
                })
            });
            if scope == NODES {
                return cx.asked_by_node(&event, &args, ack);
            }
            if let Err(error) = cx.server_side(&scope, &event, &args, ack) {
                log::warn!("cluster: event {event:?} of another server: {error}");
            }
        });
    }

    /// Answers whoever asked.
    fn answer(&self, scope: &str, from: Option<&str>, body: Body<'_>) {
        // A namespace that comes and goes need not be here any more when it is reported.
        let is_report = matches!(body, Body::BroadcastReport { .. });
        let (to, scope) = (from.map(Into::into), if is_report { NODES } else { answer_scope(scope) });
        let message =
            Message { scope: scope.into(), from: Some(self.id.as_str().into()), to, seq: None, body };
        self.say(&message, None);
    }

    /// Somebody answers a question of this node, perhaps, in a message of so many bytes.
    fn answered(&self, scope: &str, body: Body<'_>, bytes: usize) {
        match body {
            Body::BroadcastReport { request, report } => {
                let Some(number) = self.number(&request) else { return };
                self.questions().answer(number, 0, |wanted| {
                    if let Wanted::Report { sum, .. } = wanted {
                        sum.add(&own_report(report));
                    }
                });
            }
            Body::FetchSocketsResponse { request, sockets } => {
                let Some(number) = self.number(&request) else { return };
                let sockets: Vec<RemoteSocket> =
                    sockets.iter().map(|socket| own_socket(scope, socket)).collect();
                self.questions().answer(number, bytes, |wanted| {
                    if let Wanted::Sockets { all, .. } = wanted {
                        all.extend(sockets);
                    }
                });
            }
            Body::BroadcastClientCount { request, count } => {
                let Some(number) = self.number(&request) else { return };
                self.questions().answer(number, 0, |wanted| {
                    if let Wanted::Acks { asked, .. } = wanted {
                        *asked = asked.saturating_add(count);
                    }
                });
            }
            Body::BroadcastAck { request, data } => {
                let Some(number) = self.number(&request) else { return };
                self.questions().add(number, bytes, |wanted| {
                    if let Wanted::Acks { answers, .. } = wanted {
                        answers.extend(Answer::new(CompactString::default(), data.as_args()));
                    }
                });
            }
            Body::ServerSideEmitResponse { request, data } => {
                let Some(number) = self.number(&request) else { return };
                let given = data.as_args();
                let Ok(args) = given.to_args().map(|args| args.into_owned()) else { return };
                self.questions().answer(number, bytes, |wanted| {
                    if let Wanted::Values { all, .. } = wanted {
                        all.push(args);
                    }
                });
            }
            _ => {}
        }
    }
}

fn owned(names: &[std::borrow::Cow<'_, str>]) -> Vec<CompactString> {
    names.iter().map(|name| CompactString::from(&**name)).collect()
}

/// Whom another node means, among those of this one.
fn to(scope: &str, opts: &Opts<'_>) -> To {
    let mut to = To::everybody(scope).local();
    to.rooms.extend(owned(&opts.rooms));
    to.except.extend(owned(&opts.except));
    to
}

fn frame_of(data: &Payload<'_>) -> Option<Frame> {
    let inner = data.json().strip_prefix('[')?.strip_suffix(']')?;
    let args = ArgsRef::new(inner, data.attachments());
    if data.attachments().is_empty() {
        return Some(Frame::text(&args.parse::<String>().ok()?));
    }
    Some(Frame::binary(&args.parse::<Binary>().ok()?))
}

fn wire_report(report: DeliveryReport) -> Report {
    Report {
        matched: report.matched,
        written: report.written,
        queued: report.queued,
        dropped_slow: report.dropped_slow,
        dropped_volatile: report.dropped_volatile,
        dropped_closed: report.dropped_closed,
        dropped_busy: report.dropped_busy,
    }
}

fn own_report(report: Report) -> DeliveryReport {
    DeliveryReport {
        matched: report.matched.min(MOST_SOCKETS),
        written: report.written.min(MOST_SOCKETS),
        queued: report.queued.min(MOST_SOCKETS),
        dropped_slow: report.dropped_slow.min(MOST_SOCKETS),
        dropped_volatile: report.dropped_volatile.min(MOST_SOCKETS),
        dropped_closed: report.dropped_closed.min(MOST_SOCKETS),
        dropped_busy: report.dropped_busy.min(MOST_SOCKETS),
        ..DeliveryReport::default()
    }
}

/// What a server in JavaScript shows of a socket's handshake, as far as it is known here.
#[derive(Deserialize)]
struct Shown {
    #[serde(default)]
    query: HashMap<String, serde_json::Value>,
}

fn own_socket(scope: &str, socket: &WireSocket<'_>) -> RemoteSocket {
    let shown: Option<Shown> = serde_json::from_str(socket.handshake.json()).ok();
    let query = shown.into_iter().flat_map(|shown| shown.query).filter_map(|(name, value)| {
        let encode = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
        };
        Some(format!("{}={}", encode(&name), encode(value.as_str()?)))
    });
    let query: Vec<String> = query.collect();
    let data = Some(socket.data.json()).filter(|json| !matches!(*json, "null" | "{}"));
    let rooms = socket.rooms.iter().map(|room| CompactString::from(&**room));
    RemoteSocket::elsewhere((&socket.id, scope), rooms, query.join("&").into(), data.map(Into::into))
}

fn wire_socket(socket: &RemoteSocket) -> WireSocket<'_> {
    let query = crate::app::Query::parse(socket.raw_query()).ok();
    let query: HashMap<String, String> = query
        .iter()
        .flat_map(|query| query.iter())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let handshake = serde_json::json!({
        "headers": {}, "time": "", "address": "", "xdomain": false, "secure": false, "issued": 0, "url": "",
        "query": query, "auth": {},
    });
    WireSocket {
        id: socket.id().into(),
        handshake: Payload::new(handshake.to_string(), Vec::new()),
        rooms: std::iter::once(socket.id()).chain(socket.rooms()).map(Into::into).collect(),
        data: Payload::new(socket.raw_data().unwrap_or("{}"), Vec::new()),
    }
}
