//! One reactor without a kernel: a worker, its outlet, and the phases of a turn in their order.

use super::wires::{Dice, Kernel, Pipe};
use crate::app::Mail;
use crate::base::ids::{LinkId, ReactorId};
use crate::base::time::{Now, TICK_MS, Tick};
use crate::reactor::mail::Mailbox;
use crate::reactor::outlet::{LinkState, Move, Outlet};
use crate::reactor::peer::Peer;
use crate::reactor::{Entry, Handler};
use crate::server::worker::{Session, Worker};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

/// Rounds of flushing in one turn before it counts as endless.
const MOST_ROUNDS: usize = 1_000;

pub(super) struct Machine {
    pub(super) worker: Worker,
    pub(super) outlet: Outlet,
    /// The connection in each slot.
    pub(super) slots: Vec<Option<usize>>,
    /// Connections that wait to be accepted.
    pub(super) backlog: VecDeque<usize>,
    /// How many connections have departed from here.
    departed: u64,
    /// When each connection was last heard of, in milliseconds; told by turns.
    pub(super) heard: Vec<(usize, u64)>,
    /// Connections that did not arrive here, or were reset.
    pub(super) lost: Vec<usize>,
}

/// What a turn happens in.
pub(super) struct Around<'a> {
    pub(super) now_ms: u64,
    pub(super) pipes: &'a mut [Pipe],
    pub(super) dice: &'a mut Dice,
    /// What the other machines, and whoever stops the server, posted: one mailbox each.
    pub(super) mailboxes: &'a [Arc<Mailbox<Mail>>],
    /// Connections on their way from one machine to another, by their numbers.
    pub(super) transit: &'a mut HashMap<u64, usize>,
    /// Everything that can be done is done; otherwise as the dice have it.
    pub(super) thorough: bool,
    /// Now and then a connection does not arrive.
    pub(super) lossy: bool,
}

impl Machine {
    pub(super) fn new(worker: Worker, outlet: Outlet) -> Machine {
        Machine {
            worker,
            outlet,
            slots: Vec::new(),
            backlog: VecDeque::new(),
            departed: 0,
            heard: Vec::new(),
            lost: Vec::new(),
        }
    }

    pub(super) fn turn(&mut self, around: &mut Around<'_>) {
        let tick = Tick(1 + (around.now_ms / TICK_MS) as u32);
        self.outlet.set_now(tick);
        self.worker.begin_turn(Now { tick, ms: around.now_ms as u32, unix_ms: 1_000_000 + around.now_ms });
        self.take_mail(around);
        self.worker.catch_up(&mut self.outlet);
        self.give_away(around);
        self.flush_if_urgent(around);
        self.note_writable(around);
        self.accept(around);
        self.read(around);
        for link in self.outlet.take_expired() {
            self.worker.expired(link, &mut self.outlet);
        }
        self.flush(around);
        self.shed_somebody(around);
        self.reap(around);
        if around.dice.chance(5) {
            self.outlet.trim();
            self.worker.trim();
        }
        assert!(self.worker.core.jobs.is_empty() && self.worker.answers.is_empty(), "a job was left behind");
    }

    fn take_mail(&mut self, around: &mut Around<'_>) {
        loop {
            let full: Vec<_> = around.mailboxes.iter().filter(|mailbox| !mailbox.is_empty()).collect();
            if full.is_empty() || !around.thorough && around.dice.chance(30) {
                return;
            }
            let mailbox = around.dice.pick(&full);
            mailbox.begin_reading();
            let Some(mail) = mailbox.take() else { return };
            self.worker.mail(mail, &mut self.outlet);
            self.make_moves(around);
            self.flush_if_urgent(around);
        }
    }

    /// Another reactor, if there is one.
    fn other(&self, dice: &mut Dice) -> Option<ReactorId> {
        let own = usize::from(self.worker.core.reactor.0);
        let others: Vec<_> = (0..self.worker.core.mailboxes.len()).filter(|other| *other != own).collect();
        (!others.is_empty()).then(|| ReactorId(*dice.pick(&others) as u8))
    }

    /// Lets some WebSockets move, whoever has more of them.
    fn give_away(&mut self, around: &mut Around<'_>) {
        let may = !around.thorough && !self.worker.stopping && !self.worker.moving.is_leaving();
        if !may || !around.dice.chance(15) {
            return;
        }
        let Some(to) = self.other(around.dice) else { return };
        let share = around.dice.between(20, 100);
        let links = self.outlet.ids().into_iter();
        let chosen =
            links.filter(|link| self.worker.may_move(*link, &self.outlet) && around.dice.chance(share));
        let chosen = chosen.collect();
        self.worker.begin_transfer(to, chosen, &mut self.outlet);
    }

    /// Now and then memory is needed that somebody takes.
    fn shed_somebody(&mut self, around: &mut Around<'_>) {
        if !around.lossy || around.thorough || !around.dice.chance(3) {
            return;
        }
        let waiters = self.outlet.ids().into_iter().filter(|link| self.outlet.waiting(*link) > 0);
        let waiters: Vec<LinkId> = waiters.collect();
        if waiters.is_empty() {
            return;
        }
        let link = *around.dice.pick(&waiters);
        self.worker.shed(link, &mut self.outlet);
        if self.outlet.state(link) == LinkState::Dead
            && let Some(connection) = *self.place(link)
        {
            self.lost.push(connection);
        }
    }

    /// As [`crate::reactor`] does it with descriptors.
    fn make_moves(&mut self, around: &mut Around<'_>) {
        for queued in self.outlet.take_moves() {
            match queued {
                Move::Adopt(from, to) => {
                    let connection = self.place(from).take();
                    let is_there = self.outlet.state(to) != LinkState::Dead;
                    let Some(connection) = connection.filter(|_| is_there) else {
                        if let Some(connection) = connection {
                            close(&mut around.pipes[connection]);
                        }
                        self.outlet.abort(to);
                        continue;
                    };
                    around.pipes[connection].armed = false;
                    *self.place(to) = Some(connection);
                }
                Move::Depart(link, reactor) => {
                    if self.outlet.state(link) != LinkState::Open {
                        continue;
                    }
                    // The way may be full for a while.
                    if around.dice.chance(30) {
                        self.outlet.put_back_move(queued);
                        continue;
                    }
                    self.departed += 1;
                    let own = u64::from(self.worker.core.reactor.0);
                    let number = own << 56 | self.departed;
                    assert_ne!(own, u64::from(reactor.0), "a connection departs to where it is");
                    let connection = self.place(link).take().expect("a departing link has a connection");
                    around.pipes[connection].armed = false;
                    around.transit.insert(number, connection);
                    self.worker.departed(link, number, &mut self.outlet);
                    self.outlet.free(link);
                }
                Move::Arrive(link, number) => {
                    let connection =
                        around.transit.remove(&number).expect("it was passed before it was told");
                    if around.lossy && around.dice.chance(5) {
                        // The table of descriptors was full.
                        self.lost.push(connection);
                        close(&mut around.pipes[connection]);
                        self.outlet.abort(link);
                    } else {
                        *self.place(link) = Some(connection);
                    }
                }
            }
        }
    }

    fn place(&mut self, link: LinkId) -> &mut Option<usize> {
        let slot = link.slot as usize;
        if slot >= self.slots.len() {
            self.slots.resize(slot + 1, None);
        }
        &mut self.slots[slot]
    }

    /// Links with their connections.
    pub(super) fn links(&self) -> Vec<(LinkId, usize)> {
        let ids = self.outlet.ids();
        let connection = |link: LinkId| *self.slots.get(link.slot as usize)?;
        ids.into_iter().filter_map(|link| Some((link, connection(link)?))).collect()
    }

    fn note_writable(&mut self, around: &mut Around<'_>) {
        for (link, connection) in self.links() {
            let pipe = &mut around.pipes[connection];
            let there_is_room = pipe.refused && pipe.armed && (pipe.has_room() || pipe.broken);
            if there_is_room && (around.thorough || around.dice.chance(60)) {
                pipe.refused = false;
                self.outlet.writable(link);
            } else if around.dice.chance(1) {
                // The kernel may say so for no reason.
                self.outlet.writable(link);
            }
        }
    }

    fn accept(&mut self, around: &mut Around<'_>) {
        if self.worker.stopping {
            // There is no listener any more.
            self.backlog.drain(..).for_each(|connection| close(&mut around.pipes[connection]));
        }
        while !self.worker.stopping && (around.thorough || around.dice.chance(70)) {
            let Some(connection) = self.backlog.pop_front() else { return };
            let link = self.outlet.open();
            let before = self.place(link).replace(connection);
            assert_eq!(before, None, "a slot is given away twice");
            let addr = SocketAddr::from(([10, 0, 0, around.dice.below(4) as u8], 1));
            let entry = Entry { peer: Peer::Tcp(addr), admin: false, secure: false };
            self.worker.opened(link, entry, &mut self.outlet);
            if !around.thorough
                && around.dice.chance(20)
                && let Some(to) = self.other(around.dice)
            {
                self.worker.hand_over(link, to, &mut self.outlet);
                if around.dice.chance(50) {
                    self.read_early(link, connection, around);
                }
            }
        }
    }

    fn read(&mut self, around: &mut Around<'_>) {
        while self.outlet.next_ready().is_some() {}
        let mut ready = self.links();
        while !ready.is_empty() {
            let (link, connection) = ready.swap_remove(around.dice.below(ready.len()));
            if around.thorough || around.dice.chance(60) {
                self.read_link(link, connection, around);
                self.make_moves(around);
                self.flush_if_urgent(around);
            }
        }
    }

    fn read_link(&mut self, link: LinkId, connection: usize, around: &mut Around<'_>) {
        let state = self.outlet.state(link);
        if state == LinkState::Dead || self.outlet.is_paused(link) {
            return;
        }
        let pipe = &mut around.pipes[connection];
        if pipe.broken {
            return self.outlet.abort(link);
        }
        if pipe.to_server.is_empty() {
            if pipe.client_done {
                self.outlet.peer_ended(link);
                if state < LinkState::Finishing {
                    self.worker.ended(link, &mut self.outlet);
                }
            }
            return;
        }
        let count = if around.thorough { usize::MAX } else { around.dice.length(4_000) };
        let count = count.min(pipe.to_server.len());
        let mut bytes: Vec<u8> = pipe.to_server.drain(..count).collect();
        if state < LinkState::Finishing {
            if state == LinkState::Open {
                self.heard.push((connection, around.now_ms));
            }
            self.worker.received(link, &mut bytes, &mut self.outlet);
        }
    }

    /// What a client sent behind its TLS handshake was read with it, whatever became of the link.
    fn read_early(&mut self, link: LinkId, connection: usize, around: &mut Around<'_>) {
        let to_server = &mut around.pipes[connection].to_server;
        let count = to_server.len().min(around.dice.length(4_000));
        let mut bytes: Vec<u8> = to_server.drain(..count).collect();
        if !bytes.is_empty() {
            self.heard.push((connection, around.now_ms));
            self.worker.received(link, &mut bytes, &mut self.outlet);
        }
    }

    fn flush_if_urgent(&mut self, around: &mut Around<'_>) {
        if self.outlet.is_urgent() {
            self.flush(around);
        }
    }

    fn flush(&mut self, around: &mut Around<'_>) {
        for round in 0.. {
            assert!(round < MOST_ROUNDS, "flushing does not end");
            self.make_moves(around);
            let Around { pipes, dice, .. } = around;
            self.outlet.flush(&mut Kernel { pipes, slots: &self.slots, dice });
            let overflowed = self.outlet.take_overflowed();
            let drained = self.outlet.take_drained();
            let filled = self.outlet.take_filled();
            let tallies = self.outlet.take_tallies();
            for link in overflowed {
                self.worker.overflowed(link, &mut self.outlet);
            }
            for link in drained {
                self.worker.drained(link, &mut self.outlet);
            }
            for link in filled {
                self.worker.filled(link, &mut self.outlet);
            }
            for (ticket, tally) in tallies {
                let sum = tally.written + tally.queued + tally.slow + tally.closed + tally.volatile;
                assert_eq!(tally.matched, sum, "a tally does not add up: {tally:?}");
                self.worker.tallied(ticket, tally, &mut self.outlet);
            }
            if !self.outlet.has_work() {
                break;
            }
        }
    }

    fn reap(&mut self, around: &mut Around<'_>) {
        loop {
            let dead = self.outlet.take_dead();
            if dead.is_empty() {
                return;
            }
            for link in dead {
                self.worker.closed(link, &mut self.outlet);
                // A session that is polled has none, and an adopted one is another link's.
                if let Some(connection) = self.place(link).take() {
                    close(&mut around.pipes[connection]);
                }
                self.outlet.free(link);
            }
            self.flush(around);
        }
    }

    /// What holds between any two turns.
    pub(super) fn check(&self) {
        let waiting: usize = self.outlet.ids().into_iter().map(|link| self.outlet.waiting(link)).sum();
        assert_eq!(self.outlet.counts().queued_bytes, waiting as u64, "queued bytes are miscounted");
        for (slot, session) in self.worker.sessions.iter().enumerate() {
            let link = self.outlet.id_of(slot as u32);
            assert_eq!(matches!(session, Session::Gone), link.is_none(), "slot {slot}");
        }
        self.worker.check_polling(&self.outlet);
    }
}

fn close(pipe: &mut Pipe) {
    pipe.server_done = true;
    // What the client sends now goes nowhere.
    pipe.to_server.clear();
}
