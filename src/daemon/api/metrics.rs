//! `GET /metrics`: the counters as families of Prometheus.
//!
//! Counters are read where the reactors write them. Only the sockets by scope are asked for, because nobody counts
//! them otherwise. A domain is named by clients, so at most the largest [`SCOPES`] get a sample of their own.

use super::exposition::{CONTENT_TYPE, Exposition, Kind};
use super::stats::{dropped, refused};
use super::{Api, process};
use crate::gateway::domain_of;
use fanfare::{
    ClusterStats, Context, Moved, Params, Phase, ReactorStats, Request, Responder, Response, Stats, View,
};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

/// Scopes with a sample of their own; what the others have is summed up under [`OTHER`].
const SCOPES: usize = 100;
/// Scopes that one reactor tells. A scope that is among the largest of all, but not among this many of a reactor, is
/// counted too low, and what it misses is under [`OTHER`].
const SCOPES_OF_REACTOR: usize = 10 * SCOPES;
const OTHER: &str = "(other)";

pub(super) fn serve(api: &Arc<Api>, cx: &mut Context<'_>, _: &Request<'_>, _: &Params, responder: Responder) {
    let api = api.clone();
    cx.gather(Scopes::of, move |cx, parts| {
        let text = write(&api, cx.stats(), &Scopes::merge(parts));
        responder.send(cx, Response::bytes(200, CONTENT_TYPE, text));
    });
}

/// The largest scopes, and the sockets of all others.
#[derive(Debug, Default, PartialEq, Eq)]
struct Scopes {
    /// Largest first.
    largest: Vec<(String, u64)>,
    other: u64,
}

impl Scopes {
    fn of(view: &View<'_>) -> Scopes {
        Scopes::largest_of(view.scopes(), SCOPES_OF_REACTOR)
    }

    fn largest_of<'n>(scopes: impl Iterator<Item = (&'n str, u64)>, limit: usize) -> Scopes {
        let mut largest = BinaryHeap::new();
        let mut other = 0;
        for (name, sockets) in scopes {
            // The smallest is on top; of equal ones the last name is.
            largest.push(Reverse((sockets, Reverse(name))));
            if largest.len() > limit
                && let Some(Reverse((smallest, _))) = largest.pop()
            {
                other += smallest;
            }
        }
        let owned = largest.into_sorted_vec().into_iter();
        Scopes { largest: owned.map(|Reverse((n, Reverse(name)))| (name.to_owned(), n)).collect(), other }
    }

    fn merge(parts: Vec<Scopes>) -> Scopes {
        let others: u64 = parts.iter().map(|part| part.other).sum();
        let mut all: BTreeMap<String, u64> = BTreeMap::new();
        for (name, sockets) in parts.into_iter().flat_map(|part| part.largest) {
            *all.entry(name).or_default() += sockets;
        }
        let merged = Scopes::largest_of(all.iter().map(|(name, sockets)| (name.as_str(), *sockets)), SCOPES);
        Scopes { other: merged.other + others, ..merged }
    }
}

fn write(api: &Api, stats: &Stats, scopes: &Scopes) -> String {
    let mut page = Exposition::default();
    connections(&mut page, stats, scopes);
    traffic(&mut page, stats);
    process(&mut page, api);
    let help =
        "Memory of the process and, where it has a ceiling, that and what the kernel takes for connections.";
    let mut memory = page.family("fanfare_memory_bytes", Kind::Gauge, help);
    for (part, bytes) in api.process.memory(stats.memory()) {
        memory.sample(&[("part", part)], bytes);
    }
    times(&mut page, stats);
    page.finish()
}

fn connections(page: &mut Exposition, stats: &Stats, scopes: &Scopes) {
    // A session that is polled is no connection of the kernel: its requests come on those that speak HTTP.
    let help = "Open WebSockets, sessions that are polled, and connections that speak HTTP.";
    let mut family = page.family("fanfare_connections", Kind::Gauge, help);
    for (number, reactor) in stats.reactors().iter().enumerate() {
        let number = number.to_string();
        let polling = reactor.polling();
        let websocket = reactor.sockets().saturating_sub(polling);
        let http = reactor.gauges.links.get().saturating_sub(websocket);
        family.sample(&[("transport", "websocket"), ("reactor", &number)], websocket);
        family.sample(&[("transport", "polling"), ("reactor", &number)], polling);
        family.sample(&[("transport", "http"), ("reactor", &number)], http);
    }
    let help = "Open sockets by scope (domain or namespace): the largest scopes, and all others as one.";
    let mut family = page.family("fanfare_sockets", Kind::Gauge, help);
    // A scope that is really called so would make two samples of one name.
    let (same, named): (Vec<_>, Vec<_>) = scopes.largest.iter().partition(|(name, _)| name == OTHER);
    for (name, sockets) in named {
        match domain_of(name) {
            // Otherwise it would look like the namespace of that name.
            Some(domain) if domain.starts_with('/') => {
                family.sample(&[("scope", domain), ("kind", "domain")], sockets);
            }
            Some(domain) => family.sample(&[("scope", domain)], sockets),
            None => family.sample(&[("scope", name)], sockets),
        }
    }
    family.sample(&[("scope", OTHER)], scopes.other + same.iter().map(|(_, sockets)| sockets).sum::<u64>());

    let help = "Times that accepting paused because descriptors or kernel memory had run out.";
    page.family("fanfare_accept_pauses_total", Kind::Counter, help)
        .sample(&[], stats.sum(|reactor| reactor.gauges.accept_pauses.get()));
    page.family("fanfare_accepted_total", Kind::Counter, "Connections accepted.")
        .sample(&[], stats.sum(|reactor| reactor.gauges.accepted.get()));
    let help = "Connections that came from other reactors so that all have about as many.";
    let mut family = page.family("fanfare_moved_total", Kind::Counter, help);
    for (number, reactor) in stats.reactors().iter().enumerate() {
        for reason in Moved::ALL {
            let labels = [("reason", reason.name()), ("reactor", &number.to_string())];
            family.sample(&labels, reactor.moved(reason));
        }
    }
    let help = "Connections and requests refused before they became sockets.";
    by(page, "reason", "fanfare_refused_total", help, stats, |reactor| refused(reactor).collect());
    let help = "Sockets closed.";
    by(page, "reason", "fanfare_closed_total", help, stats, |reactor| reactor.closed().collect());
}

fn process(page: &mut Exposition, api: &Api) {
    page.family("fanfare_info", Kind::Gauge, "The version, as a label; always 1.")
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.family("fanfare_uptime_seconds", Kind::Gauge, "Time since the start.")
        .sample(&[], api.process.uptime_s());
    if let Some(seconds) = process::cpu_s() {
        page.family("fanfare_cpu_seconds_total", Kind::Counter, "Processor time, of the kernel's part too.")
            .sample(&[], seconds);
    }
}

fn cluster(page: &mut Exposition, cluster: &ClusterStats) {
    let up = u64::from(cluster.is_up());
    page.family("fanfare_cluster_up", Kind::Gauge, "Whether other nodes are reached.").sample(&[], up);
    let help = "Outages after which messages of other nodes may be missing.";
    page.family("fanfare_cluster_gap_total", Kind::Counter, help).sample(&[], cluster.gaps());
    let help = "Messages of other nodes that were missed in such outages, where the next one shows it.";
    page.family("fanfare_cluster_missed_total", Kind::Counter, help).sample(&[], cluster.missed());
    page.family("fanfare_cluster_nodes", Kind::Gauge, "Other nodes that are there.")
        .sample(&[], cluster.nodes());
    let help = "Messages handed over for other nodes.";
    page.family("fanfare_cluster_published_total", Kind::Counter, help).sample(&[], cluster.published());
    let help = "Messages that came from other nodes, and this one's own where it hears itself.";
    page.family("fanfare_cluster_received_total", Kind::Counter, help).sample(&[], cluster.received());
    let help = "Messages for other nodes that were dropped.";
    page.family("fanfare_cluster_dropped_total", Kind::Counter, help).sample(&[], cluster.dropped());
    let help = "Messages of others that could not be read.";
    page.family("fanfare_cluster_bad_total", Kind::Counter, help).sample(&[], cluster.bad());
    let help = "Channels and patterns that are subscribed to.";
    page.family("fanfare_cluster_subscriptions", Kind::Gauge, help).sample(&[], cluster.subscriptions());
    let help = "Bytes that wait to be handed over.";
    page.family("fanfare_cluster_waiting_bytes", Kind::Gauge, help).sample(&[], cluster.waiting_bytes());
}

fn traffic(page: &mut Exposition, stats: &Stats) {
    page.family("fanfare_messages_in_total", Kind::Counter, "Messages that clients sent.")
        .sample(&[], stats.sum(ReactorStats::messages_in));
    let help = "Messages that clients sent faster than they may, which were passed over.";
    page.family("fanfare_rate_limited_total", Kind::Counter, help)
        .sample(&[], stats.sum(ReactorStats::rate_limited));
    page.family("fanfare_deliveries_total", Kind::Counter, "Messages taken for delivery to one socket.")
        .sample(&[], stats.sum(|reactor| reactor.gauges.deliveries.get()));
    let help = "Messages to one socket (busy: to one reactor) that were not delivered.";
    by(page, "reason", "fanfare_dropped_total", help, stats, |reactor| dropped(reactor).to_vec());
    let help = "Messages made in a dialect, once each for all recipients who share it.";
    by(page, "dialect", "fanfare_encoded_total", help, stats, |reactor| reactor.encoded().collect());
    if let Some(cluster) = stats.cluster() {
        self::cluster(page, cluster);
    }
    let draining = stats.is_draining();
    page.family("fanfare_draining", Kind::Gauge, "Whether the server is drained.")
        .sample(&[], u64::from(draining));
    let left = if draining { stats.sum(ReactorStats::sockets) } else { 0 };
    page.family("fanfare_drain_left", Kind::Gauge, "Sockets that a drain has still to close.")
        .sample(&[], left);
    page.family("fanfare_handler_panics_total", Kind::Counter, "Handlers of the program that panicked.")
        .sample(&[], stats.sum(ReactorStats::panics));
    page.family("fanfare_queued_bytes", Kind::Gauge, "Bytes that wait for readers.")
        .sample(&[], stats.sum(|reactor| reactor.gauges.queued_bytes.get()));
}

fn times(page: &mut Exposition, stats: &Stats) {
    let help = "Time that the phases of a reactor's turn took.";
    let mut family = page.family("fanfare_turn_seconds", Kind::Histogram, help);
    for phase in Phase::ALL {
        let all = stats.reactors().iter().map(|reactor| reactor.phase_seconds(phase));
        family.histogram(&[("phase", phase.name())], all);
    }
    let help = "Time that a whole turn of a reactor took: how long others waited for it.";
    page.family("fanfare_whole_turn_seconds", Kind::Histogram, help)
        .histogram(&[], stats.reactors().iter().map(ReactorStats::turn_seconds));
    let help = "Time that a reactor did not wait for something to do.";
    let mut family = page.family("fanfare_reactor_busy_seconds_total", Kind::Counter, help);
    for (number, reactor) in stats.reactors().iter().enumerate() {
        family.sample(&[("reactor", &number.to_string())], reactor.turn_seconds().read().1);
    }
    let help = "Time from a publish that wants a report to the report of the last reactor.";
    page.family("fanfare_publish_seconds", Kind::Histogram, help)
        .histogram(&[], stats.reactors().iter().map(ReactorStats::publish_seconds));
}

/// A counter with one label, summed over the reactors.
fn by(
    page: &mut Exposition,
    label: &str,
    name: &'static str,
    help: &str,
    stats: &Stats,
    of: impl Fn(&ReactorStats) -> Vec<(&'static str, u64)>,
) {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for (value, count) in stats.reactors().iter().flat_map(of) {
        *sums.entry(value).or_default() += count;
    }
    let mut family = page.family(name, Kind::Counter, help);
    for (value, count) in sums {
        family.sample(&[(label, value)], count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(scopes: &[(&str, u64)]) -> Vec<(String, u64)> {
        scopes.iter().map(|(name, sockets)| ((*name).to_owned(), *sockets)).collect()
    }

    #[test]
    fn the_largest_scopes_are_named_and_nothing_is_lost() {
        let scopes = [("a", 1), ("b", 9), ("c", 3), ("d", 3)];
        let largest = Scopes::largest_of(scopes.into_iter(), 2);
        assert_eq!(largest, Scopes { largest: owned(&[("b", 9), ("c", 3)]), other: 4 });
        let other = Scopes { largest: owned(&[("c", 30)]), other: 5 };
        let merged = Scopes::merge(vec![largest, other]);
        assert_eq!(merged, Scopes { largest: owned(&[("c", 33), ("b", 9)]), other: 9 });

        let names: Vec<String> = (0..250).map(|i| format!("{i}")).collect();
        let many = Scopes { largest: names.iter().map(|name| (name.clone(), 2)).collect(), other: 1 };
        let merged = Scopes::merge(vec![many]);
        assert_eq!((merged.largest.len(), merged.other), (SCOPES, 301));
    }
}
