//! From ready to the end: signals, the reload, the drain, and what the service manager hears of it.
//!
//! Everything here runs on the main thread, which waits for events and looks around between them.

use crate::config::Loaded;
use crate::flags::Given;
use crate::reload::{Live, reload};
use crate::systemd::Manager;
use fanfare::{Running, Stats};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// How often is looked whether the reactors live, between events.
const WATCH: Duration = Duration::from_millis(500);
/// The same while the server is drained, so that it ends when that is done.
const WATCH_DRAIN: Duration = Duration::from_millis(20);
/// How often the progress of a drain is told.
const PROGRESS: Duration = Duration::from_secs(2);
/// How often the service manager is told how many clients there are.
const STATUS: Duration = Duration::from_secs(10);

/// What happens to the process.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    Signal(i32),
    /// Somebody wants the server drained, over this time in seconds.
    Drain(u32),
}

/// Sends signals as events. Once `ending` is set those that end the process do it as if nobody watched, also when it
/// hangs.
///
/// # Errors
/// What the kernel says.
pub(crate) fn watch_signals(events: Sender<Event>) -> io::Result<Arc<AtomicBool>> {
    let ending = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        flag::register_conditional_default(signal, ending.clone())?;
    }
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            if events.send(Event::Signal(signal)).is_err() {
                break;
            }
        }
    })?;
    Ok(ending)
}

/// A server that is up.
pub(crate) struct Life<'a> {
    pub(crate) running: Running,
    pub(crate) live: Live,
    /// What it was started with.
    pub(crate) started: &'a Loaded,
    pub(crate) given: &'a Given,
    pub(crate) events: Receiver<Event>,
    pub(crate) ending: Arc<AtomicBool>,
}

/// Why it stops.
enum End {
    /// It was asked to, by this.
    Asked(&'static str),
    /// It is empty.
    Drained,
    /// A reactor has failed.
    Failed,
}

impl Life<'_> {
    /// Lives until a signal, or whoever drains it, ends it.
    ///
    /// # Errors
    /// Why it ended by itself.
    pub(crate) fn run(self) -> Result<(), String> {
        Manager::ready(&clients(self.running.stats()));
        let end = self.wait();
        // The next signal has its default effect.
        self.ending.store(true, Ordering::SeqCst);
        match end {
            End::Asked(signal) => log::info!("{signal}: closing all connections"),
            End::Drained => log::info!("drained"),
            End::Failed => log::error!("a reactor ended by itself: closing all connections"),
        }
        if !matches!(end, End::Drained) {
            Manager::stopping("Closing all connections");
            self.running.stop();
        }
        match (end, self.running.join()) {
            (End::Asked(_) | End::Drained, Ok(())) => {
                log::info!("ended");
                Ok(())
            }
            (_, Err(error)) => Err(format!("a reactor failed: {error}")),
            (End::Failed, Ok(())) => Err("a reactor ended by itself".to_owned()),
        }
    }

    fn wait(&self) -> End {
        let mut now = self.started.config.clone();
        let mut drain: Option<Progress> = None;
        let mut watchdog = Watchdog::new();
        let mut status = Instant::now();
        loop {
            let pause = if drain.is_some() { WATCH_DRAIN } else { WATCH };
            match self.events.recv_timeout(watchdog.pause().map_or(pause, |left| left.min(pause))) {
                Ok(Event::Signal(SIGHUP)) if drain.is_some() => log::info!("SIGHUP: not reloaded any more"),
                Ok(Event::Signal(SIGHUP)) => {
                    Manager::reloading();
                    match reload(self.given, &self.started.config, &now, &self.live, &self.running) {
                        Ok(loaded) => now = loaded.config,
                        Err(error) => log::error!("not reloaded, everything stays as it is: {error}"),
                    }
                    Manager::ready(&clients(self.running.stats()));
                }
                // It came so soon after the first one that it was sent here, too.
                Ok(Event::Signal(second)) if self.ending.load(Ordering::SeqCst) => {
                    if let Err(error) = emulate_default_handler(second) {
                        log::error!("the second signal does not end it: {error}");
                    }
                }
                Ok(Event::Signal(SIGTERM)) if now.drain.seconds > 0 || drain.is_some() => {
                    // The next one ends at once.
                    self.ending.store(true, Ordering::SeqCst);
                    if drain.is_some() {
                        log::info!("SIGTERM: the drain goes on; another signal ends it at once");
                    } else {
                        drain = Some(Progress::begin("SIGTERM", now.drain.seconds, &self.running));
                        self.running.drain(now.drain.plan(None));
                    }
                }
                Ok(Event::Signal(SIGTERM)) => return End::Asked("SIGTERM"),
                Ok(Event::Signal(_)) => return End::Asked("SIGINT"),
                Ok(Event::Drain(over_s)) => {
                    drain = Some(Progress::begin("asked for", over_s, &self.running));
                    self.running.drain(now.drain.plan(Some(over_s)));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return End::Failed,
            }
            match &mut drain {
                Some(_) if self.running.has_ended() => return End::Drained,
                Some(progress) => progress.tell(self.running.stats()),
                None if !self.running.is_healthy() => return End::Failed,
                None if status.elapsed() >= STATUS => {
                    Manager::status(&clients(self.running.stats()));
                    status = Instant::now();
                }
                None => {}
            }
            watchdog.look(&self.running);
        }
    }
}

fn sockets(stats: &Stats) -> u64 {
    stats.sum(fanfare::ReactorStats::sockets)
}

fn clients(stats: &Stats) -> String {
    format!("{} clients", sockets(stats))
}

/// How far a drain has come.
struct Progress {
    told: Instant,
    left: u64,
    listens: bool,
}

impl Progress {
    fn begin(why: &str, over_s: u32, running: &Running) -> Progress {
        let left = sockets(running.stats());
        log::info!("{why}: draining {left} clients over {over_s} s");
        Manager::stopping(&format!("Draining, {left} clients left"));
        Progress { told: Instant::now(), left, listens: true }
    }

    fn tell(&mut self, stats: &Stats) {
        if self.listens && stats.sum(|reactor| reactor.gauges.doors.get()) == 0 {
            self.listens = false;
            log::info!("no longer listening for clients");
        }
        let elapsed = self.told.elapsed();
        if elapsed < PROGRESS {
            return;
        }
        let left = sockets(stats);
        let rate = self.left.saturating_sub(left) as f64 / elapsed.as_secs_f64();
        log::info!("draining: {left} clients left, {rate:.0} a second");
        Manager::still_stopping(&format!("Draining, {left} clients left"));
        (self.told, self.left) = (Instant::now(), left);
    }
}

/// Tells the service manager that all reactors turn, as long as they do.
struct Watchdog {
    every: Option<Duration>,
    next: Instant,
    well: bool,
}

impl Watchdog {
    fn new() -> Watchdog {
        Watchdog { every: Manager::watchdog(), next: Instant::now(), well: true }
    }

    /// Until it has to look again.
    fn pause(&self) -> Option<Duration> {
        self.every.map(|_| self.next.saturating_duration_since(Instant::now()))
    }

    fn look(&mut self, running: &Running) {
        let Some(every) = self.every else { return };
        if Instant::now() < self.next {
            return;
        }
        self.next = Instant::now() + every;
        let well = running.has_turned() || running.has_ended();
        if well {
            Manager::alive();
        } else if self.well {
            log::error!("a reactor has not turned for {} ms: a handler blocks", every.as_millis());
        }
        self.well = well;
    }
}
