//! What there is of Socket.IO on this server: namespaces, and the rooms and sockets of one.
//!
//! Nothing is kept for these lists: the reactors are asked. A room is there while somebody is in it. A socket's id is a
//! room of its own that is in no table, and so in no list.

use super::Api;
use super::fields::not_served;
use super::look::{self, Look};
use super::page::{List, Names, Page, Parameters, answer_numbers};
use crate::events;
use fanfare::socketio::{SocketInfo, Transport};
use fanfare::{Builder, Context, Params, Request, Responder, Response, To, View};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Debug, Serialize)]
struct Namespace {
    #[serde(rename = "namespace")]
    name: String,
    sockets: u64,
}

#[derive(Debug, Serialize)]
struct Room {
    room: String,
    sockets: u64,
}

/// A socket in a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Socket {
    id: String,
    transport: String,
    /// That of Engine.IO.
    revision: u8,
    reactor: usize,
}

/// A socket that was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Details {
    #[serde(flatten)]
    socket: Socket,
    namespace: String,
    rooms: Vec<String>,
}

impl From<&SocketInfo<'_>> for Socket {
    fn from(info: &SocketInfo<'_>) -> Socket {
        let transport = match info.transport() {
            Transport::Polling => "polling",
            Transport::WebSocket => "websocket",
        };
        Socket {
            id: info.id(),
            transport: transport.to_owned(),
            revision: info.revision(),
            reactor: info.reactor(),
        }
    }
}

/// The namespaces that are served, whether somebody is in them or not.
pub(super) fn namespaces(
    api: &Arc<Api>,
    cx: &mut Context<'_>,
    request: &Request<'_>,
    _: &Params,
    responder: Responder,
) {
    let page = match Page::read(request) {
        Ok(page) => page,
        Err(refusal) => return responder.send(cx, refusal),
    };
    let look = Namespaces { page: page.clone(), names: api.namespaces.clone() };
    answer_numbers(cx, page, responder, look, |(name, sockets)| Namespace { name, sockets });
}

pub(super) fn rooms(
    api: &Arc<Api>,
    cx: &mut Context<'_>,
    request: &Request<'_>,
    _: &Params,
    responder: Responder,
) {
    let (page, namespace) = match read_page(api, request) {
        Ok(read) => read,
        Err(refusal) => return responder.send(cx, refusal),
    };
    let look = Rooms { page: page.clone(), namespace };
    answer_numbers(cx, page, responder, look, |(room, sockets)| Room { room, sockets });
}

/// The sockets of a room, by id.
pub(super) fn room(
    api: &Arc<Api>,
    cx: &mut Context<'_>,
    request: &Request<'_>,
    params: &Params,
    responder: Responder,
) {
    let (page, namespace) = match read_page(api, request) {
        Ok(read) => read,
        Err(refusal) => return responder.send(cx, refusal),
    };
    let look = Sockets { page: page.clone(), namespace, room: params.get(0).to_owned() };
    look::everywhere(cx, look, move |cx, parts| {
        let total = parts.iter().map(|(len, _)| len).sum();
        let response = if total == 0 {
            Response::error(404, "not_found", "there is no socket in this room")
        } else {
            // An id is on one reactor only.
            let (sockets, cursor) = page.merge(parts.into_iter().map(|(_, part)| part).collect(), |_, _| ());
            let items = sockets.into_iter().map(|(_, socket)| socket).collect();
            Response::json(200, &List { items, cursor, total: Some(total) })
        };
        responder.send(cx, response);
    });
}

pub(super) fn socket(
    api: &Arc<Api>,
    cx: &mut Context<'_>,
    request: &Request<'_>,
    params: &Params,
    responder: Responder,
) {
    let read = Parameters::read(request, &["namespace"]);
    let namespace = match read.and_then(|parameters| read_namespace(api, &parameters)) {
        Ok(namespace) => namespace,
        Err(refusal) => return responder.send(cx, refusal),
    };
    let look = One { namespace, id: params.get(0).to_owned() };
    look::everywhere(cx, look, |cx, parts| {
        let response = match parts.into_iter().flatten().next() {
            Some(details) => Response::json(200, &details),
            None => Response::error(404, "not_found", "there is no socket with this id in the namespace"),
        };
        responder.send(cx, response);
    });
}

/// How many are in each of these namespaces.
#[derive(Clone, Serialize, Deserialize)]
struct Namespaces {
    page: Page,
    names: Vec<String>,
}

impl Look for Namespaces {
    const NAME: &'static str = "namespaces";
    type Part = Names<u64>;

    fn look(&self, view: &View<'_>) -> Names<u64> {
        self.page.first(self.names.iter().map(|name| (name, view.scope_len(name))))
    }
}

/// The rooms of a namespace.
#[derive(Clone, Serialize, Deserialize)]
struct Rooms {
    page: Page,
    namespace: String,
}

impl Look for Rooms {
    const NAME: &'static str = "rooms";
    type Part = Names<u64>;

    fn look(&self, view: &View<'_>) -> Names<u64> {
        self.page.first(view.rooms(&self.namespace))
    }
}

/// The sockets of a room, and how many they are.
#[derive(Clone, Serialize, Deserialize)]
struct Sockets {
    page: Page,
    namespace: String,
    room: String,
}

impl Look for Sockets {
    const NAME: &'static str = "sockets";
    type Part = (u64, Names<Socket>);

    fn look(&self, view: &View<'_>) -> (u64, Names<Socket>) {
        let (mut len, to) = (0, To::room(&self.namespace, &self.room));
        let sockets = view.sockets(&to).inspect(|_| len += 1).map(|info| (info.id(), info));
        let first = self.page.first(sockets).into_iter();
        let first = first.map(|(id, info)| (id, Socket::from(&info))).collect();
        (len, first)
    }
}

/// One socket by its id.
#[derive(Clone, Serialize, Deserialize)]
struct One {
    namespace: String,
    id: String,
}

impl Look for One {
    const NAME: &'static str = "socket";
    type Part = Option<Details>;

    fn look(&self, view: &View<'_>) -> Option<Details> {
        let to = To::room(&self.namespace, &self.id);
        // A room may have the name of an id.
        let found = view.sockets(&to).find(|info| info.id() == self.id)?;
        Some(Details {
            socket: Socket::from(&found),
            namespace: self.namespace.clone(),
            rooms: found.rooms().map(str::to_owned).collect(),
        })
    }
}

/// Answers other nodes that make these lists.
pub(super) fn install(builder: Builder) -> Builder {
    let builder = look::install::<Rooms>(look::install::<Namespaces>(builder));
    look::install::<One>(look::install::<Sockets>(builder))
}

fn read_page(api: &Api, request: &Request<'_>) -> Result<(Page, String), Response> {
    let [limit, cursor] = Page::PARAMETERS;
    let parameters = Parameters::read(request, &[limit, cursor, "namespace"])?;
    Ok((Page::of(&parameters)?, read_namespace(api, &parameters)?))
}

/// The namespace that is asked for: the main one if nothing is said.
fn read_namespace(api: &Api, parameters: &Parameters) -> Result<String, Response> {
    let name = parameters.get("namespace").unwrap_or(events::NAMESPACE);
    if api.namespaces.iter().any(|served| served == name) {
        return Ok(name.to_owned());
    }
    let message = format!("namespace: {}", not_served(name));
    Err(Response::error(404, "unknown_namespace", &message))
}
