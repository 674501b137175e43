//! The same application as a namespace of Socket.IO: words are the argument of the event `w`, what it says back too.
//!
//! Besides, a socket may claim to be a user whenever it likes, is sent back attachments (`b`), and can have itself
//! asked for an acknowledgement.

use super::play::{Event, FAREWELL, Person, Play, Target, message};
use crate::app::Context;
use crate::app::socketio::{Ack, Args, EngineOptions, Event as Sent, Namespace, Socket, SocketIo};
use std::sync::atomic::Ordering;

/// How long some sockets have to acknowledge, in milliseconds.
const ACK_MS: u32 = 400;

pub(super) fn socketio(engine: EngineOptions, connect_timeout_ms: u32, play: &Play) -> SocketIo {
    let (connects, says, leaves) = (play.clone(), play.clone(), play.clone());
    let namespace = Namespace::new("/")
        .on_connect(move |socket, connecting| {
            let room = connecting.query("n").expect("a number");
            assert_eq!(socket.join(&room), Ok(true));
            let n = room[1..].parse().unwrap();
            connects.note(Event::Opened { n, scope: "/".to_owned(), rooms: vec![room] });
            assert!(socket.emit("w", &args(&format!("hi {n}"))));
        })
        .on("w", move |socket, event| {
            let text: String = event.args().iter().next().expect("words").parse().expect("a text");
            said(&says, socket, event, &text);
        })
        .on("b", |socket, event| {
            let mut back = Args::new();
            back.push_ref(event.args().iter().next().expect("an attachment")).expect("what came can go");
            socket.emit("b", &back);
        })
        .on_disconnect(move |socket, reason| {
            assert!(!socket.emit("w", &args("too late")), "a closing socket took a message");
            left(&leaves, socket, reason.as_str());
        });
    SocketIo::new(engine).connect_timeout_ms(connect_timeout_ms).namespace(namespace)
}

fn args(text: &str) -> Args {
    let mut args = Args::new();
    args.push(text).expect("a text");
    args
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
        self.socket.emit("w", &args(text))
    }

    fn publish(&mut self, target: &Target, text: &str, volatile: bool) {
        let emit = target.rooms.iter().fold(self.socket.broadcast(), |emit, room| emit.to(room));
        let emit = target.except.iter().fold(emit, |emit, room| emit.except(room));
        let emit = if volatile { emit.volatile() } else { emit };
        emit.emit("w", &args(text));
    }

    fn ask(&mut self, target: &Target, text: &str, volatile: bool, play: &Play, number: u64) {
        let (n, play, ack) = (self.number(), play.clone(), self.ack.take().expect("it wants to know"));
        let emit = target.rooms.iter().fold(self.socket.broadcast(), |emit, room| emit.to(room));
        let emit = target.except.iter().fold(emit, |emit, room| emit.except(room));
        let emit = if volatile { emit.volatile() } else { emit };
        emit.emit_with_report("w", &args(text), move |cx, report| {
            play.reported(n, number, report);
            ack.send(cx, &args(&format!("report {number} {}", report.delivered())));
        });
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
            socket.emit("w", &args(&format!("{answer} {}", words[1])));
        }
        "release" => {
            let before = socket.claimed().map(str::to_owned);
            if socket.release() {
                play.note(Event::Left { n, room: before.expect("what it claimed") });
            }
            socket.emit("w", &args(&format!("is {}", words[1])));
        }
        "quiz" => {
            let number: u64 = words[1].parse().unwrap();
            play.note(Event::Asked { n, number });
            let play = play.clone();
            let timeout = number.is_multiple_of(2).then_some(ACK_MS);
            let mut question = Args::new();
            question.push(&number).expect("a number");
            socket.emit_with_ack("q", &question, timeout, move |_, answer| {
                let right = answer.map(|answer| {
                    answer.iter().next().expect("an argument").parse::<u64>().expect("a number") == number + 1
                });
                play.note(Event::Answered { n, number, right });
            });
        }
        _ => play.act(&mut Member { socket, ack }, text),
    }
}

fn left(play: &Play, socket: &mut Socket<'_>, cause: &'static str) {
    let n = Member { socket: &mut *socket, ack: None }.number();
    let at_ms = play.now_ms.load(Ordering::Relaxed);
    play.note(Event::Closed { n, cause, code: None, at_ms });
    if play.farewells {
        let target = Target::parse("/", "-", "-");
        play.published(n, FAREWELL, &target, true, false);
        let text = message(n, FAREWELL, &target, "bye");
        let play = play.clone();
        let done = move |_: &mut Context<'_>, report| play.reported(n, FAREWELL, report);
        // Not to itself, whoever is the sender.
        socket.context().namespace("/").emit_with_report("w", &args(&text), done);
    }
}
