//! Volatile: a thread says ten times a second what only counts now. A client that cannot take one at once does without
//! it, and nothing piles up.
//!
//! ```sh
//! cargo run --example volatile
//! cd examples && npm install && node volatile/client.mjs    # in another terminal
//! ```
//!
//! In JavaScript: `setInterval(() => io.volatile.emit("tick", n), 100)`. Here a thread of the program does that, with a
//! handle of the server; handlers must not wait.

use fanfare::Server;
use fanfare::socketio::{Namespace, SocketIo};
use std::error::Error;
use std::thread;
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    let listen = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());

    let socketio = SocketIo::default().namespace(Namespace::new("/"));
    let running = Server::builder().listen(listen.parse()?).socketio(socketio).start()?;
    println!("ready on http://{}", running.addrs()[0]);

    let handle = running.handle();
    thread::spawn(move || {
        for number in 1u64.. {
            thread::sleep(Duration::from_millis(100));
            if handle.namespace("/").volatile().emit("tick", number).is_err() {
                // The server has ended.
                return;
            }
        }
    });
    Ok(running.join()?)
}
