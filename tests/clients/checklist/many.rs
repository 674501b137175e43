//! Sending to many, and moving many: whom a client names, from where it is done, and what.

use crate::answer::Answer;
use fanfare::socketio::{Args, Emit, Error, Namespace};
use fanfare::{Context, Via};
use serde::Deserialize;
use serde_json::Value;

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
    compress: bool,
}

impl Default for Whom {
    fn default() -> Whom {
        Whom {
            from: From::Socket,
            namespace: None,
            to: Vec::new(),
            except: Vec::new(),
            volatile: false,
            compress: true,
        }
    }
}

impl Whom {
    /// Room by room, as a chain of calls does it.
    fn choose<V: Via>(&self, emit: Emit<V>) -> Emit<V> {
        let emit = self.to.iter().fold(emit, |emit, room| emit.to(room));
        let emit = emit.except(&self.except).compress(self.compress);
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
}

/// Arguments, one by one.
pub(crate) fn args(values: &[Value]) -> Result<Args, Error> {
    let mut args = Args::new();
    values.iter().try_for_each(|value| args.push(value))?;
    Ok(args)
}

fn act<V: Via>(emit: Emit<V>, what: What, answer: Answer) -> Result<(), Error> {
    let later = answer.clone();
    let count = move |cx: &mut Context<'_>, count: u64| later.done(cx, count);
    match what {
        What::Emit(event, values) => emit.emit(&event, args(&values)?),
        What::Send(values) => emit.send(args(&values)?),
        What::Report(event, values) => {
            emit.emit_with_report(&event, args(&values)?, move |cx, report| count(cx, report.delivered()))
        }
        What::Tally(event, values) => emit.emit_with_report(&event, args(&values)?, move |cx, report| {
            let dropped = report.dropped_slow + report.dropped_volatile + report.dropped_closed;
            answer.done(cx, [report.written, report.queued, dropped]);
        }),
        What::Join(rooms) => {
            emit.sockets_join_with_report(rooms, count);
            Ok(())
        }
        What::Leave(rooms) => {
            emit.sockets_leave_with_report(rooms, count);
            Ok(())
        }
        What::Disconnect(close) => {
            emit.disconnect_sockets_with_report(close, count);
            Ok(())
        }
    }
}

/// `many`: whom, and what.
pub(crate) fn steered(namespace: Namespace) -> Namespace {
    namespace.on("many", |socket, event| {
        let (whom, what): (Whom, What) = event.parse()?;
        let answer = Answer::to(event);
        let is_told = matches!(what, What::Emit(..) | What::Send(_));
        let name = whom.namespace.clone().unwrap_or_else(|| socket.namespace().to_owned());
        let given = answer.clone();
        let result = match whom.from {
            From::Socket => act(whom.choose(socket.broadcast()), what, given),
            From::Context => act(whom.choose(socket.context().namespace(&name)), what, given),
            From::Handle => {
                let handle = socket.context().handle();
                std::thread::spawn(move || {
                    let result = act(whom.choose(handle.namespace(&name)), what, given.clone());
                    if is_told || result.is_err() {
                        given.result(&handle, result);
                    }
                });
                return Ok(());
            }
        };
        if is_told || result.is_err() {
            answer.result(socket.context(), result);
        }
        Ok(())
    })
}
