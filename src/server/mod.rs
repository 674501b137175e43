//! Where reactor, session, hub and handlers meet: the builder, the worker of a reactor, start and stop.

mod builder;
mod client;
mod decisions;
mod engine;
mod frames;
mod http;
mod running;
#[cfg(test)]
mod simulation;
mod socketio;
mod websocket;
mod worker;

pub use builder::{Builder, Server, StartError};
pub use running::Running;
