//! The drain: everybody is told, one after the other, and whoever comes back finds the next server at the same address.

use crate::support::{Folder, PATIENCE, Received, Reply, Server, Ws, fanfare};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

/// A server that is drained over so many seconds.
fn server(arguments: &[&str], seconds: u32, grace_s: u32) -> Server {
    let mut command = fanfare(&["--listen", "127.0.0.1:0"]);
    command.env("FANFARE_DRAIN_SECONDS", seconds.to_string());
    Server::spawn(command.env("FANFARE_DRAIN_GRACE_S", grace_s.to_string()).args(arguments))
}

fn get(stream: &mut TcpStream, target: &str) -> Reply {
    write!(stream, "GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    Reply::read(stream).unwrap()
}

#[test]
fn everybody_is_told_and_the_next_server_takes_the_address_meanwhile() {
    let mut first = server(&["--reactors", "2"], 2, 0);
    let at = first.at.clone();
    let mut clients: Vec<_> = (0..40).map(|n| first.client("d", &format!("c{n}"), "g")).collect();
    let begun = Instant::now();
    first.signal("TERM");
    first.wait_for_log("no longer listening");
    // Without SO_REUSEPORT this would fail while anybody listens.
    let second = Server::spawn(&mut fanfare(&["--listen", &at, "--reactors", "2"]));
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.closed(), (1012, "service restart".to_owned()));
        client.send_close(1012);
        assert_eq!(client.recv(), Received::End);
        drop(second.client("d", &format!("back{number}"), "g"));
    }
    assert_eq!(first.wait().code(), Some(0), "{}", first.log());
    assert!(begun.elapsed().as_secs_f64() > 1.5, "they are not closed at once");
    assert!(first.log().contains("draining 40 clients over 2 s") && first.log().contains("drained"));
    assert_eq!(second.get("/readyz").status, 200);
}

#[test]
fn an_empty_server_ends_at_once_also_if_they_left_by_themselves() {
    let mut empty = server(&["--reactors", "2"], 3_600, 0);
    let kept_alive = empty.connect();
    empty.signal("TERM");
    assert_eq!(empty.wait().code(), Some(0));
    drop(kept_alive);

    let mut left = server(&["--reactors", "2"], 3_600, 0);
    let clients: Vec<_> = (0..10).map(|n| left.client("d", &format!("c{n}"), "")).collect();
    left.signal("TERM");
    left.wait_for_log("no longer listening");
    drop(clients);
    assert_eq!(left.wait().code(), Some(0));
}

#[test]
fn newcomers_on_connections_that_are_here_are_refused_and_told_when_to_come() {
    let server = server(&["--reactors", "1"], 3_600, 0);
    // One is closed first, the other stays.
    let _clients = [server.client("d", "c1", ""), server.client("d", "c2", "")];
    let mut waiting: Vec<_> = (0..30).map(|_| server.connect()).collect();
    let mut idle = server.connect();
    assert_eq!(get(&mut idle, "/readyz").status, 200);
    server.signal("TERM");
    server.wait_for_log("no longer listening");
    // Between two requests there is nobody to wait for.
    assert_eq!(idle.read(&mut [0; 1]).unwrap(), 0);
    let ready = get(&mut waiting.pop().unwrap(), "/readyz");
    assert_eq!((ready.status, ready.header("connection")), (503, Some("close")));
    assert!(ready.body.contains("\"draining\""), "{}", ready.body);
    let metrics = get(&mut waiting.pop().unwrap(), "/metrics").body;
    assert!(
        metrics.contains("\nfanfare_draining 1\n") && metrics.contains("\nfanfare_drain_left 1\n"),
        "{metrics}"
    );
    assert!(metrics.contains("fanfare_closed_total{reason=\"drain\"} 1\n"), "{metrics}");
    let mut pauses = BTreeSet::new();
    for (number, stream) in waiting.into_iter().enumerate() {
        let reply = if number % 2 == 0 {
            Ws::open(stream, &format!("/ws?bizCode=d&clientId=n{number}"), "").err().unwrap()
        } else {
            let mut stream = stream;
            get(&mut stream, "/socket.io/?EIO=4&transport=polling")
        };
        assert_eq!(reply.status, 503, "{reply:?}");
        assert!(reply.body.contains("\"code\":\"draining\""), "{}", reply.body);
        pauses.insert(reply.header("retry-after").unwrap().parse::<u32>().unwrap());
    }
    assert_eq!(pauses, (1..=10).collect(), "nobody is told the same as the next");
}

#[test]
fn who_waits_to_be_accepted_is_accepted_and_told() {
    let folder = Folder::new();
    let path = folder.path("s");
    let server = server(&["--reactors", "1", "--listen", &format!("unix:{}", path.display())], 3_600, 0);
    let _clients = [server.client("d", "c1", ""), server.client("d", "c2", "")];
    // They are connected for the kernel; with a server that stands still they cannot have been accepted.
    server.signal("STOP");
    let waiting: Vec<_> = (0..300).map(|_| server.connect()).collect();
    server.signal("TERM");
    server.signal("CONT");
    for (number, stream) in waiting.into_iter().enumerate() {
        let target = format!("/ws?bizCode=d&clientId=n{number}");
        // One that came in before the signal was looked at is a client.
        if let Err(reply) = Ws::open(stream, &target, "") {
            assert_eq!(reply.status, 503);
        }
    }
    server.wait_for_log("no longer listening");
    assert!(std::os::unix::net::UnixStream::connect(&path).is_err());
}

#[test]
fn who_waits_for_the_accept_rate_is_told_too() {
    let mut command = fanfare(&["--listen", "127.0.0.1:0", "--reactors", "1"]);
    command.env("FANFARE_DRAIN_SECONDS", "3600").env("FANFARE_DRAIN_GRACE_S", "0");
    let server = Server::spawn(command.env("FANFARE_LIMITS_ACCEPTS_PER_S", "5"));
    let _clients = [server.client("d", "c1", ""), server.client("d", "c2", "")];
    // They would wait for ten seconds.
    let waiting: Vec<_> = (0..50).map(|_| server.connect()).collect();
    server.signal("TERM");
    for (number, stream) in waiting.into_iter().enumerate() {
        if let Err(reply) = Ws::open(stream, &format!("/ws?bizCode=d&clientId=n{number}"), "") {
            assert_eq!(reply.status, 503);
        }
    }
    server.wait_for_log("no longer listening");
}

#[test]
fn in_the_time_of_grace_it_is_not_ready_but_takes_everybody() {
    let mut server = server(&["--reactors", "2"], 1, 2);
    let mut before = server.client("d", "before", "");
    server.signal("TERM");
    let start = Instant::now();
    while server.get("/readyz").status != 503 {
        assert!(start.elapsed() < PATIENCE);
    }
    let mut newcomer = server.client("d", "newcomer", "");
    newcomer.send(r#"{"mode":100,"targetClientId":"before","content":1}"#);
    assert!(before.text().contains("\"from\":\"newcomer\""));
    for client in [&mut before, &mut newcomer] {
        assert_eq!(client.closed().0, 1012);
        client.send_close(1012);
    }
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn another_pace_holds_for_who_is_left_and_the_second_signal_ends_at_once() {
    let server_of = || server(&["--reactors", "2"], 3_600, 0);
    let mut quick = server_of();
    let mut clients: Vec<_> = (0..20).map(|n| quick.client("d", &format!("c{n}"), "")).collect();
    let mut asking = quick.connect();
    write!(asking, "POST /api/v1/drain HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").unwrap();
    let answer = Reply::read(&mut asking).unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (202, r#"{"connections":20,"over_s":3600}"#));
    quick.wait_for_log("no longer listening");
    // A signal now is the first one, and goes on with what has begun; INT ends it as it always does.
    quick.signal("TERM");
    quick.wait_for_log("SIGTERM: the drain goes on");
    quick.signal("TERM");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&quick.wait()), Some(15));
    drop(clients);

    let mut stopped = server_of();
    clients = (0..20).map(|n| stopped.client("d", &format!("c{n}"), "")).collect();
    let mut asking = [stopped.connect(), stopped.connect()];
    write!(asking[0], "POST /api/v1/drain HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert_eq!(Reply::read(&mut asking[0]).unwrap().status, 202);
    stopped.wait_for_log("no longer listening");
    let body = r#"{"over_s":0}"#;
    write!(
        asking[1],
        "POST /api/v1/drain HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let answer = Reply::read(&mut asking[1]).unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
    for client in &mut clients {
        assert_eq!(client.closed().0, 1012);
        client.send_close(1012);
    }
    assert_eq!(stopped.wait().code(), Some(0));
}

#[test]
fn a_signal_right_behind_the_first_one_is_the_second_one() {
    for _ in 0..10 {
        let mut server = server(&["--reactors", "2"], 3_600, 0);
        let _clients =
            [server.client("d", "c1", ""), server.client("d", "c2", ""), server.client("d", "c3", "")];
        // One command, so that hardly any time passes. Of two that are the same the kernel may make one.
        let pid = server.pid();
        let command = format!("kill -TERM {pid}; kill -INT {pid}");
        assert!(std::process::Command::new("sh").args(["-c", &command]).status().unwrap().success());
        let ended = server.wait();
        // The kernel gives the lower number first where both wait: then it stops as SIGINT has it, or by the other one.
        let by = std::os::unix::process::ExitStatusExt::signal(&ended);
        assert!(matches!((by, ended.code()), (Some(2 | 15), _) | (None, Some(0))), "{ended:?}");
    }
}

#[test]
fn only_the_file_that_the_server_made_is_removed() {
    let folder = Folder::new();
    let unix = format!("unix:{}", folder.path("s").display());
    let mut first = Server::spawn(fanfare(&["--listen", &unix]).env("FANFARE_DRAIN_SECONDS", "3600"));
    let mut clients: Vec<_> =
        (0..4).map(|n| Ws::open_unix(&folder.path("s"), &format!("/ws?bizCode=d&clientId=c{n}"))).collect();
    first.signal("TERM");
    first.wait_for_log("no longer listening");
    let second = Server::spawn(&mut fanfare(&["--listen", &unix]));
    clients.clear();
    assert_eq!(first.wait().code(), Some(0));
    assert!(folder.path("s").exists(), "it is the second server's");
    let mut client = Ws::open_unix(&folder.path("s"), "/ws?bizCode=d&clientId=c");
    client.send(r#"{"mode":1}"#);
    assert!(client.text().contains("\"code\":0"));
    drop(second);
}
