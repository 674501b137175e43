//! Reconciliation: what arrived, against the numbers that every message carries.
//!
//! A stream is what one connection gets from one sender; its messages are numbered from 0. While all
//! goes well a stream is one counter; only what is missing is remembered by number.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use hashbrown::HashMap;

/// Examples that a report quotes of each kind.
const EXAMPLES_MAX: usize = 5;

/// One sender's messages to one recipient, by connection number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stream {
    /// The connection that received.
    pub recipient: u32,
    /// The connection that sent.
    pub sender: u32,
}

/// How a message can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// Never arrived.
    Lost,
    /// Arrived more than once.
    Duplicated,
    /// Arrived after a later one of the same stream.
    Reordered,
    /// Arrived with other bytes than were sent, or in a wrong envelope.
    Corrupted,
    /// Arrived at a connection that it was not for.
    Misrouted,
}

impl Fault {
    /// All of them, in the order of a report.
    pub const ALL: [Self; 5] =
        [Self::Lost, Self::Duplicated, Self::Reordered, Self::Corrupted, Self::Misrouted];
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lost => "lost",
            Self::Duplicated => "duplicated",
            Self::Reordered => "reordered",
            Self::Corrupted => "corrupted",
            Self::Misrouted => "misrouted",
        })
    }
}

/// How many of each fault there were, with the first few by name.
#[derive(Debug, Default, Clone)]
pub struct Faults {
    counts: BTreeMap<Fault, u64>,
    examples: BTreeMap<Fault, Vec<String>>,
}

impl Faults {
    /// Counts one fault; `what` is only called while examples are still wanted.
    pub fn add(&mut self, fault: Fault, what: impl FnOnce() -> String) {
        *self.counts.entry(fault).or_default() += 1;
        let examples = self.examples.entry(fault).or_default();
        if examples.len() < EXAMPLES_MAX {
            examples.push(what());
        }
    }

    /// How many there were of one kind.
    pub fn count(&self, fault: Fault) -> u64 {
        self.counts.get(&fault).copied().unwrap_or(0)
    }

    /// The first few of one kind.
    pub fn examples(&self, fault: Fault) -> &[String] {
        self.examples.get(&fault).map_or(&[], Vec::as_slice)
    }

    /// Adds what another worker found.
    pub fn merge(&mut self, other: Self) {
        for (fault, count) in other.counts {
            *self.counts.entry(fault).or_default() += count;
        }
        for (fault, examples) in other.examples {
            let mine = self.examples.entry(fault).or_default();
            mine.extend(examples);
            mine.truncate(EXAMPLES_MAX);
        }
    }
}

/// Everything that arrived at the connections of one worker.
#[derive(Debug, Default)]
pub struct Ledger {
    next: HashMap<Stream, u32>,
    missing: HashMap<Stream, BTreeSet<u32>>,
    /// Faults so far.
    pub faults: Faults,
    /// Distinct messages that arrived.
    pub received: u64,
}

impl Ledger {
    /// Enters an arrival; true when it is the first of this message.
    pub fn arrive(&mut self, stream: Stream, number: u32) -> bool {
        let next = self.next.entry(stream).or_default();
        if number == *next {
            *next += 1;
            self.received += 1;
            return true;
        }
        let Stream { recipient, sender } = stream;
        if number > *next {
            self.missing.entry(stream).or_default().extend(*next..number);
            *next = number + 1;
            self.received += 1;
            return true;
        }
        if self.missing.get_mut(&stream).is_some_and(|missing| missing.remove(&number)) {
            let newest = *next - 1;
            self.faults.add(Fault::Reordered, || {
                format!("message {number} from connection {sender} to {recipient} came after {newest}")
            });
            self.received += 1;
            return true;
        }
        self.faults.add(Fault::Duplicated, || {
            format!("message {number} from connection {sender} to {recipient} came again")
        });
        false
    }

    /// The messages of a stream, of `sent`, that have not arrived.
    pub fn outstanding(&self, stream: Stream, sent: u32) -> impl Iterator<Item = u32> + '_ {
        let next = self.next.get(&stream).copied().unwrap_or(0);
        let missing = self.missing.get(&stream).into_iter().flatten().copied();
        missing.filter(move |number| *number < sent).chain(next..sent)
    }

    /// Closes a stream of which `sent` messages left: what is outstanding is lost, what was never sent is
    /// corrupt.
    pub fn settle(&mut self, stream: Stream, sent: u32) {
        let next = self.next.get(&stream).copied().unwrap_or(0);
        if next == sent && !self.missing.contains_key(&stream) {
            return;
        }
        let Stream { recipient, sender } = stream;
        for number in self.outstanding(stream, sent).collect::<Vec<_>>() {
            self.faults.add(Fault::Lost, || {
                format!("message {number} from connection {sender} never reached {recipient}")
            });
        }
        if next > sent {
            self.faults.add(Fault::Corrupted, || {
                format!("connection {recipient} got message {} from {sender}, which sent {sent}", next - 1)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: Stream = Stream { recipient: 9, sender: 4 };

    fn counts(arrivals: &[u32], sent: u32) -> [u64; 5] {
        let mut ledger = Ledger::default();
        for number in arrivals {
            ledger.arrive(STREAM, *number);
        }
        ledger.settle(STREAM, sent);
        Fault::ALL.map(|fault| ledger.faults.count(fault))
    }

    #[test]
    fn each_fault_is_told_from_the_others() {
        assert_eq!(counts(&[0, 1, 2, 3], 4), [0, 0, 0, 0, 0]);
        assert_eq!(counts(&[0, 2, 3], 4), [1, 0, 0, 0, 0], "a hole");
        assert_eq!(counts(&[0, 1], 4), [2, 0, 0, 0, 0], "the end is missing");
        assert_eq!(counts(&[], 3), [3, 0, 0, 0, 0], "all is missing");
        assert_eq!(counts(&[0, 1, 1, 2], 3), [0, 1, 0, 0, 0]);
        assert_eq!(counts(&[0, 2, 1, 3], 4), [0, 0, 1, 0, 0]);
        assert_eq!(counts(&[0, 2, 1, 1], 3), [0, 1, 1, 0, 0], "late, then again");
        assert_eq!(counts(&[0, 1, 2, 3], 3), [0, 0, 0, 1, 0], "never sent");
        assert_eq!(counts(&[3, 3, 0], 5), [3, 1, 1, 0, 0]);
    }

    #[test]
    fn a_fault_is_named() {
        let mut ledger = Ledger::default();
        ledger.arrive(STREAM, 0);
        ledger.arrive(STREAM, 2);
        assert_eq!(ledger.outstanding(STREAM, 4).collect::<Vec<_>>(), [1, 3]);
        ledger.settle(STREAM, 3);
        assert_eq!(ledger.faults.examples(Fault::Lost), ["message 1 from connection 4 never reached 9"]);
        assert_eq!(ledger.received, 2);
    }
}
