//! What changes without a restart: the configuration is read again, and what it says differently takes effect.
//!
//! Owns which keys can, and how. The others are named, so that nobody believes that they did.

use crate::access::{Access, Rules};
use crate::config::{self, Config, Key, Loaded, keys};
use crate::flags::Given;
use crate::logging;
use crate::tls::Shown;
use fanfare::Running;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

/// Keys, or sections of keys, that change without a restart.
const LIVE: [&str; 12] = [
    "log",
    "open",
    "auth",
    "auth.jwt",
    "auth.webhook",
    "api",
    "limits",
    "drain",
    "proxy",
    "tls.cert",
    "tls.key",
    "cluster.required",
];

/// The one of them that listeners are given when they are opened.
const AT_START: &str = "limits.send_buffer_bytes";

/// What is asked for where it is used, because it may change.
pub(crate) struct Live {
    /// To clients that speak TLS.
    pub(crate) shown: Shown,
    pub(crate) access: Arc<Access>,
    pub(crate) rooms_per_socket: Arc<AtomicUsize>,
    /// Over which connections are closed, in seconds.
    pub(crate) drain_s: Arc<AtomicU32>,
    /// Without its cluster the server is not ready.
    pub(crate) needs_cluster: Arc<AtomicBool>,
}

impl Live {
    pub(crate) fn new(config: &Config, rules: Rules, shown: Shown) -> Live {
        Live {
            shown,
            access: Arc::new(Access::new(rules)),
            rooms_per_socket: Arc::new(AtomicUsize::new(config.limits.rooms_per_socket)),
            drain_s: Arc::new(AtomicU32::new(config.drain.seconds)),
            needs_cluster: Arc::new(AtomicBool::new(config.cluster.required)),
        }
    }

    /// What a configuration says holds from now on, as far as it can.
    fn replace(&self, config: &Config, rules: Rules, running: &Running) {
        self.access.replace(rules);
        self.rooms_per_socket.store(config.limits.rooms_per_socket, Ordering::Relaxed);
        self.drain_s.store(config.drain.seconds, Ordering::Relaxed);
        self.needs_cluster.store(config.cluster.required, Ordering::Relaxed);
        logging::set_level(config.log);
        running.set_limits(config.limits.clone());
        running.set_proxies(config.proxies.clone());
    }
}

/// What became of a reload.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Changes {
    /// In effect.
    done: Vec<&'static str>,
    /// Other than what the server was started with.
    waiting: Vec<&'static str>,
}

impl Changes {
    fn between(started: &Config, before: &Config, now: &Config) -> Changes {
        let live = |key: &&Key| {
            let in_section = || key.section().is_some_and(|section| LIVE.contains(&section));
            key.name != AT_START && (LIVE.contains(&key.name) || in_section())
        };
        let done = keys().filter(live).filter(|key| key.differs(before, now));
        let waiting = keys().filter(|key| !live(key)).filter(|key| key.differs(started, now));
        Changes { done: done.map(|key| key.name).collect(), waiting: waiting.map(|key| key.name).collect() }
    }

    fn log(&self) {
        match self.done.as_slice() {
            [] => log::info!("reloaded: nothing that is in effect has changed"),
            done => log::info!("reloaded: changed {}", done.join(", ")),
        }
        if !self.waiting.is_empty() {
            log::warn!("needs a restart: {}", self.waiting.join(", "));
        }
    }
}

/// Reads everything again. If something is wrong with it, all stays as it is.
///
/// # Errors
/// What is wrong, with the file, line and key.
pub(crate) fn reload(
    given: &Given,
    started: &Config,
    before: &Config,
    live: &Live,
    running: &Running,
) -> Result<Loaded, String> {
    let loaded = config::load(given.file.as_deref(), std::env::vars_os(), &given.values)
        .map_err(|error| error.to_string())?;
    // Where it listens does not change.
    loaded
        .check_exposure(running.addrs(), running.tls_addrs(), running.admin_addrs())
        .map_err(|error| format!("while it listens where it does: {error}"))?;
    let rules =
        Rules::read(&loaded.config).map_err(|bad| loaded.bad_value(bad.key, bad.error).to_string())?;
    live.shown.reload(&loaded).map_err(|error| error.to_string())?;
    live.replace(&loaded.config, rules, running);
    Changes::between(started, before, &loaded.config).log();
    Ok(loaded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_one_of_a_key_or_a_section() {
        for name in LIVE.into_iter().chain([AT_START]) {
            assert!(Key::find(name).is_some() || Key::is_section(name), "{name}");
        }
    }

    #[test]
    fn what_changes_is_told_apart_from_what_waits() {
        let started = Config::default();
        let mut now = Config { token: Some("a".to_owned()), reactors: 3, ..Config::default() };
        now.limits.idle_s = 7;
        now.limits.send_buffer_bytes = Some(8_192);
        now.socketio.eio3 = false;
        let changes = Changes::between(&started, &started, &now);
        assert_eq!(changes.done, ["auth.token", "limits.idle_s"]);
        assert_eq!(changes.waiting, ["reactors", "socketio.eio3", "limits.send_buffer_bytes"]);
        // Nothing is new the second time, and the rest still waits. A secret is not shown, but it is compared.
        let again = Config { token: Some("b".to_owned()), ..now.clone() };
        assert_eq!(Changes::between(&started, &now, &now).done, [""; 0]);
        let changes = Changes::between(&started, &now, &again);
        assert_eq!(
            (changes.done, changes.waiting),
            (vec!["auth.token"], vec!["reactors", "socketio.eio3", "limits.send_buffer_bytes"])
        );
    }
}
