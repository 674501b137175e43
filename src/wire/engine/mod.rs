//! Engine.IO, revisions 3 and 4: what its bytes mean.
//!
//! Owns: packets and how they become WebSocket frames, the payloads of HTTP long-polling, JSONP, the
//! parameters of a request, the handshake and the errors.
//! Leaves to others: sessions, heartbeats and upgrades; the Socket.IO packets inside of messages.
//!
//! The specification is the protocol document of the engine.io-protocol project, revisions 3 and 4. Where it
//! is silent, the JavaScript parsers decide (engine.io-parser 2 and 5), but what they misread in silence,
//! such as bad base64, is an error here.

mod compose;
mod handshake;
mod jsonp;
mod latin;
mod packet;
mod payload;
mod query;

pub use compose::{Payload, compose, end_of};
pub use handshake::{EngineError, open_packet};
pub use jsonp::{digits_of, unwrap_form, wrap};
pub use latin::undouble;
pub use packet::{
    BadPacket, Data, Packet, PacketType, Revision, base64_frame, binary_frame, from_binary, from_text,
    message_frame, text_frame,
};
pub use payload::{BadPayload, BodyKind, PayloadReader};
pub use query::{Query, Transport};
