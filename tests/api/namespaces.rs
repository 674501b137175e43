//! Namespaces, rooms and sockets, page by page.

use crate::events::with_namespaces;
use crate::lists::walk;
use crate::server::Server;
use crate::sio::{EIO3, EIO3_POLLING, EIO4, EIO4_POLLING, Sio};
use crate::support::Folder;
use crate::ws::{Client, percent};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn namespaces_and_domains_do_not_mix() {
    let folder = Folder::new();
    let server = with_namespaces(&folder);
    let _news = Sio::connect_to(&server, EIO4, "/news");
    let _main = [EIO3, EIO4_POLLING].map(|kind| Sio::connect(&server, kind));
    let names = ["/", "/news", ".x", ".", "./", "d1", "//", "..", "/.x"];
    let mut clients: Vec<Client> =
        names.iter().map(|name| Client::connect(&server, name, "c1", "g1")).collect();

    let namespaces = [
        json!({"namespace": "/", "sockets": 2}),
        json!({"namespace": "/news", "sockets": 1}),
        json!({"namespace": "/packed", "sockets": 0}),
    ];
    let sorted: BTreeSet<&str> = names.into_iter().collect();
    let domains: Vec<Value> = sorted.iter().map(|name| json!({"bizCode": name, "clients": 1})).collect();
    for limit in [1, 2, 100] {
        assert_eq!(walk(&server, "/api/v1/namespaces", limit), namespaces);
        assert_eq!(walk(&server, "/api/v1/domains", limit), domains);
    }
    for (name, client) in names.iter().zip(&mut clients) {
        let path = format!("/api/v1/domains/{}", percent(name));
        assert_eq!(server.get(&format!("{path}/clients")).ok()["items"], json!(["c1"]), "{name}");
        let groups = server.get(&format!("{path}/groups")).ok();
        assert_eq!(groups["items"], json!([{"group": "g1", "members": 1}]));
        for body in [
            json!({"bizCode": name, "mode": 300, "content": name}),
            json!({"bizCode": name, "mode": 200, "group": "g1", "content": name}),
            json!({"bizCode": name, "mode": 100, "targetClientId": "c1", "content": name}),
        ] {
            assert_eq!(server.publish(&body.to_string()).ok()["written"], 1, "{body}");
            let message: Value = serde_json::from_str(&client.next()).unwrap();
            assert_eq!(message["content"], *name);
        }
        // What clients send to one another takes the same way.
        client.send(r#"{"mode":100,"targetClientId":"c1","content":"self","receipt":true}"#);
        assert_eq!(client.next(), r#"{"msgId":null,"mode":100,"from":"c1","content":"self"}"#);
        assert_eq!(client.next(), r#"{"msgId":null,"mode":100,"code":0,"delivered":1}"#);
        client.has_nothing();
    }
    for nothing in ["/api/v1/domains/%2Fpacked/clients", "/api/v1/domains/%2E%2E%2F/clients"] {
        assert_eq!(server.get(nothing).error().0, 404, "{nothing}");
    }
    // The longest name there is, and one that is longer.
    let longest = format!("/{}", "x".repeat(255));
    let mut long = Client::connect(&server, &longest, "c1", "");
    long.send(r#"{"mode":300,"content":1,"receipt":true}"#);
    assert_eq!(long.next(), r#"{"msgId":null,"mode":300,"code":0,"delivered":0}"#);
    let target = format!("/ws?bizCode={}x&clientId=c1", percent(&longest));
    assert_eq!(server.get(&target).status, 426, "no upgrade is asked for");
    assert_eq!(server.0.try_ws(&target).err().map(|reply| reply.status), Some(400));
}

#[test]
fn rooms_are_listed_while_somebody_is_in_them() {
    let server = Server::start(3);
    assert_eq!(server.get("/api/v1/rooms").ok(), json!({"items": [], "cursor": null}));
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    let mut clients = Vec::new();
    for n in 0..60 {
        let rooms = [format!("r{}", n % 20), format!("é/{}", n % 7), "all".to_owned()];
        let kind = [EIO4, EIO3, EIO4_POLLING][n % 3];
        clients.push(Sio::register(&server, kind, &rooms.each_ref().map(String::as_str)));
        rooms.into_iter().for_each(|room| *expected.entry(room).or_default() += 1);
    }
    let expected: Vec<Value> =
        expected.iter().map(|(room, sockets)| json!({"room": room, "sockets": sockets})).collect();
    for limit in [1, 7, 28, 29] {
        assert_eq!(walk(&server, "/api/v1/rooms", limit), expected, "limit {limit}");
    }
    let first = server.get("/api/v1/rooms?namespace=%2F&limit=1").ok();
    assert_eq!(first["items"], json!([{"room": "all", "sockets": 60}]));

    let mut ids: Vec<&str> = clients.iter().map(|client| client.id.as_str()).collect();
    ids.sort_unstable();
    for limit in [1, 13, 60, 1_000] {
        let sockets = walk(&server, "/api/v1/rooms/all", limit);
        let found: Vec<&str> = sockets.iter().map(|socket| socket["id"].as_str().unwrap()).collect();
        assert_eq!(found, ids, "limit {limit}");
    }
    let page = server.get("/api/v1/rooms/%C3%A9%2F3?limit=2").ok();
    assert_eq!((page["total"].clone(), page["items"].as_array().unwrap().len()), (json!(9), 2));
    let polling = |socket: &&Value| socket["transport"] == "polling" && socket["revision"] == 4;
    assert_eq!(walk(&server, "/api/v1/rooms/all", 100).iter().filter(polling).count(), 20);

    let (status, code, _) = server.get("/api/v1/rooms/nobody").error();
    assert_eq!((status, code.as_str()), (404, "not_found"));
    let mut last = clients.pop().unwrap();
    last.ask(r#"["unRegister",{"group":["r19","é/3","all"]}]"#);
    assert_eq!(server.get("/api/v1/rooms/all").ok()["total"], 59);
}

#[test]
fn a_socket_is_found_by_its_id() {
    let folder = Folder::new();
    let server = with_namespaces(&folder);
    for (kind, transport, revision) in [
        (EIO4, "websocket", 4),
        (EIO3, "websocket", 3),
        (EIO4_POLLING, "polling", 4),
        (EIO3_POLLING, "polling", 3),
    ] {
        let mut client = Sio::register(&server, kind, &["b", "a"]);
        client.ask(r#"["register",{"user":"u"}]"#);
        let path = format!("/api/v1/sockets/{}", percent(&client.id));
        let mut found = server.get(&path).ok();
        let reactor = found["reactor"].take().as_u64().unwrap();
        assert!(reactor < 3);
        let expected = json!({
            "id": client.id, "transport": transport, "revision": revision, "reactor": null,
            "namespace": "/", "rooms": ["b", "a", "u"],
        });
        assert_eq!(found, expected);
        let listed = server.get(&format!("/api/v1/rooms/{}", percent(&client.id))).ok();
        assert_eq!(listed["total"], 1);
        assert_eq!(listed["items"][0]["reactor"], reactor);
        assert_eq!(server.get(&format!("{path}?namespace=/news")).error().1, "not_found");
    }
    let news = Sio::connect_to(&server, EIO3, "/news");
    let path = format!("/api/v1/sockets/{}", percent(&news.id));
    let found = server.get(&format!("{path}?namespace=%2Fnews")).ok();
    assert_eq!((&found["id"], &found["namespace"]), (&json!(news.id), &json!("/news")));
    assert_eq!(found["rooms"], json!([]));
    assert_eq!(server.get(&path).error().0, 404);

    // A room may have the name of somebody's id, if an operator wants that.
    let (wanted, other) = (Sio::connect(&server, EIO4), Sio::connect(&server, EIO4));
    let join = json!({ "in": [other.id], "rooms": [wanted.id] }).to_string();
    let headers = [("Content-Type", "application/json")];
    server.http().request("POST", "/api/v1/sockets/join", &headers, join.as_bytes()).ok();
    let found = server.get(&format!("/api/v1/sockets/{}", wanted.id)).ok();
    assert_eq!((&found["id"], &found["rooms"]), (&json!(wanted.id), &json!([])));
    for nobody in ["x", "join", "AAAAAAAAAAAAAAAAAAAA", "%2Fnews%23AAAAAAAAAAAAAAAAAAAA"] {
        let (status, code, _) = server.get(&format!("/api/v1/sockets/{nobody}")).error();
        assert_eq!((status, code.as_str()), (404, "not_found"), "{nobody}");
    }
}

#[test]
fn parameters_that_are_wrong_are_named() {
    let server = Server::start(1);
    let client = Sio::register(&server, EIO4, &["R"]);
    let socket = format!("/api/v1/sockets/{}", client.id);
    for (list, paged) in [("/api/v1/rooms", true), ("/api/v1/rooms/R", true), (socket.as_str(), false)] {
        for (query, name) in
            [("namespace=/&namespace=/", "namespace"), ("nsp=/", "nsp"), ("namespace=%FF", "the query")]
        {
            let (status, code, message) = server.get(&format!("{list}?{query}")).error();
            assert_eq!((status, code.as_str()), (400, "bad_request"), "{list}?{query}");
            assert!(message.starts_with(name), "{query}: {message}");
        }
        let (status, code, message) = server.get(&format!("{list}?namespace=/old")).error();
        assert_eq!((status, code.as_str()), (404, "unknown_namespace"), "{message}");
        for query in ["limit=0", "cursor=xyz", "limit=1&limit=1"] {
            let (status, _, message) = server.get(&format!("{list}?{query}")).error();
            assert_eq!(status, 400, "{list}?{query}");
            let unknown = message.contains("unknown parameter; known are namespace");
            assert_eq!(unknown, !paged, "{list}?{query}: {message}");
        }
    }
    assert_eq!(server.get("/api/v1/namespaces?namespace=/").error().0, 400);
}
