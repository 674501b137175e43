//! One to one, to groups, to a domain: the same whichever node a client is on.

use crate::client::Client;
use crate::nodes::{Nodes, WIRES, metric, nodes_of, post, publish};
use crate::servers::{Redis, eventually};
use crate::sio::Sio;
use serde_json::{Value, json};

/// The clients c1 to c5 on three nodes.
fn clients(nodes: &Nodes) -> [Client; 5] {
    let clients = [
        Client::connect(&nodes[0], "d1", "c1", "g1"),
        Client::connect(&nodes[1], "d1", "c2", "g1,g2"),
        Client::connect(&nodes[2], "d1", "c3", "g2"),
        Client::connect(&nodes[0], "d1", "c4", ""),
        Client::connect(&nodes[1], "d2", "c5", "g1"),
    ];
    for (domain, matched) in [("d1", 4), ("d2", 1)] {
        nodes.until_matched(&format!(r#""bizCode":"{domain}","mode":300"#), matched);
    }
    for (domain, group, matched) in [("d1", "g1", 2), ("d1", "g2", 2), ("d2", "g1", 1)] {
        nodes.until_matched(&format!(r#""bizCode":"{domain}","mode":200,"group":"{group}""#), matched);
    }
    for (domain, client) in [("d1", "c1"), ("d1", "c2"), ("d1", "c3"), ("d1", "c4"), ("d2", "c5")] {
        nodes.until_matched(&format!(r#""bizCode":"{domain}","mode":100,"targetClientId":"{client}""#), 1);
    }
    clients
}

/// What arrived at each, by the names of the clients that got something.
fn got(clients: &mut [Client; 5]) -> Vec<(usize, Value)> {
    let arrived = clients.iter_mut().enumerate().map(|(number, client)| (number + 1, client.arrived()));
    arrived.flat_map(|(number, all)| all.into_iter().map(move |one| (number, one))).collect()
}

fn the_gateway_is_one(sharded: bool) {
    let redis = Redis::start(&[]);
    let nodes = Nodes::start(3, &redis, sharded);
    let mut clients = clients(&nodes);
    assert_eq!(got(&mut clients), [], "probes only");
    let content = json!({"é": [1, "\u{1f600}", null]});

    // To one on another node, and to one on this.
    for target in ["c3", "c4"] {
        let sent = json!({"msgId": 7, "mode": 100, "targetClientId": target, "content": content});
        assert_eq!(clients[0].deliver(sent), 1);
        let number = usize::from(target.as_bytes()[1] - b'0');
        let expected = json!({"msgId": 7, "mode": 100, "from": "c1", "content": content});
        assert_eq!(got(&mut clients), [(number, expected)]);
    }
    // Nobody of that name in this domain.
    let sent = json!({"msgId": 8, "mode": 100, "targetClientId": "c5", "content": 1});
    assert_eq!(clients[0].deliver(sent), 0);
    // To groups: each once, the sender not.
    for (sender, group, receivers) in [(2, "g1", &[1][..]), (4, "g1,g2", &[1, 2, 3]), (5, "g1", &[])] {
        let sent = json!({"msgId": "m", "mode": 200, "group": group, "content": content});
        assert_eq!(clients[sender - 1].deliver(sent), receivers.len() as u64);
        let from = format!("c{sender}");
        let expected = json!({"msgId": "m", "mode": 200, "from": from, "group": group, "content": content});
        let expected: Vec<_> = receivers.iter().map(|number| (*number, expected.clone())).collect();
        assert_eq!(got(&mut clients), expected, "{sender} to {group}");
    }
    // To everybody in a domain.
    assert_eq!(clients[2].deliver(json!({"msgId": 9, "mode": 300, "content": content})), 3);
    let expected = json!({"msgId": 9, "mode": 300, "from": "c3", "content": content});
    assert_eq!(got(&mut clients), [1, 2, 4].map(|number| (number, expected.clone())));
    assert_eq!(clients[4].deliver(json!({"msgId": 9, "mode": 300, "content": content})), 0);
    assert_eq!(got(&mut clients), []);

    // Other programs, at any node.
    for node in &nodes.all {
        let report = publish(node, r#"{"bizCode":"d1","mode":300,"content":"news"}"#);
        let (asked, answered) = nodes_of(&report);
        assert_eq!((&report["matched"], asked, answered), (&json!(4), 3, 3), "{report}");
        let expected = json!({"msgId": null, "mode": 300, "content": "news"});
        assert_eq!(got(&mut clients), [1, 2, 3, 4].map(|number| (number, expected.clone())));
    }
    // Only here: c1 and c4 are.
    let report = publish(&nodes[0], r#"{"namespace":"/","event":"e","local":true}"#);
    assert_eq!(nodes_of(&report), (1, 1));

    // Whoever comes with the same name on another node replaces the first.
    let mut second = Client::connect(&nodes[1], "d1", "c1", "");
    assert_eq!(clients[0].ws.closed(), (4001, "replaced".to_owned()));
    clients[0] = Client::connect(&nodes[2], "d1", "c1", "g1");
    assert_eq!(second.ws.closed(), (4001, "replaced".to_owned()));
    nodes.until_matched(r#""bizCode":"d1","mode":100,"targetClientId":"c1""#, 1);
    assert_eq!(clients[1].deliver(json!({"mode": 100, "targetClientId": "c1", "content": 1})), 1);
    assert_eq!(got(&mut clients).len(), 1);
    for node in &nodes.all {
        assert_eq!(metric(node, "fanfare_cluster_bad_total"), 0);
    }
}

#[test]
fn the_gateway_is_one_by_the_classic_wire() {
    the_gateway_is_one(false);
}

#[test]
fn the_gateway_is_one_by_the_sharded_wire() {
    the_gateway_is_one(true);
}

/// Waits until a room of Socket.IO has so many members, whichever node is asked.
fn until_members(nodes: &Nodes, room: &str, matched: u64) {
    for node in &nodes.all {
        let probe = json!({"roomName": room, "eventName": "probe", "text": 0}).to_string();
        eventually(&format!("{room} has {matched}"), || publish(node, &probe)["matched"] == matched);
    }
}

fn events(client: &mut Sio) -> Vec<Value> {
    client.arrived().into_iter().filter(|event| event[0] != "probe").collect()
}

#[test]
fn events_and_users_are_one() {
    for sharded in WIRES {
        let redis = Redis::start(&[]);
        let nodes = Nodes::start(3, &redis, sharded);
        let [mut a, mut b, mut c] = [0, 1, 2].map(|node| Sio::connect(&nodes[node]));
        a.register(json!({"user": "ann", "group": ["g1", "g2"]}));
        b.register(json!({"group": "g1"}));
        c.register(json!({"user": "cid", "group": ["g1", "g2"]}));
        for (room, members) in [("g1", 3), ("g2", 2), ("ann", 1), ("cid", 1)] {
            until_members(&nodes, room, members);
        }
        let text = json!({"t": ["é", 1.5, null]});
        assert_eq!(b.broadcast("g1", "hello", text.clone()), 2);
        assert_eq!(b.broadcast("ann", "you", json!("only you")), 1);
        let hello = json!(["hello", text]);
        assert_eq!(events(&mut a), [hello.clone(), json!(["you", "only you"])]);
        assert_eq!((events(&mut b), events(&mut c)), (vec![], vec![hello]));

        // A user is on one connection: the newest, wherever it is.
        b.register(json!({"user": "ann"}));
        until_members(&nodes, "ann", 1);
        assert_eq!(c.broadcast("ann", "you", json!(2)), 1);
        assert_eq!((events(&mut a), events(&mut b)), (vec![], vec![json!(["you", 2])]));

        // What other programs do with sockets they do with those of all nodes.
        let done_to = |node: usize, action, body| {
            let reply = post(&nodes[node], &format!("/api/v1/sockets/{action}"), body);
            serde_json::from_str::<Value>(&reply.body).expect("an answer in JSON")
        };
        let of_all = |matched| json!({"matched": matched, "nodes": {"asked": 3, "answered": 3}});
        assert_eq!(done_to(2, "join", r#"{"in":["g2"],"except":["cid"],"rooms":["g3"]}"#), of_all(1));
        until_members(&nodes, "g3", 1);
        assert_eq!(b.broadcast("g3", "moved", json!(3)), 1);
        assert_eq!((events(&mut a), events(&mut c)), (vec![json!(["moved", 3])], vec![]));
        assert_eq!(done_to(1, "leave", r#"{"in":["g1"],"rooms":["g1","g3"]}"#), of_all(3));
        for room in ["g1", "g3"] {
            until_members(&nodes, room, 0);
        }
        assert_eq!(done_to(0, "disconnect", r#"{"in":["cid","nobody"]}"#), of_all(1));
        until_members(&nodes, "cid", 0);
    }
}
