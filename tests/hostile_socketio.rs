//! Hostile Socket.IO: packets that are wrong, deep, long or too many. After each of these good clients are served by
//! the same process, which weighs what it did and has no session and no descriptor more.

mod raw;
mod support;

use raw::sio::{Session, answers, check, expect_closed, next, say_goodbye, socket, websocket};
use raw::{Got, Raw, Rest, Server, frame};
use std::time::Duration;

/// What the memory of the process may grow by over a whole group of cases, in bytes.
const SLACK: u64 = 6 << 20;

const BINARY: u8 = 0x82;

fn start(config: &str) -> (Server, Rest) {
    raw::sio::start(2, config, SLACK)
}

/// Each of these, on a WebSocket of its own, ends it.
fn all_are_closed(server: &Server, revision: u8, texts: &[&str]) {
    for text in texts {
        let name = format!("revision {revision}: {text:.100}");
        let mut raw = socket(server, revision);
        raw.text(text);
        expect_closed(&mut raw, &name);
    }
}

/// None of these, one behind the other, does anything.
fn all_are_taken(server: &Server, revision: u8, texts: &[&str]) {
    let mut raw = socket(server, revision);
    for text in texts {
        raw.text(text);
        answers(&mut raw, &format!("revision {revision}: {text:.100}"));
    }
    say_goodbye(raw, "after packets that are fine");
}

#[test]
fn packets_that_are_wrong() {
    let (server, rest) = start("");
    all_are_closed(
        &server,
        4,
        &[
            "4",
            "47",
            "4x",
            "42",
            "42[]",
            "42{}",
            "42[{}]",
            "42[null]",
            "42[[\"e\"]]",
            "42[\"e\"",
            "42[\"e\"]]",
            "42[\"e\",]",
            "42[\"e\" 1]",
            "42\"e\"",
            "42[\"connect\"]",
            "42[\"disconnect\"]",
            "42[\"disconnecting\"]",
            "42[\"connect_error\"]",
            "42[\"newListener\"]",
            "42[\"removeListener\"]",
            "42/nowhere,[\"e\"]",
            "42/__proto__,[\"e\"]",
            "43",
            "43{}",
            "431",
            "40",
            "40[1]",
            "40{}x",
            "41x",
            "44\"x\"",
            "45[\"e\"]",
            "450-[\"e\"]",
            "45x-[\"e\"]",
            "45-1-[\"e\"]",
            "451-",
            "4511-[\"e\"]",
            "451000000000-[\"e\"]",
            "4599999999999999999999-[\"e\"]",
            "42[\"\\ud800",
            "42[\"e\",\"\\x\"]",
            "42[\"e\",01]",
            "42[\"e\",NaN]",
            "42[\"e\",\u{0}]",
            "42[\"e\",{\"a\":1,}]",
            "4299999999999999999999999999x[\"e\"]",
        ],
    );
    all_are_taken(
        &server,
        4,
        &[
            "42[\"__proto__\"]",
            "42[\"constructor\",{\"__proto__\":{\"x\":1}}]",
            "42[\"toString\"]",
            "42[\"hasOwnProperty\"]",
            "42[\"error\"]",
            "42[\"\"]",
            "42[5]",
            "42[\"e\",{\"__proto__\":null,\"constructor\":{\"prototype\":{}}}]",
            "43999[]",
            "439007199254740991[1]",
        ],
    );
    // What the application refuses is told as an event of its own.
    let mut raw = socket(&server, 4);
    for text in [
        "42[\"register\"]",
        "42[\"register\",null]",
        "42[\"register\",{\"user\":{}}]",
        "42[\"register\",{\"group\":[1,2]}]",
        "42[\"register\",{\"__proto__\":{\"user\":\"x\"},\"user\":[]}]",
        "42[\"broadcastInfo\",{\"roomName\":\"__proto__\",\"eventName\":\"connect\",\"text\":1}]",
        "42[\"broadcastInfo\",{\"_placeholder\":true,\"num\":0}]",
        "42[\"broadcastInfo\",[],{},null]",
    ] {
        raw.text(text);
        let got = next(&mut raw);
        assert!(matches!(&got, Got::Text(told) if told.starts_with("42[\"exception\",")), "{text}: {got:?}");
    }
    answers(&mut raw, "after refusals");
    say_goodbye(raw, "after refusals");
    // Revision 3 speaks of the same, and ignores what is for namespaces that it is not in.
    all_are_closed(&server, 3, &["4", "47", "42", "42[]", "42{}", "4511-[\"e\"]", "44\"x\""]);
    all_are_taken(&server, 3, &["40", "42/nowhere,[\"e\"]", "42[\"__proto__\"]", "41/nowhere,", "43999[]"]);
    check(&server, &rest, "packets that are wrong");
}

#[test]
fn deep_and_wide_and_long() {
    let (server, rest) = start("");
    let before = server.peak();
    let deep = |open: &str, close: &str, depth: usize| {
        format!("42[\"e\",{}1{}]", open.repeat(depth), close.repeat(depth))
    };
    for (name, text) in [
        ("arrays", deep("[", "]", 450_000)),
        ("objects", deep("{\"a\":", "}", 150_000)),
        ("arrays without an end", format!("42[\"e\",{}", "[".repeat(900_000))),
        ("both, crossed", format!("42[\"e\",{}", "[{\"a\":".repeat(140_000))),
    ] {
        let mut raw = socket(&server, 4);
        raw.text(&text);
        // Refused, or taken: in any case that is all that comes of it.
        raw.text(r#"42987["register",{"group":"answers"}]"#);
        match next(&mut raw) {
            Got::Text(text) => assert_eq!(text, r#"43987[{"ok":true}]"#, "{name}"),
            Got::Close(None, _) => {}
            other => panic!("{name}: {other:?}"),
        }
    }
    let mut raw = socket(&server, 4);
    for (name, text) in [
        ("arguments", format!("42[\"e\"{}]", ",0".repeat(100_000))),
        ("empty arguments", format!("42[\"e\"{}]", ",\"\"".repeat(300_000))),
        ("fields", format!("42[\"e\",{{{}\"z\":0}}]", "\"a\":0,".repeat(150_000))),
        ("a name", format!("42[\"{}\"]", "e".repeat(900_000))),
        ("escapes", format!("42[\"e\",\"{}\"]", "\\u0000".repeat(150_000))),
        ("blanks", format!("42[{}\"e\"]", " ".repeat(900_000))),
        ("digits", format!("42[\"e\",{}]", "9".repeat(900_000))),
    ] {
        raw.text(&text);
        answers(&mut raw, name);
    }
    // Many of them to somebody: routed as they came.
    let mut reader = socket(&server, 3);
    reader.text(r#"421["register",{"user":"reader"}]"#);
    assert_eq!(next(&mut reader), Got::Text(r#"431[{"ok":true}]"#.to_owned()));
    let wide = format!("[{}0]", "0,".repeat(100_000));
    raw.text(&format!(r#"42["broadcastInfo",{{"roomName":"reader","eventName":"e","text":{wide}}}]"#));
    assert_eq!(next(&mut reader), Got::Text(format!("42[\"e\",{wide}]")));
    say_goodbye(reader, "reader");
    say_goodbye(raw, "wide");
    // Ids of any number of digits.
    for digits in [1, 19, 20, 21, 400, 500_000] {
        let mut raw = socket(&server, 4);
        let id = "9".repeat(digits);
        raw.text(&format!("42{id}[\"register\",{{\"group\":\"x\"}}]"));
        raw.text(&format!("43{id}[1]"));
        raw.text(r#"42987["register",{"group":"answers"}]"#);
        loop {
            match next(&mut raw) {
                Got::Text(text) if text == r#"43987[{"ok":true}]"# => break,
                Got::Text(text) => {
                    assert!(text.starts_with("43") && text.ends_with("[{\"ok\":true}]"), "{text:.80}")
                }
                Got::Close(None, _) => break,
                other => panic!("{digits} digits: {other:?}"),
            }
        }
    }
    let grown = server.peak() - before;
    assert!(grown < 48 << 20, "messages of a megabyte took {grown} bytes");
    check(&server, &rest, "deep, wide, long");
}

#[test]
fn attachments() {
    let (server, rest) = start("");
    let holder = |num: &str| format!("451-[\"e\",{{\"_placeholder\":true,\"num\":{num}}}]");
    let lies = ["1", "-1", "0.5", "1e9", "\"0\"", "null", "99999999999999999999", "[0]", "{}", "true"];
    for num in lies {
        let mut raw = socket(&server, 4);
        raw.text(&holder(num));
        raw.send(&frame(BINARY, b"x"));
        expect_closed(&mut raw, num);
    }
    // Texts in the way, and attachments that nobody announced.
    for (name, announced, then) in [
        ("a text instead", true, frame(0x81, b"42[\"e\"]")),
        ("another announcement", true, frame(0x81, holder("0").as_bytes())),
        ("a stray attachment", false, frame(BINARY, b"x")),
        ("an empty stray attachment", false, frame(BINARY, b"")),
    ] {
        let mut raw = socket(&server, 4);
        if announced {
            raw.text(&holder("0"));
        }
        raw.send(&then);
        expect_closed(&mut raw, name);
    }
    // Together too large, each of them small enough.
    let mut raw = socket(&server, 4);
    raw.text("4510-[\"e\"]");
    for _ in 0..4 {
        raw.send(&frame(BINARY, &vec![0; 990_000]));
    }
    raw.send(&frame(BINARY, &vec![0; 990_000]));
    expect_closed(&mut raw, "attachments over the bound");
    // Ten announced, nine sent, on many connections: what they sent is what they cost.
    let before = server.weight();
    let waiting: Vec<Raw> = (0..100)
        .map(|_| {
            let mut raw = socket(&server, 4);
            raw.text("4510-[\"e\"]");
            (0..9).for_each(|_| raw.send(&frame(BINARY, &[7; 1_000])));
            raw
        })
        .collect();
    raw::sio::serves_good_clients(&server, "among those who wait");
    let grown = server.weight().saturating_sub(before);
    assert!(grown < 100 * (24 << 10) + (2 << 20), "{grown} bytes for 900 attachments of 1,000");
    drop(waiting);
    // The same, again and again on one connection, with all of them.
    let mut raw = socket(&server, 4);
    for _ in 0..500 {
        raw.text("4510-[\"e\",{\"_placeholder\":true,\"num\":9}]");
        (0..10).for_each(|_| raw.send(&frame(BINARY, b"")));
    }
    answers(&mut raw, "5,000 attachments");
    say_goodbye(raw, "5,000 attachments");
    // A thousand times the same attachment makes a small packet, not a large one.
    let mut raw = socket(&server, 4);
    let mut reader = socket(&server, 4);
    reader.text(r#"421["register",{"user":"reader"}]"#);
    assert_eq!(next(&mut reader), Got::Text(r#"431[{"ok":true}]"#.to_owned()));
    let again = vec![r#"{"_placeholder":true,"num":0}"#; 20_000].join(",");
    let text = format!(r#"451-["broadcastInfo",{{"roomName":"reader","eventName":"e","text":[{again}]}}]"#);
    let before = server.peak();
    raw.text(&text);
    raw.send(&frame(BINARY, &[1; 10_000]));
    answers(&mut raw, "one attachment 20,000 times");
    let grown = server.peak() - before;
    assert!(grown < 32 << 20, "one attachment of 10,000 bytes took {grown}");
    drop((raw, reader));
    // Over polling, where they are text.
    let session = Session::open(&server, 4).enter(&server);
    assert_eq!(session.post(&server, b"451-[\"e\",{\"_placeholder\":true,\"num\":0}]\x1ebAQ==").body, b"ok");
    assert_eq!(session.post(&server, b"4510-[\"e\"]\x1ebAQ==\x1ebAQ==").body, b"ok");
    assert_eq!(session.post(&server, b"42[\"e\"]").status, 400);
    session.is_over(&server, "a text among attachments");
    check(&server, &rest, "attachments");
}

#[test]
fn namespaces() {
    let (server, rest) = start("namespaces = [\"/other\"]\n");
    for name in ["/__proto__", "/constructor", "/../", "/%00", "/ ", "/a?b=c", "//", "/é", "/nowhere/deeper"]
    {
        let mut raw = socket(&server, 4);
        raw.text(&format!("40{name},"));
        let got = next(&mut raw);
        let Got::Text(text) = got else { panic!("{name}: {got:?}") };
        assert!(
            text.starts_with("44/") && text.ends_with(r#",{"message":"Invalid namespace"}"#),
            "{name}: {text}"
        );
        answers(&mut raw, name);
        say_goodbye(raw, name);
    }
    let long = format!("40/{},", "n".repeat(900_000));
    let mut raw = socket(&server, 4);
    raw.text(&long);
    let got = next(&mut raw);
    assert!(matches!(&got, Got::Text(text) if text.starts_with("44/nnn")) || matches!(got, Got::Close(..)));
    drop(raw);

    // Ten thousand that there are not, by somebody who reads the answers.
    let mut raw = socket(&server, 4);
    let mut writer = raw.stream().try_clone().unwrap();
    let bytes: Vec<u8> =
        (0..10_000).flat_map(|n| frame(0x81, format!("40/nowhere-{n},").as_bytes())).collect();
    let writing = std::thread::spawn(move || std::io::Write::write_all(&mut writer, &bytes));
    for n in 0..10_000 {
        let wanted = format!(r#"44/nowhere-{n},{{"message":"Invalid namespace"}}"#);
        assert_eq!(next(&mut raw), Got::Text(wanted));
    }
    writing.join().unwrap().unwrap();
    answers(&mut raw, "10,000 namespaces");

    // In and out, again and again: each time somebody else, and never two at once.
    let mut ids = std::collections::BTreeSet::new();
    for round in 0..3_000 {
        raw.text("40/other,");
        let Got::Text(text) = next(&mut raw) else { panic!("round {round}") };
        let id = text.strip_prefix("40/other,{\"sid\":\"").expect("a socket")[..20].to_owned();
        ids.insert(id);
        raw.text("41/other,");
    }
    assert!(ids.len() > 1, "every time the same id");
    answers(&mut raw, "3,000 times in and out");
    // Out of it, it is not spoken to; what it says there ends it.
    raw.text("42/other,[\"e\"]");
    expect_closed(&mut raw, "an event for a namespace that was left");

    // Whoever never asks for a namespace is let go, and so is who leaves and says more.
    let mut raw = socket(&server, 4);
    raw.text("41");
    raw.text("42[\"e\"]");
    expect_closed(&mut raw, "an event after a disconnection");
    check(&server, &rest, "namespaces");
}

#[test]
fn floods() {
    let (server, rest) = start("");
    for (name, packet, count) in [
        ("pongs", "3", 50_000),
        ("noops", "6", 50_000),
        ("upgrades", "5", 50_000),
        ("open packets", "0", 50_000),
        ("events of nobody's", "42[\"nobody listens\"]", 50_000),
        ("acknowledgements of nothing", "437[]", 50_000),
    ] {
        let mut raw = socket(&server, 4);
        raw.send(&frame(0x81, packet.as_bytes()).repeat(count));
        answers(&mut raw, name);
        say_goodbye(raw, name);
    }
    let mut raw = socket(&server, 3);
    let mut writer = raw.stream().try_clone().unwrap();
    let bytes = frame(0x81, b"2").repeat(30_000);
    let writing = std::thread::spawn(move || std::io::Write::write_all(&mut writer, &bytes));
    for _ in 0..30_000 {
        assert_eq!(raw.frame(), Got::Text("3".to_owned()));
    }
    writing.join().unwrap().unwrap();
    answers(&mut raw, "30,000 pings");
    say_goodbye(raw, "30,000 pings");
    // The wrong one of the two pings.
    for (revision, packet) in [(4, "2"), (4, "2probe"), (3, "3")] {
        let mut raw = socket(&server, revision);
        raw.text(packet);
        expect_closed(&mut raw, "a heartbeat in the wrong direction");
    }
    // Users that come and go, and take each other's place.
    let mut raws: Vec<Raw> = (0..20).map(|number| socket(&server, 3 + number % 2)).collect();
    for round in 0..100 {
        for raw in &mut raws {
            raw.text(&format!(r#"421["register",{{"user":"u{}"}}]"#, round % 3));
            assert_eq!(next(raw), Got::Text(r#"431[{"ok":true}]"#.to_owned()));
        }
    }
    let last = raws.len() - 1;
    raws[0].text(r#"422["broadcastInfo",{"roomName":"u0","eventName":"e","text":1}]"#);
    assert_eq!(next(&mut raws[0]), Got::Text(r#"432[{"ok":true,"delivered":1}]"#.to_owned()));
    assert_eq!(next(&mut raws[last]), Got::Text(r#"42["e",1]"#.to_owned()));
    drop(raws);
    check(&server, &rest, "floods");
}

/// Compared each with each, these would be busy for longer than anybody waits.
#[test]
fn lists_of_names_as_long_as_a_message() {
    let (server, rest) = start("");
    let mut raw = socket(&server, 4);
    raw.text(r#"421["register",{"group":"r"}]"#);
    assert_eq!(next(&mut raw), Got::Text(r#"431[{"ok":true}]"#.to_owned()));
    let names = (0..160_000).map(|n| if n < 100_000 { "\"r\"".to_owned() } else { format!("\"{n:x}\"") });
    let list = names.collect::<Vec<_>>().join(",");
    raw.text(&format!(r#"422["register",{{"group":[{list}]}}]"#));
    let answer = next(&mut raw);
    assert!(matches!(&answer, Got::Text(text) if text.contains(r#""code":"too_large""#)), "{answer:?}");
    raw.text(&format!(r#"423["unRegister",{{"group":[{list}]}}]"#));
    assert_eq!(next(&mut raw), Got::Text(r#"433[{"ok":true}]"#.to_owned()));
    // One name as often as it fits is one name.
    let again = vec!["\"r\""; 200_000].join(",");
    raw.text(&format!(r#"424["register",{{"group":[{again}]}}]"#));
    assert_eq!(next(&mut raw), Got::Text(r#"434[{"ok":true}]"#.to_owned()));
    answers(&mut raw, "long lists");
    say_goodbye(raw, "long lists");
    check(&server, &rest, "long lists");
}

#[test]
fn whoever_says_nothing_is_let_go() {
    let (server, rest) = start("connect_timeout_ms = 500\n");
    let mut silent: Vec<Raw> = (0..50).map(|_| websocket(&server, 4, "")).collect();
    let polled: Vec<Session> = (0..50).map(|_| Session::open(&server, 4)).collect();
    std::thread::sleep(Duration::from_millis(300));
    for raw in &mut silent {
        assert!(matches!(raw.frame(), Got::Text(text) if text.starts_with("0{")));
        expect_closed(raw, "no namespace in time");
    }
    std::thread::sleep(Duration::from_millis(700));
    polled.iter().for_each(|session| session.is_over(&server, "no namespace in time"));
    // No answers to heartbeats.
    let mut deaf: Vec<Raw> = (0..20).map(|_| socket(&server, 4)).collect();
    for raw in &mut deaf {
        assert_eq!(raw.frame(), Got::Text("2".to_owned()));
    }
    for raw in &mut deaf {
        assert_eq!(raw.frame(), Got::Close(None, String::new()));
        raw.expect_end("deaf");
    }
    check(&server, &rest, "silence");
}
