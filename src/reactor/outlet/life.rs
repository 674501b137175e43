//! A link's life: its place in the table, its deadline, and how it ends.
//!
//! Whoever ends a link chooses how much it still gets: nothing more but it is still heard ([`Outlet::seal`]), what is
//! queued ([`Outlet::finish`]), one last frame ([`Outlet::farewell`]), or nothing ([`Outlet::abort`]).

use super::{FINISH_MS, Link, LinkState, Marks, Outlet, Readiness};
use crate::base::ids::LinkId;
use crate::base::time::Tick;
use crate::reactor::outbox::Outbox;
use crate::wire::dialect::Dialect;
use crate::wire::frame::Frame;

impl Outlet {
    /// A new link in the lowest slot that the table offers.
    pub fn open(&mut self) -> LinkId {
        self.generation = self.generation.wrapping_add(1);
        let link = Link {
            generation: self.generation,
            deadline: Tick::NEVER,
            state: LinkState::Open,
            dirty: false,
            armed: false,
            writable: false,
            ready: Readiness::No,
            marks: Marks::default(),
            dialect: Dialect::PLAIN,
            outbox: None,
        };
        LinkId { slot: self.links.insert(link) as u32, generation: self.generation }
    }

    /// How many links there are.
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// The id of whatever link has the slot now.
    pub fn id_of(&self, slot: u32) -> Option<LinkId> {
        let link = self.links.get(slot as usize)?;
        Some(LinkId { slot, generation: link.generation })
    }

    /// All links, lowest slot first.
    pub fn ids(&self) -> Vec<LinkId> {
        self.links
            .iter()
            .map(|(slot, link)| LinkId { slot: slot as u32, generation: link.generation })
            .collect()
    }

    /// Where the link is in its life; a link that is gone is `Dead`.
    pub fn state(&self, link: LinkId) -> LinkState {
        self.get(link).map_or(LinkState::Dead, |found| found.state)
    }

    /// Bytes that wait in the link's outbox, those of this turn included.
    pub fn waiting(&self, link: LinkId) -> usize {
        self.get(link).and_then(|found| found.outbox.as_deref()).map_or(0, Outbox::waiting)
    }

    /// Sets when the link expires; replaces what was set before. [`Tick::NEVER`] takes it back.
    pub fn set_deadline(&mut self, link: LinkId, deadline: Tick) {
        if let Some(found) = self.get_mut(link)
            && found.state < LinkState::Finishing
        {
            found.deadline = deadline;
            self.note_deadline(deadline);
        }
    }

    /// When it expires; [`Tick::NEVER`] if it does not.
    pub fn deadline(&self, link: LinkId) -> Tick {
        self.get(link).map_or(Tick::NEVER, |found| found.deadline)
    }

    /// Reads no more from the link until [`Outlet::resume_reading`].
    pub fn pause_reading(&mut self, link: LinkId) {
        if let Some(found) = self.get_mut(link) {
            found.marks.set(Marks::PAUSED, true);
        }
    }

    /// Reads again; what arrived in between is read in this turn or the next.
    pub fn resume_reading(&mut self, link: LinkId) {
        if let Some(found) = self.get_mut(link)
            && found.marks.take(Marks::PAUSED)
        {
            // Events may have come while nothing was read.
            self.note_ready(link, true);
        }
    }

    /// Asks to be told once, after a flush, when nothing waits for the link any more.
    pub fn tell_when_drained(&mut self, link: LinkId) {
        if self.get(link).is_some() {
            self.links[link.slot as usize].marks.set(Marks::WATCHED, true);
            self.mark_dirty(link.slot);
        }
    }

    /// Whether reading is paused.
    pub fn is_paused(&self, link: LinkId) -> bool {
        self.get(link).is_some_and(|found| found.marks.has(Marks::PAUSED))
    }

    /// Writes a line to the log that begins with the link's address, which the reactor looks up: an idle
    /// link does not carry it around.
    pub fn note(&mut self, link: LinkId, level: log::Level, text: impl FnOnce() -> String) {
        if level <= log::max_level() {
            self.notes.push((link, level, text()));
        }
    }

    /// Takes no more frames but goes on reading until `deadline`, when the link expires.
    pub fn seal(&mut self, link: LinkId, deadline: Tick) {
        if self.state(link) == LinkState::Open {
            self.settle(link.slot);
            self.set_deadline(link, deadline);
            self.links[link.slot as usize].state = LinkState::Sealed;
        }
    }

    /// Sends what is queued, ends the sending direction, and frees the link when the peer has closed too
    /// or after a few seconds. Input is discarded from now on.
    pub fn finish(&mut self, link: LinkId) {
        if self.state(link) >= LinkState::Finishing {
            return;
        }
        self.settle(link.slot);
        let deadline = self.now.plus_ms(FINISH_MS);
        self.note_deadline(deadline);
        let found = &mut self.links[link.slot as usize];
        found.state = LinkState::Finishing;
        found.deadline = deadline;
        self.mark_dirty(link.slot);
        // What the peer still sends is read to its end: closing with bytes unread would be a reset, which overtakes
        // the last bytes that were sent.
        self.resume_reading(link);
    }

    /// Finishes a link that does not keep up: drops what waits, keeps the frame that is half on the wire,
    /// and queues one last frame.
    pub fn farewell(&mut self, link: LinkId, last: Option<&Frame>) {
        if self.state(link) >= LinkState::Finishing {
            return;
        }
        self.settle(link.slot);
        if let Some(outbox) = self.links[link.slot as usize].outbox.as_deref_mut() {
            let (frames, bytes) = outbox.cut();
            self.counts.dropped_slow += frames;
            self.counts.queued_bytes -= bytes as u64;
            // Publishes since the last flush count what was cut of theirs.
            let end = outbox.mark();
            self.watches.retain(|watch| {
                let cut = watch.slot == link.slot && watch.mark > end;
                self.tallies[watch.tally as usize].1.slow += u64::from(cut);
                !cut
            });
        }
        if let Some(frame) = last {
            self.push(link.slot, frame, false);
        }
        self.finish(link);
    }

    /// The peer has ended its direction. A finished link still sends what it has, but then waits for nothing more.
    pub fn peer_ended(&mut self, link: LinkId) {
        if let Some(found) = self.get_mut(link) {
            found.marks.set(Marks::ENDED, true);
            if found.state == LinkState::Lingering {
                self.abort(link);
            }
        }
    }

    /// Frees the link at the end of this turn without sending anything more.
    pub fn abort(&mut self, link: LinkId) {
        if self.state(link) != LinkState::Dead {
            self.links[link.slot as usize].state = LinkState::Dead;
            self.dead.push(link);
        }
    }

    /// When the next deadline may be; [`Tick::NEVER`] if there is none.
    pub fn next_deadline(&self) -> Tick {
        self.next_deadline
    }

    /// Links whose deadline has come, and which their owner has to deal with. Those that only had to end
    /// are aborted here.
    pub fn take_expired(&mut self) -> Vec<LinkId> {
        if self.next_deadline == Tick::NEVER || self.next_deadline > self.now {
            return Vec::new();
        }
        let (mut expired, mut over, mut next) = (Vec::new(), Vec::new(), u32::MAX);
        for (slot, link) in &mut self.links {
            if link.deadline == Tick::NEVER {
                continue;
            }
            if link.deadline > self.now {
                next = next.min(link.deadline.0);
                continue;
            }
            link.deadline = Tick::NEVER;
            let id = LinkId { slot: slot as u32, generation: link.generation };
            // Who does not take its last bytes in time: the kernel would keep them, and try, for minutes.
            if link.state == LinkState::Finishing {
                link.marks.set(Marks::RESET, true);
            }
            if link.state < LinkState::Finishing { expired.push(id) } else { over.push(id) }
        }
        self.next_deadline = if next == u32::MAX { Tick::NEVER } else { Tick(next) };
        over.into_iter().for_each(|link| self.abort(link));
        expired
    }

    /// Frees the slot of a dead link.
    pub fn free(&mut self, link: LinkId) {
        if self.get(link).is_some() {
            let freed = self.links.remove(link.slot as usize);
            self.peers.remove(link.slot);
            self.counts.parked -= u64::from(freed.marks.has(Marks::PARKED));
            if let Some(outbox) = freed.outbox {
                self.counts.queued_bytes -= outbox.waiting() as u64;
                self.counts.dropped_closed += outbox.messages();
            }
        }
    }

    pub(super) fn note_deadline(&mut self, deadline: Tick) {
        if deadline != Tick::NEVER && (self.next_deadline == Tick::NEVER || deadline < self.next_deadline) {
            self.next_deadline = deadline;
        }
    }
}
