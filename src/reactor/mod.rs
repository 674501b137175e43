//! One thread, one `Poll`, its own listeners and descriptor table: everything that touches sockets.
//!
//! It knows no protocol. A [`Handler`] gets what happened and answers through the [`Outlet`].

mod fanout;
pub mod gate;
pub mod gauges;
pub mod listener;
pub mod mail;
mod moves;
mod outbox;
pub mod outlet;
pub mod peer;
pub mod pressure;
mod scales;
mod side;
pub mod tls;
mod turn;

pub use moves::{Depot, Doors};
pub use scales::Scales;
pub use turn::{Plumbing, Reactor};

use crate::base::ids::LinkId;
use crate::base::time::{Now, Tick};
use outlet::{Outlet, Slow, Tally, Ticket};
use peer::{Peer, WireFacts};
use std::time::Duration;

/// How a link came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// From whom.
    pub peer: Peer,
    /// By a listener for operators.
    pub admin: bool,
    /// Over TLS.
    pub secure: bool,
}

/// Why a connection did not become a link that the handler knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryError {
    /// It did not begin with the header that its proxy has to send.
    Proxy,
    /// Its TLS handshake failed.
    Tls,
    /// It did neither in time.
    Timeout,
}

/// What happens on a reactor, in the order in which it happens.
///
/// Everything runs on the reactor's thread and must not block. Nothing is sent from inside: frames are
/// queued on the outlet and leave at the end of the turn.
pub trait Handler {
    /// What reactors hand to one another.
    type Mail: Send;

    /// A turn begins.
    fn begin_turn(&mut self, now: Now);
    /// Another reactor, or another thread, handed something over.
    fn mail(&mut self, mail: Self::Mail, out: &mut Outlet);
    /// Until when a connection that was accepted now has to have said for whom it is and to have shaken hands, where that is
    /// asked for.
    fn entry_deadline(&self) -> Tick;
    /// A connection that was accepted did not come that far.
    fn turned_away(&mut self, error: EntryError);
    /// A connection was accepted; what it says from now on is the handler's.
    fn opened(&mut self, link: LinkId, entry: Entry, out: &mut Outlet);
    /// Bytes arrived; they are the handler's to change, and gone afterwards.
    fn received(&mut self, link: LinkId, bytes: &mut [u8], out: &mut Outlet);
    /// The peer sends no more. The handler ends the link, now or when it has answered.
    fn ended(&mut self, link: LinkId, out: &mut Outlet);
    /// The link's deadline has come; it has none now.
    fn expired(&mut self, link: LinkId, out: &mut Outlet);
    /// The link has more waiting than it may. The handler says farewell.
    fn overflowed(&mut self, link: LinkId, out: &mut Outlet);
    /// What is kept of what the link has sent and is not whole yet, in bytes.
    fn unfinished_bytes(&self, link: LinkId) -> usize;
    /// The memory is needed that what waits for the link takes, here and in the kernel, or what it sends and does not
    /// finish. The handler ends it with [`Outlet::reset`], unless it cannot end now.
    fn shed(&mut self, link: LinkId, out: &mut Outlet);
    /// Nothing waits for the link any more; the handler had asked to be told.
    fn drained(&mut self, link: LinkId, out: &mut Outlet);
    /// Something waits for a parked link, and its owner had said that somebody waits for it.
    fn filled(&mut self, link: LinkId, out: &mut Outlet);
    /// The descriptor of a departing link is on its way to another reactor under this number: what the link was is to
    /// follow by mail. The link is gone, without [`Handler::closed`].
    fn departed(&mut self, link: LinkId, number: u64, out: &mut Outlet);
    /// What became of a publish on this reactor.
    fn tallied(&mut self, ticket: Ticket, tally: Tally, out: &mut Outlet);
    /// The links for which most waits, as [`Outlet::ask_slowest`] asked, and what the kernel knows of those that have a
    /// wire.
    fn slowest(&mut self, ticket: Ticket, slowest: Vec<(Slow, Option<WireFacts>)>, out: &mut Outlet);
    /// The link is gone. Called exactly once for each that was opened.
    fn closed(&mut self, link: LinkId, out: &mut Outlet);
    /// What a handler put off because a flush was urgent goes on now, until the next flush is.
    fn catch_up(&mut self, out: &mut Outlet);
    /// If something was put off, how long it should wait.
    fn is_behind(&self) -> Option<Duration>;
    /// Many links are gone: unused capacity can be given back.
    fn trim(&mut self);
    /// Whether clients are no longer listened for. Those who wait to be accepted already still are, so that they can be
    /// told.
    fn turns_away(&self) -> bool;
    /// Whether the reactor should accept no more and end with its last link.
    fn is_stopping(&self) -> bool;
}
