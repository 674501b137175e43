//! Which channels and patterns are wanted, and on which connection each is held.
//!
//! A name that changes is queued once, however often it changes until its turn; what it is then decides.

use std::collections::HashMap;
use std::sync::Arc;

/// A name whose subscription may have to change.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) pattern: bool,
    pub(crate) name: Arc<str>,
    /// The connection that holds it; 0 for none.
    pub(crate) node: u32,
}

/// What a change comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Subscribe,
    Unsubscribe,
    Nothing,
}

#[derive(Debug)]
struct Entry {
    /// The connection that was told to subscribe; 0 for none.
    node: u32,
    wanted: bool,
    /// The server has confirmed it.
    held: bool,
    queued: bool,
}

impl Entry {
    fn is_as_wanted(&self) -> bool {
        self.wanted == (self.node != 0)
    }
}

/// All names.
#[derive(Debug, Default)]
pub(crate) struct Table {
    channels: HashMap<Arc<str>, Entry>,
    patterns: HashMap<Arc<str>, Entry>,
    wanted: usize,
}

impl Table {
    fn names(&mut self, pattern: bool) -> &mut HashMap<Arc<str>, Entry> {
        if pattern { &mut self.patterns } else { &mut self.channels }
    }

    /// How many are wanted.
    pub(crate) fn wanted(&self) -> usize {
        self.wanted
    }

    /// Wants a name, or wants it no more; what is to be queued for that, if `queue`.
    pub(crate) fn want(
        &mut self,
        pattern: bool,
        name: Arc<str>,
        wanted: bool,
        queue: bool,
    ) -> Option<Change> {
        let names = self.names(pattern);
        if wanted && !names.contains_key(&name) {
            let entry = Entry { node: 0, wanted: false, held: false, queued: false };
            names.insert(name.clone(), entry);
        }
        let entry = names.get_mut(&name)?;
        let (was, node) = (entry.wanted, entry.node);
        entry.wanted = wanted;
        let due = queue && !entry.queued && !entry.is_as_wanted();
        entry.queued |= due;
        if !wanted && node == 0 && !entry.queued {
            names.remove(&name);
        }
        self.wanted = self.wanted + usize::from(wanted) - usize::from(was);
        due.then_some(Change { pattern, name, node })
    }

    /// The turn of a change has come, on that connection.
    pub(crate) fn decide(&mut self, change: &Change, node: u32) -> Step {
        let names = self.names(change.pattern);
        let Some(entry) = names.get_mut(&change.name) else { return Step::Nothing };
        entry.queued = false;
        match (entry.wanted, entry.node) {
            (true, 0) => {
                entry.node = node;
                entry.held = false;
                Step::Subscribe
            }
            (true, _) => Step::Nothing,
            (false, held_by) => {
                names.remove(&change.name);
                if held_by == 0 { Step::Nothing } else { Step::Unsubscribe }
            }
        }
    }

    /// Whether that connection was told to subscribe to a channel, and not to let go of it.
    pub(crate) fn is_told(&self, channel: &str, node: u32) -> bool {
        self.channels.get(channel).is_some_and(|entry| entry.node == node)
    }

    /// A change loses its turn.
    pub(crate) fn put_off(&mut self, change: &Change) {
        let names = self.names(change.pattern);
        let Some(entry) = names.get_mut(&change.name) else { return };
        entry.queued = false;
        if !entry.wanted && entry.node == 0 {
            names.remove(&change.name);
        }
    }

    /// A server confirms a subscription.
    pub(crate) fn confirm(&mut self, pattern: bool, name: &[u8], node: u32) {
        let entry = std::str::from_utf8(name).ok().and_then(|name| self.names(pattern).get_mut(name));
        if let Some(entry) = entry.filter(|entry| entry.node == node) {
            entry.held = true;
        }
    }

    /// A server has ended the subscription to a channel by itself; whether that matters.
    pub(crate) fn end(&mut self, name: &[u8], node: u32) -> bool {
        let entry = std::str::from_utf8(name).ok().and_then(|name| self.channels.get_mut(name));
        let Some(entry) = entry.filter(|entry| entry.node == node) else { return false };
        entry.node = 0;
        entry.wanted
    }

    /// The connection has answered to all changes up to this one; whether it did not do it.
    pub(crate) fn has_failed(&mut self, change: &Change, node: u32) -> bool {
        match self.names(change.pattern).get_mut(&change.name) {
            Some(entry) if entry.wanted && !entry.held && entry.node == node => {
                entry.node = 0;
                true
            }
            _ => false,
        }
    }

    /// The connection is gone, and with it its subscriptions.
    pub(crate) fn lose(&mut self, node: u32) {
        for names in [&mut self.channels, &mut self.patterns] {
            names.retain(|_, entry| {
                if entry.node == node {
                    entry.node = 0;
                }
                entry.wanted || entry.node != 0 || entry.queued
            });
        }
    }

    /// Queues everything that is not as it is wanted.
    pub(crate) fn missing(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        for (pattern, names) in [(false, &mut self.channels), (true, &mut self.patterns)] {
            for (name, entry) in names.iter_mut().filter(|(_, entry)| !entry.queued && !entry.is_as_wanted())
            {
                entry.queued = true;
                changes.push(Change { pattern, name: name.clone(), node: entry.node });
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn want(table: &mut Table, wanted: bool) -> Option<Change> {
        table.want(false, "c".into(), wanted, true)
    }

    #[test]
    fn quick_turns_are_one_change_and_what_is_wanted_at_last_counts() {
        let mut table = Table::default();
        let change = want(&mut table, true).unwrap();
        assert_eq!(
            [want(&mut table, false), want(&mut table, true), want(&mut table, true)],
            [None, None, None]
        );
        assert_eq!((table.wanted(), table.decide(&change, 7)), (1, Step::Subscribe));
        assert_eq!(want(&mut table, true), None);
        let change = want(&mut table, false).unwrap();
        assert_eq!((change.node, want(&mut table, true), table.decide(&change, 7)), (7, None, Step::Nothing));
        let change = want(&mut table, false).unwrap();
        assert_eq!(table.decide(&change, 7), Step::Unsubscribe);
        let change = want(&mut table, true).unwrap();
        assert_eq!(want(&mut table, false), None);
        assert_eq!(table.decide(&change, 7), Step::Nothing);
        assert_eq!((table.wanted(), table.channels.len(), want(&mut table, false)), (0, 0, None));
    }

    #[test]
    fn what_a_connection_held_is_missing_when_it_is_gone() {
        let mut table = Table::default();
        for name in ["a", "b", "c"] {
            let change = table.want(false, name.into(), true, true).unwrap();
            table.decide(&change, 1);
        }
        let pattern = table.want(true, "*".into(), true, true).unwrap();
        table.decide(&pattern, 2);
        let pending = table.want(false, "b".into(), false, true).unwrap();
        table.want(false, "c".into(), false, false);
        table.want(false, "d".into(), true, false);
        table.lose(1);
        table.put_off(&pending);
        let mut names: Vec<_> = table.missing().into_iter().map(|change| change.name.to_string()).collect();
        names.sort();
        assert_eq!(
            (names, table.missing().len(), table.wanted()),
            (vec!["a".to_owned(), "d".to_owned()], 0, 3)
        );
    }

    #[test]
    fn what_a_server_does_not_confirm_or_ends_is_asked_for_again() {
        let mut table = Table::default();
        let change = want(&mut table, true).unwrap();
        table.decide(&change, 1);
        assert!(table.has_failed(&change, 1) && !table.has_failed(&change, 1));
        let again = table.missing();
        assert_eq!(again, [Change { node: 0, ..change.clone() }]);
        table.decide(&change, 1);
        table.confirm(false, b"c", 2);
        table.confirm(false, b"c", 1);
        assert!(!table.has_failed(&change, 1));
        assert!(!table.end(b"c", 2) && !table.end(b"\xff", 1) && table.end(b"c", 1));
        assert_eq!(table.missing(), again);
    }
}
