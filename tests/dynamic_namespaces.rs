//! Namespaces that stand for many names, by raw clients of a server inside of this program.

mod embedded;
mod support;

use embedded::Embedded;
use fanfare::socketio::{Ack, ConnectError, Connecting, Namespace, NoAck, Parser, Socket, SocketIo};
use fanfare::wire::socketio::msgpack::{decode, encode};
use fanfare::wire::socketio::{NAMESPACE_BYTES, PacketType};
use fanfare::{EngineOptions, Server, StartError};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::net::TcpStream;
use std::sync::{Mutex, mpsc};
use std::time::Duration;
use support::{PATIENCE, Received, Ws};

const EIO3: &str = "/socket.io/?EIO=3";
const EIO4: &str = "/socket.io/?EIO=4";
const INVALID: &str = r#"{"message":"Invalid namespace"}"#;

fn socketio(namespaces: Vec<Namespace>) -> SocketIo {
    let socketio = SocketIo::new(EngineOptions::at("/socket.io/"));
    namespaces.into_iter().fold(socketio, SocketIo::namespace)
}

fn serve(namespaces: Vec<Namespace>) -> Embedded {
    Embedded::start(Server::builder().socketio(socketio(namespaces)))
}

/// `welcome` tells the handlers' mark and the name, `ask` is answered with the name.
fn marked(namespace: Namespace, mark: &'static str) -> Namespace {
    namespace
        .on_connect(move |socket, _| socket.emit("welcome", (mark, socket.namespace())))
        .on("ask", |socket, event| event.ack(socket, socket.namespace()))
}

fn dynamic(mark: &'static str) -> Namespace {
    marked(Namespace::matching(r"^/dynamic-\d+$").unwrap(), mark)
}

/// Asks for a namespace, with an auth or nothing.
fn ask_for(ws: &mut Ws<TcpStream>, name: &str, auth: &str) -> String {
    ws.send(&format!("40{name},{auth}"));
    ws.text()
}

/// Joins a namespace of a [`marked`] one and returns its id there.
fn enter(ws: &mut Ws<TcpStream>, name: &str, auth: &str, mark: &str) -> String {
    let answer = ask_for(ws, name, auth);
    assert!(answer.starts_with(&format!("40{name},{{\"sid\"")), "{answer}");
    assert_eq!(ws.text(), format!(r#"42{name},["welcome","{mark}","{name}"]"#));
    embedded::sid_of(&answer)
}

fn refused(ws: &mut Ws<TcpStream>, name: &str, auth: &str) {
    assert_eq!(ask_for(ws, name, auth), format!("44{name},{INVALID}"));
}

/// Everything that was sent to the client before has arrived.
fn settle(ws: &mut Ws<TcpStream>, name: &str) {
    ws.send(&format!(r#"42{name},9["ask"]"#));
    assert_eq!(ws.text(), format!(r#"43{name},9["{name}"]"#));
}

#[test]
fn a_pattern_stands_for_every_name_that_it_matches() {
    let server = serve(vec![dynamic("d"), marked(Namespace::matching(r"^\/a\-b|middle").unwrap(), "m")]);
    let mut ws = server.websocket(EIO4, "");
    for name in ["/dynamic-1", "/dynamic-22"] {
        enter(&mut ws, name, "", "d");
    }
    for name in ["/a-b", "/a-bc", "/in the middle/of"] {
        enter(&mut ws, name, "", "m");
    }
    for name in
        ["/dynamic-", "/dynamic-x", "/x/dynamic-1", "/Dynamic-1", "/dynamic-1/", "/dynamic-1\n", "/x/a-b"]
    {
        refused(&mut ws, name, "");
    }
    settle(&mut ws, "/dynamic-22");
    // The main namespace is there without a pattern, and without handlers.
    ws.send("40");
    assert!(ws.text().starts_with("40{"));
    settle(&mut ws, "/dynamic-22");
}

#[test]
fn what_is_no_pattern_is_told() {
    for pattern in ["(", r"^/a(?=b)", r"^/(a)\1$", "[z-a]"] {
        let error = Namespace::matching(pattern).expect_err(pattern).to_string();
        assert!(error.starts_with("not a pattern: "), "{error}");
    }
    assert!(Namespace::matching("(?i)^/A$").is_ok());
}

#[test]
fn a_name_of_its_own_comes_before_patterns_and_of_these_the_first_one() {
    let explicit = || marked(Namespace::new("/dynamic-1"), "explicit");
    let wide = || marked(Namespace::matching("^/dyn").unwrap(), "wide");
    for (namespaces, two) in [
        (vec![explicit(), dynamic("d"), wide()], "d"),
        (vec![wide(), dynamic("d"), explicit()], "wide"),
        // It does not take the place of the other one, even if it is the same pattern.
        (vec![dynamic("d"), explicit(), dynamic("e")], "d"),
    ] {
        let server = serve(namespaces);
        let mut ws = server.websocket(EIO4, "");
        enter(&mut ws, "/dynamic-1", "", "explicit");
        enter(&mut ws, "/dynamic-2", "", two);
    }
}

#[derive(Deserialize)]
struct Auth {
    tenant: String,
}

fn own_tenant(name: &str, connecting: &Connecting<'_>) -> bool {
    let auth = connecting.parse_auth::<Auth>();
    auth.is_ok_and(|auth| name.strip_prefix("/tenant-") == Some(auth.tenant.as_str()))
}

#[test]
fn a_function_decides_by_name_and_auth_about_every_socket() {
    let function = marked(Namespace::when(own_tenant), "function");
    let guests = marked(Namespace::matching("^/tenant-open$").unwrap(), "guests");
    let server = serve(vec![function, guests]);
    let (mut a, mut b) = (server.websocket(EIO4, ""), server.websocket(EIO4, ""));
    enter(&mut a, "/tenant-a", r#"{"tenant":"a"}"#, "function");
    // That somebody is in it opens it to nobody else.
    refused(&mut b, "/tenant-a", r#"{"tenant":"b"}"#);
    refused(&mut b, "/tenant-a", "");
    enter(&mut b, "/tenant-b", r#"{"tenant":"b"}"#, "function");
    // Whom the function refuses may get it from the next one: one namespace, whoever handles its sockets.
    enter(&mut a, "/tenant-open", r#"{"tenant":"open"}"#, "function");
    enter(&mut b, "/tenant-open", "", "guests");
    server.handle().namespace("/tenant-open").emit("all", ()).unwrap();
    for ws in [&mut a, &mut b] {
        assert_eq!(ws.text(), r#"42/tenant-open,["all"]"#);
        settle(ws, "/tenant-open");
    }
}

#[test]
fn a_function_that_panics_accepts_nobody() {
    let panics = Namespace::when(|name, _| if name == "/bad" { panic!("on purpose") } else { true });
    let mut server = serve(vec![marked(panics, "d")]);
    server.panics = 2;
    let mut ws = server.websocket(EIO4, "");
    refused(&mut ws, "/bad", "");
    enter(&mut ws, "/good", "", "d");
    refused(&mut ws, "/bad", "");
}

/// Rooms and broadcasts of a [`marked`] namespace.
fn roomy(namespace: Namespace) -> Namespace {
    marked(namespace, "d")
        .on("join", |socket, event| {
            let room: String = event.parse()?;
            socket.join(&room)?;
            let rooms: Vec<String> = socket.rooms().map(str::to_owned).collect();
            event.ack(socket, rooms)
        })
        .on("to", |socket, event| {
            let room: String = event.parse()?;
            let from = socket.namespace();
            socket.to(&room).emit("said", from)
        })
        .on("all", |socket, _| {
            let from = socket.namespace();
            socket.broadcast().emit("said", from)
        })
}

#[test]
fn each_name_has_rooms_ids_and_broadcasts_of_its_own() {
    let server = serve(vec![roomy(Namespace::matching(r"^/\d$").unwrap())]);
    let mut clients: Vec<(Ws<TcpStream>, [String; 2])> = (0..2)
        .map(|_| {
            let mut ws = server.websocket(EIO4, "");
            let ids = [enter(&mut ws, "/1", "", "d"), enter(&mut ws, "/2", "", "d")];
            (ws, ids)
        })
        .collect();
    let ids: BTreeSet<&String> = clients.iter().flat_map(|(_, ids)| ids).collect();
    assert_eq!(ids.len(), 4);
    let ids_of_second = clients[1].1.clone();

    let mut ask = |who: usize, text: &str| clients[who].0.send(text);
    ask(0, r#"42/1,0["join","r"]"#);
    ask(1, r#"42/2,0["join","r"]"#);
    assert_eq!(clients[0].0.text(), r#"43/1,0[["r"]]"#);
    assert_eq!(clients[1].0.text(), r#"43/2,0[["r"]]"#);

    // The room of the other name, and the id that the second client has there, are nobody here.
    let mut ask = |who: usize, text: &str| clients[who].0.send(text);
    ask(0, r#"42/1,["to","r"]"#);
    ask(0, &format!(r#"42/1,["to","{}"]"#, ids_of_second[1]));
    settle(&mut clients[0].0, "/1");
    settle(&mut clients[1].0, "/1");

    let mut ask = |who: usize, text: &str| clients[who].0.send(text);
    ask(0, r#"42/2,["to","r"]"#);
    ask(0, &format!(r#"42/1,["to","{}"]"#, ids_of_second[0]));
    ask(0, r#"42/2,["all"]"#);
    settle(&mut clients[0].0, "/1");
    for said in ["2", "1", "2"] {
        assert_eq!(clients[1].0.text(), format!(r#"42/{said},["said","/{said}"]"#));
    }
    settle(&mut clients[1].0, "/2");
}

#[test]
fn programs_reach_the_sockets_of_a_name_from_any_thread() {
    let (sender, told) = mpsc::channel();
    let sender = Mutex::new(sender);
    let namespace = dynamic("d").on_disconnect(move |socket, reason| {
        sender.lock().unwrap().send(format!("{} {reason}", socket.namespace())).unwrap();
    });
    let server = serve(vec![namespace]);
    let handle = server.handle();
    let mut ws = server.websocket(EIO4, "");
    let id = enter(&mut ws, "/dynamic-7", "", "d");
    enter(&mut ws, "/dynamic-8", "", "d");
    handle.namespace("/dynamic-7").sockets_join("r");
    handle.namespace("dynamic-7").to("r").emit("news", 1).unwrap();
    handle.namespace("/dynamic-8").to("r").emit("news", 2).unwrap();
    handle.namespace("/dynamic-7").to(&id).emit("news", 3).unwrap();
    // Nobody is in it, and nothing comes of it.
    handle.namespace("/dynamic-9").emit("news", 4).unwrap();
    assert_eq!([ws.text(), ws.text()], [r#"42/dynamic-7,["news",1]"#, r#"42/dynamic-7,["news",3]"#]);

    let (sender, found) = mpsc::channel();
    handle.run(move |cx| {
        cx.gather(
            |view| {
                let to = fanfare::To::everybody("/dynamic-7");
                let ids: Vec<String> = view.sockets(&to).map(|info| info.id().to_string()).collect();
                (view.scopes().map(|(name, count)| (name.to_owned(), count)).collect::<BTreeSet<_>>(), ids)
            },
            move |_, answers| sender.send(answers).unwrap(),
        );
    });
    let scopes = ["/dynamic-7", "/dynamic-8"].map(|name| (name.to_owned(), 1));
    assert_eq!(found.recv_timeout(PATIENCE).unwrap(), [(BTreeSet::from(scopes), vec![id])]);

    handle.namespace("/dynamic-7").disconnect_sockets(false);
    assert_eq!(ws.text(), "41/dynamic-7,");
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), "/dynamic-7 server namespace disconnect");
    // What its client says there may have been under way, though the name is nobody's now.
    ws.send(r#"42/dynamic-7,5["ask"]"#);
    settle(&mut ws, "/dynamic-8");
    ws.send("41/dynamic-8,");
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), "/dynamic-8 client namespace disconnect");
    enter(&mut ws, "/dynamic-7", "", "d");
    enter(&mut ws, "/dynamic-8", "", "d");
    ws.send_close(1000);
    let last = [told.recv_timeout(PATIENCE).unwrap(), told.recv_timeout(PATIENCE).unwrap()];
    assert_eq!(last, ["/dynamic-7 transport close", "/dynamic-8 transport close"]);
}

#[test]
fn a_new_name_is_told_when_its_first_socket_comes_and_again_after_its_last_one_left() {
    let (sender, told) = mpsc::channel();
    let sender = Mutex::new(sender);
    let namespace = dynamic("d").middleware(|_, connecting: &Connecting<'_>| match connecting.auth() {
        "{}" => Ok(()),
        _ => Err(ConnectError::new("no")),
    });
    let socketio = socketio(vec![namespace, marked(Namespace::new("/admin"), "a")])
        .on_new_namespace(|cx, name| cx.namespace("/admin").emit("new", name))
        .on_new_namespace(|_, name| assert!(name.is_empty(), "on purpose"))
        .on_new_namespace(move |_, name| sender.lock().unwrap().send(name.to_owned()).unwrap());
    let mut server = Embedded::start(Server::builder().socketio(socketio));
    server.panics = 4;
    let mut admin = server.websocket(EIO4, "");
    enter(&mut admin, "/admin", "", "a");
    let (mut first, mut second) = (server.websocket(EIO4, ""), server.websocket(EIO4, ""));
    let mut news = |name: &str| {
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), name);
        assert_eq!(admin.text(), format!(r#"42/admin,["new","{name}"]"#));
        assert!(told.try_recv().is_err());
    };
    enter(&mut first, "/dynamic-1", "", "d");
    news("/dynamic-1");
    enter(&mut second, "/dynamic-1", "", "d");
    enter(&mut second, "/dynamic-2", "", "d");
    news("/dynamic-2");
    first.send("41/dynamic-1,");
    enter(&mut first, "/dynamic-1", "", "d");
    for ws in [&mut first, &mut second] {
        ws.send("41/dynamic-1,");
    }
    // Whom a middleware refuses was a first one, too.
    assert_eq!(ask_for(&mut first, "/dynamic-3", r#"{"a":1}"#), r#"44/dynamic-3,{"message":"no"}"#);
    news("/dynamic-3");
    // Both have left by now: each was answered something that it asked later.
    settle(&mut second, "/dynamic-2");
    enter(&mut second, "/dynamic-1", "", "d");
    news("/dynamic-1");
}

#[test]
fn several_reactors_have_one_namespace_of_a_name() {
    const CLIENTS: usize = 24;
    let (sender, told) = mpsc::channel();
    let sender = Mutex::new(sender);
    let (left_sender, left) = mpsc::channel();
    let left_sender = Mutex::new(left_sender);
    let namespace = roomy(Namespace::matching(r"^/dynamic-\d+$").unwrap())
        .on("where", |socket, event| {
            let reactor = socket.context().reactor();
            event.ack(socket, reactor)
        })
        .on_disconnect(move |_, _| left_sender.lock().unwrap().send(()).unwrap());
    let socketio = socketio(vec![namespace])
        .on_new_namespace(move |_, name| sender.lock().unwrap().send(name.to_owned()).unwrap());
    let server = Embedded::with_reactors(Server::builder().socketio(socketio), 3);
    for _ in 0..2 {
        let mut clients: Vec<Ws<TcpStream>> = (0..CLIENTS).map(|_| server.websocket(EIO4, "")).collect();
        for ws in &mut clients {
            ws.send("40/dynamic-1,");
        }
        let mut reactors = BTreeSet::new();
        for ws in &mut clients {
            assert!(ws.text().starts_with("40/dynamic-1,{"));
            assert_eq!(ws.text(), r#"42/dynamic-1,["welcome","d","/dynamic-1"]"#);
            ws.send(r#"42/dynamic-1,0["where"]"#);
            reactors.insert(ws.text());
        }
        assert!(reactors.len() > 1, "{reactors:?}");
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), "/dynamic-1");

        enter(&mut clients[0], "/dynamic-2", "", "d");
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), "/dynamic-2");
        clients[0].send(r#"42/dynamic-2,["all"]"#);
        clients[0].send(r#"42/dynamic-1,["all"]"#);
        for ws in &mut clients[1..] {
            assert_eq!(ws.text(), r#"42/dynamic-1,["said","/dynamic-1"]"#);
            settle(ws, "/dynamic-1");
        }
        settle(&mut clients[0], "/dynamic-1");
        drop(clients);
        for _ in 0..=CLIENTS {
            left.recv_timeout(PATIENCE).unwrap();
        }
        assert!(told.try_recv().is_err(), "each name is told once");
    }
}

#[test]
fn clients_of_2_x_have_them_too() {
    let namespace = dynamic("d").on_connect(|socket, connecting| {
        let (id, token) = (socket.id().to_string(), connecting.query("token"));
        socket.emit("told", (id, token))
    });
    let by_token = marked(Namespace::when(|_, connecting| connecting.query("token").is_some()), "t");
    let server = serve(vec![marked(Namespace::new("/"), "main"), namespace, by_token]);
    let (reply, mut ws) = server.upgrade(&format!("{EIO3}&transport=websocket"), "");
    assert_eq!(reply.status, 101);
    let sid = embedded::sid_of(&ws.text());
    assert_eq!([ws.text(), ws.text()], ["40", r#"42["welcome","main","/"]"#]);
    ws.send("40/dynamic-1?token=a,");
    assert_eq!(ws.text(), "40/dynamic-1,");
    assert_eq!(ws.text(), r#"42/dynamic-1,["welcome","d","/dynamic-1"]"#);
    assert_eq!(ws.text(), format!(r#"42/dynamic-1,["told","/dynamic-1#{sid}","a"]"#));
    server.handle().namespace("/dynamic-1").to(format!("/dynamic-1#{sid}")).emit("one", ()).unwrap();
    assert_eq!(ws.text(), r#"42/dynamic-1,["one"]"#);
    // It may say it again.
    ws.send("40/dynamic-1,");
    settle(&mut ws, "/dynamic-1");
    ws.send("40/other,");
    assert_eq!(ws.text(), r#"44/other,"Invalid namespace""#);
    ws.send("40/other?token=,");
    assert_eq!([ws.text(), ws.text()], ["40/other,", r#"42/other,["welcome","t","/other"]"#]);
    ws.send("41/dynamic-1,");
    ws.send(r#"42/dynamic-1,1["ask"]"#);
    settle(&mut ws, "/other");
}

#[test]
fn a_main_namespace_may_be_a_dynamic_one() {
    let namespace =
        || Namespace::matching("^/$").unwrap().on_connect(|socket, _| socket.emit("hi", socket.namespace()));
    let server = serve(vec![namespace()]);
    let mut old = server.websocket(EIO3, "");
    assert_eq!([old.text(), old.text()], ["40", r#"42["hi","/"]"#]);
    let server = serve(vec![namespace().parser(Parser::MessagePack)]);
    let mut old = server.websocket(EIO3, "");
    for kind in [PacketType::Connect, PacketType::Event] {
        let Received::Binary(bytes) = old.recv() else { panic!("not binary") };
        assert_eq!(bytes[0], 4, "Engine.IO 3 says that it is a message");
        assert_eq!(decode(&bytes[1..]).unwrap().kind, kind);
    }
}

#[test]
fn names_of_messagepack_are_spoken_to_in_messagepack() {
    let packed = roomy(Namespace::matching("^/packed-").unwrap()).parser(Parser::MessagePack);
    let server = serve(vec![dynamic("d"), packed]);
    let mut ws = server.websocket(EIO4, "");
    enter(&mut ws, "/dynamic-1", "", "d");
    let send = |ws: &mut Ws<TcpStream>, kind, data| {
        ws.send_frame(fanfare::wire::frame::Opcode::Binary, &encode(kind, "/packed-1", None, data, &[]));
    };
    let recv = |ws: &mut Ws<TcpStream>| {
        let Received::Binary(bytes) = ws.recv() else { panic!("not binary") };
        let packet = decode(&bytes).unwrap();
        assert_eq!(packet.namespace, "/packed-1");
        (packet.kind, packet.data)
    };
    send(&mut ws, PacketType::Connect, "");
    assert_eq!(recv(&mut ws).0, PacketType::Connect);
    assert_eq!(recv(&mut ws), (PacketType::Event, r#"["welcome","d","/packed-1"]"#.to_owned()));
    server.handle().namespace("/packed-1").emit("all", 1).unwrap();
    assert_eq!(recv(&mut ws), (PacketType::Event, r#"["all",1]"#.to_owned()));
    settle(&mut ws, "/dynamic-1");
    // Text is not what it speaks, neither before nor after one is in it.
    ws.send("40/packed-2,");
    assert_eq!(ws.recv(), Received::Close(1005, String::new()));
    let mut ws = server.websocket(EIO4, "");
    send(&mut ws, PacketType::Connect, "");
    recv(&mut ws);
    recv(&mut ws);
    ws.send(r#"42/packed-1,["all"]"#);
    assert_eq!(ws.recv(), Received::Close(1005, String::new()));
}

#[test]
fn what_comes_behind_a_function_has_its_parser() {
    let start = |namespaces| {
        let builder = Server::builder().listen("127.0.0.1:0".parse().unwrap()).reactors(1);
        builder.socketio(socketio(namespaces)).start()
    };
    let function = || Namespace::when(|_, _| true);
    let pattern = || Namespace::matching("^/p").unwrap();
    let packed = |namespace: Namespace| namespace.parser(Parser::MessagePack);
    for mixed in [
        vec![function(), packed(pattern())],
        vec![packed(function()), function()],
        vec![pattern(), function(), pattern(), packed(pattern())],
    ] {
        assert!(matches!(start(mixed), Err(StartError::MixedParsers)));
    }
    for settled in [
        vec![packed(pattern()), function(), packed(Namespace::new("/"))],
        vec![packed(pattern()), pattern(), function(), pattern(), function()],
        vec![packed(function()), packed(pattern())],
    ] {
        let running = start(settled).unwrap();
        running.stop();
        running.join().unwrap();
    }
}

#[test]
fn an_acknowledgement_is_not_given_in_the_namespace_that_took_the_number() {
    static KEPT: Mutex<Vec<Ack>> = Mutex::new(Vec::new());
    let namespace = dynamic("d").on("keep", |_, event| KEPT.lock().unwrap().extend(event.take_ack())).on(
        "give",
        |socket, _| {
            let kept = std::mem::take(&mut *KEPT.lock().unwrap());
            kept.into_iter().try_for_each(|ack| ack.send(socket.context(), "late"))
        },
    );
    let server = serve(vec![namespace]);
    let mut ws = server.websocket(EIO4, "");
    // Sixteen connections later the next one is like the first, but for its name.
    for nth in 0..=16 {
        let name = format!("/dynamic-{nth}");
        enter(&mut ws, &name, "", "d");
        if nth == 0 {
            ws.send(r#"42/dynamic-0,1["keep"]"#);
        }
        if nth == 16 {
            assert_eq!(KEPT.lock().unwrap().len(), 1);
            ws.send(&format!(r#"42{name},["give"]"#));
            settle(&mut ws, &name);
            assert!(KEPT.lock().unwrap().is_empty());
        } else {
            settle(&mut ws, &name);
            ws.send(&format!("41{name},"));
        }
    }
    // One that is in time is given.
    ws.send(r#"42/dynamic-16,2["keep"]"#);
    ws.send(r#"42/dynamic-16,["give"]"#);
    assert_eq!(ws.text(), r#"43/dynamic-16,2["late"]"#);
}

#[test]
fn questions_that_are_not_answered_in_time_are_told_in_their_namespace() {
    fn asks(socket: &mut Socket<'_>) -> Result<(), fanfare::socketio::Error> {
        let ask = socket.timeout(Duration::from_millis(1));
        ask.emit_with_ack("q", (), |socket, answer| {
            assert_eq!(answer.err(), Some(NoAck::Timeout));
            socket.emit("late", socket.namespace()).unwrap();
        })
    }
    let server = serve(vec![dynamic("d").on("begin", |socket, _| asks(socket))]);
    let mut ws = server.websocket(EIO4, "");
    for name in ["/dynamic-1", "/dynamic-2"] {
        enter(&mut ws, name, "", "d");
    }
    ws.send(r#"42/dynamic-2,["begin"]"#);
    assert_eq!(ws.text(), r#"42/dynamic-2,0["q"]"#);
    assert_eq!(ws.text(), r#"42/dynamic-2,["late","/dynamic-2"]"#);
}

#[test]
fn a_session_is_in_64_of_them_at_most() {
    let server = serve(vec![dynamic("d")]);
    let mut ws = server.websocket(EIO4, "");
    for nth in 0..64 {
        enter(&mut ws, &format!("/dynamic-{nth}"), "", "d");
    }
    refused(&mut ws, "/dynamic-64", "");
    settle(&mut ws, "/dynamic-63");
    ws.send("41/dynamic-5,");
    enter(&mut ws, "/dynamic-64", "", "d");
    refused(&mut ws, "/dynamic-5", "");
    for nth in (0..64).filter(|nth| *nth != 5) {
        settle(&mut ws, &format!("/dynamic-{nth}"));
    }
}

#[test]
fn names_are_of_any_characters_and_bounded_length() {
    let server = serve(vec![marked(Namespace::when(|_, _| true), "d")]);
    let mut ws = server.websocket(EIO4, "");
    let longest = format!("/{}", "x".repeat(NAMESPACE_BYTES - 1));
    for name in ["//", "/ \u{7f}é€😀", "/?a=b", "/#", "/[0]", &longest] {
        enter(&mut ws, name, "", "d");
        settle(&mut ws, name);
    }
    ws.send(&format!("40{longest}x,"));
    assert_eq!(ws.recv(), Received::Close(1005, String::new()));
}

#[test]
fn a_namespace_that_was_never_asked_for_is_no_place_for_events() {
    for packet in [r#"42/dynamic-1,["ask"]"#, "41/dynamic-1,", "43/dynamic-1,0[]", r#"42/none,["ask"]"#] {
        let server = serve(vec![dynamic("d")]);
        // Somebody else is in it.
        let mut other = server.websocket(EIO4, "");
        enter(&mut other, "/dynamic-1", "", "d");
        let mut ws = server.websocket(EIO4, "");
        enter(&mut ws, "/dynamic-2", "", "d");
        ws.send(packet);
        assert_eq!(ws.recv(), Received::Close(1005, String::new()), "{packet}");
        settle(&mut other, "/dynamic-1");
    }
}
