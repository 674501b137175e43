//! Real Redis servers, each in a folder of its own, and a link with what it told.

use fanfare::cluster::redis::{Event, Link, Reason, RedisUrl, Settings};
use fanfare::sys::Wakeup;
use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// How long anything may take before a test fails. Long, because the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A port of 127.0.0.1 that nobody listens on; a Cluster's node needs the one 200 above, too.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let is_free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    loop {
        let port =
            23_000 + (std::process::id() as u16).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 700;
        if is_free(port) && is_free(port + 200) {
            return port;
        }
    }
}

/// A folder that is removed in the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("fanfare-redis-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// A folder in another, which goes with it.
    pub(crate) fn inside(&self, name: &str) -> Folder {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Sends a signal to a process of the test.
pub(crate) fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}

/// A `redis-server`, killed in the end.
pub(crate) struct Redis {
    child: Child,
    arguments: Vec<String>,
    folder: Folder,
    pub(crate) port: u16,
}

impl Redis {
    /// On a port of its own, with further arguments.
    pub(crate) fn start(arguments: &[&str]) -> Redis {
        let folder = Folder::new();
        let port = free_port();
        let mut all = vec!["--port".to_owned(), port.to_string()];
        for argument in ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--cluster-port"] {
            all.push(argument.to_owned());
        }
        all.push((port + 200).to_string());
        all.extend(arguments.iter().map(|argument| argument.to_string()));
        Redis::spawn(folder, port, all)
    }

    pub(crate) fn spawn(folder: Folder, port: u16, arguments: Vec<String>) -> Redis {
        let child = Command::new("redis-server")
            .args(&arguments)
            .current_dir(&folder.0)
            .stdin(Stdio::null())
            .stdout(Stdio::from(fs::File::create(folder.path("log")).unwrap()))
            .spawn()
            .expect("redis-server is installed: tools/setup.sh test");
        let redis = Redis { child, arguments, folder, port };
        redis.await_ready();
        redis
    }

    fn await_ready(&self) {
        let since = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            assert!(since.elapsed() < PATIENCE, "{}", fs::read_to_string(self.folder.path("log")).unwrap());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path(name)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on the same port.
    pub(crate) fn restart(&mut self) {
        let folder = std::mem::replace(&mut self.folder, Folder(PathBuf::new()));
        let fresh = Redis::spawn(folder, self.port, self.arguments.clone());
        *self = fresh;
    }

    /// What `redis-cli` prints.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("redis-cli is installed: tools/setup.sh test");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn wakeup() -> Arc<Wakeup> {
    Arc::new(Wakeup::new().unwrap())
}

/// What a link told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    Up(bool),
    Down(String),
    Message(String, String),
    Published(u64, u64),
    Lost(u64, Reason),
    Counted(u64, Option<u64>),
    Dropped(u64, Reason),
}

/// A link, and all that it told so far.
pub(crate) struct Teller {
    pub(crate) link: Link,
    told: Arc<(Mutex<Vec<Told>>, Condvar)>,
}

impl Teller {
    pub(crate) fn start(url: &str, settings: Settings) -> Teller {
        Teller::start_with(url, settings, wakeup())
    }

    pub(crate) fn start_with(url: &str, settings: Settings, wakeup: Arc<Wakeup>) -> Teller {
        let told: Arc<(Mutex<Vec<Told>>, Condvar)> = Arc::default();
        let shared = told.clone();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let link = Link::start(RedisUrl::parse(url).unwrap(), settings, wakeup, move |event| {
            let one = match event {
                Event::Up { gap } => Told::Up(gap),
                Event::Down { reason } => Told::Down(reason.to_owned()),
                Event::Message { channel, payload } => Told::Message(text(channel), text(payload)),
                Event::Published { ticket, receivers, .. } => Told::Published(ticket, receivers),
                Event::Lost { ticket, reason } => Told::Lost(ticket, reason),
                Event::Counted { ticket, count } => Told::Counted(ticket, count),
                Event::Dropped { messages, reason, .. } => Told::Dropped(messages, reason),
            };
            shared.0.lock().unwrap().push(one);
            shared.1.notify_all();
        });
        Teller { link: link.unwrap(), told }
    }

    /// Started, and up.
    pub(crate) fn up(url: &str, settings: Settings) -> Teller {
        let teller = Teller::start(url, settings);
        teller.until("it comes up", |told| told.contains(&Told::Up(false)));
        teller
    }

    pub(crate) fn told(&self) -> Vec<Told> {
        self.told.0.lock().unwrap().clone()
    }

    /// Waits until what was told is enough.
    pub(crate) fn until(&self, what: &str, is_enough: impl Fn(&[Told]) -> bool) {
        let guard = self.told.0.lock().unwrap();
        let (guard, timeout) =
            self.told.1.wait_timeout_while(guard, PATIENCE, |told| !is_enough(told)).unwrap();
        assert!(!timeout.timed_out(), "{what}: {:?}", guard.iter().rev().take(20).collect::<Vec<_>>());
    }

    /// Waits until the link came up that many times.
    pub(crate) fn until_up(&self, times: usize) {
        let ups = |told: &[Told]| told.iter().filter(|one| matches!(one, Told::Up(_))).count();
        self.until("it comes up", |told| ups(told) >= times);
    }

    pub(crate) fn until_down(&self) {
        self.until("it goes down", |told| told.iter().any(|one| matches!(one, Told::Down(_))));
    }

    /// The payloads that came in a channel.
    pub(crate) fn messages(&self, channel: &str) -> Vec<String> {
        let told = self.told();
        let own = |one| match one {
            Told::Message(name, payload) if name == channel => Some(payload),
            _ => None,
        };
        told.into_iter().filter_map(own).collect()
    }

    pub(crate) fn until_messages(&self, channel: &str, number: usize) {
        let is_one = |one: &&Told| matches!(one, Told::Message(name, _) if name == channel);
        self.until(&format!("{number} messages"), |told| told.iter().filter(is_one).count() >= number);
    }

    pub(crate) fn publish(&self, channel: &str, payload: impl ToString, ticket: Option<u64>) {
        self.link.publish(channel, payload.to_string().into_bytes(), ticket).unwrap();
    }
}

/// Waits for something that is asked again and again.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Settings by which an outage is noticed soon, and its end, too.
pub(crate) fn quick() -> Settings {
    Settings {
        ping_interval: Duration::from_millis(150),
        ping_deadline: Duration::from_millis(300),
        connect_timeout: Duration::from_millis(700),
        pauses: (Duration::from_millis(10), Duration::from_millis(100)),
        spool_age: Duration::from_secs(60),
        ..Settings::default()
    }
}

/// A certificate of 127.0.0.1 that signs itself, and its key.
pub(crate) fn certificate(folder: &Folder) -> (PathBuf, PathBuf) {
    let (certificate, key) = (folder.path("cert.pem"), folder.path("key.pem"));
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(["-days", "2", "-subj", "/CN=fanfare", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &text(&key), "-out", &text(&certificate)])
        .stderr(Stdio::null())
        .status();
    assert!(made.unwrap().success());
    (certificate, key)
}
