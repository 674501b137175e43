//! Acknowledgements of many: what a program gets of a broadcast that wants them.

use super::asking::{Ask, Held};
use super::emit::{Emit, How, check_event};
use super::error::Error;
use crate::app::context::Context;
use crate::app::handle::Via;
use crate::app::reply::{Reply, reply};
use crate::wire::socketio::args::{Args, ArgsRef};
use crate::wire::socketio::value::ToArgs;
use compact_str::CompactString;
use serde::Deserialize;
use std::fmt;
use std::time::Duration;

/// How long recipients have to answer if the program does not say.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// The acknowledgement of one socket.
#[derive(Clone, Debug)]
pub struct Answer {
    id: CompactString,
    args: Args,
}

impl Answer {
    /// Nothing if the arguments cannot be kept, which is so of none that the decoder lets through.
    pub(crate) fn new(id: CompactString, args: ArgsRef<'_>) -> Option<Answer> {
        Some(Answer { id, args: args.to_args().ok()?.into_owned() })
    }

    /// The id of the socket.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it answered.
    pub fn args(&self) -> ArgsRef<'_> {
        self.args.as_ref()
    }

    /// The same as values: a tuple is read from as many arguments, anything else from the first one.
    ///
    /// # Errors
    /// One is missing or of another type.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Error> {
        Ok(self.args().parse()?)
    }

    /// About what it takes.
    pub(super) fn bytes(&self) -> usize {
        let args = self.args();
        size_of::<Answer>() + args.json().len() + args.attachments().iter().map(|it| it.len()).sum::<usize>()
    }
}

// As the table of costs says.
const _: () = assert!(size_of::<Answer>() == 80);

/// What one reactor has of a broadcast.
#[derive(Default)]
pub(super) struct Part {
    pub(super) asked: u64,
    pub(super) answers: Vec<Answer>,
    pub(super) busy: u64,
    pub(super) held: Option<Held>,
}

impl Part {
    /// Of one that could not ask.
    pub(super) fn busy() -> Part {
        Part { busy: 1, ..Part::default() }
    }
}

/// The acknowledgements of a broadcast, in no order.
#[derive(Clone, Debug)]
#[must_use = "not everybody may have answered"]
pub struct Answers {
    all: Vec<Answer>,
    asked: u64,
    busy: u64,
}

impl Answers {
    fn gathered(parts: Vec<Part>) -> Answers {
        let mut answers = Answers { all: Vec::new(), asked: 0, busy: 0 };
        for part in parts {
            answers.asked += part.asked;
            answers.busy += part.busy;
            answers.all.extend(part.answers);
        }
        answers
    }

    /// How many sockets were asked: those to which it was sent.
    pub fn asked(&self) -> u64 {
        self.asked
    }

    /// How many of them have not answered: not in time, not before they left, or more than is kept.
    pub fn missing(&self) -> u64 {
        self.asked - self.all.len() as u64
    }

    /// Reactors that could not ask, because their mailbox was full or too many broadcasts wait there, and other nodes that
    /// did not say whom they asked; how many sockets that would have been is not known.
    pub fn busy(&self) -> u64 {
        self.busy
    }

    /// Whether everybody has answered.
    pub fn is_complete(&self) -> bool {
        self.missing() == 0 && self.busy == 0
    }

    /// All answers, if everybody has answered.
    ///
    /// # Errors
    /// Somebody has not; the error has the answers of the others.
    pub fn complete(self) -> Result<Vec<Answer>, Incomplete> {
        if self.is_complete() { Ok(self.all) } else { Err(Incomplete(self)) }
    }

    /// How many have answered.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether nobody has.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The answers.
    pub fn iter(&self) -> std::slice::Iter<'_, Answer> {
        self.all.iter()
    }
}

impl IntoIterator for Answers {
    type Item = Answer;
    type IntoIter = std::vec::IntoIter<Answer>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.into_iter()
    }
}

impl<'a> IntoIterator for &'a Answers {
    type Item = &'a Answer;
    type IntoIter = std::slice::Iter<'a, Answer>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Not everybody has acknowledged a broadcast.
#[derive(Clone, Debug)]
pub struct Incomplete(Answers);

impl Incomplete {
    /// The answers of those who have.
    pub fn answers(&self) -> &Answers {
        &self.0
    }

    /// The same, to keep.
    pub fn into_answers(self) -> Answers {
        self.0
    }
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} sockets have not acknowledged", self.0.missing(), self.0.asked)?;
        match self.0.busy {
            0 => Ok(()),
            busy => write!(f, ", and {busy} reactors or nodes have not asked theirs"),
        }
    }
}

impl std::error::Error for Incomplete {}

impl<V: Via> Emit<V> {
    /// Sends it and wants an acknowledgement of everybody; `done` is called, once, on a reactor: when all have answered,
    /// or left, or when the time of [`Emit::timeout`] is up. Never before the handler that asks has returned.
    ///
    /// ```no_run
    /// # use fanfare::socketio::{Error, Socket};
    /// # use std::time::Duration;
    /// # fn f(socket: &mut Socket<'_>) -> Result<(), Error> {
    /// socket.to("players").timeout(Duration::from_secs(5)).emit_with_ack("ready?", (), |cx, answers| {
    ///     match answers.complete() {
    ///         Ok(_) => cx.namespace("/").to("players").emit("go", ()).unwrap(),
    ///         Err(incomplete) => println!("{incomplete}"),
    ///     }
    /// })
    /// # }
    /// ```
    ///
    /// Recipients cost nothing each before they answer. Who misses a volatile event is not asked. A reactor keeps 16 MiB
    /// of answers to one broadcast, 64 MiB of answers to all, and lets 1,024 broadcasts to several sockets wait, and as many
    /// to each single one: beyond that it does not send the next ([`Answers::busy`]).
    ///
    /// # Errors
    /// Those of [`Emit::emit`]; then `done` is not called.
    pub fn emit_with_ack(
        self,
        event: &str,
        args: impl ToArgs,
        done: impl FnOnce(&mut Context<'_>, Answers) + Send + 'static,
    ) -> Result<(), Error> {
        check_event(event)?;
        let (event, args) = (event.to_owned(), args.to_args()?.into_owned());
        let (via, how) = self.into_parts();
        via.with_router(|_| ()).ok_or(Error::Stopped)?;
        via.carry(how.to.weight() + args.as_ref().json().len(), move |cx| {
            let id = cx.core.next_ack_id();
            let parcel = how.checked_parcel(&cx.core.router, &event, args.as_ref(), Some(id));
            let How { sender, to, timeout, .. } = how;
            // The clock of a reactor counts milliseconds in 32 bits, and half of them are the past.
            let timeout_ms = timeout.unwrap_or(ANSWER_TIMEOUT).as_millis().min(i32::MAX as u128) as u32;
            let done = move |cx: &mut Context<'_>, parts| done(cx, Answers::gathered(parts));
            cx.ask(sender, Ask { to, parcel, id, timeout_ms }, done);
        });
        Ok(())
    }

    /// The same for a thread that waits for the answers, or a task that awaits them.
    ///
    /// ```no_run
    /// # use fanfare::Handle;
    /// # fn f(handle: &Handle) -> Result<(), Box<dyn std::error::Error>> {
    /// for answer in handle.namespace("/").to("players").ask("name?", ())?.wait()?.complete()? {
    ///     println!("{} is {}", answer.id(), answer.parse::<String>()?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`Emit::emit`].
    pub fn ask(self, event: &str, args: impl ToArgs) -> Result<Reply<Answers>, Error> {
        let (done, reply) = reply();
        self.emit_with_ack(event, args, done)?;
        Ok(reply)
    }
}
