//! Which reactors have a member of which room, shared by all of them.
//!
//! Keyed by a 64-bit hash of the names, never by the names: two rooms with one hash make a reactor
//! get a mail in vain, nothing worse, because the receiver looks the names up again.

use super::rooms::room_hash;
use crate::base::ids::{ReactorId, ReactorSet};
use hashbrown::HashTable;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Locks are held for one look-up; with this many, two reactors seldom want the same one.
const SHARDS: usize = 32;

/// Below this many entries a shard keeps what capacity it has.
const SMALL: usize = 64;

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u64,
    reactors: ReactorSet,
}

type Observer = Box<dyn Fn(&str, &str, bool) + Send + Sync>;

/// The table of interests of a server.
pub struct Interest {
    hasher: RandomState,
    shards: [Mutex<HashTable<Entry>>; SHARDS],
    claims: AtomicU32,
    /// Orders to join that some reactor has not carried out yet.
    joining: AtomicUsize,
    observer: Option<Observer>,
}

/// An order to join is under way, as long as this is there.
#[derive(Debug)]
pub struct Joining(Arc<Interest>);

impl Drop for Joining {
    fn drop(&mut self) {
        self.0.joining.fetch_sub(1, Ordering::Release);
    }
}

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interest").field("rooms", &self.len()).finish_non_exhaustive()
    }
}

impl Default for Interest {
    fn default() -> Interest {
        Interest {
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::new(HashTable::new())),
            claims: AtomicU32::new(0),
            joining: AtomicUsize::new(0),
            observer: None,
        }
    }
}

impl Interest {
    /// An empty table with a random key.
    pub fn new() -> Interest {
        Interest::default()
    }

    /// Other reactors are about to be told to let sockets join rooms. Whoever sends to such a room behind that finds
    /// no interest in it here yet, and yet its members are to get it.
    pub fn joining(self: &Arc<Self>) -> Joining {
        self.joining.fetch_add(1, Ordering::Relaxed);
        Joining(self.clone())
    }

    /// Whether any reactor may get a member of any room, by what it was told before now.
    pub fn is_joining(&self) -> bool {
        self.joining.load(Ordering::Acquire) > 0
    }

    /// Reactors that may have a member of a room; the empty name is everybody in the scope.
    pub fn reactors_of(&self, scope: &str, room: &str) -> ReactorSet {
        self.reactors(room_hash(&self.hasher, self.hasher.hash_one(scope), room))
    }

    /// The number of a claim that is newer than all others of this server.
    pub fn next_claim(&self) -> u32 {
        let sequence = self.claims.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        // 0 means "joined without a claim".
        if sequence == 0 { self.claims.fetch_add(1, Ordering::Relaxed).wrapping_add(1) } else { sequence }
    }

    /// Tells of every room that gets its first member on the server, or loses its last, before the next change of the
    /// room: it must not wait, nor ask this table. Everybody in a scope is the room with the empty name.
    pub fn observe(&mut self, observer: impl Fn(&str, &str, bool) + Send + Sync + 'static) {
        self.observer = Some(Box::new(observer));
    }

    pub(super) fn is_observed(&self) -> bool {
        self.observer.is_some()
    }

    fn tell(&self, (scope, room): (&str, &str), is_there: bool) {
        if let Some(observer) = &self.observer {
            observer(scope, room, is_there);
        }
    }

    pub(super) fn hasher(&self) -> &RandomState {
        &self.hasher
    }

    /// Adds the reactor. Whether nobody was there before: of reactors that come at the same time, one finds that.
    pub(super) fn add(&self, hash: u64, reactor: ReactorId, name: (&str, &str)) -> bool {
        let mut shard = self.shard(hash);
        let is_first = insert(&mut shard, hash, reactor).is_empty();
        if is_first {
            self.tell(name, true);
        }
        is_first
    }

    /// Adds the reactor, and returns who was there before and the number of this claim. The number is
    /// drawn under the lock, so that claims of one room are numbered in the order of their effects.
    pub(super) fn claim(&self, hash: u64, reactor: ReactorId, name: (&str, &str)) -> (ReactorSet, u32) {
        let mut shard = self.shard(hash);
        let before = insert(&mut shard, hash, reactor);
        if before.is_empty() {
            self.tell(name, true);
        }
        (before, self.next_claim())
    }

    /// Removes the reactor. Whether nobody is left: of reactors that go at the same time, one finds that.
    pub(super) fn remove(&self, hash: u64, reactor: ReactorId, name: (&str, &str)) -> bool {
        let mut shard = self.shard(hash);
        let mut is_last = false;
        if let Ok(mut entry) = shard.find_entry(hash, |entry| entry.hash == hash) {
            entry.get_mut().reactors.remove(reactor);
            is_last = entry.get().reactors.is_empty();
            if is_last {
                entry.remove();
                self.tell(name, false);
            }
        }
        // After a mass departure the capacity goes too; halving keeps the work amortized.
        if shard.capacity() > SMALL && shard.len() < shard.capacity() / 4 {
            let keep = shard.len() * 2;
            shard.shrink_to(keep, |entry| entry.hash);
        }
        is_last
    }

    pub(super) fn reactors(&self, hash: u64) -> ReactorSet {
        self.shard(hash)
            .find(hash, |entry| entry.hash == hash)
            .map_or(ReactorSet::EMPTY, |entry| entry.reactors)
    }

    /// Gives unused capacity back to the allocator.
    pub fn trim(&self) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            if shard.is_empty() {
                *shard = HashTable::new();
            }
        }
    }

    /// How many different rooms have a member somewhere.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// Whether no room has a member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, HashTable<Entry>> {
        // The table takes its bucket from the low bits and its tag from the top seven: these are others.
        lock(&self.shards[(hash >> 40) as usize % SHARDS])
    }
}

/// Each change of a shard is one insertion or removal: a panic elsewhere cannot leave it half done.
fn lock(shard: &Mutex<HashTable<Entry>>) -> MutexGuard<'_, HashTable<Entry>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn insert(shard: &mut HashTable<Entry>, hash: u64, reactor: ReactorId) -> ReactorSet {
    if let Some(entry) = shard.find_mut(hash, |entry| entry.hash == hash) {
        let before = entry.reactors;
        entry.reactors.insert(reactor);
        return before;
    }
    let mut reactors = ReactorSet::EMPTY;
    reactors.insert(reactor);
    shard.insert_unique(hash, Entry { hash, reactors }, |entry| entry.hash);
    ReactorSet::EMPTY
}
