//! How a server is emptied, so that nobody who returns meets a herd.

use std::time::Duration;

/// A plan by which [`Running::drain`](crate::Running::drain) empties a server.
///
/// Connections are closed evenly over a time, in an order of chance, so that those who come back do so at an even rate, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drain {
    pub(crate) over: Duration,
    pub(crate) grace: Duration,
}

impl Drain {
    /// Closes the connections over this time, 24 days at most.
    pub fn over(time: Duration) -> Drain {
        Drain { over: time.min(Drain::LONGEST), grace: Duration::ZERO }
    }

    /// Goes on as before for this time, 24 days at most, and only says that it is not ready
    /// ([`Stats::is_draining`](crate::Stats::is_draining)): so that whoever sends newcomers here hears of it before they are
    /// refused.
    pub fn grace(mut self, time: Duration) -> Drain {
        self.grace = time.min(Drain::LONGEST);
        self
    }

    /// Times of a reactor are compared by half the range of their milliseconds.
    const LONGEST: Duration = Duration::from_secs(24 * 24 * 3_600);
}
