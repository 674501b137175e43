//! How a client of the gateway comes in: what its request says, and what it is let in with.

use super::{Gateway, TOO_MANY_GROUPS, client_room, group_room, groups, scope_of};
use crate::access::{Access, Grant, Question, Refused, Verdict, bearer};
use fanfare::{Admission, NAME_BYTES, Request, Response};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What a request says.
struct Entry {
    domain: String,
    client: String,
    groups: Vec<String>,
    /// Groups that it may be in.
    most: usize,
}

impl Gateway {
    /// Decides on a request, or has somebody decide who knows.
    pub(super) fn admit(&self, request: &Request<'_>) -> Result<Admission, Response> {
        let query = request.query().map_err(|error| bad(error.to_string()))?;
        let once = |name: &str| match query.count(name) {
            0 => Ok(None),
            1 => Ok(query.get(name)),
            _ => Err(bad(format!("{name} is given more than once"))),
        };
        let required = |name: &str| match once(name)? {
            Some(value) if (1..=NAME_BYTES).contains(&value.len()) => Ok(value),
            Some(_) => Err(bad(format!("{name} has 1 to {NAME_BYTES} bytes"))),
            None => Err(bad(format!("{name} is missing"))),
        };
        let domain = required("bizCode")?;
        let client = required("clientId")?;
        let list = once("group")?.unwrap_or_default();
        let groups =
            if list.is_empty() { Vec::new() } else { groups(list).map_err(|fault| bad(fault.message))? };
        let entry = Entry {
            domain: domain.to_owned(),
            client: client.to_owned(),
            groups: groups.into_iter().map(str::to_owned).collect(),
            // One is the client's own.
            most: self.rooms_per_socket.load(Ordering::Relaxed) - 1,
        };
        if entry.groups.len() > entry.most {
            return Err(bad(TOO_MANY_GROUPS.to_owned()));
        }
        let token = once("token")?.or_else(|| bearer(request.header("authorization")));
        let rules = self.access.rules();
        let verdict = rules.admit(&scope_of(domain), token);
        if let Verdict::Out(refused) = verdict {
            return Err(refused.response());
        }
        rules.check_origin(request)?;
        match verdict {
            Verdict::In(grant) => entry.let_in(grant),
            Verdict::Out(refused) => Err(refused.response()),
            Verdict::Ask => Ok(ask(self.access.clone(), entry, token, request)),
        }
    }
}

/// Whoever knows is asked on another thread, and decides.
fn ask(access: Arc<Access>, entry: Entry, token: Option<&str>, request: &Request<'_>) -> Admission {
    let origin = request.header("origin").and_then(|origin| std::str::from_utf8(origin).ok());
    let question = Question {
        protocol: "ws",
        domain: Some(entry.domain.clone()),
        namespace: None,
        client_id: Some(entry.client.clone()),
        token: token.map(str::to_owned),
        ip: request.peer().ip().map(|ip| ip.to_string()),
        origin: origin.map(str::to_owned),
        groups: entry.groups.clone(),
        anew: false,
    };
    let (peer, scope) = (request.peer(), scope_of(&entry.domain).into_owned());
    Admission::later(move |cx, decision| {
        let handle = cx.handle();
        let done = move |verdict: Result<Grant, Refused>| {
            let verdict = verdict.map_err(|refused| refused.response());
            match verdict.and_then(|grant| entry.let_in(Some(grant))) {
                Ok(admission) => decision.allow(&handle, admission),
                Err(response) => {
                    log::info!("{peer}: {:?} {:?} is refused", entry.domain, entry.client);
                    decision.refuse(&handle, response);
                }
            }
        };
        access.rules().ask(&scope, &question, Box::new(done));
    })
}

impl Entry {
    /// Where it belongs, if what it asks for is within what it was granted.
    fn let_in(&self, grant: Option<Grant>) -> Result<Admission, Response> {
        let admission = Admission::to_scope(&scope_of(&self.domain)).claim(&client_room(&self.client));
        let Some(grant) = grant else {
            return Ok(self.groups.iter().fold(admission, |all, group| all.room(&group_room(group))));
        };
        let is_other = grant.user.as_ref().is_some_and(|user| *user != self.client);
        if is_other {
            return Err(Response::error(401, "unauthorized", "token is for another client"));
        }
        if !self.groups.iter().all(|group| grant.may_join(group, Some(&self.client))) {
            return Err(Response::error(403, "forbidden", "group: not all of these may be joined"));
        }
        let granted = grant.groups.iter().map(|group| group.as_str());
        let granted = granted.filter(|group| !self.groups.iter().any(|own| own == group));
        let all: Vec<&str> = self.groups.iter().map(String::as_str).chain(granted).collect();
        if all.len() > self.most {
            return Err(bad(TOO_MANY_GROUPS.to_owned()));
        }
        let admission = all.into_iter().fold(admission, |all, group| all.room(&group_room(group)));
        Ok(admission.with(grant))
    }
}

fn bad(message: String) -> Response {
    Response::error(400, "bad_request", &message)
}
