//! The state of one reactor that handlers act on, and the view of it that they get.

mod delivering;

use super::alarms::Alarms;
use super::cluster::{Cluster, Order};
use super::endpoint::CloseCause;
use super::gather::{Answer, View};
use super::guard::{Panicked, guard};
use super::handle::Handle;
use super::kept::Kept;
use super::mail::{Mail, Publish};
use super::publish::{DeliveryReport, To};
use super::router::Router;
use super::socketio::{
    Asking, ConnectError, Leaving, Listening, LiveNames, SioSessions, SocketInfo, WaitingId,
};
use super::stats::{ReactorStats, Stats};
use super::transfer::{Source, Transfers};
use super::upgrading::Decided;
use crate::base::ids::{LinkId, ReactorId, ReactorSet};
use crate::base::limits::Limits;
use crate::base::sid::{Place, SidKey};
use crate::base::time::Now;
use crate::hub::{Hub, Recipients};
use crate::reactor::mail::Mailbox;
use crate::reactor::outlet::{Outlet, Tally, Ticket};
use crate::wire::dialect::Dialect;
use crate::wire::engine::BodyKind;
use crate::wire::frame::Frame;
use crate::wire::parcel::Parcel;
use crate::wire::response::Response;
use slab::Slab;
use smallvec::SmallVec;
use std::any::Any;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

type OnReport = Box<dyn FnOnce(&mut Context<'_>, DeliveryReport)>;
type OnAnswers = Box<dyn FnOnce(&mut Context<'_>, Vec<Answer>)>;

/// Something that other reactors have still to say.
enum Waiting {
    Report { missing: usize, sender: Option<u32>, report: DeliveryReport, since: Instant, done: OnReport },
    Answers { missing: usize, answers: Vec<Answer>, done: OnAnswers },
}

/// What a handler asked for that concerns a session, which handlers do not reach: done after they return.
pub(crate) enum Job {
    Respond {
        link: LinkId,
        number: u32,
        response: Response,
    },
    Closed {
        link: LinkId,
        cause: CloseCause,
    },
    CloseSession {
        link: LinkId,
        cause: CloseCause,
    },
    Disconnect {
        link: LinkId,
        number: u32,
        epoch: u8,
    },
    Reschedule {
        link: LinkId,
    },
    /// This reactor's answer to a question of its own.
    Answered {
        number: u32,
        answer: Answer,
    },
    /// A middleware has decided.
    Decided {
        waiting: WaitingId,
        verdict: Result<(), ConnectError>,
    },
    /// Somebody has decided on an upgrade.
    Upgrade(Box<Decided>),
}

/// Something that waits for what was queued before it to be sent.
pub(crate) enum Later {
    Call(Box<dyn FnOnce(&mut Context<'_>)>),
    /// The rest of what was read from a link, which is not read on meanwhile.
    Bytes {
        link: LinkId,
        bytes: Vec<u8>,
    },
    /// The rest of a POST of a session.
    Packets {
        link: LinkId,
        kind: BodyKind,
        bytes: Vec<u8>,
    },
}

/// One reactor's part of the server that is not its sessions.
pub(crate) struct Core {
    pub(crate) reactor: ReactorId,
    pub(crate) hub: Hub,
    pub(crate) now: Now,
    pub(crate) limits: Arc<Limits>,
    pub(crate) sids: Arc<SidKey>,
    /// What is published may have recipients of more than one dialect.
    pub(crate) many_dialects: bool,
    pub(crate) mailboxes: Arc<[Arc<Mailbox<Mail>>]>,
    pub(crate) stats: Stats,
    pub(crate) jobs: VecDeque<Job>,
    pub(crate) sio: SioSessions,
    /// The dynamic namespaces that its sockets are in.
    pub(crate) live: LiveNames,
    pub(crate) router: Arc<Router>,
    /// The socket that has left its namespace, while its handlers are told: it is in its rooms still, and nothing is
    /// sent to it.
    pub(crate) leaving: Option<Leaving>,
    pub(crate) listening: Listening,
    /// Of plain sockets; those of namespaces have their own.
    pub(crate) kept: Kept,
    pub(crate) alarms: Alarms,
    /// Other nodes, if there may be some.
    pub(crate) cluster: Option<Arc<dyn Cluster>>,
    /// Acknowledgements that clients were asked for.
    asked: u64,
    /// Broadcasts that clients of this reactor have still to acknowledge.
    pub(crate) asking: Asking,
    /// Put off until after the next flush, in this order.
    pub(crate) later: VecDeque<Later>,
    /// Nobody new is taken: the server is drained, or stops.
    pub(crate) turns_away: bool,
    /// A mailbox that was posted to was crowded.
    crowded: bool,
    waiting: Slab<Waiting>,
    pub(crate) transfers: Transfers,
}

impl Core {
    pub(crate) fn new(
        reactor: ReactorId,
        mut hub: Hub,
        limits: Arc<Limits>,
        sids: Arc<SidKey>,
        router: Arc<Router>,
        mailboxes: Arc<[Arc<Mailbox<Mail>>]>,
        stats: Stats,
    ) -> Core {
        let now = Now { tick: crate::base::time::Tick(1), ms: 0, unix_ms: 0 };
        let listening = Listening::new(&router, &mut hub);
        Core {
            reactor,
            hub,
            now,
            limits,
            sids,
            many_dialects: router.has_many_dialects(),
            mailboxes,
            stats,
            sio: SioSessions::default(),
            listening,
            kept: Kept::default(),
            alarms: Alarms::default(),
            live: LiveNames::default(),
            router,
            leaving: None,
            cluster: None,
            asked: 0,
            asking: Asking::default(),
            jobs: VecDeque::new(),
            later: VecDeque::new(),
            turns_away: false,
            crowded: false,
            waiting: Slab::new(),
            transfers: Transfers::default(),
        }
    }

    /// The id of the next acknowledgement, less than 2^63: no two reactors give one id.
    pub(crate) fn next_ack_id(&mut self) -> u64 {
        let id = self.asked * self.mailboxes.len() as u64 + u64::from(self.reactor.0);
        self.asked += 1;
        id
    }

    /// Makes a slot the only member of a room on every reactor; whom it replaces here.
    pub(crate) fn claim(&mut self, slot: u32, scope: &str, room: &str) -> SmallVec<[u32; 1]> {
        let claim = self.hub.claim(slot, scope, room);
        for reactor in claim.elsewhere.iter() {
            let (scope, room, sequence) = (scope.into(), room.into(), claim.sequence);
            self.mailbox(reactor).post_anyway(Mail::Replace { scope, room, sequence }, 64);
        }
        if let Some(cluster) = &self.cluster {
            let (scope, room, sequence) = (scope.into(), room.into(), claim.sequence);
            cluster.tell(Order::Claim { scope, room, sequence });
        }
        claim.evicted
    }

    /// A frame on its way to whoever may be interested.
    pub(crate) fn parcel(&self, frame: &Frame) -> Parcel {
        if self.many_dialects { self.router.parcel(frame) } else { Parcel::from(frame.clone()) }
    }

    /// The place that an id names, if it is one of this realm.
    pub(crate) fn place(&self, id: &str, realm: &str) -> Option<Place> {
        // Somebody may guess an id one day, but not one of a reactor that there is not.
        self.sids.place(id, realm).filter(|place| usize::from(place.reactor.0) < self.mailboxes.len())
    }

    /// Where the socket of a namespace with this id lives, if it is an id.
    pub(crate) fn place_of(&self, namespace: &str, id: &str) -> Option<Place> {
        let place = self.sids.place_in(namespace, id);
        // Somebody may guess an id one day, but not one of a reactor that there is not.
        place.filter(|place| usize::from(place.reactor.0) < self.mailboxes.len())
    }

    /// The number of the namespace that has this name at a mount, as far as it is there for this reactor.
    pub(crate) fn namespace_number(&self, mount: u16, name: &str) -> Option<u32> {
        self.router.namespace_number(mount, name).map(u32::from).or_else(|| self.live.find(name))
    }

    /// The slot of the socket that is just leaving this scope, or everything: it is in its rooms still.
    pub(super) fn leaving_from(&self, scope: &str) -> Option<u32> {
        let Leaving { slot, number, .. } = self.leaving?;
        let session = self.sio.at(slot)?;
        let leaves = session.closed || self.namespace_number(session.mount, scope) == Some(number);
        leaves.then_some(slot)
    }

    /// Whom it means here. In a namespace, the id of a socket is a room that needs no table.
    pub(crate) fn select(&self, to: &To, out: &Outlet) -> Recipients {
        let mut recipients = self.hub.select(to.selector());
        if to.is_namespace() {
            for slot in to.rooms.iter().filter_map(|room| self.slot_of(&to.scope, room, out)) {
                // Who is named by an id may be in a room that is excepted.
                if !to.except.iter().any(|room| self.hub.is_member(slot, &to.scope, room)) {
                    recipients = recipients.union(Recipients::One(slot));
                }
            }
            for slot in to.except.iter().filter_map(|room| self.slot_of(&to.scope, room, out)) {
                recipients = recipients.difference(&Recipients::One(slot));
            }
        }
        recipients
    }

    /// The slot of the socket of a namespace with this id, if it lives here.
    pub(crate) fn slot_of(&self, namespace: &str, id: &str, out: &Outlet) -> Option<u32> {
        let place = self.place_of(namespace, id).filter(|place| place.reactor == self.reactor)?;
        let found = SocketInfo::find(self, out, namespace, place.slot)?;
        // It may be one that the session had before it left the namespace and came back.
        (found.short_id() == id).then_some(place.slot)
    }

    /// Counts and logs a handler that panicked.
    pub(crate) fn note_panic(&self, what: &str, panicked: &Panicked) {
        self.own_stats().panics.add(1);
        log::error!("{what} panicked: {}", panicked.0);
    }

    /// What a hook of the program returns; nothing if it panics, which is counted and logged.
    pub(crate) fn hook<R>(&self, what: &str, hook: impl FnOnce() -> R) -> Option<R> {
        guard(hook).inspect_err(|panicked| self.note_panic(what, panicked)).ok()
    }

    pub(crate) fn own_stats(&self) -> &ReactorStats {
        &self.stats.reactors[usize::from(self.reactor.0)]
    }

    /// Whether another reactor has a lot to catch up with, and this one has added to it.
    pub(crate) fn is_crowded(&self) -> bool {
        self.crowded
    }

    /// Looks again whether that is so.
    pub(crate) fn check_crowded(&mut self) -> bool {
        self.crowded = self.crowded && self.others().iter().any(|reactor| self.mailbox(reactor).is_crowded());
        self.crowded
    }

    pub(crate) fn trim(&mut self) {
        self.hub.trim();
        self.jobs.shrink_to(64);
        self.later.shrink_to(0);
        self.waiting.shrink_to_fit();
        self.asking.trim();
        self.sio.trim();
        self.listening.trim();
        self.kept.trim();
        self.alarms.trim();
        self.live.trim();
    }

    /// How many questions other reactors have still to answer.
    #[cfg(test)]
    pub(crate) fn waiting_count(&self) -> usize {
        self.waiting.len()
    }

    /// Waits for so many answers to a question; the number under which they come.
    pub(crate) fn wait<T: Any + Send>(
        &mut self,
        missing: usize,
        done: impl FnOnce(&mut Context<'_>, Vec<T>) + 'static,
    ) -> u32 {
        let done = move |cx: &mut Context<'_>, answers: Vec<Answer>| {
            let typed = answers.into_iter().filter_map(|answer| answer.downcast::<T>().ok());
            done(cx, typed.map(|answer| *answer).collect());
        };
        let waiting = Waiting::Answers { missing, answers: Vec::new(), done: Box::new(done) };
        self.waiting.insert(waiting) as u32
    }

    /// Posts what another reactor is to deliver. False, and counted, if its mailbox is full.
    pub(super) fn post(&mut self, reactor: ReactorId, mail: Mail, bytes: usize) -> bool {
        self.crowded |= self.mailbox(reactor).is_crowded();
        let is_posted = self.mailbox(reactor).post(mail, bytes).is_ok();
        if !is_posted {
            self.own_stats().dropped_busy.add(1);
        }
        is_posted
    }

    /// Waits for so many reports of one publish; the number under which they come.
    fn wait_for_reports(&mut self, missing: usize, sender: Option<u32>, done: OnReport) -> u32 {
        let (report, since) = (DeliveryReport::begin(), Instant::now());
        self.waiting.insert(Waiting::Report { missing, sender, report, since, done }) as u32
    }

    /// Those who wait to be told what became of a publish of theirs; in no order.
    pub(crate) fn who_waits(&self) -> impl Iterator<Item = u32> {
        self.waiting.iter().filter_map(|(_, waiting)| match waiting {
            Waiting::Report { sender, .. } => *sender,
            Waiting::Answers { .. } => None,
        })
    }

    /// The same recipients as other nodes know them: who sends to others is excepted by his id.
    pub(super) fn named(&self, to: &To, sender: Option<u32>, out: &Outlet) -> To {
        let sender = sender.filter(|_| to.is_namespace());
        let id = sender.and_then(|slot| Some(SocketInfo::find(self, out, &to.scope, slot)?.short_id()));
        let mut to = to.clone();
        to.except.extend(id);
        to
    }

    pub(super) fn others(&self) -> ReactorSet {
        ReactorSet::first(self.mailboxes.len()).without(self.reactor)
    }

    pub(super) fn mailbox(&self, reactor: ReactorId) -> &Mailbox<Mail> {
        &self.mailboxes[usize::from(reactor.0)]
    }
}

/// What handlers may do on the reactor that runs them.
pub struct Context<'a> {
    pub(crate) core: &'a mut Core,
    pub(crate) out: &'a mut Outlet,
}

impl<'a> Context<'a> {
    /// The number of this reactor.
    pub fn reactor(&self) -> usize {
        usize::from(self.core.reactor.0)
    }

    /// Milliseconds since 1970, as of the beginning of this turn.
    pub fn unix_ms(&self) -> u64 {
        self.core.now.unix_ms
    }

    /// The limits of the server.
    pub fn limits(&self) -> &Limits {
        &self.core.limits
    }

    /// The counters of all reactors.
    pub fn stats(&self) -> &Stats {
        &self.core.stats
    }

    /// Delivers a frame to whom it is for, on every reactor.
    pub fn publish(&mut self, to: &To, frame: &Frame) {
        let parcel = self.parcel(frame);
        self.publish_from(None, to, &parcel, None);
    }

    /// The same; `done` is called, once, on this reactor when every reactor has said what became of it.
    pub fn publish_with(
        &mut self,
        to: &To,
        frame: &Frame,
        done: impl FnOnce(&mut Context<'_>, DeliveryReport) + 'static,
    ) {
        let parcel = self.parcel(frame);
        self.publish_from(None, to, &parcel, Some(Box::new(done)));
    }

    /// Everybody in a namespace of Socket.IO; [`Emit::to`](super::socketio::Emit::to) chooses among them.
    pub fn namespace(&mut self, name: &str) -> super::socketio::Emit<&mut Context<'a>> {
        super::socketio::Emit::new(self, None, To::namespace(name))
    }

    /// The same server for other threads, by this reactor.
    pub fn handle(&self) -> Handle {
        self.core.handle()
    }

    /// Runs something of the program that belongs to no socket. If it panics, that is counted and logged.
    pub(crate) fn guarded(&mut self, what: &str, f: impl FnOnce(&mut Context<'_>)) {
        if let Err(panicked) = guard(|| f(self)) {
            self.core.note_panic(what, &panicked);
        }
    }

    /// Whether so much is queued that a handler with more to publish should do that [`Context::later`].
    pub fn is_congested(&self) -> bool {
        self.out.is_urgent() || self.core.is_crowded()
    }

    /// Calls `f` on this reactor when what is queued now was handed to the kernel, or waits in the outboxes of those
    /// who are slow.
    pub fn later(&mut self, f: impl FnOnce(&mut Context<'_>) + 'static) {
        self.core.later.push_back(Later::Call(Box::new(f)));
    }

    /// Asks every reactor, this one included, and calls `done`, once, on this reactor with all answers, in no
    /// order.
    pub fn gather<T: Any + Send>(
        &mut self,
        ask: impl Fn(&View<'_>) -> T + Send + Sync + 'static,
        done: impl FnOnce(&mut Context<'_>, Vec<T>) + 'static,
    ) {
        self.everywhere(move |cx| ask(&View { core: cx.core, out: cx.out }), done);
    }

    /// Has something done on every reactor, this one included and first, and calls `done`, once, on this reactor with
    /// what each returned, in no order.
    pub(crate) fn everywhere<T: Any + Send>(
        &mut self,
        act: impl Fn(&mut Context<'_>) -> T + Send + Sync + 'static,
        done: impl FnOnce(&mut Context<'_>, Vec<T>) + 'static,
    ) {
        self.everywhere_and(0, act, done);
    }

    /// The same, with so many more answers from elsewhere; the number under which those are waited for.
    pub(crate) fn everywhere_and<T: Any + Send>(
        &mut self,
        more: usize,
        act: impl Fn(&mut Context<'_>) -> T + Send + Sync + 'static,
        done: impl FnOnce(&mut Context<'_>, Vec<T>) + 'static,
    ) -> u32 {
        let ask: super::gather::Ask = Arc::new(move |cx| Box::new(act(cx)));
        let others = self.core.others();
        let own = ask(self);
        let number = self.core.wait(others.len() + 1 + more, done);
        for reactor in others.iter() {
            let mail = Mail::Ask { asker: self.core.reactor, number, ask: ask.clone() };
            self.core.mailbox(reactor).post_anyway(mail, 64);
        }
        self.answered(number, own);
        number
    }

    /// A frame that is published, counted as made.
    pub(crate) fn parcel(&mut self, frame: &Frame) -> Parcel {
        self.out.note_made(Dialect::PLAIN);
        self.core.parcel(frame)
    }
}

pub(super) fn ticket(reactor: ReactorId, number: u32) -> Ticket {
    Ticket((u64::from(reactor.0) << 32) | u64::from(number))
}
