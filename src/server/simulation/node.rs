//! One server: its reactors with their mailboxes, and the tie to other nodes, if it has any.

use super::machine::Machine;
use super::play::Play;
use super::redis::{Redis, Told};
use super::wires::Dice;
use super::{HANDSHAKE_S, IDLE_S, ROOMS_PER_SOCKET, namespace};
use crate::app::{
    Cluster, Core, Drain, EngineOptions, Gateway, Mail, Mount, ReactorStats, RouteFn, Router, Served, Stats,
};
use crate::base::ids::ReactorId;
use crate::base::limits::Limits;
use crate::base::sid::SidKey;
use crate::cluster::{Clock, ClusterOptions, Peers};
use crate::hub::{Hub, Interest};
use crate::reactor::gate::Gate;
use crate::reactor::mail::{MAILBOX_BYTES, Mailbox};
use crate::reactor::outlet::Outlet;
use crate::reactor::pressure::Pressure;
use crate::server::addresses::Addresses;
use crate::server::balance::Coming;
use crate::server::worker::{Shared, Worker};
use crate::sys::Wakeup;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

/// How the servers of a run are set up.
pub(super) struct Setup {
    pub(super) play: Play,
    pub(super) outbox_bytes: usize,
    pub(super) interval_ms: u32,
    pub(super) timeout_ms: u32,
    pub(super) connect_ms: u32,
    /// Of a cluster: whether its wire is the sharded one.
    pub(super) cluster: Option<ClusterOptions>,
}

pub(super) struct Node {
    pub(super) machines: Vec<Machine>,
    /// By receiver, then by sender; behind the machines are whoever stops the server, and the link to other nodes.
    pub(super) mailboxes: Vec<Vec<Arc<Mailbox<Mail>>>>,
    pub(super) shared: Arc<Shared>,
    pub(super) interest: Arc<Interest>,
    pub(super) stats: Stats,
    /// Connections on their way from one machine to another, by their numbers.
    pub(super) transit: HashMap<u64, usize>,
    pub(super) peers: Option<Arc<Peers>>,
}

impl Node {
    /// The node with this number.
    pub(super) fn new(number: usize, count: usize, max_sockets: usize, ahead_us: u64, setup: &Setup) -> Node {
        let limits = Limits {
            message_bytes: 4_000,
            outbox_bytes: setup.outbox_bytes,
            handshake_s: HANDSHAKE_S,
            idle_s: IDLE_S,
            rooms_per_socket: ROOMS_PER_SOCKET,
            connections: Some(max_sockets),
            ..Limits::default()
        };
        let limits = Arc::new(limits);
        let memory = Arc::new(Pressure::new(count));
        let shared = Arc::new(Shared {
            proxies: Arc::default(),
            router: Arc::new(router(setup)),
            sockets: AtomicUsize::new(0),
            max_sockets: AtomicUsize::new(max_sockets),
            undrained: AtomicUsize::new(count),
            max_links_per_reactor: usize::MAX,
            // The dice decide who moves.
            coming: Coming::new(count, false),
            addresses: Addresses::new(),
            pressure: memory.clone(),
            gate: Arc::new(Gate::new()),
        });
        // Nobody waits for it: turns come when the dice say so.
        let wakeup = Arc::new(Wakeup::new().unwrap());
        let mailboxes: Vec<Vec<_>> = (0..count)
            .map(|_| (0..count + 2).map(|_| Arc::new(Mailbox::new(wakeup.clone()))).collect())
            .collect();
        let cluster = setup.cluster.as_ref().map(|_| Arc::default());
        let stats =
            Stats { reactors: (0..count).map(|_| ReactorStats::default()).collect(), cluster, memory };
        let ears: Arc<OnceLock<Weak<Peers>>> = Arc::default();
        let mut interest = Interest::new();
        if setup.cluster.is_some() {
            let ears = ears.clone();
            interest.observe(move |scope, room, is_there| {
                ears.get().and_then(Weak::upgrade).expect("it is set").interest(scope, room, is_there);
            });
        }
        let interest = Arc::new(interest);
        let sids = Arc::new(SidKey::random());
        let machine = |number: usize| {
            let router = shared.router.clone();
            let reactor = ReactorId(number as u8);
            let hub = Hub::new(reactor, interest.clone());
            let outgoing: Arc<[_]> = mailboxes.iter().map(|incoming| incoming[number].clone()).collect();
            let core = Core::new(reactor, hub, limits.clone(), sids.clone(), router, outgoing, stats.clone());
            Machine::new(Worker::new(core, shared.clone()), Outlet::new(limits.outbox_bytes))
        };
        let machines = (0..count).map(machine).collect();
        let mut node = Node {
            machines,
            mailboxes,
            shared: shared.clone(),
            interest: interest.clone(),
            stats: stats.clone(),
            transit: HashMap::new(),
            peers: None,
        };
        if let Some(options) = &setup.cluster {
            let mailboxes = node.mailboxes.iter().map(|incoming| incoming[count + 1].clone()).collect();
            let counts = stats.cluster.clone().expect("there is a cluster");
            let (router, stats, order) = (shared.router.clone(), stats.clone(), Arc::default());
            let gateway = Gateway { mailboxes, interest, router, sids, stats, order };
            let clock = PlayClock { play: setup.play.clone(), ahead_us };
            let id = format!("{number:016x}");
            let peers = Peers::new(id, options, gateway, counts, Box::new(clock));
            ears.set(Arc::downgrade(&peers)).expect("nobody else sets it");
            for machine in &mut node.machines {
                machine.worker.core.cluster = Some(peers.clone() as Arc<dyn Cluster>);
            }
            node.peers = Some(peers);
        }
        node
    }

    /// What the threads do that tie it to other nodes.
    pub(super) fn tie(&self, number: usize, redis: &mut Redis, now_ms: u64, dice: &mut Dice, thorough: bool) {
        self.hear(&redis.step(number, now_ms, dice, thorough));
        if let Some(peers) = &self.peers {
            peers.tick();
        }
    }

    /// Its link tells this.
    pub(super) fn hear(&self, told: &[Told]) {
        if let Some(peers) = &self.peers {
            told.iter().for_each(|told| peers.hear(&told.as_event()));
        }
    }

    /// Another reactor is so far behind that its mailbox is full until it takes this one.
    pub(super) fn jam(&mut self, dice: &mut Dice) {
        let (to, from) = (dice.below(self.machines.len()), dice.below(self.machines.len()));
        let nobody = Mail::Replace { scope: "nowhere".into(), room: "nobody".into(), sequence: 0 };
        self.mailboxes[to][from].post_anyway(nobody, MAILBOX_BYTES + 1);
    }

    /// Others count from now on, or nobody does; so many are never there.
    pub(super) fn count(&self, counts: bool) {
        let mut limits = Limits::clone(&self.machines[0].worker.core.limits);
        limits.connections_per_ip = counts.then_some(1_000_000);
        limits.messages_per_s = counts.then_some(Limits::MOST_MESSAGES_PER_S);
        let limits = Arc::new(limits);
        for incoming in &self.mailboxes {
            incoming[self.machines.len()].post_anyway(Mail::Limits(limits.clone()), 0);
        }
    }

    pub(super) fn stop(&self) {
        for incoming in &self.mailboxes {
            incoming[self.machines.len()].post_anyway(Mail::Stop, 0);
        }
    }

    pub(super) fn drain(&self, plan: Drain, chance: u64) {
        for incoming in &self.mailboxes {
            incoming[self.machines.len()].post_anyway(Mail::Drain { plan, chance }, 0);
        }
    }

    /// Whether nothing is under way between its reactors, nor awaited from other nodes.
    pub(super) fn has_delivered(&self) -> bool {
        self.mailboxes.iter().flatten().all(|mailbox| mailbox.is_empty())
            && self.peers.as_ref().is_none_or(|peers| peers.waiting_count() == 0)
    }
}

fn router(setup: &Setup) -> Router {
    let play = &setup.play;
    let mut router = Router::default();
    router.endpoint("/play", Box::new(play.clone()));
    let engine = |path: &str| {
        EngineOptions::at(path)
            .ping_interval_ms(setup.interval_ms)
            .ping_timeout_ms(setup.timeout_ms)
            .upgrade_timeout_ms(1_000)
            .max_payload_bytes(8_000)
    };
    let bare = Served::Endpoint(Box::new(play.clone()));
    router.add_mount(Mount { options: engine("/engine/"), served: bare });
    let mut socketio = namespace::socketio(engine("/socket.io/"), setup.connect_ms, play);
    let options = socketio.take_engine();
    router.add_mount(Mount { options, served: Served::SocketIo(Box::new(socketio)) });
    let routes = play.clone();
    let route: RouteFn = Box::new(move |cx, request, params, responder| {
        routes.route(cx, request, params, responder);
    });
    router.route("POST", "/q/{what}/{n}/{number}", false, route);
    router
}

/// The time of the run, which is the same for all nodes, and the clock of one machine.
struct PlayClock {
    play: Play,
    /// The machine's clock is set wrong by so much.
    ahead_us: u64,
}

impl Clock for PlayClock {
    fn now(&self) -> Instant {
        self.play.start + Duration::from_millis(self.play.now_ms())
    }

    fn unix_us(&self) -> u64 {
        // No two looks at it are at the same time.
        self.ahead_us + self.play.now_ms() * 1_000 + self.play.looks.fetch_add(1, Ordering::Relaxed)
    }
}
