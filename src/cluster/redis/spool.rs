//! Messages that wait to be sent, in their order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// What a message counts beside its channel and its payload, in bytes.
const MESSAGE_BYTES: usize = 64;

/// A message for a channel.
#[derive(Clone, Debug)]
pub(crate) struct Publish {
    /// Its place in the order of all messages.
    pub(crate) number: u64,
    pub(crate) channel: Arc<str>,
    pub(crate) payload: Arc<[u8]>,
    pub(crate) ticket: Option<u64>,
    /// When it was sent, this link was subscribed to its channel.
    pub(crate) own: bool,
    /// When it came.
    pub(crate) since: Instant,
}

impl Publish {
    /// What it counts while it waits.
    pub(crate) fn weight(&self) -> usize {
        weight(&self.channel, &self.payload)
    }
}

/// What a message counts while it waits.
pub(crate) fn weight(channel: &str, payload: &[u8]) -> usize {
    MESSAGE_BYTES + channel.len() + payload.len()
}

/// The waiting messages, by their number.
#[derive(Debug, Default)]
pub(crate) struct Spool {
    messages: VecDeque<Publish>,
    bytes: usize,
}

impl Spool {
    /// Puts one behind the others, or, if it comes back, in its old place.
    pub(crate) fn put(&mut self, message: Publish) {
        self.bytes += message.weight();
        if self.messages.back().is_none_or(|last| last.number < message.number) {
            self.messages.push_back(message);
        } else {
            let at = self.messages.partition_point(|other| other.number < message.number);
            self.messages.insert(at, message);
        }
    }

    pub(crate) fn front(&self) -> Option<&Publish> {
        self.messages.front()
    }

    pub(crate) fn take(&mut self) -> Option<Publish> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.weight();
        Some(message)
    }

    /// What all of them count, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_takes_its_old_place() {
        let message = |number| Publish {
            number,
            channel: "c".into(),
            payload: vec![0; 10].into(),
            ticket: None,
            own: false,
            since: Instant::now(),
        };
        let mut spool = Spool::default();
        for number in [4, 5, 8, 1, 3, 6, 2, 7] {
            spool.put(message(number));
        }
        assert_eq!((spool.messages.len(), spool.bytes()), (8, 8 * 75));
        let numbers: Vec<_> = std::iter::from_fn(|| spool.take()).map(|message| message.number).collect();
        assert_eq!((numbers, spool.bytes(), spool.is_empty()), ((1..=8).collect(), 0, true));
    }
}
