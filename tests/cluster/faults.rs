//! Redis dies, stands still, or cannot be reached from one node; a node dies. Clients stay, what is local never waits,
//! and what is missing elsewhere is counted. An outage lasts no longer than it takes to see that; `FANFARE_OUTAGE_S` makes
//! each longer, by so many seconds.

use crate::client::Client;
use crate::load::Load;
use crate::nodes::{Nodes, metric, nodes_of, publish};
use crate::proxy::Proxy;
use crate::servers::{Redis, eventually, signal};
use crate::support::{Folder, Received, Server};
use std::time::{Duration, Instant};

const UP: &str = "fanfare_cluster_up";
const DROPPED: &str = "fanfare_cluster_dropped_total";
const MISSED: &str = "fanfare_cluster_missed_total";
const GAPS: &str = "fanfare_cluster_gap_total";

/// To all receivers of the load, and whoever else is there.
const NEWS: &str = r#"{"bizCode":"d1","mode":300,"content":"news"}"#;

/// Lets an outage last.
fn last() {
    let seconds =
        std::env::var("FANFARE_OUTAGE_S").map_or(0, |text| text.parse().expect("a number of seconds"));
    std::thread::sleep(Duration::from_secs(seconds));
}

fn until_up(node: &Server, up: u64) {
    eventually("the link is noticed", || metric(node, UP) == up);
}

/// While a node is alone: it is ready, its clients are reached, and a report says that others were not.
fn is_alone_and_well(nodes: &Nodes, node: usize, load: &Load) {
    let others = nodes.all.len() as u64 - 1;
    let before = load.count(node, node);
    eventually("local messages flow", || load.count(node, node) > before + 100);
    assert_eq!(nodes[node].get("/readyz").status, 200);
    let report = publish(&nodes[node], NEWS);
    assert_eq!((report["matched"].as_u64(), nodes_of(&report)), (Some(2), (others + 1, 1)), "{report}");
}

#[test]
fn a_server_is_ready_without_redis_unless_it_is_required() {
    let redis = Redis::start(&[]);
    let folder = Folder::new();
    let start = |required: bool| {
        let name = format!("{required}.toml");
        let file = folder.write(&name, &format!("[cluster]\nrequired = {required}\n"));
        let file = file.to_str().expect("a path of this test");
        Server::start(&["-c", file, "--listen", "127.0.0.1:0", "--redis", &redis.url()])
    };
    let (bold, careful) = (start(false), start(true));
    until_up(&bold, 1);
    until_up(&careful, 1);
    assert_eq!((bold.get("/readyz").status, careful.get("/readyz").status), (200, 200));
    drop(redis);
    until_up(&bold, 0);
    until_up(&careful, 0);
    let refused = careful.get("/readyz");
    assert_eq!((bold.get("/readyz").status, refused.status), (200, 503));
    assert!(refused.body.contains("cluster_down"), "{}", refused.body);
    // It lives, and serves whoever comes all the same.
    assert_eq!(careful.get("/healthz").status, 200);
    careful.client("d1", "c1", "");
    // Which of the two it is may change while it runs.
    folder.write("true.toml", "[cluster]\nrequired = false\n");
    careful.signal("HUP");
    careful.wait_for_log("reloaded: changed cluster.required");
    assert_eq!(careful.get("/readyz").status, 200);
}

/// After an outage of the links of these nodes: all are up again and reach one another; then the numbers add up.
fn reconcile(nodes: &Nodes, mut load: Load, cut: &[usize]) {
    let since = Instant::now();
    for node in &nodes.all {
        until_up(node, 1);
    }
    println!("up again after {:?}", since.elapsed());
    load.until_more(100);
    let count = nodes.all.len() as u64;
    let missing = load.finish_sending();
    // What was published on the channel of the domain in the outage is missed, too, as the next one there shows.
    nodes.until_matched(r#""bizCode":"d1","mode":300"#, count);
    for (to, missing) in missing.into_iter().enumerate() {
        for (from, missing) in missing.iter().enumerate() {
            let is_apart = to != from && (cut.contains(&to) || cut.contains(&from));
            if !is_apart {
                assert_eq!(*missing, 0, "from {from} to {to}, which were never apart");
            }
            if !cut.contains(&to) {
                eventually(&format!("{missing} from {from} to {to} are counted as dropped"), || {
                    metric(&nodes[from], DROPPED) >= *missing
                });
            }
        }
        // Whoever was out itself counts what it missed, whether that was dropped or published: the load, and one message
        // that each server which was cut off published as news.
        let (all, news) =
            (missing.iter().sum::<u64>(), cut.iter().filter(|node| **node != to).count() as u64);
        let counted = metric(&nodes[to], MISSED);
        if cut.contains(&to) {
            assert!((all..=all + news).contains(&counted), "{to} missed {all} and counted {counted}");
        } else {
            assert_eq!(counted, 0, "{to} missed nothing itself");
        }
    }
    for (number, node) in nodes.all.iter().enumerate() {
        assert_eq!(metric(node, GAPS) > 0, cut.contains(&number), "gaps of {number}");
        // The senders have left.
        let report = publish(node, NEWS);
        assert_eq!(
            (report["matched"].as_u64(), nodes_of(&report)),
            (Some(count), (count, count)),
            "{report}"
        );
    }
    load.finish(nodes);
}

#[test]
fn redis_is_killed_and_comes_back() {
    let mut redis = Redis::start(&[]);
    let nodes = Nodes::start(3, &redis, false);
    let load = Load::start(&nodes, 3);
    load.until_more(100);
    redis.kill();
    for node in 0..3 {
        until_up(&nodes[node], 0);
        is_alone_and_well(&nodes, node, &load);
    }
    last();
    redis.restart();
    reconcile(&nodes, load, &[0, 1, 2]);
}

#[test]
fn redis_stands_still_and_goes_on() {
    let redis = Redis::start(&[]);
    let nodes = Nodes::start(3, &redis, true);
    let load = Load::start(&nodes, 3);
    load.until_more(100);
    signal(redis.pid(), "STOP");
    for node in 0..3 {
        until_up(&nodes[node], 0);
        is_alone_and_well(&nodes, node, &load);
    }
    last();
    signal(redis.pid(), "CONT");
    reconcile(&nodes, load, &[0, 1, 2]);
}

/// One node's way to Redis breaks and is mended.
fn one_is_cut_off(break_it: fn(&Proxy), mend_it: fn(&Proxy)) {
    let redis = Redis::start(&[]);
    let proxy = Proxy::to(redis.port);
    let nodes = Nodes::by(&[redis.url(), redis.url(), proxy.url()], false);
    let load = Load::start(&nodes, 3);
    load.until_more(100);
    break_it(&proxy);
    until_up(&nodes[2], 0);
    is_alone_and_well(&nodes, 2, &load);
    // The others do not notice.
    assert_eq!([0, 1].map(|node| metric(&nodes[node], UP)), [1, 1]);
    let before = load.count(0, 1);
    eventually("the others go on", || load.count(0, 1) > before + 100);
    last();
    mend_it(&proxy);
    reconcile(&nodes, load, &[2]);
}

#[test]
fn one_node_is_cut_off() {
    one_is_cut_off(Proxy::cut, Proxy::open);
}

#[test]
fn the_way_of_one_node_is_silent() {
    one_is_cut_off(|proxy| proxy.set_silent(true), |proxy| proxy.set_silent(false));
}

#[test]
fn a_node_is_killed() {
    let redis = Redis::start(&[]);
    let mut nodes = Nodes::start(3, &redis, false);
    let mut load = Load::start(&nodes, 2);
    let mut lost = Client::connect(&nodes[2], "d1", "c", "");
    nodes.until_matched(r#""bizCode":"d1","mode":100,"targetClientId":"c""#, 1);
    load.until_more(100);
    nodes.all.pop().expect("three").signal("KILL");
    while !matches!(lost.ws.try_recv(), Ok(Received::End)) {}
    let mut back = Client::connect(&nodes[1], "d1", "c", "");
    nodes.until_matched(r#""bizCode":"d1","mode":100,"targetClientId":"c""#, 1);
    load.until_more(100);
    assert_eq!(load.finish_sending(), [[0, 0], [0, 0]], "the others miss nothing");
    let report = publish(&nodes[0], NEWS);
    assert_eq!((report["matched"].as_u64(), nodes_of(&report)), (Some(3), (2, 2)), "{report}");
    assert!(back.arrived().iter().any(|message| message["content"] == "news"));
    load.finish(&nodes);
}
