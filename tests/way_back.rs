//! The way back to a socket from another thread: in time, too late, and never.

mod embedded;
mod support;

use embedded::{Embedded, sid_of};
use fanfare::socketio::{self, Namespace, SocketIo};
use fanfare::{
    Admission, Endpoint, EngineOptions, Message, Moved, Request, Response, Server, Socket, WayBack,
};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};
use support::{PATIENCE, Received};

const EIO4: &str = "/socket.io/?EIO=4";

/// Hands its sockets' ways back to the test, and says where they are.
struct Endless(Mutex<mpsc::Sender<WayBack>>);

impl Endpoint for Endless {
    fn on_upgrade(&self, _: &Request<'_>) -> Result<Admission, Response> {
        Ok(Admission::to_scope("d"))
    }

    fn on_message(&self, socket: &mut Socket<'_>, message: Message<'_>) {
        match message {
            Message::Text("back") => self.0.lock().unwrap().send(socket.way_back()).unwrap(),
            _ => {
                let reactor = socket.context().reactor();
                socket.send_text(&format!("at {reactor}"));
            }
        }
    }
}

fn endless(reactors: usize) -> (Embedded, mpsc::Receiver<WayBack>) {
    let (sender, handed) = mpsc::channel();
    let builder = Server::builder().endpoint("/", Endless(Mutex::new(sender)));
    (Embedded::with_reactors(builder, reactors), handed)
}

#[test]
fn plain_sockets_are_found_while_they_are_there() {
    let (mut server, handed) = endless(1);
    let handle = server.handle();
    let next = || handed.recv_timeout(PATIENCE).expect("a way back");
    let (_, mut ws) = server.upgrade("/", "");
    ws.send("back");
    next().run(&handle, |socket| {
        assert!(socket.send_text("found"));
    });
    assert_eq!(ws.text(), "found");
    // Several, one of which nobody takes.
    (0..3).for_each(|_| ws.send("back"));
    drop(next());
    for text in ["one", "two"] {
        next().run(&handle, move |socket| drop(socket.set(text.to_owned())));
    }
    ws.send("back");
    next().run(&handle, |socket| {
        let kept = socket.get::<String>().cloned().unwrap();
        socket.send_text(&kept);
    });
    assert_eq!(ws.text(), "two");
    // It has gone, and another one has its place.
    ws.send("back");
    let late = next();
    ws.send_close(1000);
    assert_eq!(ws.closed().0, 1000);
    let (_, mut other) = server.upgrade("/", "");
    late.run(&handle, |_| unreachable!("it is gone"));
    other.send("where");
    assert_eq!(other.text(), "at 0");
    // What panics ends the one that it is for.
    other.send("back");
    next().run(&handle, |_| panic!("told to"));
    assert_eq!(other.closed().0, 1011);
    server.panics = 1;
}

#[test]
fn a_way_back_outlives_the_server() {
    let (server, handed) = endless(1);
    let (_, mut ws) = server.upgrade("/", "");
    (0..2).for_each(|_| ws.send("back"));
    let ways: Vec<WayBack> = (0..2).map(|_| handed.recv_timeout(PATIENCE).unwrap()).collect();
    let handle = server.handle();
    drop(server);
    for way in ways {
        way.run(&handle, |_| unreachable!("it is gone"));
    }
}

#[test]
fn whoever_is_waited_for_does_not_move() {
    const CLIENTS: usize = 300;
    let (server, handed) = endless(2);
    let handle = server.handle();
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| server.upgrade("/", "").1).collect();
    let places: Vec<String> = clients
        .iter_mut()
        .map(|ws| {
            ws.send("where");
            ws.text()
        })
        .collect();
    let home = places[0].clone();
    let (mut here, there): (Vec<_>, Vec<_>) =
        clients.into_iter().zip(places).partition(|(_, at)| *at == home);
    // Every second one here is waited for; then the other reactor is empty.
    let held = here.len() / 2;
    here[..held].iter_mut().for_each(|(ws, _)| ws.send("back"));
    let ways: Vec<WayBack> = (0..held).map(|_| handed.recv_timeout(PATIENCE).unwrap()).collect();
    drop(there);
    let start = Instant::now();
    while handle.stats().sum(|reactor| reactor.moved(Moved::Balanced)) == 0 {
        assert!(start.elapsed() < PATIENCE, "nobody moves");
        std::thread::sleep(Duration::from_millis(10));
    }
    for (ws, _) in &mut here[..held] {
        ws.send("where");
        assert_eq!(ws.text(), home);
    }
    for way in ways {
        way.run(&handle, |socket| {
            socket.send_text("found");
        });
    }
    here[..held].iter_mut().for_each(|(ws, _)| assert_eq!(ws.text(), "found"));
}

#[test]
fn sockets_of_namespaces_are_found_while_they_are_in_them() {
    let (sender, handed) = mpsc::channel::<socketio::WayBack>();
    let sender = Mutex::new(sender);
    let rooms = Namespace::matching("^/n").unwrap().on("back", move |socket, _| {
        // The test may be over.
        drop(sender.lock().unwrap().send(socket.way_back()));
    });
    let rooms = rooms.on("kept", |socket, event| {
        let kept = socket.get::<u32>().copied();
        event.ack(socket, kept)
    });
    let socketio = SocketIo::new(EngineOptions::at("/socket.io/")).namespace(rooms);
    let mut server = Embedded::start(Server::builder().socketio(socketio));
    let handle = server.handle();
    let next = || handed.recv_timeout(PATIENCE).expect("a way back");
    let (reply, mut ws) = server.upgrade(&format!("{EIO4}&transport=websocket"), "");
    assert_eq!(reply.status, 101);
    sid_of(&ws.text());
    for name in ["/n1", "/n2"] {
        ws.send(&format!("40{name},"));
        assert!(ws.text().starts_with(&format!("40{name},{{")));
    }
    ws.send(r#"42/n1,["back"]"#);
    next().run(&handle, |socket| {
        assert_eq!(socket.namespace(), "/n1");
        socket.set(1u32);
        socket.emit("found", ()).unwrap();
    });
    assert_eq!(ws.text(), r#"42/n1,["found"]"#);
    ws.send(r#"42/n1,0["kept"]"#);
    assert_eq!(ws.text(), "43/n1,0[1]");
    ws.send(r#"42/n2,0["kept"]"#);
    assert_eq!(ws.text(), "43/n2,0[null]");
    // It has left, and is there again: as another one.
    ws.send(r#"42/n1,["back"]"#);
    let late = next();
    ws.send("41/n1,");
    ws.send("40/n1,");
    assert!(ws.text().starts_with("40/n1,{"));
    late.run(&handle, |_| unreachable!("it has left"));
    ws.send(r#"42/n1,1["kept"]"#);
    assert_eq!(ws.text(), "43/n1,1[null]");
    // What panics disconnects the one that it is for.
    ws.send(r#"42/n2,["back"]"#);
    next().run(&handle, |_| panic!("told to"));
    assert_eq!(ws.text(), "41/n2,");
    // Its session may be over.
    ws.send(r#"42/n1,["back"]"#);
    let late = next();
    ws.send_close(1000);
    assert!(matches!(ws.recv(), Received::Close(..)));
    late.run(&handle, |_| unreachable!("it is gone"));
    let (_, mut other) = server.upgrade(&format!("{EIO4}&transport=websocket"), "");
    sid_of(&other.text());
    server.panics = 1;
}
