//! Where connections come from: enough source addresses that ports never run out.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use mio::net::TcpStream;

use crate::shared::Shared;
use crate::sys;

/// Connections from one source address: well below its 28,000 ports, or looking for one gets slow.
const CONNECTIONS_PER_SOURCE: u32 = 8_000;

/// Starts to connect; another `shift` is another source.
pub(super) fn dial(shared: &Shared, number: u32, shift: u32) -> io::Result<TcpStream> {
    // Where one source has no port left, another one may.
    let mut tries = 0;
    loop {
        let source = source(shared, number, shift + tries);
        match sys::connect_from(source, shared.target.address) {
            Err(error) if tries < 8 && no_port(&error) => tries += 1,
            other => return other.map(TcpStream::from_std),
        }
    }
}

fn no_port(error: &io::Error) -> bool {
    use io::ErrorKind::{AddrInUse, AddrNotAvailable, WouldBlock};
    matches!(error.kind(), AddrInUse | AddrNotAvailable | WouldBlock)
}

/// The source address of a connection. Runs differ in the second byte, so that they do not share ports.
fn source(shared: &Shared, number: u32, shift: u32) -> Option<IpAddr> {
    if !shared.target.address.is_ipv4() {
        return None;
    }
    let block = 16 + (shared.run % 200) as u8;
    let sources = shared.options.connections.div_ceil(CONNECTIONS_PER_SOURCE);
    let index = number / CONNECTIONS_PER_SOURCE + shift * sources;
    Some(IpAddr::V4(Ipv4Addr::new(127, block, (index / 250 % 250) as u8, 1 + (index % 250) as u8)))
}
