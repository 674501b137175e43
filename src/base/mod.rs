//! Ids, limits and time: plain values that every layer shares.

pub mod limits;
