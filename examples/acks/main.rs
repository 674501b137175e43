//! Acknowledgements both ways: the client asks and the server answers; the server asks, the client answers, or does not
//! in time.
//!
//! ```sh
//! cargo run --example acks
//! cd examples && npm install && node acks/client.mjs    # in another terminal
//! ```
//!
//! In JavaScript: the function that is the last argument of an event, on either side, and `socket.timeout(ms)` before
//! an `emit`. Here the server's side of it is `event.ack` and `emit_with_ack`.

use fanfare::Server;
use fanfare::socketio::{Namespace, NoAck, SocketIo};
use std::error::Error;
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    let listen = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());

    let acks = Namespace::new("/")
        // The client asks.
        .on("add", |socket, event| {
            let (a, b): (f64, f64) = event.parse()?;
            event.ack(socket, a + b)
        })
        .on("say nothing", |_, _| ())
        // The server asks. The closure is called once, with the answer or with why there is none.
        .on("ask me", |socket, _| {
            socket.emit_with_ack("your name?", (), |socket, answer| {
                let name: String = answer?.parse()?;
                socket.emit("greeting", format!("hello, {name}"))
            })
        })
        .on("ask me too much", |socket, _| {
            let patience = Duration::from_millis(300);
            socket.timeout(patience).emit_with_ack("the meaning of it all?", (), |socket, answer| {
                match answer {
                    Ok(args) => socket.emit("surprise", args),
                    Err(NoAck::Timeout) => socket.emit("never mind", ()),
                    // Whom should we tell?
                    Err(NoAck::Disconnected) => Ok(()),
                }
            })
        });

    let running =
        Server::builder().listen(listen.parse()?).socketio(SocketIo::default().namespace(acks)).start()?;
    println!("ready on http://{}", running.addrs()[0]);
    Ok(running.join()?)
}
