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
        name: "limits.connections_per_ip",
        flag: None,
        about: "Connections of one address, of IPv6 of one /64; 0 is any number",
        slot: |config| Slot::Count(&mut config.limits.connections_per_ip, 0..=1 << 32),
    },
    Key {
        name: "limits.connections_per_user",
        flag: None,
        about: "Sockets of Socket.IO of the user that a token or the webhook names; 0 is any number",
        slot: |config| Slot::Count(&mut config.auth.connections_per_user, 0..=1 << 32),
    },
    Key {
        name: "limits.messages_per_s",
        flag: None,
        about: "Messages that one client may send a second, on average; 0 is any number",
        slot: |config| Slot::Rate(&mut config.limits.messages_per_s, 0..=1_000_000),
    },
    Key {
        name: "limits.messages_burst",
        flag: None,
        about: "Messages that it may send at once; 0 is twice what it may send a second",
        slot: |config| Slot::Rate(&mut config.limits.messages_burst, 0..=2_000_000),
    },
    Key {
        name: "limits.accepts_per_s",
        flag: None,
        about: "Connections that the server accepts a second, the others wait; 0 is any number",
        slot: |config| Slot::Rate(&mut config.limits.accepts_per_s, 0..=10_000_000),
    },
    Key {
        name: "limits.memory_bytes",
        flag: None,
        about: "What the process and the kernel on its behalf may take; 0 is any amount",
        slot: |config| Slot::Bytes(&mut config.limits.memory_bytes, 0..=1 << 50),
    },
    Key {
        name: "limits.send_buffer_bytes",
        flag: None,
        about: "What the kernel may keep of what one client does not read; 0 is what net.ipv4.tcp_wmem says",
        slot: |config| Slot::Count(&mut config.limits.send_buffer_bytes, 0..=GIB),
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
