//! The same application as a namespace of Socket.IO: words are the argument of the event `w`, what it says back too.
//!
//! Besides, a socket may claim to be a user whenever it likes, is sent back attachments (`b`), and can have itself
//! asked for an acknowledgement.

use super::play::{Event, FAREWELL, Person, Play, Target, message};
use crate::app::socketio::{
    Ack, ArgsRef, EngineOptions, Error, Event as Sent, Namespace, NoAck, Socket, SocketIo,
};
use crate::app::{Context, DeliveryReport};
use std::time::Duration;

/// How long some sockets have to acknowledge.
const ACK_TIME: Duration = Duration::from_millis(400);

pub(super) fn socketio(engine: EngineOptions, connect_timeout_ms: u32, play: &Play) -> SocketIo {
    let (connects, says, leaves) = (play.clone(), play.clone(), play.clone());
    let namespace = Namespace::new("/")
        .on_connect(move |socket, connecting| {
            let room = connecting.query("n").expect("a number");
            assert_eq!(socket.join(&room), Ok(true));
            let n = room[1..].parse().unwrap();
            connects.note(Event::Opened { n, scope: "/".to_owned(), rooms: vec![room] });
            socket.emit("w", format!("hi {n}")).expect("a new socket takes a message");
        })
        .on("w", move |socket, event| {
            let text: String = event.args().iter().next().expect("words").parse().expect("a text");
            said(&says, socket, event, &text);
        })
        .on("b", |socket, event| socket.emit("b", event.args().iter().next().expect("an attachment")))
        .on_disconnecting(move |socket, reason| {
            let sent = socket.emit("w", "too late");
            assert!(matches!(sent, Err(Error::Disconnected)), "a closing socket took a message");
            left(&leaves, socket, reason.as_str());
        });
    SocketIo::new(engine).connect_timeout_ms(connect_timeout_ms).namespace(namespace)
}

struct Member<'s, 'a> {
    socket: &'s mut Socket<'a>,
    ack: Option<Ack>,
}

impl Person for Member<'_, '_> {
    fn scope(&self) -> String {
        self.socket.namespace().to_owned()
    }

    fn rooms(&self) -> Vec<String> {
        self.socket.rooms().map(str::to_owned).collect()
    }

    fn join(&mut self, room: &str) -> bool {
        self.socket.join(room).is_ok()
    }

    fn leave(&mut self, room: &str) -> bool {
        self.socket.leave(room)
    }

    fn tell(&mut self, text: &str) -> bool {
        self.socket.emit("w", text).is_ok()
    }

    fn publish(&mut self, target: &Target, text: &str, volatile: bool) {
        let emit = self.socket.broadcast().to(&target.rooms).except(&target.except);
        let emit = if volatile { emit.volatile() } else { emit };
        emit.emit("w", text).expect("a text can be sent");
    }

    fn ask(&mut self, target: &Target, text: &str, volatile: bool, play: &Play, number: u64) {
        let (n, play, ack) = (self.number(), play.clone(), self.ack.take().expect("it wants to know"));
        let emit = self.socket.broadcast().to(&target.rooms).except(&target.except);
        let emit = if volatile { emit.volatile() } else { emit };
        let done = move |cx: &mut Context<'_>, report: DeliveryReport| {
            play.reported(n, number, report);
            ack.send(cx, format!("report {number} {}", report.delivered())).expect("a text can be sent");
        };
        emit.emit_with_report("w", text, done).expect("a text can be sent");
    }

    fn close(&mut self, _: &str) {
        // Some leave the namespace only; they close then.
        let all = self.number().is_multiple_of(2);
        self.socket.disconnect(all);
    }
}

fn said(play: &Play, socket: &mut Socket<'_>, event: &mut Sent<'_>, text: &str) {
    let ack = event.take_ack();
    let n = Member { socket: &mut *socket, ack: None }.number();
    let words: Vec<&str> = text.split(' ').collect();
    match words[0] {
        "claim" => {
            let before = socket.claimed().map(str::to_owned);
            let answer = if socket.claim(words[2]).is_ok() { "is" } else { "crowded" };
            if answer == "is" {
                if let Some(room) = before.filter(|before| before != words[2]) {
                    play.note(Event::Left { n, room });
                }
                play.note(Event::Claimed { n, scope: "/".to_owned(), user: words[2].to_owned() });
            }
            let _ = socket.emit("w", format!("{answer} {}", words[1]));
        }
        "release" => {
            let before = socket.claimed().map(str::to_owned);
            if socket.release() {
                play.note(Event::Left { n, room: before.expect("what it claimed") });
            }
            let _ = socket.emit("w", format!("is {}", words[1]));
        }
        "quiz" => {
            let number: u64 = words[1].parse().unwrap();
            play.note(Event::Asked { n, number });
            let play = play.clone();
            let done = move |_: &mut Socket<'_>, answer: Result<ArgsRef<'_>, NoAck>| {
                let right = answer.ok().map(|answer| answer.parse::<u64>().expect("a number") == number + 1);
                play.note(Event::Answered { n, number, right });
            };
            let asked = if number.is_multiple_of(2) {
                socket.timeout(ACK_TIME).emit_with_ack("q", number, done)
            } else {
                socket.emit_with_ack("q", number, done)
            };
            asked.expect("a socket that speaks is connected");
        }
        _ => play.act(&mut Member { socket, ack }, text),
    }
}

fn left(play: &Play, socket: &mut Socket<'_>, cause: &'static str) {
    let n = Member { socket: &mut *socket, ack: None }.number();
    let at_ms = play.now_ms();
    play.note(Event::Closed { n, cause, code: None, at_ms });
    if play.farewells {
        let target = Target::parse("/", "-", "-");
        play.published(n, FAREWELL, &target, true, false);
        let text = message(n, FAREWELL, &target, "bye");
        let play = play.clone();
        let done = move |_: &mut Context<'_>, report| play.reported(n, FAREWELL, report);
        // Not to itself, whoever is the sender.
        socket.context().namespace("/").emit_with_report("w", text, done).expect("a text can be sent");
    }
}
