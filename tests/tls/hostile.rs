//! Peers that do not keep to TLS: each is dealt with, counted where it should be, and the others are served.

use crate::certs::connect;
use crate::support::{PATIENCE, Reply};
use crate::{Secure, get, heartbeat};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

const REFUSED: &str = r#"fanfare_refused_total{reason="tls"}"#;
const LATE: &str = r#"fanfare_refused_total{reason="timeout"}"#;

/// Everything that comes until the server ends the connection.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is an end as well.
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

/// What a client of TLS says first.
fn hello(secure: &Secure) -> Vec<u8> {
    let mut bytes = Vec::new();
    secure.client().session("localhost").write_tls(&mut bytes).unwrap();
    bytes
}

#[test]
fn what_is_no_tls_is_refused_and_http_is_told_why() {
    let secure = Secure::start("reactors = 1");
    let mut member = secure.ws("member");
    let garbage =
        [&b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03"[..], &[0xff; 5_000], b"\x80\x2e\x01\x03\x01", &[0; 10]];
    for bytes in garbage {
        let mut stream = connect(secure.addr());
        stream.write_all(bytes).unwrap();
        let answer = rest(&mut stream);
        assert!(answer.is_empty() || answer[0] == 21, "nothing, or an alert: {answer:?}");
    }
    let mut stream = connect(secure.addr());
    stream.write_all(b"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let reply = Reply::read(&mut stream).unwrap();
    assert_eq!(reply.status, 400);
    assert!(reply.body.starts_with(r#"{"code":"tls_required""#), "{}", reply.body);
    assert_eq!(rest(&mut stream), b"");
    assert_eq!(secure.metric(REFUSED), garbage.len() as u64 + 1);
    // Who only looks whether somebody is there is nobody who was refused.
    drop(connect(secure.addr()));
    // Who begins and ends is.
    let mut half = connect(secure.addr());
    half.write_all(&hello(&secure)[..50]).unwrap();
    drop(half);
    secure.wait_for(REFUSED, garbage.len() as u64 + 2);
    heartbeat(&mut member);
}

#[test]
fn half_a_handshake_has_its_time_and_keeps_nobody_waiting() {
    let secure = Secure::start("reactors = 1\n[limits]\nhandshake_s = 2");
    let mut member = secure.ws("member");
    // Silent ones, ones in the middle of their hello, and ones that never answer the server's.
    let hello = hello(&secure);
    let mut strangers: Vec<TcpStream> = (0..300).map(|_| connect(secure.addr())).collect();
    for (number, stranger) in strangers.iter_mut().enumerate() {
        let says = [0, hello.len() / 2, hello.len()][number % 3];
        stranger.write_all(&hello[..says]).unwrap();
        if number % 50 == 0 {
            heartbeat(&mut member);
        }
    }
    heartbeat(&mut member);
    assert_eq!(get(&mut secure.connect(), "/healthz").status, 200);
    for (number, stranger) in strangers.iter_mut().enumerate() {
        let answer = rest(stranger);
        assert_eq!(answer.first(), [None, None, Some(&22)][number % 3], "{number}");
    }
    secure.wait_for(LATE, 300);
    heartbeat(&mut member);
}

#[test]
fn a_handshake_may_come_a_byte_at_a_time() {
    let secure = Secure::start("reactors = 1");
    let mut member = secure.ws("member");
    /// Sends each byte by itself.
    struct Slow(TcpStream);
    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.write(&bytes[..bytes.len().min(1)])
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    impl Read for Slow {
        fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(bytes)
        }
    }
    let session = secure.client().session("localhost");
    let mut stream = rustls::StreamOwned::new(session, Slow(connect(secure.addr())));
    assert_eq!(get(&mut stream, "/healthz").body, "ok\n");
    heartbeat(&mut member);
}

#[test]
fn records_that_are_not_whole_wait_and_forged_ones_end_the_connection() {
    let secure = Secure::start("reactors = 1");
    let mut member = secure.ws("member");
    let mut torn = secure.ws("torn");
    // The next frame, in two halves of one record.
    torn.stream.conn.writer().write_all(b"\x8a\x80\x00\x00\x00\x00").unwrap();
    let mut record = Vec::new();
    torn.stream.conn.write_tls(&mut record).unwrap();
    let (head, tail) = record.split_at(10);
    torn.stream.sock.write_all(head).unwrap();
    heartbeat(&mut member);
    torn.stream.sock.write_all(tail).unwrap();
    heartbeat(&mut torn);
    // One that nobody has sealed.
    torn.stream.sock.write_all(b"\x17\x03\x03\x00\x20aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb").unwrap();
    assert!(torn.stream.read(&mut [0; 100]).is_err(), "an alert");
    // One that is longer than records are.
    let mut long = secure.ws("long");
    long.stream.sock.write_all(b"\x17\x03\x03\xff\xff").unwrap();
    assert!(long.stream.read(&mut [0; 100]).is_err(), "an alert");
    heartbeat(&mut member);
    secure.wait_for(r#"fanfare_sockets{scope="d"}"#, 1);
}

#[test]
fn nobody_negotiates_again() {
    let secure = Secure::start("reactors = 1");
    let mut member = secure.ws("member");
    let addr = secure.addr().to_string();
    let mut child = Command::new("openssl")
        .args(["s_client", "-connect", &addr, "-tls1_2", "-quiet", "-no_ign_eof"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl (tools/setup.sh test installs it)");
    // A line with R alone asks for it.
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"R\n").unwrap();
    let begun = std::time::Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(begun.elapsed() < PATIENCE, "it goes on");
        heartbeat(&mut member);
    };
    assert!(!status.success(), "{status}");
    drop(input);
    heartbeat(&mut member);
}
