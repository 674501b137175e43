//! What a reactor keeps of a link beside its session, in tables by slot that are empty where nobody has such a thing. It goes
//! along when the link goes to another reactor.

use super::addresses::Address;
use super::worker::Worker;
use crate::app::Values;
use crate::base::ids::LinkId;
use crate::base::pace::Bucket;

/// See the module.
pub(super) struct Baggage {
    /// What it counts under; it stays counted on its way.
    counted: Option<Address>,
    /// What it may still say.
    bucket: Bucket,
    /// What handlers keep with it.
    kept: Option<Values>,
    /// When its alarm is, in milliseconds since 1970.
    alarm: Option<u64>,
}

impl Worker {
    /// Takes what a link in a slot has, which leaves.
    pub(super) fn pack(&mut self, slot: u32) -> Baggage {
        let bucket = self.buckets.get(slot as usize).copied().unwrap_or(Bucket::FULL);
        self.forget_rate(slot);
        let (kept, alarm) = (self.core.kept.take(slot), self.core.alarms.take_plain(slot));
        Baggage { counted: self.counted.take(slot), bucket, kept, alarm }
    }

    /// Gives it to the link in a slot, which has arrived.
    pub(super) fn unpack(&mut self, link: LinkId, baggage: Baggage) {
        let Baggage { counted, bucket, kept, alarm } = baggage;
        let slot = link.slot;
        self.counted.put(slot, counted);
        self.put_bucket(slot, bucket);
        if let Some(values) = kept {
            self.core.kept.put_all(slot, values);
        }
        if let Some(at_unix_ms) = alarm {
            self.core.alarms.put_plain(link, at_unix_ms);
        }
    }
}
