//! Sockets that want to connect to a namespace: its middlewares are asked, one after the other, and some decide later.
//!
//! A socket that waits for a decision is a member of its session that waits; the rest of what is known of it is in the
//! reactor's waiting room.

use super::socketio::forgive;
use super::worker::Worker;
use crate::app::socketio::{
    ConnectError, Connecting, Decision, Middleware, Namespace, NamespaceId, SocketIo, Waiting, WaitingId,
    socket_id,
};
use crate::app::{Served, guard};
use crate::base::ids::LinkId;
use crate::reactor::outlet::Outlet;
use crate::wire::socketio::{PacketType, Revision, connect_data};
use std::sync::Arc;

/// A socket that wants to connect.
pub(super) struct Candidate<'a> {
    pub(super) at: NamespaceId,
    pub(super) epoch: u8,
    pub(super) revision: Revision,
    pub(super) handshake: &'a Arc<crate::app::socketio::Handshake>,
    pub(super) auth: &'a str,
    pub(super) query: Option<&'a str>,
    /// The middleware to ask next.
    pub(super) next: usize,
}

impl Worker {
    /// Asks the middlewares; whether it has connected by now.
    pub(super) fn socketio_ask(
        &mut self,
        socketio: &SocketIo,
        link: LinkId,
        candidate: &Candidate<'_>,
        out: &mut Outlet,
    ) -> bool {
        let Candidate { at, epoch, revision, handshake, auth, query, next } = *candidate;
        let namespace = socketio.namespace_at(at.number);
        let connecting = Connecting { handshake, auth, query };
        for (place, middleware) in namespace.middlewares.iter().enumerate().skip(next) {
            let mut waits = None;
            if let Middleware::Later(_) = middleware {
                // Before it is asked: it may decide at once.
                let (handshake, auth, query) = (handshake.clone(), auth.into(), query.map(Into::into));
                let waiting = Waiting { link, at, epoch, next: place + 1, handshake, auth, query };
                let id = self.core.listening.waiting.insert(waiting);
                if let Some(member) = self.core.sio.get(link).and_then(|session| session.member(at.number)) {
                    member.waits = Some(id.place());
                }
                waits = Some(id);
            }
            let mut socket = self.socket(link, namespace, at, epoch, revision, out);
            let decided = guard(|| match (middleware, waits) {
                (Middleware::Now(middleware), _) => middleware(&mut socket, &connecting),
                (Middleware::Later(middleware), Some(id)) => {
                    let decision = Decision::new(socket.context(), id);
                    middleware(&mut socket, &connecting, decision);
                    Ok(())
                }
                (Middleware::Later(_), None) => Ok(()),
            });
            let decided = decided.unwrap_or_else(|panicked| {
                socket.panicked("connect", &panicked);
                Err(ConnectError::internal())
            });
            if let Err(error) = decided {
                self.socketio_turn_away(link, namespace, at, Some((revision, &error)), out);
                return false;
            }
            if waits.is_some() {
                return false;
            }
        }
        self.socketio_let_in(link, namespace, candidate, &connecting, out);
        true
    }

    fn socketio_let_in(
        &mut self,
        link: LinkId,
        namespace: &Namespace,
        candidate: &Candidate<'_>,
        connecting: &Connecting<'_>,
        out: &mut Outlet,
    ) {
        let Candidate { at, epoch, revision, .. } = *candidate;
        self.core.hub.enter(link.slot, &namespace.name);
        self.core.note_own_room(link, namespace, true);
        self.socket(link, namespace, at, epoch, revision, out).context().tell_rooms();
        let id = socket_id(&self.core, link, epoch, revision, &namespace.name);
        let data = connect_data((revision == Revision::Five).then_some(&id));
        self.socketio_send(link, namespace.parser, PacketType::Connect, &namespace.name, &data, out);
        if let Some(session) = self.core.sio.get(link) {
            session.connect_by = None;
        }
        let mut socket = self.socket(link, namespace, at, epoch, revision, out);
        for handler in &namespace.on_connect {
            if socket.is_connected() {
                socket.run("connect", |socket| handler(socket, connecting));
            }
        }
    }

    /// A socket does not connect: its client is told why, unless it is gone.
    pub(super) fn socketio_turn_away(
        &mut self,
        link: LinkId,
        namespace: &Namespace,
        at: NamespaceId,
        told: Option<(Revision, &ConnectError)>,
        out: &mut Outlet,
    ) {
        self.core.hub.exit_scope(link.slot, &namespace.name);
        self.core.note_rooms();
        let Some(session) = self.core.sio.get(link) else { return };
        let revision = session.revision;
        let Some(member) = session.take_member(at.number) else { return };
        if let Some(place) = member.waits {
            self.core.listening.waiting.remove(place);
        }
        let mut socket = self.socket(link, namespace, at, member.epoch, revision, out);
        socket.parting = Some(member);
        forgive(&mut socket);
        if let Some((revision, error)) = told {
            self.socketio_refuse(link, namespace.parser, revision, &namespace.name, error, out);
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
        let Waiting { link, at, epoch, next, handshake, auth, query } = waiting;
        let Served::SocketIo(socketio) = &shared.router.mount(at.mount).served else { return };
        let Some(session) = self.core.sio.get(link).filter(|session| !session.closed) else { return };
        let revision = session.revision;
        let Some(member) = session.member(at.number) else { return };
        member.waits = None;
        if let Err(error) = verdict {
            let namespace = socketio.namespace_at(at.number);
            return self.socketio_turn_away(link, namespace, at, Some((revision, error)), out);
        }
        let candidate = Candidate {
            at,
            epoch,
            revision,
            handshake: &handshake,
            auth: &auth,
            query: query.as_deref(),
            next,
        };
        let connected = self.socketio_ask(socketio, link, &candidate, out);
        // Only the session has it now.
        drop(handshake);
        self.socketio_trim(socketio, link, connected);
    }

    /// A socket that has connected needs less of the handshake.
    pub(super) fn socketio_trim(&mut self, socketio: &SocketIo, link: LinkId, connected: bool) {
        if connected && let Some(session) = self.core.sio.get(link) {
            session.handshake = session.handshake.take().and_then(|handshake| socketio.keep_of(handshake));
        }
    }
}
