//! Listeners that somebody else has opened: sd_listen_fds(3).

use crate::support::{Ended, Folder, Reply, Server, Ws, fanfare, run};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

/// Opens sockets as the arguments before `--` say (`name=address`, `!` for one that does not listen), puts them where the
/// protocol wants them, and becomes the program.
const OPENER: &str = r#"
import os, socket, sys
split = sys.argv.index('--')
sockets, names = [], []
for given in sys.argv[1:split]:
    name, address = given.split('=', 1)
    if address.startswith('unix:'):
        opened = socket.socket(socket.AF_UNIX)
        opened.bind(address[5:])
    else:
        opened = socket.socket(socket.AF_INET)
        host, port = address.lstrip('!').rsplit(':', 1)
        opened.bind((host, int(port)))
    if not address.startswith('!'):
        opened.listen()
    sockets.append(opened)
    names.append(name)
for number, opened in enumerate(sockets):
    os.dup2(opened.fileno(), 100 + number)
for number in range(len(sockets)):
    os.dup2(100 + number, 3 + number)
    os.close(100 + number)
os.environ.update(LISTEN_FDS=str(len(sockets)), LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES=':'.join(names))
os.execv(sys.argv[split + 1], sys.argv[split + 1:])
"#;

/// The program with these listeners.
fn activated(listeners: &[&str], arguments: &[&str]) -> Command {
    let program = fanfare(&[]);
    let mut command = Command::new("python3");
    command.args(["-c", OPENER]).args(listeners).arg("--").arg(program.get_program()).args(arguments);
    command.env("FANFARE_LISTEN", "127.0.0.1:9").stdin(std::process::Stdio::null());
    command
}

/// The status of a GET over a unix socket.
fn ask(path: &Path, target: &str) -> u16 {
    let mut stream = UnixStream::connect(path).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    Reply::read(&mut stream).unwrap().status
}

#[test]
fn clients_come_by_tcp_and_unix_sockets_that_were_open_before() {
    let folder = Folder::new();
    let path = folder.path("s");
    let unix = format!("fanfare=unix:{}", path.display());
    let mut server = Server::spawn(&mut activated(&["fanfare=127.0.0.1:0", &unix], &["--reactors", "3"]));
    server.wait_for_log(&format!("listening on unix:{}", path.display()));
    assert!(!server.log().contains("127.0.0.1:9\n"), "what was configured is not used: {}", server.log());
    // Every reactor takes some of them, and all are one server.
    let mut clients: Vec<_> = (0..60).map(|n| server.client("d", &format!("c{n}"), "")).collect();
    let mut over_unix = Ws::open_unix(&path, "/ws?bizCode=d&clientId=u");
    over_unix.send(r#"{"mode":300,"content":1,"receipt":true}"#);
    assert_eq!(over_unix.text(), r#"{"msgId":null,"mode":300,"code":0,"delivered":60}"#);
    for client in &mut clients {
        assert!(client.text().contains("\"from\":\"u\""));
    }
    server.signal("INT");
    drop(clients);
    drop(over_unix);
    assert_eq!(server.wait().code(), Some(0));
    assert!(path.exists(), "the file is whose who made it");
}

#[test]
fn the_name_admin_is_for_operators() {
    let folder = Folder::new();
    let path = folder.path("admin");
    let unix = format!("admin=unix:{}", path.display());
    let server = Server::spawn(&mut activated(&["web=127.0.0.1:0", &unix], &["--reactors", "2"]));
    assert_eq!((server.get("/metrics").status, server.get("/healthz").status), (404, 200));
    assert_eq!((ask(&path, "/metrics"), ask(&path, "/ws")), (200, 404));
}

#[test]
fn what_is_passed_on_is_held_against_the_rule_of_safety_too() {
    let refused = |listeners: &[&str], arguments: &[&str]| -> Ended {
        run(activated(listeners, arguments).env("FANFARE_LOG", "off"))
    };
    let ended = refused(&["fanfare=0.0.0.0:0"], &[]);
    assert_eq!(ended.status, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("other machines can reach 0.0.0.0:"), "{ended:?}");
    let ended = refused(&["fanfare=!127.0.0.1:0"], &[]);
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("\"fanfare\"") && ended.stderr.contains("does not listen"), "{ended:?}");
}

#[test]
fn what_is_for_another_process_is_left_alone() {
    let mut command = fanfare(&["--listen", "127.0.0.1:0"]);
    let server = Server::spawn(command.env("LISTEN_FDS", "1").env("LISTEN_PID", "1"));
    assert_eq!(server.get("/healthz").status, 200);
}
