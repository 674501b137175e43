//! A newer token for a client of the gateway that is in: what it grants takes the place of what the client came with.
//!
//! A token that has to be asked about, at the webhook or because its key is not known yet, is answered when that is decided;
//! the client stays as it is until then, which may be its end.

use super::message::{Answer, Fault};
use super::{GROUP, Gateway, client_of, domain_of, forbidden, group_room, join};
use crate::access::{Grant, Question, Refused, Renewing};
use fanfare::Socket;

impl Gateway {
    /// Answers, now or later, unless it is wrong at once.
    pub(super) fn refresh(
        &self,
        socket: &mut Socket<'_>,
        token: String,
        answer: Answer,
    ) -> Result<(), Fault> {
        let Some(old) = socket.get::<Grant>() else {
            return Err(forbidden("this connection has no token that ends"));
        };
        if socket.get::<Renewing>().is_some_and(Renewing::is_under_way) {
            return Err(Fault { code: 429, message: "another token is being decided on".to_owned() });
        }
        let rules = self.access.rules();
        if let Some(grant) = rules.renew(socket.scope(), &token).map_err(fault_of)? {
            hold(socket, grant)?;
            socket.send(&answer.ok());
            return Ok(());
        }
        let (question, scope) = (question(socket, old, token), socket.scope().to_owned());
        let (renewing, end) = Renewing::begin();
        socket.set(renewing);
        let (handle, way_back) = (socket.context().handle(), socket.way_back());
        let done = move |verdict: Result<Grant, Refused>| {
            way_back.run(&handle, move |socket| {
                drop(end);
                let held = verdict.map_err(fault_of).and_then(|grant| hold(socket, grant));
                socket.send(&match held {
                    Ok(()) => answer.ok(),
                    Err(fault) => answer.fault(&fault),
                });
            });
        };
        rules.ask(&scope, &question, Box::new(done));
        Ok(())
    }
}

/// What was asked when it came, with its newer token and the groups that it is in by now.
fn question(socket: &Socket<'_>, old: &Grant, token: String) -> Question {
    let groups = socket.rooms().filter_map(|room| room.strip_prefix(GROUP));
    let asked = old.asked.as_deref();
    Question {
        protocol: "ws",
        domain: domain_of(socket.scope()).map(|domain| domain.to_string()),
        namespace: None,
        client_id: Some(client_of(socket).to_owned()),
        token: Some(token),
        ip: asked.and_then(|asked| asked.ip.as_deref()).map(str::to_owned),
        origin: asked.and_then(|asked| asked.origin.as_deref()).map(str::to_owned),
        groups: groups.map(str::to_owned).collect(),
        anew: true,
    }
}

/// With what it is granted from now on.
fn hold(socket: &mut Socket<'_>, grant: Grant) -> Result<(), Fault> {
    let Some(old) = socket.get::<Grant>().filter(|old| old.user == grant.user) else {
        return Err(forbidden("token is for another client"));
    };
    let grant = grant.after(old);
    let client = client_of(socket).to_owned();
    let rooms = socket.rooms().filter_map(|room| room.strip_prefix(GROUP));
    let lost: Vec<String> =
        rooms.filter(|group| !grant.may_join(group, Some(&client))).map(group_room).collect();
    let granted = grant.groups.clone();
    let until = grant.until_unix_ms;
    socket.set(grant);
    socket.set_alarm(until);
    for room in &lost {
        socket.leave(room);
    }
    join(socket, &granted.iter().map(|group| group.as_str()).collect::<Vec<_>>())
}

fn fault_of(refused: Refused) -> Fault {
    Fault { code: refused.status, message: refused.message }
}
