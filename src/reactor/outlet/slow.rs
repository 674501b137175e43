//! Links that do not keep up: for which most waits.
//!
//! Nobody counts them while they wait; whoever asks has the table walked. The answer is given after the next flush, when
//! what waits is what the kernel did not take, and it needs the wires, which the reactor has.

use super::{Outlet, Ticket};
use crate::base::ids::LinkId;
use crate::base::time::TICK_MS;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// A link for which something waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slow {
    /// Which.
    pub link: LinkId,
    /// Bytes in its outbox.
    pub queued_bytes: usize,
    /// How long it has had something there, in whole ticks.
    pub waiting: Duration,
}

impl Outlet {
    /// Asks for at most so many links for which most waits.
    pub fn ask_slowest(&mut self, ticket: Ticket, limit: usize) {
        self.slow_asked.push((ticket, limit));
    }

    pub(in crate::reactor) fn take_slow_asked(&mut self) -> Vec<(Ticket, usize)> {
        std::mem::take(&mut self.slow_asked)
    }

    /// The links for which most waits, most first.
    pub fn slowest(&self, limit: usize) -> Vec<Slow> {
        let mut most = BinaryHeap::new();
        for (slot, link) in &self.links {
            let Some(outbox) = link.outbox.as_deref().filter(|outbox| !outbox.is_empty()) else { continue };
            most.push(Reverse((outbox.waiting(), slot)));
            if most.len() > limit {
                // The one with least.
                most.pop();
            }
        }
        let ordered = most.into_sorted_vec().into_iter();
        let slow = |Reverse((queued_bytes, slot))| {
            let link: &super::Link = &self.links[slot];
            let since = link.outbox.as_deref().map_or(self.now, |outbox| outbox.since());
            let ticks = self.now.0.saturating_sub(since.0);
            Slow {
                link: LinkId { slot: slot as u32, generation: link.generation },
                queued_bytes,
                waiting: Duration::from_millis(u64::from(ticks) * TICK_MS),
            }
        };
        ordered.map(slow).collect()
    }
}
