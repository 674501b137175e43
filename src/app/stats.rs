//! Counters that reactors write and anybody reads.

use super::endpoint::CloseCause;
use crate::reactor::gauges::{Durations, Gauge, Gauges, Phase};
use crate::wire::dialect::Dialect;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
    /// A connection from a proxy without the header that it has to send.
    Proxy,
    /// A TLS handshake that failed.
    Tls,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Refusal; 7] = [
        Refusal::BadRequest,
        Refusal::Endpoint,
        Refusal::Full,
        Refusal::Timeout,
        Refusal::Engine,
        Refusal::Proxy,
        Refusal::Tls,
    ];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        ["bad_request", "endpoint", "full", "timeout", "engine", "proxy", "tls"][self as usize]
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

/// What a node counts of its cluster.
#[derive(Debug, Default)]
pub struct ClusterStats {
    pub(crate) up: AtomicBool,
    pub(crate) nodes: Gauge,
    pub(crate) gaps: Gauge,
    pub(crate) missed: Gauge,
    pub(crate) bad: Gauge,
    pub(crate) published: Gauge,
    pub(crate) received: Gauge,
    pub(crate) dropped: Gauge,
    pub(crate) subscriptions: Gauge,
    pub(crate) waiting_bytes: Gauge,
}

impl ClusterStats {
    /// Whether other nodes are reached.
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// Other nodes of this program that were heard of lately.
    pub fn nodes(&self) -> u64 {
        self.nodes.get()
    }

    /// Outages after which messages of others may be missing.
    pub fn gaps(&self) -> u64 {
        self.gaps.get()
    }

    /// Messages of others to clients that were missed in such outages, as far as their numbers tell: only the next message to
    /// the same room, or to everybody, shows how many.
    pub fn missed(&self) -> u64 {
        self.missed.get()
    }

    /// Messages of others that could not be read.
    pub fn bad(&self) -> u64 {
        self.bad.get()
    }

    /// Messages that were handed over for others; as of at most two seconds ago, as are the following.
    pub fn published(&self) -> u64 {
        self.published.get()
    }

    /// Messages that came.
    pub fn received(&self) -> u64 {
        self.received.get()
    }

    /// Messages for others that were dropped.
    pub fn dropped(&self) -> u64 {
        self.dropped.get()
    }

    /// What is subscribed to.
    pub fn subscriptions(&self) -> u64 {
        self.subscriptions.get()
    }

    /// Bytes that wait to be sent.
    pub fn waiting_bytes(&self) -> u64 {
        self.waiting_bytes.get()
    }
}

/// The counters of a server.
#[derive(Clone, Debug)]
pub struct Stats {
    pub(crate) reactors: Arc<[ReactorStats]>,
    pub(crate) cluster: Option<Arc<ClusterStats>>,
}

impl Stats {
    /// Of each reactor.
    pub fn reactors(&self) -> &[ReactorStats] {
        &self.reactors
    }

    /// Of the cluster, if the server is in one.
    pub fn cluster(&self) -> Option<&ClusterStats> {
        self.cluster.as_deref()
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
