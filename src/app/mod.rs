//! What a user of the library touches: endpoints, sockets, publishing, routes.
//!
//! Everything here runs on the reactor that owns the socket and must not block. Handlers only queue: bytes leave
//! at the end of the turn.

mod alarms;
mod cluster;
mod context;
mod drain;
mod endpoint;
mod engine;
mod files;
mod gather;
mod guard;
mod handle;
mod http;
mod kept;
mod mail;
mod names;
mod nodes;
mod publish;
mod reply;
mod router;
mod slow;
mod socket;
pub mod socketio;
mod stats;
mod transfer;
mod upgrading;
mod way_back;

pub use context::Context;
pub use drain::Drain;
pub use endpoint::{Admission, CloseCause, Endpoint, Message};
pub use engine::{Cors, EngineOptions, Transport};
pub use files::{Files, FilesError};
pub use gather::View;
pub use handle::{Handle, Via};
pub use http::{BadQuery, Query, Request, Responder};
pub use names::Rooms;
pub use nodes::NodeAnswer;
pub use publish::{DeliveryReport, To};
pub use reply::{Gone, Reply, reply};
pub use router::Params;
pub use slow::{SlowLink, SlowSocket};
pub use socket::{JoinError, Socket};
pub use stats::{ClusterStats, Memory, Moved, ReactorStats, Refusal, Stats};
pub use upgrading::UpgradeDecision;
pub use way_back::WayBack;

pub(crate) use alarms::{Alarm, PLAIN};
pub(crate) use cluster::{Answered, Back, Cluster, Gateway, Order};
pub(crate) use context::{Core, Job, Later};
pub(crate) use engine::{Mount, Served};
pub(crate) use files::FilesAt;
pub(crate) use guard::guard;
pub(crate) use handle::mark_reactor_thread;
pub(crate) use kept::Values;
pub(crate) use mail::Mail;
pub(crate) use nodes::NODES;
#[cfg(test)]
pub(crate) use router::RouteFn;
pub(crate) use router::{Found, Router};
pub(crate) use socket::CLOSE_MS;
pub(crate) use transfer::{Passenger, Source, Sources, Step, TransferId};
pub(crate) use upgrading::{AskLater, Decided, Upgrade};
