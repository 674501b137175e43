//! The broadcast that a turn has pending: messages that all go to the same recipients.
//!
//! As long as publishes of a turn are for the same recipients they are only collected here, and the flush
//! sends each recipient the same bytes, laid out once. A link for which something else is queued is
//! "settled" first: it takes what was collected so far into its own outbox, which keeps the order.

use crate::hub::Recipients;
use crate::wire::dialect::Dialect;
use crate::wire::parcel::Parcel;
use hashbrown::HashMap;

/// A message and the tally that counts it.
pub(super) type Counted = (Parcel, Option<u32>);

#[derive(Debug)]
pub(super) struct Fanout {
    recipients: Recipients,
    parcels: Vec<Counted>,
    bytes: usize,
    /// Slots that have, or must not get, the first so many frames.
    settled: HashMap<u32, usize>,
}

impl Fanout {
    pub(super) fn new(recipients: Recipients) -> Fanout {
        Fanout { recipients, parcels: Vec::new(), bytes: 0, settled: HashMap::new() }
    }

    pub(super) fn is_for(&self, recipients: &Recipients) -> bool {
        self.recipients == *recipients
    }

    /// Adds a message; `skip`, which must be settled, does not get it.
    pub(super) fn push(&mut self, parcel: &Parcel, tally: Option<u32>, skip: Option<u32>) {
        self.parcels.push((parcel.clone(), tally));
        self.bytes += parcel.len();
        if let Some(slot) = skip {
            self.settled.insert(slot, self.parcels.len());
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn parcels(&self) -> &[Counted] {
        &self.parcels
    }

    /// The messages that a slot has still to get; they count as given from now on.
    pub(super) fn settle(&mut self, slot: u32) -> &[Counted] {
        if !self.recipients.contains(slot) {
            return &[];
        }
        let given = self.settled.insert(slot, self.parcels.len()).unwrap_or(0);
        &self.parcels[given..]
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

    /// All messages in a dialect as one run of bytes; nothing if one of them has no form in it. Counts what is made.
    pub(super) fn contiguous<'a>(
        &'a self,
        dialect: Dialect,
        scratch: &'a mut Vec<u8>,
        encoded: &mut [u64; Dialect::FORMS],
    ) -> Option<&'a [u8]> {
        let mut form =
            |parcel: &'a Parcel| parcel.form(dialect, |dialect| encoded[dialect.form_index()] += 1);
        if let [(only, _)] = self.parcels.as_slice() {
            return form(only).map(|frame| &**frame);
        }
        scratch.clear();
        scratch.reserve(self.bytes);
        for (parcel, _) in &self.parcels {
            scratch.extend_from_slice(form(parcel)?);
        }
        Some(scratch)
    }
}
