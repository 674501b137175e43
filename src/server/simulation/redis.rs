//! A Redis that is made up: connections with delays, subscriptions, and what becomes of messages; its links break, fall
//! silent and come back as the dice have it.
//!
//! The server's side is here, the nodes' in [`super::line`]. What each side does with a connection that ends follows
//! [`crate::cluster::redis`]: a link knows which messages its socket had taken, and counts those that it will never know about.

use super::line::{Line, Tap};
use super::wires::Dice;
use crate::cluster::redis::{Event, Reason};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// What a link tells its node.
#[derive(Debug)]
pub(super) enum Told {
    Up { gap: bool },
    Down,
    Message { channel: Arc<str>, payload: Arc<[u8]> },
    Published { ticket: u64, receivers: u64, own: bool },
    Lost { ticket: u64, reason: Reason },
    Counted { ticket: u64, count: Option<u64> },
}

impl Told {
    pub(super) fn as_event(&self) -> Event<'_> {
        match self {
            Told::Up { gap } => Event::Up { gap: *gap },
            Told::Down => Event::Down { reason: "the dice have it" },
            Told::Message { channel, payload } => Event::Message { channel: channel.as_bytes(), payload },
            Told::Published { ticket, receivers, own } => {
                Event::Published { ticket: *ticket, receivers: *receivers, own: *own }
            }
            Told::Lost { ticket, reason } => Event::Lost { ticket: *ticket, reason: *reason },
            Told::Counted { ticket, count } => Event::Counted { ticket: *ticket, count: *count },
        }
    }
}

/// What is subscribed to: whether it is a pattern, and its name.
pub(super) type Name = (bool, Arc<str>);

/// What a node says on a connection.
pub(super) enum Command {
    Subscribe {
        name: Name,
        wanted: bool,
    },
    Publish {
        channel: Arc<str>,
        payload: Arc<[u8]>,
    },
    Count {
        channel: Arc<str>,
    },
    /// All subscriptions before this were asked for.
    Restored,
}

/// What comes back; all but messages are answers, in the order of the commands.
pub(super) enum Reply {
    Message { channel: Arc<str>, payload: Arc<[u8]> },
    Number(u64),
    Restored,
}

/// One direction of a connection: what is on its way, with the times of its arrival.
pub(super) struct Way<T> {
    items: VecDeque<(u64, T)>,
    last_ms: u64,
}

impl<T> Way<T> {
    fn new() -> Way<T> {
        Way { items: VecDeque::new(), last_ms: 0 }
    }

    pub(super) fn push(&mut self, item: T, at_ms: u64) {
        self.last_ms = self.last_ms.max(at_ms);
        self.items.push_back((self.last_ms, item));
    }

    fn pop(&mut self, now_ms: u64) -> Option<T> {
        let is_here = self.items.front().is_some_and(|(at_ms, _)| *at_ms <= now_ms);
        is_here.then(|| self.items.pop_front()).flatten().map(|(_, item)| item)
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// What is left of it, from there on.
    pub(super) fn split_off(&mut self, at: usize) -> Vec<T> {
        self.items.split_off(at).into_iter().map(|(_, item)| item).collect()
    }
}

/// A connection, as Redis has it.
pub(super) struct Connection {
    node: usize,
    subscriptions: BTreeSet<Name>,
    pub(super) to_redis: Way<Command>,
    to_node: Way<Reply>,
    /// Nothing moves on it.
    pub(super) is_silent: bool,
    /// The node has given it up, and Redis does not know.
    is_forsaken: bool,
}

impl Connection {
    fn matches(&self, channel: &str) -> u64 {
        let hit = |(is_pattern, name): &&Name| match name.strip_suffix('*') {
            Some(front) if *is_pattern => channel.starts_with(front),
            _ => **name == *channel,
        };
        self.subscriptions.iter().filter(hit).count() as u64
    }
}

pub(super) struct Redis {
    connections: Vec<Connection>,
    lines: Vec<Line>,
    /// How long anything takes on a connection at most.
    delay_ms: usize,
    /// Nobody gets a connection.
    pub(super) is_dead: bool,
    /// Messages that a node cannot have got, by node.
    missed: Vec<Vec<Arc<[u8]>>>,
    /// Something has happened to it or to a link at some time.
    pub(super) has_failed: bool,
}

impl Redis {
    pub(super) fn new(nodes: usize, dice: &mut Dice) -> Redis {
        let spool_bytes = if dice.chance(30) { 4_000 } else { 1 << 20 };
        Redis {
            connections: Vec::new(),
            lines: (0..nodes).map(|_| Line::new(spool_bytes)).collect(),
            delay_ms: *dice.pick(&[1, 5, 30, 120]),
            is_dead: false,
            missed: vec![Vec::new(); nodes],
            has_failed: false,
        }
    }

    /// The handle that a node has of its link.
    pub(super) fn tap(&self, node: usize) -> Tap {
        self.lines[node].tap()
    }

    /// What a node's link does in a turn, and what it has to tell.
    pub(super) fn step(&mut self, node: usize, now_ms: u64, dice: &mut Dice, thorough: bool) -> Vec<Told> {
        let mut told = Vec::new();
        let index = self.connections.iter().position(|it| it.node == node && !it.is_forsaken);
        if let Some(index) = index {
            self.serve(index, now_ms, dice);
            let connection = &mut self.connections[index];
            while !connection.is_silent && (thorough || dice.chance(90)) {
                let Some(reply) = connection.to_node.pop(now_ms) else { break };
                self.lines[node].take(reply, &mut told);
            }
            if self.lines[node].is_too_silent(now_ms, connection.is_silent) {
                self.lose(node, now_ms, dice, &mut told);
                // Redis finds out some time.
                self.connections[index].is_forsaken = true;
            }
        } else if !self.is_dead && self.lines[node].connects(now_ms) {
            self.connections.push(Connection {
                node,
                subscriptions: BTreeSet::new(),
                to_redis: Way::new(),
                to_node: Way::new(),
                is_silent: false,
                is_forsaken: false,
            });
        }
        if dice.chance(2) {
            self.connections.retain(|connection| !connection.is_forsaken);
        }
        let delay_ms = self.delay_ms;
        let connection = self.connections.iter_mut().find(|it| it.node == node && !it.is_forsaken);
        let way = connection.map(|connection| &mut connection.to_redis);
        let mut arrival = || now_ms + dice.below(delay_ms) as u64;
        self.lines[node].turn(way, now_ms, &mut arrival, &mut told);
        told
    }

    /// Does what a node has asked for, as far as it has arrived.
    fn serve(&mut self, index: usize, now_ms: u64, dice: &mut Dice) {
        while !self.connections[index].is_silent {
            let Some(command) = self.connections[index].to_redis.pop(now_ms) else { return };
            self.obey(index, command, now_ms, dice);
        }
    }

    fn obey(&mut self, index: usize, command: Command, now_ms: u64, dice: &mut Dice) {
        let delay_ms = self.delay_ms;
        let mut arrival = || now_ms + dice.below(delay_ms) as u64;
        let answer = match command {
            Command::Subscribe { name, wanted } => {
                let subscriptions = &mut self.connections[index].subscriptions;
                if wanted {
                    subscriptions.insert(name)
                } else {
                    subscriptions.remove(&name)
                };
                return;
            }
            Command::Restored => Reply::Restored,
            Command::Count { channel } => {
                let name = (false, channel);
                let count = self.connections.iter().filter(|it| it.subscriptions.contains(&name)).count();
                Reply::Number(count as u64)
            }
            Command::Publish { channel, payload } => {
                let mut receivers = 0;
                for connection in &mut self.connections {
                    for _ in 0..connection.matches(&channel) {
                        receivers += 1;
                        let (channel, payload) = (channel.clone(), payload.clone());
                        connection.to_node.push(Reply::Message { channel, payload }, arrival());
                        if connection.is_forsaken {
                            connection.to_node.items.clear();
                        }
                    }
                }
                for (node, missed) in self.missed.iter_mut().enumerate() {
                    if !self.lines[node].is_up() {
                        missed.push(payload.clone());
                    }
                }
                Reply::Number(receivers)
            }
        };
        self.connections[index].to_node.push(answer, arrival());
    }

    /// A node has no connection any more; of what it had sent, some has arrived.
    fn lose(&mut self, node: usize, now_ms: u64, dice: &mut Dice, told: &mut Vec<Told>) {
        let Some(index) = self.connections.iter().position(|it| it.node == node && !it.is_forsaken) else {
            return;
        };
        self.has_failed = true;
        let sent = self.connections[index].to_redis.len();
        let taken = dice.between(0, sent);
        let arrived = dice.between(0, taken);
        // What the socket did not take waits again.
        let is_message = |command: &Command| matches!(command, Command::Publish { .. });
        let unsent = self.connections[index].to_redis.split_off(taken);
        let unsent = unsent.iter().filter(|command| is_message(command)).count();
        for command in self.connections[index].to_redis.split_off(0).into_iter().take(arrived) {
            self.obey(index, command, now_ms, dice);
        }
        let on_its_way = self.connections[index].to_node.split_off(0);
        let messages = on_its_way.into_iter().filter_map(|reply| match reply {
            Reply::Message { payload, .. } => Some(payload),
            _ => None,
        });
        self.missed[node].extend(messages);
        let pause_ms = dice.between(50, 2_000) as u64;
        self.lines[node].lose(unsent, now_ms + pause_ms, told);
    }

    // ---- what the dice do to it

    /// Something goes wrong, or right again; what the links have to tell, by node.
    pub(super) fn disturb(&mut self, now_ms: u64, dice: &mut Dice) -> Vec<(usize, Vec<Told>)> {
        let node = dice.below(self.lines.len());
        match dice.below(10) {
            // A connection breaks.
            0..4 => vec![(node, self.cut(node, now_ms, dice))],
            // Nothing comes through any more, and nobody says so.
            4..6 => {
                self.silence(node, true);
                Vec::new()
            }
            6 => {
                self.silence(node, false);
                Vec::new()
            }
            // There is no way to Redis, or there is one again.
            7..9 => {
                self.lines[node].is_cut = !self.lines[node].is_cut;
                vec![(node, self.cut(node, now_ms, dice))]
            }
            // Redis goes, with all that it knows, or comes back.
            _ => {
                self.is_dead = !self.is_dead;
                (0..self.lines.len()).map(|node| (node, self.cut(node, now_ms, dice))).collect()
            }
        }
    }

    fn cut(&mut self, node: usize, now_ms: u64, dice: &mut Dice) -> Vec<Told> {
        let mut told = Vec::new();
        self.lose(node, now_ms, dice, &mut told);
        self.connections.retain(|it| it.node != node || it.is_forsaken);
        told
    }

    fn silence(&mut self, node: usize, is_silent: bool) {
        self.has_failed |= is_silent;
        let own = self.connections.iter_mut().filter(|it| it.node == node && !it.is_forsaken);
        own.for_each(|connection| connection.is_silent = is_silent);
    }

    /// Everything works again.
    pub(super) fn heal(&mut self) {
        self.is_dead = false;
        for node in 0..self.lines.len() {
            self.lines[node].is_cut = false;
            self.silence(node, false);
        }
    }

    /// Messages that were lost on the way to some node, or may have been.
    pub(super) fn lost(&self) -> usize {
        let dropped = self.lines.iter().map(|line| line.dropped.len());
        dropped.chain(self.missed.iter().map(Vec::len)).sum()
    }

    /// Whether all links are up, and nothing is under way.
    pub(super) fn is_at_rest(&self) -> bool {
        let own = |node| self.connections.iter().find(|it| it.node == node && !it.is_forsaken);
        (0..self.lines.len()).all(|node| {
            self.lines[node].is_at_rest()
                && own(node).is_some_and(|it| it.to_redis.len() == 0 && it.to_node.len() == 0)
        }) && self.connections.iter().all(|connection| !connection.is_forsaken)
    }

    /// How a message with these words was lost on its way from one node to another, if that is known.
    pub(super) fn loss(&self, words: &str, from: usize, to: usize) -> Option<Loss> {
        let is_there = |payloads: &[Arc<[u8]>]| {
            let is_it =
                |payload: &Arc<[u8]>| payload.windows(words.len()).any(|part| part == words.as_bytes());
            payloads.iter().any(is_it)
        };
        if is_there(&self.lines[from].dropped) {
            Some(Loss::Dropped)
        } else {
            is_there(&self.missed[to]).then_some(Loss::Missed)
        }
    }
}

/// How a message was lost between two nodes.
pub(super) enum Loss {
    /// The sender's link has counted it.
    Dropped,
    /// The receiver's link was down.
    Missed,
}
