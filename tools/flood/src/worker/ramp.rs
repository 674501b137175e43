//! Opening connections: a bounded number at a time, from many sources, again where that may help.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::shared::Shared;
use crate::sys;
use crate::tally::count;
use crate::wire::handshake::Refusal;
use crate::worker::conn::{Conn, Extra, State};
use crate::worker::floor::{Floor, kind};

/// Connections from one source address: well below its 28,000 ports, or looking for one gets slow.
const CONNECTIONS_PER_SOURCE: u32 = 8_000;
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
    retry: VecDeque<(Instant, u32)>,
    next_sweep: Instant,
    done: bool,
}

impl Ramp {
    pub(crate) fn new() -> Self {
        let (connecting, retry) = (Vec::new(), VecDeque::new());
        Self { next: 0, connecting, retry, next_sweep: Instant::now(), done: false }
    }

    /// Starts as many connects as may be in progress; returns when to come again at the latest.
    pub(crate) fn pump(&mut self, floor: &mut Floor, registry: &Registry, now: Instant) -> Option<Instant> {
        if self.done {
            return None;
        }
        self.connecting.retain(|slot| {
            matches!(floor.conns[*slot as usize].state, State::Connecting | State::Handshaking)
        });
        if now >= self.next_sweep {
            self.sweep(floor, now);
        }
        let max = floor.shared.options.connecting_max as usize;
        while self.connecting.len() < max {
            let due = self.retry.front().is_some_and(|(due, _)| *due <= now);
            let slot = match due.then(|| self.retry.pop_front()).flatten() {
                Some((_, slot)) => slot,
                None if self.next < floor.slots() => {
                    self.next += 1;
                    self.next - 1
                }
                None => break,
            };
            if floor.shared.opened.load(std::sync::atomic::Ordering::Relaxed) == 0
                && floor.tally.refused >= HOPELESS
            {
                self.give_up(floor);
            } else {
                self.connect(floor, registry, slot, now);
            }
        }
        if self.connecting.is_empty() && self.retry.is_empty() && self.next == floor.slots() {
            self.done = true;
            floor.shared.ramped.fetch_add(1, std::sync::atomic::Ordering::Release);
            return None;
        }
        let retry = self.retry.front().map(|(due, _)| *due).filter(|_| self.connecting.len() < max);
        Some(retry.map_or(self.next_sweep, |due| due.min(self.next_sweep)))
    }

    /// Ends the ramp where it is: the run is being ended.
    pub(crate) fn stop(&mut self, floor: &mut Floor) {
        for slot in self.connecting.drain(..) {
            let conn = &mut floor.conns[slot as usize];
            if matches!(conn.state, State::Connecting | State::Handshaking) {
                *conn = Conn::absent();
            }
        }
        self.retry.clear();
        self.done = true;
    }

    /// The server has answered something else than 101, or nothing: again later, or never.
    pub(crate) fn refused(&mut self, floor: &mut Floor, slot: u32, refusal: &Refusal, now: Instant) {
        let what = match (refusal.status, refusal.code.as_str()) {
            (0, what) => what.to_owned(),
            (status, "") => status.to_string(),
            (status, code) => format!("{status} {code}"),
        };
        let wait = match (refusal.status, refusal.retry_after_s) {
            (503, Some(seconds)) => Some(Duration::from_secs(seconds.min(RETRY_AFTER_S_MAX).into())),
            (503, None) => Some(Duration::from_millis(250)),
            _ => None,
        };
        self.failed(floor, slot, what, wait, now);
    }

    /// A connect that failed, or a connection that ended before its handshake did.
    pub(crate) fn broken(&mut self, floor: &mut Floor, slot: u32, what: String, now: Instant) {
        self.failed(floor, slot, what, Some(Duration::from_millis(25)), now);
    }

    fn failed(&mut self, floor: &mut Floor, slot: u32, what: String, wait: Option<Duration>, now: Instant) {
        count(&mut floor.tally.refusals, what);
        let conn = &mut floor.conns[slot as usize];
        let attempts = conn.attempts + 1;
        *conn = Conn { attempts, ..Conn::absent() };
        match wait {
            Some(wait) if attempts < ATTEMPTS_MAX => {
                floor.tally.retries += 1;
                let due = now + wait * 2u32.pow(u32::from(attempts.min(4) - 1));
                let at = self.retry.partition_point(|(other, _)| *other <= due);
                self.retry.insert(at, (due, slot));
            }
            _ => {
                floor.tally.refused += 1;
                floor.shared.refused.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        }
    }

    fn connect(&mut self, floor: &mut Floor, registry: &Registry, slot: u32, now: Instant) {
        let target = floor.shared.target.address;
        let number = floor.base + slot;
        // Where one source has no port left, another one may.
        let mut tries = 0;
        let stream = loop {
            let source =
                source(&floor.shared, number, u32::from(floor.conns[slot as usize].attempts) + tries);
            match sys::connect_from(source, target) {
                Err(error) if tries < 8 && no_port(&error) => tries += 1,
                other => break other,
            }
        };
        let stream = stream.map(TcpStream::from_std).and_then(|mut stream| {
            let both = Interest::READABLE | Interest::WRITABLE;
            registry.register(&mut stream, Token(slot as usize), both).map(|()| stream)
        });
        match stream {
            Ok(stream) => {
                let conn = &mut floor.conns[slot as usize];
                conn.stream = Some(stream);
                conn.state = State::Connecting;
                conn.extra = Some(Box::new(Extra { since: Some(now), ..Extra::default() }));
                self.connecting.push(slot);
            }
            Err(error) => self.broken(floor, slot, format!("connect: {}", kind(&error)), now),
        }
    }

    /// Gives up handshakes that take too long.
    fn sweep(&mut self, floor: &mut Floor, now: Instant) {
        let timeout = floor.shared.options.timeout;
        let late = |slot: &u32| {
            let extra = floor.conns[*slot as usize].extra.as_ref();
            extra.and_then(|extra| extra.since).is_some_and(|since| now - since > timeout)
        };
        for slot in self.connecting.iter().copied().filter(late).collect::<Vec<_>>() {
            self.failed(floor, slot, "handshake timed out".to_owned(), None, now);
        }
        self.next_sweep = now + Duration::from_millis(250);
    }

    fn give_up(&mut self, floor: &mut Floor) {
        let rest = u64::from(floor.slots() - self.next) + self.retry.len() as u64 + 1;
        self.next = floor.slots();
        self.retry.clear();
        floor.tally.refused += rest;
        floor.shared.refused.fetch_add(rest, std::sync::atomic::Ordering::Relaxed);
        *floor.tally.refusals.entry("not attempted".to_owned()).or_default() += rest;
    }
}

fn no_port(error: &io::Error) -> bool {
    use io::ErrorKind::{AddrInUse, AddrNotAvailable, WouldBlock};
    matches!(error.kind(), AddrInUse | AddrNotAvailable | WouldBlock)
}

/// The source address of a connection. Runs differ in the second byte, so that they do not share ports.
fn source(shared: &Shared, number: u32, shift: u32) -> Option<IpAddr> {
    if !shared.target.address.is_ipv4() {
        return None;
    }
    let block = 16 + (shared.run % 200) as u8;
    let sources = shared.options.connections.div_ceil(CONNECTIONS_PER_SOURCE);
    let index = number / CONNECTIONS_PER_SOURCE + shift * sources;
    Some(IpAddr::V4(Ipv4Addr::new(127, block, (index / 250 % 250) as u8, 1 + (index % 250) as u8)))
}
