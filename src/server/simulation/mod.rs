//! Two or three reactors, their clients of every protocol, mail and clock in one thread, all from one seed.
//!
//! Everything between the application's interface and the bytes is the server's own code; what is made up is the
//! kernel ([`wires`]), the order of turns and mails, and the clients. A seed that fails is printed;
//! `FANFARE_SEED` runs one alone.

mod carrier;
mod client;
mod guest;
mod machine;
mod namespace;
mod play;
mod talk;
mod verdict;
mod wires;

use super::worker::{Shared, Worker};
use crate::app::{
    CloseCause, Core, EngineOptions, Mail, Mount, ReactorStats, RouteFn, Router, Served, Stats,
};
use crate::base::ids::ReactorId;
use crate::base::limits::Limits;
use crate::base::sid::SidKey;
use crate::hub::{Hub, Interest};
use crate::reactor::Handler;
use crate::reactor::mail::{MAILBOX_BYTES, Mailbox};
use crate::reactor::outlet::Outlet;
use crate::sys::Wakeup;
use carrier::Net;
use client::Client;
use guest::Guest;
use machine::{Around, Machine};
use play::Play;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use verdict::TALLIED;
use wires::{Dice, Pipe};

const IDLE_S: u32 = 30;
const HANDSHAKE_S: u32 = 5;
/// What a stop may take, in milliseconds: more than the deadlines of closing and of the last bytes together.
const STOP_MS: u64 = 15_000;
const ROOMS_PER_SOCKET: usize = 5;

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    ClientsLeave,
    ServerStops,
    EverybodySleeps,
}

struct World {
    dice: Dice,
    now_ms: u64,
    play: Play,
    machines: Vec<Machine>,
    /// By receiver, then by sender; the sender behind the last machine is whoever stops the server.
    mailboxes: Vec<Vec<Arc<Mailbox<Mail>>>>,
    shared: Arc<Shared>,
    interest: Arc<Interest>,
    stats: Stats,
    clients: Vec<Client>,
    /// Those that come by Engine.IO.
    guests: Vec<Guest>,
    pipes: Vec<Pipe>,
    /// By connection.
    heard_ms: Vec<u64>,
    transit: HashMap<u64, usize>,
    /// How long a session may be silent, in milliseconds.
    patience_ms: u64,
    /// Nobody goes, breaks or lags until the ending.
    gentle: bool,
    /// Connections may be lost between reactors.
    lossy: bool,
    /// Mailboxes were full at times.
    jammed: bool,
    trace: DefaultHasher,
}

impl World {
    fn new(seed: u64) -> World {
        let mut dice = Dice::new(seed);
        let gentle = dice.chance(25);
        let count = dice.between(2, 3);
        let limits = Arc::new(Limits {
            message_bytes: 4_000,
            outbox_bytes: if gentle { 1 << 20 } else { dice.between(400, 5_000) },
            handshake_s: HANDSHAKE_S,
            idle_s: IDLE_S,
            rooms_per_socket: ROOMS_PER_SOCKET,
            ..Limits::default()
        });
        let play = Play { farewells: dice.chance(60), ..Play::default() };
        let mut router = Router::default();
        router.endpoint("/play", Box::new(play.clone()));
        let (interval_ms, timeout_ms) = if gentle {
            (25_000, 20_000)
        } else {
            (dice.between(400, 3_000) as u32, dice.between(400, 3_000) as u32)
        };
        let engine = |path: &str| {
            EngineOptions::at(path)
                .ping_interval_ms(interval_ms)
                .ping_timeout_ms(timeout_ms)
                .upgrade_timeout_ms(1_000)
                .max_payload_bytes(8_000)
        };
        let bare = Served::Endpoint(Box::new(play.clone()));
        router.add_mount(Mount { options: engine("/engine/"), served: bare });
        let connect_ms = if gentle { 45_000 } else { 2_000 };
        let mut socketio = namespace::socketio(engine("/socket.io/"), connect_ms, &play);
        let options = socketio.take_engine();
        router.add_mount(Mount { options, served: Served::SocketIo(Box::new(socketio)) });
        router.limit_payloads(limits.message_bytes);
        let routes = play.clone();
        let path = "/q/{what}/{n}/{number}";
        let route: RouteFn = Box::new(move |cx, request, params, responder| {
            routes.route(cx, request, params, responder);
        });
        router.route("POST", path, false, route);
        let shared = Arc::new(Shared {
            router: Arc::new(router),
            sockets: AtomicUsize::new(0),
            max_sockets: if dice.chance(15) { dice.between(2, 8) } else { usize::MAX },
            max_links_per_reactor: usize::MAX,
        });
        // Nobody waits for it: turns come when the dice say so.
        let wakeup = Arc::new(Wakeup::new().unwrap());
        let mailboxes: Vec<Vec<_>> = (0..count)
            .map(|_| (0..=count).map(|_| Arc::new(Mailbox::new(wakeup.clone()))).collect())
            .collect();
        let stats = Stats { reactors: (0..count).map(|_| ReactorStats::default()).collect(), cluster: None };
        let interest = Arc::new(Interest::new());
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
        World {
            dice,
            now_ms: 0,
            play,
            machines,
            mailboxes,
            shared,
            interest,
            stats,
            clients: Vec::new(),
            guests: Vec::new(),
            pipes: Vec::new(),
            heard_ms: Vec::new(),
            transit: HashMap::new(),
            patience_ms: u64::from(interval_ms + timeout_ms),
            gentle,
            lossy: false,
            jammed: false,
            trace: DefaultHasher::new(),
        }
    }

    fn connect(&mut self) {
        let n = self.clients.len() + self.guests.len();
        if self.dice.chance(45) {
            self.guests.push(Guest::new(n, self.gentle, &mut self.dice));
            return;
        }
        let pipe = self.pipes.len();
        self.clients.push(Client::new(n, pipe, &mut self.dice));
        let capacity = if self.dice.chance(30) { 150 } else { 20_000 };
        self.pipes.push(Pipe::new(self.dice.between(50, capacity)));
        self.arrive(pipe);
    }

    /// A connection comes out somewhere.
    fn arrive(&mut self, pipe: usize) {
        let machine = self.dice.below(self.machines.len());
        assert_eq!(self.heard_ms.len(), pipe);
        self.heard_ms.push(self.now_ms);
        self.machines[machine].backlog.push_back(pipe);
    }

    fn turn(&mut self, number: usize, thorough: bool) {
        self.play.now_ms.store(self.now_ms, Ordering::Relaxed);
        let machine = &mut self.machines[number];
        machine.turn(&mut Around {
            now_ms: self.now_ms,
            pipes: &mut self.pipes,
            dice: &mut self.dice,
            mailboxes: &self.mailboxes[number],
            transit: &mut self.transit,
            thorough,
            lossy: self.lossy,
        });
        machine.check();
        for (connection, at_ms) in machine.heard.drain(..) {
            self.heard_ms[connection] = at_ms;
        }
        self.check_idle();
    }

    fn transfer(&mut self, at: usize, thorough: bool) {
        let client = &mut self.clients[at];
        let bytes = client.transfer(&mut self.pipes[client.pipe], &mut self.dice, thorough);
        if !bytes.is_empty() {
            (client.n, bytes).hash(&mut self.trace);
        }
    }

    /// Lets a guest do something with the network.
    fn visit(&mut self, at: usize, thorough: bool, act: impl FnOnce(&mut Guest, &mut Net<'_>)) {
        let mut net = Net {
            pipes: &mut self.pipes,
            dice: &mut self.dice,
            now_ms: self.now_ms,
            thorough,
            received: 0,
            begun: Vec::new(),
        };
        act(&mut self.guests[at], &mut net);
        let Net { received, begun, .. } = net;
        // Not the bytes: ids of sessions are never the same.
        (at, received).hash(&mut self.trace);
        begun.into_iter().for_each(|pipe| self.arrive(pipe));
    }

    fn everybody_transfers(&mut self) {
        (0..self.clients.len()).for_each(|at| self.transfer(at, true));
        (0..self.guests.len()).for_each(|at| self.visit(at, true, Guest::step));
    }

    /// Another reactor is so far behind that its mailbox is full until it takes this one.
    fn jam(&mut self) {
        self.jammed = true;
        let (to, from) = (self.dice.below(self.machines.len()), self.dice.below(self.machines.len()));
        let nobody = Mail::Replace { scope: "nowhere".into(), room: "nobody".into(), sequence: 0 };
        self.mailboxes[to][from].post_anyway(nobody, MAILBOX_BYTES + 1);
    }

    fn step(&mut self, jams: bool) {
        match self.dice.below(100) {
            0..30 if !self.guests.is_empty() => {
                let at = self.dice.below(self.guests.len());
                let (gentle, speaks) = (self.gentle, self.dice.chance(50));
                self.visit(at, false, |guest, net| {
                    if speaks {
                        guest.speak(net, gentle);
                    }
                    guest.step(net);
                });
            }
            30..55 if !self.clients.is_empty() => {
                let n = self.dice.below(self.clients.len());
                if self.dice.chance(60) {
                    self.clients[n].speak(&mut self.dice, self.gentle);
                }
                if !self.gentle && self.dice.chance(1) && self.dice.chance(50) {
                    self.clients[n].lost = true;
                }
                self.transfer(n, false);
            }
            55..60 if self.clients.len() + self.guests.len() < 18 => self.connect(),
            60..63 if jams => self.jam(),
            _ => {
                let number = self.dice.below(self.machines.len());
                self.turn(number, false);
                self.now_ms += self.dice.below(20) as u64;
            }
        }
    }

    /// Everybody does what there is to do.
    fn round(&mut self) {
        self.everybody_transfers();
        for number in 0..self.machines.len() {
            self.turn(number, true);
        }
    }

    /// Time passes, and nobody says anything that the protocols do not ask for.
    fn pass(&mut self, ms: u64) {
        let until = self.now_ms + ms;
        while self.now_ms < until {
            self.round();
            self.now_ms += 10;
        }
    }

    /// Lets everything that is under way arrive.
    fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 2_000, "it does not come to rest");
            self.round();
            self.now_ms += 1;
            if round > 3 && self.is_at_rest() {
                return;
            }
        }
    }

    fn is_at_rest(&self) -> bool {
        // Connections on which somebody listens.
        let clients = self.clients.iter().filter(|client| !client.stalled && !client.lost);
        let guests = self.guests.iter().filter(|guest| !guest.stalled);
        let listened: HashSet<usize> =
            clients.map(|client| client.pipe).chain(guests.flat_map(|guest| guest.carrier.pipes())).collect();
        let delivered = self.mailboxes.iter().flatten().all(|mailbox| mailbox.is_empty());
        let served = self.machines.iter().all(|machine| {
            let sent = machine.links().into_iter().all(|(link, connection)| {
                machine.outlet.waiting(link) == 0 || !listened.contains(&connection)
            });
            let moved = !machine.outlet.has_moves() && machine.worker.is_behind().is_none();
            sent && moved && machine.backlog.is_empty()
        });
        let heard =
            self.pipes.iter().all(|pipe| pipe.server_done || pipe.broken || pipe.to_server.is_empty());
        let listened = listened.into_iter().all(|pipe| self.pipes[pipe].to_client.is_empty());
        // Guests have seen every end.
        let mut lines =
            self.guests.iter().filter(|guest| !guest.stalled).flat_map(|guest| guest.carrier.pipes());
        let noticed = lines.all(|pipe| !self.pipes[pipe].server_done);
        let said = self.clients.iter().all(|client| !client.has_to_send());
        delivered
            && served
            && heard
            && listened
            && noticed
            && said
            && self.guests.iter().all(Guest::is_at_rest)
    }

    fn end(&mut self, ending: Ending) {
        match ending {
            Ending::ClientsLeave => {
                for client in &mut self.clients {
                    // Those who read nothing may read again, and be told why it ended.
                    client.stalled &= self.dice.chance(30);
                    client.leave(&mut self.dice);
                }
                for at in 0..self.guests.len() {
                    let again = self.dice.chance(70);
                    self.visit(at, true, |guest, net| {
                        guest.stalled &= !again;
                        guest.leave(net);
                    });
                }
            }
            Ending::ServerStops => {
                for incoming in &self.mailboxes {
                    incoming.last().unwrap().post_anyway(Mail::Stop, 0);
                }
            }
            Ending::EverybodySleeps => {
                for client in &mut self.clients {
                    client.stalled &= self.dice.chance(30);
                }
                for guest in &mut self.guests {
                    guest.stalled &= self.dice.chance(30);
                    guest.carrier.asleep = true;
                }
            }
        }
        let begun_ms = self.now_ms;
        // Longer than every deadline; it runs out for those only who do nothing.
        for _ in 0..4_000 {
            self.round();
            let empty = self.machines.iter().all(|machine| machine.outlet.is_empty());
            if empty && self.mailboxes.iter().flatten().all(|mailbox| mailbox.is_empty()) {
                break;
            }
            self.now_ms += if self.is_at_rest() { 100 } else { 1 };
        }
        // A stop waits for those who are to be told, and not for who may ask some day.
        let took_ms = self.now_ms - begun_ms;
        assert!(ending != Ending::ServerStops || took_ms < STOP_MS, "stopping took {took_ms} ms");
        self.everybody_transfers();
    }
}

/// How often what a simulation is for happened.
type Tally = BTreeMap<&'static str, u64>;

/// Runs one seed; the trace is the same whenever and wherever it runs.
fn run(seed: u64) -> (u64, Tally) {
    let mut world = World::new(seed);
    let jams = !world.gentle && world.dice.chance(35);
    world.lossy = !world.gentle && world.dice.chance(20);
    for _ in 0..world.dice.between(200, 900) {
        world.step(jams);
    }
    world.settle();
    world.check_rest();
    // Whoever answers heartbeats stays.
    world.check_patience();
    let endings = [Ending::ClientsLeave, Ending::ServerStops, Ending::EverybodySleeps];
    let ending = *world.dice.pick(&endings);
    world.end(ending);
    world.check_end(ending);
    world.play.events.lock().unwrap().hash(&mut world.trace);
    (world.trace.finish(), world.tally())
}

fn run_and_tell(seed: u64) -> (u64, Tally) {
    match std::panic::catch_unwind(|| run(seed)) {
        Ok(outcome) => outcome,
        Err(panic) => {
            eprintln!("FANFARE_SEED={seed} failed");
            std::panic::resume_unwind(panic);
        }
    }
}

/// A number from the environment.
fn given(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn a_cluster_keeps_its_promises() {
    if let Some(seed) = given("FANFARE_SEED") {
        run_and_tell(seed);
        return;
    }
    let mut sum = Tally::new();
    for seed in 0..given("FANFARE_SEEDS").unwrap_or(300) {
        for (what, count) in run_and_tell(seed).1 {
            *sum.entry(what).or_default() += count;
        }
    }
    // A simulation in which nothing happens proves nothing.
    for what in CloseCause::NAMES.iter().chain(&TALLIED) {
        assert!(sum.get(what).is_some_and(|count| *count >= 10), "{what} is too rare: {sum:?}");
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 1_000..1_040 {
        assert_eq!(run_and_tell(seed), run_and_tell(seed), "seed {seed}");
    }
    assert_ne!(run(1), run(2));
}
