//! One socket of a namespace, as its handlers see it.

use super::emit::{Emit, event_pieces};
use super::namespace::Namespace;
use super::owed::{MAX_OWED, OnAck, Owed};
use super::state::{Member, NamespaceId};
use crate::app::context::{Context, Core, Job};
use crate::app::endpoint::CloseCause;
use crate::app::publish::To;
use crate::app::socket::JoinError;
use crate::base::compression::Compression;
use crate::base::ids::LinkId;
use crate::base::sid::Place;
use crate::hub::ROOM_BYTES;
use crate::wire::parcel::{self, Parcel, Settings};
use crate::wire::socketio::Revision;
use crate::wire::socketio::args::{Args, ArgsRef};
use compact_str::{CompactString, format_compact};
use std::any::Any;

/// The code that stands for "a handler wanted that" in the books; clients of Socket.IO are told none.
pub(super) const CLOSE_CODE: u16 = 1000;

/// A view of a connected socket, for the duration of a call.
pub struct Socket<'a> {
    pub(crate) cx: Context<'a>,
    pub(crate) link: LinkId,
    pub(crate) at: NamespaceId,
    pub(crate) namespace: &'a Namespace,
    pub(crate) epoch: u8,
    pub(crate) revision: Revision,
    /// Its membership, once it is no longer in the session: while its handlers are told that it leaves.
    pub(crate) parting: Option<Member>,
}

impl<'a> Socket<'a> {
    /// What may be done on this reactor besides.
    pub fn context(&mut self) -> &mut Context<'a> {
        &mut self.cx
    }

    /// Its id: 20 characters that nobody can guess. For a client of Socket.IO 1.x or 2.x it is what that client
    /// makes of the session's id.
    pub fn id(&self) -> CompactString {
        socket_id(self.cx.core, self.link, self.epoch, self.revision, &self.namespace.name)
    }

    /// The name of its namespace.
    pub fn namespace(&self) -> &'a str {
        &self.namespace.name
    }

    /// Whether it is still connected.
    pub fn is_connected(&mut self) -> bool {
        let (link, at, epoch) = (self.link, self.at, self.epoch);
        self.cx.core.sio.get(link).is_some_and(|session| {
            !session.closed && session.member(at.number).is_some_and(|member| member.epoch == epoch)
        })
    }

    /// Sends an event to this socket. False if it is gone, or cannot take a volatile one now.
    pub fn emit(&mut self, event: &str, args: &Args) -> bool {
        self.send_event(event, args, None, Settings::default())
    }

    /// The same, dropped if the client does not take it at once.
    pub fn emit_volatile(&mut self, event: &str, args: &Args) -> bool {
        self.send_event(event, args, None, Settings { volatile: true, compression: self.compression() })
    }

    /// Sends an event that wants an acknowledgement; `done` is called once: with its arguments, or with nothing if
    /// none came within the time or the socket left before. A client that owes more than 16,384 is disconnected, as one
    /// that does not read.
    pub fn emit_with_ack(
        &mut self,
        event: &str,
        args: &Args,
        timeout_ms: Option<u32>,
        done: impl FnOnce(&mut Socket<'_>, Option<ArgsRef<'_>>) + 'static,
    ) {
        let done: OnAck = Box::new(done);
        let now = self.cx.core.now;
        let id = self.cx.core.next_ack_id();
        let number = self.at.number;
        let member = self.cx.core.sio.get(self.link).and_then(|session| session.member(number));
        let Some(member) = member else { return done(self, None) };
        let until = timeout_ms.map(|ms| now.in_ms(ms));
        if !member.owing_mut().push(Owed { id, until, done }, now) {
            self.cx.out.note(self.link, log::Level::Warn, || {
                format!("slow consumer, closed: it owes more than {MAX_OWED} acknowledgements")
            });
            self.cx.core.jobs.push_back(Job::CloseSession { link: self.link, cause: CloseCause::Slow });
        }
        if until.is_some() {
            self.cx.core.jobs.push_back(Job::Reschedule { link: self.link });
        }
        self.send_event(event, args, Some(id), Settings::default());
    }

    /// Keeps a value with the socket, one of each type, until it has left the namespace; handlers of
    /// [`Namespace::on_disconnect`] still find it. Returns the one of that type that was kept before.
    ///
    /// A socket that keeps nothing costs nothing for this; the first value costs 56 bytes and its own size.
    pub fn set<T: Any + Send>(&mut self, value: T) -> Option<T> {
        self.member_mut()?.keep(value)
    }

    /// The value of a type that is kept with the socket.
    pub fn get<T: Any>(&self) -> Option<&T> {
        let member = self.parting.as_ref().or_else(|| {
            let session = self.cx.core.sio.at(self.link.slot).filter(|session| session.link == self.link)?;
            session.members.iter().find(|member| self.is_of(member))
        });
        member?.value()
    }

    /// The same, to be changed.
    pub fn get_mut<T: Any>(&mut self) -> Option<&mut T> {
        self.member_mut()?.value_mut()
    }

    /// Joins a room; visible to every reactor when this returns. False if it was in it.
    ///
    /// # Errors
    /// A bad name, or too many rooms; then nothing has changed.
    pub fn join(&mut self, room: &str) -> Result<bool, JoinError> {
        self.check_room(room)?;
        Ok(self.cx.core.hub.join(self.link.slot, &self.namespace.name, room))
    }

    /// Leaves a room. False if it was not in it.
    pub fn leave(&mut self, room: &str) -> bool {
        self.cx.core.hub.leave(self.link.slot, &self.namespace.name, room)
    }

    /// Becomes the only member of a room: every other member, on any reactor, leaves it. A room that this socket
    /// claimed before is left.
    ///
    /// # Errors
    /// A bad name, or too many rooms; then nothing has changed.
    pub fn claim(&mut self, room: &str) -> Result<(), JoinError> {
        if self.claimed() == Some(room) {
            // Somebody may have joined since.
        } else {
            self.check_room(room)?;
            self.release();
        }
        self.cx.core.claim(self.link.slot, &self.namespace.name, room);
        Ok(())
    }

    /// The room that it claimed.
    pub fn claimed(&self) -> Option<&str> {
        self.cx.core.hub.claimed(self.link.slot, &self.namespace.name)
    }

    /// Leaves the room that it claimed. False if there is none.
    pub fn release(&mut self) -> bool {
        match self.claimed().map(CompactString::from) {
            Some(room) => self.leave(&room),
            None => false,
        }
    }

    /// Whether it is in a room.
    pub fn is_in(&self, room: &str) -> bool {
        self.cx.core.hub.is_member(self.link.slot, &self.namespace.name, room)
    }

    /// Its rooms, without the one that is its id.
    pub fn rooms(&self) -> impl Iterator<Item = &str> {
        let name = self.namespace.name.as_str();
        self.cx
            .core
            .hub
            .rooms_of(self.link.slot)
            .filter(move |(scope, _)| *scope == name)
            .map(|(_, room)| room)
    }

    /// Leaves the namespace; with `close`, all of them, and the connection ends.
    pub fn disconnect(&mut self, close: bool) {
        let job = if close {
            Job::CloseSession { link: self.link, cause: CloseCause::Handler(CLOSE_CODE) }
        } else {
            Job::Disconnect { link: self.link, number: self.at.number, epoch: self.epoch }
        };
        self.cx.core.jobs.push_back(job);
    }

    /// Everybody in the namespace but this socket.
    pub fn broadcast(&mut self) -> Emit<'_, 'a> {
        let to = To::everybody(&self.namespace.name);
        let (sender, parser) = (Some(self.link.slot), self.namespace.parser);
        Emit::new(&mut self.cx, sender, to, parser)
    }

    /// The members of a room but this socket; [`Emit::to`] adds more.
    pub fn to(&mut self, room: &str) -> Emit<'_, 'a> {
        self.broadcast().to(room)
    }

    fn is_of(&self, member: &Member) -> bool {
        member.number == self.at.number && member.epoch == self.epoch
    }

    fn member_mut(&mut self) -> Option<&mut Member> {
        let (number, epoch) = (self.at.number, self.epoch);
        match &mut self.parting {
            Some(member) => Some(member),
            None => {
                let member = self.cx.core.sio.get(self.link)?.member(number);
                member.filter(|member| member.epoch == epoch)
            }
        }
    }

    fn send_event(&mut self, event: &str, args: &Args, id: Option<u64>, settings: Settings) -> bool {
        if !self.is_connected() {
            return false;
        }
        let pieces = event_pieces(self.namespace.parser, &self.namespace.name, event, args.as_ref(), id);
        if !settings.volatile {
            let compression = self.compression();
            let frame = parcel::make(&pieces, self.cx.out.dialect(self.link), compression);
            return self.cx.out.send(self.link, &frame);
        }
        self.cx.out.send_parcel(self.link, &Parcel::new(pieces, settings))
    }

    fn compression(&self) -> Option<Compression> {
        self.cx.core.router.mount(self.at.mount).options.compression
    }

    fn check_room(&self, room: &str) -> Result<(), JoinError> {
        if room.is_empty() || room.len() > ROOM_BYTES {
            return Err(JoinError::BadName);
        }
        let core = &*self.cx.core;
        // The scopes themselves count in the hub's books, not in the limit; a room that it is in needs no place.
        if core.hub.count_of(self.link.slot) > core.limits.rooms_per_socket && !self.is_in(room) {
            return Err(JoinError::TooManyRooms);
        }
        Ok(())
    }
}

/// The id of a socket.
pub(crate) fn socket_id(
    core: &Core,
    link: LinkId,
    epoch: u8,
    revision: Revision,
    namespace: &str,
) -> CompactString {
    let sids = &core.sids;
    match revision {
        Revision::Five => sids.sid(Place::of(core.reactor, link, epoch), namespace).as_str().into(),
        Revision::Four => {
            let session = sids.sid(Place::of(core.reactor, link, 0), "");
            if namespace == "/" { session.as_str().into() } else { format_compact!("{namespace}#{session}") }
        }
    }
}
