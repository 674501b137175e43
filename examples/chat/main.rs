//! A chat: users who log in, rooms, who is typing, and private messages that are acknowledged.
//!
//! ```sh
//! cargo run --example chat      # and open http://127.0.0.1:3000 in two windows; the password is "sesame"
//! cargo run --example chat 127.0.0.1:3000 --client-dir examples
//! ```
//!
//! The folder is one where `npm install socket.io-client` ran; without the flag, `.deps/client`, which `make run` fills.
//!
//! In JavaScript: `io.use` with `socket.handshake.auth`, `socket.join`, `io.to(room).emit`, `socket.volatile.to(room).emit`,
//! and a user as a room of their name.

use fanfare::socketio::{ConnectError, Connecting, Error, Event, Namespace, Socket, SocketIo};
use fanfare::{Files, Server};
use serde::Deserialize;
use std::env;

/// What a client gives as `auth`.
#[derive(Deserialize)]
struct Login {
    name: String,
    password: String,
}

/// Whose socket it is; kept with it.
struct User(String);

/// Rooms that clients name, and rooms of users, which no client may join.
fn room(name: &str) -> String {
    format!("room {name}")
}
fn user(name: &str) -> String {
    format!("user {name}")
}

fn log_in(socket: &mut Socket<'_>, connecting: &Connecting<'_>) -> Result<(), ConnectError> {
    let login = connecting.parse_auth().ok().filter(|login: &Login| !login.name.is_empty());
    let login = login.ok_or_else(|| ConnectError::new("a name and a password, please"))?;
    if login.password != "sesame" {
        return Err(ConnectError::new("wrong password"));
    }
    // From now on private messages to this user come here, and to no other socket.
    socket.claim(&user(&login.name)).map_err(|error| ConnectError::new(error.to_string()))?;
    socket.set(User(login.name));
    Ok(())
}

/// The name of the user; nobody gets in without one.
fn name(socket: &Socket<'_>) -> String {
    socket.get::<User>().map(|user| user.0.clone()).unwrap_or_default()
}

fn check_member(socket: &Socket<'_>, to: &str) -> Result<(), Error> {
    if socket.is_in(&room(to)) { Ok(()) } else { Err(Error::other("join the room first")) }
}

/// Acknowledged with whether the user's client has acknowledged it.
fn private(socket: &mut Socket<'_>, event: &mut Event<'_>) -> Result<(), Error> {
    let (to, text): (String, String) = event.parse()?;
    let (from, ack) = (name(socket), event.take_ack());
    socket.everybody().to(user(&to)).emit_with_ack("private", (from, text), |cx, answers| {
        if let Some(Err(error)) = ack.map(|ack| ack.send(cx, !answers.is_empty())) {
            eprintln!("{error}");
        }
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listen = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let client_dir = env::args().skip_while(|arg| arg != "--client-dir").nth(1);
    let chat = Namespace::new("/")
        .middleware(log_in)
        .on("join", |socket, event| {
            let to: String = event.parse()?;
            socket.join(room(&to))?;
            event.ack(socket, ())?;
            let who = name(socket);
            socket.to(room(&to)).emit("joined", (to, who))
        })
        .on("leave", |socket, event| {
            let from: String = event.parse()?;
            let who = name(socket);
            if socket.leave(room(&from)) { socket.to(room(&from)).emit("left", (from, who)) } else { Ok(()) }
        })
        .on("say", |socket, event| {
            let (to, text): (String, String) = event.parse()?;
            let who = name(socket);
            check_member(socket, &to)?;
            socket.everybody().to(room(&to)).emit("said", (to, who, text))
        })
        // A client that does not take it at once misses nothing.
        .on("typing", |socket, event| {
            let to: String = event.parse()?;
            let who = name(socket);
            check_member(socket, &to)?;
            socket.to(room(&to)).volatile().emit("typing", (to, who))
        })
        .on("private", private)
        .on_disconnecting(|socket, _| {
            let who = name(socket);
            let rooms = socket.rooms().filter_map(|room| room.strip_prefix("room ").map(str::to_owned));
            for from in rooms.collect::<Vec<_>>() {
                socket.to(room(&from)).emit("left", (from, &who))?;
            }
            Ok(())
        })
        // What goes wrong, the client is told.
        .on_error(|socket, event, error| drop(socket.emit("problem", (event, error.to_string()))));

    let running = Server::builder()
        .listen(listen.parse()?)
        .socketio(SocketIo::default().namespace(chat))
        .files("/socket.io/", Files::socketio_client(client_dir.as_deref().unwrap_or(".deps/client"))?)
        .files("/", Files::new().file("index.html", "text/html; charset=utf-8", include_str!("page.html")))
        .start()?;
    println!("ready on http://{}", running.addrs()[0]);
    Ok(running.join()?)
}
