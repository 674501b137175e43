//! Questions to other nodes, until all that were asked have answered, or the time is up.
//!
//! Time is an argument, and nothing here waits: the owner asks for what is late.

use crate::app::socketio::{Answer, RemoteSocket};
use crate::app::{Answered, Back, DeliveryReport};
use crate::wire::socketio::args::Args;
use compact_str::CompactString;
use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

/// Bytes of answers that are kept for one question. What is beyond is passed over, as if it had not come: other nodes
/// decide how much they send.
const ANSWER_BYTES: usize = 32 << 20;

/// What somebody wants to know.
pub(super) enum Wanted {
    /// What became of a publish.
    Report {
        back: Back<DeliveryReport>,
        sum: DeliveryReport,
        /// In which scope it is said.
        scope: CompactString,
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
    /// What is kept of the answers counts so much.
    bytes: usize,
    until: Instant,
}

impl Entry {
    /// Keeps so much more, if there is room for it.
    fn has_room(&mut self, bytes: usize) -> bool {
        let all = self.bytes.saturating_add(bytes);
        let fits = all <= ANSWER_BYTES;
        if fits {
            self.bytes = all;
        }
        fits
    }

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
    /// When each is late.
    late: BTreeSet<(Instant, u64)>,
}

impl Questions {
    /// Asks, with so many others known to be there; the number of the question, and whether it is the first to be late.
    pub(super) fn ask(&mut self, wanted: Wanted, known: u64, time: Duration, now: Instant) -> (u64, bool) {
        self.last += 1;
        // A time that no clock comes to is a long one.
        let until = now.checked_add(time).unwrap_or_else(|| now + Duration::from_secs(1 << 30));
        self.late.insert((until, self.last));
        let entry = Entry { wanted, expected: None, known, answered: 0, bytes: 0, until };
        self.entries.insert(self.last, entry);
        (self.last, self.first_late() == Some(until))
    }

    /// So many have to answer.
    pub(super) fn expect(&mut self, number: u64, count: u64) {
        self.with(number, |entry| entry.expected = Some(count));
    }

    /// Nobody will answer any more; so many would have had to.
    pub(super) fn give_up(&mut self, number: u64, count: u64) {
        if let Some(mut entry) = self.take(number) {
            entry.expected = Some(count.max(entry.answered));
            entry.finish();
        }
    }

    /// Of what in which scope a report is wanted, which only servers of this program give.
    pub(super) fn wants_report(&self, number: u64) -> Option<CompactString> {
        match &self.entries.get(&number)?.wanted {
            Wanted::Report { scope, .. } => Some(scope.clone()),
            _ => None,
        }
    }

    /// One has answered, in so many bytes.
    pub(super) fn answer(&mut self, number: u64, bytes: usize, read: impl FnOnce(&mut Wanted)) {
        self.with(number, |entry| {
            if entry.has_room(bytes) {
                entry.answered += 1;
                read(&mut entry.wanted);
            }
        });
    }

    /// A part of an answer has come.
    pub(super) fn add(&mut self, number: u64, bytes: usize, read: impl FnOnce(&mut Wanted)) {
        self.with(number, |entry| {
            if entry.has_room(bytes) {
                read(&mut entry.wanted);
            }
        });
    }

    /// Ends those whose time is up.
    pub(super) fn end_late(&mut self, now: Instant) {
        while let Some(&(until, number)) = self.late.first()
            && until <= now
        {
            self.take(number).into_iter().for_each(Entry::finish);
        }
    }

    /// When the next one is late.
    pub(super) fn first_late(&self) -> Option<Instant> {
        self.late.first().map(|(until, _)| *until)
    }

    /// How many wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn take(&mut self, number: u64) -> Option<Entry> {
        let entry = self.entries.remove(&number)?;
        self.late.remove(&(entry.until, number));
        Some(entry)
    }

    fn with(&mut self, number: u64, act: impl FnOnce(&mut Entry)) {
        let Some(entry) = self.entries.get_mut(&number) else { return };
        act(entry);
        if entry.is_done() {
            self.take(number).into_iter().for_each(Entry::finish);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, channel};

    const TIME: Duration = Duration::from_secs(2);

    fn values() -> (Wanted, Receiver<usize>) {
        let (told, tells) = channel();
        let back = Back::new(move |values: Option<Vec<Args>>| {
            // Who is told may be gone.
            let _ = told.send(values.map_or(usize::MAX, |values| values.len()));
        });
        (Wanted::Values { back, all: Vec::new() }, tells)
    }

    fn keep(wanted: &mut Wanted) {
        if let Wanted::Values { all, .. } = wanted {
            all.push(Args::new());
        }
    }

    #[test]
    fn a_question_ends_when_all_have_answered_or_its_time_is_up() {
        let start = Instant::now();
        let mut questions = Questions::default();
        let [(first, first_tells), (second, second_tells), (third, third_tells)] = [(); 3].map(|()| values());
        let (first, is_first) = questions.ask(first, 1, TIME, start);
        let (second, is_later) = questions.ask(second, 1, 2 * TIME, start);
        let (third, is_sooner) = questions.ask(third, 1, TIME / 2, start);
        assert_eq!((is_first, is_later, is_sooner), (true, false, true));
        questions.answer(first, 1, keep);
        assert!(first_tells.try_recv().is_err(), "it is not known yet how many there are");
        questions.expect(first, 2);
        questions.answer(first, 1, keep);
        assert_eq!(first_tells.try_recv(), Ok(2));
        questions.answer(first, 1, keep);
        assert_eq!(questions.first_late(), Some(start + TIME / 2));
        questions.end_late(start + TIME);
        assert_eq!((third_tells.try_recv(), second_tells.try_recv().is_err()), (Ok(0), true));
        questions.give_up(second, 7);
        questions.give_up(third, 7);
        assert_eq!((second_tells.try_recv(), questions.len(), questions.first_late()), (Ok(0), 0, None));
        // For ever is a long time.
        questions.ask(values().0, 0, Duration::MAX, start);
    }

    #[test]
    fn what_is_kept_of_answers_is_bounded() {
        let mut questions = Questions::default();
        let (wanted, tells) = values();
        let (number, _) = questions.ask(wanted, 0, TIME, Instant::now());
        for bytes in [ANSWER_BYTES - 1, 2, usize::MAX, 1] {
            questions.answer(number, bytes, keep);
        }
        questions.expect(number, 2);
        assert_eq!(tells.try_recv(), Ok(2));
    }
}
