//! Keys of `[auth]`, `[api]` and `[admin]`: who may come in, and where operators do.

use super::Key;
use crate::config::slot::Slot;

pub(super) const KEYS: &[Key] = &[
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
];
