//! What a connection with TLS costs the server: `cargo test --release --test tls -- --ignored --nocapture cost`.

use crate::certs::{Client, Stream, TLS12, TLS13};
use crate::support::Ws;
use crate::{Secure, get};
use rustls::HandshakeKind;
use std::fs;

const CONNECTIONS: usize = 4_000;
const HANDSHAKES: usize = 1_000;

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

#[test]
#[ignore = "it measures, and holds to nothing"]
fn cost_of_a_connection() {
    let secure = Secure::start("reactors = 1\nlog = \"warn\"\n[limits]\nidle_s = 0");
    let pid = secure.server.pid();
    for (name, version) in [("1.2", TLS12), ("1.3", TLS13)] {
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
        let mut held: Vec<Ws<Stream>> = Vec::new();
        let before = pss(pid);
        for number in 0..CONNECTIONS {
            let stream = client.connect(secure.addr(), "localhost").unwrap();
            let target = format!("/ws?bizCode=d&clientId=c{number}&group=g{}", number % 100);
            held.push(Ws::open(stream, &target, "").unwrap());
        }
        std::thread::sleep(std::time::Duration::from_secs(7));
        let bytes = (pss(pid) - before) / CONNECTIONS as f64;
        println!("TLS {name}: {bytes:.0} bytes an idle client of /ws, of {CONNECTIONS}");
        drop(held);
        secure.wait_for(r#"fanfare_sockets{scope="d"}"#, 0);
        std::thread::sleep(std::time::Duration::from_secs(2));
    }
}
