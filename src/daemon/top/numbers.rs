//! What `top` shows: two answers of `/api/v1/stats` and one of `/api/v1/slow`, as tables of text.
//!
//! Owns what the numbers are called and how they are written. Where they stand is the screen's.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::time::{Duration, Instant};

/// Clients and numbers of a server or one of its reactors.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Counters {
    connections: u64,
    sockets: u64,
    polling: u64,
    accepted: u64,
    refused: Map<String, Value>,
    closed: Map<String, Value>,
    messages_in: u64,
    deliveries: u64,
    dropped: Map<String, Value>,
    queued_bytes: u64,
    turns: Histogram,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Histogram {
    counts: Vec<u64>,
    seconds: f64,
}

/// `/api/v1/stats`
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stats {
    version: String,
    uptime_seconds: f64,
    cpu_seconds: Option<f64>,
    memory_bytes: Map<String, Value>,
    cluster: Option<Cluster>,
    bucket_seconds: Vec<f64>,
    reactors: Vec<Counters>,
    #[serde(flatten)]
    all: Counters,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cluster {
    up: bool,
    nodes: u64,
    dropped: u64,
    missed: u64,
    waiting_bytes: u64,
}

/// `/api/v1/slow`
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Slow {
    items: Vec<SlowLink>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SlowLink {
    address: Option<String>,
    transport: String,
    reactor: u64,
    sockets: Vec<SlowSocket>,
    queued_bytes: u64,
    waiting_seconds: f64,
    unacknowledged_bytes: Option<u64>,
    rtt_ms: Option<f64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SlowSocket {
    biz_code: Option<String>,
    client_id: Option<String>,
    namespace: Option<String>,
    id: Option<String>,
    user: Option<String>,
}

/// The numbers at one time.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) at: Instant,
    pub(super) stats: Stats,
    pub(super) slow: Slow,
}

/// A table with a title; the first column is text, the others are numbers.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) title: &'static str,
    pub(super) head: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
}

/// What became of the numbers between two samples.
pub(super) struct Change<'s> {
    now: &'s Sample,
    before: &'s Sample,
    seconds: f64,
}

impl<'s> Change<'s> {
    /// Nothing if they are of two servers, or at one time.
    pub(super) fn between(before: &'s Sample, now: &'s Sample) -> Option<Change<'s>> {
        let seconds = now.at.saturating_duration_since(before.at).as_secs_f64();
        let is_same = now.stats.uptime_seconds >= before.stats.uptime_seconds;
        (is_same && seconds > 0.0).then_some(Change { now, before, seconds })
    }

    /// The server in a line.
    pub(super) fn headline(&self) -> String {
        let Stats { version, uptime_seconds, cpu_seconds, .. } = &self.now.stats;
        let used =
            cpu_seconds.zip(self.before.stats.cpu_seconds).map(|(now, before)| (now - before) / self.seconds);
        let used = used.map_or_else(|| "–".to_owned(), percent);
        format!("fanfare {version}, up {}, {used} of a core", age(*uptime_seconds))
    }

    /// Deliveries a second.
    pub(super) fn deliveries(&self) -> f64 {
        self.rate(|counters| counters.deliveries)
    }

    fn rate(&self, of: impl Fn(&Counters) -> u64) -> f64 {
        of(&self.now.stats.all).saturating_sub(of(&self.before.stats.all)) as f64 / self.seconds
    }

    /// All tables, in their order.
    pub(super) fn tables(&self) -> Vec<Table> {
        let mut tables = vec![self.rates(), self.reactors(), self.reasons(), self.memory()];
        tables.extend(self.cluster());
        tables.push(self.slowest());
        tables
    }

    fn rates(&self) -> Table {
        let all = &self.now.stats.all;
        let row = |name: &str, total: u64, rate: f64| vec![name.to_owned(), count(total), number(rate)];
        Table {
            title: "Traffic",
            head: vec!["", "in all", "a second"],
            rows: vec![
                row("messages in", all.messages_in, self.rate(|counters| counters.messages_in)),
                row("deliveries", all.deliveries, self.deliveries()),
                row("accepted", all.accepted, self.rate(|counters| counters.accepted)),
                row("closed", sum(&all.closed), self.rate(|counters| sum(&counters.closed))),
                row("refused", sum(&all.refused), self.rate(|counters| sum(&counters.refused))),
                row("dropped", sum(&all.dropped), self.rate(|counters| sum(&counters.dropped))),
            ],
        }
    }

    fn reactors(&self) -> Table {
        let none = Counters::default();
        let bounds = &self.now.stats.bucket_seconds;
        let row = |name: String, now: &Counters, before: &Counters| {
            let busy = (now.turns.seconds - before.turns.seconds) / self.seconds;
            vec![
                name,
                count(now.sockets - now.polling.min(now.sockets)),
                count(now.polling),
                count(now.connections),
                percent(busy),
                now.turns.since(&before.turns).within(0.99, bounds),
                bytes(now.queued_bytes),
            ]
        };
        let all = std::iter::once(row("all".to_owned(), &self.now.stats.all, &self.before.stats.all));
        let each = self.now.stats.reactors.iter().enumerate().map(|(place, now)| {
            row(place.to_string(), now, self.before.stats.reactors.get(place).unwrap_or(&none))
        });
        Table {
            title: "Reactors",
            head: vec!["", "websocket", "polling", "connections", "busy", "turn p99", "queued"],
            rows: all.chain(each).collect(),
        }
    }

    fn reasons(&self) -> Table {
        let all = &self.now.stats.all;
        let of = |what: &'static str, counts: &Map<String, Value>| {
            let more_than_none = counts.iter().filter(|(_, n)| n.as_u64() > Some(0));
            let rows = more_than_none.map(move |(name, n)| {
                vec![format!("{what}: {}", plain(name)), count(n.as_u64().unwrap_or_default())]
            });
            rows.collect::<Vec<_>>()
        };
        let rows = [of("dropped", &all.dropped), of("refused", &all.refused), of("closed", &all.closed)];
        Table { title: "Reasons", head: vec!["", "in all"], rows: rows.concat() }
    }

    fn memory(&self) -> Table {
        let parts = self.now.stats.memory_bytes.iter();
        let rows = parts.map(|(part, n)| vec![plain(part), bytes(n.as_u64().unwrap_or_default())]);
        Table { title: "Memory", head: vec!["", "bytes"], rows: rows.collect() }
    }

    fn cluster(&self) -> Option<Table> {
        let Cluster { up, nodes, dropped, missed, waiting_bytes } = self.now.stats.cluster.as_ref()?;
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        let rows = vec![
            row("state", if *up { "up" } else { "down" }.to_owned()),
            row("other servers", count(*nodes)),
            row("dropped", count(*dropped)),
            row("missed", count(*missed)),
            row("waiting", bytes(*waiting_bytes)),
        ];
        Some(Table { title: "Cluster", head: vec!["", ""], rows })
    }

    fn slowest(&self) -> Table {
        let row = |link: &SlowLink| {
            let or = |value: Option<String>| value.unwrap_or_else(|| "–".to_owned());
            vec![
                link.name(),
                or(link.address.as_deref().map(plain)),
                format!("{} {}", plain(&link.transport), link.reactor),
                bytes(link.queued_bytes),
                age(link.waiting_seconds),
                or(link.unacknowledged_bytes.map(bytes)),
                or(link.rtt_ms.map(|ms| brief(ms / 1e3))),
            ]
        };
        Table {
            title: "Slowest connections",
            head: vec!["", "address", "on", "queued", "waiting", "unacknowledged", "round trip"],
            rows: self.now.slow.items.iter().map(row).collect(),
        }
    }
}

impl SlowLink {
    /// Whose connection it is.
    fn name(&self) -> String {
        let names = self.sockets.iter().map(|socket| {
            let who = socket.client_id.as_deref().or(socket.user.as_deref()).or(socket.id.as_deref());
            let scope = socket.biz_code.as_deref().or(socket.namespace.as_deref());
            format!("{} in {}", plain(who.unwrap_or("?")), plain(scope.unwrap_or("?")))
        });
        let names: Vec<String> = names.collect();
        if names.is_empty() { "no client yet".to_owned() } else { names.join(", ") }
    }
}

impl Histogram {
    fn since(&self, before: &Histogram) -> Histogram {
        let before_of = |place: usize| before.counts.get(place).copied().unwrap_or_default();
        let counts = self.counts.iter().enumerate().map(|(place, n)| n.saturating_sub(before_of(place)));
        Histogram { counts: counts.collect(), seconds: self.seconds - before.seconds }
    }

    /// The bound that such a share is within.
    fn within(&self, share: f64, bounds: &[f64]) -> String {
        let all: u64 = self.counts.iter().sum();
        let mut seen = 0;
        for (place, n) in self.counts.iter().enumerate() {
            seen += n;
            if all > 0 && seen as f64 >= share * all as f64 {
                return match (bounds.get(place), bounds.last()) {
                    (Some(bound), _) => format!("≤ {}", brief(*bound)),
                    (None, Some(last)) => format!("> {}", brief(*last)),
                    (None, None) => break,
                };
            }
        }
        "–".to_owned()
    }
}

fn sum(counts: &Map<String, Value>) -> u64 {
    counts.values().filter_map(Value::as_u64).sum()
}

/// Names come from clients: they do not talk to the terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// 1234567 as 1,234,567.
fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn number(n: f64) -> String {
    if n == 0.0 || n >= 10.0 { count(n.round() as u64) } else { format!("{n:.1}") }
}

fn percent(share: f64) -> String {
    format!("{:.1}%", share.max(0.0) * 100.0)
}

fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut size = n as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit < UNITS.len() - 1 {
        size /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{n} B") } else { format!("{size:.1} {}", UNITS[unit]) }
}

fn age(seconds: f64) -> String {
    let whole = Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs();
    match whole {
        0..60 => format!("{whole} s"),
        60..3_600 => format!("{} min {} s", whole / 60, whole % 60),
        3_600..86_400 => format!("{} h {} min", whole / 3_600, whole / 60 % 60),
        _ => format!("{} d {} h", whole / 86_400, whole / 3_600 % 24),
    }
}

fn brief(seconds: f64) -> String {
    let (size, unit) = match seconds {
        s if s >= 1.0 => (s, "s"),
        s if s >= 1e-3 => (s * 1e3, "ms"),
        s => (s * 1e6, "µs"),
    };
    if size >= 10.0 {
        format!("{size:.0} {unit}")
    } else {
        format!("{} {unit}", (size * 10.0).round() / 10.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.0, 0.25, 9.5, 10.4, 12_345.6].map(number), ["0", "0.2", "9.5", "10", "12,346"]);
        assert_eq!([0, 1_023, 1_024, 3 << 20].map(bytes), ["0 B", "1023 B", "1.0 KiB", "3.0 MiB"]);
        assert_eq!([0.4, 61.0, 3_661.0, 90_000.0].map(age), ["0 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
        assert_eq!([1e-5, 1e-3, 0.0312, 10.0].map(brief), ["10 µs", "1 ms", "31 ms", "10 s"]);
        assert_eq!(plain("a\u{1b}[31m\u{9b}é"), "a\u{fffd}[31m\u{fffd}é");
    }

    #[test]
    fn shares_of_turns_are_within_a_bound() {
        let bounds = [0.001, 0.01];
        let turns = |counts: [u64; 3]| Histogram { counts: counts.to_vec(), seconds: 0.0 };
        assert_eq!(turns([99, 1, 0]).within(0.99, &bounds), "≤ 1 ms");
        assert_eq!(turns([98, 2, 0]).within(0.99, &bounds), "≤ 10 ms");
        assert_eq!(turns([0, 0, 1]).within(0.99, &bounds), "> 10 ms");
        assert_eq!(turns([0, 0, 0]).within(0.99, &bounds), "–");
        assert_eq!(turns([9, 9, 9]).since(&turns([9, 1, 9])).counts, [0, 8, 0]);
    }
}
