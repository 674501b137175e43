//! What a server says at the beginning of a session: the open packet, or why there is none.
//!
//! Owns: the data of the open packet and the errors of requests with their codes, texts and answers. The key set of the
//! open packet and the texts are those of the protocol's own test suites and of Engine.IO 6.
//! Leaves to others: when which error is due.

use std::fmt;

use serde::Serialize;

use crate::wire::response::Response;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Open<'a> {
    sid: &'a str,
    upgrades: &'a [&'a str],
    ping_interval: u32,
    ping_timeout: u32,
    max_payload: usize,
}

/// The data of the open packet: `upgrades` are the transports that the session may still change to,
/// `max_payload` is the most bytes that a POST or a message may have.
pub fn open_packet(
    sid: &str,
    upgrades: &[&str],
    ping_interval_ms: u32,
    ping_timeout_ms: u32,
    max_payload: usize,
) -> String {
    let open =
        Open { sid, upgrades, ping_interval: ping_interval_ms, ping_timeout: ping_timeout_ms, max_payload };
    serde_json::to_string(&open).expect("strings and numbers have a JSON form")
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineError {
    /// No transport, or one that does not exist or is not allowed.
    TransportUnknown,
    /// No session has this id.
    SessionUnknown,
    /// A session begins with GET.
    BadHandshakeMethod,
    /// The request does not fit the session, or its transport.
    BadRequest,
    /// The application refused, in its own words; without any, in ours.
    Forbidden(String),
    /// `EIO` is not a revision that is spoken here.
    UnsupportedVersion,
}

#[derive(Serialize)]
struct Body<'a> {
    code: u8,
    message: &'a str,
}

impl EngineError {
    /// The number by which clients know the error.
    pub fn code(&self) -> u8 {
        match self {
            EngineError::TransportUnknown => 0,
            EngineError::SessionUnknown => 1,
            EngineError::BadHandshakeMethod => 2,
            EngineError::BadRequest => 3,
            EngineError::Forbidden(_) => 4,
            EngineError::UnsupportedVersion => 5,
        }
    }

    /// The text.
    pub fn message(&self) -> &str {
        match self {
            EngineError::TransportUnknown => "Transport unknown",
            EngineError::SessionUnknown => "Session ID unknown",
            EngineError::BadHandshakeMethod => "Bad handshake method",
            EngineError::BadRequest => "Bad request",
            EngineError::Forbidden(words) if words.is_empty() => "Forbidden",
            EngineError::Forbidden(words) => words,
            EngineError::UnsupportedVersion => "Unsupported protocol version",
        }
    }

    /// The status of [`EngineError::response`].
    pub fn status(&self) -> u16 {
        match self {
            EngineError::Forbidden(_) => 403,
            _ => 400,
        }
    }

    /// The answer to an HTTP request.
    pub fn response(&self) -> Response {
        Response::json(self.status(), &Body { code: self.code(), message: self.message() })
    }

    /// The answer to a request for a WebSocket: 400 and the bare text, whatever the error. The
    /// connection is closed after it.
    pub fn upgrade_response(&self) -> Response {
        Response::bytes(400, "text/html", self.message())
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for EngineError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_packets() {
        assert_eq!(
            open_packet("lv_VI97HAXpY6yYWAAAC", &["websocket"], 25_000, 20_000, 1_000_000),
            r#"{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#
        );
        assert_eq!(
            open_packet("x", &[], 300, 200, 1),
            r#"{"sid":"x","upgrades":[],"pingInterval":300,"pingTimeout":200,"maxPayload":1}"#
        );
    }

    #[test]
    fn errors() {
        let all = [
            (EngineError::TransportUnknown, 400, r#"{"code":0,"message":"Transport unknown"}"#),
            (EngineError::SessionUnknown, 400, r#"{"code":1,"message":"Session ID unknown"}"#),
            (EngineError::BadHandshakeMethod, 400, r#"{"code":2,"message":"Bad handshake method"}"#),
            (EngineError::BadRequest, 400, r#"{"code":3,"message":"Bad request"}"#),
            (EngineError::Forbidden(String::new()), 403, r#"{"code":4,"message":"Forbidden"}"#),
            (EngineError::Forbidden("no \"x\"".into()), 403, r#"{"code":4,"message":"no \"x\""}"#),
            (EngineError::UnsupportedVersion, 400, r#"{"code":5,"message":"Unsupported protocol version"}"#),
        ];
        for (error, status, body) in all {
            let response = error.response();
            assert_eq!((response.status, &response.body[..]), (status, body.as_bytes()));
            assert_eq!(response.headers, [("Content-Type".into(), "application/json".to_owned())]);
        }
    }

    #[test]
    fn a_refused_upgrade_is_400_and_text() {
        let answer = EngineError::Forbidden("denied".into()).upgrade_response().encode(false, false).0;
        assert_eq!(
            std::str::from_utf8(&answer).unwrap(),
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\
             Connection: close\r\n\r\ndenied"
        );
    }
}
