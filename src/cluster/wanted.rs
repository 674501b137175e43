//! Questions to other nodes, until all that were asked have answered, or the time is up.
//!
//! Time is an argument, and nothing here waits: the owner asks for what is late.

use crate::app::socketio::{Answer, RemoteSocket};
use crate::app::{Answered, Back, DeliveryReport};
use crate::wire::socketio::args::Args;
use compact_str::CompactString;
use std::collections::HashMap;
use std::time::Instant;

/// What somebody wants to know.
pub(super) enum Wanted {
    /// What became of a publish.
    Report {
        back: Back<DeliveryReport>,
        sum: DeliveryReport,
        /// The scope, and whether this node hears it itself.
        said: (CompactString, bool),
    },
    /// What sockets there are.
    Sockets { back: Back<Vec<RemoteSocket>>, all: Vec<RemoteSocket> },
    /// What sockets acknowledge: servers first say how many were asked.
    Acks { back: Back<Answered>, asked: u64, answers: Vec<Answer> },
    /// What other servers acknowledge.
    Values { back: Back<Vec<Args>>, all: Vec<Args> },
}

struct Entry {
    wanted: Wanted,
    /// How many have to answer, once that is known.
    expected: Option<u64>,
    /// How many others there were when it was asked, for as long as that is not.
    known: u64,
    answered: u64,
    until: Instant,
}

impl Entry {
    fn is_done(&self) -> bool {
        let heard = self.expected.is_some_and(|expected| self.answered >= expected);
        heard
            && match &self.wanted {
                Wanted::Acks { asked, answers, .. } => answers.len() as u64 >= *asked,
                _ => true,
            }
    }

    fn finish(self) {
        let (expected, answered) = (self.expected.unwrap_or(self.known.max(self.answered)), self.answered);
        match self.wanted {
            Wanted::Report { back, sum, .. } => {
                back.answer(DeliveryReport { nodes_asked: expected, nodes_answered: answered, ..sum });
            }
            Wanted::Sockets { back, all } => back.answer(all),
            Wanted::Values { back, all } => back.answer(all),
            Wanted::Acks { back, asked, answers } => {
                let silent = expected.saturating_sub(answered);
                back.answer(Answered { asked: asked.max(answers.len() as u64), answers, silent });
            }
        }
    }
}

/// The questions of one node, by their numbers.
#[derive(Default)]
pub(super) struct Questions {
    last: u64,
    entries: HashMap<u64, Entry>,
}

impl Questions {
    /// Asks, with so many others known to be there; the number of the question.
    pub(super) fn ask(&mut self, wanted: Wanted, known: u64, until: Instant) -> u64 {
        self.last += 1;
        self.entries.insert(self.last, Entry { wanted, expected: None, known, answered: 0, until });
        self.last
    }

    /// So many have to answer.
    pub(super) fn expect(&mut self, number: u64, count: u64) {
        self.with(number, |entry| entry.expected = Some(count));
    }

    /// It was said; in which scope, and whether this node heard it too, if that tells how many have to answer.
    pub(super) fn published(&self, number: u64) -> Option<(CompactString, bool)> {
        match &self.entries.get(&number)?.wanted {
            Wanted::Report { said, .. } => Some(said.clone()),
            _ => None,
        }
    }

    /// It was not said, or will not be soon: nobody of so many others answers.
    pub(super) fn is_unsaid(&mut self, number: u64, others: u64) {
        self.expect(number, others);
        self.end_now(number);
    }

    /// Nobody will answer any more.
    pub(super) fn end_now(&mut self, number: u64) {
        self.entries.remove(&number).into_iter().for_each(Entry::finish);
    }

    /// One has answered.
    pub(super) fn answer(&mut self, number: u64, read: impl FnOnce(&mut Wanted)) {
        self.with(number, |entry| {
            entry.answered += 1;
            read(&mut entry.wanted);
        });
    }

    /// A part of an answer has come.
    pub(super) fn add(&mut self, number: u64, read: impl FnOnce(&mut Wanted)) {
        self.with(number, |entry| read(&mut entry.wanted));
    }

    /// Ends those whose time is up; when the next one's is.
    pub(super) fn end_late(&mut self, now: Instant) -> Option<Instant> {
        let late: Vec<u64> =
            self.entries.iter().filter(|(_, entry)| entry.until <= now).map(|(number, _)| *number).collect();
        for number in late {
            self.entries.remove(&number).into_iter().for_each(Entry::finish);
        }
        self.entries.values().map(|entry| entry.until).min()
    }

    fn with(&mut self, number: u64, act: impl FnOnce(&mut Entry)) {
        let Some(entry) = self.entries.get_mut(&number) else { return };
        act(entry);
        if entry.is_done() {
            self.entries.remove(&number).into_iter().for_each(Entry::finish);
        }
    }
}
