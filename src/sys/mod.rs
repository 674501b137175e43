//! The only `unsafe` of the crate, and the only raw system calls: descriptor tables and passing between them, limits, signals, the allocator, what TCP has measured.

#[cfg(feature = "redis")]
mod bell;
mod charge;
mod descriptors;
mod memory;
mod passing;
mod signals;
mod tcp;
mod wakeup;

#[cfg(feature = "redis")]
pub use bell::Bell;
pub use charge::{charged_bytes, unsent_bytes};
pub use descriptors::{
    close_all_but, close_one, descriptor_limit, own_descriptor_table, raise_descriptor_limit,
};
pub use memory::{Resident, proportional_bytes, return_free_memory, steady_allocator, warm_up_code};
pub use passing::{DoorIn, DoorOut, door};
pub use signals::with_signals_blocked;
pub use tcp::{TcpFacts, tcp_facts, unacknowledged_bytes};
pub use wakeup::Wakeup;
