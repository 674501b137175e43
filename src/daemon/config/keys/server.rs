//! Keys of no section: the server as a whole.

use super::Key;
use crate::config::slot::Slot;

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "listen",
        flag: Some(("listen", "ADDR")),
        about: "Addresses to listen on: 127.0.0.1:3000, [::1]:3000 or unix:/run/fanfare.sock; port 0 picks one",
        slot: |config| Slot::Addresses(&mut config.listen),
    },
    Key {
        name: "unix_mode",
        flag: None,
        about: "The permissions of unix sockets that are listened on, in octal; to connect takes that to write",
        slot: |config| Slot::Mode(&mut config.unix_mode),
    },
    Key {
        name: "reactors",
        flag: Some(("reactors", "N")),
        about: "Threads that serve connections; 0 is one for each core",
        slot: |config| Slot::Size(&mut config.reactors, 0..=64),
    },
    Key {
        name: "balance",
        flag: None,
        about: "Whether the reactors share the load: connections go, and idle ones of /ws move, to one that has clearly fewer",
        slot: |config| Slot::Switch(&mut config.balance),
    },
    Key {
        name: "log",
        flag: Some(("log", "LEVEL")),
        about: "What is logged: off, error, warn, info, debug or trace",
        slot: |config| Slot::Level(&mut config.log),
    },
    Key {
        name: "log_format",
        flag: Some(("log-format", "FORMAT")),
        about: "How a line of the log looks: text, or json for programs",
        slot: |config| Slot::LogFormat(&mut config.log_format),
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
];
