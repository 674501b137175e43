//! Codecs: pure functions over bytes. No I/O, no clock, no state beyond one message.
//!
//! WebSocket (RFC 6455): [`frame`] writes, [`header`], [`mask`] and [`utf8`] read, [`upgrade`] shakes hands;
//! [`deflate`] compresses (RFC 7692).
//! HTTP/1.1 (RFC 9110, RFC 9112): [`head`] and [`chunked`] read, [`response`] writes; [`cookie`]
//! (RFC 6265); [`forwarded`] what proxies say, [`proxy`] how balancers do.
//! Engine.IO, revisions 3 and 4: [`engine`]. Socket.IO: [`socketio`], and [`json`] (RFC 8259) that is scanned.
//! [`parcel`] has one message in every [`dialect`]. What servers tell one another: [`adapter`].

pub mod adapter;
pub mod chunked;
pub mod cookie;
pub mod deflate;
pub mod dialect;
pub mod engine;
pub mod forwarded;
pub mod frame;
pub mod head;
pub mod header;
pub mod json;
pub mod mask;
pub mod parcel;
pub mod proxy;
pub mod response;
pub mod socketio;
pub mod upgrade;
pub mod utf8;
