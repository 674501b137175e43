//! The sans-IO heart of a reactor: links become sessions, sessions become events of handlers.
//!
//! This file owns the table of sessions and sends each event of the reactor to the stage that the link is in;
//! the stages are [`super::http`] and [`super::websocket`].

use super::addresses::Addresses;
use super::balance::{Coming, Evening};
use super::drain::Draining;
use super::engine::{Engine, Newcomer, Probe};
use super::http::Http;
use super::places::{Counted, Counts};
use super::transfer::Moving;
use super::websocket::Ws;
use crate::app::{CloseCause, Context, Core, Job, Later, Mail, Refusal, Router, SlowLink};
use crate::base::ids::LinkId;
use crate::base::limits::Limits;
use crate::base::pace::Bucket;
use crate::base::proxies::LiveProxies;
use crate::base::time::{Now, Tick};
use crate::reactor::gate::Gate;
use crate::reactor::outlet::{LinkState, Outlet, Slow, Tally, Ticket};
use crate::reactor::peer::WireFacts;
use crate::reactor::pressure::Pressure;
use crate::reactor::{Entry, EntryError, Handler};
use crate::wire::deflate::{self, Inflater};
use crate::wire::response::Response;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How many things that were put off go on in one turn.
const PUT_OFF_A_TURN: usize = 64;
/// How long to wait before looking again whether another reactor has caught up.
const CROWDED_PAUSE: Duration = Duration::from_millis(1);
/// How long a session that begins on a WebSocket may wait for its first packet.
const GREETING_PAUSE: Duration = Duration::from_millis(1);

/// What all workers of a server share.
pub(super) struct Shared {
    pub(super) router: Arc<Router>,
    /// Whose word is taken about who a request is from.
    pub(super) proxies: Arc<LiveProxies>,
    /// Open sockets of the whole server.
    pub(super) sockets: AtomicUsize,
    /// The most that there may be.
    pub(super) max_sockets: AtomicUsize,
    /// Reactors that are not empty yet, for when they are drained.
    pub(super) undrained: AtomicUsize,
    /// The most links that one reactor may have with a socket on them; its table has a few descriptors more, so
    /// that whoever comes then is told.
    pub(super) max_links_per_reactor: usize,
    pub(super) coming: Coming,
    /// How many links each address has, where that is limited.
    pub(super) addresses: Addresses,
    /// How much of the memory is taken that may be.
    pub(super) pressure: Arc<Pressure>,
    /// How fast clients are let in.
    pub(super) gate: Arc<Gate>,
}

impl Shared {
    /// Whether there was a place for one more socket; it is taken then.
    pub(super) fn take_place(&self) -> bool {
        let most = self.max_sockets.load(Ordering::Relaxed);
        let one_more = |sockets| (sockets < most).then_some(sockets + 1);
        self.sockets.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    /// These are the limits from now on, as far as they are the whole server's.
    pub(super) fn hold(&self, limits: &Limits) {
        self.pressure.set_ceiling(limits.memory_bytes);
        self.gate.set_rate(limits.accepts_per_s);
    }

    pub(super) fn give_place_back(&self) {
        self.sockets.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a link is.
pub(super) enum Session {
    /// Its slot is free.
    Gone,
    /// It speaks HTTP.
    Http(Box<Http>),
    /// It was upgraded.
    WebSocket(Ws),
    /// It is an Engine.IO session.
    Engine(Box<Engine>),
    /// It is a WebSocket that an Engine.IO session may adopt.
    Probe(Box<Probe>),
    /// It is a WebSocket of another reactor still, and about to come.
    Arriving,
}

/// The worker of one reactor.
pub(super) struct Worker {
    pub(super) core: Core,
    /// By slot.
    pub(super) sessions: Vec<Session>,
    pub(super) shared: Arc<Shared>,
    /// For whichever session has a compressed message.
    pub(super) inflater: Inflater,
    pub(super) stopping: bool,
    pub(super) draining: Option<Box<Draining>>,
    /// To be sent as soon as nothing else is under way.
    pub(super) answers: VecDeque<(LinkId, u32, Response)>,
    /// One of them is.
    answering: bool,
    /// Counts the turns.
    pub(super) turn: u64,
    /// Connections that came from other reactors, and in which turn.
    pub(super) arrivals: VecDeque<(u64, LinkId)>,
    /// By slot, what it counts under: empty unless connections of one address are limited.
    pub(super) counted: Counts,
    /// By slot, what its client may still send: empty unless that is limited.
    pub(super) buckets: Vec<Bucket>,
    /// Sessions that begin on a WebSocket and wait a moment, since when, in milliseconds.
    pub(super) greeted: VecDeque<(u32, LinkId, Newcomer)>,
    /// WebSockets on their way to other reactors and from there.
    pub(super) moving: Moving,
    pub(super) evening: Evening,
}

impl Worker {
    pub(super) fn new(core: Core, shared: Arc<Shared>) -> Worker {
        Worker {
            moving: Moving::default(),
            evening: Evening::new(core.reactor),
            core,
            sessions: Vec::new(),
            shared,
            inflater: Inflater::new(),
            stopping: false,
            draining: None,
            answers: VecDeque::new(),
            answering: false,
            turn: 0,
            arrivals: VecDeque::new(),
            counted: Counts::default(),
            buckets: Vec::new(),
            greeted: VecDeque::new(),
        }
    }

    /// Does what handlers asked for and what follows from it, until nothing is left.
    pub(super) fn run_jobs(&mut self, out: &mut Outlet) {
        loop {
            loop {
                Context { core: &mut self.core, out }.tell_rooms();
                let Some(job) = self.core.jobs.pop_front() else { break };
                match job {
                    Job::Respond { link, number, response } => {
                        self.answers.push_back((link, number, response))
                    }
                    Job::Closed { link, cause } => self.leave(link, &cause, out),
                    Job::CloseSession { link, cause } => {
                        if matches!(cause, CloseCause::Handler(_)) {
                            self.socketio_dismiss(link, out);
                        }
                        self.engine_close(link, &cause, out);
                    }
                    Job::Disconnect { link, number, epoch } => {
                        self.socketio_disconnect(link, number, epoch, out);
                    }
                    Job::Upgrade(decided) => self.upgrade_decided(*decided, out),
                    Job::Reschedule { link } => self.engine_reschedule(link, out),
                    Job::Decided { waiting, verdict } => self.socketio_decided(waiting, &verdict, out),
                    Job::Answered { number, answer } => {
                        Context { core: &mut self.core, out }.answered(number, answer);
                    }
                }
            }
            // An answer brings up the next request of its link, which runs jobs: the outer one of these two answers it,
            // or clients would decide how deep this goes.
            if self.answering {
                return;
            }
            let Some((link, number, response)) = self.answers.pop_front() else { return };
            self.answering = true;
            self.respond(link, number, response, out);
            self.answering = false;
        }
    }

    pub(super) fn set_session(&mut self, link: LinkId, session: Session) {
        let slot = link.slot as usize;
        if slot >= self.sessions.len() {
            self.sessions.resize_with(slot + 1, || Session::Gone);
        }
        self.sessions[slot] = session;
    }

    fn with_context(&mut self, out: &mut Outlet, f: impl FnOnce(&mut Context<'_>)) {
        f(&mut Context { core: &mut self.core, out });
        self.run_jobs(out);
    }

    fn stop(&mut self, out: &mut Outlet) {
        self.stopping = true;
        self.core.turns_away = true;
        let links = out.ids();
        // Sessions before the connections that poll them: those are told why.
        for link in &links {
            if let Some(Session::Engine(_)) = self.sessions.get(link.slot as usize) {
                self.engine_stop(*link, out);
            }
        }
        for link in links {
            match self.sessions.get(link.slot as usize) {
                Some(Session::WebSocket(_)) => {
                    self.close_websocket(link, 1001, "server shutting down", &CloseCause::Shutdown, out);
                }
                // A probe went with its session, and what comes is closed when it is here.
                Some(Session::Engine(_) | Session::Probe(_) | Session::Arriving) => {}
                Some(Session::Http(_)) => self.end_http(link, out),
                Some(Session::Gone) | None => out.abort(link),
            }
        }
    }
}

impl Handler for Worker {
    type Mail = Mail;

    fn begin_turn(&mut self, now: Now) {
        self.core.now = now;
        self.turn += 1;
    }

    fn mail(&mut self, mail: Mail, out: &mut Outlet) {
        match mail {
            Mail::Publish(publish) => self.with_context(out, |cx| cx.deliver(&publish)),
            Mail::Report { number, report } => self.with_context(out, |cx| cx.reported(number, report)),
            Mail::Answer { number, answer } => self.with_context(out, |cx| cx.answered(number, answer)),
            Mail::Ask { asker, number, ask } => self.with_context(out, |cx| cx.asked(asker, number, &ask)),
            Mail::Slowest { asker, number, limit } => {
                Context { core: &mut self.core, out }.ask_slowest(asker, number, limit);
            }
            Mail::Replace { scope, room, sequence } => {
                for slot in self.core.hub.evict(&scope, &room, sequence) {
                    self.replaced(slot, &room, out);
                }
                self.run_jobs(out);
            }
            Mail::Link { number, session } => self.arrived(number, session, out),
            Mail::Transfer(id, step) => {
                self.transfer(id, step, out);
                self.run_jobs(out);
            }
            Mail::Call(f) => self.with_context(out, |cx| cx.guarded("a call of another thread", f)),
            Mail::Drain { plan, chance } => {
                self.drain(plan, chance, out);
                self.run_jobs(out);
            }
            Mail::Limits(limits) => {
                out.set_outbox_bytes(limits.outbox_bytes);
                // Each reactor says the same.
                self.shared.max_sockets.store(limits.connections.unwrap_or(usize::MAX), Ordering::Relaxed);
                self.shared.hold(&limits);
                self.core.limits = limits;
            }
            // It has turned.
            Mail::Wake => {}
            Mail::Stop => {
                self.stop(out);
                self.run_jobs(out);
            }
        }
    }

    fn entry_deadline(&self) -> Tick {
        self.core.now.tick.plus_s(self.core.limits.handshake_s)
    }

    fn turned_away(&mut self, error: EntryError) {
        let reason = match error {
            EntryError::Proxy => Refusal::Proxy,
            EntryError::Tls => Refusal::Tls,
            EntryError::Timeout => Refusal::Timeout,
        };
        self.core.own_stats().refused[reason as usize].add(1);
    }

    fn opened(&mut self, link: LinkId, entry: Entry, out: &mut Outlet) {
        let Entry { peer, admin, .. } = entry;
        let counted = if admin { Counted::Within } else { self.count_address(link, peer) };
        let mut http = Http::new(&self.core.limits, entry);
        http.crowds = counted == Counted::Beyond;
        self.set_session(link, Session::Http(Box::new(http)));
        if counted == Counted::FarBeyond {
            self.core.own_stats().refused[Refusal::Address as usize].add(1);
            return out.reset(link);
        }
        out.set_deadline(link, self.entry_deadline());
        if !admin && let Some(to) = self.lighter(out) {
            self.hand_over(link, to, out);
        }
    }

    fn received(&mut self, link: LinkId, bytes: &mut [u8], out: &mut Outlet) {
        match self.sessions.get(link.slot as usize) {
            Some(Session::Http(_)) => self.http_received(link, bytes, out),
            Some(Session::WebSocket(_) | Session::Engine(_) | Session::Probe(_)) => {
                self.frames_received(link, bytes, out);
            }
            Some(Session::Gone | Session::Arriving) | None => {
                debug_assert!(false, "bytes on a link without a session");
            }
        }
        self.run_jobs(out);
    }

    fn ended(&mut self, link: LinkId, out: &mut Outlet) {
        match self.sessions.get(link.slot as usize) {
            Some(Session::Http(_)) => self.end_http(link, out),
            _ => out.abort(link),
        }
    }

    fn expired(&mut self, link: LinkId, out: &mut Outlet) {
        match self.sessions.get(link.slot as usize) {
            Some(Session::Http(_)) => self.http_expired(link, out),
            Some(Session::WebSocket(_)) if self.expired_on_its_way(link, out) => {}
            Some(Session::WebSocket(_)) if out.state(link) == LinkState::Open => {
                out.note(link, log::Level::Info, || {
                    format!("{}: idle, closed with 1001", self.name_of(link))
                });
                self.close_websocket(link, 1001, "idle timeout", &CloseCause::Idle, out);
            }
            Some(Session::Engine(_)) => self.engine_expired(link, out),
            Some(Session::Probe(_)) => self.probe_expired(link, out),
            // It did not answer the close frame.
            _ => out.abort(link),
        }
        self.run_jobs(out);
    }

    fn overflowed(&mut self, link: LinkId, out: &mut Outlet) {
        match self.sessions.get(link.slot as usize) {
            Some(Session::WebSocket(_) | Session::Engine(_)) => self.websocket_overflowed(link, out),
            // It is one answer, and there is a time to read it in.
            Some(Session::Http(_)) => {}
            _ => {
                out.note(link, log::Level::Warn, || "does not read its pongs: closed".to_owned());
                out.farewell(link, None);
            }
        }
        self.run_jobs(out);
    }

    fn unfinished_bytes(&self, link: LinkId) -> usize {
        match self.sessions.get(link.slot as usize) {
            Some(Session::Http(http)) => http.unfinished_bytes(),
            Some(Session::WebSocket(ws)) => ws.session.unfinished_bytes(),
            Some(Session::Engine(engine)) => {
                let packet = self.core.sio.at(link.slot).map_or(0, |sio| sio.decoder.unfinished_bytes());
                engine.ws.unfinished_bytes() + packet
            }
            Some(Session::Probe(probe)) => probe.ws.unfinished_bytes(),
            Some(Session::Gone | Session::Arriving) | None => 0,
        }
    }

    fn shed(&mut self, link: LinkId, out: &mut Outlet) {
        if matches!(self.sessions.get(link.slot as usize), Some(Session::Arriving)) {
            // It is in the middle of a move, and its wire, with what waits in the kernel, is still another reactor's.
            return;
        }
        let (waiting, unfinished) = (out.waiting(link), self.unfinished_bytes(link));
        out.note(link, log::Level::Warn, || {
            format!(
                "{}: reset to free memory ({waiting} bytes waited to be read by it, {unfinished} for the rest of its message)",
                self.name_of(link)
            )
        });
        out.farewell(link, None);
        self.leave(link, &CloseCause::Slow, out);
        out.reset(link);
        self.run_jobs(out);
    }

    fn drained(&mut self, link: LinkId, out: &mut Outlet) {
        self.http_drained(link, out);
        self.run_jobs(out);
    }

    fn filled(&mut self, link: LinkId, out: &mut Outlet) {
        self.polling_answer(link, out);
        self.run_jobs(out);
    }

    fn departed(&mut self, link: LinkId, number: u64, out: &mut Outlet) {
        let session = std::mem::replace(&mut self.sessions[link.slot as usize], Session::Gone);
        match session {
            Session::Http(mut http) => {
                if let Some(reactor) = http.moving.take() {
                    http.baggage = Some(self.pack(link.slot));
                    self.core.mailboxes[usize::from(reactor.0)]
                        .post_anyway(Mail::Link { number, session: http }, 1_024);
                }
            }
            Session::WebSocket(ws) => self.departed_socket(link, number, ws, out),
            _ => debug_assert!(false, "something departs that cannot"),
        }
        self.run_jobs(out);
    }

    fn tallied(&mut self, ticket: Ticket, tally: Tally, out: &mut Outlet) {
        self.with_context(out, |cx| cx.tallied(ticket, tally));
    }

    fn slowest(&mut self, ticket: Ticket, slowest: Vec<(Slow, Option<WireFacts>)>, out: &mut Outlet) {
        let describe = |(slow, wire): (Slow, Option<WireFacts>)| {
            let is_client = matches!(
                self.sessions.get(slow.link.slot as usize),
                Some(Session::WebSocket(_) | Session::Engine(_))
            );
            SlowLink::of(&self.core, out, slow, wire, !is_client)
        };
        let found = slowest.into_iter().map(describe).collect();
        self.with_context(out, |cx| cx.slowest_found(ticket, found));
    }

    fn closed(&mut self, link: LinkId, out: &mut Outlet) {
        match self.sessions.get(link.slot as usize) {
            Some(Session::Http(http)) => {
                let (polls, posts) = (http.polls, http.posts);
                self.not_handed_over(http);
                self.polling_broken(link, polls, posts, out);
            }
            Some(Session::Probe(_)) => self.probe_gone(link),
            _ => {
                self.leave(link, &CloseCause::Lost, out);
                self.polling_forsaken(link, out);
            }
        }
        self.core.sio.remove(link);
        self.counted.leave(&self.shared, link.slot);
        self.forget_rate(link.slot);
        self.sessions[link.slot as usize] = Session::Gone;
        self.run_jobs(out);
    }

    fn catch_up(&mut self, out: &mut Outlet) {
        self.core.check_crowded();
        self.core.hand_in_late();
        self.run_jobs(out);
        self.look_at_arrivals(out);
        if self.draining.is_some() {
            self.drain_on(out);
            self.run_jobs(out);
        }
        self.ring_alarms(out);
        if !self.greeted.is_empty() {
            self.greet(out);
            self.run_jobs(out);
        }
        self.even_out(out);
        // Only what was put off before: what is put off now waits for the next flush.
        for _ in 0..self.core.later.len().min(PUT_OFF_A_TURN) {
            if out.is_urgent() || self.core.is_crowded() {
                break;
            }
            match self.core.later.pop_front() {
                Some(Later::Call(f)) => {
                    Context { core: &mut self.core, out }.guarded("a call that was put off", f);
                }
                Some(Later::Bytes { link, mut bytes }) => {
                    out.resume_reading(link);
                    if out.state(link) < LinkState::Finishing {
                        self.frames_received(link, &mut bytes, out);
                    }
                }
                Some(Later::Packets { link, kind, bytes }) => self.polling_go_on(link, kind, &bytes, out),
                None => break,
            }
            self.run_jobs(out);
        }
    }

    fn is_behind(&self) -> Option<Duration> {
        let pause = if self.core.is_crowded() { CROWDED_PAUSE } else { Duration::ZERO };
        let put_off = (!self.core.later.is_empty()).then_some(pause);
        let greeting = (!self.greeted.is_empty()).then_some(GREETING_PAUSE);
        let arrivals = (!self.arrivals.is_empty()).then_some(Duration::ZERO);
        let late = self.core.asking.until_due(self.core.now).map(|ms| Duration::from_millis(u64::from(ms)));
        let evening = self.until_evening();
        let drain = self.drain_pause();
        let alarms = self.core.alarms.until_due(self.core.now.unix_ms);
        let soon = put_off.into_iter().chain(greeting).chain(arrivals).chain(late);
        soon.chain(evening).chain(drain).chain(alarms).min()
    }

    fn trim(&mut self) {
        while matches!(self.sessions.last(), Some(Session::Gone)) {
            self.sessions.pop();
        }
        self.sessions.shrink_to_fit();
        self.counted.trim(self.sessions.len());
        self.buckets.truncate(self.sessions.len());
        self.buckets.shrink_to_fit();
        self.inflater = Inflater::new();
        deflate::forget_thread();
        self.answers.shrink_to(64);
        self.arrivals.shrink_to(64);
        self.greeted.shrink_to(64);
        self.core.trim();
    }

    fn turns_away(&self) -> bool {
        self.core.turns_away
    }

    fn is_stopping(&self) -> bool {
        self.stopping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_fits_in_24_bytes() {
        assert!(std::mem::size_of::<Session>() <= 24, "{}", std::mem::size_of::<Session>());
    }
}
