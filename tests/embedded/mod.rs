//! A server inside of the test's own process, with handlers of the test, and raw clients of it.

// Every test program uses another part of it, and none is seen from outside.
#![allow(dead_code, unreachable_pub)]

use crate::support::{PATIENCE, Reply, Ws};
use fanfare::{Builder, Handle, ListenAddr, Running};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};

/// A running server; it is stopped when the value is dropped.
pub struct Embedded {
    running: Option<Running>,
    addr: SocketAddr,
    /// How many handlers may have panicked.
    pub panics: u64,
}

impl Embedded {
    /// On a port of its own, with one reactor.
    pub fn start(builder: Builder) -> Embedded {
        Embedded::with_reactors(builder, 1)
    }

    /// On a port of its own, with several reactors.
    pub fn with_reactors(builder: Builder, reactors: usize) -> Embedded {
        let running = builder.listen("127.0.0.1:0".parse().unwrap()).reactors(reactors).start().unwrap();
        let ListenAddr::Tcp(addr) = running.addrs()[0].clone() else { unreachable!() };
        Embedded { running: Some(running), addr, panics: 0 }
    }

    /// The server for threads of the test.
    pub fn handle(&self) -> Handle {
        self.running.as_ref().unwrap().handle()
    }

    /// A connection.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // Tests say one thing after another.
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// The answer to a request; `headers` are lines that end with `\r\n`.
    pub fn request(&self, method: &str, target: &str, headers: &str, body: &str) -> Reply {
        let mut stream = self.connect();
        let length = body.len();
        write!(
            stream,
            "{method} {target} HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        )
        .unwrap();
        Reply::read(&mut stream).unwrap()
    }

    /// The answer to a request for a WebSocket, and the connection.
    pub fn upgrade(&self, target: &str, headers: &str) -> (Reply, Ws<TcpStream>) {
        let mut stream = self.connect();
        write!(
            stream,
            "GET {target} HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        )
        .unwrap();
        (Reply::read(&mut stream).unwrap(), Ws::over(stream))
    }

    /// A session over a WebSocket that was told its id. The target has no transport.
    pub fn websocket(&self, target: &str, headers: &str) -> Ws<TcpStream> {
        let (reply, mut ws) = self.upgrade(&format!("{target}&transport=websocket"), headers);
        assert_eq!(reply.status, 101, "{reply:?}");
        sid_of(&ws.text());
        ws
    }

    /// A session over polling: where it is polled. The target has no transport.
    pub fn polling(&self, target: &str) -> String {
        let target = format!("{target}&transport=polling");
        let reply = self.request("GET", &target, "", "");
        assert_eq!(reply.status, 200, "{reply:?}");
        format!("{target}&sid={}", sid_of(&reply.body))
    }

    /// Posts a payload, which is taken.
    pub fn post(&self, target: &str, payload: &str) {
        let reply = self.request("POST", target, "", payload);
        assert_eq!((reply.status, reply.body.as_str()), (200, "ok"));
    }

    /// What a poll brings.
    pub fn poll(&self, target: &str) -> String {
        let reply = self.request("GET", target, "", "");
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        running.stop();
        let stats = running.stats().clone();
        let ended = running.join();
        if !std::thread::panicking() {
            ended.unwrap();
            // Assertions of handlers are assertions of the test.
            assert_eq!(stats.sum(|reactor| reactor.panics()), self.panics, "a handler panicked");
        }
    }
}

/// The session's id that an open packet tells, in whatever it is wrapped.
pub fn sid_of(open: &str) -> String {
    let plain = open.replace('\\', "");
    let behind = plain.split_once("\"sid\":\"").unwrap_or_else(|| panic!("{open}")).1;
    behind[..20].to_owned()
}
