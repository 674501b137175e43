//! WebSocket as a client speaks it: the handshake's request and answer, frames out of a buffer.
pub mod frame;
pub mod handshake;
