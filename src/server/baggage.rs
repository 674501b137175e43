//! What a reactor keeps of a link beside its session, in tables by slot that are empty where nobody has such a thing. It goes
//! along when the link goes to another reactor.

use super::addresses::Address;
use super::worker::Worker;
use crate::base::pace::Bucket;

/// See the module.
#[derive(Debug)]
pub(super) struct Baggage {
    /// What it counts under; it stays counted on its way.
    counted: Option<Address>,
    /// What it may still say.
    bucket: Bucket,
}

impl Worker {
    /// Takes what a link in a slot has, which leaves.
    pub(super) fn pack(&mut self, slot: u32) -> Baggage {
        let bucket = self.buckets.get(slot as usize).copied().unwrap_or(Bucket::FULL);
        self.forget_rate(slot);
        Baggage { counted: self.take_counted(slot), bucket }
    }

    /// Gives it to the link in a slot, which has arrived.
    pub(super) fn unpack(&mut self, slot: u32, baggage: Baggage) {
        let Baggage { counted, bucket } = baggage;
        self.put_counted(slot, counted);
        self.put_bucket(slot, bucket);
    }
}
