//! Every bound that a peer can meet, with its unit in its name.

/// The limits of a server. Each has the default that the documentation of its field gives.
///
/// All of them hold for one connection unless the name says otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// The largest message that a client may send, in bytes of payload, inflated; also the largest HTTP body.
    /// Default 1,000,000. One past it ends a WebSocket with close code 1009 and a request with 413.
    pub message_bytes: usize,
    /// What may wait for a reader that does not keep up, in bytes on the wire. Default 1 MiB.
    pub outbox_bytes: usize,
    /// Time to send a whole request head, or a whole body, in seconds. Default 10.
    pub handshake_s: u32,
    /// Time without any frame after which a plain WebSocket is closed, in seconds; 0 never. Default 60.
    pub idle_s: u32,
    /// WebSocket connections of the whole server; `None` takes what the descriptor limits allow. Connections that
    /// are no WebSocket are not counted.
    pub connections: Option<usize>,
    /// The longest request head (request line and headers), in bytes. Default 16 KiB.
    pub head_bytes: usize,
    /// The most rooms that one socket may be in. Default 1,024.
    pub rooms_per_socket: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            message_bytes: 1_000_000,
            outbox_bytes: 1 << 20,
            handshake_s: 10,
            idle_s: 60,
            connections: None,
            head_bytes: 16 << 10,
            rooms_per_socket: 1_024,
        }
    }
}
