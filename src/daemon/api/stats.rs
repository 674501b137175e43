//! `GET /api/v1/stats`: the counters of the server and of each reactor, for people and for `fanfare top`.

use super::Api;
use fanfare::{Context, Params, ReactorStats, Refusal, Request, Responder, Response, Stats};
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
    memory_bytes: Counts,
    #[serde(flatten)]
    all: Counters,
    reactors: Vec<Counters>,
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
}

pub(super) fn serve(api: &Arc<Api>, cx: &mut Context<'_>, _: &Request<'_>, _: &Params, responder: Responder) {
    let stats: &Stats = cx.stats();
    let reactors: Vec<Counters> = stats.reactors().iter().map(Counters::of).collect();
    let mut all = Counters::default();
    reactors.iter().for_each(|reactor| all.add(reactor));
    let answer = Answer {
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: api.process.uptime_s(),
        memory_bytes: api.process.memory(stats.memory()).collect(),
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
    }
}

fn add_counts(sums: &mut Counts, other: &Counts) {
    for (name, count) in other {
        *sums.entry(name).or_default() += count;
    }
}
