//! Reactors that share the load: where newcomers go, and WebSockets that move while they are talked to.

mod embedded;
mod support;

use embedded::Embedded;
use fanfare::{
    Admission, CloseCause, Endpoint, EngineOptions, Frame, Message, Moved, Request, Response, Server, Socket,
    Stats, To,
};
use std::collections::BTreeMap;
use std::io::{Cursor, ErrorKind, Read};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use support::{Folder, PATIENCE, Received, Ws};

/// Groups that clients are in, by their numbers.
const GROUPS: usize = 7;

/// Says at once on which reactor it is, and delivers what clients say: to one, to a group or to all.
#[derive(Clone, Default)]
struct Exchange {
    closed: Arc<AtomicUsize>,
    reports: Arc<Mutex<Vec<u64>>>,
}

impl Endpoint for Exchange {
    fn on_upgrade(&self, request: &Request<'_>) -> Result<Admission, Response> {
        let name = request.query().unwrap().get("n").unwrap().to_owned();
        let group = name.parse::<usize>().unwrap() % GROUPS;
        Ok(Admission::to_scope("d").claim(&format!("@{name}")).room(&format!("#{group}")))
    }

    fn on_open(&self, socket: &mut Socket<'_>) {
        let reactor = socket.context().reactor();
        socket.send_text(&format!("at {reactor}"));
    }

    fn on_message(&self, socket: &mut Socket<'_>, message: Message<'_>) {
        let Message::Text(text) = message else { return };
        if text == "where" {
            return self.on_open(socket);
        }
        let (kind, rest) = text.split_once(' ').unwrap();
        let (to, number) = rest.split_once(' ').unwrap();
        let to = match kind {
            "one" => To::room("d", &format!("@{to}")),
            "group" => To::room("d", &format!("#{to}")),
            _ => To::everybody("d"),
        };
        let from = socket.rooms().next().unwrap()[1..].to_owned();
        let frame = Frame::text(&format!("m {from} {number}"));
        if kind == "ask" {
            let (reports, number) = (self.reports.clone(), number.to_owned());
            return socket.publish_with(&to, &frame, move |socket, report| {
                reports.lock().unwrap().push(report.delivered());
                assert!(socket.send_text(&format!("r {number}")));
            });
        }
        socket.publish(&to, &frame);
    }

    fn on_close(&self, _: &mut Socket<'_>, _: &CloseCause) {
        self.closed.fetch_add(1, Ordering::Relaxed);
    }
}

fn sockets(stats: &Stats) -> Vec<u64> {
    stats.reactors().iter().map(|reactor| reactor.sockets()).collect()
}

fn moved(stats: &Stats, reason: Moved) -> u64 {
    stats.sum(|reactor| reactor.moved(reason))
}

/// Looks until it is so.
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + 4 * PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Sessions on two reactors, of which one loses all of its; where the next ones come to be, and the statistics.
fn newcomers_of(share: bool) -> (Vec<usize>, Stats) {
    let exchange = Exchange::default();
    // Sessions stay where they are: only newcomers can make a difference.
    let builder = Server::builder().balance(share).engine(EngineOptions::at("/engine/"), exchange.clone());
    let server = Embedded::with_reactors(builder, 2);
    let (send, receive) = std::sync::mpsc::channel();
    server.handle().run(move |cx| send.send(cx.stats().clone()).unwrap());
    let stats = receive.recv_timeout(PATIENCE).unwrap();
    let open = |n: usize| {
        let mut ws = server.websocket(&format!("/engine/?EIO=4&n={n}"), "");
        let at: usize = ws.text().strip_prefix("4at ").unwrap().parse().unwrap();
        (ws, at)
    };
    let mut clients: Vec<_> = (0..240).map(open).collect();
    clients.retain(|(_, at)| *at == 0);
    let left = clients.len();
    wait_until("the sessions of one reactor end", || sockets(&stats) == [left as u64, 0]);
    // The reactor says how many links it has at the end of its turn.
    wait_until("its links are gone", || stats.reactors()[1].gauges.links.get() == 0);
    let newcomers: Vec<_> = (1_000..1_060).map(open).collect();
    (newcomers.into_iter().map(|(_, at)| at).collect(), stats)
}

#[test]
fn newcomers_go_where_there_are_fewer() {
    let (places, stats) = newcomers_of(true);
    assert!(places.iter().all(|at| *at == 1), "{places:?}");
    // The kernel gave some of them to the other one, as it does with half of all.
    assert!(stats.reactors()[1].moved(Moved::Accepted) > 0);
    assert_eq!(moved(&stats, Moved::Balanced), 0);
}

#[test]
fn newcomers_stay_where_they_came_out_if_the_load_is_not_shared() {
    let (places, stats) = newcomers_of(false);
    assert!(places.contains(&0) && places.contains(&1), "{places:?}");
    assert_eq!(moved(&stats, Moved::Accepted), 0);
}

/// One client: what it says goes by its stream, what it is told is collected by a thread.
struct Client {
    n: usize,
    ws: Ws<TcpStream>,
    heard: Arc<Mutex<Vec<u8>>>,
}

/// Collects what comes on all streams until it is told to stop.
fn listen(mut streams: Vec<(TcpStream, Arc<Mutex<Vec<u8>>>)>, stop: &AtomicBool) {
    let mut buffer = vec![0; 64 << 10];
    while !stop.load(Ordering::Relaxed) {
        for (stream, heard) in &mut streams {
            match stream.read(&mut buffer) {
                Ok(count) => heard.lock().unwrap().extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("{error}"),
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// What a client said, in its order.
#[derive(Clone, Copy)]
enum Said {
    One(usize),
    Group(usize),
    All,
}

impl Said {
    fn is_for(self, n: usize) -> bool {
        match self {
            Said::One(to) => to == n,
            Said::Group(group) => n % GROUPS == group,
            Said::All => true,
        }
    }
}

#[test]
fn a_skewed_set_evens_out_and_every_message_arrives_once_and_in_order() {
    let exchange = Exchange::default();
    let server = Embedded::with_reactors(Server::builder().endpoint("/x", exchange.clone()), 4);
    let (send, receive) = std::sync::mpsc::channel();
    server.handle().run(move |cx| send.send(cx.stats().clone()).unwrap());
    let stats = receive.recv_timeout(PATIENCE).unwrap();
    let open = |n: usize| {
        let (reply, mut ws) = server.upgrade(&format!("/x?n={n}"), "");
        assert_eq!(reply.status, 101);
        let at: usize = ws.text().strip_prefix("at ").unwrap().parse().unwrap();
        (n, ws, at)
    };
    let mut all: Vec<_> = (0..1_200).map(open).collect();
    // A burst is spread evenly by itself.
    let spread = sockets(&stats);
    assert_eq!(spread.iter().sum::<u64>(), 1_200);
    assert!(spread.iter().all(|count| (260..=340).contains(count)), "{spread:?}");

    all.retain(|(_, _, at)| *at >= 2);
    let left = all.len();
    wait_until("the others are gone", || exchange.closed.load(Ordering::Relaxed) == 1_200 - left);
    let mut clients: Vec<Client> = all
        .into_iter()
        .map(|(n, ws, _)| {
            ws.stream.set_nonblocking(true).unwrap();
            Client { n, ws, heard: Arc::default() }
        })
        .collect();
    let stop = Arc::new(AtomicBool::new(false));
    let streams = clients.iter().map(|client| (client.ws.stream.try_clone().unwrap(), client.heard.clone()));
    let streams: Vec<_> = streams.collect();
    let listening = stop.clone();
    let listener = thread::spawn(move || listen(streams, &listening));

    // They talk until the load is even, and some time longer.
    let numbers: Vec<usize> = clients.iter().map(|client| client.n).collect();
    let mut said: BTreeMap<usize, Vec<Said>> = BTreeMap::new();
    let (mut round, mut even, mut asked) = (0usize, 0, 0);
    let begun = Instant::now();
    while even < 50 {
        assert!(begun.elapsed() < 4 * PATIENCE, "still {:?}", sockets(&stats));
        for speaker in 0..2 {
            let at = (round * 5 + speaker * 41) % clients.len();
            let to = numbers[(round * 31 + speaker * 17) % numbers.len()];
            let client = &mut clients[at];
            let log = said.entry(client.n).or_default();
            let number = log.len();
            let (words, what) = match (round + speaker) % 4 {
                0 => (format!("all - {number}"), Said::All),
                1 => (format!("one {to} {number}"), Said::One(to)),
                2 => (format!("group {} {number}", to % GROUPS), Said::Group(to % GROUPS)),
                _ => {
                    asked += 1;
                    (format!("ask - {number}"), Said::All)
                }
            };
            log.push(what);
            client.ws.send(&words);
        }
        round += 1;
        let counts = sockets(&stats);
        let mean = counts.iter().sum::<u64>() / 4;
        even = if counts.iter().all(|count| count.abs_diff(mean) <= 32) { even + 1 } else { 0 };
        thread::sleep(Duration::from_millis(20));
    }
    let moves = moved(&stats, Moved::Balanced);
    assert!(moves > left as u64 / 4, "{moves} have moved");
    assert_eq!(exchange.closed.load(Ordering::Relaxed), 1_200 - left, "nobody was closed");

    // The last word of all comes behind everything.
    wait_until("all reports are there", || exchange.reports.lock().unwrap().len() == asked);
    for client in &mut clients {
        client.ws.send("where");
    }
    let last = |client: &Client| {
        let heard = client.heard.lock().unwrap().clone();
        let mut frames = Ws::over(Cursor::new(heard));
        std::iter::from_fn(move || match frames.try_recv() {
            Ok(Received::Text(text)) => Some(text),
            Ok(Received::End) => None,
            other => panic!("{other:?}"),
        })
        .collect::<Vec<_>>()
    };
    let expected_of = |n: usize| -> BTreeMap<usize, Vec<usize>> {
        let others = said.iter().filter(|(from, _)| **from != n);
        let meant = others.map(|(from, log)| {
            let numbers = log.iter().enumerate().filter(|(_, said)| said.is_for(n)).map(|(at, _)| at);
            (*from, numbers.collect::<Vec<_>>())
        });
        meant.filter(|(_, numbers)| !numbers.is_empty()).collect()
    };
    for client in &clients {
        let expected = expected_of(client.n);
        let total: usize = expected.values().map(Vec::len).sum();
        let mut texts = Vec::new();
        wait_until("everything has arrived", || {
            texts = last(client);
            let messages = texts.iter().filter(|text| text.starts_with("m ")).count();
            messages >= total && texts.iter().any(|text| text.starts_with("at "))
        });
        let mut heard: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for text in texts.iter().filter_map(|text| text.strip_prefix("m ")) {
            let (from, number) = text.split_once(' ').unwrap();
            heard.entry(from.parse().unwrap()).or_default().push(number.parse().unwrap());
        }
        assert_eq!(heard, expected, "client {}", client.n);
    }
    // Each was counted once, wherever it was.
    let reports = exchange.reports.lock().unwrap().clone();
    assert!(reports.iter().all(|delivered| *delivered == left as u64 - 1), "{left}: {reports:?}");

    // A name is claimed from whoever has it, wherever that is now.
    let newer: Vec<_> = numbers.iter().take(40).map(|n| open(*n)).collect();
    wait_until("those are replaced", || exchange.closed.load(Ordering::Relaxed) == 1_200 - left + 40);
    assert_eq!(sockets(&stats).iter().sum::<u64>(), left as u64);
    stop.store(true, Ordering::Relaxed);
    listener.join().unwrap();
    drop(newer);
}

/// Connections by a unix socket that all reactors accept from; how many each has, and how many were moved.
fn of_a_program(key: &str) -> (Vec<u64>, u64) {
    let folder = Folder::new();
    let path = folder.path("f.sock");
    let file = folder.write("f.toml", &format!("reactors = 4\n{key}"));
    let unix = format!("unix:{}", path.display());
    let server = support::Server::start(&["-c", file.to_str().unwrap(), "--listen", &unix]);
    let clients: Vec<_> =
        (0..400).map(|n| Ws::open_unix(&path, &format!("/ws?bizCode=d&clientId={n}"))).collect();
    let page = server.get("/metrics").body;
    let values = |start: &str| -> Vec<u64> {
        let lines = page.lines().filter(|line| line.starts_with(start));
        lines.map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap()).collect()
    };
    drop(clients);
    (values("fanfare_connections{transport=\"websocket\""), values("fanfare_moved_total{").iter().sum())
}

#[test]
fn a_unix_socket_fills_all_reactors_unless_that_is_switched_off() {
    let (counts, _) = of_a_program("");
    assert_eq!((counts.len(), counts.iter().sum::<u64>()), (4, 400));
    assert!(counts.iter().all(|count| (80..=120).contains(count)), "{counts:?}");
    let (counts, moved) = of_a_program("balance = false\n");
    assert_eq!((counts.iter().sum::<u64>(), moved), (400, 0));
}

#[test]
fn who_finds_a_reactor_full_gets_a_place_on_another_one() {
    // 100 for connections with a socket on each of two reactors, and the ones that a reactor needs itself.
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 228; exec \"$0\" --listen 127.0.0.1:0 --reactors 2"]);
    let server = support::Server::spawn(shell.arg(env!("CARGO_BIN_EXE_fanfare")));
    let clients: Vec<_> = (0..200).map(|n| server.ws(&format!("/ws?bizCode=d&clientId={n}"))).collect();
    let refused = server.try_ws("/ws?bizCode=d&clientId=200").err().expect("there is no place");
    assert_eq!((refused.status, refused.header("retry-after").is_some()), (503, true));
    drop(clients);
}
