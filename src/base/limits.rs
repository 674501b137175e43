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
    /// Connections of one address to the whole server, whatever they speak, and sessions of it that are polled; of IPv6, a
    /// /64 is one address. Connections to addresses for operators and over unix sockets are not counted. Default `None`, as
    /// many as there can be. The request of one more is answered with 429.
    pub connections_per_ip: Option<usize>,
    /// Messages that a client may send, a second, on average; up to 1,000,000. Default `None`, as many as it likes. What is
    /// beyond it is told to [`Endpoint::on_rate_limited`](crate::Endpoint::on_rate_limited) or
    /// [`Namespace::on_rate_limited`](crate::socketio::Namespace::on_rate_limited) instead of the other handlers; who
    /// sends ten times as many is closed with 1008.
    pub messages_per_s: Option<u32>,
    /// Messages that a client may send at once, after it was silent; up to 2,000,000. Default `None`, twice what it may send a
    /// second.
    pub messages_burst: Option<u32>,
    /// Connections that the whole server accepts, a second; whoever comes faster waits in the kernel. Those to addresses
    /// for operators do not wait. Default `None`, as many as it can.
    pub accepts_per_s: Option<u32>,
    /// What the process and the kernel on its behalf may take, in bytes. Default `None`, as much as there is. At 90% of it
    /// newcomers are refused with 503, at 97% whoever has most waiting is closed.
    pub memory_bytes: Option<u64>,
    /// What the kernel may keep of what was sent to one client, in bytes; it grants twice as much for its own books. Default
    /// `None`: it begins small and grows to what `net.ipv4.tcp_wmem` has.
    pub send_buffer_bytes: Option<usize>,
}

impl Limits {
    /// The most that [`Limits::messages_per_s`] can be.
    pub const MOST_MESSAGES_PER_S: u32 = 1_000_000;

    /// How many messages a client may send at once, where there is a limit.
    pub(crate) fn burst(&self, rate: u32) -> u32 {
        let rate = rate.clamp(1, Limits::MOST_MESSAGES_PER_S);
        self.messages_burst.unwrap_or(2 * rate).clamp(1, 2 * Limits::MOST_MESSAGES_PER_S)
    }
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
            connections_per_ip: None,
            messages_per_s: None,
            messages_burst: None,
            accepts_per_s: None,
            memory_bytes: None,
            send_buffer_bytes: None,
        }
    }
}
