//! Who does not keep up: the links for which most waits, over all reactors.

use super::context::{Context, Core, ticket};
use super::engine::Transport;
use super::gather::Answer;
use super::mail::Mail;
use super::socketio::SocketInfo;
use crate::base::ids::ReactorId;
use crate::reactor::outlet::{Outlet, Slow, Ticket};
use crate::reactor::peer::{Peer, WireFacts};
use crate::sys::TcpFacts;
use std::cmp::Reverse;
use std::time::Duration;

/// A connection, or a session that is polled, for which something waits.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SlowLink {
    /// The number of the reactor that owns it.
    pub reactor: usize,
    /// Who is on the other end; nothing for a session that is polled, which has no connection of its own.
    pub peer: Option<Peer>,
    /// What it is on; nothing for a connection that speaks HTTP, or is not yet a WebSocket.
    pub transport: Option<Transport>,
    /// What it is in: one scope, or each of its namespaces of Socket.IO.
    pub sockets: Vec<SlowSocket>,
    /// Bytes in its outbox, less than which the kernel took.
    pub queued_bytes: usize,
    /// How long there has been something in it, to a tenth of a second.
    pub waiting: Duration,
    /// Bytes in the kernel that the other end has not acknowledged; nothing where there is no connection.
    pub unacknowledged_bytes: Option<u64>,
    /// What TCP has measured, where there is a connection of it.
    pub tcp: Option<TcpFacts>,
}

/// A socket of a [`SlowLink`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlowSocket {
    /// Its scope: the name of its namespace, for Socket.IO.
    pub scope: String,
    /// Its id in the namespace; nothing for a plain WebSocket, which has that of its session.
    pub id: Option<String>,
    /// The room that it claimed, if it did.
    pub claimed: Option<String>,
}

impl Context<'_> {
    /// Looks for the links for which most waits, on every reactor, and calls `done`, once, on this reactor with at most
    /// `limit` of them, those with most first. What counts is what the kernel has not taken: each reactor looks right after
    /// it has sent what it had. Walks the table of links.
    pub fn slowest(&mut self, limit: usize, done: impl FnOnce(&mut Context<'_>, Vec<SlowLink>) + 'static) {
        let others = self.core.others();
        let asker = self.core.reactor;
        let number = self.core.wait(others.len() + 1, move |cx, parts: Vec<Vec<SlowLink>>| {
            let mut all: Vec<SlowLink> = parts.into_iter().flatten().collect();
            all.sort_by_key(|link| Reverse((link.queued_bytes, link.waiting)));
            all.truncate(limit);
            done(cx, all);
        });
        for reactor in others.iter() {
            self.core.mailbox(reactor).post_anyway(Mail::Slowest { asker, number, limit }, 64);
        }
        self.ask_slowest(asker, number, limit);
    }

    /// Looks here, for a reactor that asks.
    pub(crate) fn ask_slowest(&mut self, asker: ReactorId, number: u32, limit: usize) {
        self.out.ask_slowest(ticket(asker, number), limit);
    }

    /// What was found here goes to the reactor that asked.
    pub(crate) fn slowest_found(&mut self, Ticket(word): Ticket, found: Vec<SlowLink>) {
        let (asker, number) = (ReactorId((word >> 32) as u8), word as u32);
        let answer: Answer = Box::new(found);
        if asker == self.core.reactor {
            self.answered(number, answer);
        } else {
            self.core.mailbox(asker).post_anyway(Mail::Answer { number, answer }, 64);
        }
    }
}

impl SlowLink {
    /// One of this reactor. `is_http` says that nothing has become of it yet.
    pub(crate) fn of(
        core: &Core,
        out: &Outlet,
        slow: Slow,
        wire: Option<WireFacts>,
        is_http: bool,
    ) -> SlowLink {
        let Slow { link, queued_bytes, waiting } = slow;
        let transport = match out.is_parked(link) {
            _ if is_http => None,
            true => Some(Transport::Polling),
            false => Some(Transport::WebSocket),
        };
        SlowLink {
            reactor: usize::from(core.reactor.0),
            peer: wire.map(|wire| wire.peer),
            transport,
            sockets: sockets(core, out, link.slot),
            queued_bytes,
            waiting,
            unacknowledged_bytes: wire.and_then(|wire| wire.unacknowledged),
            tcp: wire.and_then(|wire| wire.tcp),
        }
    }
}

fn sockets(core: &Core, out: &Outlet, slot: u32) -> Vec<SlowSocket> {
    let socket = |scope: &str| SlowSocket {
        scope: scope.to_owned(),
        id: SocketInfo::find(core, out, scope, slot).map(|info| info.id()),
        claimed: core.hub.claimed(slot, scope).map(str::to_owned),
    };
    core.hub.scopes_of(slot).map(socket).collect()
}
