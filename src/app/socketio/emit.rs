//! Events to many: whom, how, and the packet that they get.

use crate::app::context::Context;
use crate::app::publish::{DeliveryReport, To};
use crate::session::packets::Parser;
use crate::wire::parcel::{Parcel, Piece, Settings};
use crate::wire::socketio::args::{Args, ArgsRef};
use crate::wire::socketio::packet::encode;
use crate::wire::socketio::{PacketType, event_data, msgpack};
use smallvec::SmallVec;
use std::sync::Arc;

/// An event on its way to many sockets of a namespace.
///
/// ```no_run
/// # fn f(socket: &mut fanfare::socketio::Socket<'_>, args: &fanfare::socketio::Args) {
/// socket.to("room 1").to("room 2").except("muted").volatile().emit("news", args);
/// # }
/// ```
#[must_use = "nothing is sent before `emit`"]
pub struct Emit<'s, 'a> {
    cx: &'s mut Context<'a>,
    sender: Option<u32>,
    to: To,
    parser: Parser,
    volatile: bool,
    compress: bool,
}

impl<'s, 'a> Emit<'s, 'a> {
    pub(crate) fn new(cx: &'s mut Context<'a>, sender: Option<u32>, to: To, parser: Parser) -> Emit<'s, 'a> {
        Emit { cx, sender, to, parser, volatile: false, compress: true }
    }

    /// Also the members of this room; a socket's id is a room of one. Each socket gets the event once.
    pub fn to(mut self, room: &str) -> Self {
        self.to = self.to.and_room(room);
        self
    }

    /// Not the members of this room.
    pub fn except(mut self, room: &str) -> Self {
        self.to = self.to.except(room);
        self
    }

    /// Not to clients that do not take it at once.
    pub fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// Whether it may be compressed for clients that have that. Default yes.
    pub fn compress(mut self, compress: bool) -> Self {
        self.compress = compress;
        self
    }

    /// Sends it.
    pub fn emit(self, event: &str, args: &Args) {
        let parcel = self.parcel(event, args);
        self.cx.publish_from(self.sender, &self.to, &parcel, None);
    }

    /// Sends it; `done` is called, once, on this reactor when every reactor has said what became of it.
    pub fn emit_with_report(
        self,
        event: &str,
        args: &Args,
        done: impl FnOnce(&mut Context<'_>, DeliveryReport) + 'static,
    ) {
        let parcel = self.parcel(event, args);
        self.cx.publish_from(self.sender, &self.to, &parcel, Some(Box::new(done)));
    }

    /// Whom it means, and where.
    pub(super) fn into_parts(self) -> (&'s mut Context<'a>, Option<u32>, To) {
        (self.cx, self.sender, self.to)
    }

    fn parcel(&self, event: &str, args: &Args) -> Parcel {
        let pieces = event_pieces(self.parser, &self.to.scope, event, args.as_ref(), None);
        let compression = self.cx.core.router.namespace_compression(&self.to.scope).filter(|_| self.compress);
        Parcel::new(pieces, Settings { volatile: self.volatile, compression })
    }
}

/// The Engine.IO messages of an event.
pub(crate) fn event_pieces(
    parser: Parser,
    namespace: &str,
    event: &str,
    args: ArgsRef<'_>,
    id: Option<u64>,
) -> SmallVec<[Piece; 1]> {
    let binary = !args.attachments().is_empty();
    let kind = if binary { PacketType::BinaryEvent } else { PacketType::Event };
    pieces(parser, kind, namespace, id, &event_data(event, args.json()), args.attachments())
}

/// The Engine.IO messages of an acknowledgement.
pub(crate) fn ack_pieces(
    parser: Parser,
    namespace: &str,
    id: u64,
    args: ArgsRef<'_>,
) -> SmallVec<[Piece; 1]> {
    let kind = if args.attachments().is_empty() { PacketType::Ack } else { PacketType::BinaryAck };
    pieces(parser, kind, namespace, Some(id), &format!("[{}]", args.json()), args.attachments())
}

/// The Engine.IO messages of any packet: text with its attachments behind it, or all in one.
pub(crate) fn pieces(
    parser: Parser,
    kind: PacketType,
    namespace: &str,
    id: Option<u64>,
    data: &str,
    attachments: &[Arc<[u8]>],
) -> SmallVec<[Piece; 1]> {
    match parser {
        Parser::Json => {
            let text = encode(kind, attachments.len(), namespace, id, data);
            let binary = attachments.iter().map(|bytes| Piece::Binary(bytes.clone()));
            std::iter::once(Piece::Text(text.into())).chain(binary).collect()
        }
        Parser::MessagePack => {
            let packed = msgpack::encode(kind.plain(), namespace, id, data, attachments);
            std::iter::once(Piece::Binary(packed.into())).collect()
        }
    }
}
