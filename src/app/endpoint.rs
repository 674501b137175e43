//! Plain WebSocket endpoints: what a program implements to serve a path.

use super::http::Request;
use super::socket::Socket;
use crate::wire::response::Response;
use compact_str::CompactString;

/// Serves the WebSocket connections of one path.
///
/// One value serves all connections of all reactors, so that a socket costs no closure. What belongs to
/// one connection is its scope and its rooms: a name that the handlers need later is a room of one.
pub trait Endpoint: Send + Sync + 'static {
    /// Decides on an upgrade, before anything is answered.
    ///
    /// # Errors
    /// The response that refuses it.
    fn on_upgrade(&self, request: &Request<'_>) -> Result<Admission, Response>;

    /// The socket is open and in its rooms.
    fn on_open(&self, socket: &mut Socket<'_>) {
        let _ = socket;
    }

    /// A whole message arrived.
    fn on_message(&self, socket: &mut Socket<'_>, message: Message<'_>);

    /// A message came that is more than [`Limits::messages_per_s`](crate::Limits::messages_per_s) allows: it is passed over, and
    /// its client may be told.
    fn on_rate_limited(&self, socket: &mut Socket<'_>, message: Message<'_>) {
        let _ = (socket, message);
    }

    /// The socket is closing or gone. It still is in its rooms, except that one that was replaced has lost the room
    /// that it had claimed; nothing can be sent to it.
    fn on_close(&self, socket: &mut Socket<'_>, cause: &CloseCause) {
        let _ = (socket, cause);
    }
}

/// A message of a client, lent for the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
}

impl Message<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Message::Text(text) => text.len(),
            Message::Binary(bytes) => bytes.len(),
        }
    }
}

/// How a connection begins: what it is called and where it belongs.
///
/// Names have 1 to 256 bytes, and 8 more for a prefix; a scope does not begin with a slash, as namespaces of Socket.IO
/// do. A connection with another name or more rooms than [`Limits::rooms_per_socket`](crate::Limits::rooms_per_socket) is refused with status 500 and a
/// line in the log, because checking them is the endpoint's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    pub(crate) scope: CompactString,
    pub(crate) claim: Option<CompactString>,
    pub(crate) rooms: Vec<CompactString>,
    pub(crate) subprotocol: Option<String>,
}

impl Admission {
    /// Into a scope, without rooms.
    pub fn to_scope(scope: &str) -> Admission {
        Admission { scope: scope.into(), claim: None, rooms: Vec::new(), subprotocol: None }
    }

    /// This room is the connection's own: any other connection that claimed it, on any reactor, is closed
    /// with code 4001 and reason `replaced`.
    pub fn claim(mut self, room: &str) -> Admission {
        self.claim = Some(room.into());
        self
    }

    /// Also in this room.
    pub fn room(mut self, room: &str) -> Admission {
        self.rooms.push(room.into());
        self
    }

    /// Answers with this subprotocol, which should be one that the client offered.
    pub fn subprotocol(mut self, name: &str) -> Admission {
        self.subprotocol = Some(name.to_owned());
        self
    }
}

/// Why a socket closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseCause {
    /// The client closed it, with this code if it gave one.
    Client(Option<u16>),
    /// The connection ended without a closing handshake.
    Lost,
    /// A handler closed it, with this code.
    Handler(u16),
    /// A newer connection claimed this room, which this one has therefore left already.
    Replaced(String),
    /// Nothing arrived for too long.
    Idle,
    /// It did not read what was sent to it.
    Slow,
    /// It sent far more messages than it may.
    Flood,
    /// It broke the protocol; it was told this code.
    Protocol(u16),
    /// The server stops.
    Shutdown,
    /// The server is drained: its client is to come back, to whoever serves then.
    Drain,
}

impl CloseCause {
    /// The names of all causes in metrics.
    pub const NAMES: [&'static str; 10] =
        ["client", "lost", "handler", "replaced", "idle", "slow", "protocol", "shutdown", "flood", "drain"];

    pub(crate) fn index(&self) -> usize {
        match self {
            CloseCause::Client(_) => 0,
            CloseCause::Lost => 1,
            CloseCause::Handler(_) => 2,
            CloseCause::Replaced(_) => 3,
            CloseCause::Idle => 4,
            CloseCause::Slow => 5,
            CloseCause::Protocol(_) => 6,
            CloseCause::Shutdown => 7,
            CloseCause::Flood => 8,
            CloseCause::Drain => 8,
        }
    }

    /// Its name in metrics.
    pub fn name(&self) -> &'static str {
        CloseCause::NAMES[self.index()]
    }
}
