//! Hostile HTTP: after each of these a good client is served by the same process, which weighs what it did and has
//! no descriptor more.

mod raw;
mod support;

use raw::{Answer, Got, KEY, PATIENCE, Raw, Rest, Server, frame, upgrade_head};
use std::io::Write;
use std::time::{Duration, Instant};

/// What the memory of the process may grow by over a whole group of cases, in bytes.
const SLACK: u64 = 4 << 20;

/// What is to come of some bytes.
enum Then {
    /// This answer, with `Connection: close`, and the end.
    Refused(u16),
    /// These answers, and the connection serves another request.
    Answered(&'static [u16]),
    /// These answers and the end: the request itself wanted it.
    Last(&'static [u16]),
    /// A WebSocket that is alive.
    Upgraded,
}
use Then::{Answered, Last, Refused, Upgraded};

type Case = (&'static str, Vec<u8>, Then);

fn run(cases: Vec<Case>) {
    let server = Server::start(2, "");
    let rest = Rest::of(&server, SLACK);
    for (name, bytes, then) in cases {
        let mut raw = server.connect();
        raw.send(&bytes);
        match then {
            Refused(status) => {
                expect(&mut raw, status, name, "close");
                raw.expect_end(name);
            }
            Answered(statuses) => {
                statuses.iter().for_each(|status| drop(expect(&mut raw, *status, name, "keep-alive")));
                raw.send(b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n");
                expect(&mut raw, 404, name, "keep-alive");
            }
            Last(statuses) => {
                statuses.iter().for_each(|status| drop(expect(&mut raw, *status, name, "")));
                raw.expect_end(name);
            }
            Upgraded => {
                let answer = expect(&mut raw, 101, name, "Upgrade");
                assert_eq!(answer.header("sec-websocket-extensions"), None, "{name}");
                assert_eq!(answer.header("sec-websocket-protocol"), None, "{name}");
                raw.heartbeat(name);
                raw.say_goodbye(name);
            }
        }
        drop(raw);
        rest.check(&server, name);
    }
}

/// The next answer; `connection` is what its Connection field says, if that matters.
fn expect(raw: &mut Raw, status: u16, name: &str, connection: &str) -> Answer {
    let Some(answer) = raw.answer() else { panic!("{name}: expected {status}, got the end") };
    assert_eq!(answer.status, status, "{name}: {} {}", answer.head, String::from_utf8_lossy(&answer.body));
    match connection {
        "keep-alive" => assert_ne!(answer.header("connection"), Some("close"), "{name}"),
        "" => {}
        said => assert_eq!(answer.header("connection"), Some(said), "{name}"),
    }
    if status >= 400 {
        let body = String::from_utf8_lossy(&answer.body);
        assert!(body.starts_with("{\"code\":\"") && body.contains("\"message\":\""), "{name}: {body}");
    }
    answer
}

fn get(fields: &str) -> Vec<u8> {
    format!("GET /nothing HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes()
}

fn post(fields: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let head = format!("POST /nothing HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    [head.as_bytes(), body.as_ref()].concat()
}

fn chunked(body: impl AsRef<[u8]>) -> Vec<u8> {
    post("Transfer-Encoding: chunked\r\n", body)
}

/// A body that is a request: it must not be answered.
fn with_request_inside() -> Vec<u8> {
    let inside = "GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n";
    post(&format!("Content-Length: {}\r\n", inside.len()), inside)
}

/// A head of so many bytes.
fn get_of(length: usize) -> Vec<u8> {
    get(&format!("X: {}\r\n", "y".repeat(length - get("X: \r\n").len())))
}

fn bytes(text: impl AsRef<[u8]>) -> Vec<u8> {
    text.as_ref().to_vec()
}

#[test]
fn lengths() {
    let length = |value: &str| post(&format!("Content-Length: {value}\r\n"), "12345");
    run(vec![
        ("good", length("5"), Answered(&[404])),
        ("leading zeros", length("000000000000005"), Answered(&[404])),
        ("twice, the same", post("Content-Length: 5\r\nContent-Length: 5\r\n", "12345"), Refused(400)),
        ("twice, different", post("Content-Length: 5\r\nContent-Length: 4\r\n", "12345"), Refused(400)),
        ("list of the same", length("5, 5"), Refused(400)),
        ("list of different", length("5, 6"), Refused(400)),
        ("plus", length("+5"), Refused(400)),
        ("minus", length("-5"), Refused(400)),
        ("minus zero", length("-0"), Refused(400)),
        ("empty", length(""), Refused(400)),
        ("blank inside", length("1 5"), Refused(400)),
        ("hexadecimal", length("0x5"), Refused(400)),
        ("exponent", length("5e0"), Refused(400)),
        ("fraction", length("5.0"), Refused(400)),
        ("garbage behind", length("5;"), Refused(400)),
        ("underscore", length("0_5"), Refused(400)),
        ("full-width digit", length("\u{ff15}"), Refused(400)),
        ("one over the limit", post("Content-Length: 1000001\r\n", ""), Refused(413)),
        ("2^31", length("2147483648"), Refused(413)),
        ("2^32 + 5", length("4294967301"), Refused(413)),
        ("2^63", length("9223372036854775808"), Refused(413)),
        ("2^64 - 1", length("18446744073709551615"), Refused(413)),
        ("2^64 + 5", length("18446744073709551621"), Refused(400)),
        ("a hundred digits", length(&"9".repeat(100)), Refused(400)),
        ("at the limit", post("Content-Length: 1000000\r\n", vec![b'x'; 1_000_000]), Answered(&[404])),
        (
            "with a coding",
            post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
            Refused(400),
        ),
        (
            "with a coding, reversed",
            post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"),
            Refused(400),
        ),
        ("on a GET", [get("Content-Length: 5\r\n"), bytes("12345")].concat(), Answered(&[404])),
        ("request in the body", with_request_inside(), Answered(&[404])),
    ]);
}

#[test]
fn codings() {
    let coding = |field: &str| post(&format!("{field}\r\n"), "5\r\n12345\r\n0\r\n\r\n");
    run(vec![
        ("good", coding("Transfer-Encoding: chunked"), Answered(&[404])),
        ("case", coding("tRANSFER-eNCODING: CHUNKED"), Answered(&[404])),
        ("tab before", coding("Transfer-Encoding:\tchunked"), Answered(&[404])),
        ("twice", coding("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), Refused(501)),
        ("chunked, chunked", coding("Transfer-Encoding: chunked, chunked"), Refused(501)),
        ("identity", coding("Transfer-Encoding: identity"), Refused(501)),
        ("chunked, identity", coding("Transfer-Encoding: chunked, identity"), Refused(501)),
        ("two fields", coding("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked"), Refused(501)),
        ("gzip, chunked", coding("Transfer-Encoding: gzip, chunked"), Refused(501)),
        ("xchunked", coding("Transfer-Encoding: xchunked"), Refused(501)),
        ("chunkedx", coding("Transfer-Encoding: chunkedx"), Refused(501)),
        ("quoted", coding("Transfer-Encoding: \"chunked\""), Refused(501)),
        ("parameter", coding("Transfer-Encoding: chunked;q=1"), Refused(501)),
        ("comma before", coding("Transfer-Encoding: ,chunked"), Refused(501)),
        ("empty", coding("Transfer-Encoding:"), Refused(501)),
        ("vertical tab", coding("Transfer-Encoding: \x0bchunked"), Refused(400)),
        ("form feed", coding("Transfer-Encoding: chunked\x0c"), Refused(400)),
        ("space before colon", coding("Transfer-Encoding : chunked"), Refused(400)),
        ("folded", coding("Transfer-Encoding:\r\n chunked"), Refused(400)),
        ("latin-1 blank", post("Transfer-Encoding: \u{a0}chunked\r\n", ""), Refused(501)),
        (
            "another name",
            post("Transfer_Encoding: chunked\r\nContent-Length: 5\r\n", "12345"),
            Answered(&[404]),
        ),
        (
            "on HTTP/1.0",
            bytes("POST /n HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            Refused(400),
        ),
    ]);
}

#[test]
fn chunks() {
    let extension = |bytes: usize| chunked(format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(bytes)));
    let flood = |extension: usize| {
        let chunk = format!("1;{}\r\nx\r\n", "e".repeat(extension));
        chunked(chunk.repeat(20_000) + "0\r\n\r\n")
    };
    let trailers = |count: usize| {
        let lines: String = (0..count).map(|n| format!("X-Trailer-{n}: {n}\r\n")).collect();
        chunked(format!("1\r\nx\r\n0\r\n{lines}\r\n"))
    };
    let size = |size: &str| chunked(format!("{size}\r\n12345\r\n0\r\n\r\n"));
    run(vec![
        ("good", size("5"), Answered(&[404])),
        ("zeros before", size("000000000005"), Answered(&[404])),
        ("extension", size("5;a=b;c=\"d\""), Answered(&[404])),
        ("no size", size(""), Refused(400)),
        ("not hexadecimal", size("g"), Refused(400)),
        ("not hexadecimal later", size("5g"), Refused(400)),
        ("minus", size("-5"), Refused(400)),
        ("plus", size("+5"), Refused(400)),
        ("prefix", size("0x5"), Refused(400)),
        ("blank before", size(" 5"), Refused(400)),
        ("blank behind", size("5 "), Refused(400)),
        ("tab behind", size("5\t"), Refused(400)),
        ("comma", size("5,5"), Refused(400)),
        ("sixteen digits", size("ffffffffffffffff"), Refused(400)),
        ("overflow to five", size("10000000000000005"), Refused(400)),
        ("2^63", size("8000000000000000"), Refused(400)),
        ("fifteen digits", size("fffffffffffffff"), Refused(413)),
        ("2^32 + 5", size("100000005"), Refused(413)),
        ("endless zeros", chunked("0".repeat(100_000)), Refused(400)),
        ("one over the limit", size("f4241"), Refused(413)),
        ("bare LF behind the size", chunked("5\n12345\r\n0\r\n\r\n"), Refused(400)),
        ("bare CR behind the size", chunked("5\r12345\r\n0\r\n\r\n"), Refused(400)),
        ("bare LF behind the data", chunked("5\r\n12345\n0\r\n\r\n"), Refused(400)),
        ("bare CR behind the data", chunked("5\r\n12345\r0\r\n\r\n"), Refused(400)),
        ("more data than said", chunked("5\r\n123456\r\n0\r\n\r\n"), Refused(400)),
        ("less data than said", chunked("5\r\n1234\r\n0\r\n\r\nx"), Refused(400)),
        ("CR in an extension", chunked("5;a\rb\r\n12345\r\n0\r\n\r\n"), Refused(400)),
        ("LF in an extension", chunked("5;a\nb\r\n12345\r\n0\r\n\r\n"), Refused(400)),
        ("NUL in an extension", chunked("5;a\0b\r\n12345\r\n0\r\n\r\n"), Refused(400)),
        ("long extension", extension(10_000), Refused(400)),
        ("endless extension", chunked(format!("5;{}", "e".repeat(2_000_000))), Refused(400)),
        ("many extensions", flood(200), Refused(431)),
        ("many short extensions", flood(1), Refused(431)),
        ("trailer", trailers(1), Answered(&[404])),
        ("trailer with a length", chunked("0\r\nContent-Length: 5\r\n\r\n"), Answered(&[404])),
        ("trailers", trailers(10_000), Refused(431)),
        ("trailer without a colon", chunked("0\r\nx\r\n\r\n"), Refused(400)),
        ("trailer without a name", chunked("0\r\n: x\r\n\r\n"), Refused(400)),
        ("trailer, folded", chunked("0\r\nx: y\r\n z\r\n\r\n"), Refused(400)),
        ("trailer with NUL", chunked("0\r\nx: y\0z\r\n\r\n"), Refused(400)),
        ("trailer with bare CR", chunked("0\r\nx: y\rz\r\n\r\n"), Refused(400)),
        ("trailer with bare LF", chunked("0\r\nx: y\nz: a\r\n\r\n"), Refused(400)),
        (
            "one byte each, 100,000 chunks",
            chunked("1\r\nx\r\n".repeat(100_000) + "0\r\n\r\n"),
            Answered(&[404]),
        ),
        ("one byte each, over the limit", chunked("1\r\nx\r\n".repeat(1_000_001)), Refused(413)),
    ]);
}

#[test]
fn lines_and_fields() {
    let many = |count: usize| get(&(0..count).map(|n| format!("X-{n}: y\r\n")).collect::<String>());
    let host = |value: &str| bytes(format!("GET /nothing HTTP/1.1\r\nHost: {value}\r\n\r\n"));
    run(vec![
        ("bare LF everywhere", bytes("GET /nothing HTTP/1.1\nHost: a\n\n"), Refused(400)),
        ("bare LF in a field", get("X: y\nZ: a\r\n"), Refused(400)),
        ("bare CR in a field", get("X: y\rZ: a\r\n"), Refused(400)),
        ("CR CR LF", get("X: y\r\r\n"), Refused(400)),
        ("bare CR as the end", bytes("GET /nothing HTTP/1.1\rHost: a\r\r"), Refused(400)),
        ("NUL in a value", get("X: y\0z\r\n"), Refused(400)),
        ("NUL in a name", get("X\0: y\r\n"), Refused(400)),
        ("NUL in the target", bytes("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"), Refused(400)),
        ("DEL in a value", get("X: \x7f\r\n"), Refused(400)),
        ("escape in a value", get("X: \x1b[31m\r\n"), Refused(400)),
        ("folded with a space", get("X: y\r\n z\r\n"), Refused(400)),
        ("folded with a tab", get("X: y\r\n\tz\r\n"), Refused(400)),
        ("folded at once", bytes("GET /nothing HTTP/1.1\r\n Host: a\r\n\r\n"), Refused(400)),
        ("space before colon", get("X : y\r\n"), Refused(400)),
        ("tab before colon", get("X\t: y\r\n"), Refused(400)),
        ("no colon", get("X\r\n"), Refused(400)),
        ("no name", get(": y\r\n"), Refused(400)),
        ("quote in a name", get("\"X\": y\r\n"), Refused(400)),
        ("parenthesis in a name", get("X(: y\r\n"), Refused(400)),
        ("name beyond ASCII", get("\u{e9}: y\r\n"), Refused(400)),
        ("value beyond ASCII", get("X: \u{e9}\r\n"), Answered(&[404])),
        ("empty value", get("X:\r\n"), Answered(&[404])),
        ("100 fields", many(99), Answered(&[404])),
        ("101 fields", many(100), Refused(431)),
        ("2,000 fields", many(2_000), Refused(431)),
        ("two Hosts", get("Host: b\r\n"), Refused(400)),
        ("two Hosts, the same", get("Host: a\r\n"), Refused(400)),
        ("two Hosts in one", host("a, b"), Refused(400)),
        ("no Host", bytes("GET /nothing HTTP/1.1\r\n\r\n"), Refused(400)),
        ("empty Host", host(""), Answered(&[404])),
        ("Host with a blank", host("a b"), Refused(400)),
        ("Host with a path", host("a/b"), Refused(400)),
        ("Host with a user", host("user@a"), Refused(400)),
        ("Host with a bad port", host("a:b"), Refused(400)),
        ("Host with port 65536", host("a:65536"), Refused(400)),
        ("Host, IPv6 unclosed", host("[::1"), Refused(400)),
        ("Host, IPv6", host("[::1]:80"), Answered(&[404])),
        ("expectation", post("Expect: 200-maybe\r\nContent-Length: 1\r\n", "x"), Refused(417)),
        ("head of 16 KiB", get_of(16 << 10), Answered(&[404])),
        ("head over 16 KiB", get_of((16 << 10) + 1), Refused(431)),
        ("head of 20 MB", get_of(20_000_000), Refused(431)),
        ("head of 20 MB, many lines", get(&"X: yyyyyyyyyy\r\n".repeat(1_400_000)), Refused(431)),
        ("target of 20 MB", bytes(format!("GET /{} HTTP/1.1\r\n\r\n", "y".repeat(20_000_000))), Refused(431)),
        ("name of 20 MB", get(&format!("{}: y\r\n", "y".repeat(20_000_000))), Refused(431)),
    ]);
}

#[test]
fn request_lines() {
    let line = |line: &str| bytes(format!("{line}\r\nHost: a\r\n\r\n"));
    run(vec![
        ("an empty line before", bytes("\r\nGET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"), Answered(&[404])),
        ("two empty lines before", bytes("\r\n\r\nGET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"), Refused(400)),
        ("a million empty lines", bytes("\r\n".repeat(1_000_000)), Refused(400)),
        ("two blanks", line("GET  /nothing HTTP/1.1"), Refused(400)),
        ("blank at the end", line("GET /nothing HTTP/1.1 "), Refused(400)),
        ("blank at the start", line(" GET /nothing HTTP/1.1"), Refused(400)),
        ("tab", line("GET\t/nothing HTTP/1.1"), Refused(400)),
        ("blank in the target", line("GET /not hing HTTP/1.1"), Refused(400)),
        ("no version", line("GET /nothing"), Refused(400)),
        ("no target", line("GET HTTP/1.1"), Refused(400)),
        ("HTTP/0.9", bytes("GET /\r\n\r\n"), Refused(400)),
        ("HTTP/1.2", line("GET /nothing HTTP/1.2"), Refused(505)),
        ("HTTP/1.10", line("GET /nothing HTTP/1.10"), Refused(400)),
        ("HTTP/2.0", line("GET /nothing HTTP/2.0"), Refused(505)),
        ("HTTP/9.9", line("GET /nothing HTTP/9.9"), Refused(505)),
        ("lower case version", line("GET /nothing http/1.1"), Refused(400)),
        ("HTTP/2 preface", bytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Refused(505)),
        ("asterisk", line("GET * HTTP/1.1"), Refused(400)),
        ("CONNECT", line("CONNECT a:80 HTTP/1.1"), Refused(400)),
        ("no slash", line("GET nothing HTTP/1.1"), Refused(400)),
        ("absolute", line("GET http://a/nothing HTTP/1.1"), Answered(&[404])),
        ("absolute without authority", line("GET http:///nothing HTTP/1.1"), Refused(400)),
        ("another scheme", line("GET file:///etc/passwd HTTP/1.1"), Refused(400)),
        ("user in the authority", line("GET http://user@a/ HTTP/1.1"), Refused(400)),
        ("fragment", line("GET /nothing#x HTTP/1.1"), Refused(400)),
        ("beyond ASCII", line("GET /\u{e9} HTTP/1.1"), Refused(400)),
        ("not UTF-8", bytes(b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n"), Refused(400)),
        ("dots", line("GET /../../../../etc/passwd HTTP/1.1"), Answered(&[404])),
        ("dots, encoded", line("GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1"), Answered(&[404])),
        ("NUL, encoded", line("GET /%00 HTTP/1.1"), Answered(&[404])),
        ("bad percent", line("GET /%zz HTTP/1.1"), Answered(&[404])),
        ("lower case method", line("get /nothing HTTP/1.1"), Answered(&[404])),
        ("unknown method", line("BREW /nothing HTTP/1.1"), Answered(&[404])),
        ("method with a bracket", line("GE(T /nothing HTTP/1.1"), Refused(400)),
        ("method with a colon", line("GET: /nothing HTTP/1.1"), Refused(400)),
        ("long method", line(&format!("{} /nothing HTTP/1.1", "G".repeat(10_000))), Answered(&[404])),
        ("long path", line(&format!("GET {} HTTP/1.1", "/a".repeat(7_000))), Answered(&[404])),
        ("TLS hello", bytes(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), Refused(400)),
        ("SSH banner", bytes("SSH-2.0-OpenSSH_9.2\r\n\r\n"), Refused(400)),
        ("redis", bytes("*1\r\n$4\r\nPING\r\n\r\n"), Refused(400)),
        ("zeros", vec![0; 100_000], Refused(400)),
        ("bytes of every value", (0..=255).collect(), Refused(400)),
        (
            "garbage behind a request",
            bytes("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n\x01\x02"),
            Last(&[404, 400]),
        ),
        ("HTTP/1.0", bytes("GET /nothing HTTP/1.0\r\n\r\n"), Last(&[404])),
        ("close", get("Connection: close\r\n"), Last(&[404])),
        ("close in a list", get("Connection: keep-alive, Close\r\n"), Last(&[404])),
        ("nothing behind close", [get("Connection: close\r\n"), get("")].concat(), Last(&[404])),
    ]);
}

/// An upgrade whose lines are these.
fn upgrade_lines(line: &str, lines: &[&str]) -> Vec<u8> {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    bytes(format!("{line}\r\nHost: a\r\n{lines}\r\n"))
}

#[test]
fn upgrades() {
    const LINE: &str = "GET /ws?bizCode=d&clientId=c HTTP/1.1";
    const CONNECTION: &str = "Connection: Upgrade";
    const UPGRADE: &str = "Upgrade: websocket";
    const VERSION: &str = "Sec-WebSocket-Version: 13";
    let key_line = format!("Sec-WebSocket-Key: {KEY}");
    let key = key_line.as_str();
    let with = |more: &str| bytes(upgrade_head("bizCode=d&clientId=c", more));
    let keyed = |key: &str| {
        upgrade_lines(LINE, &[CONNECTION, UPGRADE, VERSION, &format!("Sec-WebSocket-Key: {key}")])
    };
    let versioned = |version: &str| upgrade_lines(LINE, &[CONNECTION, UPGRADE, version, key]);
    let offering = |offer: &str| with(&format!("Sec-WebSocket-Extensions: {offer}\r\n"));
    let protocols = |list: &str| with(&format!("Sec-WebSocket-Protocol: {list}\r\n"));
    let fields = |count: usize| with(&(0..count).map(|n| format!("X-{n}: y\r\n")).collect::<String>());
    let asking = |query: &str| bytes(upgrade_head(query, ""));
    run(vec![
        ("good", with(""), Upgraded),
        ("not an upgrade", upgrade_lines(LINE, &[]), Answered(&[426])),
        ("another protocol", upgrade_lines(LINE, &[CONNECTION, "Upgrade: h2c"]), Answered(&[426])),
        (
            "lists",
            upgrade_lines(
                LINE,
                &["Connection: keep-alive, Upgrade", "Upgrade: h2c, WebSocket", VERSION, key],
            ),
            Upgraded,
        ),
        ("no Connection", upgrade_lines(LINE, &[UPGRADE, VERSION, key]), Refused(400)),
        (
            "Connection: close",
            upgrade_lines(LINE, &["Connection: close", UPGRADE, VERSION, key]),
            Refused(400),
        ),
        ("no version", upgrade_lines(LINE, &[CONNECTION, UPGRADE, key]), Refused(426)),
        ("version 8", versioned("Sec-WebSocket-Version: 8"), Refused(426)),
        ("version 014", versioned("Sec-WebSocket-Version: 013"), Refused(426)),
        ("version 269", versioned("Sec-WebSocket-Version: 269"), Refused(426)),
        ("two versions", versioned("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13"), Refused(426)),
        ("list of versions", versioned("Sec-WebSocket-Version: 13, 8"), Refused(426)),
        ("no key", upgrade_lines(LINE, &[CONNECTION, UPGRADE, VERSION]), Refused(400)),
        ("empty key", keyed(""), Refused(400)),
        ("short key", keyed("dGhlIHNhbXBsZSBub25j"), Refused(400)),
        ("long key", keyed("dGhlIHNhbXBsZSBub25jZTEyMzQ1Njc4"), Refused(400)),
        ("no base64", keyed("dGhlIHNhbXBsZSBub25j!Q=="), Refused(400)),
        ("base64 without its end", keyed("dGhlIHNhbXBsZSBub25jZQ"), Refused(400)),
        ("key of 15,000 bytes", keyed(&"A".repeat(15_000)), Refused(400)),
        ("two keys", with(&format!("Sec-WebSocket-Key: {KEY}\r\n")), Refused(400)),
        (
            "HTTP/1.0",
            upgrade_lines("GET /ws?bizCode=d&clientId=c HTTP/1.0", &[CONNECTION, UPGRADE, VERSION, key]),
            Refused(400),
        ),
        (
            "POST",
            upgrade_lines("POST /ws?bizCode=d&clientId=c HTTP/1.1", &[CONNECTION, UPGRADE, VERSION, key]),
            Refused(405),
        ),
        (
            "HEAD",
            upgrade_lines("HEAD /nothing HTTP/1.1", &["Connection: close", UPGRADE, VERSION, key]),
            Refused(404),
        ),
        ("a length", [with("Content-Length: 5\r\n"), bytes("12345")].concat(), Refused(400)),
        ("a length, body left out", with("Content-Length: 5\r\n"), Refused(400)),
        ("length zero", with("Content-Length: 0\r\n"), Upgraded),
        ("chunks", [with("Transfer-Encoding: chunked\r\n"), bytes("0\r\n\r\n")].concat(), Refused(400)),
        ("an expectation", with("Expect: 100-continue\r\n"), Upgraded),
        ("another path", bytes(upgrade_head("", "").replace("/ws?", "/wss")), Refused(404)),
        ("2,000 fields", fields(2_000), Refused(431)),
        ("1,000 short fields", with(&"a:b\r\n".repeat(1_000)), Refused(431)),
        ("extension", offering("permessage-deflate; client_max_window_bits"), Upgraded),
        ("extension, 99 window bits", offering("permessage-deflate; server_max_window_bits=99"), Upgraded),
        ("extension, -7 window bits", offering("permessage-deflate; client_max_window_bits=-7"), Upgraded),
        ("extension __proto__", offering("__proto__, constructor; hasOwnProperty"), Upgraded),
        ("extension, no grammar", offering(";;;,,,===\"\"\"\\"), Upgraded),
        ("protocols", protocols("chat, superchat"), Upgraded),
        ("protocols, 10,000 blanks", protocols(&format!("a,{}b", " ".repeat(10_000))), Upgraded),
        (
            "protocols, 10,000 blanks at the end of a name",
            protocols(&format!("a{}b", " ".repeat(10_000))),
            Refused(400),
        ),
        ("protocols, brackets", protocols("(chat)"), Refused(400)),
        ("domain missing", asking("clientId=c"), Refused(400)),
        ("domain empty", asking("bizCode=&clientId=c"), Refused(400)),
        ("domain too long", asking(&format!("bizCode={}&clientId=c", "d".repeat(257))), Refused(400)),
        ("domain twice", asking("bizCode=d&bizCode=d&clientId=c"), Refused(400)),
        ("client missing", asking("bizCode=d"), Refused(400)),
        ("client empty", asking("bizCode=d&clientId="), Refused(400)),
        ("client without a value", asking("bizCode=d&clientId"), Refused(400)),
        ("client twice", asking("bizCode=d&clientId=a&clientId=b"), Refused(400)),
        ("client too long", asking(&format!("bizCode=d&clientId={}", "%E2%82%AC".repeat(86))), Refused(400)),
        ("client of 256 bytes", asking(&format!("bizCode=d&clientId={}", "c".repeat(256))), Upgraded),
        ("not UTF-8", asking("bizCode=%ff&clientId=c"), Refused(400)),
        ("surrogates", asking("bizCode=%ed%a0%80&clientId=c"), Refused(400)),
        ("overlong", asking("bizCode=%c0%80&clientId=c"), Refused(400)),
        ("percent cut", asking("bizCode=d%&clientId=%e2%8"), Refused(400)),
        ("NUL as a name", asking("bizCode=%00&clientId=%00"), Upgraded),
        ("an empty group between", asking("bizCode=d&clientId=c&group=a,,b"), Refused(400)),
        (
            "a group too long",
            asking(&format!("bizCode=d&clientId=c&group={}", "g".repeat(257))),
            Refused(400),
        ),
        ("64 groups", asking(&format!("bizCode=d&clientId=c&group=g{}", ",g".repeat(63))), Upgraded),
        ("65 groups", asking(&format!("bizCode=d&clientId=c&group=g{}", ",g".repeat(64))), Refused(400)),
        ("groups twice", asking("bizCode=d&clientId=c&group=a&group=b"), Refused(400)),
        ("encoded path", bytes(upgrade_head("", "").replace("/ws?", "/%77s?")), Refused(404)),
        ("a dot behind the path", bytes(upgrade_head("", "").replace("/ws?", "/ws/.?")), Refused(404)),
    ]);
}

#[test]
fn heads_in_pieces() {
    let server = Server::start(2, "");
    let rest = Rest::of(&server, SLACK);
    let mut raw = server.connect();
    for byte in post("Transfer-Encoding: chunked\r\n", "3;x=y\r\nabc\r\n0\r\nX: y\r\n\r\n") {
        raw.send(&[byte]);
    }
    expect(&mut raw, 404, "a byte at a time", "keep-alive");
    for byte in upgrade_head("bizCode=d&clientId=c", "").bytes() {
        raw.send(&[byte]);
    }
    expect(&mut raw, 101, "an upgrade behind it, a byte at a time", "Upgrade");
    raw.heartbeat("a byte at a time");

    raw = server.connect();
    raw.send(b"HEAD /nothing HTTP/1.0\r\n\r\n");
    raw.expect_bare_head(404);

    raw = server.connect();
    raw.send(&post("Expect: 100-continue\r\nContent-Length: 3\r\n", ""));
    assert_eq!(raw.answer().unwrap().status, 100);
    raw.send(b"abc");
    expect(&mut raw, 404, "100-continue", "keep-alive");

    let head = upgrade_head("bizCode=d&clientId=c", "");
    raw = server.connect();
    raw.send(&[head.as_bytes(), &frame(0x81, br#"{"mode":1,"msgId":7}"#), &frame(0x89, b"x")].concat());
    expect(&mut raw, 101, "frames behind an upgrade", "Upgrade");
    assert!(matches!(raw.frame(), Got::Text(text) if text.starts_with(r#"{"msgId":7,"mode":1,"#)));
    assert_eq!(raw.frame(), Got::Pong(b"x".to_vec()));
    raw = server.connect();
    raw.send(&[get("").as_slice(), head.as_bytes(), &frame(0x81, b"{}")[..4]].concat());
    expect(&mut raw, 404, "a request, an upgrade and half a frame", "keep-alive");
    expect(&mut raw, 101, "a request, an upgrade and half a frame", "Upgrade");
    raw.send(&frame(0x81, b"{}")[4..]);
    assert!(matches!(raw.frame(), Got::Text(text) if text.contains("\"code\":400")));
    raw = server.connect();
    raw.send(&[head.as_bytes(), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
    expect(&mut raw, 101, "a request behind an upgrade", "Upgrade");
    assert!(matches!(raw.frame(), Got::Close(Some(1002), _)), "a request is no frame");
    raw.expect_end("a request behind an upgrade");
    drop(raw);
    rest.check(&server, "in pieces");
}

#[test]
fn pipelines() {
    let server = Server::start(1, "[limits]\nhandshake_s = 30\n");
    let rest = Rest::of(&server, SLACK);
    let before = server.weight();
    // 1,500 are all received while their answers wait to be read; of 10,000 some are not.
    for (requests, half_close) in [(10_000, false), (10_000, true), (1_500, true)] {
        let mut raw = server.connect_narrow();
        let mut writer = raw.stream().try_clone().unwrap();
        let writing = std::thread::spawn(move || {
            let all = get("").repeat(requests);
            writer.write_all(&all).unwrap();
            if half_close {
                writer.shutdown(std::net::Shutdown::Write).unwrap();
            }
        });
        // Long enough that the server has met the end of what it may queue, here or anywhere.
        std::thread::sleep(Duration::from_millis(300));
        assert!(server.weight() < before + (2 << 20), "unread answers take memory");
        server.serves_a_good_client("while somebody does not read");
        for number in 0..requests {
            expect(&mut raw, 404, &format!("pipelined request {number}"), "");
        }
        writing.join().unwrap();
        if half_close {
            raw.expect_end("pipelined, then half-closed");
        }
        drop(raw);
        rest.check(&server, "pipelined");
    }
    // These take asking the other reactor, so that the end is seen while one is asked about and others wait.
    let server = Server::start(2, "");
    let rest = Rest::of(&server, SLACK);
    let mut raw = server.connect();
    raw.send(&b"GET /api/v1/domains HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100));
    raw.end_sending();
    for number in 0..100 {
        expect(&mut raw, 200, &format!("question {number} before a half-close"), "");
    }
    raw.expect_end("questions before a half-close");
    drop(raw);
    rest.check(&server, "questions before a half-close");
    // The body of each is a request, and none of them is answered.
    let mut raw = server.connect();
    raw.send(&with_request_inside().repeat(100));
    raw.end_sending();
    for _ in 0..100 {
        expect(&mut raw, 404, "requests in bodies", "");
    }
    raw.expect_end("requests in bodies");
    drop(raw);
    rest.check(&server, "requests in bodies");
}

#[test]
fn more_is_sent_than_answered() {
    let server = Server::start(2, "");
    let rest = Rest::of(&server, SLACK);
    let question = b"GET /api/v1/domains HTTP/1.1\r\nHost: a\r\n\r\n";
    // Every answer takes asking the other reactor, and in that time far more arrives than was answered.
    let mut raw = server.connect();
    let mut writer = raw.stream().try_clone().unwrap();
    let writing = std::thread::spawn(move || {
        let many = question.repeat(20_000);
        while writer.write_all(&many).is_ok() {}
    });
    let before = server.peak();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        expect(&mut raw, 200, "one question of too many", "");
    }
    let after = server.peak();
    assert!(
        after < before + (6 << 20),
        "what is not answered yet takes memory: {after} bytes, before {before}"
    );
    // The writer has the connection too, and would go on.
    raw.stream().shutdown(std::net::Shutdown::Both).unwrap();
    writing.join().unwrap();
    drop(raw);
    rest.check(&server, "more sent than answered");

    // Each of them is longer than what is read ahead, and one goes on as a WebSocket.
    let body = format!(r#"{{"bizCode":"d","mode":300,"content":"{}"}}"#, "x".repeat(900_000));
    let long = post(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()), &body);
    let long = String::from_utf8(long).unwrap().replace("/nothing", "/api/v1/publish").into_bytes();
    let head = bytes(upgrade_head("bizCode=d&clientId=c", ""));
    let beats = frame(0x81, br#"{"mode":1,"msgId":"beat"}"#).repeat(5_000);
    let all = [question.repeat(3_000), long.repeat(3), question.repeat(3_000), head, beats].concat();
    let mut raw = server.connect();
    let mut writer = raw.stream().try_clone().unwrap();
    let writing = std::thread::spawn(move || writer.write_all(&all).unwrap());
    for number in 0..6_003 {
        expect(&mut raw, 200, &format!("request {number} of several kinds"), "");
    }
    expect(&mut raw, 101, "an upgrade behind many requests", "Upgrade");
    (0..5_000).for_each(|_| assert!(matches!(raw.frame(), Got::Text(_)), "a beat behind an upgrade"));
    writing.join().unwrap();
    raw.say_goodbye("behind many requests");
    drop(raw);
    rest.check(&server, "requests of several kinds");
}

#[test]
fn half_closed() {
    let server = Server::start(2, "");
    let rest = Rest::of(&server, SLACK);
    let upgrade = bytes(upgrade_head("bizCode=d&clientId=c", ""));
    let cases: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("at once", vec![], &[]),
        ("in a head", bytes("GET /no"), &[]),
        ("after a head", bytes("GET /nothing HTTP/1.1\r\nHost: a\r\n"), &[]),
        ("in a body", post("Content-Length: 5\r\n", "123"), &[]),
        ("in a chunk", chunked("5\r\n123"), &[]),
        ("after a request", get(""), &[404]),
        ("after two requests and a half", [get(""), get(""), bytes("GET")].concat(), &[404, 404]),
        ("after an upgrade", upgrade.clone(), &[101]),
        ("in a frame", [upgrade.as_slice(), &[0x81]].concat(), &[101]),
        ("in a message", [upgrade.as_slice(), &frame(0x01, b"abc")].concat(), &[101]),
    ];
    for (name, bytes, answers) in cases {
        let mut raw = server.connect();
        raw.send(&bytes);
        raw.end_sending();
        answers.iter().for_each(|status| drop(expect(&mut raw, *status, name, "")));
        raw.expect_end(name);
        drop(raw);
        rest.check(&server, name);
    }
}

#[test]
fn resets() {
    let server = Server::start(2, "");
    let rest = Rest::of(&server, SLACK);
    let upgrade = bytes(upgrade_head("bizCode=d&clientId=c&group=g", ""));
    let after = |frames: &[u8]| [upgrade.as_slice(), frames].concat();
    let states: Vec<(&str, Vec<u8>)> = vec![
        ("connected", vec![]),
        ("in a head", bytes("GET /no")),
        ("in a body", post("Content-Length: 5\r\n", "123")),
        ("with an answer unread", get("")),
        ("with many answers unread", get("").repeat(2_000)),
        ("being refused", bytes("nonsense\r\n\r\n")),
        ("being refused an upgrade", bytes(upgrade_head("bizCode=d", ""))),
        ("upgraded", upgrade.clone()),
        ("in a frame", after(&[0x81])),
        ("in a message", after(&frame(0x01, b"abc"))),
        ("after a message", after(&frame(0x81, br#"{"mode":300,"content":1,"receipt":true}"#))),
        ("after many pings", after(&frame(0x89, &[0; 125]).repeat(500))),
        ("being closed", after(&frame(0x82, b"abc"))),
        ("after an error", after(&[0xff; 20])),
        ("closing", after(&frame(0x88, &[]))),
    ];
    for (name, bytes) in states {
        for round in 0..200 {
            let mut raw = server.connect();
            raw.send(&bytes);
            // Most of them come while the bytes are still on their way.
            if round % 2 == 0 && round < 20 {
                std::thread::sleep(Duration::from_millis(1));
            }
            raw.reset();
        }
        rest.check(&server, &format!("reset {name}"));
    }
}

#[test]
fn deadlines() {
    let server = Server::start(2, "[limits]\nhandshake_s = 1\n");
    let rest = Rest::of(&server, SLACK);
    // Each sends a byte now and then, so that no time between two bytes is long.
    let upgrade = bytes(upgrade_head("bizCode=d&clientId=c", &format!("X: {}\r\n", "y".repeat(9_000))));
    let slow: Vec<(&str, Vec<u8>, Vec<u8>)> = vec![
        ("a head", vec![], get(&format!("X: {}\r\n", "y".repeat(9_000)))),
        ("a second head", get(""), get(&format!("X: {}\r\n", "y".repeat(9_000)))),
        ("a body", post("Content-Length: 9999\r\n", ""), vec![b'x'; 9_999]),
        ("chunks", chunked(""), "1\r\nx\r\n".repeat(2_000).into_bytes()),
        ("a trailer", chunked("0\r\n"), bytes(format!("x: {}", "y".repeat(9_999)))),
        ("an upgrade", vec![], upgrade),
    ];
    std::thread::scope(|scope| {
        for (name, at_once, slowly) in &slow {
            let mut raw = server.connect();
            scope.spawn(move || {
                raw.send(at_once);
                if *name == "a second head" {
                    expect(&mut raw, 404, name, "");
                }
                let start = Instant::now();
                let mut writer = raw.stream().try_clone().unwrap();
                for byte in slowly.chunks(1) {
                    assert!(start.elapsed() < PATIENCE, "{name}: it may take for ever");
                    std::thread::sleep(Duration::from_millis(20));
                    let mut peeked = [0];
                    raw.stream().set_nonblocking(true).unwrap();
                    let answered = raw.stream().peek(&mut peeked).is_ok();
                    raw.stream().set_nonblocking(false).unwrap();
                    if answered || writer.write_all(byte).is_err() {
                        break;
                    }
                }
                expect(&mut raw, 408, name, "close");
                raw.expect_end(name);
            });
        }
    });
    rest.check(&server, "slow requests");

    let mut silent: Vec<Raw> = (0..1_000).map(|_| server.connect()).collect();
    server.serves_a_good_client("beside 1,000 that say nothing");
    for raw in &mut silent {
        expect(raw, 408, "silence", "close");
        raw.expect_end("silence");
    }
    drop(silent);
    rest.check(&server, "1,000 that say nothing");

    // Those who never close their side are not waited for.
    let mut stubborn: Vec<Raw> = (0..100).map(|_| server.connect()).collect();
    stubborn.iter_mut().for_each(|raw| raw.send(b"nonsense\r\n\r\n"));
    rest.check(&server, "refused, and never closed");
    drop(stubborn);
}
