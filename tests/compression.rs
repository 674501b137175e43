//! A server with compression: what it agrees to, and what then goes over the wire in both directions.

mod support;

use fanfare::{
    Admission, Compression, Endpoint, ListenAddr, Message, Request, Response, Running, Server, Socket,
};
use flate2::{Compress, Decompress, FlushCompress, FlushDecompress};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Mutex, mpsc};
use support::{PATIENCE, Received, Reply, Ws};

/// What a message has to have to be compressed, in bytes.
const THRESHOLD: usize = 100;
/// What a client may send, in bytes.
const MESSAGE_BYTES: usize = 100_000;
const DEFLATE: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
const AGREED: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

struct Echo;

impl Endpoint for Echo {
    fn on_upgrade(&self, _: &Request<'_>) -> Result<Admission, Response> {
        Ok(Admission::to_scope("s"))
    }

    fn on_message(&self, socket: &mut Socket<'_>, message: Message<'_>) {
        match message {
            Message::Text(text) => socket.send_text(text),
            Message::Binary(bytes) => socket.send_binary(bytes),
        };
    }
}

/// Calls `test` with what connects to an echo server, which is stopped afterwards.
fn with_server(compression: Option<Compression>, test: impl FnOnce(&dyn Fn() -> TcpStream)) {
    let limits = fanfare::Limits { message_bytes: MESSAGE_BYTES, ..Default::default() };
    let server = Server::builder().listen("127.0.0.1:0".parse().unwrap()).reactors(1);
    let server = server.limits(limits).endpoint("/x", Echo);
    let server = if let Some(compression) = compression { server.compression(compression) } else { server };
    let running: Running = server.start().unwrap();
    let ListenAddr::Tcp(addr) = running.addrs()[0].clone() else { unreachable!() };
    test(&|| {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    });
    running.stop();
    running.join().unwrap();
}

fn on() -> Option<Compression> {
    Some(Compression { threshold_bytes: THRESHOLD, ..Compression::default() })
}

/// The answer to an upgrade with these header lines.
fn upgrade(mut stream: &TcpStream, headers: &str) -> Reply {
    write!(
        stream,
        "GET /x HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    )
    .unwrap();
    Reply::read(&mut stream).unwrap()
}

/// The first byte and the payload of the next frame.
fn next_frame(mut stream: &TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    let mut length = vec![0; [0, 2, 8][usize::from(head[1] >= 126) + usize::from(head[1] == 127)]];
    stream.read_exact(&mut length).unwrap();
    let length = length.iter().fold(0, |all, byte| all << 8 | usize::from(*byte));
    let mut payload = vec![0; if head[1] < 126 { usize::from(head[1]) } else { length }];
    stream.read_exact(&mut payload).unwrap();
    (head[0], payload)
}

/// What a client without memory of earlier messages reads; its window has so many bits.
fn inflate(payload: &[u8], bits: u8) -> Vec<u8> {
    let bytes = [payload, &[0x00, 0x00, 0xff, 0xff]].concat();
    let (mut state, mut input, mut out) = (Decompress::new_with_window_bits(false, bits), &bytes[..], vec![]);
    while !input.is_empty() {
        // Little room at a time, so that it can only look back into its window.
        let (mut some, before) = (Vec::with_capacity(100), state.total_in());
        state.decompress_vec(input, &mut some, FlushDecompress::None).unwrap();
        input = &input[(state.total_in() - before) as usize..];
        out.extend(some);
    }
    out
}

/// A client's compressed message in one frame, its mask zeros.
fn compressed(first: u8, message: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(message.len() + 100);
    Compress::new(flate2::Compression::fast(), false)
        .compress_vec(message, &mut payload, FlushCompress::Sync)
        .unwrap();
    payload.truncate(payload.len() - 4);
    let length = u16::try_from(payload.len()).unwrap();
    let head = if length < 126 {
        vec![first, 0x80 | length as u8]
    } else {
        [&[first, 0x80 | 126][..], &length.to_be_bytes()].concat()
    };
    [&head[..], &[0; 4], &payload].concat()
}

/// Asks for an echo; its first byte and its payload.
fn echo(stream: &TcpStream, message: &str) -> (u8, Vec<u8>) {
    let mut writer = stream;
    writer.write_all(&compressed(0xc1, message.as_bytes())).unwrap();
    next_frame(stream)
}

#[test]
fn what_is_agreed_on_is_said() {
    with_server(on(), |connect| {
        for (offer, expected) in [
            ("permessage-deflate", Some(AGREED.to_owned())),
            ("permessage-deflate; client_max_window_bits", Some(AGREED.to_owned())),
            (
                "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
                Some(format!("{AGREED}; server_max_window_bits=12")),
            ),
            ("permessage-deflate; server_max_window_bits=99, permessage-deflate", Some(AGREED.to_owned())),
            ("permessage-deflate; server_max_window_bits=-7", None),
            ("permessage-deflate; __proto__", None),
            ("constructor, x-webkit-deflate-frame", None),
        ] {
            let reply = upgrade(&connect(), &format!("Sec-WebSocket-Extensions: {offer}\r\n"));
            assert_eq!(reply.status, 101, "{offer}");
            assert_eq!(reply.header("sec-websocket-extensions"), expected.as_deref(), "{offer}");
        }
        assert_eq!(upgrade(&connect(), "").header("sec-websocket-extensions"), None);
        let two_lines = format!("Sec-WebSocket-Extensions: foo\r\n{DEFLATE}");
        assert_eq!(upgrade(&connect(), &two_lines).header("sec-websocket-extensions"), Some(AGREED));
        for malformed in ["permessage-deflate;", "permessage-deflate; a=\"", "a b", ";"] {
            let reply = upgrade(&connect(), &format!("{DEFLATE}Sec-WebSocket-Extensions: {malformed}\r\n"));
            assert_eq!(reply.status, 400, "{malformed}");
            assert!(reply.body.contains("malformed Sec-WebSocket-Extensions"), "{}", reply.body);
        }
    });
}

#[test]
fn without_it_offers_are_not_read_and_nothing_is_compressed() {
    with_server(None, |connect| {
        for offer in [DEFLATE, "Sec-WebSocket-Extensions: permessage-deflate;\r\n"] {
            let stream = connect();
            let reply = upgrade(&stream, offer);
            assert_eq!((reply.status, reply.header("sec-websocket-extensions")), (101, None));
            let mut client = Ws::over(stream);
            client.send(&"a".repeat(5_000));
            assert_eq!(client.text(), "a".repeat(5_000));
            client.send_bytes(&compressed(0xc1, b"Hello"));
            assert_eq!(client.closed().0, 1002);
        }
    });
}

#[test]
fn messages_are_compressed_from_the_threshold_on() {
    with_server(on(), |connect| {
        let stream = connect();
        assert_eq!(upgrade(&stream, DEFLATE).status, 101);
        let (short, long) = ("a".repeat(THRESHOLD - 1), "a".repeat(THRESHOLD));
        assert_eq!(echo(&stream, &short), (0x81, short.clone().into_bytes()));
        // The same bytes every time: nothing is remembered from one message to the next.
        let first = echo(&stream, &long);
        assert_eq!((first.0, inflate(&first.1, 15)), (0xc1, long.clone().into_bytes()));
        assert!(first.1.len() < 10);
        assert_eq!(echo(&stream, &long), first);
        // What does not become shorter is sent as it is.
        let scattered: Vec<u8> = (0..200u32).map(|n| (n.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
        (&stream).write_all(&compressed(0xc2, &scattered)).unwrap();
        assert_eq!(next_frame(&stream), (0x82, scattered));
        // Control frames are not.
        let mut client = Ws::over(stream);
        client.send_frame(fanfare::wire::frame::Opcode::Ping, &[b'p'; 120]);
        assert_eq!(client.recv(), Received::Pong(vec![b'p'; 120]));

        // Who has not asked for it gets what is not compressed, and may not send what is.
        let mut plain = Ws::open(connect(), "/x", "").ok().unwrap();
        plain.send(&long);
        assert_eq!(plain.text(), long);
        plain.send_bytes(&compressed(0xc1, b"Hello"));
        assert_eq!(plain.closed().0, 1002);
    });
}

#[test]
fn a_small_window_gets_what_fits_into_it() {
    with_server(on(), |connect| {
        let stream = connect();
        let offer = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=12\r\n";
        assert_eq!(upgrade(&stream, offer).status, 101);
        // The second half refers to the first one.
        let half: String = (0..500).map(|n| format!("{n:04}")).collect();
        let (first, payload) = echo(&stream, &half.repeat(2));
        assert_eq!((first, inflate(&payload, 12)), (0xc1, half.repeat(2).into_bytes()));
        let longer = half.repeat(3);
        assert_eq!(echo(&stream, &longer), (0x81, longer.into_bytes()));

        let stream = connect();
        let offer = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n";
        assert_eq!(upgrade(&stream, offer).status, 101);
        assert_eq!(echo(&stream, &half), (0x81, half.into_bytes()));
    });
}

#[test]
fn what_clients_compress_is_bounded_once_inflated() {
    with_server(on(), |connect| {
        for (len, is_fine) in [(MESSAGE_BYTES, true), (MESSAGE_BYTES + 1, false), (50 * MESSAGE_BYTES, false)]
        {
            let stream = connect();
            assert_eq!(upgrade(&stream, DEFLATE).status, 101);
            if is_fine {
                let (first, payload) = echo(&stream, &"z".repeat(len));
                assert_eq!((first, inflate(&payload, 15)), (0xc1, vec![b'z'; len]));
            } else {
                (&stream).write_all(&compressed(0xc1, &vec![b'z'; len])).unwrap();
                assert_eq!(Ws::over(stream).closed().0, 1009, "{len}");
            }
        }
        for (bytes, code) in [
            (&[0xc1, 0x82, 0, 0, 0, 0, 0x06, 0x00][..], 1007),
            (&[0xc1, 0x87, 0, 0, 0, 0, 0x00, 0x01, 0x00, 0xfe, 0xff, 0xff, 0x00], 1007),
            (&[0xc9, 0x80, 0, 0, 0, 0], 1002),
            (&[0x41, 0x80, 0, 0, 0, 0, 0xc0, 0x80, 0, 0, 0, 0], 1002),
        ] {
            let stream = connect();
            assert_eq!(upgrade(&stream, DEFLATE).status, 101);
            let mut client = Ws::over(stream);
            client.send_bytes(bytes);
            assert_eq!(client.closed().0, code, "{bytes:x?}");
        }
    });
}

/// Says how long each message is, and waits at the first one until it is told to go on.
struct Waiting {
    said: mpsc::Sender<usize>,
    go_on: Mutex<mpsc::Receiver<()>>,
}

impl Endpoint for Waiting {
    fn on_upgrade(&self, _: &Request<'_>) -> Result<Admission, Response> {
        Ok(Admission::to_scope("s"))
    }

    fn on_message(&self, _: &mut Socket<'_>, message: Message<'_>) {
        let Message::Text(text) = message else { panic!("only texts are sent") };
        self.said.send(text.len()).unwrap();
        // The sender is gone once it has let the first message pass.
        let _ = self.go_on.lock().unwrap().recv();
    }
}

#[test]
fn who_says_much_in_few_bytes_does_not_hold_up_the_others() {
    const LONG: usize = 1_000_000;
    let (said, what) = mpsc::channel();
    let (go_on, waits) = mpsc::channel();
    let endpoint = Waiting { said, go_on: Mutex::new(waits) };
    let server = Server::builder().listen("127.0.0.1:0".parse().unwrap()).reactors(1);
    let running = server.endpoint("/x", endpoint).compression(Compression::default()).start().unwrap();
    let ListenAddr::Tcp(addr) = running.addrs()[0].clone() else { unreachable!() };
    let [a, b] = [(); 2].map(|()| {
        let stream = TcpStream::connect(addr).unwrap();
        assert_eq!(upgrade(&stream, DEFLATE).status, 101);
        stream
    });
    // Fifty megabytes that are read at a time.
    (&a).write_all(&compressed(0xc1, &[b' '; LONG]).repeat(50)).unwrap();
    assert_eq!(what.recv_timeout(PATIENCE), Ok(LONG));
    (&b).write_all(&compressed(0xc1, b"short")).unwrap();
    drop(go_on);
    let order: Vec<usize> = (0..50).map(|_| what.recv_timeout(PATIENCE).unwrap()).collect();
    let place = order.iter().position(|len| *len == 5).expect("the short one is among them");
    assert!(place < 5, "{place} messages of the other went first");
    drop((a, b));
    running.stop();
    running.join().unwrap();
}
