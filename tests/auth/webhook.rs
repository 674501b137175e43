//! The webhook: what it is asked, and what follows from its answers and from none.

use crate::hooks::Hook;
use crate::sio::Sio;
use crate::support::Folder;
use crate::{Running, ws_target};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::sync::{Mutex, mpsc};

fn asking(hook: &Hook, more: &str) -> Running {
    Running::new(Folder::new(), &format!("[auth.webhook]\nurl = \"{}\"\n{more}", hook.url()))
}

fn answer(status: u16, body: &Value) -> impl Fn(&str) -> (u16, String) + Send + Sync + 'static {
    let body = body.to_string();
    move |_| (status, body.clone())
}

#[test]
fn it_is_asked_who_may_come_in_and_as_what() {
    let hook = Hook::new(answer(200, &json!({ "user": "c1", "groups": ["own"], "rooms": ["g-*"] })));
    let running = asking(&hook, "");
    let target = format!("{}&group=g-1", ws_target("d1", "c1", "any%20thing"));
    let opened = crate::support::Ws::open(running.server.connect(), &target, "Origin: http://a\r\n");
    let mut ws = opened.expect("it is let in");
    let asked: Value = serde_json::from_str(&hook.asked()).unwrap();
    let expected = json!({
        "protocol": "ws", "domain": "d1", "clientId": "c1", "token": "any thing", "ip": "127.0.0.1",
        "origin": "http://a", "groups": ["g-1"],
    });
    assert_eq!(asked, expected);
    for (group, code) in [("own", 0), ("g-2", 0), ("h", 403)] {
        ws.send(&format!(r#"{{"mode":2,"group":"{group}"}}"#));
        assert!(ws.text().contains(&format!(r#""code":{code}"#)), "{group}");
    }
    assert_eq!(running.knock(&ws_target("d1", "c2", "x")).0, 401, "it says who it is");
    hook.asked();
    assert_eq!(running.knock("/ws?bizCode=d1&clientId=c1&group=h").0, 403);
    // Also without a token: the address may be enough.
    assert_eq!(serde_json::from_str::<Value>(&hook.asked()).unwrap()["token"], Value::Null);
}

#[test]
fn what_is_no_clear_yes_is_a_no() {
    let hook = Hook::new(answer(401, &json!({})));
    let running = asking(&hook, "timeout_ms = 500\n");
    let target = ws_target("d1", "c1", "x");
    assert_eq!(running.knock(&target), (401, "token is wrong".to_owned()));
    hook.answers(answer(403, &json!({})));
    assert_eq!(running.knock(&target), (403, "not allowed".to_owned()));
    let unavailable = || (503, "who may come in cannot be found out now".to_owned());
    for status in [500, 204, 302, 404, 429] {
        hook.answers(answer(status, &json!({})));
        assert_eq!(running.knock(&target), unavailable(), "{status}");
    }
    for body in ["", "yes", "[]", "{", r#"{"rooms":5}"#, r#"{"expires_s":"60"}"#, r#"{"allow":false}"#] {
        hook.answers(move |_| (200, body.to_owned()));
        assert_eq!(running.knock(&target), unavailable(), "{body}");
    }
    hook.answers(|_| (200, format!(r#"{{"x":"{}"}}"#, "x".repeat(1 << 20))));
    assert_eq!(running.knock(&target), unavailable(), "it is too long");
    // It says nothing at all, until the test is over.
    let (_open, closed) = mpsc::channel::<()>();
    let closed = Mutex::new(closed);
    hook.answers(move |_| {
        let _ = closed.lock().unwrap().recv();
        (200, "{}".to_owned())
    });
    let reply = running.server.try_ws(&target).map(drop).expect_err("nobody says yes");
    assert_eq!((reply.status, reply.header("retry-after").is_some()), (503, true));
    hook.answers(answer(200, &json!({})));
    assert_eq!(running.knock(&target).0, 101);
    running.server.wait_for_log("answers again");
}

#[test]
fn nobody_comes_in_while_it_is_down_and_others_are_served() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let config = format!("[auth]\ntoken = \"456\"\n[auth.webhook]\nurl = \"http://{addr}/\"\n");
    let running = Running::new(Folder::new(), &config);
    assert_eq!(running.knock(&ws_target("d1", "c1", "x")).0, 503);
    assert_eq!(running.knock(&ws_target("d1", "c1", "456")).0, 101);
    let refused = Sio::open(&running).enter(&json!({ "token": "x" })).expect_err("nobody says yes");
    assert_eq!(refused["data"], json!({ "code": "unavailable" }));
    assert_eq!(running.server.get("/healthz").status, 200);
}

#[test]
fn a_slow_one_holds_up_nobody_else() {
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let hook = Hook::new(move |_| {
        let _ = held.lock().unwrap().recv();
        (200, "{}".to_owned())
    });
    let config =
        format!("[auth]\ntoken = \"456\"\n[auth.webhook]\nurl = \"{}\"\nconcurrency = 2\n", hook.url());
    let running = Running::new(Folder::new(), &config);
    let waiting: Vec<_> = (0..8)
        .map(|number| {
            let (target, addr) = (ws_target("d1", &format!("w{number}"), "x"), running.server.addr());
            std::thread::spawn(move || {
                let stream = std::net::TcpStream::connect(addr).unwrap();
                crate::support::Ws::open(stream, &target, "").map_or_else(|reply| reply.status, |_| 101)
            })
        })
        .collect();
    // Two are being asked about.
    for _ in 0..2 {
        hook.asked();
    }
    for client in ["a", "b", "c", "d"] {
        assert_eq!(running.knock(&ws_target("d1", client, "456")).0, 101);
    }
    drop(release);
    assert!(waiting.into_iter().all(|thread| thread.join().unwrap() == 101));
}

#[test]
fn an_answer_holds_for_the_same_question_for_a_while() {
    let hook = Hook::new(|body| {
        let asked: Value = serde_json::from_str(body).unwrap();
        (if asked["token"] == "good" { 200 } else { 401 }, "{}".to_owned())
    });
    let running = asking(&hook, "cache_s = 600\n");
    for _ in 0..3 {
        assert_eq!(running.knock(&ws_target("d1", "c1", "good")).0, 101);
        assert_eq!(running.knock(&ws_target("d1", "c1", "bad")).0, 401);
    }
    for _ in 0..2 {
        hook.asked();
    }
    hook.was_not_asked();
    // Another client, another domain, another token: other questions.
    for target in [ws_target("d1", "c2", "good"), ws_target("d2", "c1", "good")] {
        assert_eq!(running.knock(&target).0, 101);
        hook.asked();
    }
    assert_eq!(running.knock(&ws_target("d1", "c1", "goo")).0, 401);
    hook.asked();
}

#[test]
fn what_it_allows_may_end() {
    let hook = Hook::new(answer(200, &json!({ "expires_s": 1 })));
    let running = asking(&hook, "cache_s = 600\n");
    let mut ws = running.server.ws(&ws_target("d1", "c1", "x"));
    assert_eq!(ws.closed(), (4401, "token expired".to_owned()));
    hook.asked();
    // What has ended is asked again.
    assert_eq!(running.knock(&ws_target("d1", "c1", "x")).0, 101);
    hook.asked();
}

#[test]
fn sockets_of_socket_io_are_asked_about_too() {
    let hook = Hook::new(answer(200, &json!({ "user": "ann", "groups": ["own"], "publish": ["room:g"] })));
    let running = asking(&hook, "");
    let mut sio = Sio::open(&running);
    sio.enter(&json!({ "token": "x" })).unwrap();
    let asked: Value = serde_json::from_str(&hook.asked()).unwrap();
    let expected = json!({
        "protocol": "socket.io", "namespace": "/", "token": "x", "ip": "127.0.0.1", "origin": null, "groups": [],
    });
    assert_eq!(asked, expected);
    assert_eq!(sio.ask("register", &json!({ "user": "ann" })), json!({ "ok": true }));
    assert_eq!(sio.ask("register", &json!({ "user": "bob" }))["error"]["code"], "not_allowed");
    let info = |room: &str| json!({ "roomName": room, "eventName": "e", "text": 1 });
    assert_eq!(sio.ask("broadcastInfo", &info("g")), json!({ "ok": true, "delivered": 0 }));
    assert_eq!(sio.ask("broadcastInfo", &info("own"))["error"]["code"], "not_allowed");
    for (status, code) in [(401, "unauthorized"), (403, "forbidden"), (500, "unavailable")] {
        hook.answers(answer(status, &json!({})));
        let refused = Sio::open(&running).enter(&json!({ "token": "x" })).expect_err("no");
        assert_eq!(refused["data"], json!({ "code": code }));
    }
}
