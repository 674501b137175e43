//! Namespaces that stand for many names: by a pattern, or by a function.
//!
//! Owns: which names a namespace stands for, and the table of the names that are in use on a reactor. Leaves to others:
//! which of several namespaces a client gets, and its handlers (`namespace`); what a name may look like
//! (`wire::socketio`).

use super::namespace::{Connecting, Namespace};
use compact_str::CompactString;
use hashbrown::HashTable;
use regex_lite::Regex;
use slab::Slab;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

/// Decides whether a client may have a namespace of a name.
pub(crate) type When = Box<dyn Fn(&str, &Connecting<'_>) -> bool + Send + Sync>;

/// The names that a namespace stands for.
pub(crate) enum Names {
    One(CompactString),
    Matching(Regex),
    When(When),
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Names::One(name) => f.write_str(name),
            Names::Matching(pattern) => write!(f, "matching {pattern}"),
            Names::When(_) => f.write_str("when"),
        }
    }
}

/// Why a text is no pattern of [`Namespace::matching`].
#[derive(Clone, Debug)]
pub struct PatternError(regex_lite::Error);

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a pattern: {}", self.0)
    }
}

impl std::error::Error for PatternError {}

impl Namespace {
    /// A namespace that stands for every name in which the regular expression finds something: `/^\/dynamic-\d+$/` of a
    /// JavaScript program is `r"^/dynamic-\d+$"` here, and without `^` and `$` it may stand anywhere in the name.
    ///
    /// A client that asks for `/dynamic-7` gets a namespace of this name, with rooms, ids and broadcasts of its own; its
    /// handlers are those of this one, which costs it no more than its name. [`Socket::namespace`] tells the name, and
    /// `cx.namespace("/dynamic-7")` reaches everybody in it from anywhere. It begins with its first socket, of which
    /// [`SocketIo::on_new_namespace`] is told, and is gone with its last one, as the JavaScript server does it with
    /// `cleanupEmptyChildNamespaces`.
    ///
    /// A [`Namespace::new`] of the same server comes before all patterns and functions; of these, the first one that
    /// was added and stands for the name is taken. Matching takes time in proportion to the length of the name, which
    /// has 256 bytes at most. There is no looking around and no referring back in a pattern; flags are written in
    /// front: `(?i)`.
    ///
    /// ```
    /// use fanfare::socketio::{Namespace, PatternError};
    ///
    /// let tenants = Namespace::matching(r"^/tenant-\d+$")?
    ///     .on_connect(|socket, _| socket.emit("welcome", socket.namespace()))
    ///     .on("say", |socket, event| {
    ///         let text: String = event.parse()?;
    ///         // To this tenant's sockets, not to those of others.
    ///         socket.broadcast().emit("said", text)
    ///     });
    /// # Ok::<(), PatternError>(())
    /// ```
    ///
    /// # Errors
    /// It is not a regular expression, or too large a one.
    ///
    /// [`Socket::namespace`]: super::Socket::namespace
    /// [`SocketIo::on_new_namespace`]: super::SocketIo::on_new_namespace
    pub fn matching(pattern: &str) -> Result<Namespace, PatternError> {
        Ok(Namespace::of(Names::Matching(Regex::new(pattern).map_err(PatternError)?)))
    }

    /// A namespace that stands for every name for which this returns true; else as [`Namespace::matching`].
    ///
    /// Every socket is asked about when it connects, also when others are in a namespace of that name already. One that
    /// is refused here may get the name from one of the patterns and functions that were added later; whom nothing
    /// accepts is told that there is no such namespace. A function that panics accepts nobody.
    ///
    /// As nobody can tell for whom such a function will return true, everything dynamic that is added behind it has to
    /// have the same [`Namespace::parser`]; [`Builder::start`](crate::Builder::start) refuses anything else.
    ///
    /// ```
    /// use fanfare::socketio::Namespace;
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize)]
    /// struct Auth {
    ///     tenant: String,
    /// }
    ///
    /// let own = Namespace::when(|name, connecting| {
    ///     let auth = connecting.parse_auth::<Auth>();
    ///     auth.is_ok_and(|auth| name.strip_prefix("/tenant-") == Some(auth.tenant.as_str()))
    /// });
    /// ```
    pub fn when(accepts: impl Fn(&str, &Connecting<'_>) -> bool + Send + Sync + 'static) -> Namespace {
        Namespace::of(Names::When(Box::new(accepts)))
    }
}

/// Numbers from here on stand for names of dynamic namespaces; those below are of namespaces with one name.
const FIRST: u32 = 1 << 31;

struct Live {
    name: CompactString,
    /// Memberships on this reactor.
    members: u32,
}

/// The names of dynamic namespaces that somebody on a reactor is in, and their numbers. A number is used again when the
/// last one has left.
#[derive(Default)]
pub(crate) struct LiveNames {
    /// Keyed, because names come from clients: collisions cannot be prepared.
    hasher: RandomState,
    names: Slab<Live>,
    index: HashTable<u32>,
}

impl LiveNames {
    /// The number of a name that somebody is in.
    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        if self.names.is_empty() {
            return None;
        }
        let same = |place: &u32| self.names[*place as usize].name == name;
        self.index.find(self.hasher.hash_one(name), same).map(|place| FIRST + place)
    }

    /// The name of a number that somebody holds; nothing if it is not one of a dynamic namespace.
    pub(crate) fn name(&self, number: u32) -> Option<&str> {
        let place = number.checked_sub(FIRST)?;
        self.names.get(place as usize).map(|live| live.name.as_str())
    }

    /// The number of a name for one more membership.
    pub(crate) fn hold(&mut self, name: &str) -> u32 {
        if let Some(number) = self.find(name) {
            self.names[(number - FIRST) as usize].members += 1;
            return number;
        }
        let LiveNames { hasher, names, index } = self;
        let place = names.insert(Live { name: name.into(), members: 1 }) as u32;
        debug_assert!(place < FIRST);
        let hash = |other: &u32| hasher.hash_one(names[*other as usize].name.as_str());
        index.insert_unique(hash(&place), place, hash);
        FIRST + place
    }

    /// A membership is over. Numbers of namespaces with one name are passed over.
    pub(crate) fn release(&mut self, number: u32) {
        let Some(place) = number.checked_sub(FIRST) else { return };
        let live = &mut self.names[place as usize];
        live.members -= 1;
        if live.members > 0 {
            return;
        }
        let live = self.names.remove(place as usize);
        let hash = self.hasher.hash_one(live.name.as_str());
        if let Ok(entry) = self.index.find_entry(hash, |other| *other == place) {
            entry.remove();
        }
    }

    pub(crate) fn trim(&mut self) {
        let LiveNames { hasher, names, index } = self;
        names.shrink_to_fit();
        index.shrink_to_fit(|place| hasher.hash_one(names[*place as usize].name.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_held_until_the_last_membership_is_over() {
        let mut live = LiveNames::default();
        let (a, b) = (live.hold("/a"), live.hold("/b"));
        assert_ne!(a, b);
        assert_eq!((live.hold("/a"), live.find("/a"), live.name(a)), (a, Some(a), Some("/a")));
        live.release(a);
        assert_eq!(live.find("/a"), Some(a));
        live.release(a);
        assert_eq!((live.find("/a"), live.name(a), live.find("/b")), (None, None, Some(b)));
        assert_eq!(live.hold("/c"), a);
        assert_eq!((live.name(a), live.find("/c")), (Some("/c"), Some(a)));
        // Those of explicit namespaces are none of its business.
        live.release(0);
        assert_eq!(live.name(0), None);
    }

    #[test]
    fn names_that_are_gone_take_no_memory() {
        let mut live = LiveNames::default();
        let numbers: Vec<u32> =
            (0..10_000).map(|n| live.hold(&format!("/a-name-that-is-rather-long-{n}"))).collect();
        assert!(live.names.capacity() >= 10_000 && live.index.capacity() >= 10_000);
        for number in numbers {
            live.release(number);
        }
        live.trim();
        assert_eq!((live.names.capacity(), live.index.capacity()), (0, 0));
    }
}
