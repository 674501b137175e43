//! The application of the simulation, on the public interface only, and what it writes down.
//!
//! A connection is known by the room `n` and its number. Commands are words; what a publish delivers says who
//! sent it, to whom, and which of the sender's it is. The same words come over plain WebSockets, as messages of
//! Engine.IO, and as events of Socket.IO ([`super::namespace`]).

use crate::app::{
    Admission, CloseCause, Context, DeliveryReport, Endpoint, Handle, Message, Params, Request, Responder,
    Socket, To, UpgradeDecision,
};
use crate::wire::frame::{Opcode, encode};
use crate::wire::response::Response;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// The number of the message that says goodbye: after all others.
pub(super) const FAREWELL: u64 = u64::MAX;

/// The selection of a publish.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Target {
    pub(super) scope: String,
    pub(super) rooms: Vec<String>,
    pub(super) except: Vec<String>,
}

impl Target {
    fn to(&self) -> To {
        let to = self.rooms.iter().fold(To::everybody(&self.scope), |to, room| to.and_room(room));
        self.except.iter().fold(to, |to, room| to.except(room))
    }

    pub(super) fn parse(scope: &str, rooms: &str, except: &str) -> Target {
        let list = |text: &str| match text {
            "-" => Vec::new(),
            _ => text.split(',').map(str::to_owned).collect(),
        };
        Target { scope: scope.to_owned(), rooms: list(rooms), except: list(except) }
    }

    pub(super) fn words(&self) -> String {
        let word = |names: &Vec<String>| if names.is_empty() { "-".to_owned() } else { names.join(",") };
        format!("{} {}", word(&self.rooms), word(&self.except))
    }
}

/// When a socket's alarm is due at the earliest; kept with it.
struct Due {
    unix_ms: u64,
}

/// It has rung, and does once more.
struct Again;

/// What happened, in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Event {
    Opened {
        n: usize,
        scope: String,
        rooms: Vec<String>,
    },
    Joined {
        n: usize,
        room: String,
    },
    Left {
        n: usize,
        room: String,
    },
    /// It is this user from now on, and nobody else of its scope.
    Claimed {
        n: usize,
        scope: String,
        user: String,
    },
    Published {
        n: usize,
        number: u64,
        target: Target,
        asked: bool,
        volatile: bool,
        at_ms: u64,
    },
    Reported {
        n: usize,
        number: u64,
        report: [u64; 7],
        /// How many nodes were asked, and how many answered.
        nodes: (u64, u64),
        at_ms: u64,
    },
    /// Its alarm went off, and it told everybody.
    Rang {
        n: usize,
    },
    /// What became of that.
    Heard {
        n: usize,
    },
    /// Everything under way has arrived, on all nodes.
    Quiet,
    /// It was asked something that it has to acknowledge.
    Asked {
        n: usize,
        number: u64,
    },
    /// It did, or not.
    Answered {
        n: usize,
        number: u64,
        right: Option<bool>,
    },
    Closed {
        n: usize,
        cause: &'static str,
        code: Option<u16>,
        at_ms: u64,
    },
}

#[derive(Clone)]
pub(super) struct Play {
    pub(super) events: Arc<Mutex<Vec<Event>>>,
    /// When the run began, for those who count from somewhere else.
    pub(super) start: Instant,
    pub(super) now_ms: Arc<AtomicU64>,
    /// How often somebody wanted to know what time it is.
    pub(super) looks: Arc<AtomicU64>,
    /// Whoever leaves says goodbye to everybody.
    pub(super) farewells: bool,
    /// Those who wait to be let in.
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// One who waits to be let in.
struct Asked {
    handle: Handle,
    decision: UpgradeDecision,
    admission: Admission,
}

/// One socket, whatever it speaks.
pub(super) trait Person {
    fn scope(&self) -> String;
    fn rooms(&self) -> Vec<String>;
    fn join(&mut self, room: &str) -> bool;
    fn leave(&mut self, room: &str) -> bool;
    /// Says something to it; false if it is closing.
    fn tell(&mut self, text: &str) -> bool;
    fn publish(&mut self, target: &Target, text: &str, volatile: bool);
    /// Publishes, writes down what became of it, and tells.
    fn ask(&mut self, target: &Target, text: &str, volatile: bool, play: &Play, number: u64);
    fn close(&mut self, number: &str);

    fn number(&self) -> usize {
        let rooms = self.rooms();
        let room = rooms.iter().find(|room| room.starts_with('n')).expect("a socket lost its number");
        room[1..].parse().unwrap()
    }
}

impl Play {
    pub(super) fn new(farewells: bool) -> Play {
        Play {
            events: Arc::default(),
            start: Instant::now(),
            now_ms: Arc::default(),
            looks: Arc::default(),
            farewells,
            asked: Arc::default(),
        }
    }

    /// Lets in those who wait, as far as `now` says so of each. From no reactor.
    pub(super) fn decide(&self, mut now: impl FnMut() -> bool) {
        let asked = std::mem::take(&mut *self.asked.lock().unwrap());
        let (decided, later): (Vec<_>, Vec<_>) = asked.into_iter().partition(|_| now());
        *self.asked.lock().unwrap() = later;
        for Asked { handle, decision, admission } in decided {
            decision.allow(&handle, admission);
        }
    }

    pub(super) fn has_decided(&self) -> bool {
        self.asked.lock().unwrap().is_empty()
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    pub(super) fn note(&self, event: Event) {
        self.events.lock().unwrap().push(event);
    }

    pub(super) fn reported(&self, n: usize, number: u64, report: DeliveryReport) {
        let DeliveryReport {
            matched,
            written,
            queued,
            dropped_slow,
            dropped_volatile,
            dropped_closed,
            dropped_busy,
            nodes_asked,
            nodes_answered,
        } = report;
        let report = [matched, written, queued, dropped_slow, dropped_volatile, dropped_closed, dropped_busy];
        let (nodes, at_ms) = ((nodes_asked, nodes_answered), self.now_ms());
        self.note(Event::Reported { n, number, report, nodes, at_ms });
    }

    pub(super) fn published(&self, n: usize, number: u64, target: &Target, asked: bool, volatile: bool) {
        let (target, at_ms) = (target.clone(), self.now_ms());
        self.note(Event::Published { n, number, target, asked, volatile, at_ms });
    }

    /// Does what a client says, if it is one of the words that everybody has.
    pub(super) fn act(&self, person: &mut impl Person, text: &str) {
        let n = person.number();
        let words: Vec<&str> = text.splitn(5, ' ').collect();
        match words[0] {
            "join" => {
                let answer = if person.join(words[2]) { "joined" } else { "full" };
                if answer == "joined" {
                    self.note(Event::Joined { n, room: words[2].to_owned() });
                }
                person.tell(&format!("{answer} {}", words[1]));
            }
            "leave" => {
                if person.leave(words[2]) {
                    self.note(Event::Left { n, room: words[2].to_owned() });
                }
                person.tell(&format!("left {}", words[1]));
            }
            "pub" | "ask" | "vol" | "ask-vol" => {
                let number: u64 = words[1].parse().unwrap();
                let target = Target::parse(&person.scope(), words[2], words[3]);
                let (asked, volatile) = (words[0].starts_with("ask"), words[0].ends_with("vol"));
                self.published(n, number, &target, asked, volatile);
                let text = message(n, number, &target, words[4]);
                if asked {
                    person.ask(&target, &text, volatile, self, number);
                } else {
                    person.publish(&target, &text, volatile);
                }
            }
            "close" => person.close(words[1]),
            other => panic!("a client said {other:?}"),
        }
    }

    /// `sum` adds up a scope over the reactors, `publish` tells everybody.
    pub(super) fn route(
        &self,
        cx: &mut Context<'_>,
        request: &Request<'_>,
        params: &Params,
        responder: Responder,
    ) {
        let (what, n, number) = (params.get(0), params.get(1), params.get(2));
        let (n, number): (usize, u64) = (n.parse().unwrap(), number.parse().unwrap());
        if what == "sum" {
            cx.gather(
                |view| view.scope_len("d1"),
                move |cx, answers| {
                    assert!(answers.len() <= 3);
                    let sum: u64 = answers.iter().sum();
                    responder.send(cx, Response::text(200, format!("sum {number} {sum}")));
                },
            );
            return;
        }
        let target = Target::parse("d1", "-", "-");
        self.published(n, number, &target, true, false);
        let text = String::from_utf8_lossy(request.body());
        let message = message(n, number, &target, &text);
        let play = self.clone();
        cx.publish_with(&target.to(), &encode(Opcode::Text, message.as_bytes()), move |cx, report| {
            play.reported(n, number, report);
            responder.send(cx, Response::text(200, format!("publish {number} {}", report.delivered())));
        });
    }
}

pub(super) fn message(n: usize, number: u64, target: &Target, pad: &str) -> String {
    format!("m {n} {number} {} {} {pad}", target.scope, target.words())
}

impl Person for Socket<'_> {
    fn scope(&self) -> String {
        Socket::scope(self).to_owned()
    }

    fn rooms(&self) -> Vec<String> {
        Socket::rooms(self).map(str::to_owned).collect()
    }

    fn join(&mut self, room: &str) -> bool {
        Socket::join(self, room).is_ok()
    }

    fn leave(&mut self, room: &str) -> bool {
        Socket::leave(self, room)
    }

    fn tell(&mut self, text: &str) -> bool {
        self.send_text(text)
    }

    fn publish(&mut self, target: &Target, text: &str, _: bool) {
        Socket::publish(self, &target.to(), &encode(Opcode::Text, text.as_bytes()));
    }

    fn ask(&mut self, target: &Target, text: &str, _: bool, play: &Play, number: u64) {
        let (n, play) = (self.number(), play.clone());
        self.publish_with(&target.to(), &encode(Opcode::Text, text.as_bytes()), move |socket, report| {
            play.reported(n, number, report);
            socket.send_text(&format!("report {number} {}", report.delivered()));
        });
    }

    fn close(&mut self, number: &str) {
        Socket::close(self, 4_100, number);
        assert!(!self.send_text("too late"), "a socket that was closed took a message");
    }
}

impl Endpoint for Play {
    fn on_upgrade(&self, request: &Request<'_>) -> Result<Admission, Response> {
        let query = request.query().unwrap();
        if query.get("refuse").is_some() {
            return Err(Response::error(403, "no", "not you"));
        }
        let mut admission = Admission::to_scope(query.get("d").unwrap()).room(query.get("n").unwrap());
        if let Some(user) = query.get("u") {
            admission = admission.claim(user);
        }
        let rooms = query.get("g").unwrap().split(',').filter(|room| !room.is_empty());
        let admission = rooms.fold(admission, Admission::room);
        if query.get("later").is_none() {
            return Ok(admission);
        }
        let asked = self.asked.clone();
        Ok(Admission::later(move |cx, decision| {
            asked.lock().unwrap().push(Asked { handle: cx.handle(), decision, admission });
        }))
    }

    fn on_open(&self, socket: &mut Socket<'_>) {
        let n = socket.number();
        let rooms = Person::rooms(socket);
        let scope = socket.scope().to_owned();
        let user = rooms.iter().find(|room| room.starts_with('@')).cloned();
        self.note(Event::Opened { n, scope: scope.clone(), rooms });
        if let Some(user) = user {
            self.note(Event::Claimed { n, scope, user });
        }
        assert!(socket.send_text(&format!("hi {n}")));
        if n.is_multiple_of(2) {
            let soon = socket.context().unix_ms() + 40 + n as u64 * 29 % 300;
            socket.set_alarm(Some(soon));
            socket.set(Due { unix_ms: soon });
        }
    }

    fn on_alarm(&self, socket: &mut Socket<'_>) {
        let n = socket.number();
        let due = socket.get::<Due>().expect("what it keeps goes where it goes").unix_ms;
        assert!(socket.context().unix_ms() >= due, "{n}: an alarm too early");
        self.note(Event::Rang { n });
        let (scope, play) = (socket.scope().to_owned(), self.clone());
        let frame = encode(Opcode::Text, format!("a {n}").as_bytes());
        socket.publish_with(&To::everybody(&scope), &frame, move |_, _| play.note(Event::Heard { n }));
        // Once more, a little later.
        if n.is_multiple_of(4) && socket.set(Again).is_none() {
            let soon = socket.context().unix_ms() + 50;
            socket.set_alarm(Some(soon));
        }
    }

    fn on_message(&self, socket: &mut Socket<'_>, message: Message<'_>) {
        match message {
            Message::Text(text) => self.act(socket, text),
            Message::Binary(bytes) => {
                socket.send_binary(bytes);
            }
        }
    }

    fn on_close(&self, socket: &mut Socket<'_>, cause: &CloseCause) {
        let n = socket.number();
        assert!(!socket.send_text("too late"), "a closing socket took a message");
        let code = match cause {
            CloseCause::Client(code) => *code,
            CloseCause::Handler(code) | CloseCause::Protocol(code) => Some(*code),
            _ => None,
        };
        let at_ms = self.now_ms();
        self.note(Event::Closed { n, cause: cause.name(), code, at_ms });
        if self.farewells {
            let target = Target::parse(socket.scope(), "-", "-");
            let frame = encode(Opcode::Text, message(n, FAREWELL, &target, "bye").as_bytes());
            self.published(n, FAREWELL, &target, true, false);
            let play = self.clone();
            let done = move |_: &mut Context<'_>, report| play.reported(n, FAREWELL, report);
            socket.context().publish_with(&target.to(), &frame, done);
        }
    }
}
