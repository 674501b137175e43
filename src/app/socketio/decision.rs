//! Middlewares whose decision comes later: from another thread, or when something else has answered.
//!
//! Owns: [`Decision`], and what a reactor keeps for a socket that waits for one.
//! Leaves to others: what follows from it (`server`).

use super::handshake::Handshake;
use super::namespace::{ConnectError, Connecting, Middleware, Namespace};
use super::socket::Socket;
use super::state::NamespaceId;
use crate::app::context::{Context, Job};
use crate::app::engine::Served;
use crate::app::guard::guard;
use crate::app::handle::{Handle, Via};
use crate::base::ids::{LinkId, ReactorId};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

pub(super) type LaterFn = Box<dyn Fn(&mut Socket<'_>, &Connecting<'_>, Decision) + Send + Sync>;

/// The right to let a socket into its namespace, or not; for any thread.
///
/// Its client waits meanwhile: for its first namespace as long as
/// [`SocketIo::connect_timeout_ms`](super::SocketIo::connect_timeout_ms) lets it, else, as with clients of 1.x and 2.x, as
/// long as it stays.
/// If it goes, deciding does nothing. A decision that is dropped refuses with the message `internal error`.
#[must_use = "a decision that is dropped refuses"]
pub struct Decision(Option<Open>);

/// One that is open.
struct Open {
    handle: Handle,
    reactor: ReactorId,
    waiting: WaitingId,
}

/// Names a socket that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WaitingId {
    pub(crate) link: LinkId,
    pub(crate) at: NamespaceId,
    /// A socket may wait again in the same place.
    serial: u64,
}

/// What the middlewares and handlers behind the one that decides are to see.
pub(crate) struct Waiting {
    pub(crate) definition: u16,
    pub(crate) epoch: u8,
    /// The middleware to go on with.
    pub(crate) next: usize,
    pub(crate) handshake: Arc<Handshake>,
    pub(crate) auth: Box<str>,
    pub(crate) query: Option<Box<str>>,
}

/// The one that a middleware is just asked about.
struct Candidate {
    id: WaitingId,
    definition: u16,
    epoch: u8,
    /// It was decided on before the middleware returned: it need not wait.
    verdict: Option<Result<(), ConnectError>>,
}

/// Those who wait on a reactor: sockets by the slot of their session and the number of their namespace.
#[derive(Default)]
pub(crate) struct WaitingRoom {
    all: HashMap<(u32, u32), (WaitingId, Waiting)>,
    candidate: Option<Candidate>,
    serial: u64,
}

impl WaitingRoom {
    /// A middleware is about to be asked.
    pub(crate) fn begin(&mut self, link: LinkId, at: NamespaceId, definition: u16, epoch: u8) -> WaitingId {
        self.serial += 1;
        let id = WaitingId { link, at, serial: self.serial };
        self.candidate = Some(Candidate { id, definition, epoch, verdict: None });
        id
    }

    /// It has returned. What it has decided, if it has.
    pub(crate) fn end(&mut self) -> Option<Result<(), ConnectError>> {
        self.candidate.take()?.verdict
    }

    /// The socket has to leave before its session does.
    pub(crate) fn insert(&mut self, id: WaitingId, waiting: Waiting) {
        self.all.insert((id.link.slot, id.at.number), (id, waiting));
    }

    /// Takes out the one with this name, if it waits still.
    pub(crate) fn take(&mut self, id: WaitingId) -> Option<Waiting> {
        self.get(id)?;
        self.remove(id.link, id.at)
    }

    /// Takes out the one that waits there.
    pub(crate) fn remove(&mut self, link: LinkId, at: NamespaceId) -> Option<Waiting> {
        self.all.remove(&(link.slot, at.number)).map(|(_, waiting)| waiting)
    }

    /// How many bytes the client of a session gave for those of its namespaces, by their numbers, that wait.
    pub(crate) fn bytes(&self, slot: u32, numbers: impl Iterator<Item = u32>) -> usize {
        let waiting = numbers.filter_map(|number| self.all.get(&(slot, number)));
        waiting.map(|(_, waiting)| bytes_of(&waiting.auth, waiting.query.as_deref())).sum()
    }

    pub(crate) fn trim(&mut self) {
        self.all.shrink_to_fit();
    }

    /// Where the namespace of a socket is defined that is to be decided on, and which membership it is.
    fn whom(&self, id: WaitingId) -> Option<(u16, u8)> {
        match &self.candidate {
            Some(candidate) if candidate.id == id => Some((candidate.definition, candidate.epoch)),
            _ => self.get(id).map(|waiting| (waiting.definition, waiting.epoch)),
        }
    }

    /// Takes a decision on the one that is just asked about. On another one it is given back.
    fn decide_now(
        &mut self,
        id: WaitingId,
        verdict: Result<(), ConnectError>,
    ) -> Option<Result<(), ConnectError>> {
        match &mut self.candidate {
            Some(candidate) if candidate.id == id => {
                candidate.verdict = Some(verdict);
                None
            }
            _ => Some(verdict),
        }
    }

    fn get(&self, id: WaitingId) -> Option<&Waiting> {
        let (found, waiting) = self.all.get(&(id.link.slot, id.at.number))?;
        (*found == id).then_some(waiting)
    }
}

/// What is kept of what a client gave when it asked for a namespace.
pub(crate) fn bytes_of(auth: &str, query: Option<&str>) -> usize {
    auth.len() + query.map_or(0, str::len)
}

impl Decision {
    pub(crate) fn new(cx: &Context<'_>, waiting: WaitingId) -> Decision {
        Decision(Some(Open { handle: cx.handle(), reactor: cx.core.reactor, waiting }))
    }

    /// It may go on: to the next middleware, or into the namespace.
    pub fn allow(self, via: impl Via) {
        self.decide(via, |_| Ok(()));
    }

    /// The same, after `f` has run with the socket on its reactor, as to [`Socket::set`] what was found out. If `f`
    /// panics, the socket is refused.
    pub fn allow_with(self, via: impl Via, f: impl FnOnce(&mut Socket<'_>) + Send + 'static) {
        self.decide(via, |socket| {
            f(socket);
            Ok(())
        });
    }

    /// It may not connect.
    pub fn refuse(self, via: impl Via, error: ConnectError) {
        self.decide(via, |_| Err(error));
    }

    fn decide(
        mut self,
        via: impl Via,
        verdict: impl FnOnce(&mut Socket<'_>) -> Result<(), ConnectError> + Send + 'static,
    ) {
        if let Some(Open { reactor, waiting, .. }) = self.0.take() {
            decide(via, reactor, waiting, verdict);
        }
    }
}

fn decide(
    via: impl Via,
    reactor: ReactorId,
    waiting: WaitingId,
    verdict: impl FnOnce(&mut Socket<'_>) -> Result<(), ConnectError> + Send + 'static,
) {
    via.carry_to(reactor, 256, move |cx| cx.decided(waiting, verdict));
}

impl Drop for Decision {
    fn drop(&mut self) {
        if let Some(Open { handle, reactor, waiting }) = self.0.take() {
            decide(&handle, reactor, waiting, |_| Err(ConnectError::internal()));
        }
    }
}

impl fmt::Debug for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decision")
    }
}

impl Context<'_> {
    fn decided(&mut self, id: WaitingId, verdict: impl FnOnce(&mut Socket<'_>) -> Result<(), ConnectError>) {
        let Some((definition, epoch)) = self.core.listening.waiting.whom(id) else { return };
        let WaitingId { link, at, .. } = id;
        let Some(revision) = self.core.sio.get(link).map(|session| session.revision) else { return };
        let router = self.core.router.clone();
        let Served::SocketIo(socketio) = &router.mount(at.mount).served else { return };
        let namespace = socketio.namespace_at(definition);
        let live = self.core.live.name(at.number).map(str::to_owned);
        let Some(name) = namespace.name().map(|name| name.as_str()).or(live.as_deref()) else { return };
        let cx = Context { core: &mut *self.core, out: &mut *self.out };
        let mut socket = Socket { cx, link, at, namespace, name, epoch, revision, parting: None };
        let verdict = guard(|| verdict(&mut socket)).unwrap_or_else(|panicked| {
            socket.note_panic("connect", &panicked);
            Err(ConnectError::internal())
        });
        if let Some(verdict) = self.core.listening.waiting.decide_now(id, verdict) {
            self.core.jobs.push_back(Job::Decided { waiting: id, verdict });
        }
    }
}

impl Namespace {
    /// Decides later whether a socket may connect: after this returns, with the [`Decision`] that it is given, from any
    /// thread. Asked in its order among those of [`Namespace::middleware`]; the next one is asked when it has allowed.
    ///
    /// ```
    /// # use fanfare::socketio::{ConnectError, Namespace};
    /// # fn user_of(token: &str) -> Option<String> { None }
    /// let chat = Namespace::new("/chat").middleware_later(|socket, connecting, decision| {
    ///     let token = connecting.query("token").unwrap_or_default();
    ///     let handle = socket.context().handle();
    ///     std::thread::spawn(move || match user_of(&token) {
    ///         Some(user) => decision.allow_with(&handle, |socket| {
    ///             socket.set(user);
    ///         }),
    ///         None => decision.refuse(&handle, ConnectError::new("who are you?")),
    ///     });
    /// });
    /// ```
    ///
    /// A decision that is made with the socket's context before this returns costs what one of [`Namespace::middleware`] does.
    ///
    /// Until then the socket is not in the namespace, and what its client says there is taken as before it connects: a
    /// client that says something is disconnected; that it wants to connect it may say again, to no effect. What is sent to a room that it has joined already does reach it;
    /// disconnecting it, or a handler of its own that panics, refuses it with the message `disconnected`.
    ///
    /// What its client gave is kept for the next middlewares. A session that waits for several namespaces may give as much
    /// for all of them as one message may have ([`EngineOptions::max_payload_bytes`](super::EngineOptions::max_payload_bytes));
    /// one that would be more is refused with the message `too much is waiting`.
    pub fn middleware_later(
        mut self,
        middleware: impl Fn(&mut Socket<'_>, &Connecting<'_>, Decision) + Send + Sync + 'static,
    ) -> Namespace {
        self.middlewares.push(Middleware::Later(Box::new(middleware)));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_again_has_another_name() {
        let (link, at) = (LinkId { slot: 1, generation: 1 }, NamespaceId { mount: 0, number: 7 });
        let waiting = || Waiting {
            definition: 0,
            epoch: 1,
            next: 1,
            handshake: Arc::new(Handshake::forgotten()),
            auth: "".into(),
            query: None,
        };
        let mut room = WaitingRoom::default();
        let enter = |room: &mut WaitingRoom| {
            let id = room.begin(link, at, 0, 1);
            assert!(room.end().is_none());
            room.insert(id, waiting());
            id
        };
        let first = enter(&mut room);
        assert!(room.take(first).is_some() && room.take(first).is_none());
        let second = enter(&mut room);
        assert!(room.take(first).is_none());
        assert!(room.remove(link, at).is_some() && room.take(second).is_none());
    }

    #[test]
    fn only_the_one_that_is_asked_about_is_decided_on_at_once() {
        let (link, at) = (LinkId { slot: 1, generation: 1 }, NamespaceId { mount: 0, number: 7 });
        let mut room = WaitingRoom::default();
        let other = room.begin(link, at, 0, 1);
        room.end();
        let id = room.begin(link, at, 3, 2);
        assert_eq!((room.whom(id), room.whom(other)), (Some((3, 2)), None));
        assert!(room.decide_now(other, Err(ConnectError::internal())).is_some());
        assert!(room.decide_now(id, Ok(())).is_none());
        assert!(matches!(room.end(), Some(Ok(()))) && room.end().is_none() && room.whom(id).is_none());
    }
}
