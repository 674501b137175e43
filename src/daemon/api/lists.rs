//! What there is of the gateway on this server and the others of its cluster: domains, and the groups and clients of one.
//!
//! A domain has a scope; its groups and clients are rooms that the gateway's prefixes tell apart. Nothing is kept for
//! these lists: the reactors are asked.

use super::Api;
use super::look::{self, Look};
use super::page::{List, Names, Page, answer_numbers};
use crate::gateway::{CLIENT, GROUP, domain_of, scope_of};
use fanfare::{Builder, Context, Params, Request, Responder, Response, View};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Debug, Serialize)]
struct Domain {
    #[serde(rename = "bizCode")]
    name: String,
    clients: u64,
}

#[derive(Debug, Serialize)]
struct Group {
    group: String,
    members: u64,
}

pub(super) fn domains(
    _: &Arc<Api>,
    cx: &mut Context<'_>,
    request: &Request<'_>,
    _: &Params,
    responder: Responder,
) {
    let page = match Page::read(request) {
        Ok(page) => page,
        Err(refusal) => return responder.send(cx, refusal),
    };
    let look = Domains { page: page.clone() };
    answer_numbers(cx, page, responder, look, |(name, clients)| Domain { name, clients });
}

pub(super) fn groups(
    _: &Arc<Api>,
    cx: &mut Context<'_>,
    request: &Request<'_>,
    params: &Params,
    responder: Responder,
) {
    rooms(cx, request, params.get(0), GROUP, responder, |names, cursor, _| {
        let items = names.into_iter().map(|(group, members)| Group { group, members }).collect();
        Response::json(200, &List { items, cursor, total: None })
    });
}

pub(super) fn clients(
    _: &Arc<Api>,
    cx: &mut Context<'_>,
    request: &Request<'_>,
    params: &Params,
    responder: Responder,
) {
    rooms(cx, request, params.get(0), CLIENT, responder, |names, cursor, clients| {
        let items: Vec<String> = names.into_iter().map(|(name, _)| name).collect();
        Response::json(200, &List { items, cursor, total: Some(clients) })
    });
}

/// A page of the rooms of a domain that have this prefix. `answer` also gets the number of clients in the domain; a
/// domain without any does not exist.
fn rooms(
    cx: &mut Context<'_>,
    request: &Request<'_>,
    domain: &str,
    prefix: char,
    responder: Responder,
    answer: fn(Names<u64>, Option<String>, u64) -> Response,
) {
    let page = match Page::read(request) {
        Ok(page) => page,
        Err(refusal) => return responder.send(cx, refusal),
    };
    let look = Rooms { page: page.clone(), scope: scope_of(domain).into_owned(), prefix };
    look::everywhere(cx, look, move |cx, parts| {
        let clients = parts.iter().map(|(clients, _)| clients).sum();
        let response = if clients == 0 {
            Response::error(404, "not_found", "there is no client of this domain")
        } else {
            let (names, cursor) = page.sum(parts.into_iter().map(|(_, names)| names).collect());
            answer(names, cursor, clients)
        };
        responder.send(cx, response);
    });
}

/// The domains that have clients.
#[derive(Clone, Serialize, Deserialize)]
struct Domains {
    page: Page,
}

impl Look for Domains {
    const NAME: &'static str = "domains";
    type Part = Names<u64>;

    fn look(&self, view: &View<'_>) -> Names<u64> {
        self.page.first(view.scopes().filter_map(|(scope, len)| Some((domain_of(scope)?, len))))
    }
}

/// The rooms of a scope with a prefix, and how many are in the scope.
#[derive(Clone, Serialize, Deserialize)]
struct Rooms {
    page: Page,
    scope: String,
    prefix: char,
}

impl Look for Rooms {
    const NAME: &'static str = "rooms of a domain";
    type Part = (u64, Names<u64>);

    fn look(&self, view: &View<'_>) -> (u64, Names<u64>) {
        let clients = view.scope_len(&self.scope);
        let rooms = view.rooms(&self.scope);
        let names = rooms.filter_map(|(room, len)| Some((room.strip_prefix(self.prefix)?, len)));
        // A reactor without a client of the domain need not walk its rooms.
        (clients, if clients > 0 { self.page.first(names) } else { Names::new() })
    }
}

/// Answers other nodes that make these lists.
pub(super) fn install(builder: Builder) -> Builder {
    look::install::<Rooms>(look::install::<Domains>(builder))
}
