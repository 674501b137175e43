//! One connection as its worker keeps it: 16 bytes while it is idle, and 16 more for a session of Socket.IO.

use std::io::{self, Write};
use std::time::Instant;

use mio::net::TcpStream;

/// Where a connection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Not attempted, given up, or ended.
    Absent,
    /// The kernel is connecting.
    Connecting,
    /// The request has left, the answer is not complete.
    Handshaking,
    /// There is a connection, and the session on it is not ready.
    Greeting,
    /// Upgraded, and the session on it is ready.
    Open,
    /// The tool has said goodbye.
    Closing,
}

/// A connection; its number is the worker's base plus its slot. With polling it is the first of the client's
/// connections, the state is the client's, and there may be no stream between two requests.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) stream: Option<TcpStream>,
    pub(crate) extra: Option<Box<Extra>>,
    pub(crate) state: State,
    /// Attempts to connect so far.
    pub(crate) attempts: u8,
}

/// What a connection needs only now and then: while it connects, while a frame is incomplete, while the
/// kernel takes no more.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    /// When the connect began.
    pub(crate) since: Option<Instant>,
    /// The beginning of an incomplete frame (or of the handshake's answer).
    pub(crate) inbound: Vec<u8>,
    /// The opcode and the fragments of an incomplete message.
    pub(crate) fragments: Option<(u8, Vec<u8>)>,
    /// What the kernel would not take.
    pub(crate) outbound: Vec<u8>,
    /// A packet of Socket.IO that waits for its attachments.
    pub(crate) partial: Option<Partial>,
}

/// A packet of Socket.IO whose attachments are not all there.
#[derive(Debug)]
pub(crate) struct Partial {
    pub(crate) packet: Vec<u8>,
    pub(crate) expected: usize,
    pub(crate) attachments: Vec<Vec<u8>>,
}

/// Where a session of Socket.IO is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Default)]
pub(crate) enum Stage {
    /// The open packet has not come.
    #[default]
    Opening,
    /// The server has not said that the namespace is joined.
    Joining,
    /// `register` is not acknowledged.
    Registering,
    /// All of it is done.
    Ready,
}

/// What a session of Socket.IO needs for as long as it lasts; times in milliseconds since the run began.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Client {
    /// When the server's last ping (or pong) came, or the open packet.
    pub(crate) heard_ms: u32,
    /// When its next look is due; tells that look from those of earlier sessions.
    pub(crate) look_ms: u32,
    /// The id of the next event that is to be acknowledged.
    pub(crate) acks: u32,
    pub(crate) stage: Stage,
}

impl Conn {
    pub(crate) const fn absent() -> Self {
        Self { stream: None, extra: None, state: State::Absent, attempts: 0 }
    }

    pub(crate) fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    /// Gives back the memory of a connection that has become idle.
    pub(crate) fn relax(&mut self) {
        let idle = self.extra.as_ref().is_some_and(|extra| {
            extra.since.is_none()
                && extra.inbound.is_empty()
                && extra.fragments.is_none()
                && extra.outbound.is_empty()
                && extra.partial.is_none()
        });
        if idle {
            self.extra = None;
        }
    }

    /// Closes the stream, and forgets what was read and written of it.
    pub(crate) fn unplug(&mut self) {
        self.stream = None;
        if let Some(extra) = &mut self.extra {
            extra.inbound.clear();
            extra.outbound.clear();
        }
        self.relax();
    }

    /// Writes `bytes` after what is waiting; keeps what the kernel does not take.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let waiting = self.extra.as_ref().is_some_and(|extra| !extra.outbound.is_empty());
        if waiting {
            self.extra().outbound.extend_from_slice(bytes);
            return Ok(());
        }
        let taken = self.write_some(bytes)?;
        if taken < bytes.len() {
            self.extra().outbound.extend_from_slice(&bytes[taken..]);
        }
        Ok(())
    }

    /// The kernel takes bytes again: writes what was waiting.
    pub(crate) fn write_waiting(&mut self) -> io::Result<()> {
        let Some(extra) = &mut self.extra else { return Ok(()) };
        if extra.outbound.is_empty() {
            return Ok(());
        }
        let mut outbound = std::mem::take(&mut extra.outbound);
        let taken = self.write_some(&outbound)?;
        outbound.drain(..taken);
        self.extra().outbound = outbound;
        self.relax();
        Ok(())
    }

    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(stream) = &mut self.stream else { return Ok(bytes.len()) };
        let mut taken = 0;
        while taken < bytes.len() {
            match stream.write(&bytes[taken..]) {
                Ok(more) => taken += more,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }
}
