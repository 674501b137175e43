//! Clients of Socket.IO with JSON Web Tokens.

use crate::Running;
use crate::support::{Folder, Ws};
use crate::tokens::{Signer, now_s};
use serde_json::{Value, json};
use std::net::TcpStream;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A session, byte by byte.
pub(crate) struct Sio {
    pub(crate) ws: Ws<TcpStream>,
    acks: u32,
}

impl Sio {
    pub(crate) fn open(running: &Running) -> Sio {
        Sio::open_with(running, "", "")
    }

    /// With further parameters and header lines.
    fn open_with(running: &Running, query: &str, headers: &str) -> Sio {
        let target = format!("/socket.io/?EIO=4&transport=websocket{query}");
        let mut ws = Ws::open(running.server.connect(), &target, headers).expect("a session");
        assert!(ws.text().starts_with("0{"));
        Sio { ws, acks: 0 }
    }

    /// Joins the main namespace with this `auth`; its error, if it is refused.
    pub(crate) fn enter(&mut self, auth: &Value) -> Result<(), Value> {
        self.enter_at("", auth)
    }

    pub(crate) fn enter_at(&mut self, namespace: &str, auth: &Value) -> Result<(), Value> {
        self.ws.send(&format!("40{namespace}{auth}"));
        let answer = self.ws.text();
        match answer.strip_prefix(&format!("44{namespace}")) {
            Some(error) => Err(serde_json::from_str(error).unwrap()),
            None if answer.starts_with(&format!("40{namespace}{{\"sid\"")) => Ok(()),
            None => panic!("{answer}"),
        }
    }

    /// What an event is acknowledged with.
    pub(crate) fn ask(&mut self, event: &str, payload: &Value) -> Value {
        self.acks += 1;
        self.ws.send(&format!("42{}{}", self.acks, json!([event, payload])));
        let answer = self.ws.text();
        let data = answer.strip_prefix(&format!("43{}", self.acks)).unwrap_or_else(|| panic!("{answer}"));
        serde_json::from_str::<Value>(data).unwrap()[0].take()
    }
}

fn with_secret(more: &str) -> Running {
    Running::new(Folder::new(), &format!("[auth.jwt]\nsecret = \"{SECRET}\"\nleeway_s = 0\n{more}"))
}

fn code(answer: &Value) -> &str {
    answer["error"]["code"].as_str().unwrap_or("none")
}

#[test]
fn a_token_stands_in_auth_in_the_query_or_in_the_header() {
    let running = with_secret("");
    let token = Signer::secret(SECRET).token(json!({}));
    let none = json!({});
    let header = format!("Authorization: Bearer {token}\r\n");
    for (query, header, auth) in [
        (String::new(), "", json!({ "token": token })),
        (format!("&token={token}"), "", none.clone()),
        (String::new(), &*header, none.clone()),
    ] {
        Sio::open_with(&running, &query, header).enter(&auth).unwrap();
    }
    let wrong = Signer::secret("x").token(json!({}));
    for (auth, message) in [
        (none, "token is missing"),
        (json!({ "token": 5 }), "token is missing"),
        (json!({ "token": "" }), "token is missing"),
        (json!({ "token": "x" }), "token is wrong"),
        (json!({ "token": wrong }), "token is wrong"),
        (
            json!({ "token": Signer::secret(SECRET).token(json!({ "exp": now_s() - 9 })) }),
            "token has expired",
        ),
        (json!({ "token": "x".repeat(100_000) }), "token is too long"),
    ] {
        let refused = Sio::open(&running).enter(&auth).expect_err("it is not let in");
        assert_eq!(refused, json!({ "message": message, "data": { "code": "unauthorized" } }));
    }
    // The same session may try again.
    let mut again = Sio::open(&running);
    again.enter(&json!({ "token": "x" })).unwrap_err();
    again.enter(&json!({ "token": token })).unwrap();
}

#[test]
fn clients_of_2_x_give_it_in_the_query() {
    let running = with_secret("");
    let token = Signer::secret(SECRET).token(json!({}));
    for (query, answer) in
        [(format!("&token={token}"), "40"), (String::new(), r#"44{"message":"token is missing""#)]
    {
        let target = format!("/socket.io/?EIO=3&transport=websocket{query}");
        let mut ws = running.server.ws(&target);
        assert!(ws.text().starts_with("0{"));
        let first = ws.text();
        let is_error = first.starts_with("44");
        assert!(first == answer || is_error && answer.starts_with("44"), "{first}");
    }
}

#[test]
fn every_namespace_wants_a_token_that_is_for_it() {
    let running = with_secret("[socketio]\nnamespaces = [\"/news\"]\n");
    let secret = Signer::secret(SECRET);
    let token = |domain: Value| json!({ "token": secret.token(json!({ "domain": domain })) });
    let mut sio = Sio::open(&running);
    sio.enter_at("/news,", &json!({})).unwrap_err();
    let refused = sio.enter_at("/news,", &token(json!("/"))).unwrap_err();
    assert_eq!(refused["message"], "token is for another domain");
    sio.enter_at("/news,", &token(json!(["/", "/news"]))).unwrap();
    sio.enter(&token(json!("d1"))).unwrap_err();
    sio.enter(&token(json!("/"))).unwrap();
    // The header counts for those that are joined later, too.
    let header = format!("Authorization: Bearer {}\r\n", secret.token(json!({})));
    let mut sio = Sio::open_with(&running, "", &header);
    sio.enter(&json!({})).unwrap();
    sio.enter_at("/news,", &json!({})).unwrap();
}

#[test]
fn claims_say_who_it_is_and_where_it_may_be() {
    let running = with_secret("");
    let secret = Signer::secret(SECRET);
    let enter = |claims: Value| {
        let mut sio = Sio::open(&running);
        sio.enter(&json!({ "token": secret.token(claims) })).unwrap();
        sio
    };
    let mut ann = enter(json!({
        "sub": "ann", "groups": ["own"], "rooms": ["news-*", "{user}-*"], "publish": ["room:news-*", "room:{user}-*"],
    }));
    let mut root = enter(json!({}));
    let reaches = |root: &mut Sio, room: &str| {
        let info = json!({ "roomName": room, "eventName": "e", "text": room });
        root.ask("broadcastInfo", &info)["delivered"].as_u64().unwrap()
    };
    assert_eq!(reaches(&mut root, "own"), 1);
    assert_eq!(ann.ws.text(), r#"42["e","own"]"#);
    assert_eq!(code(&ann.ask("register", &json!({ "user": "bob" }))), "not_allowed");
    assert_eq!(code(&ann.ask("register", &json!({ "user": "ann", "group": "secret" }))), "not_allowed");
    assert_eq!(code(&ann.ask("register", &json!({ "group": ["news-1", "bob-1"] }))), "not_allowed");
    for room in ["bob", "ann", "secret", "news-1"] {
        assert_eq!(reaches(&mut root, room), 0, "{room}: all or nothing");
    }
    assert_eq!(
        ann.ask("register", &json!({ "user": "ann", "group": ["news-1", "ann-1"] })),
        json!({ "ok": true })
    );
    for room in ["news-1", "ann-1"] {
        let info = json!({ "roomName": room, "eventName": "e", "text": 1 });
        assert_eq!(ann.ask("broadcastInfo", &info), json!({ "ok": true, "delivered": 0 }));
    }
    let info = json!({ "roomName": "own", "eventName": "e", "text": 1 });
    assert_eq!(code(&ann.ask("broadcastInfo", &info)), "not_allowed");
    // Whose token says which rooms, but not who it is, takes no name that is the name of another room.
    let mut nobody = enter(json!({ "rooms": ["news-*"] }));
    assert_eq!(code(&nobody.ask("register", &json!({ "user": "secret" }))), "not_allowed");
    assert_eq!(nobody.ask("register", &json!({ "user": "news-me" })), json!({ "ok": true }));
}

#[test]
fn nobody_listens_in_by_the_name_of_a_socket() {
    let running = Running::new(Folder::new(), "");
    let enter = || {
        let mut sio = Sio::open(&running);
        sio.ws.send("40");
        let id: Value = serde_json::from_str(sio.ws.text().strip_prefix("40").unwrap()).unwrap();
        (sio, id["sid"].clone())
    };
    let ((mut victim, id), (mut thief, own), (mut sender, _)) = (enter(), enter(), enter());
    for payload in [json!({ "group": id }), json!({ "user": id }), json!({ "user": "t", "group": ["g", id] })]
    {
        assert_eq!(code(&thief.ask("register", &payload)), "not_allowed", "{payload}");
    }
    // Its own is no secret to it, and what only looks like an id is a name.
    for name in [own, json!("AAAAAAAAAAAAAAAAAAAA")] {
        assert_eq!(thief.ask("register", &json!({ "user": name })), json!({ "ok": true }));
    }
    let info = json!({ "roomName": id, "eventName": "e", "text": 1 });
    assert_eq!(sender.ask("broadcastInfo", &info), json!({ "ok": true, "delivered": 1 }));
    assert_eq!(victim.ws.text(), r#"42["e",1]"#);
}

#[test]
fn a_token_that_ends_disconnects_and_a_newer_one_prolongs() {
    let running = with_secret("");
    let secret = Signer::secret(SECRET);
    let token = |user: &str, seconds: u64| json!({ "token": secret.token(json!({ "sub": user, "exp": now_s() + seconds })) });
    let mut ends = Sio::open(&running);
    ends.enter(&token("ann", 2)).unwrap();
    let mut goes_on = Sio::open(&running);
    goes_on.enter(&token("bob", 2)).unwrap();
    for (bad, expected) in [
        (json!({}), "bad_request"),
        (json!({ "token": 5 }), "bad_request"),
        (json!({ "token": "x" }), "unauthorized"),
        (token("ann", 60), "not_allowed"),
    ] {
        assert_eq!(code(&goes_on.ask("refresh", &bad)), expected, "{bad}");
    }
    assert_eq!(goes_on.ask("refresh", &token("bob", 60)), json!({ "ok": true }));
    assert_eq!(ends.ws.text(), r#"42["exception",{"code":"token_expired","message":"token has expired"}]"#);
    assert_eq!(ends.ws.text(), "41");
    assert_eq!(goes_on.ask("register", &json!({ "user": "bob" })), json!({ "ok": true }));
    // With a newer one it may come back, over the same connection.
    ends.enter(&token("ann", 60)).unwrap();
}

#[test]
fn a_newer_token_takes_and_gives_groups() {
    let running = with_secret("");
    let secret = Signer::secret(SECRET);
    let token = |claims: Value| json!({ "token": secret.token(claims) });
    let mut sio = Sio::open(&running);
    sio.enter(&token(json!({ "sub": "ann", "groups": ["a", "b"] }))).unwrap();
    assert_eq!(sio.ask("register", &json!({ "user": "ann" })), json!({ "ok": true }));
    let second = token(json!({ "sub": "ann", "groups": ["b", "c"], "rooms": [] }));
    assert_eq!(sio.ask("refresh", &second), json!({ "ok": true }));
    let mut root = Sio::open(&running);
    root.enter(&token(json!({}))).unwrap();
    for (room, delivered) in [("a", 0), ("b", 1), ("c", 1), ("ann", 1)] {
        let info = json!({ "roomName": room, "eventName": "e", "text": 1 });
        assert_eq!(root.ask("broadcastInfo", &info)["delivered"], delivered, "{room}");
    }
}
