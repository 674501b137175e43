//! Whether there is a place for one more socket, and what those are told for whom there is none.

use super::worker::Worker;
use crate::app::{Admission, Core, Refusal};
use crate::reactor::outlet::Outlet;
use crate::reactor::peer::Peer;
use crate::wire::response::Response;
use std::sync::atomic::Ordering;

impl Worker {
    /// Whether no more sockets are taken here. A session that is polled has no descriptor, but memory all the same.
    pub(super) fn is_full(&self, out: &Outlet) -> bool {
        let parked = out.counts().parked as usize;
        let wired = out.len() - parked;
        self.core.turns_away
            || wired > self.shared.max_links_per_reactor
            || parked > self.shared.max_links_per_reactor
            || self.shared.sockets.load(Ordering::Relaxed) >= self.shared.max_sockets.load(Ordering::Relaxed)
    }
}

/// For whom there is no place.
pub(super) fn full_response(core: &Core, peer: Peer) -> Response {
    // Spread, so that those who were refused together do not come back together; also if a proxy has one address for all.
    let before = core.own_stats().refused[core.full() as usize].get();
    let pause = 1 + before.wrapping_add(u64::from(peer.ip().map_or(0, spread))) % 10;
    let response = match core.full() {
        Refusal::Draining => Response::error(503, "draining", "this server is about to end"),
        _ => Response::error(503, "full", "no more connections are taken now"),
    };
    response.header("Retry-After", pause.to_string())
}

/// The same for the log.
pub(super) fn full_reason(core: &Core, admission: &Admission) -> String {
    let who = admission.claim.as_ref().map_or_else(String::new, |room| format!(" {room:?}"));
    format!("{}: {:?}{who}", core.full().name(), admission.scope)
}

/// A number that differs between clients.
fn spread(ip: std::net::IpAddr) -> u8 {
    match ip {
        std::net::IpAddr::V4(ip) => ip.octets().into_iter().fold(0, u8::wrapping_add),
        std::net::IpAddr::V6(ip) => ip.octets().into_iter().fold(0, u8::wrapping_add),
    }
}
