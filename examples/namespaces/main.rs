//! Namespaces: `/chat` and `/news` over one connection, each with its own events, sockets and rooms.
//!
//! ```sh
//! cargo run --example namespaces
//! cd examples && npm install && node namespaces/client.mjs    # in another terminal
//! ```
//!
//! In JavaScript: `io.of("/chat").on("connection")` and `io.of("/news").emit`.

use fanfare::Server;
use fanfare::socketio::{Namespace, SocketIo};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let listen = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());

    let chat = Namespace::new("/chat")
        .on_connect(|socket, _| socket.emit("welcome", "to the chat"))
        .on("say", |socket, event| socket.everybody().emit("said", event.args()));
    let news = Namespace::new("/news")
        .on_connect(|socket, _| socket.emit("welcome", "to the news"))
        // From one namespace into another, by its name.
        .on("read", |socket, event| {
            let item: String = event.parse()?;
            socket.context().namespace("/chat").emit("said", format!("somebody reads: {item}"))
        });

    let socketio = SocketIo::default().namespace(chat).namespace(news);
    let running = Server::builder().listen(listen.parse()?).socketio(socketio).start()?;
    println!("ready on http://{}", running.addrs()[0]);
    Ok(running.join()?)
}
