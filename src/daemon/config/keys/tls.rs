//! Keys of `[tls]` and `[proxy]`: how clients reach the server, and whose word is taken about who they are.

use super::Key;
use crate::config::slot::Slot;

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "tls.listen",
        flag: Some(("tls-listen", "ADDR")),
        about: "Addresses to listen on for connections with TLS; without listen, the only ones",
        slot: |config| Slot::OptionalAddresses(&mut config.tls.listen),
    },
    Key {
        name: "tls.cert",
        flag: Some(("tls-cert", "FILE")),
        about: "PEM files with a certificate and its chain each; the first is for clients that name no server",
        slot: |config| Slot::Files(&mut config.tls.cert),
    },
    Key {
        name: "tls.key",
        flag: Some(("tls-key", "FILE")),
        about: "PEM files with the key of each certificate",
        slot: |config| Slot::Files(&mut config.tls.key),
    },
    Key {
        name: "tls.min_version",
        flag: None,
        about: "The oldest version of TLS that is spoken: 1.2 or 1.3",
        slot: |config| Slot::TlsVersion(&mut config.tls.min_version),
    },
    Key {
        name: "proxy.protocol_from",
        flag: None,
        about: "Networks, or unix, from which connections have to begin with a header of the PROXY protocol",
        slot: |config| Slot::Networks(&mut config.proxies.protocol_from),
    },
    Key {
        name: "proxy.trusted",
        flag: None,
        about: "Networks, or unix, whose X-Forwarded-For and X-Forwarded-Proto are believed",
        slot: |config| Slot::Networks(&mut config.proxies.trusted),
    },
];
