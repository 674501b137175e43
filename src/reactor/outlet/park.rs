//! Links without a wire of their own, and links that change their wire or their reactor.
//!
//! A session that is polled is a *parked* link: it is in rooms and gets frames like any other, and they wait in its
//! outbox until its owner takes them for whoever asks. When the session is upgraded, the link adopts the wire of the
//! connection that brought the upgrade, and what waits goes out on it. A connection whose session lives on another
//! reactor departs: the reactor passes its descriptor on.

use super::{LinkState, Marks, Outlet};
use crate::base::ids::{LinkId, ReactorId};
use crate::reactor::outbox::Outbox;
use crate::wire::dialect::Dialect;

/// What the reactor has to do with a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// The first link's wire becomes the second one's. The first is dead from now on.
    Adopt(LinkId, LinkId),
    /// The link's wire goes to another reactor; the link is freed without being closed.
    Depart(LinkId, ReactorId),
    /// The wire that another reactor passed on under this number becomes the link's.
    Arrive(LinkId, u64),
}

/// What a link that goes to another reactor has still to send.
#[derive(Debug)]
pub struct Unsent(Option<Box<Outbox>>);

impl Outlet {
    /// A new link without a wire.
    pub fn open_parked(&mut self) -> LinkId {
        let link = self.open();
        self.links[link.slot as usize].marks.set(Marks::PARKED, true);
        self.counts.parked += 1;
        link
    }

    /// Whether the link has no wire.
    pub fn is_parked(&self, link: LinkId) -> bool {
        self.get(link).is_some_and(|found| found.marks.has(Marks::PARKED))
    }

    /// Sets how messages look on the link; a new one is a plain WebSocket.
    pub fn set_dialect(&mut self, link: LinkId, dialect: Dialect) {
        // What was published before is for what the link was before.
        self.settle(link.slot);
        if let Some(found) = self.get_mut(link) {
            found.dialect = dialect;
        }
    }

    /// How messages look on the link.
    pub fn dialect(&self, link: LinkId) -> Dialect {
        self.get(link).map_or(Dialect::PLAIN, |found| found.dialect)
    }

    /// Says whether somebody waits for what comes next for a parked link: then its owner is told by
    /// [`Outlet::take_filled`], and volatile messages are taken.
    pub fn set_awaited(&mut self, link: LinkId, awaited: bool) {
        if let Some(found) = self.get_mut(link) {
            found.marks.set(Marks::AWAITED, awaited);
        }
    }

    /// Takes everything that waits for a parked link, its frames end to end; false if nothing does.
    pub fn take_parked(&mut self, link: LinkId, into: &mut Vec<u8>) -> bool {
        if self.state(link) == LinkState::Dead {
            return false;
        }
        self.settle(link.slot);
        let outbox = self.links[link.slot as usize].outbox.as_deref_mut();
        let Some(outbox) = outbox.filter(|outbox| !outbox.is_empty()) else { return false };
        self.counts.queued_bytes -= outbox.waiting() as u64;
        outbox.move_to(into);
        // It is there until the flush: publishes of this turn ask it what became of them.
        self.mark_dirty(link.slot);
        true
    }

    /// Parked links with something in their outbox for which somebody waits.
    pub fn take_filled(&mut self) -> Vec<LinkId> {
        std::mem::take(&mut self.filled)
    }

    /// Gives a parked link the wire of another link, which ends. What waits for the other one goes out first.
    pub fn adopt(&mut self, parked: LinkId, other: LinkId) {
        if self.state(parked) == LinkState::Dead || self.state(other) != LinkState::Open {
            return self.abort(other);
        }
        self.settle(other.slot);
        let first = self.links[other.slot as usize].outbox.take();
        self.unpark(parked, first);
        // Publishes of this turn find their messages where they are now.
        for watch in &mut self.watches {
            if watch.slot == other.slot {
                watch.slot = parked.slot;
            }
        }
        if let Some(address) = self.peers.remove(other.slot) {
            self.peers.insert(parked.slot, address);
        }
        self.links[other.slot as usize].state = LinkState::Dead;
        self.dead.push(other);
        self.moves.push(Move::Adopt(other, parked));
        self.mark_dirty(parked.slot);
        // What arrived before the wire was adopted will not be told again.
        self.note_ready(parked, true);
    }

    /// Parked no more; what it has goes behind something else.
    fn unpark(&mut self, parked: LinkId, first: Option<Box<Outbox>>) {
        self.settle(parked.slot);
        let found = &mut self.links[parked.slot as usize];
        self.counts.parked -= u64::from(found.marks.take(Marks::PARKED));
        found.marks.set(Marks::AWAITED, false);
        let Some(mut first) = first else { return };
        let (mut sent, mut shift) = (0, 0);
        if let Some(second) = found.outbox.take() {
            (sent, shift) = (second.sent(), first.mark());
            first.append(*second);
        }
        found.outbox = Some(first);
        for watch in self.watches.iter_mut().filter(|watch| watch.slot == parked.slot) {
            watch.mark = if watch.mark > sent { watch.mark - sent + shift } else { 0 };
        }
    }

    /// Passes the wire of a link on to another reactor. What waits for it then is the handler's to take along: see
    /// [`Outlet::take_unsent`].
    pub fn depart(&mut self, link: LinkId, reactor: ReactorId) {
        self.moves.push(Move::Depart(link, reactor));
    }

    /// A new link for a wire that another reactor passed on.
    pub fn arrive(&mut self, number: u64) -> LinkId {
        let link = self.open();
        self.moves.push(Move::Arrive(link, number));
        link
    }

    /// Takes what waits for a link that departs. For publishes of this turn it counts as queued.
    pub fn take_unsent(&mut self, link: LinkId) -> Unsent {
        if self.get(link).is_none() {
            return Unsent(None);
        }
        self.settle(link.slot);
        let unsent = self.links[link.slot as usize].outbox.take();
        let Outlet { watches, tallies, counts, .. } = self;
        watches.retain(|watch| {
            if watch.slot != link.slot {
                return true;
            }
            let tally = &mut tallies[watch.tally as usize].1;
            match &unsent {
                Some(outbox) if !outbox.is_sent(watch.mark) => tally.queued += 1,
                _ => tally.written += 1,
            }
            false
        });
        counts.queued_bytes -= unsent.as_deref().map_or(0, Outbox::waiting) as u64;
        Unsent(unsent)
    }

    /// Gives a parked link the wire that another reactor passed on. What was not sent there goes out first.
    pub fn arrive_parked(&mut self, parked: LinkId, number: u64, Unsent(first): Unsent) {
        debug_assert!(self.is_parked(parked));
        self.counts.queued_bytes += first.as_deref().map_or(0, Outbox::waiting) as u64;
        self.unpark(parked, first);
        self.moves.push(Move::Arrive(parked, number));
        self.mark_dirty(parked.slot);
    }

    /// What the reactor has to do with descriptors before anything else is read or sent.
    pub fn take_moves(&mut self) -> Vec<Move> {
        std::mem::take(&mut self.moves)
    }

    /// Whether there is any of that.
    pub fn has_moves(&self) -> bool {
        !self.moves.is_empty()
    }

    /// A departure that could not be made now is tried again in the next turn.
    pub fn put_back_move(&mut self, later: Move) {
        self.moves.push(later);
    }

    pub(super) fn flush_parked(&mut self, id: LinkId) {
        let link = &mut self.links[id.slot as usize];
        let waits = link.outbox.as_deref().is_some_and(|outbox| !outbox.is_empty());
        match link.state {
            // Nobody can be told anything: its owner has told those who asked.
            LinkState::Finishing | LinkState::Lingering => return self.abort(id),
            _ if waits && link.marks.has(Marks::AWAITED) => self.filled.push(id),
            LinkState::Open if link.is_over(self.outbox_bytes) => self.overflowed.push(id),
            _ => {}
        }
        if !waits {
            if link.marks.take(Marks::WATCHED) {
                self.drained.push(id);
            }
            let emptied = link.outbox.take();
            self.spare(emptied);
        }
    }
}
