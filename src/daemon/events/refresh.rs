//! A newer token for a socket of Socket.IO that is in: what it grants takes the place of what the socket came with.
//!
//! A token that has to be asked about, at the webhook or because its key is not known yet, is answered when that is decided;
//! the socket stays as it is until then, which may be its end.

use super::entry::{hold, name_of};
use super::payload::Fault;
use super::{answer_with, tell};
use crate::access::{Access, Grant, Question, Refused, Renewing};
use fanfare::socketio::{Error, Event, Socket};

/// Answers, now or later.
pub(super) fn refresh(access: &Access, socket: &mut Socket<'_>, event: &mut Event<'_>) -> Result<(), Error> {
    let done = match try_now(access, socket, event) {
        Ok(None) => Ok(()),
        Ok(Some(token)) => return ask(access, socket, event, token),
        Err(fault) => Err(fault),
    };
    answer_with(socket, event, done)
}

/// The token comes back if somebody else has to be asked about it.
fn try_now(access: &Access, socket: &mut Socket<'_>, event: &Event<'_>) -> Result<Option<String>, Fault> {
    #[derive(serde::Deserialize)]
    struct Token {
        token: String,
    }
    let given: Result<Token, Error> = event.parse();
    let Token { token } = given.map_err(|_| Fault::bad_request("token: expected a string"))?;
    if socket.get::<Grant>().is_none() {
        return Err(Fault::not_allowed("this connection has no token that ends"));
    }
    if socket.get::<Renewing>().is_some_and(Renewing::is_under_way) {
        let message = "another token is being decided on".to_owned();
        return Err(Fault { message, ..Fault::rate_limited() });
    }
    match access.rules().renew(socket.namespace(), &token).map_err(fault_of)? {
        Some(grant) => replace(socket, grant).map(|()| None),
        None => Ok(Some(token)),
    }
}

fn ask(access: &Access, socket: &mut Socket<'_>, event: &mut Event<'_>, token: String) -> Result<(), Error> {
    let question = question(socket, token);
    let (renewing, end) = Renewing::begin();
    socket.set(renewing);
    let (handle, way_back) = (socket.context().handle(), socket.way_back());
    let (name, ack) = (event.name().to_owned(), event.take_ack());
    let done = move |verdict: Result<Grant, Refused>| {
        way_back.run(&handle, move |socket| {
            drop(end);
            let held = verdict.map_err(fault_of).and_then(|grant| replace(socket, grant));
            let told = tell(socket, &name, ack, held);
            debug_assert!(told.is_ok(), "it has a JSON form: {told:?}");
        });
    };
    access.rules().ask(socket.namespace(), &question, Box::new(done));
    Ok(())
}

/// What was asked when it came, with its newer token.
fn question(socket: &Socket<'_>, token: String) -> Question {
    let asked = socket.get::<Grant>().and_then(|grant| grant.asked.as_deref());
    Question {
        protocol: "socket.io",
        domain: None,
        namespace: Some(socket.namespace().to_owned()),
        client_id: None,
        token: Some(token),
        ip: asked.and_then(|asked| asked.ip.as_deref()).map(str::to_owned),
        origin: asked.and_then(|asked| asked.origin.as_deref()).map(str::to_owned),
        groups: Vec::new(),
        anew: true,
    }
}

/// With what it is granted from now on.
fn replace(socket: &mut Socket<'_>, grant: Grant) -> Result<(), Fault> {
    let Some(old) = socket.get::<Grant>().filter(|old| old.user == grant.user) else {
        return Err(Fault::not_allowed("token is for another user"));
    };
    let grant = grant.after(old);
    let user = name_of(socket).map(str::to_owned);
    let rooms = socket.rooms().filter(|room| socket.claimed() != Some(room));
    let lost: Vec<String> =
        rooms.filter(|room| !grant.may_join(room, user.as_deref())).map(str::to_owned).collect();
    socket.leave(lost);
    if socket.claimed().is_some_and(|claimed| !grant.may_be(claimed)) {
        socket.release();
    }
    hold(socket, grant).map_err(|refused| Fault { code: "too_large", message: refused.message })
}

fn fault_of(refused: Refused) -> Fault {
    Fault { code: refused.code, message: refused.message }
}
