//! What servers of one cluster tell one another through Redis, as Socket.IO's adapters have it.
//!
//! Two wires: the classic one of `createAdapter` (`@socket.io/redis-adapter` 6 to 8, `socket.io-redis` 5 and the
//! emitters), and the sharded one of `createShardedAdapter`. One [`Message`] for both; [`decode()`] and [`encode()`] turn
//! it from and to a channel and bytes. Domains of the `/ws` gateway speak the same under another prefix: the data of
//! their broadcasts is `[frame]`.
//!
//! Owns: names of channels ([`channel`]), the two wires, questions of older servers ([`old`]), tolerance of what
//! emitters in other languages send. Arguments stay JSON text with attachments, as everywhere.
//! Leaves to others: Redis; whose turn it is to answer, and for how long to wait.
//!
//! Followed: `@socket.io/redis-adapter` 8.3, `socket.io-adapter` 2.5, `socket.io-redis` 5.4, `@socket.io/redis-emitter`
//! 5.1, `socket.io-emitter` 3.2, and the package of that name for Python. What JSON has no words for becomes what a
//! program in JavaScript would show: dates texts, `undefined` null, an unknown extension its type beside its bytes.
//!
//! # Our own additions
//!
//! Other servers pass over fields and numbers that they do not know. Between our own, a message counts its sender's
//! messages on its channel ([`Message::seq`]), a [`Claim`] goes with a leave, a broadcast may ask for a [`Report`]
//! (message 100), and the sharded wire, which has no question for all rooms, gets one (101, answered by 102). Answers on
//! the classic wire tell whose they are.
//!
//! Two more things differ on the classic wire. Binary in a question or an answer goes as MessagePack, where the packages
//! write the JSON of a `Buffer`. And what has no binary goes as JSON, where they write broadcasts that want
//! acknowledgements, and those, as MessagePack. Versions from 7.2 on read both everywhere, older ones only JSON there;
//! socket.io-redis 5 even throws at anything else.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::json::JsonError;
use super::socketio::BadPacket;
use super::socketio::args::ArgsRef;
use old::Old;

pub mod channel;
mod classic;
mod decode;
mod encode;
pub mod old;
mod raw;
mod sharded;
mod writer;

pub use channel::{Channels, Wire};
pub use decode::decode;
pub use encode::encode;

/// What emitters call themselves, who are no servers.
pub const EMITTER: &str = "emitter";

/// Names of rooms, sockets or requests.
pub type Names<'a> = Vec<Cow<'a, str>>;

/// What one server, or an emitter, says to the others.
#[derive(Clone, Debug, PartialEq)]
pub struct Message<'a> {
    /// The namespace, with its slash, or the domain.
    pub scope: Cow<'a, str>,
    /// Who says it, if that is told: a server's id, or [`EMITTER`].
    pub from: Option<Cow<'a, str>>,
    /// The one server that an answer is for; on the classic wire `None` is all of them.
    pub to: Option<Cow<'a, str>>,
    /// Which of its sender's messages on this channel it is. Our own addition.
    pub seq: Option<u64>,
    /// What it says.
    pub body: Body<'a>,
}

/// What a message says. The id of a request is chosen by who asks, and comes back with each answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Body<'a> {
    /// An event for sockets.
    Broadcast(Broadcast<'a>),
    /// Sockets shall join rooms.
    SocketsJoin {
        /// Which sockets.
        opts: Opts<'a>,
        /// Which rooms.
        rooms: Names<'a>,
        /// As [`Broadcast::report`].
        report: Option<Cow<'a, str>>,
    },
    /// Sockets shall leave rooms.
    SocketsLeave {
        /// Which sockets.
        opts: Opts<'a>,
        /// Which rooms.
        rooms: Names<'a>,
        /// Only those that claimed the rooms before this. Our own addition.
        claim: Option<Claim<'a>>,
        /// As [`Broadcast::report`].
        report: Option<Cow<'a, str>>,
    },
    /// Sockets shall be disconnected.
    DisconnectSockets {
        /// Which sockets.
        opts: Opts<'a>,
        /// With their connection, or else from this namespace only.
        close: bool,
        /// As [`Broadcast::report`].
        report: Option<Cow<'a, str>>,
    },
    /// Which sockets are there?
    FetchSockets {
        /// Which are meant.
        opts: Opts<'a>,
        /// The request.
        request: Cow<'a, str>,
    },
    /// These are here; once from each server.
    FetchSocketsResponse {
        /// The request.
        request: Cow<'a, str>,
        /// The sockets.
        sockets: Vec<RemoteSocket<'a>>,
    },
    /// An event for the servers themselves.
    ServerSideEmit {
        /// Its name and its arguments, an array.
        data: Payload<'a>,
        /// The request, if each server shall answer.
        request: Option<Cow<'a, str>>,
    },
    /// A server's answer.
    ServerSideEmitResponse {
        /// The request.
        request: Cow<'a, str>,
        /// One value.
        data: Payload<'a>,
    },
    /// So many sockets got the broadcast and will acknowledge it; once from each server.
    BroadcastClientCount {
        /// The request.
        request: Cow<'a, str>,
        /// Sockets.
        count: u64,
    },
    /// A socket acknowledged a broadcast.
    BroadcastAck {
        /// The request.
        request: Cow<'a, str>,
        /// The first argument that it gave.
        data: Payload<'a>,
    },
    /// What became of a broadcast, or to how many sockets something was done, on one server. Our own addition.
    BroadcastReport {
        /// The request that was [`Broadcast::report`].
        request: Cow<'a, str>,
        /// The numbers.
        report: Report,
    },
    /// Which rooms are there?
    AllRooms {
        /// The request.
        request: Cow<'a, str>,
    },
    /// These have a member here; once from each server.
    AllRoomsResponse {
        /// The request.
        request: Cow<'a, str>,
        /// The rooms.
        rooms: Names<'a>,
    },
    /// A sign of life, from adapters that count servers so; sharded wire only.
    Heartbeat(Heartbeat),
    /// What only older servers ask; classic wire only.
    Old(Old<'a>),
    /// Something else, by its number if it has one. It is not for us, or newer than this.
    Unknown {
        /// The number of its type.
        kind: Option<u64>,
    },
}

impl Body<'_> {
    /// Whether it answers a request, and so is for who asked.
    pub fn is_response(&self) -> bool {
        matches!(
            self,
            Body::FetchSocketsResponse { .. }
                | Body::ServerSideEmitResponse { .. }
                | Body::BroadcastClientCount { .. }
                | Body::BroadcastAck { .. }
                | Body::BroadcastReport { .. }
                | Body::AllRoomsResponse { .. }
        )
    }
}

/// An event for sockets.
#[derive(Clone, Debug, PartialEq)]
pub struct Broadcast<'a> {
    /// The event's name and its arguments, an array. Of a domain: one element, the frame.
    pub data: Payload<'a>,
    /// Which sockets.
    pub opts: Opts<'a>,
    /// The request to which acknowledgements belong, if there shall be some.
    pub request: Option<Cow<'a, str>>,
    /// The request to which a [`Report`] belongs, if there shall be one. Our own addition.
    pub report: Option<Cow<'a, str>>,
}

/// Which sockets are meant, and how they are to be treated.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Opts<'a> {
    /// Those in one of these; if there is none, all.
    pub rooms: Names<'a>,
    /// Less those in one of these.
    pub except: Names<'a>,
    /// How.
    pub flags: Flags,
}

/// How an event travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Who cannot take it now does not get it.
    pub volatile: bool,
    /// Whether it may be compressed, if that was said.
    pub compress: Option<bool>,
    /// How long the sender waits for acknowledgements, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// For the sockets of the sender's server only; it should not have been sent.
    pub local: bool,
}

/// Who became what there is only one of: at which time, and on which server if two were at the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim<'a> {
    /// Microseconds since 1970.
    pub at_us: u64,
    /// The server.
    pub node: Cow<'a, str>,
}

/// What became of a broadcast on one server, in sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Sockets that it was for.
    pub matched: u64,
    /// Handed whole to the kernel.
    pub written: u64,
    /// Waiting for a reader that does not keep up.
    pub queued: u64,
    /// Not delivered: the reader was over its limit.
    pub dropped_slow: u64,
    /// Not delivered: volatile, and the connection could not take it then.
    pub dropped_volatile: u64,
    /// Not delivered: the connection was ending.
    pub dropped_closed: u64,
    /// Reactors that could not be told.
    pub dropped_busy: u64,
}

/// A socket of another server.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteSocket<'a> {
    /// Its id.
    pub id: Cow<'a, str>,
    /// How it came, an object.
    pub handshake: Payload<'a>,
    /// Its rooms, with its id.
    pub rooms: Names<'a>,
    /// What its program keeps with it.
    pub data: Payload<'a>,
}

/// The occasion of a [`Body::Heartbeat`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heartbeat {
    /// The server has come; the others answer with a regular one.
    Initial,
    /// It is still there.
    Regular,
    /// It goes.
    Close,
}

/// A value: JSON, with placeholders for bytes beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Payload<'a> {
    json: Cow<'a, str>,
    attachments: Vec<Arc<[u8]>>,
}

impl<'a> Payload<'a> {
    /// A value out of valid JSON. If there are attachments, every placeholder names one.
    pub fn new(json: impl Into<Cow<'a, str>>, attachments: Vec<Arc<[u8]>>) -> Payload<'a> {
        Payload { json: json.into(), attachments }
    }

    /// The JSON.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// What its placeholders stand for.
    pub fn attachments(&self) -> &[Arc<[u8]>] {
        &self.attachments
    }

    /// The one argument that the value is.
    pub fn as_args(&self) -> ArgsRef<'_> {
        ArgsRef::new(&self.json, &self.attachments)
    }
}

/// What JavaScript leaves out of a message.
impl Default for Payload<'_> {
    fn default() -> Self {
        Payload::new("null", Vec::new())
    }
}

/// How bytes from Redis can fail to be a message. Nobody is told; it is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadMessage {
    /// A channel of another prefix, or of none of the forms that channels have.
    Channel,
    /// JSON that is not UTF-8.
    Utf8,
    /// Neither JSON nor MessagePack, too deep, or an event that no client could be sent.
    Value(BadPacket),
    /// Neither a map nor, where broadcasts are, an array of three.
    Shape,
    /// No type that is a number.
    Type,
    /// What is to be broadcast is no event.
    PacketType,
    /// Meant for another scope than its channel.
    Scope,
    /// A field is missing that the type has to have, or is of another kind.
    Field(&'static str),
}

impl fmt::Display for BadMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadMessage::Value(error) => return error.fmt(f),
            BadMessage::Field(name) => return write!(f, "field {name} is missing, or of the wrong kind"),
            BadMessage::Channel => "unknown channel",
            BadMessage::Utf8 => "JSON that is not UTF-8",
            BadMessage::Shape => "message is neither a map nor a broadcast",
            BadMessage::Type => "message without a type",
            BadMessage::PacketType => "broadcast of something that is no event",
            BadMessage::Scope => "message for another scope than its channel",
        })
    }
}

impl std::error::Error for BadMessage {}

impl From<BadPacket> for BadMessage {
    fn from(error: BadPacket) -> BadMessage {
        BadMessage::Value(error)
    }
}

impl From<JsonError> for BadMessage {
    fn from(error: JsonError) -> BadMessage {
        BadMessage::Value(error.into())
    }
}
