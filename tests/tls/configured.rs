//! What the configuration says of TLS: what is taken, and what is refused with its key and reason.

use crate::certs::{Cert, Client, TLS12, TLS13};
use crate::support::{Folder, Server, fanfare, run};
use std::net::SocketAddr;

#[test]
fn certificates_that_cannot_be_used_are_errors_of_the_configuration() {
    let folder = Folder::new();
    let (a, b) = (Cert::write(&folder, "a", "localhost"), Cert::write(&folder, "b", "localhost"));
    let junk = folder.write("junk", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let (junk, gone) = (junk.to_str().unwrap(), "/nonexistent/file");
    for (cert, key, flag, what) in [
        (gone, a.key(), "--tls-cert", "/nonexistent/file cannot be read"),
        (a.cert(), gone, "--tls-key", "/nonexistent/file cannot be read"),
        (a.key(), a.key(), "--tls-cert", "no certificate in it"),
        (a.cert(), a.cert(), "--tls-key", "no private key in it"),
        (a.cert(), b.key(), "--tls-key", "is not that of"),
        (junk, a.key(), "--tls-cert", "no certificate that can be used in it: BadEncoding"),
    ] {
        for command in ["serve", "check"] {
            let ended = run(&mut fanfare(&[
                command,
                "--tls-listen",
                "127.0.0.1:0",
                "--tls-cert",
                cert,
                "--tls-key",
                key,
            ]));
            assert_eq!((ended.status, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
            assert!(ended.stderr.contains(flag) && ended.stderr.contains(what), "{what}: {}", ended.stderr);
        }
    }
}

#[test]
fn what_does_not_go_together_is_refused() {
    let folder = Folder::new();
    let cert = Cert::write(&folder, "a", "localhost");
    let files = format!("cert = {:?}\nkey = {:?}\n", cert.cert(), cert.key());
    for (config, what) in [
        ("[tls]\nlisten = \"127.0.0.1:0\"\n".to_owned(), ":2: tls.listen: expected tls.cert and tls.key"),
        (format!("[tls]\n{files}"), ":2: tls.cert: expected tls.listen with it"),
        (
            format!("[tls]\nlisten = \"127.0.0.1:0\"\ncert = {:?}\n", cert.cert()),
            ":3: tls.cert: expected as many",
        ),
        (
            format!("[tls]\nlisten = \"127.0.0.1:0\"\nkey = {:?}\n", cert.key()),
            ":3: tls.key: expected as many",
        ),
        (
            format!("[tls]\nlisten = \"0.0.0.0:0\"\n{files}"),
            ":2: tls.listen: other machines can reach 0.0.0.0:0",
        ),
        (
            format!("[tls]\nlisten = \"127.0.0.1:0\"\nmin_version = \"1.1\"\n{files}"),
            ":3: tls.min_version: expected 1.2 or 1.3",
        ),
        (
            format!("listen = \"127.0.0.1:4443\"\n[tls]\nlisten = \"127.0.0.1:4443\"\n{files}"),
            ":3: tls.listen: expected addresses other than those of listen",
        ),
        (
            format!("[admin]\nlisten = \"127.0.0.1:4443\"\n[tls]\nlisten = \"127.0.0.1:4443\"\n{files}"),
            ":2: admin.listen: expected addresses other than those of tls.listen",
        ),
    ] {
        let file = folder.write("fanfare.toml", &config);
        let ended = run(&mut fanfare(&["check", "-c", file.to_str().unwrap()]));
        assert_eq!(ended.status, Some(2), "{config}: {ended:?}");
        assert!(ended.stderr.contains(what), "{what}: {}", ended.stderr);
    }
}

#[test]
fn what_check_prints_says_the_same_again() {
    let folder = Folder::new();
    let cert = Cert::write(&folder, "a", "localhost");
    let flags = ["--tls-listen", "127.0.0.1:0", "--tls-cert", cert.cert(), "--tls-key", cert.key()];
    let shown = run(fanfare(&["check"]).args(flags)).stdout;
    assert!(shown.contains("# listen is not set\n"), "{shown}");
    let file = folder.write("shown.toml", &shown);
    let again = run(&mut fanfare(&["check", "-c", file.to_str().unwrap()]));
    let plain = |shown: &str| -> Vec<String> {
        shown.lines().map(|line| line.split(" # ").next().unwrap_or(line).to_owned()).collect()
    };
    assert_eq!((again.status, plain(&again.stdout)), (Some(0), plain(&shown)));
}

#[test]
fn the_oldest_version_is_as_configured_and_both_kinds_of_address_serve() {
    let folder = Folder::new();
    let cert = Cert::write(&folder, "a", "localhost");
    let text = format!(
        "listen = [\"127.0.0.1:0\"]\n[tls]\nlisten = [\"127.0.0.1:0\"]\ncert = [{:?}]\nkey = [{:?}]\nmin_version = \"1.3\"\n",
        cert.cert(),
        cert.key()
    );
    let file = folder.write("fanfare.toml", &text);
    let shown = run(&mut fanfare(&["check", "-c", file.to_str().unwrap()]));
    assert!(shown.stdout.contains("\nmin_version = \"1.3\" # "), "{}", shown.stdout);
    let server = Server::spawn(&mut fanfare(&["-c", file.to_str().unwrap()]));
    assert!(server.ready.starts_with("fanfare ready on http://127.0.0.1:"), "{}", server.ready);
    assert_eq!(server.get("/healthz").status, 200);
    server.wait_for_log(" with TLS");
    let addr = secure_addr(&server);
    assert!(Client::new(&[&cert], &[TLS12]).connect(addr, "localhost").is_err());
    let mut stream = Client::new(&[&cert], &[TLS13]).connect(addr, "localhost").unwrap();
    assert_eq!(crate::get(&mut stream, "/healthz").status, 200);
}

/// Where a server listens with TLS, as it says itself.
fn secure_addr(server: &Server) -> SocketAddr {
    server.wait_for_log(" with TLS");
    let log = server.log();
    let line = log.lines().find(|line| line.ends_with(" with TLS")).unwrap();
    line.split(' ').rev().nth(2).unwrap().parse().unwrap()
}

#[test]
fn a_signal_has_the_files_read_again_and_what_is_wrong_with_them_changes_nothing() {
    let folder = Folder::new();
    let old = Cert::write(&folder, "a", "localhost");
    let flags = ["--listen", "127.0.0.1:0", "--tls-listen", "127.0.0.1:0", "--tls-cert", old.cert()];
    let server = Server::spawn(fanfare(&flags).args(["--tls-key", old.key()]));
    let addr = secure_addr(&server);
    let connect = |cert: &Cert| Client::new(&[cert], &[TLS13]).connect(addr, "localhost");
    let mut stays = connect(&old).unwrap();

    let new = Cert::write(&folder, "a", "localhost");
    server.signal("HUP");
    server.wait_for_log("reloaded");
    assert!(connect(&old).is_err());
    let mut comes = connect(&new).unwrap();
    assert_eq!(crate::get(&mut stays, "/healthz").status, 200);
    assert_eq!(crate::get(&mut comes, "/healthz").status, 200);

    folder.write("a.key", "no key");
    server.signal("HUP");
    server.wait_for_log("no private key in it");
    let mut comes = connect(&new).unwrap();
    assert_eq!(crate::get(&mut comes, "/healthz").status, 200);
}
