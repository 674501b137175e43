//! What a reactor shows of itself while it runs: counters that one thread writes and anybody reads.

use crate::wire::dialect::Dialect;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The phases of a turn, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// What other reactors handed over.
    Mail,
    /// New connections.
    Accept,
    /// Bytes from clients.
    Read,
    /// Deadlines.
    Timers,
    /// Bytes to clients.
    Flush,
    /// Freeing what closed.
    Reap,
}

impl Phase {
    /// All of them.
    pub const ALL: [Phase; 6] =
        [Phase::Mail, Phase::Accept, Phase::Read, Phase::Timers, Phase::Flush, Phase::Reap];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        ["mail", "accept", "read", "timers", "flush", "reap"][self as usize]
    }
}

/// A counter or gauge with one writer.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Adds to it.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Takes from it.
    pub fn sub(&self, count: u64) {
        self.0.fetch_sub(count, Ordering::Relaxed);
    }

    /// Replaces it.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Reads it.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A histogram of durations with fixed bounds.
#[derive(Debug, Default)]
pub struct Durations {
    buckets: [Gauge; Durations::BOUNDS_US.len() + 1],
    sum_ns: Gauge,
}

impl Durations {
    /// Upper bounds in microseconds; one more bucket has the rest.
    pub const BOUNDS_US: [u64; 7] = [10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

    /// Counts one.
    pub fn observe(&self, took: Duration) {
        let us = took.as_micros() as u64;
        let bucket = Durations::BOUNDS_US.iter().position(|bound| us <= *bound);
        self.buckets[bucket.unwrap_or(Durations::BOUNDS_US.len())].add(1);
        self.sum_ns.add(took.as_nanos() as u64);
    }

    /// Counts by bucket (not cumulative), and the sum in seconds.
    pub fn read(&self) -> ([u64; Durations::BOUNDS_US.len() + 1], f64) {
        (std::array::from_fn(|i| self.buckets[i].get()), self.sum_ns.get() as f64 / 1e9)
    }
}

/// The gauges of one reactor.
#[derive(Debug, Default)]
pub struct Gauges {
    /// Turns begun: grows as long as the reactor is alive and has something to do.
    pub begun: Gauge,
    /// Listeners for clients that are open.
    pub doors: Gauge,
    /// Connections accepted.
    pub accepted: Gauge,
    /// Connections open now; a session without one is none.
    pub links: Gauge,
    /// Pauses of accepting because descriptors or kernel memory ran out.
    pub accept_pauses: Gauge,
    /// Frames accepted for a link.
    pub deliveries: Gauge,
    /// Frames dropped because their reader was too slow.
    pub dropped_slow: Gauge,
    /// Frames dropped because their link was ending, or ended before they were sent.
    pub dropped_closed: Gauge,
    /// Volatile messages dropped because their link could not take them.
    pub dropped_volatile: Gauge,
    /// Messages made in each dialect.
    pub encoded: [Gauge; Dialect::FORMS],
    /// Bytes waiting in outboxes now.
    pub queued_bytes: Gauge,
    /// Mails waiting now.
    pub mails: Gauge,
    /// How long each phase took, by [`Phase`].
    pub phases: [Durations; Phase::ALL.len()],
    /// How long whole turns took, without the waiting between them.
    pub turns: Durations,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let durations = Durations::default();
        for us in [0, 10, 11, 10_000_001] {
            durations.observe(Duration::from_micros(us));
        }
        assert_eq!(durations.read().0, [2, 1, 0, 0, 0, 0, 0, 1]);
    }
}
