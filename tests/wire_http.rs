//! HTTP/1.1 requests through a session: good and bad, each in one piece, cut in two at every byte, and
//! byte by byte. All three must tell the same story. The rules are those of RFC 9112 and RFC 9110.

use fanfare::base::limits::Limits;
use fanfare::session::http::{HttpError, HttpSession, Request, Stage, Step};
use fanfare::wire::chunked::ChunkError;
use fanfare::wire::head::HeadError;

/// What a connection said: `method target body keep_alive`, or how it was wrong.
type Story = (Vec<String>, Option<HttpError>);

fn tell(request: &Request<'_>) -> String {
    let Request { head, body, keep_alive } = request;
    format!("{} {} {:?} {keep_alive}", head.method, head.target, String::from_utf8_lossy(body))
}

fn limits() -> Limits {
    Limits { head_bytes: 400, message_bytes: 30, ..Limits::default() }
}

/// Notes what a step says; whether there may be more.
fn note(step: Result<Step<'_>, HttpError>, said: &mut Vec<String>) -> Result<bool, HttpError> {
    match step? {
        Step::NeedMore => return Ok(false),
        Step::Continue => {}
        Step::Request(request) => said.push(tell(&request)),
    }
    Ok(true)
}

fn feed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limits: &Limits) -> Story {
    let mut session = HttpSession::new(limits);
    let mut said = Vec::new();
    for piece in pieces {
        let mut more = note(session.receive(piece), &mut said);
        while more == Ok(true) {
            more = note(session.next(), &mut said);
        }
        if let Err(error) = more {
            assert_eq!(session.next().err(), Some(error), "an error stays");
            return (said, Some(error));
        }
    }
    (said, None)
}

fn check(bytes: &[u8], expected: &[&str], error: Option<HttpError>) {
    let shown = bytes.escape_ascii();
    let expected: Story = (expected.iter().map(ToString::to_string).collect(), error);
    assert_eq!(feed([bytes], &limits()), expected, "whole: {shown}");
    for cut in 0..=bytes.len() {
        let story = feed([&bytes[..cut], &bytes[cut..]], &limits());
        assert_eq!(story, expected, "cut at {cut}: {shown}");
    }
    assert_eq!(feed(bytes.chunks(1), &limits()), expected, "byte by byte: {shown}");
}

fn good(text: &str, expected: &[&str]) {
    check(text.as_bytes(), expected, None);
}

/// The bad request alone, and after a good one in the same bytes.
fn bad(bytes: impl AsRef<[u8]>, error: impl Into<HttpError>, status: u16) {
    let (bytes, error) = (bytes.as_ref(), error.into());
    check(bytes, &[], Some(error));
    check(&[b"GET /ok HTTP/1.1\r\nHost: a\r\n\r\n", bytes].concat(), &["GET /ok \"\" true"], Some(error));
    assert_eq!(error.status(), status, "{error:?}");
}

/// A request with these lines besides the request line and Host.
fn with(lines: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

#[test]
fn bodies() {
    good("GET / HTTP/1.1\r\nHost: a\r\n\r\n", &["GET / \"\" true"]);
    good(&(with("Content-Length: 5\r\n") + "hello"), &["POST / \"hello\" true"]);
    good(&with("Content-Length: 0\r\n"), &["POST / \"\" true"]);
    good(&(with("content-length: 0000000000000000000000005\r\n") + "hello"), &["POST / \"hello\" true"]);
    good("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", &["GET / \"hi\" true"]);
    good(&(with("Transfer-Encoding: chunked\r\n") + "0\r\n\r\n"), &["POST / \"\" true"]);
    good(
        &(with("Transfer-Encoding: CHUNKED\r\n")
            + "5\r\nhello\r\n00A;name=\"v\";b\r\n world\r\n!!\r\n0;x\r\nTrailer: x\r\nB:\r\n\r\n"),
        &["POST / \"hello world\\r\\n!!\" true"],
    );
    good(
        &(with("Content-Length: 30\r\n") + &"x".repeat(30)),
        &[&format!("POST / {:?} true", "x".repeat(30))],
    );
    good(
        &(with("Transfer-Encoding: chunked\r\n") + &"3\r\nabc\r\n".repeat(10) + "0\r\n\r\n"),
        &[&format!("POST / {:?} true", "abc".repeat(10))],
    );
}

#[test]
fn pipelining() {
    let bytes = "\r\nGET /1 HTTP/1.1\r\nHost: a\r\n\r\n".to_string()
        + &with("Content-Length: 3\r\n")
        + "abc"
        + &with("Transfer-Encoding: chunked\r\n")
        + "1\r\nx\r\n0\r\n\r\n\r\nGET /2 HTTP/1.0\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n";
    good(
        &bytes,
        &[
            "GET /1 \"\" true",
            "POST / \"abc\" true",
            "POST / \"x\" true",
            "GET /2 \"\" false",
            "GET /3 \"\" false",
        ],
    );
}

#[test]
fn thousands_of_pipelined_requests_are_linear() {
    let bytes = "GET / HTTP/1.0\r\n\r\n".repeat(400_000);
    let start = std::time::Instant::now();
    assert_eq!(feed([bytes.as_bytes()], &limits()).0.len(), 400_000);
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

#[test]
fn line_ends_and_controls() {
    bad("GET / HTTP/1.1\nHost: a\n\n", HeadError::BareLf, 400);
    bad("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", HeadError::BareLf, 400);
    bad("GET / HTTP/1.1\r\nHost: a\r\n\n", HeadError::BareLf, 400);
    bad("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", HeadError::BareCr, 400);
    bad("GET / HTTP/1.1\rHost: a\r\n\r\n", HeadError::BareCr, 400);
    bad("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", HeadError::BareCr, 400);
    bad("GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n", HeadError::Control, 400);
    bad("GET / HTTP/1.1\r\nHost: a\r\nX: b\x0bc\r\n\r\n", HeadError::Control, 400);
    bad("GET / HTTP/1.1\r\nHost: a\r\nX: b\x7fc\r\n\r\n", HeadError::Control, 400);
    bad("GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", HeadError::Control, 400);
    bad("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", HeadError::EmptyLines, 400);
    good("GET / HTTP/1.1\r\nHost: a\r\nX: b\tc\r\n\r\n", &["GET / \"\" true"]);
    check(b"GET / HTTP/1.1\r\nHost: a\r\nX: \xff\xfe\r\n\r\n", &["GET / \"\" true"], None);
}

#[test]
fn request_lines() {
    let line = |line: &str| format!("{line}\r\nHost: a\r\n\r\n");
    for wrong in [
        "GET  / HTTP/1.1",
        "GET  HTTP/1.1",
        "[] / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / x HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET /\tHTTP/1.1",
        " GET / HTTP/1.1",
        "GET / HTTP/1.1 ",
        " / HTTP/1.1",
        "GET /",
        "GET",
        "GET HTTP/1.1",
        "G@T / HTTP/1.1",
        "G\u{e9}T / HTTP/1.1",
        "GET / http/1.1",
        "GET / HTTP/11",
        "GET / HTTP/1.10",
        "GET / HTTP/1.",
        "GET / FTP/1.1",
    ] {
        bad(line(wrong), HeadError::RequestLine, 400);
    }
    for version in ["0.9", "1.2", "2.0", "3.0", "9.9"] {
        bad(line(&format!("GET / HTTP/{version}")), HeadError::Version, 505);
    }
    for wrong in [
        "GET x HTTP/1.1",
        "GET /a#b HTTP/1.1",
        "GET /\u{e9} HTTP/1.1",
        "GET * HTTP/1.1",
        "GET a:80 HTTP/1.1",
        "CONNECT a:80 HTTP/1.1",
        "GET http:// HTTP/1.1",
        "GET http:///x HTTP/1.1",
        "GET http://u@a/ HTTP/1.1",
        "GET http://a,b/ HTTP/1.1",
        "GET http://a:99999/ HTTP/1.1",
        "GET ftp://a/ HTTP/1.1",
        "GET ?x HTTP/1.1",
    ] {
        bad(line(wrong), HeadError::Target, 400);
    }
    good(&line("OPTIONS * HTTP/1.1"), &["OPTIONS * \"\" true"]);
    good(&line("M-SEARCH //x HTTP/1.1"), &["M-SEARCH //x \"\" true"]);
    good(&line("GET HTTP://a:80/x?y HTTP/1.1"), &["GET HTTP://a:80/x?y \"\" true"]);
}

#[test]
fn fields() {
    let get = |lines: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    bad(get("X : b\r\n"), HeadError::Field, 400);
    bad(get("X\t: b\r\n"), HeadError::Field, 400);
    bad(get("X\r\n"), HeadError::Field, 400);
    bad(get(": b\r\n"), HeadError::Field, 400);
    bad(get("X Y: b\r\n"), HeadError::Field, 400);
    bad(get("X(: b\r\n"), HeadError::Field, 400);
    bad(get("X\u{e9}: b\r\n"), HeadError::Field, 400);
    bad(get("X: b\r\n c\r\n"), HeadError::Field, 400);
    bad(get("X: b\r\n\tc\r\n"), HeadError::Field, 400);
    bad("GET / HTTP/1.1\r\n Host: a\r\n\r\n", HeadError::Field, 400);
}

#[test]
fn hosts() {
    let host = |host: &str| format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    bad("GET / HTTP/1.1\r\n\r\n", HeadError::HostMissing, 400);
    bad("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", HeadError::HostTwice, 400);
    bad("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", HeadError::HostTwice, 400);
    for wrong in [
        "a b", "a, b", "a/b", "u@a", "a:b", "a:-1", "a:+1", "a:65536", "a:1:2", ":80", "[::1", "[::g]", "[]",
        "[::1]x", "a%2", "a%zz", "a\\b", "a?b", "\u{e9}", "http://a", "::1", "a\tb", "\"a\"",
    ] {
        bad(host(wrong), HeadError::Host, 400);
    }
    for right in
        ["", "a", "a.example.com:8080", "127.0.0.1:1", "[::1]:80", "[2001:db8::1]", "a:", "x_y-z~.com", "%41"]
    {
        good(&host(right), &["GET / \"\" true"]);
    }
}

#[test]
fn lengths() {
    for wrong in ["", "+5", "-1", "5 5", "5,5", "0x5", "5a", "1e1", "18446744073709551616", "\u{666}"] {
        bad(with(&format!("Content-Length: {wrong}\r\n")), HeadError::ContentLength, 400);
    }
    bad(with("Content-Length: 5\r\nContent-Length: 5\r\n"), HeadError::ContentLength, 400);
    bad(with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), HeadError::TwoLengths, 400);
    bad(with("Transfer-Encoding: x\r\nContent-Length: 5\r\n"), HeadError::TwoLengths, 400);
    bad("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", HeadError::CodingOnOldVersion, 400);
    for coding in
        ["gzip", "identity", "gzip, chunked", "chunked, chunked", "chunked;a", "xchunked", "\"chunked\"", ""]
    {
        bad(with(&format!("Transfer-Encoding: {coding}\r\n")), HeadError::Coding, 501);
    }
    bad(with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), HeadError::Coding, 501);
    bad(with("Content-Length: 31\r\n"), HttpError::BodyTooLarge, 413);
    bad(with("Content-Length: 18446744073709551615\r\n"), HttpError::BodyTooLarge, 413);
}

#[test]
fn chunks() {
    let chunked = |body: &str| with("Transfer-Encoding: chunked\r\n") + body;
    for size in
        ["", "g", "-1", "+1", "0x1", " 1", "1 ", "1 ;a", "1\t", "1,", "1000000000000000", "fffffffffffffffff"]
    {
        bad(chunked(&format!("{size}\r\nx\r\n0\r\n\r\n")), ChunkError::Size, 400);
    }
    bad(chunked("1\nx\r\n0\r\n\r\n"), ChunkError::Size, 400);
    bad(chunked("1\rx"), ChunkError::LineEnd, 400);
    bad(chunked("1\r\nxy\r\n0\r\n\r\n"), ChunkError::LineEnd, 400);
    bad(chunked("1\r\nx\n0\r\n\r\n"), ChunkError::LineEnd, 400);
    bad(chunked("1\r\nx\rz"), ChunkError::LineEnd, 400);
    bad(chunked("1\r\nxy\n0\r\n\r\n"), ChunkError::LineEnd, 400);
    bad(chunked("0\rX\r\n"), ChunkError::LineEnd, 400);
    bad(chunked(";a\r\n\r\n"), ChunkError::Size, 400);
    bad(chunked("1;a\nx\r\n0\r\n\r\n"), ChunkError::Extension, 400);
    bad(chunked("1;a\0\r\nx\r\n0\r\n\r\n"), ChunkError::Extension, 400);
    bad(chunked("1;\u{e9}\r\nx\r\n0\r\n\r\n"), ChunkError::Extension, 400);
    bad(chunked(&format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(257))), ChunkError::Extension, 400);
    good(&chunked(&format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(256))), &["POST / \"x\" true"]);
    bad(chunked(&format!("1;{}\r\nx\r\n", "e".repeat(201)).repeat(2)), ChunkError::TooMuchOverhead, 431);
    for trailer in ["X", "X : b", " X: b", ": b", "X: \0", "X\u{e9}: b"] {
        bad(chunked(&format!("0\r\n{trailer}\r\n\r\n")), ChunkError::Trailer, 400);
    }
    bad(chunked("0\r\nX: b\n\r\n"), ChunkError::Trailer, 400);
    bad(chunked("0\r\nX: b\rc\r\n\r\n"), ChunkError::LineEnd, 400);
    bad(chunked("0\r\n\rX"), ChunkError::LineEnd, 400);
    bad(chunked("0\r\n\n"), ChunkError::Trailer, 400);
    bad(chunked(&("0\r\n".to_string() + &"X: 1234567\r\n".repeat(50))), ChunkError::TooMuchOverhead, 431);
    bad(chunked("1f\r\n"), ChunkError::TooLarge, 413);
    bad(chunked("fffffffffffffff\r\n"), ChunkError::TooLarge, 413);
    bad(chunked(&("3\r\nabc\r\n".repeat(10) + "1\r\n")), ChunkError::TooLarge, 413);
}

#[test]
fn heads_over_the_limit() {
    let head = |len: usize| {
        let fixed = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".len();
        format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(len - fixed))
    };
    good(&head(400), &["GET / \"\" true"]);
    bad(head(401), HeadError::TooLarge, 431);
    bad(format!("GET /{}", "x".repeat(400)), HeadError::TooLarge, 431);

    let many = |n: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: b\r\n".repeat(n - 1));
    let wide = Limits::default();
    assert_eq!(feed([many(100).as_bytes()], &wide).1, None);
    for n in [101, 2000] {
        let error = feed([many(n).as_bytes()], &wide).1.unwrap();
        assert_eq!(error, HttpError::Head(HeadError::TooManyHeaders));
        assert_eq!(error.status(), 431);
    }
}

#[test]
fn a_long_head_that_drips_is_searched_once() {
    let limits = Limits { head_bytes: 4 << 20, ..Limits::default() };
    let bytes = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(2 << 20));
    let start = std::time::Instant::now();
    assert_eq!(feed(bytes.as_bytes().chunks(16), &limits).0.len(), 1);
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

#[test]
fn expectations() {
    bad(with("Expect: something\r\nContent-Length: 2\r\n"), HeadError::Expectation, 417);
    bad(with("Expect: 100-continue\r\nExpect: x\r\n"), HeadError::Expectation, 417);

    let mut session = HttpSession::new(&limits());
    let head = with("Expect: 100-Continue\r\nContent-Length: 2\r\n");
    assert!(matches!(session.receive(head.as_bytes()), Ok(Step::Continue)));
    assert_eq!(session.stage(), Stage::Body);
    assert!(matches!(session.receive(b"h"), Ok(Step::NeedMore)), "said once");
    assert!(matches!(session.receive(b"i"), Ok(Step::Request(Request { body: b"hi", .. }))));
    // Not said when the body is there, when there is none, on HTTP/1.0, or before a refusal.
    let whole = head.clone() + "hi";
    assert!(matches!(session.receive(whole.as_bytes()), Ok(Step::Request(_))));
    let none = with("Expect: 100-continue\r\n");
    assert!(matches!(session.receive(none.as_bytes()), Ok(Step::Request(_))));
    assert!(matches!(session.receive(&none.as_bytes()[..9]), Ok(Step::NeedMore)));
    assert!(matches!(session.receive(&none.as_bytes()[9..]), Ok(Step::Request(_))));
    let (cut, rest) = whole.as_bytes().split_at(9);
    assert!(matches!(session.receive(cut), Ok(Step::NeedMore)));
    assert!(matches!(session.receive(rest), Ok(Step::Request(_))));
    let old = "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    assert!(matches!(session.receive(old.as_bytes()), Ok(Step::NeedMore)));
    assert!(matches!(session.receive(b"hi"), Ok(Step::Request(_))));
    let large = with("Expect: 100-continue\r\nContent-Length: 31\r\n");
    assert!(matches!(session.receive(large.as_bytes()), Err(HttpError::BodyTooLarge)));
    let chunked = with("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n");
    let mut session = HttpSession::new(&limits());
    assert!(matches!(session.receive(chunked.as_bytes()), Ok(Step::Continue)));
}

#[test]
fn keeping_alive() {
    let alive = |version: &str, lines: &str| {
        let bytes = format!("GET / HTTP/{version}\r\nHost: a\r\n{lines}\r\n");
        feed([bytes.as_bytes()], &limits()).0[0].ends_with("true")
    };
    assert!(alive("1.1", "") && alive("1.1", "Connection: closed, x\r\n"));
    assert!(
        !alive("1.1", "Connection: CLOSE\r\n")
            && !alive("1.1", "Connection: a\r\nConnection: b,\tclose ,c\r\n")
    );
    assert!(!alive("1.0", "") && alive("1.0", "Connection: Keep-Alive\r\n"));
    assert!(!alive("1.0", "Connection: keep-alive, close\r\n"));
}

#[test]
fn upgrades() {
    let upgrade = |lines: &str| {
        format!("GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{lines}\r\n")
    };
    // Refused at the head: nobody waits for a body that must not be there.
    bad(upgrade("Content-Length: 5\r\n"), HttpError::UpgradeWithBody, 400);
    bad(upgrade("Transfer-Encoding: chunked\r\n"), HttpError::UpgradeWithBody, 400);

    // What follows the head goes to the next protocol, wherever the cut was.
    let head = upgrade("Content-Length: 0\r\n");
    let bytes = head.clone() + "frames";
    for cut in 0..=bytes.len() {
        let mut session = HttpSession::new(&limits());
        let (first, second) = bytes.as_bytes().split_at(cut);
        let seen = matches!(session.receive(first).unwrap(), Step::Request(_));
        if seen {
            session.buffer(second);
        } else {
            assert!(matches!(session.receive(second).unwrap(), Step::Request(_)));
        }
        assert_eq!(session.buffered(), 6);
        assert_eq!(session.take_rest(), b"frames");
        assert_eq!((session.buffered(), session.stage()), (0, Stage::Idle));
    }
}

#[test]
fn stages() {
    let mut session = HttpSession::new(&limits());
    assert_eq!(session.stage(), Stage::Idle);
    assert!(matches!(session.receive(b"GET"), Ok(Step::NeedMore)));
    assert_eq!((session.stage(), session.buffered()), (Stage::Head, 3));
    let rest = b" / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na";
    assert!(matches!(session.receive(rest), Ok(Step::NeedMore)));
    assert_eq!(session.stage(), Stage::Body);
    assert!(matches!(session.receive(b"bcGET"), Ok(Step::Request(Request { body: b"abc", .. }))));
    assert_eq!((session.stage(), session.buffered()), (Stage::Head, 3));
    session.buffer(b" /2 HTTP/1.0\r\n\r\n");
    assert!(matches!(session.next(), Ok(Step::Request(_))));
    assert_eq!((session.stage(), session.buffered()), (Stage::Idle, 0));
    assert!(matches!(session.next(), Ok(Step::NeedMore)));
}

#[test]
fn paths_and_queries() {
    let split = |target: &str| {
        let bytes = format!("OPTIONS {target} HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a: 2\r\n\r\n");
        let mut session = HttpSession::new(&limits());
        let Ok(Step::Request(Request { head, .. })) = session.receive(bytes.as_bytes()) else {
            panic!("{target}")
        };
        assert_eq!(head.header("X-a"), Some(&b"1"[..]));
        assert_eq!(head.header("y"), None);
        (head.path().to_string(), head.query().to_string())
    };
    let pair = |path: &str, query: &str| (path.to_string(), query.to_string());
    assert_eq!(split("/a/b?c=d?e"), pair("/a/b", "c=d?e"));
    assert_eq!(split("/?"), pair("/", ""));
    assert_eq!(split("*"), pair("*", ""));
    assert_eq!(split("http://h"), pair("/", ""));
    assert_eq!(split("http://h?q"), pair("/", "q"));
    assert_eq!(split("http://h:1/p?q"), pair("/p", "q"));
    assert_eq!(split("/x?u=http://y/z"), pair("/x", "u=http://y/z"));
}
