//! What only older servers ask on the classic wire, and the answers that they understand.
//!
//! They are `socket.io-redis` 5 and before (servers of Socket.IO 2), whose requests are spelled `requestid` and have numbers
//! of their own, and `@socket.io/redis-adapter` 6 and 7 where they ask for ids or are about one socket. An answer
//! goes to [`super::Channels::responses`], for all.

use std::borrow::Cow;

use super::decode::{names, need, value};
use super::raw::Raw;
use super::writer::Writer;
use super::{BadMessage, Names, Payload};

/// A question of an older server.
#[derive(Clone, Debug, PartialEq)]
pub struct Old<'a> {
    /// The request.
    pub request: Cow<'a, str>,
    /// Whether it is one of `socket.io-redis` 5.
    pub is_revision_5: bool,
    /// What is asked.
    pub ask: Ask<'a>,
}

/// What an older server asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask<'a> {
    /// The ids of sockets in any of the rooms, or of all sockets: [`Answer::Sockets`] from every server.
    Sockets(Names<'a>),
    /// The rooms of the socket with this id: [`Answer::Rooms`] from the server that has it.
    RoomsOf(Cow<'a, str>),
    /// All rooms: [`Answer::Rooms`] from every server.
    AllRooms,
    /// The socket shall join the room: [`Answer::Done`] from the server that has it.
    Join {
        /// The id of the socket.
        socket: Cow<'a, str>,
        /// The room.
        room: Cow<'a, str>,
    },
    /// The socket shall leave the room; answered as a join.
    Leave {
        /// The id of the socket.
        socket: Cow<'a, str>,
        /// The room.
        room: Cow<'a, str>,
    },
    /// The socket shall be disconnected; answered as a join.
    Disconnect {
        /// The id of the socket.
        socket: Cow<'a, str>,
        /// With its connection.
        close: bool,
    },
    /// Something between programs: [`Answer::Value`] from every server.
    Custom(Payload<'a>),
    /// Something else, by its number.
    Unknown(u64),
}

/// What an older server is answered.
#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    /// These ids.
    Sockets(&'a [&'a str]),
    /// These rooms.
    Rooms(&'a [&'a str]),
    /// It is done.
    Done,
    /// This value, without bytes.
    Value(&'a str),
}

impl<'a> Old<'a> {
    /// Reads a question of `socket.io-redis` 5.
    pub(super) fn read_revision_5(number: u64, body: Raw<'a>) -> Result<Old<'a>, BadMessage> {
        let [id, rooms, sid, room, close, data] =
            body.find(["requestid", "rooms", "sid", "room", "close", "data"]).ok_or(BadMessage::Shape)?;
        let socket = || need(sid.and_then(Raw::text), "sid");
        let room = || need(room.and_then(Raw::name), "room");
        let ask = match number {
            0 => Ask::Sockets(names(rooms, "rooms")?),
            1 => Ask::RoomsOf(socket()?),
            2 => Ask::AllRooms,
            3 => Ask::Join { socket: socket()?, room: room()? },
            4 => Ask::Leave { socket: socket()?, room: room()? },
            5 => Ask::Custom(value(data)?),
            6 => Ask::Disconnect { socket: socket()?, close: close.and_then(Raw::boolean).unwrap_or(false) },
            _ => Ask::Unknown(number),
        };
        Ok(Old { request: need(id.and_then(Raw::text), "requestid")?, is_revision_5: true, ask })
    }

    /// Reads a question of `@socket.io/redis-adapter` 6 or 7.
    pub(super) fn read(number: u64, body: Raw<'a>) -> Result<Old<'a>, BadMessage> {
        let [id, rooms, sid, room, close] =
            body.find(["requestId", "rooms", "sid", "room", "close"]).ok_or(BadMessage::Shape)?;
        let socket = || need(sid.and_then(Raw::text), "sid");
        let room = || need(room.and_then(Raw::name), "room");
        let ask = match number {
            0 => Ask::Sockets(names(rooms, "rooms")?),
            2 => Ask::Join { socket: socket()?, room: room()? },
            3 => Ask::Leave { socket: socket()?, room: room()? },
            4 => Ask::Disconnect { socket: socket()?, close: close.and_then(Raw::boolean).unwrap_or(false) },
            _ => Ask::Unknown(number),
        };
        Ok(Old { request: need(id.and_then(Raw::text), "requestId")?, is_revision_5: false, ask })
    }

    /// The bytes of an answer.
    pub fn answer(&self, answer: Answer<'_>) -> Vec<u8> {
        let (id, sockets) =
            if self.is_revision_5 { ("requestid", "clients") } else { ("requestId", "sockets") };
        let mut w = Writer::json(64);
        w.map(|w| {
            w.key(id).text(&self.request);
            match answer {
                Answer::Sockets(ids) => w.key(sockets).names(ids),
                Answer::Rooms(rooms) => w.key("rooms").names(rooms),
                Answer::Done => {}
                Answer::Value(value) => w.key("data").payload(&Payload::new(value, Vec::new())),
            }
        });
        w.finish()
    }
}
