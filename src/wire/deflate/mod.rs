//! permessage-deflate (RFC 7692): messages that are compressed one by one.
//!
//! Owns: which offers are accepted ([`negotiate`]), and both directions of the compression ([`Deflater`],
//! [`Inflater`]). Neither side keeps a context from one message to the next, so that one compressed frame serves every
//! recipient, and no connection owns a window: there is one deflater and one inflater a thread.
//! Leaves to others: reading the bit that marks a message as compressed ([`super::header`]), collecting its
//! fragments ([`crate::session::websocket`]), and whether compression is on.

mod deflater;
mod inflater;
mod negotiation;

pub use deflater::{Deflater, forget_thread, with_thread};
pub use inflater::{InflateError, Inflater, most_deflated};
pub use negotiation::{Agreement, MalformedOffers, Window, negotiate};

/// The end of an empty stored block, which a sender leaves out and a receiver puts back (sections 7.2.1 and 7.2.2).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// What a buffer may keep when nothing is in it, in bytes: more than most messages need.
const KEEP_BYTES: usize = 64 << 10;
