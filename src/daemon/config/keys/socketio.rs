//! Keys of `[socketio]`.

use super::{GIB, Key, TIMES_MS};
use crate::config::slot::Slot;

pub(super) const KEYS: &[Key] = &[
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
];
