//! The Socket.IO server that the protocol's own conformance suite asks for.
//!
//! `cargo run --release --example socketio_suite -- --listen 127.0.0.1:3000`

mod common;

use fanfare::EngineOptions;
use fanfare::socketio::{Connecting, Error, Namespace, Socket, SocketIo};

/// Tells a client what it gave.
fn tell_auth(socket: &mut Socket<'_>, connecting: &Connecting<'_>) -> Result<(), Error> {
    socket.emit("auth", connecting.parse_auth::<serde_json::Value>()?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let about = "A Socket.IO server at /socket.io/ for the protocol's conformance suite";
    let args = common::command("socketio_suite", about, "127.0.0.1:3000").get_matches();

    let main = Namespace::new("/")
        .on_connect(tell_auth)
        .on("message", |socket, event| socket.emit("message-back", event.args()))
        .on("message-with-ack", |socket, event| event.ack(socket, event.args()));
    let custom = Namespace::new("/custom").on_connect(tell_auth);
    let engine = EngineOptions::at("/socket.io/").ping_interval_ms(300).ping_timeout_ms(200);
    let socketio = SocketIo::new(engine).connect_timeout_ms(1_000).namespace(main).namespace(custom);

    common::run("socketio_suite", common::server(&args).socketio(socketio))
}
