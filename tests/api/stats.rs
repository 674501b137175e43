//! The numbers of `/api/v1/stats`.

use crate::server::Server;
use crate::ws::Client;
use serde_json::Value;

#[test]
fn the_numbers_follow_what_happens() {
    let server = Server::start(2);
    let before = server.get("/api/v1/stats").ok();
    assert_eq!(before["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(before["sockets"], 0);
    let mut clients: Vec<Client> =
        (0..10).map(|n| Client::connect(&server, "d1", &format!("c{n}"), "")).collect();
    clients[0].send(r#"{"mode":300,"content":1,"receipt":true}"#);
    assert_eq!(clients[0].next(), r#"{"msgId":null,"mode":300,"code":0,"delivered":9}"#);
    server.publish(r#"{"bizCode":"d1","mode":300,"content":1}"#).ok();
    server.get("/ws?bizCode=d1");

    let stats = server.get("/api/v1/stats").ok();
    let moved = |name: &str| stats[name].as_u64().unwrap() - before[name].as_u64().unwrap();
    assert_eq!(moved("sockets"), 10);
    assert_eq!(moved("messagesIn"), 1);
    // One receipt, and nine and ten messages.
    assert!(moved("deliveries") >= 20, "{stats}");
    assert!(moved("accepted") >= 12, "{stats}");
    assert!(stats["uptimeSeconds"].as_f64() > before["uptimeSeconds"].as_f64());
    assert!(stats["memoryBytes"]["rss"].as_u64().unwrap() > 1_000_000);
    assert!(stats["memoryBytes"]["pss"].as_u64().unwrap() > 100_000);

    assert_eq!(stats["listen"], serde_json::json!([server.0.at]));
    assert_eq!(stats["cluster"], Value::Null);
    assert!(stats["cpuSeconds"].as_f64() >= before["cpuSeconds"].as_f64());

    let reactors = stats["reactors"].as_array().unwrap();
    assert_eq!(reactors.len(), 2);
    let buckets = stats["bucketSeconds"].as_array().unwrap().len() + 1;
    for name in ["turns", "publishes"] {
        let counts = |of: &Value| -> Vec<u64> {
            of[name]["counts"].as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).collect()
        };
        let all = counts(&stats);
        assert_eq!(all.len(), buckets);
        let sums: Vec<u64> =
            (0..buckets).map(|bucket| reactors.iter().map(|reactor| counts(reactor)[bucket]).sum()).collect();
        assert_eq!(all, sums, "{name}");
        assert!(stats[name]["seconds"].as_f64().unwrap() > 0.0, "{name}");
    }
    // The receipt and the report.
    let publishes: u64 =
        stats["publishes"]["counts"].as_array().unwrap().iter().filter_map(Value::as_u64).sum();
    assert_eq!(publishes, 2);
    for name in ["connections", "sockets", "accepted", "messagesIn", "deliveries", "queuedBytes"] {
        let sum: u64 = reactors.iter().map(|reactor| reactor[name].as_u64().unwrap()).sum();
        assert_eq!(stats[name].as_u64(), Some(sum), "{name}");
    }
    for name in ["refused", "closed", "dropped"] {
        for (reason, count) in stats[name].as_object().unwrap() {
            let sum: u64 = reactors.iter().map(|reactor| reactor[name][reason].as_u64().unwrap()).sum();
            assert_eq!(*count, Value::from(sum), "{name} {reason}");
        }
    }
}

#[test]
fn health_is_told_in_text() {
    let server = Server::start(2);
    for (path, text) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let answer = server.get(path);
        assert_eq!((answer.status, answer.text()), (200, text));
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    }
}
