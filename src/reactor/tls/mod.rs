//! TLS 1.2 and 1.3 (RFC 5246, RFC 8446) by rustls, between the kernel and links that came in by a listener for it.
//!
//! `certificates` has what servers show of themselves, `tunnel` the state of one link. Neither does I/O: the reactor
//! hands over what it received and is handed what to send. Without the feature `tls` there are the same names and nothing
//! behind them, so that the reactor need not ask.

#[cfg(not(feature = "tls"))]
mod absent;
#[cfg(feature = "tls")]
mod certificates;
#[cfg(feature = "tls")]
mod tunnel;

#[cfg(not(feature = "tls"))]
pub use absent::Certificates;
#[cfg(not(feature = "tls"))]
pub(super) use absent::{Scratch, Tunnel};
#[cfg(feature = "tls")]
pub use certificates::{CertificateError, Certificates, TlsVersion};
#[cfg(feature = "tls")]
pub(super) use tunnel::{Scratch, Tunnel};

use super::side::Side;

/// The tunnels of a reactor's links, and what they share.
#[derive(Debug)]
pub(super) struct Tunnels {
    /// By slot, of links that are through with their handshake.
    pub(super) by_slot: Side<Box<Tunnel>>,
    /// What was decrypted last.
    pub(super) plain: Vec<u8>,
    pub(super) scratch: Scratch,
}

impl Tunnels {
    pub(super) fn new() -> Tunnels {
        Tunnels { by_slot: Side::new(), plain: Vec::new(), scratch: Scratch::default() }
    }

    /// Gives unused capacity back to the allocator.
    pub(super) fn trim(&mut self) {
        self.by_slot.trim();
        self.plain = Vec::new();
        self.scratch = Scratch::default();
    }
}
