//! How messages are compressed.

/// The settings of permessage-deflate (RFC 7692), for connections whose clients offer it.
///
/// No context is kept from one message to the next, in either direction: a message is compressed once for all who get
/// it, and a connection owns no memory for it. What clients send is inflated up to
/// [`Limits::message_bytes`](crate::Limits::message_bytes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    /// Messages shorter than this are sent as they are, in bytes. Default 1,024.
    pub threshold_bytes: usize,
    /// How hard to try: from 1, the fastest, to 9; one beyond is taken for the nearest. Default 3, which makes of JSON
    /// about what 6 does, and of large messages in half the time (`cargo bench --bench frame -- deflate`).
    pub level: u8,
}

impl Default for Compression {
    fn default() -> Compression {
        Compression { threshold_bytes: 1_024, level: 3 }
    }
}
