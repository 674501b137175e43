//! Sending to many, and moving many: whom a client names, from where it is done, and what.

use crate::answer::Answer;
use fanfare::socketio::{Answers, Args, Emit, Error, MoveReport, Namespace, RemoteSocket};
use fanfare::{Context, Via};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// Where it begins.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum From {
    /// `socket.broadcast()`: everybody but the sender.
    #[default]
    Socket,
    /// `cx.namespace(…)` in a handler.
    Context,
    /// `handle.namespace(…)` on another thread.
    Handle,
}

/// To whom, and how.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Whom {
    from: From,
    /// Another namespace than the client's own; not from the socket.
    namespace: Option<String>,
    to: Vec<String>,
    except: Vec<String>,
    volatile: bool,
    local: bool,
    compress: bool,
    timeout_ms: Option<u64>,
}

impl Default for Whom {
    fn default() -> Whom {
        Whom {
            from: From::Socket,
            namespace: None,
            to: Vec::new(),
            except: Vec::new(),
            volatile: false,
            local: false,
            compress: true,
            timeout_ms: None,
        }
    }
}

impl Whom {
    /// Room by room, as a chain of calls does it.
    fn choose<V: Via>(&self, emit: Emit<V>) -> Emit<V> {
        let emit = self.to.iter().fold(emit, |emit, room| emit.to(room));
        let emit = emit.except(&self.except).compress(self.compress);
        let emit = match self.timeout_ms {
            Some(ms) => emit.timeout(Duration::from_millis(ms)),
            None => emit,
        };
        let emit = if self.local { emit.local() } else { emit };
        if self.volatile { emit.volatile() } else { emit }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    /// Answered when it was handed over, which may be before it was sent.
    Emit(String, Vec<Value>),
    Send(Vec<Value>),
    /// Answered with how many sockets have it, or will.
    Report(String, Vec<Value>),
    /// Answered with what became of it, in sockets: written, waiting, dropped.
    Tally(String, Vec<Value>),
    Join(Vec<String>),
    Leave(Vec<String>),
    Disconnect(bool),
    /// Answered with what they acknowledge.
    Ask(String, Vec<Value>),
    /// The same by a thread that waits for that.
    Await(String, Vec<Value>),
    Ids,
    Fetch,
    /// What is done to each of those that were fetched.
    Each(Remote),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Remote {
    Emit(String, Value),
    Ask(String, Value),
    Join(String),
    Leave(String),
    Disconnect(bool),
}

impl Remote {
    fn apply(&self, cx: &mut Context<'_>, socket: &RemoteSocket, answer: &Answer) -> Result<(), Error> {
        match self {
            Remote::Emit(event, value) => socket.emit(cx, event, value)?,
            Remote::Ask(event, value) => {
                let answer = answer.clone();
                let asked = socket.by(cx).timeout(Duration::from_secs(60));
                asked.emit_with_ack(event, value, move |cx, answers| answer.done(cx, told(answers)))?;
            }
            Remote::Join(room) => socket.join(cx, room),
            Remote::Leave(room) => socket.leave(cx, room),
            Remote::Disconnect(close) => socket.disconnect(cx, *close),
        }
        Ok(())
    }
}

/// Who answered what, and how many did not.
fn told(answers: Answers) -> Value {
    let missing = answers.missing();
    let told = |answer: &fanfare::socketio::Answer| {
        let values: Result<Vec<Value>, _> = answer.args().iter().map(|arg| arg.parse()).collect();
        json!([answer.id(), values.expect("clients send JSON")])
    };
    match answers.complete() {
        Ok(all) => json!({"answers": all.iter().map(told).collect::<Vec<_>>(), "missing": missing}),
        Err(some) => {
            let answers: Vec<Value> = some.answers().iter().map(told).collect();
            json!({"answers": answers, "missing": missing, "error": some.to_string()})
        }
    }
}

fn described(socket: &RemoteSocket) -> Result<Value, Error> {
    let rooms: Vec<&str> = socket.rooms().collect();
    let data: Option<Value> = socket.data()?;
    let (id, namespace, query) = (socket.id(), socket.namespace(), socket.query("room"));
    Ok(json!({"id": id, "namespace": namespace, "rooms": rooms, "query": query, "data": data}))
}

/// Arguments, one by one.
pub(crate) fn args(values: &[Value]) -> Result<Args, Error> {
    let mut args = Args::new();
    values.iter().try_for_each(|value| args.push(value))?;
    Ok(args)
}

/// What is to be answered at once; if nothing, that comes later.
fn act<V: Via>(emit: Emit<V>, what: What, answer: Answer) -> Result<Option<Value>, Error> {
    let later = answer.clone();
    let count = move |cx: &mut Context<'_>, count: u64| later.done(cx, count);
    let moved = {
        let count = count.clone();
        move |cx: &mut Context<'_>, report: MoveReport| count(cx, report.matched)
    };
    match what {
        What::Emit(event, values) => {
            emit.emit(&event, args(&values)?)?;
            return Ok(Some(Value::Null));
        }
        What::Send(values) => {
            emit.send(args(&values)?)?;
            return Ok(Some(Value::Null));
        }
        What::Report(event, values) => {
            emit.emit_with_report(&event, args(&values)?, move |cx, report| count(cx, report.delivered()))?;
        }
        What::Tally(event, values) => emit.emit_with_report(&event, args(&values)?, move |cx, report| {
            let dropped = report.dropped_slow + report.dropped_volatile + report.dropped_closed;
            answer.done(cx, [report.written, report.queued, dropped]);
        })?,
        What::Join(rooms) => emit.sockets_join_with_report(rooms, moved),
        What::Leave(rooms) => emit.sockets_leave_with_report(rooms, moved),
        What::Disconnect(close) => emit.disconnect_sockets_with_report(close, moved),
        What::Ask(event, values) => {
            emit.emit_with_ack(&event, args(&values)?, move |cx, answers| answer.done(cx, told(answers)))?;
        }
        What::Await(event, values) => {
            let answers = emit.ask(&event, args(&values)?)?.wait().map_err(Error::other)?;
            return Ok(Some(told(answers)));
        }
        What::Ids => emit.ids(move |cx, ids| answer.done(cx, ids)),
        What::Fetch => emit.fetch_sockets(move |cx, sockets| {
            let all: Result<Vec<Value>, Error> = sockets.iter().map(described).collect();
            answer.result(cx, all);
        }),
        What::Each(remote) => emit.fetch_sockets(move |cx, sockets| {
            let applied = sockets.iter().try_for_each(|socket| remote.apply(cx, socket, &answer));
            if !matches!(remote, Remote::Ask(..)) || applied.is_err() {
                answer.result(cx, applied.map(|()| sockets.len()));
            }
        }),
    }
    Ok(None)
}

/// `many`: whom, and what.
pub(crate) fn steered(namespace: Namespace) -> Namespace {
    namespace.on("many", |socket, event| {
        let (whom, what): (Whom, What) = event.parse()?;
        let answer = Answer::to(event);
        let name = whom.namespace.clone().unwrap_or_else(|| socket.namespace().to_owned());
        let given = answer.clone();
        let result = match whom.from {
            From::Socket => act(whom.choose(socket.broadcast()), what, given),
            From::Context => act(whom.choose(socket.context().namespace(&name)), what, given),
            From::Handle => {
                let handle = socket.context().handle();
                std::thread::spawn(move || {
                    let result = act(whom.choose(handle.namespace(&name)), what, given).transpose();
                    if let Some(result) = result {
                        answer.result(&handle, result);
                    }
                });
                return Ok(());
            }
        };
        if let Some(result) = result.transpose() {
            answer.result(socket.context(), result);
        }
        Ok(())
    })
}
