//! Hostile Engine.IO: requests, payloads, polls and upgrades that are wrong, raced or too many. After each of these
//! good clients are served by the same process, which weighs what it did and has no session and no descriptor more.

mod raw;
mod support;

use raw::sio::{
    Session, answers, ask, check, code, expect_closed, narrow_socket, next, request, say_goodbye, socket,
    upgraded, websocket, websocket_request,
};
use raw::{Got, Raw, Rest, Server, frame};
use std::time::{Duration, Instant};

/// What the memory of the process may grow by over a whole group of cases, in bytes.
const SLACK: u64 = 6 << 20;

fn start(config: &str) -> (Server, Rest) {
    raw::sio::start(2, config, SLACK)
}

#[test]
fn queries() {
    let (server, rest) = start("");
    let own = Session::open(&server, 4);
    let mut tampered = own.sid.clone().into_bytes();
    tampered[7] = if tampered[7] == b'A' { b'B' } else { b'A' };
    let tampered = String::from_utf8(tampered).unwrap();
    let many = "&x=y".repeat(3_000);
    let cases: Vec<(String, u16, i64)> = [
        ("", 400, 0),
        ("?", 400, 0),
        ("?EIO=4", 400, 0),
        ("?EIO=4&transport=__proto__", 400, 0),
        ("?EIO=4&transport=constructor", 400, 0),
        ("?EIO=4&transport=", 400, 0),
        ("?EIO=4&transport=polling%00", 400, 0),
        ("?EIO=4&transport=websocket", 400, 3),
        ("?EIO=4&transport=webtransport", 400, 0),
        ("?EIO=__proto__&transport=polling", 400, 5),
        ("?EIO=5&transport=polling", 400, 5),
        ("?EIO=&transport=polling", 400, 5),
        ("?EIO=99999999999999999999&transport=polling", 400, 5),
        ("?transport=polling", 400, 5),
        ("?EIO=4&transport=polling&sid=__proto__", 400, 1),
        ("?EIO=4&transport=polling&sid=constructor", 400, 1),
        ("?EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA", 400, 1),
        ("?EIO=4&transport=polling&sid=%FF%FE", 400, 1),
        ("?%&%=&=%&&&&EIO=4&transport=polling&sid=%", 400, 1),
    ]
    .into_iter()
    .map(|(query, status, code)| (query.to_owned(), status, code))
    .chain([
        (format!("?EIO=4&transport=polling&sid={tampered}"), 400, 1),
        (format!("?EIO=4&transport=polling&sid={}A", own.sid), 400, 1),
        (format!("?EIO=4&transport=polling&sid={}", "A".repeat(8_000)), 400, 1),
        (format!("?EIO=4&transport=websocket&sid={}", own.sid), 400, 3),
        (format!("?EIO=5&transport=polling{many}"), 400, 5),
    ])
    .collect();
    for (query, status, wanted) in &cases {
        let answer = ask(&server, &request("GET", &format!("/socket.io/{query}"), "", b""));
        assert_eq!((answer.status, code(&answer)), (*status, *wanted), "{query:.200}");
    }
    let other_methods = ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"];
    for method in other_methods {
        let answer = ask(&server, &request(method, "/socket.io/?EIO=4&transport=polling", "", b""));
        assert_eq!((answer.status, code(&answer)), (400, 2), "{method}");
    }
    for method in ["PUT", "DELETE", "HEAD2"] {
        let answer = ask(&server, &request(method, &own.target(), "", b""));
        assert_eq!((answer.status, code(&answer)), (400, 3), "{method}");
    }
    // Origins that are no text, and a key that is a name of JavaScript's.
    for origin in [&b"\xff\xfe"[..], b"http://a\xe9", b"__proto__", b"null", b"", &[b'o'; 5_000]] {
        let head = [b"Origin: ", origin, b"\r\n__proto__: x\r\n"].concat();
        let mut bytes = b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n".to_vec();
        bytes.extend([&head[..], b"\r\n"].concat());
        let answer = ask(&server, &bytes);
        assert!([200, 400, 403].contains(&answer.status), "{origin:?}: {answer:?}");
        assert!(answer.header("access-control-allow-origin").is_none(), "{answer:?}");
    }
    own.lives(&server, "after queries");
    check(&server, &rest, "queries");
}

#[test]
fn scripts_that_poll() {
    let (server, rest) = start("");
    for index in
        ["0", "__proto__", "1);alert(1)//", "<script>", "%0d%0aX:%20y", "%u2028", &"9".repeat(5_000), ""]
    {
        let target = format!("/socket.io/?EIO=3&transport=polling&j={index}");
        let answer = ask(&server, &request("GET", &target, "", b""));
        let text = String::from_utf8(answer.body.clone()).unwrap();
        assert_eq!(answer.status, 200, "{text}");
        let (name, rest) = text.split_once(']').expect("a call");
        let digits = name.strip_prefix("___eio[").expect("a call of a function that is known");
        assert!(digits.bytes().all(|byte| byte.is_ascii_digit()), "{index}: {text}");
        assert!(rest.starts_with("(\"") && rest.ends_with("\");"), "{text}");
        assert!(!answer.head.contains("X: y"), "{}", answer.head);
        let sid = text.split_once("\\\"sid\\\":\\\"").expect("an id").1[..20].to_owned();
        let session = Session { sid, revision: 3 };
        for (form, status) in [("d=1:6", 200), ("d=__proto__", 400)] {
            let target = format!("{}&j={index}", session.target());
            let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
            let answer = ask(&server, &request("POST", &target, kind, form.as_bytes()));
            assert_eq!(answer.status, status, "{index}: {form}");
        }
        session.is_over(&server, "a form that is wrong");
    }
    check(&server, &rest, "JSONP");
}

#[test]
fn payloads() {
    let (server, rest) = start("");
    let four: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", b"".to_vec()),
        ("no type", b"x".to_vec()),
        ("a type that is none", b"7".to_vec()),
        ("a separator alone", b"\x1e".to_vec()),
        ("an empty packet in between", b"6\x1e\x1e6".to_vec()),
        ("not UTF-8", b"4\xff\xfe".to_vec()),
        ("half a character", b"4\xe2\x82".to_vec()),
        ("base64 that is none", b"b!!!!".to_vec()),
        ("a ping", b"2".to_vec()),
        ("a probe", b"2probe".to_vec()),
        ("as revision 3", b"2:40".to_vec()),
        ("an event before it is connected", b"42[\"e\"]".to_vec()),
    ];
    for (name, body) in four {
        let session = Session::open(&server, 4);
        let answer = session.post(&server, &body);
        assert_eq!(answer.status, 400, "{name}");
        assert_eq!(code(&answer), 3, "{name}");
        session.is_over(&server, name);
    }
    let three: Vec<(&str, &str, Vec<u8>)> = vec![
        ("longer than it is", "text/plain", b"5:4abc".to_vec()),
        ("shorter than it is", "text/plain", b"2:4abc".to_vec()),
        ("far longer", "text/plain", b"999999999999:4a".to_vec()),
        ("2^64", "text/plain", b"18446744073709551616:4a".to_vec()),
        ("many digits", "text/plain", [&b"0".repeat(500_000)[..], b"1:6"].concat()),
        ("negative", "text/plain", b"-1:4a".to_vec()),
        ("no digits", "text/plain", b":4a".to_vec()),
        ("no colon", "text/plain", b"4".to_vec()),
        ("a colon alone", "text/plain", b":".to_vec()),
        ("half a pair of surrogates", "text/plain", "2:4😀".as_bytes().to_vec()),
        ("a pong", "text/plain", b"1:3".to_vec()),
        ("binary, longer than it is", "application/octet-stream", b"\x00\x09\xff6".to_vec()),
        (
            "binary, digits without end",
            "application/octet-stream",
            b"\x00".iter().chain(&[9; 100_000]).copied().collect(),
        ),
        ("binary, another form", "application/octet-stream", b"\x02\x01\xff6".to_vec()),
        ("binary, no length", "application/octet-stream", b"\x00\xff6".to_vec()),
        ("binary, a digit of 10", "application/octet-stream", b"\x00\x0a\xff6".to_vec()),
        ("binary, cut", "application/octet-stream", b"\x01".to_vec()),
        ("binary, empty", "application/octet-stream", b"".to_vec()),
    ];
    for (name, kind, body) in three {
        let session = Session::open(&server, 3);
        let headers = format!("Content-Type: {kind}\r\n");
        let answer = ask(&server, &request("POST", &session.target(), &headers, &body));
        assert_eq!(answer.status, 400, "{name}");
        assert_eq!(code(&answer), 3, "{name}");
        session.is_over(&server, name);
    }
    // Revision 4 knows no binary bodies, whatever is in them.
    let session = Session::open(&server, 4);
    let kind = "Content-Type: application/octet-stream\r\n";
    let answer = ask(&server, &request("POST", &session.target(), kind, b"6"));
    assert_eq!((answer.status, code(&answer)), (400, 3));
    session.is_over(&server, "octets");
    check(&server, &rest, "payloads");
}

#[test]
fn many_packets_in_one_body() {
    let (server, rest) = start("");
    let before = server.peak();
    let join = |packet: &str, count: usize| vec![packet; count].join("\x1e").into_bytes();
    for (name, body) in [
        ("unsolicited pongs", join("3", 50_000)),
        ("noops", join("6", 499_000)),
        ("upgrades", join("5", 50_000)),
        ("events", join("42[\"e\"]", 100_000)),
        ("empty messages of nobody's", join("42[\"\"]", 100_000)),
    ] {
        let session = Session::open(&server, 4).enter(&server);
        let started = Instant::now();
        let answer = session.post(&server, &body);
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"ok"[..]), "{name}: {answer:?}");
        println!("{name}: {} bytes in {:?}", body.len(), started.elapsed());
        session.lives(&server, name);
        session.close(&server);
    }
    let session = Session::open(&server, 3);
    assert_eq!(session.post(&server, "1:6".repeat(300_000).as_bytes()).body, b"ok");
    session.close(&server);
    // Each is answered with a packet of its own, which nobody fetches.
    let session = Session::open(&server, 4).enter(&server);
    let answer = session.post(&server, &join("40/nowhere,", 80_000));
    assert!([200, 400].contains(&answer.status), "{answer:?}");
    session.is_over(&server, "80,000 answers that nobody fetches");
    let grown = server.peak() - before;
    assert!(grown < 48 << 20, "bodies of a megabyte took {grown} bytes");
    check(&server, &rest, "many packets");
}

#[test]
fn two_polls_and_two_posts_at_once() {
    let (server, rest) = start("");
    for round in 0..20 {
        let session = Session::open(&server, 4).enter(&server);
        let mut first = session.hold(&server);
        std::thread::sleep(Duration::from_millis(20));
        let answer = session.poll(&server);
        assert_eq!((answer.status, code(&answer)), (400, 3), "round {round}");
        let told = first.answer().expect("an answer");
        assert_eq!((told.status, told.body.as_slice()), (200, &b"1"[..]));
        session.is_over(&server, "two polls");

        // The head of one POST, and a whole one.
        let session = Session::open(&server, 4).enter(&server);
        let mut held = session.hold(&server);
        let (bytes, mut first) = (session.post_request(b"42[\"e\"]"), server.connect());
        first.send(&bytes[..bytes.len() - 3]);
        std::thread::sleep(Duration::from_millis(20));
        let answer = session.post(&server, b"6");
        assert_eq!((answer.status, code(&answer)), (400, 3), "round {round}");
        assert_eq!(held.answer().expect("an answer").body, b"1");
        first.send(&bytes[bytes.len() - 3..]);
        let late = first.answer().expect("an answer");
        assert_eq!((late.status, code(&late)), (400, 1));
        session.is_over(&server, "two POSTs");

        // Two heads, and no bodies.
        let session = Session::open(&server, 4).enter(&server);
        let mut heads: Vec<Raw> = (0..2).map(|_| server.connect()).collect();
        for raw in &mut heads {
            raw.send(&bytes_of_head(&session));
            std::thread::sleep(Duration::from_millis(20));
        }
        session.is_over(&server, "two heads");
    }
    check(&server, &rest, "two at once");
}

/// The head of a POST whose body does not come.
fn bytes_of_head(session: &Session) -> Vec<u8> {
    let target = session.target();
    format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n").into_bytes()
}

#[test]
fn requests_that_break_off() {
    let (server, rest) = start("");
    let mut half_closed = Vec::new();
    for round in 0..30 {
        // A poll: by FIN, by RST, by half.
        let session = Session::open(&server, 4).enter(&server);
        let raw = session.hold(&server);
        std::thread::sleep(Duration::from_millis(10));
        match round % 3 {
            0 => drop(raw),
            1 => raw.reset(),
            _ => {
                raw.end_sending();
                half_closed.push(raw);
            }
        }
        std::thread::sleep(Duration::from_millis(30));
        session.is_over(&server, "a poll that breaks off");
        // A POST, anywhere in its body.
        let session = Session::open(&server, 4).enter(&server);
        let mut raw = server.connect();
        raw.send(&bytes_of_head(&session));
        raw.send(&vec![b'6'; round * 100]);
        std::thread::sleep(Duration::from_millis(10));
        if round % 2 == 0 {
            drop(raw)
        } else {
            raw.reset()
        }
        std::thread::sleep(Duration::from_millis(30));
        session.is_over(&server, "a POST that breaks off");
    }
    // Bodies that never come cost what has come.
    let before = server.weight();
    let sessions: Vec<Session> = (0..200).map(|_| Session::open(&server, 4)).collect();
    let raws: Vec<Raw> = sessions
        .iter()
        .map(|session| {
            let mut raw = server.connect();
            raw.send(&bytes_of_head(session));
            raw
        })
        .collect();
    let grown = server.weight().saturating_sub(before);
    assert!(grown < 200 * (12 << 10), "{grown} bytes for 200 announcements");
    drop((raws, half_closed));
    check(&server, &rest, "requests that break off");
}

#[test]
fn pipelines() {
    let (server, rest) = start("");
    let before = server.peak();
    let count = 6_000;
    let refused = request("GET", "/socket.io/", "", b"");
    let session = Session::open(&server, 4).enter(&server);
    for (name, one, status) in [
        ("refused", refused.clone(), 400),
        ("unknown sessions", Session { sid: "A".repeat(20), revision: 4 }.poll_request(), 400),
        ("POSTs", session.post_request(b"6"), 200),
        ("preflights", request("OPTIONS", "/socket.io/?EIO=4&transport=polling", "", b""), 400),
    ] {
        let mut raw = server.connect();
        let mut writer = raw.stream().try_clone().unwrap();
        let bytes = one.repeat(count);
        let writing = std::thread::spawn(move || std::io::Write::write_all(&mut writer, &bytes));
        for number in 0..count {
            let answer = raw.answer().unwrap_or_else(|| panic!("{name}: no answer {number}"));
            assert_eq!(answer.status, status, "{name}, {number}: {answer:?}");
        }
        writing.join().unwrap().unwrap();
    }
    session.lives(&server, "after a pipeline");
    // A poll behind a poll waits for it.
    let mut raw = session.hold(&server);
    raw.send(&session.poll_request());
    for number in 0..3 {
        session.post(&server, format!("42{number}[\"unRegister\",{{\"group\":\"x\"}}]").as_bytes());
        let answer = raw.answer().expect("an answer");
        assert_eq!(answer.body, format!("43{number}[{{\"ok\":true}}]").as_bytes());
        raw.send(&session.poll_request());
    }
    drop(raw);
    // Handshakes in one go are as many sessions.
    let mut raw = server.connect();
    raw.send(&request("GET", "/socket.io/?EIO=4&transport=polling", "", b"").repeat(1_000));
    for _ in 0..1_000 {
        assert_eq!(raw.answer().expect("an answer").status, 200);
    }
    drop(raw);
    let grown = server.peak() - before;
    assert!(grown < 48 << 20, "pipelines took {grown} bytes");
    check(&server, &rest, "pipelines");
}

#[test]
fn one_connection_for_sessions_of_every_reactor() {
    let (server, rest) = raw::sio::start(3, "", SLACK);
    let sessions: Vec<Session> = (0..12).map(|_| Session::open(&server, 4).enter(&server)).collect();
    let mut raw = server.connect();
    for round in 0..50 {
        for session in &sessions {
            raw.send(
                &session.post_request(format!("42{round}[\"register\",{{\"group\":\"x\"}}]").as_bytes()),
            );
            assert_eq!(raw.answer().expect("an answer").body, b"ok");
            raw.send(&session.poll_request());
            let answer = raw.answer().expect("an answer");
            let text = String::from_utf8(answer.body).unwrap();
            assert!(text.contains(&format!("43{round}[{{\"ok\":true}}]")), "{round}: {text}");
        }
    }
    // The same without waiting, and byte by byte.
    let all: Vec<u8> = (0..20)
        .flat_map(|_| sessions.iter().flat_map(|session| session.post_request(b"6")).collect::<Vec<_>>())
        .collect();
    raw.send(&all);
    for _ in 0..20 * sessions.len() {
        assert_eq!(raw.answer().expect("an answer").body, b"ok");
    }
    for session in &sessions {
        session.post_request(b"6").iter().for_each(|byte| raw.send(&[*byte]));
        assert_eq!(raw.answer().expect("an answer").body, b"ok");
        session.close(&server);
    }
    drop(raw);
    check(&server, &rest, "one connection for all");
}

#[test]
fn upgrades_that_race() {
    let (server, rest) = start("");
    let probe = |raw: &mut Raw| {
        raw.text("2probe");
        assert_eq!(raw.frame(), Got::Text("3probe".to_owned()));
    };
    for round in 0..10 {
        // Two at once: the second is sent away, the first goes on.
        let session = Session::open(&server, 4).enter(&server);
        let mut first = websocket(&server, 4, &session.sid);
        let mut second = websocket(&server, 4, &session.sid);
        second.text("2probe");
        second.text("5");
        expect_closed(&mut second, "a second probe");
        probe(&mut first);
        // Polls are sent home, and the session goes on while it is probed.
        assert_eq!(session.poll(&server).body, b"6");
        session.lives(&server, "while it is probed");
        first.text("5");
        answers(&mut first, "after the upgrade");
        // Whoever comes later is refused.
        let answer = session.poll(&server);
        assert_eq!((answer.status, code(&answer)), (400, 3), "round {round}");
        let answer = session.post(&server, b"6");
        assert_eq!((answer.status, code(&answer)), (400, 3), "round {round}");
        let mut late = websocket(&server, 4, &session.sid);
        late.text("2probe");
        expect_closed(&mut late, "a probe after the upgrade");
        answers(&mut first, "after a late probe");
        say_goodbye(first, "upgraded");

        // What is not a probe ends the attempt and not the session.
        for wrong in ["5", "4hello", "2", "2probe2", "3probe", "", "9", "6", "1", "0"] {
            let session = Session::open(&server, 4).enter(&server);
            let mut raw = websocket(&server, 4, &session.sid);
            raw.text(wrong);
            expect_closed(&mut raw, wrong);
            session.lives(&server, wrong);
            let mut raw = websocket(&server, 4, &session.sid);
            raw.send(&frame(0x82, b"5"));
            expect_closed(&mut raw, "binary");
            session.lives(&server, "after a binary probe");
            session.close(&server);
        }

        // The upgrade while a poll is held: it comes home, once.
        let session = Session::open(&server, 4).enter(&server);
        let mut held = session.hold(&server);
        std::thread::sleep(Duration::from_millis(10));
        let mut raw = server.connect();
        // In one go with the request.
        raw.send(&[websocket_request(4, &session.sid), frame(0x81, b"2probe"), frame(0x81, b"5")].concat());
        assert_eq!(raw.answer().expect("an answer").status, 101);
        assert_eq!(raw.frame(), Got::Text("3probe".to_owned()));
        assert_eq!(held.answer().expect("an answer").body, b"6");
        answers(&mut raw, "upgraded in one go");
        say_goodbye(raw, "upgraded in one go");

        // The upgrade while a POST is arriving.
        let session = Session::open(&server, 4).enter(&server);
        let (bytes, mut post) = (session.post_request(b"42[\"e\"]"), server.connect());
        post.send(&bytes[..bytes.len() - 2]);
        std::thread::sleep(Duration::from_millis(10));
        let mut raw = websocket(&server, 4, &session.sid);
        probe(&mut raw);
        raw.text("5");
        answers(&mut raw, "upgraded during a POST");
        post.send(&bytes[bytes.len() - 2..]);
        assert_eq!(post.answer().expect("an answer").status, 400);
        answers(&mut raw, "after a POST that came too late");
        drop(post);
        say_goodbye(raw, "upgraded during a POST");
    }
    check(&server, &rest, "races of upgrades");
}

#[test]
fn upgrades_that_come_to_nothing() {
    let (server, rest) = start("");
    // Of nobody's session.
    for sid in ["AAAAAAAAAAAAAAAAAAAA", "__proto__", "%00", &"A".repeat(4_000)] {
        let answer = ask(&server, &websocket_request(4, sid));
        assert_eq!(answer.status, 400, "{sid:.30}: {answer:?}");
    }
    let session = Session::open(&server, 4).enter(&server);
    // Never probed, probed and left alone, broken off: the session does not mind.
    let mut idle = websocket(&server, 4, &session.sid);
    std::thread::sleep(Duration::from_millis(1_600));
    assert_eq!(idle.frame(), Got::Close(None, String::new()), "an upgrade that takes too long");
    idle.expect_end("an upgrade that takes too long");
    let mut raw = websocket(&server, 4, &session.sid);
    raw.text("2probe");
    assert_eq!(raw.frame(), Got::Text("3probe".to_owned()));
    raw.reset();
    session.post(&server, b"3");
    session.lives(&server, "after two failures");
    // The session ends while it is probed: so does the probe.
    let mut raw = websocket(&server, 4, &session.sid);
    raw.text("2probe");
    assert_eq!(raw.frame(), Got::Text("3probe".to_owned()));
    session.close(&server);
    expect_closed(&mut raw, "a probe of a session that ends");
    session.is_over(&server, "closed while it was probed");

    // Two hundred attempts for one session, one of which can be the one.
    let session = Session::open(&server, 4).enter(&server);
    let mut raws: Vec<Raw> = (0..200).map(|_| websocket(&server, 4, &session.sid)).collect();
    raws.iter_mut().for_each(|raw| raw.text("2probe"));
    let answers: Vec<Got> = raws.iter_mut().map(Raw::frame).collect();
    let (probed, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|got| *got == Got::Text("3probe".to_owned()));
    assert_eq!(probed.len(), 1);
    assert!(refused.iter().all(|got| *got == Got::Close(None, String::new())), "{refused:?}");
    session.lives(&server, "beside 200 probes");
    drop(raws);
    session.close(&server);
    check(&server, &rest, "upgrades that come to nothing");
}

#[test]
fn they_never_read() {
    let (server, rest) = start("[limits]\noutbox_bytes = 65536\n");
    let before = server.weight();
    let mut slow: Vec<Raw> = (0..40).map(|number| narrow_socket(&server, 3 + number % 2)).collect();
    for raw in &mut slow {
        raw.text(r#"42["register",{"group":"slow"}]"#);
    }
    let polled: Vec<Session> = (0..40).map(|_| Session::open(&server, 4).enter(&server)).collect();
    for session in &polled {
        assert_eq!(session.post(&server, br#"42["register",{"group":"slow"}]"#).body, b"ok");
    }
    let mut good = socket(&server, 4);
    good.text(r#"421["register",{"group":"slow"}]"#);
    assert_eq!(next(&mut good), Got::Text(r#"431[{"ok":true}]"#.to_owned()));
    let mut sender = socket(&server, 4);
    let text = "x".repeat(8 << 10);
    let (mut delivered, mut heaviest) = (usize::MAX, 0);
    for number in 0.. {
        assert!(number < 3_000, "{delivered} are never closed");
        let publish = format!(
            r#"42{number}["broadcastInfo",{{"roomName":"slow","eventName":"e","text":"{number} {text}"}}]"#
        );
        sender.text(&publish);
        let Got::Text(report) = next(&mut sender) else { panic!("no report") };
        let (_, count) = report.split_once("\"delivered\":").expect("a report");
        delivered = count.trim_end_matches("}]").parse().expect("a number");
        let Got::Text(got) = next(&mut good) else { panic!("no message") };
        assert!(got.starts_with(&format!("42[\"e\",\"{number} ")), "{got:.60}");
        heaviest = heaviest.max(server.weight());
        if delivered == 1 {
            break;
        }
    }
    let grown = heaviest.saturating_sub(before);
    assert!(grown < 80 * (160 << 10) + (6 << 20), "{grown} bytes for 80 who do not read");
    for session in &polled {
        session.is_over(&server, "slow");
    }
    // They cause answers themselves, and never read one.
    for raw in &mut slow[..5] {
        raw.send(&frame(0x81, b"40/nowhere,").repeat(20_000));
    }
    let mut asking = narrow_socket(&server, 4);
    asking.send(&frame(0x81, br#"421["register",{"group":"slow"}]"#).repeat(50_000));
    answers(&mut good, "beside floods");
    drop((slow, asking));
    say_goodbye(good, "good");
    say_goodbye(sender, "sender");
    check(&server, &rest, "they never read");
}

#[test]
fn sessions_come_and_go() {
    let (server, rest) = start("");
    // As many as a storm has, without a word after the first.
    for _ in 0..2_000 {
        let mut raw = server.connect();
        raw.send(&request("GET", "/socket.io/?EIO=4&transport=polling", "", b""));
    }
    for _ in 0..300 {
        let raw = upgraded(server.connect(), 3, "");
        raw.reset();
    }
    for _ in 0..300 {
        let mut raw = server.connect();
        raw.send(&websocket_request(4, ""));
        raw.reset();
    }
    check(&server, &rest, "a storm of sessions");
}
