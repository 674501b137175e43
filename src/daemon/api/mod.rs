//! The HTTP API, health, metrics and the console: which handler serves which path, and who may ask.
//!
//! Owns the table of routes and the check of the key. What each route does is in the file of its subject; what they
//! answer is described for programs in `openapi.json`, which the tests hold against the server.

mod actions;
mod body;
mod console;
mod drain;
mod exposition;
mod fields;
mod lists;
mod look;
mod metrics;
mod namespaces;
mod page;
mod process;
mod publish;
mod slow;
mod stats;
mod target;

use crate::access::{Access, ApiScope};
use crate::life::Event;
use crate::reload::Live;
use fanfare::{Builder, Context, Params, Request, Responder, Response};
use process::Process;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, OnceLock};

/// What all handlers share.
struct Api {
    access: Arc<Access>,
    /// Those of Socket.IO that are served, sorted.
    namespaces: Vec<String>,
    /// Without its cluster the server is not ready.
    needs_cluster: Arc<AtomicBool>,
    process: Process,
    /// Over which connections are closed if nothing else is said, in seconds.
    drain_s: Arc<AtomicU32>,
    events: Sender<Event>,
    addresses: Addresses,
}

/// Where clients connect, once the server has started.
pub(crate) type Addresses = Arc<OnceLock<Vec<String>>>;

type Handler = fn(&Arc<Api>, &mut Context<'_>, &Request<'_>, &Params, Responder);

/// Who may ask.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    /// Whoever has a key for this, if any is configured.
    KeyHolder(ApiScope),
    Anybody,
}

struct Route {
    method: &'static str,
    path: &'static str,
    who: Who,
    handler: Handler,
}

const fn route(method: &'static str, path: &'static str, who: Who, handler: Handler) -> Route {
    Route { method, path, who, handler }
}

/// Everything that is served here.
const ROUTES: [Route; 20] = [
    route("POST", "/api/v1/publish", Who::KeyHolder(ApiScope::Publish), publish::serve),
    route("GET", "/api/v1/stats", Who::KeyHolder(ApiScope::Read), stats::serve),
    route("GET", "/api/v1/namespaces", Who::KeyHolder(ApiScope::Read), namespaces::namespaces),
    route("GET", "/api/v1/rooms", Who::KeyHolder(ApiScope::Read), namespaces::rooms),
    route("GET", "/api/v1/rooms/{room}", Who::KeyHolder(ApiScope::Read), namespaces::room),
    route("GET", "/api/v1/sockets/{id}", Who::KeyHolder(ApiScope::Read), namespaces::socket),
    route("POST", "/api/v1/sockets/join", Who::KeyHolder(ApiScope::Admin), actions::join),
    route("POST", "/api/v1/sockets/leave", Who::KeyHolder(ApiScope::Admin), actions::leave),
    route("POST", "/api/v1/sockets/disconnect", Who::KeyHolder(ApiScope::Admin), actions::disconnect),
    route("GET", "/api/v1/domains", Who::KeyHolder(ApiScope::Read), lists::domains),
    route("GET", "/api/v1/domains/{bizCode}/groups", Who::KeyHolder(ApiScope::Read), lists::groups),
    route("GET", "/api/v1/domains/{bizCode}/clients", Who::KeyHolder(ApiScope::Read), lists::clients),
    route("POST", "/api/v1/drain", Who::KeyHolder(ApiScope::Admin), drain::serve),
    route("GET", "/api/v1/slow", Who::KeyHolder(ApiScope::Read), slow::serve),
    route("GET", "/api/v1/openapi.json", Who::KeyHolder(ApiScope::Read), openapi),
    route("GET", "/metrics", Who::KeyHolder(ApiScope::Read), metrics::serve),
    route("GET", "/healthz", Who::Anybody, healthy),
    route("GET", "/readyz", Who::Anybody, ready),
    route("GET", "/", Who::Anybody, console::home),
    route("GET", "/console/{file}", Who::Anybody, console::file),
];

/// What also the addresses of clients serve when operators have their own.
const HEALTH: [&str; 2] = ["/healthz", "/readyz"];

/// The description of all this.
const OPENAPI: &str = include_str!("openapi.json");

/// Adds the routes to a server that serves these namespaces, and is ready without its cluster or is not.
pub(crate) fn install(
    builder: Builder,
    live: &Live,
    events: Sender<Event>,
    mut namespaces: Vec<String>,
    addresses: Addresses,
) -> Builder {
    namespaces.sort();
    let (access, drain_s) = (live.access.clone(), live.drain_s.clone());
    let needs_cluster = live.needs_cluster.clone();
    let process = Process::new();
    let api = Arc::new(Api { access, namespaces, needs_cluster, process, drain_s, events, addresses });
    let builder = self::namespaces::install(lists::install(builder));
    ROUTES.iter().fold(builder, |builder, route| {
        let api = api.clone();
        let handler =
            move |cx: &mut Context<'_>, request: &Request<'_>, params: &Params, responder: Responder| {
                if let Who::KeyHolder(scope) = route.who
                    && let Err(refusal) = api.access.rules().check_api(request, scope)
                {
                    let (peer, status, path) = (request.peer(), refusal.status, route.path);
                    log::info!(peer:%, status, path; "{peer}: refused with {status}: {path}");
                    return responder.send(cx, refusal);
                }
                (route.handler)(&api, cx, request, params, responder);
            };
        // Whoever balances load among servers asks for health where the clients go.
        if HEALTH.contains(&route.path) {
            builder.route(route.method, route.path, handler)
        } else {
            builder.admin_route(route.method, route.path, handler)
        }
    })
}

fn openapi(_: &Arc<Api>, cx: &mut Context<'_>, _: &Request<'_>, _: &Params, responder: Responder) {
    responder.send(cx, Response::bytes(200, "application/json", OPENAPI));
}

fn healthy(_: &Arc<Api>, cx: &mut Context<'_>, _: &Request<'_>, _: &Params, responder: Responder) {
    responder.send(cx, Response::text(200, "ok\n"));
}

/// Ready is when newcomers are taken and every reactor answers; one that does not leaves the request to its time limit and 503.
fn ready(api: &Arc<Api>, cx: &mut Context<'_>, _: &Request<'_>, _: &Params, responder: Responder) {
    if cx.stats().is_draining() {
        return responder.send(cx, Response::error(503, "draining", "this server is about to end"));
    }
    if cx.stats().memory().is_some_and(|memory| memory.is_over) {
        return responder.send(cx, Response::error(503, "memory", "over the memory ceiling"));
    }
    if api.needs_cluster.load(Ordering::Relaxed)
        && cx.stats().cluster().is_some_and(|cluster| !cluster.is_up())
    {
        return responder.send(cx, Response::error(503, "cluster_down", "Redis is not reached"));
    }
    cx.gather(|_| (), |cx, _| responder.send(cx, Response::text(200, "ready\n")));
}

/// A request that cannot be taken.
fn bad_request(message: &str) -> Response {
    Response::error(400, "bad_request", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeSet;

    #[test]
    fn the_description_has_every_route_and_no_other() {
        let description: Value = serde_json::from_str(OPENAPI).unwrap();
        let described: BTreeSet<(String, String)> = description["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| {
                let methods = item.as_object().unwrap().keys().filter(|key| *key != "parameters");
                methods.map(|method| (path.clone(), method.to_uppercase()))
            })
            .collect();
        let served: BTreeSet<(String, String)> =
            ROUTES.iter().map(|route| (route.path.to_owned(), route.method.to_owned())).collect();
        assert_eq!(described, served);
    }

    #[test]
    fn the_description_says_who_may_ask() {
        let description: Value = serde_json::from_str(OPENAPI).unwrap();
        for route in &ROUTES {
            let operation = &description["paths"][route.path][route.method.to_lowercase()];
            let described = operation["security"].as_array();
            match route.who {
                Who::Anybody => assert!(described.is_some_and(Vec::is_empty), "{}", route.path),
                Who::KeyHolder(scope) => {
                    let scopes = [serde_json::json!({ "key": [scope.name()] })];
                    assert_eq!(described.map(Vec::as_slice), Some(&scopes[..]), "{}", route.path);
                }
            }
            for status in ["401", "403"] {
                let is_told = operation["responses"].get(status).is_some();
                assert_eq!(is_told, route.who != Who::Anybody, "{} {status}", route.path);
            }
        }
    }

    #[test]
    fn the_description_has_the_version_of_the_program() {
        let description: Value = serde_json::from_str(OPENAPI).unwrap();
        assert_eq!(description["info"]["version"], env!("CARGO_PKG_VERSION"));
    }
}
