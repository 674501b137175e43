//! Where reactor, session, hub and handlers meet: the builder, the worker of a reactor, start and stop.

mod addresses;
mod alarms;
mod baggage;
mod balance;
mod builder;
mod client;
mod decisions;
mod drain;
mod engine;
mod frames;
mod http;
mod places;
mod rates;
mod running;
#[cfg(test)]
mod simulation;
mod socketio;
mod transfer;
mod websocket;
mod worker;

pub use builder::{Builder, Server, StartError};
pub use running::Running;
