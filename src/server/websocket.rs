//! The stage of a link that was upgraded to a plain WebSocket.

use super::worker::{Session, Worker};
use crate::app::{
    Admission, CLOSE_MS, CloseCause, Context, Endpoint, PLAIN, Refusal, Served, Socket, Upgrade,
};
use crate::base::ids::LinkId;
use crate::hub::{Hub, check_name};
use crate::reactor::outlet::{LinkState, Outlet};
use crate::session::websocket::WebSocket;
use crate::wire::deflate::Agreement;
use crate::wire::dialect::Dialect;
use crate::wire::frame;
use crate::wire::response::Response;
use crate::wire::upgrade::switching_protocols;

/// A plain WebSocket.
pub(super) struct Ws {
    pub(super) session: WebSocket,
    pub(super) endpoint: u16,
    /// It has left its rooms and its handlers know.
    left: bool,
}

impl Ws {
    pub(super) fn new(endpoint: u16, deflate: bool) -> Ws {
        Ws { session: websocket(deflate), endpoint, left: false }
    }

    /// Whether nothing of it is under way.
    pub(super) fn is_idle(&self) -> bool {
        !self.left && self.session.is_idle()
    }
}

impl Worker {
    /// Makes a socket of a link that has taken a place.
    pub(super) fn open_websocket(
        &mut self,
        link: LinkId,
        upgrade: &Upgrade,
        admission: Admission,
        out: &mut Outlet,
    ) {
        let Upgrade { endpoint, ref key, compression } = *upgrade;
        if !self.can_be(&admission) {
            self.shared.give_place_back();
            let response = Response::error(500, "internal", "the connection could not be set up");
            return self.refuse(link, response, Refusal::Endpoint, out);
        }
        self.set_session(link, Session::WebSocket(Ws::new(endpoint, compression.is_some())));
        self.core.own_stats().sockets.add(1);
        // Queued before anybody can find the socket: whoever it replaces may publish when it is told.
        out.send_bytes(link, &switching_protocols(key, admission.subprotocol.as_deref(), compression, &[]));
        out.set_dialect(link, with_compression(Dialect::PLAIN, compression));
        self.admit(link, admission, out);
        self.heard_from(link, out);
        let shared = self.shared.clone();
        let cx = Context { core: &mut self.core, out };
        let endpoint = shared.router.endpoint_by_number(endpoint);
        Socket { cx, link }.run("on_open", |socket| endpoint.on_open(socket));
    }

    /// Whether there can be such a scope and such rooms.
    pub(super) fn can_be(&self, admission: &Admission) -> bool {
        let Admission { scope, claim, rooms, .. } = admission;
        let few = rooms.len() + usize::from(claim.is_some()) <= self.core.limits.rooms_per_socket;
        let mut names = rooms.iter().chain(claim).chain([scope]);
        let fine = names.all(|name| check_name(name).is_ok()) && few && admission.later.is_none();
        if !fine || scope.starts_with('/') {
            log::error!("an endpoint admitted a connection to a scope or rooms that cannot be");
        }
        fine && !scope.starts_with('/')
    }

    /// Puts a socket into its scope and its rooms, which [can be](Worker::can_be).
    pub(super) fn admit(&mut self, link: LinkId, admission: Admission, out: &mut Outlet) {
        let Admission { scope, claim, rooms, kept, .. } = admission;
        self.core.hub.enter(link.slot, &scope);
        for value in kept {
            self.core.kept.put(link.slot, value);
        }
        if let Some(room) = claim {
            for slot in self.core.claim(link.slot, &scope, &room) {
                self.replaced(slot, &room, out);
            }
        }
        for room in &rooms {
            self.core.hub.join(link.slot, &scope, room);
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
        let cause = CloseCause::Replaced(room.to_owned());
        match self.sessions.get(slot as usize) {
            Some(Session::WebSocket(_)) => {
                out.note(link, log::Level::Info, || {
                    format!("{} {room}: replaced, closed with 4001", self.name_of(link))
                });
                self.close_websocket(link, 4001, "replaced", &cause, out);
            }
            Some(Session::Engine(engine))
                if matches!(self.mount(engine.mount).served, Served::Endpoint(_)) =>
            {
                self.engine_close(link, &cause, out);
            }
            Some(Session::Arriving) => self.replaced_early(link, room),
            // In a namespace it has left the room, and that is all.
            _ => {}
        }
    }

    /// The reader is too slow: it keeps the frame that is half on the wire and is told why it ends.
    pub(super) fn websocket_overflowed(&mut self, link: LinkId, out: &mut Outlet) {
        let waiting = out.waiting(link);
        out.note(link, log::Level::Warn, || {
            format!("{}: slow consumer, closed with 1008 ({waiting} bytes were waiting)", self.name_of(link))
        });
        // Nobody polls: nobody is told.
        let told = (!out.is_parked(link)).then(|| frame::encode_close(1008, "slow consumer"));
        out.farewell(link, told.as_ref());
        self.leave(link, &CloseCause::Slow, out);
    }

    /// Takes the socket out of everything, once, and tells its handlers.
    pub(super) fn leave(&mut self, link: LinkId, cause: &CloseCause, out: &mut Outlet) {
        if out.id_of(link.slot) != Some(link) {
            return;
        }
        let (left, mount, endpoint, opened, polled) = match self.sessions.get_mut(link.slot as usize) {
            Some(Session::WebSocket(ws)) => (&mut ws.left, None, ws.endpoint, true, false),
            Some(Session::Engine(engine)) => {
                (&mut engine.left, Some(engine.mount), 0, engine.opened, engine.polling.is_some())
            }
            _ => return,
        };
        if std::mem::replace(left, true) {
            return;
        }
        // Its handlers may publish: not to itself, where it was going.
        self.stays(link, out);
        if let CloseCause::Handler(code) = cause {
            out.note(link, log::Level::Info, || format!("{}: closed with {code}", self.name_of(link)));
        }
        self.probe_dismissed(link, out);
        let shared = self.shared.clone();
        match mount.map(|mount| &shared.router.mount(mount).served) {
            // They were never told that it opened.
            _ if !opened => {}
            Some(Served::SocketIo(socketio)) => self.socketio_closed(socketio, link, cause, out),
            Some(Served::Endpoint(endpoint)) => self.tell_closed(&**endpoint, link, cause, out),
            None => self.tell_closed(shared.router.endpoint_by_number(endpoint), link, cause, out),
        }
        self.core.leave_all(link.slot);
        self.core.alarms.remove(link.slot, PLAIN);
        self.drop_kept(link, out);
        self.shared.give_place_back();
        self.core.own_stats().sockets.sub(1);
        self.core.own_stats().polling.sub(u64::from(polled));
        self.core.own_stats().closed[cause.index()].add(1);
    }

    /// Whether there is a socket in a slot that has taken a place.
    #[cfg(test)]
    pub(super) fn has_place(&self, slot: u32) -> bool {
        match self.sessions.get(slot as usize) {
            Some(Session::WebSocket(ws)) => !ws.left,
            Some(Session::Engine(engine)) => !engine.left,
            _ => false,
        }
    }

    fn tell_closed(&mut self, endpoint: &dyn Endpoint, link: LinkId, cause: &CloseCause, out: &mut Outlet) {
        let cx = Context { core: &mut self.core, out };
        Socket { cx, link }.run("on_close", |socket| endpoint.on_close(socket, cause));
    }

    /// What was kept with a socket may panic when it is dropped.
    fn drop_kept(&mut self, link: LinkId, out: &mut Outlet) {
        if let Some(values) = self.core.kept.take(link.slot) {
            let cx = &mut Context { core: &mut self.core, out };
            cx.guarded("the drop of what was kept with a socket", |_| drop(values));
        }
    }

    /// How a socket is called in the log: its scope and its first room.
    pub(super) fn name_of(&self, link: LinkId) -> String {
        name_of(&self.core.hub, link)
    }

    pub(super) fn heard_from(&self, link: LinkId, out: &mut Outlet) {
        if self.core.limits.idle_s > 0 && out.state(link) == LinkState::Open {
            out.set_deadline(link, self.core.now.tick.plus_s(self.core.limits.idle_s));
        } else if out.state(link) == LinkState::Open {
            out.set_deadline(link, crate::base::time::Tick::NEVER);
        }
    }
}

/// The reading side, which may get compressed messages if that was agreed on.
pub(super) fn websocket(deflate: bool) -> WebSocket {
    if deflate { WebSocket::with_deflate() } else { WebSocket::new() }
}

/// The dialect of a client with which this was agreed on.
pub(super) fn with_compression(dialect: Dialect, compression: Option<Agreement>) -> Dialect {
    match compression {
        Some(agreement) if agreement.has_full_window() => dialect.with_deflate(true),
        Some(agreement) if agreement.window_bytes() >= Dialect::NARROW_BYTES => {
            dialect.with_deflate(true).narrow()
        }
        // One that looks back even less far gets its messages as they are.
        _ => dialect,
    }
}

pub(super) fn name_of(hub: &Hub, link: LinkId) -> String {
    let scope = hub.scope_of(link.slot).unwrap_or("-");
    let room = hub.rooms_of(link.slot).next().map_or("", |(_, room)| room);
    format!("{scope:?} {room:?}")
}
