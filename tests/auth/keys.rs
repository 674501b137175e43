//! Keys of the HTTP API and their scopes.

use crate::Running;
use crate::support::Folder;

const PUBLISH: (&str, &str, &str) = ("POST", "/api/v1/publish", r#"{"bizCode":"d1","mode":300,"content":1}"#);
const STATS: (&str, &str, &str) = ("GET", "/api/v1/stats", "");
const METRICS: (&str, &str, &str) = ("GET", "/metrics", "");
const LEAVE: (&str, &str, &str) = ("POST", "/api/v1/sockets/leave", r#"{"in":["g1"],"rooms":["g2"]}"#);

fn statuses(running: &Running, key: &str) -> [u16; 4] {
    [PUBLISH, STATS, METRICS, LEAVE].map(|(method, path, body)| {
        let header = format!("Authorization: Bearer {key}\r\n");
        running.server.request(method, path, &header, body).status
    })
}

#[test]
fn a_key_does_what_its_scopes_say() {
    let folder = Folder::new();
    let one = folder.write("key", "all-1\n");
    let more = folder.write("keys", "# of the monitor\nread:r-1\n\n  publish+admin:pa-1\n");
    let config = format!(
        "[api]\nkey_file = \"{}\"\nkeys = [\"publish:p-1\", \"admin:a-1\"]\nkeys_file = \"{}\"\n",
        one.display(),
        more.display()
    );
    let running = Running::new(folder, &config);
    for (key, expected) in [
        ("all-1", [200, 200, 200, 200]),
        ("p-1", [200, 403, 403, 403]),
        ("r-1", [403, 200, 200, 403]),
        ("a-1", [403, 403, 403, 200]),
        ("pa-1", [200, 403, 403, 200]),
        ("p-2", [401; 4]),
        ("publish:p-1", [401; 4]),
        ("", [401; 4]),
    ] {
        assert_eq!(statuses(&running, key), expected, "{key}");
    }
    let refused = running.server.request("GET", "/metrics", "Authorization: Bearer p-1\r\n", "");
    let told =
        r#"{"code":"forbidden","message":"this key may not be used for that: it needs the scope read"}"#;
    assert_eq!(refused.body, told);
    for open in ["/healthz", "/readyz", "/"] {
        assert_eq!(running.server.get(open).status, 200);
    }
}
