//! The TLS of one link: records in, plaintext out, and the other way round.
//!
//! An idle link has no buffer here. A link whose peer does not read has one record that is encrypted and not sent, and
//! whatever else waits for it waits as plaintext in its outbox, where it is counted and limited.

use super::Certificates;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, InsufficientSizeError};
use std::fmt;
use std::io::{self, IoSlice};

/// The most plaintext of one record (RFC 8446, section 5.1).
const RECORD_BYTES: usize = 1 << 14;
/// The most of a record that is not whole, and of a handshake message that spans several, in bytes.
const KEPT_BYTES: usize = 5 + RECORD_BYTES + 2_048;
/// What TLS itself may have to say to a peer that does not read, in bytes: then it is dropped.
const UNSENT_BYTES: usize = 64 << 10;
/// What encryption adds to a record, and a little more.
const SEAL_BYTES: usize = 256;

/// See the module.
pub(in crate::reactor) struct Tunnel {
    connection: UnbufferedServerConnection,
    /// Received, and not whole.
    incoming: Vec<u8>,
    /// Encrypted, and not sent.
    outgoing: Vec<u8>,
    /// The record in `outgoing` is one that [`Tunnel::write`] did not count wholly: its last byte, which is this, comes again,
    /// and is not to be encrypted again.
    owes: Option<u8>,
}

/// Where records are made; one does for all links of a reactor.
#[derive(Debug, Default)]
pub(in crate::reactor) struct Scratch {
    /// Small pieces that become one record.
    gathered: Vec<u8>,
    sealed: Vec<u8>,
}

impl Tunnel {
    /// A new connection that begins with the peer's hello.
    ///
    /// # Errors
    /// What rustls says of its configuration.
    pub(in crate::reactor) fn new(certificates: &Certificates) -> io::Result<Tunnel> {
        let connection = UnbufferedServerConnection::new(certificates.config()).map_err(io::Error::other)?;
        Ok(Tunnel { connection, incoming: Vec::new(), outgoing: Vec::new(), owes: None })
    }

    /// Whether nothing can be sent and received by handlers yet.
    pub(in crate::reactor) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// What was received and stands in front of what comes next.
    pub(in crate::reactor) fn kept(&self) -> &[u8] {
        &self.incoming
    }

    /// Reads records: what was [kept](Tunnel::kept) and what was received since, as one. Their plaintext is appended. True
    /// if the peer says that it sends no more.
    ///
    /// # Errors
    /// Whatever breaks the rules of TLS. There may be something to [flush](Tunnel::flush) that tells the peer.
    pub(in crate::reactor) fn read(&mut self, bytes: &mut [u8], plain: &mut Vec<u8>) -> io::Result<bool> {
        let Tunnel { connection, outgoing, .. } = self;
        let mut done = 0;
        loop {
            let status = connection.process_tls_records(&mut bytes[done..]);
            done += status.discard;
            match status.state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(io::Error::other)?;
                        done += record.discard;
                        plain.extend_from_slice(record.payload);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    append(outgoing, |to| data.encode(to).map_err(encode_error))?;
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::WriteTraffic(_) | ConnectionState::BlockedHandshake) => break,
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                    self.incoming = Vec::new();
                    return Ok(true);
                }
                // Early data, which is not offered.
                Ok(_) => return Err(io::Error::other("a state that is not asked for")),
                Err(error) => {
                    // The alert, and no more: what was wrong is still there, and would be wrong again.
                    while connection.wants_write()
                        && let Ok(ConnectionState::EncodeTlsData(mut data)) =
                            connection.process_tls_records(&mut bytes[done..]).state
                    {
                        append(outgoing, |to| data.encode(to).map_err(encode_error))?;
                    }
                    return Err(io::Error::other(error));
                }
            }
        }
        let rest = &bytes[done..];
        if rest.len() > KEPT_BYTES || self.outgoing.len() > UNSENT_BYTES {
            return Err(io::Error::other("too much that is not whole, or not read"));
        }
        self.incoming = rest.to_vec();
        Ok(false)
    }

    /// Encrypts and sends. How much of it counts as sent: of a record of which a part could not be sent all but the last
    /// byte, so that whoever writes knows that something waits and comes again with the rest.
    ///
    /// # Errors
    /// `WouldBlock` if nothing was taken; else what sending, or rustls, says. `BrokenPipe` if that byte does not come again:
    /// a message that began with it was dropped since, and what is to come instead would be read as its rest.
    pub(in crate::reactor) fn write(
        &mut self,
        pieces: &[IoSlice<'_>],
        scratch: &mut Scratch,
        mut send: impl FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        if !self.flush(&mut send)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut counted = 0;
        if let Some(owed) = self.owes.take() {
            if pieces.iter().find_map(|piece| piece.first()) != Some(&owed) {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            counted = 1;
        }
        let mut pieces = Pieces { pieces, skip: counted };
        loop {
            let record = pieces.next_record(&mut scratch.gathered);
            if record.is_empty() {
                return Ok(counted);
            }
            self.seal(record, &mut scratch.sealed)?;
            let (length, last) = (record.len(), record.last().copied());
            let sent = match send(&scratch.sealed) {
                Ok(sent) => sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) => return Err(error),
            };
            counted += length;
            if sent < scratch.sealed.len() {
                self.outgoing = scratch.sealed[sent..].to_vec();
                self.owes = last;
                counted -= 1;
                return if counted > 0 { Ok(counted) } else { Err(io::ErrorKind::WouldBlock.into()) };
            }
        }
    }

    /// Sends what is encrypted and not sent. Whether nothing is left of it.
    ///
    /// # Errors
    /// What sending says, unless it is `WouldBlock`.
    pub(in crate::reactor) fn flush(
        &mut self,
        mut send: impl FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<bool> {
        if self.outgoing.is_empty() {
            return Ok(true);
        }
        match send(&self.outgoing) {
            Ok(sent) if sent == self.outgoing.len() => {
                self.outgoing = Vec::new();
                Ok(true)
            }
            Ok(sent) => {
                self.outgoing.drain(..sent);
                Ok(false)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Nothing more is sent: there is something to [flush](Tunnel::flush) that tells the peer, so that it knows that this
    /// is the end and no loss.
    pub(in crate::reactor) fn close(&mut self) {
        // A connection that cannot say so any more has told its peer that it failed.
        let _ = self.settle();
        let status = self.connection.process_tls_records(&mut self.incoming);
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = status.state {
            let _ = append(&mut self.outgoing, |to| traffic.queue_close_notify(to).map_err(encrypt_error));
        }
    }

    /// Makes one record, behind what TLS itself has to say before.
    fn seal(&mut self, plain: &[u8], sealed: &mut Vec<u8>) -> io::Result<()> {
        sealed.clear();
        sealed.reserve(plain.len() + SEAL_BYTES);
        loop {
            // With what is kept, although there is nothing new: rustls counts on it that it is there.
            let status = self.connection.process_tls_records(&mut self.incoming);
            debug_assert_eq!(status.discard, 0);
            match status.state.map_err(io::Error::other)? {
                ConnectionState::WriteTraffic(mut traffic) => {
                    let at_least = plain.len() + SEAL_BYTES;
                    return append_sized(sealed, at_least, |to| {
                        traffic.encrypt(plain, to).map_err(encrypt_error)
                    });
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    append(sealed, |to| data.encode(to).map_err(encode_error))?;
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed => {}
                _ => return Err(io::ErrorKind::BrokenPipe.into()),
            }
        }
    }

    /// Takes over what TLS itself has to say.
    fn settle(&mut self) -> io::Result<()> {
        loop {
            match self.connection.process_tls_records(&mut self.incoming).state {
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    append(&mut self.outgoing, |to| data.encode(to).map_err(encode_error))?;
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                _ => return Ok(()),
            }
        }
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nothing of keys.
        f.debug_struct("Tunnel").field("handshaking", &self.is_handshaking()).finish_non_exhaustive()
    }
}

/// Why nothing was written, or how many bytes it takes.
enum Unwritten {
    TooSmall(usize),
    Failed(io::Error),
}

fn encode_error(error: EncodeError) -> Unwritten {
    match error {
        EncodeError::InsufficientSize(InsufficientSizeError { required_size }) => {
            Unwritten::TooSmall(required_size)
        }
        error => Unwritten::Failed(io::Error::other(error)),
    }
}

fn encrypt_error(error: EncryptError) -> Unwritten {
    match error {
        EncryptError::InsufficientSize(InsufficientSizeError { required_size }) => {
            Unwritten::TooSmall(required_size)
        }
        error => Unwritten::Failed(io::Error::other(error)),
    }
}

/// Appends what `write` writes, which says how much room it needs.
fn append(to: &mut Vec<u8>, write: impl FnMut(&mut [u8]) -> Result<usize, Unwritten>) -> io::Result<()> {
    append_sized(to, 0, write)
}

/// The same where so much room should do.
fn append_sized(
    to: &mut Vec<u8>,
    mut room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Unwritten>,
) -> io::Result<()> {
    let before = to.len();
    loop {
        to.resize(before + room, 0);
        match write(&mut to[before..]) {
            Ok(written) => {
                to.truncate(before + written);
                return Ok(());
            }
            Err(Unwritten::TooSmall(needed)) if needed > room => room = needed,
            Err(Unwritten::TooSmall(_)) => return Err(io::ErrorKind::OutOfMemory.into()),
            Err(Unwritten::Failed(error)) => return Err(error),
        }
    }
}

/// What is to be sent, a record at a time.
struct Pieces<'a> {
    pieces: &'a [IoSlice<'a>],
    /// Of the first of them.
    skip: usize,
}

impl<'a> Pieces<'a> {
    /// The next bytes, as many as fit into a record; none at the end. Small pieces are gathered.
    fn next_record<'b>(&mut self, gathered: &'b mut Vec<u8>) -> &'b [u8]
    where
        'a: 'b,
    {
        gathered.clear();
        while let Some((first, rest)) = self.pieces.split_first() {
            let bytes: &'a [u8] = &first[self.skip..];
            let takes = bytes.len().min(RECORD_BYTES - gathered.len());
            let whole = takes == bytes.len();
            if gathered.is_empty() && (!whole || rest.is_empty()) {
                (self.pieces, self.skip) = if whole { (rest, 0) } else { (self.pieces, self.skip + takes) };
                return &bytes[..takes];
            }
            gathered.extend_from_slice(&bytes[..takes]);
            (self.pieces, self.skip) = if whole { (rest, 0) } else { (self.pieces, self.skip + takes) };
            if gathered.len() == RECORD_BYTES {
                break;
            }
        }
        gathered
    }
}

#[cfg(test)]
mod tests;
