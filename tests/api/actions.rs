//! Sockets that are made to join and leave rooms, or are disconnected.

use crate::events::with_namespaces;
use crate::http::Answer;
use crate::server::Server;
use crate::sio::{EIO3, EIO4, EIO4_POLLING, KINDS, Sio};
use crate::support::Folder;
use crate::ws::percent;
use serde_json::{Value, json};

fn post(server: &Server, action: &str, body: &str) -> Answer {
    let path = format!("/api/v1/sockets/{action}");
    server.http().request("POST", &path, &[("Content-Type", "application/json")], body.as_bytes())
}

fn matched(count: u64) -> Value {
    json!({"matched": count, "nodes": {"asked": 1, "answered": 1}})
}

/// The ids in a room.
fn ids(server: &Server, room: &str) -> Vec<String> {
    let answer = server.get(&format!("/api/v1/rooms/{}", percent(room)));
    if answer.status == 404 {
        return Vec::new();
    }
    let items = answer.ok()["items"].as_array().unwrap().clone();
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

fn sorted(ids: &[&str]) -> Vec<String> {
    let mut ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    ids.sort();
    ids
}

#[test]
fn sockets_join_and_leave_rooms() {
    let server = Server::start(3);
    let mut clients = KINDS.map(|kind| Sio::register(&server, kind, &["R"]));
    let mut other = Sio::register(&server, EIO4, &["S"]);
    let all: Vec<String> = clients.iter().map(|client| client.id.clone()).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();

    let body = r#"{"namespace":"/","in":["R"],"except":[],"rooms":["X","é Y"]}"#;
    assert_eq!(post(&server, "join", body).ok(), matched(5));
    // Whoever is in it already is one of them all the same.
    assert_eq!(post(&server, "join", r#"{"in":"R","rooms":"X"}"#).ok(), matched(5));
    assert_eq!((ids(&server, "X"), ids(&server, "é Y")), (sorted(&all), sorted(&all)));
    server.publish(r#"{"to":["X"],"event":"E"}"#).ok();
    for client in &mut clients {
        assert_eq!(client.next(), r#"["E"]"#);
    }
    other.has_nothing();

    let body = json!({"in": ["X", "S"], "except": [clients[0].id], "rooms": ["Z"]}).to_string();
    assert_eq!(post(&server, "join", &body).ok(), matched(5));
    assert_eq!(ids(&server, "Z"), sorted(&[&all[1..], &[other.id.as_str()]].concat()));

    assert_eq!(post(&server, "leave", r#"{"in":["Z"],"rooms":["Z","é Y","nowhere"]}"#).ok(), matched(5));
    assert_eq!((ids(&server, "Z"), ids(&server, "é Y")), (vec![], sorted(&all[..1])));
    assert_eq!(ids(&server, "X"), sorted(&all));
    assert_eq!(post(&server, "leave", r#"{"rooms":["X"]}"#).ok(), matched(6));
    assert_eq!(post(&server, "join", r#"{"in":["X"],"rooms":["Y"]}"#).ok(), matched(0));
    assert_eq!(server.publish(r#"{"to":["X"],"event":"E"}"#).ok()["matched"], 0);
    clients.iter_mut().for_each(Sio::has_nothing);
}

#[test]
fn sockets_are_disconnected() {
    let folder = Folder::new();
    let server = with_namespaces(&folder);
    let mut news = [EIO3, EIO4, EIO4_POLLING].map(|kind| Sio::connect_to(&server, kind, "/news"));
    let mut rest = Sio::connect_to(&server, EIO4, "/news");
    let except = json!({"namespace": "/news", "except": [rest.id]}).to_string();
    assert_eq!(post(&server, "disconnect", &except).ok(), matched(3));
    news.iter_mut().for_each(Sio::is_disconnected);
    let left = server.get("/api/v1/namespaces").ok();
    assert_eq!(left["items"][1], json!({"namespace": "/news", "sockets": 1}));
    server.publish(r#"{"namespace":"/news","event":"E"}"#).ok();
    assert_eq!(rest.next(), r#"["E"]"#);

    let mut clients = KINDS.map(|kind| Sio::register(&server, kind, &["R"]));
    let mut stays = Sio::register(&server, EIO4, &["S"]);
    assert_eq!(post(&server, "disconnect", r#"{"in":["R"],"close":true}"#).ok(), matched(5));
    // Clients that are disconnected do not come back by themselves; those that only lose the connection do.
    clients.iter_mut().for_each(Sio::is_closed);
    assert_eq!(ids(&server, "R"), [""; 0]);
    assert_eq!(post(&server, "disconnect", r#"{"in":["R"]}"#).ok(), matched(0));
    stays.has_nothing();
}

#[test]
fn requests_that_cannot_be_taken_change_nothing() {
    let server = Server::start(2);
    let mut client = Sio::register(&server, EIO4, &["R"]);
    for (action, body, message) in [
        ("join", "", "the body is empty"),
        ("join", "[]", "expected an object"),
        ("join", r#"{"in":["R"]}"#, "rooms: is missing"),
        ("join", r#"{"in":["R"],"rooms":[]}"#, "rooms: names no room"),
        ("leave", r#"{"in":["R"],"rooms":null}"#, "rooms: names no room"),
        ("leave", r#"{"in":["R"],"rooms":[1]}"#, "rooms: expected a string or an array of strings"),
        ("leave", r#"{"in":[""],"rooms":["R"]}"#, "in: a name has 1 to 256 bytes"),
        ("leave", r#"{"to":["R"],"rooms":["R"]}"#, "to: unknown field"),
        ("join", r#"{"in":["R"],"rooms":["X"],"close":true}"#, "close: unknown field"),
        ("disconnect", r#"{"in":["R"],"rooms":["X"]}"#, "rooms: unknown field"),
        ("disconnect", r#"{"in":["R"],"close":"yes"}"#, "close: expected true or false"),
        ("disconnect", r#"{"in":["R"],"in":["S"]}"#, "in: is given more than once"),
        ("disconnect", r#"{"in":["R"]"#, "the body is not JSON: "),
    ] {
        let (status, code, text) = post(&server, action, body).error();
        assert_eq!((status, code.as_str()), (400, "bad_request"), "{body}");
        assert!(text.starts_with(message), "{body}: {text}");
    }
    for action in ["join", "leave", "disconnect"] {
        let rooms = if action == "disconnect" { "" } else { r#","rooms":["R"]"# };
        let (status, code, text) =
            post(&server, action, &format!(r#"{{"namespace":"/old"{rooms}}}"#)).error();
        assert_eq!((status, code.as_str()), (404, "unknown_namespace"), "{text}");
        assert_eq!(text, r#"namespace: "/old" is not served"#);
        let path = format!("/api/v1/sockets/{action}");
        let plain = server.http().request("POST", &path, &[("Content-Type", "text/plain")], b"{}");
        assert_eq!(plain.status, 415);
    }
    client.has_nothing();
    assert_eq!(ids(&server, "R"), [client.id]);
}
