//! Authentication by a cookie: a middleware lets in who has a session, and keeps with the socket whose it is.
//!
//! ```sh
//! cargo run --example cookie_auth
//! cd examples && npm install && node cookie_auth/client.mjs    # in another terminal
//! ```
//!
//! In JavaScript: `io.use((socket, next) => …)` that reads `socket.handshake.headers.cookie` and fills `socket.data`, and
//! `next(new Error(…))`, which clients get as `connect_error`.

use fanfare::Server;
use fanfare::socketio::{ConnectError, Connecting, Namespace, Socket, SocketIo};
use serde::Serialize;
use std::error::Error;

/// What a login has left behind: the value of its cookie, and whose it is. It would be a table that other threads
/// fill; a handler must not wait for a database.
const SESSIONS: [(&str, &str); 2] = [("7c9e6679f3a1", "ann"), ("b81d4fae7dec", "bob")];

/// What is kept with a socket.
struct User(&'static str);

/// What a refused client gets as `error.data`.
#[derive(Serialize)]
struct Refused {
    login: &'static str,
}

fn authenticate(socket: &mut Socket<'_>, connecting: &Connecting<'_>) -> Result<(), ConnectError> {
    let cookie = connecting.handshake().cookie("session");
    match SESSIONS.iter().find(|(session, _)| cookie == Some(*session)) {
        Some((_, name)) => {
            socket.set(User(name));
            Ok(())
        }
        None => Err(ConnectError::new("who are you?").data(&Refused { login: "/login" })),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let listen = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());

    let private = Namespace::new("/").middleware(authenticate).on("who am i", |socket, event| {
        let name = socket.get::<User>().map(|user| user.0);
        event.ack(socket, name)
    });

    let socketio = SocketIo::default().namespace(private);
    let running = Server::builder().listen(listen.parse()?).socketio(socketio).start()?;
    println!("ready on http://{}", running.addrs()[0]);
    Ok(running.join()?)
}
