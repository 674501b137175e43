//! One plain WebSocket connection, as its handlers see it.

use super::context::{Context, Job};
use super::endpoint::CloseCause;
use super::guard::guard;
use super::publish::{DeliveryReport, To};
use crate::base::ids::LinkId;
use crate::base::sid::Place;
use crate::hub::ROOM_BYTES;
use crate::reactor::outlet::LinkState;
use crate::wire::dialect::Dialect;
use crate::wire::frame::{self, Frame};
use compact_str::CompactString;
use std::fmt;

/// Time for a client to answer a close frame, in milliseconds.
pub(crate) const CLOSE_MS: u64 = 5_000;

/// A view of an open WebSocket, for the duration of a call.
pub struct Socket<'a> {
    pub(crate) cx: Context<'a>,
    pub(crate) link: LinkId,
}

/// Why a room was not joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinError {
    /// The name is empty or too long.
    BadName,
    /// The socket is in as many rooms as it may be.
    TooManyRooms,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::BadName => write!(f, "the name of a room has 1 to {ROOM_BYTES} bytes"),
            JoinError::TooManyRooms => f.write_str("the socket is in as many rooms as it may be"),
        }
    }
}

impl std::error::Error for JoinError {}

impl<'a> Socket<'a> {
    /// Runs a handler; one that panics ends its socket.
    pub(crate) fn run(&mut self, name: &str, handler: impl FnOnce(&mut Socket<'a>)) {
        if let Err(panicked) = guard(|| handler(self)) {
            self.cx.core.own_stats().panics.add(1);
            self.cx.out.note(self.link, log::Level::Error, || {
                format!("{name} panicked, its socket is closed with 1011: {}", panicked.0)
            });
            self.close(1011, "internal error");
        }
    }

    /// What may be done on this reactor besides.
    pub fn context(&mut self) -> &mut Context<'a> {
        &mut self.cx
    }

    /// The number of the connection on its reactor; used again after it closed. A connection that
    /// [moves](crate::Builder::balance) gets another one.
    pub fn slot(&self) -> u32 {
        self.link.slot
    }

    /// An id that nobody can guess; that of an Engine.IO session is its `sid`. A connection of a plain endpoint that
    /// [moves](crate::Builder::balance) gets another one.
    pub fn id(&self) -> String {
        let Context { core, .. } = &self.cx;
        core.sids.sid(Place::of(core.reactor, self.link, 0), "").as_str().into()
    }

    /// The scope that it was admitted to.
    pub fn scope(&self) -> &str {
        self.cx.core.hub.scope_of(self.link.slot).unwrap_or_default()
    }

    /// Its rooms; one that it claimed comes first.
    pub fn rooms(&self) -> impl Iterator<Item = &str> {
        self.cx.core.hub.rooms_of(self.link.slot).map(|(_, room)| room)
    }

    /// Sends a frame to this socket. False if it is closing.
    pub fn send(&mut self, frame: &Frame) -> bool {
        if self.cx.out.dialect(self.link) == Dialect::PLAIN {
            return self.cx.out.send(self.link, frame);
        }
        let parcel = self.cx.core.parcel(frame);
        self.cx.out.send_parcel(self.link, &parcel)
    }

    /// Sends a text message to this socket. False if it is closing.
    pub fn send_text(&mut self, text: &str) -> bool {
        self.send(&Frame::text(text))
    }

    /// Sends a binary message to this socket. False if it is closing.
    pub fn send_binary(&mut self, bytes: &[u8]) -> bool {
        self.send(&Frame::binary(bytes))
    }

    /// Begins the closing handshake. A reason over 123 bytes is cut. The client of an Engine.IO session, whose protocol
    /// has neither, is told only that it is over.
    pub fn close(&mut self, code: u16, reason: &str) {
        let Context { core, out } = &mut self.cx;
        if out.state(self.link) != LinkState::Open {
            return;
        }
        let is_engine = out.dialect(self.link).engine_form().is_some();
        if is_engine && !out.is_parked(self.link) {
            out.send_control(self.link, &frame::encode_close_empty());
        } else if !is_engine {
            out.send_control(self.link, &frame::encode_close(code, reason));
        }
        out.seal(self.link, core.now.tick.plus_ms(CLOSE_MS));
        core.jobs.push_back(if is_engine {
            Job::CloseSession { link: self.link, cause: CloseCause::Handler(code) }
        } else {
            Job::Closed { link: self.link, cause: CloseCause::Handler(code) }
        });
    }

    /// Joins a room of its scope; visible to every reactor when this returns. False if it was in it.
    ///
    /// # Errors
    /// A bad name, or too many rooms; then nothing has changed.
    pub fn join(&mut self, room: &str) -> Result<bool, JoinError> {
        if room.is_empty() || room.len() > ROOM_BYTES {
            return Err(JoinError::BadName);
        }
        let core = &mut *self.cx.core;
        let Some(scope) = core.hub.scope_of(self.link.slot).map(CompactString::from) else {
            return Ok(false);
        };
        if core.hub.is_member(self.link.slot, &scope, room) {
            return Ok(false);
        }
        // The scope itself counts as one in the hub's books, not in the limit.
        if core.hub.count_of(self.link.slot) > core.limits.rooms_per_socket {
            return Err(JoinError::TooManyRooms);
        }
        Ok(core.hub.join(self.link.slot, &scope, room))
    }

    /// Leaves a room of its scope. False if it was not in it.
    pub fn leave(&mut self, room: &str) -> bool {
        let core = &mut *self.cx.core;
        match core.hub.scope_of(self.link.slot).map(CompactString::from) {
            Some(scope) => core.hub.leave(self.link.slot, &scope, room),
            None => false,
        }
    }

    /// Delivers a frame to whom it is for, but not to this socket; [`Context::publish`] does not leave it out.
    pub fn publish(&mut self, to: &To, frame: &Frame) {
        let parcel = self.cx.parcel(frame);
        self.cx.publish_from(Some(self.link.slot), to, &parcel, None);
    }

    /// The same; `done` is called when every reactor has said what became of it, with this socket's view
    /// if it is still there then.
    pub fn publish_with(
        &mut self,
        to: &To,
        frame: &Frame,
        done: impl FnOnce(&mut Socket<'_>, DeliveryReport) + 'static,
    ) {
        let link = self.link;
        let done = move |cx: &mut Context<'_>, report: DeliveryReport| {
            if cx.out.id_of(link.slot) == Some(link) {
                let cx = Context { core: &mut *cx.core, out: &mut *cx.out };
                done(&mut Socket { cx, link }, report);
            }
        };
        let parcel = self.cx.parcel(frame);
        self.cx.publish_from(Some(link.slot), to, &parcel, Some(Box::new(done)));
    }
}
