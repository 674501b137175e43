//! The last column of the guide's table of idioms (`src/guide/idioms.md`), each of it somewhere in here, and compiled.

// Compiled, not called: there is no socket to call it with.
#![allow(dead_code)]

use fanfare::socketio::{
    Binary, ConnectError, Connecting, Decision, Error, Event, Namespace, PatternError, RemoteSocket, Socket,
    SocketIo,
};
use fanfare::{Context, Cors, EngineOptions, Files, Handle, ReactorStats, Response, Running, Server};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

struct Name(String);

#[derive(Deserialize)]
struct Auth {
    token: String,
}

fn check(event: &Event<'_>) -> Result<(), Error> {
    if event.name().is_empty() { Err(Error::other("no name")) } else { Ok(()) }
}

fn ask_elsewhere(decision: Decision) {
    drop(decision);
}

fn to_some(socket: &mut Socket<'_>, cx: &mut Context<'_>, handle: &Handle, id: &str) -> Result<(), Error> {
    cx.namespace("/").emit("e", 1)?;
    socket.everybody().emit("e", 1)?;
    handle.namespace("/").emit("e", 1)?;
    cx.namespace("/").emit("e", (1, "two"))?;
    cx.namespace("/n").emit("e", ())?;
    cx.namespace("/").to("r").emit("e", ())?;
    cx.namespace("/").to(["a", "b"]).emit("e", ())?;
    cx.namespace("/").except("r").emit("e", ())?;
    cx.namespace("/").to(id).emit("e", ())?;
    socket.broadcast().emit("e", ())?;
    socket.to("r").emit("e", ())?;
    socket.to("a").to("b").emit("e", ())?;
    socket.except("r").emit("e", ())?;
    cx.namespace("/").volatile().emit("e", ())?;
    cx.namespace("/").emit("e", ())?;
    cx.namespace("/").local().emit("e", ())?;
    cx.namespace("/").compress(false).emit("e", ())?;
    cx.namespace("/").send("x")?;
    cx.namespace("/").emit_with_report("e", (), |_, report| println!("{}", report.delivered()))
}

fn to_one(socket: &mut Socket<'_>, event: &mut Event<'_>, bytes: Arc<[u8]>) -> Result<(), Error> {
    socket.emit("e", json!({"a": 1}))?;
    socket.emit("e", Binary(bytes))?;
    socket.send("x")?;
    socket.send(json!({"a": 1}))?;
    socket.volatile().emit("e", ())?;
    socket.emit_with_ack("e", (), |_, answer| println!("{answer:?}"))?;
    socket.timeout(Duration::from_secs(5)).emit_with_ack("e", (), |_, answer| println!("{answer:?}"))?;
    event.ack(socket, "ok")?;
    drop(event.take_ack());
    Ok(())
}

fn handlers(namespace: Namespace) -> Namespace {
    let namespace = namespace.on("e", |_, event| event.parse::<(String, u32)>().map(drop));
    let namespace = namespace.on_any(|_, event| println!("{}", event.name()));
    let namespace = namespace.on_any_outgoing(|_, event| println!("{}", event.name()));
    let namespace = namespace.on_room(|_, event| println!("{event:?}"));
    let namespace = namespace.middleware_later(|_, _, decision| ask_elsewhere(decision));
    let namespace = namespace.on_upgrade(|socket| println!("{}", socket.id()));
    let namespace = namespace.on_server_side("e", |_, event| event.parse::<u32>().map(drop));
    let namespace = namespace.packet_middleware(|_, event| check(event));
    let namespace = namespace.on_error(|_, name, error| println!("{name}: {error}"));
    let namespace = namespace.on_connect(|socket, _| socket.emit("hello", ()));
    let namespace = namespace.middleware(|_, _| Err(ConnectError::new("no")));
    let namespace = namespace.on_disconnect(|_, reason| println!("{reason}"));
    namespace.on_disconnecting(|socket, _| println!("{}", socket.rooms().count()))
}

fn rooms(socket: &mut Socket<'_>, cx: &mut Context<'_>) -> Result<(), Error> {
    socket.join("r")?;
    socket.join(["a", "b"])?;
    socket.leave("r");
    socket.leave_all();
    let rooms = socket.rooms().collect::<Vec<_>>();
    println!("{}", rooms.len());
    println!("{}", socket.is_in("r"));
    cx.namespace("/").to("r").sockets_join("s");
    cx.namespace("/").to("r").sockets_leave("s");
    cx.namespace("/").to("r").disconnect_sockets(true);
    cx.namespace("/").to("r").ids(|_, ids| println!("{ids:?}"));
    cx.gather(|view| view.room_len("/", "r"), |_, counts| println!("{}", counts.iter().sum::<u64>()));
    cx.namespace("/n").fetch_sockets(|_, sockets| println!("{}", sockets.len()));
    socket.claim("r")?;
    Ok(())
}

fn ends(socket: &mut Socket<'_>, connecting: &Connecting<'_>, name: String) -> Result<(), Error> {
    let auth = connecting.parse_auth::<Auth>()?;
    let facts =
        (connecting.query("a"), connecting.handshake().cookie("session"), connecting.handshake().peer());
    println!("{} {facts:?}", auth.token);
    println!("{}", socket.transport().name());
    socket.set_data("ann")?;
    println!("{:?}", socket.data::<String>()?);
    socket.set(Name(name));
    println!("{:?}", socket.get::<Name>().map(|name| &name.0));
    socket.disconnect(false);
    socket.disconnect(true);
    Ok(())
}

fn server(socketio: SocketIo) -> Result<Running, Box<dyn std::error::Error>> {
    Ok(Server::builder().listen("127.0.0.1:3000".parse()?).socketio(socketio).start()?)
}

fn namespaces(socketio: SocketIo) -> Result<SocketIo, PatternError> {
    let socketio = socketio.namespace(Namespace::new("/n"));
    let socketio = socketio.namespace(Namespace::matching(r"^/dynamic-\d+$")?);
    let socketio = socketio
        .namespace(Namespace::when(|name, connecting| connecting.query("of").as_deref() == Some(name)));
    Ok(socketio.on_new_namespace(|_, name| println!("{name}")))
}

fn engine(options: EngineOptions) -> EngineOptions {
    let options = options.allow_eio3(true);
    let options = options.ping_interval_ms(25_000);
    let options = options.cors(Cors { origins: vec!["https://page.example".to_owned()], credentials: true });
    let options = options.initial_headers(|_| vec![("X-A".to_owned(), "b".to_owned())]);
    let options = options.middleware(|_| Err(Response::text(401, "no")));
    options.on_connection_error(|_, code, message| println!("{code} {message}"))
}

fn others(cx: &mut Context<'_>, running: &Running) -> Result<(), Box<dyn std::error::Error>> {
    drop(SocketIo::new(EngineOptions::at("/x/")));
    println!("{}", cx.stats().sum(ReactorStats::sockets));
    drop(Server::builder().files("/socket.io/", Files::socketio_client(".")?));
    cx.server_side_emit("/", "e", 1)?;
    running.stop();
    Ok(())
}

fn many(
    cx: &mut Context<'_>,
    handle: &Handle,
    remote: &RemoteSocket,
) -> Result<(), Box<dyn std::error::Error>> {
    cx.namespace("/")
        .timeout(Duration::from_secs(5))
        .emit_with_ack("e", (), |_, answers| println!("{}", answers.len()))?;
    handle.namespace("/").timeout(Duration::from_secs(5)).ask("e", ())?.wait()?.complete()?;
    remote.emit(handle, "e", ())?;
    Ok(())
}

/// Without what rustfmt may change.
fn plain(code: &str) -> String {
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    code.replace(",)", ")")
}

#[test]
fn every_idiom_of_the_guide_is_compiled_here() {
    let this = plain(include_str!("idioms.rs"));
    let guide = include_str!("../src/guide/idioms.md").replace("\\|", "\0");
    let mut count = 0;
    for line in guide.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| | ")) {
        let cell =
            line.trim_end_matches('|').rsplit('|').next().unwrap_or_default().trim().replace('\0', "|");
        let code = cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`'));
        let code = code.unwrap_or_else(|| panic!("no code: {line}"));
        assert!(this.contains(&plain(code)), "not compiled: {code}");
        count += 1;
    }
    assert!(count > 50, "the table was not found: {count} lines");
}
