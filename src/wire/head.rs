//! The head of an HTTP/1.x request (RFC 9112, sections 2 to 7; RFC 9110).
//!
//! Owns: finding the end of a head that arrives in pieces ([`HeadScan`]), taking it apart ([`Head`])
//! and what it says about the body ([`Framing`]). httparse reads the header fields; everything that
//! RFC 9112 lets a recipient tolerate, and by which two readers could see two different requests, is
//! refused here.

use std::fmt;
use std::mem::MaybeUninit;
use std::net::Ipv6Addr;

use httparse::{Header, ParserConfig};
use smallvec::SmallVec;

/// The most header fields of one request; more are answered with 431.
pub const MAX_HEADERS: usize = 100;

/// How a request head can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// A CR that no LF follows (RFC 9112, section 2.2).
    BareCr,
    /// An LF that no CR precedes (RFC 9112, section 2.2).
    BareLf,
    /// A control character (RFC 9110, section 5.5).
    Control,
    /// More than one empty line before the request line (RFC 9112, section 2.2).
    EmptyLines,
    /// No end within the limit on its bytes.
    TooLarge,
    /// Over 100 header fields.
    TooManyHeaders,
    /// The request line is not `method SP target SP version` (RFC 9112, section 3).
    RequestLine,
    /// The target is in none of the forms that a server answers (RFC 9112, section 3.2).
    Target,
    /// Neither HTTP/1.0 nor HTTP/1.1.
    Version,
    /// A header field that is no `name: value` on one line (RFC 9112, section 5).
    Field,
    /// HTTP/1.1 without Host (RFC 9112, section 3.2).
    HostMissing,
    /// Two Host fields (RFC 9112, section 3.2).
    HostTwice,
    /// Host is no `host[:port]`.
    Host,
    /// Content-Length is not one number (RFC 9112, section 6.3).
    ContentLength,
    /// Content-Length and Transfer-Encoding at once (RFC 9112, section 6.1).
    TwoLengths,
    /// Transfer-Encoding on HTTP/1.0 (RFC 9112, section 6.1).
    CodingOnOldVersion,
    /// A transfer coding other than `chunked`, once.
    Coding,
    /// An expectation other than `100-continue` (RFC 9110, section 10.1.1).
    Expectation,
}

impl HeadError {
    /// The status of the answer.
    pub fn status(self) -> u16 {
        match self {
            HeadError::TooLarge | HeadError::TooManyHeaders => 431,
            HeadError::Version => 505,
            HeadError::Coding => 501,
            HeadError::Expectation => 417,
            _ => 400,
        }
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HeadError::BareCr => "CR without LF",
            HeadError::BareLf => "LF without CR",
            HeadError::Control => "control character in the request head",
            HeadError::EmptyLines => "empty lines before the request",
            HeadError::TooLarge => "request head is too large",
            HeadError::TooManyHeaders => "too many header fields",
            HeadError::RequestLine => "malformed request line",
            HeadError::Target => "malformed request target",
            HeadError::Version => "HTTP version is not supported",
            HeadError::Field => "malformed header field",
            HeadError::HostMissing => "Host is missing",
            HeadError::HostTwice => "more than one Host",
            HeadError::Host => "malformed Host",
            HeadError::ContentLength => "malformed Content-Length",
            HeadError::TwoLengths => "both Content-Length and Transfer-Encoding",
            HeadError::CodingOnOldVersion => "Transfer-Encoding on HTTP/1.0",
            HeadError::Coding => "transfer coding is not supported",
            HeadError::Expectation => "expectation is not supported",
        })
    }
}

impl std::error::Error for HeadError {}

/// The search for the end of a head, which goes on where it stopped when more bytes arrive.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadScan {
    /// Bytes that were looked at. Invariant: `line <= searched`.
    searched: usize,
    /// Where the line in progress begins.
    line: usize,
    /// Where the request line begins: behind the one empty line that may precede it.
    start: usize,
}

impl HeadScan {
    /// Looks on through `bytes`, which begin with the same bytes as the last time; the length of the
    /// head, its empty line included, once it is whole. At most `limit` bytes are looked at.
    pub fn find(&mut self, bytes: &[u8], limit: usize) -> Result<Option<usize>, HeadError> {
        let mut after_cr = self.searched > 0 && bytes[self.searched - 1] == b'\r';
        for (at, &byte) in bytes.iter().enumerate().take(limit).skip(self.searched) {
            if after_cr && byte != b'\n' {
                return Err(HeadError::BareCr);
            }
            match byte {
                b'\n' if !after_cr => return Err(HeadError::BareLf),
                b'\n' => {
                    let empty = at - self.line == 1;
                    self.line = at + 1;
                    if empty {
                        if at - self.start > 1 {
                            self.searched = at + 1;
                            return Ok(Some(at + 1));
                        }
                        if self.start > 0 {
                            return Err(HeadError::EmptyLines);
                        }
                        self.start = at + 1;
                    }
                }
                b'\r' | b'\t' | b' '..=b'~' | 0x80.. => {}
                _ => return Err(HeadError::Control),
            }
            after_cr = byte == b'\r';
        }
        self.searched = bytes.len().min(limit);
        if bytes.len() > limit { Err(HeadError::TooLarge) } else { Ok(None) }
    }
}

/// How the body of a request is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// That many bytes; 0 is said as 0.
    Length(u64),
    /// Chunks ([`super::chunked`]).
    Chunked,
}

/// A whole request head that broke no rule of syntax, borrowed from its bytes.
#[derive(Clone, Debug)]
pub struct Head<'a> {
    /// The method, case as sent.
    pub method: &'a str,
    /// The target as sent: `/path?query`, an absolute URI, or `*`. ASCII without blanks or `#`.
    pub target: &'a str,
    /// The minor version: 0 or 1.
    pub version: u8,
    /// The header fields in their order, values without the blanks around them.
    pub headers: SmallVec<[Header<'a>; 24]>,
}

impl<'a> Head<'a> {
    /// Takes apart the bytes up to the end that [`HeadScan::find`] found.
    pub fn parse(bytes: &'a [u8]) -> Result<Head<'a>, HeadError> {
        let bytes = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
        let (method, target, version) = request_line(bytes)?;
        check_target(method, target)?;

        let mut storage = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut []);
        let parsed =
            ParserConfig::default().parse_request_with_uninit_headers(&mut request, bytes, &mut storage);
        match parsed {
            Ok(httparse::Status::Complete(len)) if len == bytes.len() => {}
            Ok(_) => return Err(HeadError::Field),
            Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooManyHeaders),
            Err(httparse::Error::HeaderName | httparse::Error::HeaderValue) => return Err(HeadError::Field),
            Err(_) => return Err(HeadError::RequestLine),
        }
        let headers = request.headers.iter().copied().collect();
        let head = Head { method, target, version, headers };
        head.check_host()?;
        Ok(head)
    }

    /// The values of every field of that name, in their order; names compare without case.
    pub fn all<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'a [u8]> + 'h {
        self.headers.iter().filter(move |h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value)
    }

    /// The value of the first field of that name.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// Whether a list field (such as Connection) has the token, without case, on any of its lines.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.all(name).flat_map(list).any(|item| item.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// The path: what is between the authority, if any, and `?`; never empty.
    pub fn path(&self) -> &'a str {
        let target = after_authority(self.target);
        match target.split_once('?').map_or(target, |(path, _)| path) {
            "" => "/",
            path => path,
        }
    }

    /// The query without its `?`; empty if there is none.
    pub fn query(&self) -> &'a str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// Whether the connection may serve another request (RFC 9112, section 9.3).
    pub fn keep_alive(&self) -> bool {
        if self.has_token("connection", "close") {
            return false;
        }
        self.version == 1 || self.has_token("connection", "keep-alive")
    }

    /// How the body is delimited, which must not be a matter of opinion.
    pub fn framing(&self) -> Result<Framing, HeadError> {
        let mut lengths = self.all("content-length");
        let length = lengths.next();
        // Equal repetitions may be merged by the RFC; whoever sends them is not worth it.
        if lengths.next().is_some() {
            return Err(HeadError::ContentLength);
        }
        let mut codings = self.all("transfer-encoding");
        if let Some(coding) = codings.next() {
            if length.is_some() {
                return Err(HeadError::TwoLengths);
            }
            if self.version == 0 {
                return Err(HeadError::CodingOnOldVersion);
            }
            if !coding.eq_ignore_ascii_case(b"chunked") || codings.next().is_some() {
                return Err(HeadError::Coding);
            }
            return Ok(Framing::Chunked);
        }
        let Some(length) = length else { return Ok(Framing::None) };
        decimal(length).map(Framing::Length).ok_or(HeadError::ContentLength)
    }

    /// Whether the client waits for `100 Continue` before it sends the body. On HTTP/1.0 the
    /// expectation is ignored, as RFC 9110 wants it.
    pub fn expects_continue(&self) -> Result<bool, HeadError> {
        let mut expects = false;
        for value in self.all("expect") {
            if !value.eq_ignore_ascii_case(b"100-continue") {
                return Err(HeadError::Expectation);
            }
            expects = self.version == 1;
        }
        Ok(expects)
    }

    fn check_host(&self) -> Result<(), HeadError> {
        let mut hosts = self.all("host");
        match (hosts.next(), hosts.next()) {
            (_, Some(_)) => Err(HeadError::HostTwice),
            (None, None) if self.version == 1 => Err(HeadError::HostMissing),
            // An empty Host is what a client must send whose URI has no authority.
            (None | Some(b""), None) => Ok(()),
            (Some(host), None) if is_authority(host) => Ok(()),
            (Some(_), None) => Err(HeadError::Host),
        }
    }
}

/// The elements of a comma list without the blanks around them; empty ones are skipped.
pub(super) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|item| !item.is_empty())
}

/// Whether the bytes are a token (RFC 9110, section 5.6.2).
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&b| is_token_byte(b))
}

pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Digits only: no sign, no blanks, no list, no overflow.
fn decimal(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// Method, target and minor version, with exactly one space between them.
fn request_line(bytes: &[u8]) -> Result<(&str, &str, u8), HeadError> {
    let end = bytes.iter().position(|&b| b == b'\r').ok_or(HeadError::RequestLine)?;
    let line = std::str::from_utf8(&bytes[..end]).map_err(|_| HeadError::RequestLine)?;
    let mut parts = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(HeadError::RequestLine);
    };
    // That the method is a token is left to httparse.
    if target.is_empty() {
        return Err(HeadError::RequestLine);
    }
    match version.as_bytes() {
        b"HTTP/1.0" => Ok((method, target, 0)),
        b"HTTP/1.1" => Ok((method, target, 1)),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(HeadError::Version)
        }
        _ => Err(HeadError::RequestLine),
    }
}

fn check_target(method: &str, target: &str) -> Result<(), HeadError> {
    let printable = target.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
    let form = if target.starts_with('/') {
        true
    } else if target == "*" {
        method == "OPTIONS"
    } else {
        // CONNECT has a form of its own, which this server has no use for.
        authority(target).is_some_and(|authority| is_authority(authority.as_bytes()))
    };
    if printable && form { Ok(()) } else { Err(HeadError::Target) }
}

/// The authority of an absolute URI over HTTP.
fn authority(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_once("://")?;
    let known = ["http", "https", "ws", "wss"].iter().any(|s| scheme.eq_ignore_ascii_case(s));
    known.then(|| &rest[..rest.find(['/', '?']).unwrap_or(rest.len())])
}

/// The target from its path on.
fn after_authority(target: &str) -> &str {
    if target.starts_with(['/', '*']) {
        return target;
    }
    match target.split_once("://") {
        Some((_, rest)) => &rest[rest.find(['/', '?']).unwrap_or(rest.len())..],
        None => target,
    }
}

/// Whether the bytes are `host[:port]`. The sub-delims of RFC 3986 are refused although its grammar
/// has them: no name in use has one, and a comma may be two Hosts that somebody joined.
fn is_authority(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let (host_good, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((host, port)) = rest.split_once(']') else { return false };
        (host.parse::<Ipv6Addr>().is_ok(), port)
    } else {
        let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
        (!host.is_empty() && is_name(host.as_bytes()), port)
    };
    let port_good = match port.strip_prefix(':') {
        Some(digits) => {
            digits.bytes().all(|b| b.is_ascii_digit()) && (digits.is_empty() || digits.parse::<u16>().is_ok())
        }
        None => port.is_empty(),
    };
    host_good && port_good
}

fn is_name(mut name: &[u8]) -> bool {
    while let Some((&byte, rest)) = name.split_first() {
        name = match (byte, rest) {
            (b'%', [a, b, rest @ ..]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => rest,
            (b'-' | b'.' | b'_' | b'~', _) => rest,
            _ if byte.is_ascii_alphanumeric() => rest,
            _ => return false,
        };
    }
    true
}
