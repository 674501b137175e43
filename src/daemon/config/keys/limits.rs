//! Keys of `[limits]`, and of compression.

use super::{GIB, Key, WEEK_S};
use crate::config::slot::Slot;

pub(super) const KEYS: &[Key] = &[
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
