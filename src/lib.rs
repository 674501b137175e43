//! fanfare: a realtime push server and library.
//!
//! One process, one reactor a core. A reactor is a thread that owns its connections, what they are members of, and what
//! waits to be sent to them; nothing of that is shared or locked. A program implements [`Endpoint`] for the
//! WebSocket connections of a path, adds HTTP routes, and starts a [`Server`]:
//!
//! ```no_run
//! use fanfare::{Admission, Endpoint, Frame, Message, Request, Response, Server, Socket, To};
//!
//! struct Chat;
//!
//! impl Endpoint for Chat {
//!     fn on_upgrade(&self, _: &Request<'_>) -> Result<Admission, Response> {
//!         Ok(Admission::to_scope("chat"))
//!     }
//!
//!     fn on_message(&self, socket: &mut Socket<'_>, message: Message<'_>) {
//!         if let Message::Text(text) = message {
//!             socket.publish(&To::everybody("chat"), &Frame::text(text));
//!         }
//!     }
//! }
//!
//! let server = Server::builder()
//!     .listen("127.0.0.1:3000".parse()?)
//!     .endpoint("/chat", Chat)
//!     .route("GET", "/", |cx, _, _, responder| responder.send(cx, Response::text(200, "hello")))
//!     .start()?;
//! server.join()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Threads
//!
//! Handlers run on the reactor that owns the socket and must not block. They get a view of the socket or of the
//! reactor for the call; what they send is queued and leaves at the end of the turn. A reactor has a descriptor table
//! of its own: a file or a socket that another thread opened does not exist there under its number, so that handlers
//! leave I/O to other threads (the standard three descriptors are kept).
//!
//! A handler that panics ends its reactor and thereby the server: the other reactors close their connections with
//! 1001, and [`Running::join`] returns an error.
//!
//! What the server has to say goes to the `log` crate; a program shows it by installing a logger.
//!
//! # Promises
//!
//! - Order is kept from one sender to one receiver. A message is delivered at most once.
//! - A join is visible to every reactor when the call returns.
//! - A slow reader costs others nothing but its outbox, which is bounded by [`Limits::outbox_bytes`]; beyond that it is
//!   closed with 1008.
//! - What is not delivered is counted, with the reason: [`DeliveryReport`], [`Stats`].
//!
//! # Costs
//!
//! An idle connection with a claim and a room takes about 200 bytes. A frame is built once and shared by all its
//! recipients on all reactors. A publish wakes only reactors that have a member of its rooms.
//!
//! [`Builder::compression`] costs a connection nothing, and a reactor that meets compressed messages about 430 KB.

mod app;
#[doc(hidden)]
pub mod base;
#[doc(hidden)]
pub mod hub;
#[doc(hidden)]
pub mod reactor;
mod server;
#[doc(hidden)]
pub mod session;
#[doc(hidden)]
pub mod sys;
#[doc(hidden)]
pub mod wire;

pub use app::socketio;
pub use app::{
    Admission, BadQuery, CloseCause, Context, Cors, DeliveryReport, Endpoint, EngineOptions, Files,
    FilesError, Handle, JoinError, Message, Params, Query, ReactorStats, Refusal, Request, Responder, Rooms,
    Socket, Stats, To, Transport, Via, View,
};
pub use base::compression::Compression;
pub use base::limits::Limits;
pub use hub::NAME_BYTES;
pub use reactor::gauges::{Durations, Phase};
pub use reactor::listener::{BadListenAddr, ListenAddr};
pub use reactor::peer::Peer;
pub use server::{Builder, Running, Server, StartError};
pub use wire::frame::{Frame, FrameBuilder};
pub use wire::response::Response;

/// For those who know Socket.IO: what its names are here.
pub mod guide {
    #[doc = include_str!("guide/server_api.md")]
    pub mod server_api {}

    #[doc = include_str!("guide/idioms.md")]
    pub mod idioms {}

    #[doc = include_str!("guide/tests_of_rows.md")]
    pub mod tests_of_rows {}
}

/// The README's program compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
