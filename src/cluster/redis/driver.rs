//! The thread of a link: one turn after the other, each begun by bytes, an order, a tick or the end of a pause.
//!
//! hear and read -> take orders -> tick -> connect, restore, come up -> change subscriptions -> send -> account.
//!
//! Down, it seeks the servers, pauses after each failure, and restores the subscriptions on connections that are new. What
//! answers mean is in `answers`. The connections' own tasks, which the `redis` crate starts, run on this thread, too,
//! between the turns.

use super::link::{Order, Shared};
use super::node::{Node, Question};
use super::spool::{Publish, Spool};
use super::table::{Change, Step, Table};
use super::topology::{Found, Said, Seeker, Trouble};
use super::url::{Address, Servers};
use super::{Event, Reason, Settings};
use crate::sys::Bell;
use redis::cluster_routing::Slot;
use std::collections::{HashMap, HashSet, VecDeque};
use std::future::{Future, poll_fn};
use std::hash::{BuildHasher, RandomState};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Interval, MissedTickBehavior, Sleep, interval_at, sleep};

/// Orders that are taken in one turn, so that reading does not starve.
const ORDERS: usize = 4_096;
/// Names in one batch of subscription commands.
const BATCH_NAMES: usize = 512;
/// What stopping may take.
const STOP: Duration = Duration::from_secs(1);

pub(crate) enum State {
    Seeking(Pin<Box<dyn Future<Output = Result<Found, Trouble>> + Send>>),
    Pausing(Pin<Box<Sleep>>),
    /// Everybody is connected; subscriptions are being restored.
    Restoring,
    Up(Instant),
}

/// A count that several nodes are asked for.
pub(crate) struct Counting {
    pub(crate) ticket: u64,
    pub(crate) left: usize,
    pub(crate) sum: Option<u64>,
}

pub(crate) struct Driver {
    pub(crate) shared: Arc<Shared>,
    /// Rung by others when there is something to take.
    bell: Bell,
    /// What is said on connections. It does not grow: they read no more before the next turn than a task may do at once.
    said: UnboundedReceiver<Said>,
    /// Of that, what the next turn looks at.
    heard: Vec<Said>,
    seeker: Arc<Seeker>,
    pub(crate) settings: Settings,
    events: Box<dyn Fn(Event<'_>) + Send>,
    pub(crate) nodes: Vec<Node>,
    /// The ids of the nodes that have them; empty without slots.
    slots: HashMap<Slot, u32>,
    /// The node of everything that has no slot.
    home: u32,
    pub(crate) table: Table,
    pub(crate) spool: Spool,
    last_message: u64,
    /// Channels that shall be counted, with their tickets, when the changes before them are on their way.
    to_count: VecDeque<(Arc<str>, u64)>,
    pub(crate) counts: HashMap<u64, Counting>,
    last_count: u64,
    state: State,
    /// Someone says that the servers are no longer where they were.
    pub(crate) moved: Option<Trouble>,
    /// Subscriptions failed, and are tried again with the next tick.
    pub(crate) failed: bool,
    /// What Redis refused was logged in this time of being up.
    pub(crate) complained: bool,
    was_up: bool,
    /// When the outage, which was told of, began.
    down: Option<Instant>,
    pause: Duration,
    tick: Interval,
    ticked: bool,
    /// Orders were left.
    again: bool,
    dropped: [(u64, u64); Reason::ALL.len()],
    now: Instant,
    stop: Option<Pin<Box<Sleep>>>,
}

/// The work of the thread, until the link is stopped.
pub(crate) async fn run(
    shared: Arc<Shared>,
    bell: Bell,
    (seeker, said): (Arc<Seeker>, UnboundedReceiver<Said>),
    settings: Settings,
    events: Box<dyn Fn(Event<'_>) + Send>,
) {
    let period = settings.ping_interval;
    let mut tick = interval_at(tokio::time::Instant::now() + period, period);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut driver = Driver {
        state: seek(&seeker, &[]),
        pause: settings.pauses.0,
        shared,
        bell,
        said,
        heard: Vec::new(),
        seeker,
        settings,
        events,
        nodes: Vec::new(),
        slots: HashMap::new(),
        home: 0,
        table: Table::default(),
        spool: Spool::default(),
        last_message: 0,
        to_count: VecDeque::new(),
        counts: HashMap::new(),
        last_count: 0,
        moved: None,
        failed: false,
        complained: false,
        was_up: false,
        down: None,
        tick,
        ticked: false,
        again: false,
        dropped: [(0, 0); Reason::ALL.len()],
        now: Instant::now(),
        stop: None,
    };
    loop {
        let found = poll_fn(|cx| driver.poll(cx)).await;
        if driver.turn(found) {
            break;
        }
        // A turn may follow at once; what the connections have to do comes in between.
        tokio::task::yield_now().await;
    }
}

fn seek(seeker: &Arc<Seeker>, nodes: &[Node]) -> State {
    let seeker = seeker.clone();
    let connected: Vec<Address> = nodes.iter().map(|node| node.address.clone()).collect();
    State::Seeking(Box::pin(async move { seeker.seek(&connected).await }))
}

impl Driver {
    /// Waits for something to do; what seeking has found, if that is it.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Found, Trouble>>> {
        let mut ready = mem::take(&mut self.again);
        ready |= self.bell.poll(cx).is_ready();
        self.ticked = self.tick.poll_tick(cx).is_ready();
        ready |= self.ticked;
        // Before the answers, so that what was said before an answer is heard before it is read.
        if let Poll::Ready(Some(said)) = self.said.poll_recv(cx) {
            self.heard.push(said);
        }
        while let Ok(said) = self.said.try_recv() {
            self.heard.push(said);
        }
        ready |= !self.heard.is_empty();
        for node in &mut self.nodes {
            ready |= node.poll(cx);
        }
        if let Some(stop) = &mut self.stop {
            ready |= stop.as_mut().poll(cx).is_ready();
        }
        match &mut self.state {
            State::Seeking(task) => {
                if let Poll::Ready(found) = task.as_mut().poll(cx) {
                    return Poll::Ready(Some(found));
                }
            }
            State::Pausing(pause) => {
                if pause.as_mut().poll(cx).is_ready() {
                    self.state = seek(&self.seeker, &self.nodes);
                    ready = true;
                }
            }
            State::Restoring | State::Up(_) => {}
        }
        if ready { Poll::Ready(None) } else { Poll::Pending }
    }

    /// One turn; whether it was the last.
    fn turn(&mut self, found: Option<Result<Found, Trouble>>) -> bool {
        self.now = Instant::now();
        let mut heard = mem::take(&mut self.heard);
        heard.drain(..).for_each(|said| self.hear(said));
        self.heard = heard;
        for node in 0..self.nodes.len() {
            if let Err(trouble) = self.read(node) {
                self.nodes[node].trouble.get_or_insert(trouble);
            }
        }
        self.take_orders();
        if mem::take(&mut self.ticked) {
            self.on_tick();
        }
        self.lose_troubled();
        match found {
            Some(Ok(found)) => self.settle(found),
            Some(Err(trouble)) => self.fall(trouble),
            None => {}
        }
        if let Some(trouble) = self.moved.take()
            && matches!(self.state, State::Up(_) | State::Restoring)
        {
            self.fall(trouble);
        }
        if matches!(self.state, State::Restoring) && self.nodes.iter().all(|node| node.restoring == 0) {
            self.rise();
        }
        self.change_subscriptions();
        self.count();
        self.send();
        self.nodes.iter_mut().for_each(Node::hand_over);
        self.trim();
        let ends = self.is_at_end();
        self.account();
        ends
    }

    pub(crate) fn tell(&self, event: Event<'_>) {
        (self.events)(event);
    }

    pub(crate) fn drop_message(&mut self, message: &Publish, reason: Reason) {
        self.shared.dropped[reason as usize].fetch_add(1, Ordering::Relaxed);
        let (messages, bytes) = &mut self.dropped[reason as usize];
        *messages += 1;
        *bytes += message.payload.len() as u64;
        if let Some(ticket) = message.ticket {
            self.tell(Event::Lost { ticket, reason });
        }
    }

    fn take_orders(&mut self) {
        self.shared.signalled.store(false, Ordering::SeqCst);
        for _ in 0..ORDERS {
            let Some(order) = self.shared.orders.pop() else { return };
            match order {
                Order::Publish { channel, payload, ticket } => {
                    self.last_message += 1;
                    let number = self.last_message;
                    self.spool.put(Publish { number, channel, payload, ticket, own: false, since: self.now });
                }
                Order::Subscribe { pattern, name, wanted } => {
                    // While the link is down, all that is missing is queued when the servers are found.
                    let queue = matches!(self.state, State::Up(_) | State::Restoring);
                    if let Some(change) = self.table.want(pattern, name, wanted, queue) {
                        self.queue(change);
                    }
                }
                Order::Count { channel, ticket } => self.to_count.push_back((channel, ticket)),
            }
        }
        self.again = true;
    }

    /// Gives a change to the node that it is about.
    fn queue(&mut self, change: Change) {
        let id = if change.node != 0 { change.node } else { self.node_of(change.pattern, &change.name) };
        match self.nodes.iter_mut().find(|node| node.id == id) {
            Some(node) => node.todo.push_back(change),
            None => self.table.put_off(&change),
        }
    }

    fn node_of(&self, pattern: bool, name: &str) -> u32 {
        if pattern || self.slots.is_empty() {
            return self.home;
        }
        self.slots.get(&Slot::for_key(name)).copied().unwrap_or(self.home)
    }

    fn index_of(&self, channel: &str) -> Option<usize> {
        let id = self.node_of(false, channel);
        self.nodes.iter().position(|node| node.id == id)
    }

    fn count(&mut self) {
        let is_up = matches!(self.state, State::Up(_));
        let is_free = |node: &Node| node.todo.is_empty() && node.has_room();
        while !self.to_count.is_empty() && (!is_up || self.nodes.iter().all(is_free)) {
            let Some((channel, ticket)) = self.to_count.pop_front() else { break };
            if !is_up {
                self.tell(Event::Counted { ticket, count: None });
                continue;
            }
            let sharded = self.settings.sharded;
            let one = if sharded { self.index_of(&channel) } else { None };
            self.last_count += 1;
            let mut left = 0;
            for (index, node) in self.nodes.iter_mut().enumerate() {
                if one.is_none_or(|one| one == index) {
                    node.count(sharded, &channel, self.last_count);
                    left += 1;
                }
            }
            self.counts.insert(self.last_count, Counting { ticket, left, sum: Some(0) });
        }
    }

    fn on_tick(&mut self) {
        let deadline =
            self.settings.ping_deadline.as_nanos().div_ceil(self.settings.ping_interval.as_nanos());
        let deadline = u32::try_from(deadline).unwrap_or(u32::MAX).max(1);
        let role = matches!(self.seeker.url.servers, Servers::Sentinel { .. });
        for node in &mut self.nodes {
            if let Err(trouble) = node.tick(deadline, role) {
                node.trouble.get_or_insert(trouble);
            }
        }
        if let State::Up(since) = self.state {
            // A connection that does not last is no reason to try faster.
            if self.now.duration_since(since) > self.settings.pauses.1 {
                self.pause = self.settings.pauses.0;
            }
            if mem::take(&mut self.failed) {
                self.table.missing().into_iter().for_each(|change| self.queue(change));
            }
        }
    }

    /// Takes the broken connections out, with an account of what was on them.
    fn lose_troubled(&mut self) {
        while let Some(index) = self.nodes.iter().position(|node| node.trouble.is_some()) {
            let mut node = self.nodes.remove(index);
            let trouble = node.trouble.take().expect("it has one").at(&node.address);
            let needed = node.needed;
            self.lose(node);
            if needed && matches!(self.state, State::Up(_) | State::Restoring) {
                self.fall(trouble);
            }
        }
    }

    fn lose(&mut self, mut node: Node) {
        for question in mem::take(&mut node.questions) {
            match question {
                Question::Publish(message) => self.drop_message(&message, Reason::Unknown),
                Question::Count(id) => self.counted(id, None),
                Question::Changes { .. } | Question::Ping(_) | Question::Role => {}
            }
        }
        self.table.lose(node.id);
        node.todo.iter().for_each(|change| self.table.put_off(change));
    }

    /// A message that surely was not published waits again, in its place.
    pub(crate) fn put_back(&mut self, message: Publish) {
        self.shared.waiting_bytes.fetch_add(message.weight(), Ordering::Relaxed);
        self.spool.put(message);
    }

    /// The link is down, or was not up yet and cannot be now.
    fn fall(&mut self, trouble: Trouble) {
        self.shared.up.store(false, Ordering::Relaxed);
        if self.down.is_none() {
            self.down = Some(self.now);
            log::warn!("redis: {} is down: {trouble}", self.seeker.url);
            self.tell(Event::Down { reason: &trouble.0 });
        } else {
            log::debug!("redis: {} is still down: {trouble}", self.seeker.url);
        }
        // The whole of it is drawn: nodes that lost the same server at once come back apart.
        let share = RandomState::new().hash_one(()) as f64 / u64::MAX as f64;
        self.state = State::Pausing(Box::pin(sleep(self.pause.mul_f64(share))));
        self.pause = self.settings.pauses.1.min(2 * self.pause);
    }

    /// The servers were found and are connected: subscriptions are next.
    fn settle(&mut self, found: Found) {
        for opened in found.fresh {
            self.nodes.push(Node::new(opened.id, opened.address, opened.connection));
        }
        let places = &found.map.servers;
        while let Some(index) =
            self.nodes.iter().position(|node| places.iter().all(|place| place.address != node.address))
        {
            let node = self.nodes.remove(index);
            self.lose(node);
        }
        let ids: Vec<_> = places
            .iter()
            .map(|place| self.nodes.iter().find(|node| node.address == place.address).map(|node| node.id))
            .collect();
        // One that was connected when the search began may be lost by now.
        if let Some(lost) = places.iter().zip(&ids).find(|(place, id)| place.needed && id.is_none()) {
            return self.fall(Trouble::new("the connection broke").at(&lost.0.address));
        }
        self.home =
            places.iter().zip(&ids).find(|(place, _)| place.needed).map_or(0, |(_, id)| id.unwrap_or(0));
        let slots = found.map.slots.iter();
        self.slots = slots.map(|(slot, place)| (*slot, ids[*place].unwrap_or(0))).collect();
        self.state = State::Restoring;
        self.table.missing().into_iter().for_each(|change| self.queue(change));
        for node in &mut self.nodes {
            node.to_restore = node.todo.len();
            node.restoring = node.todo.len() + node.restores_under_way();
            node.needed = places.iter().any(|place| place.needed && place.address == node.address);
        }
    }

    fn rise(&mut self) {
        self.state = State::Up(self.now);
        self.complained = false;
        self.shared.up.store(true, Ordering::Relaxed);
        match self.down.take() {
            Some(since) => {
                let outage = self.now.duration_since(since);
                log::info!("redis: {} is up after {:.1} s", self.seeker.url, outage.as_secs_f64());
            }
            None => log::info!("redis: {} is up", self.seeker.url),
        }
        let gap = mem::replace(&mut self.was_up, true);
        if gap {
            self.shared.reconnects.fetch_add(1, Ordering::Relaxed);
        }
        self.tell(Event::Up { gap });
    }

    fn change_subscriptions(&mut self) {
        let sharded = self.settings.sharded;
        for node in &mut self.nodes {
            while node.has_room() && !node.todo.is_empty() {
                let names = BATCH_NAMES.min(node.todo.len());
                let changes: Vec<_> = node.todo.drain(..names).collect();
                let restores = node.to_restore.min(names);
                node.to_restore -= restores;
                let mut left = HashSet::new();
                let mut commands = Vec::new();
                for change in &changes {
                    let step = self.table.decide(change, node.id);
                    let name = match (step, change.pattern, sharded) {
                        (Step::Nothing, ..) => continue,
                        (Step::Subscribe, true, _) => "PSUBSCRIBE",
                        (Step::Unsubscribe, true, _) => "PUNSUBSCRIBE",
                        (Step::Subscribe, false, true) => "SSUBSCRIBE",
                        (Step::Unsubscribe, false, true) => "SUNSUBSCRIBE",
                        (Step::Subscribe, false, false) => "SUBSCRIBE",
                        (Step::Unsubscribe, false, false) => "UNSUBSCRIBE",
                    };
                    if step == Step::Unsubscribe {
                        left.insert(change.name.clone());
                    }
                    let mut command = redis::cmd(name);
                    command.arg(&*change.name);
                    commands.push(command);
                }
                if commands.is_empty() {
                    node.restoring -= restores;
                } else {
                    node.change(commands, changes, left, restores);
                }
            }
        }
    }

    fn send(&mut self) {
        if !matches!(self.state, State::Up(_)) {
            return;
        }
        while let Some(front) = self.spool.front() {
            let aged = self.now.duration_since(front.since) > self.settings.spool_age;
            let index = self.index_of(&front.channel);
            if !aged && index.is_none_or(|index| !self.nodes[index].takes_messages()) {
                break;
            }
            let Some(mut message) = self.unspool() else { break };
            match index {
                Some(index) if !aged => {
                    let node = &mut self.nodes[index];
                    // What it was told before, on this connection, is done before.
                    message.own = message.ticket.is_some() && self.table.is_told(&message.channel, node.id);
                    node.publish(self.settings.sharded, message);
                }
                _ => self.drop_message(&message, Reason::Age),
            }
        }
    }

    fn unspool(&mut self) -> Option<Publish> {
        let message = self.spool.take()?;
        self.shared.waiting_bytes.fetch_sub(message.weight(), Ordering::Relaxed);
        Some(message)
    }

    /// What is too old goes, and while the link is down, the oldest of what is too much.
    fn trim(&mut self) {
        let is_up = matches!(self.state, State::Up(_));
        while let Some(front) = self.spool.front() {
            let reason = if !is_up && self.spool.bytes() > self.settings.spool_bytes {
                Reason::Spool
            } else if self.now.duration_since(front.since) > self.settings.spool_age {
                Reason::Age
            } else {
                return;
            };
            if let Some(message) = self.unspool() {
                self.drop_message(&message, reason);
            }
        }
    }

    /// Whether the link is stopped and nothing is left to wait for; what is left then, is dropped.
    fn is_at_end(&mut self) -> bool {
        if !self.shared.stop.load(Ordering::SeqCst) {
            return false;
        }
        let stop = self.stop.get_or_insert_with(|| Box::pin(sleep(STOP)));
        let sent = self.spool.is_empty()
            && self.shared.orders.is_empty()
            && self.nodes.iter().all(|node| node.in_flight() == 0);
        // In an outage nothing can be hoped for; before the first connection something can.
        if self.down.is_none() && !sent && !stop.is_elapsed() {
            // The timer is looked at in the next turn.
            self.again |= !self.shared.orders.is_empty();
            return false;
        }
        // What came in the course of this turn is dropped with the rest.
        for _ in 0..=self.shared.orders.len() / ORDERS {
            self.take_orders();
        }
        for node in mem::take(&mut self.nodes) {
            self.lose(node);
        }
        while let Some(message) = self.unspool() {
            self.drop_message(&message, Reason::Stopped);
        }
        true
    }

    /// Tells what was dropped, and shows how many subscriptions there are.
    fn account(&mut self) {
        self.shared.subscriptions.store(self.table.wanted() as u64, Ordering::Relaxed);
        for reason in Reason::ALL {
            let (messages, bytes) = mem::take(&mut self.dropped[reason as usize]);
            if messages > 0 {
                self.tell(Event::Dropped { messages, bytes, reason });
            }
        }
    }
}
