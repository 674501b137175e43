//! Clients of `/ws`.

use crate::server::Server;
use crate::support::Ws;
use std::net::TcpStream;

/// A client that reads.
pub(crate) struct Client(Ws<TcpStream>);

impl Client {
    /// `client` in `domain`, in a comma list of groups.
    pub(crate) fn connect(server: &Server, domain: &str, client: &str, groups: &str) -> Client {
        let [domain, client, groups] = [domain, client, groups].map(percent);
        Client(server.0.client(&domain, &client, &groups))
    }

    /// The next message.
    pub(crate) fn next(&mut self) -> String {
        self.0.text()
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.0.send(text);
    }

    /// Nothing has arrived until now: what is answered now comes first.
    pub(crate) fn has_nothing(&mut self) {
        self.send(r#"{"mode":1,"msgId":"nothing before"}"#);
        let next = self.next();
        assert!(next.starts_with(r#"{"msgId":"nothing before","mode":1,"#), "{next}");
    }

    /// The bare connection, for a client that does not read.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.0.stream
    }
}

/// Percent-encodes everything but letters and digits.
pub(crate) fn percent(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b if b.is_ascii_alphanumeric() => char::from(b).to_string(),
        b => format!("%{b:02X}"),
    };
    text.bytes().map(encode).collect()
}
