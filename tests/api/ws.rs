//! Clients of `/ws`.

use crate::http::PATIENCE;
use crate::server::Server;
use std::io::{Read, Write};
use std::net::TcpStream;
use tungstenite::{Message, WebSocket};

/// A client that reads.
pub(crate) struct Client(WebSocket<TcpStream>);

impl Client {
    /// `client` in `domain`, in a comma list of groups.
    pub(crate) fn connect(server: &Server, domain: &str, client: &str, groups: &str) -> Client {
        let stream = TcpStream::connect(server.addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let url = format!("ws://{}{}", server.addr, target(domain, client, groups));
        Client(tungstenite::client(url, stream).unwrap().0)
    }

    /// The next message.
    pub(crate) fn next(&mut self) -> String {
        match self.0.read().unwrap() {
            Message::Text(text) => text.as_str().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).unwrap();
    }

    /// Nothing has arrived until now: what is answered now comes first.
    pub(crate) fn has_nothing(&mut self) {
        self.send(r#"{"mode":1,"msgId":"nothing before"}"#);
        let next = self.next();
        assert!(next.starts_with(r#"{"msgId":"nothing before","mode":1,"#), "{next}");
    }
}

/// A client that never reads: a connection after its upgrade.
pub(crate) fn hold(server: &Server, domain: &str, client: &str, groups: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        target(domain, client, groups)
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    stream
}

fn target(domain: &str, client: &str, groups: &str) -> String {
    let [domain, client, groups] = [domain, client, groups].map(percent);
    format!("/ws?bizCode={domain}&clientId={client}&group={groups}")
}

/// Percent-encodes everything but letters and digits.
pub(crate) fn percent(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b if b.is_ascii_alphanumeric() => char::from(b).to_string(),
        b => format!("%{b:02X}"),
    };
    text.bytes().map(encode).collect()
}
