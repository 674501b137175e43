//! `/metrics`, read by a strict parser of the text format and held against its rules.

use crate::server::Server;
use crate::sio::{EIO3_POLLING, EIO4, EIO4_POLLING, Sio};
use crate::ws::Client;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) type Labels = BTreeMap<String, String>;
/// A sample of a histogram: its suffix, its bound, its value.
type Sample<'n> = (&'n str, Option<String>, f64);

#[derive(Debug)]
pub(crate) struct Family {
    kind: String,
    /// Name, labels, value; in the order of the text.
    pub(crate) samples: Vec<(String, Labels, f64)>,
}

/// Reads a whole text; whatever the format does not allow is a panic.
fn parse(text: &str) -> BTreeMap<String, Family> {
    assert!(text.ends_with('\n'));
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut helped = None;
    let mut current = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect(line);
            assert!(is_name(name) && !help.is_empty() && !families.contains_key(name), "{line}");
            helped = Some(name.to_owned());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect(line);
            assert_eq!(helped.as_deref(), Some(name), "{line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            families.insert(name.to_owned(), Family { kind: kind.to_owned(), samples: Vec::new() });
            current = Some(name.to_owned());
        } else {
            let (name, labels, value) = sample(line);
            let family = current.clone().expect(line);
            let suffixes: &[&str] =
                if families[&family].kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(suffixes.iter().any(|suffix| name == format!("{family}{suffix}")), "{line}");
            assert!(seen.insert((name.clone(), labels.clone())), "twice: {line}");
            families.get_mut(&family).unwrap().samples.push((name, labels, value));
        }
    }
    families
}

fn sample(line: &str) -> (String, Labels, f64) {
    let name_ends = line.find(['{', ' ']).expect(line);
    let (name, mut rest) = line.split_at(name_ends);
    assert!(is_name(name), "{line}");
    let mut labels = Labels::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, after) = rest.split_once("=\"").expect(line);
            assert!(is_name(label) && !label.contains(':'), "{line}");
            let (value, after) = label_value(after);
            assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
            if let Some(end) = after.strip_prefix('}') {
                rest = end;
                break;
            }
            rest = after.strip_prefix(',').expect(line);
        }
    }
    let value = rest.strip_prefix(' ').expect(line);
    assert!(!value.contains(' '), "{line}");
    (name.to_owned(), labels, value.parse().expect(line))
}

/// Up to the quote that ends it.
fn label_value(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.push(match chars.next().unwrap().1 {
                'n' => '\n',
                c @ ('"' | '\\') => c,
                c => panic!("no such escape: {c}"),
            }),
            c => value.push(c),
        }
    }
    panic!("a label without end: {text}")
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

/// The rules of counters and histograms.
fn check(families: &BTreeMap<String, Family>) {
    for (name, family) in families {
        assert!(!family.samples.is_empty(), "{name} is empty");
        assert_eq!(family.kind == "counter", name.ends_with("_total"), "{name}");
        assert!(family.samples.iter().all(|(_, _, value)| *value >= 0.0), "{name}");
        if family.kind == "histogram" {
            check_histogram(name, family);
        }
    }
}

fn check_histogram(name: &str, family: &Family) {
    let mut series: BTreeMap<Labels, Vec<Sample<'_>>> = BTreeMap::new();
    for (sample, labels, value) in &family.samples {
        let mut labels = labels.clone();
        let le = labels.remove("le");
        let suffix = sample.strip_prefix(name).unwrap();
        assert_eq!(le.is_some(), suffix == "_bucket", "{sample}");
        series.entry(labels).or_default().push((suffix, le, *value));
    }
    for (labels, samples) in series {
        let one = |suffix: &str| {
            let mut found = samples.iter().filter(|sample| sample.0 == suffix);
            let value = found.next().expect(suffix).2;
            assert!(found.next().is_none());
            value
        };
        let (sum, count) = (one("_sum"), one("_count"));
        let mut before = (f64::NEG_INFINITY, 0.0);
        for (_, le, value) in samples.iter().filter(|sample| sample.0 == "_bucket") {
            let le: f64 = le.as_deref().unwrap().replace("+Inf", "inf").parse().unwrap();
            assert!(le > before.0 && *value >= before.1, "{name} {labels:?}: not monotonic");
            before = (le, *value);
        }
        assert_eq!(before, (f64::INFINITY, count), "{name} {labels:?}");
        assert!(sum > 0.0 || count == 0.0, "{name} {labels:?}");
    }
}

/// The value of one sample.
pub(crate) fn value(families: &BTreeMap<String, Family>, name: &str, labels: &[(&str, &str)]) -> f64 {
    let wanted: Labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let family = &families[name.trim_end_matches("_count").trim_end_matches("_sum")];
    let found = family.samples.iter().find(|(found, labels, _)| found == name && *labels == wanted);
    found.unwrap_or_else(|| panic!("{name} {labels:?} in {family:?}")).2
}

/// The families, all of them as they should be.
pub(crate) fn scrape(server: &Server) -> BTreeMap<String, Family> {
    let answer = server.get("/metrics");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let families = parse(answer.text());
    check(&families);
    families
}

#[test]
fn every_family_is_there_and_keeps_the_rules() {
    let server = Server::start(3);
    let families = scrape(&server);
    for name in [
        "fanfare_connections",
        "fanfare_sockets",
        "fanfare_accepted_total",
        "fanfare_moved_total",
        "fanfare_refused_total",
        "fanfare_closed_total",
        "fanfare_messages_in_total",
        "fanfare_rate_limited_total",
        "fanfare_deliveries_total",
        "fanfare_dropped_total",
        "fanfare_handler_panics_total",
        "fanfare_encoded_total",
        "fanfare_queued_bytes",
        "fanfare_memory_bytes",
        "fanfare_turn_seconds",
        "fanfare_publish_seconds",
        "fanfare_whole_turn_seconds",
        "fanfare_reactor_busy_seconds_total",
        "fanfare_accept_pauses_total",
        "fanfare_cpu_seconds_total",
        "fanfare_uptime_seconds",
        "fanfare_info",
    ] {
        assert!(families.contains_key(name), "{name}");
    }
}

#[test]
fn the_numbers_follow_what_happens() {
    let server = Server::start(2);
    let odd = "d\"1\\\n{a=\"b\"}";
    let mut clients: Vec<Client> =
        (0..5).map(|n| Client::connect(&server, odd, &format!("c{n}"), "")).collect();
    clients.push(Client::connect(&server, "d2", "c0", ""));
    clients.push(Client::connect(&server, "(other)", "c0", ""));
    clients[5].send("not JSON");
    clients[5].next();
    // It is replaced.
    clients[5] = Client::connect(&server, "d2", "c0", "");
    assert_eq!(server.get("/ws").status, 426);
    server
        .publish(r#"[{"bizCode":"d2","mode":300,"content":1},{"bizCode":"d2","mode":300,"content":1}]"#)
        .ok();

    let families = scrape(&server);
    let of = |name: &str, labels: &[(&str, &str)]| value(&families, name, labels);
    assert_eq!(of("fanfare_sockets", &[("scope", odd)]), 5.0);
    assert_eq!(of("fanfare_sockets", &[("scope", "d2")]), 1.0);
    assert_eq!(of("fanfare_sockets", &[("scope", "(other)")]), 1.0);
    let on = |transport: &str| -> f64 {
        ["0", "1"]
            .map(|n| of("fanfare_connections", &[("transport", transport), ("reactor", n)]))
            .iter()
            .sum()
    };
    assert_eq!(on("websocket"), 7.0);
    assert!(on("http") >= 1.0);
    assert_eq!(of("fanfare_closed_total", &[("reason", "replaced")]), 1.0);
    assert_eq!(of("fanfare_messages_in_total", &[]), 1.0);
    assert!(of("fanfare_deliveries_total", &[]) >= 2.0);
    assert!(of("fanfare_accepted_total", &[]) >= 10.0);
    assert_eq!(of("fanfare_publish_seconds_count", &[]), 2.0);
    assert!(of("fanfare_memory_bytes", &[("part", "rss")]) > 1e6);
    assert!(of("fanfare_turn_seconds_count", &[("phase", "read")]) > 10.0);
    let turns = of("fanfare_whole_turn_seconds_count", &[]);
    // Another reactor may be just between its last phase and the end of its turn.
    assert!((turns - of("fanfare_turn_seconds_count", &[("phase", "reap")])).abs() <= 1.0);
    let busy: f64 =
        ["0", "1"].map(|n| of("fanfare_reactor_busy_seconds_total", &[("reactor", n)])).iter().sum();
    assert!(busy > 0.0 && (busy - of("fanfare_whole_turn_seconds_sum", &[])).abs() < 0.5, "{busy}");
    assert_eq!(of("fanfare_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1.0);
    assert!(of("fanfare_uptime_seconds", &[]) > 0.0 && of("fanfare_cpu_seconds_total", &[]) >= 0.0);
    assert_eq!(of("fanfare_accept_pauses_total", &[]), 0.0);
}

/// Connections of every transport, on all reactors.
fn connections(server: &Server) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for (_, labels, value) in &scrape(server)["fanfare_connections"].samples {
        *sums.entry(labels["transport"].clone()).or_default() += value;
    }
    sums
}

#[test]
fn sessions_are_counted_by_what_they_are_on() {
    let server = Server::start(3);
    let _plain = [Client::connect(&server, "d1", "c1", ""), Client::connect(&server, "/", "c1", "")];
    let _socket = Sio::connect(&server, EIO4);
    let mut first = Sio::connect(&server, EIO4_POLLING);
    let mut second = Sio::connect(&server, EIO3_POLLING);
    let third = Sio::connect(&server, EIO4_POLLING);
    let count = |counts: &BTreeMap<String, f64>, name: &str| counts[name];
    let before = connections(&server);
    assert_eq!(before.keys().collect::<Vec<_>>(), ["http", "polling", "websocket"]);
    assert_eq!((count(&before, "websocket"), count(&before, "polling")), (3.0, 3.0));
    // Two of each that polls, and the one that asks.
    assert!(count(&before, "http") >= 7.0, "{before:?}");
    let stats = server.get("/api/v1/stats").ok();
    assert_eq!((&stats["sockets"], &stats["polling"]), (&6.into(), &3.into()));

    first.upgrade(&server);
    second.upgrade(&server);
    first.has_nothing();
    second.has_nothing();
    let after = connections(&server);
    assert_eq!((count(&after, "websocket"), count(&after, "polling")), (5.0, 1.0));
    third.close();
    let families = scrape(&server);
    assert_eq!(connections(&server)["polling"], 0.0);
    assert_eq!(value(&families, "fanfare_closed_total", &[("reason", "client")]), 1.0);

    // A namespace and a domain of one name.
    assert_eq!(value(&families, "fanfare_sockets", &[("scope", "/")]), 3.0);
    assert_eq!(value(&families, "fanfare_sockets", &[("scope", "/"), ("kind", "domain")]), 1.0);

    let refused = |families| value(families, "fanfare_refused_total", &[("reason", "engine")]);
    for target in ["/socket.io/?EIO=4&transport=pigeon", "/socket.io/?EIO=4&transport=polling&sid=x"] {
        assert_eq!(server.get(target).status, 400);
    }
    assert!(server.0.try_ws("/socket.io/?EIO=2&transport=websocket").is_err());
    assert_eq!(refused(&scrape(&server)) - refused(&families), 3.0);
}

#[test]
fn many_scopes_are_summed_up() {
    let server = Server::start(2);
    let mut clients = Vec::new();
    for n in 0..130 {
        clients.push(Client::connect(&server, &format!("d{n}"), "c1", ""));
        if n % 2 == 0 {
            clients.push(Client::connect(&server, &format!("d{n}"), "c2", ""));
        }
    }
    let families = scrape(&server);
    let samples = &families["fanfare_sockets"].samples;
    assert_eq!(samples.len(), 101);
    assert_eq!(samples.iter().map(|(_, _, value)| value).sum::<f64>(), clients.len() as f64);
    assert_eq!(value(&families, "fanfare_sockets", &[("scope", "(other)")]), 30.0);
    assert_eq!(value(&families, "fanfare_sockets", &[("scope", "d128")]), 2.0);
}
