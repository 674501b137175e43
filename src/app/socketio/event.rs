//! An event of a client, and its acknowledgement.

use super::emit::ack_pieces;
use super::state::NamespaceId;
use crate::app::context::Context;
use crate::base::ids::LinkId;
use crate::session::packets::Parser;
use crate::wire::parcel;
use crate::wire::socketio::args::{Args, ArgsRef};
use compact_str::CompactString;

/// An event, lent for the call.
#[derive(Debug)]
pub struct Event<'a> {
    pub(crate) name: &'a str,
    pub(crate) args: ArgsRef<'a>,
    pub(crate) ack: Option<Ack>,
}

impl<'a> Event<'a> {
    /// Its name.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Its arguments.
    pub fn args(&self) -> ArgsRef<'a> {
        self.args
    }

    /// The acknowledgement that the client wants, if it wants one; to be taken once.
    pub fn take_ack(&mut self) -> Option<Ack> {
        self.ack.take()
    }
}

/// The duty to acknowledge an event, now or in a later turn of the same reactor. Dropping it sends nothing.
#[derive(Debug)]
pub struct Ack {
    pub(crate) link: LinkId,
    pub(crate) at: NamespaceId,
    pub(crate) epoch: u8,
    pub(crate) id: u64,
    pub(crate) parser: Parser,
    pub(crate) namespace: CompactString,
}

impl Ack {
    /// Acknowledges. If the socket is gone by now, nothing happens.
    pub fn send(self, cx: &mut Context<'_>, args: &Args) {
        let Ack { link, at, epoch, id, parser, namespace } = self;
        let member = cx.core.sio.get(link).filter(|session| !session.closed);
        let member = member.and_then(|session| session.member(at.number));
        if member.is_none_or(|member| member.epoch != epoch) {
            return;
        }
        let pieces = ack_pieces(parser, &namespace, id, args.as_ref());
        let frame =
            parcel::make(&pieces, cx.out.dialect(link), cx.core.router.mount(at.mount).options.compression);
        cx.out.send(link, &frame);
    }
}
