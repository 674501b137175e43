//! Protocol sessions: bytes in, events out. No I/O, no clock.

pub mod http;
pub mod packets;
pub mod websocket;
