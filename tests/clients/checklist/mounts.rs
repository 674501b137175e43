//! A server for each option, at a path that is named after it.

use crate::journal::Journal;
use crate::steered;
use fanfare::socketio::{Namespace, SocketIo};
use fanfare::{Builder, Compression, Cors, EngineOptions, Response, Transport};
use serde_json::json;

/// All of them, each with the namespace `/`.
pub(crate) fn all(server: Builder, journal: &Journal) -> Builder {
    let refusals = journal.clone();
    let options = vec![
        EngineOptions::at("/elsewhere/"),
        EngineOptions::at("/new-clients/").allow_eio3(false),
        EngineOptions::at("/only-websocket/").transports(&[Transport::WebSocket]),
        EngineOptions::at("/only-polling/").transports(&[Transport::Polling]),
        EngineOptions::at("/no-upgrades/").allow_upgrades(false),
        EngineOptions::at("/impatient/").upgrade_timeout_ms(100),
        EngineOptions::at("/heartbeat/").ping_interval_ms(200).ping_timeout_ms(2_000),
        EngineOptions::at("/small/").max_payload_bytes(1_000),
        EngineOptions::at("/cookie/").cookie("io"),
        EngineOptions::at("/cors/")
            .cors(Cors { origins: vec!["http://page.example".to_owned()], credentials: true }),
        EngineOptions::at("/compressed/")
            .compression(Compression { threshold_bytes: 256, ..Compression::default() }),
        EngineOptions::at("/guarded/")
            .allow_request(|request| match request.header("origin") {
                Some(b"http://page.example") => Ok(()),
                _ => Err("this origin may not".to_owned()),
            })
            .on_connection_error(move |_, code, message| {
                refusals.note(json!({"id": "connection_error", "code": code, "message": message}));
            }),
        EngineOptions::at("/asked/").middleware(|request| match request.header("x-pass") {
            Some(b"open") => Ok(()),
            _ => Err(Response::text(401, "no pass")),
        }),
        EngineOptions::at("/headers/")
            .initial_headers(|_| vec![("X-Initial".to_owned(), "once".to_owned())])
            .headers(|_| vec![("X-Every".to_owned(), "always".to_owned())]),
    ];
    let plain =
        |engine: EngineOptions| SocketIo::new(engine).namespace(steered(Namespace::new("/"), journal));
    let server = options.into_iter().fold(server, |server, engine| server.socketio(plain(engine)));
    server
        .socketio(plain(EngineOptions::at("/kept/")).keep_handshake(true))
        .socketio(plain(EngineOptions::at("/hurry/")).connect_timeout_ms(100))
}
