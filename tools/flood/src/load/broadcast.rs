//! Broadcasts to a domain: a few senders, a window of messages in flight, every recipient checked.
//!
//! A worker counts down what its own connections still have to get of each message, and only the last
//! arrival touches the board that all workers share; the last worker's wakes the sender.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use hashbrown::HashMap;
use mio::Waker;

use crate::ledger::{Ledger, Stream};
use crate::load::envelope::{self, Address};
use crate::load::inbox::Inbox;
use crate::load::{Incoming, Load, Sent, To, events, gateway};
use crate::stats::nanoseconds;
use crate::token::{TO_ALL, Token};
use crate::worker::Floor;

/// The mode of a message to a domain.
const MODE: u16 = 300;

/// Who sends, and what has been received by all.
#[derive(Debug)]
pub struct Board {
    /// Connections that send, by number.
    senders: Vec<u32>,
    messages: u32,
    in_flight: u32,
    bytes: usize,
    receipt: bool,
    like_gateway: bool,
    /// Messages of each sender that may leave at all.
    goal: AtomicU32,
    /// By sender and message: workers that still wait for it.
    waiting: Vec<AtomicU32>,
    /// Messages that everyone has, over all senders.
    pub completed: AtomicU64,
    /// When the last of them was complete.
    pub completed_ns: AtomicU64,
    wakers: Vec<Arc<Waker>>,
    /// The worker of each sender.
    owners: Vec<usize>,
}

impl Board {
    /// A board on which nothing may be sent yet; `wakers` by worker, `owners` by sender.
    pub fn new(
        senders: Vec<u32>,
        messages: u32,
        in_flight: u32,
        wakers: Vec<Arc<Waker>>,
        owners: Vec<usize>,
    ) -> Self {
        let cells = senders.len() * messages as usize;
        Self {
            senders,
            messages,
            in_flight,
            bytes: 0,
            receipt: false,
            like_gateway: false,
            goal: AtomicU32::new(0),
            waiting: (0..cells).map(|_| AtomicU32::new(0)).collect(),
            completed: AtomicU64::new(0),
            completed_ns: AtomicU64::new(0),
            wakers,
            owners,
        }
    }

    /// Sets the size of a content and whether a receipt is asked for.
    pub fn with_content(self, bytes: usize, receipt: bool) -> Self {
        Self { bytes, receipt, ..self }
    }

    /// Makes the frames of Socket.IO as long as those of the gateway for the same content: the content takes what
    /// the envelope leaves. For comparisons.
    pub fn like_gateway(self, like_gateway: bool) -> Self {
        Self { like_gateway, ..self }
    }

    /// Bytes of the content of message `number` of a sender.
    fn content_bytes(&self, floor: &Floor, sender: u32, number: u32) -> usize {
        if !self.like_gateway {
            return self.bytes;
        }
        let from = floor.shared.roster.client(sender).unwrap_or_default();
        self.bytes + gateway::domain_envelope_bytes(from, number) - events::ENVELOPE_BYTES
    }

    /// Who sends.
    pub fn senders(&self) -> &[u32] {
        &self.senders
    }

    /// Lets every sender go on to its message number `goal` (exclusive).
    pub fn raise(&self, goal: u32) {
        self.goal.store(goal.min(self.messages), Ordering::Release);
        self.wakers.iter().for_each(|waker| drop(waker.wake()));
    }

    fn cell(&self, sender: usize, number: u32) -> &AtomicU32 {
        &self.waiting[sender * self.messages as usize + number as usize]
    }

    fn complete(&self, now_ns: u64) {
        self.completed_ns.fetch_max(now_ns, Ordering::Relaxed);
        self.completed.fetch_add(1, Ordering::Release);
    }
}

/// One worker's part.
#[derive(Debug)]
pub struct Broadcast {
    board: Arc<OnceLock<Board>>,
    inbox: Inbox,
    /// Place on the board by connection number.
    places: HashMap<u32, usize>,
    /// By sender and message: own connections that still wait for it.
    left: Vec<u32>,
    /// The next number of each sender that this worker has.
    next: Vec<(usize, u32)>,
    halted: bool,
    scratch: Vec<u8>,
}

impl Broadcast {
    /// Waits for a board to be put up.
    pub fn new(board: Arc<OnceLock<Board>>) -> Self {
        Self {
            board,
            inbox: Inbox::new(MODE),
            places: HashMap::new(),
            left: Vec::new(),
            next: Vec::new(),
            halted: false,
            scratch: Vec::new(),
        }
    }

    /// One of this worker's connections has a message, or will never have it.
    fn done(&mut self, floor: &Floor, place: usize, number: u32, now_ns: u64) {
        let Some(board) = self.board.get() else { return };
        let left = &mut self.left[place * board.messages as usize + number as usize];
        *left = left.saturating_sub(1);
        if *left > 0 || board.cell(place, number).fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        board.complete(now_ns);
        let owner = board.owners[place];
        if owner != floor.index as usize {
            drop(board.wakers[owner].wake());
        }
    }
}

impl Load for Broadcast {
    fn prepare(&mut self, floor: &mut Floor) {
        let Some(board) = self.board.get() else { return };
        let shared = &floor.shared;
        let mut present: HashMap<u32, u32> = HashMap::new();
        for slot in (0..floor.slots()).filter(|slot| floor.is_open(*slot)) {
            *present.entry(shared.roster.domain(floor.base + slot)).or_default() += 1;
        }
        self.left = Vec::with_capacity(board.waiting.len());
        for (place, sender) in board.senders.iter().enumerate() {
            self.places.insert(*sender, place);
            let mine = floor.slot_of(*sender).is_some();
            if mine {
                self.next.push((place, 0));
            }
            let audience =
                present.get(&shared.roster.domain(*sender)).copied().unwrap_or(0) - u32::from(mine);
            self.left.extend((0..board.messages).map(|_| audience));
            if audience > 0 {
                (0..board.messages).for_each(|number| {
                    board.cell(place, number).fetch_add(1, Ordering::AcqRel);
                });
            }
        }
    }

    fn start(&mut self, _: &mut Floor, _: Instant) {}

    fn halt(&mut self) {
        self.halted = true;
    }

    fn message(&mut self, floor: &mut Floor, slot: u32, incoming: Incoming<'_>, now_ns: u64) {
        let Some(token) = self.inbox.take(floor, slot, incoming.payload, now_ns) else { return };
        let sent = self.board.get().is_some_and(|board| token.number < board.messages);
        if let Some(place) = self.places.get(&token.sender).filter(|_| sent) {
            self.done(floor, *place, token.number, now_ns);
        }
    }

    fn turn(&mut self, floor: &mut Floor, _: Instant) -> Option<Instant> {
        let board = self.board.get().filter(|_| !self.halted)?;
        let goal = board.goal.load(Ordering::Acquire);
        for (place, next) in &mut self.next {
            let number = board.senders[*place];
            let Some(slot) = floor.slot_of(number) else { continue };
            while *next < goal {
                let before = next.checked_sub(board.in_flight);
                if before.is_some_and(|before| board.cell(*place, before).load(Ordering::Acquire) > 0) {
                    break;
                }
                let now_ns = nanoseconds(floor.shared.epoch, Instant::now());
                if board.cell(*place, *next).load(Ordering::Acquire) == 0 {
                    // Nobody else is there.
                    board.complete(now_ns);
                }
                let run = floor.shared.run;
                let token = Token { run, sender: number, number: *next, to: TO_ALL, time_ns: now_ns };
                let (bytes, scratch) = (board.content_bytes(floor, number, *next), &mut self.scratch);
                envelope::send(floor, scratch, slot, &token, bytes, Address::Domain, board.receipt);
                *next += 1;
            }
            floor.flush();
        }
        None
    }

    fn closed(&mut self, floor: &mut Floor, slot: u32) {
        let Some(board) = self.board.get().filter(|_| !self.left.is_empty()) else { return };
        let recipient = floor.base + slot;
        let now_ns = nanoseconds(floor.shared.epoch, Instant::now());
        let (senders, messages) = (board.senders.clone(), board.messages);
        for (place, sender) in senders.into_iter().enumerate() {
            if floor.shared.roster.hears(recipient, sender, false) {
                let stream = Stream { recipient, sender };
                for number in self.inbox.ledger.outstanding(stream, messages).collect::<Vec<_>>() {
                    self.done(floor, place, number, now_ns);
                }
            }
        }
    }

    fn settle(self: Box<Self>) -> (Ledger, Vec<Sent>) {
        let senders = self.board.get().map_or(&[][..], |board| &board.senders);
        let sent = self.next.iter().map(|(place, count)| Sent {
            sender: senders[*place],
            to: To::Domain,
            count: *count,
        });
        let sent = sent.collect();
        (self.inbox.ledger, sent)
    }
}
