//! This node among others: who it is, what it is subscribed to, and what it tells.

use super::ClusterOptions;
use super::claims::{Claims, Standing};
use super::presence::{BEAT, Presence, Sign, encode as encode_sign};
use super::sequence::{Heard, Said};
use super::transport::{Clock, SystemClock, Transport, open};
use super::wanted::{Questions, Wanted};
use crate::app::socketio::{Moves, event_of};
use crate::app::{Back, Cluster, ClusterStats, DeliveryReport, Gateway, NODES, Order, To, TransferId};
use crate::base::ids::ReactorId;
use crate::sys::Wakeup;
use crate::wire::adapter::{Body, Broadcast, Channels, Claim, Flags, Message, Names, Opts, Payload, encode};
use crate::wire::frame::Opcode;
use crate::wire::parcel::Parcel;
use crate::wire::socketio::args::Args;
use compact_str::CompactString;
use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How long other nodes have to say what became of a publish.
const REPORT_TIME: Duration = Duration::from_secs(2);
/// How long other servers have to answer anything else; what the packages of Socket.IO give them.
pub(super) const REQUEST_TIME: Duration = Duration::from_secs(5);
/// From here on, what the link counts is for no question, but for the namespaces in their order.
const CENSUS: u64 = 1 << 63;

/// What was asked, and a way to wake whoever looks after it.
#[derive(Default)]
struct Asked {
    questions: Mutex<Questions>,
    /// One is late sooner than was known, or nobody is left to look after.
    sooner: Condvar,
}

/// All other nodes.
pub(crate) struct Peers {
    pub(super) id: String,
    link: OnceLock<Box<dyn Transport>>,
    pub(super) clock: Box<dyn Clock>,
    /// Of Socket.IO's namespaces.
    pub(super) shared: Channels,
    /// Of the scopes of plain WebSockets.
    pub(super) own: Channels,
    /// Where nodes say that they are there.
    pub(super) signs: String,
    pub(super) gateway: Gateway,
    asked: Arc<Asked>,
    /// When this node says next that it is there.
    next_beat: Mutex<Instant>,
    pub(super) presence: Mutex<Presence>,
    others: AtomicU64,
    /// How many servers are of other programs, by namespace, as the last two counts had it.
    foreign: Mutex<HashMap<String, [u64; 2]>>,
    pub(super) claims: Mutex<Claims>,
    said: Mutex<Said>,
    pub(super) heard: Mutex<Heard>,
    pub(super) stats: Arc<ClusterStats>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Peers {
    /// Connects by Redis, and begins to listen. That Redis is away is no error.
    ///
    /// # Errors
    /// Those of [`open`], and a thread that cannot be started.
    pub(crate) fn start(
        options: &ClusterOptions,
        gateway: Gateway,
        wakeup: Arc<Wakeup>,
        stats: Arc<ClusterStats>,
    ) -> io::Result<Arc<Peers>> {
        let id = format!("{:016x}", rand_id());
        let peers = Peers::new(id, options, gateway, stats, Box::new(SystemClock));
        let ears = Arc::downgrade(&peers);
        let link = open(options, wakeup, move |event| {
            if let Some(peers) = ears.upgrade() {
                peers.hear(&event);
            }
        })?;
        peers.connect(link);
        let (clock, asked) = (Arc::downgrade(&peers), peers.asked.clone());
        let builder = std::thread::Builder::new().name("cluster-clock".to_owned());
        crate::sys::with_signals_blocked(|| builder.spawn(move || keep_time(&clock, &asked)))?;
        Ok(peers)
    }

    /// A node with this id, which no other has; it reaches nobody before it is connected.
    pub(crate) fn new(
        id: String,
        options: &ClusterOptions,
        gateway: Gateway,
        stats: Arc<ClusterStats>,
        clock: Box<dyn Clock>,
    ) -> Arc<Peers> {
        Arc::new(Peers {
            signs: format!("{}-nodes", options.own_prefix),
            shared: Channels::new(options.prefix.as_str(), options.wire()),
            own: Channels::new(options.own_prefix.as_str(), options.wire()),
            id,
            link: OnceLock::new(),
            gateway,
            asked: Arc::default(),
            next_beat: Mutex::new(clock.now()),
            clock,
            presence: Mutex::default(),
            others: AtomicU64::new(0),
            foreign: Mutex::default(),
            claims: Mutex::default(),
            said: Mutex::default(),
            heard: Mutex::default(),
            stats,
        })
    }

    /// Begins to listen by a link, whose events it is to be told, by [`hear`](Peers::hear). Once.
    pub(crate) fn connect(&self, link: Box<dyn Transport>) {
        link.subscribe(self.signs.clone());
        // Nobody else has it.
        let _ = self.link.set(link);
        self.listen(NODES, true);
        for namespace in self.gateway.router.namespaces() {
            self.listen(namespace, true);
        }
    }

    /// Does what is due: says that this node is there, forgets what is old, ends questions whose time is up. When it has
    /// to be called again at the latest, unless questions are asked meanwhile.
    pub(crate) fn tick(&self) -> Instant {
        let now = self.clock.now();
        let due = *lock(&self.next_beat);
        if now >= due {
            *lock(&self.next_beat) = now + BEAT;
            self.sign(Sign::Here);
            // Whoever is not heard while Redis is away may be there.
            if self.stats.is_up() {
                lock(&self.presence).forget(now);
            }
            let again = {
                let is_missed = !self.stats.is_up() || lock(&self.presence).is_missing_one(now);
                let mut claims = lock(&self.claims);
                claims.forget(now, is_missed);
                claims.take_again()
            };
            again.iter().for_each(|(scope, room, at_us)| self.say_claim(scope, room, *at_us));
            self.note_others();
            self.note_link();
            self.take_census();
        }
        let mut questions = self.questions();
        questions.end_late(now);
        let next_beat = *lock(&self.next_beat);
        questions.first_late().unwrap_or(next_beat).min(next_beat)
    }

    /// How many questions wait for answers, and whether something is to be said again.
    #[cfg(test)]
    pub(crate) fn waiting_count(&self) -> usize {
        self.questions().len() + usize::from(lock(&self.claims).has_unsaid())
    }

    /// Says goodbye to the others, sends what can still be sent, and ends the link.
    pub(crate) fn stop(&self) {
        self.sign(Sign::Bye);
        if let Some(link) = self.link.get() {
            link.stop();
        }
    }

    /// A room has its first member on this node, or lost its last; everybody in a scope is the room without a name.
    pub(crate) fn interest(&self, scope: &str, room: &str, is_there: bool) {
        if room.is_empty() {
            // The namespaces of the program are listened to whether somebody is there or not.
            if !self.gateway.router.namespaces().any(|name| name == scope) {
                self.listen(scope, is_there);
            }
        } else if !self.is_heard_anyway(scope) && self.channels(scope).has_own(room) {
            self.subscribe(self.channels(scope).room(scope, room), is_there);
        }
    }

    /// Whether all rooms of a scope are heard by one pattern.
    fn is_heard_anyway(&self, scope: &str) -> bool {
        scope.starts_with('/') && self.shared.wire() == crate::wire::adapter::Wire::Classic
    }

    fn listen(&self, scope: &str, wanted: bool) {
        let channels = self.channels(scope);
        if self.is_heard_anyway(scope) {
            let Some(link) = self.link.get() else { return };
            let pattern = channels.pattern(scope);
            if wanted { link.psubscribe(pattern) } else { link.punsubscribe(pattern) }
        } else {
            self.subscribe(channels.main(scope), wanted);
        }
        self.subscribe(channels.requests(scope), wanted);
        if answer_scope(scope) == scope {
            self.subscribe(channels.responses(scope, Some(&self.id)), wanted);
            self.subscribe(channels.responses(scope, None), wanted);
        }
    }

    fn subscribe(&self, channel: String, wanted: bool) {
        if !wanted {
            lock(&self.heard).forget(&channel);
        }
        let Some(link) = self.link.get() else { return };
        if wanted { link.subscribe(channel) } else { link.unsubscribe(channel) }
    }

    pub(super) fn channels(&self, scope: &str) -> &Channels {
        if scope.starts_with('/') { &self.shared } else { &self.own }
    }

    /// Says something to whoever listens; false if it was not taken.
    pub(super) fn say(&self, message: &Message<'_>, ticket: Option<u64>) -> bool {
        let Some((channel, bytes)) = encode(self.channels(&message.scope), message) else { return false };
        self.link.get().is_some_and(|link| link.publish(channel, bytes, ticket))
    }

    /// Says bytes where answers for all servers of a scope are.
    pub(super) fn say_to_all(&self, scope: &str, bytes: Vec<u8>) {
        if let Some(link) = self.link.get() {
            // Whoever asked waits no longer than it wants to.
            let _ = link.publish(self.channels(scope).responses(scope, None), bytes, None);
        }
    }

    pub(super) fn sign(&self, sign: Sign) {
        if let Some(link) = self.link.get() {
            // The next one follows soon.
            let unix_us = lock(&self.claims).time(self.clock.unix_us());
            let _ = link.publish(self.signs.clone(), encode_sign(&self.id, sign, unix_us), None);
        }
    }

    /// Counts the servers of a scope for a question.
    fn count(&self, scope: &str, number: u64) {
        if let Some(link) = self.link.get() {
            link.count(self.channels(scope).requests(scope), number);
        }
    }

    /// Counts the servers of each namespace.
    fn take_census(&self) {
        for (number, namespace) in self.gateway.router.namespaces().enumerate() {
            self.count(namespace, CENSUS + number as u64);
        }
    }

    /// The namespace whose servers were counted under this number.
    pub(super) fn census_of(&self, ticket: u64) -> Option<&str> {
        self.gateway.router.namespaces().nth(usize::try_from(ticket.checked_sub(CENSUS)?).ok()?)
    }

    /// A namespace has so many servers, this one among them.
    pub(super) fn note_servers(&self, namespace: &str, count: Option<u64>) {
        let Some(count) = count else { return };
        let foreign = count.saturating_sub(1 + self.others());
        let mut all = lock(&self.foreign);
        match all.get_mut(namespace) {
            Some(counts) => *counts = [counts[1], foreign],
            None => drop(all.insert(namespace.to_owned(), [0, foreign])),
        }
    }

    /// Whether there are servers of other programs, which say nothing of what becomes of a publish. One that has come may
    /// be counted before it has said that it is one of ours: it takes two counts to be taken for foreign.
    pub(super) fn is_mixed(&self, scope: &str) -> bool {
        lock(&self.foreign).get(scope).is_some_and(|counts| counts.iter().all(|count| *count > 0))
    }

    pub(super) fn message<'m>(&'m self, scope: &'m str, body: Body<'m>) -> Message<'m> {
        Message { scope: scope.into(), from: Some(self.id.as_str().into()), to: None, seq: None, body }
    }

    pub(super) fn questions(&self) -> MutexGuard<'_, Questions> {
        lock(&self.asked.questions)
    }

    /// The id by which answers find a question; no other server has it.
    fn request(&self, number: u64) -> String {
        format!("{}.{number:x}", self.id)
    }

    /// The question that an answer is for.
    pub(super) fn number(&self, request: &str) -> Option<u64> {
        let number = request.strip_prefix(self.id.as_str())?.strip_prefix('.')?;
        u64::from_str_radix(number, 16).ok()
    }

    /// How many other nodes of this program hear what was said in a scope, if so many subscriptions got it. Of those that
    /// are this node's own, the link has told (`own`) whether there is one to the channel.
    pub(super) fn hearers(&self, receivers: u64, own: bool, scope: &str) -> u64 {
        let by_pattern = self.is_heard_anyway(scope) && self.listens(scope);
        let all = receivers.saturating_sub(u64::from(own) + u64::from(by_pattern));
        if self.is_mixed(scope) { all.min(self.others()) } else { all }
    }

    /// Whether this node is subscribed to what is said in a scope.
    fn listens(&self, scope: &str) -> bool {
        self.gateway.router.namespaces().any(|name| name == scope)
            || !self.gateway.interest.reactors_of(scope, "").is_empty()
    }

    pub(super) fn note_others(&self) {
        let others = lock(&self.presence).len();
        self.others.store(others, Ordering::Relaxed);
        self.stats.nodes.set(others);
    }

    fn note_link(&self) {
        let Some(counters) = self.link.get().map(|link| link.counters()) else { return };
        self.stats.published.set(counters.published);
        self.stats.received.set(counters.received);
        self.stats.dropped.set(counters.dropped.iter().sum());
        self.stats.subscriptions.set(counters.subscriptions);
        self.stats.waiting_bytes.set(counters.waiting_bytes);
    }

    /// Sockets of this node leave a room that another node's claimed later.
    pub(super) fn replace(&self, scope: &str, room: &str, claim: &Claim<'_>) {
        let interest = &self.gateway.interest;
        let mut claims = lock(&self.claims);
        // Whoever claims here has been noted in the room before it tells of it.
        let is_there = !interest.reactors_of(scope, room).is_empty();
        let (theirs, own) = ((claim.at_us, &*claim.node), (self.id.as_str(), self.clock.unix_us()));
        let heard = claims.heard((scope, room), theirs, own, is_there, || interest.next_claim());
        drop(claims);
        match heard {
            Standing::Newer(sequence) => self.gateway.replace(scope, room, sequence),
            Standing::Older(at_us) => self.say_claim(scope, room, at_us),
            Standing::Nothing => {}
        }
    }

    fn say_claim(&self, scope: &str, room: &str, at_us: u64) {
        let claim = Some(Claim { at_us, node: self.id.as_str().into() });
        let rooms: Names<'_> = vec![room.into()];
        let opts = Opts { rooms: rooms.clone(), ..Opts::default() };
        self.say(&self.message(scope, Body::SocketsLeave { opts, rooms, claim, report: None }), None);
    }

    /// Whether a publish whose report is wanted goes to everybody: among the subscribers of a room's own channel,
    /// servers that will not report could not be told from those that will.
    fn is_for_all(&self, to: &To) -> bool {
        !self.is_heard_anyway(&to.scope) && self.is_mixed(&to.scope)
    }

    /// Whether this node wants what comes on a channel of a scope. Something may come after the last member of a room has
    /// left.
    pub(super) fn is_wanted(&self, scope: &str, channel: &str) -> bool {
        match self.channels(scope).room_of(scope, channel) {
            Some(room) if !self.is_heard_anyway(scope) => {
                !self.gateway.interest.reactors_of(scope, room).is_empty()
            }
            _ => true,
        }
    }

    /// How many others are not told what cannot be said. While Redis is away there may be some that are not known.
    pub(super) fn out_of_reach(&self) -> u64 {
        let others = self.others();
        if self.stats.is_up() { others } else { others.max(1) }
    }

    fn ask(&self, wanted: Wanted, time: Duration) -> u64 {
        let known = self.out_of_reach();
        let (number, is_first) = self.questions().ask(wanted, known, time, self.clock.now());
        if is_first {
            self.asked.sooner.notify_one();
        }
        number
    }

    /// A question that was not said.
    pub(super) fn give_up(&self, number: u64) {
        let others = self.out_of_reach();
        self.questions().give_up(number, others);
    }

    /// The number under which other nodes tell what became of something.
    fn ask_report(&self, back: Back<DeliveryReport>, scope: &CompactString) -> u64 {
        let scope = scope.clone();
        self.ask(Wanted::Report { back, sum: DeliveryReport::default(), scope }, REPORT_TIME)
    }

    /// Says what somebody waits for an answer to.
    fn say_asking(&self, message: &Message<'_>, number: Option<u64>) {
        if !self.say(message, number)
            && let Some(number) = number
        {
            self.give_up(number);
        }
    }

    fn publish(
        &self,
        to: &To,
        parcel: &Parcel,
        number: Option<u64>,
        is_question: bool,
        (for_all, timeout): (bool, Option<Duration>),
    ) -> bool {
        let Some(data) = payload(&to.scope, parcel) else { return false };
        let flags = Flags {
            volatile: parcel.is_volatile(),
            timeout_ms: timeout.map(|timeout| timeout.as_millis() as u64),
            ..Flags::default()
        };
        let id = number.map(|number| Cow::Owned(self.request(number)));
        let (request, report) = if is_question { (id, None) } else { (None, id) };
        let body = Body::Broadcast(Broadcast { data, opts: opts(to, flags), request, report });
        let mut message = self.message(&to.scope, body);
        let channels = self.channels(&to.scope);
        let channel = if for_all { Some(channels.main(&to.scope)) } else { channels.target(&message) };
        let Some(channel) = channel else { return false };
        // Held until it stands in the queue, so that numbers leave in their order.
        let mut said = lock(&self.said);
        message.seq = Some(said.next(&channel));
        let Some((_, bytes)) = encode(channels, &message) else { return false };
        self.link.get().is_some_and(|link| link.publish(channel, bytes, number))
    }
}

impl Cluster for Peers {
    fn tell(&self, order: Order) {
        match order {
            Order::Publish { to, parcel, back } => {
                let for_all = back.is_some() && self.is_for_all(&to);
                let number = back.map(|back| self.ask_report(back, &to.scope));
                let is_said = self.publish(&to, &parcel, number, false, (for_all, None));
                // What waits for Redis may be delivered yet, and nobody waits for that.
                if let Some(number) = number
                    && !(is_said && self.stats.is_up())
                {
                    self.give_up(number);
                }
            }
            Order::Ask { to, parcel, timeout, back } => {
                let number = self.ask(Wanted::Acks { back, asked: 0, answers: Vec::new() }, timeout);
                self.count(&to.scope, number);
                if !self.publish(&to, &parcel, Some(number), true, (false, Some(timeout))) {
                    self.give_up(number);
                }
            }
            Order::Move { to, moves, back } => {
                let number = back.map(|back| self.ask_report(back, &to.scope));
                let report = number.map(|number| self.request(number).into());
                let opts = opts(&to, Flags::default());
                let names =
                    |rooms: &[CompactString]| rooms.iter().map(|room| room.to_string().into()).collect();
                let body = match &moves {
                    Moves::Join(rooms) => Body::SocketsJoin { opts, rooms: names(rooms), report },
                    Moves::Leave(rooms) => {
                        Body::SocketsLeave { opts, rooms: names(rooms), claim: None, report }
                    }
                    Moves::Disconnect { close } => Body::DisconnectSockets { opts, close: *close, report },
                };
                if let Some(number) = number {
                    self.count(&to.scope, number);
                }
                let message = self.message(&to.scope, body);
                if !self.say(&message, None)
                    && let Some(number) = number
                {
                    self.give_up(number);
                }
            }
            Order::Claim { scope, room, sequence } => {
                let wall_us = self.clock.unix_us();
                let at_us = lock(&self.claims).own(&scope, &room, sequence, wall_us);
                if let Some(at_us) = at_us {
                    self.say_claim(&scope, &room, at_us);
                }
            }
            Order::Fetch { to, back } => {
                let number = self.ask(Wanted::Sockets { back, all: Vec::new() }, REQUEST_TIME);
                self.count(&to.scope, number);
                let request = self.request(number).into();
                let body = Body::FetchSockets { opts: opts(&to, Flags::default()), request };
                self.say_asking(&self.message(&to.scope, body), Some(number));
            }
            Order::ServerSide { scope, event, args, back } => {
                let number =
                    back.map(|back| self.ask(Wanted::Values { back, all: Vec::new() }, REQUEST_TIME));
                if let Some(number) = number {
                    self.count(&scope, number);
                }
                let data = event_payload(&event, &args);
                let request = number.map(|number| self.request(number).into());
                self.say_asking(&self.message(&scope, Body::ServerSideEmit { data, request }), number);
            }
        }
    }

    fn others(&self) -> u64 {
        self.others.load(Ordering::Relaxed)
    }

    fn switch(&self, id: TransferId, from: ReactorId, to: ReactorId) {
        self.gateway.switch(id, from, to);
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        self.stop();
        self.asked.sooner.notify_one();
    }
}

/// Where questions of a scope are answered. A node may ask in a scope of plain WebSockets that it has nobody of, and hears
/// nothing there: the answers to all of those come in one.
pub(super) fn answer_scope(scope: &str) -> &str {
    if scope.starts_with('/') { scope } else { NODES }
}

fn opts(to: &To, flags: Flags) -> Opts<'_> {
    let names = |rooms: &[CompactString]| rooms.iter().map(|room| Cow::Owned(room.to_string())).collect();
    Opts { rooms: names(&to.rooms), except: names(&to.except), flags }
}

/// What a parcel says to a scope: an event of a namespace, or the one message of a frame.
fn payload<'p>(scope: &str, parcel: &'p Parcel) -> Option<Payload<'p>> {
    if scope.starts_with('/') {
        let (data, attachments) = event_of(scope, parcel.pieces())?;
        return Some(Payload::new(data, attachments));
    }
    let mut args = Args::new();
    match parcel.frame()?.message()? {
        (Opcode::Text, text) => args.push(std::str::from_utf8(text).ok()?).ok()?,
        (_, bytes) => args.push_binary(bytes).ok()?,
    }
    let args = args.as_ref();
    Some(Payload::new(format!("[{}]", args.json()), args.attachments().to_vec()))
}

fn event_payload(event: &str, args: &Args) -> Payload<'static> {
    let args = args.as_ref();
    Payload::new(crate::wire::socketio::event_data(event, args.json()), args.attachments().to_vec())
}

/// Lets it do what is due, as long as it is there.
fn keep_time(peers: &Weak<Peers>, asked: &Asked) {
    loop {
        // Not while this waits: whoever else lets go of it last ends it.
        let Some(due) = peers.upgrade().map(|peers| peers.tick()) else { return };
        let questions = lock(&asked.questions);
        let due = questions.first_late().map_or(due, |late| late.min(due));
        // Answers that come in the nick of time are waited for together.
        let wait = due.saturating_duration_since(Instant::now()).max(Duration::from_millis(5));
        drop(asked.sooner.wait_timeout(questions, wait));
    }
}

fn rand_id() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}
