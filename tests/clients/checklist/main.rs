//! The server of the checklist: real clients try every row of the guide's table of Socket.IO's server API on it.
//!
//! It does what they tell it, by events that are named after what they call, and says what became of it in the
//! acknowledgement. [`many`] and [`one`] send, [`rooms`] joins and leaves, [`life`] tells of beginnings and ends,
//! [`mounts`] has a server for each option; what handlers saw that cannot be told to a client that is gone is in the
//! [`journal`].
//!
//! With `--redis` it is one of a cluster, which the tests of `tests/clients/cluster` are about.
//!
//! `cargo run --example checklist -- --listen 127.0.0.1:3000`

mod answer;
mod journal;
mod life;
mod listening;
mod many;
mod mounts;
mod one;
mod rooms;

use clap::{Arg, ArgAction, Command, value_parser};
use fanfare::socketio::{Namespace, Parser, SocketIo};
use fanfare::{
    Admission, ClusterOptions, Endpoint, EngineOptions, Files, ListenAddr, Message, ReactorStats, RedisUrl,
    Request, Response, Server, Socket,
};
use journal::Journal;
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc;

/// A plain WebSocket on the same address, which says everything back.
struct Echo;

impl Endpoint for Echo {
    fn on_upgrade(&self, _: &Request<'_>) -> Result<Admission, Response> {
        Ok(Admission::to_scope("plain"))
    }

    fn on_message(&self, socket: &mut Socket<'_>, message: Message<'_>) {
        match message {
            Message::Text(text) => socket.send_text(text),
            Message::Binary(bytes) => socket.send_binary(bytes),
        };
    }
}

/// A namespace whose clients tell it what to do.
fn steered(namespace: Namespace, journal: &Journal) -> Namespace {
    journal.ends_of(rooms::steered(one::steered(many::steered(namespace), journal)))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listen = Arg::new("listen").long("listen").value_parser(value_parser!(ListenAddr));
    let client = Arg::new("client").long("client").value_parser(value_parser!(PathBuf));
    let redis = Arg::new("redis").long("redis").value_parser(value_parser!(RedisUrl));
    let sharded = Arg::new("sharded").long("sharded").action(ArgAction::SetTrue).requires("redis");
    let args = Command::new("checklist")
        .about("The server on which the checklist of Socket.IO's API is tried")
        .arg(listen.action(ArgAction::Append).required(true).help("Where to listen, once or more"))
        .arg(client.help("A folder where the browser client was installed"))
        .arg(redis.help("The Redis by which several are one"))
        .arg(sharded.help("By its sharded Pub/Sub"))
        .get_matches();

    let journal = Journal::default();
    let (stop, stopped) = mpsc::channel();
    let root = steered(Namespace::new("/"), &journal).on("stop", move |_, _| {
        // Whoever listens has stopped already.
        let _ = stop.send(());
    });
    let socketio = SocketIo::new(EngineOptions::at("/socket.io/"))
        .namespace(root)
        .namespace(steered(Namespace::new("/a"), &journal))
        // A name gets its slash.
        .namespace(steered(Namespace::new("b"), &journal))
        .namespace(steered(Namespace::new("/packed"), &journal).parser(Parser::MessagePack));
    let others = life::namespaces(&journal).into_iter().chain(listening::namespaces(&journal));
    let socketio = others.fold(socketio, SocketIo::namespace);
    let born = journal.clone();
    let socketio =
        socketio.on_new_namespace(move |_, name| born.note(json!({"id": name, "what": "new_namespace"})));

    // More than one reactor, so that what is done to many is done across them.
    let mut server = Server::builder().reactors(2).socketio(socketio).endpoint("/plain", Echo);
    for addr in args.get_many::<ListenAddr>("listen").into_iter().flatten() {
        server = server.listen(addr.clone());
    }
    if let Some(url) = args.get_one::<RedisUrl>("redis") {
        server = server.cluster(ClusterOptions::redis(url.clone()).sharded(args.get_flag("sharded")));
    }
    server = mounts::all(server, &journal);
    server = journal.route(server);
    server = server.route("GET", "/hello", |cx, _, _, responder| {
        responder.send(cx, Response::text(200, "hello"));
    });
    server = server.route("GET", "/stats", |cx, _, _, responder| {
        let stats = cx.stats();
        let counts = json!({
            "sockets": stats.sum(ReactorStats::sockets),
            "polling": stats.sum(ReactorStats::polling),
            "panics": stats.sum(ReactorStats::panics),
        });
        responder.send(cx, Response::json(200, &counts));
    });
    server = server.route("POST", "/emit/{room}", |cx, request, params, responder| {
        let sent = match request.json::<serde_json::Value>() {
            Ok(value) => cx.namespace("/").to(params.get(0)).emit("posted", value).is_ok(),
            Err(_) => false,
        };
        responder.send(cx, Response::empty(if sent { 204 } else { 400 }));
    });
    if let Some(folder) = args.get_one::<PathBuf>("client") {
        server = server.files("/socket.io/", Files::socketio_client(folder)?);
    }

    let running = server.start()?;
    let ready = running.addrs().iter().map(|addr| format!("checklist ready on http://{addr}\n"));
    // At once: whoever starts it reads no more than the first of it.
    print!("{}", ready.collect::<String>());
    std::io::stdout().flush()?;
    stopped.recv()?;
    running.stop();
    Ok(running.join()?)
}
