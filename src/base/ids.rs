//! Names for reactors and links that are plain numbers.

/// The most reactors that one server may have: a set of reactors is one 64-bit word.
pub const MAX_REACTORS: usize = 64;

/// The number of a reactor, from 0; below [`MAX_REACTORS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReactorId(pub u8);

/// A set of reactors, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReactorSet(u64);

impl ReactorSet {
    /// The set without members.
    pub const EMPTY: ReactorSet = ReactorSet(0);

    /// All of the first `count` reactors.
    pub fn first(count: usize) -> ReactorSet {
        debug_assert!(count <= MAX_REACTORS);
        ReactorSet(if count >= 64 { u64::MAX } else { (1u64 << count) - 1 })
    }

    /// Adds a reactor.
    pub fn insert(&mut self, reactor: ReactorId) {
        self.0 |= 1 << reactor.0;
    }

    /// Takes a reactor out.
    pub fn remove(&mut self, reactor: ReactorId) {
        self.0 &= !(1 << reactor.0);
    }

    /// This set without one reactor.
    pub fn without(mut self, reactor: ReactorId) -> ReactorSet {
        self.remove(reactor);
        self
    }

    /// Both sets.
    pub fn union(self, other: ReactorSet) -> ReactorSet {
        ReactorSet(self.0 | other.0)
    }

    /// Whether the reactor is in the set.
    pub fn contains(self, reactor: ReactorId) -> bool {
        self.0 & (1 << reactor.0) != 0
    }

    /// Whether nobody is in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many are in the set.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The members, lowest first.
    pub fn iter(self) -> impl Iterator<Item = ReactorId> {
        (0..64u8).filter(move |bit| self.0 & (1 << bit) != 0).map(ReactorId)
    }
}

/// One accepted connection of one reactor.
///
/// The slot is its place in the link table and is used again after it closed; the generation tells
/// the users of one slot apart, so that an event or a late answer cannot reach the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkId {
    /// Place in the link table.
    pub slot: u32,
    /// Counts the links of a reactor; wraps.
    pub generation: u32,
}

impl LinkId {
    /// Both numbers in one word, for the readiness queue.
    pub fn to_word(self) -> u64 {
        (u64::from(self.generation) << 32) | u64::from(self.slot)
    }

    /// The inverse of [`LinkId::to_word`].
    pub fn from_word(word: u64) -> LinkId {
        LinkId { slot: word as u32, generation: (word >> 32) as u32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reactor_sets_hold_the_first_and_the_last() {
        let mut set = ReactorSet::EMPTY;
        set.insert(ReactorId(0));
        set.insert(ReactorId(63));
        assert_eq!(set.iter().map(|r| r.0).collect::<Vec<_>>(), [0, 63]);
        assert_eq!(set.without(ReactorId(63)).len(), 1);
        assert_eq!(ReactorSet::first(64).len(), 64);
        assert_eq!(ReactorSet::first(2).iter().map(|r| r.0).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn link_ids_survive_the_word() {
        let id = LinkId { slot: 7, generation: u32::MAX };
        assert_eq!(LinkId::from_word(id.to_word()), id);
    }
}
