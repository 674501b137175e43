//! `GET /api/v1/slow`: readers that stopped reading appear, with what is known of them.

use crate::server::Server;
use crate::sio::{EIO4, EIO4_POLLING, Sio};
use crate::support::{self, Folder, PATIENCE, Ws};
use crate::ws::Client;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A server whose readers may be as slow as they like.
fn patient(folder: &Folder) -> Server {
    let file = folder.write("slow.toml", "reactors = 3\n[limits]\noutbox_bytes = 1_000_000_000\n");
    Server(support::Server::configured(&file))
}

fn slow(server: &Server, limit: usize) -> Vec<Value> {
    server.get(&format!("/api/v1/slow?limit={limit}")).ok()["items"].as_array().unwrap().clone()
}

/// Publishes until so many links are slow.
fn flood(server: &Server, body: &str, wanted: usize) -> Vec<Value> {
    let start = Instant::now();
    loop {
        server.publish(body).ok();
        let links = slow(server, 100);
        if links.len() >= wanted {
            return links;
        }
        assert!(start.elapsed() < PATIENCE, "only {} are slow", links.len());
    }
}

#[test]
fn whoever_does_not_read_appears_with_what_waits() {
    let folder = Folder::new();
    let server = patient(&folder);
    assert_eq!(slow(&server, 10), [Value::Null; 0]);
    let mut streams = Vec::new();
    let mut addresses = Vec::new();
    for n in 0..4 {
        let stream = Client::connect(&server, "d1", &format!("c{n}"), "g1").into_stream();
        addresses.push(stream.local_addr().unwrap().to_string());
        streams.push(stream);
    }
    let body = json!({"bizCode": "d1", "mode": 300, "content": "x".repeat(500_000)}).to_string();
    let links = flood(&server, &body, 4);
    assert_eq!(links.len(), 4);
    let queued: Vec<u64> = links.iter().map(|link| link["queuedBytes"].as_u64().unwrap()).collect();
    assert!(queued.windows(2).all(|pair| pair[0] >= pair[1]), "{queued:?}");
    let all = server.get("/api/v1/stats").ok()["queuedBytes"].as_u64().unwrap();
    assert_eq!(queued.iter().sum::<u64>(), all);
    for link in &links {
        assert!(addresses.contains(&link["address"].as_str().unwrap().to_owned()), "{link}");
        let client: usize = link["sockets"][0]["clientId"].as_str().unwrap()[1..].parse().unwrap();
        assert_eq!(link["sockets"], json!([{"bizCode": "d1", "clientId": format!("c{client}")}]));
        assert_eq!(link["address"], addresses[client].as_str());
        assert_eq!(link["transport"], "websocket");
        assert!(link["reactor"].as_u64().unwrap() < 3);
        assert!(link["unacknowledgedBytes"].as_u64().unwrap() > 0, "{link}");
        assert!(link["rttMs"].as_f64().unwrap() > 0.0 && link["rttVarMs"].as_f64().is_some(), "{link}");
        assert!(link["lastAckSeconds"].as_f64().is_some() && link["retransmits"].as_u64().is_some());
    }
    let two = slow(&server, 2);
    assert_eq!(two.len(), 2);
    assert_eq!(two[0]["queuedBytes"], links[0]["queuedBytes"]);

    // The time goes on while something waits.
    let since = two[0]["waitingSeconds"].as_f64().unwrap();
    let start = Instant::now();
    while slow(&server, 1)[0]["waitingSeconds"].as_f64().unwrap() <= since {
        assert!(start.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(streams);
    while !slow(&server, 10).is_empty() {
        assert!(start.elapsed() < PATIENCE, "who is gone is not slow");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn sessions_of_socket_io_appear_with_their_users() {
    let folder = Folder::new();
    let server = patient(&folder);
    let mut polls = Sio::connect(&server, EIO4_POLLING);
    polls.ask(r#"["register",{"user":"ann"}]"#);
    let mut reads_not = Sio::connect(&server, EIO4);
    reads_not.ask(r#"["register",{"user":"bob"}]"#);
    let body = json!({"event": "E", "args": ["x".repeat(500_000)]}).to_string();
    let links = flood(&server, &body, 2);
    let of = |transport: &str| {
        let found = links.iter().find(|link| link["transport"] == transport);
        found.unwrap_or_else(|| panic!("{transport}: {links:?}"))
    };
    let polling = of("polling");
    assert_eq!(polling["sockets"], json!([{"namespace": "/", "id": polls.id, "user": "ann"}]));
    for nothing in ["address", "rttMs", "unacknowledgedBytes"] {
        assert_eq!(polling[nothing], Value::Null);
    }
    let websocket = of("websocket");
    assert_eq!(websocket["sockets"], json!([{"namespace": "/", "id": reads_not.id, "user": "bob"}]));
    assert!(websocket["address"].as_str().unwrap().starts_with("127.0.0.1:"));
}

#[test]
fn whoever_stands_behind_a_proxy_has_his_own_address() {
    let folder = Folder::new();
    let text = "[proxy]\ntrusted = [\"127.0.0.1\"]\n[limits]\noutbox_bytes = 1_000_000_000\n";
    let server = Server(support::Server::configured(&folder.write("proxy.toml", text)));
    let headers = "X-Forwarded-For: 192.0.2.7\r\n";
    let target = "/ws?bizCode=d1&clientId=c1";
    let _reads_not =
        Ws::open(server.0.connect(), target, headers).unwrap_or_else(|reply| panic!("{reply:?}"));
    let body = json!({"bizCode": "d1", "mode": 300, "content": "x".repeat(500_000)}).to_string();
    assert_eq!(flood(&server, &body, 1)[0]["address"], "192.0.2.7");
}

#[test]
fn what_is_asked_wrongly_is_refused() {
    let server = Server::start(1);
    for (query, message) in [
        ("limit=0", "limit: expected a number from 1 to 1000"),
        ("limit=1001", "limit: expected a number from 1 to 1000"),
        ("limit=", "limit: expected a number from 1 to 1000"),
        ("limit=-1", "limit: expected a number from 1 to 1000"),
        ("limit=1&limit=1", "limit: is given more than once"),
        ("top=1", "top: unknown parameter; known are limit"),
    ] {
        let (status, _, text) = server.get(&format!("/api/v1/slow?{query}")).error();
        assert_eq!((status, text.as_str()), (400, message), "{query}");
    }
    for target in ["/api/v1/slow", "/api/v1/slow?limit=1", "/api/v1/slow?limit=1000"] {
        assert_eq!(server.get(target).ok(), json!({"items": []}));
    }
}
