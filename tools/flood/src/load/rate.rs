//! A fixed number of messages a second, whatever the server makes of it (an open loop).
//!
//! Every message has an intended time of sending, and latency counts from there: a sender that was held
//! up does not hide what its messages waited.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use hashbrown::HashMap;

use crate::ledger::Ledger;
use crate::load::envelope::{self, Address};
use crate::load::inbox::Inbox;
use crate::load::{Incoming, Load, Sent, To};
use crate::stats::nanoseconds;
use crate::token::{TO_ALL, Token};
use crate::worker::Floor;

/// Messages that may leave in one turn: answers have to be read in between.
const PER_TURN_MAX: u32 = 256;

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// To one client of the domain, or to one user.
    #[value(name = "100")]
    Client,
    /// To the first group of the sender; of the default URL's, somebody else is in it from 101 connections on.
    #[value(name = "200")]
    Group,
    /// To the domain of the sender.
    #[value(name = "300")]
    Domain,
}

impl Mode {
    /// The number that the gateway knows it by.
    pub fn number(self) -> u16 {
        match self {
            Self::Client => 100,
            Self::Group => 200,
            Self::Domain => 300,
        }
    }
}

/// To whom a unicast goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Pick {
    /// To anyone of the domain (or of the group).
    Random,
    /// To the next of the domain (or of the group).
    Next,
}

/// The plan of all workers together.
#[derive(Debug)]
pub struct RatePlan {
    /// Messages a second, of all senders.
    pub per_second: f64,
    /// How long.
    pub seconds: f64,
    /// What is sent.
    pub mode: Mode,
    /// To whom.
    pub pick: Pick,
    /// Bytes of a content.
    pub bytes: usize,
    /// Whether receipts are asked for.
    pub receipt: bool,
    /// Connections that send; empty for all of them.
    pub senders: Vec<u32>,
    /// Senders that the workers have, together.
    pub present: AtomicU32,
    /// The worst lag of a sender behind its plan, in nanoseconds.
    pub lag_ns: AtomicU64,
}

/// One worker's part.
#[derive(Debug)]
pub struct Rate {
    plan: Arc<OnceLock<RatePlan>>,
    inbox: Inbox,
    /// Slots that send, and how many others hear each (for a group or a domain).
    senders: Vec<(u32, u32)>,
    start: Option<Instant>,
    /// Between two messages of this worker.
    gap: Duration,
    /// Messages of this worker in all, and how many have left.
    total: u64,
    done: u64,
    streams: HashMap<(u32, u32), u32>,
    random: u64,
    scratch: Vec<u8>,
}

impl Rate {
    /// Waits for a plan to be made.
    pub fn new(plan: Arc<OnceLock<RatePlan>>, mode: Mode) -> Self {
        Self {
            plan,
            inbox: Inbox::new(mode.number()),
            senders: Vec::new(),
            start: None,
            gap: Duration::ZERO,
            total: 0,
            done: 0,
            streams: HashMap::new(),
            random: 0,
            scratch: Vec::new(),
        }
    }

    fn draw(&mut self, below: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % below.max(1) as u64) as usize
    }

    /// Another open connection of the sender's domain.
    fn target(&mut self, floor: &Floor, sender: u32, pick: Pick) -> Option<u32> {
        let roster = &floor.shared.roster;
        let members = roster.members(roster.domain(sender));
        let own = members.binary_search(&sender).unwrap_or(0);
        let first = match pick {
            Pick::Random => self.draw(members.len()),
            Pick::Next => own + 1,
        };
        let others = (first..first + members.len()).map(|at| members[at % members.len()]);
        others.filter(|other| *other != sender).find(|other| floor.shared.is_open(*other))
    }

    fn send_one(&mut self, floor: &mut Floor, plan: &RatePlan, time_ns: u64) {
        if self.senders.is_empty() {
            return;
        }
        let at = if plan.pick == Pick::Random && plan.mode == Mode::Client {
            self.draw(self.senders.len())
        } else {
            (self.done % self.senders.len() as u64) as usize
        };
        let (slot, audience) = self.senders[at];
        let sender = floor.base + slot;
        if !floor.is_open(slot) {
            return;
        }
        let (to, audience) = match plan.mode {
            Mode::Client => match self.target(floor, sender, plan.pick) {
                Some(target) => (target, 1),
                None => return,
            },
            Mode::Group | Mode::Domain => (TO_ALL, audience),
        };
        let number = self.streams.entry((sender, to)).or_default();
        let token = Token { run: floor.shared.run, sender, number: *number, to, time_ns };
        *number += 1;
        let shared = Arc::clone(&floor.shared);
        let address = match plan.mode {
            Mode::Client => Address::Client(shared.roster.client(to).unwrap_or_default()),
            Mode::Group => Address::Group(shared.roster.group(sender).unwrap_or_default()),
            Mode::Domain => Address::Domain,
        };
        // Before it leaves, so that nobody has received more than is expected.
        shared.expected.fetch_add(u64::from(audience), Ordering::Relaxed);
        envelope::send(floor, &mut self.scratch, slot, &token, plan.bytes, address, plan.receipt);
    }

    /// When message `index` of this worker is meant to leave, since the start.
    fn intended(&self, index: u64) -> Duration {
        Duration::from_nanos((self.gap.as_nanos() as u64).saturating_mul(index))
    }
}

impl Load for Rate {
    fn prepare(&mut self, floor: &mut Floor) {
        let Some(plan) = self.plan.get() else { return };
        let all = 0..floor.slots();
        self.senders = match plan.mode {
            Mode::Client => all.filter(|slot| floor.is_open(*slot)).map(|slot| (slot, 1)).collect(),
            Mode::Group | Mode::Domain => {
                let roster = &floor.shared.roster;
                let group = plan.mode == Mode::Group;
                let audience = |slot: u32| {
                    let sender = floor.base + slot;
                    let members = roster.members(roster.domain(sender)).iter().copied();
                    let hearing = members.filter(|member| roster.hears(*member, sender, group));
                    hearing.filter(|member| floor.shared.is_open(*member)).count() as u32
                };
                let mine = plan.senders.iter().filter_map(|number| floor.slot_of(*number));
                mine.map(|slot| (slot, audience(slot))).collect()
            }
        };
        plan.present.fetch_add(self.senders.len() as u32, Ordering::AcqRel);
        self.random = floor.shared.run ^ (u64::from(floor.index) << 32) | 1;
    }

    fn start(&mut self, floor: &mut Floor, now: Instant) {
        let Some(plan) = self.plan.get() else { return };
        let present = f64::from(plan.present.load(Ordering::Acquire)).max(1.0);
        let own = plan.per_second * self.senders.len() as f64 / present;
        if own > 0.0 {
            self.gap = Duration::from_secs_f64(1.0 / own);
            self.total = (own * plan.seconds).round() as u64;
        }
        if self.total == 0 {
            floor.shared.spent.fetch_add(1, Ordering::Release);
        }
        self.start = Some(now);
    }

    fn halt(&mut self) {
        self.start = None;
    }

    fn message(&mut self, floor: &mut Floor, slot: u32, incoming: Incoming<'_>, now_ns: u64) {
        self.inbox.take(floor, slot, incoming.payload, now_ns);
    }

    fn turn(&mut self, floor: &mut Floor, _: Instant) -> Option<Instant> {
        let plan = Arc::clone(&self.plan);
        let (Some(plan), Some(start)) = (plan.get(), self.start) else { return None };
        let start_ns = nanoseconds(floor.shared.epoch, start);
        for _ in 0..PER_TURN_MAX {
            if self.done == self.total {
                return None;
            }
            let (due, now) = (start + self.intended(self.done), Instant::now());
            if due > now {
                return Some(due);
            }
            plan.lag_ns.fetch_max((now - due).as_nanos() as u64, Ordering::Relaxed);
            let time_ns = start_ns + self.intended(self.done).as_nanos() as u64;
            self.send_one(floor, plan, time_ns);
            self.done += 1;
            if self.done == self.total {
                floor.shared.spent.fetch_add(1, Ordering::Release);
            }
        }
        Some(Instant::now())
    }

    fn closed(&mut self, _: &mut Floor, _: u32) {}

    fn settle(self: Box<Self>) -> (Ledger, Vec<Sent>) {
        let to_all =
            if self.plan.get().is_some_and(|plan| plan.mode == Mode::Group) { To::Group } else { To::Domain };
        let sent = self.streams.iter().map(|((sender, to), count)| Sent {
            sender: *sender,
            to: if *to == TO_ALL { to_all } else { To::One(*to) },
            count: *count,
        });
        let sent = sent.collect();
        (self.inbox.ledger, sent)
    }
}
