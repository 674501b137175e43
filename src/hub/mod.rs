//! The hub of one reactor: which sockets are in which rooms of which scopes, and whom a publish selects.
//!
//! It knows members by the slot of their link and rooms by their names. It knows no wire format and does
//! no I/O. A room belongs to one scope and a slot holds at most one socket of a scope, so that the
//! pair (slot, room) needs no third number. Every reactor has a hub of its own; the [`Interest`] table,
//! which they share, tells which reactors have a member of a room.

mod berths;
mod interest;
mod members;
mod rooms;
mod watch;

pub use berths::Berth;
pub use interest::{Interest, Joining};
pub use members::Recipients;
pub use rooms::{RoomId, ScopeId};
pub use watch::Change;

use crate::base::ids::{ReactorId, ReactorSet};
use members::Members;
use rooms::Rooms;
use smallvec::SmallVec;
use std::sync::Arc;
use watch::Watch;

/// The longest name that an application should take from outside, in bytes; the shortest has one byte.
pub const NAME_BYTES: usize = 256;

/// The longest name of a scope or a room, in bytes: an application may put a short prefix before a name that it was
/// given.
pub const ROOM_BYTES: usize = NAME_BYTES + 8;

/// The rooms of one slot. Four fit in place: a `/ws` client has its domain, itself and a group or two.
type Seat = SmallVec<[Seated; 4]>;

/// One room of a seat; the highest bit marks one that the slot claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seated(u32);

impl Seated {
    const CLAIMED: u32 = 1 << 31;

    fn room(self) -> RoomId {
        RoomId::from_place(self.0 & !Seated::CLAIMED)
    }

    fn is_claimed(self) -> bool {
        self.0 & Seated::CLAIMED != 0
    }
}

impl From<RoomId> for Seated {
    fn from(room: RoomId) -> Seated {
        debug_assert!(room.place() < Seated::CLAIMED);
        Seated(room.place())
    }
}

/// A name that is empty or longer than [`ROOM_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadName;

impl std::fmt::Display for BadName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a name has 1 to {ROOM_BYTES} bytes")
    }
}

impl std::error::Error for BadName {}

/// Whether a name may be given to a scope or a room.
pub fn check_name(name: &str) -> Result<(), BadName> {
    if name.is_empty() || name.len() > ROOM_BYTES { Err(BadName) } else { Ok(()) }
}

/// What [`Hub::claim`] found.
#[derive(Debug, PartialEq, Eq)]
pub struct Claim {
    /// The slots of this reactor that were in the room; they are not any more.
    pub evicted: SmallVec<[u32; 1]>,
    /// Other reactors that may have a member: each is to be told to [`Hub::evict`].
    pub elsewhere: ReactorSet,
    /// Which claim this is: a member with a later one stays.
    pub sequence: u32,
}

/// What [`Hub::enter`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// The slot was there already.
    Already,
    /// Somebody else was there, on some reactor.
    Joined,
    /// Nobody was: the scope comes into being.
    First,
}

/// Whom a publish is for, by names.
#[derive(Clone, Copy, Debug)]
pub struct Selector<'a, S> {
    /// The scope; nothing leaves it.
    pub scope: &'a str,
    /// Rooms to unite; none means the whole scope.
    pub rooms: &'a [S],
    /// Rooms whose members get nothing.
    pub except: &'a [S],
}

/// Scopes, rooms and members of one reactor.
#[derive(Debug)]
pub struct Hub {
    reactor: ReactorId,
    rooms: Rooms,
    /// Indexed by slot. Invariant: `seats[s]` lists exactly the rooms whose members hold `s`.
    seats: Vec<Seat>,
    interest: Arc<Interest>,
    watch: Watch,
}

impl Hub {
    /// An empty hub for one reactor. All hubs of a server share the interest table.
    pub fn new(reactor: ReactorId, interest: Arc<Interest>) -> Hub {
        let rooms = Rooms::new(interest.hasher().clone());
        Hub { reactor, rooms, seats: Vec::new(), interest, watch: Watch::default() }
    }

    /// What all hubs of the server share.
    pub fn interest(&self) -> &Arc<Interest> {
        &self.interest
    }

    /// From now on changes in these scopes are noted: see [`Hub::take_changes`].
    pub fn watch(&mut self, is_watched: impl Fn(&str) -> bool + Send + 'static) {
        self.watch.set(is_watched);
    }

    /// What has happened in the rooms of watched scopes since this was asked last, in its order.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.watch.changes)
    }

    /// Puts the slot into a scope: it is then among "everybody". Names must have passed [`check_name`].
    pub fn enter(&mut self, slot: u32, scope: &str) -> Entered {
        self.add(slot, scope, "")
    }

    /// Takes the slot out of "everybody" in a scope, but of none of its rooms there.
    pub fn step_out(&mut self, slot: u32, scope: &str) {
        self.leave(slot, scope, "");
    }

    /// Puts the slot into a room of a scope. False if it was there already.
    pub fn join(&mut self, slot: u32, scope: &str, room: &str) -> bool {
        debug_assert!(!room.is_empty() && room.len() <= ROOM_BYTES);
        self.add(slot, scope, room) != Entered::Already
    }

    /// Makes the slot the only member of a room, on every reactor: whoever else is in it has to leave.
    pub fn claim(&mut self, slot: u32, scope: &str, room: &str) -> Claim {
        debug_assert!(!room.is_empty() && room.len() <= ROOM_BYTES);
        let (found, hash) = self.rooms.find_or_insert(scope, room);
        let evicted: SmallVec<[u32; 1]> =
            self.rooms.members(found).iter().filter(|member| *member != slot).collect();
        for member in &evicted {
            self.seats[*member as usize].retain(|seated| seated.room() != found);
            self.watch.changes.extend(self.watch.change(*member, scope, room, false));
        }
        let (before, sequence) = self.interest.claim(hash, self.reactor, (scope, room));
        *self.rooms.members_mut(found) = Members::One { slot, claim: sequence };
        let seat = self.seat(slot);
        let claimed = Seated(found.place() | Seated::CLAIMED);
        match seat.iter_mut().find(|seated| seated.room() == found) {
            Some(seated) => *seated = claimed,
            None => {
                seat.push(claimed);
                let change = self.watch.change(slot, scope, room, true);
                let alone = before.is_empty();
                self.watch.changes.extend(change.map(|change| Change { alone, ..change }));
            }
        }
        Claim { evicted, elsewhere: before.without(self.reactor), sequence }
    }

    /// Takes out the members of a room because another reactor claimed it, and returns their slots. They stay
    /// if the room was claimed here later than that.
    pub fn evict(&mut self, scope: &str, room: &str, sequence: u32) -> SmallVec<[u32; 1]> {
        let Some(found) = self.rooms.find(scope, room) else { return SmallVec::new() };
        let members = self.rooms.members(found);
        if members.claim() == sequence || members.is_claimed_after(sequence) {
            return SmallVec::new();
        }
        let gone: SmallVec<[u32; 1]> = members.iter().collect();
        for slot in &gone {
            self.remove(*slot, found);
        }
        gone
    }

    /// Takes the slot out of a room. False if it was not in it.
    pub fn leave(&mut self, slot: u32, scope: &str, room: &str) -> bool {
        match self.rooms.find(scope, room) {
            Some(found) if self.rooms.members(found).contains(slot) => {
                self.remove(slot, found);
                true
            }
            _ => false,
        }
    }

    /// Takes the slot out of everything.
    pub fn exit(&mut self, slot: u32) {
        let Some(seat) = self.seats.get_mut(slot as usize) else { return };
        for seated in std::mem::take(seat) {
            self.forget(slot, seated.room());
        }
    }

    /// Takes the slot out of a scope and all of its rooms.
    pub fn exit_scope(&mut self, slot: u32, scope: &str) {
        let Some(seat) = self.seats.get(slot as usize) else { return };
        let of_scope = |seated: &&Seated| self.rooms.scope_name(seated.room()) == scope;
        let rooms: Seat = seat.iter().filter(of_scope).copied().collect();
        for seated in rooms {
            self.remove(slot, seated.room());
        }
    }

    /// A room of a scope that the slot claimed and is still in; of several, the one that it joined last.
    pub fn claimed(&self, slot: u32, scope: &str) -> Option<&str> {
        let mut seats = self.seats.get(slot as usize)?.iter().rev();
        let found =
            seats.find(|seated| seated.is_claimed() && self.rooms.scope_name(seated.room()) == scope)?;
        Some(self.rooms.name(found.room()))
    }

    /// The rooms of a slot, as (scope, room), in the order in which it joined; the scope itself is left out.
    pub fn rooms_of(&self, slot: u32) -> impl Iterator<Item = (&str, &str)> {
        self.seats.get(slot as usize).into_iter().flatten().filter_map(|seated| {
            let name = self.rooms.name(seated.room());
            (!name.is_empty()).then(|| (self.rooms.scope_name(seated.room()), name))
        })
    }

    /// The first scope that the slot entered.
    pub fn scope_of(&self, slot: u32) -> Option<&str> {
        self.seats.get(slot as usize)?.first().map(|seated| self.rooms.scope_name(seated.room()))
    }

    /// The scopes that the slot is in, in the order in which it entered them.
    pub fn scopes_of(&self, slot: u32) -> impl Iterator<Item = &str> {
        self.seats.get(slot as usize).into_iter().flatten().filter_map(|seated| {
            let is_scope = self.rooms.name(seated.room()).is_empty();
            is_scope.then(|| self.rooms.scope_name(seated.room()))
        })
    }

    /// In how many rooms the slot is, its scopes included.
    pub fn count_of(&self, slot: u32) -> usize {
        self.seats.get(slot as usize).map_or(0, |seat| seat.len())
    }

    /// Whether the slot is in the room.
    pub fn is_member(&self, slot: u32, scope: &str, room: &str) -> bool {
        self.rooms.find(scope, room).is_some_and(|found| self.rooms.members(found).contains(slot))
    }

    /// Whom a selector means on this reactor.
    pub fn select<S: AsRef<str>>(&self, selector: Selector<'_, S>) -> Recipients {
        let member_sets = |names: &[S]| -> Recipients {
            let mut all = Recipients::None;
            for name in names {
                if let Some(room) = self.rooms.find(selector.scope, name.as_ref()) {
                    all = all.union(self.rooms.members(room).snapshot());
                }
            }
            all
        };
        let chosen = if selector.rooms.is_empty() {
            let everybody = self.rooms.find(selector.scope, "");
            everybody.map_or(Recipients::None, |room| self.rooms.members(room).snapshot())
        } else {
            member_sets(selector.rooms)
        };
        if selector.except.is_empty() { chosen } else { chosen.difference(&member_sets(selector.except)) }
    }

    /// Reactors, this one excluded, that may have somebody whom the selector means.
    pub fn elsewhere<S: AsRef<str>>(&self, selector: Selector<'_, S>) -> ReactorSet {
        let mask = |name: &str| self.interest.reactors(self.rooms.hash(selector.scope, name));
        let all = if selector.rooms.is_empty() {
            mask("")
        } else {
            selector.rooms.iter().fold(ReactorSet::EMPTY, |all, name| all.union(mask(name.as_ref())))
        };
        all.without(self.reactor)
    }

    /// The scopes of this reactor with the number of their sockets.
    pub fn scopes(&self) -> impl Iterator<Item = (&str, u64)> {
        self.rooms.scopes().map(|(name, everybody)| (name, self.rooms.members(everybody).len()))
    }

    /// How many sockets of this reactor are in a scope.
    pub fn scope_len(&self, scope: &str) -> u64 {
        self.rooms.find(scope, "").map_or(0, |room| self.rooms.members(room).len())
    }

    /// The rooms of a scope on this reactor with the number of their members; in no order.
    pub fn rooms(&self, scope: &str) -> impl Iterator<Item = (&str, u64)> {
        self.rooms.rooms_of_scope(scope).map(|id| (self.rooms.name(id), self.rooms.members(id).len()))
    }

    /// How many rooms there are in all scopes, the scopes themselves included.
    pub fn room_count(&self) -> usize {
        self.rooms.len()
    }

    /// Gives unused capacity back to the allocator.
    pub fn trim(&mut self) {
        while self.seats.last().is_some_and(|seat| seat.is_empty()) {
            self.seats.pop();
        }
        self.seats.shrink_to_fit();
        self.rooms.trim();
        self.interest.trim();
    }

    fn seat(&mut self, slot: u32) -> &mut Seat {
        let index = slot as usize;
        if index >= self.seats.len() {
            self.seats.resize_with(index + 1, Seat::new);
        }
        &mut self.seats[index]
    }

    fn add(&mut self, slot: u32, scope: &str, room: &str) -> Entered {
        let (found, hash) = self.rooms.find_or_insert(scope, room);
        let members = self.rooms.members_mut(found);
        let first = members.is_empty();
        if !members.insert(slot) {
            return Entered::Already;
        }
        let alone = first && self.interest.add(hash, self.reactor, (scope, room));
        self.seat(slot).push(found.into());
        let change = self.watch.change(slot, scope, room, true);
        self.watch.changes.extend(change.map(|change| Change { alone, ..change }));
        if alone { Entered::First } else { Entered::Joined }
    }

    fn remove(&mut self, slot: u32, room: RoomId) {
        self.seats[slot as usize].retain(|seated| seated.room() != room);
        self.forget(slot, room);
    }

    /// The room's half of leaving: the slot's seat is the caller's business.
    fn forget(&mut self, slot: u32, room: RoomId) {
        let members = self.rooms.members_mut(room);
        members.remove(slot);
        let is_empty = members.is_empty();
        let change = self.watch.change(slot, self.rooms.scope_name(room), self.rooms.name(room), false);
        let mut alone = false;
        if is_empty {
            // They go with the room.
            let names = self
                .interest
                .is_observed()
                .then(|| (self.rooms.scope_name(room).to_owned(), self.rooms.name(room).to_owned()));
            let (hash, shared) = self.rooms.remove(room);
            if !shared {
                let name = names.as_ref().map_or(("", ""), |(scope, room)| (scope.as_str(), room.as_str()));
                alone = self.interest.remove(hash, self.reactor, name);
            }
        }
        self.watch.changes.extend(change.map(|change| Change { alone, ..change }));
    }
}

#[cfg(test)]
mod tests;
