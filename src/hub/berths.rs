//! What a socket has in the hub, written down so that it can be had on another reactor.

use super::{Hub, Seated};
use compact_str::CompactString;

/// A socket's place in one room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Berth {
    scope: CompactString,
    /// Empty: it is among everybody.
    room: CompactString,
    /// It has claimed the room.
    claimed: bool,
    /// The last claim of the room.
    sequence: u32,
}

impl Hub {
    /// The rooms of a slot, its scopes among them, in the order in which it joined.
    pub fn berths(&self, slot: u32) -> Vec<Berth> {
        let seat = self.seats.get(slot as usize).into_iter().flatten();
        seat.map(|seated| {
            let room = seated.room();
            Berth {
                scope: self.rooms.scope_name(room).into(),
                room: self.rooms.name(room).into(),
                claimed: seated.is_claimed(),
                sequence: self.rooms.members(room).claim(),
            }
        })
        .collect()
    }

    /// Puts the slot, which is in no room, where a socket of another reactor is, with the claim that it has made: nobody is
    /// evicted by it. False, and nothing has changed, if somebody here has claimed the room since.
    pub fn board(&mut self, slot: u32, berths: &[Berth]) -> bool {
        let is_lost = |berth: &Berth| {
            let found = self.rooms.find(&berth.scope, &berth.room);
            berth.claimed
                && found.is_some_and(|room| self.rooms.members(room).is_claimed_after(berth.sequence))
        };
        if berths.iter().any(is_lost) {
            return false;
        }
        for berth in berths {
            self.add(slot, &berth.scope, &berth.room);
            if let Some(room) = self.rooms.find(&berth.scope, &berth.room) {
                self.rooms.members_mut(room).raise_claim(berth.sequence);
            }
            if berth.claimed
                && let Some(seated) = self.seat(slot).last_mut()
            {
                seated.0 |= Seated::CLAIMED;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::ReactorId;
    use crate::hub::Interest;
    use std::sync::Arc;

    fn two() -> [Hub; 2] {
        let interest = Arc::new(Interest::new());
        [0, 1].map(|number| Hub::new(ReactorId(number), interest.clone()))
    }

    #[test]
    fn rooms_and_claims_are_the_same_on_the_other_reactor() {
        let [mut old, mut new] = two();
        old.enter(3, "d");
        let claim = old.claim(3, "d", "@u");
        old.join(3, "d", "g");
        new.enter(5, "d");
        assert!(new.board(9, &old.berths(3)));
        old.exit(3);
        assert_eq!(new.berths(9).len(), 3);
        assert_eq!(new.rooms_of(9).collect::<Vec<_>>(), [("d", "@u"), ("d", "g")]);
        assert_eq!((new.claimed(9, "d"), new.scope_of(9)), (Some("@u"), Some("d")));
        // Neither the claim itself nor an older one ends it, a newer one does.
        assert!(new.evict("d", "@u", claim.sequence).is_empty());
        let newer = old.claim(1, "d", "@u");
        assert_eq!(newer.elsewhere.len(), 1);
        assert_eq!(new.evict("d", "@u", newer.sequence).as_slice(), [9]);
        new.exit(9);
        assert!(new.rooms_of(9).next().is_none() && new.is_member(5, "d", ""));
    }

    #[test]
    fn who_was_replaced_meanwhile_does_not_come() {
        let [mut old, mut new] = two();
        old.enter(3, "d");
        old.claim(3, "d", "@u");
        let berths = old.berths(3);
        new.enter(4, "d");
        new.claim(4, "d", "@u");
        assert!(!new.board(9, &berths));
        assert_eq!(new.count_of(9), 0);
        assert!(new.is_member(4, "d", "@u"));
    }
}
