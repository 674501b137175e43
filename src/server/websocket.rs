//! The stage of a link that was upgraded to a plain WebSocket.

use super::worker::{Session, Shared, Worker};
use crate::app::{Admission, CloseCause, Compressing, Context, Later, Mail, Message, Refusal, Socket};
use crate::base::ids::LinkId;
use crate::hub::{Hub, ROOM_BYTES, check_name};
use crate::reactor::outlet::{LinkState, Outlet};
use crate::session::websocket::{Event, WebSocket};
use crate::wire::deflate::{Agreement, Window};
use crate::wire::frame::{self, Opcode};
use crate::wire::response::Response;
use crate::wire::upgrade::{AcceptKey, switching_protocols};

/// Time for a client to answer a close frame, in milliseconds.
const CLOSE_MS: u64 = 5_000;

/// What one link may say in one go before others have their turn, in bytes of messages: compressed, what is read at a
/// time can be a thousand times as long.
const SAY_BYTES: usize = 1 << 20;

/// A plain WebSocket.
pub(super) struct Ws {
    session: WebSocket,
    endpoint: u16,
    /// What may be sent to it compressed, if anything.
    window: Option<Window>,
    /// It has left its rooms and its handlers know.
    left: bool,
}

impl Ws {
    pub(super) fn new(endpoint: u16, compression: Option<Agreement>) -> Ws {
        let session = if compression.is_some() { WebSocket::with_deflate() } else { WebSocket::new() };
        Ws { session, endpoint, window: compression.map(Agreement::window), left: false }
    }

    fn compressing(&self, shared: &Shared) -> Option<Compressing> {
        Some(Compressing { window: self.window?, settings: shared.compression? })
    }
}

impl Worker {
    /// Makes a socket of a link that has taken a place.
    pub(super) fn open_websocket(
        &mut self,
        link: LinkId,
        endpoint: u16,
        key: &AcceptKey,
        compression: Option<Agreement>,
        admission: Admission,
        out: &mut Outlet,
    ) {
        let Admission { scope, claim, rooms, subprotocol } = admission;
        let too_many = rooms.len() + usize::from(claim.is_some()) > self.core.limits.rooms_per_socket;
        let fits = |room: &compact_str::CompactString| !room.is_empty() && room.len() <= ROOM_BYTES;
        if check_name(&scope).is_err() || !rooms.iter().chain(&claim).all(fits) || too_many {
            log::error!("an endpoint admitted a connection to a scope or rooms that cannot be");
            self.shared.give_place_back();
            let response = Response::error(500, "internal", "the connection could not be set up");
            return self.refuse(link, response, Refusal::Endpoint, out);
        }
        let ws = Ws::new(endpoint, compression);
        let compressing = ws.compressing(&self.shared);
        self.sessions[link.slot as usize] = Session::WebSocket(ws);
        self.core.own_stats().sockets.add(1);
        // Queued before anybody can find the socket: whoever it replaces may publish when it is told.
        out.send_bytes(link, &switching_protocols(key, subprotocol.as_deref(), compression, &[]));
        self.core.hub.enter(link.slot, &scope);
        if let Some(room) = claim {
            let claim = self.core.hub.claim(link.slot, &scope, &room);
            for reactor in claim.elsewhere.iter() {
                let (scope, room, sequence) = (scope.clone(), room.clone(), claim.sequence);
                let mail = Mail::Replace { scope, room, sequence };
                self.core.mailboxes[usize::from(reactor.0)].post_anyway(mail, 64);
            }
            for slot in claim.evicted {
                self.replaced(slot, &room, out);
            }
        }
        for room in &rooms {
            self.core.hub.join(link.slot, &scope, room);
        }
        self.heard_from(link, out);
        let shared = self.shared.clone();
        let cx = Context { core: &mut self.core, out };
        shared.router.endpoint_by_number(endpoint).on_open(&mut Socket { cx, link, compressing });
    }

    pub(super) fn websocket_received(&mut self, link: LinkId, bytes: &mut [u8], out: &mut Outlet) {
        self.heard_from(link, out);
        let Worker { core, sessions, shared, inflater, .. } = self;
        let Some(Session::WebSocket(ws)) = sessions.get_mut(link.slot as usize) else { return };
        let endpoint = shared.router.endpoint_by_number(ws.endpoint);
        let compressing = ws.compressing(shared);
        let max_message = core.limits.message_bytes;
        let mut input = bytes;
        let (mut messages, mut said) = (0, 0);
        let failure = loop {
            let message = match ws.session.next(&mut input, max_message, inflater) {
                Ok(None) => break None,
                Ok(Some(Event::Text(text))) => Message::Text(text),
                Ok(Some(Event::Binary(bytes))) => Message::Binary(bytes),
                Ok(Some(Event::Ping(payload))) => {
                    out.send_control(link, &frame::encode(Opcode::Pong, payload));
                    continue;
                }
                Ok(Some(Event::Pong(_))) => continue,
                Ok(Some(Event::Close { code, .. })) => {
                    // The same code back (RFC 6455, section 5.5.1); if this answers ours, nothing is sent,
                    // because a sealed link takes no more.
                    let answer = match code {
                        Some(code) => frame::encode_close(code, ""),
                        None => frame::encode(Opcode::Close, &[]),
                    };
                    out.send_control(link, &answer);
                    break Some(CloseCause::Client(code));
                }
                Err(error) => {
                    let code = error.close_code();
                    let name = || name_of(&core.hub, link);
                    out.note(link, log::Level::Info, || format!("{}: closed with {code}: {error}", name()));
                    out.send_control(link, &frame::encode_close(code, &error.to_string()));
                    break Some(CloseCause::Protocol(code));
                }
            };
            messages += 1;
            said += message.len();
            if out.state(link) == LinkState::Open {
                let cx = Context { core: &mut *core, out: &mut *out };
                endpoint.on_message(&mut Socket { cx, link, compressing }, message);
            }
            if (out.is_urgent() || core.is_crowded() || said >= SAY_BYTES) && !input.is_empty() {
                // What its messages caused has to leave before it causes more.
                out.pause_reading(link);
                core.later.push_back(Later::Bytes { link, bytes: input.to_vec() });
                break None;
            }
        };
        core.own_stats().messages_in.add(messages);
        if let Some(cause) = failure {
            // Nothing follows a close frame, not even what handlers send when they are told.
            out.finish(link);
            // A handler that closed it a moment before came first.
            self.run_jobs(out);
            self.leave(link, &cause, out);
        }
    }

    /// Begins the closing handshake from this side.
    pub(super) fn close_websocket(
        &mut self,
        link: LinkId,
        code: u16,
        reason: &str,
        cause: &CloseCause,
        out: &mut Outlet,
    ) {
        if out.send_control(link, &frame::encode_close(code, reason)) {
            out.seal(link, self.core.now.tick.plus_ms(CLOSE_MS));
            self.leave(link, cause, out);
        }
    }

    /// A newer connection claimed the room of the one in this slot.
    pub(super) fn replaced(&mut self, slot: u32, room: &str, out: &mut Outlet) {
        let Some(link) = out.id_of(slot) else { return };
        out.note(link, log::Level::Info, || {
            format!("{} {room}: replaced, closed with 4001", self.name_of(link))
        });
        self.close_websocket(link, 4001, "replaced", &CloseCause::Replaced(room.to_owned()), out);
    }

    /// The reader is too slow: it keeps the frame that is half on the wire and is told why it ends.
    pub(super) fn websocket_overflowed(&mut self, link: LinkId, out: &mut Outlet) {
        let waiting = out.waiting(link);
        out.note(link, log::Level::Warn, || {
            format!("{}: slow consumer, closed with 1008 ({waiting} bytes were waiting)", self.name_of(link))
        });
        out.farewell(link, Some(&frame::encode_close(1008, "slow consumer")));
        self.leave(link, &CloseCause::Slow, out);
    }

    /// Takes the socket out of everything, once, and tells its handlers.
    pub(super) fn leave(&mut self, link: LinkId, cause: &CloseCause, out: &mut Outlet) {
        if out.id_of(link.slot) != Some(link) {
            return;
        }
        let Some(Session::WebSocket(ws)) = self.sessions.get_mut(link.slot as usize) else { return };
        if std::mem::replace(&mut ws.left, true) {
            return;
        }
        let endpoint = ws.endpoint;
        if let CloseCause::Handler(code) = cause {
            out.note(link, log::Level::Info, || format!("{}: closed with {code}", self.name_of(link)));
        }
        let shared = self.shared.clone();
        let cx = Context { core: &mut self.core, out };
        // Nothing can be sent to it any more.
        let mut socket = Socket { cx, link, compressing: None };
        shared.router.endpoint_by_number(endpoint).on_close(&mut socket, cause);
        self.core.hub.exit(link.slot);
        self.shared.give_place_back();
        self.core.own_stats().sockets.sub(1);
        self.core.own_stats().closed[cause.index()].add(1);
    }

    /// How a socket is called in the log: its scope and its first room.
    pub(super) fn name_of(&self, link: LinkId) -> String {
        name_of(&self.core.hub, link)
    }

    fn heard_from(&self, link: LinkId, out: &mut Outlet) {
        if self.core.limits.idle_s > 0 && out.state(link) == LinkState::Open {
            out.set_deadline(link, self.core.now.tick.plus_s(self.core.limits.idle_s));
        } else if out.state(link) == LinkState::Open {
            out.set_deadline(link, crate::base::time::Tick::NEVER);
        }
    }
}

fn name_of(hub: &Hub, link: LinkId) -> String {
    let scope = hub.scope_of(link.slot).unwrap_or("-");
    let room = hub.rooms_of(link.slot).next().map_or("", |(_, room)| room);
    format!("{scope:?} {room:?}")
}
