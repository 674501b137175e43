//! TLS as clients meet it: both versions and both protocols, slow readers, reloads, and what is no TLS at all.
#![cfg(feature = "tls")]

mod certs;
mod configured;
mod cost;
mod hostile;
#[path = "../support/mod.rs"]
mod support;

use certs::{Cert, Client, Stream, TLS12, TLS13};
use fanfare::{Certificates, ListenAddr, Response, Running};
use rustls::HandshakeKind;
use std::io::{Read, Write};
use std::net::SocketAddr;
use support::{Folder, Received, Reply, Server, Ws, fanfare};

/// The program with a certificate for localhost, and what its clients need to know.
pub(crate) struct Secure {
    pub(crate) server: Server,
    pub(crate) cert: Cert,
    _folder: Folder,
}

impl Secure {
    pub(crate) fn start(config: &str) -> Secure {
        let folder = Folder::new();
        let cert = Cert::write(&folder, "localhost", "localhost");
        let file = folder.write("fanfare.toml", config);
        let mut command = fanfare(&["-c", file.to_str().unwrap(), "--tls-listen", "127.0.0.1:0"]);
        let server = Server::spawn(command.args(["--tls-cert", cert.cert(), "--tls-key", cert.key()]));
        assert!(server.ready.contains("https://127.0.0.1:"), "{}", server.ready);
        Secure { server, cert, _folder: folder }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&[&self.cert], &[TLS12, TLS13])
    }

    pub(crate) fn connect(&self) -> Stream {
        self.client().connect(self.addr(), "localhost").unwrap()
    }

    pub(crate) fn ws(&self, client: &str) -> Ws<Stream> {
        Ws::open(self.connect(), &format!("/ws?bizCode=d&clientId={client}"), "").unwrap()
    }

    /// A metric's value.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let page = get(&mut self.connect(), "/metrics").body;
        let values = page.lines().filter_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
        values.sum()
    }

    /// Waits until a metric has this value.
    pub(crate) fn wait_for(&self, name: &str, value: u64) {
        let begun = std::time::Instant::now();
        while self.metric(name) != value {
            assert!(begun.elapsed() < support::PATIENCE, "{name} is {}, not {value}", self.metric(name));
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

/// The answer to a request on a connection that stays.
pub(crate) fn get(stream: &mut (impl Read + Write), target: &str) -> Reply {
    request(stream, "GET", target, "")
}

fn request(stream: &mut (impl Read + Write), method: &str, target: &str, body: &str) -> Reply {
    let length = body.len();
    write!(stream, "{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}")
        .unwrap();
    Reply::read(stream).unwrap()
}

fn heartbeat(ws: &mut Ws<impl Read + Write>) {
    ws.send(r#"{"msgId":"beat","mode":1}"#);
    assert!(ws.text().starts_with(r#"{"msgId":"beat","mode":1,"code":0"#));
}

#[test]
fn large_messages_go_both_ways_in_both_versions() {
    let secure = Secure::start("reactors = 2\n[limits]\noutbox_bytes = 4000000");
    for version in [TLS12, TLS13] {
        let client = Client::new(&[&secure.cert], &[version]);
        let open = |name: &str| {
            let stream = client.connect(secure.addr(), "localhost").unwrap();
            assert_eq!(stream.conn.protocol_version(), Some(version.version));
            assert_eq!(stream.conn.alpn_protocol(), None);
            Ws::open(stream, &format!("/ws?bizCode=d&clientId={name}"), "").unwrap()
        };
        let (mut a, mut b) = (open("a"), open("b"));
        let content = "x".repeat(990_000);
        for number in 0..3 {
            let message =
                |from: &str| format!(r#"{{"msgId":{number},"mode":100,{from}"content":"{content}"}}"#);
            a.send(&message(r#""targetClientId":"b","#));
            assert!(b.text() == message(r#""from":"a","#), "as it was sent");
            heartbeat(&mut a);
        }
        // An end is told: the connection ends cleanly, which for rustls it does only after close_notify.
        a.send_close(1000);
        assert_eq!(a.closed().0, 1000);
        assert_eq!(a.stream.read(&mut [0; 8]).unwrap(), 0);
        // And one that is not told is an end all the same.
        drop(b.stream.sock);
        secure.wait_for(r#"fanfare_sockets{scope="d"}"#, 0);
    }
}

#[test]
fn requests_reach_sessions_of_every_reactor_on_whatever_connection() {
    let secure = Secure::start("reactors = 4");
    let client = secure.client();
    let mut streams: Vec<Stream> = (0..6).map(|_| secure.connect()).collect();
    let target = "/socket.io/?EIO=4&transport=polling";
    let sids: Vec<String> = (0..12)
        .map(|number| {
            let open = get(&mut streams[number % 6], target).body;
            open.split('"').nth(3).expect("a sid").to_owned()
        })
        .collect();
    for round in 0..4 {
        for (number, sid) in sids.iter().enumerate() {
            let target = format!("{target}&sid={sid}");
            // Whichever reactors the connections are on by now.
            let stream = &mut streams[(number + round) % 6];
            let event = if round == 0 { "40" } else { "42[\"register\",{\"group\":\"g\"}]" };
            assert_eq!(request(stream, "POST", &target, event).body, "ok");
            let stream = &mut streams[(number + 2 * round + 1) % 6];
            if round == 0 {
                assert!(get(stream, &target).body.starts_with("40{"));
            }
        }
    }
    // Up to WebSocket, on a connection that was on the wrong reactor in three of four cases.
    for sid in &sids {
        let stream = client.connect(secure.addr(), "localhost").unwrap();
        let mut ws =
            Ws::open(stream, &format!("/socket.io/?EIO=4&transport=websocket&sid={sid}"), "").unwrap();
        ws.send("2probe");
        assert_eq!(ws.text(), "3probe");
        ws.send("5");
        ws.send(r#"421["register",{"user":"u"}]"#);
        assert_eq!(ws.text(), r#"431[{"ok":true}]"#);
    }
}

#[test]
fn a_slow_reader_is_told_so_and_nobody_else_waits() {
    let secure = Secure::start("reactors = 1\n[limits]\noutbox_bytes = 100000");
    let (mut slow, mut sender) = (secure.ws("slow"), secure.ws("sender"));
    let mut good = secure.ws("good");
    let content = "y".repeat(50_000);
    let mut closed = 0;
    // Until it is closed; what the kernel takes before differs between machines.
    for number in 0.. {
        assert!(number < 2_000, "it is never closed");
        sender.send(&format!(r#"{{"msgId":{number},"mode":300,"content":"{content}","receipt":true}}"#));
        assert!(good.text().contains(&content));
        closed += u64::from(sender.text().ends_with(r#""delivered":1}"#));
        if closed > 1 {
            break;
        }
    }
    // What it reads now is whole messages in their order, and then why.
    let mut next = 0;
    loop {
        match slow.recv() {
            Received::Text(text) => {
                assert!(text.starts_with(&format!(r#"{{"msgId":{next},"#)) && text.contains(&content));
                next += 1;
            }
            Received::Close(code, reason) => {
                break assert_eq!((code, reason.as_str()), (1008, "slow consumer"));
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(next > 0);
    heartbeat(&mut good);
}

#[test]
fn sessions_are_resumed_whichever_reactor_they_come_to() {
    let secure = Secure::start("reactors = 4");
    for version in [TLS12, TLS13] {
        let client = Client::new(&[&secure.cert], &[version]);
        let mut kinds = Vec::new();
        for _ in 0..8 {
            let mut stream = client.connect(secure.addr(), "localhost").unwrap();
            // With the answer come the tickets.
            assert_eq!(get(&mut stream, "/healthz").status, 200);
            kinds.push(stream.conn.handshake_kind().unwrap());
        }
        assert_eq!(kinds[0], HandshakeKind::Full);
        assert_eq!(kinds[1..], [HandshakeKind::Resumed; 7], "{version:?}");
    }
}

/// A server of this process, which says who asks.
fn embedded(certificates: &Certificates) -> (Running, SocketAddr) {
    let running = fanfare::Server::builder()
        .reactors(2)
        .route("GET", "/secure", |cx, request, _, responder| {
            responder.send(cx, Response::text(200, request.is_secure().to_string()));
        })
        .listen("127.0.0.1:0".parse().unwrap())
        .listen_tls("127.0.0.1:0".parse().unwrap(), certificates.clone())
        .start()
        .unwrap();
    let ListenAddr::Tcp(addr) = running.tls_addrs()[0].clone() else { unreachable!() };
    (running, addr)
}

#[test]
fn new_certificates_are_for_newcomers_and_bad_ones_for_nobody() {
    let folder = Folder::new();
    let first = Cert::write(&folder, "a", "localhost");
    let certificates = Certificates::from_pem_files([(&first.cert, &first.key)]).unwrap();
    let (running, addr) = embedded(&certificates);
    let mut old = Client::new(&[&first], &[TLS13]).connect(addr, "localhost").unwrap();
    assert_eq!(get(&mut old, "/secure").body, "true");
    let ListenAddr::Tcp(plain) = running.addrs()[0].clone() else { unreachable!() };
    assert_eq!(get(&mut certs::connect(plain), "/secure").body, "false");

    let second = Cert::write(&folder, "a", "localhost");
    assert!(Client::new(&[&second], &[TLS13]).connect(addr, "localhost").is_err(), "it is not read yet");
    certificates.reload().unwrap();
    let mut new = Client::new(&[&second], &[TLS13]).connect(addr, "localhost").unwrap();
    assert!(Client::new(&[&first], &[TLS13]).connect(addr, "localhost").is_err(), "it is not shown any more");
    for stream in [&mut old, &mut new] {
        assert_eq!(get(stream, "/secure").body, "true");
    }

    // A certificate that does not go with the key, as when one file was written and the other was not.
    let third = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    folder.write("a.cert", &third.cert.pem());
    let error = certificates.reload().unwrap_err();
    assert!(error.is_about_key() && error.to_string().contains("is not that of"), "{error}");
    assert_eq!(
        get(&mut Client::new(&[&second], &[TLS12]).connect(addr, "localhost").unwrap(), "/secure").status,
        200
    );
    folder.write("a.key", &third.signing_key.serialize_pem());
    certificates.reload().unwrap();
    assert!(Client::new(&[&second], &[TLS13]).connect(addr, "localhost").is_err());
    certificates.replace([(&second.cert, &second.key)]).unwrap();
    running.stop();
    running.join().unwrap();
}

#[test]
fn each_name_has_its_certificate() {
    let folder = Folder::new();
    let (a, b) = (Cert::write(&folder, "a", "a.example"), Cert::write(&folder, "b", "*.b.example"));
    let files = [(&a.cert, &a.key), (&b.cert, &b.key)];
    let (running, addr) = embedded(&Certificates::from_pem_files(files).unwrap());
    for (cert, name) in [(&a, "a.example"), (&b, "x.b.example")] {
        let mut stream = Client::new(&[cert], &[TLS12, TLS13]).connect(addr, name).unwrap();
        assert_eq!(stream.conn.peer_certificates().unwrap()[0], cert.der);
        assert_eq!(get(&mut stream, "/secure").body, "true");
    }
    // Others are shown the first one, and see that it is not what they want.
    assert!(Client::new(&[&a, &b], &[TLS13]).connect(addr, "c.example").is_err());
    running.stop();
    running.join().unwrap();
}

#[test]
fn a_proxys_header_comes_before_the_handshake() {
    let folder = Folder::new();
    let cert = Cert::write(&folder, "a", "localhost");
    let certificates = Certificates::from_pem_files([(&cert.cert, &cert.key)]).unwrap();
    let proxies =
        fanfare::Proxies { protocol_from: vec!["127.0.0.1".parse().unwrap()], ..Default::default() };
    let running = fanfare::Server::builder()
        .reactors(2)
        .proxies(proxies)
        .route("GET", "/who", |cx, request, _, responder| {
            responder.send(cx, Response::text(200, format!("{} {}", request.peer(), request.is_secure())));
        })
        .listen_tls("127.0.0.1:0".parse().unwrap(), certificates)
        .start()
        .unwrap();
    let ListenAddr::Tcp(addr) = running.tls_addrs()[0].clone() else { unreachable!() };
    let client = Client::new(&[&cert], &[TLS12, TLS13]);
    for header in [&b"PROXY TCP4 192.0.2.7 10.0.0.1 8080 443\r\n"[..], b"PROXY UNKNOWN\r\n"] {
        let mut stream = certs::connect(addr);
        let own = format!("{} true", stream.local_addr().unwrap());
        stream.write_all(header).unwrap();
        let mut stream = client.over(stream, "localhost");
        let expected = if header.len() > 20 { "192.0.2.7:8080 true" } else { &own };
        assert_eq!(get(&mut stream, "/who").body, expected);
    }
    // The hello instead of it, and HTTP behind it.
    assert!(client.connect(addr, "localhost").is_err());
    let mut plain = certs::connect(addr);
    plain.write_all(b"PROXY UNKNOWN\r\nGET /who HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(Reply::read(&mut plain).unwrap().status, 400);
    running.stop();
    running.join().unwrap();
}
