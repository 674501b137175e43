//! What a request to an Engine.IO path asks for. The order of the checks is the reference's, since clients see the
//! code of the first one that fails.

use crate::app::socketio::Handshake;
use crate::app::{Core, Mount, Request, Served, Transport};
use crate::base::ids::ReactorId;
use crate::base::sid::Place;
use crate::wire::deflate::Agreement;
use crate::wire::engine::{self, BodyKind, EngineError, Query, Revision};
use crate::wire::frame::Frame;
use crate::wire::head::Head;
use crate::wire::response::Response;
use crate::wire::upgrade::{self, AcceptKey, UpgradeError};

/// A request, understood as far as that is possible without the session.
pub(in crate::server) struct Call {
    pub(in crate::server) mount: u16,
    /// Where the page that asks comes from, if a browser says so.
    pub(in crate::server) origin: Option<String>,
    /// What the program adds to the answer, unless that is a refusal.
    pub(in crate::server) headers: Vec<(String, String)>,
    pub(in crate::server) wants: Wants,
    /// The request, for those who are told if it is refused later.
    pub(in crate::server) told: Option<Box<Handshake>>,
}

pub(in crate::server) enum Wants {
    /// Nothing that can be had.
    Refusal(EngineError),
    /// Nothing, says a middleware.
    Turned(Response),
    /// The same, of a WebSocket.
    UpgradeRefusal(Response),
    /// To know whether a page of another origin may ask.
    Preflight(Option<String>),
    /// A session.
    Session(Newcomer),
    /// A session on a WebSocket.
    WebSocket(Newcomer, Handshaken),
    /// What waits for a session.
    Poll(Place),
    /// To hand packets to a session.
    Post(Place, Body),
    /// To hand packets to a session, of which the end has not arrived.
    BeginPost(Place),
    /// To change a session's transport.
    Upgrade(Place, Handshaken),
    /// A session of another reactor.
    Elsewhere(ReactorId),
}

/// What was agreed on for a WebSocket.
pub(in crate::server) struct Handshaken {
    key: AcceptKey,
    pub(in crate::server) compression: Option<Agreement>,
    /// The first subprotocol that was offered: the protocol knows none, and browsers want an answer.
    subprotocol: Option<String>,
    /// The client takes no binary frames on it.
    pub(in crate::server) base64: bool,
}

impl Handshaken {
    /// The answer with which the connection becomes a WebSocket.
    pub(super) fn answer(&self, headers: &[(&str, &str)]) -> Frame {
        upgrade::switching_protocols(&self.key, self.subprotocol.as_deref(), self.compression, headers)
    }
}

/// Who wants a session.
pub(in crate::server) struct Newcomer {
    pub(in crate::server) revision: Revision,
    pub(in crate::server) base64: bool,
    /// The digits of the index of a script that polls.
    pub(in crate::server) jsonp: Option<Box<str>>,
    pub(in crate::server) handshake: Handshake,
    /// What an endpoint said to it.
    pub(in crate::server) admission: Option<crate::app::Admission>,
}

pub(in crate::server) struct Body {
    pub(in crate::server) kind: BodyKind,
    pub(in crate::server) bytes: Vec<u8>,
}

/// Reads a request. `whole` is not set if only its head has arrived, and then only a POST of a session is of interest.
pub(in crate::server) fn look(
    core: &Core,
    mount: &Mount,
    number: u16,
    request: &Request<'_>,
    whole: bool,
) -> Call {
    let origin =
        request.header("origin").and_then(|origin| std::str::from_utf8(origin).ok()).map(str::to_owned);
    let upgrades = upgrade::wants_upgrade(&request.inner.head);
    let wants = match wants(core, mount, request, whole) {
        Ok(Wants::Turned(response)) if upgrades => Wants::UpgradeRefusal(response),
        Ok(wants) => wants,
        Err(error) => {
            if whole {
                tell_error(core, mount, request, &error);
            }
            if upgrades { Wants::UpgradeRefusal(error.upgrade_response()) } else { Wants::Refusal(error) }
        }
    };
    let listens = !mount.options.on_connection_error.is_empty();
    let told = match wants {
        Wants::Poll(_) | Wants::Post(..) | Wants::Upgrade(..) if listens => {
            Some(Box::new(Handshake::new(request, core.now.unix_ms)))
        }
        _ => None,
    };
    let headers_for = |is_first| {
        core.hook("a hook for headers", || mount.options.headers_for(request, is_first)).unwrap_or_default()
    };
    let headers = match wants {
        Wants::Session(_) | Wants::WebSocket(..) => headers_for(true),
        Wants::Poll(_) | Wants::Post(..) | Wants::Upgrade(..) => headers_for(false),
        _ => Vec::new(),
    };
    Call { mount: number, origin, headers, wants, told }
}

fn wants(core: &Core, mount: &Mount, request: &Request<'_>, whole: bool) -> Result<Wants, EngineError> {
    let head = &request.inner.head;
    let options = &mount.options;
    if request.method() == "OPTIONS" && !options.cors.origins.is_empty() {
        let headers = request.header("access-control-request-headers");
        let headers = headers.and_then(|headers| std::str::from_utf8(headers).ok()).map(str::to_owned);
        return Ok(Wants::Preflight(headers));
    }
    let query = Query::parse(head.query());
    let transport = query.transport.filter(|transport| options.has(*transport));
    let place = query.sid.as_ref().map(|sid| core.place(sid, ""));
    // Whoever serves it asks the middlewares.
    if let (Some(Some(place)), Some(_)) = (place, transport)
        && place.reactor != core.reactor
    {
        return Ok(Wants::Elsewhere(place.reactor));
    }
    for middleware in options.middlewares.iter().filter(|_| whole) {
        let passed = core.hook("a middleware of requests", || middleware(request));
        if let Err(response) = passed.ok_or(EngineError::BadRequest)? {
            return Ok(Wants::Turned(response));
        }
    }
    let transport = transport.ok_or(EngineError::TransportUnknown)?;
    let upgrades = upgrade::wants_upgrade(head);
    if let Some(place) = place {
        let place = place.ok_or(EngineError::SessionUnknown)?;
        return match (request.method(), transport) {
            ("GET", Transport::WebSocket) if upgrades => match handshaken(mount, head, query.base64) {
                Ok(key) => Ok(Wants::Upgrade(place, key)),
                Err(error) => Ok(Wants::UpgradeRefusal(error.response())),
            },
            ("GET", Transport::Polling) if !upgrades => Ok(Wants::Poll(place)),
            ("POST", Transport::Polling) if !whole => Ok(Wants::BeginPost(place)),
            ("POST", Transport::Polling) => Ok(Wants::Post(place, body(request))),
            _ => Err(EngineError::BadRequest),
        };
    }
    if request.method() != "GET" {
        return Err(EngineError::BadHandshakeMethod);
    }
    if upgrades != (transport == Transport::WebSocket) {
        return Err(EngineError::BadRequest);
    }
    if query.jsonp.is_some() && !upgrades && !options.jsonp {
        return Err(EngineError::Forbidden("scripts may not poll".to_owned()));
    }
    let admission = allow(core, mount, request)?;
    let revision = match query.revision {
        Some(Revision::Three) if !options.allow_eio3 => return Err(EngineError::UnsupportedVersion),
        Some(revision) => revision,
        None => return Err(EngineError::UnsupportedVersion),
    };
    let newcomer = Newcomer {
        revision,
        base64: query.base64,
        jsonp: query.jsonp.map(|index| engine::digits_of(&index).into()),
        handshake: Handshake::new(request, core.now.unix_ms),
        admission,
    };
    if !upgrades {
        return Ok(Wants::Session(newcomer));
    }
    match handshaken(mount, head, query.base64) {
        Ok(key) => Ok(Wants::WebSocket(newcomer, key)),
        Err(error) => Ok(Wants::UpgradeRefusal(error.response())),
    }
}

/// Tells the program that a request is refused.
pub(super) fn tell_error(core: &Core, mount: &Mount, request: &Request<'_>, error: &EngineError) {
    for handler in &mount.options.on_connection_error {
        core.hook("on_connection_error", || handler(request, error.code(), error.message()));
    }
}

/// Whether the program lets the request begin a session; what an endpoint admits it to.
fn allow(
    core: &Core,
    mount: &Mount,
    request: &Request<'_>,
) -> Result<Option<crate::app::Admission>, EngineError> {
    let failed = || EngineError::Forbidden("internal error".to_owned());
    if let Some(allow) = &mount.options.allow_request {
        let allowed = core.hook("allow_request", || allow(request)).ok_or_else(failed)?;
        allowed.map_err(EngineError::Forbidden)?;
    }
    match &mount.served {
        Served::SocketIo(_) => Ok(None),
        Served::Endpoint(endpoint) => {
            let forbidden = |refusal: Response| {
                EngineError::Forbidden(String::from_utf8_lossy(&refusal.body).into_owned())
            };
            let admitted = core.hook("on_upgrade", || endpoint.on_upgrade(request)).ok_or_else(failed)?;
            let admission = admitted.map_err(forbidden)?;
            if admission.later.is_some() {
                log::error!("an endpoint of an Engine.IO server wants to decide later, which it cannot");
                return Err(failed());
            }
            Ok(Some(admission))
        }
    }
}

fn handshaken(mount: &Mount, head: &Head<'_>, base64: bool) -> Result<Handshaken, UpgradeError> {
    let key = upgrade::check_upgrade(head)?;
    let compression = match mount.options.compression {
        Some(_) => upgrade::agree_on_compression(head)?,
        None => None,
    };
    let subprotocol = upgrade::protocols(head).next().map(str::to_owned);
    Ok(Handshaken { key, compression, subprotocol, base64 })
}

fn body(request: &Request<'_>) -> Body {
    let is_binary = request.header("content-type") == Some(b"application/octet-stream".as_slice());
    let kind = if is_binary { BodyKind::Binary } else { BodyKind::Text };
    Body { kind, bytes: request.body().to_vec() }
}
