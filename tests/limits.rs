//! Each limit at its value and one past it, with the documented code; after each the server serves others.
//!
//! The bounds of the configuration's keys are tested where the keys are, what hostile clients make of a limit in `hostile_*`,
//! the ceiling on memory under a flood in `memory`.

mod raw;
mod support;

use raw::sio::{self, Session, ask, next, request};
use raw::{Got, Raw, Server, frame, upgrade, upgrade_head};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// An address that nobody has but those who are to be served whatever happened to others.
const ELSEWHERE: [u8; 4] = [127, 0, 0, 77];

struct Limit {
    name: &'static str,
    config: &'static str,
    /// At the value, then one past it.
    tried: fn(&Server),
}

const LIMITS: [Limit; 14] = [
    Limit { name: "message_bytes", config: "message_bytes = 1_000", tried: message_bytes },
    Limit { name: "outbox_bytes", config: "outbox_bytes = 100_000", tried: outbox_bytes },
    Limit { name: "handshake_s", config: "handshake_s = 1", tried: handshake_s },
    Limit { name: "idle_s", config: "idle_s = 1", tried: idle_s },
    Limit { name: "connections", config: "connections = 4", tried: connections },
    Limit { name: "connections_per_ip", config: "connections_per_ip = 4", tried: connections_per_ip },
    Limit {
        name: "messages_per_s",
        config: "messages_per_s = 1\nmessages_burst = 10",
        tried: messages_per_s,
    },
    Limit { name: "messages_burst", config: "messages_per_s = 3", tried: messages_burst },
    Limit { name: "accepts_per_s", config: "accepts_per_s = 40", tried: accepts_per_s },
    Limit { name: "rooms_per_socket", config: "rooms_per_socket = 3", tried: rooms_per_socket },
    Limit { name: "memory_bytes", config: "memory_bytes = 1_000_000_000", tried: memory_bytes_free },
    Limit { name: "memory_bytes", config: "memory_bytes = 1_000_000", tried: memory_bytes_taken },
    Limit { name: "head_bytes", config: "head_bytes = 1_024", tried: head_bytes },
    Limit {
        name: "send_buffer_bytes",
        config: "outbox_bytes = 50_000_000\nsend_buffer_bytes = 16_384",
        tried: send_buffer_bytes,
    },
];

#[test]
fn each_limit_at_its_value_and_one_past_it() {
    for Limit { name, config, tried } in LIMITS {
        println!("{name}");
        let server = Server::start(2, &format!("[limits]\n{config}\n"));
        let descriptors = server.descriptors();
        tried(&server);
        assert!(server.is_alive(), "{name}: the server died");
        let mut raw = server.connect_from(ELSEWHERE);
        raw.send(&request("GET", "/healthz", "", b""));
        assert_eq!(raw.answer().expect("health").status, 200, "{name}");
        drop(raw);
        if config != "memory_bytes = 1_000_000" {
            let mut good = upgrade(server.connect_from(ELSEWHERE), "bizCode=good&clientId=good");
            good.heartbeat(name);
            good.say_goodbye(name);
        }
        server.wait_for_descriptors(&descriptors, name);
    }
}

/// A refused handshake: its status and code; it is closed, and says when to come back if `later`.
fn refusal(mut raw: Raw, later: bool) -> (u16, String) {
    raw.send(upgrade_head("bizCode=d&clientId=late", "").as_bytes());
    let answer = raw.answer().expect("an answer to the handshake");
    assert_eq!(answer.header("retry-after").is_some(), later, "{}", answer.head);
    if let Some(pause) = answer.header("retry-after") {
        assert!((1..=60).contains(&pause.parse::<u32>().expect("seconds")));
    }
    raw.expect_end("a refused handshake");
    let body = String::from_utf8(answer.body).expect("text");
    let code = body.strip_prefix("{\"code\":\"").and_then(|rest| rest.split('"').next());
    (answer.status, code.unwrap_or_else(|| panic!("no code in {body}")).to_owned())
}

fn metrics(server: &Server) -> BTreeMap<String, f64> {
    let mut raw = server.connect_from(ELSEWHERE);
    raw.send(&request("GET", "/metrics", "", b""));
    let text = String::from_utf8(raw.answer().expect("metrics").body).unwrap();
    let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
    samples.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
}

fn metric(server: &Server, name: &str) -> f64 {
    *metrics(server).get(name).unwrap_or_else(|| panic!("no {name}"))
}

/// A heartbeat of so many bytes.
fn beat(bytes: usize) -> String {
    let text = r#"{"mode":1,"msgId":"beat"}"#;
    format!("{text}{}", " ".repeat(bytes - text.len()))
}

fn message_bytes(server: &Server) {
    let mut raw = server.client("bizCode=d&clientId=c");
    raw.text(&beat(1_000));
    assert!(matches!(raw.frame(), Got::Text(text) if text.contains("\"code\":0")));
    raw.text(&beat(1_001));
    assert!(matches!(raw.frame(), Got::Close(Some(1009), _)));
    raw.expect_end("one byte too much");
    let post = |bytes| ask(server, &request("POST", "/api/v1/publish", "", &vec![b'['; bytes])).status;
    assert_eq!((post(1_000), post(1_001)), (400, 413));
}

fn outbox_bytes(server: &Server) {
    let mut slow = server.narrow_client("bizCode=d&clientId=slow");
    let mut sender = server.client("bizCode=d&clientId=sender");
    let filler = "x".repeat(10_000);
    let (mut sent, mut waited) = (0u32, 0.0f64);
    loop {
        let message = format!(r#"{{"mode":300,"msgId":{sent},"content":"{filler}","receipt":true}}"#);
        sender.text(&message);
        let Got::Text(receipt) = sender.frame() else { panic!("no receipt") };
        if receipt.ends_with("\"delivered\":0}") {
            break;
        }
        // It was taken: it is within the limit.
        let now = metric(server, "fanfare_queued_bytes");
        assert!(now <= 100_000.0, "{now}");
        waited = waited.max(now);
        sent += 1;
        assert!(sent < 2_000, "it is never too slow");
    }
    assert!(waited > 85_000.0, "closed although only {waited} bytes waited");
    for number in 0.. {
        match slow.frame() {
            Got::Text(text) => assert!(text.contains(&format!("\"msgId\":{number},"))),
            Got::Close(code, reason) => {
                assert_eq!((code, reason.as_str()), (Some(1008), "slow consumer"));
                break;
            }
            other => panic!("a slow reader got {other:?}"),
        }
    }
    sender.heartbeat("the sender");
}

fn handshake_s(server: &Server) {
    let head = upgrade_head("bizCode=d&clientId=c", "");
    let mut in_time = server.connect();
    let (first, last) = head.as_bytes().split_at(40);
    in_time.send(first);
    in_time.send(last);
    assert_eq!(in_time.answer().expect("an answer").status, 101);
    for part in [&b""[..], first] {
        let mut late = server.connect();
        late.send(part);
        let answer = late.answer().expect("it is told that it is late");
        assert_eq!(answer.status, 408);
        assert!(answer.body.starts_with(b"{\"code\":\"timeout\""));
        late.expect_end("late");
    }
}

fn idle_s(server: &Server) {
    let mut pings = server.client("bizCode=d&clientId=pings");
    let mut silent = server.client("bizCode=d&clientId=silent");
    let closed = std::thread::spawn(move || {
        assert_eq!(silent.frame(), Got::Close(Some(1001), "idle timeout".to_owned()));
        silent.send(&frame(0x88, &1001u16.to_be_bytes()));
        silent.expect_end("a silent one");
    });
    // Any frame counts.
    while !closed.is_finished() {
        pings.send(&frame(0x89, b"p"));
        assert_eq!(pings.frame(), Got::Pong(b"p".to_vec()));
        std::thread::sleep(Duration::from_millis(50));
    }
    closed.join().expect("the silent one is closed");
    pings.heartbeat("one that pings");
}

fn connections(server: &Server) {
    let mut members: Vec<Raw> = (0..4).map(|n| server.client(&format!("bizCode=d&clientId=c{n}"))).collect();
    assert_eq!(refusal(server.connect(), true), (503, "full".to_owned()));
    let answer = ask(server, &request("GET", "/socket.io/?EIO=4&transport=polling", "", b""));
    assert_eq!(answer.status, 503);
    members.iter_mut().for_each(|member| member.heartbeat("full"));
    members.pop().unwrap().say_goodbye("one leaves");
    drop(server.client_when_there_is_room("bizCode=d&clientId=new"));
}

fn connections_per_ip(server: &Server) {
    // One of each kind: what speaks plain HTTP counts, and so does a session that is polled.
    let mut kept = server.connect();
    kept.send(&request("GET", "/healthz", "", b""));
    assert_eq!(kept.answer().expect("health").status, 200);
    let mut member = server.client("bizCode=d&clientId=c");
    let mut polling = server.connect();
    polling.send(&request("GET", "/socket.io/?EIO=4&transport=polling", "", b""));
    let session = Session::from_answer(&polling.answer().expect("a session"), 4);

    assert_eq!(refusal(server.connect(), true), (429, "too_many_connections".to_owned()));
    let mut plain = server.connect();
    plain.send(&request("GET", "/healthz", "", b""));
    let answer = plain.answer().expect("an answer to one too many");
    assert_eq!((answer.status, answer.header("retry-after").is_some()), (429, true));
    plain.expect_end("one too many");
    // Another session is one too many, too, on a connection that is not.
    polling.send(&request("GET", "/socket.io/?EIO=4&transport=polling", "", b""));
    assert_eq!(polling.answer().expect("an answer").status, 429);
    polling.send(&session.post_request(b"40"));
    assert_eq!(polling.answer().expect("an answer").body, b"ok");
    // So many are told; whoever comes while they wait is dropped.
    let told: Vec<Raw> = (0..16 + 24).map(|_| server.connect()).collect();
    let start = Instant::now();
    // Those that were refused before may not all be gone yet.
    while metric(server, r#"fanfare_refused_total{reason="address"}"#) < 3.0 + 24.0 {
        assert!(start.elapsed() < raw::PATIENCE, "the others are not dropped");
    }
    let answers = told.into_iter().filter_map(|mut raw| {
        raw.send(&request("GET", "/healthz", "", b""));
        raw.answer()
    });
    let statuses: Vec<u16> = answers.map(|answer| answer.status).collect();
    assert!(
        statuses.iter().all(|status| *status == 429) && (14..=16).contains(&statuses.len()),
        "{statuses:?}"
    );
    member.heartbeat("one of four");
    kept.send(&request("GET", "/healthz", "", b""));
    assert_eq!(kept.answer().expect("health").status, 200);
    // Other addresses are others, also those who come as many.
    let others: Vec<Raw> = (1..=4u8)
        .flat_map(|host| (0..4).map(move |n| (host, n)))
        .map(|(host, n)| {
            let raw = server.connect_from([127, 0, 1, host]);
            upgrade(raw, &format!("bizCode=d&clientId=other{host}.{n}"))
        })
        .collect();
    assert_eq!(refusal(server.connect_from([127, 0, 1, 1]), true).0, 429);
    drop(others);
    // Places return.
    kept.end_sending();
    kept.expect_end("one leaves");
    let start = Instant::now();
    loop {
        let mut raw = server.connect();
        raw.send(upgrade_head("bizCode=d&clientId=new", "").as_bytes());
        match raw.answer() {
            Some(answer) if answer.status == 101 => break,
            _ => assert!(start.elapsed() < raw::PATIENCE, "no place returns"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    polling.send(&session.post_request(b"1"));
    assert_eq!(polling.answer().expect("an answer").body, b"ok");
}

fn messages_per_s(server: &Server) {
    let mut raw = server.client("bizCode=d&clientId=c");
    let start = Instant::now();
    let message = |n: usize| frame(0x81, format!(r#"{{"mode":1,"msgId":"{n}"}}"#).as_bytes());
    raw.send(&(0..11).flat_map(message).collect::<Vec<u8>>());
    for n in 0..10 {
        let Got::Text(text) = raw.frame() else { panic!("no answer") };
        assert!(text.starts_with(&format!(r#"{{"msgId":"{n}","mode":1,"code":0"#)), "{text}");
    }
    let last = raw.frame();
    let late = Got::Text(r#"{"msgId":"10","mode":1,"code":429,"message":"too many messages"}"#.to_owned());
    // On a machine that slept for a second in between, one more was allowed.
    assert!(last == late || start.elapsed() > Duration::from_secs(1), "{last:?}");
    // Pings are no messages.
    raw.send(&frame(0x89, b"p").repeat(30));
    (0..30).for_each(|_| assert_eq!(raw.frame(), Got::Pong(b"p".to_vec())));
    assert!(metric(server, "fanfare_rate_limited_total") >= 1.0);
    // Who goes on is closed, after what it was told.
    raw.send(&(0..400).flat_map(message).collect::<Vec<u8>>());
    let closed = loop {
        match raw.frame() {
            Got::Text(_) => {}
            other => break other,
        }
    };
    assert_eq!(closed, Got::Close(Some(1008), "too many messages".to_owned()));
    assert_eq!(metric(server, r#"fanfare_closed_total{reason="flood"}"#), 1.0);
}

fn messages_burst(server: &Server) {
    // Twice the rate, as nothing else is configured; the packet by which it joined the namespace, with revision 4, is one.
    for revision in [3, 4] {
        let joined = usize::from(revision == 4);
        let mut raw = sio::socket(server, revision);
        let event = |n: usize| frame(0x81, format!(r#"42{n}["register",{{"group":"g{n}"}}]"#).as_bytes());
        let start = Instant::now();
        raw.send(&(joined..7).flat_map(event).collect::<Vec<u8>>());
        raw.send(&frame(0x81, br#"42["register",{"group":"g"}]"#));
        for n in joined..6 {
            assert_eq!(next(&mut raw), Got::Text(format!(r#"43{n}[{{"ok":true}}]"#)));
        }
        let (seventh, eighth) = (next(&mut raw), next(&mut raw));
        let error = r#""code":"rate_limited","message":"too many messages"}"#;
        if start.elapsed() < Duration::from_millis(300) {
            assert_eq!(seventh, Got::Text(format!(r#"436[{{"ok":false,"error":{{{error}}}]"#)));
            assert_eq!(eighth, Got::Text(format!(r#"42["exception",{{"event":"register",{error}]"#)));
        }
        // Heartbeats are no messages: the session goes on until it says far too much.
        raw.send(&frame(0x81, b"42[\"x\"]").repeat(2_000));
        loop {
            match next(&mut raw) {
                Got::Text(_) => {}
                Got::Close(None, _) => break,
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(metric(server, r#"fanfare_closed_total{reason="flood"}"#), 2.0);
}

fn accepts_per_s(server: &Server) {
    const CAME: u64 = 60;
    let accepted = || metric(server, "fanfare_accepted_total");
    let (start, before) = (Instant::now(), accepted());
    let waiting: Vec<Raw> = (0..CAME).map(|_| server.connect()).collect();
    loop {
        // In so long no more than the rate, a burst of a tenth of a second, and one that another reactor has let in at the
        // same moment; whoever asks is one, too.
        let now = accepted() - before;
        let most = 40.0 * start.elapsed().as_secs_f64() + 4.0 + 2.0;
        assert!(now <= most, "{now} are in, {most} may be");
        if now >= CAME as f64 {
            break;
        }
        assert!(start.elapsed() < raw::PATIENCE, "{now} of {CAME} are let in");
    }
    // Nobody was turned away.
    for raw in waiting {
        upgrade(raw, "bizCode=d&clientId=c").heartbeat("one that waited");
    }
}

fn rooms_per_socket(server: &Server) {
    // One room is the client's own.
    let mut raw = server.client("bizCode=d&clientId=c&group=g1");
    raw.text(r#"{"mode":2,"msgId":1,"group":"g2"}"#);
    assert_eq!(raw.frame(), Got::Text(r#"{"msgId":1,"mode":2,"code":0}"#.to_owned()));
    raw.text(r#"{"mode":2,"msgId":2,"group":"g3"}"#);
    assert!(matches!(raw.frame(), Got::Text(text) if text.starts_with(r#"{"msgId":2,"mode":2,"code":413"#)));
    let mut raw = server.connect();
    raw.send(upgrade_head("bizCode=d&clientId=d&group=g1,g2,g3", "").as_bytes());
    assert_eq!(raw.answer().expect("an answer").status, 400);
    let mut raw = sio::socket(server, 4);
    raw.text(r#"421["register",{"group":["a","b","c"]}]"#);
    assert_eq!(next(&mut raw), Got::Text(r#"431[{"ok":true}]"#.to_owned()));
    raw.text(r#"422["register",{"group":"d"}]"#);
    assert!(matches!(next(&mut raw), Got::Text(text) if text.contains(r#""code":"too_large""#)));
}

fn memory_bytes_free(server: &Server) {
    let mut member = server.client("bizCode=d&clientId=c");
    let part = |part: &str| metric(server, &format!("fanfare_memory_bytes{{part=\"{part}\"}}"));
    assert_eq!(part("ceiling"), 1e9);
    assert!(part("rss") > 1e6);
    let start = Instant::now();
    while part("kernel") < 4_000.0 {
        assert!(start.elapsed() < raw::PATIENCE, "a connection takes nothing of the kernel");
    }
    member.heartbeat("below the ceiling");
    assert_eq!(ask(server, &request("GET", "/readyz", "", b"")).status, 200);
}

/// A process takes more than this ceiling with nobody there.
fn memory_bytes_taken(server: &Server) {
    let start = Instant::now();
    while ask(server, &request("GET", "/readyz", "", b"")).status == 200 {
        assert!(start.elapsed() < raw::PATIENCE, "it is ready although there is no memory");
    }
    assert_eq!(refusal(server.connect(), true), (503, "memory".to_owned()));
    let answer = ask(server, &request("GET", "/socket.io/?EIO=4&transport=polling", "", b""));
    assert_eq!((answer.status, answer.header("retry-after").is_some()), (503, true));
    let mut raw = server.connect();
    raw.send(&sio::websocket_request(4, ""));
    assert_eq!(raw.answer().expect("an answer").status, 503);
    let ready = ask(server, &request("GET", "/readyz", "", b""));
    assert_eq!(ready.body, br#"{"code":"memory","message":"over the memory ceiling"}"#);
    assert_eq!(metric(server, r#"fanfare_refused_total{reason="memory"}"#), 3.0);
}

fn head_bytes(server: &Server) {
    let head = |bytes: usize| {
        let bare = upgrade_head("bizCode=d&clientId=c", "X: \r\n").len();
        upgrade_head("bizCode=d&clientId=c", &format!("X: {}\r\n", "x".repeat(bytes - bare)))
    };
    for (bytes, status) in [(1_024, 101), (1_025, 431)] {
        let mut raw = server.connect();
        let head = head(bytes);
        assert_eq!(head.len(), bytes);
        raw.send(head.as_bytes());
        assert_eq!(raw.answer().expect("an answer").status, status, "{bytes}");
    }
}

fn send_buffer_bytes(server: &Server) {
    let _slow = server.client("bizCode=d&clientId=slow");
    let mut sender = server.client("bizCode=d&clientId=sender");
    let filler = "x".repeat(50_000);
    for number in 0..30 {
        sender.text(&format!(r#"{{"mode":300,"msgId":{number},"content":"{filler}","receipt":true}}"#));
        assert!(matches!(sender.frame(), Got::Text(text) if text.ends_with("\"delivered\":1}")));
    }
    // Of 1.5 MB the kernel has what both sides' buffers hold at least; without a limit it takes all of it.
    let waits = metric(server, "fanfare_queued_bytes");
    assert!(waits > 1_000_000.0, "only {waits} bytes wait here");
}
