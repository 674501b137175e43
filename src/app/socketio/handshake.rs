//! The request with which a session began, as its namespaces see it.

use crate::app::http::{Query, Request};
use crate::reactor::peer::Peer;
use crate::wire::head::Head;

/// What is known of the beginning of a connection.
///
/// The whole of it is there while a socket connects (in middlewares and connection handlers). A session keeps only
/// what it needs for namespaces that it joins later: the parameters of its query that are not Engine.IO's own, who
/// connected and when; and where there are no other namespaces, nothing unless there are such parameters.
#[derive(Clone, Debug)]
pub struct Handshake {
    /// The request's head, until the first namespace is joined.
    head: Option<Box<[u8]>>,
    /// Parameters of the query that are not Engine.IO's, percent-encoded.
    query: Box<str>,
    peer: Peer,
    unix_ms: u64,
}

/// Parameters that belong to Engine.IO.
const OWN: [&str; 6] = ["EIO", "transport", "sid", "t", "b64", "j"];

impl Handshake {
    pub(crate) fn new(request: &Request<'_>, unix_ms: u64) -> Handshake {
        let is_custom = |pair: &&str| {
            let name = pair.split('=').next().unwrap_or_default();
            !pair.is_empty() && !OWN.contains(&name)
        };
        let query: Vec<&str> = request.inner.head.query().split('&').filter(is_custom).collect();
        Handshake {
            head: Some(write_head(&request.inner.head).into()),
            query: query.join("&").into(),
            peer: request.peer(),
            unix_ms,
        }
    }

    /// Who connected. Behind a proxy this is the proxy.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// When it connected, in milliseconds since 1970.
    pub fn unix_ms(&self) -> u64 {
        self.unix_ms
    }

    /// The first header field of a name, without regard to case; nothing once the first namespace is joined.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let head = Head::parse(self.head.as_deref()?).ok()?;
        let found = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        Some(found.value)
    }

    /// A parameter of the query, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        Query::parse(&self.query).ok()?.get(name).map(str::to_owned)
    }

    /// All parameters of the query that are not Engine.IO's own, percent-encoded.
    pub fn raw_query(&self) -> &str {
        &self.query
    }

    /// What is left of one that was not worth keeping.
    pub(crate) fn forgotten() -> Handshake {
        Handshake { head: None, query: "".into(), peer: Peer::Unknown, unix_ms: 0 }
    }

    /// Forgets what is large.
    pub(crate) fn trim(&mut self) {
        self.head = None;
    }
}

/// The head as a request that can be read again.
fn write_head(head: &Head<'_>) -> Vec<u8> {
    let mut text = format!("{} {} HTTP/1.1\r\n", head.method, head.target).into_bytes();
    for header in &head.headers {
        text.extend_from_slice(header.name.as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(header.value);
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    text
}
