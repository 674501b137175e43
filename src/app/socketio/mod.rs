//! Socket.IO for programs: namespaces, their sockets, events and acknowledgements.
//!
//! Handlers are registered on a [`Namespace`] and run on the reactor that owns the socket; they must not block.

mod answers;
mod asking;
mod decision;
mod dynamic;
mod emit;
mod error;
mod event;
mod facts;
mod handshake;
mod listening;
mod many;
mod namespace;
mod one;
mod outgoing;
mod owed;
mod reason;
mod remote;
mod rooms;
mod server_side;
mod socket;
mod state;
mod way_back;

pub use crate::app::engine::{Cors, EngineOptions, Transport};
pub use crate::session::packets::Parser;
pub use crate::wire::json::JsonError;
pub use crate::wire::socketio::args::{ArgRef, Args, ArgsError, ArgsRef};
pub use crate::wire::socketio::is_reserved;
pub use crate::wire::socketio::value::{Binary, ToArgs};
pub use answers::{Answer, Answers, Incomplete};
pub use decision::Decision;
pub use dynamic::PatternError;
pub use emit::Emit;
pub use error::{Error, NoAck, Outcome};
pub use event::{Ack, Event};
pub use handshake::Handshake;
pub use many::{MoveReport, SocketInfo};
pub use namespace::{ConnectError, Connecting, Namespace, SocketIo};
pub use one::One;
pub use outgoing::Outgoing;
pub use reason::DisconnectReason;
pub use remote::RemoteSocket;
pub use rooms::RoomEvent;
pub use server_side::{ServerAck, ServerEvent};
pub use socket::Socket;
pub use way_back::WayBack;

pub(crate) use asking::Asking;
pub(crate) use decision::{Waiting, WaitingId, bytes_of};
pub(crate) use dynamic::{LiveNames, When};
pub(crate) use emit::pieces;
pub(crate) use listening::Listening;
pub(crate) use many::Moves;
pub(crate) use namespace::Middleware;
pub(crate) use outgoing::event_of;
pub(crate) use owed::Owed;
pub(crate) use socket::socket_id;
pub(crate) use state::{Leaving, Member, NamespaceId, SioSession, SioSessions};
