//! The hub against a naive model: three reactors over one table of interests, with their evictions under way
//! in any order that keeps the mails of one reactor to another in theirs.

use fanfare::base::ids::ReactorId;
use fanfare::hub::{Change, Entered, Hub, Interest, Recipients, Selector};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

const REACTORS: usize = 3;
/// Across the borders at which sets of numbers change their form.
const SLOTS: [u32; 6] = [0, 1, 2, 40, 65_535, 65_536];
const SCOPES: [&str; 2] = ["d1", "d2"];
/// The one whose changes are noted.
const WATCHED: &str = "d1";
/// Joined and left, claimed only, and both.
const ROOMS: [&str; 8] = ["a", "b", "c", "@u", "@v", "x", "y", "a room whose name does not fit in place"];
const CLAIM_ONLY: [&str; 2] = ["@u", "@v"];
const CLAIMABLE: [&str; 4] = ["@u", "@v", "x", "y"];

#[derive(Clone, Debug)]
enum Op {
    Enter(usize, u32, &'static str),
    Join(usize, u32, &'static str, &'static str),
    Leave(usize, u32, &'static str, &'static str),
    Exit(usize, u32),
    ExitScope(usize, u32, &'static str),
    Claim(usize, u32, &'static str, &'static str),
    /// The oldest mail from one reactor to another.
    Deliver(usize, usize),
    Select(usize, &'static str, Vec<&'static str>, Vec<&'static str>),
    /// A socket goes to another reactor, where it has another slot.
    Move(usize, u32, usize, u32),
    Trim(usize),
}

fn op() -> impl Strategy<Value = Op> {
    use proptest::sample::select;
    let reactor = 0..REACTORS;
    let slot = || select(&SLOTS[..]);
    let scope = || select(&SCOPES[..]);
    let room = || select(&ROOMS[..]);
    let joined = || {
        let rooms: Vec<&str> = ROOMS.into_iter().filter(|room| !CLAIM_ONLY.contains(room)).collect();
        select(rooms)
    };
    let several = || proptest::collection::vec(select(&ROOMS[..]), 0..4);
    prop_oneof![
        2 => (reactor.clone(), slot(), scope()).prop_map(|(r, s, d)| Op::Enter(r, s, d)),
        6 => (reactor.clone(), slot(), scope(), joined()).prop_map(|(r, s, d, n)| Op::Join(r, s, d, n)),
        4 => (reactor.clone(), slot(), scope(), room()).prop_map(|(r, s, d, n)| Op::Leave(r, s, d, n)),
        2 => (reactor.clone(), slot()).prop_map(|(r, s)| Op::Exit(r, s)),
        2 => (reactor.clone(), slot(), scope()).prop_map(|(r, s, d)| Op::ExitScope(r, s, d)),
        5 => (reactor.clone(), slot(), scope(), select(&CLAIMABLE[..]))
            .prop_map(|(r, s, d, n)| Op::Claim(r, s, d, n)),
        5 => (reactor.clone(), 0..REACTORS).prop_map(|(a, b)| Op::Deliver(a, b)),
        5 => (reactor.clone(), scope(), several(), several()).prop_map(|(r, d, a, b)| Op::Select(r, d, a, b)),
        4 => (reactor.clone(), slot(), 0..REACTORS, slot()).prop_map(|(a, s, b, t)| Op::Move(a, s, b, t)),
        1 => reactor.prop_map(Op::Trim),
    ]
}

type Name = (&'static str, &'static str);

/// One room on one reactor: who came when, and the number of the last claim, which emptied it before.
#[derive(Clone, Debug, Default, PartialEq)]
struct Room {
    members: Vec<u32>,
    claim: u32,
}

#[derive(Debug, Default)]
struct Model {
    /// By reactor and name; the room "" is everybody. None is kept without members.
    rooms: [BTreeMap<Name, Room>; REACTORS],
    /// By slot, in the order of joining; whether it was claimed.
    seats: [HashMap<u32, Vec<(Name, bool)>>; REACTORS],
    /// Whose claim of a name was the last, until it leaves.
    owners: HashMap<Name, (usize, u32)>,
    /// What the last operation changed.
    changes: [Vec<Change>; REACTORS],
}

impl Model {
    fn join(&mut self, reactor: usize, slot: u32, name: Name) -> bool {
        let room = self.rooms[reactor].entry(name).or_default();
        if room.members.contains(&slot) {
            return false;
        }
        room.members.push(slot);
        self.seats[reactor].entry(slot).or_default().push((name, false));
        let alone = self.len(name) == 1;
        self.note(reactor, slot, name, true, alone);
        true
    }

    fn leave(&mut self, reactor: usize, slot: u32, name: Name) -> bool {
        let Some(room) = self.rooms[reactor].get_mut(&name) else { return false };
        if !room.members.contains(&slot) {
            return false;
        }
        room.members.retain(|member| *member != slot);
        if room.members.is_empty() {
            self.rooms[reactor].remove(&name);
        }
        self.seats[reactor].get_mut(&slot).unwrap().retain(|(other, _)| *other != name);
        if self.owners.get(&name) == Some(&(reactor, slot)) {
            self.owners.remove(&name);
        }
        let alone = self.len(name) == 0;
        self.note(reactor, slot, name, false, alone);
        true
    }

    fn note(&mut self, reactor: usize, slot: u32, (scope, room): Name, came: bool, alone: bool) {
        if scope == WATCHED && !room.is_empty() {
            let (scope, room) = (scope.into(), room.into());
            self.changes[reactor].push(Change { slot, scope, room, came, alone });
        }
    }

    /// How many members a room has on all reactors.
    fn len(&self, name: Name) -> usize {
        (0..REACTORS).map(|reactor| self.members(reactor, name).len()).sum()
    }

    fn members(&self, reactor: usize, name: Name) -> Vec<u32> {
        self.rooms[reactor].get(&name).map_or(Vec::new(), |room| room.members.clone())
    }

    /// The reactors, except one, that have a member of any of the rooms.
    fn elsewhere(&self, reactor: usize, names: &[Name]) -> Vec<usize> {
        let has = |other: &usize| names.iter().any(|name| !self.members(*other, *name).is_empty());
        (0..REACTORS).filter(|other| *other != reactor).filter(has).collect()
    }
}

struct World {
    interest: Arc<Interest>,
    hubs: Vec<Hub>,
    model: Model,
    mails: HashMap<(usize, usize), VecDeque<(Name, u32)>>,
    last_claim: u32,
    snapshots: Vec<(Recipients, Vec<u32>)>,
}

impl World {
    fn new() -> World {
        let interest = Arc::new(Interest::new());
        let mut hubs: Vec<Hub> =
            (0..REACTORS).map(|r| Hub::new(ReactorId(r as u8), interest.clone())).collect();
        hubs.iter_mut().for_each(|hub| hub.watch(|scope| scope == WATCHED));
        World {
            interest,
            hubs,
            model: Model::default(),
            mails: HashMap::new(),
            last_claim: 0,
            snapshots: Vec::new(),
        }
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Enter(r, slot, scope) => {
                let is_there = self.model.len((scope, "")) > 0;
                let expected = match self.model.join(*r, *slot, (scope, "")) {
                    false => Entered::Already,
                    true if is_there => Entered::Joined,
                    true => Entered::First,
                };
                assert_eq!(self.hubs[*r].enter(*slot, scope), expected);
            }
            Op::Join(r, slot, scope, room) => {
                let joined = self.hubs[*r].join(*slot, scope, room);
                assert_eq!(joined, self.model.join(*r, *slot, (scope, room)));
            }
            Op::Leave(r, slot, scope, room) => {
                let left = self.hubs[*r].leave(*slot, scope, room);
                assert_eq!(left, self.model.leave(*r, *slot, (scope, room)));
            }
            Op::Exit(r, slot) => self.exit(*r, *slot),
            Op::ExitScope(r, slot, scope) => {
                self.hubs[*r].exit_scope(*slot, scope);
                let seat = self.model.seats[*r].get(slot).cloned().unwrap_or_default();
                for (name, _) in seat.into_iter().filter(|(name, _)| name.0 == *scope) {
                    self.model.leave(*r, *slot, name);
                }
            }
            Op::Claim(r, slot, scope, room) => self.claim(*r, *slot, (scope, room)),
            Op::Deliver(from, to) => self.deliver(*from, *to),
            Op::Select(r, scope, rooms, except) => self.select(*r, scope, rooms, except),
            Op::Move(from, slot, to, other) => self.move_to(*from, *slot, *to, *other),
            Op::Trim(r) => self.hubs[*r].trim(),
        }
        self.check_changes();
    }

    fn seat(&self, r: usize, slot: u32) -> Vec<(Name, bool)> {
        self.model.seats[r].get(&slot).cloned().unwrap_or_default()
    }

    fn exit(&mut self, r: usize, slot: u32) {
        self.hubs[r].exit(slot);
        for (name, _) in self.seat(r, slot) {
            self.model.leave(r, slot, name);
        }
    }

    /// As reactors do it: the new one is told behind what the old one has told it, and the old one lets go behind what
    /// all had told it when the new one had the socket.
    fn move_to(&mut self, from: usize, slot: u32, to: usize, other: u32) {
        let seat = self.seat(from, slot);
        if from == to || seat.is_empty() || !self.seat(to, other).is_empty() {
            return;
        }
        let berths = self.hubs[from].berths(slot);
        let claims: Vec<u32> = seat.iter().map(|(name, _)| self.model.rooms[from][name].claim).collect();
        while self.mails.get(&(from, to)).is_some_and(|mails| !mails.is_empty()) {
            self.deliver(from, to);
        }
        let is_lost = |((name, claimed), claim): (&(Name, bool), &u32)| {
            *claimed && self.model.rooms[to].get(name).is_some_and(|room| room.claim > *claim)
        };
        let is_lost = seat.iter().zip(&claims).any(is_lost);
        assert_eq!(self.hubs[to].board(other, &berths), !is_lost);
        if is_lost {
            return;
        }
        for ((name, claimed), claim) in seat.iter().zip(claims) {
            self.model.join(to, other, *name);
            let room = self.model.rooms[to].get_mut(name).unwrap();
            room.claim = room.claim.max(claim);
            self.model.seats[to].get_mut(&other).unwrap().last_mut().unwrap().1 = *claimed;
        }
        self.check_changes();
        for r in 0..REACTORS {
            while self.mails.get(&(r, from)).is_some_and(|mails| !mails.is_empty()) {
                self.deliver(r, from);
            }
        }
        if self.seat(from, slot) != seat {
            // It was replaced, and stays to be told.
            return self.exit(to, other);
        }
        for (name, _) in seat {
            if self.model.owners.get(&name) == Some(&(from, slot)) {
                self.model.owners.insert(name, (to, other));
            }
        }
        self.exit(from, slot);
    }

    fn check_changes(&mut self) {
        for (hub, changes) in self.hubs.iter_mut().zip(&mut self.model.changes) {
            assert_eq!(hub.take_changes(), std::mem::take(changes));
        }
    }

    fn claim(&mut self, r: usize, slot: u32, name: Name) {
        let was_empty = self.model.len(name) == 0;
        let claim = self.hubs[r].claim(slot, name.0, name.1);
        let mut others = self.model.members(r, name);
        others.retain(|member| *member != slot);
        others.sort_unstable();
        assert_eq!(claim.evicted.to_vec(), others);
        let elsewhere: Vec<usize> = claim.elsewhere.iter().map(|id| usize::from(id.0)).collect();
        assert_eq!(elsewhere, self.model.elsewhere(r, &[name]));
        assert!(claim.sequence > self.last_claim);
        self.last_claim = claim.sequence;
        for member in others {
            self.model.leave(r, member, name);
        }
        self.model.join(r, slot, name);
        // To be replaced leaves nobody alone: whoever claims is there at the same moment.
        for change in &mut self.model.changes[r] {
            change.alone = change.came && was_empty;
        }
        self.model.rooms[r].get_mut(&name).unwrap().claim = claim.sequence;
        let seat = self.model.seats[r].get_mut(&slot).unwrap();
        seat.iter_mut().find(|(seated, _)| *seated == name).unwrap().1 = true;
        self.model.owners.insert(name, (r, slot));
        for other in elsewhere {
            self.mails.entry((r, other)).or_default().push_back((name, claim.sequence));
        }
    }

    fn deliver(&mut self, from: usize, to: usize) {
        let Some(mails) = self.mails.get_mut(&(from, to)) else { return };
        let Some((name, sequence)) = mails.pop_front() else { return };
        let mut evicted = self.hubs[to].evict(name.0, name.1, sequence).to_vec();
        evicted.sort_unstable();
        let room = self.model.rooms[to].get(&name).cloned().unwrap_or_default();
        let mut expected = if room.claim < sequence { room.members } else { Vec::new() };
        expected.sort_unstable();
        assert_eq!(evicted, expected);
        for slot in expected {
            self.model.leave(to, slot, name);
        }
        self.check_changes();
    }

    fn select(&mut self, r: usize, scope: &'static str, rooms: &[&'static str], except: &[&'static str]) {
        let selector = Selector { scope, rooms, except };
        let chosen: Vec<Name> = match rooms {
            [] => vec![(scope, "")],
            _ => rooms.iter().map(|room| (scope, *room)).collect(),
        };
        let mut expected: BTreeSet<u32> =
            chosen.iter().flat_map(|name| self.model.members(r, *name)).collect();
        for room in except {
            for member in self.model.members(r, (scope, room)) {
                expected.remove(&member);
            }
        }
        let expected: Vec<u32> = expected.into_iter().collect();
        let found = self.hubs[r].select(selector);
        // As a list and not as a set: each once.
        assert_eq!(found.to_vec(), expected);
        assert_eq!(found.len(), expected.len() as u64);
        let mut visited = Vec::new();
        found.for_each(|slot| visited.push(slot));
        assert_eq!(visited, expected);
        assert!(SLOTS.iter().all(|slot| found.contains(*slot) == expected.contains(slot)));
        self.snapshots.push((found, expected));
        let elsewhere: Vec<usize> =
            self.hubs[r].elsewhere(selector).iter().map(|id| usize::from(id.0)).collect();
        assert_eq!(elsewhere, self.model.elsewhere(r, &chosen));
    }

    /// Everything that can be asked of a hub.
    fn check(&self) {
        let mut names: BTreeSet<Name> = BTreeSet::new();
        for (hub, (rooms, seats)) in self.hubs.iter().zip(self.model.rooms.iter().zip(&self.model.seats)) {
            assert_eq!(hub.room_count(), rooms.len());
            names.extend(rooms.keys());
            for slot in SLOTS {
                let seat = seats.get(&slot).cloned().unwrap_or_default();
                assert_eq!(hub.count_of(slot), seat.len());
                assert_eq!(hub.scope_of(slot), seat.first().map(|(name, _)| name.0));
                for scope in SCOPES {
                    let mut claimed = seat.iter().rev().filter(|(name, claimed)| *claimed && name.0 == scope);
                    assert_eq!(hub.claimed(slot, scope), claimed.next().map(|(name, _)| name.1));
                }
                let names = seat.into_iter().map(|(name, _)| name);
                let named: Vec<(&str, &str)> = names.filter(|name| !name.1.is_empty()).collect();
                assert_eq!(hub.rooms_of(slot).collect::<Vec<_>>(), named);
            }
            let mut scopes: Vec<_> = hub.scopes().collect();
            scopes.sort_unstable();
            let everybody = rooms.iter().filter(|(name, _)| name.1.is_empty());
            assert_eq!(scopes, everybody.map(|(n, r)| (n.0, r.members.len() as u64)).collect::<Vec<_>>());
            for scope in SCOPES {
                let mut listed: Vec<_> = hub.rooms(scope).collect();
                listed.sort_unstable();
                let named = rooms.iter().filter(|(name, _)| name.0 == scope && !name.1.is_empty());
                assert_eq!(listed, named.map(|(n, r)| (n.1, r.members.len() as u64)).collect::<Vec<_>>());
                let all = rooms.get(&(scope, "")).map_or(0, |room| room.members.len());
                assert_eq!(hub.scope_len(scope), all as u64);
                for room in ROOMS {
                    let members = rooms.get(&(scope, room)).map_or(&[][..], |room| &room.members);
                    assert!(SLOTS.iter().all(|s| hub.is_member(*s, scope, room) == members.contains(s)));
                }
            }
        }
        assert_eq!(self.interest.len(), names.len());
    }

    /// Delivers what is under way, in an order that follows from `seed`.
    fn settle(&mut self, mut seed: usize) {
        loop {
            let mut waiting: Vec<(usize, usize)> =
                self.mails.iter().filter(|(_, mails)| !mails.is_empty()).map(|(pair, _)| *pair).collect();
            if waiting.is_empty() {
                return;
            }
            waiting.sort_unstable();
            let (from, to) = waiting[seed % waiting.len()];
            seed = seed.rotate_right(3) ^ 0x55;
            self.deliver(from, to);
        }
    }

    /// A name that is only ever claimed belongs to whoever claimed it last, or to nobody.
    fn check_claims(&self) {
        for scope in SCOPES {
            for room in CLAIM_ONLY {
                let everywhere: Vec<(usize, u32)> = (0..REACTORS)
                    .flat_map(|r| {
                        let found = self.hubs[r].select(Selector { scope, rooms: &[room], except: &[] });
                        found.to_vec().into_iter().map(move |slot| (r, slot))
                    })
                    .collect();
                let owner: Vec<_> = self.model.owners.get(&(scope, room)).copied().into_iter().collect();
                assert_eq!(everywhere, owner, "{scope} {room}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_hub_does_what_the_model_does(
        ops in proptest::collection::vec(op(), 1..120),
        order in any::<usize>(),
    ) {
        let mut world = World::new();
        for op in &ops {
            world.apply(op);
            world.check();
        }
        for (found, then) in &world.snapshots {
            prop_assert_eq!(&found.to_vec(), then, "a snapshot changed");
        }
        world.settle(order);
        world.check();
        world.check_claims();
        for r in 0..REACTORS {
            for slot in SLOTS {
                world.apply(&Op::Exit(r, slot));
            }
            prop_assert_eq!(world.hubs[r].room_count(), 0);
        }
        prop_assert!(world.interest.is_empty());
    }

    /// The same history with and without trimming in it has the same outcome.
    #[test]
    fn trimming_changes_nothing(
        ops in proptest::collection::vec(op(), 1..60),
        trims in proptest::collection::vec(any::<bool>(), 60),
    ) {
        let (mut plain, mut trimmed) = (World::new(), World::new());
        for (op, trim) in ops.iter().zip(trims) {
            if !matches!(op, Op::Trim(_)) {
                plain.apply(op);
                trimmed.apply(op);
            }
            if trim {
                trimmed.hubs.iter_mut().for_each(Hub::trim);
            }
            trimmed.check();
        }
        plain.check();
        prop_assert_eq!(&plain.model.rooms, &trimmed.model.rooms);
    }
}
