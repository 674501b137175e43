//! Sending to the one socket that asks for it, with and without an acknowledgement; and what it is.

use crate::answer::Answer;
use crate::journal::Journal;
use crate::many::args;
use fanfare::socketio::{ArgsRef, Namespace, NoAck};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// How an event is sent.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct How {
    volatile: bool,
    uncompressed: bool,
    ack: bool,
    timeout_ms: Option<u64>,
    /// So many times.
    times: Option<usize>,
}

fn told(answer: Result<ArgsRef<'_>, NoAck>) -> Value {
    match answer {
        Ok(args) => {
            let values: Result<Vec<Value>, _> = args.iter().map(|arg| arg.parse()).collect();
            json!({"args": values.expect("clients send JSON"), "attachments": args.attachments().len()})
        }
        Err(NoAck::Timeout) => json!("timeout"),
        Err(NoAck::Disconnected) => json!("disconnected"),
    }
}

/// `one`: how, the event's name and its arguments; `echo`, `call` and the like need no words.
pub(crate) fn steered(namespace: Namespace, journal: &Journal) -> Namespace {
    let journal = journal.clone();
    namespace
        .on("one", move |socket, event| {
            let (how, name, values): (How, String, Vec<Value>) = event.parse()?;
            let (answer, values) = (Answer::to(event), args(&values)?);
            for _ in 1..how.times.unwrap_or(1) {
                let one = socket.compress(!how.uncompressed);
                if how.volatile { one.volatile() } else { one }.emit(&name, &values)?;
            }
            let mut one = socket.compress(!how.uncompressed);
            if how.volatile {
                one = one.volatile();
            }
            if let Some(ms) = how.timeout_ms {
                one = one.timeout(Duration::from_millis(ms));
            }
            if how.ack {
                let (later, journal) = (answer.clone(), journal.clone());
                let result = one.emit_with_ack(&name, &values, move |socket, args| {
                    if matches!(args, Err(NoAck::Disconnected)) {
                        journal.note(json!({"id": socket.id(), "what": "no answer"}));
                    }
                    later.done(socket.context(), told(args));
                });
                if result.is_err() {
                    answer.result(socket.context(), result);
                }
            } else {
                let result = one.emit(&name, &values);
                answer.result(socket.context(), result);
            }
            Ok(())
        })
        .on("send", |socket, event| socket.send(event.args()))
        // What came goes back, binary or not.
        .on("echo", |socket, event| {
            socket.emit("echoed", event.args())?;
            event.ack(socket, event.args())
        })
        .on("twice", |socket, event| {
            event.ack(socket, 1)?;
            event.ack(socket, 2)
        })
        .on("later", |socket, event| {
            // By another thread, after the handler.
            let (ack, handle) = (event.take_ack(), socket.context().handle());
            std::thread::spawn(move || ack.map(|ack| ack.send(&handle, "by a thread")));
        })
        .on("facts", |socket, event| {
            let (id, namespace, is_connected) = (socket.id(), socket.namespace(), socket.is_connected());
            let reactor = socket.context().reactor();
            let facts =
                json!({"id": id, "namespace": namespace, "connected": is_connected, "reactor": reactor});
            Answer::to(event).done(socket.context(), facts);
        })
        .on("connection", |socket, event| {
            let handshake = socket.handshake();
            let agent = handshake.and_then(|handshake| handshake.header("x-agent"));
            let facts = json!({
                "session": socket.session_id(), "transport": socket.transport().name(), "revision": socket.revision(),
                "peer": socket.peer().map(|peer| peer.to_string()),
                "url": handshake.and_then(|handshake| handshake.url()),
                "agent": agent.map(String::from_utf8_lossy),
            });
            Answer::to(event).done(socket.context(), facts);
        })
        .on("fail", |_, event| event.parse::<(u8, u8)>().map(|_| ()))
        .on("panic", |_, _| -> () { panic!("as it was told") })
}
