//! WebSockets that move to another reactor, without their clients' noticing.
//!
//! Only plain WebSockets do: the id of an Engine.IO session, and of a socket of Socket.IO, says where it lives.
//!
//! The steps of a move, from the old reactor to the new one, for some idle links at once:
//!
//! 1. *Offer*. The old reactor reads nothing from the links any more, and says what rooms they are in.
//! 2. *Ready*. For each the new one opens a parked link and puts it into the same rooms, with the same claim. From now on
//!    publishes reach both reactors, and the old one delivers them.
//! 3. *Switch*. The old one tells this every reactor, and the cluster's gateway. Each says *Switched* to both, behind what
//!    it has published until then: what it publishes later, the new reactor delivers, to the parked link. So each
//!    publish is delivered by exactly one of the two (`app/transfer.rs`).
//! 4. *Moved*. When everybody has switched, everything that the old reactor had to deliver is there: it passes the
//!    descriptor on, with what is not sent yet, and forgets the link. The new one, when everybody has switched for it too,
//!    sends that, then what has been collected, and reads on.
//!
//! Why order is kept. *To* the socket: what a source published before it switched goes out before what it published later,
//! as one is sent, or passed on, by the old reactor, and the other is collected by the new one. *From* it: a reactor
//! switches behind everything that the old one has posted to it, so that all that the socket has said is delivered before
//! the new one reads what it says next. Of two sockets that move at the same time, the one sending to the other: the
//! sender's new reactor reads its messages only when the old one of the receiver has switched for the sender, and then
//! has told of its own move before; so they are not earlier than those that the sender's old reactor published.
//!
//! Until the descriptor is passed on, the link is the old reactor's alone: whatever happens to it happens there, its
//! handlers are told there, and the new one is told that it *stays*. A claim by somebody else evicts it on
//! whichever reactor has it: who claims before he switches tells the old reactor, before it has passed the link on; who
//! claims later tells the new one, which closes it as soon as it has it. Publishes are the only thing that happens to a
//! plain WebSocket from outside besides.

use super::baggage::Baggage;
use super::websocket::Ws;
use super::worker::{Session, Worker};
use crate::app::{CloseCause, Mail, Moved, Passenger, Source, Sources, Step, TransferId};
use crate::base::ids::{LinkId, ReactorId, ReactorSet};
use crate::base::time::{TICK_MS, Tick};
use crate::reactor::outlet::{LinkState, Outlet, Unsent};
use std::any::Any;

/// When a link whose time is up while it moves is looked at again, in milliseconds.
const AGAIN_MS: u64 = 1_000;
/// What a step takes in a mailbox, and each socket in it, in bytes.
const STEP_BYTES: usize = 128;
const PASSENGER_BYTES: usize = 512;

/// The moves that a reactor has part in.
#[derive(Default)]
pub(super) struct Moving {
    /// How many have begun here.
    begun: u64,
    leaving: Option<Leaving>,
    arriving: Vec<Arriving>,
}

/// Sockets on their way to another reactor. There is one such move at a time.
struct Leaving {
    id: TransferId,
    to: ReactorId,
    /// By their places in the offer; nothing for those that have gone, or stay.
    links: Vec<Option<LinkId>>,
}

/// Sockets on their way from another reactor.
struct Arriving {
    id: TransferId,
    people: Vec<Option<Person>>,
    /// Everybody has switched.
    ready: bool,
    /// What came before that.
    early: Vec<Wire>,
}

/// One whose connection is still to come.
struct Person {
    link: LinkId,
    /// Somebody else has claimed this room: it is to be closed as soon as it can be.
    replaced: Option<String>,
}

/// A connection that has come.
struct Wire {
    place: usize,
    number: u64,
    session: Box<dyn Any + Send>,
    idle_ms: Option<u64>,
    unsent: Unsent,
}

impl Moving {
    /// Whether links of this reactor are on their way to another one.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    fn place_of(&self, link: LinkId) -> Option<usize> {
        self.leaving.as_ref()?.links.iter().position(|leaving| *leaving == Some(link))
    }
}

impl Worker {
    /// Whether a link can move: nothing that it says is half there, nor waits to be acted on. What it is still to be sent
    /// goes along.
    pub(super) fn may_move(&self, link: LinkId, out: &Outlet) -> bool {
        let Some(Session::WebSocket(ws)) = self.sessions.get(link.slot as usize) else { return false };
        ws.is_idle() && out.state(link) == LinkState::Open && !out.is_paused(link)
    }

    /// Begins to move some links, which may, to another reactor. Not while others do.
    pub(super) fn begin_transfer(&mut self, to: ReactorId, mut links: Vec<LinkId>, out: &mut Outlet) {
        debug_assert!(!self.moving.is_leaving() && to != self.core.reactor);
        // Who is told by a callback has to be here then.
        let mut waiting: Vec<u32> = self.core.who_waits().chain(self.core.transfers.held()).collect();
        waiting.sort_unstable();
        links.retain(|link| waiting.binary_search(&link.slot).is_err() && self.may_move(*link, out));
        if links.is_empty() {
            return;
        }
        self.moving.begun += 1;
        let id = TransferId((u64::from(self.core.reactor.0) << 56) | self.moving.begun);
        let mut passengers = Vec::with_capacity(links.len());
        for link in &links {
            out.pause_reading(*link);
            let berths = self.core.hub.berths(link.slot);
            passengers.push(Passenger { berths, dialect: out.dialect(*link) });
        }
        self.core.transfers.begin(id, links.iter().map(|link| link.slot), true);
        self.shared.expect(to, links.len());
        self.moving.leaving = Some(Leaving { id, to, links: links.into_iter().map(Some).collect() });
        let bytes = passengers.len() * PASSENGER_BYTES;
        self.post_step(to, id, Step::Offer { from: self.core.reactor, passengers }, bytes);
    }

    /// A step of a move.
    pub(super) fn transfer(&mut self, id: TransferId, step: Step, out: &mut Outlet) {
        match step {
            Step::Offer { from, passengers } => self.offered(id, from, &passengers, out),
            Step::Ready { taken } => self.readied(id, &taken, out),
            Step::Switch { from, to } => {
                let source = Source::Reactor(self.core.reactor);
                for reactor in [from, to] {
                    if reactor == self.core.reactor {
                        self.switched(id, source, out);
                    } else {
                        self.post_step(reactor, id, Step::Switched { source }, 0);
                    }
                }
                if to == self.core.reactor {
                    self.switched(id, Source::Reactor(from), out);
                }
            }
            Step::Switched { source } => self.switched(id, source, out),
            Step::Moved { place, number, session, idle_ms, unsent } => {
                let wire = Wire { place, number, session, idle_ms, unsent };
                let Some(at) = self.arriving_at(id) else { return };
                let arriving = &mut self.moving.arriving[at];
                if !arriving.ready {
                    return arriving.early.push(wire);
                }
                self.attach(at, wire, out);
                self.end_if_all_came(at);
            }
            Step::Stays { place } => {
                let Some(at) = self.arriving_at(id) else { return };
                if let Some(person) = self.moving.arriving[at].people[place].take() {
                    self.dismiss(id, person.link, out);
                }
                self.end_if_all_came(at);
            }
        }
    }

    // ---- the new reactor

    fn offered(&mut self, id: TransferId, from: ReactorId, passengers: &[Passenger], out: &mut Outlet) {
        let mut people = Vec::with_capacity(passengers.len());
        for Passenger { berths, dialect } in passengers {
            let link = out.open_parked();
            // There is no wire that it could be heard on, nor anybody who could end it.
            self.set_session(link, Session::Arriving);
            out.set_dialect(link, *dialect);
            // As much may wait as comes until the wire is here; volatile messages too.
            out.set_awaited(link, true);
            if self.core.turns_away || !self.has_room(out) || !self.core.hub.board(link.slot, berths) {
                out.abort(link);
                people.push(None);
                continue;
            }
            people.push(Some(Person { link, replaced: None }));
        }
        let taken: Vec<bool> = people.iter().map(Option::is_some).collect();
        let came = taken.iter().filter(|taken| **taken).count();
        self.shared.arrived(self.core.reactor, taken.len() - came);
        if came > 0 {
            let slots = people.iter().flatten().map(|person| person.link.slot);
            self.core.transfers.begin(id, slots, false);
            self.moving.arriving.push(Arriving { id, people, ready: false, early: Vec::new() });
        }
        self.post_step(from, id, Step::Ready { taken }, 0);
    }

    /// The wire of a socket is here.
    fn attach(&mut self, at: usize, wire: Wire, out: &mut Outlet) {
        let Wire { place, number, session, idle_ms, unsent } = wire;
        let arriving = &mut self.moving.arriving[at];
        let id = arriving.id;
        let (Some(Person { link, replaced }), Ok(came)) =
            (arriving.people[place].take(), session.downcast::<(Ws, Baggage)>())
        else {
            debug_assert!(false, "a connection that nobody waits for");
            return;
        };
        self.core.transfers.forget(id, link.slot);
        self.shared.arrived(self.core.reactor, 1);
        let (ws, baggage) = *came;
        self.set_session(link, Session::WebSocket(ws));
        self.unpack(link, baggage);
        out.arrive_parked(link, number, unsent);
        out.set_deadline(link, idle_ms.map_or(Tick::NEVER, |ms| self.core.now.tick.plus_ms(ms)));
        let stats = self.core.own_stats();
        stats.sockets.add(1);
        stats.moved[Moved::Balanced as usize].add(1);
        if let Some(room) = replaced {
            self.replaced(link.slot, &room, out);
        } else if self.stopping {
            self.close_websocket(link, 1001, "server shutting down", &CloseCause::Shutdown, out);
        } else {
            self.drain_newcomer(link, out);
        }
        self.run_jobs(out);
    }

    /// One that does not come.
    fn dismiss(&mut self, id: TransferId, link: LinkId, out: &mut Outlet) {
        self.core.transfers.forget(id, link.slot);
        self.shared.arrived(self.core.reactor, 1);
        self.core.hub.exit(link.slot);
        out.abort(link);
    }

    /// Somebody has claimed the room of a socket that is about to come.
    pub(super) fn replaced_early(&mut self, link: LinkId, room: &str) {
        let mut people = self.moving.arriving.iter_mut().flat_map(|arriving| &mut arriving.people).flatten();
        if let Some(person) = people.find(|person| person.link == link) {
            person.replaced.get_or_insert_with(|| room.to_owned());
        }
    }

    fn arriving_at(&self, id: TransferId) -> Option<usize> {
        self.moving.arriving.iter().position(|arriving| arriving.id == id)
    }

    fn end_if_all_came(&mut self, at: usize) {
        if self.moving.arriving[at].people.iter().all(Option::is_none) {
            let over = self.moving.arriving.swap_remove(at);
            self.core.transfers.end(over.id);
        }
    }

    // ---- the old reactor

    fn readied(&mut self, id: TransferId, taken: &[bool], out: &mut Outlet) {
        let Some(leaving) = self.moving.leaving.as_mut().filter(|leaving| leaving.id == id) else { return };
        let (to, mut turned_away) = (leaving.to, Vec::new());
        for (link, taken) in leaving.links.iter_mut().zip(taken) {
            if !taken {
                turned_away.extend(link.take());
            }
        }
        for link in turned_away {
            self.core.transfers.forget(id, link.slot);
            out.resume_reading(link);
        }
        if self.end_if_all_left() {
            return;
        }
        let own = self.core.reactor;
        for reactor in ReactorSet::first(self.core.mailboxes.len()).without(own).iter() {
            self.post_step(reactor, id, Step::Switch { from: own, to }, 0);
        }
        if let Some(cluster) = &self.core.cluster {
            cluster.switch(id, own, to);
        }
        self.switched(id, Source::Reactor(own), out);
    }

    /// The descriptor of a socket has been passed on: the other reactor has it from now on.
    pub(super) fn departed_socket(&mut self, link: LinkId, number: u64, ws: Ws, out: &mut Outlet) {
        let (Some(place), Some(leaving)) = (self.moving.place_of(link), &mut self.moving.leaving) else {
            debug_assert!(false, "a socket departs that does not move");
            return;
        };
        let Leaving { id, to, links } = leaving;
        let (id, to) = (*id, *to);
        links[place] = None;
        self.core.transfers.forget(id, link.slot);
        self.core.hub.exit(link.slot);
        self.core.own_stats().sockets.sub(1);
        let (deadline, now) = (out.deadline(link), self.core.now.tick);
        // What it has said meanwhile is read first.
        let left_ms = (u64::from(deadline.0.saturating_sub(now.0)) * TICK_MS).max(AGAIN_MS);
        let idle_ms = (deadline != Tick::NEVER).then_some(left_ms);
        let unsent = out.take_unsent(link);
        let session = Box::new((ws, self.pack(link.slot)));
        self.post_step(to, id, Step::Moved { place, number, session, idle_ms, unsent }, 0);
        self.end_if_all_left();
    }

    /// A socket closes, maybe one that moves: it does that here.
    pub(super) fn stays(&mut self, link: LinkId, out: &mut Outlet) {
        let (Some(place), Some(leaving)) = (self.moving.place_of(link), &mut self.moving.leaving) else {
            return;
        };
        let Leaving { id, to, links } = leaving;
        let (id, to) = (*id, *to);
        links[place] = None;
        self.core.transfers.forget(id, link.slot);
        // It may have to hear the answer to its close frame.
        out.resume_reading(link);
        self.post_step(to, id, Step::Stays { place }, 0);
        self.end_if_all_left();
    }

    /// Whether a link is about to leave for another reactor: none of its handlers is told of anything but its end.
    pub(super) fn is_on_its_way(&self, link: LinkId) -> bool {
        self.moving.place_of(link).is_some()
    }

    /// Whether the time of a link is up although nobody listens to it now; then it gets more.
    pub(super) fn expired_on_its_way(&self, link: LinkId, out: &mut Outlet) -> bool {
        let moves = self.is_on_its_way(link);
        if moves {
            out.set_deadline(link, self.core.now.tick.plus_ms(AGAIN_MS));
        }
        moves
    }

    fn end_if_all_left(&mut self) -> bool {
        let over = self.moving.leaving.take_if(|leaving| leaving.links.iter().all(Option::is_none));
        if let Some(over) = &over {
            self.core.transfers.end(over.id);
        }
        over.is_some()
    }

    // ---- both

    /// A source has switched: what comes from it now is for the new reactor.
    fn switched(&mut self, id: TransferId, source: Source, out: &mut Outlet) {
        let all = Sources::all(self.core.mailboxes.len(), self.core.cluster.is_some());
        // It may be over: all may have stayed.
        if self.core.transfers.switched(id, source) != Some(all) {
            return;
        }
        if let Some(leaving) = self.moving.leaving.as_ref().filter(|leaving| leaving.id == id) {
            for link in leaving.links.iter().flatten() {
                out.depart(*link, leaving.to);
            }
        } else if let Some(at) = self.arriving_at(id) {
            self.moving.arriving[at].ready = true;
            for wire in std::mem::take(&mut self.moving.arriving[at].early) {
                self.attach(at, wire, out);
            }
            self.end_if_all_came(at);
        }
    }

    fn post_step(&self, reactor: ReactorId, id: TransferId, step: Step, bytes: usize) {
        self.core.mailboxes[usize::from(reactor.0)].post_anyway(Mail::Transfer(id, step), STEP_BYTES + bytes);
    }
}
