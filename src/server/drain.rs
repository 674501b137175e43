//! Emptying a reactor: its sockets are closed one by one, evenly over a time, and told to come back.
//!
//! Owns the order and the pace. How a socket is closed is its stage's business ([`super::websocket`], [`super::engine`]);
//! that no more are accepted, the reactor's. The last reactor that is empty stops them all.

use super::worker::{Session, Worker};
use crate::app::{CloseCause, Drain, Mail};
use crate::base::ids::LinkId;
use crate::reactor::outlet::Outlet;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How many sockets are closed in one turn, however many are due.
const CLOSED_A_TURN: usize = 512;
/// How long clients that are between two polls are waited for, so that the next one tells them, in milliseconds.
const POLLS_MS: u32 = 1_000;
/// How often is looked whether they have come.
const LOOK: Duration = Duration::from_millis(20);
/// The code of RFC 6455's registry for a server that is restarted, and what it is called there.
pub(super) const CODE: u16 = 1012;
pub(super) const REASON: &str = "service restart";

/// A drain under way.
pub(super) struct Draining {
    /// What the order follows from.
    chance: u64,
    /// When the first is closed, in milliseconds.
    from: u32,
    over_ms: u32,
    /// What is left, the next one last; not known before `from`.
    queue: Option<Vec<LinkId>>,
    /// How many there were at `from`.
    total: usize,
    /// When the last one was closed, in milliseconds.
    emptied: Option<u32>,
    done: bool,
}

impl Draining {
    /// How many should have been closed after this time.
    fn due(&self, elapsed_ms: u32) -> usize {
        if elapsed_ms >= self.over_ms {
            return self.total;
        }
        let due = self.total as u64 * u64::from(elapsed_ms) / u64::from(self.over_ms);
        self.total.min(due as usize + 1)
    }

    /// When so many have to have been closed, after the first.
    fn due_ms(&self, count: usize) -> u32 {
        (u64::from(self.over_ms) * count as u64).div_ceil(self.total.max(1) as u64) as u32
    }
}

impl Worker {
    /// Begins, or goes on at another pace.
    pub(super) fn drain(&mut self, plan: Drain, chance: u64, out: &mut Outlet) {
        if self.stopping || self.draining.as_ref().is_some_and(|draining| draining.done) {
            return;
        }
        self.core.own_stats().draining.set(1);
        let now = self.core.now;
        let queue = self.draining.take().and_then(|draining| draining.queue);
        let pause = if queue.is_some() { 0 } else { plan.grace.as_millis() as u32 };
        let total = queue.as_ref().map_or(0, Vec::len);
        let over_ms = plan.over.as_millis() as u32;
        let from = now.in_ms(pause);
        self.draining =
            Some(Box::new(Draining { chance, from, over_ms, queue, total, emptied: None, done: false }));
        self.drain_on(out);
    }

    /// Closes whoever is due.
    pub(super) fn drain_on(&mut self, out: &mut Outlet) {
        let now = self.core.now;
        let Some(mut draining) = self.draining.take() else { return };
        let begun = now.is_past(draining.from) && !draining.done && !self.stopping;
        if begun {
            if draining.queue.is_none() {
                draining.queue = Some(self.turn_away(draining.chance, out));
                draining.total = draining.queue.as_ref().map_or(0, Vec::len);
            }
            self.close_due(&mut draining, out);
        }
        self.draining = Some(draining);
    }

    /// Takes nobody new from now on; those who are here, in an order of chance.
    fn turn_away(&mut self, chance: u64, out: &mut Outlet) -> Vec<LinkId> {
        self.core.turns_away = true;
        let mut sockets = Vec::new();
        for link in out.ids() {
            match self.sessions.get(link.slot as usize) {
                Some(Session::WebSocket(_) | Session::Engine(_)) => sockets.push(link),
                Some(Session::Http(_)) => self.drain_http(link, out),
                // A probe goes with its session; who comes from another reactor is closed when it is here.
                Some(Session::Probe(_) | Session::Arriving | Session::Gone) | None => {}
            }
        }
        sockets.sort_by_cached_key(|link| scatter(chance ^ link.to_word()));
        sockets
    }

    /// A socket has come from another reactor, and is closed in its turn here; at once if all others have been.
    pub(super) fn drain_newcomer(&mut self, link: LinkId, out: &mut Outlet) {
        let Some(draining) = &mut self.draining else { return };
        if draining.done {
            self.close_websocket(link, CODE, REASON, &CloseCause::Drain, out);
        } else if let Some(queue) = &mut draining.queue {
            queue.push(link);
            draining.total += 1;
        }
    }

    fn close_due(&mut self, draining: &mut Draining, out: &mut Outlet) {
        let now = self.core.now;
        let elapsed = -now.until(draining.from);
        let left = draining.total - draining.due(elapsed.max(0) as u32);
        let Some(queue) = &mut draining.queue else { return };
        if self.core.own_stats().sockets.get() == 0 {
            // They have left by themselves.
            queue.clear();
        }
        let mut budget = CLOSED_A_TURN;
        while queue.len() > left && budget > 0 {
            let Some(link) = queue.pop() else { break };
            budget -= 1;
            // Its slot may be somebody else's by now.
            if out.id_of(link.slot) != Some(link) {
                continue;
            }
            match self.sessions.get(link.slot as usize) {
                Some(Session::WebSocket(_)) => {
                    self.close_websocket(link, CODE, REASON, &CloseCause::Drain, out);
                }
                Some(Session::Engine(_)) => self.engine_close(link, &CloseCause::Drain, out),
                _ => {}
            }
        }
        if !queue.is_empty() {
            return;
        }
        let emptied = *draining.emptied.get_or_insert(now.ms);
        if !now.is_past(emptied.wrapping_add(POLLS_MS)) && self.is_awaiting_polls(out) {
            return;
        }
        draining.done = true;
        if self.shared.undrained.fetch_sub(1, Ordering::Relaxed) == 1 {
            for mailbox in self.core.mailboxes.iter() {
                mailbox.post_anyway(Mail::Stop, 0);
            }
        }
    }

    /// Whether clients that poll have still to hear that their session is over.
    fn is_awaiting_polls(&self, out: &Outlet) -> bool {
        out.ids().iter().any(|link| match self.sessions.get(link.slot as usize) {
            Some(Session::Engine(engine)) => engine.left && engine.polling.is_some(),
            _ => false,
        })
    }

    /// How long until there is something to do for it.
    pub(super) fn drain_pause(&self) -> Option<Duration> {
        let draining = self.draining.as_deref().filter(|draining| !draining.done && !self.stopping)?;
        let now = self.core.now;
        let at = match &draining.queue {
            None => draining.from,
            Some(queue) if queue.is_empty() => return Some(LOOK),
            Some(_) if self.core.own_stats().sockets.get() == 0 => return Some(Duration::ZERO),
            Some(queue) => draining.from.wrapping_add(draining.due_ms(draining.total - queue.len())),
        };
        Some(Duration::from_millis(now.until(at).max(0) as u64))
    }
}

/// Bits without a pattern: the last step of splitmix64, which is one to one.
fn scatter(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draining(total: usize, over_ms: u32) -> Draining {
        Draining { chance: 0, from: 0, over_ms, queue: None, total, emptied: None, done: false }
    }

    #[test]
    fn the_pace_is_even_from_the_first_to_the_last() {
        let ten = draining(10, 1_000);
        assert_eq!(
            [0, 99, 100, 450, 900, 999, 1_000, u32::MAX].map(|ms| ten.due(ms)),
            [1, 1, 2, 5, 10, 10, 10, 10]
        );
        let many = draining(1 << 20, 1_000);
        let steps: Vec<usize> = (1..1_000).map(|ms| many.due(ms) - many.due(ms - 1)).collect();
        assert!(steps.iter().all(|step| (1_048..=1_049).contains(step)), "{steps:?}");
        assert_eq!(draining(5, 0).due(0), 5);
        assert_eq!(draining(0, 1_000).due(0), 0);
    }

    #[test]
    fn whoever_sleeps_until_it_is_due_closes_somebody() {
        for (total, over_ms) in [(1, 1_000), (7, 1_000), (1_000, 7), (3, 86_400_000), (1 << 20, 20_000)] {
            let plan = draining(total, over_ms);
            for closed in [0, 1, total / 2, total - 1].into_iter().filter(|closed| *closed < total) {
                assert!(plan.due(plan.due_ms(closed)) > closed, "{closed} of {total} over {over_ms}");
            }
        }
    }
}
