//! How many messages a client may send.
//!
//! Owns the buckets of a reactor's clients; there are none without a limit. Heartbeats of Engine.IO, pings, acknowledgements
//! and the attachments of an event are no messages here.

use super::worker::{Session, Worker};
use crate::app::CloseCause;
use crate::base::ids::LinkId;
use crate::base::limits::Limits;
use crate::base::pace::{Bucket, Pace};
use crate::reactor::outlet::Outlet;

impl Worker {
    /// A client sends a message: whether it may. One that goes on with much more than it may is closed.
    pub(super) fn may_say(&mut self, link: LinkId, out: &mut Outlet) -> bool {
        let Some(rate) = self.core.limits.messages_per_s else { return true };
        let burst = self.core.limits.burst(rate);
        let rate = rate.clamp(1, Limits::MOST_MESSAGES_PER_S);
        let slot = link.slot as usize;
        if slot >= self.buckets.len() {
            self.buckets.resize(slot + 1, Bucket::FULL);
        }
        let pace = self.buckets[slot].take(self.core.now.ms, rate, burst);
        if pace == Pace::Fine {
            return true;
        }
        self.core.own_stats().rate_limited.add(1);
        if pace == Pace::Flood {
            out.note(link, log::Level::Warn, || {
                format!(
                    "{}: sends far more than {rate} messages a second, closed with 1008",
                    self.name_of(link)
                )
            });
            match self.sessions.get(slot) {
                Some(Session::Engine(_)) => self.engine_close(link, &CloseCause::Flood, out),
                _ => self.close_websocket(link, 1008, "too many messages", &CloseCause::Flood, out),
            }
        }
        false
    }

    /// The client in a slot may still say so much.
    pub(super) fn put_bucket(&mut self, slot: u32, bucket: Bucket) {
        let slot = slot as usize;
        if bucket != Bucket::FULL && slot >= self.buckets.len() {
            self.buckets.resize(slot + 1, Bucket::FULL);
        }
        if let Some(place) = self.buckets.get_mut(slot) {
            *place = bucket;
        }
    }

    /// Another client has the slot from now on.
    pub(super) fn forget_rate(&mut self, slot: u32) {
        if let Some(bucket) = self.buckets.get_mut(slot as usize) {
            *bucket = Bucket::FULL;
        }
    }
}
