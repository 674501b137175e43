//! `fanfare serve`: the server from its configuration to its end.

use crate::access::Access;
use crate::client::{self, Client};
use crate::config::{ClusterConfig, Config, Loaded};
use crate::tls::Shown;
use crate::{api, events, gateway, logging};
use fanfare::{Builder, ClusterOptions, LinkSettings, ListenAddr, RedisUrl, Running, Server};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

/// How often is looked whether the reactors live, between signals.
const WATCH: Duration = Duration::from_millis(500);

/// Runs the server until a signal ends it.
///
/// # Errors
/// Why it did not start, or why it ended by itself.
pub(crate) fn serve(loaded: &Loaded, client: Client, shown: &Shown) -> Result<(), String> {
    logging::start(loaded.config.log).map_err(|error| format!("cannot start the log: {error}"))?;
    let result = serve_logged(loaded, client, shown);
    logging::finish();
    result
}

fn serve_logged(loaded: &Loaded, client: Client, shown: &Shown) -> Result<(), String> {
    let ending = Arc::new(AtomicBool::new(false));
    let signals = watch_signals(&ending).map_err(|error| format!("cannot handle signals: {error}"))?;
    if !loaded.strange_variables.is_empty() {
        log::warn!("these environment variables set nothing: {}", loaded.strange_variables.join(", "));
    }

    let builder = client::install(server(&loaded.config), &loaded.config.socketio, client);
    let running = shown.install(builder, loaded).start().map_err(|error| error.to_string())?;
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

    let ended = wait(&running, &signals);
    // The next signal has its default effect.
    ending.store(true, Ordering::SeqCst);
    match ended {
        Some(signal) => log::info!("{signal}: closing all connections"),
        None => log::error!("a reactor ended by itself: closing all connections"),
    }
    running.stop();
    let joined = running.join();
    match (ended, joined) {
        (Some(_), Ok(())) => {
            log::info!("ended");
            Ok(())
        }
        (_, Err(error)) => Err(format!("a reactor failed: {error}")),
        (None, Ok(())) => Err("a reactor ended by itself".to_owned()),
    }
}

/// What is served, and where.
fn server(config: &Config) -> Builder {
    let access = Arc::new(Access {
        token: config.token.clone(),
        api_key: config.api_key.clone(),
        origins: config.origins.clone(),
    });
    let builder = Server::builder()
        .reactors(config.reactors)
        .limits(config.limits.clone())
        .proxies(config.proxies.clone())
        .unix_mode(config.unix_mode)
        .endpoint("/ws", gateway::Gateway::new(access.clone(), config.limits.rooms_per_socket));
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
    let builder = events::install(builder, config, &access);
    let builder = api::install(builder, access, events::namespaces(config));
    let builder = config.admin_listen.iter().cloned().fold(builder, Builder::admin_listen);
    config.listen.iter().cloned().fold(builder, Builder::listen)
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

/// Signals by name. Once `ending` is set they end the process as if nobody watched, also when it hangs.
fn watch_signals(ending: &Arc<AtomicBool>) -> io::Result<Receiver<&'static str>> {
    for signal in [SIGTERM, SIGINT] {
        flag::register_conditional_default(signal, ending.clone())?;
    }
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            let name = if signal == SIGINT { "SIGINT" } else { "SIGTERM" };
            if sender.send(name).is_err() {
                break;
            }
        }
    })?;
    Ok(receiver)
}

/// Waits for a signal and names it; nothing if a reactor ended before.
fn wait(running: &Running, signals: &Receiver<&'static str>) -> Option<&'static str> {
    loop {
        match signals.recv_timeout(WATCH) {
            Ok(signal) => return Some(signal),
            Err(RecvTimeoutError::Timeout) if running.is_healthy() => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
        }
    }
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
