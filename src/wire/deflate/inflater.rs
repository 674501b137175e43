//! Compressed messages of clients, inflated within a bound (RFC 7692, section 7.2.2; RFC 1951).

use std::fmt;

use flate2::{Decompress, FlushDecompress, Status};

use super::{KEEP_BYTES, TAIL};

/// A last, empty stored block: fed behind a message, it ends the stream if the message ended between two blocks.
const LAST_BLOCK: [u8; 5] = [0x01, 0x00, 0x00, 0xff, 0xff];

/// The first room that a message gets, in bytes; it is doubled as the message grows.
const FIRST_BYTES: usize = 4 << 10;

/// Why a message was not inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InflateError {
    /// It is longer than it may be.
    TooBig,
    /// It is not what DEFLATE produces, or it is cut.
    Corrupt,
}

impl fmt::Display for InflateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            InflateError::TooBig => "inflated message is too big",
            InflateError::Corrupt => "compressed message is corrupt",
        })
    }
}

impl std::error::Error for InflateError {}

/// The most bytes that a message of `len` bytes takes compressed, by a compressor that means well: nine bits for a
/// byte where codes are fixed, five bytes around each block, and a flush or two.
pub fn most_deflated(len: usize) -> usize {
    len.saturating_add(len / 8).saturating_add(64)
}

/// Inflates one message after the other, whoever sent them.
///
/// It owns nothing until the first one comes; then about 48 KB, and what the last message needed.
#[derive(Debug, Default)]
pub struct Inflater {
    state: Option<Decompress>,
    /// The last message.
    out: Vec<u8>,
}

impl Inflater {
    /// Without memory.
    pub const fn new() -> Inflater {
        Inflater { state: None, out: Vec::new() }
    }

    /// Inflates the payload of a whole message, all fragments together, and lends the message. Memory grows with
    /// what comes out of it, to `max` bytes at most.
    ///
    /// # Errors
    /// More than `max` bytes come out, or it is no compressed message.
    pub fn inflate(&mut self, payload: &[u8], max: usize) -> Result<&[u8], InflateError> {
        self.release();
        self.out.clear();
        let state = self.state.get_or_insert_with(|| Decompress::new(false));
        state.reset(false);
        let mut run = Run { state, out: &mut self.out, max };
        // A message without a byte is not what the RFC makes of an empty one, but what some clients do.
        if payload.is_empty() || run.feed(payload)? {
            return Ok(&self.out);
        }
        let len = run.out.len();
        // Two ways in which a cut message shows: it takes the tail for data, or it goes on behind it.
        run.feed(&TAIL)?;
        let is_whole = run.feed(&LAST_BLOCK)? && run.out.len() == len;
        if is_whole { Ok(&self.out) } else { Err(InflateError::Corrupt) }
    }

    /// The message that the last call inflated.
    pub fn message(&self) -> &[u8] {
        &self.out
    }

    /// The last message is not needed any more: frees its memory if it is large.
    pub fn release(&mut self) {
        if self.out.capacity() > KEEP_BYTES {
            self.out = Vec::new();
        }
    }
}

/// One message that is being inflated.
struct Run<'a> {
    state: &'a mut Decompress,
    out: &'a mut Vec<u8>,
    max: usize,
}

impl Run<'_> {
    /// Inflates some of the message's bytes; whether a final block ended with the last of them.
    fn feed(&mut self, mut bytes: &[u8]) -> Result<bool, InflateError> {
        let mut ended = false;
        // What was taken in may not all have come out while there was no room.
        while !bytes.is_empty() || self.out.len() == self.out.capacity() && !ended {
            self.make_room();
            let before = self.state.total_in();
            let status = self.state.decompress_vec(bytes, self.out, FlushDecompress::None);
            bytes = &bytes[(self.state.total_in() - before) as usize..];
            if self.out.len() > self.max {
                return Err(InflateError::TooBig);
            }
            match status {
                Ok(Status::StreamEnd) => {
                    // A final block may stand anywhere; what follows starts anew, at a byte (section 7.2.1).
                    self.state.reset(false);
                    ended = true;
                }
                Ok(Status::BufError) if !bytes.is_empty() => return Err(InflateError::Corrupt),
                Ok(_) => ended = false,
                Err(_) => return Err(InflateError::Corrupt),
            }
        }
        Ok(ended)
    }

    /// Room for one byte at least, of which one is more than there may be.
    fn make_room(&mut self) {
        if self.out.len() < self.out.capacity() {
            return;
        }
        let wanted = (self.out.len() * 2).max(FIRST_BYTES).min(self.max.saturating_add(1));
        self.out.reserve_exact(wanted - self.out.len());
    }
}
