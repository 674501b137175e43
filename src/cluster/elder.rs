//! What only older servers ask, done here and answered in their words.
//!
//! They are `socket.io-redis` 5 and before, and `@socket.io/redis-adapter` where it asks for ids or is about one socket. Each
//! waits for an answer from every server, or from the one that has the socket: who does not have it is silent.

use super::peers::Peers;
use crate::app::socketio::{Emit, Moves, RemoteSocket};
use crate::app::{Back, DeliveryReport, To};
use crate::wire::adapter::Names;
use crate::wire::adapter::old::{Answer, Ask, Old};
use compact_str::CompactString;
use std::sync::Arc;

/// A question as it is kept until it can be answered.
struct Asked {
    peers: Arc<Peers>,
    scope: CompactString,
    old: Old<'static>,
}

impl Asked {
    fn of(peers: &Arc<Peers>, scope: &str, old: &Old<'_>) -> Asked {
        let request = old.request.to_string().into();
        let is_revision_5 = old.is_revision_5;
        // What is asked is taken from the question before; the words of the answer are all that is left.
        let old = Old { request, is_revision_5, ask: Ask::AllRooms };
        Asked { peers: peers.clone(), scope: scope.into(), old }
    }

    fn answer(&self, answer: Answer<'_>) {
        self.peers.say_to_all(&self.scope, self.old.answer(answer));
    }
}

impl Peers {
    pub(super) fn old(self: &Arc<Self>, scope: &str, old: &Old<'_>) {
        let asked = Asked::of(self, scope, old);
        match &old.ask {
            Ask::Sockets(rooms) => self.ids(to_any(scope, rooms), asked),
            Ask::RoomsOf(socket) => self.rooms_of(to_one(scope, socket), asked),
            Ask::AllRooms => {
                let scope = scope.to_owned();
                self.all_rooms(&scope, move |rooms| {
                    let rooms: Vec<&str> = rooms.iter().map(String::as_str).collect();
                    asked.answer(Answer::Rooms(&rooms));
                });
            }
            Ask::Join { socket, room } => {
                self.move_one(to_one(scope, socket), Moves::Join(vec![(&**room).into()]), asked);
            }
            Ask::Leave { socket, room } => {
                self.move_one(to_one(scope, socket), Moves::Leave(vec![(&**room).into()]), asked);
            }
            Ask::Disconnect { socket, close } => {
                self.move_one(to_one(scope, socket), Moves::Disconnect { close: *close }, asked);
            }
            // Nobody here knows what was agreed on; silence would make whoever asks wait for its time to be up.
            Ask::Custom(_) => asked.answer(Answer::Value("null")),
            Ask::Unknown(_) => {}
        }
    }

    /// The rooms that have somebody here, among them each socket's own.
    pub(super) fn all_rooms(&self, scope: &str, done: impl FnOnce(Vec<String>) + Send + 'static) {
        let everybody = To::everybody(scope).local();
        self.gateway.run(move |cx| {
            cx.gather(
                move |view| {
                    let rooms = view.rooms(&everybody.scope).map(|(room, _)| room.to_owned());
                    rooms.chain(view.sockets(&everybody).map(|socket| socket.id())).collect::<Vec<_>>()
                },
                move |_, parts| {
                    let mut rooms: Vec<String> = parts.into_iter().flatten().collect();
                    rooms.sort_unstable();
                    rooms.dedup();
                    done(rooms);
                },
            );
        });
    }

    fn ids(&self, to: To, asked: Asked) {
        self.gateway.run(move |cx| {
            Emit::new(cx, None, to).ids(move |_, ids| {
                let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
                asked.answer(Answer::Sockets(&ids));
            });
        });
    }

    fn rooms_of(&self, to: To, asked: Asked) {
        self.gateway.run(move |cx| {
            let id = to.rooms[0].clone();
            Emit::new(cx, None, to).fetch_sockets(move |_, sockets: Vec<RemoteSocket>| {
                let Some(socket) = sockets.iter().find(|socket| socket.id() == id) else { return };
                let rooms: Vec<&str> = std::iter::once(socket.id()).chain(socket.rooms()).collect();
                asked.answer(Answer::Rooms(&rooms));
            });
        });
    }

    fn move_one(&self, to: To, moves: Moves, asked: Asked) {
        let back = Back::new(move |report: Option<DeliveryReport>| {
            if report.is_some_and(|report| report.matched > 0) {
                asked.answer(Answer::Done);
            }
        });
        self.gateway.move_sockets(to, moves, Some(back));
    }
}

fn to_one(scope: &str, socket: &str) -> To {
    To::room(scope, socket).local()
}

fn to_any(scope: &str, rooms: &Names<'_>) -> To {
    rooms.iter().fold(To::everybody(scope).local(), |to, room| to.and_room(room))
}
