//! Domains, groups and clients, page by page.

use crate::server::Server;
use crate::ws::{Client, percent};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// All items of a list, checking every page.
pub(crate) fn walk(server: &Server, path: &str, limit: usize) -> Vec<Value> {
    let mut http = server.http();
    let mut items = Vec::new();
    let mut target = format!("{path}?limit={limit}");
    loop {
        let page = http.get(&target).ok();
        let some = page["items"].as_array().unwrap();
        assert!(some.len() <= limit);
        assert!(items.last().is_none_or(|last| some.iter().all(|item| item != last)), "a page moves on");
        items.extend(some.iter().cloned());
        match page["cursor"].as_str() {
            None => return items,
            Some(cursor) => {
                assert_eq!(some.len(), limit, "only the last page is short");
                target = format!("{path}?limit={limit}&cursor={cursor}");
            }
        }
    }
}

#[test]
fn pages_visit_2500_clients_of_three_reactors_once() {
    let server = Server::start(3);
    let mut held = Vec::new();
    let mut ids = Vec::new();
    let mut groups: BTreeMap<String, u64> = BTreeMap::new();
    for n in 0..2_500 {
        let id = format!("c{:x}", n * 7_919 % 2_500);
        // Each domain has a part of the clients; each group has members on every reactor.
        let group = format!("g{}", n % 250);
        held.push(Client::connect(&server, "d1", &id, &group));
        ids.push(id);
        *groups.entry(group).or_default() += 1;
    }
    ids.sort();
    let stats = server.get("/api/v1/stats").ok();
    assert_eq!(stats["sockets"], 2_500);
    let busy = |reactor: &Value| reactor["sockets"].as_u64().unwrap() > 500;
    assert!(stats["reactors"].as_array().unwrap().iter().all(busy), "{stats}");
    for limit in [7, 100, 999, 1_000] {
        assert_eq!(walk(&server, "/api/v1/domains/d1/clients", limit), ids, "limit {limit}");
        let expected: Vec<Value> =
            groups.iter().map(|(group, members)| json!({"group": group, "members": members})).collect();
        assert_eq!(walk(&server, "/api/v1/domains/d1/groups", limit), expected, "limit {limit}");
    }
    let first = server.get("/api/v1/domains/d1/clients").ok();
    assert_eq!(first["items"].as_array().unwrap().len(), 100);
    assert_eq!(first["total"], 2_500);

    // Whoever leaves between two pages neither hides nor repeats others.
    let cursor = first["cursor"].as_str().unwrap();
    let last = first["items"][99].as_str().unwrap().to_owned();
    drop(Client::connect(&server, "d1", &last, ""));
    let next = server.get(&format!("/api/v1/domains/d1/clients?cursor={cursor}")).ok();
    assert_eq!(next["items"], json!(ids[100..200]));
}

#[test]
fn domains_are_listed_while_they_have_clients() {
    let server = Server::start(2);
    assert_eq!(server.get("/api/v1/domains").ok(), json!({"items": [], "cursor": null}));
    let mut expected = Vec::new();
    let mut clients = Vec::new();
    for n in 0..40_u64 {
        let domain = format!("d{n:02}");
        for client in 0..=n % 3 {
            clients.push(Client::connect(&server, &domain, &format!("c{client}"), ""));
        }
        expected.push(json!({"bizCode": domain, "clients": n % 3 + 1}));
    }
    for limit in [1, 3, 40, 41] {
        assert_eq!(walk(&server, "/api/v1/domains", limit), expected, "limit {limit}");
    }
    let none = server.get("/api/v1/domains/d00/groups").ok();
    assert_eq!(none, json!({"items": [], "cursor": null}));
    drop(clients);
    let mut left = expected.len();
    for _ in 0..200 {
        left = walk(&server, "/api/v1/domains", 1_000).len();
        if left == 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(left, 0);
    let (status, code, _) = server.get("/api/v1/domains/d00/clients").error();
    assert_eq!((status, code.as_str()), (404, "not_found"));
}

#[test]
fn names_may_have_any_characters() {
    let server = Server::start(2);
    let domain = "a/b é?&=%+\"";
    let _client = Client::connect(&server, domain, "@x y", "#1/2,é");
    assert_eq!(server.get("/api/v1/domains").ok()["items"], json!([{"bizCode": domain, "clients": 1}]));
    let path = format!("/api/v1/domains/{}", percent(domain));
    let clients = server.get(&format!("{path}/clients")).ok();
    assert_eq!(clients, json!({"items": ["@x y"], "cursor": null, "total": 1}));
    let groups = walk(&server, &format!("{path}/groups"), 1);
    assert_eq!(groups, [json!({"group": "#1/2", "members": 1}), json!({"group": "é", "members": 1})]);
}

#[test]
fn parameters_that_are_wrong_are_named() {
    let server = Server::start(1);
    let _client = Client::connect(&server, "d1", "c1", "");
    for list in ["/api/v1/domains", "/api/v1/domains/d1/groups", "/api/v1/domains/d1/clients"] {
        for (query, name) in [
            ("limit=0", "limit"),
            ("limit=1001", "limit"),
            ("limit=ten", "limit"),
            ("limit=", "limit"),
            ("limit=1&limit=2", "limit"),
            ("cursor=xyz", "cursor"),
            ("cursor=", "cursor"),
            ("offset=3", "offset"),
            ("limit=%FF", "the query"),
        ] {
            let (status, code, message) = server.get(&format!("{list}?{query}")).error();
            assert_eq!((status, code.as_str()), (400, "bad_request"), "{list}?{query}");
            assert!(message.starts_with(name), "{query}: {message}");
        }
    }
}
