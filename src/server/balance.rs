//! The same number of connections on every reactor, more or less.
//!
//! Owns: which reactor a new connection is for, and when a reactor gives some of its links to another. The way there is
//! that of requests for sessions of another reactor ([`super::http`]) for the former, and [`super::transfer`] for the latter.
//!
//! What counts is the number of connections, of whatever kind: it is known without measuring, and does not change with
//! every message. The kernel spreads newcomers well enough that nearly all stay where they come out.

use super::http::Http;
use super::worker::{Session, Shared, Worker};
use crate::base::ids::{LinkId, ReactorId};
use crate::reactor::outlet::Outlet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A newcomer is handed over by a reactor that has so many connections more than another one, and 1/32 of them.
const NEWCOMERS: usize = 16;
const NEWCOMERS_PART: usize = 32;
/// Links are given away by a reactor that has so many connections more than the mean, and 1/8 of it...
const SKEWED: usize = 64;
const SKEWED_PART: usize = 8;
/// ... until it has only so many more, or 1/64.
const EVEN: usize = 8;
const EVEN_PART: usize = 64;
/// How often a reactor looks, in milliseconds.
const LOOK_MS: u32 = 1_000;
/// How long it waits between two batches, in milliseconds, and how many links are in one.
const BATCH_MS: u32 = 10;
const BATCH: usize = 64;
/// How many links it looks at, to find those of a batch.
const SEARCHED: usize = 4_096;

/// Connections that are on their way to each reactor: those who decide at the same time see one another's decisions.
pub(super) struct Coming(Option<Box<[AtomicUsize]>>);

impl Coming {
    /// None will be, unless the reactors share their load.
    pub(super) fn new(reactors: usize, share: bool) -> Coming {
        Coming((share && reactors > 1).then(|| (0..reactors).map(|_| AtomicUsize::new(0)).collect()))
    }
}

impl Shared {
    /// So many connections are about to go to a reactor.
    pub(super) fn expect(&self, reactor: ReactorId, count: usize) {
        if let Some(coming) = &self.coming.0 {
            coming[usize::from(reactor.0)].fetch_add(count, Ordering::Relaxed);
        }
    }

    /// They are there, or will not come.
    pub(super) fn arrived(&self, reactor: ReactorId, count: usize) {
        if let Some(coming) = &self.coming.0 {
            coming[usize::from(reactor.0)].fetch_sub(count, Ordering::Relaxed);
        }
    }
}

/// What a reactor remembers of it.
pub(super) struct Evening {
    /// When it looks next.
    at_ms: u32,
    /// It has enough for that to be of use.
    looks: bool,
    /// It had too many when it looked last, and goes on.
    goes_on: bool,
    /// Where it looks for links next.
    slot: usize,
    dice: u64,
}

impl Evening {
    pub(super) fn new(reactor: ReactorId) -> Evening {
        Evening { at_ms: 0, looks: false, goes_on: false, slot: 0, dice: u64::from(reactor.0) + 1 }
    }

    /// Xorshift: nobody gains anything by guessing it.
    fn below(&mut self, count: usize) -> usize {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice % count as u64) as usize
    }
}

/// Whether one reactor has more than another one and so many, or so large a part of those.
fn too_many(own: usize, other: usize, least: usize, part: usize) -> bool {
    own > other + least.max(other / part)
}

impl Worker {
    /// The reactor to which a newcomer should go instead of this one.
    pub(super) fn lighter(&mut self, out: &Outlet) -> Option<ReactorId> {
        let others = self.core.mailboxes.len() - 1;
        // Whoever is to be sent away is told so here.
        if self.shared.coming.0.is_none() || self.core.turns_away {
            return None;
        }
        let own = wired(out);
        let most = self.shared.max_links_per_reactor;
        if own > most {
            // Whoever has a place, before somebody is sent away.
            return self.lightest().filter(|(_, load)| *load < most).map(|(reactor, _)| reactor);
        }
        // The better of two that chance names: all who looked for the best one would find the same.
        let [a, b] = [(); 2].map(|()| {
            let other = self.evening.below(others) as u8;
            ReactorId(if other >= self.core.reactor.0 { other + 1 } else { other })
        });
        let (to, load) =
            [a, b].map(|other| (other, self.load(other))).into_iter().min_by_key(|(_, load)| *load)?;
        let is_better = too_many(own, load, NEWCOMERS, NEWCOMERS_PART) && load < most;
        // One that has a lot to catch up with would let it wait.
        (is_better && !self.is_crowded(to)).then_some(to)
    }

    /// Hands a newcomer, of whom nothing was looked at, over to another reactor.
    pub(super) fn hand_over(&mut self, link: LinkId, to: ReactorId, out: &mut Outlet) {
        if let Some(Session::Http(http)) = self.sessions.get_mut(link.slot as usize) {
            http.moving = Some(to);
            http.handed_over = true;
            out.pause_reading(link);
            out.depart(link, to);
            self.shared.expect(to, 1);
        }
    }

    /// One that was to be handed over is gone.
    pub(super) fn not_handed_over(&self, http: &Http) {
        if let Some(to) = http.moving.filter(|_| http.handed_over) {
            self.shared.arrived(to, 1);
        }
    }

    /// Gives links away, now and then, if there are too many.
    pub(super) fn even_out(&mut self, out: &mut Outlet) {
        let now = self.core.now;
        let Some(coming) = self.shared.coming.0.as_deref() else { return };
        let (count, own) = (coming.len(), wired(out));
        self.evening.looks = own > SKEWED && !self.stopping && !self.core.turns_away;
        if !self.evening.looks || self.moving.is_leaving() || !now.is_past(self.evening.at_ms) {
            return;
        }
        self.evening.at_ms = now.in_ms(LOOK_MS);
        let others: usize = (0..count)
            .map(|other| ReactorId(other as u8))
            .filter(|other| *other != self.core.reactor)
            .map(|other| self.load(other))
            .sum();
        let mean = (others + own) / count;
        let (least, part) = if self.evening.goes_on { (EVEN, EVEN_PART) } else { (SKEWED, SKEWED_PART) };
        self.evening.goes_on = too_many(own, mean, least, part);
        if !self.evening.goes_on {
            return;
        }
        let Some((to, load)) = self.lightest().filter(|(_, load)| *load < mean) else { return };
        if self.is_crowded(to) {
            return;
        }
        let links = self.find_links(BATCH.min(own - mean).min(mean - load), out);
        if links.is_empty() {
            return;
        }
        self.evening.at_ms = now.in_ms(BATCH_MS);
        self.begin_transfer(to, links, out);
    }

    /// How long until it looks again whether it has too many.
    pub(super) fn until_evening(&self) -> Option<Duration> {
        let waits = self.evening.looks && !self.moving.is_leaving();
        let ms = self.core.now.until(self.evening.at_ms).max(0);
        waits.then(|| Duration::from_millis(ms as u64))
    }

    /// Some links that may move, not always the same ones.
    fn find_links(&mut self, most: usize, out: &Outlet) -> Vec<LinkId> {
        let mut found = Vec::new();
        for _ in 0..SEARCHED.min(self.sessions.len()) {
            if found.len() >= most {
                break;
            }
            self.evening.slot = (self.evening.slot + 1) % self.sessions.len();
            found.extend(out.id_of(self.evening.slot as u32).filter(|link| self.may_move(*link, out)));
        }
        found
    }

    /// Whether one more descriptor fits into the table of this reactor.
    pub(super) fn has_room(&self, out: &Outlet) -> bool {
        wired(out) < self.shared.max_links_per_reactor
    }

    /// The other reactor with the fewest connections, and how many.
    fn lightest(&self) -> Option<(ReactorId, usize)> {
        let others =
            (0..self.core.mailboxes.len() as u8).map(ReactorId).filter(|other| *other != self.core.reactor);
        others.map(|other| (other, self.load(other))).min_by_key(|(_, load)| *load)
    }

    /// Whether another reactor has a lot to catch up with.
    fn is_crowded(&self, reactor: ReactorId) -> bool {
        self.core.mailboxes[usize::from(reactor.0)].is_crowded()
    }

    /// Connections of another reactor, as of its last turn, and those that go there.
    fn load(&self, reactor: ReactorId) -> usize {
        let number = usize::from(reactor.0);
        let links = self.core.stats.reactors[number].gauges.links.get() as usize;
        let coming = self.shared.coming.0.as_deref();
        links + coming.map_or(0, |coming| coming[number].load(Ordering::Relaxed))
    }
}

/// Links that have a wire.
fn wired(out: &Outlet) -> usize {
    out.len() - out.counts().parked as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_more_are_not_too_many() {
        assert!(!too_many(116, 100, 16, 32) && too_many(117, 100, 16, 32));
        assert!(!too_many(33_000, 32_000, 16, 32) && too_many(33_001, 32_000, 16, 32));
    }
}
