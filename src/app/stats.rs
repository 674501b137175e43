//! Counters that reactors write and anybody reads.

use super::endpoint::CloseCause;
use crate::reactor::gauges::{Durations, Gauge, Gauges, Phase};
use crate::wire::dialect::Dialect;
use std::sync::Arc;

/// Why somebody was refused before becoming a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A request that breaks HTTP's rules, or a handshake that breaks RFC 6455's.
    BadRequest,
    /// The endpoint said no: parameters, token or origin.
    Endpoint,
    /// The server has all the connections that it may have.
    Full,
    /// The request did not arrive in time.
    Timeout,
    /// A request to an Engine.IO server that it cannot serve: no such session, or one that broke the protocol.
    Engine,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Refusal; 5] =
        [Refusal::BadRequest, Refusal::Endpoint, Refusal::Full, Refusal::Timeout, Refusal::Engine];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        ["bad_request", "endpoint", "full", "timeout", "engine"][self as usize]
    }
}

/// The counters of one reactor.
#[derive(Debug, Default)]
pub struct ReactorStats {
    /// What the reactor itself counts.
    pub gauges: Arc<Gauges>,
    pub(crate) sockets: Gauge,
    pub(crate) polling: Gauge,
    pub(crate) messages_in: Gauge,
    pub(crate) refused: [Gauge; Refusal::ALL.len()],
    pub(crate) closed: [Gauge; CloseCause::NAMES.len()],
    pub(crate) dropped_busy: Gauge,
    pub(crate) panics: Gauge,
    pub(crate) publish: Durations,
}

/// The counters of a server.
#[derive(Clone, Debug)]
pub struct Stats {
    pub(crate) reactors: Arc<[ReactorStats]>,
}

impl Stats {
    /// Of each reactor.
    pub fn reactors(&self) -> &[ReactorStats] {
        &self.reactors
    }

    /// Sums one counter over the reactors.
    pub fn sum(&self, counter: impl Fn(&ReactorStats) -> u64) -> u64 {
        self.reactors.iter().map(counter).sum()
    }
}

impl ReactorStats {
    /// Open sockets: connections after their upgrade, and Engine.IO sessions.
    pub fn sockets(&self) -> u64 {
        self.sockets.get()
    }

    /// Those of them that are polled: they have no connection of their own.
    pub fn polling(&self) -> u64 {
        self.polling.get()
    }

    /// Messages made, by the names of the dialects (how a message looks on one kind of connection). Each is made once
    /// for all recipients who share its dialect; a [`Frame`](crate::Frame) that is published counts as one that was made
    /// for plain WebSockets. What is sent to a single socket is not counted.
    pub fn encoded(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Dialect::forms().zip(&self.gauges.encoded).map(|(dialect, gauge)| (dialect.name(), gauge.get()))
    }

    /// Messages that clients sent.
    pub fn messages_in(&self) -> u64 {
        self.messages_in.get()
    }

    /// Refused, by reason.
    pub fn refused(&self, reason: Refusal) -> u64 {
        self.refused[reason as usize].get()
    }

    /// Closed sockets, by the names of [`CloseCause::NAMES`].
    pub fn closed(&self) -> impl Iterator<Item = (&'static str, u64)> {
        CloseCause::NAMES.iter().zip(&self.closed).map(|(name, gauge)| (*name, gauge.get()))
    }

    /// Publishes that another reactor did not get because its mailbox was full.
    pub fn dropped_busy(&self) -> u64 {
        self.dropped_busy.get()
    }

    /// Handlers that panicked.
    pub fn panics(&self) -> u64 {
        self.panics.get()
    }

    /// How long publishes took from the call to the last reactor's report.
    pub fn publish_seconds(&self) -> &Durations {
        &self.publish
    }

    /// How long a phase of a turn took.
    pub fn phase_seconds(&self, phase: Phase) -> &Durations {
        &self.gauges.phases[phase as usize]
    }
}
