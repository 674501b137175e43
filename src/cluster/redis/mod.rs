//! The link to Redis: messages out to channels, messages in from channels, and an account of what was lost.
//!
//! A [`Link`] has a thread of its own. Whoever publishes or subscribes pushes onto a queue and goes on; a callback gets the
//! [`Event`]s on the link's thread. What a message says, and who is interested in which channel, is for others to know.
//!
//! The `redis` crate speaks with Redis: TLS, the login, RESP3 (Redis 6 and newer; sharded Pub/Sub takes 7), Sentinel. What
//! its connections do runs on the link's thread and nowhere else. What it leaves open is done here: which subscriptions
//! there shall be, when a silent server is given up, what waits, and what became of each message. Its own Cluster client
//! is not used, because it keeps to itself which of its connections broke and what was lost with it: there is a connection
//! of ours to each node instead.
//!
//! One connection to a server carries everything, so that its order decides whether a message found this link subscribed;
//! subscriptions are back before a message leaves. There is one thing in which the crate errs: when a slot leaves a node of
//! a Cluster, the node says `sunsubscribe` unasked, and the crate takes that for an answer if any is awaited. The pipeline
//! that it falls into lacks its last answer then, which is how it is seen (`node`). The answers before it are right; what
//! is without one, there and in the two pipelines that may be behind it, counts as unknown, and the node gets a new
//! connection. Changes of subscriptions, which are answered with the same words, are in pipelines of their own that end
//! with a numbered ping, so that the mistake does not get out of them unseen.
//!
//! The crate has no bound for the length of what Redis sends; memory for it grows only as it comes.
//!
//! | file | owns |
//! |---|---|
//! | `url` | where Redis is |
//! | `link` | the handle, the queue, the counters |
//! | `driver` | the thread's turns: up and down, what is sent when |
//! | `answers` | what comes from a server, and what it means |
//! | `node` | one connection: pipelines under way, what is awaited, silence |
//! | `table` | which subscriptions are wanted, and which are held where |
//! | `spool` | messages that wait |
//! | `topology` | which servers there are, and how they are reached |
//!
//! Without the feature `redis` there is what a link says and counts, and nowhere to connect to: the simulation has its own.

#[cfg(feature = "redis")]
mod answers;
#[cfg(feature = "redis")]
mod driver;
#[cfg(feature = "redis")]
mod link;
#[cfg(feature = "redis")]
mod node;
#[cfg(feature = "redis")]
mod spool;
#[cfg(feature = "redis")]
mod table;
#[cfg(feature = "redis")]
mod topology;
#[cfg(feature = "redis")]
mod url;

#[cfg(feature = "redis")]
pub use link::{Link, NotTaken};
#[cfg(feature = "redis")]
pub use url::{Address, BadRedisUrl, Login, RedisUrl, Servers};

use std::path::PathBuf;
use std::time::Duration;

/// Where Redis is: nowhere, without the feature `redis`.
#[cfg(not(feature = "redis"))]
#[derive(Clone, Debug)]
pub enum RedisUrl {}

/// How a link behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Redis 7's sharded Pub/Sub, in which a Cluster's node carries its own slots only, instead of the classic one.
    pub sharded: bool,
    /// Messages that may wait while the link is down, in bytes; beyond that the oldest go. A message counts with its
    /// channel and 64 bytes for itself. Default 1 MiB.
    pub spool_bytes: usize,
    /// How old a message may be when it is sent. Default 5 s.
    pub spool_age: Duration,
    /// Messages that may wait at all, in bytes as above; beyond that none is taken. Default 16 MiB.
    pub backlog_bytes: usize,
    /// Between two pings. Default 1 s.
    pub ping_interval: Duration,
    /// Silence after a ping that ends a connection, counted in whole intervals. Default 2 s.
    pub ping_deadline: Duration,
    /// For connecting, and for each answer before the link is up. Default 2 s.
    pub connect_timeout: Duration,
    /// The bounds of the pause before the next attempt; the pause is drawn at random below a bound that doubles from
    /// the first to the second. Default 50 ms and 2 s.
    pub pauses: (Duration, Duration),
    /// Certificates, in PEM, of the authorities that TLS trusts instead of those of the system.
    pub ca_file: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            sharded: false,
            spool_bytes: 1 << 20,
            spool_age: Duration::from_secs(5),
            backlog_bytes: 16 << 20,
            ping_interval: Duration::from_secs(1),
            ping_deadline: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(2),
            pauses: (Duration::from_millis(50), Duration::from_secs(2)),
            ca_file: None,
        }
    }
}

/// What a link has to say, on its own thread. Whoever is told should be quick: the next message is read afterwards.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'a> {
    /// All subscriptions that were wanted when the connection came are held; what waits is sent from now on. `gap`: there
    /// was an earlier connection, and messages of others may have been missed since.
    Up {
        /// Messages may have been missed.
        gap: bool,
    },
    /// Nothing is sent until the next `Up`. Comes once an outage; of a Cluster, other nodes may still bring messages.
    Down {
        /// In words, with the server, without passwords.
        reason: &'a str,
    },
    /// A message came, in a channel that is subscribed to or that matches a pattern; with both it comes twice.
    Message {
        /// Where it was published.
        channel: &'a [u8],
        /// What it says.
        payload: &'a [u8],
    },
    /// A message with a ticket was published.
    Published {
        /// As given.
        ticket: u64,
        /// How many subscriptions Redis gave it to; of a Cluster, on that node.
        receivers: u64,
        /// Whether this link was subscribed to the channel by its name then, and so is among them.
        own: bool,
    },
    /// A message with a ticket was dropped.
    Lost {
        /// As given.
        ticket: u64,
        /// Why.
        reason: Reason,
    },
    /// The answer to [`Link::count`].
    Counted {
        /// As given.
        ticket: u64,
        /// Subscriptions to the channel by its name; `None` if Redis cannot be asked.
        count: Option<u64>,
    },
    /// Messages were dropped in this turn of the thread.
    Dropped {
        /// How many.
        messages: u64,
        /// Their payloads.
        bytes: u64,
        /// Why.
        reason: Reason,
    },
}

/// Why a message was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// More than [`Settings::backlog_bytes`] waited; whoever published was told at once, and no event comes.
    Backlog,
    /// The link was down, and more than [`Settings::spool_bytes`] waited.
    Spool,
    /// It waited longer than [`Settings::spool_age`].
    Age,
    /// The connection broke after the message was handed to it and before it was answered: it may have arrived.
    Unknown,
    /// Redis refused it.
    Refused,
    /// The link was stopped.
    Stopped,
}

impl Reason {
    /// All of them.
    pub const ALL: [Reason; 6] =
        [Reason::Backlog, Reason::Spool, Reason::Age, Reason::Unknown, Reason::Refused, Reason::Stopped];

    /// A word for metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Backlog => "backlog",
            Reason::Spool => "spool",
            Reason::Age => "age",
            Reason::Unknown => "unknown",
            Reason::Refused => "refused",
            Reason::Stopped => "stopped",
        }
    }
}

/// What a link has counted since it started, and what it has now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages that Redis took.
    pub published: u64,
    /// Messages that came.
    pub received: u64,
    /// Dropped messages, by reason, in the order of [`Reason::ALL`].
    pub dropped: [u64; Reason::ALL.len()],
    /// How often the link came up again after an outage.
    pub reconnects: u64,
    /// Channels and patterns that are wanted.
    pub subscriptions: u64,
    /// Messages that wait to be sent, with what each counts beside its text, in bytes.
    pub waiting_bytes: u64,
    /// Whether the link is up.
    pub up: bool,
}

impl Counters {
    /// Messages dropped for that reason.
    pub fn dropped(&self, reason: Reason) -> u64 {
        self.dropped[reason as usize]
    }
}
