//! `GET /api/v1/slow`: the connections for which most waits, and what the kernel knows of them.
//!
//! The library finds them; here they are put into the words of the two applications: whose connection it is, and where
//! that belongs.

use super::page::Parameters;
use super::{Api, bad_request};
use crate::gateway::{CLIENT, domain_of};
use fanfare::socketio::Transport;
use fanfare::{Context, Params, Peer, Request, Responder, Response, SlowLink, SlowSocket};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// How many are told unless it is said.
const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 1_000;

#[derive(Debug, Serialize)]
struct Answer {
    items: Vec<Link>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Link {
    /// Nothing for a session that is polled.
    address: Option<String>,
    transport: &'static str,
    reactor: usize,
    sockets: Vec<Socket>,
    queued_bytes: usize,
    waiting_seconds: f64,
    unacknowledged_bytes: Option<u64>,
    rtt_ms: Option<f64>,
    rtt_var_ms: Option<f64>,
    last_ack_seconds: Option<f64>,
    retransmits: Option<u32>,
}

/// One that the connection has, in the words of its application.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Socket {
    #[serde(rename_all = "camelCase")]
    Client {
        biz_code: String,
        client_id: Option<String>,
    },
    Member {
        namespace: String,
        id: Option<String>,
        user: Option<String>,
    },
}

pub(super) fn serve(
    _: &Arc<Api>,
    cx: &mut Context<'_>,
    request: &Request<'_>,
    _: &Params,
    responder: Responder,
) {
    let limit = Parameters::read(request, &["limit"]).and_then(|parameters| {
        parameters.get("limit").map_or(Ok(DEFAULT_LIMIT), |text| {
            let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
            limit.ok_or_else(|| bad_request(&format!("limit: expected a number from 1 to {MAX_LIMIT}")))
        })
    });
    match limit {
        Ok(limit) => cx.slowest(limit, |cx, links| {
            let items = links.into_iter().map(Link::from).collect();
            responder.send(cx, Response::json(200, &Answer { items }));
        }),
        Err(refusal) => responder.send(cx, refusal),
    }
}

impl From<SlowLink> for Link {
    fn from(link: SlowLink) -> Link {
        let ms = |time: Duration| time.as_micros() as f64 / 1e3;
        Link {
            address: link.peer.filter(|peer| *peer != Peer::Unknown).map(|peer| peer.to_string()),
            transport: match link.transport {
                Some(Transport::Polling) => "polling",
                Some(Transport::WebSocket) => "websocket",
                None => "http",
            },
            reactor: link.reactor,
            sockets: link.sockets.into_iter().map(Socket::from).collect(),
            queued_bytes: link.queued_bytes,
            waiting_seconds: link.waiting.as_millis() as f64 / 1e3,
            unacknowledged_bytes: link.unacknowledged_bytes,
            rtt_ms: link.tcp.map(|tcp| ms(tcp.rtt)),
            rtt_var_ms: link.tcp.map(|tcp| ms(tcp.rtt_var)),
            last_ack_seconds: link.tcp.map(|tcp| tcp.last_ack.as_millis() as f64 / 1e3),
            retransmits: link.tcp.map(|tcp| tcp.retransmits),
        }
    }
}

impl From<SlowSocket> for Socket {
    fn from(socket: SlowSocket) -> Socket {
        let SlowSocket { scope, id, claimed, .. } = socket;
        match domain_of(&scope) {
            Some(domain) => Socket::Client {
                biz_code: domain.to_owned(),
                client_id: claimed.and_then(|room| Some(room.strip_prefix(CLIENT)?.to_owned())),
            },
            None => Socket::Member { namespace: scope, id, user: claimed },
        }
    }
}
