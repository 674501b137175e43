//! What tests of the running program share: the program as a child process, and a small WebSocket client.
//!
//! A test gets a server on a port of its own with [`Server::start`]; it is killed, by its process id, when the
//! value is dropped. Everything that waits gives up after [`PATIENCE`].

// Every test program uses another part of it, and none is seen from outside.
#![allow(dead_code, unreachable_pub)]

use fanfare::wire::frame::{Opcode, encode_masked, encode_masked_part};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

/// How long anything may take before a test fails. Long, because the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The program with these arguments and no variables of its own in the environment.
pub fn fanfare(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FANFARE_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command that should end by itself.
pub fn run(command: &mut Command) -> Ended {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let pid = child.id();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    match receiver.recv_timeout(PATIENCE) {
        Ok(output) => Ended::from(output.expect("its output can be read")),
        Err(_) => {
            send_signal(pid, "KILL");
            panic!("{command:?} did not end");
        }
    }
}

/// A program that ended.
#[derive(Debug)]
pub struct Ended {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Ended {
        let text = |bytes| String::from_utf8(bytes).expect("the program prints UTF-8");
        Ended { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// A running server.
pub struct Server {
    child: Child,
    /// Its ready line.
    pub ready: String,
    /// What it listens on, as the ready line says: an address, or `unix:` and a path.
    pub at: String,
    /// How many reactors it says to have.
    pub reactors: usize,
    /// Lines of standard output after the ready line.
    rest: mpsc::Receiver<String>,
    log: Arc<Mutex<String>>,
}

impl Server {
    /// The program on a port of its own, with further arguments.
    pub fn start(arguments: &[&str]) -> Server {
        Server::spawn(fanfare(&["--listen", "127.0.0.1:0"]).args(arguments))
    }

    /// The program with this configuration file, on a port of its own.
    pub fn configured(file: &Path) -> Server {
        Server::start(&["-c", file.to_str().expect("a path of this test")])
    }

    /// Any program that prints a ready line like that of `fanfare`.
    pub fn spawn(command: &mut Command) -> Server {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the server starts");
        let log = Arc::new(Mutex::new(String::new()));
        let errors = BufReader::new(child.stderr.take().expect("standard error is piped"));
        let kept = log.clone();
        std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                *kept.lock().unwrap() += &format!("{line}\n");
            }
        });
        let output = BufReader::new(child.stdout.take().expect("standard output is piped"));
        let (sender, rest) = mpsc::channel();
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });

        let mut server = Server { child, ready: String::new(), at: String::new(), reactors: 0, rest, log };
        server.ready = match server.rest.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(_) => panic!("{command:?} did not become ready: {}", server.log()),
        };
        let parts: Vec<&str> = server.ready.split(' ').collect();
        let ["fanfare", "ready", "on", at, reactors, "reactors)"] = parts[..] else {
            panic!("no ready line: {:?}", server.ready);
        };
        let scheme = at.find("://").map_or(0, |end| end + 3);
        server.at = at[scheme..].to_owned();
        server.reactors = reactors.trim_start_matches('(').parse().expect("a number of reactors");
        server
    }

    /// The address of its first TCP listener.
    pub fn addr(&self) -> SocketAddr {
        self.at.parse().expect("it listens on TCP")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until the log contains this.
    pub fn wait_for_log(&self, text: &str) {
        let start = Instant::now();
        while !self.log().contains(text) {
            assert!(start.elapsed() < PATIENCE, "{text:?} is not in the log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A TCP connection to it.
    pub fn connect(&self) -> TcpStream {
        self.try_connect().expect("the server accepts")
    }

    /// A TCP connection to it, if it takes one.
    pub fn try_connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.addr(), PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// A WebSocket, for example at `/ws?bizCode=d1&clientId=c1`.
    pub fn ws(&self, target: &str) -> Ws<TcpStream> {
        match self.try_ws(target) {
            Ok(ws) => ws,
            Err(reply) => panic!("{target} was refused: {reply:?}\n{}", self.log()),
        }
    }

    /// A WebSocket, or why there is none.
    pub fn try_ws(&self, target: &str) -> Result<Ws<TcpStream>, Reply> {
        Ws::open(self.connect(), target, "")
    }

    /// A client of the gateway.
    pub fn client(&self, domain: &str, client: &str, group: &str) -> Ws<TcpStream> {
        self.ws(&format!("/ws?bizCode={domain}&clientId={client}&group={group}"))
    }

    /// The answer to a GET request.
    pub fn get(&self, target: &str) -> Reply {
        self.request("GET", target, "", "")
    }

    /// The answer to a request with a body; `headers` are lines that end with `\r\n`.
    pub fn request(&self, method: &str, target: &str, headers: &str, body: &str) -> Reply {
        let mut stream = self.connect();
        write!(
            stream,
            "{method} {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
            body.len()
        )
        .expect("the request is taken");
        Reply::read(&mut stream).expect("an answer")
    }

    /// Sends it a signal by name, such as TERM.
    pub fn signal(&self, name: &str) {
        send_signal(self.pid(), name);
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "the server does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The lines of standard output after the ready line, once it has ended.
    pub fn rest_of_output(&self) -> Vec<String> {
        self.rest.iter().collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("-- log of the server --\n{}", self.log());
        }
    }
}

fn send_signal(pid: u32, name: &str) {
    let command = format!("kill -{name} {pid}");
    let status = Command::new("sh").args(["-c", &command]).status().expect("a shell");
    assert!(status.success(), "{command}");
}

/// An HTTP response.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// Status line and headers, with the empty line.
    pub head: String,
    pub body: String,
}

impl Reply {
    /// Reads one response; its body has the announced length or ends with the connection.
    pub fn read(stream: &mut impl Read) -> std::io::Result<Reply> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).expect("a head is ASCII");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
        let mut reply = Reply { status, head, body: String::new() };
        if status != 101 {
            match reply.header("content-length").map(|length| length.parse().expect("a length")) {
                Some(length) => stream.take(length).read_to_string(&mut reply.body)?,
                None => stream.read_to_string(&mut reply.body)?,
            };
        }
        Ok(reply)
    }

    /// A header's value; the name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1);
        let mut fields = lines.filter_map(|line| line.split_once(':'));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// What a WebSocket received.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// Code and reason; 1005 if there was none.
    Close(u16, String),
    /// The connection ended.
    End,
}

/// A WebSocket client over any stream.
pub struct Ws<S> {
    pub stream: S,
    sent: u32,
}

impl Ws<UnixStream> {
    /// Over a unix socket.
    pub fn open_unix(path: &Path, target: &str) -> Ws<UnixStream> {
        let stream = UnixStream::connect(path).expect("the server accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Ws::open(stream, target, "").expect("an upgrade")
    }
}

impl<S: Read + Write> Ws<S> {
    /// Shakes hands; `headers` are further lines that end with `\r\n`.
    ///
    /// # Errors
    /// The answer, if it is not 101.
    pub fn open(mut stream: S, target: &str, headers: &str) -> Result<Ws<S>, Reply> {
        // The key and its answer are the example of RFC 6455, section 1.3.
        write!(
            stream,
            "GET {target} HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        )
        .expect("the request is taken");
        let reply = Reply::read(&mut stream).expect("an answer to the handshake");
        if reply.status != 101 {
            return Err(reply);
        }
        assert_eq!(reply.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        Ok(Ws::over(stream))
    }

    /// Over a stream on which hands were shaken.
    pub fn over(stream: S) -> Ws<S> {
        Ws { stream, sent: 0 }
    }

    /// Sends a text.
    pub fn send(&mut self, text: &str) {
        self.send_frame(Opcode::Text, text.as_bytes());
    }

    /// Sends a whole frame.
    pub fn send_frame(&mut self, opcode: Opcode, payload: &[u8]) {
        let mut bytes = Vec::new();
        encode_masked(opcode, payload, self.next_mask(), &mut bytes);
        self.send_bytes(&bytes);
    }

    /// Sends one fragment; no opcode is a continuation.
    pub fn send_part(&mut self, opcode: Option<Opcode>, fin: bool, payload: &[u8]) {
        let mut bytes = Vec::new();
        encode_masked_part(opcode, fin, payload, self.next_mask(), &mut bytes);
        self.send_bytes(&bytes);
    }

    /// Sends a close frame.
    pub fn send_close(&mut self, code: u16) {
        self.send_frame(Opcode::Close, &code.to_be_bytes());
    }

    /// Sends bytes as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server takes a frame");
    }

    /// The next frame.
    pub fn recv(&mut self) -> Received {
        self.try_recv().unwrap_or_else(|error| panic!("nothing was received: {error}"))
    }

    /// The next frame, or the error of reading it, such as a timeout.
    pub fn try_recv(&mut self) -> std::io::Result<Received> {
        let mut head = [0; 2];
        match self.stream.read_exact(&mut head) {
            Err(error) if is_end(&error) => return Ok(Received::End),
            result => result?,
        }
        assert_eq!(head[0] & 0xf0, 0x80, "whole frames without extensions");
        assert_eq!(head[1] & 0x80, 0, "a server does not mask");
        let length = match head[1] {
            126 => {
                let mut length = [0; 2];
                self.stream.read_exact(&mut length)?;
                usize::from(u16::from_be_bytes(length))
            }
            127 => {
                let mut length = [0; 8];
                self.stream.read_exact(&mut length)?;
                usize::try_from(u64::from_be_bytes(length)).expect("a length that fits")
            }
            short => usize::from(short),
        };
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload)?;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Ok(match head[0] & 0xf {
            1 => Received::Text(text(payload)),
            2 => Received::Binary(payload),
            8 if payload.is_empty() => Received::Close(1005, String::new()),
            8 => Received::Close(u16::from_be_bytes([payload[0], payload[1]]), text(payload.split_off(2))),
            9 => Received::Ping(payload),
            10 => Received::Pong(payload),
            opcode => panic!("opcode {opcode}"),
        })
    }

    /// The next frame, which is a text.
    pub fn text(&mut self) -> String {
        match self.recv() {
            Received::Text(text) => text,
            other => panic!("expected a text, received {other:?}"),
        }
    }

    /// The next frame, which is a close frame: its code and reason.
    pub fn closed(&mut self) -> (u16, String) {
        match self.recv() {
            Received::Close(code, reason) => (code, reason),
            other => panic!("expected a close frame, received {other:?}"),
        }
    }

    fn next_mask(&mut self) -> [u8; 4] {
        self.sent = self.sent.wrapping_add(1);
        self.sent.wrapping_mul(0x9e37_79b9).to_be_bytes()
    }
}

fn is_end(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | BrokenPipe)
}

/// A directory that goes away with the test.
pub struct Folder(PathBuf);

impl Folder {
    /// A new and empty one.
    pub fn new() -> Folder {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("fanfare-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("a directory for the test");
        Folder(path)
    }

    /// The path of a file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file in it.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("the file is written");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left there does not matter to a test.
        let _ = fs::remove_dir_all(&self.0);
    }
}
