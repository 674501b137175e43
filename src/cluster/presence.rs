//! Which other nodes of this program there are: each says so now and then.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Between two signs of life.
pub(super) const BEAT: Duration = Duration::from_secs(2);
/// Silence after which a node is taken for gone: three signs that did not come.
const GONE: Duration = Duration::from_secs(6);

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
    /// Somebody said something; whether an answer is wanted.
    pub(super) fn hear(&mut self, own: &str, bytes: &[u8], now: Instant) -> bool {
        let Ok(Said { node, sign }) = serde_json::from_slice(bytes) else { return false };
        if node == own {
            return false;
        }
        if sign == Sign::Bye {
            self.0.remove(node);
        } else {
            self.0.insert(node.to_owned(), now);
        }
        sign == Sign::Hello
    }

    /// Others can be heard again: those that were there may still be.
    pub(super) fn hear_again(&mut self, now: Instant) {
        self.0.values_mut().for_each(|heard| *heard = now);
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
        assert!(!presence.hear("me", &encode("b", Sign::Here), start + BEAT));
        for own in [encode("me", Sign::Hello), b"{}".to_vec(), b"\xff".to_vec()] {
            assert!(!presence.hear("me", &own, start));
        }
        assert_eq!(presence.len(), 2);
        presence.forget(start + GONE);
        assert_eq!(presence.len(), 1);
        // After an outage.
        presence.hear_again(start + 2 * GONE);
        presence.forget(start + 2 * GONE + BEAT);
        assert_eq!(presence.len(), 1);
        presence.hear("me", &encode("b", Sign::Bye), start + GONE);
        assert_eq!(presence.len(), 0);
    }
}
