//! A chat room: a page at `/`, served together with the browser client that it loads.
//!
//! ```sh
//! cargo run --example chat_room                            # and open http://127.0.0.1:3000 in two windows
//! cargo run --example chat_room 127.0.0.1:3000 --client-dir examples
//! ```
//!
//! The folder is one where `npm install socket.io-client` ran; without the flag, `.deps/client`, which `make run` fills.
//!
//! In JavaScript: a server with `express.static` beside `io`, `socket.username = …`, and a count of those who are there.

use fanfare::socketio::{Error, Namespace, Socket, SocketIo};
use fanfare::{Files, Server};
use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The name that a client has given itself; kept with its socket.
struct Name(String);

/// Nobody speaks without a name.
fn name_of(socket: &Socket<'_>) -> Result<String, Error> {
    socket.get::<Name>().map(|name| name.0.clone()).ok_or_else(|| Error::other("join first"))
}

fn chat_room() -> Namespace {
    // Sockets are spread over several threads, which share nothing but this.
    let joined = Arc::new(AtomicUsize::new(0));
    let left = joined.clone();
    Namespace::new("/")
        .on("join", move |socket, event| {
            let name: String = event.parse()?;
            // A client that joins again has another name from now on.
            if socket.set(Name(name.clone())).is_none() {
                joined.fetch_add(1, Relaxed);
            }
            let here = joined.load(Relaxed);
            event.ack(socket, here)?;
            socket.broadcast().emit("joined", (name, here))
        })
        .on("say", |socket, event| {
            let text: String = event.parse()?;
            let name = name_of(socket)?;
            socket.broadcast().emit("said", (name, text))
        })
        // Whoever does not get it misses nothing.
        .on("typing", |socket, event| {
            let is_typing: bool = event.parse()?;
            let name = name_of(socket)?;
            socket.broadcast().volatile().emit("typing", (name, is_typing))
        })
        .on_disconnect(move |socket, _| match name_of(socket) {
            Ok(name) => {
                let here = left.fetch_sub(1, Relaxed) - 1;
                socket.broadcast().emit("left", (name, here))
            }
            Err(_) => Ok(()),
        })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listen = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let client_dir = env::args().skip_while(|arg| arg != "--client-dir").nth(1);

    let running = Server::builder()
        .listen(listen.parse()?)
        .socketio(SocketIo::default().namespace(chat_room()))
        .files("/socket.io/", Files::socketio_client(client_dir.as_deref().unwrap_or(".deps/client"))?)
        .files("/", Files::new().file("index.html", "text/html; charset=utf-8", include_str!("page.html")))
        .start()?;
    println!("ready on http://{}", running.addrs()[0]);
    Ok(running.join()?)
}
