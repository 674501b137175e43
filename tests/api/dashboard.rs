//! `deploy/grafana.json` and `deploy/prometheus-alerts.yml` speak of metrics that there are, with labels that these have;
//! and the dashboard leaves none out.

use crate::metrics::{Family, scrape};
use crate::server::Server;
use crate::support;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const DASHBOARD: &str = include_str!("../../deploy/grafana.json");
const ALERTS: &str = include_str!("../../deploy/prometheus-alerts.yml");

/// Labels that Prometheus adds.
const ADDED: [&str; 2] = ["job", "instance"];

/// The families of a server that is in a cluster, whose Redis is not there.
fn families() -> BTreeMap<String, Family> {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    scrape(&Server(support::Server::start(&["--redis", &format!("redis://{nobody}")])))
}

/// The names of metrics in an expression.
fn names(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("fanfare_")).map(str::to_owned).collect()
}

/// Holds the expression against what there is; the families that it names.
fn check(expression: &str, families: &BTreeMap<String, Family>) -> BTreeSet<String> {
    let named = names(expression);
    let mut known = BTreeSet::new();
    let mut labels: BTreeSet<String> = ADDED.map(str::to_owned).into();
    for name in named {
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        let family = family.filter(|family| families.contains_key(*family)).unwrap_or(&name).to_owned();
        let found = families.get(&family).unwrap_or_else(|| panic!("there is no {name}: {expression}"));
        let samples = found.samples.iter().filter(|(sample, ..)| *sample == name);
        labels.extend(samples.flat_map(|(_, labels, _)| labels.keys().cloned()));
        assert!(found.samples.iter().any(|(sample, ..)| *sample == name), "no sample of {name}");
        // A counter that is not looked at as a rate says only how old the process is.
        if family.ends_with("_total") {
            assert!(expression.contains("rate(") || expression.contains("increase("), "{expression}");
        }
        known.insert(family);
    }
    for grouped in expression.split("by (").skip(1) {
        let list = grouped.split(')').next().unwrap();
        for label in list.split(',').map(str::trim) {
            assert!(labels.contains(label), "{label} is no label of it: {expression}");
        }
    }
    for selected in expression.split(['{', ',']).skip(1) {
        if let Some((label, _)) = selected.split_once(['=', '!'])
            && label.bytes().all(|byte| byte.is_ascii_lowercase())
        {
            assert!(labels.contains(label), "{label} is no label of it: {expression}");
        }
    }
    known
}

#[test]
fn the_dashboard_shows_every_metric_and_no_other() {
    let families = families();
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert_eq!((&variables[0]["name"], &variables[0]["query"]), (&"datasource".into(), &"prometheus".into()));
    for variable in &variables[1..] {
        check(variable["query"].as_str().unwrap(), &families);
    }
    let mut shown = BTreeSet::new();
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        let at = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{title}");
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{title} lies over another panel");
            }
        }
        if panel["type"] == "row" {
            continue;
        }
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{title}");
        for target in targets {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            let expression = target["expr"].as_str().unwrap();
            let found = check(expression, &families);
            assert!(!found.is_empty(), "{title}: {expression}");
            shown.extend(found);
        }
    }
    let there: BTreeSet<String> = families.into_keys().collect();
    assert_eq!(shown, there, "metrics that are shown, and those that there are");
}

#[test]
fn alerts_speak_of_metrics_that_there_are() {
    let families = families();
    let expressions = ALERTS.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
    let mut count = 0;
    for expression in expressions {
        let found = check(expression, &families);
        assert!(!found.is_empty() || expression.starts_with("up{"), "{expression}");
        count += 1;
    }
    assert_eq!(count, ALERTS.matches("- alert: ").count());
}
