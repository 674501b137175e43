//! Whisper: to one client, by its id. A socket's id is a room with nobody else in it.
//!
//! ```sh
//! cargo run --example whisper
//! cd examples && npm install && node whisper/client.mjs    # in another terminal
//! ```
//!
//! In JavaScript: `socket.to(id).emit`, or `io.to(id).emit`.

use fanfare::Server;
use fanfare::socketio::{Namespace, SocketIo};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let listen = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());

    let whisper = Namespace::new("/")
        // Who knows an id may whisper to it, so it is up to clients whom they tell theirs.
        .on("here i am", |socket, _| {
            let id = socket.id();
            socket.broadcast().emit("somebody is here", id)
        })
        .on("whisper", |socket, event| {
            let (to, text): (String, String) = event.parse()?;
            let from = socket.id();
            socket.to(to).emit("whispered", (from, text))
        });

    let socketio = SocketIo::default().namespace(whisper);
    let running = Server::builder().listen(listen.parse()?).socketio(socketio).start()?;
    println!("ready on http://{}", running.addrs()[0]);
    Ok(running.join()?)
}
