//! The loop: mail, readiness, accept, read and handle, timers, flush, reap.

mod accepting;
mod kernel;
mod threshold;
mod tunnels;

use super::Handler;
use super::gate::Gate;
use super::gauges::{Gauges, Phase};
use super::listener::Listener;
use super::mail::Mailbox;
use super::moves::{self, Doors};
use super::outlet::{LinkState, Outlet};
use super::peer::{Peer, WireFacts};
use super::scales::{Scales, reset_on_close};
use super::tls::Tunnels;
use crate::base::ids::LinkId;
use crate::base::proxies::LiveProxies;
use crate::base::time::{Now, TICK_MS, Tick};
use kernel::Kernel;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::io::Errno;
use rustix::net;
use socket2::Socket;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use threshold::Threshold;

/// Bytes read from one link in one turn; who has more waits for the others to have theirs.
const READ_BYTES: usize = 256 << 10;
/// Mails taken in one turn.
const MAILS_PER_TURN: usize = 1_024;
/// Free memory is looked for when nothing has closed for so long after many links did, or after a few.
const TRIM_LINKS: usize = 128;
const TRIM_QUIET_MS: u64 = 1_000;
const TRIM_QUIET_FEW_MS: u64 = 5_000;
/// How long mail, or reading, may take before the other phases have their turn.
const PHASE: Duration = Duration::from_millis(20);
/// Flushes in one turn that follow from one another; what is left is for the next turn.
const FLUSH_ROUNDS: usize = 16;
/// How long to wait before a departure that could not be made is tried again.
const MOVE_PAUSE: Duration = Duration::from_millis(1);
/// When a stopping reactor drops who has not left by itself.
const STOP_MS: u64 = 4_000;

/// The tokens of listeners lie above every slot; that of the mailbox is above them.
const MAIL_TOKEN: Token = Token(usize::MAX);
const FIRST_LISTENER: usize = usize::MAX - 256;
// A token holds a slot and a generation.
const _: () = assert!(usize::BITS == 64);

/// One reactor, ready to run on a thread of its own.
pub struct Reactor<H: Handler> {
    poll: Poll,
    registry: mio::Registry,
    mailbox: Arc<Mailbox<H::Mail>>,
    gauges: Arc<Gauges>,
    /// By the numbers in their tokens; one that is closed leaves its place.
    listeners: Vec<Option<Door>>,
    /// When those for clients are closed at the latest, if that has begun.
    doors_close_at: Tick,
    /// By slot, as in the outlet's table.
    pub(super) sockets: Vec<Option<Socket>>,
    /// Who has just come.
    threshold: Threshold,
    tunnels: Tunnels,
    proxies: Arc<LiveProxies>,
    pub(super) outlet: Outlet,
    doors: Doors,
    pub(super) handler: H,
    buffer: Box<[u8]>,
    started: Instant,
    pub(super) now: Now,
    /// How much of the memory is taken.
    pub(super) scales: Scales,
    /// How fast clients are let in, and until when nobody is.
    gate: Arc<Gate>,
    gate_opens: Option<Instant>,
    accept_paused_until: Tick,
    /// Accepting has failed for want of descriptors or memory, and somebody may wait since.
    starved: bool,
    closed_since_trim: usize,
    trim_at: Tick,
    stop_at: Tick,
}

/// What a reactor is given of the kernel's.
#[derive(Debug)]
pub struct Plumbing {
    /// Where it waits.
    pub poll: Poll,
    /// Becomes readable when mail arrives.
    pub wakeup_fd: std::os::fd::RawFd,
    /// Where it accepts.
    pub listeners: Vec<Listener>,
    /// How connections come from other reactors and go there.
    pub doors: Doors,
    /// How fast it accepts.
    pub gate: Arc<Gate>,
    /// What its links weigh.
    pub scales: Scales,
    /// Whose word is taken about who connects.
    pub proxies: Arc<LiveProxies>,
}

struct Door {
    listener: Listener,
    /// Connections may be waiting: edge-triggered, so this is remembered.
    ready: bool,
}

impl<H: Handler> Reactor<H> {
    /// A reactor over a poll whose mailbox wake-up and listeners are not registered yet.
    ///
    /// # Errors
    /// What registering says.
    pub fn new(
        plumbing: Plumbing,
        mailbox: Arc<Mailbox<H::Mail>>,
        gauges: Arc<Gauges>,
        outlet: Outlet,
        handler: H,
    ) -> io::Result<Reactor<H>> {
        let Plumbing { poll, wakeup_fd, listeners, doors, gate, scales, proxies } = plumbing;
        let registry = poll.registry().try_clone()?;
        registry.register(&mut SourceFd(&wakeup_fd), MAIL_TOKEN, Interest::READABLE)?;
        let mut listening = Vec::new();
        for (number, mut listener) in listeners.into_iter().enumerate() {
            registry.register(&mut listener, Token(FIRST_LISTENER + number), Interest::READABLE)?;
            listening.push(Some(Door { listener, ready: true }));
        }
        gauges.doors.set(accepting::clients_doors(&listening));
        Ok(Reactor {
            poll,
            registry,
            mailbox,
            gauges,
            listeners: listening,
            doors_close_at: Tick::NEVER,
            sockets: Vec::new(),
            threshold: Threshold::new(),
            tunnels: Tunnels::new(),
            proxies,
            outlet,
            doors,
            handler,
            // Not zeros: those pages would only be promised until the first long message.
            buffer: vec![0xff; READ_BYTES].into_boxed_slice(),
            started: Instant::now(),
            now: Now { tick: Tick(1), ms: 0, unix_ms: 0 },
            scales,
            gate,
            gate_opens: None,
            accept_paused_until: Tick::NEVER,
            starved: false,
            closed_since_trim: 0,
            trim_at: Tick::NEVER,
            stop_at: Tick::NEVER,
        })
    }

    /// Turns until the handler wants to stop and the last link is gone.
    ///
    /// # Errors
    /// What waiting for events says; nothing that a peer does.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1_024);
        loop {
            let timeout = self.timeout();
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            if self.turn(&events) {
                return Ok(());
            }
        }
    }

    /// One turn; true if it was the last.
    fn turn(&mut self, events: &Events) -> bool {
        let mut clock = PhaseClock::start();
        self.gauges.begun.add(1);
        let begun = clock.last;
        self.read_clock(begun);
        self.take_mail();
        // Once a turn: whoever causes more than the rest together waits for the rest.
        self.handler.catch_up(&mut self.outlet);
        self.flush_if_urgent();
        clock.end(Phase::Mail, &self.gauges);
        self.note_readiness(events);
        self.accept();
        clock.end(Phase::Accept, &self.gauges);
        self.read();
        clock.end(Phase::Read, &self.gauges);
        self.run_timers();
        clock.end(Phase::Timers, &self.gauges);
        self.flush();
        self.weigh_if_due();
        clock.end(Phase::Flush, &self.gauges);
        self.reap();
        clock.end(Phase::Reap, &self.gauges);
        self.gauges.turns.observe(clock.last - begun);
        self.publish_gauges();
        self.is_done()
    }

    fn read_clock(&mut self, instant: Instant) {
        let ms = instant.duration_since(self.started).as_millis() as u64;
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.now =
            Now { tick: Tick(1 + (ms / TICK_MS) as u32), ms: ms as u32, unix_ms: unix.as_millis() as u64 };
        self.outlet.set_now(self.now.tick);
        self.handler.begin_turn(self.now);
    }

    /// How long to wait for events: until the next thing that happens by itself.
    fn timeout(&self) -> Option<Duration> {
        let has_input = self.outlet.ready_len() > 0 || !self.mailbox.is_empty() || self.may_accept();
        if has_input || self.threshold.is_waiting() || self.outlet.has_work() {
            return Some(Duration::ZERO);
        }
        let moves = self.outlet.has_moves().then_some(MOVE_PAUSE);
        let gate = self.gate_opens.map(|at| at.saturating_duration_since(Instant::now()));
        let soon = self.handler.is_behind().into_iter().chain(moves).chain(gate).min();
        let ready = self.listeners.iter().flatten().any(|door| door.ready);
        let accept = if ready { self.accept_paused_until } else { Tick::NEVER };
        let open = self.gauges.doors.get() > 0;
        let doors = if open { self.doors_close_at } else { Tick::NEVER };
        let next = [self.outlet.next_deadline(), accept, doors, self.trim_at, self.stop_at, self.scales.next];
        let next = next.into_iter().filter(|tick| *tick != Tick::NEVER).min();
        let next = next.map(|tick| {
            let at = Duration::from_millis(u64::from(tick.0 - 1) * TICK_MS);
            at.saturating_sub(self.started.elapsed())
        });
        next.into_iter().chain(soon).min()
    }

    fn take_mail(&mut self) {
        self.mailbox.begin_reading();
        let begun = Instant::now();
        for _ in 0..MAILS_PER_TURN {
            let Some(mail) = self.mailbox.take() else { break };
            self.handler.mail(mail, &mut self.outlet);
            self.make_moves();
            self.flush_if_urgent();
            if begun.elapsed() > PHASE {
                break;
            }
        }
    }

    fn note_readiness(&mut self, events: &Events) {
        for event in events {
            let Token(token) = event.token();
            if event.token() == MAIL_TOKEN {
                // Only to wake up: mail is taken in every turn.
            } else if token >= FIRST_LISTENER {
                if let Some(Some(door)) = self.listeners.get_mut(token - FIRST_LISTENER) {
                    door.ready = true;
                }
            } else {
                let link = LinkId::from_word(token as u64);
                if event.is_writable() {
                    self.threshold.queue(link, false);
                    self.outlet.writable(link);
                }
                if event.is_readable() || event.is_read_closed() || event.is_error() {
                    self.outlet.note_ready(link, event.is_read_closed() || event.is_error());
                }
            }
        }
    }

    fn read(&mut self) {
        let begun = Instant::now();
        // Who has more is read again in the next turn, behind everybody else.
        for _ in 0..self.outlet.ready_len() {
            let Some((link, to_the_end)) = self.outlet.next_ready() else { break };
            self.read_link(link, to_the_end);
            self.make_moves();
            self.flush_if_urgent();
            if begun.elapsed() > PHASE || self.scales.is_out_of_room() {
                break;
            }
        }
        self.enter();
    }

    fn read_link(&mut self, link: LinkId, to_the_end: bool) {
        let state = self.outlet.state(link);
        if state == LinkState::Dead || self.outlet.is_paused(link) {
            return;
        }
        if self.threshold.queue(link, to_the_end) {
            return;
        }
        // What an ending link receives is discarded, encrypted or not.
        if state < LinkState::Finishing && self.tunnels.by_slot.get(link.slot).is_some() {
            return self.read_tunnel(link, to_the_end);
        }
        let Some(Some(socket)) = self.sockets.get_mut(link.slot as usize) else { return };
        let count = match net::recv(&*socket, &mut *self.buffer, net::RecvFlags::DONTWAIT) {
            Ok((count, _)) => count,
            Err(Errno::AGAIN) => return,
            Err(Errno::INTR) => return self.outlet.note_ready(link, to_the_end),
            // A reset, or the like.
            Err(_) => return self.outlet.abort(link),
        };
        if count == 0 {
            self.outlet.peer_ended(link);
            if state < LinkState::Finishing {
                self.handler.ended(link, &mut self.outlet);
            }
            return;
        }
        // A short read means that the kernel had no more; the next byte is another event.
        self.scales.received(count);
        if count == self.buffer.len() || to_the_end {
            self.outlet.note_ready(link, to_the_end);
        }
        if state < LinkState::Finishing {
            self.handler.received(link, &mut self.buffer[..count], &mut self.outlet);
        }
    }

    fn run_timers(&mut self) {
        for link in self.outlet.take_expired() {
            if !self.stranger_expired(link) {
                self.handler.expired(link, &mut self.outlet);
            }
        }
    }

    fn make_moves(&mut self) {
        if self.outlet.has_moves() {
            let Reactor { outlet, doors, sockets, tunnels, registry, handler, .. } = self;
            let departed = moves::make(outlet, doors, (sockets, &mut tunnels.by_slot), registry, handler);
            if departed > 0 {
                self.freed(departed);
            }
        }
    }

    /// So many links are gone.
    fn freed(&mut self, links: usize) {
        // Descriptors have returned: who waits to be accepted need not wait for the pause to end.
        self.accept_paused_until = Tick::NEVER;
        // Free memory is looked for when it is quiet again.
        self.closed_since_trim += links;
        let many = self.closed_since_trim >= TRIM_LINKS;
        self.trim_at = self.now.tick.plus_ms(if many { TRIM_QUIET_MS } else { TRIM_QUIET_FEW_MS });
    }

    fn kernel(&mut self) -> Kernel<'_> {
        Kernel { sockets: &self.sockets, registry: &self.registry, tunnels: &mut self.tunnels }
    }

    fn flush_if_urgent(&mut self) {
        if self.outlet.is_urgent() {
            self.flush();
        }
    }

    fn flush(&mut self) {
        // Before anything is sent: who is told that it ends may be gone a moment later, and its address with it.
        self.write_notes();
        // Farewells, reports and the next pipelined request queue frames of their own.
        for _ in 0..FLUSH_ROUNDS {
            self.make_moves();
            let Reactor { outlet, sockets, registry, tunnels, .. } = self;
            outlet.flush(&mut Kernel { sockets, registry, tunnels });
            if self.outlet.is_out_of_room() {
                self.weigh_if_due();
            }
            let overflowed = self.outlet.take_overflowed();
            let drained = self.outlet.take_drained();
            let filled = self.outlet.take_filled();
            let tallies = self.outlet.take_tallies();
            for link in overflowed {
                self.handler.overflowed(link, &mut self.outlet);
            }
            for link in drained {
                self.handler.drained(link, &mut self.outlet);
            }
            for link in filled {
                self.handler.filled(link, &mut self.outlet);
            }
            for (ticket, tally) in tallies {
                self.handler.tallied(ticket, tally, &mut self.outlet);
            }
            self.answer_slow();
            if !self.outlet.has_work() {
                break;
            }
        }
        // Who is reaped next takes the wire along that nobody has taken over yet.
        self.make_moves();
        self.write_notes();
    }

    /// Tells who is slowest, as it is right after a flush: what waits then, the kernel did not take.
    fn answer_slow(&mut self) {
        for (ticket, limit) in self.outlet.take_slow_asked() {
            let slowest = self.outlet.slowest(limit).into_iter().map(|slow| {
                let socket = self.sockets.get(slow.link.slot as usize).and_then(Option::as_ref);
                // Who stands behind a proxy is meant, not the proxy.
                let peer = self.outlet.peer(slow.link);
                let facts = socket.map(WireFacts::of);
                (slow, facts.map(|facts| WireFacts { peer: peer.unwrap_or(facts.peer), ..facts }))
            });
            let slowest = slowest.collect();
            self.handler.slowest(ticket, slowest, &mut self.outlet);
        }
    }

    pub(super) fn write_notes(&mut self) {
        for (link, level, text) in self.outlet.take_notes() {
            let socket = self.sockets.get(link.slot as usize).and_then(Option::as_ref);
            let peer = self.outlet.peer(link).or(socket.map(Peer::of)).unwrap_or(Peer::Unknown);
            log::log!(level, peer:% = peer; "{peer}: {text}");
        }
    }

    fn reap(&mut self) {
        loop {
            let dead = self.outlet.take_dead();
            if dead.is_empty() {
                break;
            }
            self.freed(dead.len());
            for link in dead {
                if !self.threshold.forget(link) {
                    self.handler.closed(link, &mut self.outlet);
                }
                self.tunnels.by_slot.remove(link.slot);
                // Closing takes it out of the poll too: this table has the only descriptor.
                if let Some(socket) = self.sockets.get_mut(link.slot as usize) {
                    socket.iter().filter(|_| self.outlet.is_reset(link)).for_each(reset_on_close);
                    *socket = None;
                }
                self.outlet.free(link);
            }
            // Telling others may have queued something.
            self.flush();
        }
        if self.trim_at != Tick::NEVER && self.now.tick >= self.trim_at {
            self.trim_at = Tick::NEVER;
            self.closed_since_trim = 0;
            self.trim();
        }
    }

    fn trim(&mut self) {
        self.outlet.trim();
        self.handler.trim();
        self.threshold.trim();
        self.tunnels.trim();
        while self.sockets.last().is_some_and(Option::is_none) {
            self.sockets.pop();
        }
        self.sockets.shrink_to_fit();
        crate::sys::return_free_memory();
    }

    fn publish_gauges(&self) {
        let counts = self.outlet.counts();
        self.gauges.links.set(self.outlet.len() as u64 - counts.parked);
        self.gauges.deliveries.set(counts.deliveries);
        self.gauges.dropped_slow.set(counts.dropped_slow);
        self.gauges.dropped_closed.set(counts.dropped_closed);
        self.gauges.dropped_volatile.set(counts.dropped_volatile);
        for (gauge, made) in self.gauges.encoded.iter().zip(counts.encoded) {
            gauge.set(made);
        }
        self.gauges.queued_bytes.set(counts.queued_bytes);
        self.gauges.mails.set(self.mailbox.len() as u64);
    }

    fn is_done(&mut self) -> bool {
        if !self.handler.is_stopping() {
            return false;
        }
        if self.stop_at == Tick::NEVER {
            self.listeners.clear();
            self.gauges.doors.set(0);
            self.stop_at = self.now.tick.plus_ms(STOP_MS);
        }
        self.outlet.is_empty() || self.now.tick >= self.stop_at
    }
}

/// Measures the phases of a turn.
struct PhaseClock {
    last: Instant,
}

impl PhaseClock {
    fn start() -> PhaseClock {
        PhaseClock { last: Instant::now() }
    }

    fn end(&mut self, phase: Phase, gauges: &Gauges) {
        let now = Instant::now();
        gauges.phases[phase as usize].observe(now - self.last);
        self.last = now;
    }
}
