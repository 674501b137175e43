//! What there is of Socket.IO on this server: namespaces, and the rooms and sockets of one.
//!
//! Nothing is kept for these lists: the reactors are asked. A room is there while somebody is in it. A socket's id is a
//! room of its own that is in no table, and so in no list.

use super::Api;
use super::fields::not_served;
use super::page::{List, Names, Page, Parameters, answer_numbers};
use crate::events;
use fanfare::socketio::{SocketInfo, Transport};
use fanfare::{Context, Params, Request, Responder, Response, To};
use serde::Serialize;
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
#[derive(Clone, Debug, Serialize)]
struct Socket {
    id: String,
    transport: &'static str,
    /// That of Engine.IO.
    revision: u8,
    reactor: usize,
}

/// A socket that was asked for.
#[derive(Clone, Debug, Serialize)]
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
        Socket { id: info.id(), transport, revision: info.revision(), reactor: info.reactor() }
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
    let api = api.clone();
    answer_numbers(
        cx,
        page,
        responder,
        move |page, view| page.first(api.namespaces.iter().map(|name| (name, view.scope_len(name)))),
        |(name, sockets)| Namespace { name, sockets },
    );
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
    answer_numbers(
        cx,
        page,
        responder,
        move |page, view| page.first(view.rooms(&namespace)),
        |(room, sockets)| Room { room, sockets },
    );
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
    let (asked, to) = (page.clone(), To::room(&namespace, params.get(0)));
    cx.gather(
        move |view| {
            let mut len = 0;
            let sockets = view.sockets(&to).inspect(|_| len += 1).map(|info| (info.id(), info));
            let first = asked.first(sockets).into_iter();
            let first: Names<Socket> = first.map(|(id, info)| (id, Socket::from(&info))).collect();
            (len, first)
        },
        move |cx, parts: Vec<(u64, Names<Socket>)>| {
            let total = parts.iter().map(|(len, _)| len).sum();
            let response = if total == 0 {
                Response::error(404, "not_found", "there is no socket in this room")
            } else {
                // An id is on one reactor only.
                let (sockets, cursor) =
                    page.merge(parts.into_iter().map(|(_, part)| part).collect(), |_, _| ());
                let items = sockets.into_iter().map(|(_, socket)| socket).collect();
                Response::json(200, &List { items, cursor, total: Some(total) })
            };
            responder.send(cx, response);
        },
    );
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
    let id = params.get(0).to_owned();
    let to = To::room(&namespace, &id);
    cx.gather(
        move |view| {
            // A room may have the name of an id.
            let found = view.sockets(&to).find(|info| info.id() == id)?;
            Some(Details {
                socket: Socket::from(&found),
                namespace: namespace.clone(),
                rooms: found.rooms().map(str::to_owned).collect(),
            })
        },
        |cx, parts: Vec<Option<Details>>| {
            let response = match parts.into_iter().flatten().next() {
                Some(details) => Response::json(200, &details),
                None => Response::error(404, "not_found", "there is no socket with this id in the namespace"),
            };
            responder.send(cx, response);
        },
    );
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
