//! Many sockets of a namespace at once: what they are, and what is done to them, on every reactor.

use super::emit::Emit;
use super::socket::{CLOSE_CODE, socket_id};
use crate::app::context::{Context, Core, Job};
use crate::hub::ROOM_BYTES;
use crate::reactor::outlet::Outlet;
use crate::wire::socketio::Revision;

/// What is known of a socket from afar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketInfo {
    /// Its id.
    pub id: String,
    /// `polling` or `websocket`.
    pub transport: &'static str,
    /// The Engine.IO revision that its client speaks: 3 or 4.
    pub revision: u8,
    /// Its rooms, without the one that is its id.
    pub rooms: Vec<String>,
    /// The reactor that owns it.
    pub reactor: usize,
}

/// The socket of a namespace in a slot.
pub(crate) fn socket_info(core: &Core, out: &Outlet, namespace: &str, slot: u32) -> Option<SocketInfo> {
    let session = core.sio.at(slot)?;
    let number = core.router.namespace_number(session.mount, namespace)?;
    let member = session.members.iter().find(|member| member.number == number)?;
    let rooms = core.hub.rooms_of(slot).filter(|(scope, _)| *scope == namespace);
    Some(SocketInfo {
        id: socket_id(core, session.link, member.epoch, session.revision, namespace).into_string(),
        transport: if out.is_parked(session.link) { "polling" } else { "websocket" },
        revision: match session.revision {
            Revision::Four => 3,
            Revision::Five => 4,
        },
        rooms: rooms.map(|(_, room)| room.to_owned()).collect(),
        reactor: usize::from(core.reactor.0),
    })
}

impl Emit<'_, '_> {
    /// Makes them join rooms; `done` is told how many sockets that were. Names that are empty or too long, and rooms
    /// beyond [`Limits::rooms_per_socket`](crate::Limits::rooms_per_socket), are passed over.
    pub fn sockets_join(self, rooms: &[&str], done: impl FnOnce(&mut Context<'_>, u64) + 'static) {
        let rooms: Vec<String> = rooms.iter().map(|room| (*room).to_owned()).collect();
        self.each(
            move |cx, namespace, slot| {
                for room in rooms.iter().filter(|room| !room.is_empty() && room.len() <= ROOM_BYTES) {
                    if cx.core.hub.count_of(slot) <= cx.core.limits.rooms_per_socket {
                        cx.core.hub.join(slot, namespace, room);
                    }
                }
            },
            done,
        );
    }

    /// Makes them leave rooms; `done` is told how many sockets that were.
    pub fn sockets_leave(self, rooms: &[&str], done: impl FnOnce(&mut Context<'_>, u64) + 'static) {
        let rooms: Vec<String> = rooms.iter().map(|room| (*room).to_owned()).collect();
        self.each(
            move |cx, namespace, slot| {
                for room in &rooms {
                    cx.core.hub.leave(slot, namespace, room);
                }
            },
            done,
        );
    }

    /// Disconnects them from the namespace; with `close`, from everything. `done` is told how many sockets that were.
    pub fn disconnect_sockets(self, close: bool, done: impl FnOnce(&mut Context<'_>, u64) + 'static) {
        self.each(
            move |cx, namespace, slot| {
                let Some(session) = cx.core.sio.at(slot) else { return };
                let link = session.link;
                let number = cx.core.router.namespace_number(session.mount, namespace);
                let member = session.members.iter().find(|member| Some(member.number) == number);
                let Some((number, epoch)) = member.map(|member| (member.number, member.epoch)) else {
                    return;
                };
                let job = if close {
                    Job::CloseSession { link, code: CLOSE_CODE }
                } else {
                    Job::Disconnect { link, number, epoch }
                };
                cx.core.jobs.push_back(job);
            },
            done,
        );
    }

    fn each(
        self,
        act: impl Fn(&mut Context<'_>, &str, u32) + Send + Sync + 'static,
        done: impl FnOnce(&mut Context<'_>, u64) + 'static,
    ) {
        let (cx, sender, to) = self.into_parts();
        let asker = cx.core.reactor;
        cx.everywhere(
            move |cx| {
                let sender = sender.filter(|_| cx.core.reactor == asker);
                let slots = cx.core.select(&to, cx.out).to_vec();
                let slots = slots.into_iter().filter(|slot| Some(*slot) != sender);
                slots.map(|slot| act(cx, &to.scope, slot)).count() as u64
            },
            move |cx, counts: Vec<u64>| done(cx, counts.iter().sum()),
        );
    }
}
