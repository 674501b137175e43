//! Who is on the other end of links that a proxy stands before. The kernel knows it of all others, and is asked.

use super::Outlet;
use crate::base::ids::LinkId;
use crate::reactor::peer::Peer;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// An address in 20 bytes, for there may be very many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address {
    ip: [u8; 16],
    port: u16,
    is_v6: bool,
}

impl Address {
    fn of(addr: SocketAddr) -> Address {
        let ip = match addr.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        Address { ip: ip.octets(), port: addr.port(), is_v6: addr.is_ipv6() }
    }

    fn addr(self) -> SocketAddr {
        let ip = Ipv6Addr::from(self.ip);
        let ip = if self.is_v6 { IpAddr::V6(ip) } else { ip.to_canonical() };
        SocketAddr::new(ip, self.port)
    }
}

impl Outlet {
    /// Remembers that the link is somebody's whom the kernel does not know.
    pub fn set_peer(&mut self, link: LinkId, peer: Peer) {
        match peer {
            _ if self.get(link).is_none() => {}
            Peer::Tcp(addr) => self.peers.insert(link.slot, Address::of(addr)),
            Peer::Unix | Peer::Unknown => drop(self.peers.remove(link.slot)),
        }
    }

    /// Who that is; nothing if it is whom the kernel says.
    pub fn peer(&self, link: LinkId) -> Option<Peer> {
        self.get(link)?;
        self.peers.get(link.slot).map(|address| Peer::Tcp(address.addr()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_what_it_was_and_goes_with_its_link() {
        assert_eq!(std::mem::size_of::<Option<Address>>(), 20);
        let mut outlet = Outlet::new(1_000);
        let (first, second) = (outlet.open(), outlet.open_parked());
        for text in ["192.0.2.1:80", "[2001:db8::1]:0", "[::ffff:192.0.2.1]:1"] {
            let peer = Peer::Tcp(text.parse().unwrap());
            outlet.set_peer(first, peer);
            assert_eq!(outlet.peer(first), Some(peer));
        }
        let peer = outlet.peer(first);
        assert_eq!(outlet.peer(second), None);
        outlet.adopt(second, first);
        assert_eq!((outlet.peer(first), outlet.peer(second)), (None, peer));
        outlet.free(second);
        outlet.set_peer(second, Peer::Tcp("192.0.2.2:1".parse().unwrap()));
        let next = outlet.open();
        assert_eq!((next.slot, outlet.peer(second), outlet.peer(next)), (second.slot, None, None));
    }
}
