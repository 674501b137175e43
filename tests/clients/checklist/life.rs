//! Namespaces that tell how connections begin, what comes between a client and its handlers, and in which order.

use crate::answer::Answer;
use crate::journal::Journal;
use crate::steered;
use fanfare::socketio::{ConnectError, Connecting, Error, Namespace, Socket};
use serde::Deserialize;
use serde_json::json;

pub(crate) fn namespaces(journal: &Journal) -> Vec<Namespace> {
    let pattern = Namespace::matching(r"^/dynamic-\d+$").expect("it is a pattern");
    // Whom it is for says the name, and the client.
    let function = Namespace::when(|name, connecting| {
        name.strip_prefix("/of-").is_some_and(|owner| name_of(connecting).as_deref() == Some(owner))
    });
    let dynamic = [pattern, function].map(|namespace| steered(namespace, journal));
    dynamic.into_iter().chain([asks_for_a_name(journal), looks_at_events(), tells_handshake()]).collect()
}

/// What clients of 3.x and later give as `auth`, and the others as their query.
#[derive(Deserialize)]
struct Auth {
    name: Option<String>,
}

struct Name(String);

fn name_of(connecting: &Connecting<'_>) -> Option<String> {
    connecting.parse_auth::<Auth>().ok()?.name.or_else(|| connecting.query("name"))
}

/// Two middlewares and two handlers, each of which says that it ran.
fn asks_for_a_name(journal: &Journal) -> Namespace {
    let namespace = Namespace::new("/named")
        .middleware(|socket, connecting| {
            let name = name_of(connecting).ok_or_else(|| {
                ConnectError::new("who are you?").data(&json!({"code": "no_name", "retry": false}))
            })?;
            if name == "panic" {
                panic!("as it was told");
            }
            socket.set(Name(name));
            socket.emit("ran", "first middleware").map_err(|error| ConnectError::new(error.to_string()))
        })
        .middleware(|socket, _| {
            if socket.get::<Name>().is_some_and(|name| name.0 == "nobody") {
                return Err(ConnectError::new("not you"));
            }
            socket.emit("ran", "second middleware").map_err(|error| ConnectError::new(error.to_string()))
        })
        .on_connect(|socket, _| socket.emit("ran", "first handler"))
        .on_connect(|socket, _| {
            let name = socket.get::<Name>().map(|name| name.0.clone());
            socket.emit("ran", ("second handler", name))?;
            // Those who are there already are told.
            let id = socket.id();
            socket.broadcast().emit("joined", id)
        });
    journal.ends_of(namespace).on("name", |socket, event| {
        let name = socket.get::<Name>().map(|name| name.0.clone());
        Answer::to(event).done(socket.context(), name);
    })
}

/// Handlers of every event, a middleware of packets, and what is told when they fail.
fn looks_at_events() -> Namespace {
    let seen = |by: &'static str| {
        move |socket: &mut Socket<'_>, event: &mut fanfare::socketio::Event<'_>| {
            let name = event.name().to_owned();
            socket.emit("seen", (by, name))
        }
    };
    Namespace::new("/events")
        .on_any(seen("any"))
        .on_any(seen("any, too"))
        .prepend_any(seen("first of all"))
        .packet_middleware(|_, event| match event.name() {
            "forbidden" => Err(Error::other("this is forbidden")),
            _ => Ok(()),
        })
        .packet_middleware(seen("middleware"))
        .on("forbidden", seen("handler of forbidden"))
        .on("allowed", seen("handler"))
        .on("allowed", seen("second handler"))
        .on("allowed", |socket, event| event.ack(socket, "allowed"))
        .on("strict", |_, event| event.parse::<u8>().map(|_| ()))
        .on_error(|socket, event, error| {
            // Whoever is gone is not told.
            let _ = socket.emit("exception", (event, error.to_string()));
        })
}

/// What is known of the request with which it began.
fn tells_handshake() -> Namespace {
    Namespace::new("/handshake").on_connect(|socket, connecting| {
        let handshake = connecting.handshake();
        let header =
            |name: &str| handshake.header(name).map(|value| String::from_utf8_lossy(value).into_owned());
        let told = json!({
            "url": handshake.url(),
            "agent": header("x-agent"),
            "cookie": handshake.cookie("session"),
            "query": connecting.query("room"),
            "auth": connecting.parse_auth::<serde_json::Value>()?,
            "unix_ms": handshake.unix_ms(),
            "peer": handshake.peer().to_string(),
        });
        socket.emit("told", told)
    })
}
