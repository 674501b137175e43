//! The opening handshake of a WebSocket, the server's half (RFC 6455, section 4.2).
//!
//! Owns: which requests may become a WebSocket, and the 101 response. Offers of extensions are read only if one could
//! be accepted; [`super::deflate`] says which. Who may connect is the application's question.

use std::fmt;

use super::deflate::{self, Agreement};
use super::frame::Frame;
use super::head::{Framing, Head, is_token, list};
use super::response::{Response, push_header, push_status};

/// The value of `Sec-WebSocket-Accept` for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptKey(String);

impl AcceptKey {
    /// The value as it stands in the header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a request cannot become a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpgradeError {
    /// The method is not GET.
    Method,
    /// HTTP/1.0 has no upgrade.
    OldHttp,
    /// No `Upgrade: websocket`: this is an ordinary request.
    NotAnUpgrade,
    /// `Connection` does not list `upgrade`.
    Connection,
    /// `Sec-WebSocket-Version` is not 13, once.
    Version,
    /// `Sec-WebSocket-Key` is not 16 bytes in base64, once.
    Key,
    /// `Sec-WebSocket-Protocol` is not a list of tokens.
    Protocol,
    /// `Sec-WebSocket-Extensions` is not a list of extensions.
    Extensions,
    /// The request has a body, whose bytes could be taken for frames.
    Body,
}

impl UpgradeError {
    /// The status of the answer.
    pub fn status(self) -> u16 {
        match self {
            UpgradeError::Method => 405,
            UpgradeError::NotAnUpgrade | UpgradeError::Version => 426,
            _ => 400,
        }
    }

    /// The `code` of the answer's body.
    pub fn code(self) -> &'static str {
        match self.status() {
            405 => "method_not_allowed",
            426 => "upgrade_required",
            _ => "bad_request",
        }
    }

    /// The answer, with the headers that its status asks for. The connection is closed after it.
    pub fn response(self) -> Response {
        let response = Response::error(self.status(), self.code(), &self.to_string());
        match self.status() {
            405 => response.header("Allow", "GET"),
            426 => response.header("Upgrade", "websocket").header("Sec-WebSocket-Version", "13"),
            _ => response,
        }
    }
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UpgradeError::Method => "a WebSocket is opened with GET",
            UpgradeError::OldHttp => "a WebSocket needs HTTP/1.1",
            UpgradeError::NotAnUpgrade => "a WebSocket upgrade is required",
            UpgradeError::Connection => "Connection does not list upgrade",
            UpgradeError::Version => "only Sec-WebSocket-Version 13 is supported",
            UpgradeError::Key => "malformed Sec-WebSocket-Key",
            UpgradeError::Protocol => "malformed Sec-WebSocket-Protocol",
            UpgradeError::Extensions => "malformed Sec-WebSocket-Extensions",
            UpgradeError::Body => "a WebSocket upgrade has no body",
        })
    }
}

impl std::error::Error for UpgradeError {}

/// Whether the request asks for a WebSocket, rightly or not.
pub fn wants_upgrade(head: &Head<'_>) -> bool {
    head.has_token("upgrade", "websocket")
}

/// Whether the request may become a WebSocket, and the proof that it was understood.
pub fn check_upgrade(head: &Head<'_>) -> Result<AcceptKey, UpgradeError> {
    if !wants_upgrade(head) {
        return Err(UpgradeError::NotAnUpgrade);
    }
    if !matches!(head.framing(), Ok(Framing::None | Framing::Length(0))) {
        return Err(UpgradeError::Body);
    }
    if head.version == 0 {
        return Err(UpgradeError::OldHttp);
    }
    if head.method != "GET" {
        return Err(UpgradeError::Method);
    }
    if !head.has_token("connection", "upgrade") {
        return Err(UpgradeError::Connection);
    }
    if only(head, "sec-websocket-version") != Some(b"13") {
        return Err(UpgradeError::Version);
    }
    let key = only(head, "sec-websocket-key").filter(|key| is_key(key)).ok_or(UpgradeError::Key)?;
    if offered_protocols(head).any(|protocol| protocol.is_none()) {
        return Err(UpgradeError::Protocol);
    }
    Ok(AcceptKey(tungstenite::handshake::derive_accept_key(key)))
}

/// What is agreed on about compression, if the client offers any that can be accepted; for a server that has it on.
pub fn agree_on_compression(head: &Head<'_>) -> Result<Option<Agreement>, UpgradeError> {
    deflate::negotiate(head.all("sec-websocket-extensions")).map_err(|_| UpgradeError::Extensions)
}

/// The subprotocols that the client offers, in the order of its preference. After
/// [`check_upgrade`] all of them are tokens.
pub fn protocols<'h>(head: &'h Head<'_>) -> impl Iterator<Item = &'h str> {
    offered_protocols(head).flatten()
}

/// The offers; `None` for one that is no token.
fn offered_protocols<'h>(head: &'h Head<'_>) -> impl Iterator<Item = Option<&'h str>> {
    head.all("sec-websocket-protocol")
        .flat_map(list)
        .map(|item| std::str::from_utf8(item).ok().filter(|_| is_token(item)))
}

/// The response that ends HTTP on a connection. `subprotocol` is one of those offered, and so is what was agreed on.
pub fn switching_protocols(
    accept: &AcceptKey,
    subprotocol: Option<&str>,
    compression: Option<Agreement>,
    headers: &[(&str, &str)],
) -> Frame {
    let mut out = Vec::with_capacity(160);
    push_status(&mut out, 101);
    push_header(&mut out, "Upgrade", "websocket");
    push_header(&mut out, "Connection", "Upgrade");
    push_header(&mut out, "Sec-WebSocket-Accept", accept.as_str());
    if let Some(subprotocol) = subprotocol {
        push_header(&mut out, "Sec-WebSocket-Protocol", subprotocol);
    }
    if let Some(agreement) = compression {
        push_header(&mut out, "Sec-WebSocket-Extensions", &agreement.to_string());
    }
    for (name, value) in headers {
        push_header(&mut out, name, value);
    }
    out.extend_from_slice(b"\r\n");
    Frame::from_bytes(out)
}

/// The value of a field that occurs once.
fn only<'a>(head: &Head<'a>, name: &str) -> Option<&'a [u8]> {
    let mut values = head.headers.iter().filter(|h| h.name.eq_ignore_ascii_case(name));
    match (values.next(), values.next()) {
        (Some(header), None) => Some(header.value),
        _ => None,
    }
}

/// 16 bytes in base64 are 22 digits, of which the last says only two bits, and two pads.
fn is_key(key: &[u8]) -> bool {
    key.strip_suffix(b"==").is_some_and(|digits| {
        digits.len() == 22 && digits.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The request of RFC 6455, section 1.2, with one line exchanged for others.
    fn request(without: &str, with: &str) -> String {
        let lines = [
            "GET /chat HTTP/1.1",
            "Host: server.example.com",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Origin: http://example.com",
            "Sec-WebSocket-Protocol: chat, superchat",
            "Sec-WebSocket-Version: 13",
        ];
        let mut text = String::new();
        for line in lines {
            let line = if !without.is_empty() && line.starts_with(without) { with } else { line };
            if !line.is_empty() {
                text += &format!("{line}\r\n");
            }
        }
        text + "\r\n"
    }

    fn check(without: &str, with: &str) -> Result<String, UpgradeError> {
        let text = request(without, with);
        let head = Head::parse(text.as_bytes()).unwrap();
        check_upgrade(&head).map(|key| key.as_str().to_string())
    }

    #[test]
    fn example_of_section_1_3() {
        assert_eq!(check("", "").unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let text = request("", "");
        let head = Head::parse(text.as_bytes()).unwrap();
        let key = check_upgrade(&head).unwrap();
        assert_eq!(protocols(&head).collect::<Vec<_>>(), ["chat", "superchat"]);
        let answer = switching_protocols(&key, Some("chat"), None, &[("X-A", "b\r\nc")]);
        assert_eq!(
            std::str::from_utf8(&answer).unwrap(),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\
             X-A: b  c\r\n\r\n"
        );
    }

    #[test]
    fn tolerated() {
        for (without, with) in [
            ("Upgrade", "UPGRADE: h2c, WebSocket"),
            ("Connection", "Connection: keep-alive, UPGRADE"),
            ("Connection", "Connection: keep-alive\r\nConnection: upgrade"),
            ("Origin", "Content-Length: 0"),
            ("Origin", "Sec-WebSocket-Extensions: constructor; __proto__, x; y=\"z\""),
            ("Sec-WebSocket-Protocol", ""),
            ("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: a,, b\r\nSec-WebSocket-Protocol: c"),
        ] {
            assert!(check(without, with).is_ok(), "{with}");
        }
    }

    #[test]
    fn refused() {
        use UpgradeError::*;
        for (without, with, error, status) in [
            ("GET", "POST /chat HTTP/1.1", Method, 405),
            ("GET", "GET /chat HTTP/1.0", OldHttp, 400),
            ("Upgrade", "", NotAnUpgrade, 426),
            ("Upgrade", "Upgrade: websockets", NotAnUpgrade, 426),
            ("Connection", "", Connection, 400),
            ("Connection", "Connection: keep-alive", Connection, 400),
            ("Sec-WebSocket-Version", "", Version, 426),
            ("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8", Version, 426),
            ("Sec-WebSocket-Version", "Sec-WebSocket-Version: 13, 8", Version, 426),
            ("Sec-WebSocket-Key", "", Key, 400),
            ("Sec-WebSocket-Key", "Sec-WebSocket-Key:", Key, 400),
            ("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j", Key, 400),
            ("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAAAA==", Key, 400),
            ("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ!==", Key, 400),
            (
                "Sec-WebSocket-Key",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                Key,
                400,
            ),
            ("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: a b", Protocol, 400),
            ("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: a, \u{e9}", Protocol, 400),
            ("Origin", "Content-Length: 5", Body, 400),
            ("Origin", "Transfer-Encoding: chunked", Body, 400),
            ("Origin", "Content-Length: x", Body, 400),
        ] {
            assert_eq!(check(without, with), Err(error), "{with}");
            assert_eq!(error.response().status, status);
        }
    }

    #[test]
    fn answers_name_what_is_supported() {
        let (answer, _) = UpgradeError::Version.response().encode(false, false);
        let text = std::str::from_utf8(&answer).unwrap();
        assert!(text.starts_with("HTTP/1.1 426 Upgrade Required\r\n"));
        assert!(
            text.contains("\r\nSec-WebSocket-Version: 13\r\n") && text.contains("\r\nConnection: close\r\n")
        );
    }

    #[test]
    fn blanks_in_an_offer_cost_linear_time() {
        let offer = format!("Sec-WebSocket-Protocol: a{}b", " ".repeat(1 << 20));
        let start = std::time::Instant::now();
        assert_eq!(check("Sec-WebSocket-Protocol", &offer), Err(UpgradeError::Protocol));
        assert!(start.elapsed().as_secs() < 1);
    }
}
