//! The members of one room, and the recipients that are drawn from rooms: ordered sets of slots.

use roaring::RoaringBitmap;
use std::sync::Arc;

/// Who is in a room. A room of one (every user is one) owns no memory beyond this value.
#[derive(Clone, Debug)]
pub(super) enum Members {
    None,
    One {
        slot: u32,
        /// The sequence number of the last claim here; 0 if there was none since the room was last empty. A
        /// claim empties the room first, so every member came with it or later.
        claim: u32,
    },
    Set {
        claim: u32,
        /// Shared with the snapshots that publishes took and copied when it changes under one.
        set: Arc<RoaringBitmap>,
    },
}

impl Members {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Members::None)
    }

    pub(super) fn len(&self) -> u64 {
        match self {
            Members::None => 0,
            Members::One { .. } => 1,
            Members::Set { set, .. } => set.len(),
        }
    }

    /// The number of the last claim.
    pub(super) fn claim(&self) -> u32 {
        match self {
            Members::None => 0,
            Members::One { claim, .. } | Members::Set { claim, .. } => *claim,
        }
    }

    /// Whether somebody has claimed it after a claim with this number.
    pub(super) fn is_claimed_after(&self, sequence: u32) -> bool {
        // A wrapped difference, because the sequence is 32 bits of a counter that never stops.
        self.claim() != 0 && (self.claim().wrapping_sub(sequence) as i32) > 0
    }

    /// A member has come that was there, elsewhere, when it was claimed with this number or later.
    pub(super) fn raise_claim(&mut self, sequence: u32) {
        if sequence == 0 || self.is_claimed_after(sequence) {
            return;
        }
        if let Members::One { claim, .. } | Members::Set { claim, .. } = self {
            *claim = sequence;
        }
    }

    pub(super) fn contains(&self, slot: u32) -> bool {
        match self {
            Members::None => false,
            Members::One { slot: only, .. } => *only == slot,
            Members::Set { set, .. } => set.contains(slot),
        }
    }

    /// False if the slot was a member already.
    pub(super) fn insert(&mut self, slot: u32) -> bool {
        match self {
            Members::None => *self = Members::One { slot, claim: 0 },
            Members::One { slot: only, .. } if *only == slot => return false,
            Members::One { slot: only, claim } => {
                let set = Arc::new(RoaringBitmap::from_iter([*only, slot]));
                *self = Members::Set { claim: *claim, set };
            }
            Members::Set { set, .. } => {
                // Asked first: inserting would copy the set under a snapshot for nothing.
                if set.contains(slot) {
                    return false;
                }
                Arc::make_mut(set).insert(slot);
            }
        }
        true
    }

    pub(super) fn remove(&mut self, slot: u32) {
        match self {
            Members::One { slot: only, .. } if *only == slot => *self = Members::None,
            Members::None | Members::One { .. } => {}
            Members::Set { set, claim } => {
                Arc::make_mut(set).remove(slot);
                // Down to one, the set is given back.
                match (set.len(), set.min()) {
                    (0, _) => *self = Members::None,
                    (1, Some(only)) => *self = Members::One { slot: only, claim: *claim },
                    _ => {}
                }
            }
        }
    }

    pub(super) fn iter(&self) -> Box<dyn Iterator<Item = u32> + '_> {
        match self {
            Members::None => Box::new(std::iter::empty()),
            Members::One { slot, .. } => Box::new(std::iter::once(*slot)),
            Members::Set { set, .. } => Box::new(set.iter()),
        }
    }

    pub(super) fn snapshot(&self) -> Recipients {
        match self {
            Members::None => Recipients::None,
            Members::One { slot, .. } => Recipients::One(*slot),
            Members::Set { set, .. } => Recipients::Set(set.clone()),
        }
    }
}

/// The slots that a publish selected, as of that moment: a later join or leave does not change them.
#[derive(Clone, Debug)]
pub enum Recipients {
    /// Nobody.
    None,
    /// A single slot.
    One(u32),
    /// Several, in the order of their slots.
    Set(Arc<RoaringBitmap>),
}

impl Recipients {
    /// How many.
    pub fn len(&self) -> u64 {
        match self {
            Recipients::None => 0,
            Recipients::One(_) => 1,
            Recipients::Set(set) => set.len(),
        }
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the slot is among them.
    pub fn contains(&self, slot: u32) -> bool {
        match self {
            Recipients::None => false,
            Recipients::One(only) => *only == slot,
            Recipients::Set(set) => set.contains(slot),
        }
    }

    /// Whether a slot is among both.
    pub fn meets(&self, other: &Recipients) -> bool {
        match (self, other) {
            (Recipients::None, _) | (_, Recipients::None) => false,
            (Recipients::One(slot), any) | (any, Recipients::One(slot)) => any.contains(*slot),
            (Recipients::Set(a), Recipients::Set(b)) => !a.is_disjoint(b),
        }
    }

    /// Takes a slot out. False if it was not among them.
    pub fn remove(&mut self, slot: u32) -> bool {
        if !self.contains(slot) {
            return false;
        }
        match self {
            Recipients::Set(set) => {
                Arc::make_mut(set).remove(slot);
            }
            Recipients::One(_) | Recipients::None => *self = Recipients::None,
        }
        true
    }

    /// Visits the slots, lowest first.
    #[inline]
    pub fn for_each(&self, mut visit: impl FnMut(u32)) {
        match self {
            Recipients::None => {}
            Recipients::One(slot) => visit(*slot),
            Recipients::Set(set) => set.iter().for_each(visit),
        }
    }

    /// The slots, lowest first.
    pub fn to_vec(&self) -> Vec<u32> {
        match self {
            Recipients::None => Vec::new(),
            Recipients::One(slot) => vec![*slot],
            Recipients::Set(set) => set.iter().collect(),
        }
    }

    /// Both.
    pub fn union(self, other: Recipients) -> Recipients {
        match (self, other) {
            (Recipients::None, any) | (any, Recipients::None) => any,
            (Recipients::One(a), Recipients::One(b)) if a == b => Recipients::One(a),
            (Recipients::One(a), Recipients::One(b)) => {
                Recipients::Set(Arc::new(RoaringBitmap::from_iter([a, b])))
            }
            (Recipients::Set(mut set), Recipients::One(slot))
            | (Recipients::One(slot), Recipients::Set(mut set)) => {
                if !set.contains(slot) {
                    Arc::make_mut(&mut set).insert(slot);
                }
                Recipients::Set(set)
            }
            (Recipients::Set(mut a), Recipients::Set(b)) => {
                if !Arc::ptr_eq(&a, &b) {
                    *Arc::make_mut(&mut a) |= &*b;
                }
                Recipients::Set(a)
            }
        }
    }

    /// These without those.
    pub fn difference(self, other: &Recipients) -> Recipients {
        match (self, other) {
            (Recipients::None, _) => Recipients::None,
            (any, Recipients::None) => any,
            (Recipients::One(slot), _) if other.contains(slot) => Recipients::None,
            (Recipients::One(slot), _) => Recipients::One(slot),
            (Recipients::Set(mut set), Recipients::One(slot)) => {
                if set.contains(*slot) {
                    Arc::make_mut(&mut set).remove(*slot);
                }
                Recipients::Set(set)
            }
            (Recipients::Set(mut set), Recipients::Set(gone)) => {
                *Arc::make_mut(&mut set) -= &**gone;
                Recipients::Set(set)
            }
        }
    }
}

/// Cheap when both are snapshots of one room that nobody joined or left in between.
impl PartialEq for Recipients {
    fn eq(&self, other: &Recipients) -> bool {
        match (self, other) {
            (Recipients::None, Recipients::None) => true,
            (Recipients::One(a), Recipients::One(b)) => a == b,
            (Recipients::Set(a), Recipients::Set(b)) => Arc::ptr_eq(a, b) || a == b,
            _ => false,
        }
    }
}
