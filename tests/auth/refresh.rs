//! A newer token that has to be asked about: of whoever the webhook let in, and one whose key is not known yet.

use crate::hooks::Hook;
use crate::sio::Sio;
use crate::support::{Folder, Received};
use crate::tokens::Signer;
use crate::{Running, ws_target};
use serde_json::{Value, json};
use std::sync::{Mutex, mpsc};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn asking(hook: &Hook, more: &str) -> Running {
    Running::new(Folder::new(), &format!("[auth.webhook]\nurl = \"{}\"\n{more}", hook.url()))
}

fn answer(status: u16, body: &Value) -> impl Fn(&str) -> (u16, String) + Send + Sync + 'static {
    let body = body.to_string();
    move |_| (status, body.clone())
}

/// An answer that waits until the test says so.
fn held(body: &Value) -> (mpsc::Sender<()>, impl Fn(&str) -> (u16, String) + Send + Sync + 'static) {
    let (release, held) = mpsc::channel::<()>();
    let (held, body) = (Mutex::new(held), body.to_string());
    let answer = move |_: &str| {
        let _ = held.lock().unwrap().recv();
        (200, body.clone())
    };
    (release, answer)
}

#[test]
fn the_webhook_prolongs_what_it_allowed() {
    let hook = Hook::new(answer(200, &json!({ "user": "on", "groups": ["a"], "expires_s": 2 })));
    // What it answered before does not count for this.
    let running = asking(&hook, "cache_s = 600\n");
    let target = format!("{}&group=b", ws_target("d1", "on", "one"));
    let opened = crate::support::Ws::open(running.server.connect(), &target, "Origin: http://a\r\n");
    let mut ws = opened.expect("it is let in");
    let mut ends = running.server.ws(&ws_target("d1", "on", "one").replace("d1", "d2"));
    (0..2).for_each(|_| drop(hook.asked()));
    hook.answers(answer(200, &json!({ "user": "on", "groups": ["c"], "rooms": ["a"], "expires_s": 60 })));
    ws.send(r#"{"msgId":"r","mode":4,"token":"one"}"#);
    assert_eq!(ws.text(), r#"{"msgId":"r","mode":4,"code":0}"#);
    let asked: Value = serde_json::from_str(&hook.asked()).unwrap();
    let groups: Vec<&str> = asked["groups"].as_array().unwrap().iter().map(|g| g.as_str().unwrap()).collect();
    assert!(groups.len() == 2 && groups.contains(&"a") && groups.contains(&"b"), "{asked}");
    let expected = json!({
        "protocol": "ws", "domain": "d1", "clientId": "on", "token": "one", "ip": "127.0.0.1",
        "origin": "http://a", "groups": asked["groups"],
    });
    assert_eq!(asked, expected);
    assert_eq!(ends.recv(), Received::Close(4401, "token expired".to_owned()));
    // Its time would have been over as well. It has lost a group and got another one.
    for (group, code) in [("a", 0), ("c", 0), ("b", 403)] {
        ws.send(&json!({ "mode": 2, "group": group }).to_string());
        assert!(ws.text().contains(&format!(r#""code":{code}"#)), "{group}");
    }
    // And again, with another token.
    ws.send(r#"{"msgId":"s","mode":4,"token":"two"}"#);
    assert_eq!(ws.text(), r#"{"msgId":"s","mode":4,"code":0}"#);
    let asked: Value = serde_json::from_str(&hook.asked()).unwrap();
    assert_eq!((&asked["token"], &asked["origin"]), (&json!("two"), &json!("http://a")));
}

#[test]
fn what_is_no_yes_leaves_the_connection_as_it_was() {
    let hook = Hook::new(answer(200, &json!({ "user": "c1", "expires_s": 60 })));
    let running = asking(&hook, "timeout_ms = 500\n");
    let mut ws = running.server.ws(&ws_target("d1", "c1", "x"));
    let mut sio = Sio::open(&running);
    sio.enter(&json!({ "token": "x" })).unwrap();
    let user = |user: &str| json!({ "user": user, "expires_s": 60 });
    for (status, body, code, name) in [
        (401, json!({}), 401, "unauthorized"),
        (403, json!({}), 403, "forbidden"),
        (500, json!({}), 503, "unavailable"),
        (200, json!({ "rooms": 5 }), 503, "unavailable"),
        (200, user("c2"), 403, "not_allowed"),
        (200, json!({}), 403, "not_allowed"),
    ] {
        hook.answers(answer(status, &body));
        ws.send(r#"{"msgId":1,"mode":4,"token":"y"}"#);
        let told: Value = serde_json::from_str(&ws.text()).unwrap();
        assert_eq!((&told["mode"], &told["code"]), (&json!(4), &json!(code)), "{status} {body}");
        let told = sio.ask("refresh", &json!({ "token": "y" }));
        assert_eq!(told["error"]["code"], name, "{status} {body}");
    }
    // Without a callback, a socket is told by an event.
    sio.ws.send(r#"42["refresh",{"token":"y"}]"#);
    assert_eq!(
        sio.ws.text(),
        r#"42["exception",{"event":"refresh","code":"not_allowed","message":"token is for another user"}]"#
    );
    hook.answers(answer(200, &user("c1")));
    ws.send(r#"{"msgId":1,"mode":4,"token":"y"}"#);
    assert_eq!(ws.text(), r#"{"msgId":1,"mode":4,"code":0}"#);
    assert_eq!(sio.ask("refresh", &json!({ "token": "y" })), json!({ "ok": true }));
}

#[test]
fn sockets_of_socket_io_are_prolonged_too() {
    let hook = Hook::new(answer(200, &json!({ "user": "ann", "groups": ["a"], "expires_s": 2 })));
    let running = asking(&hook, "");
    let enter = || {
        let mut sio = Sio::open(&running);
        sio.enter(&json!({ "token": "x" })).unwrap();
        hook.asked();
        sio
    };
    let (mut ends, mut goes_on) = (enter(), enter());
    hook.answers(answer(200, &json!({ "user": "ann", "groups": ["b"], "rooms": [], "expires_s": 60 })));
    assert_eq!(goes_on.ask("refresh", &json!({ "token": "y" })), json!({ "ok": true }));
    let expected = json!({
        "protocol": "socket.io", "namespace": "/", "token": "y", "ip": "127.0.0.1", "origin": null, "groups": [],
    });
    assert_eq!(serde_json::from_str::<Value>(&hook.asked()).unwrap(), expected);
    assert_eq!(ends.ws.text(), r#"42["exception",{"code":"token_expired","message":"token has expired"}]"#);
    assert_eq!(ends.ws.text(), "41");
    assert_eq!(goes_on.ask("register", &json!({ "group": "b" })), json!({ "ok": true }));
    assert_eq!(goes_on.ask("register", &json!({ "group": "a" }))["error"]["code"], "not_allowed");
}

#[test]
fn others_are_served_while_one_is_decided_on_and_who_is_gone_is_passed_over() {
    let allowed = json!({ "user": "c1", "expires_s": 60 });
    let hook = Hook::new(answer(200, &allowed));
    let running = asking(&hook, "timeout_ms = 20_000\n");
    let mut ws = running.server.ws(&ws_target("d1", "c1", "x"));
    let mut sio = Sio::open(&running);
    sio.enter(&json!({ "token": "x" })).unwrap();
    let (mut gone, mut left) = (running.server.ws(&ws_target("d2", "c1", "x")), Sio::open(&running));
    left.enter(&json!({ "token": "x" })).unwrap();
    (0..4).for_each(|_| drop(hook.asked()));
    let (release, waits) = held(&allowed);
    hook.answers(waits);
    for ws in [&mut ws, &mut gone] {
        ws.send(r#"{"msgId":"slow","mode":4,"token":"y"}"#);
    }
    for sio in [&mut sio, &mut left] {
        sio.ws.send(r#"4277["refresh",{"token":"y"}]"#);
    }
    (0..4).for_each(|_| drop(hook.asked()));
    // One at a time; all else goes on.
    ws.send(r#"{"msgId":"again","mode":4,"token":"z"}"#);
    assert_eq!(
        ws.text(),
        r#"{"msgId":"again","mode":4,"code":429,"message":"another token is being decided on"}"#
    );
    let again = sio.ask("refresh", &json!({ "token": "z" }));
    assert_eq!(again["error"]["code"], "rate_limited");
    ws.send(r#"{"msgId":"beat","mode":1}"#);
    assert!(ws.text().starts_with(r#"{"msgId":"beat","mode":1,"code":0"#));
    // One has closed, the other one has left the namespace and is there again.
    gone.send_close(1000);
    assert_eq!(gone.closed().0, 1000);
    left.ws.send("41");
    hook.answers(answer(200, &allowed));
    left.enter(&json!({ "token": "x" })).unwrap();
    hook.asked();
    drop(release);
    assert_eq!(ws.text(), r#"{"msgId":"slow","mode":4,"code":0}"#);
    assert_eq!(sio.ws.text(), r#"4377[{"ok":true}]"#);
    // That refresh was one of the membership before.
    assert_eq!(left.ask("refresh", &json!({ "token": "y" })), json!({ "ok": true }));
    // When one is decided, the next one may be asked for.
    hook.answers(answer(200, &allowed));
    ws.send(r#"{"msgId":"next","mode":4,"token":"z"}"#);
    assert_eq!(ws.text(), r#"{"msgId":"next","mode":4,"code":0}"#);
}

#[test]
fn a_token_in_the_form_of_a_jwt_is_decided_on_by_its_signature_alone() {
    let hook = Hook::new(answer(200, &json!({ "user": "c1", "expires_s": 60 })));
    let keys = format!("[auth]\ntoken = \"456\"\n[auth.jwt]\nsecret = \"{SECRET}\"\n");
    let running = Running::new(Folder::new(), &format!("{keys}[auth.webhook]\nurl = \"{}\"\n", hook.url()));
    let token = |secret: &str| Signer::secret(secret).token(json!({ "sub": "c1" }));
    let mut ws = running.server.ws(&ws_target("d1", "c1", "x"));
    hook.asked();
    // The static token has no end, and so prolongs nothing.
    for (given, code) in [(token(SECRET), 0), (token("wrong"), 401), ("456".to_owned(), 401)] {
        ws.send(&json!({ "mode": 4, "token": given }).to_string());
        assert!(ws.text().contains(&format!(r#""code":{code}"#)), "{given}");
    }
    hook.was_not_asked();
    ws.send(r#"{"mode":4,"token":"x"}"#);
    assert!(ws.text().contains(r#""code":0"#));
    // As it was told when the client came.
    assert_eq!(serde_json::from_str::<Value>(&hook.asked()).unwrap()["ip"], "127.0.0.1");
}

#[test]
fn a_key_that_is_not_known_yet_is_waited_for() {
    let (first, second) = (Signer::p256(), Signer::p256());
    let set = |keys: &[Value]| json!({ "keys": keys });
    let known = set(&[first.jwk("one")]);
    let hook = Hook::new(answer(200, &known));
    let config = format!("[auth.jwt]\njwks_url = \"{}\"\njwks_refresh_s = 1\n", hook.url());
    let running = Running::new(Folder::new(), &config);
    let token = |signer: &Signer, id: &str| signer.token_with(json!({ "kid": id }), json!({ "sub": "c1" }));
    let mut ws = running.server.ws(&ws_target("d1", "c1", &token(&first, "one")));
    hook.answers(answer(200, &set(&[first.jwk("one"), second.jwk("two")])));
    let start = std::time::Instant::now();
    loop {
        ws.send(&json!({ "mode": 4, "token": token(&second, "two") }).to_string());
        match ws.text() {
            text if text.contains(r#""code":0"#) => break,
            // The keys have just been asked for, and are in a moment.
            text => assert!(text.contains(r#""code":401"#), "{text}"),
        }
        assert!(start.elapsed() < crate::support::PATIENCE, "the key is never asked for");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
