//! The load tool of fanfare, as a library for its two programs and their tests.
//!
//! `fanfare-flood` opens very many WebSocket or Socket.IO connections to a server on this machine, numbers every
//! message and reconciles what arrives. `fanfare-bare` is what a server of this kind is measured against.
//!
//! Reading order: [`args`] (what can be asked), [`run`] (a command from start to verdict), [`crew`] (the threads),
//! [`worker`] (one of them), [`load`] (what its connections do), [`ledger`] (what went wrong), [`report`].

pub mod args;
pub mod bare;
mod client;
pub mod compare;
pub mod crew;
pub mod ledger;
pub mod load;
pub mod probe;
pub mod relay;
pub mod report;
pub mod roster;
pub mod run;
pub mod shared;
pub mod slow;
pub mod soak;
pub mod speech;
pub mod stats;
pub mod sys;
pub mod tally;
pub mod target;
pub mod token;
pub mod wire;
pub mod worker;
