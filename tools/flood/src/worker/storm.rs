//! A herd that returns: every connection is cut at once, and comes back when a client library would.
//!
//! The policy is that of Socket.IO's clients with their defaults, and plain WebSockets follow it, too: a second,
//! doubled with each attempt, up to half more or less of it by chance, five seconds at most. Clients in a browser
//! do not get to see a `Retry-After`, so none is heeded.

use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::{Duration, Instant};

use crate::worker::Worker;
use crate::worker::floor::Floor;

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
            let wait = pause(floor, 0);
            self.ramp.return_at(slot, now + wait);
        }
        self.floor.shared.stormed.fetch_add(1, Release);
    }
}

/// How long a client waits that has failed to come back `attempts` times.
pub(super) fn pause(floor: &mut Floor, attempts: u8) -> Duration {
    let middle = FIRST_MS.saturating_mul(1 << attempts.min(16));
    // Evenly between a half and one and a half.
    let share = f64::from(floor.draw()) / f64::from(u32::MAX);
    let pause = (f64::from(middle) * (0.5 + share)).min(f64::from(MOST_MS));
    Duration::from_millis(pause as u64)
}
