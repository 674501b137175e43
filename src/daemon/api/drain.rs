//! `POST /api/v1/drain`: the server is emptied, and ends.

use super::Api;
use super::fields::{parse_one, text_of};
use crate::config::LONGEST_DRAIN_S;
use crate::life::Event;
use fanfare::{Context, Params, ReactorStats, Request, Responder, Response};
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const FIELDS: [&str; 1] = ["over_s"];

/// What is about to happen.
#[derive(Debug, Serialize)]
struct Begun {
    connections: u64,
    over_s: u32,
}

pub(super) fn serve(
    api: &Arc<Api>,
    cx: &mut Context<'_>,
    request: &Request<'_>,
    _: &Params,
    responder: Responder,
) {
    let default = api.drain_s.load(Ordering::Relaxed);
    let asked = match text_of(request) {
        Ok(text) if text.trim_ascii().is_empty() => Ok(default),
        Ok(text) => parse_one(text, |fields| {
            fields.check(&FIELDS)?;
            Ok(fields.number("over_s", LONGEST_DRAIN_S)?.unwrap_or(default))
        }),
        Err(refusal) => Err(refusal),
    };
    let response = match asked {
        Ok(over_s) => {
            log::info!("{}: asks for a drain over {over_s} s", request.peer());
            let connections = cx.stats().sum(ReactorStats::sockets);
            // The main thread ends last.
            let _ = api.events.send(Event::Drain(over_s));
            Response::json(202, &Begun { connections, over_s })
        }
        Err(refusal) => refusal.response(),
    };
    responder.send(cx, response);
}
