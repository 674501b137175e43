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
    /// It is there.
    Here,
    /// It goes.
    Bye,
}

#[derive(Serialize, Deserialize)]
struct Said<'a> {
    node: &'a str,
    sign: Sign,
}

/// A sign as bytes.
pub(super) fn encode(node: &str, sign: Sign) -> Vec<u8> {
    serde_json::to_vec(&Said { node, sign }).unwrap_or_default()
}

/// The nodes that were heard of.
#[derive(Debug, Default)]
pub(super) struct Presence(HashMap<String, Instant>);

impl Presence {
    /// Somebody said something; whether an answer is wanted, by one who has come, or was not known: it may not know this
    /// node either.
    pub(super) fn hear(&mut self, own: &str, bytes: &[u8], now: Instant) -> bool {
        let Ok(Said { node, sign }) = serde_json::from_slice(bytes) else { return false };
        if node == own || node.len() > NAME_BYTES {
            return false;
        }
        if sign == Sign::Bye {
            self.0.remove(node);
            return false;
        }
        if let Some(heard) = self.0.get_mut(node) {
            *heard = now;
            return sign == Sign::Hello;
        }
        let is_room = self.0.len() < MOST_NODES;
        if is_room {
            self.0.insert(node.to_owned(), now);
        }
        is_room
    }

    /// Forgets those that were silent for too long.
    pub(super) fn forget(&mut self, now: Instant) {
        self.0.retain(|_, heard| now.duration_since(*heard) < GONE);
    }

    pub(super) fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_come_and_go_and_are_forgotten() {
        let start = Instant::now();
        let mut presence = Presence::default();
        assert!(presence.hear("me", &encode("a", Sign::Hello), start));
        // One that is new may not know this one.
        assert!(presence.hear("me", &encode("b", Sign::Here), start + BEAT));
        assert!(!presence.hear("me", &encode("b", Sign::Here), start + BEAT));
        for own in [encode("me", Sign::Hello), b"{}".to_vec(), b"\xff".to_vec()] {
            assert!(!presence.hear("me", &own, start));
        }
        assert_eq!(presence.len(), 2);
        presence.forget(start + GONE);
        assert_eq!(presence.len(), 1);
        presence.hear("me", &encode("b", Sign::Bye), start + GONE);
        assert_eq!(presence.len(), 0);
    }
    #[test]
    fn what_others_call_themselves_does_not_grow_it_without_a_bound() {
        let now = Instant::now();
        let mut presence = Presence::default();
        assert!(!presence.hear("me", &encode(&"n".repeat(NAME_BYTES + 1), Sign::Hello), now));
        for node in 0..MOST_NODES {
            assert!(presence.hear("me", &encode(&format!("{node}"), Sign::Here), now));
        }
        assert!(!presence.hear("me", &encode("another", Sign::Hello), now));
        assert_eq!(presence.len(), MOST_NODES as u64);
        // Those that are known go on.
        assert!(presence.hear("me", &encode("0", Sign::Hello), now));
    }
}
