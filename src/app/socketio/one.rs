//! Events to one socket: how it gets them, and its answer.

use super::emit::{check_event, event_pieces};
use super::error::{Error, NoAck, Outcome};
use super::owed::{MAX_OWED, Owed};
use super::socket::Socket;
use crate::app::context::{Context, Job};
use crate::app::endpoint::CloseCause;
use crate::wire::parcel::{self, Parcel, Settings};
use crate::wire::socketio::args::ArgsRef;
use crate::wire::socketio::value::ToArgs;
use std::time::Duration;

/// An event on its way to one socket.
///
/// ```no_run
/// # use fanfare::socketio::{Error, Socket};
/// # use std::time::Duration;
/// # fn f(socket: &mut Socket<'_>) -> Result<(), Error> {
/// socket.volatile().emit("position", (1, 2))?;
/// socket.timeout(Duration::from_secs(5)).emit_with_ack("question", "why?", |socket, answer| {
///     match answer {
///         Ok(args) => println!("{} says {}", socket.id(), args.json()),
///         Err(none) => println!("{none}"),
///     }
/// })
/// # }
/// ```
#[must_use = "nothing is sent before `emit`"]
pub struct One<'s, 'a> {
    socket: &'s mut Socket<'a>,
    volatile: bool,
    compress: bool,
    timeout: Option<Duration>,
}

impl<'s, 'a> One<'s, 'a> {
    pub(super) fn new(socket: &'s mut Socket<'a>) -> One<'s, 'a> {
        One { socket, volatile: false, compress: true, timeout: None }
    }

    /// Dropped if the client does not take it at once.
    pub fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// Whether it may be compressed, if the client has that. Default yes.
    pub fn compress(mut self, compress: bool) -> Self {
        self.compress = compress;
        self
    }

    /// How long the client has to acknowledge, in steps of milliseconds up to 24 days. Default as long as it stays.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends it.
    ///
    /// # Errors
    /// The event's name is reserved, the arguments cannot be sent, or the socket is gone.
    pub fn emit(self, event: &str, args: impl ToArgs) -> Result<(), Error> {
        self.send_event(event, args, None)
    }

    /// Sends the event `message`, as a plain WebSocket does.
    ///
    /// # Errors
    /// Those of [`One::emit`].
    pub fn send(self, args: impl ToArgs) -> Result<(), Error> {
        self.emit("message", args)
    }

    /// Sends it and wants an acknowledgement; `done` is called once: with its arguments, or with the reason why there
    /// are none. What it returns is as with other handlers. A client that owes more than 16,384 is disconnected, as one
    /// that does not read.
    ///
    /// # Errors
    /// Those of [`One::emit`]; then `done` is not called.
    pub fn emit_with_ack<R: Outcome>(
        self,
        event: &str,
        args: impl ToArgs,
        done: impl FnOnce(&mut Socket<'_>, Result<ArgsRef<'_>, NoAck>) -> R + 'static,
    ) -> Result<(), Error> {
        let args = args.to_args()?;
        check_event(event)?;
        let (link, number) = (self.socket.link, self.socket.at.number);
        if !self.socket.is_connected() {
            return Err(Error::Disconnected);
        }
        let Context { core, out } = &mut self.socket.cx;
        let (now, id) = (core.now, core.next_ack_id());
        // The clock of a reactor counts milliseconds in 32 bits, and half of them are the past.
        let until = self.timeout.map(|timeout| now.in_ms(timeout.as_millis().min(i32::MAX as u128) as u32));
        let Some(member) = core.sio.get(link).and_then(|session| session.member(number)) else {
            return Err(Error::Disconnected);
        };
        let done = Box::new(move |socket: &mut Socket<'_>, answer: Result<ArgsRef<'_>, NoAck>| {
            done(socket, answer).into_result()
        });
        if !member.owing_mut().push(Owed { id, until, done }, now) {
            out.note(link, log::Level::Warn, || {
                format!("slow consumer, closed: it owes more than {MAX_OWED} acknowledgements")
            });
            core.jobs.push_back(Job::CloseSession { link, cause: CloseCause::Slow });
        }
        if until.is_some() {
            core.jobs.push_back(Job::Reschedule { link });
        }
        self.send_event(event, args.as_ref(), Some(id))
    }

    fn send_event(self, event: &str, args: impl ToArgs, id: Option<u64>) -> Result<(), Error> {
        let socket = self.socket;
        if !socket.is_connected() {
            return Err(Error::Disconnected);
        }
        let pieces = event_pieces(socket.namespace.parser, socket.name, event, args, id)?;
        socket.tell_outgoing(&pieces);
        let compression = socket.cx.core.router.mount(socket.at.mount).options.compression;
        let compression = compression.filter(|_| self.compress);
        if self.volatile {
            let settings = Settings { volatile: true, compression };
            // One that does not take it now does without it.
            socket.cx.out.send_parcel(socket.link, &Parcel::new(pieces, settings));
            return Ok(());
        }
        let frame = parcel::make(&pieces, socket.cx.out.dialect(socket.link), compression);
        if socket.cx.out.send(socket.link, &frame) { Ok(()) } else { Err(Error::Disconnected) }
    }
}
