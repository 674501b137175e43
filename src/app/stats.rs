//! Counters that reactors write and anybody reads.

use super::endpoint::CloseCause;
use crate::reactor::gauges::{Durations, Gauge, Gauges, Phase};
use crate::reactor::pressure::Pressure;
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
    /// Its address has all the connections that it may have.
    Address,
    /// The server is at its memory ceiling, or near it.
    Memory,
    /// The server is drained, or stops.
    Draining,
    /// A connection from a proxy without the header that it has to send.
    Proxy,
    /// A TLS handshake that failed.
    Tls,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Refusal; 10] = [
        Refusal::BadRequest,
        Refusal::Endpoint,
        Refusal::Full,
        Refusal::Timeout,
        Refusal::Engine,
        Refusal::Address,
        Refusal::Memory,
        Refusal::Draining,
        Refusal::Proxy,
        Refusal::Tls,
    ];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        [
            "bad_request",
            "endpoint",
            "full",
            "timeout",
            "engine",
            "address",
            "memory",
            "draining",
            "proxy",
            "tls",
        ][self as usize]
    }
}

/// Why a connection moved to another reactor than the one that accepted it, or that had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// When it was accepted, because the one that accepted it had more.
    Accepted,
    /// Later, as the one that had it had too many.
    Balanced,
}

impl Moved {
    /// Both.
    pub const ALL: [Moved; 2] = [Moved::Accepted, Moved::Balanced];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        ["accepted", "balanced"][self as usize]
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
    pub(crate) rate_limited: Gauge,
    pub(crate) refused: [Gauge; Refusal::ALL.len()],
    pub(crate) closed: [Gauge; CloseCause::NAMES.len()],
    pub(crate) moved: [Gauge; Moved::ALL.len()],
    pub(crate) dropped_busy: Gauge,
    pub(crate) panics: Gauge,
    /// 1 while it is drained.
    pub(crate) draining: Gauge,
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
    pub(crate) memory: Arc<Pressure>,
}

/// How much memory is taken of what may be; see [`Limits::memory_bytes`](crate::Limits::memory_bytes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// The most that there may be, in bytes.
    pub ceiling: u64,
    /// What is resident of the process.
    pub process: u64,
    /// What the kernel takes for its connections: what is known of each idle one, and what waits to be sent or read.
    pub kernel: u64,
    /// Newcomers are refused.
    pub is_over: bool,
}

impl Stats {
    /// Of the memory, as of a tenth of a second ago, if it has a ceiling.
    pub fn memory(&self) -> Option<Memory> {
        let Stats { memory, .. } = self;
        let (process, kernel) = (memory.process(), memory.kernel());
        Some(Memory { ceiling: memory.ceiling()?, process, kernel, is_over: memory.refuses() })
    }

    /// Of each reactor.
    pub fn reactors(&self) -> &[ReactorStats] {
        &self.reactors
    }

    /// Of the cluster, if the server is in one.
    pub fn cluster(&self) -> Option<&ClusterStats> {
        self.cluster.as_deref()
    }

    /// Whether the server is being emptied: see [`Running::drain`](crate::Running::drain).
    pub fn is_draining(&self) -> bool {
        self.reactors.iter().any(|reactor| reactor.draining.get() > 0)
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

    /// Messages that clients sent beyond [`Limits::messages_per_s`](crate::Limits::messages_per_s), which were passed over.
    pub fn rate_limited(&self) -> u64 {
        self.rate_limited.get()
    }

    /// Refused, by reason.
    pub fn refused(&self, reason: Refusal) -> u64 {
        self.refused[reason as usize].get()
    }

    /// Closed sockets, by the names of [`CloseCause::NAMES`].
    pub fn closed(&self) -> impl Iterator<Item = (&'static str, u64)> {
        CloseCause::NAMES.iter().zip(&self.closed).map(|(name, gauge)| (*name, gauge.get()))
    }

    /// Connections that came from other reactors so that all have about as many, by reason. See
    /// [`Builder::balance`](crate::Builder::balance).
    pub fn moved(&self, reason: Moved) -> u64 {
        self.moved[reason as usize].get()
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

    /// How long whole turns took: their sum is the time that the reactor was busy, and no connection is served sooner than
    /// the turn that is under way ends.
    pub fn turn_seconds(&self) -> &Durations {
        &self.gauges.turns
    }

    /// How long a phase of a turn took.
    pub fn phase_seconds(&self, phase: Phase) -> &Durations {
        &self.gauges.phases[phase as usize]
    }
}
