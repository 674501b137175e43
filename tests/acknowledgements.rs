//! Acknowledgements that a server asks for, of clients that do not give them.

mod support;

use fanfare::socketio::{EngineOptions, Namespace, NoAck, SocketIo};
use fanfare::{ListenAddr, Server};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use support::{PATIENCE, Ws};

/// As many as a client may owe.
const MOST: usize = 16_384;

#[test]
fn a_client_that_reads_everything_and_acknowledges_nothing_is_closed() {
    let (sender, closed) = mpsc::channel();
    let forgiven = Arc::new(AtomicUsize::new(0));
    let counted = forgiven.clone();
    let main = Namespace::new("/")
        .on("ask", move |socket, event| {
            let count: usize = event.parse().unwrap();
            for _ in 0..count {
                let counted = counted.clone();
                let ask = socket.timeout(Duration::from_secs(1_000));
                let asked = ask.emit_with_ack("q", (), move |socket, answer| {
                    assert!(
                        answer.is_ok() || answer.err() == Some(NoAck::Disconnected) && !socket.is_connected()
                    );
                    counted.fetch_add(1, Ordering::Relaxed);
                });
                asked.unwrap();
            }
        })
        .on_disconnect(move |_, reason| sender.send(reason.to_string()).unwrap());
    let socketio = SocketIo::new(EngineOptions::at("/socket.io/")).namespace(main);
    let server = Server::builder().listen("127.0.0.1:0".parse().unwrap()).reactors(1).socketio(socketio);
    let running = server.start().unwrap();
    let ListenAddr::Tcp(addr) = running.addrs()[0].clone() else { unreachable!() };
    let target = "/socket.io/?EIO=4&transport=websocket";
    let mut client = Ws::open(TcpStream::connect(addr).unwrap(), target, "").ok().unwrap();
    client.text();
    client.send("40");
    client.text();

    client.send(&format!(r#"42["ask",{MOST}]"#));
    let ids: Vec<String> = (0..MOST)
        .map(|_| client.text().strip_prefix("42").unwrap().strip_suffix(r#"["q"]"#).unwrap().to_owned())
        .collect();
    assert_eq!(forgiven.load(Ordering::Relaxed), 0);
    // Two are given, and two more may be asked for.
    for id in [&ids[7], &ids[0]] {
        client.send(&format!("43{id}[]"));
    }
    client.send(r#"42["ask",2]"#);
    assert!(client.text().ends_with(r#"["q"]"#) && client.text().ends_with(r#"["q"]"#));
    assert_eq!(forgiven.load(Ordering::Relaxed), 2);
    client.send(r#"42["ask",1]"#);
    client.text();
    assert_eq!(client.closed().0, 1005);
    assert_eq!(closed.recv_timeout(PATIENCE).unwrap(), "forced close");
    running.stop();
    let stats = running.stats().clone();
    running.join().unwrap();
    assert_eq!(stats.sum(|reactor| reactor.panics()), 0);
    assert_eq!(forgiven.load(Ordering::Relaxed), MOST + 3);
}
