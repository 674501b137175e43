//! What TLS costs the server: `cargo test --release --test tls -- --ignored --nocapture cost`.

use crate::certs::{Client, Stream, TLS12, TLS13, connect};
use crate::support::{Folder, Server, Ws, fanfare};
use crate::{Secure, get};
use rustls::HandshakeKind;
use std::fs;
use std::io::{Read, Write};
use std::time::Duration;

const CONNECTIONS: usize = 4_000;
const HANDSHAKES: usize = 1_000;
const LISTENERS: usize = 1_000;
const BROADCASTS: usize = 100;

/// Bytes of the server that are its own: the proportional set size.
fn pss(pid: u32) -> f64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<f64>().unwrap() * 1024.0
}

/// Nanoseconds of CPU that the threads of the server have had.
fn cpu_ns(pid: u32) -> f64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let times = threads.map(|thread| {
        let stat = fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap();
        stat.split(' ').next().unwrap().parse::<f64>().unwrap()
    });
    times.sum()
}

fn target(number: usize) -> String {
    format!("/ws?bizCode=d&clientId=c{number}&group=g{}", number % 100)
}

#[test]
#[ignore = "it measures, and holds to nothing"]
fn cost_of_a_connection() {
    for (name, version) in [("1.2", TLS12), ("1.3", TLS13)] {
        let secure = Secure::start("reactors = 1\nlog = \"warn\"\n[limits]\nidle_s = 0");
        let pid = secure.server.pid();
        // A client without memory, and one with a ticket.
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let remembering = Client::new(&[&secure.cert], &[version]);
            get(&mut remembering.connect(secure.addr(), "localhost").unwrap(), "/healthz");
            let before = cpu_ns(pid);
            for _ in 0..HANDSHAKES {
                let fresh = Client::new(&[&secure.cert], &[version]);
                let client = if kind == HandshakeKind::Full { &fresh } else { &remembering };
                let mut stream = client.connect(secure.addr(), "localhost").unwrap();
                get(&mut stream, "/healthz");
                assert_eq!(stream.conn.handshake_kind(), Some(kind));
            }
            let us = (cpu_ns(pid) - before) / HANDSHAKES as f64 / 1_000.0;
            println!("TLS {name}, {kind:?}: {us:.0} us of CPU for a connection, its handshake and a request");
        }
        let client = Client::new(&[&secure.cert], &[version]);
        let before = pss(pid);
        let held: Vec<Ws<Stream>> = (0..CONNECTIONS)
            .map(|number| {
                let stream = client.connect(secure.addr(), "localhost").unwrap();
                Ws::open(stream, &target(number), "").unwrap()
            })
            .collect();
        // Until free memory was looked for.
        std::thread::sleep(Duration::from_secs(7));
        let bytes = (pss(pid) - before) / held.len() as f64;
        println!("TLS {name}: {bytes:.0} bytes an idle client of /ws, of {CONNECTIONS}");
    }
}

/// Microseconds of CPU for each broadcast to each of these clients, of whom the first sends.
fn delivery(pid: u32, mut clients: Vec<Ws<impl Read + Write>>) -> f64 {
    let before = cpu_ns(pid);
    for number in 0..BROADCASTS {
        let content = "x".repeat(60);
        clients[0].send(&format!(r#"{{"msgId":{number},"mode":300,"content":"{content}"}}"#));
        for client in &mut clients[1..] {
            assert!(client.text().contains(&content));
        }
    }
    (cpu_ns(pid) - before) / (BROADCASTS * (clients.len() - 1)) as f64 / 1_000.0
}

#[test]
#[ignore = "it measures, and holds to nothing"]
fn cost_of_a_delivery() {
    const CONFIG: &str = "reactors = 1\nlog = \"warn\"\n[limits]\nidle_s = 0";
    let folder = Folder::new();
    let file = folder.write("fanfare.toml", CONFIG);
    let server = Server::spawn(&mut fanfare(&["-c", file.to_str().unwrap(), "--listen", "127.0.0.1:0"]));
    let open = |number| Ws::open(connect(server.addr()), &target(number), "").unwrap();
    let us = delivery(server.pid(), (0..LISTENERS).map(open).collect());
    println!("without TLS: {us:.2} us of CPU for one broadcast to one client");
    let secure = Secure::start(CONFIG);
    let us = delivery(
        secure.server.pid(),
        (0..LISTENERS).map(|number| secure.ws(&format!("c{number}"))).collect(),
    );
    println!("TLS 1.3: {us:.2} us of CPU for one broadcast to one client");
}
