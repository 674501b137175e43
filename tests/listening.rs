//! What a program is told besides events of clients: what is sent, rooms, transports, and what one server asks of
//! another.

mod embedded;
mod support;

use embedded::Embedded;
use fanfare::socketio::{Args, Binary, ConnectError, Error, Namespace, Parser, RoomEvent, SocketIo};
use fanfare::{EngineOptions, Server};
use std::net::TcpStream;
use std::sync::{Mutex, mpsc};
use support::{PATIENCE, Received, Ws};

const EIO3: &str = "/socket.io/?EIO=3";
const EIO4: &str = "/socket.io/?EIO=4";

fn serve(reactors: usize, namespaces: Vec<Namespace>) -> Embedded {
    let socketio = SocketIo::new(EngineOptions::at("/socket.io/"));
    let socketio = namespaces.into_iter().fold(socketio, SocketIo::namespace);
    Embedded::with_reactors(Server::builder().socketio(socketio), reactors)
}

/// Enters a namespace; the socket's id.
fn enter(ws: &mut Ws<TcpStream>, namespace: &str) -> String {
    let prefix = if namespace == "/" { String::new() } else { format!("{namespace},") };
    ws.send(&format!("40{prefix}"));
    entered(ws, namespace)
}

fn entered(ws: &mut Ws<TcpStream>, namespace: &str) -> String {
    let prefix = if namespace == "/" { String::new() } else { format!("{namespace},") };
    let answer = ws.text();
    let data = answer.strip_prefix(&format!("40{prefix}")).unwrap_or_else(|| panic!("{answer}"));
    embedded::sid_of(data)
}

/// A client in the main namespace, and its id.
fn join(server: &Embedded) -> (Ws<TcpStream>, String) {
    let mut ws = server.websocket(EIO4, "");
    let id = enter(&mut ws, "/");
    (ws, id)
}

/// Clients in the main namespace, one on each of two reactors, which answer `where` with their number.
fn one_on_each(server: &Embedded) -> [(Ws<TcpStream>, String); 2] {
    let mut found: [Option<(Ws<TcpStream>, String)>; 2] = [None, None];
    // The kernel chooses the reactor.
    for _ in 0..200 {
        let (mut ws, id) = join(server);
        let answer = ask(&mut ws, r#"["where"]"#);
        let reactor: [usize; 1] = serde_json::from_str(&answer).unwrap();
        found[reactor[0]].get_or_insert((ws, id));
        if let [Some(_), Some(_)] = &found {
            return found.map(Option::unwrap);
        }
    }
    panic!("one reactor gets no connection");
}

fn with_where(namespace: Namespace) -> Namespace {
    namespace.on("where", |socket, event| {
        let reactor = socket.context().reactor();
        event.ack(socket, reactor)
    })
}

/// What is left when an event is answered.
fn ask(ws: &mut Ws<TcpStream>, event: &str) -> String {
    ws.send(&format!("427{event}"));
    let answer = ws.text();
    answer.strip_prefix("437").unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// Where handlers tell the test something.
fn telling<T: Send + 'static>() -> (impl Fn(T) + Clone + Send + Sync + 'static, impl Fn() -> T) {
    let (sender, told) = mpsc::channel();
    let sender = std::sync::Arc::new(Mutex::new(sender));
    // The test may be over.
    let tell = move |value| drop(sender.lock().unwrap().send(value));
    (tell, move || told.recv_timeout(PATIENCE).expect("something is told"))
}

/// So many of what is told, in some order.
fn sorted<T: Ord>(told: &impl Fn() -> T, count: usize) -> Vec<T> {
    let mut all: Vec<T> = (0..count).map(|_| told()).collect();
    all.sort();
    all
}

#[test]
fn what_is_sent_is_told_for_each_recipient_where_it_lives() {
    let (tell, told) = telling();
    let root = Namespace::new("/")
        .on_any_outgoing(move |socket, event| {
            let what = format!("{}{}", event.name(), event.args().json());
            tell((socket.id().to_string(), socket.context().reactor(), what));
        })
        .prepend_any_outgoing(|socket, event| {
            // A handler that sends is not told of that, here or elsewhere: it would never end.
            if event.args().json() == "9" {
                socket.broadcast().emit("again", 9)?;
            }
            socket.emit("before", event.name())
        })
        .on("own", |socket, _| socket.emit("one", 1))
        .on("volatile", |socket, _| socket.volatile().emit("two", (2, "x")))
        .on("ask", |socket, _| socket.emit_with_ack("three", (), |_, _| ()))
        .on("all", |socket, _| socket.context().namespace("/").emit("four", "a"))
        .on("others", |socket, _| socket.broadcast().emit("five", 9));
    let server = serve(2, vec![with_where(root)]);
    let [(mut a, a_id), (mut b, b_id)] = one_on_each(&server);

    for (event, sent, what) in [
        ("own", r#"42["one",1]"#, "one1"),
        ("volatile", r#"42["two",2,"x"]"#, "two2,\"x\""),
        ("ask", r#"420["three"]"#, "three"),
    ] {
        a.send(&format!("42[\"{event}\"]"));
        assert_eq!(told(), (a_id.clone(), 0, what.to_owned()));
        assert_eq!(a.text(), format!("42[\"before\",\"{}\"]", what.split(['1', '2']).next().unwrap()));
        let answer = a.text();
        // The id of an acknowledgement is any.
        assert_eq!(answer.replace("422[", "420["), sent.replace("422[", "420["), "{answer}");
    }

    a.send(r#"42["all"]"#);
    let what = "four\"a\"".to_owned();
    let mut both = vec![(a_id.clone(), 0, what.clone()), (b_id.clone(), 1, what)];
    both.sort();
    assert_eq!(sorted(&told, 2), both);
    for ws in [&mut a, &mut b] {
        assert_eq!(ws.text(), r#"42["before","four"]"#);
        assert_eq!(ws.text(), r#"42["four","a"]"#);
    }

    a.send(r#"42["others"]"#);
    assert_eq!(told(), (b_id, 1, "five9".to_owned()));
    assert_eq!(a.text(), r#"42["again",9]"#);
    assert_eq!(b.text(), r#"42["before","five"]"#);
    assert_eq!(b.text(), r#"42["five",9]"#);
    // Nothing of what those handlers sent was told.
    a.send(r#"42["own"]"#);
    assert_eq!(told(), (a_id, 0, "one1".to_owned()));
}

#[test]
fn what_is_sent_is_told_to_its_own_namespace_in_any_encoding() {
    let (tell, told) = telling();
    let root = Namespace::new("/").on("go", |socket, _| {
        socket.context().namespace("/packed").emit("e", (Binary::from(vec![1, 2]), "ü"))?;
        socket.context().namespace("/plain").emit("e", (Binary::from(vec![3]), 7))?;
        socket.context().namespace("/silent").emit("e", 1)
    });
    let listen = |namespace: Namespace| {
        let tell = tell.clone();
        namespace.on_any_outgoing(move |socket, event| {
            let (bytes, rest): (Binary, serde_json::Value) = event.parse()?;
            tell((socket.namespace().to_owned(), bytes.to_vec(), rest.to_string()));
            Ok(())
        })
    };
    let packed = listen(Namespace::new("/packed").parser(Parser::MessagePack));
    let plain = listen(Namespace::new("/plain"));
    let server = serve(1, vec![root, packed, plain, Namespace::new("/silent")]);
    let (mut ws, _) = join(&server);
    enter(&mut ws, "/plain");
    enter(&mut ws, "/silent");
    // {"type":0,"nsp":"/packed"}
    ws.send_frame(fanfare::wire::frame::Opcode::Binary, b"\x82\xa4type\x00\xa3nsp\xa7/packed");
    assert!(matches!(ws.recv(), Received::Binary(_)));
    ws.send(r#"42["go"]"#);
    assert_eq!(told(), ("/packed".to_owned(), vec![1, 2], "\"ü\"".to_owned()));
    assert_eq!(told(), ("/plain".to_owned(), vec![3], "7".to_owned()));
}

#[test]
fn a_listener_to_what_is_sent_that_panics_ends_the_recipient() {
    let root = Namespace::new("/")
        .on_any_outgoing(|_, event| assert_ne!(event.name(), "bad", "told to"))
        .on("go", |socket, _| socket.context().namespace("/").emit("bad", ()))
        .on("fine", |socket, _| socket.emit("good", ()));
    let mut server = serve(1, vec![root]);
    let (mut a, _) = join(&server);
    a.send(r#"42["go"]"#);
    assert_eq!(a.text(), r#"42["bad"]"#);
    assert_eq!(a.text(), "41");
    // What it listens to is listened to again.
    enter(&mut a, "/");
    a.send(r#"42["fine"]"#);
    assert_eq!(a.text(), r#"42["good"]"#);
    a.send(r#"42["go"]"#);
    assert_eq!((a.text(), a.text()), (r#"42["bad"]"#.to_owned(), "41".to_owned()));
    // A client of 2.x.
    let mut old = server.websocket(EIO3, "");
    assert_eq!(old.text(), "40");
    old.send(r#"42["go"]"#);
    assert_eq!((old.text(), old.text()), (r#"42["bad"]"#.to_owned(), "41".to_owned()));
    server.panics = 3;
}

/// Tells what happens to rooms, as text.
fn told_of_rooms(namespace: Namespace, tell: impl Fn(String) + Send + Sync + 'static) -> Namespace {
    namespace.on_room(move |_, event| {
        tell(match event {
            RoomEvent::Created { room } => format!("+{room}"),
            RoomEvent::Joined { room, id } => format!("{id} in {room}"),
            RoomEvent::Left { room, id } => format!("{id} out of {room}"),
            RoomEvent::Deleted { room } => format!("-{room}"),
        });
    })
}

#[test]
fn rooms_are_told_in_the_order_of_what_happens_by_every_way_in_and_out() {
    let (tell, told) = telling();
    let (own, handlers) = (tell.clone(), tell.clone());
    let root = Namespace::new("/")
        .middleware(|socket, connecting| {
            socket.join("lobby").map_err(|error| ConnectError::new(error.to_string()))?;
            if connecting.query("no").is_some() { Err(ConnectError::new("no")) } else { Ok(()) }
        })
        .on_connect(move |_, _| own("connected".to_owned()))
        .on_disconnect(move |_, _| handlers("disconnected".to_owned()))
        .on("join", |socket, event| {
            let rooms: Vec<String> = event.parse()?;
            socket.join(rooms)?;
            Ok(())
        })
        .on("leave", |socket, event| drop(event.parse::<String>().map(|room| socket.leave(room))))
        .on("leave all", |socket, _| socket.leave_all())
        .on("claim", |socket, event| Ok(socket.claim(&event.parse::<String>()?)?))
        .on("all join", |socket, _| socket.context().namespace("/").sockets_join("j"))
        .on("all leave", |socket, _| socket.context().namespace("/").sockets_leave(["j", "r", "lobby"]))
        .on("other", |socket, _| socket.context().namespace("/other").sockets_join("r"));
    let other = Namespace::new("/other").on_connect(|socket, _| {
        socket.join("r")?;
        Ok(())
    });
    let server = serve(1, vec![told_of_rooms(root, tell), other]);
    let expect = |expected: &[String]| {
        let found: Vec<String> = expected.iter().map(|_| told()).collect();
        assert_eq!(found, expected);
    };

    let mut no = server.websocket(&format!("{EIO4}&no=1"), "");
    no.send("40");
    assert_eq!(no.text(), r#"44{"message":"no"}"#);
    // Its id is told to nobody else.
    let first = told();
    assert_eq!(first, "+lobby");
    let (came, went) = (told(), told());
    assert_eq!(came.split_once(" in ").unwrap().0, went.split_once(" out of ").unwrap().0);
    assert_eq!(told(), "-lobby");

    let (mut a, x) = join(&server);
    let lines = |lines: &[&str], id: &str| -> Vec<String> {
        lines.iter().map(|line| line.replace('$', id)).collect()
    };
    expect(&lines(&["+lobby", "$ in lobby", "+$", "$ in $", "connected"], &x));
    enter(&mut a, "/other");
    a.send(r#"42["join",["r","s","r"]]"#);
    expect(&lines(&["+r", "$ in r", "+s", "$ in s"], &x));
    a.send(r#"42["join",["s"]]"#);
    a.send(r#"42["other"]"#);
    a.send(r#"42["leave","s"]"#);
    expect(&lines(&["$ out of s", "-s"], &x));
    a.send(r#"42["leave","s"]"#);
    a.send(r#"42["claim","u"]"#);
    expect(&lines(&["+u", "$ in u"], &x));
    a.send(r#"42["claim","u"]"#);

    // A client of 2.x, whose id is that of its session.
    let target = server.polling(EIO3);
    let y = target.rsplit('=').next().unwrap().to_owned();
    assert!(server.poll(&target).ends_with("2:40"));
    expect(&lines(&["$ in lobby", "+$", "$ in $", "connected"], &y));
    server.post(&target, r#"15:42["claim","u"]"#);
    expect(&[format!("{x} out of u"), format!("{y} in u")]);
    a.send(r#"42["all join"]"#);
    let mut both = [told(), told(), told()];
    both.sort();
    let mut expected = ["+j".to_owned(), format!("{x} in j"), format!("{y} in j")];
    expected.sort();
    assert_eq!(both, expected);
    a.send(r#"42["leave all"]"#);
    expect(&lines(&["$ out of lobby", "$ out of r", "-r", "$ out of j"], &x));

    server.post(&target, "1:1");
    expect(&lines(
        &["$ out of $", "-$", "$ out of lobby", "-lobby", "$ out of u", "-u", "$ out of j", "-j"],
        &y,
    ));
    expect(&["disconnected".to_owned()]);
    a.send("41");
    expect(&lines(&["$ out of $", "-$", "disconnected"], &x));
}

#[test]
fn a_room_is_created_and_deleted_once_on_the_whole_server() {
    let (tell, told) = telling();
    let root = Namespace::new("/")
        .on("join", |socket, event| {
            socket.join(event.parse::<String>()?)?;
            Ok(())
        })
        .on("claim", |socket, event| Ok(socket.claim(&event.parse::<String>()?)?))
        .on("leave", |socket, event| drop(event.parse::<String>().map(|room| socket.leave(room))));
    let root = root.on_room(move |cx, event| {
        let what = match event {
            RoomEvent::Created { .. } => "+",
            RoomEvent::Joined { .. } => "in",
            RoomEvent::Left { .. } => "out",
            RoomEvent::Deleted { .. } => "-",
        };
        if event.room().len() < 20 {
            tell(format!("{}{what}{}", cx.reactor(), event.room()));
        }
        // What a handler does is told after.
        if *event == (RoomEvent::Created { room: "cause" }) {
            cx.namespace("/").sockets_join("effect");
        }
    });
    let server = serve(2, vec![with_where(root)]);
    let [(mut a, _), (mut b, _)] = one_on_each(&server);
    let expect = |expected: &[&str]| {
        let found: Vec<String> = expected.iter().map(|_| told()).collect();
        assert_eq!(found, expected);
    };
    a.send(r#"42["join","r"]"#);
    expect(&["0+r", "0inr"]);
    b.send(r#"42["join","r"]"#);
    expect(&["1inr"]);
    a.send(r#"42["leave","r"]"#);
    expect(&["0outr"]);
    a.send(r#"42["claim","r"]"#);
    assert_eq!(sorted(&told, 2), ["0inr", "1outr"]);
    a.send(r#"42["leave","r"]"#);
    expect(&["0outr", "0-r"]);

    b.send(r#"42["join","cause"]"#);
    let mut all = sorted(&told, 5);
    all.retain(|line| line != "0+effect" && line != "1+effect");
    assert_eq!(all, ["0ineffect", "1+cause", "1incause", "1ineffect"]);
}

#[test]
fn what_is_emitted_to_other_servers_finds_none_yet() {
    let (tell, told) = telling();
    let asked = tell.clone();
    let root = Namespace::new("/")
        .on("ask", move |socket, _| {
            let tell = asked.clone();
            let cx = socket.context();
            cx.server_side_emit("/", "e", (1, "x"))?;
            cx.server_side_emit_with_ack("/", "e", (), move |_, answers| {
                tell(format!("{} answers", answers.len()))
            })
        })
        .on_server_side("e", |_, _| -> Result<(), Error> { Err(Error::other("it is not for this server")) });
    let server = serve(2, vec![root]);
    let (mut ws, _) = join(&server);
    ws.send(r#"42["ask"]"#);
    assert_eq!(told(), "0 answers");
    let handle = server.handle();
    handle.server_side_emit("/", "e", ()).unwrap();
    let done = tell.clone();
    let ask = |event: &str, args: serde_json::Value| {
        let done = done.clone();
        handle.server_side_emit_with_ack("/", event, args, move |_, answers| done(format!("{answers:?}")))
    };
    ask("e", serde_json::json!({"a": 1})).unwrap();
    assert_eq!(told(), "[]");
    for event in ["connect", "connection", "new_namespace"] {
        assert!(matches!(ask(event, ().into()), Err(Error::ReservedEvent(name)) if name == event));
        assert!(matches!(handle.server_side_emit("/", event, ()), Err(Error::ReservedEvent(_))));
    }
}

#[test]
fn what_another_server_emits_is_told_to_its_namespace_once() {
    let (tell, told) = telling();
    let (answered, nothing) = (tell.clone(), tell.clone());
    let chat = Namespace::new("/chat")
        .on_server_side("sum", |cx, event| {
            let (a, b): (u32, u32) = event.parse()?;
            event.ack(cx, a + b)?;
            // Once.
            event.ack(cx, "again")
        })
        .on_server_side("sum", move |cx, event| {
            tell(format!("{} {} on {}", event.name(), event.args().json(), cx.reactor()));
        })
        .on_server_side("bad", |_, _| assert!(std::hint::black_box(false), "told to"));
    let other = Namespace::new("/other").on_server_side("sum", move |_, _| nothing("other".to_owned()));
    let mut server = serve(1, vec![chat, other]);
    server.handle().run(move |cx| {
        let ack = Box::new(move |_: &mut fanfare::Context<'_>, args: Args| {
            answered(args.as_ref().json().to_owned())
        });
        cx.server_side("/chat", "sum", (1, 2), Some(ack)).unwrap();
        cx.server_side("/chat", "sum", "no number", None).unwrap();
        cx.server_side("/chat", "unheard", (), None).unwrap();
        cx.server_side("/nowhere", "sum", (), None).unwrap();
        cx.server_side("/chat", "bad", (), None).unwrap();
        cx.server_side("/chat", "sum", (4, 5), None).unwrap();
    });
    for line in ["3", "sum 1,2 on 0", "sum \"no number\" on 0", "sum 4,5 on 0"] {
        assert_eq!(told(), line);
    }
    server.panics = 1;
}

#[test]
fn a_dynamic_namespace_is_listened_to_by_its_name() {
    let (tell, told) = telling();
    let (rooms, sent) = (tell.clone(), tell.clone());
    let tenants = Namespace::matching("^/tenant-[ab]$").unwrap();
    let tenants = told_of_rooms(tenants, rooms)
        .middleware_later(|socket, _, decision| {
            let handle = socket.context().handle();
            std::thread::spawn(move || {
                decision.allow_with(&handle, |socket| assert_eq!(socket.join("r"), Ok(true)))
            });
        })
        .on_any_outgoing(move |socket, event| sent(format!("{} {}", socket.namespace(), event.name())))
        .on("go", |socket, _| socket.broadcast().emit("all", ()))
        .on("ask", |socket, _| socket.everybody().emit_with_ack("why", (), |_, _| ()));
    let server = serve(1, vec![tenants, Namespace::new("/tenant-b").on("go", |_, _| ())]);
    let mut sockets = Vec::new();
    for number in 0..2 {
        let mut ws = server.websocket(EIO4, "");
        let id = enter(&mut ws, "/tenant-a");
        let lines = [
            (number == 0).then(|| "+r".to_owned()),
            Some(format!("{id} in r")),
            Some(format!("+{id}")),
            Some(format!("{id} in {id}")),
        ];
        for line in lines.into_iter().flatten() {
            assert_eq!(told(), line);
        }
        enter(&mut ws, "/tenant-b");
        sockets.push((ws, id));
    }
    let (mut b, b_id) = sockets.pop().unwrap();
    let (mut a, a_id) = sockets.pop().unwrap();
    // Who has that name by itself has no listener.
    a.send(r#"42/tenant-b,["go"]"#);
    a.send(r#"42/tenant-a,["go"]"#);
    assert_eq!(told(), "/tenant-a all");
    assert_eq!(b.text(), r#"42/tenant-a,["all"]"#);
    // A question to many is an event like others.
    a.send(r#"42/tenant-a,["ask"]"#);
    assert_eq!([told(), told()], ["/tenant-a why", "/tenant-a why"]);
    for ws in [&mut a, &mut b] {
        assert!(ws.text().ends_with(r#"["why"]"#));
    }
    a.send("41/tenant-a,");
    for line in [format!("{a_id} out of {a_id}"), format!("-{a_id}"), format!("{a_id} out of r")] {
        assert_eq!(told(), line);
    }
    drop(b);
    for line in
        [format!("{b_id} out of {b_id}"), format!("-{b_id}"), format!("{b_id} out of r"), "-r".to_owned()]
    {
        assert_eq!(told(), line);
    }
}
