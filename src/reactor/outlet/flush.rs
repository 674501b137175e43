//! The end of a turn: what was queued goes to the wires.
//!
//! First the pending fan-out, straight to everybody who has nothing else waiting; then the outbox of each link
//! that is marked; then what became of the publishes that somebody asks about.

use super::{CONTROL_RESERVE_BYTES, LINGER_MS, Link, LinkState, Marks, Outlet, SPARE_OUTBOXES, Wires};
use crate::base::ids::LinkId;
use crate::reactor::fanout::Counted;
use crate::reactor::outbox::Outbox;
use crate::wire::dialect::Dialect;
use std::io::{self, IoSlice};

impl Link {
    /// Whether bytes can go straight to the kernel.
    fn is_free(&self) -> bool {
        self.state == LinkState::Open && self.outbox.is_none() && !self.marks.has(Marks::PARKED)
    }

    /// Whether a volatile message of so many bytes is not in vain: the kernel takes bytes, or somebody waits for some; and
    /// it is not the one that is too much with what was queued in the same turn.
    pub(super) fn takes_volatile(&self, bytes: usize, outbox_bytes: usize) -> bool {
        if self.marks.has(Marks::PARKED) {
            return self.marks.has(Marks::AWAITED);
        }
        let waiting = self.outbox.as_deref().map_or(0, Outbox::waiting);
        !self.armed && (waiting == 0 || waiting.saturating_add(bytes) <= outbox_bytes)
    }

    /// Whether more waits than may. There is no limit for what somebody waits for: whatever cannot be taken then waits
    /// in the outbox of whoever takes it.
    pub(super) fn is_over(&self, outbox_bytes: usize) -> bool {
        let limit = match self.dialect.engine_form() {
            // What takes three bytes elsewhere takes four there, and is no more for that.
            Some((_, true)) => outbox_bytes.saturating_add(outbox_bytes / 3),
            _ => outbox_bytes,
        };
        let charged = self.outbox.as_deref().map_or(0, |outbox| outbox.charged(CONTROL_RESERVE_BYTES));
        charged > limit && !self.marks.has(Marks::AWAITED)
    }
}

impl Outlet {
    /// Sends everything that this turn queued.
    pub fn flush(&mut self, wires: &mut impl Wires) {
        self.flush_fanout(wires);
        let mut dirty = std::mem::take(&mut self.dirty);
        // Behind the last one for whom there was room, everybody waits for the next look.
        let mut flushed = 0;
        while flushed < dirty.len() && self.room > 0 {
            self.flush_link(dirty[flushed], wires);
            flushed += 1;
        }
        dirty.drain(..flushed);
        // The capacity is used again, and nothing was marked meanwhile.
        debug_assert!(self.dirty.is_empty());
        self.dirty = dirty;
        self.resolve_watches();
        // What is left waits for its readers: another flush would not change that.
        self.urgent = false;
        self.unflushed = 0;
    }

    /// The fast path: the same bytes, laid out once for each dialect, go to each recipient straight from here.
    fn flush_fanout(&mut self, wires: &mut impl Wires) {
        let Some(mut fanout) = self.fanout.take() else { return };
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut all_written = 0u64;
        // First the table alone, then the kernel alone: each call evicts what the processor knows of the table, so
        // that looking up one link at a time would miss the cache every time.
        let mut free = std::mem::take(&mut self.free);
        fanout.recipients().for_each(|slot| {
            if fanout.is_settled(slot) {
                return;
            }
            match self.links.get(slot as usize) {
                Some(link) if link.is_free() => free[link.dialect.index()].push(slot),
                // Also one that was freed since: it was dying when the publish found it in its rooms.
                _ => self.queue_rest(slot, fanout.parcels(), 0, false),
            }
        });
        for (dialect, free) in Dialect::all().zip(&mut free) {
            if free.is_empty() {
                continue;
            }
            let bytes = fanout.contiguous(dialect, &mut scratch, &mut self.counts.encoded);
            for slot in free.drain(..) {
                let Some(bytes) = bytes.filter(|_| self.room > 0) else {
                    self.queue_rest(slot, fanout.parcels(), 0, false);
                    continue;
                };
                self.room = self.room.saturating_sub(bytes.len());
                match wires.write(slot, bytes) {
                    Ok(count) if count == bytes.len() => all_written += 1,
                    Ok(count) => self.queue_rest(slot, fanout.parcels(), count, false),
                    Err(error) => self.refused(slot, &error, fanout.parcels()),
                }
            }
        }
        self.free = free;
        for slot in fanout.settled_slots() {
            for (parcel, tally) in fanout.settle(slot) {
                self.push_tallied(slot, parcel, *tally, false);
            }
        }
        for (_, tally) in fanout.parcels() {
            if let Some(tally) = tally {
                self.tallies[*tally as usize].1.written += all_written;
            }
        }
        scratch.clear();
        self.scratch = scratch;
    }

    #[cold]
    fn refused(&mut self, slot: u32, error: &io::Error, parcels: &[Counted]) {
        if error.kind() != io::ErrorKind::WouldBlock
            && let Some(link) = self.id_of(slot)
        {
            self.abort(link);
        }
        self.queue_rest(slot, parcels, 0, true);
    }

    /// Queues messages of which the kernel took only the first `sent` bytes.
    fn queue_rest(&mut self, slot: u32, parcels: &[Counted], sent: usize, full: bool) {
        for (parcel, tally) in parcels {
            self.push_tallied(slot, parcel, *tally, full);
        }
        if sent > 0
            && let Some(outbox) = self.links[slot as usize].outbox.as_deref_mut()
        {
            outbox.advance(sent);
            self.counts.queued_bytes -= sent as u64;
        }
    }

    fn flush_link(&mut self, slot: u32, wires: &mut impl Wires) {
        let Some(link) = self.links.get_mut(slot as usize) else { return };
        link.dirty = false;
        let id = LinkId { slot, generation: link.generation };
        if link.state == LinkState::Dead {
            return;
        }
        if link.marks.has(Marks::PARKED) {
            return self.flush_parked(id);
        }
        if let Some(outbox) = link.outbox.as_deref_mut() {
            let mut failed = false;
            // Refused before and not writable since: asking the kernel again would be in vain.
            let refused = link.armed && !std::mem::take(&mut link.writable);
            while !outbox.is_empty() && !refused {
                let mut slices = [IoSlice::new(&[]); 64];
                let (count, bytes) = outbox.slices(&mut slices);
                let result = match count {
                    1 => wires.write(slot, &slices[0]),
                    _ => wires.write_vectored(slot, &slices[..count]),
                };
                match result {
                    Ok(sent) => {
                        outbox.advance(sent);
                        self.counts.queued_bytes -= sent as u64;
                        self.room = self.room.saturating_sub(sent);
                        if sent < bytes {
                            break;
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(_) => {
                        failed = true;
                        break;
                    }
                }
            }
            if failed {
                return self.abort(id);
            }
            if outbox.waiting() > 0 {
                if !std::mem::replace(&mut link.armed, true) {
                    wires.want_writable(id, true);
                }
                if link.state == LinkState::Open && link.is_over(self.outbox_bytes) {
                    self.overflowed.push(id);
                }
                return;
            }
            let emptied = link.outbox.take();
            self.spare(emptied);
        }
        let link = &mut self.links[slot as usize];
        if link.marks.take(Marks::WATCHED) {
            self.drained.push(id);
        }
        if std::mem::take(&mut link.armed) {
            wires.want_writable(id, false);
        }
        if link.state == LinkState::Finishing && link.marks.has(Marks::ENDED) {
            return self.abort(id);
        }
        if link.state == LinkState::Finishing {
            link.state = LinkState::Lingering;
            link.deadline = self.now.plus_ms(LINGER_MS);
            let deadline = link.deadline;
            wires.shutdown(slot);
            self.note_deadline(deadline);
        }
    }

    /// Keeps an emptied outbox for the next link that needs one.
    pub(super) fn spare(&mut self, emptied: Option<Box<Outbox>>) {
        if let Some(mut outbox) = emptied
            && self.spare.len() < SPARE_OUTBOXES
        {
            outbox.recycle();
            self.spare.push(outbox);
        }
    }

    fn resolve_watches(&mut self) {
        let mut watches = std::mem::take(&mut self.watches);
        for watch in watches.drain(..) {
            let tally = &mut self.tallies[watch.tally as usize].1;
            let Some(link) = self.links.get(watch.slot as usize) else { continue };
            match &link.outbox {
                None => tally.written += 1,
                Some(outbox) if outbox.is_sent(watch.mark) => tally.written += 1,
                _ if link.state == LinkState::Dead => tally.closed += 1,
                Some(outbox)
                    if link.state == LinkState::Open
                        // There was no room to try.
                        && !link.dirty
                        && !outbox.is_begun(watch.mark)
                        && link.is_over(self.outbox_bytes) =>
                {
                    tally.slow += 1;
                }
                Some(_) => tally.queued += 1,
            }
        }
        self.watches = watches;
    }
}
