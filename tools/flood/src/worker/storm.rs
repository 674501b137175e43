//! A herd that returns: every connection is cut at once, and comes back when a client library would.
//!
//! The policy is that of Socket.IO's clients with their defaults, and plain WebSockets follow it, too: a second,
//! doubled with each attempt, up to half more or less of it by chance, five seconds at most. Clients in a browser
//! do not get to see a `Retry-After`, so none is heeded.

use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::{Duration, Instant};

use crate::worker::Worker;

const FIRST_MS: u32 = 1000;
const MOST_MS: u32 = 5000;
/// How long an attempt may take before the client gives it up and waits for the next.
pub(super) const ATTEMPT_MAX: Duration = Duration::from_secs(20);

/// What the worker's connections come back from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Storm {
    /// When all were cut.
    pub(super) at: Instant,
}

impl Worker {
    /// Cuts every open connection; none says goodbye.
    pub(super) fn storm(&mut self, at: Instant) {
        let now = Instant::now();
        self.ramp.begin_storm(Storm { at });
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
