//! `fanfare serve`: the server from its configuration to its end.

use crate::client::{self, Client};
use crate::config::{ClusterConfig, Config, Loaded};
use crate::flags::Given;
use crate::life::{Event, Life, watch_signals};
use crate::reload::Live;
use crate::systemd::Passed;
use crate::{api, gateway, logging};
use fanfare::{Builder, ClusterOptions, LinkSettings, ListenAddr, RedisUrl, Running, Server};
use std::io::{self, Write};
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

/// Runs the server until a signal ends it.
///
/// # Errors
/// Why it did not start, or why it ended by itself.
pub(crate) fn serve(
    loaded: &Loaded,
    client: Client,
    live: Live,
    passed: Passed,
    given: &Given,
) -> Result<(), String> {
    logging::start(loaded.config.log, loaded.config.log_format)
        .map_err(|error| format!("cannot start the log: {error}"))?;
    let result = serve_logged(loaded, client, live, passed, given);
    logging::finish();
    result
}

fn serve_logged(
    loaded: &Loaded,
    client: Client,
    live: Live,
    passed: Passed,
    given: &Given,
) -> Result<(), String> {
    let (sender, events) = mpsc::channel();
    let ending = watch_signals(sender.clone()).map_err(|error| format!("cannot handle signals: {error}"))?;
    if !loaded.strange_variables.is_empty() {
        log::warn!("these environment variables set nothing: {}", loaded.strange_variables.join(", "));
    }

    let addresses = api::Addresses::default();
    let builder = server(&loaded.config, &live, sender, addresses.clone());
    let builder = live.shown.install(passed.install(builder, &loaded.config), loaded);
    let builder = client::install(builder, &loaded.config.socketio, client);
    let running = builder.start().map_err(|error| error.to_string())?;
    // It is set once.
    let _ = addresses.set(running.addrs().iter().map(ListenAddr::to_string).collect());
    let file = loaded.file.as_ref().map_or("none".to_owned(), |path| path.display().to_string());
    log::info!("fanfare {}, configuration file: {file}", env!("CARGO_PKG_VERSION"));
    for addr in running.addrs() {
        log::info!("listening on {addr}");
    }
    for addr in running.tls_addrs() {
        log::info!("listening on {addr} with TLS");
    }
    for addr in running.admin_addrs() {
        log::info!("listening on {addr} for operators");
    }
    say_ready(&running);
    Life { running, live, started: loaded, given, events, ending }.run()
}

/// What is served, and where.
fn server(config: &Config, live: &Live, events: Sender<Event>, addresses: api::Addresses) -> Builder {
    let access = live.access.clone();
    let builder = Server::builder()
        .reactors(config.reactors)
        .balance(config.balance)
        .limits(config.limits.clone())
        .proxies(config.proxies.clone())
        .unix_mode(config.unix_mode)
        .endpoint("/ws", gateway::Gateway::new(access.clone(), live.rooms_per_socket.clone()));
    let builder = if config.ws_compression { builder.compression(config.compression) } else { builder };
    // The table of keys has the bound.
    let builder = match config.cluster.node.and_then(|node| u16::try_from(node).ok()) {
        Some(node) => builder.node(node),
        None => builder,
    };
    let builder = match &config.redis {
        Some(url) => builder.cluster(cluster(url, &config.cluster)),
        None => builder,
    };
    let builder = crate::events::install(builder, config, &access, &live.rooms_per_socket);
    let namespaces = crate::events::namespaces(config);
    api::install(builder, live, events, namespaces, addresses)
}

/// The servers that it is one with.
fn cluster(url: &RedisUrl, config: &ClusterConfig) -> ClusterOptions {
    let settings = LinkSettings {
        spool_bytes: config.spool_bytes,
        spool_age: Duration::from_millis(config.spool_age_ms.into()),
        ..LinkSettings::default()
    };
    // What waits for Redis to answer counts as well, and that there is room for it at all.
    let backlog_bytes = settings.backlog_bytes.max(2 * config.spool_bytes);
    let options = ClusterOptions::redis(url.clone()).sharded(config.sharded).prefix(&config.prefix);
    // Databases of one Redis share their channels: those of /ws have to differ, too.
    let options = match config.prefix.as_str() {
        "socket.io" => options,
        prefix => options.own_prefix(&format!("{prefix}-fanfare")),
    };
    options.link(LinkSettings { backlog_bytes, ..settings })
}

/// The one line on standard output, for whoever waits for it.
fn say_ready(running: &Running) {
    let tls = running.tls_addrs().iter().map(|addr| ("https", addr));
    let addrs: Vec<_> = running.addrs().iter().map(|addr| ("http", addr)).chain(tls).collect();
    let tcp = addrs.iter().find(|(_, addr)| matches!(addr, ListenAddr::Tcp(_)));
    let first = match tcp.or(addrs.first()) {
        Some((scheme, ListenAddr::Tcp(addr))) => format!("{scheme}://{addr}"),
        Some((_, addr)) => addr.to_string(),
        None => return,
    };
    let mut out = io::stdout().lock();
    let said = writeln!(out, "fanfare ready on {first} ({} reactors)", running.reactors());
    if let Err(error) = said.and_then(|()| out.flush()) {
        log::warn!("nobody reads standard output: {error}");
    }
}
