//! The links of a reactor, and everything that is to be sent on them in this turn.
//!
//! It does no I/O of its own: [`Outlet::flush`] is given the [`Wires`]. Handlers and mail only queue.
//! The three ways in are [`Outlet::send`] for one link, [`Outlet::fan_out`] for many, and the endings
//! ([`Outlet::seal`], [`Outlet::finish`], [`Outlet::farewell`], [`Outlet::abort`]).

mod flush;
mod life;
mod park;
mod peers;
mod room;
mod slow;

use super::fanout::Fanout;
use super::outbox::Outbox;
use super::side::Side;
use crate::base::ids::LinkId;
use crate::base::time::Tick;
use crate::hub::Recipients;
use crate::wire::dialect::Dialect;
use crate::wire::frame::Frame;
use crate::wire::parcel::Parcel;
pub use park::{Move, Unsent};
pub(super) use room::Waiter;
use slab::Slab;
pub use slow::Slow;
use std::collections::VecDeque;
use std::io::{self, IoSlice};

/// What control frames may use of the outbox beyond the limit, in bytes: a reader that is just about slow
/// must still get its pong.
pub const CONTROL_RESERVE_BYTES: usize = 4 << 10;

/// Time for a finished link to take its last bytes and to close its side, in milliseconds.
const FINISH_MS: u64 = 5_000;
/// The part of it in which only the peer's end of stream is awaited.
const LINGER_MS: u64 = 2_000;

/// A pending fan-out is flushed at the end of a turn, or earlier once it has this many bytes.
const FANOUT_BYTES: usize = 256 << 10;

/// Bytes in outboxes after which a flush should not wait for the end of the turn, whoever they are for: a small
/// message to everybody, many times and mixed with others, would otherwise grow without a bound in one turn.
const UNFLUSHED_BYTES: usize = 8 << 20;

/// Emptied outboxes that are kept for the next link that needs one.
const SPARE_OUTBOXES: usize = 64;

/// The kernel's side of the links.
pub trait Wires {
    /// Sends without blocking; fewer bytes than given, or `WouldBlock`, mean that the kernel is full.
    fn write(&mut self, slot: u32, bytes: &[u8]) -> io::Result<usize>;
    /// The same for several pieces.
    fn write_vectored(&mut self, slot: u32, pieces: &[IoSlice<'_>]) -> io::Result<usize>;
    /// Ends the sending direction.
    fn shutdown(&mut self, slot: u32);
    /// Asks, or ceases to ask, to be told when the link takes bytes again.
    fn want_writable(&mut self, link: LinkId, wanted: bool);
}

/// Where a link is in its life. It only moves down this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkState {
    /// Takes frames.
    Open,
    /// Takes no more frames, still reads: a closing handshake is under way.
    Sealed,
    /// Sends what it has, then ends its direction. What it receives is discarded.
    Finishing,
    /// Waits for the peer's end of stream, so that the last bytes are not lost to a reset.
    Lingering,
    /// To be freed at the end of the turn.
    Dead,
}

/// Whether a link may have bytes to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Readiness {
    No,
    Yes,
    /// No other event will tell of what is there: it is to be read until the kernel has no more.
    ToTheEnd,
}

/// What seldom holds of a link, one bit each: a link is 24 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Marks(u8);

impl Marks {
    const PAUSED: Marks = Marks(1);
    /// Its owner waits for an empty outbox.
    const WATCHED: Marks = Marks(2);
    /// The peer has ended its direction.
    const ENDED: Marks = Marks(4);
    /// It has no wire: its owner takes what is queued. See [`Outlet::open_parked`].
    const PARKED: Marks = Marks(8);
    /// Somebody waits for what comes next for a parked link.
    const AWAITED: Marks = Marks(16);
    /// It ends with a reset.
    const RESET: Marks = Marks(32);

    fn has(self, mark: Marks) -> bool {
        self.0 & mark.0 != 0
    }

    fn set(&mut self, mark: Marks, on: bool) {
        if on { self.0 |= mark.0 } else { self.0 &= !mark.0 }
    }

    /// Takes a mark away; whether it was there.
    fn take(&mut self, mark: Marks) -> bool {
        let had = self.has(mark);
        self.set(mark, false);
        had
    }
}

#[derive(Debug)]
struct Link {
    generation: u32,
    deadline: Tick,
    state: LinkState,
    dirty: bool,
    /// Writable interest is registered: the kernel refused bytes.
    armed: bool,
    /// It became writable after that.
    writable: bool,
    /// Whether it is in the queue of links to read, once.
    ready: Readiness,
    marks: Marks,
    dialect: Dialect,
    outbox: Option<Box<Outbox>>,
}

/// An opaque mark of a publish whose outcome somebody wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(pub u64);

impl Ticket {
    /// With this bit in it, [`Outlet::take_missed`] tells which links did not get the publish.
    pub const BY_SLOT: u64 = 1 << 63;
}

/// What became of one publish on one reactor, in links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Whom it was for.
    pub matched: u64,
    /// Handed to the kernel, whole, in this turn.
    pub written: u64,
    /// Waiting in an outbox.
    pub queued: u64,
    /// Lost because the link was over its outbox limit, or was closed for that.
    pub slow: u64,
    /// Lost because the link was ending.
    pub closed: u64,
    /// Volatile, and the link could not take it.
    pub volatile: u64,
}

#[derive(Debug)]
struct Watch {
    slot: u32,
    tally: u32,
    mark: u64,
}

/// Sums over the life of the reactor, and two gauges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutletCounts {
    /// Frames accepted for a link.
    pub deliveries: u64,
    /// Frames dropped for being over the outbox limit.
    pub dropped_slow: u64,
    /// Frames dropped because their link was ending, or ended before they were sent.
    pub dropped_closed: u64,
    /// Volatile messages dropped because their link could not take them.
    pub dropped_volatile: u64,
    /// Bytes that wait in outboxes now.
    pub queued_bytes: u64,
    /// Links without a wire now.
    pub parked: u64,
    /// Messages made in each dialect.
    pub encoded: [u64; Dialect::FORMS],
}

/// See the module.
#[derive(Debug)]
pub struct Outlet {
    links: Slab<Link>,
    generation: u32,
    outbox_bytes: usize,
    /// Bytes that may be queued and sent before memory is looked at again. See [`room`].
    room: usize,
    now: Tick,
    /// No link has a deadline before this.
    next_deadline: Tick,
    fanout: Option<Fanout>,
    dirty: Vec<u32>,
    tallies: Vec<(Ticket, Tally)>,
    missed: Vec<(Ticket, u32)>,
    watches: Vec<Watch>,
    overflowed: Vec<LinkId>,
    drained: Vec<LinkId>,
    filled: Vec<LinkId>,
    moves: Vec<Move>,
    dead: Vec<LinkId>,
    /// Links to read, longest waiting first. Invariant: each is here once, as its readiness says.
    ready: VecDeque<LinkId>,
    notes: Vec<(LinkId, log::Level, String)>,
    /// Questions for the slowest links: a ticket, and how many.
    slow_asked: Vec<(Ticket, usize)>,
    /// By slot, of links whose peers a proxy stands for.
    peers: Side<peers::Address>,
    urgent: bool,
    /// Bytes put into outboxes since the last flush.
    unflushed: usize,
    // Links hold boxes, and it is the boxes that are kept.
    #[allow(clippy::vec_box)]
    spare: Vec<Box<Outbox>>,
    scratch: Vec<u8>,
    /// Recipients of the fan-out that is being flushed for whom nothing else waits, by dialect.
    free: [Vec<u32>; Dialect::COUNT],
    counts: OutletCounts,
}

impl Outlet {
    /// No links yet; each may have `outbox_bytes` waiting.
    pub fn new(outbox_bytes: usize) -> Outlet {
        Outlet {
            links: Slab::new(),
            generation: 0,
            outbox_bytes,
            room: usize::MAX,
            now: Tick(1),
            next_deadline: Tick::NEVER,
            fanout: None,
            dirty: Vec::new(),
            tallies: Vec::new(),
            missed: Vec::new(),
            watches: Vec::new(),
            overflowed: Vec::new(),
            drained: Vec::new(),
            filled: Vec::new(),
            moves: Vec::new(),
            dead: Vec::new(),
            ready: VecDeque::new(),
            notes: Vec::new(),
            slow_asked: Vec::new(),
            peers: Side::new(),
            urgent: false,
            unflushed: 0,
            spare: Vec::new(),
            scratch: Vec::new(),
            free: std::array::from_fn(|_| Vec::new()),
            counts: OutletCounts::default(),
        }
    }

    /// From the next message on each link may have so much waiting.
    pub fn set_outbox_bytes(&mut self, outbox_bytes: usize) {
        self.outbox_bytes = outbox_bytes;
    }

    // ---- queueing

    /// Queues a message for one link. False if the link takes none any more.
    pub fn send(&mut self, link: LinkId, frame: &Frame) -> bool {
        let sent = self.queue(link, frame, true);
        if sent {
            self.counts.deliveries += 1;
        } else {
            self.counts.dropped_closed += 1;
        }
        sent
    }

    /// The same for a control frame, which may use the reserve beyond the outbox limit and is no delivery.
    pub fn send_control(&mut self, link: LinkId, frame: &Frame) -> bool {
        let sent = self.send_bytes(link, frame);
        if sent && let Some(outbox) = &mut self.links[link.slot as usize].outbox {
            outbox.note_control(frame.len());
        }
        sent
    }

    /// The same for bytes that are no message: an HTTP response.
    pub fn send_bytes(&mut self, link: LinkId, frame: &Frame) -> bool {
        self.queue(link, frame, false)
    }

    /// The same for a message that may go to many, in the link's dialect. False also if it is volatile and the link
    /// cannot take it now.
    pub fn send_parcel(&mut self, link: LinkId, parcel: &Parcel) -> bool {
        let Some(found) = self.get(link) else { return false };
        if parcel.is_volatile() && !found.takes_volatile(parcel.len(), self.outbox_bytes) {
            self.counts.dropped_volatile += 1;
            return false;
        }
        let encoded = &mut self.counts.encoded;
        match parcel
            .form(self.links[link.slot as usize].dialect, |dialect| encoded[dialect.form_index()] += 1)
        {
            Some(frame) => self.send(link, frame),
            None => false,
        }
    }

    /// Counts a message that its publisher made in a dialect.
    pub fn note_made(&mut self, dialect: Dialect) {
        self.counts.encoded[dialect.form_index()] += 1;
    }

    /// Queues a message for the recipients except one slot. With a ticket, the outcome is told by
    /// [`Outlet::take_tallies`] after the flush of this turn.
    pub fn fan_out(
        &mut self,
        recipients: Recipients,
        skip: Option<u32>,
        parcel: &Parcel,
        ticket: Option<Ticket>,
    ) {
        let skip = skip.filter(|slot| recipients.contains(*slot));
        let matched = recipients.len() - u64::from(skip.is_some());
        let tally = ticket.map(|ticket| {
            self.tallies.push((ticket, Tally { matched, ..Tally::default() }));
            self.tallies.len() as u32 - 1
        });
        if matched == 0 {
            return;
        }
        self.counts.deliveries += matched;
        if let Recipients::One(slot) = recipients {
            self.settle(slot);
            return self.push_tallied(slot, parcel, tally, false);
        }
        let same = self.fanout.as_ref().is_some_and(|fanout| fanout.is_for(&recipients));
        if !same {
            self.settle_all();
            self.fanout = Some(Fanout::new(recipients));
        }
        if let Some(slot) = skip {
            self.settle(slot);
        }
        if let Some(fanout) = &mut self.fanout {
            fanout.push(parcel, tally, skip);
            self.urgent |= fanout.bytes() >= FANOUT_BYTES
                || fanout.bytes().saturating_mul(matched as usize) >= self.room;
        }
    }

    // ---- for the reactor

    /// Tells the time of this turn.
    pub fn set_now(&mut self, now: Tick) {
        self.now = now;
    }

    /// Whether queued bytes should not wait for the end of the turn.
    pub fn is_urgent(&self) -> bool {
        self.urgent
    }

    /// The link may have bytes to read; with `to_the_end`, no further event will tell of them. It waits behind all who
    /// wait already, however often this is said.
    pub fn note_ready(&mut self, link: LinkId, to_the_end: bool) {
        if let Some(found) = self.get_mut(link) {
            let wanted = if to_the_end { Readiness::ToTheEnd } else { Readiness::Yes };
            let before = found.ready;
            found.ready = before.max(wanted);
            if before == Readiness::No {
                self.ready.push_back(link);
            }
        }
    }

    /// How many links wait to be read, some of which may be gone.
    pub fn ready_len(&self) -> usize {
        self.ready.len()
    }

    /// The next link to read, and whether to the end.
    pub fn next_ready(&mut self) -> Option<(LinkId, bool)> {
        loop {
            let link = self.ready.pop_front()?;
            if let Some(found) = self.get_mut(link) {
                let readiness = std::mem::replace(&mut found.ready, Readiness::No);
                return Some((link, readiness == Readiness::ToTheEnd));
            }
        }
    }

    /// The link became writable.
    pub fn writable(&mut self, link: LinkId) {
        if let Some(found) = self.get_mut(link) {
            found.writable = true;
            self.mark_dirty(link.slot);
        }
    }

    /// Links over their outbox limit after a flush. Their owner says farewell to each.
    pub fn take_overflowed(&mut self) -> Vec<LinkId> {
        std::mem::take(&mut self.overflowed)
    }

    /// Links that were to be told of, now that nothing waits for them.
    pub fn take_drained(&mut self) -> Vec<LinkId> {
        std::mem::take(&mut self.drained)
    }

    /// Whether a flush has something to do.
    pub fn has_work(&self) -> bool {
        self.fanout.is_some()
            || !self.dirty.is_empty()
            || !self.tallies.is_empty()
            || !self.slow_asked.is_empty()
    }

    /// The outcomes of all publishes with a ticket since the last call, final for this turn.
    pub fn take_tallies(&mut self) -> Vec<(Ticket, Tally)> {
        std::mem::take(&mut self.tallies)
    }

    /// The slots that publishes with a ticket [`Ticket::BY_SLOT`] were for and that did not get them, since the last
    /// call.
    pub fn take_missed(&mut self) -> Vec<(Ticket, u32)> {
        std::mem::take(&mut self.missed)
    }

    /// Lines for the log.
    pub(super) fn take_notes(&mut self) -> Vec<(LinkId, log::Level, String)> {
        std::mem::take(&mut self.notes)
    }

    /// Links to free; each is freed by [`Outlet::free`].
    pub fn take_dead(&mut self) -> Vec<LinkId> {
        std::mem::take(&mut self.dead)
    }

    /// Sums since the start.
    pub fn counts(&self) -> OutletCounts {
        self.counts
    }

    /// Gives unused capacity back to the allocator.
    pub fn trim(&mut self) {
        self.links.shrink_to_fit();
        self.spare = Vec::new();
        self.scratch = Vec::new();
        self.free = std::array::from_fn(|_| Vec::new());
        self.dirty.shrink_to(64);
        self.watches.shrink_to(64);
        self.dead.shrink_to(64);
        self.ready.shrink_to(64);
        self.peers.trim();
    }

    // ---- inside

    fn get(&self, link: LinkId) -> Option<&Link> {
        self.links.get(link.slot as usize).filter(|found| found.generation == link.generation)
    }

    fn get_mut(&mut self, link: LinkId) -> Option<&mut Link> {
        self.links.get_mut(link.slot as usize).filter(|found| found.generation == link.generation)
    }

    fn mark_dirty(&mut self, slot: u32) {
        let link = &mut self.links[slot as usize];
        if !std::mem::replace(&mut link.dirty, true) {
            self.dirty.push(slot);
        }
    }

    fn queue(&mut self, link: LinkId, frame: &Frame, is_message: bool) -> bool {
        if self.state(link) != LinkState::Open {
            return false;
        }
        self.settle(link.slot);
        self.push(link.slot, frame, is_message);
        true
    }

    fn push(&mut self, slot: u32, frame: &Frame, is_message: bool) {
        let link = &mut self.links[slot as usize];
        let outbox = link.outbox.get_or_insert_with(|| {
            let mut outbox = self.spare.pop().unwrap_or_default();
            outbox.begin(self.now);
            outbox
        });
        outbox.push(frame, is_message);
        self.unflushed += frame.len();
        self.room = self.room.saturating_sub(frame.len());
        self.urgent |=
            outbox.waiting() > self.outbox_bytes || self.unflushed > UNFLUSHED_BYTES || self.room == 0;
        self.counts.queued_bytes += frame.len() as u64;
        self.mark_dirty(slot);
    }

    /// `full` says that the kernel has just refused bytes for it.
    fn push_tallied(&mut self, slot: u32, parcel: &Parcel, tally: Option<u32>, full: bool) {
        let open = self.links.get(slot as usize).filter(|link| link.state == LinkState::Open);
        let dialect =
            open.map(|link| (link.dialect, !full && link.takes_volatile(parcel.len(), self.outbox_bytes)));
        let encoded = &mut self.counts.encoded;
        let mut form = |dialect| parcel.form(dialect, |dialect| encoded[dialect.form_index()] += 1);
        let Some((form, takes)) = dialect.and_then(|(dialect, takes)| Some((form(dialect)?, takes))) else {
            self.counts.dropped_closed += 1;
            self.counts.deliveries -= 1;
            if let Some(tally) = tally {
                self.tallies[tally as usize].1.closed += 1;
                self.note_missed(tally, slot);
            }
            return;
        };
        if parcel.is_volatile() && !takes {
            self.counts.dropped_volatile += 1;
            self.counts.deliveries -= 1;
            if let Some(tally) = tally {
                self.tallies[tally as usize].1.volatile += 1;
                self.note_missed(tally, slot);
            }
            return;
        }
        self.push(slot, form, true);
        if let (Some(tally), Some(outbox)) = (tally, &self.links[slot as usize].outbox) {
            self.watches.push(Watch { slot, tally, mark: outbox.mark() });
        }
    }

    fn note_missed(&mut self, tally: u32, slot: u32) {
        let ticket = self.tallies[tally as usize].0;
        if ticket.0 & Ticket::BY_SLOT != 0 {
            self.missed.push((ticket, slot));
        }
    }

    /// Moves what the pending fan-out has for this slot into its outbox, so that what is queued
    /// for it next comes later on the wire too.
    fn settle(&mut self, slot: u32) {
        let Some(mut fanout) = self.fanout.take() else { return };
        for (parcel, tally) in fanout.settle(slot) {
            self.push_tallied(slot, parcel, *tally, false);
        }
        self.fanout = Some(fanout);
    }

    fn settle_all(&mut self) {
        let Some(mut fanout) = self.fanout.take() else { return };
        let recipients = fanout.recipients().clone();
        recipients.for_each(|slot| {
            for (parcel, tally) in fanout.settle(slot) {
                self.push_tallied(slot, parcel, *tally, false);
            }
        });
    }
}

#[cfg(test)]
mod tests;
