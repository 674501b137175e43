//! Storms: many connections at once, that stay, that are reset, that find no descriptors left. The server spins at no time, goes
//! on with whom it has, and keeps nothing of it.

mod raw;
mod support;

use raw::{Raw, Rest, Server};
use socket2::{Domain, SockAddr, Socket, Type};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The limit on descriptors where they run out. A reactor keeps 128 of them for itself.
const DESCRIPTORS: u32 = 192;
const MEMBERS: usize = 8;

/// Clients that come from several addresses, as fast as they can, until the value is dropped.
struct Storm {
    over: Arc<AtomicBool>,
    came: Arc<AtomicU64>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Storm {
    /// `stay` of each thread's connections are open at a time; each ends with a reset, after it has sent these bytes.
    fn start(server: &Server, stay: usize, bytes: &'static [u8]) -> Storm {
        let (over, came) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let addr = server.addr;
        let run = |thread: u8| {
            let (over, came) = (over.clone(), came.clone());
            std::thread::spawn(move || {
                let mut open = std::collections::VecDeque::new();
                while !over.load(Ordering::Relaxed) {
                    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
                    socket
                        .bind(&SockAddr::from(std::net::SocketAddr::from(([127, 9, 0, thread], 0))))
                        .unwrap();
                    // A backlog may be full.
                    if socket.connect_timeout(&SockAddr::from(addr), Duration::from_secs(1)).is_err() {
                        continue;
                    }
                    came.fetch_add(1, Ordering::Relaxed);
                    socket.set_linger(Some(Duration::ZERO)).unwrap();
                    // It may have been closed.
                    let _ = socket.send(bytes);
                    open.push_back(socket);
                    if open.len() > stay {
                        open.pop_front();
                    }
                }
            })
        };
        let threads = (1..=2).map(run).collect();
        Storm { over, came, threads }
    }

    /// Ends it; how many came.
    fn end(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        self.came.load(Ordering::Relaxed)
    }
}

fn members(server: &Server) -> Vec<Raw> {
    (0..MEMBERS).map(|n| server.client(&format!("bizCode=d&clientId=member{n}"))).collect()
}

/// While a storm is on, each member gets what it asks for, so many times.
fn are_served(members: &mut [Raw], times: usize, name: &str) {
    for _ in 0..times {
        members.iter_mut().for_each(|member| member.heartbeat(name));
    }
}

fn storm(name: &str, config: &str, stay: usize, bytes: &'static [u8]) {
    let server = Server::start(2, &format!("[limits]\nhandshake_s = 1\n{config}"));
    let rest = Rest::of(&server, 4 << 20);
    let mut members = members(&server);
    let (storm, start, before) = (Storm::start(&server, stay, bytes), Instant::now(), server.cpu());
    while start.elapsed() < Duration::from_secs(2) {
        are_served(&mut members, 1, name);
    }
    let used = server.cpu() - before;
    let came = storm.end();
    println!("{name}: {came} came in {:?}, {used:?} of CPU", start.elapsed());
    assert!(came > 100, "{name}: {came} are no storm");
    are_served(&mut members, 10, name);
    drop(members);
    rest.wait_for(&server, name);
    rest.check(&server, name);
}

#[test]
fn connections_that_come_and_are_reset() {
    storm("at once", "", 0, b"");
    storm("with half a request", "", 0, b"GET /ws?bizCode=d&cl");
    storm("with a request", "", 0, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    storm("a moment later", "", 100, b"");
    storm("at once, let in slowly", "accepts_per_s = 500\n", 0, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    storm(
        "many of one address",
        "connections_per_ip = 20\n",
        50,
        b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    );
}

#[test]
fn handshakes_that_are_given_up() {
    let request = b"GET /ws?bizCode=storm&clientId=c HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    storm("a WebSocket", "", 10, request);
    let request = b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    storm("Socket.IO", "", 10, request);
}

/// Nobody leaves and ever more come while there is no descriptor for them.
#[test]
fn a_storm_without_descriptors() {
    let server = Server::start_under(DESCRIPTORS, 2, "[limits]\nhandshake_s = 60\n");
    let rest = Rest::of(&server, 4 << 20);
    let mut members = members(&server);
    let full =
        |server: &Server| server.descriptors().values().all(|count| *count >= DESCRIPTORS as usize - 8);
    let mut silent: Vec<Raw> = Vec::new();
    while !full(&server) {
        assert!(silent.len() < 3_000, "it does not run out: {:?}", server.descriptors());
        silent.extend((0..20).map(|_| server.connect()));
        std::thread::sleep(Duration::from_millis(5));
    }
    let (before, start) = (server.cpu(), Instant::now());
    while start.elapsed() < Duration::from_secs(4) {
        // They go to where they wait.
        if silent.len() < 3_000 {
            silent.extend((0..20).map(|_| server.connect()));
        }
        are_served(&mut members, 1, "without descriptors");
        std::thread::sleep(Duration::from_millis(20));
    }
    let (used, time) = (server.cpu() - before, start.elapsed());
    println!("{} wait, {used:?} of CPU in {time:?}", silent.len());
    assert!(used < time / 5, "starved, it used {used:?} of CPU in {time:?}");
    assert!(full(&server), "{:?}", server.descriptors());
    // Those that waited all that time leave as they came: half by a reset.
    let half = silent.split_off(silent.len() / 2);
    half.into_iter().for_each(Raw::reset);
    drop(silent);
    let mut newcomer = server.client_when_there_is_room("bizCode=d&clientId=new");
    newcomer.heartbeat("after the storm");
    are_served(&mut members, 1, "after the storm");
    drop((newcomer, members));
    rest.wait_for(&server, "after the storm");
    rest.check(&server, "after the storm");
}
