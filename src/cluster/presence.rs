//! Which other nodes of this program there are: each says so now and then.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Between two signs of life.
pub(super) const BEAT: Duration = Duration::from_secs(2);
/// Silence after which a node is taken for gone: three signs that did not come.
const GONE: Duration = Duration::from_secs(6);

/// Nodes that are known at most; of more, whoever they are, the rest is not counted.
const MOST_NODES: usize = 1_024;
/// The longest name that a node may have, in bytes; ours have 16.
const NAME_BYTES: usize = 64;

/// What a node says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Sign {
    /// It has come: the others answer that they are there.
    Hello,
    /// It is back, and may have missed what was said meanwhile: the others say again what they claimed lately.
    Missed,
    /// It is there.
    Here,
    /// It goes.
    Bye,
}

#[derive(Serialize, Deserialize)]
struct Said<'a> {
    node: &'a str,
    sign: Sign,
    /// Its time, in microseconds since 1970.
    #[serde(default)]
    time: u64,
}

/// What a sign of another node tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) sign: Sign,
    /// Its node's time, in microseconds since 1970; 0 if it does not say.
    pub(super) unix_us: u64,
    /// It was not known, and may not know this node either.
    pub(super) is_new: bool,
}

/// A sign as bytes.
pub(super) fn encode(node: &str, sign: Sign, unix_us: u64) -> Vec<u8> {
    serde_json::to_vec(&Said { node, sign, time: unix_us }).unwrap_or_default()
}

/// How long a node that fell silent may come back and be told what it missed.
const MISSING: Duration = Duration::from_secs(600);

/// The nodes that were heard of.
#[derive(Debug, Default)]
pub(super) struct Presence {
    heard: HashMap<String, Instant>,
    /// When one was forgotten that had not said that it goes.
    lost: Option<Instant>,
}

impl Presence {
    /// Somebody said something; what that is, if it comes from another node.
    pub(super) fn hear(&mut self, own: &str, bytes: &[u8], now: Instant) -> Option<Seen> {
        let Said { node, sign, time: unix_us } = serde_json::from_slice(bytes).ok()?;
        if node == own || node.len() > NAME_BYTES {
            return None;
        }
        let mut is_new = false;
        if sign == Sign::Bye {
            self.heard.remove(node);
        } else if let Some(heard) = self.heard.get_mut(node) {
            *heard = now;
        } else if self.heard.len() < MOST_NODES {
            self.heard.insert(node.to_owned(), now);
            is_new = true;
        } else {
            return None;
        }
        Some(Seen { sign, unix_us, is_new })
    }

    /// Others can be heard again: those that were there may still be.
    pub(super) fn hear_again(&mut self, now: Instant) {
        self.heard.values_mut().for_each(|heard| *heard = now);
    }

    /// Forgets those that were silent for too long.
    pub(super) fn forget(&mut self, now: Instant) {
        let before = self.heard.len();
        self.heard.retain(|_, heard| now.duration_since(*heard) < GONE);
        if self.heard.len() < before {
            self.lost = Some(now);
        }
    }

    /// Whether somebody is silent, or was taken for gone not long ago, who may be alive where nothing is heard.
    pub(super) fn is_missing_one(&self, now: Instant) -> bool {
        let is_silent = |heard: &Instant| now.duration_since(*heard) > 2 * BEAT;
        self.heard.values().any(is_silent) || self.lost.is_some_and(|lost| now.duration_since(lost) < MISSING)
    }

    pub(super) fn len(&self) -> u64 {
        self.heard.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(presence: &mut Presence, node: &str, sign: Sign, now: Instant) -> Option<Seen> {
        presence.hear("me", &encode(node, sign, 5), now)
    }

    #[test]
    fn nodes_come_and_go_and_are_forgotten() {
        let start = Instant::now();
        let mut presence = Presence::default();
        let seen = |sign, is_new| Some(Seen { sign, unix_us: 5, is_new });
        assert_eq!(hear(&mut presence, "a", Sign::Hello, start), seen(Sign::Hello, true));
        assert_eq!(hear(&mut presence, "b", Sign::Here, start + BEAT), seen(Sign::Here, true));
        assert_eq!(hear(&mut presence, "b", Sign::Missed, start + BEAT), seen(Sign::Missed, false));
        for own in [encode("me", Sign::Hello, 5), b"{}".to_vec(), b"\xff".to_vec()] {
            assert_eq!(presence.hear("me", &own, start), None);
        }
        assert_eq!(presence.len(), 2);
        assert!(!presence.is_missing_one(start + 2 * BEAT));
        assert!(presence.is_missing_one(start + GONE - BEAT / 4));
        presence.forget(start + GONE);
        assert_eq!(presence.len(), 1);
        assert!(presence.is_missing_one(start + GONE + MISSING / 2));
        // After an outage.
        presence.hear_again(start + 2 * GONE);
        presence.forget(start + 2 * GONE + BEAT);
        assert_eq!(presence.len(), 1);
        assert_eq!(hear(&mut presence, "b", Sign::Bye, start + GONE), seen(Sign::Bye, false));
        assert_eq!(presence.len(), 0);
    }

    #[test]
    fn what_others_call_themselves_does_not_grow_it_without_a_bound() {
        let now = Instant::now();
        let mut presence = Presence::default();
        assert_eq!(hear(&mut presence, &"n".repeat(NAME_BYTES + 1), Sign::Hello, now), None);
        for node in 0..MOST_NODES {
            assert!(hear(&mut presence, &node.to_string(), Sign::Here, now).is_some());
        }
        assert_eq!(hear(&mut presence, "another", Sign::Hello, now), None);
        assert_eq!(presence.len(), MOST_NODES as u64);
        // Those that are known go on.
        assert!(hear(&mut presence, "0", Sign::Here, now).is_some());
    }
}
