//! Numbers on messages, by which a node knows how many of another's it has missed.
//!
//! A node numbers what it publishes on each channel. Redis loses nothing of that while a link is up; so what is missing
//! after an outage is the difference, once the next message comes. How many channels are kept is bounded: of one that was
//! forgotten numbers begin anew, in another run, and across two runs nothing is counted.

use compact_str::CompactString;
use std::collections::HashMap;

/// Bits of a number that count; those above tell the run.
const RUN_SHIFT: u32 = 32;
/// Numbers stay below 2^53, which JSON carries everywhere.
const RUNS: u64 = (1 << 21) - 1;
/// How many channels are kept at least; twice as many at most.
const CHANNELS: usize = 32_768;
/// The most senders that are told apart on one channel.
const SENDERS: usize = 256;

/// The channels that were used lately.
#[derive(Debug)]
struct Recent<V> {
    new: HashMap<CompactString, V>,
    /// What was not used since the others came.
    old: HashMap<CompactString, V>,
}

impl<V> Default for Recent<V> {
    fn default() -> Recent<V> {
        Recent { new: HashMap::new(), old: HashMap::new() }
    }
}

impl<V> Recent<V> {
    fn get_or(&mut self, channel: &str, make: impl FnOnce() -> V) -> &mut V {
        if !self.new.contains_key(channel) {
            if self.new.len() >= CHANNELS {
                self.old = std::mem::take(&mut self.new);
            }
            let value = self.old.remove(channel).unwrap_or_else(make);
            self.new.insert(channel.into(), value);
        }
        self.new.get_mut(channel).expect("it was put there")
    }

    fn remove(&mut self, channel: &str) {
        self.new.remove(channel);
        self.old.remove(channel);
    }
}

/// The numbers of what this node publishes.
#[derive(Debug, Default)]
pub(super) struct Said {
    runs: u64,
    last: Recent<u64>,
}

impl Said {
    /// The number of the next message on a channel.
    pub(super) fn next(&mut self, channel: &str) -> u64 {
        let runs = &mut self.runs;
        let last = self.last.get_or(channel, || {
            *runs = (*runs + 1) & RUNS;
            *runs << RUN_SHIFT
        });
        *last = (*last + 1) & ((RUNS << RUN_SHIFT) | u64::from(u32::MAX));
        *last
    }
}

#[derive(Debug)]
struct Sender {
    node: CompactString,
    last: u64,
    /// How many outages there had been then.
    outages: u64,
}

/// The numbers of what others publish.
#[derive(Debug, Default)]
pub(super) struct Heard {
    outages: u64,
    channels: Recent<Vec<Sender>>,
}

impl Heard {
    /// A message came; how many of its sender's were missed on this channel in an outage before it. `None` if a later one
    /// was before it: it took its time on a connection that its sender had given up, and counted it as dropped.
    pub(super) fn hear(&mut self, node: &str, channel: &str, number: u64) -> Option<u64> {
        let outages = self.outages;
        let senders = self.channels.get_or(channel, Vec::new);
        let Some(sender) = senders.iter_mut().find(|sender| sender.node == node) else {
            if senders.len() < SENDERS {
                senders.push(Sender { node: node.into(), last: number, outages });
            }
            return Some(0);
        };
        let is_same_run = number >> RUN_SHIFT == sender.last >> RUN_SHIFT;
        let was_out = std::mem::replace(&mut sender.outages, outages) != outages;
        let missed =
            if is_same_run && was_out { number.saturating_sub(sender.last.saturating_add(1)) } else { 0 };
        if is_same_run && number <= sender.last {
            return None;
        }
        sender.last = number;
        Some(missed)
    }

    /// An outage begins. When it ends, messages come before all is as it was.
    pub(super) fn went_out(&mut self) {
        self.outages += 1;
    }

    /// The channel is subscribed to no longer: what comes there is missed by intention.
    pub(super) fn forget(&mut self, channel: &str) {
        self.channels.remove(channel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_missed_in_an_outage_is_counted_once() {
        let (mut said, mut heard) = (Said::default(), Heard::default());
        let mut numbers =
            |channel: &str, count: usize| (0..count).map(|_| said.next(channel)).last().unwrap();
        assert_eq!(heard.hear("a", "c", numbers("c", 10)), Some(0), "nothing is known of what was before");
        assert_eq!(heard.hear("a", "c", numbers("c", 3)), Some(0), "dropped by the sender, who counts it");
        heard.went_out();
        assert_eq!(heard.hear("a", "d", numbers("d", 7)), Some(0));
        assert_eq!(heard.hear("a", "c", numbers("c", 5)), Some(4));
        assert_eq!(heard.hear("a", "c", numbers("c", 1)), Some(0));
        heard.went_out();
        heard.went_out();
        assert_eq!(heard.hear("a", "c", numbers("c", 1)), Some(0), "nothing was said meanwhile");
        assert_eq!(heard.hear("a", "d", numbers("d", 3)), Some(2));
        heard.went_out();
        heard.forget("c");
        assert_eq!(heard.hear("a", "c", numbers("c", 9)), Some(0));
        // Another node's numbers have nothing to do with it.
        heard.went_out();
        assert_eq!(heard.hear("b", "c", numbers("c", 9)), Some(0));
        assert_eq!(heard.hear("a", "c", numbers("c", 1)), Some(9));
    }

    #[test]
    fn a_late_one_is_not_taken() {
        let mut heard = Heard::default();
        heard.hear("a", "c", 5);
        heard.went_out();
        assert_eq!(heard.hear("a", "c", 9), Some(3));
        assert_eq!([7, 9].map(|number| heard.hear("a", "c", number)), [None, None]);
        heard.went_out();
        assert_eq!(heard.hear("a", "c", 11), Some(1));
    }

    #[test]
    fn what_is_forgotten_begins_in_another_run() {
        let (mut said, mut heard) = (Said::default(), Heard::default());
        assert_eq!(heard.hear("a", "c", said.next("c")), Some(0));
        for channel in 0..3 * CHANNELS {
            said.next(&channel.to_string());
        }
        assert!(said.last.new.len() + said.last.old.len() <= 2 * CHANNELS);
        heard.went_out();
        assert_eq!(heard.hear("a", "c", said.next("c")), Some(0));
        heard.went_out();
        said.next("c");
        assert_eq!(heard.hear("a", "c", said.next("c")), Some(1));
        assert!(said.next("c") < 1 << 53);
        // Whatever a broken node says.
        assert_eq!(heard.hear("a", "c", u64::MAX), Some(0));
        heard.went_out();
        assert_eq!(heard.hear("a", "c", u64::MAX), None);
        (0..2 * SENDERS).for_each(|node| assert_eq!(heard.hear(&node.to_string(), "c", 1), Some(0)));
    }
}
