//! Whom a publish is for, and what became of it.

use crate::hub::Selector;
use crate::reactor::outlet::Tally;
use compact_str::{CompactString, format_compact};
use smallvec::SmallVec;

/// The recipients of a publish, by names: the union of rooms of one scope, less the excepted rooms.
///
/// ```
/// use fanfare::To;
/// let to = To::everybody("d1");
/// let to = To::room("d1", "@c1");
/// let to = To::room("d1", "#g1").and_room("#g2").except("#g3");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct To {
    pub(crate) scope: CompactString,
    pub(crate) rooms: SmallVec<[CompactString; 1]>,
    pub(crate) except: Vec<CompactString>,
    /// Not on other nodes.
    pub(crate) local: bool,
}

impl To {
    /// Everybody in a scope.
    pub fn everybody(scope: &str) -> To {
        To { scope: scope.into(), rooms: SmallVec::new(), except: Vec::new(), local: false }
    }

    /// Everybody in a namespace, whose name gets its slash if it has none.
    pub(crate) fn namespace(name: &str) -> To {
        let scope = if name.starts_with('/') { name.into() } else { format_compact!("/{name}") };
        To { scope, rooms: SmallVec::new(), except: Vec::new(), local: false }
    }

    /// The members of a room.
    pub fn room(scope: &str, room: &str) -> To {
        To::everybody(scope).and_room(room)
    }

    /// The members of this room as well; each socket gets a message once.
    pub fn and_room(mut self, room: &str) -> To {
        self.rooms.push(room.into());
        self
    }

    /// Not the members of this room.
    pub fn except(mut self, room: &str) -> To {
        self.except.push(room.into());
        self
    }

    /// Only those on this node, if there is a cluster.
    pub fn local(mut self) -> To {
        self.local = true;
        self
    }

    /// Whether the scope is a Socket.IO namespace: the name of one begins with a slash.
    pub(crate) fn is_namespace(&self) -> bool {
        self.scope.starts_with('/')
    }

    pub(crate) fn selector(&self) -> Selector<'_, CompactString> {
        Selector { scope: &self.scope, rooms: &self.rooms, except: &self.except }
    }

    /// About how many bytes this and a frame take in a mailbox.
    pub(crate) fn weight(&self) -> usize {
        64 + self.rooms.iter().chain(&self.except).map(|name| name.len() + 24).sum::<usize>()
    }
}

/// What became of a publish, in sockets, added up over the reactors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryReport {
    /// Sockets that it was for.
    pub matched: u64,
    /// Handed whole to the kernel.
    pub written: u64,
    /// Waiting for a reader that does not keep up.
    pub queued: u64,
    /// Not delivered: the reader was over its outbox limit.
    pub dropped_slow: u64,
    /// Not delivered: volatile, and the connection could not take it then.
    pub dropped_volatile: u64,
    /// Not delivered: the connection was ending.
    pub dropped_closed: u64,
    /// Reactors that could not be told because their mailbox was full; how many sockets they would have
    /// matched is not known.
    pub dropped_busy: u64,
    /// Nodes that were asked what became of it: this one, and those of its cluster that may have somebody.
    pub nodes_asked: u64,
    /// Nodes that answered in time.
    pub nodes_answered: u64,
}

impl DeliveryReport {
    /// Sockets that got it or will, if they stay.
    pub fn delivered(&self) -> u64 {
        self.written + self.queued
    }

    /// Of this node, before anything was delivered.
    pub(crate) fn begin() -> DeliveryReport {
        DeliveryReport { nodes_asked: 1, nodes_answered: 1, ..DeliveryReport::default() }
    }

    /// Of other nodes that said nothing.
    pub(crate) fn unanswered(nodes: u64) -> DeliveryReport {
        DeliveryReport { nodes_asked: nodes, ..DeliveryReport::default() }
    }

    pub(crate) fn add(&mut self, other: &DeliveryReport) {
        self.nodes_asked += other.nodes_asked;
        self.nodes_answered += other.nodes_answered;
        self.matched += other.matched;
        self.written += other.written;
        self.queued += other.queued;
        self.dropped_slow += other.dropped_slow;
        self.dropped_volatile += other.dropped_volatile;
        self.dropped_closed += other.dropped_closed;
        self.dropped_busy += other.dropped_busy;
    }
}

impl From<Tally> for DeliveryReport {
    fn from(tally: Tally) -> DeliveryReport {
        DeliveryReport {
            matched: tally.matched,
            written: tally.written,
            queued: tally.queued,
            dropped_slow: tally.slow,
            dropped_volatile: tally.volatile,
            dropped_closed: tally.closed,
            ..DeliveryReport::default()
        }
    }
}
