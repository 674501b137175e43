//! HTTP/1.1 responses (RFC 9112, sections 4 and 6; RFC 9110, section 15).
//!
//! Owns: building a response and writing it. Every response says its length; the server sends no chunks.

use std::borrow::Cow;

use serde::Serialize;

use super::frame::Frame;
use super::head::is_token;

/// A response that is not yet on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header fields besides Content-Length and Connection.
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// The body, which several responses may share.
    pub body: Frame,
}

/// A body from this size on leaves as the frame that it is; a smaller one is copied behind the head, so that both are
/// one piece.
const OWN_PIECE_BYTES: usize = 4 << 10;

/// The body of an error.
#[derive(Serialize)]
struct ErrorBody<'a> {
    code: &'a str,
    message: &'a str,
}

impl Response {
    /// A response without a body.
    pub fn empty(status: u16) -> Response {
        Response { status, headers: Vec::new(), body: Frame::from_bytes([]) }
    }

    /// A response whose body is kept once, however many have still to read it.
    pub fn shared(status: u16, content_type: &str, body: Frame) -> Response {
        Response { body, ..Response::empty(status) }.header("Content-Type", content_type)
    }

    /// A response with a body of any type.
    pub fn bytes(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Response {
        Response::shared(status, content_type, Frame::from_bytes(body.into()))
    }

    /// A JSON response. A value that JSON cannot express is our own fault: 500.
    pub fn json(status: u16, value: &impl Serialize) -> Response {
        match serde_json::to_vec(value) {
            Ok(body) => Response::bytes(status, "application/json", body),
            Err(error) => {
                log::error!("a response has no JSON form: {error}");
                Response::error(500, "internal", "the response could not be written")
            }
        }
    }

    /// A plain text response.
    pub fn text(status: u16, body: impl Into<String>) -> Response {
        Response::bytes(status, "text/plain; charset=utf-8", body.into())
    }

    /// An HTML response.
    pub fn html(status: u16, body: impl Into<String>) -> Response {
        Response::bytes(status, "text/html; charset=utf-8", body.into())
    }

    /// An error as `{"code":…,"message":…}`.
    pub fn error(status: u16, code: &str, message: &str) -> Response {
        Response::json(status, &ErrorBody { code, message })
    }

    /// Sends the client to another address, with 301, 302, 307 or 308; a location that comes from a request must not
    /// begin with two slashes, which is another host.
    pub fn redirect(status: u16, location: &str) -> Response {
        Response::empty(status).header("Location", location)
    }

    /// Adds a header field. Control characters of the value become spaces when it is written, so
    /// that nothing that a peer sent can begin a line of ours.
    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Response {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The response on the wire: everything, or the head and a large body behind it. `head_only` answers HEAD: the
    /// length of the body without the body.
    pub fn encode(&self, keep_alive: bool, head_only: bool) -> (Frame, Option<Frame>) {
        let bodiless = matches!(self.status, 100..=199 | 204 | 304);
        let body = Some(&self.body).filter(|_| !bodiless && !head_only);
        let (inside, behind) = match body {
            Some(body) if body.len() >= OWN_PIECE_BYTES => (&[][..], Some(body.clone())),
            Some(body) => (&body[..], None),
            None => (&[][..], None),
        };
        let mut out = Vec::with_capacity(128 + self.headers.len() * 48 + inside.len());
        push_status(&mut out, self.status);
        for (name, value) in &self.headers {
            push_header(&mut out, name, value);
        }
        if !bodiless {
            push_header(&mut out, "Content-Length", &self.body.len().to_string());
        }
        if !keep_alive {
            push_header(&mut out, "Connection", "close");
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(inside);
        (Frame::from_bytes(out), behind)
    }
}

/// What is sent for a client that expects it before its body (RFC 9110, section 10.1.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

pub(super) fn push_status(out: &mut Vec<u8>, status: u16) {
    out.extend_from_slice(format!("HTTP/1.1 {status:03} {}\r\n", reason(status)).as_bytes());
}

/// One field. A name that is no token is our own fault; it is left out rather than sent.
pub(super) fn push_header(out: &mut Vec<u8>, name: &str, value: &str) {
    if !is_token(name.as_bytes()) {
        log::error!("a response has a header whose name is not a token: {name:?}");
        return;
    }
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend(value.bytes().map(|b| if b.is_ascii_control() && b != b'\t' { b' ' } else { b }));
    out.extend_from_slice(b"\r\n");
}

/// The reason phrase of a status; empty for one that this server does not use.
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is sent, in one piece.
    fn wire(response: &Response, keep_alive: bool, head_only: bool) -> String {
        let (frame, behind) = response.encode(keep_alive, head_only);
        assert_eq!(behind, None);
        std::str::from_utf8(&frame).unwrap().to_owned()
    }

    #[test]
    fn lengths_and_connection() {
        let response = Response::text(200, "hello").header("X-A", "b");
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nX-A: b\r\nContent-Length: 5\r\n";
        assert_eq!(wire(&response, true, false), format!("{head}\r\nhello"));
        assert_eq!(wire(&response, true, true), format!("{head}\r\n"));
        assert_eq!(wire(&response, false, false), format!("{head}Connection: close\r\n\r\nhello"));
    }

    #[test]
    fn a_large_body_is_not_copied() {
        let body = Frame::from_bytes(vec![b'x'; OWN_PIECE_BYTES]);
        let response = Response::shared(200, "text/plain", body.clone());
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", body.len());
        let (first, second) = response.encode(true, false);
        assert_eq!(*first, *head.as_bytes());
        assert!(second.unwrap().same(&body));
        assert_eq!(wire(&response, true, true), head, "HEAD");
        let small = Response::shared(200, "text/plain", Frame::from_bytes(&body[1..]));
        let sent = wire(&small, true, false);
        assert_eq!(sent.split_once("\r\n\r\n").unwrap().1.len(), OWN_PIECE_BYTES - 1);
    }

    #[test]
    fn some_statuses_have_no_body() {
        // RFC 9110, section 8.6: no Content-Length on 1xx and 204.
        for status in [101, 204, 304] {
            let sent = wire(&Response::text(status, "x"), true, false);
            assert!(!sent.contains("Content-Length"));
            assert!(sent.ends_with("\r\n\r\n"));
        }
        assert!(wire(&Response::empty(200), true, false).contains("Content-Length: 0\r\n"));
    }

    #[test]
    fn errors_are_json() {
        let response = Response::error(429, "too_many", "a \"b\"");
        assert_eq!(*response.body, *br#"{"code":"too_many","message":"a \"b\""}"#);
        assert!(wire(&response, true, false).starts_with("HTTP/1.1 429 Too Many Requests\r\n"));
    }

    #[test]
    fn values_cannot_begin_a_line() {
        let sent = wire(&Response::redirect(302, "/a\r\nSet-Cookie: x\0"), true, false);
        assert!(sent.starts_with("HTTP/1.1 302 Found\r\n"));
        assert!(sent.contains("Location: /a  Set-Cookie: x \r\n"));
        let sent = wire(&Response::empty(200).header("bad\r\nname", "x"), true, false);
        assert!(!sent.contains("bad"));
    }
}
