//! The opening handshake (RFC 6455, section 4.1) from the client's side.
//!
//! Every connection sends the same key, so the right answer is a constant and nothing is hashed.

use serde::Deserialize;

/// The key of RFC 6455's own example, and what a server has to make of it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A head of more than this is not waited for.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Appends the request for `path` (with its query) to `out`.
pub fn put_request(out: &mut Vec<u8>, path: &str, host: &str) {
    for piece in [
        "GET ",
        path,
        " HTTP/1.1\r\nHost: ",
        host,
        "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ",
        KEY,
        "\r\n\r\n",
    ] {
        out.extend_from_slice(piece.as_bytes());
    }
}

/// What the server answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// Not all of it is here.
    Incomplete,
    /// Upgraded; frames start after this many bytes.
    Open(usize),
    /// Anything but a correct 101.
    Refused(Refusal),
}

/// An answer that is not an upgrade.
#[derive(Debug, PartialEq, Eq, Default)]
pub struct Refusal {
    /// The status; 0 when it was not HTTP, 101 when the upgrade itself was wrong.
    pub status: u16,
    /// The `code` of a JSON body, or what was wrong.
    pub code: String,
    /// `Retry-After` in seconds.
    pub retry_after_s: Option<u32>,
}

impl Refusal {
    /// In a few words.
    pub fn reason(&self) -> String {
        match (self.status, self.code.as_str()) {
            (0, what) => what.to_owned(),
            (status, "") => status.to_string(),
            (status, code) => format!("{status} {code}"),
        }
    }
}

#[derive(Deserialize)]
struct Body {
    code: serde_json::Value,
}

/// Reads the answer in `bytes`; `ended` when the server has closed its side.
pub fn read_answer(bytes: &[u8], ended: bool) -> Answer {
    let mut headers = [httparse::EMPTY_HEADER; 48];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) if !ended && bytes.len() < HEAD_BYTES_MAX => return Answer::Incomplete,
        Ok(httparse::Status::Partial) => return malformed("incomplete answer"),
        Err(_) => return malformed("not HTTP"),
    };
    let status = response.code.unwrap_or(0);
    let header = |name: &str| {
        response
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value)
    };
    if status == 101 {
        let accepted = header("sec-websocket-accept") == Some(ACCEPT);
        let plain = header("sec-websocket-extensions").is_none();
        return match (accepted, plain) {
            (true, true) => Answer::Open(head),
            (false, _) => refused(status, "wrong Sec-WebSocket-Accept"),
            (_, false) => refused(status, "extension that was not offered"),
        };
    }
    let number =
        |name| header(name).and_then(|value| std::str::from_utf8(value).ok()?.trim().parse::<u32>().ok());
    let body = &bytes[head..];
    match number("content-length") {
        Some(length) if body.len() < length as usize && !ended => return Answer::Incomplete,
        None if !ended && body.is_empty() && header("transfer-encoding").is_some() => {
            return Answer::Incomplete;
        }
        _ => {}
    }
    let code = match serde_json::from_slice::<Body>(body) {
        Ok(Body { code: serde_json::Value::String(code) }) => code,
        Ok(Body { code }) => code.to_string(),
        Err(_) => String::new(),
    };
    Answer::Refused(Refusal { status, code, retry_after_s: number("retry-after") })
}

fn refused(status: u16, what: &str) -> Answer {
    Answer::Refused(Refusal { status, code: what.to_owned(), retry_after_s: None })
}

fn malformed(what: &str) -> Answer {
    refused(0, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

    #[test]
    fn an_upgrade_is_known_at_its_last_byte_and_not_before() {
        for cut in 0..GOOD.len() {
            assert_eq!(read_answer(&GOOD[..cut], false), Answer::Incomplete, "{cut}");
        }
        assert_eq!(read_answer(&[GOOD, b"\x81\x00"].concat(), false), Answer::Open(GOOD.len()));
    }

    #[test]
    fn a_refusal_has_its_status_and_code() {
        let full = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 32\r\n\r\n\
            {\"code\":\"full\",\"message\":\"full\"}";
        assert_eq!(read_answer(&full[..full.len() - 1], false), Answer::Incomplete);
        let refusal = Refusal { status: 503, code: "full".into(), retry_after_s: Some(2) };
        assert_eq!(read_answer(full, false), Answer::Refused(refusal));
        let wrong = String::from_utf8_lossy(GOOD).replace("s3pP", "xxxx");
        assert!(matches!(read_answer(wrong.as_bytes(), false), Answer::Refused(r) if r.status == 101));
        assert!(matches!(read_answer(b"", true), Answer::Refused(r) if r.code == "incomplete answer"));
        assert!(matches!(read_answer(b"SSH-2.0\r\n", false), Answer::Refused(r) if r.code == "not HTTP"));
    }
}
