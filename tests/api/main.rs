//! The HTTP API of the program, as other programs meet it: over real sockets, with real clients of `/ws`.

mod access;
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
