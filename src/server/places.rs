//! Whether there is a place for one more: of the whole server, of its memory, of one address.
//!
//! A link counts under the address of its client from when that is known until it closes, a session that is polled from its
//! beginning to its end. [`Worker::count_address`] is for the place that learns who the client is: of a connection that was
//! accepted the kernel says it, of one that a proxy passed on the proxy does.

use super::addresses::Address;
use super::worker::{Session, Shared, Worker};
use crate::app::{Admission, Core, Refusal};
use crate::base::ids::LinkId;
use crate::reactor::outlet::Outlet;
use crate::reactor::peer::Peer;
use crate::wire::response::Response;
use std::net::IpAddr;
use std::sync::atomic::Ordering;

/// How many links beyond its limit an address may have for being told so; the next ones are dropped.
const TOLD: usize = 16;

/// What became of counting a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// Its address may have it.
    Within,
    /// Its request is to be refused with [`Refusal::Address`].
    Beyond,
    /// So many are beyond that this one is not even told.
    FarBeyond,
}

/// Which links of a reactor count, by slot; empty where nothing is counted.
#[derive(Debug, Default)]
pub(super) struct Counts(Vec<Option<Address>>);

impl Counts {
    /// See [`Worker::count_address`]. A proxy that is trusted is not counted itself: who it speaks for is.
    pub(super) fn count(&mut self, shared: &Shared, most: Option<usize>, slot: u32, peer: Peer) -> Counted {
        let is_counted = |_: &IpAddr| !peer.is_among(&shared.proxies.get().trusted);
        let ip = if most.is_some() { peer.ip().filter(is_counted) } else { None };
        let (Some(most), Some(ip)) = (most, ip) else {
            self.leave(shared, slot);
            return Counted::Within;
        };
        let address = Address::of(ip);
        if self.of(slot) == Some(address) {
            return Counted::Within;
        }
        self.leave(shared, slot);
        let count = shared.addresses.enter(address);
        self.put(slot, Some(address));
        match count.saturating_sub(most) {
            0 => Counted::Within,
            over if over <= TOLD => Counted::Beyond,
            _ => {
                // It takes nobody's place for being told.
                self.leave(shared, slot);
                Counted::FarBeyond
            }
        }
    }

    /// The link in a slot is gone, or counts no longer.
    pub(super) fn leave(&mut self, shared: &Shared, slot: u32) {
        if let Some(address) = self.take(slot) {
            shared.addresses.leave(address);
        }
    }

    /// What the link in a slot counts under.
    fn of(&self, slot: u32) -> Option<Address> {
        self.0.get(slot as usize).copied().flatten()
    }

    /// What a link in a slot counts under, when it goes to another reactor and is counted there.
    pub(super) fn take(&mut self, slot: u32) -> Option<Address> {
        self.0.get_mut(slot as usize)?.take()
    }

    /// A link has come from another reactor, with what it counts under.
    pub(super) fn put(&mut self, slot: u32, address: Option<Address>) {
        let slot = slot as usize;
        if address.is_some() && slot >= self.0.len() {
            self.0.resize(slot + 1, None);
        }
        if let Some(place) = self.0.get_mut(slot) {
            *place = address;
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// There are only so many slots any more.
    pub(super) fn trim(&mut self, slots: usize) {
        self.0.truncate(slots);
        self.0.shrink_to_fit();
    }
}

impl Worker {
    /// Counts a link, or a session, under the address of its client; a link that was counted under another one, before a proxy
    /// told who its client is, is counted there no longer.
    pub(super) fn count_address(&mut self, link: LinkId, peer: Peer) -> Counted {
        let most = self.core.limits.connections_per_ip;
        self.counted.count(&self.shared, most, link.slot, peer)
    }

    /// Whether the request of a link that was beyond the limit of its address is so still.
    pub(super) fn is_crowding(&mut self, link: LinkId) -> bool {
        let Some(Session::Http(http)) = self.sessions.get_mut(link.slot as usize) else { return false };
        if !http.crowds {
            return false;
        }
        let address = self.counted.of(link.slot);
        let count = address.map_or(0, |address| self.shared.addresses.count(address));
        http.crowds = self.core.limits.connections_per_ip.is_some_and(|most| count > most);
        http.crowds
    }

    /// Why no more sockets are taken here; nothing if they are. A session that is polled has no descriptor, but memory all the
    /// same.
    pub(super) fn full(&self, out: &Outlet) -> Option<Refusal> {
        let parked = out.counts().parked as usize;
        let wired = out.len() - parked;
        if self.core.turns_away {
            return Some(Refusal::Draining);
        }
        let is_full = wired > self.shared.max_links_per_reactor
            || parked > self.shared.max_links_per_reactor
            || self.shared.sockets.load(Ordering::Relaxed) >= self.shared.max_sockets.load(Ordering::Relaxed);
        if is_full { Some(Refusal::Full) } else { self.shared.pressure.refuses().then_some(Refusal::Memory) }
    }
}

/// For whom there is no place.
pub(super) fn full_response(core: &Core, peer: Peer, reason: Refusal) -> Response {
    let response = match reason {
        Refusal::Address => {
            Response::error(429, "too_many_connections", "this address has as many connections as it may")
        }
        Refusal::Draining => Response::error(503, "draining", "this server is about to end"),
        Refusal::Memory => Response::error(503, "memory", "there is no memory for more connections now"),
        _ => Response::error(503, "full", "no more connections are taken now"),
    };
    // Spread, so that those who were refused together do not come back together; also if a proxy has one address for all.
    let before = core.own_stats().refused[reason as usize].get();
    let pause = 1 + before.wrapping_add(u64::from(peer.ip().map_or(0, spread))) % 10;
    response.header("Retry-After", pause.to_string())
}

/// The same for the log.
pub(super) fn full_reason(admission: &Admission, reason: Refusal) -> String {
    let who = admission.claim.as_ref().map_or_else(String::new, |room| format!(" {room:?}"));
    format!("{}: {:?}{who}", reason.name(), admission.scope)
}

/// A number that differs between clients.
fn spread(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(ip) => ip.octets().into_iter().fold(0, u8::wrapping_add),
        IpAddr::V6(ip) => ip.octets().into_iter().fold(0, u8::wrapping_add),
    }
}
