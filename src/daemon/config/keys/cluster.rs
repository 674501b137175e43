//! Keys of `[cluster]`: how servers are one.

use super::{GIB, Key, WEEK_S};
use crate::config::slot::Slot;

pub(super) const KEYS: &[Key] = &[
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
        name: "cluster.required",
        flag: None,
        about: "Whether /readyz is 503 while Redis is away",
        slot: |config| Slot::Switch(&mut config.cluster.required),
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
];
