//! A flood thread: its own descriptor table, one poller, one receive buffer, many connections.
//!
//! A turn: readiness, orders, connects, heartbeats, the load's own sending, flush, reap.

mod conn;
mod dial;
mod floor;
mod polling;
mod ramp;
mod read;
mod session;
mod storm;
mod timer;
mod upgrade;

pub use floor::Floor;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use crate::ledger::Ledger;
use crate::load::{Load, Sent};
use crate::shared::Shared;
use crate::stats::nanoseconds;
use crate::sys;
use crate::tally::{Tally, count};
use crate::wire::engine::kind as engine;
use crate::wire::frame::opcode;
use conn::State;
use ramp::Ramp;
use session::{Pings, milliseconds};
use timer::Timer;

/// The token of a worker's waker.
pub(crate) const WAKER: Token = Token(usize::MAX);
const TIMER: Token = Token(usize::MAX - 1);
const EVENTS_MAX: usize = 1024;
/// Frames are read straight out of this; it grows when one frame is larger.
const RECEIVE_BYTES: usize = 256 << 10;
/// Heartbeats, and close frames, of one turn.
const PER_TURN_MAX: usize = 256;
/// Without anything else to do a worker looks around this often.
const IDLE_WAIT: Duration = Duration::from_millis(100);

/// What the coordinator tells every worker.
#[derive(Debug, Clone, Copy)]
pub enum Order {
    /// The ramp is over: look who is there.
    Prepare,
    /// Begin to send.
    Start,
    /// Send no more.
    Halt,
    /// Cut every connection, and come back; times count from here.
    Storm(Instant),
    /// Cut nothing, but have those come back whom the server closes; times count from here.
    Return(Instant),
    /// Close every connection, and end at this time at the latest.
    Close(Instant),
}

/// What a worker leaves behind.
#[derive(Debug)]
pub struct Outcome {
    /// Its account.
    pub tally: Tally,
    /// What arrived at its connections.
    pub ledger: Ledger,
    /// What its connections sent.
    pub sent: Vec<Sent>,
}

/// A flood thread.
pub(crate) struct Worker {
    pub(crate) poll: Poll,
    pub(crate) orders: Receiver<Order>,
    pub(crate) load: Box<dyn Load>,
    pub(crate) floor: Floor,
    ramp: Ramp,
    buffer: Vec<u8>,
    heartbeats_due: u64,
    /// What a Socket.IO server said about pings, and when the sessions are looked at, in that order.
    pings: Pings,
    looks: VecDeque<(u32, u32)>,
    started: Instant,
    /// The next slot to close and the time by which all must be.
    closing: Option<(u32, Instant)>,
    /// Parts of the account that are already in the shared counters.
    published: Published,
}

#[derive(Default)]
struct Published {
    sent: u64,
    received: u64,
    receipts: u64,
}

impl Worker {
    pub(crate) fn new(
        poll: Poll,
        orders: Receiver<Order>,
        load: Box<dyn Load>,
        shared: Arc<Shared>,
        index: u32,
    ) -> io::Result<Self> {
        Ok(Self {
            orders,
            load,
            floor: Floor::new(shared, poll.registry().try_clone()?, index),
            poll,
            ramp: Ramp::new(),
            buffer: vec![0; RECEIVE_BYTES],
            heartbeats_due: 0,
            pings: Pings::default(),
            looks: VecDeque::new(),
            started: Instant::now(),
            closing: None,
            published: Published::default(),
        })
    }

    /// The thread's whole life.
    pub(crate) fn run(mut self) -> io::Result<Outcome> {
        sys::own_descriptor_table()?;
        if let Some(cpu) = self.floor.shared.options.pin {
            sys::pin_to(cpu)?;
        }
        let mut timer = Timer::new(self.poll.registry(), TIMER)?;
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut wait = Duration::ZERO;
        loop {
            match self.poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                if event.token() != WAKER && event.token() != TIMER {
                    self.ready(event);
                }
            }
            let now = Instant::now();
            self.follow_orders(now);
            let mut next = now + IDLE_WAIT;
            if let Some(due) = self.ramp.pump(&mut self.floor, now) {
                next = next.min(due);
            }
            let now_ms = milliseconds(nanoseconds(self.floor.shared.epoch, now));
            if self.heartbeat(now) || self.look_at_pings(now_ms) {
                next = now;
            }
            let due = self.load.turn(&mut self.floor, now);
            timer.set(due, now)?;
            self.floor.flush();
            if self.close_some(now) {
                next = now;
            }
            self.floor.post();
            self.reap();
            self.publish();
            if self.closed_all(now) {
                break;
            }
            if let Some(gather) = self.floor.shared.options.gather.filter(|_| !events.is_empty()) {
                std::thread::sleep(gather);
            }
            wait = next.saturating_duration_since(now);
        }
        self.floor.tally.cpu = timer::thread_cpu();
        let (ledger, sent) = self.load.settle();
        Ok(Outcome { tally: self.floor.tally, ledger, sent })
    }

    fn follow_orders(&mut self, now: Instant) {
        loop {
            match self.orders.try_recv() {
                Ok(Order::Prepare) => {
                    self.load.prepare(&mut self.floor);
                    self.floor.shared.prepared.fetch_add(1, Release);
                }
                Ok(Order::Start) => self.load.start(&mut self.floor, now),
                Ok(Order::Halt) => self.load.halt(),
                Ok(Order::Storm(at)) => self.storm(at),
                Ok(Order::Return(at)) => self.wait_to_return(at),
                Ok(Order::Close(deadline)) => self.begin_closing(deadline),
                Err(TryRecvError::Empty) => return,
                // The coordinator is gone: so is the reason to go on.
                Err(TryRecvError::Disconnected) => {
                    if self.closing.is_none() {
                        self.begin_closing(now);
                    }
                    return;
                }
            }
        }
    }

    fn begin_closing(&mut self, deadline: Instant) {
        self.load.halt();
        self.ramp.stop(&mut self.floor);
        self.closing = Some((0, deadline));
    }

    /// Sends the heartbeats that are due, evenly over the interval; true when more are due.
    fn heartbeat(&mut self, now: Instant) -> bool {
        let Some(every) = self.floor.shared.options.heartbeat.filter(|_| self.closing.is_none()) else {
            return false;
        };
        let slots = u64::from(self.floor.slots());
        // The first round begins one interval after the start: nobody is idle for longer than two.
        let Some(since) = (now - self.started).checked_sub(every) else { return false };
        let due = (since.as_secs_f64() / every.as_secs_f64() * slots as f64) as u64;
        let end = due.min(self.heartbeats_due + PER_TURN_MAX as u64);
        for slot in self.heartbeats_due..end {
            let slot = (slot % slots) as u32;
            if self.floor.is_open(slot) {
                self.floor.queue(slot, opcode::TEXT, br#"{"mode":1,"msgId":"heartbeat"}"#);
                self.floor.flush();
                self.floor.tally.heartbeats += 1;
            }
        }
        self.heartbeats_due = end;
        end < due
    }

    /// Sends a turn's worth of close frames (or, at polling, packets); true when there are more to send.
    fn close_some(&mut self, now: Instant) -> bool {
        let Some((mut next, deadline)) = self.closing else { return false };
        let mut left = PER_TURN_MAX;
        while left > 0 && next < self.floor.slots() && now < deadline {
            if self.floor.is_open(next) {
                if self.floor.polls(next) {
                    self.floor.queue(next, opcode::TEXT, &[engine::CLOSE]);
                } else {
                    self.floor.queue(next, opcode::CLOSE, &1000u16.to_be_bytes());
                    self.floor.flush();
                }
                self.floor.conns[next as usize].state = State::Closing;
                left -= 1;
            }
            next += 1;
        }
        self.closing = Some((next, deadline));
        next < self.floor.slots() && now < deadline
    }

    /// Whether the run is over for this worker: all have said goodbye, or there is no more time.
    fn closed_all(&mut self, now: Instant) -> bool {
        let Some((next, deadline)) = self.closing else { return false };
        if now >= deadline {
            let left = self.floor.conns.iter().filter(|conn| conn.state == State::Closing).count() as u64;
            if left > 0 {
                *self.floor.tally.farewells.entry("no answer to the goodbye".to_owned()).or_default() += left;
            }
            return true;
        }
        next == self.floor.slots() && self.floor.shared.opened.load(Relaxed) == 0
            || next == self.floor.slots() && self.floor.conns.iter().all(|conn| conn.state != State::Closing)
    }

    /// Ends a connection that was open, or an attempt at one.
    fn end(&mut self, slot: u32, why: String) {
        let number = self.floor.base + slot;
        let floor = &mut self.floor;
        match floor.conns[slot as usize].state {
            State::Absent => {}
            State::Connecting | State::Handshaking | State::Greeting => {
                self.ramp.broken(floor, slot, why, Instant::now())
            }
            State::Open if self.ramp.storm.is_some_and(|storm| storm.by_server) => {
                self.closed_for_now(slot, why)
            }
            State::Open => {
                floor.hang_up(slot);
                floor.shared.set_open(number, false);
                floor.shared.opened.fetch_sub(1, Relaxed);
                floor.shared.lost.fetch_add(1, Relaxed);
                floor.tally.lost += 1;
                count(&mut floor.tally.closes, why);
                self.load.closed(floor, slot);
            }
            State::Closing => {
                floor.hang_up(slot);
                floor.shared.opened.fetch_sub(1, Relaxed);
                count(&mut floor.tally.farewells, why);
            }
        }
    }

    fn reap(&mut self) {
        for (slot, why) in std::mem::take(&mut self.floor.broken) {
            self.end(slot, why);
        }
    }

    fn publish(&mut self) {
        let (shared, tally, before) = (&self.floor.shared, &self.floor.tally, &mut self.published);
        if tally.received != before.received {
            shared.received.fetch_add(tally.received - before.received, Relaxed);
            before.received = tally.received;
        }
        if tally.sent != before.sent {
            shared.sent.fetch_add(tally.sent - before.sent, Relaxed);
            before.sent = tally.sent;
        }
        if tally.receipts != before.receipts {
            shared.receipts.fetch_add(tally.receipts - before.receipts, Relaxed);
            before.receipts = tally.receipts;
        }
    }
}
