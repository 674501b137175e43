//! A bridge: what another thread reads, here lines from standard input, goes to all clients; what clients send goes to a
//! thread, which takes its time and acknowledges.
//!
//! ```sh
//! cargo run --example bridge                                # and type
//! cd examples && npm install && node bridge/client.mjs    # in another terminal
//! ```
//!
//! In JavaScript: an `emit` in the callback of whatever the program reads from, and `await` in a handler. Here the
//! threads of the server must not wait: others do, with a handle of the server, and get their work by a channel.

use fanfare::socketio::{Ack, Error, Namespace, SocketIo};
use fanfare::{Handle, Server};
use std::io::stdin;
use std::sync::mpsc;
use std::thread;

/// Work for the other thread: what a client asked, and the way to answer it.
struct Job {
    text: String,
    ack: Option<Ack>,
}

/// Every line that is typed goes to all clients.
fn read(handle: &Handle) -> Result<(), Box<dyn std::error::Error>> {
    for line in stdin().lines() {
        handle.namespace("/").emit("line", line?)?;
    }
    Ok(())
}

/// Does what clients want done. It may block as long as it takes: a database, a file, another server.
fn work(jobs: &mpsc::Receiver<Job>, handle: &Handle) -> Result<(), Error> {
    for Job { text, ack } in jobs {
        println!("a client says: {text}");
        if let Some(ack) = ack {
            // Nothing happens if the client has left.
            ack.send(handle, text.to_uppercase())?;
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listen = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());

    let (sender, jobs) = mpsc::channel();
    let bridge = Namespace::new("/").on("say", move |_, event| {
        sender.send(Job { text: event.parse()?, ack: event.take_ack() }).map_err(Error::other)
    });

    let running =
        Server::builder().listen(listen.parse()?).socketio(SocketIo::default().namespace(bridge)).start()?;
    println!("ready on http://{}", running.addrs()[0]);

    let handle = running.handle();
    let worker = handle.clone();
    thread::spawn(move || work(&jobs, &worker).unwrap_or_else(|error| eprintln!("{error}")));
    thread::spawn(move || read(&handle).unwrap_or_else(|error| eprintln!("{error}")));
    Ok(running.join()?)
}
