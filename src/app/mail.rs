//! What reactors hand to one another.

use super::context::Context;
use super::drain::Drain;
use super::gather::{Answer, Ask};
use super::publish::{DeliveryReport, To};
use super::transfer::{Source, Step, TransferId};
use crate::base::ids::ReactorId;
use crate::base::limits::Limits;
use crate::wire::parcel::Parcel;
use compact_str::CompactString;
use std::any::Any;
use std::sync::Arc;

/// A message for the sockets of other reactors.
#[derive(Debug)]
pub(crate) struct Publish {
    pub(crate) to: To,
    pub(crate) parcel: Parcel,
    pub(crate) source: Source,
    /// Who wants to know what became of it, and under which number.
    pub(crate) report: Option<(ReactorId, u32)>,
    /// It is not told to those who listen to what is sent.
    pub(crate) quiet: bool,
}

/// One mail.
pub(crate) enum Mail {
    /// Deliver to whom it selects here.
    Publish(Arc<Publish>),
    /// An outcome, for the reactor that asked.
    Report { number: u32, report: DeliveryReport },
    /// Another reactor has a newer connection of this name: close those that claimed it before.
    Replace { scope: CompactString, room: CompactString, sequence: u32 },
    /// Look something up and answer.
    Ask { asker: ReactorId, number: u32, ask: Ask },
    /// Look for the slowest links and answer.
    Slowest { asker: ReactorId, number: u32, limit: usize },
    /// The answer.
    Answer { number: u32, answer: Answer },
    /// A connection whose descriptor is under way with this number.
    Link { number: u64, session: Box<dyn Any + Send> },
    /// Of a move of sockets.
    Transfer(TransferId, Step),
    /// Do this.
    Call(Box<dyn FnOnce(&mut Context<'_>) + Send>),
    /// Be emptied, in this way; the number decides on the order.
    Drain { plan: Drain, chance: u64 },
    /// Other limits hold.
    Limits(Arc<Limits>),
    /// Turn once, to show that it can.
    Wake,
    /// Accept no more, close everything, end.
    Stop,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Mail::Publish(_) => "Publish",
            Mail::Report { .. } => "Report",
            Mail::Replace { .. } => "Replace",
            Mail::Ask { .. } => "Ask",
            Mail::Slowest { .. } => "Slowest",
            Mail::Answer { .. } => "Answer",
            Mail::Link { .. } => "Link",
            Mail::Transfer(..) => "Transfer",
            Mail::Call(_) => "Call",
            Mail::Drain { .. } => "Drain",
            Mail::Limits(_) => "Limits",
            Mail::Wake => "Wake",
            Mail::Stop => "Stop",
        })
    }
}
