//! `POST /api/v1/sockets/…`: many sockets of a namespace join or leave rooms, or are disconnected.

use super::Api;
use super::fields::{BadBody, Fault, Fields, parse_one, text_of};
use super::publish::Nodes;
use super::target::Target;
use fanfare::socketio::{Emit, MoveReport};
use fanfare::{Context, Params, Request, Responder, Response};
use serde::Serialize;
use std::sync::Arc;

/// How many sockets were meant, as it is told.
#[derive(Debug, Serialize)]
struct Done {
    matched: u64,
    nodes: Nodes,
}

const JOIN_FIELDS: [&str; 4] = ["namespace", "in", "except", "rooms"];
const DISCONNECT_FIELDS: [&str; 4] = ["namespace", "in", "except", "close"];

pub(super) fn join(
    api: &Arc<Api>,
    cx: &mut Context<'_>,
    request: &Request<'_>,
    _: &Params,
    responder: Responder,
) {
    move_sockets(api, cx, request, responder, |emit, rooms, responder| {
        emit.sockets_join_with_report(rooms, answer(responder));
    });
}

pub(super) fn leave(
    api: &Arc<Api>,
    cx: &mut Context<'_>,
    request: &Request<'_>,
    _: &Params,
    responder: Responder,
) {
    move_sockets(api, cx, request, responder, |emit, rooms, responder| {
        emit.sockets_leave_with_report(rooms, answer(responder));
    });
}

fn move_sockets(
    api: &Api,
    cx: &mut Context<'_>,
    request: &Request<'_>,
    responder: Responder,
    act: fn(Emit<&mut Context<'_>>, &[String], Responder),
) {
    match read(request, |fields| read_rooms(api, fields)) {
        Ok((target, rooms)) => {
            act(target.emit(cx), &rooms, responder);
        }
        Err(refusal) => responder.send(cx, refusal.response()),
    }
}

pub(super) fn disconnect(
    api: &Arc<Api>,
    cx: &mut Context<'_>,
    request: &Request<'_>,
    _: &Params,
    responder: Responder,
) {
    let asked = read(request, |fields| {
        fields.check(&DISCONNECT_FIELDS)?;
        let close = fields.flag("close", false)?;
        Ok((Target::read(fields, "in", &api.namespaces)?, close))
    });
    match asked {
        Ok((target, close)) => target.emit(cx).disconnect_sockets_with_report(close, answer(responder)),
        Err(refusal) => responder.send(cx, refusal.response()),
    }
}

/// Reads a request; one that is refused is worth a line in the log.
fn read<T>(request: &Request<'_>, read: impl Fn(&Fields<'_>) -> Result<T, Fault>) -> Result<T, BadBody> {
    text_of(request).and_then(|text| parse_one(text, read)).inspect_err(|refusal| {
        let (peer, path) = (request.peer(), request.path());
        log::info!("{peer}: {path} refused with {}: {}", refusal.status, refusal.message);
    })
}

fn read_rooms(api: &Api, fields: &Fields<'_>) -> Result<(Target, Vec<String>), Fault> {
    fields.check(&JOIN_FIELDS)?;
    fields.required("rooms")?;
    let rooms = fields.rooms("rooms")?;
    if rooms.is_empty() {
        return Err(Fault::of("rooms", "names no room"));
    }
    Ok((Target::read(fields, "in", &api.namespaces)?, rooms))
}

fn answer(responder: Responder) -> impl FnOnce(&mut Context<'_>, MoveReport) + 'static {
    move |cx, report| {
        let nodes = Nodes { asked: report.nodes_asked, answered: report.nodes_answered };
        responder.send(cx, Response::json(200, &Done { matched: report.matched, nodes }));
    }
}
