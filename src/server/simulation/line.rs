//! The node's side of a link to the made-up Redis: what [`Link`](crate::cluster::redis::Link) does with what it is asked for,
//! one turn at a time.
//!
//! Subscriptions go before counts, and counts before messages, of all that waits together; messages that wait too long,
//! or are too many while the link is down, are dropped and counted.

use super::redis::{Command, Name, Reply, Told, Way};
use crate::cluster::Transport;
use crate::cluster::redis::{Counters, Reason};
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

const SPOOL_AGE_MS: u64 = 5_000;
/// Silence after which a connection is given up.
const DEADLINE_MS: u64 = 3_000;

enum Order {
    Publish(Waiting),
    Subscribe(Name, bool),
    Count(Arc<str>, u64),
}

struct Waiting {
    channel: Arc<str>,
    payload: Arc<[u8]>,
    ticket: Option<u64>,
    /// When it was taken off the queue.
    since_ms: u64,
}

/// What a node has pushed, and what it can look at.
#[derive(Default)]
struct Desk {
    orders: VecDeque<Order>,
    counters: Counters,
}

/// The handle of a link.
pub(super) struct Tap(Arc<Mutex<Desk>>);

impl Tap {
    fn push(&self, order: Order) {
        self.0.lock().unwrap().orders.push_back(order);
    }
}

impl Transport for Tap {
    fn publish(&self, channel: String, payload: Vec<u8>, ticket: Option<u64>) -> bool {
        let (channel, payload) = (channel.into(), payload.into());
        self.push(Order::Publish(Waiting { channel, payload, ticket, since_ms: 0 }));
        true
    }

    fn subscribe(&self, channel: String) {
        self.push(Order::Subscribe((false, channel.into()), true));
    }

    fn unsubscribe(&self, channel: String) {
        self.push(Order::Subscribe((false, channel.into()), false));
    }

    fn psubscribe(&self, pattern: String) {
        self.push(Order::Subscribe((true, pattern.into()), true));
    }

    fn punsubscribe(&self, pattern: String) {
        self.push(Order::Subscribe((true, pattern.into()), false));
    }

    fn count(&self, channel: String, ticket: u64) {
        self.push(Order::Count(channel.into(), ticket));
    }

    fn counters(&self) -> Counters {
        self.0.lock().unwrap().counters
    }

    fn stop(&self) {}
}

/// What was sent and is not answered.
enum Question {
    Publish { message: Waiting, own: bool },
    Count(u64),
    Restore,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Until when it does not try again.
    Down(u64),
    /// There is a connection, and nothing was said on it.
    Connected,
    Restoring,
    Up,
}

pub(super) struct Line {
    desk: Arc<Mutex<Desk>>,
    state: State,
    was_up: bool,
    wanted: BTreeSet<Name>,
    /// What the connection was told to subscribe to.
    held: BTreeSet<Name>,
    counts: VecDeque<(Arc<str>, u64)>,
    spool: VecDeque<Waiting>,
    spool_bytes: usize,
    questions: VecDeque<Question>,
    /// The way to Redis is cut.
    pub(super) is_cut: bool,
    heard_ms: u64,
    /// What was dropped, or may have been.
    pub(super) dropped: Vec<Arc<[u8]>>,
}

impl Line {
    pub(super) fn new(spool_bytes: usize) -> Line {
        Line {
            desk: Arc::default(),
            state: State::Down(0),
            was_up: false,
            wanted: BTreeSet::new(),
            held: BTreeSet::new(),
            counts: VecDeque::new(),
            spool: VecDeque::new(),
            spool_bytes,
            questions: VecDeque::new(),
            is_cut: false,
            heard_ms: 0,
            dropped: Vec::new(),
        }
    }

    pub(super) fn tap(&self) -> Tap {
        Tap(self.desk.clone())
    }

    pub(super) fn is_up(&self) -> bool {
        self.state == State::Up
    }

    /// Whether it tries to connect, and there is somebody to connect to; it is connected then.
    pub(super) fn connects(&mut self, now_ms: u64) -> bool {
        let connects = matches!(self.state, State::Down(until_ms) if now_ms >= until_ms) && !self.is_cut;
        if connects {
            self.state = State::Connected;
            self.heard_ms = now_ms;
        }
        connects
    }

    /// Whether nothing has come for so long that it gives the connection up; while nothing is wrong with that, pings do.
    pub(super) fn is_too_silent(&mut self, now_ms: u64, is_silent: bool) -> bool {
        if !is_silent {
            self.heard_ms = now_ms;
        }
        now_ms - self.heard_ms > DEADLINE_MS
    }

    /// A turn; `way` is the connection, if there is one.
    pub(super) fn turn(
        &mut self,
        way: Option<&mut Way<Command>>,
        now_ms: u64,
        arrival: &mut dyn FnMut() -> u64,
        told: &mut Vec<Told>,
    ) {
        let desk = self.desk.clone();
        let orders = std::mem::take(&mut desk.lock().unwrap().orders);
        for order in orders {
            match order {
                Order::Publish(message) => self.spool.push_back(Waiting { since_ms: now_ms, ..message }),
                Order::Subscribe(name, true) => drop(self.wanted.insert(name)),
                Order::Subscribe(name, false) => drop(self.wanted.remove(&name)),
                Order::Count(channel, ticket) => self.counts.push_back((channel, ticket)),
            }
        }
        if let Some(way) = way {
            self.send(way, arrival);
        } else {
            told.extend(self.counts.drain(..).map(|(_, ticket)| Told::Counted { ticket, count: None }));
        }
        self.trim(now_ms, told);
        let mut desk = desk.lock().unwrap();
        desk.counters.up = self.is_up();
        desk.counters.subscriptions = self.wanted.len() as u64;
    }

    fn send(&mut self, way: &mut Way<Command>, arrival: &mut dyn FnMut() -> u64) {
        if self.held != self.wanted {
            let gone: Vec<Name> = self.held.difference(&self.wanted).cloned().collect();
            let come: Vec<Name> = self.wanted.difference(&self.held).cloned().collect();
            for (names, wanted) in [(gone, false), (come, true)] {
                for name in names {
                    way.push(Command::Subscribe { name, wanted }, arrival());
                }
            }
            self.held.clone_from(&self.wanted);
        }
        if self.state == State::Connected {
            self.state = State::Restoring;
            self.questions.push_back(Question::Restore);
            way.push(Command::Restored, arrival());
        }
        if self.state != State::Up {
            return;
        }
        for (channel, ticket) in self.counts.drain(..) {
            self.questions.push_back(Question::Count(ticket));
            way.push(Command::Count { channel }, arrival());
        }
        for message in self.spool.drain(..) {
            let (channel, payload) = (message.channel.clone(), message.payload.clone());
            let own = self.held.contains(&(false, channel.clone()));
            self.questions.push_back(Question::Publish { message, own });
            way.push(Command::Publish { channel, payload }, arrival());
        }
    }

    /// What is too old goes, and while the link is down, the oldest of what is too much.
    fn trim(&mut self, now_ms: u64, told: &mut Vec<Told>) {
        let mut bytes: usize = self.spool.iter().map(Waiting::weight).sum();
        while let Some(front) = self.spool.front() {
            let reason = if bytes > self.spool_bytes && !self.is_up() {
                Reason::Spool
            } else if now_ms - front.since_ms > SPOOL_AGE_MS {
                Reason::Age
            } else {
                return;
            };
            bytes -= front.weight();
            let message = self.spool.pop_front().expect("it is in front");
            self.drop_message(&message, reason, told);
        }
    }

    fn drop_message(&mut self, message: &Waiting, reason: Reason, told: &mut Vec<Told>) {
        self.dropped.push(message.payload.clone());
        self.desk.lock().unwrap().counters.dropped[reason as usize] += 1;
        told.extend(message.ticket.map(|ticket| Told::Lost { ticket, reason }));
    }

    /// Something has come.
    pub(super) fn take(&mut self, reply: Reply, told: &mut Vec<Told>) {
        let answer = match reply {
            Reply::Message { channel, payload } => {
                self.desk.lock().unwrap().counters.received += 1;
                return told.push(Told::Message { channel, payload });
            }
            Reply::Number(number) => number,
            Reply::Restored => 0,
        };
        match self.questions.pop_front().expect("an answer to no question") {
            Question::Publish { message, own } => {
                self.desk.lock().unwrap().counters.published += 1;
                let published = |ticket| Told::Published { ticket, receivers: answer, own };
                told.extend(message.ticket.map(published));
            }
            Question::Count(ticket) => told.push(Told::Counted { ticket, count: Some(answer) }),
            Question::Restore => {
                self.state = State::Up;
                let gap = std::mem::replace(&mut self.was_up, true);
                told.push(Told::Up { gap });
            }
        }
    }

    /// The connection is gone; the socket had not taken the last so many messages, which wait again.
    pub(super) fn lose(&mut self, unsent: usize, until_ms: u64, told: &mut Vec<Told>) {
        self.state = State::Down(until_ms);
        self.held.clear();
        let mut questions = std::mem::take(&mut self.questions);
        let mut unsent = unsent;
        while let Some(Question::Publish { .. }) | Some(Question::Count(_)) = questions.back()
            && unsent > 0
        {
            match questions.pop_back() {
                Some(Question::Publish { message, .. }) => {
                    unsent -= 1;
                    self.spool.push_front(message);
                }
                Some(Question::Count(ticket)) => told.push(Told::Counted { ticket, count: None }),
                _ => {}
            }
        }
        for question in questions {
            match question {
                Question::Publish { message, .. } => self.drop_message(&message, Reason::Unknown, told),
                Question::Count(ticket) => told.push(Told::Counted { ticket, count: None }),
                Question::Restore => {}
            }
        }
        told.push(Told::Down);
    }

    /// Whether it is up, and nothing waits for anything.
    pub(super) fn is_at_rest(&self) -> bool {
        self.is_up()
            && self.desk.lock().unwrap().orders.is_empty()
            && self.questions.is_empty()
            && self.spool.is_empty()
            && self.counts.is_empty()
    }
}

impl Waiting {
    fn weight(&self) -> usize {
        64 + self.channel.len() + self.payload.len()
    }
}
