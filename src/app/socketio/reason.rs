//! Why a socket left its namespace.

use crate::app::endpoint::CloseCause;
use std::fmt;

/// The reasons, in Socket.IO's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DisconnectReason {
    /// The connection was lost.
    TransportError,
    /// The client closed the connection.
    TransportClose,
    /// The server closed the connection: it did not read, or was replaced.
    ForcedClose,
    /// A heartbeat was not answered.
    PingTimeout,
    /// The client broke the protocol.
    ParseError,
    /// The server ends.
    ServerShuttingDown,
    /// The client left the namespace.
    ClientNamespaceDisconnect,
    /// A handler disconnected it from the namespace, or from all of them and closed the connection.
    ServerNamespaceDisconnect,
}

impl DisconnectReason {
    /// The reason as Socket.IO writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            DisconnectReason::TransportError => "transport error",
            DisconnectReason::TransportClose => "transport close",
            DisconnectReason::ForcedClose => "forced close",
            DisconnectReason::PingTimeout => "ping timeout",
            DisconnectReason::ParseError => "parse error",
            DisconnectReason::ServerShuttingDown => "server shutting down",
            DisconnectReason::ClientNamespaceDisconnect => "client namespace disconnect",
            DisconnectReason::ServerNamespaceDisconnect => "server namespace disconnect",
        }
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<&CloseCause> for DisconnectReason {
    fn from(cause: &CloseCause) -> DisconnectReason {
        match cause {
            CloseCause::Client(_) => DisconnectReason::TransportClose,
            CloseCause::Lost => DisconnectReason::TransportError,
            CloseCause::Handler(_) => DisconnectReason::ServerNamespaceDisconnect,
            CloseCause::Replaced(_) | CloseCause::Slow | CloseCause::Flood => DisconnectReason::ForcedClose,
            CloseCause::Idle => DisconnectReason::PingTimeout,
            CloseCause::Protocol(_) => DisconnectReason::ParseError,
            CloseCause::Shutdown | CloseCause::Drain => DisconnectReason::ServerShuttingDown,
        }
    }
}
