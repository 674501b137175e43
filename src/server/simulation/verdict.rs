//! What must be true of a run: while it goes on, at rest, and at the end.

use super::carrier::State;
use super::client::{Client, Kind, Stage};
use super::machine::Machine;
use super::node::Node;
use super::play::{Event, FAREWELL, Target};
use super::redis::Loss;
use super::talk::Talk;
use super::{Ending, HANDSHAKE_S, IDLE_S, World};
use crate::base::pace::Bucket;
use crate::hub::Selector;
use crate::reactor::Handler;
use crate::server::worker::Session;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::Ordering;

/// How long a node waits for what others say of a publish.
const REPORT_MS: u64 = 2_000;

/// One who talks, of either kind.
pub(super) struct Somebody<'a> {
    pub(super) talk: &'a Talk,
    is_well: bool,
}

const SCOPES: [&str; 3] = ["d1", "d2", "/"];

impl World {
    fn machines(&self) -> impl Iterator<Item = &Machine> {
        self.nodes.iter().flat_map(|node| &node.machines)
    }

    /// Whether something has gone wrong between the nodes.
    fn has_failed(&self) -> bool {
        self.redis.as_ref().is_some_and(|redis| redis.has_failed)
    }

    pub(super) fn everybody(&self) -> impl Iterator<Item = Somebody<'_>> {
        let clients = self.clients.iter().map(|client| {
            let is_well = client.kind == Kind::WebSocket && client.is_well();
            Somebody { talk: &client.talk, is_well }
        });
        let guests = self.guests.iter().map(|guest| Somebody { talk: &guest.talk, is_well: guest.is_well() });
        clients.chain(guests)
    }

    fn client(&self, n: usize) -> Option<&Client> {
        self.clients.iter().find(|client| client.n == n)
    }

    pub(super) fn events(&self) -> Vec<Event> {
        self.play.events.lock().unwrap().clone()
    }

    /// Nobody is called idle who spoke a moment ago.
    pub(super) fn check_idle(&self) {
        let events = self.play.events.lock().unwrap();
        // Those of this turn are the last ones.
        for event in events.iter().rev().take(40) {
            if let Event::Closed { n, cause: "idle", at_ms, .. } = event {
                let Some(client) = self.client(*n) else { continue };
                let silent_ms = at_ms - self.heard_ms[client.pipe].min(*at_ms);
                assert!(silent_ms >= u64::from(IDLE_S) * 1_000, "{n} was idle for {silent_ms} ms only");
            }
        }
    }

    /// Everything under way has arrived.
    pub(super) fn check_rest(&mut self) {
        let events = self.events();
        check_lives(&events);
        self.check_reports(&events);
        self.check_arrivals(&events);
        self.check_claims(&events);
        self.check_members(&events);
        self.check_answers(&events);
        for machine in self.machines() {
            assert_eq!(machine.worker.core.waiting_count(), 0, "somebody still waits for an answer");
            assert!(machine.worker.is_behind().is_none(), "something was put off for ever");
        }
    }

    /// What each report says adds up, and agrees with what arrived.
    fn check_reports(&self, events: &[Event]) {
        let mut arrived: HashMap<(usize, u64), u64> = HashMap::new();
        for somebody in self.everybody() {
            for message in &somebody.talk.got {
                *arrived.entry(*message).or_default() += 1;
            }
        }
        let said = events.iter().filter_map(|event| match event {
            Event::Published { n, number, at_ms, .. } => Some(((*n, *number), *at_ms)),
            _ => None,
        });
        let said_ms: HashMap<(usize, u64), u64> = said.collect();
        let mut reported = BTreeSet::new();
        let somebody_left = events.iter().any(|event| matches!(event, Event::Closed { .. }))
            || self.clients.iter().any(|client| client.stalled)
            || self.guests.iter().any(|guest| !guest.is_well());
        for event in events {
            let Event::Reported { n, number, report, nodes, at_ms } = event else { continue };
            assert!(reported.insert((*n, *number)), "two reports of one publish");
            let [matched, written, queued, slow, volatile, closed, busy] = *report;
            assert_eq!(matched, written + queued + slow + volatile + closed, "{n} {number}");
            assert!(busy == 0 || self.jammed);
            assert!((1..=nodes.0).contains(&nodes.1), "{n} {number}: {nodes:?}");
            if self.has_failed() {
                continue;
            }
            assert!(nodes.0 <= self.nodes.len() as u64, "{n} {number}: {nodes:?}");
            if nodes.1 < nodes.0 {
                // Some node may be slow with its answer, and then its time is up.
                let said_ms = said_ms.get(&(*n, *number)).expect("it was published");
                assert!(at_ms - said_ms >= REPORT_MS, "{n} {number}: {nodes:?} after {said_ms} at {at_ms}");
                continue;
            }
            let arrived = arrived.get(&(*n, *number)).copied().unwrap_or(0);
            assert!(arrived <= written + queued, "{n} {number}: {arrived} arrived of {report:?}");
            if !somebody_left {
                assert_eq!((slow, closed), (0, 0), "{n} {number}");
                assert_eq!(arrived, matched - volatile, "{n} {number}: {report:?}");
            }
        }
        for event in events {
            if let Event::Published { n, number, asked: true, target, .. } = event {
                // A socket that is gone is told nothing; a farewell, a request and an acknowledgement are not its own.
                let asks = self.client(*n).is_some_and(|client| client.kind == Kind::Http);
                let of_namespace = target.scope == "/";
                let owed = *number == FAREWELL || asks || of_namespace || self.is_open(events, *n);
                assert!(!owed || reported.contains(&(*n, *number)), "{n} {number}: no report");
            }
        }
    }

    fn is_open(&self, events: &[Event], n: usize) -> bool {
        !events.iter().any(|event| matches!(event, Event::Closed { n: closed, .. } if *closed == n))
    }

    /// Who was a member all the time, and is well, got everything.
    fn check_arrivals(&self, events: &[Event]) {
        if self.jammed {
            return;
        }
        for Somebody { talk: client, is_well } in self.everybody() {
            if !is_well || !self.is_open(events, client.n) {
                continue;
            }
            let got: BTreeSet<(usize, u64)> = client.got.iter().copied().collect();
            // From when on it has been in a room, and the rooms that it ever was in.
            let (mut since, mut ever) = (BTreeMap::new(), BTreeSet::new());
            let mut open = false;
            for event in events {
                match event {
                    Event::Opened { n, rooms, .. } if *n == client.n => {
                        open = true;
                        ever.extend(rooms.iter().cloned());
                    }
                    Event::Joined { n, room } if *n == client.n => {
                        ever.insert(room.clone());
                    }
                    Event::Claimed { n, user, .. } if *n == client.n => {
                        ever.insert(user.clone());
                    }
                    _ => {}
                }
            }
            assert!(open, "{}: an upgrade without an opening", client.n);
            let leaves: Vec<(usize, &String)> = events
                .iter()
                .enumerate()
                .filter_map(|(at, event)| match event {
                    Event::Left { n, room } if *n == client.n => Some((at, room)),
                    // Whoever claims it takes it from all others.
                    Event::Claimed { n, scope, user } if *n != client.n && *scope == client.scope => {
                        Some((at, user))
                    }
                    _ => None,
                })
                .collect();
            // Since when it has been there, and since when all nodes know what is subscribed to.
            let (mut entered, mut quiet) = (None, None);
            for (at, event) in events.iter().enumerate() {
                match event {
                    Event::Quiet => quiet = Some(at),
                    Event::Opened { n, rooms, .. } if *n == client.n => {
                        entered = Some(at);
                        since.extend(rooms.iter().map(|room| (room.clone(), at)));
                    }
                    Event::Joined { n, room } if *n == client.n => {
                        since.entry(room.clone()).or_insert(at);
                    }
                    Event::Claimed { n, user, .. } if *n == client.n => {
                        since.entry(user.clone()).or_insert(at);
                    }
                    Event::Claimed { scope, user, .. } if *scope == client.scope => {
                        since.remove(user);
                    }
                    Event::Left { n, room } if *n == client.n => {
                        since.remove(room);
                    }
                    Event::Published { n, number, target, volatile: false, .. } if *n != client.n => {
                        let (from, to) = (self.homes[*n], self.homes[client.n]);
                        let is_known = |since: usize| from == to || quiet.is_some_and(|at| since < at);
                        // Whose a name is, their clocks decide.
                        let is_sure = |room: &str| !self.is_skewed || !room.starts_with('@');
                        let stays = |room: &String| {
                            is_sure(room)
                                && since.get(room).is_some_and(|since| is_known(*since))
                                && !leaves.iter().any(|(later, left)| *later > at && *left == room)
                        };
                        let meant = entered.is_some_and(is_known)
                            && target.scope == client.scope
                            && (target.rooms.is_empty() || target.rooms.iter().any(stays))
                            && !target.except.iter().any(|room| ever.contains(room));
                        let was_lost = || self.was_lost(*n, *number, &target.scope, client.n);
                        assert!(
                            !meant || got.contains(&(*n, *number)) || was_lost(),
                            "{} did not get {number} of {n} to {target:?}",
                            client.n
                        );
                    }
                    _ => {}
                }
            }
        }
    }

    /// Whether a message was lost between two nodes, and counted.
    fn was_lost(&self, n: usize, number: u64, scope: &str, to: usize) -> bool {
        let (from, to) = (self.homes[n], self.homes[to]);
        let Some(redis) = self.redis.as_ref().filter(|_| from != to) else { return false };
        // It has come again since: that is the gap.
        let has_gap = |node: &Node| node.stats.cluster().is_some_and(|cluster| cluster.gaps() > 0);
        match redis.loss(&format!("m {n} {number} {scope} "), from, to) {
            Some(Loss::Missed) => has_gap(&self.nodes[to]),
            loss => loss.is_some(),
        }
    }

    /// A claimed room has one member: whoever claimed it last, if that is still there.
    fn check_claims(&self, events: &[Event]) {
        let mut owners: BTreeMap<(String, String), usize> = BTreeMap::new();
        for event in events {
            match event {
                Event::Claimed { n, scope, user } => {
                    owners.insert((scope.clone(), user.clone()), *n);
                }
                Event::Left { n, room } => owners.retain(|(_, user), owner| owner != n || user != room),
                Event::Closed { n, .. } => owners.retain(|_, owner| owner != n),
                _ => {}
            }
        }
        for scope in SCOPES {
            for user in 0..5 {
                let user = format!("@{user}");
                let members: Vec<usize> = self.members(&Target::parse(scope, &user, "-"));
                let owner: Vec<usize> = owners.get(&(scope.to_owned(), user)).copied().into_iter().collect();
                // By clocks that differ, one may be the last that was not.
                let is_one = self.is_skewed && members.len() <= 1;
                assert!(members == owner || is_one, "{members:?}, not {owner:?}");
            }
        }
    }

    fn members(&self, target: &Target) -> Vec<usize> {
        let Target { scope, rooms, except } = target;
        let mut members = Vec::new();
        for machine in self.machines() {
            let slots = machine.worker.core.hub.select(Selector { scope, rooms, except });
            let hub = &machine.worker.core.hub;
            slots.for_each(|slot| {
                let number = hub.rooms_of(slot).find_map(|(_, room)| room.strip_prefix('n')?.parse().ok());
                members.push(number.expect("a member has its number"));
            });
        }
        members
    }

    /// The hubs know exactly those who are open.
    fn check_members(&self, events: &[Event]) {
        let mut open = BTreeSet::new();
        for event in events {
            match event {
                Event::Opened { n, .. } => drop(open.insert(*n)),
                Event::Closed { n, .. } => drop(open.remove(n)),
                _ => {}
            }
        }
        let everybody = |scope: &str| self.members(&Target::parse(scope, "-", "-"));
        let mut members: Vec<usize> = SCOPES.iter().flat_map(|scope| everybody(scope)).collect();
        members.sort_unstable();
        assert_eq!(members, open.iter().copied().collect::<Vec<_>>());
        for node in &self.nodes {
            let places = node.machines.iter().map(|machine| {
                let slots = machine.outlet.ids().into_iter().map(|link| link.slot);
                slots.filter(|slot| machine.worker.has_place(*slot)).count()
            });
            let places: usize = places.sum();
            assert_eq!(node.shared.sockets.load(Ordering::Relaxed), places);
            assert_eq!(node.stats.sum(|reactor| reactor.sockets()), places as u64);
        }
    }

    /// Whoever was asked has acknowledged, once, or is known not to have done that.
    fn check_answers(&self, events: &[Event]) {
        let mut asked = BTreeSet::new();
        for event in events {
            match event {
                Event::Asked { n, number } => assert!(asked.insert((*n, *number))),
                Event::Answered { n, number, right } => {
                    assert!(asked.remove(&(*n, *number)), "an answer to nothing");
                    assert_ne!(*right, Some(false));
                }
                _ => {}
            }
        }
        for (n, number) in asked {
            let guest = self.guests.iter().find(|guest| guest.n == n).expect("only guests are asked");
            // Time may not be up for those who have one, and some never answer.
            assert!(!self.is_open(events, n) || guest.is_in || guest.leaving, "{n}: {number} is forgotten");
            assert!(self.is_open(events, n), "{n} is gone, and {number} still waits for it");
        }
    }

    /// Who is well and answers heartbeats is well later.
    pub(super) fn check_patience(&mut self) {
        let well: Vec<usize> =
            self.guests.iter().filter(|guest| guest.is_well()).map(|guest| guest.n).collect();
        self.lossy = false;
        self.pass(if self.gentle { 1_000 } else { 2 * self.patience_ms });
        for guest in self.guests.iter().filter(|guest| well.contains(&guest.n)) {
            let ending =
                self.events().into_iter().find(|e| matches!(e, Event::Closed { n, .. } if *n == guest.n));
            assert!(guest.is_well(), "{} was well and is {:?}: {ending:?}", guest.n, guest.carrier.state);
        }
    }

    pub(super) fn check_end(&mut self, ending: Ending) {
        let events = self.events();
        check_lives(&events);
        self.check_reports(&events);
        for machine in self.machines() {
            assert!(machine.outlet.is_empty(), "{ending:?}: links are left");
            assert!(machine.worker.sessions.iter().all(|session| matches!(session, Session::Gone)));
            assert_eq!(machine.worker.core.hub.room_count(), 0);
            assert_eq!((machine.outlet.counts().queued_bytes, machine.outlet.counts().parked), (0, 0));
            assert_eq!(machine.worker.core.waiting_count(), 0);
            assert_eq!(machine.worker.core.sio.count(), 0);
            let worker = &machine.worker;
            assert!(worker.counted.is_empty() && worker.core.kept.is_empty());
            assert_eq!(worker.core.alarms.until_due(0), None);
            assert!(worker.buckets.iter().all(|bucket| *bucket == Bucket::FULL));
        }
        self.check_answers(&events);
        for node in &self.nodes {
            assert!(node.interest.is_empty() && node.shared.addresses.is_empty());
            assert_eq!(node.shared.sockets.load(Ordering::Relaxed), 0);
            assert_eq!(node.stats.sum(|reactor| reactor.sockets() + reactor.polling()), 0);
            // Their assertions are handlers' too.
            assert_eq!(node.stats.sum(|reactor| reactor.panics()), 0, "a handler panicked");
        }
        self.check_goodbyes(&events, ending);
    }

    /// Whether its connection was lost, on its side or between two reactors.
    fn was_cut_off(&self, client: &Client) -> bool {
        client.lost || self.machines().any(|machine| machine.lost.contains(&client.pipe))
    }

    /// What a client was told at the end is what happened.
    fn check_goodbyes(&self, events: &[Event], ending: Ending) {
        for event in events {
            let Event::Closed { n, cause, code, .. } = event else { continue };
            // Who is drained is told to come back, however late it came to a reactor.
            assert!(ending != Ending::ServerDrains || *cause != "shutdown", "{n}: {cause}");
            let expected = match *cause {
                "client" | "handler" | "protocol" => Some(*code),
                "replaced" => Some(Some(4001)),
                "idle" | "shutdown" => Some(Some(1001)),
                "drain" => Some(Some(1012)),
                "slow" => Some(Some(1008)),
                _ => None,
            };
            let Some(client) = self.client(*n) else { continue };
            match &client.stage {
                Stage::Closed(seen) => assert_eq!(Some(*seen), expected, "{n}: {cause}"),
                // One that reads to the end is told why, unless the line broke or the server gave it up.
                _ if self.was_cut_off(client) || client.stalled || client.was_away || *cause == "lost" => {}
                stage => panic!("{n}: {cause}, and was not told: {stage:?}"),
            }
        }
        for guest in self.guests.iter().filter(|guest| !guest.stalled) {
            let fresh = guest.carrier.state == State::Fresh;
            assert!(guest.carrier.is_over() || fresh, "{}: {:?}, {ending:?}", guest.n, guest.carrier.state);
        }
        for client in &self.clients {
            if self.was_cut_off(client) || client.stalled || client.was_away {
                continue;
            }
            match client.kind {
                Kind::Unwanted => assert_eq!(client.stage, Stage::Answered(403)),
                Kind::Dribbler if ending == Ending::EverybodySleeps => {
                    assert_eq!(client.stage, Stage::Answered(408), "{HANDSHAKE_S} s are over");
                }
                Kind::Dribbler => {}
                Kind::WebSocket if ending == Ending::EverybodySleeps && !client.leaving => {
                    let told = matches!(client.stage, Stage::Closed(_) | Stage::Answered(503));
                    assert!(told, "{}: {:?}", client.n, client.stage);
                }
                Kind::WebSocket | Kind::Http => {}
            }
        }
    }
}

/// Each socket opens once and closes once, and does nothing before or behind.
fn check_lives(events: &[Event]) {
    let (mut open, mut closed, mut awaited) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for event in events {
        match event {
            Event::Opened { n, .. } => assert!(open.insert(*n) && !closed.contains(n), "{n} opens twice"),
            Event::Joined { n, .. }
            | Event::Left { n, .. }
            | Event::Claimed { n, .. }
            | Event::Asked { n, .. } => {
                assert!(open.contains(n) && !closed.contains(n), "{n} acts while it is not there");
            }
            Event::Closed { n, .. } => {
                assert!(open.contains(n) && closed.insert(*n), "{n} closes twice or unopened");
            }
            Event::Published { n, number, .. } => {
                assert!(*number == FAREWELL || !closed.contains(n), "{n} speaks after its end");
            }
            Event::Rang { n } => {
                assert!(
                    open.contains(n) && !closed.contains(n),
                    "{n} is told the time while it is not there"
                );
                awaited.insert(*n);
            }
            Event::Heard { n } => drop(awaited.remove(n)),
            Event::Quiet => {
                let unheard: Vec<_> = awaited.difference(&closed).collect();
                assert!(unheard.is_empty(), "{unheard:?} were not told what became of their alarms");
            }
            Event::Reported { .. } | Event::Answered { .. } => {}
        }
    }
}
