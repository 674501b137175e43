//! The broadcast that a turn has pending: frames that all go to the same recipients.
//!
//! As long as publishes of a turn are for the same recipients they are only collected here, and the flush
//! sends each recipient the same bytes, laid out once. A link for which something else is queued is
//! "settled" first: it takes what was collected so far into its own outbox, which keeps the order.

use crate::hub::Recipients;
use crate::wire::frame::Frame;
use hashbrown::HashMap;

/// A frame and the tally that counts it.
pub(super) type Counted = (Frame, Option<u32>);

#[derive(Debug)]
pub(super) struct Fanout {
    recipients: Recipients,
    frames: Vec<Counted>,
    bytes: usize,
    /// Slots that have, or must not get, the first so many frames.
    settled: HashMap<u32, usize>,
}

impl Fanout {
    pub(super) fn new(recipients: Recipients) -> Fanout {
        Fanout { recipients, frames: Vec::new(), bytes: 0, settled: HashMap::new() }
    }

    pub(super) fn is_for(&self, recipients: &Recipients) -> bool {
        self.recipients == *recipients
    }

    /// Adds a frame; `skip`, which must be settled, does not get it.
    pub(super) fn push(&mut self, frame: &Frame, tally: Option<u32>, skip: Option<u32>) {
        self.frames.push((frame.clone(), tally));
        self.bytes += frame.len();
        if let Some(slot) = skip {
            self.settled.insert(slot, self.frames.len());
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn frames(&self) -> &[Counted] {
        &self.frames
    }

    /// The frames that a slot has still to get; they count as given from now on.
    pub(super) fn settle(&mut self, slot: u32) -> &[Counted] {
        if !self.recipients.contains(slot) {
            return &[];
        }
        let given = self.settled.insert(slot, self.frames.len()).unwrap_or(0);
        &self.frames[given..]
    }

    /// Whether the slot needs its own treatment.
    pub(super) fn is_settled(&self, slot: u32) -> bool {
        !self.settled.is_empty() && self.settled.contains_key(&slot)
    }

    pub(super) fn settled_slots(&self) -> Vec<u32> {
        self.settled.keys().copied().collect()
    }

    pub(super) fn recipients(&self) -> &Recipients {
        &self.recipients
    }

    /// All frames as one run of bytes.
    pub(super) fn contiguous<'a>(&'a self, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        if let [(only, _)] = self.frames.as_slice() {
            return only;
        }
        scratch.clear();
        scratch.reserve(self.bytes);
        self.frames.iter().for_each(|(frame, _)| scratch.extend_from_slice(frame));
        scratch
    }
}
