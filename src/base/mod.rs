//! Ids, limits, settings and time: plain values that every layer shares.

pub mod compression;
pub mod ids;
pub mod limits;
pub mod pace;
pub mod proxies;
pub mod sid;
pub mod time;
