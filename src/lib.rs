//! fanfare: a realtime push server and library for Linux. It speaks Socket.IO to clients of every generation, plain
//! WebSocket, and HTTP.
//!
//! # A first program
//!
//! A namespace is a table of handlers for all of its sockets. What goes with an event is any value that serde knows: a
//! tuple is several arguments, everything else is one.
//!
//! ```no_run
//! use fanfare::socketio::{Namespace, SocketIo};
//! use fanfare::{Response, Server};
//!
//! let chat = Namespace::new("/")
//!     .on_connect(|socket, _| socket.emit("hello", "from Rust"))
//!     .on("join", |socket, event| {
//!         let room: String = event.parse()?;
//!         socket.join(&room)?;
//!         event.ack(socket, "joined")
//!     })
//!     .on("say", |socket, event| {
//!         let (room, text): (String, String) = event.parse()?;
//!         let id = socket.id();
//!         socket.to(&room).emit("said", (id, text))
//!     });
//!
//! let running = Server::builder()
//!     .listen("127.0.0.1:3000".parse()?)
//!     .socketio(SocketIo::default().namespace(chat))
//!     .route("GET", "/", |cx, _, _, responder| responder.send(cx, Response::text(200, "hello")))
//!     .start()?;
//! running.join()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What chooses recipients holds the socket until it is sent, so that the id is asked for before.
//!
//! `io("http://127.0.0.1:3000")` of any socket.io-client since 1.0 connects to it. The whole of it is in [`socketio`]:
//! [`Namespace`](socketio::Namespace) has the handlers, [`Socket`](socketio::Socket) what they do,
//! [`Emit`](socketio::Emit) the choice of recipients. One namespace may stand for many names, by a pattern or by a
//! function: [`Namespace::matching`](socketio::Namespace::matching). Who knows Socket.IO's JavaScript server finds each of
//! its names in [`guide::server_api`], and what is usually written with them in [`guide::idioms`].
//!
//! A path that speaks plain WebSocket is an [`Endpoint`]; its connections have rooms, too:
//!
//! ```no_run
//! use fanfare::{Admission, Endpoint, Frame, Message, Request, Response, Server, Socket, To};
//!
//! struct Chat;
//!
//! impl Endpoint for Chat {
//!     fn on_upgrade(&self, request: &Request<'_>) -> Result<Admission, Response> {
//!         match request.cookie("session") {
//!             Some(_) => Ok(Admission::to_scope("chat").room("lobby")),
//!             None => Err(Response::error(401, "unauthorized", "who are you?")),
//!         }
//!     }
//!
//!     fn on_message(&self, socket: &mut Socket<'_>, message: Message<'_>) {
//!         if let Message::Text(text) = message {
//!             socket.publish(&To::room("chat", "lobby"), &Frame::text(text));
//!         }
//!     }
//! }
//!
//! let running = Server::builder().listen("127.0.0.1:3000".parse()?).endpoint("/chat", Chat).start()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Builder::route`] answers HTTP requests, with JSON or whatever a [`Response`] is; [`Builder::files`] serves a folder.
//!
//! # Threads
//!
//! A server has one reactor a core: a thread that owns its connections, what they are members of, and what waits to be
//! sent to them. Nothing of that is shared or locked. A connection stays on its reactor.
//!
//! Handlers run on the reactor that owns the socket, one at a time there, and **must not block**: while one does, nothing
//! else happens on its reactor. They get a view of the socket, lent for the call; what they send is queued and leaves at
//! the end of the turn. Handlers are shared by all reactors, so what they capture is `Send + Sync`; what belongs to one
//! socket is kept with it by [`Socket::set`](socketio::Socket::set).
//!
//! Work that takes long goes to a thread of the program's own, or to a runtime: give it what it needs and a [`Handle`],
//! which emits and publishes from anywhere, or the [`Ack`](socketio::Ack) or the [`Responder`] that it answers.
//!
//! ```no_run
//! use fanfare::Server;
//! use fanfare::socketio::{Ack, Error, Namespace, SocketIo};
//! use std::sync::{Mutex, mpsc};
//!
//! let (work, waiting) = mpsc::channel::<(Ack, u64)>();
//! let work = Mutex::new(work);
//! let namespace = Namespace::new("/").on("factor", move |_, event| {
//!     let number: u64 = event.parse()?;
//!     let ack = event.take_ack().ok_or_else(|| Error::other("nobody wants to know"))?;
//!     work.lock().unwrap().send((ack, number)).map_err(Error::other)
//! });
//! let running = Server::builder()
//!     .listen("127.0.0.1:3000".parse()?)
//!     .socketio(SocketIo::default().namespace(namespace))
//!     .start()?;
//! let handle = running.handle();
//! # fn factor(number: u64) -> Vec<u64> { (1..=number).filter(|factor| number.is_multiple_of(*factor)).collect() }
//! std::thread::spawn(move || {
//!     for (ack, number) in waiting {
//!         let _ = ack.send(&handle, factor(number));
//!     }
//! });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Whether a client may come in can be decided there, too: [`Admission::later`],
//! [`Namespace::middleware_later`](socketio::Namespace::middleware_later). Whoever has to change the socket itself when it is
//! done takes its [`WayBack`] along ([`socketio::WayBack`]).
//!
//! A reactor has a descriptor table of its own: a file or a socket that another thread opened does not exist there under
//! its number. Handlers leave I/O to other threads (the standard three descriptors are kept).
//!
//! What the server has to say goes to the `log` crate: who was refused and why, which handler failed. A program shows it
//! by installing a logger (`env_logger::init()`); without one, an event whose arguments are not what its handler expects is
//! passed over in silence.
//!
//! # How it ends
//!
//! [`Running::stop`] closes all connections at once. [`Running::drain`] empties the server first, over a time, so that clients
//! that return do so at an even rate: to another server, which can listen on the same address as soon as this one does not.
//! [`Running::set_limits`] changes limits meanwhile, [`Builder::listen_on`] takes listeners that are open already, and
//! [`Running::has_turned`] is for watchdogs.
//!
//! # When handlers fail
//!
//! A handler that returns an `Err` has that told to [`Namespace::on_error`](socketio::Namespace::on_error) or to the log.
//! One that panics ends its socket (one of a route: its request, with status 500), is counted in
//! [`ReactorStats::panics`] and logged with the name of the event, and nobody else notices. That takes unwinding: with
//! `panic = "abort"` it ends the process.
//!
//! # Guarantees
//!
//! - Order is kept from one sender to one receiver: of a socket, a handler, or a handle with its clones.
//! - A message is delivered at most once; who needs to know asks for an acknowledgement or for a [`DeliveryReport`].
//! - A join is visible to every reactor when the call returns.
//! - A slow reader costs others nothing but its outbox, which is bounded by [`Limits::outbox_bytes`]; beyond that it is
//!   closed. Volatile messages are dropped for it before.
//! - What is not delivered is counted, with the reason: [`DeliveryReport`], [`Stats`].
//! - Nothing that a peer sends makes the server panic, hang, or grow past its limits.
//! - With [`Limits::memory_bytes`] the process, and the kernel on its behalf, stay below a ceiling: newcomers are refused
//!   first, then who has most waiting is reset.
//!
//! # Limits
//!
//! [`Limits`] has those that peers meet, each with its default; [`EngineOptions`] those of
//! Socket.IO's transport. Names of rooms, scopes and events have up to 264, 264 and as many bytes as a message has. A socket
//! is in up to [`Limits::rooms_per_socket`] rooms, a session in up to 64 namespaces, an event has up to 10 attachments,
//! a client may owe 16,384 acknowledgements, and 1,024 broadcasts may wait for theirs on a reactor. A server has up to 64
//! reactors, and a reactor as many connections as one descriptor table holds.
//!
//! # Costs
//!
//! | | about |
//! |---|---|
//! | an idle WebSocket in a scope, with a claim and a room | 200 bytes |
//! | an idle Socket.IO client with two rooms | 345 bytes |
//! | another namespace of a session | 8 bytes, and what it keeps of the first request |
//! | a name of a dynamic namespace that somebody is in | 240 bytes a reactor |
//! | a room of a socket | 8 bytes; 56 for a room that nobody was in |
//! | handlers | nothing a socket |
//! | the first value that [`Socket::set`](socketio::Socket::set) keeps | 56 bytes, and its own size |
//! | the first value that a plain socket keeps | 50 bytes, and its own size |
//! | an alarm | 80 bytes |
//! | an acknowledgement that a client owes | 40 bytes, and what its callback captures |
//! | an acknowledgement that many owe | a set of slots a reactor; each answer 80 bytes and its text |
//! | a message to many | one allocation for each form in which clients need it, on no matter how many reactors |
//! | [`Limits::connections_per_ip`], where it is set | 8 bytes a connection, and about 30 an address |
//! | [`Limits::messages_per_s`], where it is set | 8 bytes a connection |
//! | [`Builder::compression`] | nothing a connection; 430 KB a reactor that meets compressed messages |
//!
//! A publish wakes only reactors that have a member of its rooms. A message to a socket's id uses no table.
//!
//! # Features
//!
//! | | default | |
//! |---|---|---|
//! | `daemon` | yes | The program; it brings `redis`. A crate that uses the library alone takes `default-features = false` |
//! | `redis` | yes | Many nodes as one: [`Builder::cluster`], [`ClusterOptions`], [`RedisUrl`] and [`LinkSettings`]. It brings tokio and rustls, for one thread of its own |
//! | `async` | no | A [`Reply`] is a future, of any runtime or none; without it, threads wait for replies |
//!
//! `tls`: listeners with TLS 1.2 and 1.3, [`Builder::listen_tls`] and [`Certificates`]. Connections without TLS cost what they
//! cost without it.

mod app;
#[doc(hidden)]
pub mod base;
#[doc(hidden)]
pub mod cluster;
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
    Admission, BadQuery, CloseCause, ClusterStats, Context, Cors, DeliveryReport, Drain, Endpoint,
    EngineOptions, Files, FilesError, Gone, Handle, JoinError, Memory, Message, Moved, NodeAnswer, Params,
    Query, ReactorStats, Refusal, Reply, Request, Responder, Rooms, SlowLink, SlowSocket, Socket, Stats, To,
    Transport, UpgradeDecision, Via, View, WayBack, reply,
};
pub use base::compression::Compression;
pub use base::limits::Limits;
#[cfg(feature = "redis")]
pub use base::proxies::{BadNetwork, Network, Proxies};
pub use cluster::ClusterOptions;
#[cfg(feature = "redis")]
pub use cluster::redis::{BadRedisUrl, RedisUrl, Settings as LinkSettings};
pub use hub::NAME_BYTES;
pub use reactor::gauges::{Durations, Gauge, Gauges, Phase};
pub use reactor::listener::{BadListenAddr, ListenAddr, OpenListener};
pub use reactor::peer::Peer;
#[cfg(feature = "tls")]
pub use reactor::tls::{CertificateError, Certificates, TlsVersion};
pub use server::{Builder, Running, Server, StartError};
pub use sys::TcpFacts;
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
