//! Middlewares that decide later: by a callback, from another thread, never, or too late.

mod embedded;
mod support;

use embedded::{Embedded, sid_of};
use fanfare::socketio::{ConnectError, Decision, Namespace, SocketIo};
use fanfare::{EngineOptions, Handle, Server};
use std::collections::HashMap;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, mpsc};
use support::{PATIENCE, Received, Ws};

const EIO3: &str = "/socket.io/?EIO=3";
const EIO4: &str = "/socket.io/?EIO=4";

fn serve(reactors: usize, set: impl FnOnce(SocketIo) -> SocketIo) -> Embedded {
    let socketio = SocketIo::new(EngineOptions::at("/socket.io/"));
    Embedded::with_reactors(Server::builder().socketio(set(socketio)), reactors)
}

/// A namespace whose decisions are handed to the test.
fn handing_out(namespace: Namespace) -> (Namespace, impl Fn() -> Decision) {
    let (sender, handed) = mpsc::channel();
    let sender = Mutex::new(sender);
    let namespace = namespace.middleware_later(move |_, _, decision| {
        // The test may be over.
        drop(sender.lock().unwrap().send(decision));
    });
    (namespace, move || handed.recv_timeout(PATIENCE).expect("a decision to make"))
}

/// Whether the server goes on with a client, and sends it nothing before that.
fn echoes(ws: &mut Ws<TcpStream>) {
    ws.send(r#"42/open,1["echo","x"]"#);
    assert_eq!(ws.text(), r#"43/open,1["x"]"#);
}

fn open() -> Namespace {
    Namespace::new("/open").on("echo", |socket, event| event.ack(socket, event.args()))
}

fn enter_open(ws: &mut Ws<TcpStream>) {
    ws.send("40/open,");
    assert!(ws.text().starts_with("40/open,{"));
}

#[test]
fn other_threads_decide_between_middlewares_that_decide_at_once() {
    let users: HashMap<&str, u32> = HashMap::from([("a", 1), ("b", 2)]);
    let users = Arc::new(users);
    let main = Namespace::new("/")
        .middleware(|socket, _| {
            socket.set(Vec::<String>::from(["first".to_owned()]));
            Ok(())
        })
        .middleware_later(move |socket, connecting, decision| {
            let name: Option<String> =
                connecting.parse_auth::<HashMap<String, String>>().unwrap().remove("name");
            let (handle, users) = (socket.context().handle(), users.clone());
            std::thread::spawn(move || match name.and_then(|name| users.get(&*name).copied()) {
                Some(user) => decision.allow_with(&handle, move |socket| {
                    socket.get_mut::<Vec<String>>().unwrap().push(format!("later {user}"));
                }),
                None => decision.refuse(&handle, ConnectError::new("who are you?").data(&7)),
            });
        })
        // By the reactor itself, at once and in a later turn.
        .middleware_later(|socket, _, decision| decision.allow(socket.context()))
        .middleware_later(|socket, connecting, decision| {
            assert_eq!(connecting.handshake().header("x-a"), Some(b"1".as_slice()));
            socket.context().later(move |cx| decision.allow(cx));
        })
        .middleware(|socket, connecting| {
            assert_eq!(connecting.query("q").as_deref(), Some("1"));
            socket.get_mut::<Vec<String>>().unwrap().push(connecting.auth().to_owned());
            Ok(())
        })
        .on_connect(|socket, connecting| {
            assert_eq!(connecting.handshake().header("x-a"), Some(b"1".as_slice()));
            let all = socket.get::<Vec<String>>().unwrap().clone();
            socket.emit("all", (all, connecting.auth()))
        });
    let server = serve(2, |socketio| socketio.namespace(main));
    for (auth, user) in [(r#"{"name":"a"}"#, 1), (r#"{"name":"b"}"#, 2)] {
        let (reply, mut ws) = server.upgrade(&format!("{EIO4}&transport=websocket&q=1"), "X-A: 1\r\n");
        assert_eq!(reply.status, 101);
        sid_of(&ws.text());
        ws.send(&format!("40{auth}"));
        assert!(ws.text().starts_with("40{\"sid\""));
        let auth = serde_json::to_string(auth).unwrap();
        assert_eq!(ws.text(), format!(r#"42["all",["first","later {user}",{auth}],{auth}]"#));
    }
    let mut ws = server.websocket(EIO4, "");
    ws.send(r#"40{"name":"c"}"#);
    assert_eq!(ws.text(), r#"44{"message":"who are you?","data":7}"#);
}

#[test]
fn who_waits_is_not_in_the_namespace() {
    let (main, next) = handing_out(Namespace::new("/"));
    let main = main
        .middleware(|socket, _| {
            socket.join("r").map(drop).map_err(|error| ConnectError::new(error.to_string()))
        })
        .on_connect(|socket, _| drop(socket.set(String::from("connected"))))
        .on_disconnect(|socket, _| assert!(socket.get::<String>().is_some(), "it never connected"));
    let server = serve(1, |socketio| socketio.namespace(main).namespace(open()));
    let handle = server.handle();

    // It hears nothing, and may be in others meanwhile.
    let mut ws = server.websocket(EIO4, "");
    ws.send("40");
    let decision = next();
    enter_open(&mut ws);
    handle.namespace("/").emit("news", ()).unwrap();
    handle.namespace("/").to("r").emit("news", ()).unwrap();
    handle.namespace("/").disconnect_sockets(false);
    echoes(&mut ws);
    decision.refuse(&handle, ConnectError::new("no"));
    assert_eq!(ws.text(), r#"44{"message":"no"}"#);

    // A decision that is dropped refuses.
    ws.send("40");
    drop(next());
    assert_eq!(ws.text(), r#"44{"message":"internal error"}"#);

    // Whoever speaks to it breaks the protocol; what is decided then is for nobody.
    for packet in [r#"42["e"]"#, "41", "430[]"] {
        let mut ws = server.websocket(EIO4, "");
        ws.send("40");
        let decision = next();
        ws.send(packet);
        assert_eq!(ws.recv(), Received::Close(1005, String::new()), "{packet}");
        decision.allow(&handle);
    }
    // Clients of 2.x are passed over.
    let mut old = server.websocket(EIO3, "");
    let decision = next();
    for packet in [r#"42["e"]"#, "40", "41"] {
        old.send(packet);
    }
    drop(decision);
    assert_eq!(old.text(), r#"44"internal error""#);
    // So is who is gone.
    let mut gone = server.websocket(EIO4, "");
    gone.send("40");
    let decision = next();
    drop(gone);
    decision.allow_with(&handle, |_| ());
    echoes(&mut ws);
}

#[test]
fn who_asks_again_while_it_waits_is_asked_about_once() {
    let (main, next) = handing_out(Namespace::new("/"));
    let (held, asked) = handing_out(Namespace::new("/held"));
    let server = serve(1, |socketio| socketio.namespace(main).namespace(held).namespace(open()));
    let handle = server.handle();
    let mut ws = server.websocket(EIO4, "");
    for packet in ["40", "40", "40/held,{}", r#"40{"other":1}"#, "40/held,"] {
        ws.send(packet);
    }
    let (main, held) = (next(), asked());
    enter_open(&mut ws);
    main.allow(&handle);
    assert!(ws.text().starts_with("40{"));
    held.refuse(&handle, ConnectError::new("no"));
    assert_eq!(ws.text(), r#"44/held,{"message":"no"}"#);
    echoes(&mut ws);
    // Whoever was refused may ask again.
    ws.send("40/held,");
    asked().allow(&handle);
    assert!(ws.text().starts_with("40/held,{"));
    // Who is in is in, and breaks the protocol.
    ws.send("40");
    assert_eq!(ws.recv(), Received::Close(1005, String::new()));
}

#[test]
fn who_is_decided_on_at_once_does_not_wait() {
    let main = Namespace::new("/").middleware_later(|socket, connecting, decision| {
        match connecting.query("by").as_deref() {
            Some("refusal") => decision.refuse(socket.context(), ConnectError::new("no")),
            Some("panic") => {
                decision.allow(socket.context());
                assert!(std::hint::black_box(false), "told to");
            }
            Some("handle") => {
                let handle = socket.context().handle();
                decision.allow(&handle);
            }
            _ => decision.allow_with(socket.context(), |socket| {
                socket.set(1u32);
            }),
        }
    });
    let main = main.on("kept", |socket, event| {
        let kept = socket.get::<u32>().copied();
        event.ack(socket, kept)
    });
    let mut server = serve(1, |socketio| socketio.namespace(main).namespace(open()));
    let connect = |by: &str| {
        let mut ws = server.websocket(&format!("{EIO4}&by={by}"), "");
        enter_open(&mut ws);
        // Whatever comes behind finds it connected, or not.
        ws.send("40");
        ws
    };
    let mut ws = connect("context");
    ws.send(r#"420["kept"]"#);
    assert!(ws.text().starts_with("40{"));
    assert_eq!(ws.text(), "430[1]");
    for (by, message) in [("refusal", "no"), ("panic", "internal error")] {
        let mut ws = connect(by);
        assert_eq!(ws.text(), format!(r#"44{{"message":"{message}"}}"#));
        echoes(&mut ws);
    }
    let mut ws = connect("handle");
    assert!(ws.text().starts_with("40{"));
    server.panics = 1;
}

#[test]
fn the_time_to_connect_runs_on() {
    let (main, next) = handing_out(Namespace::new("/"));
    let server = serve(1, |socketio| socketio.connect_timeout_ms(200).namespace(main));
    let mut ws = server.websocket(EIO4, "");
    ws.send("40");
    let decision = next();
    assert_eq!(ws.recv(), Received::Close(1005, String::new()));
    decision.allow(&server.handle());
}

#[test]
fn those_who_wait_count_among_the_namespaces_of_a_session() {
    let held: Arc<Mutex<Vec<Decision>>> = Arc::default();
    let keep = held.clone();
    let waiting = move |name: String| {
        let keep = keep.clone();
        Namespace::new(&name).middleware_later(move |_, _, decision| keep.lock().unwrap().push(decision))
    };
    let server = serve(1, |socketio| {
        (0..65).map(|number| waiting(format!("/{number}"))).fold(socketio, SocketIo::namespace)
    });
    let mut ws = server.websocket(EIO4, "");
    for number in 0..65 {
        ws.send(&format!("40/{number},"));
    }
    assert_eq!(ws.text(), r#"44/64,{"message":"Invalid namespace"}"#);
    let decisions = std::mem::take(&mut *held.lock().unwrap());
    assert_eq!(decisions.len(), 64);
    let handle = server.handle();
    decisions.into_iter().for_each(|decision| decision.allow(&handle));
    for number in 0..64 {
        assert!(ws.text().starts_with(&format!("40/{number},{{")));
    }
}

#[test]
fn a_decision_that_panics_refuses() {
    let main = Namespace::new("/").middleware_later(|socket, connecting, decision| {
        let handle: Handle = socket.context().handle();
        assert!(connecting.query("now").is_none(), "told to");
        match connecting.query("later") {
            None => decision.allow(&handle),
            Some(_) => decision.allow_with(&handle, |_| assert!(std::hint::black_box(false), "told to")),
        }
    });
    let mut server = serve(1, |socketio| socketio.namespace(main));
    for query in ["now", "later"] {
        let mut ws = server.websocket(&format!("{EIO4}&{query}=1"), "");
        ws.send("40");
        assert_eq!(ws.text(), r#"44{"message":"internal error"}"#);
    }
    let mut ws = server.websocket(EIO4, "");
    ws.send("40");
    assert!(ws.text().starts_with("40{"));
    server.panics = 2;
}

#[test]
fn who_waits_can_be_sent_away() {
    let (main, next) = handing_out(Namespace::new("/").middleware(|socket, _| {
        socket.join("waiting").map_err(|error| ConnectError::new(error.to_string())).map(drop)
    }));
    let main = main.on_any_outgoing(|_, event| assert_ne!(event.name(), "panic", "told to"));
    let mut server = serve(1, |socketio| socketio.namespace(main).namespace(open()));
    let handle = server.handle();
    let mut ws = server.websocket(EIO4, "");
    enter_open(&mut ws);
    let sent_away = r#"44{"message":"disconnected"}"#;

    // By whoever disconnects the rooms that it is in.
    ws.send("40");
    let decision = next();
    handle.namespace("/").to("waiting").disconnect_sockets(false);
    assert_eq!(ws.text(), sent_away);
    decision.allow(&handle);
    echoes(&mut ws);

    // By what is done as it is allowed.
    ws.send("40");
    next().allow_with(&handle, |socket| socket.disconnect(false));
    assert_eq!(ws.text(), sent_away);
    echoes(&mut ws);

    // By a listener that panics when something is sent to it.
    ws.send("40");
    let decision = next();
    handle.namespace("/").to("waiting").emit("panic", ()).unwrap();
    assert_eq!([ws.text(), ws.text()], [r#"42["panic"]"#, sent_away]);
    decision.allow(&handle);
    echoes(&mut ws);
    server.panics = 1;
}

#[test]
fn what_clients_gave_is_kept_for_those_who_wait_up_to_one_message() {
    let held: Arc<Mutex<Vec<Decision>>> = Arc::default();
    let keep = held.clone();
    let names = Namespace::matching("^/n").unwrap().middleware_later(move |_, _, decision| {
        keep.lock().unwrap().push(decision);
    });
    let engine = EngineOptions::at("/socket.io/").max_payload_bytes(1_000);
    let socketio = SocketIo::new(engine).namespace(names).namespace(open());
    let server = Embedded::start(Server::builder().socketio(socketio));
    let handle = server.handle();
    let mut ws = server.websocket(EIO4, "");
    let auth = |bytes: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes));
    for (name, bytes) in [("/n1", 500), ("/n2", 400), ("/n3", 100)] {
        ws.send(&format!("40{name},{}", auth(bytes)));
    }
    assert_eq!(ws.text(), r#"44/n3,{"message":"too much is waiting"}"#);
    let decisions = std::mem::take(&mut *held.lock().unwrap());
    assert_eq!(decisions.len(), 2);
    decisions.into_iter().for_each(|decision| decision.allow(&handle));
    assert!(ws.text().starts_with("40/n1,{") && ws.text().starts_with("40/n2,{"));
    // There is place again, and one that waits alone may give what a message has room for.
    ws.send(&format!("40/n4,{}", auth(900)));
    ws.send("40/n5,");
    enter_open(&mut ws);
    let decisions = std::mem::take(&mut *held.lock().unwrap());
    assert_eq!(decisions.len(), 2);
    decisions.into_iter().for_each(|decision| decision.allow(&handle));
    assert!(ws.text().starts_with("40/n4,{") && ws.text().starts_with("40/n5,{"));
}
