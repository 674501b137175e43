//! One socket of a namespace, as its handlers see it.

use super::emit::Emit;
use super::error::{Error, NoAck, Outcome};
use super::namespace::Namespace;
use super::one::One;
use super::state::{Data, Member, NamespaceId};
use crate::app::context::{Context, Core, Job};
use crate::app::endpoint::CloseCause;
use crate::app::guard::{Panicked, guard};
use crate::app::names::{Rooms, owned};
use crate::app::publish::To;
use crate::app::socket::JoinError;
use crate::base::ids::LinkId;
use crate::base::sid::Place;
use crate::hub::check_name;
use crate::wire::socketio::Revision;
use crate::wire::socketio::args::{ArgsError, ArgsRef};
use crate::wire::socketio::value::ToArgs;
use compact_str::{CompactString, format_compact};
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::collections::HashSet;
use std::time::Duration;

/// The code that stands for "a handler wanted that" in the books; clients of Socket.IO are told none.
pub(super) const CLOSE_CODE: u16 = 1000;

/// A view of a connected socket, for the duration of a call.
pub struct Socket<'a> {
    pub(crate) cx: Context<'a>,
    pub(crate) link: LinkId,
    pub(crate) at: NamespaceId,
    /// The handlers of its namespace; which may have any name, if it is a dynamic one.
    pub(crate) namespace: &'a Namespace,
    pub(crate) name: &'a str,
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
    pub fn id(&self) -> String {
        socket_id(self.cx.core, self.link, self.epoch, self.revision, self.name).into()
    }

    /// The name of its namespace.
    pub fn namespace(&self) -> &'a str {
        self.name
    }

    /// Whether it is still connected.
    pub fn is_connected(&mut self) -> bool {
        let (link, at, epoch) = (self.link, self.at, self.epoch);
        self.cx.core.sio.get(link).is_some_and(|session| {
            !session.closed && session.member(at.number).is_some_and(|member| member.epoch == epoch)
        })
    }

    /// Sends an event to this socket.
    ///
    /// # Errors
    /// The event's name is reserved, the arguments cannot be sent, or the socket is gone.
    pub fn emit(&mut self, event: &str, args: impl ToArgs) -> Result<(), Error> {
        One::new(self).emit(event, args)
    }

    /// Sends the event `message` to this socket, as a plain WebSocket does.
    ///
    /// # Errors
    /// Those of [`Socket::emit`].
    pub fn send(&mut self, args: impl ToArgs) -> Result<(), Error> {
        One::new(self).send(args)
    }

    /// Sends an event that wants an acknowledgement: see [`One::emit_with_ack`].
    ///
    /// # Errors
    /// Those of [`Socket::emit`]; then `done` is not called.
    pub fn emit_with_ack<R: Outcome>(
        &mut self,
        event: &str,
        args: impl ToArgs,
        done: impl FnOnce(&mut Socket<'_>, Result<ArgsRef<'_>, NoAck>) -> R + 'static,
    ) -> Result<(), Error> {
        One::new(self).emit_with_ack(event, args, done)
    }

    /// What is sent next is dropped if the client does not take it at once.
    pub fn volatile(&mut self) -> One<'_, 'a> {
        One::new(self).volatile()
    }

    /// Whether what is sent next may be compressed, if the client has that.
    pub fn compress(&mut self, compress: bool) -> One<'_, 'a> {
        One::new(self).compress(compress)
    }

    /// How long the client has to acknowledge what is sent next.
    pub fn timeout(&mut self, timeout: Duration) -> One<'_, 'a> {
        One::new(self).timeout(timeout)
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

    /// Keeps a value with the socket that others see too, by [`Emit::fetch_sockets`] and [`SocketInfo`]; it is kept as
    /// JSON. The one that was kept before is replaced. For what only this reactor needs, [`Socket::set`] is cheaper.
    ///
    /// [`SocketInfo`]: super::SocketInfo
    ///
    /// # Errors
    /// The value has no JSON form, or the socket is gone.
    pub fn set_data<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let json = serde_json::to_string(value).map_err(ArgsError::Value)?;
        self.member_mut().ok_or(Error::Disconnected)?.keep(Data(json.into()));
        Ok(())
    }

    /// What [`Socket::set_data`] kept.
    ///
    /// # Errors
    /// It is of another type.
    pub fn data<'s, T: Deserialize<'s>>(&'s self) -> Result<Option<T>, Error> {
        Ok(self.get::<Data>().map(|Data(json)| serde_json::from_str(json)).transpose()?)
    }

    /// Joins a room, or all of several or none; visible to every reactor when this returns. False if it was in all of
    /// them.
    ///
    /// # Errors
    /// A bad name, or too many rooms; then nothing has changed.
    pub fn join(&mut self, rooms: impl Rooms) -> Result<bool, JoinError> {
        let mut new = owned(rooms);
        if new.iter().any(|room| check_name(room).is_err()) {
            return Err(JoinError::BadName);
        }
        let mut seen = HashSet::new();
        new.retain(|room| !self.is_in(room) && seen.insert(room.clone()));
        self.check_count(new.len())?;
        for room in &new {
            self.cx.core.hub.join(self.link.slot, self.name, room);
        }
        Ok(!new.is_empty())
    }

    /// Leaves a room, or several. False if it was in none of them.
    pub fn leave(&mut self, rooms: impl Rooms) -> bool {
        let mut left = false;
        rooms.for_each_room(&mut |room| {
            left |= self.cx.core.hub.leave(self.link.slot, self.name, room);
        });
        left
    }

    /// Leaves all of its rooms, except the one that is its id.
    pub fn leave_all(&mut self) {
        let rooms: Vec<String> = self.rooms().map(str::to_owned).collect();
        self.leave(rooms);
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
            check_name(room).map_err(|_| JoinError::BadName)?;
            self.check_count(usize::from(!self.is_in(room)))?;
            self.release();
        }
        self.cx.core.claim(self.link.slot, self.name, room);
        Ok(())
    }

    /// The room that it claimed.
    pub fn claimed(&self) -> Option<&str> {
        self.cx.core.hub.claimed(self.link.slot, self.name)
    }

    /// Leaves the room that it claimed. False if there is none.
    pub fn release(&mut self) -> bool {
        match self.claimed().map(CompactString::from) {
            Some(room) => self.leave(room.as_str()),
            None => false,
        }
    }

    /// Whether it is in a room.
    pub fn is_in(&self, room: &str) -> bool {
        self.cx.core.hub.is_member(self.link.slot, self.name, room)
    }

    /// Whether a name is the id of another socket of its namespace on this server, which is there or was: in that room
    /// somebody else is alone. Ids of other nodes cannot be told from names.
    pub fn is_other_id(&self, name: &str) -> bool {
        self.cx.core.place_of(self.name, name).is_some() && self.id() != name
    }

    /// Its rooms, without the one that is its id.
    pub fn rooms(&self) -> impl Iterator<Item = &str> {
        let name = self.name;
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

    /// Everybody in the namespace, this socket too.
    pub fn everybody(&mut self) -> Emit<&mut Context<'a>> {
        let to = To::everybody(self.name);
        Emit::new(&mut self.cx, None, to)
    }

    /// Everybody in the namespace but this socket.
    pub fn broadcast(&mut self) -> Emit<&mut Context<'a>> {
        let to = To::everybody(self.name);
        Emit::new(&mut self.cx, Some(self.link.slot), to)
    }

    /// The members of a room, or of several, but this socket; [`Emit::to`] adds more.
    pub fn to(&mut self, rooms: impl Rooms) -> Emit<&mut Context<'a>> {
        self.broadcast().to(rooms)
    }

    /// Everybody in the namespace but this socket and the members of a room, or of several.
    pub fn except(&mut self, rooms: impl Rooms) -> Emit<&mut Context<'a>> {
        self.broadcast().except(rooms)
    }

    /// Runs a handler that was given something of this name, and sees to it that what goes wrong in it ends there.
    pub(crate) fn run(&mut self, name: &str, handler: impl FnOnce(&mut Socket<'a>) -> Result<(), Error>) {
        let error = match guard(|| handler(self)) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(panicked) => return self.panicked(name, &panicked),
        };
        let namespace = self.namespace;
        if namespace.on_error.is_empty() {
            let level = match error {
                // That is up to the client.
                Error::BadArguments(_) | Error::NoAck(_) | Error::Disconnected => log::Level::Info,
                _ => log::Level::Warn,
            };
            self.cx.out.note(self.link, level, || format!("event {name:?}: {error}"));
        }
        for handler in &namespace.on_error {
            if let Err(panicked) = guard(|| handler(self, name, &error)) {
                self.panicked(name, &panicked);
            }
        }
    }

    /// A handler panicked when it was given something of this name: that ends the socket.
    pub(crate) fn panicked(&mut self, name: &str, panicked: &Panicked) {
        self.note_panic(name, panicked);
        self.disconnect(false);
    }

    /// The same where the socket leaves or does not come in anyway.
    pub(crate) fn note_panic(&mut self, name: &str, panicked: &Panicked) {
        self.cx.core.own_stats().panics.add(1);
        self.cx.out.note(self.link, log::Level::Error, || {
            format!("the handler of {name:?} panicked, its socket is disconnected: {}", panicked.0)
        });
    }

    /// The last of a socket that has left: what was kept with it may panic when it is dropped.
    pub(crate) fn end(mut self) {
        if let Some(member) = self.parting.take()
            && let Err(panicked) = guard(|| drop(member))
        {
            self.note_panic("drop", &panicked);
        }
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

    /// Whether there is a place for so many more rooms.
    fn check_count(&self, new: usize) -> Result<(), JoinError> {
        let core = &*self.cx.core;
        // The scopes themselves count in the hub's books, not in the limit.
        let count = core.hub.count_of(self.link.slot).saturating_sub(1) + new;
        if new > 0 && count > core.limits.rooms_per_socket { Err(JoinError::TooManyRooms) } else { Ok(()) }
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
