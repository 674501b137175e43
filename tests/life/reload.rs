//! SIGHUP: what changes without a restart does, and what is wrong changes nothing.

use crate::support::{Folder, PATIENCE, Reply, Server, Ws, fanfare};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// A server whose file is changed.
struct Changing {
    folder: Folder,
    server: Server,
    reloads: usize,
}

impl Changing {
    fn start(file: &str) -> Changing {
        let folder = Folder::new();
        let path = folder.write("fanfare.toml", file);
        let server = Server::configured(&path);
        Changing { folder, server, reloads: 0 }
    }

    /// Writes the file anew and waits until it was read; what the log says of it.
    fn change(&mut self, file: &str) -> String {
        self.folder.write("fanfare.toml", file);
        let before = self.server.log().len();
        self.server.signal("HUP");
        self.reloads += 1;
        let start = Instant::now();
        loop {
            let log = self.server.log();
            if log.matches("reloaded").count() == self.reloads && log.ends_with('\n') {
                // What needs a restart stands in the next line; whatever asks next comes after it.
                assert_eq!(self.server.get("/readyz").status, 200, "every reactor has taken its mail");
                return self.server.log()[before..].to_owned();
            }
            assert!(start.elapsed() < PATIENCE, "not read again: {log}");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    fn status(&self, target: &str, headers: &str) -> u16 {
        match Ws::open(self.server.connect(), target, headers) {
            Ok(_) => 101,
            Err(Reply { status, .. }) => status,
        }
    }
}

const CLIENT: &str = "/ws?bizCode=d&clientId=c";

#[test]
fn tokens_keys_origins_and_limits_change_for_who_comes_next() {
    let mut changing = Changing::start("[limits]\nconnections = 3\n");
    assert_eq!(changing.status(CLIENT, "Origin: https://b.example\r\n"), 101);
    let mut stays = changing.server.client("d", "stays", "");
    let said = changing.change(
        "log = \"debug\"\n[auth]\ntoken = \"t\"\norigins = [\"https://a.example\"]\n[api]\nkey = \"k\"\n\
         [limits]\nconnections = 3\nmessage_bytes = 100\nrooms_per_socket = 2\n",
    );
    for key in ["log", "auth.token", "auth.origins", "api.key", "limits.message_bytes"] {
        assert!(said.contains(key), "{key} is not in {said}");
    }
    assert!(!said.contains("connections") && !said.contains("needs a restart"), "{said}");
    let with_token = format!("{CLIENT}&token=t");
    assert_eq!(changing.status(CLIENT, ""), 401);
    assert_eq!(changing.status(&with_token, "Origin: https://b.example\r\n"), 403);
    assert_eq!(changing.status(&with_token, "Origin: https://a.example\r\n"), 101);
    assert_eq!(changing.status(&format!("{with_token}&group=a,b"), ""), 400);
    assert_eq!(changing.server.get("/api/v1/stats").status, 401);
    let polling = "/socket.io/?EIO=4&transport=polling";
    assert_eq!(changing.server.get(&format!("{polling}&j=0")).status, 403, "JSONP has no origin");
    // Who was there is there, and the limit of messages is everybody's.
    stays.send(r#"{"mode":1,"msgId":1}"#);
    assert!(stays.text().contains("\"code\":0"));
    stays.send(&format!("{{\"mode\":1,\"msgId\":\"{}\"}}", "x".repeat(100)));
    assert_eq!(stays.closed().0, 1009);
    // Announced to clients of Socket.IO, too.
    let open = changing.server.get(polling);
    assert!(open.body.contains("\"maxPayload\":100"), "{}", open.body);

    // And back: nothing of it is left.
    changing.change("[limits]\nconnections = 2\n");
    let first = changing.server.client("d", "first", "");
    assert_eq!(
        changing.status(CLIENT, ""),
        503,
        "it is full with that one and the session that nobody polls"
    );
    assert_eq!(changing.server.get("/api/v1/stats").status, 200);
    changing.change("");
    assert_eq!(changing.status(CLIENT, ""), 101);
    drop(first);
}

#[test]
fn what_cannot_change_is_named_and_what_is_wrong_changes_nothing() {
    let mut changing = Changing::start("[auth]\ntoken = \"t\"\n");
    let file = "reactors = 7\nlisten = \"127.0.0.1:9\"\n[auth]\ntoken = \"t\"\n[socketio]\neio3 = false\n";
    let said = changing.change(file);
    assert!(said.contains("nothing that is in effect has changed"), "{said}");
    // The address is given by a flag, which wins before and after.
    changing.server.wait_for_log("needs a restart: reactors, socketio.eio3");

    let path = changing.folder.path("fanfare.toml");
    for (broken, why) in [
        ("[auth]\ntoken = \"new\"\n\n[limits]\nidle_s = -1\n", ":5: limits.idle_s: expected a number from 0"),
        ("[auth]\ntoken = \"new\"\nlevel = 1\n", ":3: auth.level: unknown key"),
        ("[auth]\ntoken = \"new\n", ":2: "),
    ] {
        let said = changing.change(broken);
        assert!(said.contains(&format!("{}{why}", path.display())), "{said}");
        assert!(!said.contains("\"new"), "a secret is in the log: {said}");
        assert_eq!(changing.status(&format!("{CLIENT}&token=new"), ""), 401);
        assert_eq!(changing.status(&format!("{CLIENT}&token=t"), ""), 101);
    }
    std::fs::remove_file(&path).unwrap();
    changing.server.signal("HUP");
    changing.server.wait_for_log("No such file");
    assert_eq!(changing.status(CLIENT, ""), 401);
    changing.server.signal("INT");
    assert_eq!(changing.server.wait().code(), Some(0));
}

#[test]
fn whoever_is_let_in_by_a_secret_cannot_lose_it_while_others_can_come() {
    let folder = Folder::new();
    let secrets = "[auth]\ntoken = \"t\"\n[api]\nkey = \"k\"\n";
    keeps_its_secrets(&folder, &format!("listen = \"0.0.0.0:0\"\n{secrets}"));
}

/// Others can reach where it listens: that stays, whatever the file says, and so do the secrets.
fn keeps_its_secrets(folder: &Folder, started: &str) {
    let path = folder.write("fanfare.toml", started);
    let mut server = Server::spawn(&mut fanfare(&["-c", path.to_str().unwrap()]));
    // The file is right by itself.
    folder.write("fanfare.toml", "listen = \"127.0.0.1:0\"\n");
    server.signal("HUP");
    server.wait_for_log("not reloaded, everything stays as it is: while it listens where it does:");
    assert_eq!(server.try_ws(CLIENT).err().unwrap().status, 401);
    server.signal("INT");
    server.wait();
}

#[test]
fn nor_while_they_can_come_over_tls() {
    let folder = Folder::new();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let cert = folder.write("cert.pem", &made.cert.pem());
    let key = folder.write("key.pem", &made.signing_key.serialize_pem());
    let secrets = "[auth]\ntoken = \"t\"\n[api]\nkey = \"k\"\n";
    let tls = format!(
        "[tls]\nlisten = \"0.0.0.0:0\"\ncert = \"{}\"\nkey = \"{}\"\n",
        cert.display(),
        key.display()
    );
    let local = "listen = \"127.0.0.1:0\"\n";
    keeps_its_secrets(&folder, &format!("{local}{secrets}{tls}"));
}

#[test]
fn a_hundred_reloads_under_load_lose_nothing() {
    const MEMBERS: usize = 12;
    const MESSAGES: usize = 3_000;
    let files = [
        "log = \"info\"\n[limits]\nidle_s = 50\n[auth]\norigins = [\"https://a.example\"]\n",
        "log = \"warn\"\n[limits]\nidle_s = 60\noutbox_bytes = 2_000_000\n",
        "log = \"error\"\n[limits]\nidle_s = no number\n",
    ];
    let folder = Folder::new();
    let path = folder.write("fanfare.toml", files[0]);
    let server = Server::spawn(fanfare(&["--listen", "127.0.0.1:0", "--reactors", "3", "-c"]).arg(&path));
    let mut members: Vec<_> = (0..MEMBERS).map(|n| server.client("d", &format!("c{n}"), "g")).collect();
    let mut sender = server.client("d", "sender", "");
    let done = AtomicBool::new(false);
    let reloads = std::thread::scope(|scope| {
        for member in &mut members {
            scope.spawn(move || {
                for number in 0..MESSAGES {
                    let expected = format!(
                        "{{\"msgId\":{number},\"mode\":200,\"from\":\"sender\",\"group\":\"g\",\"content\":null}}"
                    );
                    assert_eq!(member.text(), expected);
                }
            });
        }
        scope.spawn(|| {
            for number in 0..MESSAGES {
                sender.send(&format!(
                    "{{\"msgId\":{number},\"mode\":200,\"group\":\"g\",\"content\":null,\"receipt\":true}}"
                ));
                let receipt =
                    format!("{{\"msgId\":{number},\"mode\":200,\"code\":0,\"delivered\":{MEMBERS}}}");
                assert_eq!(sender.text(), receipt);
            }
            done.store(true, Ordering::Relaxed);
        });
        let mut reloads = 0;
        while reloads < 100 || !done.load(Ordering::Relaxed) {
            folder.write("fanfare.toml", files[reloads % files.len()]);
            server.signal("HUP");
            reloads += 1;
            // Somebody comes and goes in between.
            drop(server.client("d", "passing", "g2"));
        }
        reloads
    });
    assert!(reloads >= 100);
    assert_eq!(server.get("/readyz").status, 200);
    for (number, member) in members.iter_mut().enumerate() {
        member.send(&format!("{{\"mode\":1,\"msgId\":{number}}}"));
        assert!(member.text().starts_with(&format!("{{\"msgId\":{number},\"mode\":1,\"code\":0")));
    }
}
