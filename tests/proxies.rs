//! Who a client is, where load balancers and proxies stand before the server: from whom which word is taken, and that
//! nobody else can say who they are.

mod embedded;
mod support;

use embedded::Embedded;
use fanfare::socketio::{Namespace, SocketIo};
use fanfare::{Builder, EngineOptions, ListenAddr, Proxies, Response, Server};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use support::{Folder, Reply, Ws, fanfare};

/// Answers with who asks, and whether over TLS; its Socket.IO sockets are told the same.
fn asked() -> Builder {
    let namespace = Namespace::new("/").on_connect(|socket, _| {
        let handshake = socket.handshake().unwrap();
        socket.emit("you", (handshake.peer().to_string(), handshake.is_secure()))
    });
    let socketio = SocketIo::new(EngineOptions::at("/socket.io/")).namespace(namespace);
    Server::builder().socketio(socketio).route("GET", "/who", |cx, request, _, responder| {
        let who = format!("{} {}", request.peer(), request.is_secure());
        responder.send(cx, Response::text(200, who));
    })
}

fn networks(texts: &[&str]) -> Vec<fanfare::Network> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn protocol_from(texts: &[&str]) -> Proxies {
    Proxies { protocol_from: networks(texts), ..Proxies::default() }
}

fn trusted(texts: &[&str]) -> Proxies {
    Proxies { trusted: networks(texts), ..Proxies::default() }
}

fn who(stream: &mut (impl Read + Write), headers: &str) -> String {
    write!(stream, "GET /who HTTP/1.1\r\nHost: test\r\n{headers}\r\n").unwrap();
    let reply = Reply::read(stream).unwrap();
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body
}

/// Whether the server ends the connection without a word.
fn is_dropped(mut stream: impl Read) -> bool {
    let mut bytes = Vec::new();
    // A reset is an end as well.
    let _ = stream.read_to_end(&mut bytes);
    bytes.is_empty()
}

const V1: &[u8] = b"PROXY TCP4 192.0.2.7 10.0.0.1 8080 443\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\x0a\0\0\x01\x1f\x90\x01\xbb";
const V2_IPV6: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24\
    \x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x1f\x90\x01\xbb";
const V2_LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

#[test]
fn a_header_says_who_a_connection_is() {
    let server = Embedded::with_reactors(asked().proxies(protocol_from(&["127.0.0.0/8"])), 3);
    let connect = |header: &[u8]| {
        let mut stream = server.connect();
        stream.write_all(header).unwrap();
        stream
    };
    for (header, expected) in [
        (V1, "192.0.2.7:8080 false"),
        (V2, "192.0.2.7:8080 false"),
        (V2_IPV6, "[2001:db8::7]:8080 false"),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 8080 443\r\n", "192.0.2.7:8080 false"),
    ] {
        let mut stream = connect(header);
        // On every request, and not because somebody says otherwise.
        assert_eq!(who(&mut stream, ""), expected);
        assert_eq!(who(&mut stream, "X-Forwarded-For: 192.0.2.99\r\nX-Forwarded-Proto: https\r\n"), expected);
    }
    for header in [V2_LOCAL, b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ::1 ::1 1 2\r\n"] {
        let mut stream = connect(header);
        assert_eq!(who(&mut stream, ""), format!("{} false", stream.local_addr().unwrap()));
    }
    // Also where the request is for a session of another reactor.
    for _ in 0..6 {
        let mut stream = connect(V2);
        write!(stream, "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
        let sid = embedded::sid_of(&Reply::read(&mut stream).unwrap().body);
        let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
        let mut other = connect(V1);
        write!(other, "POST {target} HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\n40").unwrap();
        assert_eq!(Reply::read(&mut other).unwrap().body, "ok");
        write!(stream, "GET {target} HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
        let body = Reply::read(&mut stream).unwrap().body;
        assert!(body.ends_with(r#"42["you","192.0.2.7:8080",false]"#), "{body}");
        assert_eq!(who(&mut other, ""), "192.0.2.7:8080 false");
    }
}

#[test]
fn a_header_may_come_in_any_pieces_and_with_what_follows() {
    let server = Embedded::start(asked().proxies(protocol_from(&["127.0.0.1"])));
    for header in [V1, V2] {
        let mut stream = server.connect();
        for byte in header {
            stream.write_all(&[*byte]).unwrap();
        }
        assert_eq!(who(&mut stream, ""), "192.0.2.7:8080 false");
        let mut stream = server.connect();
        let (head, tail) = header.split_at(header.len() / 2);
        stream.write_all(head).unwrap();
        let request = [tail, b"GET /who HTTP/1.1\r\nHost: test\r\n\r\n"].concat();
        stream.write_all(&request).unwrap();
        assert_eq!(Reply::read(&mut stream).unwrap().body, "192.0.2.7:8080 false");
    }
}

#[test]
fn who_has_to_send_a_header_and_does_not_is_dropped_and_counted() {
    let folder = Folder::new();
    let file =
        folder.write("fanfare.toml", "[proxy]\nprotocol_from = [\"127.0.0.1\"]\n[limits]\nhandshake_s = 1\n");
    let server = support::Server::configured(&file);
    let too_long = [b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat();
    let bad: [&[u8]; 5] = [
        b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 8080\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c\xc0\0\x02\x07\x0a\0\0\x01\x1f\x90\x01\xbb",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
        &too_long,
    ];
    for bytes in bad {
        let mut stream = server.connect();
        stream.write_all(bytes).unwrap();
        assert!(is_dropped(stream), "{bytes:?}");
    }
    // Half of one, and the end.
    let mut half = server.connect();
    half.write_all(&V2[..20]).unwrap();
    half.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(is_dropped(half));
    // Half of one, and nothing more.
    let mut late = server.connect();
    late.write_all(&V1[..20]).unwrap();
    assert!(is_dropped(late));
    let metrics = {
        let mut stream = server.connect();
        stream.write_all(V1).unwrap();
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
        Reply::read(&mut stream).unwrap().body
    };
    let count = bad.len() + 1;
    for (reason, count) in [("proxy", count), ("timeout", 1), ("bad_request", 0)] {
        let line = format!("\nfanfare_refused_total{{reason=\"{reason}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
    // Whoever is named is named in the log.
    let mut stream = server.connect();
    stream.write_all(V2).unwrap();
    stream.write_all(b"GET /\x01 HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(Reply::read(&mut stream).unwrap().status, 400);
    server.wait_for_log("192.0.2.7:8080: refused with 400");
    let mut ws = server.connect();
    ws.write_all(V2).unwrap();
    let mut ws = Ws::open(ws, "/ws?bizCode=d&clientId=c", "").unwrap();
    ws.send_bytes(b"\x8f\x80\0\0\0\0");
    ws.closed();
    server.wait_for_log("192.0.2.7:8080: \"d\" \"@c\": closed with 1002");
}

#[test]
fn from_elsewhere_a_header_is_a_bad_request() {
    for proxies in [Proxies::default(), protocol_from(&["10.0.0.0/8", "unix", "::1"])] {
        let server = Embedded::start(asked().proxies(proxies));
        for header in [V1, V2] {
            let mut stream = server.connect();
            stream.write_all(header).unwrap();
            stream.write_all(b"GET /who HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
            assert_eq!(Reply::read(&mut stream).unwrap().status, 400);
        }
        let mut stream = server.connect();
        assert_eq!(who(&mut stream, ""), format!("{} false", stream.local_addr().unwrap()));
    }
}

#[test]
fn requests_are_those_of_whom_trusted_proxies_name() {
    const CHAIN: &str = "X-Forwarded-For: 192.0.2.66, 198.51.100.9\r\nX-Forwarded-For: 10.0.0.2\r\n";
    let ask = |trust: &[&str], headers: &str| {
        let server = Embedded::start(asked().proxies(trusted(trust)));
        let mut stream: TcpStream = server.connect();
        let own = stream.local_addr().unwrap().to_string();
        let answer = who(&mut stream, headers);
        // What one request says does not stick to the connection.
        assert_eq!(who(&mut stream, ""), format!("{own} false"));
        answer.replace(&own, "itself")
    };
    assert_eq!(ask(&[], CHAIN), "itself false");
    assert_eq!(ask(&["10.0.0.0/8"], CHAIN), "itself false", "the chain begins at the connection");
    assert_eq!(ask(&["127.0.0.1"], CHAIN), "10.0.0.2 false");
    assert_eq!(ask(&["127.0.0.1", "10.0.0.0/8"], CHAIN), "198.51.100.9 false");
    let proto = "X-Forwarded-For: 192.0.2.1:99\r\nX-Forwarded-Proto: https\r\n";
    assert_eq!(ask(&["127.0.0.1"], proto), "192.0.2.1:99 true");
    assert_eq!(ask(&["10.0.0.1"], proto), "itself false");
}

#[test]
fn sockets_know_their_client_behind_a_proxy_and_proxies_can_change() {
    let running = asked()
        .proxies(trusted(&["127.0.0.1"]))
        .reactors(1)
        .listen("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap();
    let ListenAddr::Tcp(addr) = running.addrs()[0].clone() else { unreachable!() };
    let seen = |expected: &str| {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(support::PATIENCE)).unwrap();
        let own = stream.local_addr().unwrap().to_string();
        let headers = "X-Forwarded-For: 2001:db8::1\r\nX-Forwarded-Proto: wss\r\n";
        let mut ws = Ws::open(stream, "/socket.io/?EIO=4&transport=websocket", headers).unwrap();
        ws.text();
        ws.send("40");
        ws.text();
        assert_eq!(ws.text(), format!("42[\"you\",{expected}]").replace("itself", &own));
    };
    seen(r#""2001:db8::1",true"#);
    running.set_proxies(Proxies::default());
    seen(r#""itself",false"#);
    running.set_proxies(protocol_from(&["127.0.0.1"]));
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(support::PATIENCE)).unwrap();
    stream.write_all(V1).unwrap();
    assert_eq!(who(&mut stream, ""), "192.0.2.7:8080 false");
    running.stop();
    running.join().unwrap();
}

#[test]
fn a_unix_socket_has_the_permissions_that_it_should_and_may_be_a_proxys() {
    let folder = Folder::new();
    let path = folder.path("fanfare.sock");
    let listen = format!("unix:{}", path.display());
    for (config, mode) in [("", 0o660), ("unix_mode = \"0606\"\n", 0o606)] {
        let file = folder.write("fanfare.toml", config);
        let mut command = fanfare(&["-c", file.to_str().unwrap(), "--listen", &listen]);
        let _server = support::Server::spawn(&mut command);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, mode);
    }
    for bad in ["66", "0778", "rw", "02660", "+660"] {
        let file = folder.write("fanfare.toml", &format!("unix_mode = \"{bad}\"\n"));
        let ended = support::run(&mut fanfare(&["check", "-c", file.to_str().unwrap()]));
        assert!(
            ended.status == Some(2) && ended.stderr.contains("unix_mode: expected permissions"),
            "{ended:?}"
        );
    }
    std::fs::remove_file(&path).unwrap();
    let proxies = Proxies { protocol_from: networks(&["unix"]), trusted: networks(&["192.0.2.7"]) };
    let running = asked()
        .proxies(proxies)
        .unix_mode(0o600)
        .reactors(1)
        .listen(ListenAddr::Unix(path.clone()))
        .start()
        .unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(support::PATIENCE)).unwrap();
    stream.write_all(V1).unwrap();
    assert_eq!(who(&mut stream, ""), "192.0.2.7:8080 false");
    // One behind the other.
    assert_eq!(who(&mut stream, "X-Forwarded-For: 198.51.100.1\r\n"), "198.51.100.1 false");
    running.stop();
    running.join().unwrap();
}
