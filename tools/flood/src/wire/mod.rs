//! What a client reads and writes: HTTP, the WebSocket handshake and its frames, Engine.IO, Socket.IO.
pub mod engine;
pub mod frame;
pub mod handshake;
pub mod http;
pub mod socketio;
