//! Keys as a JSON Web Key Set, in a file and at a URL.

use crate::hooks::Hook;
use crate::sio::Sio;
use crate::support::{Folder, PATIENCE, Reply};
use crate::tokens::Signer;
use crate::{Running, ws_target};
use serde_json::{Value, json};
use std::io::Write;
use std::sync::{Mutex, mpsc};
use std::time::Instant;

fn set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

#[test]
fn a_file_may_have_keys_of_every_kind() {
    let folder = Folder::new();
    let (rsa, p256, ed) = (Signer::rsa(), Signer::p256(), Signer::ed25519());
    let keys = [
        rsa.jwk("r"),
        p256.jwk("p"),
        ed.jwk("e"),
        // For other purposes, and of kinds that nobody here has.
        json!({ "kty": "oct", "kid": "s", "k": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY" }),
        json!({ "kty": "EC", "crv": "P-384", "kid": "p3", "x": "AA", "y": "AA" }),
        json!({ "kty": "new", "kid": "n" }),
        json!(5),
    ];
    let file = folder.write("jwks.json", &set(&keys));
    let running = Running::new(folder, &format!("[auth.jwt]\njwks_file = \"{}\"\n", file.display()));
    for (signer, id) in [(&rsa, "r"), (&p256, "p"), (&ed, "e")] {
        let knock =
            |header: Value| running.knock(&ws_target("d1", "c1", &signer.token_with(header, json!({})))).0;
        assert_eq!(knock(json!({ "kid": id })), 101, "{id}");
        assert_eq!(knock(json!({})), 101, "{id} is found without its name");
        assert_eq!(knock(json!({ "kid": "other" })), 401);
        // The name of a key of another kind.
        assert_eq!(knock(json!({ "kid": if id == "e" { "p" } else { "e" } })), 401);
        assert_eq!(knock(json!({ "kid": id, "alg": "HS256" })), 401);
    }
    let published = Signer::secret("0123456789abcdef0123456789abcdef");
    let token = published.token_with(json!({ "kid": "s" }), json!({}));
    assert_eq!(running.knock(&ws_target("d1", "c1", &token)).0, 401, "what is published is no secret");
    let with_own = ed.token_with(json!({ "jwk": Signer::ed25519().jwk("e") }), json!({}));
    assert_eq!(running.knock(&ws_target("d1", "c1", &with_own)).0, 101, "its own key means nothing");
    let forger = Signer::ed25519();
    let forged = forger.token_with(json!({ "jwk": forger.jwk("e"), "kid": "e" }), json!({}));
    assert_eq!(running.knock(&ws_target("d1", "c1", &forged)).0, 401);
}

#[test]
fn a_key_that_is_new_is_fetched_and_old_ones_outlive_a_failure() {
    let (first, second) = (Signer::p256(), Signer::ed25519());
    let hook = Hook::new(|_| (500, String::new()));
    let running = Running::new(Folder::new(), &format!("[auth.jwt]\njwks_url = \"{}\"\n", hook.url()));
    hook.asked();
    let knock = |signer: &Signer, id: &str| {
        let token = signer.token_with(json!({ "kid": id }), json!({}));
        running.knock(&ws_target("d1", "c1", &token)).0
    };
    let until = |signer: &Signer, id: &str, wanted: u16| {
        let start = Instant::now();
        while knock(signer, id) != wanted {
            assert!(start.elapsed() < PATIENCE, "{id} is never answered {wanted}");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    };
    // Nothing is known yet, which is no reason to let anybody in, nor to turn anybody away for good.
    assert_eq!(knock(&first, "one"), 503);
    let one = set(&[first.jwk("one")]);
    hook.answers(move |_| (200, one.clone()));
    until(&first, "one", 101);
    assert_eq!(knock(&Signer::p256(), "one"), 401);
    // It has just been asked: there is no such key.
    assert_eq!(knock(&second, "two"), 401);
    let both = set(&[first.jwk("one"), second.jwk("two")]);
    hook.answers(move |_| (200, both.clone()));
    until(&second, "two", 101);
    hook.answers(|_| (200, "{\"keys\":[]}".to_owned()));
    // Whatever is asked for now, the keys stay.
    until(&Signer::ed25519(), "three", 503);
    running.server.wait_for_log("the keys stay as they were");
    assert_eq!((knock(&first, "one"), knock(&second, "two")), (101, 101));
    assert_eq!(running.server.get("/healthz").status, 200);
}

#[test]
fn a_reload_forgets_no_keys_and_nobody_who_waits_for_them() {
    let own = Signer::p256();
    let keys = set(&[own.jwk("one")]);
    let hook = Hook::new(move |_| (200, keys.clone()));
    let running = Running::new(Folder::new(), &format!("[auth.jwt]\njwks_url = \"{}\"\n", hook.url()));
    hook.asked();
    let token = own.token_with(json!({ "kid": "one" }), json!({}));
    let knock = || running.knock(&ws_target("d1", "c1", &token)).0;
    assert_eq!(knock(), 101);
    // Whoever has the keys cannot be asked while the server reads its configuration again.
    hook.answers(|_| (500, String::new()));
    running.server.signal("HUP");
    running.server.wait_for_log("the keys stay as they were");
    assert_eq!(knock(), 101);

    // One waits for a new key, and there are other rules by the time that it has come.
    let other = Signer::ed25519();
    let (keys, (release, held)) = (set(&[other.jwk("two")]), mpsc::channel::<()>());
    let held = Mutex::new(held);
    let hook = Hook::new(move |_| {
        let _ = held.lock().unwrap().recv();
        (200, keys.clone())
    });
    let running = Running::new(Folder::new(), &format!("[auth.jwt]\njwks_url = \"{}\"\n", hook.url()));
    hook.asked();
    let target = ws_target("d1", "c1", &other.token_with(json!({ "kid": "two" }), json!({})));
    let mut waiting = running.server.connect();
    write!(
        waiting,
        "GET {target} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .unwrap();
    // Most likely it has been read by now; whichever rules it waits with, it is let in.
    assert_eq!(running.server.get("/healthz").status, 200);
    running.server.signal("HUP");
    running.server.wait_for_log("reloaded");
    hook.asked();
    drop(release);
    assert_eq!(Reply::read(&mut waiting).unwrap().status, 101);
}

#[test]
fn who_comes_before_the_keys_waits_for_them() {
    let (own, other) = (Signer::p256(), Signer::p256());
    let (release, held) = mpsc::channel::<()>();
    let (held, keys) = (Mutex::new(held), set(&[own.jwk("one")]));
    let hook = Hook::new(move |_| {
        let _ = held.lock().unwrap().recv();
        (200, keys.clone())
    });
    let running = Running::new(Folder::new(), &format!("[auth.jwt]\njwks_url = \"{}\"\n", hook.url()));
    hook.asked();
    let knock = |signer: &Signer| {
        let token = signer.token_with(json!({ "kid": "one" }), json!({}));
        let (target, addr) = (ws_target("d1", "c1", &token), running.server.addr());
        std::thread::spawn(move || {
            let stream = std::net::TcpStream::connect(addr).unwrap();
            crate::support::Ws::open(stream, &target, "").map_or_else(|reply| reply.status, |_| 101)
        })
    };
    let (right, wrong) = (knock(&own), knock(&other));
    let mut sio = Sio::open(&running);
    let token = own.token_with(json!({ "kid": "one" }), json!({ "sub": "ann" }));
    sio.ws.send(&format!("40{}", json!({ "token": token })));
    // Others are served meanwhile.
    assert_eq!(running.server.get("/healthz").status, 200);
    drop(release);
    assert_eq!((right.join().unwrap(), wrong.join().unwrap()), (101, 401));
    assert!(sio.ws.text().starts_with("40{\"sid\""));
    assert_eq!(sio.ask("register", &json!({ "user": "ann" })), json!({ "ok": true }));
}
