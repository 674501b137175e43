//! Many sockets of a namespace at once: what they are, and what is done to them, on every reactor.

use super::emit::{Emit, How};
use super::error::Error;
use super::handshake::Handshake;
use super::socket::{CLOSE_CODE, socket_id};
use super::state::{Data, Member, SioSession};
use crate::app::cluster::{Back, Order};
use crate::app::context::{Context, Core, Job};
use crate::app::endpoint::CloseCause;
use crate::app::engine::Transport;
use crate::app::handle::Via;
use crate::app::mail::Mail;
use crate::app::names::{Rooms, owned};
use crate::app::publish::{DeliveryReport, To};
use crate::hub::check_name;
use crate::reactor::outlet::Outlet;
use compact_str::CompactString;
use serde::Deserialize;

/// A socket from afar: what its reactor knows of it, lent to a question.
pub struct SocketInfo<'v> {
    core: &'v Core,
    out: &'v Outlet,
    session: &'v SioSession,
    namespace: &'v str,
    member: &'v Member,
}

impl<'v> SocketInfo<'v> {
    /// The socket of a namespace in a slot.
    pub(crate) fn find(
        core: &'v Core,
        out: &'v Outlet,
        namespace: &'v str,
        slot: u32,
    ) -> Option<SocketInfo<'v>> {
        let session = core.sio.at(slot)?;
        let number = core.namespace_number(session.mount, namespace)?;
        let member = session.members.iter().find(|member| member.number == number && !member.waits)?;
        Some(SocketInfo { core, out, session, namespace, member })
    }

    /// Its id.
    pub fn id(&self) -> String {
        self.short_id().into()
    }

    /// The same, without an allocation.
    pub(crate) fn short_id(&self) -> CompactString {
        socket_id(self.core, self.session.link, self.member.epoch, self.session.revision, self.namespace)
    }

    /// What its session is on now.
    pub fn transport(&self) -> Transport {
        if self.out.is_parked(self.session.link) { Transport::Polling } else { Transport::WebSocket }
    }

    /// The Engine.IO revision that its client speaks: 3 or 4.
    pub fn revision(&self) -> u8 {
        self.session.revision.engine()
    }

    /// Its rooms, without the one that is its id, in the order in which it joined them.
    pub fn rooms(&self) -> impl Iterator<Item = &'v str> + use<'v> {
        let namespace = self.namespace;
        let rooms = self.core.hub.rooms_of(self.session.link.slot);
        rooms.filter(move |(scope, _)| *scope == namespace).map(|(_, room)| room)
    }

    /// What the program keeps with it by [`Socket::set_data`](super::Socket::set_data).
    ///
    /// # Errors
    /// It is of another type.
    pub fn data<T: Deserialize<'v>>(&self) -> Result<Option<T>, Error> {
        Ok(self.raw_data().map(serde_json::from_str).transpose()?)
    }

    pub(super) fn raw_data(&self) -> Option<&'v str> {
        self.member.value::<Data>().map(|Data(json)| &**json)
    }

    /// The parameters of the query with which its connection began that are not Engine.IO's own, percent-encoded. Not
    /// there while a connection handler of the same session runs, which has them.
    pub fn raw_query(&self) -> &'v str {
        self.session.handshake.as_deref().map_or("", Handshake::raw_query)
    }

    /// The number of the reactor that owns it.
    pub fn reactor(&self) -> usize {
        usize::from(self.core.reactor.0)
    }
}

/// To how many sockets something was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MoveReport {
    /// Sockets that were meant.
    pub matched: u64,
    /// Nodes that were asked to how many it was done: this one, and those of its cluster that are fanfare's. Other
    /// Socket.IO servers do it, too, but do not count.
    pub nodes_asked: u64,
    /// Nodes that answered in time.
    pub nodes_answered: u64,
}

impl From<DeliveryReport> for MoveReport {
    fn from(report: DeliveryReport) -> MoveReport {
        let DeliveryReport { matched, nodes_asked, nodes_answered, .. } = report;
        MoveReport { matched, nodes_asked, nodes_answered }
    }
}

type OnMoved = Box<dyn FnOnce(&mut Context<'_>, MoveReport) + Send>;

/// What is done to many sockets.
#[derive(Clone, Debug)]
pub(crate) enum Moves {
    Join(Vec<CompactString>),
    Leave(Vec<CompactString>),
    Disconnect { close: bool },
}

impl Moves {
    /// Whether rooms get members by it.
    pub(crate) fn are_joins(&self) -> bool {
        matches!(self, Moves::Join(_))
    }
}

impl Context<'_> {
    /// Does it to those of this reactor whom it means, but not to one slot; to how many.
    pub(crate) fn move_sockets(&mut self, to: &To, moves: &Moves, skip: Option<u32>) -> u64 {
        let slots = self.core.select(to, self.out).to_vec();
        let slots = slots.into_iter().filter(|slot| Some(*slot) != skip);
        slots.map(|slot| self.move_socket(&to.scope, slot, moves)).count() as u64
    }

    fn move_socket(&mut self, namespace: &str, slot: u32, moves: &Moves) {
        let core = &mut *self.core;
        match moves {
            Moves::Join(rooms) => {
                for room in rooms.iter().filter(|room| check_name(room).is_ok()) {
                    if core.hub.count_of(slot) <= core.limits.rooms_per_socket {
                        core.hub.join(slot, namespace, room);
                    }
                }
            }
            Moves::Leave(rooms) => {
                for room in rooms {
                    core.hub.leave(slot, namespace, room);
                }
            }
            Moves::Disconnect { close } => {
                let Some(session) = core.sio.at(slot) else { return };
                let link = session.link;
                let number = core.namespace_number(session.mount, namespace);
                let member = session.members.iter().find(|member| Some(member.number) == number);
                let Some((number, epoch)) = member.map(|member| (member.number, member.epoch)) else {
                    return;
                };
                core.jobs.push_back(if *close {
                    Job::CloseSession { link, cause: CloseCause::Handler(CLOSE_CODE) }
                } else {
                    Job::Disconnect { link, number, epoch }
                });
            }
        }
    }
}

impl<V: Via> Emit<V> {
    /// Makes them join a room or several. Names that are empty or too long, and rooms beyond
    /// [`Limits::rooms_per_socket`](crate::Limits::rooms_per_socket), are passed over.
    pub fn sockets_join(self, rooms: impl Rooms) {
        self.moves(Moves::Join(owned(rooms)), None);
    }

    /// The same; `done` is told how many sockets that were, once, on a reactor.
    pub fn sockets_join_with_report(
        self,
        rooms: impl Rooms,
        done: impl FnOnce(&mut Context<'_>, MoveReport) + Send + 'static,
    ) {
        self.moves(Moves::Join(owned(rooms)), Some(Box::new(done)));
    }

    /// Makes them leave a room or several.
    pub fn sockets_leave(self, rooms: impl Rooms) {
        self.moves(Moves::Leave(owned(rooms)), None);
    }

    /// The same; `done` is told how many sockets that were, once, on a reactor.
    pub fn sockets_leave_with_report(
        self,
        rooms: impl Rooms,
        done: impl FnOnce(&mut Context<'_>, MoveReport) + Send + 'static,
    ) {
        self.moves(Moves::Leave(owned(rooms)), Some(Box::new(done)));
    }

    /// Disconnects them from the namespace; with `close`, from everything.
    pub fn disconnect_sockets(self, close: bool) {
        self.moves(Moves::Disconnect { close }, None);
    }

    /// The same; `done` is told how many sockets that were, once, on a reactor.
    pub fn disconnect_sockets_with_report(
        self,
        close: bool,
        done: impl FnOnce(&mut Context<'_>, MoveReport) + Send + 'static,
    ) {
        self.moves(Moves::Disconnect { close }, Some(Box::new(done)));
    }

    fn moves(self, moves: Moves, done: Option<OnMoved>) {
        let (via, How { sender, to, .. }) = self.into_parts();
        via.carry(to.weight(), move |cx| {
            let cluster = cx.core.cluster_for(&to);
            let asker = cx.core.reactor;
            let (there, others_do) = (cx.core.named(&to, sender, cx.out), moves.clone());
            let joining = moves.are_joins().then(|| cx.core.hub.interest().joining());
            let wants_report = cluster.is_some() && done.is_some();
            let number = cx.everywhere_and(
                usize::from(wants_report),
                move |cx| {
                    let matched = cx.move_sockets(&to, &moves, sender.filter(|_| cx.core.reactor == asker));
                    DeliveryReport { matched, ..DeliveryReport::default() }
                },
                move |cx, parts: Vec<DeliveryReport>| {
                    drop(joining);
                    if let Some(done) = done {
                        let mut all = DeliveryReport::begin();
                        parts.iter().for_each(|part| all.add(part));
                        done(cx, all.into());
                    }
                },
            );
            if let Some(cluster) = cluster {
                let back = wants_report.then(|| cx.core.back(number, answer_of::<DeliveryReport>));
                cluster.tell(Order::Move { to: there, moves: others_do, back });
            }
        });
    }

    /// Does something with each of them; `done` is given what came of it, in no order. Other nodes do `order`.
    pub(super) fn collect<T: Send + 'static>(
        self,
        act: impl Fn(&mut Context<'_>, &str, u32) -> Option<T> + Send + Sync + 'static,
        order: impl FnOnce(To, Back<Vec<T>>) -> Order + Send + 'static,
        done: impl FnOnce(&mut Context<'_>, Vec<T>) + Send + 'static,
    ) {
        let (via, How { sender, to, .. }) = self.into_parts();
        via.carry(to.weight(), move |cx| {
            let asker = cx.core.reactor;
            let cluster = cx.core.cluster_for(&to);
            let there = cx.core.named(&to, sender, cx.out);
            let number = cx.everywhere_and(
                usize::from(cluster.is_some()),
                move |cx| {
                    let sender = sender.filter(|_| cx.core.reactor == asker);
                    let slots = cx.core.select(&to, cx.out).to_vec();
                    let slots = slots.into_iter().filter(|slot| Some(*slot) != sender);
                    slots.filter_map(|slot| act(cx, &to.scope, slot)).collect::<Vec<T>>()
                },
                move |cx, parts: Vec<Vec<T>>| done(cx, parts.into_iter().flatten().collect()),
            );
            if let Some(cluster) = cluster {
                cluster.tell(order(there, cx.core.back(number, answer_of::<Vec<T>>)));
            }
        });
    }
}

/// An answer of other nodes to a question of this reactor.
pub(super) fn answer_of<T: Default + Send + 'static>(number: u32, value: Option<T>) -> Mail {
    Mail::Answer { number, answer: Box::new(value.unwrap_or_default()) }
}
