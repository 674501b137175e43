//! What the connections of a run speak: the protocol and, for Socket.IO, the transport.

use std::fmt;

use clap::ValueEnum;

use crate::wire::engine::Revision;

/// The protocol on the connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// Plain WebSocket.
    Ws,
    /// Socket.IO as clients of 1.x and 2.x speak it (EIO=3: the client pings).
    Sio3,
    /// Socket.IO as clients of 3.x and 4.x speak it (EIO=4: the server pings).
    Sio4,
}

impl Protocol {
    /// What the flags call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ws => "ws",
            Self::Sio3 => "sio3",
            Self::Sio4 => "sio4",
        }
    }

    /// The revision of Engine.IO below Socket.IO.
    pub fn revision(self) -> Option<Revision> {
        match self {
            Self::Ws => None,
            Self::Sio3 => Some(Revision::Three),
            Self::Sio4 => Some(Revision::Four),
        }
    }
}

/// How Socket.IO is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Transport {
    /// WebSocket from the beginning.
    Websocket,
    /// HTTP only: a GET is always open, and what is sent goes by POST over a second connection.
    Polling,
    /// Polling first, then WebSocket, as browsers do it.
    Upgrade,
}

/// Both of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speech {
    /// The protocol.
    pub protocol: Protocol,
    /// The transport; a plain WebSocket needs no other.
    pub transport: Transport,
}

impl Speech {
    /// Whether connections begin with polling.
    pub fn polls(self) -> bool {
        self.transport != Transport::Websocket
    }

    /// Descriptors that a connection may have at a time.
    pub fn descriptors(self) -> u32 {
        match self.transport {
            Transport::Websocket => 1,
            Transport::Polling => 2,
            // Both of polling and the WebSocket, for as long as the change takes; after a storm that may be all.
            Transport::Upgrade => 3,
        }
    }
}

impl fmt::Display for Speech {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = match (self.protocol, self.transport) {
            (Protocol::Ws, _) => "",
            (_, Transport::Websocket) => " websocket",
            (_, Transport::Polling) => " polling",
            (_, Transport::Upgrade) => " upgrade",
        };
        write!(f, "{}{transport}", self.protocol.name())
    }
}
