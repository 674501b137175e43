//! What happened in scopes that somebody watches, in its order.

use compact_str::CompactString;
use std::fmt;

/// A slot came into a room or left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Who.
    pub slot: u32,
    /// The scope of the room.
    pub scope: CompactString,
    /// The room.
    pub room: CompactString,
    /// It came.
    pub came: bool,
    /// On no reactor of the server was anybody in the room before it came, or is after it left.
    pub alone: bool,
}

type IsWatched = Box<dyn Fn(&str) -> bool + Send>;

/// Which scopes are watched, and what has happened in them.
#[derive(Default)]
pub(super) struct Watch {
    is_watched: Option<IsWatched>,
    pub(super) changes: Vec<Change>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watch({:?})", self.changes)
    }
}

impl Watch {
    pub(super) fn set(&mut self, is_watched: impl Fn(&str) -> bool + Send + 'static) {
        self.is_watched = Some(Box::new(is_watched));
    }

    /// A change in a room of a watched scope, to be noted; everybody in a scope is no room.
    #[inline]
    pub(super) fn change(&self, slot: u32, scope: &str, room: &str, came: bool) -> Option<Change> {
        let is_watched = self.is_watched.as_ref().filter(|_| !room.is_empty())?;
        is_watched(scope).then(|| Change { slot, scope: scope.into(), room: room.into(), came, alone: false })
    }
}
