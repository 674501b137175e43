//! fanfare: a realtime push server and library.
//!
//! One process, one reactor a core; each reactor owns its connections. A program implements
//! [`Endpoint`] for the WebSocket connections of a path, adds HTTP routes, and starts a [`Server`].

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

pub use app::{
    Admission, BadQuery, CloseCause, Context, DeliveryReport, Endpoint, JoinError, Message, Params, Query,
    ReactorStats, Refusal, Request, Responder, Socket, Stats, To, View,
};
pub use base::limits::Limits;
pub use hub::NAME_BYTES;
pub use reactor::gauges::{Durations, Phase};
pub use reactor::listener::{BadListenAddr, ListenAddr};
pub use reactor::peer::Peer;
pub use server::{Builder, Running, Server, StartError};
pub use wire::frame::{Frame, FrameBuilder};
pub use wire::response::Response;

/// The README's program compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
