//! Acknowledgements that the client of one socket owes.

use super::error::{Error, NoAck};
use super::socket::Socket;
use crate::base::time::Now;
use crate::wire::socketio::args::ArgsRef;
use std::collections::VecDeque;

/// The most that may be owed, in acknowledgements: with what their handlers keep, about as much as may wait to be sent.
/// Whoever reads events and acknowledges none is as slow as whoever reads none.
pub(super) const MAX_OWED: usize = 16_384;

/// Called with the arguments of an acknowledgement, or with the reason why there are none.
pub(crate) type OnAck = Box<dyn FnOnce(&mut Socket<'_>, Result<ArgsRef<'_>, NoAck>) -> Result<(), Error>>;

/// One of them.
pub(crate) struct Owed {
    pub(crate) id: u64,
    /// When it is too late, if ever.
    pub(crate) until: Option<u32>,
    pub(crate) done: OnAck,
}

/// All of one socket.
#[derive(Default)]
pub(crate) struct Owing {
    /// Invariant: by id, lowest first, which is the order in which they were asked for.
    all: VecDeque<Owed>,
    /// None is late before.
    due: Option<u32>,
}

impl Owing {
    /// Adds one whose id is higher than all before; false if that is one too many.
    pub(super) fn push(&mut self, owed: Owed, now: Now) -> bool {
        debug_assert!(self.all.back().is_none_or(|last| last.id < owed.id));
        let due = self.due.into_iter().chain(owed.until);
        self.due = due.min_by_key(|at| now.until(*at));
        self.all.push_back(owed);
        self.all.len() <= MAX_OWED
    }

    /// Takes out the one with this id.
    pub(crate) fn take(&mut self, id: u64) -> Option<Owed> {
        let place = self.all.binary_search_by_key(&id, |owed| owed.id).ok()?;
        self.all.remove(place)
    }

    /// Takes out those that are late.
    pub(crate) fn take_late(&mut self, now: Now) -> VecDeque<Owed> {
        if !self.due.is_some_and(|at| now.is_past(at)) {
            return VecDeque::new();
        }
        let is_late = |owed: &Owed| owed.until.is_some_and(|at| now.is_past(at));
        let (late, left) = std::mem::take(&mut self.all).into_iter().partition(is_late);
        self.all = left;
        self.due = self.all.iter().filter_map(|owed| owed.until).min_by_key(|at| now.until(*at));
        late
    }

    /// When to look for those that are late.
    pub(super) fn due(&self) -> Option<u32> {
        self.due
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Takes out all.
    pub(crate) fn into_all(self) -> impl Iterator<Item = Owed> {
        self.all.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Tick;

    fn at(ms: u32) -> Now {
        Now { tick: Tick(1), ms, unix_ms: 0 }
    }

    fn owing(untils: &[Option<u32>], now: Now) -> Owing {
        let mut owing = Owing::default();
        for (id, until) in (0..).step_by(3).zip(untils) {
            assert!(owing.push(Owed { id, until: *until, done: Box::new(|_, _| Ok(())) }, now));
        }
        owing
    }

    fn ids(owed: impl IntoIterator<Item = Owed>) -> Vec<u64> {
        owed.into_iter().map(|owed| owed.id).collect()
    }

    #[test]
    fn each_is_taken_once_whatever_the_order() {
        let mut owing = owing(&[None; 5], at(0));
        for (id, is_there) in [(6, true), (6, false), (7, false), (0, true), (12, true), (99, false)] {
            assert_eq!(owing.take(id).map(|owed| owed.id), is_there.then_some(id));
        }
        assert!(!owing.is_empty());
        assert_eq!(ids(owing.into_all()), [3, 9]);
    }

    #[test]
    fn those_that_are_late_are_found_across_the_wrap_of_the_clock() {
        let now = at(u32::MAX - 10);
        let (soon, later) = (now.in_ms(5), now.in_ms(20));
        let mut owing = owing(&[Some(later), None, Some(soon), Some(later)], now);
        assert_eq!(owing.due(), Some(soon));
        assert!(owing.take_late(now).is_empty());
        assert_eq!(ids(owing.take_late(at(soon))), [6]);
        assert_eq!(owing.due(), Some(later));
        assert_eq!(ids(owing.take_late(at(later))), [0, 9]);
        assert_eq!((owing.due(), ids(owing.into_all())), (None, vec![3]));
    }

    #[test]
    fn there_is_a_most() {
        let mut owing = owing(&vec![None; MAX_OWED], at(0));
        assert!(!owing.push(Owed { id: u64::MAX, until: None, done: Box::new(|_, _| Ok(())) }, at(0)));
    }
}
