//! Ids, limits and time: plain values that every layer shares.

pub mod ids;
pub mod limits;
pub mod sid;
pub mod time;
