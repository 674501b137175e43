//! HTTP/1.1 as polling needs it: a request, and an answer with its body, whole.
//!
//! The upgrade's answer has a file of its own (`handshake`); connections are kept alive by default.

use std::borrow::Cow;

use serde::Deserialize;

use crate::wire::handshake::Refusal;

/// A head of more than this is not waited for.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// No answer to anything that the tool asks for is larger.
const BODY_BYTES_MAX: usize = 64 << 20;

/// Appends a GET.
pub fn put_get(out: &mut Vec<u8>, path: &str, host: &str) {
    for piece in ["GET ", path, " HTTP/1.1\r\nHost: ", host, "\r\nAccept: */*\r\n\r\n"] {
        out.extend_from_slice(piece.as_bytes());
    }
}

/// Appends a POST of text.
pub fn put_post(out: &mut Vec<u8>, path: &str, host: &str, body: &[u8]) {
    let length = body.len().to_string();
    let kind = "\r\nAccept: */*\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: ";
    for piece in ["POST ", path, " HTTP/1.1\r\nHost: ", host, kind, &length, "\r\n\r\n"] {
        out.extend_from_slice(piece.as_bytes());
    }
    out.extend_from_slice(body);
}

/// A whole answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The status.
    pub status: u16,
    /// The body, without the marks of its chunks.
    pub body: Cow<'a, [u8]>,
    /// Whether the body is `application/octet-stream`.
    pub bytes: bool,
    /// `Retry-After` in seconds.
    pub retry_after_s: Option<u32>,
    /// Whether the server ends the connection after it.
    pub closes: bool,
    /// Bytes that it took.
    pub taken: usize,
}

#[derive(Deserialize)]
struct ErrorBody {
    code: serde_json::Value,
    message: Option<String>,
}

impl Answer<'_> {
    /// What it means that this is no 200: the code of a JSON body, with the message if the code is a number.
    pub fn refusal(&self) -> Refusal {
        let code = match serde_json::from_slice::<ErrorBody>(&self.body) {
            Ok(ErrorBody { code: serde_json::Value::String(code), .. }) => code,
            Ok(ErrorBody { code, message }) => {
                format!("{code} {}", message.unwrap_or_default()).trim_end().to_owned()
            }
            Err(_) => String::new(),
        };
        Refusal { status: self.status, code, retry_after_s: self.retry_after_s }
    }
}

/// The first answer in `bytes`; `None` while it is incomplete, an error when it will never be one. The body of an
/// answer other than 200 is only waited for if it has a length.
pub fn read_answer(bytes: &[u8]) -> Result<Option<Answer<'_>>, &'static str> {
    let mut headers = [httparse::EMPTY_HEADER; 48];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) if bytes.len() < HEAD_BYTES_MAX => return Ok(None),
        Ok(httparse::Status::Partial) => return Err("a head without an end"),
        Err(_) => return Err("not HTTP"),
    };
    let header = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| std::str::from_utf8(header.value).ok()).map(str::trim)
    };
    let chunked = header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    let status = response.code.unwrap_or(0);
    let mut closes = header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    let (body, taken) = if chunked {
        match dechunk(&bytes[head..])? {
            Some((body, taken)) => (Cow::from(body), head + taken),
            None => return Ok(None),
        }
    } else {
        let length = match header("content-length").map(str::parse::<usize>) {
            Some(Ok(length)) if length <= BODY_BYTES_MAX => length,
            Some(_) => return Err("an impossible Content-Length"),
            None if status == 200 => return Err("an answer without a length"),
            // It lasts as long as the connection does.
            None => {
                closes = true;
                bytes.len() - head
            }
        };
        match bytes.get(head..head + length) {
            Some(body) => (Cow::from(body), head + length),
            None => return Ok(None),
        }
    };
    let kind = header("content-type").and_then(|kind| kind.split(';').next());
    Ok(Some(Answer {
        status,
        retry_after_s: header("retry-after").and_then(|value| value.parse().ok()),
        body,
        bytes: kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/octet-stream")),
        closes,
        taken,
    }))
}

/// Joins chunks; `None` while the last one is missing.
fn dechunk(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, &'static str> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let (head, length) = match httparse::parse_chunk_size(&bytes[at..]) {
            Ok(httparse::Status::Complete(chunk)) => chunk,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err("a chunk without a size"),
        };
        at += head;
        if length > (BODY_BYTES_MAX - body.len()) as u64 {
            return Err("too large an answer");
        }
        let end = at + length as usize;
        let Some(rest) = bytes.get(end..end + 2) else { return Ok(None) };
        if rest != b"\r\n" {
            return Err("a chunk without an end");
        }
        body.extend_from_slice(&bytes[at..end]);
        at = end + 2;
        if length == 0 {
            return Ok(Some((body, at)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 3\r\n\r\nabc";
    const CHUNKED: &[u8] =
        b"HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
        8\r\n{\"code\":\r\n19\r\n1,\"message\":\"gone away\" }\r\n0\r\n\r\n";

    #[test]
    fn an_answer_is_whole_at_its_last_byte_and_not_before() {
        for whole in [PLAIN, CHUNKED] {
            for cut in 0..whole.len() {
                assert_eq!(read_answer(&whole[..cut]), Ok(None), "{cut}");
            }
            let more = [whole, b"HTTP/1.1 "].concat();
            assert_eq!(read_answer(&more).unwrap().unwrap().taken, whole.len());
        }
        let plain = read_answer(PLAIN).unwrap().unwrap();
        assert_eq!(
            (plain.status, &plain.body[..], plain.bytes, plain.closes),
            (200, &b"abc"[..], true, false)
        );
        let chunked = read_answer(CHUNKED).unwrap().unwrap();
        assert!(chunked.closes);
        assert_eq!(chunked.refusal().reason(), "400 1 gone away");
    }

    #[test]
    fn what_is_no_answer() {
        assert!(read_answer(b"SSH-2.0\r\n").is_err());
        assert!(read_answer(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n").is_err());
        assert!(read_answer(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n").is_err());
        let bad = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc";
        assert!(read_answer(bad).is_err());
        assert!(read_answer(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        let refused = read_answer(b"HTTP/1.1 503 Full\r\nRetry-After: 7\r\n\r\n").unwrap().unwrap();
        assert!(refused.closes && refused.refusal().reason() == "503");
        assert_eq!(refused.retry_after_s, Some(7));
    }
}
