//! Reading a link with TLS: its records come into the reactor's buffer, and the handler gets what is in them.

use super::Reactor;
use super::kernel::send;
use crate::base::ids::LinkId;
use crate::reactor::Handler;
use crate::reactor::outlet::LinkState;
use rustix::io::Errno;
use rustix::net::{self, RecvFlags};

impl<H: Handler> Reactor<H> {
    /// Reads a link that has a tunnel and is not ending.
    pub(super) fn read_tunnel(&mut self, link: LinkId, to_the_end: bool) {
        let Reactor { sockets, buffer, outlet, tunnels, scales, .. } = self;
        let Some(Some(socket)) = sockets.get(link.slot as usize) else { return };
        let Some(tunnel) = tunnels.by_slot.get_mut(link.slot) else { return };
        let kept = tunnel.kept().len();
        let count = match net::recv(socket, &mut buffer[kept..], RecvFlags::DONTWAIT) {
            Ok((count, _)) => count,
            Err(Errno::AGAIN) => return,
            Err(Errno::INTR) => return outlet.note_ready(link, to_the_end),
            Err(_) => return outlet.abort(link),
        };
        tunnels.plain.clear();
        if count == 0 {
            return self.heard(link, true);
        }
        scales.received(count);
        if kept + count == buffer.len() || to_the_end {
            outlet.note_ready(link, to_the_end);
        }
        buffer[..kept].copy_from_slice(tunnel.kept());
        let read = tunnel.read(&mut buffer[..kept + count], &mut tunnels.plain);
        // What TLS itself has to say; also after an error, so that the peer is told of it.
        let flushed = tunnel.flush(|bytes| send(socket, bytes));
        match (read, flushed) {
            (Ok(ended), Ok(_)) => self.heard(link, ended),
            (Err(error), _) => {
                outlet.note(link, log::Level::Info, || format!("TLS: {error}"));
                outlet.abort(link);
            }
            (_, Err(_)) => outlet.abort(link),
        }
    }

    /// Hands over what was decrypted last, and that nothing more comes.
    pub(super) fn heard(&mut self, link: LinkId, ended: bool) {
        let mut plain = std::mem::take(&mut self.tunnels.plain);
        if !plain.is_empty() && self.outlet.state(link) < LinkState::Finishing {
            self.handler.received(link, &mut plain, &mut self.outlet);
        }
        plain.clear();
        self.tunnels.plain = plain;
        if ended {
            self.outlet.peer_ended(link);
            if self.outlet.state(link) < LinkState::Finishing {
                self.handler.ended(link, &mut self.outlet);
            }
        }
    }
}
