//! Hello: the server greets whoever connects, the client answers with its name and is welcomed.
//!
//! ```sh
//! cargo run --example hello
//! cd examples && npm install && node hello/client.mjs    # in another terminal
//! ```
//!
//! In JavaScript: an `io.on("connection")` that emits to its socket and listens to it with `socket.on`. Here handlers are
//! those of the namespace, for all of its sockets, and get the socket that it is about.

use fanfare::Server;
use fanfare::socketio::{Namespace, SocketIo};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let listen = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());

    let hello = Namespace::new("/").on_connect(|socket, _| socket.emit("hello", "world")).on(
        "my name is",
        |socket, event| {
            // A client may send anything: an argument that is no text ends here, and is told to the log.
            let name: String = event.parse()?;
            socket.emit("welcome", (name, socket.id()))
        },
    );

    let running =
        Server::builder().listen(listen.parse()?).socketio(SocketIo::default().namespace(hello)).start()?;
    println!("ready on http://{}", running.addrs()[0]);
    Ok(running.join()?)
}
