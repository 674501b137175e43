//! The request with which a session began, as its namespaces see it.

use crate::app::http::{Query, Request};
use crate::reactor::peer::Peer;
use crate::session::http as session;
use crate::wire::cookie;
use crate::wire::head::Head;

/// What is known of the beginning of a connection.
///
/// The whole of it is there while a socket connects (in middlewares and connection handlers); what handlers of events
/// need of it they take from what [`Socket::set`](super::Socket::set) kept, unless it is kept for them by
/// [`SocketIo::keep_handshake`](super::SocketIo::keep_handshake). A session keeps only what it needs for
/// namespaces that it joins later: the request's head with the header fields of
/// [`SocketIo::keep_headers`](super::SocketIo::keep_headers), the parameters of its query that are not Engine.IO's own,
/// who connected and when; and where there are no other namespaces, nothing unless there are such parameters.
#[derive(Clone, Debug)]
pub struct Handshake {
    /// The request's head: whole until the first namespace is joined, then without what is not kept.
    head: Option<Box<[u8]>>,
    /// Parameters of the query that are not Engine.IO's, percent-encoded.
    query: Box<str>,
    peer: Peer,
    secure: bool,
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
            head: Some(write_head(&request.inner.head, |_| true)),
            query: query.join("&").into(),
            peer: request.peer(),
            secure: request.is_secure(),
            unix_ms,
        }
    }

    /// Who connected; see [`Request::peer`].
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Whether that was over TLS; see [`Request::is_secure`].
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// When it connected, in milliseconds since 1970.
    pub fn unix_ms(&self) -> u64 {
        self.unix_ms
    }

    /// The target of the request, as sent; nothing if the request was not kept.
    pub fn url(&self) -> Option<&str> {
        Some(self.parsed()?.target)
    }

    /// The first header field of a name, without regard to case; nothing if it was not kept.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.parsed()?.header(name)
    }

    /// The value of the first cookie of a name, without the double quotes around it; nothing if the field `Cookie` was
    /// not kept.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.parsed()?.all("cookie").find_map(|field| cookie::find(field, name))
    }

    /// The names and values of all header fields that were kept, in their order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.parsed().into_iter().flat_map(|head| head.headers).map(|header| (header.name, header.value))
    }

    /// A parameter of the query, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        Query::parse(&self.query).ok()?.get(name).map(str::to_owned)
    }

    /// All parameters of the query that are not Engine.IO's own, percent-encoded.
    pub fn raw_query(&self) -> &str {
        &self.query
    }

    /// The request without its body, if it was kept.
    pub(crate) fn with_request(&self, f: impl FnOnce(&Request<'_>)) {
        if let Some(head) = self.parsed() {
            let inner = session::Request { head, body: &[], keep_alive: false };
            f(&Request { inner, peer: self.peer, secure: self.secure });
        }
    }

    /// What is left of one that was not worth keeping.
    pub(crate) fn forgotten() -> Handshake {
        Handshake { head: None, query: "".into(), peer: Peer::Unknown, secure: false, unix_ms: 0 }
    }

    /// Forgets the request.
    pub(crate) fn trim(&mut self) {
        self.head = None;
    }

    /// Forgets all header fields but those of these names.
    pub(crate) fn keep(&mut self, names: &[String]) {
        let is_kept = |name: &str| names.iter().any(|kept| kept.eq_ignore_ascii_case(name));
        self.head = self.parsed().map(|head| write_head(&head, is_kept));
    }

    fn parsed(&self) -> Option<Head<'_>> {
        Head::parse(self.head.as_deref()?).ok()
    }
}

/// The head as a request that can be read again; as one of HTTP/1.0, which need not say which host it is for.
fn write_head(head: &Head<'_>, is_kept: impl Fn(&str) -> bool) -> Box<[u8]> {
    let mut text = format!("{} {} HTTP/1.0\r\n", head.method, head.target).into_bytes();
    for header in head.headers.iter().filter(|header| is_kept(header.name)) {
        text.extend_from_slice(header.name.as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(header.value);
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_can_be_read_again() {
        let bytes =
            b"GET /socket.io/?EIO=4&a=b HTTP/1.1\r\nHost: x\r\nCookie: c=1\r\nX-A: \xff\r\nx-a: 2\r\n\r\n";
        let head = Head::parse(bytes).unwrap();
        let mut handshake = Handshake { head: Some(write_head(&head, |_| true)), ..Handshake::forgotten() };
        assert_eq!(handshake.url(), Some("/socket.io/?EIO=4&a=b"));
        assert_eq!(handshake.header("HOST"), Some(b"x".as_slice()));
        assert_eq!((handshake.cookie("c"), handshake.cookie("C")), (Some("1"), None));
        let names: Vec<&str> = handshake.headers().map(|(name, _)| name).collect();
        assert_eq!(names, ["Host", "Cookie", "X-A", "x-a"]);
        for _ in 0..2 {
            handshake.keep(&["x-a".to_owned(), "nothing".to_owned()]);
            let all: Vec<(&str, &[u8])> = handshake.headers().collect();
            assert_eq!(all, [("X-A", b"\xff".as_slice()), ("x-a", b"2")]);
            assert_eq!(handshake.url(), Some("/socket.io/?EIO=4&a=b"));
        }
        assert_eq!(handshake.cookie("c"), None);
        handshake.trim();
        assert_eq!((handshake.url(), handshake.header("x-a"), handshake.headers().count()), (None, None, 0));
    }
}
