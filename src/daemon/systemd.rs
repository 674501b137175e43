//! What a service manager is told, and the listeners that it passes on: sd_notify(3), sd_listen_fds(3).
//!
//! Without one, nothing happens here. Owns the words of both protocols; when what is said is [`super::life`]'s business.

use crate::config::{Config, ConfigError, Loaded};
use fanfare::{Builder, ListenAddr, OpenListener};
use listenfd::ListenFd;
use sd_notify::NotifyState;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The name of a passed listener that is for operators; every other one is for clients.
const ADMIN: &str = "admin";
/// By how much the time in which the end is expected is put off while it goes on, in microseconds.
const EXTENSION_US: u32 = 15_000_000;

/// Listeners that were passed on.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    listeners: Vec<(OpenListener, ListenAddr, bool)>,
}

impl Passed {
    /// Takes over what was passed on. Once, and before there are threads: it changes the environment.
    ///
    /// # Errors
    /// Which of them is no socket that listens.
    pub(crate) fn take() -> Result<Passed, String> {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let names: Vec<&str> = names.split(':').collect();
        let mut passed = ListenFd::from_env();
        let mut listeners = Vec::new();
        for number in 0..passed.len() {
            let name = names.get(number).copied().unwrap_or_default();
            let failed = |error| format!("the socket {number} {name:?} that was passed on: {error}");
            let tcp = passed.take_tcp_listener(number).ok().flatten().map(OpenListener::from);
            let open = match tcp {
                Some(tcp) => Some(tcp),
                None => passed.take_unix_listener(number).map_err(failed)?.map(OpenListener::from),
            };
            if let Some(open) = open {
                let addr = open.addr().map_err(failed)?;
                listeners.push((open, addr, name == ADMIN));
            }
        }
        Ok(Passed { listeners })
    }

    /// Where it listens by them: for operators, or for clients.
    pub(crate) fn addrs(&self, for_admin: bool) -> Vec<ListenAddr> {
        let listeners = self.listeners.iter().filter(|(_, _, admin)| *admin == for_admin);
        listeners.map(|(_, addr, _)| addr.clone()).collect()
    }

    /// Holds where it would listen against what is configured.
    ///
    /// # Errors
    /// What is missing.
    pub(crate) fn check(&self, loaded: &Loaded) -> Result<(), ConfigError> {
        let used = |passed: Vec<ListenAddr>, configured: &[ListenAddr]| {
            if passed.is_empty() { configured.to_owned() } else { passed }
        };
        let Config { listen, tls, admin_listen, .. } = &loaded.config;
        let (clients, admin) = (used(self.addrs(false), listen), used(self.addrs(true), admin_listen));
        loaded.check_exposure(&clients, &tls.listen, &admin)
    }

    /// Has the server use them; they take the place of the addresses that are configured for the same people.
    pub(crate) fn install(self, builder: Builder, config: &Config) -> Builder {
        let (clients, admin) = (self.addrs(false), self.addrs(true));
        let none: &[ListenAddr] = &[];
        let listen = if clients.is_empty() { &config.listen } else { none };
        let admin_listen = if admin.is_empty() { &config.admin_listen } else { none };
        let builder = listen.iter().cloned().fold(builder, Builder::listen);
        let builder = admin_listen.iter().cloned().fold(builder, Builder::admin_listen);
        self.listeners.into_iter().fold(builder, |builder, (open, _, admin)| {
            if admin { builder.admin_listen_on(open) } else { builder.listen_on(open) }
        })
    }
}

/// The manager that waits to hear of this process, if there is one.
#[derive(Debug)]
pub(crate) struct Manager;

impl Manager {
    /// How often it has to be told that all is well, at least twice as often as it wants to know.
    pub(crate) fn watchdog() -> Option<Duration> {
        sd_notify::watchdog_enabled().map(|within| within / 2).filter(|pause| !pause.is_zero())
    }

    /// Everything is served.
    pub(crate) fn ready(status: &str) {
        say(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// What is going on, for people.
    pub(crate) fn status(status: &str) {
        say(&[NotifyState::Status(status)]);
    }

    /// The configuration is read again; [`Manager::ready`] follows.
    pub(crate) fn reloading() {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => say(&[NotifyState::Reloading, now]),
            Err(error) => log::warn!("the service manager is not told of the reload: {error}"),
        }
    }

    /// All is well.
    pub(crate) fn alive() {
        say(&[NotifyState::Watchdog]);
    }

    /// The end has begun.
    pub(crate) fn stopping(status: &str) {
        say(&[NotifyState::Stopping, NotifyState::Status(status)]);
    }

    /// The end is on its way, and takes some more time.
    pub(crate) fn still_stopping(status: &str) {
        say(&[NotifyState::ExtendTimeoutUsec(EXTENSION_US), NotifyState::Status(status)]);
    }
}

fn say(states: &[NotifyState<'_>]) {
    static SAID: AtomicBool = AtomicBool::new(false);
    // Once is enough: it is told every few seconds.
    if let Err(error) = sd_notify::notify(states)
        && !SAID.swap(true, Ordering::Relaxed)
    {
        log::warn!("the service manager cannot be told: {error}");
    }
}
