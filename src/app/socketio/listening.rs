//! What a namespace may be told besides events of clients, in one table of its own: see the impl of [`Namespace`] here.
//!
//! Owns: the table, and what a reactor remembers of it. The events are in [`super::outgoing`] and [`super::rooms`].

use super::decision::WaitingRoom;
use super::error::{Error, Outcome};
use super::event::Event;
use super::namespace::{Namespace, OnEvent};
use super::outgoing::Outgoing;
use super::rooms::{Moved, RoomEvent};
use super::server_side::OnServerSide;
use super::socket::Socket;
use crate::app::context::Context;
use crate::app::router::Router;
use crate::hub::Hub;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

type OnOutgoing = Box<dyn Fn(&mut Socket<'_>, &Outgoing<'_>) -> Result<(), Error> + Send + Sync>;

type OnUpgrade = Box<dyn Fn(&mut Socket<'_>) -> Result<(), Error> + Send + Sync>;
type OnAlarm = Box<dyn Fn(&mut Socket<'_>) -> Result<(), Error> + Send + Sync>;
type OnRoom = Box<dyn Fn(&mut Context<'_>, &RoomEvent<'_>) + Send + Sync>;

/// Handlers that most namespaces do without.
#[derive(Default)]
pub(crate) struct Listeners {
    pub(super) outgoing: Vec<OnOutgoing>,
    pub(super) on_room: Vec<OnRoom>,
    pub(crate) on_upgrade: Vec<OnUpgrade>,
    pub(crate) on_rate_limited: Vec<OnEvent>,
    pub(crate) on_alarm: Vec<OnAlarm>,
    pub(super) server_side: HashMap<String, Vec<OnServerSide>>,
}

/// What a reactor remembers of listeners.
pub(crate) struct Listening {
    /// Some namespace listens to what is sent.
    pub(super) outgoing: bool,
    /// What is sent now is not told: a handler sends it that was told of something sent.
    pub(super) quiet: bool,
    /// Some namespace listens to its rooms.
    pub(super) rooms: bool,
    /// What is to be told of rooms.
    pub(super) moved: VecDeque<Moved>,
    /// Sockets that wait for a decision.
    pub(crate) waiting: WaitingRoom,
}

impl Listening {
    pub(crate) fn new(router: &Arc<Router>, hub: &mut Hub) -> Listening {
        let rooms = router.has_namespace(|namespace| !namespace.listeners.on_room.is_empty());
        if rooms {
            let router = router.clone();
            // Others have no slash in front.
            let listens = |namespace: &Namespace| !namespace.listeners.on_room.is_empty();
            hub.watch(move |scope| scope.starts_with('/') && router.may_be(scope, listens));
        }
        let outgoing = router.has_namespace(|namespace| !namespace.listeners.outgoing.is_empty());
        Listening { outgoing, quiet: false, rooms, moved: VecDeque::new(), waiting: WaitingRoom::default() }
    }

    pub(crate) fn trim(&mut self) {
        self.moved.shrink_to_fit();
        self.waiting.trim();
    }

    /// Whether what is sent now is told to nobody.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }
}

impl Namespace {
    /// An event is sent to a socket, by itself or to many; called for each recipient on the reactor that owns it, before
    /// the event is queued, and also if it is volatile and may be dropped. Acknowledgements are not told.
    ///
    /// It is called from within `emit`: what locks the caller holds are held. What such a handler itself sends is told
    /// to no handler of this kind, so that none calls itself for ever.
    pub fn on_any_outgoing<R: Outcome>(
        mut self,
        handler: impl Fn(&mut Socket<'_>, &Outgoing<'_>) -> R + Send + Sync + 'static,
    ) -> Namespace {
        self.listeners.outgoing.push(Box::new(move |socket, event| handler(socket, event).into_result()));
        self
    }

    /// The same, before those that were added so far.
    pub fn prepend_any_outgoing<R: Outcome>(
        mut self,
        handler: impl Fn(&mut Socket<'_>, &Outgoing<'_>) -> R + Send + Sync + 'static,
    ) -> Namespace {
        let handler: OnOutgoing = Box::new(move |socket, event| handler(socket, event).into_result());
        self.listeners.outgoing.insert(0, handler);
        self
    }

    /// The session of a socket has gone from polling to a WebSocket; told to each of its sockets.
    pub fn on_upgrade<R: Outcome>(
        mut self,
        handler: impl Fn(&mut Socket<'_>) -> R + Send + Sync + 'static,
    ) -> Namespace {
        self.listeners.on_upgrade.push(Box::new(move |socket| handler(socket).into_result()));
        self
    }

    /// An event came that is more than [`Limits::messages_per_s`](crate::Limits::messages_per_s) allows: it is passed over, and its
    /// client may be told, most simply by its acknowledgement. No other handler of events is called, nor a packet middleware.
    pub fn on_rate_limited<R: Outcome>(
        mut self,
        handler: impl Fn(&mut Socket<'_>, &mut Event<'_>) -> R + Send + Sync + 'static,
    ) -> Namespace {
        let handler: OnEvent = Box::new(move |socket, event| handler(socket, event).into_result());
        self.listeners.on_rate_limited.push(handler);
        self
    }

    /// The time has come that was set by [`Socket::set_alarm`].
    pub fn on_alarm<R: Outcome>(
        mut self,
        handler: impl Fn(&mut Socket<'_>) -> R + Send + Sync + 'static,
    ) -> Namespace {
        self.listeners.on_alarm.push(Box::new(move |socket| handler(socket).into_result()));
        self
    }

    /// A room came or went, or a socket joined or left one, by whatever way. The room that is a socket's own id counts: a
    /// socket joins it when it connects, and leaves it with the others.
    ///
    /// It runs on the reactor of the socket, after the handler in which it happened, and before those of
    /// [`Namespace::on_connect`] for what happened in middlewares and of [`Namespace::on_disconnect`] for what happened
    /// then. The events of one socket come in their order, those of different reactors in any. It may have sockets join
    /// and leave, which is told after; one that answers every event with another never ends. If it panics, that is
    /// counted and logged.
    pub fn on_room(
        mut self,
        handler: impl Fn(&mut Context<'_>, &RoomEvent<'_>) + Send + Sync + 'static,
    ) -> Namespace {
        self.listeners.on_room.push(Box::new(handler));
        self
    }
}
