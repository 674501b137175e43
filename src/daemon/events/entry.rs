//! How a socket of Socket.IO comes in: where its token stands, what it is let in with, and how that ends.

use super::Problem;
use super::refresh::refresh;
use crate::access::{Access, Grant, Question, Refused, Seat, Verdict, bearer};
use fanfare::socketio::{ConnectError, Connecting, Decision, Error, Namespace, Socket};
use serde_json::json;
use std::sync::Arc;

/// A namespace that lets in whom the rules let in, and for as long.
pub(super) fn guard(namespace: Namespace, access: &Arc<Access>) -> Namespace {
    let (asked, refreshed) = (access.clone(), access.clone());
    namespace
        .middleware_later(move |socket, connecting, decision| decide(&asked, socket, connecting, decision))
        .on("refresh", move |socket, event| refresh(&refreshed, socket, event))
        .on_alarm(expire)
}

fn decide(access: &Arc<Access>, socket: &mut Socket<'_>, connecting: &Connecting<'_>, decision: Decision) {
    let token = token_of(connecting);
    let rules = access.rules();
    let decided = match rules.admit(socket.namespace(), token.as_deref()) {
        Verdict::In(None) => Ok(()),
        Verdict::In(Some(grant)) => access.seat(&grant).and_then(|seat| let_in(socket, grant, seat)),
        Verdict::Out(refused) => Err(refused),
        Verdict::Ask => {
            let handle = socket.context().handle();
            let question = question(socket, connecting, token);
            let access = access.clone();
            let seated = move |grant: Grant| access.seat(&grant).map(|seat| (grant, seat));
            let done = move |verdict: Result<Grant, Refused>| match verdict.and_then(seated) {
                Ok((grant, seat)) => decision.allow_with(&handle, |socket| {
                    if let Err(refused) = let_in(socket, grant, seat) {
                        log::info!("{}", refused.message);
                        socket.disconnect(false);
                    }
                }),
                Err(refused) => decision.refuse(&handle, told(&refused)),
            };
            return rules.ask(socket.namespace(), &question, Box::new(done));
        }
    };
    match decided {
        Ok(()) => decision.allow(socket.context()),
        Err(refused) => decision.refuse(socket.context(), told(&refused)),
    }
}

/// It stands in `auth`, in the query of clients that have no `auth`, or in the header of those that are no browsers.
fn token_of(connecting: &Connecting<'_>) -> Option<String> {
    let auth: serde_json::Value = serde_json::from_str(connecting.auth()).unwrap_or_default();
    let token = auth.get("token").and_then(|token| token.as_str()).map(str::to_owned);
    let header = || bearer(connecting.handshake().header("authorization")).map(str::to_owned);
    token.or_else(|| connecting.query("token")).or_else(header)
}

fn question(socket: &Socket<'_>, connecting: &Connecting<'_>, token: Option<String>) -> Question {
    let handshake = connecting.handshake();
    let origin = handshake.header("origin").and_then(|origin| std::str::from_utf8(origin).ok());
    Question {
        protocol: "socket.io",
        domain: None,
        namespace: Some(socket.namespace().to_owned()),
        client_id: None,
        token,
        ip: handshake.peer().ip().map(|ip| ip.to_string()),
        origin: origin.map(str::to_owned),
        groups: Vec::new(),
        anew: false,
    }
}

fn told(refused: &Refused) -> ConnectError {
    ConnectError::new(&refused.message).data(&json!({ "code": refused.code }))
}

/// With what it was granted, and the place that its user has for it, as long as it is there.
fn let_in(socket: &mut Socket<'_>, grant: Grant, seat: Option<Seat>) -> Result<(), Refused> {
    hold(socket, grant)?;
    if let Some(seat) = seat {
        socket.set(seat);
    }
    Ok(())
}

/// With what it was granted from now on.
pub(super) fn hold(socket: &mut Socket<'_>, grant: Grant) -> Result<(), Refused> {
    let groups: Vec<&str> = grant.groups.iter().map(|group| group.as_str()).collect();
    if let Err(error) = socket.join(groups) {
        return Err(Refused { status: 403, code: "forbidden", message: format!("groups: {error}") });
    }
    socket.set_alarm(grant.until_unix_ms);
    socket.set(grant);
    Ok(())
}

/// What it was granted has come to its end.
fn expire(socket: &mut Socket<'_>) -> Result<(), Error> {
    let problem = Problem { event: None, code: "token_expired", message: "token has expired" };
    socket.emit("exception", &problem)?;
    // Clients that are told so do not come back by themselves: not with the same token.
    socket.disconnect(false);
    Ok(())
}

/// What a client is called: as its token says or, without that, as it says.
pub(super) fn name_of<'s>(socket: &'s Socket<'_>) -> Option<&'s str> {
    socket.get::<Grant>().and_then(|grant| grant.user.as_deref()).or_else(|| socket.claimed())
}
