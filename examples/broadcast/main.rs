//! Broadcast: what one client says, all others hear; what one shouts, everybody does.
//!
//! ```sh
//! cargo run --example broadcast
//! cd examples && npm install && node broadcast/client.mjs    # in another terminal
//! ```
//!
//! In JavaScript: `socket.broadcast.emit`, and `io.emit`.

use fanfare::Server;
use fanfare::socketio::{Namespace, SocketIo};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let listen = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());

    // The arguments go on as they came, text or binary, without being read.
    let broadcast = Namespace::new("/")
        .on("say", |socket, event| {
            socket.broadcast().emit("said", event.args())?;
            event.ack(socket, ())
        })
        .on("shout", |socket, event| socket.everybody().emit("shouted", event.args()));

    let socketio = SocketIo::default().namespace(broadcast);
    let running = Server::builder().listen(listen.parse()?).socketio(socketio).start()?;
    println!("ready on http://{}", running.addrs()[0]);
    Ok(running.join()?)
}
