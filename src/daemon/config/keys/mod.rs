//! Every key of the configuration, once: its name, its flag, its bounds and where its value is kept.
//!
//! The file, the environment, the flags, `--help` and `fanfare check` all read this table. A key's variable
//! follows from its name: `limits.idle_s` is `FANFARE_LIMITS_IDLE_S`. The keys stand in the file of their section.

mod auth;
mod cluster;
mod drain;
mod limits;
mod server;
mod socketio;
mod tls;

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

/// All keys by subject, in the order in which they are shown: those of no section come first, as TOML wants it.
const SUBJECTS: [&[Key]; 7] =
    [server::KEYS, cluster::KEYS, auth::KEYS, tls::KEYS, socketio::KEYS, limits::KEYS, drain::KEYS];

/// All keys, in the order in which they are shown.
pub(crate) fn keys() -> impl Iterator<Item = &'static Key> {
    SUBJECTS.iter().flat_map(|keys| keys.iter())
}

impl Key {
    /// The key of this name.
    pub(crate) fn find(name: &str) -> Option<&'static Key> {
        keys().find(|key| key.name == name)
    }

    /// Whether this names a section.
    pub(crate) fn is_section(name: &str) -> bool {
        keys().any(|key| key.section() == Some(name))
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
            Slot::Addresses(_) | Slot::OptionalAddresses(_) | Slot::Origins(_) | Slot::Files(_)
        )
    }

    /// Sets it.
    ///
    /// # Errors
    /// What was expected and, unless it is a secret, what was found.
    pub(crate) fn set(&self, config: &mut Config, value: &Value) -> Result<(), String> {
        let slot = (self.slot)(config);
        let (expected, is_secret) = (
            slot.expected(),
            matches!(slot, Slot::Secret(_) | Slot::Redis(_) | Slot::ApiKeys(_) | Slot::HttpUrl(_)),
        );
        slot.set(value).ok_or_else(|| {
            if is_secret {
                format!("expected {expected}")
            } else {
                format!("expected {expected}, found {value}")
            }
        })
    }

    /// Whether two configurations differ in it.
    pub(crate) fn differs(&self, one: &Config, other: &Config) -> bool {
        !(self.slot)(&mut one.clone()).equals((self.slot)(&mut other.clone()))
    }

    /// Its value as TOML, secrets hidden; nothing if it has none.
    pub(crate) fn show(&self, config: &Config) -> Option<String> {
        (self.slot)(&mut config.clone()).show()
    }
}
