//! A herd that returns: every connection is cut at once, and comes back when a client library would.
//!
//! The policy is that of Socket.IO's clients with their defaults, and plain WebSockets follow it, too: a second,
//! doubled with each attempt, up to half more or less of it by chance, five seconds at most. Clients in a browser
//! do not get to see a `Retry-After`, so none is heeded. A server that is drained closes them itself, one by one.

use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::{Duration, Instant};

use crate::tally::count;
use crate::worker::Worker;

const FIRST_MS: u32 = 1000;
const MOST_MS: u32 = 5000;
/// How long an attempt may take before the client gives it up and waits for the next.
pub(super) const ATTEMPT_MAX: Duration = Duration::from_secs(20);

/// What the worker's connections come back from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Storm {
    /// When all were cut, or the server was told to end.
    pub(super) at: Instant,
    /// It is the server that closes them, each in its time.
    pub(super) by_server: bool,
}

impl Worker {
    /// Cuts every open connection; none says goodbye.
    pub(super) fn storm(&mut self, at: Instant) {
        let now = Instant::now();
        self.ramp.begin_storm(Storm { at, by_server: false });
        for slot in 0..self.floor.slots() {
            if !self.floor.is_open(slot) {
                continue;
            }
            let floor = &mut self.floor;
            floor.hang_up(slot);
            floor.shared.set_open(floor.base + slot, false);
            floor.shared.opened.fetch_sub(1, Relaxed);
            floor.shared.dropped.fetch_add(1, Relaxed);
            floor.tally.storm.dropped += 1;
            let wait = pause(0, floor.draw());
            self.ramp.return_at(slot, now + wait);
        }
        self.floor.shared.stormed.fetch_add(1, Release);
    }
}

impl Worker {
    /// From now on whoever is closed comes back.
    pub(super) fn wait_to_return(&mut self, at: Instant) {
        self.ramp.begin_storm(Storm { at, by_server: true });
        self.floor.shared.stormed.fetch_add(1, Release);
    }

    /// The server has closed a connection: it is back after the pause of its client.
    pub(super) fn closed_for_now(&mut self, slot: u32, why: String) {
        let Some(Storm { at, .. }) = self.ramp.storm else { return };
        let (now, floor) = (Instant::now(), &mut self.floor);
        floor.hang_up(slot);
        floor.shared.set_open(floor.base + slot, false);
        floor.shared.opened.fetch_sub(1, Relaxed);
        floor.shared.dropped.fetch_add(1, Relaxed);
        floor.tally.storm.dropped += 1;
        enter(&mut floor.tally.storm.closed_per_s, now - at);
        count(&mut floor.tally.storm.closes, why);
        let wait = pause(0, floor.draw());
        self.ramp.return_at(slot, now + wait);
    }
}

/// Counts one in its second.
pub(super) fn enter(per_s: &mut Vec<u64>, after: Duration) {
    let second = after.as_secs() as usize;
    if per_s.len() <= second {
        per_s.resize(second + 1, 0);
    }
    per_s[second] += 1;
}

/// How long a client waits that has failed to come back `attempts` times; `random` is any number.
pub(super) fn pause(attempts: u8, random: u32) -> Duration {
    let middle = f64::from(FIRST_MS << attempts.min(16));
    // Evenly between a half and one and a half.
    let share = 0.5 + f64::from(random) / f64::from(u32::MAX);
    Duration::from_millis((middle * share).min(f64::from(MOST_MS)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_five_seconds() {
        let range = |attempts| [0, u32::MAX].map(|random| pause(attempts, random).as_millis());
        assert_eq!(range(0), [500, 1500]);
        assert_eq!(range(1), [1000, 3000]);
        assert_eq!(range(2), [2000, 5000]);
        assert_eq!(range(4), [5000, 5000]);
        assert_eq!(range(255), [5000, 5000]);
    }
}
