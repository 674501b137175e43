//! Sockets that want to connect to a namespace: its middlewares are asked, one after the other, and some decide later.
//!
//! A socket that waits for a decision is a member of its session that waits; what the rest of its middlewares need is
//! in the reactor's waiting room. One that is decided on while its middleware is asked does not wait.

use super::socketio::{Inside, forgive};
use super::worker::Worker;
use crate::app::socketio::{
    ConnectError, Connecting, Decision, Handshake, Middleware, SocketIo, Waiting, WaitingId, bytes_of,
    socket_id,
};
use crate::app::{Served, guard};
use crate::base::ids::LinkId;
use crate::reactor::outlet::Outlet;
use crate::wire::socketio::{PacketType, Revision, connect_data};
use std::sync::Arc;

/// A socket that wants to connect.
pub(super) struct Candidate<'a> {
    pub(super) inside: Inside<'a>,
    /// Where the namespace is defined.
    pub(super) definition: u16,
    pub(super) epoch: u8,
    pub(super) revision: Revision,
    pub(super) handshake: Arc<Handshake>,
    pub(super) auth: &'a str,
    pub(super) query: Option<&'a str>,
    /// The middleware to ask next.
    pub(super) next: usize,
}

impl Worker {
    /// Asks the middlewares; lets the socket in if none is against it.
    pub(super) fn socketio_ask(
        &mut self,
        socketio: &SocketIo,
        link: LinkId,
        candidate: Candidate<'_>,
        out: &mut Outlet,
    ) {
        let Candidate { inside, definition, epoch, revision, handshake, auth, query, next } = candidate;
        let connecting = Connecting { handshake: &handshake, auth, query };
        for (place, middleware) in inside.namespace.middlewares.iter().enumerate().skip(next) {
            let later = matches!(middleware, Middleware::Later(_));
            // Before it is asked: others may be asked on its behalf.
            if later && !self.socketio_may_wait(link, inside, bytes_of(auth, query)) {
                let error = ConnectError::new("too much is waiting");
                return self.socketio_turn_away(link, inside, Some(&error), out);
            }
            let id = later.then(|| self.core.listening.waiting.begin(link, inside.at, definition, epoch));
            let mut socket = self.socket(link, inside, epoch, revision, out);
            let decided = guard(|| match middleware {
                Middleware::Now(middleware) => Some(middleware(&mut socket, &connecting)),
                Middleware::Later(middleware) => {
                    if let Some(id) = id {
                        let decision = Decision::new(socket.context(), id);
                        middleware(&mut socket, &connecting, decision);
                    }
                    None
                }
            });
            let at_once = socket.context().core.listening.waiting.end();
            let decided = decided.map(|decided| decided.or(at_once)).unwrap_or_else(|panicked| {
                socket.note_panic("connect", &panicked);
                Some(Err(ConnectError::internal()))
            });
            if let Some(Err(error)) = &decided {
                return self.socketio_turn_away(link, inside, Some(error), out);
            }
            if let (None, Some(id)) = (decided, id) {
                let (auth, query) = (auth.into(), query.map(Into::into));
                let waiting = Waiting { definition, epoch, next: place + 1, handshake, auth, query };
                return self.socketio_wait(id, inside, waiting);
            }
        }
        self.core.hub.enter(link.slot, inside.name);
        self.core.note_own_room(link, inside.name, inside.namespace, true);
        self.socket(link, inside, epoch, revision, out).context().tell_rooms();
        let id = socket_id(&self.core, link, epoch, revision, inside.name);
        let data = connect_data((revision == Revision::Five).then_some(&id));
        self.socketio_send(link, inside.namespace.parser, PacketType::Connect, inside.name, &data, out);
        if let Some(session) = self.core.sio.get(link) {
            session.connect_by = None;
        }
        let mut socket = self.socket(link, inside, epoch, revision, out);
        for handler in &inside.namespace.on_connect {
            if socket.is_connected() {
                socket.run("connect", |socket| handler(socket, &connecting));
            }
        }
        // Only the session has it now.
        drop(handshake);
        if let Some(session) = self.core.sio.get(link) {
            let handshake = session.handshake.take();
            session.handshake = handshake.and_then(|handshake| socketio.keep_of(handshake, definition));
        }
    }

    /// Whether there is a place for so many bytes that its client gave, besides those of its other namespaces that wait.
    fn socketio_may_wait(&mut self, link: LinkId, inside: Inside<'_>, bytes: usize) -> bool {
        let Some(session) = self.core.sio.get(link) else { return false };
        let waiting = session.members.iter().filter(|member| member.waits).map(|member| member.number);
        let others = self.core.listening.waiting.bytes(link.slot, waiting);
        let max_bytes = self.max_payload(inside.at.mount);
        // One alone has what fits into a message, in whatever form that is.
        others == 0 || others + bytes <= max_bytes
    }

    /// It is to be decided later: until then it is not among everybody.
    fn socketio_wait(&mut self, id: WaitingId, inside: Inside<'_>, waiting: Waiting) {
        let link = id.link;
        self.core.hub.step_out(link.slot, inside.name);
        if let Some(member) = self.core.sio.get(link).and_then(|session| session.member(inside.at.number)) {
            member.waits = true;
        }
        self.core.listening.waiting.insert(id, waiting);
    }

    /// A socket does not connect: its client is told why, unless it is gone.
    pub(super) fn socketio_turn_away(
        &mut self,
        link: LinkId,
        inside: Inside<'_>,
        told: Option<&ConnectError>,
        out: &mut Outlet,
    ) {
        self.core.leave_namespace(link.slot, inside.name);
        self.core.note_rooms();
        self.core.listening.waiting.remove(link, inside.at);
        self.core.alarms.remove(link.slot, inside.at.number);
        let Some(session) = self.core.sio.get(link) else { return };
        let revision = session.revision;
        let Some(member) = session.take_member(inside.at.number) else { return };
        let mut socket = self.socket(link, inside, member.epoch, revision, out);
        socket.parting = Some(member);
        forgive(&mut socket);
        socket.end();
        self.core.live.release(inside.at.number);
        if let Some(error) = told {
            self.socketio_refuse(link, inside.namespace.parser, revision, inside.name, error, out);
        }
    }

    /// A decision has come.
    pub(super) fn socketio_decided(
        &mut self,
        id: WaitingId,
        verdict: &Result<(), ConnectError>,
        out: &mut Outlet,
    ) {
        let shared = self.shared.clone();
        let Some(waiting) = self.core.listening.waiting.take(id) else { return };
        let Waiting { definition, epoch, next, handshake, auth, query } = waiting;
        let WaitingId { link, at, .. } = id;
        let Served::SocketIo(socketio) = &shared.router.mount(at.mount).served else { return };
        let Some(session) = self.core.sio.get(link).filter(|session| !session.closed) else { return };
        let revision = session.revision;
        if let Some(member) = session.member(at.number) {
            member.waits = false;
        }
        let namespace = socketio.namespace_at(definition);
        let name = self.name_at(namespace, at.number);
        let inside = Inside { at, name: &name, namespace };
        if let Err(error) = verdict {
            return self.socketio_turn_away(link, inside, Some(error), out);
        }
        let (auth, query) = (&*auth, query.as_deref());
        let candidate = Candidate { inside, definition, epoch, revision, handshake, auth, query, next };
        self.socketio_ask(socketio, link, candidate, out);
    }
}
