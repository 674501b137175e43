//! An event of a client, and its acknowledgement.

use super::emit::ack_pieces;
use super::error::Error;
use super::socket::Socket;
use super::state::NamespaceId;
use crate::app::context::Context;
use crate::app::handle::Via;
use crate::base::ids::LinkId;
use crate::session::packets::Parser;
use crate::wire::parcel;
use crate::wire::socketio::args::ArgsRef;
use crate::wire::socketio::value::ToArgs;
use compact_str::CompactString;
use serde::Deserialize;

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

    /// Its arguments, as they came.
    pub fn args(&self) -> ArgsRef<'a> {
        self.args
    }

    /// Its arguments as values: a tuple is read from as many of them, anything else from the first one.
    ///
    /// ```no_run
    /// # use fanfare::socketio::{Error, Event};
    /// # fn f(event: &fanfare::socketio::Event<'_>) -> Result<(), Error> {
    /// let text: String = event.parse()?;
    /// let (room, text): (String, Option<String>) = event.parse()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// One is missing or of another type.
    pub fn parse<T: Deserialize<'a>>(&self) -> Result<T, Error> {
        Ok(self.args.parse()?)
    }

    /// Acknowledges the event, if the client wants that and it was not done before.
    ///
    /// # Errors
    /// The arguments cannot be sent.
    pub fn ack(&mut self, socket: &mut Socket<'_>, args: impl ToArgs) -> Result<(), Error> {
        match self.ack.take() {
            Some(ack) => ack.send(socket.context(), args),
            None => Ok(()),
        }
    }

    /// The acknowledgement that the client wants, if it wants one, to be given later or by another thread; once.
    pub fn take_ack(&mut self) -> Option<Ack> {
        self.ack.take()
    }
}

/// The duty to acknowledge an event, now, later or from another thread. Dropping it sends nothing.
#[derive(Debug)]
pub struct Ack {
    pub(crate) link: LinkId,
    pub(crate) reactor: crate::base::ids::ReactorId,
    pub(crate) at: NamespaceId,
    pub(crate) epoch: u8,
    pub(crate) id: u64,
    pub(crate) parser: Parser,
    pub(crate) namespace: CompactString,
}

impl Ack {
    /// Acknowledges. If the socket is gone by now, nothing happens.
    ///
    /// # Errors
    /// The arguments cannot be sent.
    pub fn send(self, via: impl Via, args: impl ToArgs) -> Result<(), Error> {
        let args = args.to_args()?.into_owned();
        let reactor = self.reactor;
        via.carry_to(reactor, args.as_ref().json().len(), move |cx| self.give(cx, args.as_ref()));
        Ok(())
    }

    fn give(self, cx: &mut Context<'_>, args: ArgsRef<'_>) {
        let Ack { link, at, epoch, id, parser, namespace, .. } = self;
        if cx.core.namespace_number(at.mount, &namespace) != Some(at.number) {
            // The number may be that of another dynamic namespace by now.
            return;
        }
        let member = cx.core.sio.get(link).filter(|session| !session.closed);
        let member = member.and_then(|session| session.member(at.number));
        if member.is_none_or(|member| member.epoch != epoch) {
            return;
        }
        let pieces = ack_pieces(parser, &namespace, id, args);
        let frame =
            parcel::make(&pieces, cx.out.dialect(link), cx.core.router.mount(at.mount).options.compression);
        cx.out.send(link, &frame);
    }
}
