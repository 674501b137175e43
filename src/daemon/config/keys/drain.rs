//! Keys of `[drain]`: how the server is emptied before it ends.

use super::Key;
use crate::config::drain::LONGEST_S;
use crate::config::slot::Slot;

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "drain.seconds",
        flag: None,
        about: "Time over which connections are closed after SIGTERM, evenly; 0 closes all at once",
        slot: |config| Slot::Seconds(&mut config.drain.seconds, 0..=LONGEST_S.into()),
    },
    Key {
        name: "drain.grace_s",
        flag: None,
        about: "Time before that in which it only says that it is not ready, for load balancers to hear of it",
        slot: |config| Slot::Seconds(&mut config.drain.grace_s, 0..=LONGEST_S.into()),
    },
];
