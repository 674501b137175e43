//! Every key of the configuration, once: its name, its flag, its bounds and where its value is kept.
//!
//! The file, the environment, the flags, `--help` and `fanfare check` all read this table. A key's variable
//! follows from its name: `limits.idle_s` is `FANFARE_LIMITS_IDLE_S`.

use super::Config;
use super::slot::{Slot, Value};
use std::ops::RangeInclusive;

/// The most that one message or one outbox may be set to, in bytes.
const GIB: u64 = 1 << 30;
/// The longest time that can be set, in seconds: a week.
const WEEK_S: u64 = 7 * 24 * 3_600;
/// The times of Socket.IO, in milliseconds.
const TIMES_MS: RangeInclusive<u64> = 10..=WEEK_S * 1_000;

/// One key.
#[derive(Debug)]
pub(crate) struct Key {
    /// Its name with its section.
    pub(crate) name: &'static str,
    /// The flag's name without its dashes, and what stands for its value in the help.
    pub(crate) flag: Option<(&'static str, &'static str)>,
    /// What it is, for the help.
    pub(crate) about: &'static str,
    /// Where its value is kept, which also says what it may be.
    slot: fn(&mut Config) -> Slot<'_>,
}

/// All keys, in the order in which they are shown.
pub(crate) const KEYS: &[Key] = &[
    Key {
        name: "listen",
        flag: Some(("listen", "ADDR")),
        about: "Addresses to listen on: 127.0.0.1:3000, [::1]:3000 or unix:/run/fanfare.sock; port 0 picks one",
        slot: |config| Slot::Addresses(&mut config.listen),
    },
    Key {
        name: "reactors",
        flag: Some(("reactors", "N")),
        about: "Threads that serve connections; 0 is one for each core",
        slot: |config| Slot::Size(&mut config.reactors, 0..=64),
    },
    Key {
        name: "log",
        flag: Some(("log", "LEVEL")),
        about: "What is logged: off, error, warn, info, debug or trace",
        slot: |config| Slot::Level(&mut config.log),
    },
    Key {
        name: "open",
        flag: Some(("open", "BOOL")),
        about: "Let other machines in although no client token or no API key is set",
        slot: |config| Slot::Switch(&mut config.open),
    },
    Key {
        name: "redis",
        flag: Some(("redis", "URL")),
        about: "The Redis by which servers are one: redis://, rediss://, redis+unix://, redis+sentinel:// or redis+cluster://",
        slot: |config| Slot::Redis(&mut config.redis),
    },
    Key {
        name: "cluster.sharded",
        flag: None,
        about: "Whether servers speak by sharded Pub/Sub, of Redis 7, and hear of rooms only that they have",
        slot: |config| Slot::Switch(&mut config.cluster.sharded),
    },
    Key {
        name: "cluster.node",
        flag: None,
        about: "The number of this server behind a load balancer, which the ids of sessions begin with; 0 is a random one",
        slot: |config| Slot::Count(&mut config.cluster.node, 0..=4_095),
    },
    Key {
        name: "cluster.prefix",
        flag: None,
        about: "What the names of channels begin with, the same on all servers and emitters of a cluster",
        slot: |config| Slot::Prefix(&mut config.cluster.prefix),
    },
    Key {
        name: "cluster.spool_bytes",
        flag: None,
        about: "What may wait for other servers while Redis is away, beyond that the oldest goes; 0 keeps nothing",
        slot: |config| Slot::Size(&mut config.cluster.spool_bytes, 0..=GIB),
    },
    Key {
        name: "cluster.spool_age_ms",
        flag: None,
        about: "How old it may be when it is sent",
        slot: |config| Slot::Millis(&mut config.cluster.spool_age_ms, 0..=WEEK_S * 1_000),
    },
    Key {
        name: "auth.token",
        flag: Some(("token", "TOKEN")),
        about: "What clients of /ws have to give as token",
        slot: |config| Slot::Secret(&mut config.token),
    },
    Key {
        name: "auth.origins",
        flag: None,
        about: "Origins that browsers may come from; none allows all",
        slot: |config| Slot::Origins(&mut config.origins),
    },
    Key {
        name: "api.key",
        flag: Some(("api-key", "KEY")),
        about: "What users of the HTTP API have to give as bearer token",
        slot: |config| Slot::Secret(&mut config.api_key),
    },
    Key {
        name: "admin.listen",
        flag: None,
        about: "Addresses of their own for /api, /metrics and /; none serves them on every address",
        slot: |config| Slot::OptionalAddresses(&mut config.admin_listen),
    },
    Key {
        name: "socketio.path",
        flag: None,
        about: "Where Socket.IO is served",
        slot: |config| Slot::Path(&mut config.socketio.path),
    },
    Key {
        name: "socketio.ping_interval_ms",
        flag: None,
        about: "Time between two heartbeats",
        slot: |config| Slot::Millis(&mut config.socketio.ping_interval_ms, TIMES_MS),
    },
    Key {
        name: "socketio.ping_timeout_ms",
        flag: None,
        about: "Time for the answer to a heartbeat",
        slot: |config| Slot::Millis(&mut config.socketio.ping_timeout_ms, TIMES_MS),
    },
    Key {
        name: "socketio.connect_timeout_ms",
        flag: None,
        about: "Time for a client to join a namespace",
        slot: |config| Slot::Millis(&mut config.socketio.connect_timeout_ms, TIMES_MS),
    },
    Key {
        name: "socketio.upgrade_timeout_ms",
        flag: None,
        about: "Time for an upgrade from polling that has begun",
        slot: |config| Slot::Millis(&mut config.socketio.upgrade_timeout_ms, TIMES_MS),
    },
    Key {
        name: "socketio.max_payload_bytes",
        flag: None,
        about: "The largest message of a client, and the largest body of a polling request",
        slot: |config| Slot::Size(&mut config.socketio.max_payload_bytes, 1..=GIB),
    },
    Key {
        name: "socketio.transports",
        flag: None,
        about: "Transports that clients may use: polling, websocket",
        slot: |config| Slot::Transports(&mut config.socketio.transports),
    },
    Key {
        name: "socketio.allow_upgrades",
        flag: None,
        about: "Whether clients may go on from polling to WebSocket",
        slot: |config| Slot::Switch(&mut config.socketio.allow_upgrades),
    },
    Key {
        name: "socketio.eio3",
        flag: None,
        about: "Whether clients before 3.0, which speak Engine.IO 3, may connect",
        slot: |config| Slot::Switch(&mut config.socketio.eio3),
    },
    Key {
        name: "socketio.namespaces",
        flag: None,
        about: "Namespaces besides /, such as /news",
        slot: |config| Slot::Namespaces(&mut config.socketio.namespaces, false),
    },
    Key {
        name: "socketio.parser",
        flag: None,
        about: "How packets are written: json or msgpack",
        slot: |config| Slot::Parser(&mut config.socketio.parser),
    },
    Key {
        name: "socketio.msgpack_namespaces",
        flag: None,
        about: "Namespaces whose packets are msgpack whatever the parser",
        slot: |config| Slot::Namespaces(&mut config.socketio.msgpack_namespaces, true),
    },
    Key {
        name: "socketio.compression",
        flag: None,
        about: "Whether WebSocket messages may be compressed",
        slot: |config| Slot::Switch(&mut config.socketio.compression),
    },
    Key {
        name: "socketio.cors",
        flag: None,
        about: "Origins whose pages may use polling: a list, * or off",
        slot: |config| Slot::Cors(&mut config.socketio.cors),
    },
    Key {
        name: "socketio.cors_credentials",
        flag: None,
        about: "Whether pages of those origins may send cookies",
        slot: |config| Slot::Switch(&mut config.socketio.cors_credentials),
    },
    Key {
        name: "socketio.cookie",
        flag: None,
        about: "The cookie that tells a load balancer the session: its name, or off",
        slot: |config| Slot::Cookie(&mut config.socketio.cookie),
    },
    Key {
        name: "socketio.serve_client",
        flag: None,
        about: "Whether the browser client is served, as socket.io.js and its variants",
        slot: |config| Slot::Switch(&mut config.socketio.serve_client),
    },
    Key {
        name: "socketio.client_dir",
        flag: None,
        about: "The folder where npm installed socket.io-client; none looks beside the program",
        slot: |config| Slot::Folder(&mut config.socketio.client_dir),
    },
    Key {
        name: "limits.message_bytes",
        flag: None,
        about: "The largest message of a client, and the largest body of a request",
        slot: |config| Slot::Size(&mut config.limits.message_bytes, 1..=GIB),
    },
    Key {
        name: "limits.outbox_bytes",
        flag: None,
        about: "What may wait for a connection that does not read",
        slot: |config| Slot::Size(&mut config.limits.outbox_bytes, 1..=GIB),
    },
    Key {
        name: "limits.handshake_s",
        flag: None,
        about: "Time for a whole request head, and for a whole body",
        slot: |config| Slot::Seconds(&mut config.limits.handshake_s, 1..=3_600),
    },
    Key {
        name: "limits.idle_s",
        flag: None,
        about: "Time without any frame after which a connection of /ws is closed; 0 never",
        slot: |config| Slot::Seconds(&mut config.limits.idle_s, 0..=WEEK_S),
    },
    Key {
        name: "limits.connections",
        flag: None,
        about: "WebSocket connections of the whole server; 0 is what the descriptor limits allow",
        slot: |config| Slot::Count(&mut config.limits.connections, 0..=1 << 32),
    },
    Key {
        name: "limits.head_bytes",
        flag: None,
        about: "The longest request head",
        slot: |config| Slot::Size(&mut config.limits.head_bytes, 128..=1 << 20),
    },
    Key {
        name: "limits.rooms_per_socket",
        flag: None,
        about: "Rooms that one connection may be in; a client's own is one of them",
        slot: |config| Slot::Size(&mut config.limits.rooms_per_socket, 1..=1_000_000),
    },
    Key {
        name: "ws.compression",
        flag: None,
        about: "Compress messages of /ws for clients that offer permessage-deflate",
        slot: |config| Slot::Switch(&mut config.ws_compression),
    },
    Key {
        name: "compression.threshold_bytes",
        flag: None,
        about: "Where compression is on: messages shorter than this are sent as they are",
        slot: |config| Slot::Size(&mut config.compression.threshold_bytes, 0..=GIB),
    },
    Key {
        name: "compression.level",
        flag: None,
        about: "Where compression is on: from 1, the fastest, to 9, the smallest",
        slot: |config| Slot::Small(&mut config.compression.level, 1..=9),
    },
];

impl Key {
    /// The key of this name.
    pub(crate) fn find(name: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// Whether this names a section.
    pub(crate) fn is_section(name: &str) -> bool {
        KEYS.iter().any(|key| key.section() == Some(name))
    }

    /// The section that it stands in.
    pub(crate) fn section(&self) -> Option<&'static str> {
        self.name.rsplit_once('.').map(|(section, _)| section)
    }

    /// Its name within its section.
    pub(crate) fn leaf(&self) -> &'static str {
        self.name.rsplit_once('.').map_or(self.name, |(_, leaf)| leaf)
    }

    /// The environment variable that sets it.
    pub(crate) fn variable(&self) -> String {
        format!("FANFARE_{}", self.name.replace('.', "_").to_uppercase())
    }

    /// Whether it is on or off, so that its flag needs no value.
    pub(crate) fn is_switch(&self) -> bool {
        matches!((self.slot)(&mut Config::default()), Slot::Switch(_))
    }

    /// Whether its flag may be given more than once.
    pub(crate) fn is_list(&self) -> bool {
        matches!(
            (self.slot)(&mut Config::default()),
            Slot::Addresses(_) | Slot::OptionalAddresses(_) | Slot::Origins(_)
        )
    }

    /// Sets it.
    ///
    /// # Errors
    /// What was expected and, unless it is a secret, what was found.
    pub(crate) fn set(&self, config: &mut Config, value: &Value) -> Result<(), String> {
        let slot = (self.slot)(config);
        let (expected, is_secret) = (slot.expected(), matches!(slot, Slot::Secret(_) | Slot::Redis(_)));
        slot.set(value).ok_or_else(|| {
            if is_secret {
                format!("expected {expected}")
            } else {
                format!("expected {expected}, found {value}")
            }
        })
    }

    /// Its value as TOML, secrets hidden; nothing if it has none.
    pub(crate) fn show(&self, config: &Config) -> Option<String> {
        (self.slot)(&mut config.clone()).show()
    }
}
