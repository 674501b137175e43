//! Sockets that move from one reactor to another, as far as whoever publishes to them has to know.
//!
//! Owns: what reactors tell one another of a move, and which publishes the one and the other of the two deliver. Leaves
//! to the server: the steps of a move, and why nothing is lost, doubled or reordered by it (`server/transfer.rs`).
//!
//! While a socket moves it is in its rooms on both reactors, and every source of publishes says to both from which of
//! its publishes on it is for the new one to deliver. A source is a reactor (its handlers, and the threads that publish by
//! it), or all other nodes together, whose messages come by one gateway.

use crate::base::ids::{ReactorId, ReactorSet};
use crate::hub::{Berth, Recipients};
use crate::reactor::outlet::Unsent;
use crate::wire::dialect::Dialect;
use std::any::Any;
use std::collections::HashMap;

/// Where publishes come from, each in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Reactor(ReactorId),
    Cluster,
}

/// Those who have said that they have switched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    reactors: ReactorSet,
    cluster: bool,
}

impl Sources {
    /// All that there are.
    pub(crate) fn all(reactors: usize, cluster: bool) -> Sources {
        Sources { reactors: ReactorSet::first(reactors), cluster }
    }

    fn insert(&mut self, source: Source) {
        match source {
            Source::Reactor(reactor) => self.reactors.insert(reactor),
            Source::Cluster => self.cluster = true,
        }
    }

    fn contains(&self, source: Source) -> bool {
        match source {
            Source::Reactor(reactor) => self.reactors.contains(reactor),
            Source::Cluster => self.cluster,
        }
    }
}

/// A move of several sockets at once; no two have one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TransferId(pub(crate) u64);

/// A socket that is to move, as its new reactor has to know it before its connection comes.
#[derive(Clone, Debug)]
pub(crate) struct Passenger {
    pub(crate) berths: Vec<Berth>,
    pub(crate) dialect: Dialect,
}

/// What reactors tell one another of a move. Sockets are named by their places in the offer.
pub(crate) enum Step {
    /// To the new reactor: these want to come from there.
    Offer { from: ReactorId, passengers: Vec<Passenger> },
    /// To the old one: these may.
    Ready { taken: Vec<bool> },
    /// To every reactor: what it publishes is for the new one from now on.
    Switch { from: ReactorId, to: ReactorId },
    /// To both: what comes from there behind this is for the new one.
    Switched { source: Source },
    /// To the new one: the connection comes under this number, with what was not sent to it yet.
    Moved { place: usize, number: u64, session: Box<dyn Any + Send>, idle_ms: Option<u64>, unsent: Unsent },
    /// To the new one: it does not come.
    Stays { place: usize },
}

/// The sockets of a move on one of its two reactors.
#[derive(Debug)]
struct Group {
    id: TransferId,
    slots: Recipients,
    /// This is the old one.
    leaving: bool,
    switched: Sources,
}

/// The moves that a reactor has part in.
#[derive(Debug, Default)]
pub(crate) struct Transfers {
    groups: Vec<Group>,
    /// How many will come back to a slot, and are to find its socket: it does not move.
    held: HashMap<u32, u32>,
}

impl Transfers {
    /// A move begins here.
    pub(crate) fn begin(&mut self, id: TransferId, slots: impl Iterator<Item = u32>, leaving: bool) {
        let slots = slots.fold(Recipients::None, |slots, slot| slots.union(Recipients::One(slot)));
        self.groups.push(Group { id, slots, leaving, switched: Sources::default() });
    }

    /// A socket is not, or no more, one that moves.
    pub(crate) fn forget(&mut self, id: TransferId, slot: u32) {
        if let Some(group) = self.group(id) {
            group.slots.remove(slot);
        }
    }

    /// The move is over here.
    pub(crate) fn end(&mut self, id: TransferId) {
        self.groups.retain(|group| group.id != id);
    }

    /// A source has switched. Who has by now; nothing if the move is over.
    pub(crate) fn switched(&mut self, id: TransferId, source: Source) -> Option<Sources> {
        let group = self.group(id)?;
        group.switched.insert(source);
        Some(group.switched)
    }

    /// Those to whom this reactor delivers what comes from a source.
    #[inline]
    pub(crate) fn sift(&self, source: Source, recipients: Recipients) -> Recipients {
        if self.groups.is_empty() { recipients } else { self.without_others(source, recipients) }
    }

    #[cold]
    fn without_others(&self, source: Source, recipients: Recipients) -> Recipients {
        let elsewhere = |group: &&Group| group.switched.contains(source) == group.leaving;
        self.groups.iter().filter(elsewhere).fold(recipients, |left, group| {
            // A difference copies the set, which then is no longer that of the publish before.
            if left.meets(&group.slots) { left.difference(&group.slots) } else { left }
        })
    }

    /// Somebody will come back to the socket in a slot.
    pub(crate) fn hold(&mut self, slot: u32) {
        *self.held.entry(slot).or_default() += 1;
    }

    /// He has, or will not.
    pub(crate) fn let_go(&mut self, slot: u32) {
        let Some(count) = self.held.get_mut(&slot) else {
            debug_assert!(false, "who comes back was waited for");
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.held.remove(&slot);
        }
        if self.held.is_empty() {
            // As mostly: then it takes nothing.
            self.held = HashMap::new();
        }
    }

    /// The slots that somebody will come back to; in no order.
    pub(crate) fn held(&self) -> impl Iterator<Item = u32> {
        self.held.keys().copied()
    }

    fn group(&mut self, id: TransferId) -> Option<&mut Group> {
        self.groups.iter_mut().find(|group| group.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: TransferId = TransferId(7);
    const HERE: Source = Source::Reactor(ReactorId(0));
    const THERE: Source = Source::Reactor(ReactorId(1));

    fn room() -> Recipients {
        [1, 2, 3].into_iter().fold(Recipients::None, |all, slot| all.union(Recipients::One(slot)))
    }

    #[test]
    fn exactly_one_of_the_two_reactors_delivers_what_a_source_publishes() {
        let (mut old, mut new) = (Transfers::default(), Transfers::default());
        old.begin(ID, [2].into_iter(), true);
        new.begin(ID, [2].into_iter(), false);
        for switched in [false, true] {
            for source in [HERE, Source::Cluster] {
                assert_eq!(old.sift(source, room()).contains(2), !switched);
                assert_eq!(new.sift(source, room()).contains(2), switched);
                assert_eq!(old.sift(source, Recipients::One(2)).is_empty(), switched);
                // Others are not concerned, and the set is the same one.
                assert_eq!(old.sift(source, room()).to_vec().iter().filter(|slot| **slot != 2).count(), 2);
                for side in [&mut old, &mut new] {
                    side.switched(ID, source);
                }
            }
        }
        assert!(old.sift(THERE, room()).contains(2) && !new.sift(THERE, room()).contains(2));
    }

    #[test]
    fn who_no_longer_moves_gets_everything_and_all_is_all() {
        let mut old = Transfers::default();
        old.begin(ID, [1, 2].into_iter(), true);
        assert_eq!(old.switched(ID, HERE), Some(Sources { reactors: ReactorSet::first(1), cluster: false }));
        assert_eq!(old.switched(ID, Source::Cluster), Some(Sources::all(1, true)));
        assert_eq!(old.sift(HERE, room()).to_vec(), [3]);
        old.forget(ID, 1);
        assert_eq!(old.sift(HERE, room()).to_vec(), [1, 3]);
        old.end(ID);
        assert_eq!(old.sift(HERE, room()).to_vec(), [1, 2, 3]);
        assert_eq!(old.switched(ID, THERE), None);
    }

    #[test]
    fn who_is_come_back_to_is_held_until_all_have() {
        let mut here = Transfers::default();
        for slot in [4, 5, 4] {
            here.hold(slot);
        }
        here.let_go(5);
        here.let_go(4);
        assert_eq!(here.held().collect::<Vec<_>>(), [4]);
        here.let_go(4);
        assert_eq!(here.held().count(), 0);
    }
}
