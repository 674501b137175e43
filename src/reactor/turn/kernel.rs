//! The wires of a real reactor: sends go to the kernel, those of links with TLS through their tunnel.

use crate::base::ids::LinkId;
use crate::reactor::outlet::Wires;
use crate::reactor::tls::Tunnels;
use mio::unix::SourceFd;
use mio::{Interest, Token};
use rustix::net;
use socket2::Socket;
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;

/// A peer that is gone is an error, not a signal.
const SEND: net::SendFlags = net::SendFlags::NOSIGNAL.union(net::SendFlags::DONTWAIT);

/// See the module.
pub(super) struct Kernel<'a> {
    pub(super) sockets: &'a [Option<Socket>],
    pub(super) registry: &'a mio::Registry,
    pub(super) tunnels: &'a mut Tunnels,
}

/// Sends without blocking.
pub(super) fn send(socket: &Socket, bytes: &[u8]) -> io::Result<usize> {
    Ok(net::send(socket, bytes, SEND)?)
}

impl Kernel<'_> {
    fn socket(&self, slot: u32) -> io::Result<&Socket> {
        self.sockets
            .get(slot as usize)
            .and_then(Option::as_ref)
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Not where the others send.
    #[inline(never)]
    fn write_sealed(&mut self, slot: u32, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let Kernel { sockets, tunnels, .. } = self;
        let socket =
            sockets.get(slot as usize).and_then(Option::as_ref).ok_or(io::ErrorKind::NotConnected)?;
        match tunnels.by_slot.get_mut(slot) {
            Some(tunnel) => tunnel.write(pieces, &mut tunnels.scratch, |bytes| send(socket, bytes)),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Wires for Kernel<'_> {
    fn write(&mut self, slot: u32, bytes: &[u8]) -> io::Result<usize> {
        if self.tunnels.by_slot.get(slot).is_some() {
            return self.write_sealed(slot, &[IoSlice::new(bytes)]);
        }
        send(self.socket(slot)?, bytes)
    }

    fn write_vectored(&mut self, slot: u32, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.tunnels.by_slot.get(slot).is_some() {
            return self.write_sealed(slot, pieces);
        }
        let mut nothing_beside = net::SendAncillaryBuffer::default();
        Ok(net::sendmsg(self.socket(slot)?, pieces, &mut nothing_beside, SEND)?)
    }

    fn shutdown(&mut self, slot: u32) {
        if let Some(Some(socket)) = self.sockets.get(slot as usize) {
            if let Some(tunnel) = self.tunnels.by_slot.get_mut(slot) {
                tunnel.close();
                // A kernel that has just taken everything else takes this, too; if not, the end comes without a word.
                let _ = tunnel.flush(|bytes| send(socket, bytes));
            }
            // It fails only if the peer is gone already.
            let _ = socket.shutdown(std::net::Shutdown::Write);
        }
    }

    fn want_writable(&mut self, link: LinkId, wanted: bool) {
        let Ok(socket) = self.socket(link.slot) else { return };
        let interest = if wanted { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        let token = Token(link.to_word() as usize);
        if let Err(error) = self.registry.reregister(&mut SourceFd(&socket.as_raw_fd()), token, interest) {
            log::error!("cannot change the interest in a link: {error}");
        }
    }
}
