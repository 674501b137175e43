//! A server as a process, seen from outside: raw bytes in, what comes back, what the process weighs.
// Every test program uses another part of it.
#![allow(dead_code)]

pub(crate) mod frames;
pub(crate) mod sio;

use crate::support::{self, Folder};
use socket2::{Domain, SockAddr, Socket, Type};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long anything may take before it counts as never: the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// The bytes of a request that becomes a WebSocket, with a key whose accept value is known.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A running `fanfare` and what it costs.
pub(crate) struct Server {
    program: support::Server,
    pub(crate) addr: SocketAddr,
    _folder: Folder,
}

impl Server {
    /// On a free port, with this configuration file.
    pub(crate) fn start(reactors: usize, config: &str) -> Server {
        Server::start_with(reactors, config, support::fanfare)
    }

    /// The same under a limit of descriptors.
    pub(crate) fn start_under(descriptors: u32, reactors: usize, config: &str) -> Server {
        Server::start_with(reactors, config, |arguments| {
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(format!("ulimit -n {descriptors}; exec \"$0\" \"$@\""));
            shell.arg(env!("CARGO_BIN_EXE_fanfare")).args(arguments);
            shell
        })
    }

    fn start_with(reactors: usize, config: &str, command: impl Fn(&[&str]) -> Command) -> Server {
        let folder = Folder::new();
        let file = folder.write("fanfare.toml", config);
        let reactors = reactors.to_string();
        let file = file.to_str().expect("a path of this test");
        let arguments = ["-c", file, "--listen", "127.0.0.1:0", "--reactors", &reactors];
        let program = support::Server::spawn(&mut command(&arguments));
        Server { addr: program.addr(), program, _folder: folder }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// Whether the process that was started still runs: one that died is not waited for, so its number stays.
    pub(crate) fn is_alive(&self) -> bool {
        self.stat().is_some_and(|fields| !matches!(fields[0].as_str(), "Z" | "X"))
    }

    /// The fields of `/proc/PID/stat` behind the name, which is in parentheses and may have blanks.
    fn stat(&self) -> Option<Vec<String>> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.pid())).ok()?;
        Some(text.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
    }

    /// Proportional set size, in bytes.
    pub(crate) fn weight(&self) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid())).unwrap();
        let line = text.lines().find(|line| line.starts_with("Pss_Anon:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// The most that was ever resident, in bytes.
    pub(crate) fn peak(&self) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = text.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Open descriptors of each reactor, which has a table of its own.
    pub(crate) fn descriptors(&self) -> BTreeMap<String, usize> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        let tasks = tasks.map(|task| task.unwrap().path());
        let name = |task: &PathBuf| fs::read_to_string(task.join("comm")).unwrap_or_default();
        let count = |task: &PathBuf| fs::read_dir(task.join("fd")).map_or(0, Iterator::count);
        let all = tasks.map(|task| (name(&task), count(&task)));
        all.filter(|(name, _)| name.starts_with("reactor-")).collect()
    }

    /// Waits until each thread has so many descriptors.
    pub(crate) fn wait_for_descriptors(&self, wanted: &BTreeMap<String, usize>, name: &str) {
        let start = Instant::now();
        loop {
            let now = self.descriptors();
            if now == *wanted {
                return;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{name}: descriptors left behind: {now:?}, before {wanted:?}"
            );
            std::thread::sleep(Duration::from_millis(if start.elapsed().as_millis() < 50 { 1 } else { 20 }));
        }
    }

    /// CPU time of the process so far.
    pub(crate) fn cpu(&self) -> Duration {
        let fields = self.stat().expect("the server runs");
        let ticks = |field: usize| fields[field].parse::<u64>().expect("a number of ticks");
        // A tick is 10 ms on every Linux that people run.
        Duration::from_millis((ticks(11) + ticks(12)) * 10)
    }

    pub(crate) fn connect(&self) -> Raw {
        Raw::new(TcpStream::connect(self.addr).unwrap())
    }

    /// From another address of this machine.
    pub(crate) fn connect_from(&self, address: [u8; 4]) -> Raw {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SockAddr::from(SocketAddr::from((address, 0)))).unwrap();
        socket.connect(&SockAddr::from(self.addr)).unwrap();
        Raw::new(socket.into())
    }

    /// A connection through which little fits: small segments keep the kernel's buffers small on both sides.
    pub(crate) fn connect_narrow(&self) -> Raw {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_tcp_mss(536).unwrap();
        socket.set_recv_buffer_size(4 << 10).unwrap();
        socket.connect(&SockAddr::from(self.addr)).unwrap();
        Raw::new(socket.into())
    }

    /// A client of the gateway.
    pub(crate) fn client(&self, query: &str) -> Raw {
        upgrade(self.connect(), query)
    }

    /// A client that tries again while it is told that the server is full.
    pub(crate) fn client_when_there_is_room(&self, query: &str) -> Raw {
        let start = Instant::now();
        loop {
            let mut raw = self.connect();
            raw.send(upgrade_head(query, "").as_bytes());
            match raw.answer() {
                Some(answer) if answer.status == 101 => return raw,
                answer => assert!(start.elapsed() < PATIENCE, "never any room: {answer:?}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn narrow_client(&self, query: &str) -> Raw {
        upgrade(self.connect_narrow(), query)
    }

    /// A good client connects, is answered and leaves.
    pub(crate) fn serves_a_good_client(&self, name: &str) {
        assert!(self.is_alive(), "{name}: the server died");
        let mut good = self.client("bizCode=good&clientId=good");
        good.heartbeat(name);
        good.say_goodbye(name);
        assert!(self.is_alive(), "{name}: the server died");
    }
}

/// What a server is like at rest, to compare with later.
pub(crate) struct Rest {
    weight: u64,
    descriptors: BTreeMap<String, usize>,
    slack: u64,
}

impl Rest {
    /// Measured after it has served somebody; later it may weigh `slack` bytes more.
    pub(crate) fn of(server: &Server, slack: u64) -> Rest {
        let descriptors = server.descriptors();
        for _ in 0..20 {
            server.serves_a_good_client("at the start");
        }
        server.wait_for_descriptors(&descriptors, "at the start");
        Rest { weight: server.weight(), descriptors, slack }
    }

    /// Waits until every connection is gone, for good: some may wait to be accepted, and while they do there may be no
    /// room for a good client.
    pub(crate) fn wait_for(&self, server: &Server, name: &str) {
        let mut since = Instant::now();
        while since.elapsed() < Duration::from_secs(1) {
            if server.descriptors() != self.descriptors {
                server.wait_for_descriptors(&self.descriptors, name);
                since = Instant::now();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A good client is served, no descriptor is left behind and the memory is about what it was.
    pub(crate) fn check(&self, server: &Server, name: &str) {
        server.serves_a_good_client(name);
        server.wait_for_descriptors(&self.descriptors, name);
        let start = Instant::now();
        loop {
            let now = server.weight();
            if now <= self.weight + self.slack {
                return;
            }
            // Free memory goes back when nothing has closed for a second.
            assert!(start.elapsed() < PATIENCE, "{name}: weighs {now} bytes, before {}", self.weight);
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// A response as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// A frame as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Text(String),
    Binary(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    /// The end of the stream, by FIN or by RST.
    End,
}

/// A connection on which anything can be sent.
pub(crate) struct Raw {
    stream: TcpStream,
    /// Received and not looked at.
    rest: Vec<u8>,
    at: usize,
}

impl Raw {
    pub(crate) fn new(stream: TcpStream) -> Raw {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Raw { stream, rest: Vec::new(), at: 0 }
    }

    /// Sends everything, unless the server has closed meanwhile.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        match self.stream.write_all(bytes) {
            Err(error) if !is_end(&error) => panic!("sending {} bytes: {error}", bytes.len()),
            _ => {}
        }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn end_sending(&self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(self) {
        let _ = Socket::from(self.stream).set_linger(Some(Duration::ZERO));
    }

    /// At least `count` bytes that were not looked at; false at the end of the stream.
    fn fill(&mut self, count: usize) -> bool {
        let mut buffer = [0; 64 << 10];
        while self.rest.len() - self.at < count {
            if self.at > 1 << 16 {
                self.rest.drain(..self.at);
                self.at = 0;
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(count) => self.rest.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_end(&error) => return false,
                Err(error) => panic!("reading: {error}"),
            }
        }
        true
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let bytes = self.rest[self.at..self.at + count].to_vec();
        self.at += count;
        bytes
    }

    /// The next response; `None` at the end of the stream.
    pub(crate) fn answer(&mut self) -> Option<Answer> {
        let mut searched = self.at;
        let end = loop {
            if let Some(found) = self.rest[searched..].windows(4).position(|four| four == b"\r\n\r\n") {
                break searched + found + 4;
            }
            let have = self.rest.len() - self.at;
            searched = self.rest.len().saturating_sub(3).max(self.at);
            let before = self.at;
            if !self.fill(have + 1) {
                assert_eq!(have, 0, "half an answer: {:?}", String::from_utf8_lossy(&self.rest[self.at..]));
                return None;
            }
            searched -= before - self.at;
        };
        let head = String::from_utf8(self.take(end - self.at)).expect("a head of text");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let mut answer = Answer { status, head, body: Vec::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        assert!(self.fill(length), "half a body");
        answer.body = self.take(length);
        Some(answer)
    }

    /// The answer to HEAD, and the end: a length, and no body.
    pub(crate) fn expect_bare_head(&mut self, status: u16) {
        while self.fill(self.rest.len() - self.at + 1) {}
        let head = String::from_utf8(self.take(self.rest.len() - self.at)).unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")) && head.ends_with("\r\n\r\n"), "{head}");
        assert!(head.contains("Content-Length: ") && head.matches("\r\n\r\n").count() == 1, "{head}");
    }

    /// The next frame of the server, which must be whole, final and well-formed.
    pub(crate) fn frame(&mut self) -> Got {
        if !self.fill(2) {
            assert_eq!(self.rest.len(), self.at, "half a frame");
            return Got::End;
        }
        let (first, second) = (self.rest[self.at], self.rest[self.at + 1]);
        assert_eq!(first & 0xf0, 0x80, "a final frame without reserved bits: {first:#x}");
        assert_eq!(second & 0x80, 0, "a server does not mask");
        let (head, length) = match second {
            126 => (4, 2),
            127 => (10, 8),
            _ => (2, 0),
        };
        assert!(self.fill(head), "half a frame");
        let bytes = self.take(head);
        let length = match length {
            0 => u64::from(second),
            _ => bytes[2..].iter().fold(0, |all, byte| all << 8 | u64::from(*byte)),
        } as usize;
        assert!(self.fill(length), "half a frame");
        let payload = self.take(length);
        match first & 0xf {
            1 => Got::Text(String::from_utf8(payload).expect("text is UTF-8")),
            2 => Got::Binary(payload),
            10 => Got::Pong(payload),
            8 => match payload.split_first_chunk::<2>() {
                None => Got::Close(None, String::new()),
                Some((code, reason)) => Got::Close(
                    Some(u16::from_be_bytes(*code)),
                    String::from_utf8(reason.to_vec()).expect("a reason is UTF-8"),
                ),
            },
            other => panic!("opcode {other}"),
        }
    }

    /// Asserts that nothing more comes but the end.
    pub(crate) fn expect_end(&mut self, name: &str) {
        let more = self.fill(1);
        assert!(!more, "{name}: expected the end, got {:?}", String::from_utf8_lossy(&self.rest[self.at..]));
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.send(&frame(0x81, text.as_bytes()));
    }

    /// Asks for a heartbeat and gets it next.
    pub(crate) fn heartbeat(&mut self, name: &str) {
        self.text(r#"{"mode":1,"msgId":"beat"}"#);
        let answer = self.frame();
        let fine = matches!(&answer, Got::Text(text) if text.starts_with(r#"{"msgId":"beat","mode":1,"code":0,"time":"#));
        assert!(fine, "{name}: expected a heartbeat, got {answer:?}");
    }

    /// The closing handshake.
    pub(crate) fn say_goodbye(&mut self, name: &str) {
        self.send(&frame(0x88, &1000u16.to_be_bytes()));
        assert_eq!(self.frame(), Got::Close(Some(1000), String::new()), "{name}");
        self.expect_end(name);
    }
}

fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected)
}

/// The head of an upgrade to the gateway, with these header lines besides the usual ones.
pub(crate) fn upgrade_head(query: &str, more: &str) -> String {
    format!(
        "GET /ws?{query} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{more}\r\n"
    )
}

pub(crate) fn upgrade(raw: Raw, query: &str) -> Raw {
    upgrade_with(raw, query, "")
}

/// The same with these header lines.
pub(crate) fn upgrade_with(mut raw: Raw, query: &str, more: &str) -> Raw {
    raw.send(upgrade_head(query, more).as_bytes());
    let answer = raw.answer().expect("an answer to the upgrade");
    assert_eq!(answer.status, 101, "{}", answer.head);
    assert_eq!(answer.header("sec-websocket-accept"), Some(ACCEPT));
    raw
}

/// A masked frame: its first byte and its payload, length in the shortest form.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, payload.len());
    bytes.extend([0xa5, 0x5a, 0x3c, 0xc3]);
    bytes.extend(payload.iter().zip([0xa5, 0x5a, 0x3c, 0xc3].iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// The first bytes of a masked frame, up to its mask.
fn header(first: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(0x80 | length as u8),
        126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes
}

/// The beginning of a frame that announces any length in 64 bits, with a mask of zeros.
pub(crate) fn announcing(first: u8, length: u64) -> Vec<u8> {
    [&[first, 0xff][..], &length.to_be_bytes(), &[0; 4]].concat()
}
