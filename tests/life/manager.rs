//! A service manager, as far as sd_notify(3) goes: a socket that hears of the service.

use crate::support::{Folder, PATIENCE, Received, Server, fanfare};
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::{Duration, Instant};

pub(crate) struct Manager {
    socket: UnixDatagram,
    folder: Folder,
}

impl Manager {
    pub(crate) fn new() -> Manager {
        let folder = Folder::new();
        let socket = UnixDatagram::bind(folder.path("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Manager { socket, folder }
    }

    /// Has a command tell this one.
    pub(crate) fn of<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.env("NOTIFY_SOCKET", self.folder.path("notify"))
    }

    /// The next message: its lines.
    pub(crate) fn next(&self) -> Vec<String> {
        let mut bytes = [0; 4_096];
        let count = self.socket.recv(&mut bytes).expect("a message");
        let text = std::str::from_utf8(&bytes[..count]).expect("text");
        text.lines().map(str::to_owned).collect()
    }

    /// Waits for a message with this line; what came before is passed over.
    pub(crate) fn wait_for(&self, line: &str) -> Vec<String> {
        let start = Instant::now();
        loop {
            let message = self.next();
            if message.iter().any(|found| found == line) {
                return message;
            }
            assert!(start.elapsed() < PATIENCE, "never: {line}");
        }
    }
}

fn value<'m>(message: &'m [String], name: &str) -> &'m str {
    let found = message.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no {name} in {message:?}"))
}

#[test]
fn it_is_told_of_every_step() {
    let manager = Manager::new();
    let folder = Folder::new();
    let file = folder.write("fanfare.toml", "[drain]\nseconds = 3\n");
    let mut command = fanfare(&["--listen", "127.0.0.1:0", "-c", file.to_str().unwrap()]);
    let mut server = Server::spawn(manager.of(&mut command));
    let ready = manager.next();
    assert_eq!((ready[0].as_str(), value(&ready, "STATUS")), ("READY=1", "0 clients"));
    assert_eq!(server.get("/readyz").status, 200);

    let mut clients: Vec<_> = (0..3).map(|n| server.client("d", &format!("c{n}"), "")).collect();
    server.signal("HUP");
    let reloading = manager.next();
    assert_eq!(reloading[0], "RELOADING=1");
    // As clock_gettime(2) counts: in microseconds since the machine began, not since 1970.
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    let told: f64 = value(&reloading, "MONOTONIC_USEC").parse().unwrap();
    assert!(told > 0.0 && told / 1e6 <= uptime + 1.0, "{told} {uptime}");
    assert_eq!(manager.next(), ["READY=1", "STATUS=3 clients"]);

    server.signal("TERM");
    let stopping = manager.next();
    assert_eq!(stopping, ["STOPPING=1", "STATUS=Draining, 3 clients left"]);
    for client in &mut clients {
        assert_eq!(client.closed(), (1012, "service restart".to_owned()));
        client.send_close(1012);
        assert_eq!(client.recv(), Received::End);
    }
    // Two of the three seconds are long enough to ask for more time.
    let more = manager.next();
    assert!(value(&more, "EXTEND_TIMEOUT_USEC").parse::<u64>().unwrap() >= 5_000_000, "{more:?}");
    assert!(value(&more, "STATUS").starts_with("Draining, "), "{more:?}");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn it_hears_that_all_reactors_turn_although_nothing_happens() {
    let manager = Manager::new();
    let mut command = fanfare(&["--listen", "127.0.0.1:0", "--reactors", "3"]);
    let server = Server::spawn(manager.of(command.env("WATCHDOG_USEC", "200000")));
    for _ in 0..5 {
        manager.wait_for("WATCHDOG=1");
    }
    assert!(!server.log().contains("has not turned"), "{}", server.log());
}

#[test]
fn a_watchdog_of_another_process_and_none_are_not_told() {
    let manager = Manager::new();
    let mut command = fanfare(&["--listen", "127.0.0.1:0"]);
    let _server = Server::spawn(manager.of(command.env("WATCHDOG_USEC", "1000").env("WATCHDOG_PID", "1")));
    assert_eq!(manager.next()[0], "READY=1");
    manager.socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(manager.socket.recv(&mut [0; 64]).is_err(), "nobody asked for more");
}

#[test]
fn a_manager_that_is_gone_is_no_reason_to_end() {
    let folder = Folder::new();
    let mut command = fanfare(&["--listen", "127.0.0.1:0"]);
    let mut server = Server::spawn(command.env("NOTIFY_SOCKET", folder.path("nobody")));
    server.wait_for_log("the service manager cannot be told");
    assert_eq!(server.get("/readyz").status, 200);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
}
