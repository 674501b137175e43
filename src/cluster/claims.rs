//! Claims of names, those of this node and those of others, as long as one that was made before may still be on its way.
//!
//! Of two claims of a name the newer one holds, on whichever node: all compare the times that the claims carry, and whoever
//! has the older one lets go. What makes that one holder and not two or none: Nodes tell one another what time it is, and go by
//! the clock that is ahead. A node that hears an older claim than its own says its own again, and so does every node with
//! its claims since then when one has missed something. And a claim of another node takes its place among those of this one
//! when it is heard: the hub's numbers ([`Interest::next_claim`](crate::hub::Interest::next_claim)) are drawn, and compared
//! with the times, under one lock.

use compact_str::CompactString;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long a claim is remembered at least, in which those that were made before it arrive: longer than a message waits in
/// a spool.
const CLAIM_TIME: Duration = Duration::from_secs(30);
/// How far a node's clock may be ahead of this one's to be followed, in microseconds.
const MOST_AHEAD_US: u64 = 24 * 3_600 * 1_000_000;
/// Claims that are said again at once, at most; the rest waits for the next time.
const MOST_AGAIN: usize = 16_384;
/// Claims after which they are forgotten in time although somebody misses them: 100 bytes each, about.
const MOST_KEPT: usize = 262_144;

type Key = (CompactString, CompactString);

/// The newest claim of a name.
struct Newest {
    at_us: u64,
    /// Another node's.
    node: Option<Box<str>>,
    /// Its place among the claims of this node.
    sequence: u32,
}

/// What another node's claim comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is newer than all of this node: those with an older number than this are over.
    Newer(u32),
    /// This node has a newer one, of that time. Whoever made the older one may have begun to listen only then, and not know.
    Older(u64),
    /// It is nothing to this node.
    Nothing,
}

/// Claims that are remembered, in two generations.
#[derive(Default)]
pub(super) struct Claims {
    last_us: u64,
    /// How far the clock of some node is ahead of this one's.
    ahead_us: u64,
    /// Somebody has missed something.
    pub(super) again: bool,
    young: HashMap<Key, Newest>,
    old: HashMap<Key, Newest>,
    turned: Option<Instant>,
    /// To be said again, the latest first.
    unsaid: Vec<Own>,
}

/// A claim of this node: scope, room and time.
type Own = (CompactString, CompactString, u64);

impl Claims {
    /// A socket of this node has claimed a room; when that was, for the others, later than all that were heard of. `None`
    /// if another node's claim was heard since, which has ended this one.
    pub(super) fn own(&mut self, scope: &str, room: &str, sequence: u32, wall_us: u64) -> Option<u64> {
        let key = (CompactString::from(scope), CompactString::from(room));
        if self.find(&key).is_some_and(|newest| is_after(newest.sequence, sequence)) {
            return None;
        }
        let at_us = self.time(wall_us).max(self.last_us.saturating_add(1));
        self.last_us = at_us;
        self.young.insert(key, Newest { at_us, node: None, sequence });
        Some(at_us)
    }

    /// A socket of another node has. A newer claim is remembered if somebody is in the room here, else none can be under way;
    /// `next` draws the number that it gets.
    pub(super) fn heard(
        &mut self,
        (scope, room): (&str, &str),
        (at_us, node): (u64, &str),
        (own, wall_us): (&str, u64),
        is_there: bool,
        next: impl FnOnce() -> u32,
    ) -> Standing {
        self.follow(at_us, wall_us);
        self.last_us = self.last_us.max(at_us.min(wall_us.saturating_add(MOST_AHEAD_US)));
        let key = (CompactString::from(scope), CompactString::from(room));
        match self.find(&key) {
            Some(newest) if (at_us, node) <= (newest.at_us, newest.node.as_deref().unwrap_or(own)) => {
                // If the newest is a third one's, it is for him to say.
                if newest.node.is_none() { Standing::Older(newest.at_us) } else { Standing::Nothing }
            }
            _ if !is_there => Standing::Nothing,
            _ => {
                let sequence = next();
                self.young.insert(key, Newest { at_us, node: Some(node.into()), sequence });
                Standing::Newer(sequence)
            }
        }
    }

    /// What time it is for all nodes, if it is `wall_us` here.
    pub(super) fn time(&self, wall_us: u64) -> u64 {
        wall_us.saturating_add(self.ahead_us)
    }

    /// Another node has this time.
    pub(super) fn follow(&mut self, unix_us: u64, wall_us: u64) {
        self.ahead_us = self.ahead_us.max(unix_us.saturating_sub(wall_us).min(MOST_AHEAD_US));
    }

    /// The newest claims of rooms that are this node's, with their times, if somebody has missed something; a part of them
    /// if they are many.
    pub(super) fn take_again(&mut self) -> Vec<Own> {
        if std::mem::take(&mut self.again) {
            self.unsaid = self.own_claims();
        }
        let mut part = self.unsaid.split_off(self.unsaid.len().saturating_sub(MOST_AGAIN));
        part.reverse();
        part
    }

    /// Whether some are to be said again.
    #[cfg(test)]
    pub(super) fn has_unsaid(&self) -> bool {
        self.again || !self.unsaid.is_empty()
    }

    fn own_claims(&self) -> Vec<Own> {
        let own = |(key, newest): (&Key, &Newest)| {
            newest.node.is_none().then(|| (key.0.clone(), key.1.clone(), newest.at_us))
        };
        let old = self.old.iter().filter(|(key, _)| !self.young.contains_key(*key));
        let mut again: Vec<_> = self.young.iter().chain(old).filter_map(own).collect();
        again.sort_unstable_by_key(|(_, _, at_us)| std::cmp::Reverse(*at_us));
        again
    }

    /// Forgets what is old, but as long as somebody misses what is said, only if there is too much of it.
    pub(super) fn forget(&mut self, now: Instant, is_missed: bool) {
        if is_missed && self.young.len() < MOST_KEPT {
            self.turned = Some(now);
        } else if now.duration_since(*self.turned.get_or_insert(now)) >= CLAIM_TIME {
            self.turned = Some(now);
            self.old = std::mem::take(&mut self.young);
        }
    }

    fn find(&self, key: &Key) -> Option<&Newest> {
        self.young.get(key).or_else(|| self.old.get(key))
    }
}

/// Whether one number was drawn after another; they begin again behind the last.
fn is_after(a: u32, b: u32) -> bool {
    a.wrapping_sub(b) as i32 > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: (&str, &str) = ("d1", "@u");

    fn hear(claims: &mut Claims, at_us: u64, node: &str, next: u32) -> Standing {
        claims.heard(ROOM, (at_us, node), ("m", 100), true, || next)
    }

    #[test]
    fn the_newer_claim_holds_and_names_decide_between_two_of_one_time() {
        let mut claims = Claims::default();
        assert_eq!(hear(&mut claims, 50, "a", 1), Standing::Newer(1));
        assert_eq!(claims.own("d1", "@u", 2, 100), Some(100));
        assert_eq!(hear(&mut claims, 99, "z", 3), Standing::Older(100));
        assert_eq!(hear(&mut claims, 100, "a", 3), Standing::Older(100));
        assert_eq!(hear(&mut claims, 100, "z", 3), Standing::Newer(3));
        assert_eq!(hear(&mut claims, 100, "x", 4), Standing::Nothing);
        // In another scope, and in a room that nobody is in, nothing is known of that.
        assert_eq!(claims.heard(("d2", "@u"), (1, "a"), ("m", 100), true, || 5), Standing::Newer(5));
        assert_eq!(claims.heard(("d1", "@v"), (1, "a"), ("m", 100), false, || 6), Standing::Nothing);
    }

    #[test]
    fn a_claim_is_later_than_all_that_were_heard_of() {
        let mut claims = Claims::default();
        hear(&mut claims, 5_000, "a", 1);
        assert_eq!(claims.own("d1", "@u", 2, 100), Some(5_001));
        // That node's clock is ahead, and goes on.
        assert_eq!(claims.own("d1", "@v", 3, 200), Some(5_100));
        // Unless it is mad.
        hear(&mut claims, u64::MAX, "a", 4);
        assert_eq!(claims.own("d1", "@w", 5, 100), Some(100 + MOST_AHEAD_US + 1));
    }

    #[test]
    fn own_claims_are_said_again_when_somebody_has_missed_something() {
        let start = Instant::now();
        let mut claims = Claims::default();
        claims.forget(start, false);
        claims.own("d1", "@u", 1, 100);
        claims.own("d1", "@v", 2, 100);
        hear(&mut claims, 200, "a", 3);
        assert_eq!(claims.take_again(), []);
        claims.forget(start + CLAIM_TIME, false);
        claims.again = true;
        assert_eq!(claims.take_again(), [("d1".into(), "@v".into(), 101)]);
        assert_eq!(claims.take_again(), []);
    }

    #[test]
    fn while_somebody_is_missing_claims_are_kept_and_all_are_said_again() {
        let start = Instant::now();
        let mut claims = Claims::default();
        claims.forget(start, false);
        let count = MOST_AGAIN + 2;
        for number in 0..count {
            claims.own("d1", &format!("@{number}"), number as u32, 100);
        }
        for times in 1..10 {
            claims.forget(start + times * CLAIM_TIME, true);
        }
        claims.again = true;
        let said = claims.take_again();
        // In their order.
        assert_eq!((said.len(), &*said[0].1, said[0].2), (MOST_AGAIN, "@0", 100));
        assert!(claims.has_unsaid());
        let rest: Vec<_> = claims.take_again().into_iter().map(|(_, room, _)| room).collect();
        assert_eq!(rest, [format!("@{}", count - 2), format!("@{}", count - 1)]);
        assert!(!claims.has_unsaid());
        // That is over: they last as long as ever.
        claims.forget(start + 11 * CLAIM_TIME, false);
        claims.forget(start + 12 * CLAIM_TIME, false);
        claims.again = true;
        assert_eq!(claims.take_again(), []);
    }

    #[test]
    fn a_claim_that_was_replaced_before_it_was_noted_is_not_told() {
        let mut claims = Claims::default();
        // The hub has drawn 6 for a socket of its own; what another node says comes in between, with 7.
        assert_eq!(hear(&mut claims, 50, "a", 7), Standing::Newer(7));
        assert_eq!(claims.own("d1", "@u", 6, 100), None);
        assert_eq!(claims.own("d1", "@u", 8, 100), Some(100));
        assert!(is_after(3, u32::MAX - 3) && !is_after(u32::MAX - 3, 3));
    }

    #[test]
    fn claims_are_forgotten_in_time() {
        let start = Instant::now();
        let mut claims = Claims::default();
        claims.forget(start, false);
        claims.own("d1", "@u", 1, 100);
        for generations in 1..=2 {
            assert_eq!(hear(&mut claims, 99, "a", 2), Standing::Older(100));
            claims.forget(start + generations * CLAIM_TIME, false);
        }
        assert_eq!(hear(&mut claims, 99, "a", 2), Standing::Newer(2));
    }
}
