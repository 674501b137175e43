//! The Socket.IO server that the protocol's own conformance suite asks for.
//!
//! `cargo run --release --example socketio_suite -- --listen 127.0.0.1:3000`

use clap::{Arg, ArgAction, Command, value_parser};
use fanfare::socketio::{Args, ArgsRef, Connecting, Namespace, Socket, SocketIo};
use fanfare::{EngineOptions, ListenAddr, Server};

/// The same arguments, to be sent.
fn copy(args: ArgsRef<'_>) -> Args {
    let mut copy = Args::new();
    for arg in args.iter() {
        copy.push_ref(arg).expect("what was received can be sent");
    }
    copy
}

/// Tells a client what it gave.
fn tell_auth(socket: &mut Socket<'_>, connecting: &Connecting<'_>) {
    let mut args = Args::new();
    args.push_raw(connecting.auth()).expect("it was received as JSON");
    socket.emit("auth", &args);
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listen = Arg::new("listen").long("listen").value_parser(value_parser!(ListenAddr));
    let reactors = Arg::new("reactors").long("reactors").value_parser(value_parser!(usize));
    let args = Command::new("socketio_suite")
        .about("A Socket.IO server at /socket.io/ for the protocol's conformance suite")
        .arg(
            listen
                .action(ArgAction::Append)
                .default_value("127.0.0.1:3000")
                .help("Where to listen, once or more; port 0 picks one"),
        )
        .arg(reactors.default_value("0").help("Reactors; 0 is one a core"))
        .get_matches();
    let reactors = *args.get_one::<usize>("reactors").expect("it has a default");

    let main = Namespace::new("/")
        .on_connect(tell_auth)
        .on("message", |socket, event| {
            socket.emit("message-back", &copy(event.args()));
        })
        .on("message-with-ack", |socket, event| {
            let args = copy(event.args());
            if let Some(ack) = event.take_ack() {
                ack.send(socket.context(), &args);
            }
        });
    let custom = Namespace::new("/custom").on_connect(tell_auth);
    let engine = EngineOptions::at("/socket.io/").ping_interval_ms(300).ping_timeout_ms(200);
    let socketio = SocketIo::new(engine).connect_timeout_ms(1_000).namespace(main).namespace(custom);

    let mut server = Server::builder().reactors(reactors).socketio(socketio);
    for listen in args.get_many::<ListenAddr>("listen").expect("it has a default") {
        server = server.listen(listen.clone());
    }
    let running = server.start()?;
    for addr in running.addrs() {
        println!("socketio_suite ready on http://{addr} ({} reactors)", running.reactors());
    }
    Ok(running.join()?)
}
