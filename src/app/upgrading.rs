//! Upgrades to plain WebSockets that are decided later: from another thread, or when something else has answered.
//!
//! Owns: [`UpgradeDecision`], and what it takes to go on with the upgrade. Leaves to others: what follows from it
//! (`server`). A client that waits is an HTTP connection whose request has no answer yet: it costs what that does.

use super::context::{Context, Job};
use super::endpoint::Admission;
use super::handle::{Handle, Via};
use crate::base::ids::LinkId;
use crate::wire::deflate::Agreement;
use crate::wire::response::Response;
use crate::wire::upgrade::AcceptKey;
use std::fmt;

/// Asks somebody who decides later.
pub(crate) type AskLater = Box<dyn FnOnce(&mut Context<'_>, UpgradeDecision) + Send>;

/// What has been agreed on with a client that wants a WebSocket.
pub(crate) struct Upgrade {
    pub(crate) endpoint: u16,
    pub(crate) key: AcceptKey,
    pub(crate) compression: Option<Agreement>,
}

/// A decision on its way to the connection that it is for.
pub(crate) struct Decided {
    pub(crate) link: LinkId,
    /// Which request of the link, so that a decision that comes too late does not decide on another one.
    pub(crate) number: u32,
    pub(crate) upgrade: Upgrade,
    pub(crate) verdict: Result<Admission, Response>,
}

/// The right to let a client in at an [`Endpoint`](crate::Endpoint), or not; for any thread.
///
/// The endpoint gets it from [`Admission::later`]. A client that nobody decides on within 30 seconds is answered
/// with 503; one whose decision is dropped, with 500. If the client goes, deciding does nothing.
#[must_use = "a decision that is dropped refuses"]
pub struct UpgradeDecision(Option<Open>);

struct Open {
    /// Its home is the reactor that has the link.
    handle: Handle,
    link: LinkId,
    number: u32,
    upgrade: Upgrade,
}

impl UpgradeDecision {
    pub(crate) fn new(cx: &Context<'_>, link: LinkId, number: u32, upgrade: Upgrade) -> UpgradeDecision {
        UpgradeDecision(Some(Open { handle: cx.handle(), link, number, upgrade }))
    }

    /// The client may come in. It is refused all the same, with 503, if the server has become full meanwhile.
    pub fn allow(mut self, via: impl Via, admission: Admission) {
        decide(via, self.0.take(), Ok(admission));
    }

    /// The client is refused with this response.
    pub fn refuse(mut self, via: impl Via, response: Response) {
        decide(via, self.0.take(), Err(response));
    }
}

impl Drop for UpgradeDecision {
    fn drop(&mut self) {
        if let Some(open) = self.0.take() {
            let handle = open.handle.clone();
            let response = Response::error(500, "internal", "the handler of this path did not decide");
            decide(&handle, Some(open), Err(response));
        }
    }
}

impl fmt::Debug for UpgradeDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpgradeDecision")
    }
}

fn decide(via: impl Via, open: Option<Open>, verdict: Result<Admission, Response>) {
    let Some(Open { handle, link, number, upgrade }) = open else { return };
    let decided = Box::new(Decided { link, number, upgrade, verdict });
    via.carry_to(handle.home(), 1_024, move |cx| cx.core.jobs.push_back(Job::Upgrade(decided)));
}
