//! How the server is emptied, as it is configured.

use fanfare::Drain;
use std::time::Duration;

/// The most that a time of draining may be set to, in seconds: a day.
pub(crate) const LONGEST_S: u32 = 24 * 3_600;

/// Times of draining.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DrainConfig {
    /// Over which connections are closed; 0 stops at once.
    pub(crate) seconds: u32,
    /// Before that.
    pub(crate) grace_s: u32,
}

impl Default for DrainConfig {
    fn default() -> DrainConfig {
        DrainConfig { seconds: 10, grace_s: 0 }
    }
}

impl DrainConfig {
    /// The plan, with another time over which connections are closed if one is given.
    pub(crate) fn plan(&self, over_s: Option<u32>) -> Drain {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        Drain::over(seconds(over_s.unwrap_or(self.seconds))).grace(seconds(self.grace_s))
    }
}
