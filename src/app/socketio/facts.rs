//! What a socket knows of the session and the connection that it is on.

use super::handshake::Handshake;
use super::socket::Socket;
use crate::app::engine::Transport;
use crate::base::sid::Place;
use crate::reactor::peer::Peer;
use crate::wire::socketio::Revision;

impl Socket<'_> {
    /// The `sid` of its Engine.IO session, which all sockets of a client's connection share.
    pub fn session_id(&self) -> String {
        let core = &*self.cx.core;
        core.sids.sid(Place::of(core.reactor, self.link, 0), "").as_str().into()
    }

    /// What its session is on now.
    pub fn transport(&self) -> Transport {
        if self.cx.out.is_parked(self.link) { Transport::Polling } else { Transport::WebSocket }
    }

    /// The Engine.IO revision that its client speaks: 3 (clients of 1.x and 2.x) or 4.
    pub fn revision(&self) -> u8 {
        self.revision.engine()
    }

    /// The request with which its session began: whole while the first namespace is joined, and later what was kept of
    /// it, if anything was. See [`SocketIo::keep_handshake`](super::SocketIo::keep_handshake).
    pub fn handshake(&self) -> Option<&Handshake> {
        let session = self.cx.core.sio.at(self.link.slot).filter(|session| session.link == self.link)?;
        session.handshake.as_deref()
    }

    /// Who connected, as long as the [handshake](Socket::handshake) is there.
    pub fn peer(&self) -> Option<Peer> {
        Some(self.handshake()?.peer())
    }
}

impl Revision {
    /// The revision of Engine.IO that goes with it.
    pub(super) fn engine(self) -> u8 {
        match self {
            Revision::Four => 3,
            Revision::Five => 4,
        }
    }
}
