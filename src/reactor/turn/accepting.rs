//! Newcomers: how many are taken in a turn, when none are, and the end of listening.

use super::{Door, Reactor};
use crate::base::time::Tick;
use crate::reactor::Handler;
use crate::reactor::moves;
use crate::reactor::peer::Peer;
use mio::unix::SourceFd;
use mio::{Interest, Token};
use socket2::Socket;
use std::io;
use std::os::fd::AsRawFd;
use std::time::Instant;

/// Connections accepted in one turn, so that a storm of newcomers delays nobody for long.
const ACCEPTS_PER_TURN: usize = 128;
/// How long accepting pauses when descriptors or kernel memory ran out.
const ACCEPT_PAUSE_MS: u64 = 200;
/// How long those are accepted who wait when clients are no longer listened for.
const DOORS_MS: u64 = 1_000;

impl<H: Handler> Reactor<H> {
    pub(super) fn may_accept(&self) -> bool {
        let may = |door: &Door| door.ready && (self.gate_opens.is_none() || door.listener.is_admin());
        self.accept_paused_until == Tick::NEVER && self.listeners.iter().flatten().any(may)
    }

    pub(super) fn accept(&mut self) {
        self.gate_opens = self.gate_opens.filter(|at| *at > Instant::now());
        if self.handler.is_stopping() {
            return;
        }
        if self.accept_paused_until != Tick::NEVER && self.now.tick >= self.accept_paused_until {
            self.accept_paused_until = Tick::NEVER;
        }
        let closing = self.handler.turns_away() && self.gauges.doors.get() > 0;
        if closing {
            self.begin_closing_doors();
            // Whoever waits is only told that he cannot stay, and would be cut off if he waited longer.
            self.gate_opens = None;
        }
        let mut budget = ACCEPTS_PER_TURN;
        let mut number = 0;
        while budget > 0 && self.may_accept() && number < self.listeners.len() {
            if self.gate_opens.is_none() && !closing {
                self.gate_opens = self.gate.closed_for().map(|time| Instant::now() + time);
            }
            let is_open = self.gate_opens.is_none();
            let ready = |door: &&mut Door| door.ready && (is_open || door.listener.is_admin());
            let Some(door) = self.listeners[number].as_mut().filter(ready) else {
                number += 1;
                continue;
            };
            budget -= 1;
            match door.listener.accept() {
                Ok((socket, addr)) => {
                    if !door.listener.is_admin() {
                        self.gate.note();
                    }
                    self.admit(socket, Peer::from(addr), number);
                }
                Err(error) => match error.raw_os_error() {
                    _ if error.kind() == io::ErrorKind::WouldBlock => {
                        door.ready = false;
                        // Said once all who waited are in, not at each descriptor that returned.
                        if std::mem::take(&mut self.starved) {
                            log::warn!("accepting goes on ({} connections here)", self.outlet.len());
                        }
                    }
                    Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => {
                        self.pause_accepting(&error)
                    }
                    // The connection died while it waited, or the network says something about it: not
                    // about the listener. See accept(2).
                    _ => log::debug!("accept: {error}"),
                },
            }
        }
        if closing {
            self.close_doors();
        }
    }

    /// Once the handler turns clients away: looks once more for those who wait already. Where the socket is from elsewhere,
    /// somebody else may listen there, and has them.
    pub(super) fn begin_closing_doors(&mut self) {
        if self.doors_close_at == Tick::NEVER {
            self.doors_close_at = self.now.tick.plus_ms(DOORS_MS);
            for door in self.listeners.iter_mut().flatten().filter(|door| !door.listener.is_admin()) {
                door.ready = !door.listener.is_inherited();
            }
        }
    }

    /// Listens no more for clients where nobody waits, and after [`DOORS_MS`] anywhere.
    pub(super) fn close_doors(&mut self) {
        let late = self.now.tick >= self.doors_close_at;
        for place in &mut self.listeners {
            let Some(door) = place else { continue };
            if door.listener.is_admin() || (door.ready && !late) {
                continue;
            }
            // Closing alone would not do that where others have the socket, too.
            if let Err(error) = self.registry.deregister(&mut door.listener) {
                log::warn!("{}: cannot be left alone: {error}", door.listener.addr());
            }
            *place = None;
        }
        self.gauges.doors.set(clients_doors(&self.listeners));
    }

    pub(super) fn pause_accepting(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.starved, true) {
            log::warn!(
                "accepting pauses until it works again: {error} ({} connections here)",
                self.outlet.len()
            );
        }
        self.gauges.accept_pauses.add(1);
        self.accept_paused_until = self.now.tick.plus_ms(ACCEPT_PAUSE_MS);
    }

    pub(super) fn admit(&mut self, socket: Socket, peer: Peer, listener: usize) {
        let link = self.outlet.open();
        let token = Token(link.to_word() as usize);
        if let Err(error) =
            self.registry.register(&mut SourceFd(&socket.as_raw_fd()), token, Interest::READABLE)
        {
            log::warn!("{peer}: cannot be watched: {error}");
            self.outlet.free(link);
            return;
        }
        *moves::place(&mut self.sockets, link.slot) = Some(socket);
        self.gauges.accepted.add(1);
        let Some(Door { listener, .. }) = &self.listeners[listener] else { return };
        let (admin, certificates) = (listener.is_admin(), listener.certificates.clone());
        self.receive_stranger(link, peer, admin, certificates);
        // It may be for another reactor, and a full table has its descriptor back.
        self.make_moves();
    }
}

pub(super) fn clients_doors(listeners: &[Option<Door>]) -> u64 {
    listeners.iter().flatten().filter(|door| !door.listener.is_admin()).count() as u64
}
