//! The only `unsafe` of the crate, and the only raw system calls: descriptor tables, limits, signals, the allocator.

mod descriptors;
mod memory;
mod signals;
mod wakeup;

pub use descriptors::{
    close_all_but, close_one, descriptor_limit, own_descriptor_table, raise_descriptor_limit,
};
pub use memory::{proportional_bytes, return_free_memory, steady_allocator, warm_up_code};
pub use signals::with_signals_blocked;
pub use wakeup::Wakeup;
