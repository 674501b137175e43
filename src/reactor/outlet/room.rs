//! How much may leave, and wait, before memory is looked at again.
//!
//! What is put into outboxes, and what a flush hands to the kernel, is counted against the *room* that the last look left.
//! When it is used up nothing leaves until the reactor has looked again. Without a ceiling there is room for everything.

use super::{LinkState, Marks, Outlet};
use crate::base::ids::LinkId;

/// A link for which something waits, here or in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::reactor) struct Waiter {
    pub(in crate::reactor) link: LinkId,
    /// Bytes in its outbox.
    pub(in crate::reactor) waiting: usize,
    /// The kernel has refused bytes for it.
    pub(in crate::reactor) refused: bool,
    /// It ends already.
    pub(in crate::reactor) ends: bool,
}

impl Outlet {
    /// What may be sent and queued until the next look.
    pub(in crate::reactor) fn make_room(&mut self, room: usize) {
        self.room = room;
    }

    /// Whether the room is used up.
    pub(in crate::reactor) fn is_out_of_room(&self) -> bool {
        self.room == 0
    }

    /// All links, each with what waits for it.
    pub(in crate::reactor) fn waiters(&self) -> impl Iterator<Item = Waiter> {
        self.links.iter().filter(|(_, link)| link.state != LinkState::Dead).map(|(slot, link)| Waiter {
            link: LinkId { slot: slot as u32, generation: link.generation },
            waiting: link.outbox.as_deref().map_or(0, |outbox| outbox.waiting()),
            refused: link.armed,
            ends: link.state >= LinkState::Finishing,
        })
    }

    /// Frees the link at the end of this turn, and with it what the kernel has not sent: to the peer it is a reset.
    pub fn reset(&mut self, link: LinkId) {
        if let Some(found) = self.get_mut(link) {
            found.marks.set(Marks::RESET, true);
            self.abort(link);
        }
    }

    /// Whether the link, which is dead, ends with a reset.
    pub(in crate::reactor) fn is_reset(&self, link: LinkId) -> bool {
        self.get(link).is_some_and(|found| found.marks.has(Marks::RESET))
    }
}
