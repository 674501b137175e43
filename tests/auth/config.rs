//! What of all that can be configured, and what is refused before anything listens.

use crate::Running;
use crate::support::{Folder, fanfare, run};
use crate::tokens::Signer;
use crate::ws_target;

/// What `fanfare check` says to a configuration: its status, and its output or its error.
fn check(folder: &Folder, config: &str) -> (Option<i32>, String) {
    let file = folder.write("check.toml", config);
    let ended = run(&mut fanfare(&["check", "-c", file.to_str().unwrap()]));
    (ended.status, if ended.status == Some(0) { ended.stdout } else { ended.stderr })
}

#[test]
fn secrets_may_come_from_files_and_are_not_shown() {
    let folder = Folder::new();
    let token = folder.write("token", "very-secret-token\n");
    let secret = folder.write("secret", "very-secret-0123456789abcdef0123456789");
    let config = format!(
        "[auth]\ntoken_file = \"{}\"\n[auth.jwt]\nsecret_file = \"{}\"\n[auth.webhook]\n\
         url = \"http://user:very-secret@127.0.0.1:1/x?key=very-secret\"\n[api]\nkeys = [\"read:very-secret\"]\nkey = \"very-secret\"\n",
        token.display(),
        secret.display()
    );
    let (status, shown) = check(&folder, &config);
    assert_eq!(status, Some(0), "{shown}");
    assert!(!shown.contains("very-secret"), "{shown}");
    for part in [
        "# token is in token_file",
        &format!("token_file = \"{}\"", token.display()),
        "# secret is in secret_file",
        "key = \"***\"",
        "keys = [\"read:***\"]",
        "url = \"http://***@127.0.0.1:1/x?***\"",
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    // As systemd gives credentials, and a shell variables.
    let mut command = fanfare(&["--listen", "127.0.0.1:0"]);
    let server = crate::support::Server::spawn(command.env("FANFARE_AUTH_TOKEN_FILE", &token));
    let running = Running { server, folder };
    assert_eq!(running.knock(&ws_target("d1", "c1", "very-secret-token")).0, 101);
    assert_eq!(running.knock(&ws_target("d1", "c1", "other")).0, 401);
    drop(running.folder);
}

#[test]
fn what_is_shown_of_secrets_in_files_can_be_read_again() {
    let folder = Folder::new();
    let path = |name: &str, text: &str| folder.write(name, text).display().to_string();
    let token = path("token", "t-secret\n");
    let jwt = path("jwt", "0123456789abcdef0123456789abcdef");
    let keys = path("keys", "admin:k-secret\npublish:l-secret\n");
    let config = format!(
        "[auth]\ntoken_file = \"{token}\"\n[auth.jwt]\nsecret_file = \"{jwt}\"\n\
         [api]\nkey_file = \"{token}\"\nkeys_file = \"{keys}\"\n"
    );
    let values = |shown: &str| -> Vec<String> {
        // Without where they come from, which has changed.
        shown.lines().map(|line| line.split(" # ").next().unwrap().to_owned()).collect()
    };
    let (status, first) = check(&folder, &config);
    assert_eq!(status, Some(0), "{first}");
    assert!(!first.contains("***"), "all of them are in files: {first}");
    let (status, second) = check(&folder, &first);
    assert_eq!((status, values(&second)), (Some(0), values(&first)));
    // They are the same as well.
    let running = Running::new(folder, &first.replace("reactors = 0", ""));
    assert_eq!(running.knock(&ws_target("d1", "c1", "t-secret")).0, 101);
    let status = |key: &str| {
        let key = format!("Authorization: Bearer {key}\r\n");
        running.server.request("GET", "/api/v1/stats", &key, "").status
    };
    assert_eq!((status("t-secret"), status("k-secret"), status("l-secret")), (200, 403, 403));
}

#[test]
fn what_would_not_protect_is_refused() {
    let folder = Folder::new();
    let missing = folder.path("nothing");
    let path = |name: &str, text: &str| folder.write(name, text).display().to_string();
    let empty = path("empty", "\n");
    let private = path("private.pem", include_str!("rsa.pem"));
    let junk = path("junk.pem", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
    let no_keys = path("no_keys.json", "{\"keys\":[]}");
    let token = path("good", "456");
    let keys = path("keys", "read:r\nwrite:w-secret\n");
    let file = |key: &str, path: &str| format!("{key} = \"{path}\"\n");
    for (config, line, told) in [
        (format!("[auth]\n{}", file("token_file", &missing.display().to_string())), 2, "No such file"),
        (format!("[auth]\n{}", file("token_file", &empty)), 2, "visible ASCII"),
        (format!("[auth]\ntoken = \"1\"\n{}", file("token_file", &token)), 3, "auth.token is set, too"),
        (format!("[api]\nkey = \"1\"\n{}", file("key_file", &token)), 3, "api.key is set, too"),
        (format!("[api]\n{}", file("keys_file", &keys)), 2, ":2: expected publish+read:KEY"),
        ("[api]\nkeys = [\"write:w-secret\"]\n".to_owned(), 2, "publish+read:KEY"),
        ("[auth.jwt]\nsecret = \"0123456789abcdef0123456789abcde\"\n".to_owned(), 2, "at least 32 bytes"),
        (format!("[auth.jwt]\n{}", file("secret_file", &token)), 2, "at least 32 bytes"),
        (
            "[auth]\ntoken = \"t\"\n[limits]\nconnections_per_user = 1\n".to_owned(),
            4,
            "nothing else names users",
        ),
        (format!("[auth.jwt]\n{}", file("public_key_file", &private)), 2, "public keys only"),
        (format!("[auth.jwt]\n{}", file("public_key_file", &junk)), 2, "RSA (2048 bits or more), P-256"),
        (format!("[auth.jwt]\n{}", file("public_key_file", &token)), 2, "in PEM"),
        (format!("[auth.jwt]\n{}", file("jwks_file", &no_keys)), 2, "no key for RS256"),
        (format!("[auth.jwt]\n{}", file("jwks_file", &token)), 2, "expected a key set"),
        ("[auth.jwt]\naudience = [\"a\"]\n".to_owned(), 2, "to be set as well"),
        ("[auth.jwt]\nleeway_s = 5\n".to_owned(), 2, "to be set as well"),
        ("[auth.webhook]\ncache_s = 5\n".to_owned(), 2, "auth.webhook.url to be set as well"),
        ("[auth.webhook]\nurl = \"ftp://x\"\n".to_owned(), 2, "https://auth.example/check"),
        ("[auth.jwt]\njwks_url = \"https:///x\"\n".to_owned(), 2, "https://auth.example/check"),
        ("[auth]\nclient_publish = [\"d1:users:*\"]\n".to_owned(), 2, "d1:group:news-*"),
        (
            "[socketio]\ncors = [\"https://a.example\"]\ncors_credentials = true\n".to_owned(),
            3,
            "expected auth.origins to be set as well",
        ),
    ] {
        let (status, error) = check(&folder, &config);
        assert_eq!(status, Some(2), "{config}: {error}");
        assert!(error.contains(&format!("check.toml:{line}: ")) && error.contains(told), "{config}: {error}");
        assert!(!error.contains("w-secret"), "{error}");
    }
    let with_origins = "[auth]\norigins = [\"https://a.example\"]\n[socketio]\ncors = [\"https://a.example\"]\ncors_credentials = true\n";
    assert_eq!(check(&folder, with_origins).0, Some(0));
}

#[test]
fn every_way_in_counts_where_others_can_reach_the_server() {
    let folder = Folder::new();
    let pem = folder.write("keys.pem", &Signer::ed25519().pem());
    let listen = "listen = [\"0.0.0.0:3000\"]\n";
    let api = "[api]\nkeys = [\"publish:p\"]\n";
    for auth in [
        "[auth]\ntoken = \"456\"\n".to_owned(),
        format!("[auth.jwt]\npublic_key_file = \"{}\"\n", pem.display()),
        "[auth.jwt]\njwks_url = \"https://auth.example/jwks\"\n".to_owned(),
        "[auth.webhook]\nurl = \"https://auth.example/\"\n".to_owned(),
    ] {
        let (status, told) = check(&folder, &format!("{listen}{auth}{api}"));
        assert_eq!(status, Some(0), "{auth}: {told}");
        let (status, told) = check(&folder, &format!("{listen}{auth}"));
        assert_eq!((status, told.contains("set api.key")), (Some(2), true), "{told}");
    }
    let (status, told) = check(&folder, &format!("{listen}{api}"));
    assert_eq!((status, told.contains("set auth.token")), (Some(2), true), "{told}");
}

#[test]
fn the_servers_own_pages_may_connect_where_origins_are_listed() {
    let folder = Folder::new();
    let running = Running::new(folder, "[auth]\norigins = [\"https://a.example\"]\n");
    let target = "/ws?bizCode=d1&clientId=c1";
    let at = running.server.at.clone();
    let knock = |origin: &str, host: &str| {
        use std::io::Write;
        let mut stream = running.server.connect();
        write!(
            stream,
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        .unwrap();
        crate::support::Reply::read(&mut stream).unwrap().status
    };
    assert_eq!(knock("https://a.example", &at), 101);
    assert_eq!(knock(&format!("http://{at}"), &at), 101);
    for foreign in ["https://b.example", "http://127.0.0.1:1", "null", ""] {
        assert_eq!(knock(foreign, &at), 403, "{foreign}");
    }
    // A name that somebody else may have pointed here.
    assert_eq!(knock("http://evil.example", "evil.example"), 403);
}
