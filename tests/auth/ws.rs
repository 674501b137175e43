//! Clients of `/ws` with JSON Web Tokens.

use crate::support::{Folder, Received};
use crate::tokens::{Signer, now_s};
use crate::{Running, ws_target};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn with_secret(more: &str) -> Running {
    Running::new(Folder::new(), &format!("[auth.jwt]\nsecret = \"{SECRET}\"\nleeway_s = 0\n{more}"))
}

#[test]
fn every_algorithm_opens_with_its_key_and_with_no_other() {
    for (own, other) in [
        (Signer::rsa(), Signer::ed25519()),
        (Signer::p256(), Signer::p256()),
        (Signer::ed25519(), Signer::ed25519()),
    ] {
        let running = Running::with_keys(&own.pem(), "");
        let good = own.token(json!({ "sub": "c1" }));
        running.serves(&own.token(json!({})));
        assert_eq!(running.knock(&ws_target("d1", "c1", &good)).0, 101, "{}", own.algorithm());
        let wrong = || (401, "token is wrong".to_owned());
        assert_eq!(running.knock(&ws_target("d1", "c1", &other.token(json!({ "sub": "c1" })))), wrong());
        // The key is no secret: whoever signs with it as if it were one is not let in.
        for secret in [own.pem(), own.pem().trim_end().to_owned()] {
            let confused = Signer::secret(&secret).token(json!({ "sub": "c1" }));
            assert_eq!(running.knock(&ws_target("d1", "c1", &confused)), wrong());
        }
        running.serves(&own.token(json!({})));
    }
    let running = with_secret("");
    let secret = Signer::secret(SECRET);
    assert_eq!(running.knock(&ws_target("d1", "c1", &secret.token(json!({ "sub": "c1" })))).0, 101);
    let other = Signer::secret("0123456789abcdef0123456789abcdeX").token(json!({}));
    assert_eq!(running.knock(&ws_target("d1", "c1", &other)).0, 401);
}

#[test]
fn several_keys_are_good_while_one_is_replaced() {
    let (old, new) = (Signer::p256(), Signer::ed25519());
    let running = Running::with_keys(&format!("{}\n{}", old.pem(), new.pem()), "");
    for signer in [&old, &new] {
        running.serves(&signer.token_with(json!({ "kid": "whatever" }), json!({})));
    }
}

#[test]
fn what_is_no_token_opens_nothing() {
    let running = with_secret("");
    let secret = Signer::secret(SECRET);
    let good = secret.token(json!({ "sub": "c1" }));
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (header, claims) = message.split_once('.').unwrap();
    let encode = |value: Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let none = encode(json!({ "alg": "none" }));
    let others = encode(json!({ "exp": now_s() + 3_600, "sub": "root" }));
    let mut flipped = signature.to_owned();
    flipped.replace_range(0..1, if signature.starts_with('A') { "B" } else { "A" });
    for wrong in [
        format!("{none}.{claims}."),
        format!("{none}.{claims}.{signature}"),
        format!("{}.{claims}.{signature}", encode(json!({ "alg": "NONE" }))),
        format!("{}.{claims}.{signature}", encode(json!({ "alg": "RS256" }))),
        format!("{}.{claims}.{signature}", encode(json!({ "alg": "HS512" }))),
        format!("{}.{claims}.{signature}", encode(json!({}))),
        format!("{header}.{others}.{signature}"),
        format!("{header}.{claims}."),
        format!("{header}.{claims}.{flipped}"),
        format!("{header}.{claims}"),
        format!("{header}.{claims}.{signature}.{signature}"),
        "a.b.c".to_owned(),
        "..".to_owned(),
        "x".to_owned(),
        "%F0%9F%98%80..".to_owned(),
        secret.token_with(json!({ "crit": ["exp"] }), json!({})),
        secret.token_with(json!({ "alg": "HS384" }), json!({})),
    ] {
        let refused = running.knock(&ws_target("d1", "c1", &wrong));
        assert_eq!(refused, (401, "token is wrong".to_owned()), "{wrong}");
    }
    for nothing in ["/ws?bizCode=d1&clientId=c1", "/ws?bizCode=d1&clientId=c1&token="] {
        assert_eq!(running.knock(nothing), (401, "token is missing".to_owned()));
    }
    running.serves(&secret.token(json!({})));
}

#[test]
fn claims_say_when_for_whom_and_of_whom() {
    let running = with_secret("audience = [\"a1\", \"a2\"]\nissuer = [\"i1\"]\n");
    let secret = Signer::secret(SECRET);
    let now = now_s();
    let knock = |domain: &str, client: &str, mut claims: Value| {
        for (name, value) in [("aud", "a1"), ("iss", "i1")] {
            let claims = claims.as_object_mut().unwrap();
            claims.entry(name).or_insert(json!(value));
        }
        running.knock(&ws_target(domain, client, &secret.token(claims)))
    };
    for good in [
        json!({}),
        json!({ "aud": ["x", "a2"] }),
        json!({ "nbf": now - 5 }),
        json!({ "exp": now as f64 + 100.5 }),
        json!({ "sub": "c1", "domain": "d1" }),
        json!({ "bizCode": ["d0", "d1"] }),
        json!({ "groups": ["g1"], "rooms": ["x-*"], "publish": ["domain"] }),
    ] {
        assert_eq!(knock("d1", "c1", good.clone()).0, 101, "{good}");
    }
    for (bad, why) in [
        (json!({ "exp": now - 5 }), "token has expired"),
        (json!({ "exp": null }), "token has no exp"),
        (json!({ "exp": "tomorrow" }), "token has no exp"),
        (json!({ "nbf": now + 100 }), "token is not valid yet"),
        (json!({ "aud": "other" }), "token is for another audience"),
        (json!({ "aud": null }), "token has no aud"),
        (json!({ "iss": "other" }), "token is of another issuer"),
        (json!({ "iss": null }), "token has no iss"),
        (json!({ "domain": "d2" }), "token is for another domain"),
        (json!({ "bizCode": [] }), "token is for another domain"),
        (json!({ "domain": "d1", "bizCode": "d2" }), "token is for another domain"),
        (json!({ "sub": "c2" }), "token is for another client"),
        (json!({ "rooms": "{who}" }), "rooms: expected patterns of names"),
        (json!({ "groups": [1] }), "groups: expected a string or a list of up to 64"),
    ] {
        assert_eq!(knock("d1", "c1", bad.clone()), (401, why.to_owned()), "{bad}");
    }
    assert_eq!(knock("d1", "c1", json!({})).0, 101);
    // Without the leeway that is configured here to be none, clocks may differ.
    let lenient = Running::new(Folder::new(), &format!("[auth.jwt]\nsecret = \"{SECRET}\"\nleeway_s = 60\n"));
    assert_eq!(lenient.knock(&ws_target("d1", "c1", &secret.token(json!({ "exp": now - 5 })))).0, 101);
}

#[test]
fn the_static_token_and_the_header_are_ways_in_too() {
    let config = format!("[auth]\ntoken = \"456\"\n[auth.jwt]\nsecret = \"{SECRET}\"\n");
    let running = Running::new(Folder::new(), &config);
    let token = Signer::secret(SECRET).token(json!({ "sub": "c1" }));
    assert_eq!(running.knock(&ws_target("d1", "anybody", "456")).0, 101);
    assert_eq!(running.knock(&ws_target("d1", "anybody", "457")), (401, "token is wrong".to_owned()));
    let open = |header: &str| {
        let target = "/ws?bizCode=d1&clientId=c1";
        let opened = crate::support::Ws::open(running.server.connect(), target, header);
        opened.map_or_else(|reply| reply.status, |_| 101)
    };
    assert_eq!(open(&format!("Authorization: Bearer {token}\r\n")), 101);
    assert_eq!(open("Authorization: bearer 456\r\n"), 101);
    for wrong in ["Authorization: Basic 456\r\n", "Authorization: Bearer\r\n", "Authorization: 456\r\n", ""] {
        assert_eq!(open(wrong), 401, "{wrong}");
    }
}

#[test]
fn groups_are_those_that_the_token_allows() {
    let running = with_secret("");
    let secret = Signer::secret(SECRET);
    let token = secret.token(json!({ "sub": "c1", "groups": ["own"], "rooms": ["news-*", "{user}-*"] }));
    let target = |groups: &str| format!("{}&group={groups}", ws_target("d1", "c1", &token));
    let refused = running.knock(&target("news-1,secret"));
    assert_eq!(refused, (403, "group: not all of these may be joined".to_owned()));
    let mut ws = running.server.ws(&target("news-1,c1-x"));
    let mut root = running.server.ws(&ws_target("d1", "root", &secret.token(json!({}))));
    for (group, delivered) in [("own", 1), ("news-1", 1), ("c1-x", 1), ("secret", 0)] {
        root.send(&format!(r#"{{"mode":200,"group":"{group}","content":1,"receipt":true}}"#));
        assert_eq!(root.text(), format!(r#"{{"msgId":null,"mode":200,"code":0,"delivered":{delivered}}}"#));
    }
    for _ in 0..3 {
        assert!(ws.text().starts_with(r#"{"msgId":null,"mode":200,"from":"root""#));
    }
    for (groups, code) in [("news-2", 0), ("own", 0), ("news-3,c2-x", 403), ("secret", 403)] {
        ws.send(&format!(r#"{{"msgId":1,"mode":2,"group":"{groups}"}}"#));
        assert!(ws.text().starts_with(&format!(r#"{{"msgId":1,"mode":2,"code":{code}"#)), "{groups}");
    }
    root.send(r#"{"mode":200,"group":"news-3","content":1,"receipt":true}"#);
    assert!(root.text().ends_with(r#""delivered":0}"#), "all of the groups or none");
}

#[test]
fn a_token_that_ends_closes_and_a_newer_one_prolongs() {
    let running = with_secret("");
    let secret = Signer::secret(SECRET);
    let token = |client: &str, seconds: u64| secret.token(json!({ "sub": client, "exp": now_s() + seconds }));
    let mut ends = running.server.ws(&ws_target("d1", "ends", &token("ends", 2)));
    let mut goes_on = running.server.ws(&ws_target("d1", "on", &token("on", 2)));
    let mut ask = |message: Value| {
        goes_on.send(&message.to_string());
        goes_on.text()
    };
    for (bad, code) in [
        (json!({ "msgId": 1, "mode": 4 }), 400),
        (json!({ "msgId": 1, "mode": 4, "token": 5 }), 400),
        (json!({ "msgId": 1, "mode": 4, "token": "x" }), 401),
        (json!({ "msgId": 1, "mode": 4, "token": Signer::secret("x").token(json!({})) }), 401),
        (
            json!({ "msgId": 1, "mode": 4, "token": secret.token(json!({ "sub": "on", "domain": "d2" })) }),
            401,
        ),
        (json!({ "msgId": 1, "mode": 4, "token": token("ends", 60) }), 403),
        (json!({ "msgId": 1, "mode": 4, "token": secret.token(json!({})) }), 403),
    ] {
        let answer: Value = serde_json::from_str(&ask(bad.clone())).unwrap();
        assert_eq!(
            (&answer["msgId"], &answer["mode"], &answer["code"]),
            (&json!(1), &json!(4), &json!(code)),
            "{bad}"
        );
    }
    let fresh = json!({ "msgId": "r", "mode": 4, "token": token("on", 60) });
    assert_eq!(ask(fresh), r#"{"msgId":"r","mode":4,"code":0}"#);
    assert_eq!(ends.recv(), Received::Close(4401, "token expired".to_owned()));
    // Its time has come and gone; the other one's was the same.
    assert!(ask(json!({ "mode": 1 })).contains(r#""code":0"#));
    running.serves(&token("well", 60));
}

#[test]
fn a_newer_token_takes_and_gives_groups() {
    let running = with_secret("");
    let secret = Signer::secret(SECRET);
    let token = |claims: Value| secret.token(claims);
    let first = token(json!({ "sub": "c1", "groups": ["a", "b"] }));
    let mut ws = running.server.ws(&ws_target("d1", "c1", &first));
    let second = token(json!({ "sub": "c1", "groups": ["b", "c"], "rooms": [], "publish": [] }));
    ws.send(&json!({ "mode": 4, "token": second }).to_string());
    assert_eq!(ws.text(), r#"{"msgId":null,"mode":4,"code":0}"#);
    let mut root = running.server.ws(&ws_target("d1", "root", &token(json!({}))));
    for (group, delivered) in [("a", 0), ("b", 1), ("c", 1)] {
        root.send(&format!(r#"{{"mode":200,"group":"{group}","content":1,"receipt":true}}"#));
        assert!(root.text().ends_with(&format!(r#""delivered":{delivered}}}"#)), "{group}");
    }
    // Two messages first.
    assert!([ws.text(), ws.text()].iter().all(|text| text.contains(r#""from":"root""#)));
    ws.send(r#"{"mode":300,"content":1}"#);
    assert!(ws.text().contains(r#""code":403"#));
}

#[test]
fn who_came_with_a_static_token_has_nothing_to_refresh() {
    let config = format!("[auth]\ntoken = \"456\"\n[auth.jwt]\nsecret = \"{SECRET}\"\n");
    let running = Running::new(Folder::new(), &config);
    let mut ws = running.server.ws(&ws_target("d1", "c1", "456"));
    let token = Signer::secret(SECRET).token(json!({ "sub": "c1" }));
    ws.send(&json!({ "mode": 4, "token": token }).to_string());
    assert!(ws.text().contains(r#""code":403"#));
}
