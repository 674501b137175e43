//! Descriptors that change their link, or their reactor.
//!
//! What is to be done is queued on the outlet ([`Move`]); this does it, with the sockets and the poll of the reactor.

use super::Handler;
use super::outlet::{LinkState, Move, Outlet};
use super::peer::Peer;
use super::side::Side;
use super::tls::Tunnel;
use crate::base::ids::{LinkId, ReactorId, ReactorSet};
use crate::sys::{DoorIn, DoorOut};
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use socket2::Socket;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Arc, Mutex, PoisonError};

/// The ways of descriptors into this reactor and out of it.
#[derive(Debug)]
pub struct Doors {
    reactor: ReactorId,
    entrance: DoorIn,
    /// By reactor.
    ways: Arc<[DoorOut]>,
    depot: Depot,
    /// How many have departed.
    departed: u64,
}

/// What a descriptor takes along to another reactor, if there is any of it. What the handler knows of it follows by mail.
#[derive(Debug)]
struct Luggage {
    tunnel: Option<Box<Tunnel>>,
    peer: Option<Peer>,
}

/// Where descriptors under way have what they take along, by their numbers; all reactors share it.
#[derive(Clone, Debug, Default)]
pub struct Depot(Arc<Mutex<HashMap<u64, Luggage>>>);

impl Depot {
    fn leave(&self, number: u64, luggage: Luggage) {
        if luggage.tunnel.is_some() || luggage.peer.is_some() {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(number, luggage);
        }
    }

    fn collect(&self, number: u64) -> Option<Luggage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&number)
    }
}

impl Doors {
    /// `ways` has one for each reactor, in their order; the depot is the same for all.
    pub fn new(reactor: ReactorId, entrance: DoorIn, ways: Arc<[DoorOut]>, depot: Depot) -> Doors {
        Doors { reactor, entrance, ways, depot, departed: 0 }
    }

    /// No two reactors give one number.
    fn next_number(&mut self) -> u64 {
        self.departed += 1;
        (u64::from(self.reactor.0) << 56) | self.departed
    }
}

/// The place of a slot in the table of sockets.
pub(super) fn place(sockets: &mut Vec<Option<Socket>>, slot: u32) -> &mut Option<Socket> {
    let slot = slot as usize;
    if slot >= sockets.len() {
        sockets.resize_with(slot + 1, || None);
    }
    &mut sockets[slot]
}

/// Makes the moves that are queued; departures that find their way full stay queued. How many links have departed.
pub(super) fn make<H: Handler>(
    outlet: &mut Outlet,
    doors: &mut Doors,
    (sockets, tunnels): (&mut Vec<Option<Socket>>, &mut Side<Box<Tunnel>>),
    registry: &Registry,
    handler: &mut H,
) -> usize {
    let mut departed = 0;
    // Asked once: behind somebody who is slow a thousand may wait, and this is called for each mail.
    let mut full = ReactorSet::EMPTY;
    for queued in outlet.take_moves() {
        match queued {
            Move::Adopt(from, to) => {
                let socket = place(sockets, from.slot).take();
                let Some(socket) = socket.filter(|_| outlet.state(to) != LinkState::Dead) else {
                    outlet.abort(to);
                    continue;
                };
                // This asks for readiness anew: nothing that came before is missed.
                let watched =
                    registry.reregister(&mut SourceFd(&socket.as_raw_fd()), token(to), Interest::READABLE);
                *place(sockets, to.slot) = Some(socket);
                if let Some(tunnel) = tunnels.remove(from.slot) {
                    tunnels.insert(to.slot, tunnel);
                }
                if let Err(error) = watched {
                    log::warn!("an upgraded connection cannot be watched: {error}");
                    outlet.abort(to);
                }
            }
            Move::Depart(link, reactor) => {
                if outlet.state(link) != LinkState::Open {
                    continue;
                }
                if full.contains(reactor) {
                    outlet.put_back_move(queued);
                    continue;
                }
                let number = doors.next_number();
                let peer = outlet.peer(link);
                match depart(doors, sockets, registry, link, reactor, number) {
                    Ok(()) => {
                        departed += 1;
                        doors.depot.leave(number, Luggage { tunnel: tunnels.remove(link.slot), peer });
                        handler.departed(link, number, outlet);
                        *place(sockets, link.slot) = None;
                        outlet.free(link);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        full.insert(reactor);
                        outlet.put_back_move(queued);
                    }
                    Err(error) => {
                        log::warn!("a connection cannot be passed to another reactor: {error}");
                        outlet.abort(link);
                    }
                }
            }
            Move::Arrive(link, number) => {
                let arrived = doors.entrance.take(number).and_then(|fd| {
                    let socket = Socket::from(fd.ok_or(io::ErrorKind::NotFound)?);
                    registry.register(&mut SourceFd(&socket.as_raw_fd()), token(link), Interest::READABLE)?;
                    Ok(socket)
                });
                if let Some(Luggage { tunnel, peer }) = doors.depot.collect(number) {
                    if let Some(tunnel) = tunnel {
                        tunnels.insert(link.slot, tunnel);
                    }
                    if let Some(peer) = peer {
                        outlet.set_peer(link, peer);
                    }
                }
                match arrived {
                    Ok(socket) => *place(sockets, link.slot) = Some(socket),
                    Err(error) => {
                        log::warn!("a connection from another reactor cannot be taken: {error}");
                        outlet.abort(link);
                    }
                }
            }
        }
    }
    departed
}

fn token(link: LinkId) -> Token {
    Token(link.to_word() as usize)
}

fn depart(
    doors: &Doors,
    sockets: &mut Vec<Option<Socket>>,
    registry: &Registry,
    link: LinkId,
    reactor: ReactorId,
    number: u64,
) -> io::Result<()> {
    let socket = place(sockets, link.slot).as_ref().ok_or(io::ErrorKind::NotFound)?;
    let way = doors.ways.get(usize::from(reactor.0)).ok_or(io::ErrorKind::NotFound)?;
    way.pass(socket.as_fd(), number)?;
    // The poll would go on watching: the copy under way keeps the connection open.
    registry.deregister(&mut SourceFd(&socket.as_raw_fd()))
}
