//! Namespaces that hear more than their clients: what is sent to them, their rooms, other threads, other servers.

use crate::answer::Answer;
use crate::journal::Journal;
use crate::{rooms, steered};
use fanfare::Context;
use fanfare::socketio::{Args, ConnectError, Error, Namespace, Outgoing, RoomEvent, Socket};
use serde::Deserialize;
use serde_json::{Value, json};

pub(crate) fn namespaces(journal: &Journal) -> Vec<Namespace> {
    let upgrades = steered(Namespace::new("/upgrades"), journal)
        .on_upgrade(|socket| socket.emit("upgraded", socket.transport().name()));
    let others =
        [hears_what_is_sent(journal), hears_of_rooms(journal), decides_later(), hears_of_servers(journal)];
    others.into_iter().chain([upgrades]).collect()
}

fn hears_what_is_sent(journal: &Journal) -> Namespace {
    let hears = |by: &'static str| {
        move |socket: &mut Socket<'_>, event: &Outgoing<'_>| {
            let (name, args): (String, Vec<Value>) = (
                event.name().to_owned(),
                event.args().iter().map(|arg| arg.parse()).collect::<Result<_, _>>()?,
            );
            socket.emit("heard", (by, name, args))
        }
    };
    steered(Namespace::new("/outgoing"), journal)
        .on_any_outgoing(hears("any"))
        .on_any_outgoing(hears("any, too"))
        .prepend_any_outgoing(hears("first of all"))
}

fn hears_of_rooms(journal: &Journal) -> Namespace {
    let (told, journal) = (journal.clone(), journal.clone());
    steered(Namespace::new("/rooms"), &journal).on_room(move |_, event| {
        let (what, id) = match *event {
            RoomEvent::Created { .. } => ("create-room", None),
            RoomEvent::Joined { id, .. } => ("join-room", Some(id)),
            RoomEvent::Left { id, .. } => ("leave-room", Some(id)),
            RoomEvent::Deleted { .. } => ("delete-room", None),
        };
        told.note(json!({"id": event.room(), "what": what, "socket": id}));
    })
}

/// Who knocks, and what about.
#[derive(Deserialize)]
struct Knock {
    say: Option<String>,
}

/// What was found out about a socket.
struct Found(&'static str);

/// Another thread lets in who says `let me in`, and none who says anything else; it is not asked about the silent.
fn decides_later() -> Namespace {
    Namespace::new("/later")
        .middleware_later(|socket, connecting, decision| {
            let handle = socket.context().handle();
            let auth: Option<String> = connecting.parse_auth::<Knock>().ok().and_then(|knock| knock.say);
            let Some(said) = auth.or_else(|| connecting.query("say")) else { return };
            std::thread::spawn(move || match said.as_str() {
                "let me in" => decision.allow_with(&handle, |socket| {
                    socket.set(Found("by a thread"));
                }),
                _ => decision.refuse(&handle, ConnectError::new("not for that").data(&json!({"said": said}))),
            });
        })
        .middleware(|socket, _| match socket.get::<Found>() {
            Some(_) => Ok(()),
            None => Err(ConnectError::new("nobody has decided")),
        })
        .on_connect(|socket, _| {
            let found = socket.get::<Found>().map(|found| found.0);
            socket.emit("found", found)
        })
}

/// `serverSideEmit`, and what would be there if another server had done that.
fn hears_of_servers(journal: &Journal) -> Namespace {
    let journal = journal.clone();
    let answered = |answer: Answer| {
        move |cx: &mut Context<'_>, all: Vec<Args>| {
            let all: Vec<String> = all.iter().map(|args| args.as_ref().json().to_owned()).collect();
            answer.done(cx, all);
        }
    };
    let namespace = Namespace::new("/servers")
        .on("server_side_emit", move |socket, event| {
            let (name, by_thread): (String, bool) = event.parse()?;
            let answer = Answer::to(event);
            let cx = socket.context();
            let emitted = cx.server_side_emit("/servers", &name, 1);
            let done = answered(answer.clone());
            let result = emitted.and_then(|()| match by_thread {
                false => cx.server_side_emit_with_ack("/servers", &name, (1, 2), done),
                true => cx.handle().server_side_emit_with_ack("/servers", &name, (1, 2), done),
            });
            if result.is_err() {
                answer.result(cx, result);
            }
            Ok(())
        })
        .on("as_another_server", |socket, event| {
            let (answer, value): (Answer, Value) = (Answer::to(event), event.parse()?);
            let ack = Box::new(move |cx: &mut Context<'_>, args: Args| answer.done(cx, args.as_ref().json()));
            socket.context().server_side("/servers", "told", value, Some(ack))
        })
        .on_server_side("told", move |cx, event| {
            let value: Value = event.parse()?;
            journal.note(json!({"id": "told", "value": value}));
            event.ack(cx, ("thanks", value))
        });
    rooms::steered(namespace).on_error(|_, _, error: &Error| log_error(error))
}

fn log_error(error: &Error) {
    eprintln!("{error}");
}
