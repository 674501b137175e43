//! The server from threads that are not its own.

mod embedded;
mod support;

use embedded::Embedded;
use fanfare::socketio::{Ack, Binary, EngineOptions, Error, Namespace, SocketIo};
use fanfare::{Admission, Endpoint, Frame, Message, Request, Responder, Response, Server, Socket, To};
use serde_json::json;
use std::sync::{Arc, Mutex, mpsc};
use support::{PATIENCE, Received};

const EIO4: &str = "/socket.io/?EIO=4";

struct Silent;

impl Endpoint for Silent {
    fn on_upgrade(&self, _: &Request<'_>) -> Result<Admission, Response> {
        Ok(Admission::to_scope("plain").room("#r"))
    }

    fn on_message(&self, _: &mut Socket<'_>, _: Message<'_>) {}
}

fn serve(main: Namespace) -> Embedded {
    let socketio = SocketIo::new(EngineOptions::at("/socket.io/")).namespace(main);
    Embedded::start(Server::builder().socketio(socketio).endpoint("/plain", Silent))
}

#[test]
fn a_thread_emits_and_publishes_in_its_order() {
    let main = Namespace::new("/").on_connect(|socket, connecting| {
        let room = connecting.query("room").unwrap();
        socket.join(&room)?;
        Ok(())
    });
    let server = serve(main);
    let mut clients: Vec<_> =
        ["a", "b", "c"].iter().map(|room| server.websocket(&format!("{EIO4}&room={room}"), "")).collect();
    for ws in &mut clients {
        ws.send("40");
        assert!(ws.text().starts_with("40{"));
    }
    let (_, mut plain) = server.upgrade("/plain", "");
    let handle = server.handle();
    let thread = std::thread::spawn(move || {
        for number in 0..1_000 {
            handle.namespace("/").to(["a", "b"]).emit("n", number).unwrap();
            handle.publish(&To::room("plain", "#r"), &Frame::text(&number.to_string()));
        }
        handle.namespace("/").except("b").emit("end", ("x", Binary::from(vec![1]))).unwrap();
        let refused = handle.namespace("/").emit("disconnect", ());
        assert!(matches!(refused, Err(Error::ReservedEvent(name)) if name == "disconnect"));
        handle.run(|cx| cx.namespace("/").emit("last", ()).unwrap());
    });
    let [a, b, c] = clients.as_mut_slice() else { unreachable!() };
    for number in 0..1_000 {
        let expected = format!("42[\"n\",{number}]");
        assert_eq!([a.text(), b.text()], [expected.clone(), expected]);
        assert_eq!(plain.text(), number.to_string());
    }
    for ws in [a, c] {
        assert_eq!(ws.text(), r#"451-["end","x",{"_placeholder":true,"num":0}]"#);
        assert_eq!(ws.recv(), Received::Binary(vec![1]));
        assert_eq!(ws.text(), r#"42["last"]"#);
    }
    assert_eq!(b.text(), r#"42["last"]"#);
    thread.join().unwrap();
}

#[test]
fn a_thread_acknowledges_what_takes_long() {
    let (work, waiting) = mpsc::channel::<(Ack, u64)>();
    let work = Mutex::new(work);
    let main = Namespace::new("/").on("square", move |_, event| {
        let number: u64 = event.parse()?;
        let ack = event.take_ack().ok_or_else(|| Error::other("nobody wants to know"))?;
        work.lock().unwrap().send((ack, number)).map_err(Error::other)
    });
    let server = serve(main);
    let handle = server.handle();
    let worker = std::thread::spawn(move || {
        for (ack, number) in waiting {
            ack.send(&handle, json!({ "square": number * number })).unwrap();
        }
    });
    let mut ws = server.websocket(EIO4, "");
    ws.send("40");
    ws.text();
    ws.send(r#"421["square",12]"#);
    assert_eq!(ws.text(), r#"431[{"square":144}]"#);
    // Not acknowledged, because it was not understood.
    ws.send(r#"422["square","x"]"#);
    ws.send(r#"423["square",3]"#);
    assert_eq!(ws.text(), r#"433[{"square":9}]"#);
    drop(server);
    worker.join().unwrap();
}

#[test]
fn what_a_handler_returns_is_told_to_whoever_wants_to_know() {
    let (sender, told) = mpsc::channel();
    let sender = Mutex::new(sender);
    let main =
        Namespace::new("/")
            .on_any(|_, event| if event.name() == "early" { Err(Error::other("any")) } else { Ok(()) })
            .packet_middleware(|_, event| {
                if event.name() == "secret" { Err(Error::other("not for you")) } else { Ok(()) }
            })
            .on("number", |_, event| event.parse::<(String, u8)>().map(drop))
            .on("secret", |socket, _| socket.emit("never", ()))
            .on("early", |socket, _| socket.emit("all the same", ()))
            .on("reserved", |socket, _| socket.emit("connect_error", ()))
            .on_error(move |_, event, error| {
                sender.lock().unwrap().send(format!("{event}: {error}")).unwrap();
            });
    let server = serve(main);
    let mut ws = server.websocket(EIO4, "");
    ws.send("40");
    ws.text();
    for event in [r#"["number","a"]"#, r#"["secret"]"#, r#"["early"]"#, r#"["reserved"]"#] {
        ws.send(&format!("42{event}"));
    }
    assert_eq!(ws.text(), r#"42["all the same"]"#);
    for expected in [
        "number: argument 2: it is missing",
        "secret: not for you",
        "early: any",
        "reserved: \"connect_error\" is an event that Socket.IO keeps for itself",
    ] {
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), expected);
    }
}

#[test]
fn a_server_that_has_ended_drops_what_it_is_told() {
    let server = serve(Namespace::new("/"));
    let handle = server.handle();
    let token = Arc::new(());
    // That it was done says that it is dropped, too.
    let (sender, done) = mpsc::channel();
    let held = token.clone();
    handle.run(move |_| {
        drop(held);
        sender.send(()).unwrap();
    });
    done.recv_timeout(PATIENCE).unwrap();
    drop(server);
    for _ in 0..10_000 {
        let held = token.clone();
        handle.run(move |_| panic!("nobody runs it: {held:?}"));
    }
    assert_eq!(Arc::strong_count(&token), 1);
}

#[test]
fn a_server_that_has_ended_asks_nobody() {
    let server = serve(Namespace::new("/"));
    let handle = server.handle();
    drop(server);
    assert!(matches!(handle.namespace("/").emit("e", ()), Err(Error::Stopped)));
    assert!(matches!(handle.namespace("/").ask("e", ()), Err(Error::Stopped)));
}

#[test]
fn a_request_is_answered_from_wherever_the_answer_is_known() {
    const REACTORS: usize = 3;
    let (sender, requests) = mpsc::channel::<(String, Responder)>();
    let sender = Mutex::new(sender);
    let builder = Server::builder().route("GET", "/late/{name}", move |_, _, params, responder| {
        sender.lock().unwrap().send((params.get(0).to_owned(), responder)).unwrap();
    });
    let server = Embedded::with_reactors(builder, REACTORS);
    // They have their homes on all reactors, and connections are spread over them.
    let handles: Vec<_> = (0..REACTORS).map(|_| server.handle()).collect();
    let answerer = std::thread::spawn(move || {
        for round in 0.. {
            let waiting: Vec<_> = requests.iter().take(16).collect();
            if waiting.is_empty() {
                return;
            }
            for (place, (name, responder)) in waiting.into_iter().enumerate() {
                let handle = &handles[(place + round) % REACTORS];
                let response = Response::text(200, name);
                match place % 2 {
                    0 => responder.send(handle, response),
                    _ => handle.run(|cx| responder.send(cx, response)),
                }
            }
        }
    });
    for round in 0..4 {
        std::thread::scope(|scope| {
            for client in 0..16 {
                let (server, name) = (&server, format!("{round}-{client}"));
                scope.spawn(move || {
                    let reply = server.request("GET", &format!("/late/{name}"), "", "");
                    assert_eq!((reply.status, reply.body), (200, name));
                });
            }
        });
    }
    drop(server);
    answerer.join().unwrap();
}

#[test]
fn a_request_that_nobody_will_answer_is_answered() {
    let builder = Server::builder()
        .route("GET", "/here", |_, _, _, responder| drop(responder))
        .route("GET", "/there", |_, _, _, responder| {
            std::thread::spawn(move || drop(responder));
        })
        .route("GET", "/refused", |cx, _, _, responder| {
            let done = move |cx: &mut fanfare::Context<'_>, _| responder.send(cx, Response::empty(204));
            let refused = cx.namespace("/").emit_with_report("disconnect", (), done);
            assert!(matches!(refused, Err(Error::ReservedEvent(_))));
        });
    let server = Embedded::start(builder);
    for path in ["/here", "/there", "/refused"] {
        let reply = server.request("GET", path, "", "");
        let expected = json!({"code": "internal", "message": "the handler of this path did not answer"});
        assert_eq!((reply.status, reply.body), (500, expected.to_string()), "{path}");
    }
}
