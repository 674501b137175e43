//! Keys at a URL: a JSON Web Key Set (RFC 7517) that is fetched again and again.
//!
//! A thread of its own asks: at the start, every so often, and when a token names a key that is not known, but then not
//! more often than every [`GAP`]; who brings such a token waits for that. What it got last stays while asking fails;
//! without anything yet, no token is right.

use super::jwt::KeySet;
use crate::asking::agent;
use crate::config::without_secrets;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

/// The time between two requests, however often a new key is named.
const GAP: Duration = Duration::from_secs(5);
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest answer, in bytes.
const SET_BYTES: u64 = 256 << 10;

/// How many tokens may wait for their keys.
const WAITING: usize = 1_024;

/// Who is called when the keys have been asked for, whatever came of it.
type Waiting = Mutex<Vec<Box<dyn FnOnce() + Send>>>;

/// The keys of a URL.
pub(super) struct Jwks {
    url: String,
    refresh: Duration,
    state: Arc<RwLock<State>>,
    waiting: Arc<Waiting>,
    /// Wakes the thread, which ends when this is gone.
    wake: SyncSender<()>,
    /// For the thread, until it starts.
    woken: Mutex<Option<Receiver<()>>>,
}

#[derive(Clone, Default)]
struct State {
    keys: Option<Arc<KeySet>>,
    fetched: Option<Instant>,
}

impl Jwks {
    pub(super) fn new(url: &str, refresh: Duration) -> Jwks {
        let (wake, woken) = mpsc::sync_channel(1);
        Jwks {
            url: url.to_owned(),
            refresh,
            state: Arc::default(),
            waiting: Arc::default(),
            wake,
            woken: Mutex::new(Some(woken)),
        }
    }

    /// What another one has got from the same URL is known here, too, until this one gets something itself.
    pub(super) fn take_over(&self, before: &Jwks) {
        if before.url == self.url {
            let known = before.state.read().unwrap_or_else(PoisonError::into_inner).clone();
            *self.state.write().unwrap_or_else(PoisonError::into_inner) = known;
        }
    }

    /// Begins to ask.
    pub(super) fn start(&self) {
        let woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(woken) = woken else { return };
        let (url, refresh) = (self.url.clone(), self.refresh);
        let (state, waiting) = (self.state.clone(), self.waiting.clone());
        let started = thread::Builder::new().name("jwks".to_owned()).spawn(move || {
            keep_fresh(&url, refresh, &state, &waiting, &woken);
        });
        if let Err(error) = started {
            log::error!("no keys are fetched: {error}");
        }
    }

    /// What is known.
    pub(super) fn keys(&self) -> Option<Arc<KeySet>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).keys.clone()
    }

    /// Whether a key that is missing is worth asking for: it is not if that has just been done.
    pub(super) fn may_have_more(&self) -> bool {
        let fetched = self.state.read().unwrap_or_else(PoisonError::into_inner).fetched;
        fetched.is_none_or(|fetched| fetched.elapsed() >= GAP)
    }

    /// Asks, and calls `done` after that; at once if too many wait already.
    pub(super) fn ask(&self, done: Box<dyn FnOnce() + Send>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= WAITING {
            drop(waiting);
            return done();
        }
        waiting.push(done);
        drop(waiting);
        // If it is full, the thread has been told.
        let _ = self.wake.try_send(());
    }
}

fn keep_fresh(url: &str, refresh: Duration, state: &RwLock<State>, waiting: &Waiting, woken: &Receiver<()>) {
    let agent = agent(TIMEOUT, 1);
    let shown = without_secrets(url);
    loop {
        let failed = match fetch(&agent, url) {
            Ok(keys) => {
                log::debug!("{shown}: {} keys", keys.len());
                let fresh = State { keys: Some(Arc::new(keys)), fetched: Some(Instant::now()) };
                *state.write().unwrap_or_else(PoisonError::into_inner) = fresh;
                false
            }
            Err(error) => {
                let kept = if state.read().unwrap_or_else(PoisonError::into_inner).keys.is_some() {
                    "the keys stay as they were"
                } else {
                    "no token is right without keys"
                };
                log::warn!("keys of {shown}: {error}; {kept}");
                true
            }
        };
        let told = std::mem::take(&mut *waiting.lock().unwrap_or_else(PoisonError::into_inner));
        told.into_iter().for_each(|done| done());
        let begun = Instant::now();
        match woken.recv_timeout(if failed { GAP.min(refresh) } else { refresh }) {
            Ok(()) => thread::sleep(GAP.saturating_sub(begun.elapsed())),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn fetch(agent: &ureq::Agent, url: &str) -> Result<KeySet, String> {
    let answer = agent.get(url).header("Accept", "application/json").call();
    let mut answer = answer.map_err(|error| error.to_string())?;
    if answer.status() != 200 {
        return Err(format!("status {}", answer.status().as_u16()));
    }
    let body = answer.body_mut().with_config().limit(SET_BYTES).read_to_string();
    KeySet::of_jwks(&body.map_err(|error| error.to_string())?)
}
