//! How fast a server accepts: one gate for all reactors, before which newcomers wait in the kernel.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What may come at once after nobody came for a while: what the rate allows in so long, and one at least.
const BURST_NS: u64 = 100_000_000;

/// See the module.
#[derive(Debug)]
pub struct Gate {
    /// 0 is as many as come.
    rate: AtomicU32,
    began: Instant,
    /// When the next one would come if they came evenly, in nanoseconds since it began.
    due_ns: AtomicU64,
}

impl Default for Gate {
    fn default() -> Gate {
        Gate::new()
    }
}

impl Gate {
    /// Lets in all who come.
    pub fn new() -> Gate {
        Gate { rate: AtomicU32::new(0), began: Instant::now(), due_ns: AtomicU64::new(0) }
    }

    /// Lets so many in a second from now on; `None` lets in all.
    pub fn set_rate(&self, rate: Option<u32>) {
        self.rate.store(rate.unwrap_or(0), Ordering::Relaxed);
    }

    /// How long nobody may come in; nothing if somebody may now.
    pub fn closed_for(&self) -> Option<Duration> {
        match self.rate.load(Ordering::Relaxed) {
            0 => None,
            rate => self.closed_at(self.now_ns(), rate),
        }
    }

    /// Somebody has come in.
    pub fn note(&self) {
        let rate = self.rate.load(Ordering::Relaxed);
        if rate > 0 {
            self.note_at(self.now_ns(), rate);
        }
    }

    fn closed_at(&self, now_ns: u64, rate: u32) -> Option<Duration> {
        // Of one that is let in in each burst or less often, the next one waits for its whole turn.
        let ahead = BURST_NS.saturating_sub(interval_ns(rate));
        let opens = self.due_ns.load(Ordering::Relaxed).saturating_sub(ahead);
        (opens > now_ns).then(|| Duration::from_nanos(opens - now_ns))
    }

    fn note_at(&self, now_ns: u64, rate: u32) {
        // Who came in on another reactor in the same moment counts, too: the others wait for that much longer.
        let _ = self.due_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |due| {
            Some(due.max(now_ns) + interval_ns(rate))
        });
    }

    fn now_ns(&self) -> u64 {
        // Nanoseconds of 584 years.
        self.began.elapsed().as_nanos() as u64
    }
}

fn interval_ns(rate: u32) -> u64 {
    1_000_000_000 / u64::from(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_every_time_no_more_come_in_than_the_rate_and_one_burst() {
        for rate in [1, 7, 10, 11, 1_000, 1_000_000] {
            let gate = Gate::new();
            gate.set_rate(Some(rate));
            let (mut now, mut came) = (5_000_000_000, Vec::new());
            for _ in 0..1_000 {
                if let Some(closed) = gate.closed_at(now, rate) {
                    now += closed.as_nanos() as u64;
                }
                assert_eq!(gate.closed_at(now, rate), None);
                gate.note_at(now, rate);
                came.push(now);
            }
            let burst = (u64::from(rate) * BURST_NS).div_ceil(1_000_000_000).max(1) as usize;
            for (number, first) in came.iter().enumerate().step_by(97) {
                let late = first + 1_000_000_000;
                let within = came[number..].iter().take_while(|at| **at < late).count();
                assert!(within <= rate as usize + burst, "{rate}: {within} in a second");
            }
            // And no fewer, when they wait at the door.
            let took = came[999] - came[0];
            assert!(took <= 1_000 * interval_ns(rate), "{rate}: {took}");
        }
    }

    #[test]
    fn without_a_rate_it_is_open() {
        let gate = Gate::new();
        (0..1_000).for_each(|_| gate.note());
        assert_eq!(gate.closed_for(), None);
        gate.set_rate(Some(1));
        assert_eq!(gate.closed_for(), None);
        gate.note();
        assert!(gate.closed_for().is_some());
    }
}
