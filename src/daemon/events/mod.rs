//! Application 1: events over Socket.IO in the main namespace, on the library's public API only.
//!
//! Users and groups are rooms of the namespace under their plain names, so that other Socket.IO servers reach them. A
//! user is the room that a connection claimed: it has one at most, and nobody else is in it.

mod entry;
mod payload;
mod refresh;

pub(crate) use payload::{Fault, check_event, check_name};

use crate::access::{Access, Grant, Target};
use crate::config::{self, Config, SocketIoConfig};
use fanfare::socketio::{
    Ack, Cors, EngineOptions, Error, Event, Namespace, Parser, Socket, SocketIo, ToArgs, Transport,
};
use fanfare::{Builder, JoinError, Request};
use payload::{Info, Names};
use serde::Serialize;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The namespace of this application.
pub(crate) const NAMESPACE: &str = "/";

/// How an event went, in the order in which the fields are documented.
#[derive(Serialize)]
struct Done {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered: Option<u64>,
}

#[derive(Serialize)]
struct Refused<'a> {
    ok: bool,
    error: Problem<'a>,
}

#[derive(Serialize)]
struct Problem<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    code: &'a str,
    message: &'a str,
}

/// The namespaces that are served: that of this application, and those that the configuration names besides.
pub(crate) fn namespaces(config: &Config) -> Vec<String> {
    std::iter::once(NAMESPACE.to_owned()).chain(config.socketio.namespaces.iter().cloned()).collect()
}

/// Adds the Socket.IO server.
pub(crate) fn install(
    builder: Builder,
    config: &Config,
    access: &Arc<Access>,
    rooms_per_socket: &Arc<AtomicUsize>,
) -> Builder {
    let settings = &config.socketio;
    let parser_of = |name: &str| {
        let packed = settings.parser == config::Parser::Msgpack
            || settings.msgpack_namespaces.iter().any(|n| n == name);
        if packed { Parser::MessagePack } else { Parser::Json }
    };
    let guarded = |name: &str| {
        entry::guard(Namespace::new(name).parser(parser_of(name)), access)
            .on_rate_limited(|socket, event| refuse(socket, event, &Fault::rate_limited()))
    };
    let (publishing, rooms_per_socket) = (access.clone(), rooms_per_socket.clone());
    let main = guarded(NAMESPACE)
        .on("register", move |socket, event| {
            let most = rooms_per_socket.load(Ordering::Relaxed);
            answer(socket, event, |socket, names| register(socket, names, most))
        })
        .on("unRegister", |socket, event| answer(socket, event, un_register))
        .on("broadcastInfo", move |socket, event| broadcast_info(&publishing, socket, event));
    let socketio = SocketIo::new(engine(config, access))
        .connect_timeout_ms(settings.connect_timeout_ms)
        // For the namespaces that it joins later.
        .keep_headers(&["authorization", "origin"])
        .namespace(main);
    let others = settings.namespaces.iter().map(|name| guarded(name));
    builder.socketio(others.fold(socketio, SocketIo::namespace))
}

/// Which pages of other origins may poll, and load the browser client.
pub(crate) fn cors(settings: &SocketIoConfig) -> Cors {
    let origins = match &settings.cors {
        config::Cors::Off => Vec::new(),
        config::Cors::Origins(origins) => origins.clone(),
        config::Cors::Any => vec!["*".to_owned()],
    };
    Cors { origins, credentials: settings.cors_credentials }
}

fn engine(config: &Config, access: &Arc<Access>) -> EngineOptions {
    let settings = &config.socketio;
    let transports: Vec<Transport> = settings
        .transports
        .iter()
        .map(|transport| match transport {
            config::Transport::Polling => Transport::Polling,
            config::Transport::WebSocket => Transport::WebSocket,
        })
        .collect();
    let access = access.clone();
    let engine = EngineOptions::at(&settings.path)
        .ping_interval_ms(settings.ping_interval_ms)
        .ping_timeout_ms(settings.ping_timeout_ms)
        .upgrade_timeout_ms(settings.upgrade_timeout_ms)
        .max_payload_bytes(settings.max_payload_bytes)
        .transports(&transports)
        .allow_upgrades(settings.allow_upgrades)
        .allow_eio3(settings.eio3)
        .jsonp(!access.rules().has_origins())
        .cors(cors(settings))
        .allow_request(move |request: &Request<'_>| {
            let rules = access.rules();
            // JSONP does not say where it comes from; origins may have been set since the server began.
            let has_index = || request.query().map_or(true, |query| query.get("j").is_some());
            let is_jsonp = || request.header("upgrade").is_none() && has_index();
            match rules.check_origin(request) {
                Ok(()) if !rules.has_origins() || !is_jsonp() => Ok(()),
                _ => Err("this origin is not allowed".to_owned()),
            }
        });
    let engine = if settings.compression { engine.compression(config.compression) } else { engine };
    match &settings.cookie {
        Some(name) => engine.cookie(name),
        None => engine,
    }
}

/// Does what an event asks for and says how that went.
fn answer(
    socket: &mut Socket<'_>,
    event: &mut Event<'_>,
    act: impl FnOnce(&mut Socket<'_>, &Names) -> Result<(), Fault>,
) -> Result<(), Error> {
    let done = Names::read(event).and_then(|names| act(socket, &names));
    answer_with(socket, event, done)
}

/// Says how something went.
fn answer_with(socket: &mut Socket<'_>, event: &mut Event<'_>, done: Result<(), Fault>) -> Result<(), Error> {
    tell(socket, event.name(), event.take_ack(), done)
}

/// Says how an event of this name went, in the acknowledgement that it wants.
fn tell(
    socket: &mut Socket<'_>,
    event: &str,
    ack: Option<Ack>,
    done: Result<(), Fault>,
) -> Result<(), Error> {
    match (done, ack) {
        (Ok(()), Some(ack)) => ack.send(socket.context(), &Done { ok: true, delivered: None }),
        (Ok(()), None) => Ok(()),
        (Err(fault), ack) => tell_fault(socket, event, ack, &fault),
    }
}

/// All of it or nothing, of as many groups as one connection may be in.
fn register(socket: &mut Socket<'_>, names: &Names, most: usize) -> Result<(), Fault> {
    let too_many = || Fault::too_large("these are more rooms than one connection may be in");
    // Before they are looked at one by one.
    if names.groups.len() > most {
        return Err(too_many());
    }
    // What is sent to somebody's id is for nobody else.
    if names.groups.iter().chain(&names.user).any(|name| socket.is_other_id(name)) {
        return Err(Fault::not_allowed("the id of another socket is no name for a user or a group"));
    }
    if let Some(grant) = socket.get::<Grant>() {
        if names.user.as_ref().is_some_and(|user| !grant.may_be(user)) {
            return Err(Fault::not_allowed("user: the token is not for this one"));
        }
        let user = names.user.as_deref().or_else(|| entry::name_of(socket));
        if !names.groups.iter().all(|group| grant.may_join(group, user)) {
            return Err(Fault::not_allowed("group: not all of these may be joined"));
        }
    }
    let known: HashSet<&String> = names.groups.iter().filter(|group| socket.is_in(group)).collect();
    let result = socket.join(&names.groups);
    let result = result.and_then(|_| names.user.as_deref().map_or(Ok(()), |user| socket.claim(user)));
    result.map_err(|error| {
        for group in names.groups.iter().filter(|group| !known.contains(group)) {
            socket.leave(group);
        }
        match error {
            JoinError::BadName => Fault::bad_request(error.to_string()),
            JoinError::TooManyRooms => too_many(),
        }
    })
}

fn un_register(socket: &mut Socket<'_>, names: &Names) -> Result<(), Fault> {
    if let Some(user) = &names.user
        && socket.claimed() == Some(user)
    {
        socket.release();
    }
    let user = socket.claimed().map(str::to_owned);
    // A group that has the name of the user stays the user.
    for group in names.groups.iter().filter(|group| user.as_ref() != Some(*group)) {
        socket.leave(group);
    }
    Ok(())
}

fn broadcast_info(access: &Access, socket: &mut Socket<'_>, event: &mut Event<'_>) -> Result<(), Error> {
    let info = match Info::read(event) {
        Ok(info) => info,
        Err(fault) => return refuse(socket, event, &fault),
    };
    let (grant, user) = (socket.get::<Grant>(), entry::name_of(socket));
    if !access.may_publish(grant, NAMESPACE, Target::Room(&info.room), user) {
        return refuse(socket, event, &Fault::not_allowed("this client may not publish there"));
    }
    let text = match info.text.to_args() {
        Ok(text) => text,
        Err(error) => return refuse(socket, event, &Fault::bad_request(format!("text: {error}"))),
    };
    let emit = socket.to(&info.room);
    match event.take_ack() {
        None => emit.emit(&info.event, &*text),
        Some(ack) => emit.emit_with_report(&info.event, &*text, move |cx, report| {
            let sent = ack.send(cx, &Done { ok: true, delivered: Some(report.delivered()) });
            debug_assert!(sent.is_ok(), "it has a JSON form: {sent:?}");
        }),
    }
}

fn refuse(socket: &mut Socket<'_>, event: &mut Event<'_>, fault: &Fault) -> Result<(), Error> {
    tell_fault(socket, event.name(), event.take_ack(), fault)
}

/// Says what is wrong: in the acknowledgement or, without one, as an event of its own.
fn tell_fault(socket: &mut Socket<'_>, event: &str, ack: Option<Ack>, fault: &Fault) -> Result<(), Error> {
    let (code, message) = (fault.code, &fault.message);
    match ack {
        Some(ack) => {
            let error = Problem { event: None, code, message };
            ack.send(socket.context(), &Refused { ok: false, error })
        }
        None => socket.emit("exception", &Problem { event: Some(event), code, message }),
    }
}
