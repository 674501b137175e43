//! What the program serves over HTTP, as others meet it: over real sockets, with real clients of `/ws`.

mod access;
mod client;
mod http;
mod lists;
mod metrics;
mod openapi;
mod publish;
mod schema;
mod server;
mod stats;
#[path = "../support/mod.rs"]
mod support;
mod ws;
