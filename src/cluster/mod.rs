//! How other nodes are reached.

pub mod redis;
