//! Who is on the other end of a link.

use crate::base::proxies::Network;
use crate::sys::{self, TcpFacts};
use socket2::{SockAddr, Socket};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;

/// The other end of a link: as the kernel knows it, or as a proxy says that may say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A TCP address. The port is 0 if a proxy did not say.
    Tcp(SocketAddr),
    /// Some program on this machine, over a unix socket.
    Unix,
    /// It is gone and the kernel has forgotten it.
    Unknown,
}

impl Peer {
    /// Asks the kernel: nothing is stored for an idle link.
    pub(super) fn of(socket: &Socket) -> Peer {
        socket.peer_addr().map_or(Peer::Unknown, Peer::from)
    }

    /// Its IP address, if it has one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Peer::Tcp(addr) => Some(addr.ip()),
            Peer::Unix | Peer::Unknown => None,
        }
    }

    /// Whether it is at one of these addresses.
    pub(crate) fn is_among(&self, networks: &[Network]) -> bool {
        networks.iter().any(|network| match self {
            Peer::Tcp(addr) => network.contains(addr.ip()),
            Peer::Unix => network.is_unix(),
            Peer::Unknown => false,
        })
    }
}

impl From<SocketAddr> for Peer {
    fn from(addr: SocketAddr) -> Peer {
        // An IPv4 client of a dual-stack listener is an IPv4 client.
        Peer::Tcp(SocketAddr::new(addr.ip().to_canonical(), addr.port()))
    }
}

/// What the kernel knows of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireFacts {
    /// Who is on the other end.
    pub peer: Peer,
    /// What TCP has measured, if it is TCP.
    pub tcp: Option<TcpFacts>,
    /// Bytes that were handed to the kernel and that the peer has not acknowledged.
    pub unacknowledged: Option<u64>,
}

impl WireFacts {
    pub(super) fn of(socket: &Socket) -> WireFacts {
        let fd = socket.as_fd();
        let (tcp, unacknowledged) = (sys::tcp_facts(fd), sys::unacknowledged_bytes(fd));
        WireFacts { peer: Peer::of(socket), tcp, unacknowledged }
    }
}

impl From<SockAddr> for Peer {
    fn from(addr: SockAddr) -> Peer {
        match addr.as_socket() {
            Some(addr) => Peer::from(addr),
            None if addr.is_unix() => Peer::Unix,
            None => Peer::Unknown,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Tcp(addr) if addr.port() == 0 => addr.ip().fmt(f),
            Peer::Tcp(addr) => addr.fmt(f),
            Peer::Unix => f.write_str("unix"),
            Peer::Unknown => f.write_str("(gone)"),
        }
    }
}
