//! Rooms that come and go, and who comes and goes, told to the handlers of [`Namespace::on_room`].
//!
//! Owns: the ids of those whom the hub knows by their slots, and the rooms that are ids, which need no table.
//! Leaves to others: which changes there are ([`crate::hub`]).
//!
//! [`Namespace::on_room`]: super::Namespace::on_room

use super::namespace::Namespace;
use super::socket::socket_id;
use crate::app::context::{Context, Core};
use crate::app::engine::Served;
use crate::base::ids::LinkId;
use compact_str::CompactString;

/// Something that happened to a room of a namespace, lent for the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomEvent<'a> {
    /// It has a member, which is told next; before nobody was in it on the whole server.
    Created {
        /// Its name.
        room: &'a str,
    },
    /// A socket joined it.
    Joined {
        /// Its name.
        room: &'a str,
        /// The socket's id.
        id: &'a str,
    },
    /// A socket left it.
    Left {
        /// Its name.
        room: &'a str,
        /// The socket's id.
        id: &'a str,
    },
    /// Its last member, which was told before, has left it: nobody is in it on the whole server.
    Deleted {
        /// Its name.
        room: &'a str,
    },
}

impl<'a> RoomEvent<'a> {
    /// The name of the room.
    pub fn room(&self) -> &'a str {
        match *self {
            RoomEvent::Created { room }
            | RoomEvent::Joined { room, .. }
            | RoomEvent::Left { room, .. }
            | RoomEvent::Deleted { room } => room,
        }
    }
}

/// One socket's coming or going, not told yet.
pub(crate) struct Moved {
    mount: u16,
    definition: u16,
    id: CompactString,
    room: CompactString,
    came: bool,
    /// Nobody was there before, or is after.
    alone: bool,
}

impl Moved {
    fn events(&self) -> impl Iterator<Item = RoomEvent<'_>> {
        let Moved { id, room, .. } = self;
        let created = RoomEvent::Created { room };
        let deleted = RoomEvent::Deleted { room };
        let told = if self.came { RoomEvent::Joined { room, id } } else { RoomEvent::Left { room, id } };
        let before = (self.came && self.alone).then_some(created);
        let after = (!self.came && self.alone).then_some(deleted);
        before.into_iter().chain([told]).chain(after)
    }
}

impl Core {
    /// Takes over what happened in the hub. To be called while those who moved have their ids still.
    pub(crate) fn note_rooms(&mut self) {
        if !self.listening.rooms {
            return;
        }
        for change in self.hub.take_changes() {
            let (room, came, alone) = (change.room, change.came, change.alone);
            self.note_move(change.slot, &change.scope, came, alone, Some(room));
        }
    }

    /// The room that is a socket's own id: it comes with the connection and goes with it.
    pub(crate) fn note_own_room(&mut self, link: LinkId, name: &str, namespace: &Namespace, came: bool) {
        if namespace.listeners.on_room.is_empty() {
            return;
        }
        self.note_rooms();
        self.note_move(link.slot, name, came, true, None);
    }

    /// A move of the socket in a slot, which may just be leaving: in a room, or in the one that is its id.
    fn note_move(
        &mut self,
        slot: u32,
        namespace: &str,
        came: bool,
        alone: bool,
        room: Option<CompactString>,
    ) {
        let Some(session) = self.sio.at(slot) else { return };
        let Some(number) = self.namespace_number(session.mount, namespace) else { return };
        let member = session.members.iter().find(|member| member.number == number);
        let leaving = self.leaving.filter(|leaving| (leaving.slot, leaving.number) == (slot, number));
        let found = member.map(|member| (member.definition, member.epoch));
        let Some((definition, epoch)) = found.or(leaving.map(|it| (it.definition, it.epoch))) else { return };
        let id = socket_id(self, session.link, epoch, session.revision, namespace);
        let (mount, room) = (session.mount, room.unwrap_or_else(|| id.clone()));
        self.listening.moved.push_back(Moved { mount, definition, id, room, came, alone });
    }
}

impl Context<'_> {
    /// Tells what happened to rooms, and what that leads to. Never from within a handler.
    pub(crate) fn tell_rooms(&mut self) {
        self.core.note_rooms();
        while let Some(moved) = self.core.listening.moved.pop_front() {
            let router = self.core.router.clone();
            let Served::SocketIo(socketio) = &router.mount(moved.mount).served else { continue };
            for event in moved.events() {
                for handler in &socketio.namespace_at(moved.definition).listeners.on_room {
                    self.guarded("a handler of rooms", |cx| handler(cx, &event));
                }
            }
            self.core.note_rooms();
        }
    }
}
