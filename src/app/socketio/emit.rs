//! Events to many: whom, how, and the packet that they get.

use super::error::Error;
use crate::app::context::Context;
use crate::app::handle::Via;
use crate::app::names::Rooms;
use crate::app::publish::{DeliveryReport, To};
use crate::app::router::Router;
use crate::session::packets::Parser;
use crate::wire::parcel::{Parcel, Piece, Settings};
use crate::wire::socketio::args::ArgsRef;
use crate::wire::socketio::packet::encode;
use crate::wire::socketio::value::ToArgs;
use crate::wire::socketio::{PacketType, event_data, is_reserved, msgpack};
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::Duration;

/// An event on its way to many sockets of a namespace.
///
/// ```no_run
/// # use fanfare::socketio::{Error, Socket};
/// # fn f(socket: &mut Socket<'_>) -> Result<(), Error> {
/// socket.to(["room 1", "room 2"]).except("muted").volatile().emit("news", ("hello", 1))
/// # }
/// ```
///
/// It goes the way that it began with: from a handler's context, or by the handle of another thread.
#[must_use = "nothing is sent before `emit`"]
pub struct Emit<V> {
    via: V,
    how: How,
}

/// To whom, and how.
pub(super) struct How {
    pub(super) sender: Option<u32>,
    pub(super) to: To,
    volatile: bool,
    compress: bool,
    pub(super) timeout: Option<Duration>,
}

impl<V: Via> Emit<V> {
    pub(crate) fn new(via: V, sender: Option<u32>, to: To) -> Emit<V> {
        Emit { via, how: How { sender, to, volatile: false, compress: true, timeout: None } }
    }

    /// The members of this room, or of these, besides those of others that were named; a socket's id is a room of one.
    /// Each socket gets the event once. No room at all is everybody in the namespace.
    pub fn to(mut self, rooms: impl Rooms) -> Self {
        rooms.for_each_room(&mut |room| self.how.to.rooms.push(room.into()));
        self
    }

    /// Not the members of this room, or of these.
    pub fn except(mut self, rooms: impl Rooms) -> Self {
        rooms.for_each_room(&mut |room| self.how.to.except.push(room.into()));
        self
    }

    /// Not to clients that do not take it at once.
    pub fn volatile(mut self) -> Self {
        self.how.volatile = true;
        self
    }

    /// Whether it may be compressed for clients that have that. Default yes.
    pub fn compress(mut self, compress: bool) -> Self {
        self.how.compress = compress;
        self
    }

    /// How long they have to acknowledge what is sent with [`Emit::emit_with_ack`], in steps of milliseconds up to 24
    /// days. Default 20 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.how.timeout = Some(timeout);
        self
    }

    /// Sends it.
    ///
    /// # Errors
    /// The event's name is reserved, the arguments cannot be sent, or the server has ended. Then nobody gets it.
    pub fn emit(self, event: &str, args: impl ToArgs) -> Result<(), Error> {
        let parcel = self.parcel(event, args)?;
        let How { sender, to, .. } = self.how;
        self.via.carry(to.weight() + parcel.len(), move |cx| cx.publish_from(sender, &to, &parcel, None));
        Ok(())
    }

    /// Sends the event `message`, as a plain WebSocket does.
    ///
    /// # Errors
    /// Those of [`Emit::emit`].
    pub fn send(self, args: impl ToArgs) -> Result<(), Error> {
        self.emit("message", args)
    }

    /// Sends it; `done` is called, once, on a reactor when every reactor has said what became of it.
    ///
    /// # Errors
    /// Those of [`Emit::emit`]; then `done` is not called.
    pub fn emit_with_report(
        self,
        event: &str,
        args: impl ToArgs,
        done: impl FnOnce(&mut Context<'_>, DeliveryReport) + Send + 'static,
    ) -> Result<(), Error> {
        let parcel = self.parcel(event, args)?;
        let How { sender, to, .. } = self.how;
        self.via.carry(to.weight() + parcel.len(), move |cx| {
            cx.publish_from(sender, &to, &parcel, Some(Box::new(done)));
        });
        Ok(())
    }

    fn parcel(&self, event: &str, args: impl ToArgs) -> Result<Parcel, Error> {
        self.via.with_router(|router| self.how.parcel(router, event, args)).ok_or(Error::Stopped)?
    }

    /// Whom it means, and where.
    pub(super) fn into_parts(self) -> (V, How) {
        (self.via, self.how)
    }
}

impl How {
    fn parcel(&self, router: &Router, event: &str, args: impl ToArgs) -> Result<Parcel, Error> {
        check_event(event)?;
        Ok(self.checked_parcel(router, event, args.to_args()?.as_ref().as_ref(), None))
    }

    /// The same for an event whose name may be sent.
    pub(super) fn checked_parcel(
        &self,
        router: &Router,
        event: &str,
        args: ArgsRef<'_>,
        id: Option<u64>,
    ) -> Parcel {
        let namespace = &self.to.scope;
        let pieces = checked_event_pieces(router.parser_of(namespace), namespace, event, args, id);
        let compression = router.namespace_compression(namespace).filter(|_| self.compress);
        Parcel::new(pieces, Settings { volatile: self.volatile, compression })
    }
}

/// The Engine.IO messages of an event.
pub(super) fn event_pieces(
    parser: Parser,
    namespace: &str,
    event: &str,
    args: impl ToArgs,
    id: Option<u64>,
) -> Result<SmallVec<[Piece; 1]>, Error> {
    check_event(event)?;
    Ok(checked_event_pieces(parser, namespace, event, args.to_args()?.as_ref().as_ref(), id))
}

fn checked_event_pieces(
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

/// Whether programs may send an event of this name.
pub(super) fn check_event(event: &str) -> Result<(), Error> {
    if is_reserved(event) { Err(Error::ReservedEvent(event.to_owned())) } else { Ok(()) }
}

/// The Engine.IO messages of an acknowledgement.
pub(super) fn ack_pieces(
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
