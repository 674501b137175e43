//! The ceiling on memory: readers that never read, and senders that never finish, cost what it allows, and others nothing.

mod raw;
mod support;

use raw::sio::{self, request};
use raw::{Got, Raw, Server, frames, upgrade_head};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const CEILING: u64 = 160 << 20;
const STALLED: usize = 200;
const GOOD: usize = 4;
/// How far ahead of the slowest good reader the sender may be, in bytes: less than an outbox holds, so that none is slow.
const AHEAD: usize = 512 << 10;

/// What the kernel takes for an idle connection, from tuning.md.
const IDLE: u64 = 4_160;

/// The most that process and kernel took at once, looked at from outside while the value lives.
struct Watched {
    over: Arc<AtomicBool>,
    watcher: JoinHandle<u64>,
}

impl Watched {
    fn start(server: &Server) -> Watched {
        let (pid, port) = (server.pid(), server.addr.port());
        let over = Arc::new(AtomicBool::new(false));
        let ends = over.clone();
        let watcher = std::thread::spawn(move || {
            let mut most = 0;
            while !ends.load(Ordering::Relaxed) {
                let (start, before) = (Instant::now(), resident(pid));
                let kernel = charged(port, &ends);
                let after = resident(pid);
                // The table has the connections of everybody on this machine. When reading it takes long, what it says of
                // the first of them is not so any more.
                let kernel = kernel.filter(|_| start.elapsed() < Duration::from_millis(20));
                most = most.max(after).max(before.min(after) + kernel.unwrap_or(0));
                std::thread::sleep(Duration::from_millis(2));
            }
            most
        });
        Watched { over, watcher }
    }

    fn most(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        self.watcher.join().unwrap()
    }
}

/// What is resident of a process, in bytes.
fn resident(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

/// What the kernel has for the server's connections, without what it adds to the bytes in their queues; nothing if that is
/// not wanted any more.
fn charged(port: u16, ends: &AtomicBool) -> Option<u64> {
    let mut bytes = 0;
    for line in BufReader::new(File::open("/proc/net/tcp").unwrap()).lines().skip(1) {
        let line = line.unwrap();
        let fields: Vec<&str> = line.split_whitespace().collect();
        let local = fields[1].rsplit(':').next().unwrap();
        // 0A is a listener.
        if u16::from_str_radix(local, 16) == Ok(port) && fields[3] != "0A" {
            let queues = fields[4].split(':').map(|queue| u64::from_str_radix(queue, 16).unwrap());
            bytes += IDLE + queues.sum::<u64>();
        }
        if ends.load(Ordering::Relaxed) {
            return None;
        }
    }
    Some(bytes)
}

fn get(server: &Server, target: &str) -> raw::Answer {
    raw::sio::ask(server, &raw::sio::request("GET", target, "", b""))
}

/// What the server says, also that it is below its ceiling.
fn metrics(server: &Server) -> BTreeMap<String, f64> {
    let text = String::from_utf8(get(server, "/metrics").body).unwrap();
    let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
    let found: BTreeMap<String, f64> =
        samples.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect();
    let memory = |part: &str| found[&format!("fanfare_memory_bytes{{part=\"{part}\"}}")];
    let used = memory("rss") + memory("kernel");
    assert!(memory("ceiling") == CEILING as f64 && used < CEILING as f64, "{used} of {CEILING}");
    found
}

/// Whether a newcomer is taken; one that is not is told when to come back.
fn is_taken(server: &Server) -> bool {
    let mut raw = server.connect();
    raw.send(upgrade_head("bizCode=other&clientId=newcomer", "").as_bytes());
    let answer = raw.answer().expect("an answer to a newcomer");
    if answer.status == 101 {
        return true;
    }
    assert_eq!(answer.status, 503, "{}", answer.head);
    assert!(answer.body.starts_with(br#"{"code":"memory","#), "{:?}", String::from_utf8_lossy(&answer.body));
    let pause: u32 = answer.header("retry-after").expect("Retry-After").parse().expect("seconds");
    assert!((1..=60).contains(&pause));
    raw.expect_end("a newcomer that was refused");
    false
}

/// A good reader: every message, once and in order. Says how many it has.
fn read(mut raw: Raw, content: usize, has: &AtomicU64) -> Raw {
    for number in 0u64.. {
        match raw.frame() {
            Got::Text(text) if text.contains(r#""content":"end""#) => return raw,
            Got::Text(text) => {
                let start = format!(r#"{{"msgId":{number},"mode":300,"#);
                assert!(text.starts_with(&start), "expected {start}, got {text:.60}");
                assert_eq!(text.len() - start.len(), content + r#""from":"sender","content":""}"#.len());
                has.fetch_add(1, Ordering::Relaxed);
            }
            other => panic!("a good reader got {other:?}"),
        }
    }
    unreachable!("numbers end later")
}

/// Messages of so many bytes to all, most of whom never read.
fn flood(reactors: usize, content: usize, config: &str) {
    let server =
        Server::start(reactors, &format!("[limits]\nmemory_bytes = {CEILING}\nidle_s = 0\n{config}"));
    assert_eq!(get(&server, "/readyz").status, 200);
    let stalled: Vec<Raw> =
        (0..STALLED).map(|n| server.client(&format!("bizCode=d&clientId=stalled{n}"))).collect();
    let counts: Vec<Arc<AtomicU64>> = (0..GOOD).map(|_| Arc::default()).collect();
    let readers: Vec<_> = counts
        .iter()
        .enumerate()
        .map(|(n, count)| {
            let (raw, count) = (server.client(&format!("bizCode=d&clientId=good{n}")), count.clone());
            std::thread::spawn(move || read(raw, content, &count))
        })
        .collect();
    let mut sender = server.client("bizCode=d&clientId=sender");
    let watched = Watched::start(&server);

    let filler = "x".repeat(content);
    let mut sent = 0;
    let mut send = |messages: u64| {
        for _ in 0..messages {
            let start = Instant::now();
            while counts.iter().any(|has| sent - has.load(Ordering::Relaxed) > (AHEAD / content) as u64) {
                assert!(start.elapsed() < raw::PATIENCE, "a good reader does not get what was sent");
                std::thread::yield_now();
            }
            sender.text(&format!(r#"{{"msgId":{sent},"mode":300,"content":"{filler}"}}"#));
            sent += 1;
        }
        sent
    };
    // Until newcomers are refused, again and again: others go on meanwhile.
    let mut refused = 0;
    while refused < 20 {
        let sent = send((64 << 10) / content as u64);
        metrics(&server);
        if !is_taken(&server) {
            refused += 1;
            let ready = get(&server, "/readyz");
            // It may have passed by now.
            assert!(matches!(ready.status, 200 | 503), "{ready:?}");
        }
        assert!(sent < 200_000, "nobody is refused");
    }
    // Until who never reads is gone.
    let slow = r#"fanfare_closed_total{reason="slow"}"#;
    while metrics(&server)[slow] < STALLED as f64 {
        let sent = send((1 << 20) / content as u64);
        assert!(sent < 400_000, "they are never closed");
    }
    let sent = send(100);
    sender.text(r#"{"mode":300,"content":"end"}"#);
    let found = metrics(&server);
    let most = watched.most();
    println!("{reactors} reactors: {sent} messages of {content} bytes, at most {} MiB", most >> 20);
    assert!(most < CEILING, "{most} bytes were taken of {CEILING}");
    assert_eq!(found[slow], STALLED as f64, "only they were closed");
    assert!(found[r#"fanfare_refused_total{reason="memory"}"#] >= 20.0);
    for reader in readers {
        reader.join().expect("a good reader").say_goodbye("a good reader");
    }
    assert!(counts.iter().all(|has| has.load(Ordering::Relaxed) == sent), "{sent} messages: {counts:?}");
    // Newcomers are welcome again, and the server says so.
    let start = Instant::now();
    while !is_taken(&server) || get(&server, "/readyz").status != 200 {
        assert!(start.elapsed() < raw::PATIENCE, "nobody is taken any more");
        std::thread::sleep(Duration::from_millis(50));
    }
    server.serves_a_good_client("after the flood");
    drop(stalled);
}

/// What is too much waits in the kernel.
#[test]
fn a_flood_for_readers_that_never_read_stays_below_the_ceiling() {
    flood(1, 16 << 10, "");
    flood(2, 16 << 10, "");
}

/// What is too much waits in outboxes, each of which has its own copy of what is short.
#[test]
fn small_messages_and_small_buffers_of_the_kernel() {
    flood(2, 256, "outbox_bytes = 8_000_000\nsend_buffer_bytes = 32_768\n");
}

/// Messages, requests and packets whose end never comes are shed like what is not read.
#[test]
fn what_is_sent_and_not_finished_stays_below_the_ceiling() {
    const BYTES: usize = 900_000;
    type Open = fn(&Server, usize) -> Raw;
    let member: Open = |server, number| server.client(&format!("bizCode=d&clientId=c{number}"));
    let payload = vec![b'4'; BYTES];
    let event = raw::frame(frames::TEXT, br#"451-["e",{"_placeholder":true,"num":0}]"#);
    let attachment = raw::frame(frames::BINARY, &payload);
    let ways: [(&str, Open, Vec<u8>); 5] = [
        ("a message", member, raw::frame(frames::TEXT, &payload)),
        ("fragments", member, raw::frame(frames::BEGIN_BINARY, &payload)),
        ("a request", |server, _| server.connect(), request("POST", "/api/v1/publish", "", &payload)),
        ("nobody known", |server, _| sio::websocket(server, 4, ""), raw::frame(frames::TEXT, &payload)),
        ("an attachment", |server, _| sio::socket(server, 4), [event, attachment].concat()),
    ];
    for (name, open, mut bytes) in ways {
        bytes.pop();
        let server = Server::start(2, &format!("[limits]\nmemory_bytes = {CEILING}\n"));
        let mut good = server.client("bizCode=good&clientId=well");
        let mut all: Vec<Raw> =
            (0..2 * CEILING as usize / BYTES).map(|number| open(&server, number)).collect();
        let watched = Watched::start(&server);
        for (number, raw) in all.iter_mut().enumerate() {
            // Whoever was reset takes no more.
            raw.send(&bytes);
            if number % 32 == 0 {
                good.heartbeat(name);
            }
        }
        let most = watched.most();
        println!("{name}: at most {} MiB", most >> 20);
        assert!(most < CEILING, "{name}: {most} bytes were taken of {CEILING}");
        good.heartbeat(name);
    }
}
