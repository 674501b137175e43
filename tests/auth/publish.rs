//! What clients may publish to.

use crate::Running;
use crate::sio::Sio;
use crate::support::Folder;
use serde_json::{Value, json};

fn code(running: &Running, domain: &str, message: Value) -> Value {
    let mut ws = running.server.client(domain, "c1", "");
    ws.send(&message.to_string());
    serde_json::from_str::<Value>(&ws.text()).unwrap()["code"].clone()
}

fn to_client(client: &str) -> Value {
    json!({ "mode": 100, "targetClientId": client, "content": 1, "receipt": true })
}

fn to_groups(groups: &str) -> Value {
    json!({ "mode": 200, "group": groups, "content": 1, "receipt": true })
}

fn to_domain() -> Value {
    json!({ "mode": 300, "content": 1, "receipt": true })
}

#[test]
fn rules_hold_by_domain_and_by_namespace() {
    let rules = r#"["d1:group:news-*", "d1:client:{user}-*", "d2:*", "!d2:domain", "/:room:chat-*"]"#;
    let running = Running::new(Folder::new(), &format!("[auth]\nclient_publish = {rules}\n"));
    for (domain, message, expected) in [
        ("d1", to_groups("news-1"), 0),
        ("d1", to_groups("news-1,news-2"), 0),
        ("d1", to_groups("news-1,other"), 403),
        ("d1", to_groups("other"), 403),
        ("d1", to_client("c1-phone"), 0),
        ("d1", to_client("c2-phone"), 403),
        ("d1", to_domain(), 403),
        ("d2", to_groups("other"), 0),
        ("d2", to_client("x"), 0),
        ("d2", to_domain(), 403),
        ("d3", to_groups("news-1"), 403),
    ] {
        assert_eq!(code(&running, domain, message.clone()), expected, "{domain} {message}");
    }
    let mut sio = Sio::open(&running);
    sio.enter(&json!({})).unwrap();
    let info = |room: &str| json!({ "roomName": room, "eventName": "e", "text": 1 });
    assert_eq!(sio.ask("broadcastInfo", &info("chat-1"))["ok"], true);
    assert_eq!(sio.ask("broadcastInfo", &info("news-1"))["error"]["code"], "not_allowed");
    // What is not allowed to a client is to others.
    let reply = running.server.request(
        "POST",
        "/api/v1/publish",
        "",
        &json!({ "bizCode": "d1", "mode": 300, "content": 1 }).to_string(),
    );
    assert_eq!(reply.status, 200);
}

#[test]
fn a_message_that_is_refused_reaches_nobody() {
    let running = Running::new(Folder::new(), "[auth]\nclient_publish = \"none\"\n");
    let mut receiver = running.server.client("d1", "r", "g");
    for message in [to_client("r"), to_groups("g"), to_domain()] {
        assert_eq!(code(&running, "d1", message), 403);
    }
    receiver.send(r#"{"mode":1,"msgId":"nothing before"}"#);
    assert!(receiver.text().starts_with(r#"{"msgId":"nothing before""#));
}

#[test]
fn without_rules_everything_is_allowed() {
    for config in ["", "[auth]\nclient_publish = \"all\"\n"] {
        let running = Running::new(Folder::new(), config);
        for message in [to_client("x"), to_groups("x"), to_domain()] {
            assert_eq!(code(&running, "d1", message), 0);
        }
    }
}
