//! What [`super::Peers`] has of the world outside: what carries messages to other nodes and back, and what time it is.
//!
//! [`redis::Link`](super::redis) is the one transport of a server. The simulation has a made-up one, which behaves as a link does: what it has
//! to say are the same [`Event`]s, given to [`Peers::hear`](super::Peers::hear) one after the other.

use super::ClusterOptions;
#[cfg(feature = "redis")]
use super::redis::Link;
use super::redis::{Counters, Event};
use crate::sys::Wakeup;
use std::io;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A link to where all nodes publish and subscribe. Nothing here waits; the rules are those of a link to Redis.
pub(crate) trait Transport: Send + Sync {
    /// False if the message was not taken.
    fn publish(&self, channel: String, payload: Vec<u8>, ticket: Option<u64>) -> bool;
    fn subscribe(&self, channel: String);
    fn unsubscribe(&self, channel: String);
    fn psubscribe(&self, pattern: String);
    fn punsubscribe(&self, pattern: String);
    fn count(&self, channel: String, ticket: u64);
    fn counters(&self) -> Counters;
    /// Sends what can still be sent, and ends.
    fn stop(&self);
}

/// A link to the Redis of the options; what it has to say is told to `events`.
///
/// # Errors
/// The certificates for TLS cannot be read, or a thread cannot be started.
#[cfg(feature = "redis")]
pub(super) fn open(
    options: &ClusterOptions,
    wakeup: Arc<Wakeup>,
    events: impl Fn(Event<'_>) + Send + 'static,
) -> io::Result<Box<dyn Transport>> {
    Ok(Box::new(Link::start(options.url.clone(), options.link.clone(), wakeup, events)?))
}

/// Without the feature `redis` nobody has options.
#[cfg(not(feature = "redis"))]
pub(super) fn open(
    options: &ClusterOptions,
    _: Arc<Wakeup>,
    _: impl Fn(Event<'_>) + Send + 'static,
) -> io::Result<Box<dyn Transport>> {
    match options.url {}
}

#[cfg(feature = "redis")]
impl Transport for Link {
    fn publish(&self, channel: String, payload: Vec<u8>, ticket: Option<u64>) -> bool {
        Link::publish(self, channel, payload, ticket).is_ok()
    }

    fn subscribe(&self, channel: String) {
        Link::subscribe(self, channel);
    }

    fn unsubscribe(&self, channel: String) {
        Link::unsubscribe(self, channel);
    }

    fn psubscribe(&self, pattern: String) {
        Link::psubscribe(self, pattern);
    }

    fn punsubscribe(&self, pattern: String) {
        Link::punsubscribe(self, pattern);
    }

    fn count(&self, channel: String, ticket: u64) {
        Link::count(self, channel, ticket);
    }

    fn counters(&self) -> Counters {
        Link::counters(self)
    }

    fn stop(&self) {
        Link::stop(self);
    }
}

/// What time it is.
pub(crate) trait Clock: Send + Sync {
    /// Never goes back.
    fn now(&self) -> Instant;
    /// Microseconds since 1970, as this machine has it.
    fn unix_us(&self) -> u64;
}

/// The clock of the machine.
pub(super) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn unix_us(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64
    }
}
