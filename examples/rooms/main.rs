//! Rooms: clients join and leave them, and what is said to several rooms arrives once at whoever is in any of them.
//!
//! ```sh
//! cargo run --example rooms
//! cd examples && npm install && node rooms/client.mjs    # in another terminal
//! ```
//!
//! In JavaScript: `socket.join(room)`, `socket.leave(room)`, `socket.to(a).to(b).emit`, `io.to(a).except(b).emit`.

use fanfare::Server;
use fanfare::socketio::{self, Event, Namespace, Socket, SocketIo};
use std::error::Error;

/// Handlers are functions too, if that reads better.
fn answer_with_rooms(socket: &mut Socket<'_>, event: &mut Event<'_>) -> Result<(), socketio::Error> {
    let rooms: Vec<String> = socket.rooms().map(str::to_owned).collect();
    event.ack(socket, rooms)
}

fn main() -> Result<(), Box<dyn Error>> {
    let listen = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());

    let rooms = Namespace::new("/")
        .on("join", |socket, event| {
            // An error if the room's name is empty or too long, or if the socket is in too many rooms.
            socket.join(event.parse::<String>()?)?;
            answer_with_rooms(socket, event)
        })
        .on("leave", |socket, event| {
            socket.leave(event.parse::<String>()?);
            answer_with_rooms(socket, event)
        })
        // To all who are in one of the rooms, but the sender.
        .on("say", |socket, event| {
            let (rooms, text): (Vec<String>, String) = event.parse()?;
            socket.to(rooms).emit("said", text)
        })
        // To all who are in one room and not in another, the sender too.
        .on("announce", |socket, event| {
            let (room, but, text): (String, String, String) = event.parse()?;
            socket.everybody().to(room).except(but).emit("announced", text)
        });

    let socketio = SocketIo::default().namespace(rooms);
    let running = Server::builder().listen(listen.parse()?).socketio(socketio).start()?;
    println!("ready on http://{}", running.addrs()[0]);
    Ok(running.join()?)
}
