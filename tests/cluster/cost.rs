//! What others say is heard only where somebody is whom it is for.

use crate::client::Client;
use crate::nodes::{Nodes, metric, publish};
use crate::servers::{Redis, eventually};
use crate::sio::Sio;
use serde_json::json;

const MESSAGES: u64 = 1_000;
/// Signs of life, which both nodes go on sending; far fewer than messages.
const SIGNS: u64 = 100;

const RECEIVED: &str = "fanfare_cluster_received_total";

/// Publishes on the first node; how much more the second one has received then.
fn heard(nodes: &Nodes, message: &str) -> u64 {
    // Counters are brought up to date with the signs of life: a change says that one is recent.
    let recent = || {
        let before = metric(&nodes[1], RECEIVED);
        eventually("signs of life are heard", || metric(&nodes[1], RECEIVED) > before);
        metric(&nodes[1], RECEIVED)
    };
    let (before, published) = (recent(), metric(&nodes[0], "fanfare_cluster_published_total"));
    let batch = format!("[{}]", vec![message; MESSAGES as usize].join(","));
    let reports = publish(&nodes[0], &batch);
    assert!(reports.as_array().is_some_and(|all| all.iter().all(|report| report["matched"] == 1)));
    eventually("all are published", || {
        metric(&nodes[0], "fanfare_cluster_published_total") >= published + MESSAGES
    });
    recent();
    recent() - before
}

#[test]
fn a_node_without_a_member_hears_nothing() {
    let redis = Redis::start(&[]);
    let nodes = Nodes::start(2, &redis, true);
    // Each has clients, in other rooms of the same domain and of the same namespace.
    let _here = Client::connect(&nodes[0], "d1", "here", "g1");
    let _there = Client::connect(&nodes[1], "d1", "there", "g2");
    let [mut here, mut there] = [0, 1].map(|node| Sio::connect(&nodes[node]));
    here.register(json!({"group": "g1"}));
    there.register(json!({"group": "g2"}));
    let to_group = |group: &str| format!(r#"{{"bizCode":"d1","mode":200,"group":"{group}","content":1}}"#);
    let to_room = |room: &str| format!(r#"{{"to":"{room}","event":"e"}}"#);
    for message in [to_group("g1"), to_room("g1"), to_group("g2"), to_room("g2")] {
        eventually("it is for one", || publish(&nodes[0], &message)["matched"] == 1);
    }
    for message in [to_group("g1"), to_room("g1")] {
        let heard = heard(&nodes, &message);
        assert!(heard < SIGNS, "{heard} messages for {message}");
    }
    for message in [to_group("g2"), to_room("g2")] {
        assert!(heard(&nodes, &message) >= MESSAGES, "{message}");
    }
}
