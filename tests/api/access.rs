//! Who may ask for what, with which method.

use crate::server::Server;
use crate::sio::{EIO4, Sio};
use crate::support::{self, Folder};
use crate::ws::Client;

const GUARDED: [(&str, &str); 14] = [
    ("POST", "/api/v1/publish"),
    ("GET", "/api/v1/stats"),
    ("GET", "/api/v1/namespaces"),
    ("GET", "/api/v1/rooms"),
    ("GET", "/api/v1/rooms/g1"),
    ("POST", "/api/v1/sockets/join"),
    ("POST", "/api/v1/sockets/leave"),
    ("POST", "/api/v1/sockets/disconnect"),
    ("GET", "/api/v1/domains"),
    ("GET", "/api/v1/domains/d1/groups"),
    ("GET", "/api/v1/domains/d1/clients"),
    ("GET", "/api/v1/slow"),
    ("GET", "/api/v1/openapi.json"),
    ("GET", "/metrics"),
];
const OPEN: [&str; 4] = ["/healthz", "/readyz", "/", "/console/app.js"];
const MESSAGE: &[u8] = br#"{"bizCode":"d1","mode":300,"content":1}"#;

/// What a request with this method to this path may have.
fn body_for(method: &str, path: &str) -> &'static [u8] {
    match (method, path) {
        ("POST", "/api/v1/publish") => MESSAGE,
        ("POST", "/api/v1/sockets/disconnect") => br#"{"in":["g1"]}"#,
        ("POST", _) => br#"{"in":["g1"],"rooms":["g2"]}"#,
        _ => b"",
    }
}

#[test]
fn pages_of_other_origins_are_kept_out_of_socketio_whatever_they_ask_by() {
    let folder = Folder::new();
    let config = "[auth]\norigins = [\"https://a.example\"]\n[socketio]\nserve_client = false\n";
    let server = Server(support::Server::configured(&folder.write("origins.toml", config)));
    let mut http = server.http();
    for eio in [3, 4] {
        let target = format!("/socket.io/?EIO={eio}&transport=polling");
        let mut ask = |more: &str, origin: &[&str]| {
            let headers: Vec<(&str, &str)> = origin.iter().map(|origin| ("Origin", *origin)).collect();
            http.request("GET", &format!("{target}{more}"), &headers, b"").status
        };
        // A script is loaded without one.
        assert_eq!((ask("", &[]), ask("", &["https://a.example"])), (200, 200));
        for more in ["&j=0", "&j", "&%6A=1"] {
            assert_eq!((ask(more, &[]), ask(more, &["https://a.example"])), (403, 403), "{more}");
        }
        assert_eq!((ask("", &["https://b.example"]), ask("", &["null"])), (403, 403));
    }
    let open = Server::start(1);
    assert_eq!(open.get("/socket.io/?EIO=3&transport=polling&j=0").status, 200);
}

#[test]
fn a_key_is_wanted_where_it_matters() {
    let server = Server::start_with_key(2, "k-1");
    let mut client = Client::connect(&server, "d1", "c1", "");
    let mut socket = Sio::register(&server, EIO4, &["g1"]);
    let mut http = server.http();
    for (method, path) in GUARDED {
        let body = body_for(method, path);
        for wrong in ["", "k-1", "Bearer", "Bearer ", "Bearer k-2", "Bearer k-11", "Basic k-1"] {
            let answer = http.request(method, path, &[("Authorization", wrong)], body);
            let (status, code, _) = answer.error();
            assert_eq!((status, code.as_str()), (401, "unauthorized"), "{path} {wrong:?}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
        assert_eq!(http.request(method, path, &[], body).status, 401, "{path}");
    }
    client.has_nothing();
    socket.has_nothing();
    for (method, path) in GUARDED {
        let body = body_for(method, path);
        let answer = http.request(method, path, &[("authorization", "Bearer k-1")], body);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
    assert_eq!(client.next(), r#"{"msgId":null,"mode":300,"content":1}"#);
    socket.is_disconnected();
    for path in OPEN {
        assert_eq!(http.get(path).status, 200, "{path}");
    }
}

#[test]
fn methods_are_checked_and_head_has_no_body() {
    let server = Server::start(2);
    let _client = Client::connect(&server, "d1", "c1", "");
    let _socket = Sio::register(&server, EIO4, &["g1"]);
    let mut http = server.http();
    let (actions, guarded): (Vec<_>, Vec<_>) =
        GUARDED.into_iter().partition(|(_, path)| path.starts_with("/api/v1/sockets/"));
    for (method, path) in guarded.into_iter().chain(OPEN.map(|path| ("GET", path))) {
        for other in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            if other != method {
                let answer = http.request(other, path, &[], b"");
                assert_eq!(answer.error().1, "method_not_allowed", "{other} {path}");
                assert_eq!((answer.status, answer.header("allow")), (405, Some(method)), "{other} {path}");
            }
        }
        let head = http.request("HEAD", path, &[], b"");
        if method == "GET" {
            assert_eq!(head.status, 200, "{path}");
            assert!(head.header("content-length").unwrap().parse::<usize>().unwrap() > 0);
            assert_eq!(head.header("content-type"), http.get(path).header("content-type"));
        } else {
            assert_eq!(head.status, 405, "{path}");
        }
    }
    for (_, path) in actions {
        // It might be the id of a socket, which can be looked at.
        assert_eq!(http.get(path).error().0, 404, "{path}");
        assert_eq!(http.request("HEAD", path, &[], b"").status, 404, "{path}");
        for other in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
            let answer = http.request(other, path, &[], b"");
            assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, POST")), "{other} {path}");
        }
    }
    for path in ["/api/v1", "/api/v1/", "/api/v1/publish/", "/api/v1/domains//groups", "/metric", "//"] {
        assert_eq!(http.get(path).error().1, "not_found", "{path}");
    }
}

#[test]
fn the_first_page_links_to_what_is_served() {
    let server = Server::start(1);
    let home = server.get("/");
    assert_eq!(home.header("content-type"), Some("text/html; charset=utf-8"));
    let links: Vec<&str> =
        home.text().split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(links.contains(&"/metrics") && links.contains(&"/api/v1/openapi.json"), "{links:?}");
    for link in links.into_iter().filter(|link| !link.starts_with('#')) {
        assert_eq!(server.get(link).status, 200, "{link}");
    }
    assert!(home.text().contains("/ws?bizCode="));
}

#[test]
fn without_a_key_pages_of_other_sites_are_kept_out() {
    let server = Server::start(2);
    let mut client = Client::connect(&server, "d1", "c1", "");
    let mut socket = Sio::register(&server, EIO4, &["g1"]);
    let mut http = server.http();
    for (method, path) in GUARDED {
        let body = body_for(method, path);
        for foreign in ["https://evil.example", "null", "http://127.0.0.1:1", ""] {
            let answer = http.request(method, path, &[("Origin", foreign)], body);
            assert_eq!(answer.status, 403, "{path} {foreign:?}");
        }
    }
    client.has_nothing();
    socket.has_nothing();
    // The server's own page: the host of the request is that of the origin.
    let own = "http://127.0.0.1:3000";
    let host = format!("POST /api/v1/publish HTTP/1.1\r\nHost: 127.0.0.1:3000\r\nOrigin: {own}\r\n");
    http.send(format!("{host}Content-Length: {}\r\n\r\n", MESSAGE.len()).as_bytes());
    http.send(MESSAGE);
    assert_eq!(http.answer(false).status, 200);
    // A name that points here may be anybody's.
    assert_eq!(http.request("POST", "/api/v1/publish", &[("Origin", "http://test")], MESSAGE).status, 403);
    assert_eq!(client.next(), r#"{"msgId":null,"mode":300,"content":1}"#);
    // Nor is a page that need not say so because such a name is its own: its requests are of the same origin.
    for (host, status) in
        [("evil.example:3000", 403), ("evil.example.", 403), ("127.0.0.1:3000", 200), ("test", 200)]
    {
        for path in ["/api/v1/stats", "/metrics"] {
            http.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
            assert_eq!(http.answer(false).status, status, "{path} {host}");
        }
    }
    let folder = Folder::new();
    let open = Server(support::Server::configured(&folder.write("open.toml", "open = true\n")));
    let mut any = open.http();
    any.send(b"GET /metrics HTTP/1.1\r\nHost: fanfare.example\r\n\r\n");
    assert_eq!(any.answer(false).status, 200, "that was meant");
    // Whoever has the key may be any page.
    let keyed = Server::start_with_key(1, "k-1");
    let headers = [("Origin", "https://evil.example"), ("Authorization", "Bearer k-1")];
    assert_eq!(keyed.http().request("GET", "/api/v1/stats", &headers, b"").status, 200);
}
