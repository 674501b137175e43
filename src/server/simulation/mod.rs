//! Servers of a few reactors, their clients of every protocol, mail and clock in one thread, all from one seed: one server
//! alone, or several nodes of a cluster with a Redis between them.
//!
//! Everything between the application's interface and the bytes is the server's own code; what is made up is the
//! kernel ([`wires`]), Redis and the links to it ([`redis`], [`line`]), the order of turns and mails, and the clients. A seed
//! that fails is printed; `FANFARE_SEED` runs one alone, of a cluster `FANFARE_CLUSTER_SEED`. `FANFARE_SEEDS` and
//! `FANFARE_CLUSTER_SEEDS` say how many there are.

mod carrier;
mod client;
mod guest;
mod line;
mod machine;
mod namespace;
mod node;
mod play;
mod redis;
mod talk;
mod tally;
mod verdict;
mod wires;

use crate::app::{CloseCause, Drain, mark_reactor_thread};
use crate::cluster::ClusterOptions;
use crate::reactor::Handler;
use carrier::Net;
use client::Client;
use guest::Guest;
use machine::Around;
use node::{Node, Setup};
use play::{Event, Play};
use redis::Redis;
use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tally::{CLUSTER_TALLIED, TALLIED, Tally};
use wires::{Dice, Pipe};

const IDLE_S: u32 = 30;
const HANDSHAKE_S: u32 = 5;
/// What a stop may take, in milliseconds: more than the deadlines of closing and of the last bytes together.
const STOP_MS: u64 = 15_000;
/// The longest drain, in milliseconds.
const DRAIN_MS: usize = 4_000;
const ROOMS_PER_SOCKET: usize = 5;

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    ClientsLeave,
    ServerStops,
    ServerDrains,
    EverybodySleeps,
}

struct World {
    dice: Dice,
    now_ms: u64,
    play: Play,
    nodes: Vec<Node>,
    /// What is between them, if this is a cluster.
    redis: Option<Redis>,
    clients: Vec<Client>,
    /// Those that come by Engine.IO.
    guests: Vec<Guest>,
    /// The node of each client and guest, by its number: all of its connections come out there.
    homes: Vec<usize>,
    pipes: Vec<Pipe>,
    /// By connection.
    heard_ms: Vec<u64>,
    /// How long a session may be silent, in milliseconds.
    patience_ms: u64,
    /// The clocks of the nodes differ.
    is_skewed: bool,
    /// Nobody goes, breaks or lags until the ending.
    gentle: bool,
    /// Connections may be lost between reactors, and reset for their memory.
    lossy: bool,
    /// Mailboxes were full at times.
    jammed: bool,
    trace: DefaultHasher,
}

impl World {
    fn new(seed: u64, is_cluster: bool) -> World {
        let mut dice = Dice::new(seed);
        let gentle = dice.chance(if is_cluster { 50 } else { 25 });
        let (interval_ms, timeout_ms) = if gentle {
            (25_000, 20_000)
        } else {
            (dice.between(400, 3_000) as u32, dice.between(400, 3_000) as u32)
        };
        let cluster = is_cluster.then(|| {
            let url = "redis://127.0.0.1".parse().expect("a URL");
            ClusterOptions::redis(url).sharded(dice.chance(50))
        });
        let setup = Setup {
            play: Play::new(dice.chance(60)),
            outbox_bytes: if gentle { 1 << 20 } else { dice.between(400, 5_000) },
            interval_ms,
            timeout_ms,
            connect_ms: if gentle { 45_000 } else { 2_000 },
            cluster,
        };
        let count = if is_cluster { dice.between(2, 4) } else { 1 };
        let redis = is_cluster.then(|| Redis::new(count, &mut dice));
        let is_skewed = is_cluster && dice.chance(25);
        let node = |number| {
            let reactors = if is_cluster { dice.between(1, 2) } else { dice.between(2, 3) };
            let max_sockets = if dice.chance(15) { dice.between(2, 8) } else { usize::MAX };
            let ahead_us = if is_skewed { dice.below(700_000) as u64 } else { 0 };
            Node::new(number, reactors, max_sockets, ahead_us, &setup)
        };
        let nodes: Vec<Node> = (0..count).map(node).collect();
        if let Some(redis) = &redis {
            for (number, node) in nodes.iter().enumerate() {
                node.peers.as_ref().expect("of a cluster").connect(Box::new(redis.tap(number)));
            }
        }
        World {
            dice,
            now_ms: 0,
            play: setup.play,
            nodes,
            redis,
            clients: Vec::new(),
            guests: Vec::new(),
            homes: Vec::new(),
            pipes: Vec::new(),
            heard_ms: Vec::new(),
            patience_ms: u64::from(interval_ms + timeout_ms),
            is_skewed,
            gentle,
            lossy: false,
            jammed: false,
            trace: DefaultHasher::new(),
        }
    }

    fn connect(&mut self) {
        let n = self.homes.len();
        self.homes.push(self.dice.below(self.nodes.len()));
        if self.dice.chance(45) {
            self.guests.push(Guest::new(n, self.gentle, &mut self.dice));
            return;
        }
        let pipe = self.pipes.len();
        self.clients.push(Client::new(n, pipe, &mut self.dice));
        let capacity = if self.dice.chance(30) { 150 } else { 20_000 };
        self.pipes.push(Pipe::new(self.dice.between(50, capacity)));
        self.arrive(pipe, n);
    }

    /// A connection of somebody comes out on some reactor of his node.
    fn arrive(&mut self, pipe: usize, n: usize) {
        let machines = &mut self.nodes[self.homes[n]].machines;
        let machine = self.dice.below(machines.len());
        assert_eq!(self.heard_ms.len(), pipe);
        self.heard_ms.push(self.now_ms);
        machines[machine].backlog.push_back(pipe);
    }

    /// Any reactor.
    fn some_machine(&mut self) -> (usize, usize) {
        let node = self.dice.below(self.nodes.len());
        (node, self.dice.below(self.nodes[node].machines.len()))
    }

    fn turn(&mut self, node: usize, number: usize, thorough: bool) {
        let Node { machines, mailboxes, transit, .. } = &mut self.nodes[node];
        let machine = &mut machines[number];
        machine.turn(&mut Around {
            now_ms: self.now_ms,
            pipes: &mut self.pipes,
            dice: &mut self.dice,
            mailboxes: &mailboxes[number],
            transit,
            thorough,
            lossy: self.lossy,
        });
        machine.check();
        for (connection, at_ms) in machine.heard.drain(..) {
            self.heard_ms[connection] = at_ms;
        }
        self.check_idle();
    }

    /// Time passes.
    fn wait(&mut self, ms: u64) {
        self.now_ms += ms;
        self.play.now_ms.store(self.now_ms, Ordering::Relaxed);
    }

    /// Lets the link of a node do something.
    fn tie(&mut self, node: usize, thorough: bool) {
        if let Some(redis) = &mut self.redis {
            self.nodes[node].tie(node, redis, self.now_ms, &mut self.dice, thorough);
        }
    }

    /// Everything works again, and comes to rest.
    fn heal(&mut self) {
        if let Some(redis) = &mut self.redis {
            redis.heal();
        }
        self.settle();
    }

    /// Something happens to Redis, or to the way there.
    fn disturb(&mut self) {
        let Some(redis) = &mut self.redis else { return };
        for (node, told) in redis.disturb(self.now_ms, &mut self.dice) {
            self.nodes[node].hear(&told);
        }
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
        let n = self.guests[at].n;
        begun.into_iter().for_each(|pipe| self.arrive(pipe, n));
    }

    fn everybody_transfers(&mut self) {
        (0..self.clients.len()).for_each(|at| self.transfer(at, true));
        (0..self.guests.len()).for_each(|at| self.visit(at, true, Guest::step));
    }

    /// Those who wait to be let in are, or some of them.
    fn decide(&mut self, thorough: bool) {
        let dice = &mut self.dice;
        self.play.decide(|| thorough || dice.chance(20));
    }

    fn step(&mut self, jams: bool) {
        self.decide(false);
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
            60..63 if jams => {
                self.jammed = true;
                let node = self.dice.below(self.nodes.len());
                self.nodes[node].jam(&mut self.dice);
            }
            63..64 => {
                let node = self.dice.below(self.nodes.len());
                self.nodes[node].count(self.dice.chance(70));
            }
            64..73 if self.redis.is_some() => {
                let node = self.dice.below(self.nodes.len());
                self.tie(node, false);
            }
            _ => {
                let (node, number) = self.some_machine();
                self.turn(node, number, false);
                let ms = self.dice.below(20) as u64;
                self.wait(ms);
            }
        }
    }

    /// Everybody does what there is to do.
    fn round(&mut self) {
        self.everybody_transfers();
        self.decide(true);
        for node in 0..self.nodes.len() {
            for number in 0..self.nodes[node].machines.len() {
                self.turn(node, number, true);
            }
            self.tie(node, true);
        }
    }

    /// Time passes, and nobody says anything that the protocols do not ask for.
    fn pass(&mut self, ms: u64) {
        let until = self.now_ms + ms;
        while self.now_ms < until {
            self.round();
            self.wait(10);
        }
    }

    /// Lets everything that is under way arrive.
    fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 2_000, "it does not come to rest");
            self.round();
            self.wait(if self.redis.is_some() { 10 } else { 1 });
            if round > 3 && self.is_at_rest() {
                self.play.note(Event::Quiet);
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
        let mut machines = self.nodes.iter().flat_map(|node| &node.machines);
        let served = machines.all(|machine| {
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
        self.has_delivered()
            && self.play.has_decided()
            && served
            && heard
            && listened
            && noticed
            && said
            && self.guests.iter().all(Guest::is_at_rest)
    }

    /// Whether nothing is under way between reactors and nodes.
    fn has_delivered(&self) -> bool {
        self.nodes.iter().all(Node::has_delivered) && self.redis.as_ref().is_none_or(Redis::is_at_rest)
    }

    fn end(&mut self, ending: Ending) {
        self.clients.iter_mut().for_each(|client| client.was_away = client.stalled);
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
            Ending::ServerStops => self.nodes.iter().for_each(Node::stop),
            Ending::ServerDrains => {
                let grace = Duration::from_millis(self.dice.below(2) as u64 * 500);
                let over = Duration::from_millis(self.dice.below(DRAIN_MS) as u64);
                for node in &self.nodes {
                    node.drain(Drain::over(over).grace(grace), self.dice.below(usize::MAX) as u64);
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
        if matches!(ending, Ending::ServerStops | Ending::ServerDrains) {
            // Some still come, and some move.
            for _ in 0..self.dice.below(60) {
                let (node, number) = self.some_machine();
                self.turn(node, number, false);
                self.decide(false);
                let ms = self.dice.below(20) as u64;
                self.wait(ms);
            }
        }
        // Longer than every deadline; it runs out for those only who do nothing.
        for _ in 0..4_000 {
            self.round();
            let mut machines = self.nodes.iter().flat_map(|node| &node.machines);
            if machines.all(|machine| machine.outlet.is_empty()) && self.has_delivered() {
                break;
            }
            let slow = self.redis.is_some() || ending == Ending::ServerDrains;
            let pace_ms = if slow { 20 } else { 1 };
            self.wait(if self.is_at_rest() { 100 } else { pace_ms });
        }
        // A stop waits for those who are to be told, and not for who may ask some day.
        let took_ms = self.now_ms - begun_ms;
        let may_take = match ending {
            Ending::ServerStops => STOP_MS,
            Ending::ServerDrains => STOP_MS + 2 * DRAIN_MS as u64,
            Ending::ClientsLeave | Ending::EverybodySleeps => u64::MAX,
        };
        assert!(took_ms < may_take, "{ending:?} took {took_ms} ms");
        self.everybody_transfers();
    }
}

/// Runs one seed; the trace is the same whenever and wherever it runs.
fn run(seed: u64) -> (u64, Tally) {
    mark_reactor_thread();
    let mut world = World::new(seed, false);
    let jams = !world.gentle && world.dice.chance(35);
    world.lossy = !world.gentle && world.dice.chance(20);
    for _ in 0..world.dice.between(200, 900) {
        world.step(jams);
    }
    world.settle();
    world.check_rest();
    // Whoever answers heartbeats stays.
    world.check_patience();
    world.finish()
}

/// The same of several nodes.
fn run_cluster(seed: u64) -> (u64, Tally) {
    mark_reactor_thread();
    let mut world = World::new(seed, true);
    let jams = !world.gentle && world.dice.chance(20);
    world.lossy = !world.gentle && world.dice.chance(20);
    let fails = world.dice.chance(40);
    world.settle();
    for _ in 0..world.dice.between(2, 5) {
        for _ in 0..world.dice.between(60, 250) {
            world.step(jams);
            if fails && world.dice.chance(2) {
                world.disturb();
            }
        }
        world.heal();
        world.check_rest();
    }
    world.finish()
}

impl World {
    fn finish(mut self) -> (u64, Tally) {
        let endings =
            [Ending::ClientsLeave, Ending::ServerStops, Ending::ServerDrains, Ending::EverybodySleeps];
        let ending = *self.dice.pick(&endings);
        self.end(ending);
        self.check_end(ending);
        self.play.events.lock().unwrap().hash(&mut self.trace);
        (self.trace.finish(), self.tally())
    }
}

type Run = fn(u64) -> (u64, Tally);

fn run_and_tell(run: Run, seed: u64) -> (u64, Tally) {
    match std::panic::catch_unwind(|| run(seed)) {
        Ok(outcome) => outcome,
        Err(panic) => {
            let cluster = if std::ptr::fn_addr_eq(run, run_cluster as Run) { "CLUSTER_" } else { "" };
            eprintln!("FANFARE_{cluster}SEED={seed} failed");
            std::panic::resume_unwind(panic);
        }
    }
}

/// A number from the environment.
fn given(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs the seeds that are wanted, and looks whether all happened that it is for.
fn run_all(run: Run, (one, count): (&str, &str), usual: u64, tallied: &[&'static str]) {
    if let Some(seed) = given(one) {
        run_and_tell(run, seed);
        return;
    }
    let mut sum = Tally::new();
    for seed in 0..given(count).unwrap_or(usual) {
        for (what, count) in run_and_tell(run, seed).1 {
            *sum.entry(what).or_default() += count;
        }
    }
    // A simulation in which nothing happens proves nothing.
    for what in tallied {
        assert!(sum.get(what).is_some_and(|count| *count >= 10), "{what} is too rare: {sum:?}");
    }
}

#[test]
fn a_server_keeps_its_promises() {
    // Clients wait for answers to all that they say here: how much they may say has no limit.
    let causes = CloseCause::NAMES.iter().filter(|cause| **cause != CloseCause::Flood.name());
    let tallied: Vec<_> = causes.chain(&TALLIED).copied().collect();
    run_all(run, ("FANFARE_SEED", "FANFARE_SEEDS"), 300, &tallied);
}

#[test]
fn a_cluster_keeps_its_promises() {
    run_all(run_cluster, ("FANFARE_CLUSTER_SEED", "FANFARE_CLUSTER_SEEDS"), 150, &CLUSTER_TALLIED);
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 1_000..1_040 {
        assert_eq!(run_and_tell(run, seed), run_and_tell(run, seed), "seed {seed}");
    }
    for seed in 1_000..1_010 {
        assert_eq!(run_and_tell(run_cluster, seed), run_and_tell(run_cluster, seed), "cluster seed {seed}");
    }
    assert_ne!(run(1), run(2));
    assert_ne!(run_cluster(1), run_cluster(2));
}
