//! Scopes and rooms of one reactor: their names, interned, and where they are found.
//!
//! The index holds 32-bit ids only and compares names through them, so that a name is stored once.

use super::members::Members;
use compact_str::CompactString;
use hashbrown::HashTable;
use slab::Slab;
use std::hash::{BuildHasher, RandomState};

/// A room's place in the table of its reactor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RoomId(u32);

impl RoomId {
    pub(super) fn place(self) -> u32 {
        self.0
    }

    pub(super) fn from_place(place: u32) -> RoomId {
        RoomId(place)
    }
}

/// A scope's place in the table of its reactor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ScopeId(u32);

#[derive(Debug)]
struct Room {
    /// Empty for the room that is everybody in the scope.
    name: CompactString,
    members: Members,
    scope: ScopeId,
}

#[derive(Debug)]
struct Scope {
    name: CompactString,
    hash: u64,
    /// Rooms of this scope that exist; the scope goes with the last one.
    rooms: u32,
}

/// Both tables.
#[derive(Debug)]
pub(super) struct Rooms {
    /// Keyed, because names come from clients: collisions cannot be prepared.
    hasher: RandomState,
    scopes: Slab<Scope>,
    scope_index: HashTable<ScopeId>,
    rooms: Slab<Room>,
    room_index: HashTable<RoomId>,
}

impl Rooms {
    pub(super) fn new(hasher: RandomState) -> Rooms {
        Rooms {
            hasher,
            scopes: Slab::new(),
            scope_index: HashTable::new(),
            rooms: Slab::new(),
            room_index: HashTable::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rooms.len()
    }

    /// The same on every reactor of a server, whether the room exists or not.
    pub(super) fn hash(&self, scope: &str, room: &str) -> u64 {
        room_hash(&self.hasher, self.hasher.hash_one(scope), room)
    }

    pub(super) fn find(&self, scope: &str, room: &str) -> Option<RoomId> {
        let scope_hash = self.hasher.hash_one(scope);
        let scope = self.find_scope(scope, scope_hash)?;
        self.find_in(scope, scope_hash, room)
    }

    /// The room, made without members if it does not exist, and its hash. The caller gives it a member
    /// at once: a room without one is never kept.
    pub(super) fn find_or_insert(&mut self, scope: &str, room: &str) -> (RoomId, u64) {
        let scope_hash = self.hasher.hash_one(scope);
        let scope_id = match self.find_scope(scope, scope_hash) {
            Some(found) => found,
            None => {
                let id = ScopeId(
                    self.scopes.insert(Scope { name: scope.into(), hash: scope_hash, rooms: 0 }) as u32,
                );
                let scopes = &self.scopes;
                self.scope_index.insert_unique(scope_hash, id, |other| scopes[other.0 as usize].hash);
                id
            }
        };
        let hash = room_hash(&self.hasher, scope_hash, room);
        if let Some(found) = self.find_in(scope_id, scope_hash, room) {
            return (found, hash);
        }
        let id = RoomId(
            self.rooms.insert(Room { name: room.into(), members: Members::None, scope: scope_id }) as u32,
        );
        let Rooms { hasher, scopes, rooms, room_index, .. } = self;
        room_index.insert_unique(hash, id, |other| hash_of(hasher, scopes, &rooms[other.0 as usize]));
        scopes[scope_id.0 as usize].rooms += 1;
        (id, hash)
    }

    /// Removes a room without members. Also tells whether another room of this reactor has the same
    /// hash, in which case the reactor is still interested in that hash.
    pub(super) fn remove(&mut self, id: RoomId) -> (u64, bool) {
        let room = self.rooms.remove(id.0 as usize);
        debug_assert!(room.members.is_empty());
        let scope_hash = self.scopes[room.scope.0 as usize].hash;
        let hash = room_hash(&self.hasher, scope_hash, &room.name);
        if let Ok(entry) = self.room_index.find_entry(hash, |other| *other == id) {
            entry.remove();
        }
        let Rooms { hasher, scopes, rooms, room_index, .. } = self;
        let same_hash = |other: &RoomId| hash_of(hasher, scopes, &rooms[other.0 as usize]) == hash;
        let shared = room_index.find(hash, same_hash).is_some();
        let scope = &mut self.scopes[room.scope.0 as usize];
        scope.rooms -= 1;
        if scope.rooms == 0 {
            self.scopes.remove(room.scope.0 as usize);
            if let Ok(entry) = self.scope_index.find_entry(scope_hash, |other| *other == room.scope) {
                entry.remove();
            }
        }
        (hash, shared)
    }

    pub(super) fn members(&self, id: RoomId) -> &Members {
        &self.rooms[id.0 as usize].members
    }

    pub(super) fn members_mut(&mut self, id: RoomId) -> &mut Members {
        &mut self.rooms[id.0 as usize].members
    }

    pub(super) fn name(&self, id: RoomId) -> &str {
        &self.rooms[id.0 as usize].name
    }

    pub(super) fn scope_name(&self, id: RoomId) -> &str {
        &self.scopes[self.rooms[id.0 as usize].scope.0 as usize].name
    }

    /// Every scope with the room of everybody in it, where somebody entered it.
    pub(super) fn scopes(&self) -> impl Iterator<Item = (&str, RoomId)> {
        self.scopes.iter().filter_map(|(id, scope)| {
            let everybody = self.find_in(ScopeId(id as u32), scope.hash, "")?;
            Some((scope.name.as_str(), everybody))
        })
    }

    /// The rooms of a scope without the one of everybody.
    pub(super) fn rooms_of_scope(&self, scope: &str) -> impl Iterator<Item = RoomId> {
        let scope = self.find_scope(scope, self.hasher.hash_one(scope));
        let is_in = move |room: &Room| Some(room.scope) == scope && !room.name.is_empty();
        self.rooms.iter().filter(move |(_, room)| is_in(room)).map(|(id, _)| RoomId(id as u32))
    }

    pub(super) fn trim(&mut self) {
        self.rooms.shrink_to_fit();
        self.scopes.shrink_to_fit();
        let Rooms { hasher, scopes, rooms, room_index, scope_index } = self;
        scope_index.shrink_to_fit(|id| scopes[id.0 as usize].hash);
        room_index.shrink_to_fit(|id| hash_of(hasher, scopes, &rooms[id.0 as usize]));
    }

    fn find_scope(&self, name: &str, hash: u64) -> Option<ScopeId> {
        self.scope_index.find(hash, |id| self.scopes[id.0 as usize].name == name).copied()
    }

    fn find_in(&self, scope: ScopeId, scope_hash: u64, name: &str) -> Option<RoomId> {
        let hash = room_hash(&self.hasher, scope_hash, name);
        let same = |id: &RoomId| {
            let room = &self.rooms[id.0 as usize];
            room.scope == scope && room.name == name
        };
        self.room_index.find(hash, same).copied()
    }
}

pub(super) fn room_hash(hasher: &RandomState, scope_hash: u64, room: &str) -> u64 {
    hasher.hash_one((scope_hash, room))
}

fn hash_of(hasher: &RandomState, scopes: &Slab<Scope>, room: &Room) -> u64 {
    room_hash(hasher, scopes[room.scope.0 as usize].hash, &room.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_fits_in_48_bytes() {
        // The budget of a client counts one room for itself.
        assert!(std::mem::size_of::<Room>() <= 48, "{}", std::mem::size_of::<Room>());
    }
}
