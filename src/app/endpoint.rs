//! Plain WebSocket endpoints: what a program implements to serve a path.

use super::context::Context;
use super::http::Request;
use super::socket::Socket;
use super::upgrading::{AskLater, UpgradeDecision};
use crate::wire::response::Response;
use compact_str::CompactString;
use std::any::Any;
use std::fmt;

/// Serves the WebSocket connections of one path.
///
/// One value serves all connections of all reactors, so that a socket costs no closure. What belongs to
/// one connection is its scope and its rooms: a name that the handlers need later is a room of one.
pub trait Endpoint: Send + Sync + 'static {
    /// Decides on an upgrade, before anything is answered. What cannot be decided at once is decided later: see
    /// [`Admission::later`].
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

    /// The time has come that was set by [`Socket::set_alarm`].
    fn on_alarm(&self, socket: &mut Socket<'_>) {
        let _ = socket;
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
pub struct Admission {
    pub(crate) scope: CompactString,
    pub(crate) claim: Option<CompactString>,
    pub(crate) rooms: Vec<CompactString>,
    pub(crate) subprotocol: Option<String>,
    pub(crate) kept: Vec<Box<dyn Any + Send>>,
    /// Then nothing else is said by it.
    pub(crate) later: Option<AskLater>,
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission")
            .field("scope", &self.scope)
            .field("claim", &self.claim)
            .field("rooms", &self.rooms)
            .finish_non_exhaustive()
    }
}

impl Admission {
    /// Into a scope, without rooms.
    pub fn to_scope(scope: &str) -> Admission {
        Admission {
            scope: scope.into(),
            claim: None,
            rooms: Vec::new(),
            subprotocol: None,
            kept: Vec::new(),
            later: None,
        }
    }

    /// Somebody else decides: `ask` is called on the reactor, once what the client sent is known to be right, with the
    /// [`UpgradeDecision`] that it gives to whoever knows. It must not block.
    ///
    /// Not at an endpoint of an Engine.IO server ([`Builder::engine`](crate::Builder::engine)), whose sessions cannot
    /// wait; those of Socket.IO have [`Namespace::middleware_later`](crate::socketio::Namespace::middleware_later).
    ///
    /// ```
    /// # use fanfare::{Admission, Request, Response};
    /// # fn user_of(token: &str) -> Option<String> { None }
    /// fn on_upgrade(request: &Request<'_>) -> Result<Admission, Response> {
    ///     let query = request.query().map_err(|e| Response::error(400, "bad_request", &e.to_string()))?;
    ///     let token = query.get("token").unwrap_or_default().to_owned();
    ///     Ok(Admission::later(move |cx, decision| {
    ///         let handle = cx.handle();
    ///         std::thread::spawn(move || match user_of(&token) {
    ///             Some(user) => decision.allow(&handle, Admission::to_scope("chat").claim(&user)),
    ///             None => decision.refuse(&handle, Response::error(401, "unauthorized", "who are you?")),
    ///         });
    ///     }))
    /// }
    /// ```
    pub fn later(ask: impl FnOnce(&mut Context<'_>, UpgradeDecision) + Send + 'static) -> Admission {
        Admission { later: Some(Box::new(ask)), ..Admission::to_scope("") }
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

    /// With a value that is kept with the socket: [`Socket::get`] has it.
    pub fn with<T: Any + Send>(mut self, value: T) -> Admission {
        self.kept.push(Box::new(value));
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
            CloseCause::Drain => 9,
        }
    }

    /// Its name in metrics.
    pub fn name(&self) -> &'static str {
        CloseCause::NAMES[self.index()]
    }
}
