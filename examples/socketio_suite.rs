//! The Socket.IO server that the protocol's own conformance suite asks for.
//!
//! `cargo run --release --example socketio_suite -- --listen 127.0.0.1:3000`

mod common;

use fanfare::EngineOptions;
use fanfare::socketio::{Args, ArgsRef, Connecting, Namespace, Socket, SocketIo};

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
    let about = "A Socket.IO server at /socket.io/ for the protocol's conformance suite";
    let args = common::command("socketio_suite", about, "127.0.0.1:3000").get_matches();

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

    common::run("socketio_suite", common::server(&args).socketio(socketio))
}
