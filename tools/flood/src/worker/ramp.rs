//! Opening connections: a bounded number at a time, again where that may help; and after a storm all of them, each
//! when its client would.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::{Duration, Instant};

use mio::{Interest, Token};

use crate::tally::count;
use crate::wire::handshake::Refusal;
use crate::worker::conn::{Conn, Extra, Stage, State};
use crate::worker::dial::dial;
use crate::worker::floor::{Floor, kind};
use crate::worker::storm::{ATTEMPT_MAX, Storm, pause};

/// Attempts of one connection before it counts as refused.
const ATTEMPTS_MAX: u8 = 8;
/// A longer `Retry-After` is not waited for.
const RETRY_AFTER_S_MAX: u32 = 10;
/// Given up in a row without one success: the rest is not attempted.
const HOPELESS: u64 = 500;

/// The connections of a worker that are not open yet.
#[derive(Debug)]
pub(crate) struct Ramp {
    /// The next slot that was never attempted.
    next: u32,
    /// Slots in progress.
    connecting: Vec<u32>,
    retry: BinaryHeap<Reverse<(Instant, u32)>>,
    next_sweep: Instant,
    done: bool,
    /// What the connections come back from, once there was one.
    pub(super) storm: Option<Storm>,
}

impl Ramp {
    pub(crate) fn new() -> Self {
        let (connecting, retry) = (Vec::new(), BinaryHeap::new());
        Self { next: 0, connecting, retry, next_sweep: Instant::now(), done: false, storm: None }
    }

    /// From now on attempts are those of clients that come back: as many at a time as are due, for as long as it
    /// takes.
    pub(crate) fn begin_storm(&mut self, storm: Storm) {
        self.storm = Some(storm);
        self.done = false;
    }

    /// Has a connection come back at this time.
    pub(crate) fn return_at(&mut self, slot: u32, due: Instant) {
        self.retry.push(Reverse((due, slot)));
        self.done = false;
    }

    /// Starts as many connects as may be in progress; returns when to come again at the latest.
    pub(crate) fn pump(&mut self, floor: &mut Floor, now: Instant) -> Option<Instant> {
        if self.done {
            return None;
        }
        self.connecting.retain(|slot| in_progress(floor.conns[*slot as usize].state));
        if now >= self.next_sweep {
            self.sweep(floor, now);
        }
        let max = match self.storm {
            Some(_) => usize::MAX,
            None => floor.shared.options.connecting_max as usize,
        };
        while self.connecting.len() < max {
            let due = self.retry.peek().is_some_and(|Reverse((due, _))| *due <= now);
            let slot = match due.then(|| self.retry.pop()).flatten() {
                Some(Reverse((_, slot))) => slot,
                None if self.next < floor.slots() => {
                    self.next += 1;
                    self.next - 1
                }
                None => break,
            };
            let hopeless = floor.tally.refused >= HOPELESS && self.storm.is_none();
            if hopeless && floor.shared.opened.load(Relaxed) == 0 {
                self.give_up(floor);
            } else {
                self.connect(floor, slot, now);
            }
        }
        if self.connecting.is_empty() && self.retry.is_empty() && self.next == floor.slots() {
            self.done = true;
            if self.storm.is_none() {
                floor.shared.ramped.fetch_add(1, Release);
            }
            return None;
        }
        let retry = self.retry.peek().map(|Reverse((due, _))| *due).filter(|_| self.connecting.len() < max);
        Some(retry.map_or(self.next_sweep, |due| due.min(self.next_sweep)))
    }

    /// Ends the ramp where it is: the run is being ended.
    pub(crate) fn stop(&mut self, floor: &mut Floor) {
        for slot in self.connecting.drain(..) {
            if in_progress(floor.conns[slot as usize].state) {
                floor.hang_up(slot);
            }
        }
        self.retry.clear();
        self.done = true;
    }

    /// The server has answered something else than 101, or nothing: again later, or never.
    pub(crate) fn refused(&mut self, floor: &mut Floor, slot: u32, refusal: &Refusal, now: Instant) {
        let wait = match (refusal.status, refusal.retry_after_s) {
            (503, Some(seconds)) => Some(Duration::from_secs(seconds.min(RETRY_AFTER_S_MAX).into())),
            (503, None) => Some(Duration::from_millis(250)),
            _ => None,
        };
        self.failed(floor, slot, refusal.reason(), wait, now);
    }

    /// A connect that failed, or a connection that ended before its handshake did.
    pub(crate) fn broken(&mut self, floor: &mut Floor, slot: u32, what: String, now: Instant) {
        self.failed(floor, slot, what, Some(Duration::from_millis(25)), now);
    }

    fn failed(&mut self, floor: &mut Floor, slot: u32, what: String, wait: Option<Duration>, now: Instant) {
        let attempts = floor.conns[slot as usize].attempts.saturating_add(1);
        floor.hang_up(slot);
        floor.conns[slot as usize] = Conn { attempts, ..Conn::absent() };
        if self.storm.is_some() {
            count(&mut floor.tally.storm.refusals, what);
            let due = now + pause(attempts, floor.draw());
            self.return_at(slot, due);
            return;
        }
        count(&mut floor.tally.refusals, what);
        match wait {
            Some(wait) if attempts < ATTEMPTS_MAX => {
                floor.tally.retries += 1;
                self.return_at(slot, now + wait * 2u32.pow(u32::from(attempts.min(4) - 1)));
            }
            _ => {
                floor.tally.refused += 1;
                floor.shared.refused.fetch_add(1, Relaxed);
            }
        }
    }

    fn connect(&mut self, floor: &mut Floor, slot: u32, now: Instant) {
        if self.storm.is_some() {
            floor.tally.storm.attempts += 1;
        }
        self.connecting.push(slot);
        let polls = floor.shared.options.speech.polls();
        let conn = &mut floor.conns[slot as usize];
        conn.state = if polls { State::Greeting } else { State::Connecting };
        conn.extra = Some(Box::new(Extra { since: Some(now), ..Extra::default() }));
        let shift = conn.attempts.into();
        if polls {
            floor.begin_polling(slot);
            return;
        }
        let stream = dial(&floor.shared, floor.base + slot, shift).and_then(|mut stream| {
            let both = Interest::READABLE | Interest::WRITABLE;
            floor.registry.register(&mut stream, Token(slot as usize), both).map(|()| stream)
        });
        match stream {
            Ok(stream) => floor.conns[slot as usize].stream = Some(stream),
            Err(error) => self.broken(floor, slot, format!("connect: {}", kind(&error)), now),
        }
    }

    /// Gives up handshakes that take too long.
    fn sweep(&mut self, floor: &mut Floor, now: Instant) {
        let timeout = match self.storm {
            Some(_) => ATTEMPT_MAX,
            None => floor.shared.options.timeout,
        };
        let late = |slot: &u32| {
            let extra = floor.conns[*slot as usize].extra.as_ref();
            extra.and_then(|extra| extra.since).is_some_and(|since| now - since > timeout)
        };
        for slot in self.connecting.iter().copied().filter(late).collect::<Vec<_>>() {
            let what = match (floor.conns[slot as usize].state, floor.clients.get(slot as usize)) {
                (State::Greeting, Some(client)) => match client.stage {
                    Stage::Opening => "no open packet in time",
                    Stage::Joining => "no answer to CONNECT in time",
                    Stage::Registering => "register was not acknowledged in time",
                    Stage::Ready => "not upgraded in time",
                },
                _ => "handshake timed out",
            };
            self.failed(floor, slot, what.to_owned(), None, now);
        }
        self.next_sweep = now + Duration::from_millis(250);
    }

    fn give_up(&mut self, floor: &mut Floor) {
        let rest = u64::from(floor.slots() - self.next) + self.retry.len() as u64 + 1;
        self.next = floor.slots();
        self.retry.clear();
        floor.tally.refused += rest;
        floor.shared.refused.fetch_add(rest, Relaxed);
        *floor.tally.refusals.entry("not attempted".to_owned()).or_default() += rest;
    }
}

/// On its way to being open.
fn in_progress(state: State) -> bool {
    matches!(state, State::Connecting | State::Handshaking | State::Greeting)
}
