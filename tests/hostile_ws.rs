//! Hostile WebSocket frames and readers: after each of these a good client is served by the same process, which weighs
//! what it did and has no descriptor more.

mod raw;
mod support;

use raw::frames::Then::{Beats, BeatsThenClosed, Closed, ClosedBare, Fault, PongThenBeats};
use raw::frames::*;
use raw::{Got, Raw, Rest, Server, announcing, frame};
use std::io::Write;
use std::time::Duration;

#[test]
fn headers() {
    let mut cases: Vec<Case<'_>> = vec![
        ("good", frame(TEXT, BEAT), Beats(1)),
        ("zero mask", [&[TEXT, 0x80 | BEAT.len() as u8, 0, 0, 0, 0], BEAT].concat(), Beats(1)),
        ("unmasked", [&[TEXT, BEAT.len() as u8], BEAT].concat(), Closed(1002)),
        ("unmasked and empty", vec![TEXT, 0], Closed(1002)),
        ("unmasked ping", vec![PING, 0], Closed(1002)),
        ("unmasked close", vec![CLOSE, 2, 3, 232], Closed(1002)),
        (
            "one bit in front of a good one",
            [frame(TEXT | 0x40, BEAT), frame(TEXT, BEAT)].concat(),
            Closed(1002),
        ),
        ("bits on a ping", frame(PING | 0x20, b""), Closed(1002)),
        ("bits on a continuation", frames(&[(BEGIN_TEXT, b"{"), (LAST | 0x10, b"}")]), Closed(1002)),
        (
            "good before bad",
            [frame(TEXT, BEAT), frame(TEXT, BEAT), frame(0x83, b"")].concat(),
            BeatsThenClosed(2, 1002),
        ),
        ("ping of 125", frame(PING, &[b'p'; 125]), PongThenBeats(&[b'p'; 125], 0)),
        ("ping of 126", frame(PING, &[b'p'; 126]), Closed(1002)),
        ("pong of 126", frame(PONG, &[b'p'; 126]), Closed(1002)),
        ("close of 126", frame(CLOSE, &code(1000, &[b'p'; 124])), Closed(1002)),
        ("ping of 65,536", frame(PING, &[b'p'; 65_536]), Closed(1002)),
        ("ping that announces 2^63 - 1", announcing(PING, (1 << 63) - 1), Closed(1002)),
        ("ping, length in 16 bits", vec![PING, 0x80 | 126, 0, 5, 0, 0, 0, 0, 1, 2, 3, 4, 5], Closed(1002)),
        ("ping in fragments", frames(&[(0x09, b"a"), (LAST, b"b")]), Closed(1002)),
        ("pong in fragments", frame(0x0a, b""), Closed(1002)),
        ("close in fragments", frame(0x08, b""), Closed(1002)),
        ("5 in 16 bits", [&[TEXT, 0x80 | 126, 0, 5, 0, 0, 0, 0][..], b"hello"].concat(), Closed(1002)),
        ("125 in 16 bits", vec![TEXT, 0x80 | 126, 0, 125, 0, 0, 0, 0], Closed(1002)),
        ("0 in 64 bits", announcing(TEXT, 0), Closed(1002)),
        ("126 in 64 bits", announcing(TEXT, 126), Closed(1002)),
        ("65,535 in 64 bits", announcing(TEXT, 65_535), Closed(1002)),
        ("one over the limit", announcing(TEXT, 1_000_001), Closed(1009)),
        ("one over the limit, binary", announcing(BINARY, 1_000_001), Closed(1009)),
        ("2^31", announcing(TEXT, 1 << 31), Closed(1009)),
        ("2^32", announcing(TEXT, 1 << 32), Closed(1009)),
        ("2^32 + 20", announcing(TEXT, (1 << 32) + 20), Closed(1009)),
        ("2^62", announcing(TEXT, 1 << 62), Closed(1009)),
        ("2^63 - 1", announcing(TEXT, (1 << 63) - 1), Closed(1009)),
        ("2^63", announcing(TEXT, 1 << 63), Closed(1002)),
        ("2^64 - 1", announcing(TEXT, u64::MAX), Closed(1002)),
    ];
    for bits in 1..8u8 {
        cases.push(("reserved bits", frame(TEXT | bits << 4, BEAT), Closed(1002)));
    }
    for opcode in [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf] {
        cases.push(("reserved opcode", frame(0x80 | opcode, BEAT), Closed(1002)));
        cases.push(("reserved opcode, not final", frame(opcode, b""), Closed(1002)));
    }
    run(cases);
}

#[test]
fn fragments() {
    let (front, back) = BEAT.split_at(7);
    let big = vec![b' '; 600_000];
    run(vec![
        ("two", frames(&[(BEGIN_TEXT, front), (LAST, back)]), Beats(1)),
        (
            "a ping between",
            frames(&[(BEGIN_TEXT, front), (PING, b"!"), (LAST, back)]),
            PongThenBeats(b"!", 1),
        ),
        ("pongs between", frames(&[(BEGIN_TEXT, front), (PONG, b"!"), (PONG, b""), (LAST, back)]), Beats(1)),
        (
            "a close between",
            frames(&[(BEGIN_TEXT, front), (CLOSE, &code(1000, b"")), (LAST, back)]),
            Closed(1000),
        ),
        (
            "empty ones around",
            frames(&[(BEGIN_TEXT, b""), (CONTINUE, BEAT), (CONTINUE, b""), (LAST, b"")]),
            Beats(1),
        ),
        ("nothing at all", frames(&[(BEGIN_TEXT, b""), (LAST, b"")]), Fault),
        ("continuation first", frame(LAST, BEAT), Closed(1002)),
        ("continuation first, not final", frame(CONTINUE, BEAT), Closed(1002)),
        (
            "continuation after the end",
            frames(&[(BEGIN_TEXT, front), (LAST, back), (LAST, b"")]),
            BeatsThenClosed(1, 1002),
        ),
        ("text inside text", frames(&[(BEGIN_TEXT, front), (TEXT, back)]), Closed(1002)),
        ("binary inside text", frames(&[(BEGIN_TEXT, front), (BINARY, back)]), Closed(1002)),
        ("text inside binary", frames(&[(BEGIN_BINARY, front), (BEGIN_TEXT, back)]), Closed(1002)),
        ("an unmasked continuation", [frame(BEGIN_TEXT, front), vec![LAST, 0]].concat(), Closed(1002)),
        ("together over the limit", frames(&[(BEGIN_TEXT, &big), (LAST, &big)]), Closed(1009)),
        (
            "announced together 2^63",
            [frame(BEGIN_TEXT, b"aaaaaaaa"), announcing(CONTINUE, (1 << 63) - 1)].concat(),
            Closed(1009),
        ),
        (
            "announced together 2^64",
            [frame(BEGIN_TEXT, b"aaaaaaaa"), announcing(CONTINUE, u64::MAX - 7)].concat(),
            Closed(1002),
        ),
        (
            "announced together one over",
            [frame(BEGIN_TEXT, b"a"), announcing(LAST, 1_000_000)].concat(),
            Closed(1009),
        ),
        (
            "empty ones for ever, then another message",
            [frame(BEGIN_TEXT, b""), frame(CONTINUE, b"").repeat(100_000), frame(TEXT, BEAT)].concat(),
            Closed(1002),
        ),
        (
            "100,000 empty ones",
            [frame(BEGIN_TEXT, b""), frame(CONTINUE, b"").repeat(100_000), frame(LAST, BEAT)].concat(),
            Beats(1),
        ),
        (
            "50,000 pongs between",
            [frame(BEGIN_TEXT, front), frame(PONG, b"").repeat(50_000), frame(LAST, back)].concat(),
            Beats(1),
        ),
        ("binary", frame(BINARY, b"x"), Closed(1003)),
        ("empty binary", frame(BINARY, b""), Closed(1003)),
        ("binary in fragments", frames(&[(BEGIN_BINARY, b"x"), (LAST, b"y")]), Closed(1003)),
    ]);
}

#[test]
fn text_that_is_none() {
    let bad: Vec<(&str, &[u8])> = vec![
        ("a lone continuation byte", b"\x80"),
        ("many continuation bytes", b"\xbf\xbf\xbf\xbf"),
        ("overlong slash in two", b"\xc0\xaf"),
        ("overlong NUL", b"\xc0\x80"),
        ("overlong in two", b"\xc1\xbf"),
        ("overlong in three", b"\xe0\x80\xaf"),
        ("overlong in three, the last", b"\xe0\x9f\xbf"),
        ("overlong in four", b"\xf0\x80\x80\xaf"),
        ("overlong in four, the last", b"\xf0\x8f\xbf\xbf"),
        ("the first surrogate", b"\xed\xa0\x80"),
        ("the last surrogate", b"\xed\xbf\xbf"),
        ("a pair of surrogates", b"\xed\xa0\xbd\xed\xb8\x80"),
        ("beyond U+10FFFF", b"\xf4\x90\x80\x80"),
        ("five bytes", b"\xf8\x88\x80\x80\x80"),
        ("six bytes", b"\xfc\x84\x80\x80\x80\x80"),
        ("FE", b"\xfe"),
        ("FF", b"\xff"),
        ("two bytes cut", b"\xc3"),
        ("two bytes broken", b"\xc3("),
        ("three bytes cut", b"\xe2\x82"),
        ("three bytes broken", b"\xe2\x82("),
        ("four bytes cut", b"\xf0\x9f\x98"),
        ("four bytes broken", b"\xf0\x9f\x98("),
        ("latin-1", b"caf\xe9"),
    ];
    let mut cases: Vec<Case<'_>> = Vec::new();
    for (name, bytes) in &bad {
        cases.push((name, frame(TEXT, bytes), Closed(1007)));
        cases.push((name, frame(TEXT, &[b"{\"msgId\":\"", *bytes, b"\"}"].concat()), Closed(1007)));
        // Whatever the boundary between two fragments.
        for cut in 0..=bytes.len() {
            let (front, back) = bytes.split_at(cut);
            cases.push((name, frames(&[(BEGIN_TEXT, front), (LAST, back)]), Closed(1007)));
        }
        let each = bytes.iter().map(|byte| frame(CONTINUE, &[*byte])).collect::<Vec<_>>().concat();
        cases.push((name, [frame(BEGIN_TEXT, b""), each, frame(LAST, b"")].concat(), Closed(1007)));
        cases.push((name, frame(CLOSE, &code(1000, bytes)), Closed(1007)));
    }
    // A good character may be cut anywhere, also by a ping.
    let good = "{\"msgId\":1,\"mode\":1,\"x\":\"κόσμε 😀 \u{10ffff}\"}".as_bytes();
    for cut in 0..good.len() {
        let (front, back) = good.split_at(cut);
        cases.push(("good text, cut", frames(&[(BEGIN_TEXT, front), (PONG, b""), (LAST, back)]), Beats(1)));
    }
    // It fails when it is seen to be wrong, not when the message ends.
    cases.push(("wrong at once", frame(BEGIN_TEXT, b"\xff"), Closed(1007)));
    cases.push(("wrong in a big one", [announcing(TEXT, 900_000), b"{\xff".to_vec()].concat(), Closed(1007)));
    run(cases);
}

#[test]
fn closing() {
    let mut cases: Vec<Case<'_>> = vec![
        ("without a code", frame(CLOSE, b""), ClosedBare),
        ("with a code", frame(CLOSE, &code(1000, b"")), Closed(1000)),
        ("with a reason", frame(CLOSE, &code(1001, &[b'r'; 123])), Closed(1001)),
        ("one byte", frame(CLOSE, b"\x03"), Closed(1002)),
        (
            "frames behind",
            [frame(CLOSE, &code(1000, b"")), frame(TEXT, BEAT), frame(PING, b"")].concat(),
            Closed(1000),
        ),
        ("twice", frame(CLOSE, &code(1000, b"")).repeat(2), Closed(1000)),
        ("nonsense behind", [frame(CLOSE, &code(1000, b"")), vec![0xff; 50_000]].concat(), Closed(1000)),
        ("messages after an error", [frame(0x83, b""), frame(TEXT, BEAT)].concat(), Closed(1002)),
        (
            "messages after its close",
            [frame(BINARY, b""), frame(TEXT, BEAT).repeat(50), frame(CLOSE, b"")].concat(),
            Closed(1003),
        ),
    ];
    for bad in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 65_535] {
        cases.push(("a code that must not be", frame(CLOSE, &code(bad, b"")), Closed(1002)));
    }
    for good in
        [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
    {
        cases.push(("a code that may be", frame(CLOSE, &code(good, b"bye")), Closed(good)));
    }
    run(cases);
}

#[test]
fn close_is_not_answered() {
    let server = Server::start(2, "[limits]\nidle_s = 1\n");
    let rest = Rest::of(&server, SLACK);
    // None of them closes its side: the server does, after its deadlines.
    let mut stubborn = Vec::new();
    for bytes in [frame(BINARY, b""), frame(0x83, b""), frame(CLOSE, &code(1000, b"")), vec![]] {
        for _ in 0..20 {
            let mut raw = server.client(&format!("bizCode=d&clientId=c{}", stubborn.len()));
            raw.send(&bytes);
            stubborn.push(raw);
        }
    }
    rest.check(&server, "closed, and never answered");
    drop(stubborn);
}

#[test]
fn announcements_and_dribbles_cost_their_bytes() {
    let server = Server::start(2, "");
    let rest = Rest::of(&server, SLACK);
    let before = server.weight();
    let mut raws: Vec<Raw> = (0..200)
        .map(|n| {
            let mut raw = server.client(&format!("bizCode=d&clientId=c{n}"));
            raw.send(&announcing(TEXT, 1_000_000));
            raw.send(b"{");
            raw
        })
        .collect();
    server.serves_a_good_client("among announcements");
    let each = (server.weight() - before.min(server.weight())) / 200;
    assert!(each < 8 << 10, "{each} bytes for an announcement");
    raws.iter_mut().for_each(|raw| raw.send(&[b' '; 100]));
    drop(raws);
    rest.check(&server, "announcements");

    // A message in 65,536 fragments of one byte, half of which are sent when it is weighed.
    let mut raw = server.client("bizCode=d&clientId=dribble");
    let mut message = BEAT.to_vec();
    message.resize(65_536, b' ');
    let fragments: Vec<u8> = message.iter().flat_map(|byte| frame(CONTINUE, &[*byte])).collect();
    let (front, back) = fragments.split_at(fragments.len() / 2);
    let before = server.weight();
    raw.send(&frame(BEGIN_TEXT, b""));
    raw.send(front);
    raw.send(&frame(PING, b"here"));
    assert_eq!(raw.frame(), Got::Pong(b"here".to_vec()));
    let now = server.weight();
    assert!(now < before + (1 << 20), "32,768 bytes in fragments weigh {}", now - before);
    raw.send(back);
    raw.send(&frame(LAST, b""));
    check(&mut raw, &Beats(1), "65,536 fragments");
    drop(raw);
    rest.check(&server, "65,536 fragments");
}

#[test]
fn floods() {
    let server = Server::start(2, "");
    let rest = Rest::of(&server, SLACK);

    // All pongs fit into the outbox, so all of them come.
    let mut raw = server.narrow_client("bizCode=d&clientId=pings");
    raw.send(&frame(PING, b"").repeat(50_000));
    server.serves_a_good_client("beside a flood of pings");
    for _ in 0..50_000 {
        assert_eq!(raw.frame(), Got::Pong(vec![]));
    }
    check(&mut raw, &Beats(0), "50,000 pings");
    drop(raw);
    rest.check(&server, "50,000 pings");

    // They do not fit: it is slow, like any other reader, unless the kernel happens to hold what the outbox does not.
    let before = server.weight();
    let mut raw = server.narrow_client("bizCode=d&clientId=pings");
    raw.send(&frame(PING, &[b'p'; 125]).repeat(50_000));
    server.serves_a_good_client("beside a flood of large pings");
    let now = server.weight();
    assert!(now < before + (8 << 20), "unread pongs weigh {}", now - before);
    let mut pongs = 0;
    loop {
        match raw.frame() {
            Got::Pong(payload) => {
                assert_eq!(payload, [b'p'; 125]);
                pongs += 1;
                if pongs == 50_000 {
                    break check(&mut raw, &Beats(0), "50,000 large pings");
                }
            }
            Got::Close(code, reason) => {
                assert_eq!((code, reason.as_str()), (Some(1008), "slow consumer"));
                break raw.expect_end("a flood of large pings");
            }
            other => panic!("{other:?}"),
        }
    }
    drop(raw);
    rest.check(&server, "50,000 large pings");

    for (name, flood, answers) in [
        ("pongs", frame(PONG, b"unasked").repeat(50_000), 0),
        ("empty texts", frame(TEXT, b"").repeat(10_000), 10_000),
        ("broken JSON", frame(TEXT, b"{").repeat(10_000), 10_000),
    ] {
        let mut raw = server.client("bizCode=d&clientId=flood");
        let mut writer = raw.stream().try_clone().unwrap();
        let writing = std::thread::spawn(move || writer.write_all(&flood).unwrap());
        for _ in 0..answers {
            assert!(matches!(raw.frame(), Got::Text(text) if text.contains("\"code\":400")), "{name}");
        }
        writing.join().unwrap();
        check(&mut raw, &Beats(0), name);
        drop(raw);
        rest.check(&server, name);
    }
}

/// Messages that are broadcast until nobody slow is left.
struct Broadcast {
    /// Bytes of content.
    content: usize,
    /// The limit on the outbox.
    outbox: usize,
    /// What the process may weigh more while nobody reads.
    bound: u64,
}

/// 200 readers that do not read, and two that do and lose nothing.
fn slow_readers(Broadcast { content, outbox, bound }: Broadcast) {
    const SLOW: usize = 200;
    let server = Server::start(2, &format!("[limits]\noutbox_bytes = {outbox}\nidle_s = 0\n"));
    let rest = Rest::of(&server, SLACK);
    let mut slow: Vec<Raw> =
        (0..SLOW).map(|n| server.narrow_client(&format!("bizCode=d&clientId=slow{n}&group=g"))).collect();
    let good: Vec<Raw> =
        (0..2).map(|n| server.client(&format!("bizCode=d&clientId=good{n}&group=g"))).collect();
    let before = server.weight();

    let readers: Vec<_> = good
        .into_iter()
        .map(|mut raw| {
            std::thread::spawn(move || {
                for number in 0.. {
                    match raw.frame() {
                        Got::Text(text) if text.contains("\"end\"") => return (raw, number),
                        Got::Text(text) => {
                            let start = format!("{{\"msgId\":{number},\"mode\":200,");
                            assert!(text.starts_with(&start), "expected {start}, got {text:.60}");
                        }
                        other => panic!("a good reader got {other:?}"),
                    }
                }
                unreachable!("numbers end later")
            })
        })
        .collect();

    let mut sender = server.client("bizCode=d&clientId=sender");
    let filler = "x".repeat(content);
    let (mut sent, mut heaviest, mut delivered) = (0, 0, String::new());
    // The receipt paces the sender; that none of the slow is counted any more ends it.
    while delivered != r#""delivered":2}"# {
        let message =
            format!(r#"{{"msgId":{sent},"mode":200,"group":"g","content":"{filler}","receipt":true}}"#);
        sender.text(&message);
        let Got::Text(receipt) = sender.frame() else { panic!("no receipt") };
        delivered = receipt.split_once("\"code\":0,").expect("a receipt").1.to_owned();
        sent += 1;
        if sent % 8 == 0 {
            heaviest = heaviest.max(server.weight());
        }
        assert!(sent < 100_000, "slow readers are never closed: {receipt}");
    }
    assert!(heaviest < before + bound, "{} bytes more than before, {bound} allowed", heaviest - before);
    println!(
        "content {content}, outbox {outbox}: {sent} messages, {} bytes more",
        heaviest.max(before) - before
    );
    sender.text(r#"{"mode":200,"group":"g","content":"end"}"#);
    for reader in readers {
        let (mut raw, count) = reader.join().expect("a good reader");
        assert_eq!(count, sent, "messages that a good reader got");
        raw.say_goodbye("a good reader");
    }
    // Of the slow ones, those that hurry now learn why: whole messages, in order, then the close frame.
    for raw in &mut slow[..3] {
        for number in 0.. {
            match raw.frame() {
                Got::Text(text) => assert!(text.starts_with(&format!("{{\"msgId\":{number},"))),
                Got::Close(code, reason) => {
                    assert_eq!((code, reason.as_str()), (Some(1008), "slow consumer"));
                    break;
                }
                other => panic!("a slow reader got {other:?}"),
            }
        }
        raw.expect_end("a slow reader");
    }
    sender.say_goodbye("the sender");
    // The others are dropped although they never read.
    drop(sender);
    rest.check(&server, "slow readers");
    drop(slow);
}

#[test]
fn slow_readers_share_large_messages() {
    // Whatever the number of readers, each message is there once: as many as an outbox holds, on two reactors,
    // and the copies that are on their way in. Besides, each reader has a list.
    let outbox = 1 << 20;
    slow_readers(Broadcast {
        content: 32 << 10,
        outbox,
        bound: 3 * outbox as u64 + 200 * (4 << 10) + (6 << 20),
    });
}

#[test]
fn slow_readers_of_small_messages_stay_within_their_outboxes() {
    // Small messages are copied: at most an outbox, half as much again for how a vector grows, and
    // the lengths of its frames, for each reader.
    let outbox = 128 << 10;
    slow_readers(Broadcast {
        content: 300,
        outbox,
        bound: 200 * (outbox as u64 * 3 / 2 + (8 << 10)) + (6 << 20),
    });
}

#[test]
fn idle_connections_are_closed() {
    let server = Server::start(2, "[limits]\nidle_s = 2\n");
    let rest = Rest::of(&server, SLACK);
    let mut idle = server.client("bizCode=d&clientId=idle");
    let mut half = server.client("bizCode=d&clientId=half");
    let mut alive: Vec<Raw> =
        (0..2).map(|n| server.client(&format!("bizCode=d&clientId=alive{n}"))).collect();
    half.send(&frame(BEGIN_TEXT, b"half of a message"));
    // Any frame counts.
    for _ in 0..16 {
        std::thread::sleep(Duration::from_millis(250));
        alive[0].send(&frame(PONG, b""));
        alive[1].send(&frame(PING, b"x"));
        assert_eq!(alive[1].frame(), Got::Pong(b"x".to_vec()));
    }
    for raw in [&mut idle, &mut half] {
        assert_eq!(raw.frame(), Got::Close(Some(1001), "idle timeout".to_owned()));
        raw.send(&frame(CLOSE, &code(1001, b"")));
        raw.expect_end("idle");
    }
    for mut raw in alive {
        raw.heartbeat("alive");
        raw.say_goodbye("alive");
    }
    drop((idle, half));
    rest.check(&server, "idle");
}

/// Names that peers make up leave nothing behind, however many there are.
#[test]
fn names_that_come_and_go() {
    let server = Server::start(2, "");
    let rest = Rest::of(&server, SLACK);
    let mut raw = server.client("bizCode=d&clientId=c");
    let mut watcher = server.client("bizCode=d&clientId=watcher");
    for round in 0..2_000 {
        let names: Vec<String> = (0..64).map(|n| format!("a-group-with-a-long-name-{round}-{n}")).collect();
        let list = names.join(",");
        // Sending to groups that nobody is in makes none.
        raw.text(&format!(r#"{{"mode":200,"group":"{list}","content":1,"receipt":true}}"#));
        assert!(matches!(raw.frame(), Got::Text(text) if text.ends_with("\"delivered\":0}")));
        for mode in [2, 3] {
            raw.text(&format!(r#"{{"mode":{mode},"group":"{list}"}}"#));
            let got = raw.frame();
            assert_eq!(got, Got::Text(format!(r#"{{"msgId":null,"mode":{mode},"code":0}}"#)));
        }
        raw.text(&format!(r#"{{"mode":100,"targetClientId":"nobody-{round}","content":1}}"#));
    }
    watcher.heartbeat("beside many names");
    for round in 0..2_000 {
        let query = format!("bizCode=domain-{round}&clientId=client-{round}&group=one-{round},two-{round}");
        server.client(&query).heartbeat("a domain of its own");
    }
    raw.say_goodbye("many names");
    watcher.say_goodbye("beside many names");
    drop((raw, watcher));
    rest.check(&server, "many names");
}

/// A sender that does not wait: every reader that reads gets all of it, in order, whatever its reactor.
#[test]
fn a_burst_reaches_every_reader() {
    const MESSAGES: usize = 5_000;
    let server = Server::start(3, "[limits]\noutbox_bytes = 67_108_864\n");
    let rest = Rest::of(&server, 3 * SLACK);
    let readers: Vec<_> = (0..6)
        .map(|number| {
            let mut raw = server.client(&format!("bizCode=d&clientId=r{number}"));
            std::thread::spawn(move || {
                for number in 0..MESSAGES {
                    let Got::Text(text) = raw.frame() else { panic!("not message {number}") };
                    assert!(text.starts_with(&format!("{{\"msgId\":{number},")), "{number}: {text:.40}");
                }
                raw.heartbeat("a reader of a burst");
            })
        })
        .collect();
    let mut sender = server.client("bizCode=d&clientId=s");
    let content = "x".repeat(10_000);
    for number in 0..MESSAGES {
        sender.text(&format!(r#"{{"msgId":{number},"mode":300,"content":"{content}"}}"#));
    }
    readers.into_iter().for_each(|reader| reader.join().expect("a reader of a burst"));
    drop(sender);
    rest.check(&server, "a burst");
}

/// One sender makes a lot of bytes for many others of a few of its own: they are sent as they come up, not gathered.
#[test]
fn a_burst_to_changing_groups_takes_little_memory() {
    const MEMBERS: usize = 150;
    let name = "s".repeat(250);
    let burst = |count: usize| {
        let groups = ["a", "b"].iter().cycle().take(count);
        let texts = groups.map(|group| format!(r#"{{"mode":200,"group":"{group}","content":0}}"#));
        texts.flat_map(|text| frame(TEXT, text.as_bytes())).collect::<Vec<u8>>()
    };
    for behind_the_upgrade in [false, true] {
        let server = Server::start(1, "");
        let mut members: Vec<Raw> =
            (0..MEMBERS).map(|n| server.client(&format!("bizCode=d&clientId=m{n}&group=a,b"))).collect();
        // Without it the groups are equal, and a turn's messages to both are one.
        let _only = server.client("bizCode=d&clientId=only&group=a");
        let before = server.peak();
        let mut sender = server.connect();
        let mut bytes = raw::upgrade_head(&format!("bizCode=d&clientId={name}"), "").into_bytes();
        if behind_the_upgrade {
            bytes.extend(burst(4_000));
            sender.send(&bytes);
            assert_eq!(sender.answer().expect("an answer").status, 101);
        } else {
            sender.send(&bytes);
            assert_eq!(sender.answer().expect("an answer").status, 101);
            sender.send(&burst(4_000));
        }
        sender.heartbeat("after a burst");
        // All of it is 180 MB.
        let grown = server.peak() - before;
        assert!(grown < 64 << 20, "a burst of 170 kB took {grown} bytes");
        for (number, member) in members.iter_mut().enumerate() {
            for message in 0..4_000 {
                let group = if message % 2 == 0 { "a" } else { "b" };
                let Got::Text(text) = member.frame() else { panic!("member {number}, message {message}") };
                assert!(text.ends_with(&format!(r#""group":"{group}","content":0}}"#)), "{text}");
            }
            member.heartbeat("a member after a burst");
        }
    }
}
