//! `GET /api/v1/stats`: the counters of the server and of each reactor, for people and for `fanfare top`.

use super::{Api, process};
use fanfare::{
    ClusterStats, Context, Durations, Params, ReactorStats, Refusal, Request, Responder, Response, Stats,
};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Sums over names.
type Counts = BTreeMap<&'static str, u64>;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    version: &'static str,
    uptime_seconds: f64,
    cpu_seconds: Option<f64>,
    memory_bytes: Counts,
    /// Where clients connect.
    listen: Vec<String>,
    /// None: it is alone.
    cluster: Option<Cluster>,
    /// The upper bounds of the histograms' buckets; one more has the rest.
    bucket_seconds: Vec<f64>,
    #[serde(flatten)]
    all: Counters,
    reactors: Vec<Counters>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Cluster {
    up: bool,
    nodes: u64,
    gaps: u64,
    missed: u64,
    bad: u64,
    published: u64,
    received: u64,
    dropped: u64,
    waiting_bytes: u64,
}

/// How often something took how long.
#[derive(Debug, Default, Serialize)]
struct Histogram {
    /// By bucket, not cumulative.
    counts: Vec<u64>,
    seconds: f64,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Counters {
    /// Accepted and not yet closed, whatever they speak.
    connections: u64,
    /// Clients: open WebSockets, and sessions that are polled.
    sockets: u64,
    /// Those of them that are polled.
    polling: u64,
    accepted: u64,
    refused: Counts,
    closed: Counts,
    messages_in: u64,
    /// Those that were passed over, because they came faster than they may.
    rate_limited: u64,
    deliveries: u64,
    dropped: Counts,
    /// Messages made, by dialect.
    encoded: Counts,
    queued_bytes: u64,
    /// Whole turns; the sum is the time that reactors were busy.
    turns: Histogram,
    /// Publishes that wanted a report.
    publishes: Histogram,
}

pub(super) fn serve(api: &Arc<Api>, cx: &mut Context<'_>, _: &Request<'_>, _: &Params, responder: Responder) {
    let stats: &Stats = cx.stats();
    let reactors: Vec<Counters> = stats.reactors().iter().map(Counters::of).collect();
    let mut all = Counters::default();
    reactors.iter().for_each(|reactor| all.add(reactor));
    let answer = Answer {
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: api.process.uptime_s(),
        cpu_seconds: process::cpu_s(),
        memory_bytes: api.process.memory(stats.memory()).collect(),
        listen: api.addresses.get().cloned().unwrap_or_default(),
        cluster: stats.cluster().map(Cluster::of),
        bucket_seconds: Durations::BOUNDS_US.iter().map(|us| *us as f64 / 1e6).collect(),
        all,
        reactors,
    };
    responder.send(cx, Response::json(200, &answer));
}

/// Messages that were not delivered, by reason.
pub(super) fn dropped(reactor: &ReactorStats) -> [(&'static str, u64); 4] {
    [
        ("slow", reactor.gauges.dropped_slow.get()),
        ("volatile", reactor.gauges.dropped_volatile.get()),
        ("closed", reactor.gauges.dropped_closed.get()),
        ("busy", reactor.dropped_busy()),
    ]
}

/// Refusals by reason.
pub(super) fn refused(reactor: &ReactorStats) -> impl Iterator<Item = (&'static str, u64)> {
    Refusal::ALL.into_iter().map(|reason| (reason.name(), reactor.refused(reason)))
}

impl Counters {
    fn of(reactor: &ReactorStats) -> Counters {
        Counters {
            connections: reactor.gauges.links.get(),
            sockets: reactor.sockets(),
            polling: reactor.polling(),
            accepted: reactor.gauges.accepted.get(),
            refused: refused(reactor).collect(),
            closed: reactor.closed().collect(),
            messages_in: reactor.messages_in(),
            rate_limited: reactor.rate_limited(),
            deliveries: reactor.gauges.deliveries.get(),
            dropped: dropped(reactor).into_iter().collect(),
            encoded: reactor.encoded().collect(),
            queued_bytes: reactor.gauges.queued_bytes.get(),
            turns: Histogram::of(reactor.turn_seconds()),
            publishes: Histogram::of(reactor.publish_seconds()),
        }
    }

    fn add(&mut self, other: &Counters) {
        self.connections += other.connections;
        self.sockets += other.sockets;
        self.polling += other.polling;
        self.accepted += other.accepted;
        add_counts(&mut self.refused, &other.refused);
        add_counts(&mut self.closed, &other.closed);
        self.messages_in += other.messages_in;
        self.rate_limited += other.rate_limited;
        self.deliveries += other.deliveries;
        add_counts(&mut self.dropped, &other.dropped);
        add_counts(&mut self.encoded, &other.encoded);
        self.queued_bytes += other.queued_bytes;
        self.turns.add(&other.turns);
        self.publishes.add(&other.publishes);
    }
}

impl Cluster {
    fn of(stats: &ClusterStats) -> Cluster {
        Cluster {
            up: stats.is_up(),
            nodes: stats.nodes(),
            gaps: stats.gaps(),
            missed: stats.missed(),
            bad: stats.bad(),
            published: stats.published(),
            received: stats.received(),
            dropped: stats.dropped(),
            waiting_bytes: stats.waiting_bytes(),
        }
    }
}

impl Histogram {
    fn of(durations: &Durations) -> Histogram {
        let (counts, seconds) = durations.read();
        Histogram { counts: counts.to_vec(), seconds }
    }

    fn add(&mut self, other: &Histogram) {
        self.counts.resize(other.counts.len(), 0);
        self.counts.iter_mut().zip(&other.counts).for_each(|(sum, count)| *sum += count);
        self.seconds += other.seconds;
    }
}

fn add_counts(sums: &mut Counts, other: &Counts) {
    for (name, count) in other {
        *sums.entry(name).or_default() += count;
    }
}
