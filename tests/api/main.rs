//! What the program serves over HTTP, as others meet it: over real sockets, with real clients of `/ws` and of
//! Socket.IO.

mod access;
mod actions;
mod client;
mod dashboard;
mod events;
mod http;
mod lists;
mod metrics;
mod namespaces;
mod openapi;
mod polling;
mod publish;
mod schema;
mod server;
mod sio;
mod slow;
mod stats;
#[path = "../support/mod.rs"]
mod support;
mod ws;
