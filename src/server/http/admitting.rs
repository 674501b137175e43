//! Requests for a plain WebSocket: what is agreed on, what the endpoint says, now or later.
//!
//! Follows RFC 6455, section 4.2. While an endpoint decides later, the link speaks HTTP and has a request without an
//! answer: what its client sends meanwhile waits, as behind any other one.

use super::{ANSWER_S, Busy, Outcome, Stage, end, full_reason, full_response};
use crate::app::{Admission, AskLater, Context, Core, Decided, Refusal, Request, Upgrade, UpgradeDecision};
use crate::base::ids::LinkId;
use crate::reactor::outlet::{LinkState, Outlet};
use crate::reactor::peer::Peer;
use crate::server::worker::{Session, Shared, Worker};
use crate::wire::response::Response;
use crate::wire::upgrade;

/// What a request to an endpoint leads to.
pub(super) fn look(
    core: &Core,
    request: &Request<'_>,
    busy: Busy,
    number: u16,
    shared: &Shared,
    full: Option<Refusal>,
) -> Outcome {
    let head = &request.inner.head;
    if !upgrade::wants_upgrade(head) {
        let response = if matches!(head.method, "GET" | "HEAD") {
            Response::error(426, "upgrade_required", "this path speaks WebSocket")
                .header("Upgrade", "websocket")
                .header("Sec-WebSocket-Version", "13")
        } else {
            Response::error(405, "method_not_allowed", "this path speaks WebSocket").header("Allow", "GET")
        };
        return Outcome::Answer(busy, response);
    }
    let agreed = upgrade::check_upgrade(head).and_then(|key| match shared.router.compression {
        Some(_) => Ok((key, upgrade::agree_on_compression(head)?)),
        None => Ok((key, None)),
    });
    let (key, compression) = match agreed {
        Ok(agreed) => agreed,
        Err(error) => {
            return Outcome::Refuse(Refusal::BadRequest, error.response(), format!("bad upgrade: {error}"));
        }
    };
    let endpoint = shared.router.endpoint_by_number(number);
    let failed = || Err(Response::error(500, "internal", "the handler of this path failed"));
    let verdict = core.hook("on_upgrade", || endpoint.on_upgrade(request)).unwrap_or_else(failed);
    admitted(core, busy, Upgrade { endpoint: number, key, compression }, verdict, full, request.peer)
}

/// What the word of an endpoint leads to.
fn admitted(
    core: &Core,
    busy: Busy,
    upgrade: Upgrade,
    verdict: Result<Admission, Response>,
    full: Option<Refusal>,
    peer: Peer,
) -> Outcome {
    match (verdict, full) {
        (Ok(admission), Some(full)) => {
            Outcome::Refuse(full, full_response(core, peer, full), full_reason(&admission, full))
        }
        (Ok(Admission { later: Some(ask), .. }), None) => Outcome::Later(busy, upgrade, ask),
        (Ok(admission), None) => Outcome::Upgrade(upgrade, admission),
        (Err(response), _) => {
            // Not the query: it may carry a token.
            let why = String::from_utf8_lossy(&response.body).into_owned();
            Outcome::Refuse(Refusal::Endpoint, response, why)
        }
    }
}

impl Worker {
    /// The endpoint decides later: its request waits for that as for an answer.
    pub(super) fn http_ask_later(
        &mut self,
        link: LinkId,
        busy: Busy,
        upgrade: Upgrade,
        ask: AskLater,
        out: &mut Outlet,
    ) {
        let Some(Session::Http(http)) = self.sessions.get_mut(link.slot as usize) else { return };
        http.busy = Some(busy);
        http.stage = Stage::Idle;
        let number = http.number;
        out.set_deadline(link, self.core.now.tick.plus_s(ANSWER_S));
        let mut cx = Context { core: &mut self.core, out };
        let decision = UpgradeDecision::new(&cx, link, number, upgrade);
        // If it panics, the decision is dropped, and that refuses.
        cx.guarded("a later decision on an upgrade", |cx| ask(cx, decision));
    }

    /// A decision has come.
    pub(in crate::server) fn upgrade_decided(&mut self, decided: Decided, out: &mut Outlet) {
        let Decided { link, number, upgrade, verdict } = decided;
        if out.state(link) != LinkState::Open {
            return;
        }
        let full = self.full(out);
        let Some(Session::Http(http)) = self.sessions.get_mut(link.slot as usize) else { return };
        if http.number != number {
            return;
        }
        let Some(busy) = http.busy.take() else { return };
        if http.last && !self.stopping {
            // Its client sends no more: there would be nobody to talk to.
            return end(link, out);
        }
        let peer = http.client.peer;
        let outcome = admitted(&self.core, busy, upgrade, verdict, full, peer);
        self.http_outcome(link, outcome, out);
    }
}
