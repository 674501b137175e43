//! A server inside a program: how it ends.

mod support;

use fanfare::{
    Admission, CloseCause, Drain, Endpoint, Files, ListenAddr, Message, Request, Response, Running, Server,
    Socket, StartError,
};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};
use support::{PATIENCE, Ws};

/// Panics where no handler is to blame: when a line of the log has the name of [`Fragile`]'s scope.
struct Explosive;

impl log::Log for Explosive {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        assert!(!record.args().to_string().contains("fragile"), "as it was told");
    }

    fn flush(&self) {}
}

/// Closes when it is told to, which is logged.
struct Fragile;

impl Endpoint for Fragile {
    fn on_upgrade(&self, _: &Request<'_>) -> Result<Admission, Response> {
        Ok(Admission::to_scope("fragile"))
    }

    fn on_message(&self, socket: &mut Socket<'_>, message: Message<'_>) {
        match message {
            Message::Text("which reactor?") => {
                let reactor = socket.context().reactor().to_string();
                socket.send_text(&reactor);
            }
            // The server says so in the log, with the name of the scope.
            _ => socket.close(4000, "as it was told"),
        }
    }
}

fn start_fragile() -> (Running, impl Fn() -> Ws<TcpStream>) {
    let server = Server::builder().listen("127.0.0.1:0".parse().unwrap()).reactors(2).endpoint("/x", Fragile);
    let running = server.start().unwrap();
    let ListenAddr::Tcp(addr) = running.addrs()[0].clone() else { unreachable!() };
    (running, move || Ws::open(TcpStream::connect(addr).unwrap(), "/x", "").ok().unwrap())
}

fn reactor_of(client: &mut Ws<TcpStream>) -> String {
    client.send("which reactor?");
    client.text()
}

#[test]
fn a_reactor_that_panics_ends_the_server_in_good_order() {
    log::set_logger(&Explosive).expect("no other test has one");
    log::set_max_level(log::LevelFilter::Info);
    let (running, connect) = start_fragile();
    let mut first = connect();
    let here = reactor_of(&mut first);
    // The kernel spreads connections; one soon comes to the other reactor.
    let mut second = loop {
        let mut client = connect();
        if reactor_of(&mut client) != here {
            break client;
        }
    };
    assert!(running.is_healthy());
    first.send("panic");
    assert_eq!(second.closed().0, 1001);
    drop((first, second));
    let error = running.join().unwrap_err();
    assert!(error.to_string().contains("panicked"), "{error}");
}

#[test]
fn a_server_that_is_stopped_ends_without_an_error() {
    let (running, connect) = start_fragile();
    let mut client = connect();
    running.stop();
    assert_eq!(client.closed().0, 1001);
    drop(client);
    running.join().unwrap();
}

/// Notes why sockets close.
struct Noting(mpsc::Sender<(String, CloseCause)>);

impl Endpoint for Noting {
    fn on_upgrade(&self, _: &Request<'_>) -> Result<Admission, Response> {
        Ok(Admission::to_scope("s").claim("@me").room("#all"))
    }

    fn on_message(&self, _: &mut Socket<'_>, _: Message<'_>) {}

    fn on_close(&self, socket: &mut Socket<'_>, cause: &CloseCause) {
        let rooms: Vec<&str> = socket.rooms().collect();
        self.0.send((rooms.join(" "), cause.clone())).unwrap();
    }
}

#[test]
fn a_replaced_socket_is_told_what_it_lost() {
    let (sender, causes) = mpsc::channel();
    let server = Server::builder().listen("127.0.0.1:0".parse().unwrap()).reactors(1);
    let running = server.endpoint("/x", Noting(sender)).start().unwrap();
    let ListenAddr::Tcp(addr) = running.addrs()[0].clone() else { unreachable!() };
    let connect = || Ws::open(TcpStream::connect(addr).unwrap(), "/x", "").ok().unwrap();
    let mut first = connect();
    let mut second = connect();
    assert_eq!(first.closed(), (4001, "replaced".to_owned()));
    assert_eq!(causes.recv().unwrap(), ("#all".to_owned(), CloseCause::Replaced("@me".to_owned())));
    second.send_close(1000);
    assert_eq!(causes.recv().unwrap(), ("@me #all".to_owned(), CloseCause::Client(Some(1000))));
    drop((first, second));
    running.stop();
    running.join().unwrap();
}

/// How many threads of this process have this name.
fn threads(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().map_while(Result::ok);
    // One that ends meanwhile has no name any more.
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|found| found.trim_end() == name).count()
}

#[test]
fn the_thread_that_files_need_ends_with_the_server() {
    let text: String = (0..200_000).map(|line| format!("line {line}\n")).collect();
    let all = (0..50).map(|number| number.to_string());
    let files = all.fold(Files::new(), |files, name| files.file(&name, "text/plain", text.as_str()));
    // No other test of this program has files.
    assert_eq!(threads("compress"), 0);
    let server = Server::builder().listen("127.0.0.1:0".parse().unwrap()).reactors(2);
    let running = server.files("/", files).start().unwrap();
    let ListenAddr::Tcp(addr) = running.addrs()[0].clone() else { unreachable!() };
    // A thread gives itself its name, after it has begun.
    let start = Instant::now();
    while threads("compress") == 0 {
        assert!(start.elapsed() < PATIENCE, "no thread compresses");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(threads("compress"), 1);
    // It has much to do when it is no longer needed.
    for number in 0..50 {
        let mut stream = TcpStream::connect(addr).unwrap();
        write!(
            stream,
            "HEAD /{number} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: br\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    running.stop();
    running.join().unwrap();
    let start = Instant::now();
    while threads("compress") > 0 {
        assert!(start.elapsed() < support::PATIENCE, "the thread is still there");
        std::thread::sleep(Duration::from_millis(10));
    }
    // Nor is there one where there are no files.
    let (running, _) = start_fragile();
    assert_eq!(threads("compress"), 0);
    running.stop();
    running.join().unwrap();
}

/// Blocks until it is told to go on.
struct Blocking(Mutex<mpsc::Receiver<()>>);

impl Endpoint for Blocking {
    fn on_upgrade(&self, _: &Request<'_>) -> Result<Admission, Response> {
        Ok(Admission::to_scope("s"))
    }

    fn on_message(&self, socket: &mut Socket<'_>, _: Message<'_>) {
        self.0.lock().unwrap().recv().unwrap();
        socket.send_text("done");
    }
}

/// Asks until the answer is this.
fn until_turned(running: &Running, wanted: bool) {
    let start = Instant::now();
    while running.has_turned() != wanted {
        assert!(start.elapsed() < PATIENCE, "has_turned is never {wanted}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_reactor_that_hangs_is_noticed_and_one_that_sleeps_is_well() {
    let (go_on, told) = mpsc::channel();
    let server = Server::builder().listen("127.0.0.1:0".parse().unwrap()).reactors(2);
    let running = server.endpoint("/x", Blocking(Mutex::new(told))).start().unwrap();
    let ListenAddr::Tcp(addr) = running.addrs()[0].clone() else { unreachable!() };
    assert!(running.has_turned(), "nothing is known yet");
    // Nothing happens on either, and they turn for the asking.
    for _ in 0..3 {
        until_turned(&running, true);
    }
    let mut client = Ws::open(TcpStream::connect(addr).unwrap(), "/x", "").ok().unwrap();
    client.send("block");
    until_turned(&running, false);
    // However often that is asked, and although the other one turns.
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(20));
        assert!(!running.has_turned());
    }
    go_on.send(()).unwrap();
    assert_eq!(client.text(), "done");
    until_turned(&running, true);
    running.stop();
    drop(client);
    running.join().unwrap();
}

#[test]
fn a_program_drains_its_server_at_the_pace_that_it_wants() {
    let (sender, causes) = mpsc::channel();
    let server = Server::builder().listen("127.0.0.1:0".parse().unwrap()).reactors(3);
    let running = server.endpoint("/x", Unclaimed(sender)).start().unwrap();
    let ListenAddr::Tcp(addr) = running.addrs()[0].clone() else { unreachable!() };
    let connect = || Ws::open(TcpStream::connect(addr).unwrap(), "/x", "").ok().unwrap();
    let mut clients: Vec<_> = (0..30).map(|_| connect()).collect();
    assert!(!running.stats().is_draining());
    running.drain(Drain::over(Duration::from_secs(3_600)));
    // Three are told at once, one a reactor; the others at the pace of the second call.
    for _ in 0..3 {
        assert_eq!(causes.recv_timeout(PATIENCE).unwrap(), CloseCause::Drain);
    }
    assert!(running.stats().is_draining() && !running.has_ended());
    running.drain(Drain::over(Duration::from_millis(300)));
    for client in &mut clients {
        assert_eq!(client.closed(), (1012, "service restart".to_owned()));
        client.send_close(1012);
    }
    assert!((3..30).all(|_| causes.recv_timeout(PATIENCE).unwrap() == CloseCause::Drain));
    running.join().unwrap();
    assert!(TcpStream::connect(addr).is_err());
}

/// Notes why sockets close that are in nobody's way.
struct Unclaimed(mpsc::Sender<CloseCause>);

impl Endpoint for Unclaimed {
    fn on_upgrade(&self, _: &Request<'_>) -> Result<Admission, Response> {
        Ok(Admission::to_scope("s"))
    }

    fn on_message(&self, _: &mut Socket<'_>, _: Message<'_>) {}

    fn on_close(&self, _: &mut Socket<'_>, cause: &CloseCause) {
        self.0.send(cause.clone()).unwrap();
    }
}

#[test]
fn a_listener_that_was_open_before_goes_on_without_the_server() {
    let open = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = open.local_addr().unwrap();
    let start = || {
        let builder = Server::builder().reactors(2).listen_on(open.try_clone().unwrap());
        builder.endpoint("/x", Fragile).start().unwrap()
    };
    let running = start();
    assert_eq!(running.addrs(), [ListenAddr::Tcp(addr)]);
    let connect = || TcpStream::connect(addr).unwrap();
    let mut first = Ws::open(connect(), "/x", "").ok().unwrap();
    running.drain(Drain::over(Duration::ZERO));
    assert_eq!(first.closed().0, 1012);
    drop(first);
    running.join().unwrap();
    // Whoever comes now waits for the next server, and is not refused.
    let waiting = connect();
    let running = start();
    assert!(Ws::open(waiting, "/x", "").is_ok(), "it is served");
    running.stop();
    running.join().unwrap();

    let sleeping = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mistaken = TcpListener::from(OwnedFd::from(sleeping));
    let refused = Server::builder().listen_on(mistaken).endpoint("/x", Fragile).start();
    assert!(matches!(refused, Err(StartError::System(..))), "{refused:?}");
}
