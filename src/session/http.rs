//! A connection while it speaks HTTP/1.1 (RFC 9112): bytes in, requests out.
//!
//! Owns: what of a request has arrived, and what follows it (pipelining, section 9.3.2). Every byte is
//! searched once, and memory grows with the bytes that arrive, never with the length that was announced.
//! Leaves to others: deadlines (they follow [`HttpSession::stage`]) and answers. The requests of one
//! connection are handed out one at a time; the next one when the caller has answered the last.

use std::fmt;

use crate::base::limits::Limits;
use crate::wire::chunked::{ChunkError, Chunked};
use crate::wire::head::{Framing, Head, HeadError, HeadScan};
use crate::wire::upgrade::wants_upgrade;

/// How a peer can be wrong. After any of these the connection is answered and closed, because
/// nothing says any more where the next request begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpError {
    /// The head breaks a rule.
    Head(HeadError),
    /// The chunks of the body break a rule.
    Chunk(ChunkError),
    /// Content-Length is over the limit.
    BodyTooLarge,
    /// A WebSocket upgrade with a body, which two readers could take for different things.
    UpgradeWithBody,
}

impl HttpError {
    /// The status of the answer.
    pub fn status(self) -> u16 {
        match self {
            HttpError::Head(error) => error.status(),
            HttpError::Chunk(error) => error.status(),
            HttpError::BodyTooLarge => 413,
            HttpError::UpgradeWithBody => 400,
        }
    }

    /// The `code` of the answer's body.
    pub fn code(self) -> &'static str {
        match self.status() {
            413 => "body_too_large",
            417 => "expectation_failed",
            431 => "head_too_large",
            501 => "not_implemented",
            505 => "version_not_supported",
            _ => "bad_request",
        }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HttpError::Head(error) => error.fmt(f),
            HttpError::Chunk(error) => error.fmt(f),
            HttpError::BodyTooLarge => f.write_str("body is too large"),
            HttpError::UpgradeWithBody => f.write_str("a WebSocket upgrade has no body"),
        }
    }
}

impl std::error::Error for HttpError {}

impl From<HeadError> for HttpError {
    fn from(error: HeadError) -> HttpError {
        HttpError::Head(error)
    }
}

impl From<ChunkError> for HttpError {
    fn from(error: ChunkError) -> HttpError {
        HttpError::Chunk(error)
    }
}

/// What the connection is waiting for; the caller's deadlines follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The first byte of a request.
    Idle,
    /// The rest of a head.
    Head,
    /// The rest of a body.
    Body,
}

/// What the bytes so far amount to.
// The header table of a request lies on the stack for as long as it is answered; a box would be an
// allocation a request to save a copy of nothing.
#[allow(clippy::large_enum_variant)]
#[derive(Debug)]
pub enum Step<'a> {
    /// No whole request yet.
    NeedMore,
    /// The client waits for `100 Continue` before it sends the body. Said once a request.
    Continue,
    /// A whole request.
    Request(Request<'a>),
}

/// A whole request.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The request line and the header fields.
    pub head: Head<'a>,
    /// The body, without its framing.
    pub body: &'a [u8],
    /// Whether the connection may serve another request after this one.
    pub keep_alive: bool,
}

/// How the body of the request in progress arrives.
#[derive(Debug)]
enum Body {
    /// So many bytes.
    Length(usize),
    /// Chunks.
    Chunked(Chunked),
}

/// A request whose head is whole and whose body is not.
#[derive(Debug)]
struct Pending {
    /// Length of the head.
    head: usize,
    body: Body,
}

/// What the bytes in the buffer amount to, as positions behind `start`.
enum Found {
    NeedMore,
    Continue,
    Request { head: usize, body: std::ops::Range<usize>, end: usize },
}

/// A request in the buffer, as positions behind `start`.
#[derive(Clone, Debug)]
struct Handed {
    head: usize,
    body: std::ops::Range<usize>,
}

/// A connection that speaks HTTP.
#[derive(Debug)]
pub struct HttpSession {
    head_bytes: usize,
    body_bytes: usize,
    /// What was received and not taken. Empty, without an allocation, between requests.
    buffer: Vec<u8>,
    /// Where the request in progress begins. Invariant: `start + taken <= buffer.len()`.
    start: usize,
    /// Bytes behind `start` of the request that was handed out last.
    taken: usize,
    /// Where in the buffer that request lies, if it does.
    handed: Option<Handed>,
    scan: HeadScan,
    pending: Option<Pending>,
    /// Once wrong, always wrong.
    failed: Option<HttpError>,
}

impl HttpSession {
    /// A connection that has sent nothing yet.
    pub fn new(limits: &Limits) -> HttpSession {
        HttpSession {
            head_bytes: limits.head_bytes,
            body_bytes: limits.message_bytes,
            buffer: Vec::new(),
            start: 0,
            taken: 0,
            handed: None,
            scan: HeadScan::default(),
            pending: None,
            failed: None,
        }
    }

    /// Takes all of `input` and says what the bytes so far amount to. A request that lies whole in
    /// `input` is borrowed from there; what else there is is kept inside. Only for when no request is
    /// unanswered; see [`HttpSession::buffer`].
    pub fn receive<'a>(&'a mut self, input: &'a [u8]) -> Result<Step<'a>, HttpError> {
        self.drop_taken();
        if self.buffer.is_empty() && self.failed.is_none() {
            match whole(input, self.head_bytes, self.body_bytes) {
                Ok(None) => {}
                Ok(Some((request, rest))) => {
                    self.buffer.extend_from_slice(rest);
                    return Ok(Step::Request(request));
                }
                Err(error) => {
                    self.failed = Some(error);
                    return Err(error);
                }
            }
        }
        self.buffer.extend_from_slice(input);
        self.next()
    }

    /// Keeps `input` for later, while the last request is not answered yet.
    pub fn buffer(&mut self, input: &[u8]) {
        self.buffer.extend_from_slice(input);
    }

    /// The next request out of what is kept; for when the last one was answered.
    // Not an iterator: the request borrows from the session.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Step<'_>, HttpError> {
        self.drop_taken();
        if let Some(error) = self.failed {
            return Err(error);
        }
        match self.find() {
            Ok(Found::NeedMore) => Ok(Step::NeedMore),
            Ok(Found::Continue) => Ok(Step::Continue),
            Ok(Found::Request { head, body, end }) => {
                self.pending = None;
                self.scan = HeadScan::default();
                self.taken = end;
                self.handed = Some(Handed { head, body });
                self.handed_out()
            }
            Err(error) => {
                self.failed = Some(error);
                self.buffer = Vec::new();
                (self.start, self.taken, self.pending) = (0, 0, None);
                Err(error)
            }
        }
    }

    /// Keeps the request that [`HttpSession::receive`] just borrowed from `input`, so that it can be handed out
    /// [again](HttpSession::again), as when the connection moves to another reactor.
    pub fn keep(&mut self, input: &[u8]) {
        // What is kept already may end with a piece that looks like a request by itself.
        if self.handed.is_some() || self.pending.is_some() {
            return;
        }
        let Ok(Some((request, rest))) = whole(input, self.head_bytes, self.body_bytes) else { return };
        let end = input.len() - rest.len();
        let head = end - request.body.len();
        self.buffer = input.to_vec();
        (self.start, self.taken) = (0, end);
        self.handed = Some(Handed { head, body: head..end });
    }

    /// The request that was handed out last and [kept](HttpSession::keep); the next one if there is none.
    pub fn again(&mut self) -> Result<Step<'_>, HttpError> {
        if self.handed.is_some() { self.handed_out() } else { self.next() }
    }

    fn handed_out(&self) -> Result<Step<'_>, HttpError> {
        let Some(Handed { head, body }) = &self.handed else { return Ok(Step::NeedMore) };
        let bytes = &self.buffer[self.start..];
        // Parsed a second time if the body came later: two passes, however many pieces.
        let head = Head::parse(&bytes[..*head])?;
        let keep_alive = head.keep_alive();
        Ok(Step::Request(Request { head, body: &bytes[body.clone()], keep_alive }))
    }

    /// The head of a request whose body has not all arrived.
    pub fn pending_head(&self) -> Option<Head<'_>> {
        let pending = self.pending.as_ref()?;
        Head::parse(&self.buffer[self.start..self.start + pending.head]).ok()
    }

    /// The bytes that followed the last request, for the protocol that takes over after an upgrade.
    pub fn take_rest(&mut self) -> Vec<u8> {
        self.drop_taken();
        let mut rest = std::mem::take(&mut self.buffer);
        rest.drain(..self.start);
        self.start = 0;
        rest
    }

    /// Bytes that were received and not handed out. While a request is unanswered a caller stops
    /// reading when this passes its bound; while one is incomplete the limits bound it.
    pub fn buffered(&self) -> usize {
        self.buffer.len() - self.start - self.taken
    }

    /// What it owns of what has arrived, in bytes.
    pub fn unfinished_bytes(&self) -> usize {
        self.buffer.capacity()
    }

    /// What the connection is waiting for.
    pub fn stage(&self) -> Stage {
        match &self.pending {
            Some(_) => Stage::Body,
            None if self.buffered() > 0 => Stage::Head,
            None => Stage::Idle,
        }
    }

    /// Forgets the request that was handed out last.
    fn drop_taken(&mut self) {
        self.start += std::mem::take(&mut self.taken);
        self.handed = None;
        if self.start == self.buffer.len() {
            // An idle connection owns nothing.
            self.buffer = Vec::new();
            self.start = 0;
        } else if self.pending.is_none() && self.start > self.buffer.len() / 2 {
            // Moving only the smaller half keeps many small pipelined requests linear.
            self.buffer.drain(..self.start);
            self.start = 0;
        }
    }

    fn find(&mut self) -> Result<Found, HttpError> {
        if self.pending.is_none() {
            let bytes = &self.buffer[self.start..];
            let Some(len) = self.scan.find(bytes, self.head_bytes)? else { return Ok(Found::NeedMore) };
            let head = Head::parse(&bytes[..len])?;
            let body = match framing(&head, self.body_bytes)? {
                Framing::None => Body::Length(0),
                Framing::Length(body) => Body::Length(body as usize),
                Framing::Chunked => Body::Chunked(Chunked::new(self.start + len)),
            };
            let waits = head.expects_continue()? && bytes.len() == len && !matches!(body, Body::Length(0));
            self.pending = Some(Pending { head: len, body });
            if waits {
                return Ok(Found::Continue);
            }
        }
        let Some(Pending { head, body }) = &mut self.pending else { return Ok(Found::NeedMore) };
        let head = *head;
        match body {
            Body::Length(len) => {
                let end = head + *len;
                if self.buffer.len() - self.start < end {
                    return Ok(Found::NeedMore);
                }
                Ok(Found::Request { head, body: head..end, end })
            }
            Body::Chunked(chunked) => {
                if !chunked.decode(&mut self.buffer, self.body_bytes, self.head_bytes)? {
                    return Ok(Found::NeedMore);
                }
                let body = chunked.body();
                let (from, to) = (body.start - self.start, body.end - self.start);
                Ok(Found::Request { head, body: from..to, end: chunked.end() - self.start })
            }
        }
    }
}

/// The first request of `input` and what follows it, if it is whole and has no chunks.
fn whole(
    input: &[u8],
    head_bytes: usize,
    body_bytes: usize,
) -> Result<Option<(Request<'_>, &[u8])>, HttpError> {
    let Some(len) = HeadScan::default().find(input, head_bytes)? else { return Ok(None) };
    let (bytes, after) = input.split_at(len);
    let head = Head::parse(bytes)?;
    let len = match framing(&head, body_bytes)? {
        Framing::None => 0,
        Framing::Length(len) => len as usize,
        Framing::Chunked => return Ok(None),
    };
    head.expects_continue()?;
    let Some((body, rest)) = after.split_at_checked(len) else { return Ok(None) };
    let keep_alive = head.keep_alive();
    Ok(Some((Request { head, body, keep_alive }, rest)))
}

/// The framing of a body that may be received: one that says its length says at most the limit.
fn framing(head: &Head<'_>, body_bytes: usize) -> Result<Framing, HttpError> {
    let framing = head.framing()?;
    if wants_upgrade(head) && !matches!(framing, Framing::None | Framing::Length(0)) {
        return Err(HttpError::UpgradeWithBody);
    }
    match framing {
        Framing::Length(len) if len > body_bytes as u64 => Err(HttpError::BodyTooLarge),
        framing => Ok(framing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // What a client may send is in tests/wire_http.rs; here stands what only the inside can show.

    #[test]
    fn memory_follows_the_bytes_and_not_the_announcement() {
        let mut session = HttpSession::new(&Limits::default());
        let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nab";
        assert!(matches!(session.receive(head), Ok(Step::NeedMore)));
        assert!(session.buffer.capacity() <= 2 * head.len());

        let mut session = HttpSession::new(&Limits::default());
        let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nf0000\r\nab";
        assert!(matches!(session.receive(head), Ok(Step::NeedMore)));
        assert!(session.buffer.capacity() <= 2 * head.len());
    }

    #[test]
    fn a_piece_that_looks_like_a_request_is_not_kept_as_one() {
        let mut session = HttpSession::new(&Limits::default());
        let head = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nX: ";
        assert!(matches!(session.receive(head), Ok(Step::NeedMore)));
        let piece = b"GET /b HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
        assert!(matches!(session.receive(piece), Ok(Step::NeedMore)));
        session.keep(piece);
        assert!(matches!(session.again(), Ok(Step::NeedMore)));
        assert_eq!(session.pending_head().map(|head| head.target), Some("/a"));
        let Ok(Step::Request(request)) = session.receive(b"xyz") else { panic!("it is whole") };
        assert_eq!((request.head.target, request.body), ("/a", &b"xyz"[..]));
    }

    #[test]
    fn chunk_framing_is_not_kept() {
        let mut session = HttpSession::new(&Limits::default());
        let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert!(matches!(session.receive(head), Ok(Step::NeedMore)));
        for _ in 0..1000 {
            assert!(matches!(session.receive(b"1;extension\r\nx\r\n"), Ok(Step::NeedMore)));
        }
        assert_eq!(session.buffered(), head.len() + 1000);
    }

    #[test]
    fn requests_that_overlap_forever_keep_the_buffer_small() {
        let request = b"GET / HTTP/1.0\r\n\r\n";
        let mut session = HttpSession::new(&Limits::default());
        assert!(matches!(session.receive(&request[..9]), Ok(Step::NeedMore)));
        for _ in 0..1000 {
            // The end of one request and the beginning of the next, in one piece.
            let piece = [&request[9..], &request[..9]].concat();
            assert!(matches!(session.receive(&piece), Ok(Step::Request(_))));
            assert_eq!(session.buffered(), 9);
            assert!(session.buffer.capacity() <= 8 * request.len());
        }
        assert!(matches!(session.receive(&request[9..]), Ok(Step::Request(_))));
        assert!(matches!(session.next(), Ok(Step::NeedMore)));
        assert_eq!(session.buffer.capacity(), 0, "an idle connection owns nothing");
    }
}
