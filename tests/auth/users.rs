//! How many connections one user may have.

use crate::hooks::Hook;
use crate::sio::Sio;
use crate::support::{Folder, PATIENCE};
use crate::tokens::Signer;
use crate::{Running, ws_target};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn configured(most: usize) -> String {
    format!(
        "[socketio]\nnamespaces = [\"/news\"]\n[auth.jwt]\nsecret = \"{SECRET}\"\n\
         [limits]\nconnections_per_user = {most}\n"
    )
}

fn token(claims: Value) -> Value {
    json!({ "token": Signer::secret(SECRET).token(claims) })
}

fn too_many() -> Value {
    json!({
        "message": "this user has as many connections as it may",
        "data": { "code": "too_many_connections" },
    })
}

/// Enters with this `auth`; its error, if it is refused.
fn enter(running: &Running, auth: &Value) -> Result<Sio, Value> {
    let mut sio = Sio::open(running);
    sio.enter(auth).map(|()| sio)
}

/// The place of somebody who has just left returns as soon as the server knows.
fn enter_soon(running: &Running, auth: &Value) -> Sio {
    let start = Instant::now();
    loop {
        match enter(running, auth) {
            Ok(sio) => return sio,
            Err(refused) => assert_eq!(refused, too_many()),
        }
        assert!(start.elapsed() < PATIENCE, "no place returns");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_user_has_so_many_sockets_over_all_reactors_and_places_return() {
    let running = Running::new(Folder::new(), &configured(3));
    let ann = token(json!({ "sub": "ann" }));
    let mut seated: Vec<Sio> = (0..3).map(|_| enter(&running, &ann).unwrap()).collect();
    for _ in 0..4 {
        assert_eq!(enter(&running, &ann).map(drop).unwrap_err(), too_many());
    }
    // Others have places of their own, and whose token names no user is not counted.
    for other in [json!({ "sub": "bob" }), json!({}), json!({}), json!({}), json!({})] {
        seated.push(enter(&running, &token(other)).unwrap());
    }
    // Another namespace is another socket, and who is refused is so in that alone.
    let mut refused = Sio::open(&running);
    assert_eq!(refused.enter_at("/news,", &ann).unwrap_err(), too_many());
    refused.enter_at("/news,", &token(json!({ "sub": "eve" }))).unwrap();
    // A newer token takes no place besides, nor does it give one back.
    let fresh = token(json!({ "sub": "ann", "groups": ["g"] }));
    assert_eq!(seated[0].ask("refresh", &fresh), json!({ "ok": true }));
    assert_eq!(enter(&running, &ann).map(drop).unwrap_err(), too_many());
    assert_eq!(seated[0].ask("register", &json!({ "user": "ann" })), json!({ "ok": true }));
    // Whoever leaves the namespace, or the server, leaves a place.
    seated[1].ws.send("41");
    let mut again = enter_soon(&running, &ann);
    assert_eq!(enter(&running, &ann).map(drop).unwrap_err(), too_many());
    drop(seated.remove(0));
    drop(enter_soon(&running, &ann));
    assert_eq!(again.ask("register", &json!({ "group": "g" })), json!({ "ok": true }));
}

#[test]
fn a_reload_changes_how_many() {
    let folder = Folder::new();
    let running = Running::new(folder, &configured(1));
    let mut reloads = 0;
    let mut reload = |config: &str| {
        running.folder.write("fanfare.toml", &format!("reactors = 2\n{config}"));
        running.server.signal("HUP");
        reloads += 1;
        let start = Instant::now();
        while running.server.log().matches("reloaded: changed").count() < reloads {
            assert!(start.elapsed() < PATIENCE, "not read again: {}", running.server.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let ann = token(json!({ "sub": "ann" }));
    let first = enter(&running, &ann).unwrap();
    assert_eq!(enter(&running, &ann).map(drop).unwrap_err(), too_many());
    reload(&configured(2));
    let mut second = enter(&running, &ann).unwrap();
    assert_eq!(enter(&running, &ann).map(drop).unwrap_err(), too_many());
    // Whoever is there stays there.
    reload(&configured(1));
    assert_eq!(second.ask("register", &json!({ "user": "ann" })), json!({ "ok": true }));
    drop(first);
    assert_eq!(enter(&running, &ann).map(drop).unwrap_err(), too_many(), "one is there still");
    reload(&configured(0));
    let _more: Vec<Sio> = (0..4).map(|_| enter(&running, &ann).unwrap()).collect();
}

#[test]
fn the_webhook_says_who_it_is_as_well() {
    let hook = Hook::new(|_| (200, json!({ "user": "ann" }).to_string()));
    let limit = "[limits]\nconnections_per_user = 1\n";
    let running = Running::new(Folder::new(), &format!("[auth.webhook]\nurl = \"{}\"\n{limit}", hook.url()));
    let any = json!({ "token": "x" });
    let first = enter(&running, &any).unwrap();
    assert_eq!(enter(&running, &any).map(drop).unwrap_err(), too_many());
    hook.answers(|_| (200, json!({ "user": "bob" }).to_string()));
    let _other = enter(&running, &any).unwrap();
    hook.answers(|_| (200, json!({ "user": "ann" }).to_string()));
    drop(first);
    drop(enter_soon(&running, &any));
}

#[test]
fn a_client_of_ws_is_one_by_nature() {
    let running = Running::new(Folder::new(), &configured(1));
    let secret = Signer::secret(SECRET);
    let target = ws_target("d1", "ann", &secret.token(json!({ "sub": "ann" })));
    let mut first = running.server.ws(&target);
    let mut second = running.server.ws(&target);
    assert_eq!(first.closed(), (4001, "replaced".to_owned()));
    second.send(r#"{"mode":1,"msgId":1}"#);
    assert!(second.text().starts_with(r#"{"msgId":1,"mode":1,"code":0"#));
    // It takes no place of those of Socket.IO.
    drop(enter(&running, &token(json!({ "sub": "ann" }))).unwrap());
}
