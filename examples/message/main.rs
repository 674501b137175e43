//! Messages without names of events: `send` and `message`, as with a plain WebSocket. What a client sends comes back
//! with its length.
//!
//! ```sh
//! cargo run --example message
//! cd examples && npm install && node message/client.mjs    # in another terminal
//! ```
//!
//! In JavaScript: `socket.send(text)`, and `socket.on("message")`; `send` is an `emit` of that event.

use fanfare::Server;
use fanfare::socketio::{Binary, Namespace, SocketIo};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let listen = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());

    let message = Namespace::new("/").on("message", |socket, event| {
        // Bytes are an argument as any other.
        if let Ok(bytes) = event.parse::<Binary>() {
            return socket.send((format!("{} bytes", bytes.len()), bytes));
        }
        let text: String = event.parse()?;
        socket.send((format!("{} characters", text.chars().count()), text))
    });

    let socketio = SocketIo::default().namespace(message);
    let running = Server::builder().listen(listen.parse()?).socketio(socketio).start()?;
    println!("ready on http://{}", running.addrs()[0]);
    Ok(running.join()?)
}
