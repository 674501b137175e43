//! Socket.IO for programs: namespaces, their sockets, events and acknowledgements.
//!
//! Handlers are registered on a [`Namespace`] and run on the reactor that owns the socket; they must not block.

mod answers;
mod asking;
mod dynamic;
mod emit;
mod error;
mod event;
mod handshake;
mod many;
mod namespace;
mod one;
mod owed;
mod reason;
mod remote;
mod socket;
mod state;

pub use crate::app::engine::{Cors, EngineOptions, Transport};
pub use crate::session::packets::Parser;
pub use crate::wire::json::JsonError;
pub use crate::wire::socketio::args::{ArgRef, Args, ArgsError, ArgsRef};
pub use crate::wire::socketio::is_reserved;
pub use crate::wire::socketio::value::{Binary, ToArgs};
pub use answers::{Answer, Answers, Incomplete};
pub use dynamic::PatternError;
pub use emit::Emit;
pub use error::{Error, NoAck, Outcome};
pub use event::{Ack, Event};
pub use handshake::Handshake;
pub use many::SocketInfo;
pub use namespace::{ConnectError, Connecting, Namespace, SocketIo};
pub use one::One;
pub use reason::DisconnectReason;
pub use remote::RemoteSocket;
pub use socket::Socket;

pub(crate) use asking::Asking;
pub(crate) use dynamic::{LiveNames, When};
pub(crate) use emit::pieces;
pub(crate) use owed::Owed;
pub(crate) use socket::socket_id;
pub(crate) use state::{Member, NamespaceId, SioSession, SioSessions};
