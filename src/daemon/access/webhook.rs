//! The webhook: another server that is asked about each connection, and what it answered lately.
//!
//! A few threads ask; who asks them never waits, and is called back. What is not a clear yes is a no: a refusal if the
//! answer says so, else, with 503, that nobody could be asked.

use super::crypto::digest_of;
use super::grant::{ClaimNames, Grant};
use super::{Refused, unix_ms};
use crate::asking::agent;
use crate::config::without_secrets;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How many questions may wait for a thread.
const WAITING: usize = 1_024;
/// The longest answer, in bytes.
const ANSWER_BYTES: u64 = 64 << 10;
/// What an answer may say.
const ANSWER: [&str; 5] = ["user", "groups", "rooms", "publish", "expires_s"];
/// How many answers are remembered.
const REMEMBERED: usize = 65_536;
/// The longest time that a connection can be allowed for, in seconds: 100 years.
const LONGEST_S: u64 = 100 * 365 * 24 * 3_600;

/// What is asked.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Question {
    pub(crate) protocol: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) domain: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) ip: Option<String>,
    pub(crate) origin: Option<String>,
    pub(crate) groups: Vec<String>,
    /// What was answered lately does not count: the client has been let in by that.
    #[serde(skip)]
    pub(crate) anew: bool,
}

/// Who is told the answer, on a thread that may not be a reactor's.
pub(crate) type Done = Box<dyn FnOnce(Result<Grant, Refused>) + Send>;

/// How the webhook is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WebhookConfig {
    pub(crate) url: Option<String>,
    pub(crate) timeout_ms: u32,
    /// How long an answer holds for the same question; 0 not at all.
    pub(crate) cache_s: u32,
    /// How many questions are under way at a time.
    pub(crate) concurrency: usize,
}

impl Default for WebhookConfig {
    fn default() -> WebhookConfig {
        WebhookConfig { url: None, timeout_ms: 3_000, cache_s: 0, concurrency: 8 }
    }
}

struct Job {
    body: Vec<u8>,
    anew: bool,
    asked: Instant,
    done: Done,
}

/// The threads that ask, and what they know.
pub(super) struct Webhook {
    jobs: SyncSender<Job>,
    waiting: Mutex<Option<Receiver<Job>>>,
    line: Arc<Line>,
    concurrency: usize,
}

/// What the threads share.
struct Line {
    url: String,
    /// For the log.
    shown: String,
    timeout: Duration,
    answers: Option<Mutex<Answers>>,
    /// The last question had no answer.
    fails: AtomicBool,
}

impl Webhook {
    pub(super) fn new(url: &str, config: &WebhookConfig) -> Webhook {
        let (jobs, waiting) = mpsc::sync_channel(WAITING);
        let hold = Duration::from_secs(config.cache_s.into());
        let answers = (!hold.is_zero()).then(|| Mutex::new(Answers::new(hold)));
        let timeout = Duration::from_millis(config.timeout_ms.into());
        let fails = AtomicBool::new(false);
        let line = Line { url: url.to_owned(), shown: without_secrets(url), timeout, answers, fails };
        Webhook {
            jobs,
            waiting: Mutex::new(Some(waiting)),
            line: Arc::new(line),
            concurrency: config.concurrency,
        }
    }

    /// Starts the threads; they end when this is gone and nothing waits any more.
    pub(super) fn start(&self) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(waiting) = waiting else { return };
        let waiting = Arc::new(Mutex::new(waiting));
        let agent = agent(self.line.timeout, self.concurrency);
        for _ in 0..self.concurrency {
            let (waiting, line, agent) = (waiting.clone(), self.line.clone(), agent.clone());
            let started = thread::Builder::new().name("webhook".to_owned()).spawn(move || {
                loop {
                    let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(job) = job else { return };
                    line.work(&agent, job);
                }
            });
            if let Err(error) = started {
                log::error!("the webhook has fewer threads than it should: {error}");
            }
        }
    }

    /// Asks; `done` is called at once if the answer is known, or if too many questions wait.
    pub(super) fn ask(&self, question: &Question, done: Done) {
        let body = match serde_json::to_vec(question) {
            Ok(body) => body,
            Err(error) => {
                log::error!("a question has no JSON form: {error}");
                return done(Err(Refused::unavailable()));
            }
        };
        let anew = question.anew;
        if let Some(known) = self.line.known(&body).filter(|_| !anew) {
            return done(known);
        }
        if let Err(error) = self.jobs.try_send(Job { body, anew, asked: Instant::now(), done }) {
            let (mpsc::TrySendError::Full(job) | mpsc::TrySendError::Disconnected(job)) = error;
            self.line.note(Err("too many questions wait"));
            (job.done)(Err(Refused::unavailable()));
        }
    }
}

impl Line {
    fn work(&self, agent: &ureq::Agent, job: Job) {
        let Job { body, anew, asked, done } = job;
        if let Some(known) = self.known(&body).filter(|_| !anew) {
            return done(known);
        }
        if asked.elapsed() >= self.timeout {
            // Whoever asked has waited long enough; the next ones are to have an answer in time.
            self.note(Err("questions wait too long"));
            return done(Err(Refused::unavailable()));
        }
        let answer = self.ask(agent, &body);
        self.note(answer.as_ref().map(drop).map_err(String::as_str));
        let verdict = match answer {
            Ok(verdict) => {
                if let Some(answers) = &self.answers {
                    let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
                    answers.put(digest_of(&[&body]), verdict.clone(), Instant::now());
                }
                verdict
            }
            Err(_) => Err(Refused::unavailable()),
        };
        done(verdict);
    }

    fn known(&self, body: &[u8]) -> Option<Result<Grant, Refused>> {
        let answers = self.answers.as_ref()?;
        let known =
            answers.lock().unwrap_or_else(PoisonError::into_inner).get(&digest_of(&[body]), Instant::now());
        known.filter(|known| {
            let until = known.as_ref().ok().and_then(|grant| grant.until_unix_ms);
            until.is_none_or(|until| until > unix_ms())
        })
    }

    /// What it says, or why it says nothing.
    fn ask(&self, agent: &ureq::Agent, body: &[u8]) -> Result<Result<Grant, Refused>, String> {
        let request = agent.post(&self.url).header("Content-Type", "application/json");
        let mut answer = request.send(body).map_err(|error| error.to_string())?;
        match answer.status().as_u16() {
            200 => {
                let body = answer.body_mut().with_config().limit(ANSWER_BYTES).read_to_string();
                read(&body.map_err(|error| error.to_string())?).map(Ok)
            }
            401 => Ok(Err(Refused::unauthorized("token is wrong"))),
            403 => Ok(Err(Refused { status: 403, code: "forbidden", message: "not allowed".to_owned() })),
            status => Err(format!("status {status}")),
        }
    }

    /// Says in the log when it begins to fail, and when that is over.
    fn note(&self, answered: Result<(), &str>) {
        let failed = self.fails.swap(answered.is_err(), Ordering::Relaxed);
        match answered {
            Err(error) if !failed => {
                log::warn!("the webhook {}: {error}; clients are refused with 503", self.shown)
            }
            Err(error) => log::debug!("the webhook {}: {error}", self.shown),
            Ok(()) if failed => log::info!("the webhook {} answers again", self.shown),
            Ok(()) => {}
        }
    }
}

/// Reads an answer that allows.
fn read(body: &str) -> Result<Grant, String> {
    let answer: Map<String, Value> =
        serde_json::from_str(body).map_err(|error| format!("its answer is no JSON object: {error}"))?;
    // Something like "allowed": false must not be taken for a yes.
    if let Some(unknown) = answer.keys().find(|name| !ANSWER.contains(&name.as_str())) {
        return Err(format!("{unknown:?}: expected nothing but {}", ANSWER.join(", ")));
    }
    let names = ClaimNames { user: "user".to_owned(), ..ClaimNames::default() };
    let mut grant = Grant::read(&answer, &names)?;
    grant.until_unix_ms = match answer.get("expires_s") {
        None | Some(Value::Null) => None,
        Some(seconds) => {
            let seconds = seconds.as_u64().ok_or("expires_s: expected a number of seconds")?;
            Some(unix_ms() + seconds.min(LONGEST_S) * 1_000)
        }
    };
    Ok(grant)
}

/// What was answered lately, by the digests of the questions.
struct Answers {
    hold: Duration,
    by_digest: HashMap<[u8; 32], (Instant, Result<Grant, Refused>)>,
    /// The oldest first.
    order: VecDeque<([u8; 32], Instant)>,
}

impl Answers {
    fn new(hold: Duration) -> Answers {
        Answers { hold, by_digest: HashMap::new(), order: VecDeque::new() }
    }

    fn put(&mut self, digest: [u8; 32], verdict: Result<Grant, Refused>, now: Instant) {
        let is_old = |(_, put): &([u8; 32], Instant)| now.duration_since(*put) >= self.hold;
        while self.order.len() >= REMEMBERED || self.order.front().is_some_and(is_old) {
            let Some((oldest, put)) = self.order.pop_front() else { break };
            // It may have been answered anew since.
            if self.by_digest.get(&oldest).is_some_and(|(at, _)| *at == put) {
                self.by_digest.remove(&oldest);
            }
        }
        self.by_digest.insert(digest, (now, verdict));
        self.order.push_back((digest, now));
    }

    fn get(&self, digest: &[u8; 32], now: Instant) -> Option<Result<Grant, Refused>> {
        let (put, verdict) = self.by_digest.get(digest)?;
        (now.duration_since(*put) < self.hold).then(|| verdict.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_strictly() {
        let grant =
            read(r#"{"user":"ann","groups":["g"],"rooms":["r-*"],"publish":[],"expires_s":60}"#).unwrap();
        assert_eq!((grant.user.as_deref(), grant.groups.len()), (Some("ann"), 1));
        assert!(grant.until_unix_ms.is_some_and(|until| until > unix_ms() + 50_000));
        assert_eq!(read("{}").unwrap(), Grant::default());
        for bad in [
            "",
            "null",
            "[]",
            "true",
            r#"{"expires_s":"60"}"#,
            r#"{"expires_s":-1}"#,
            r#"{"rooms":5}"#,
            r#"{"allow":false}"#,
            r#"{"user":"ann","error":"x"}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(read(r#"{"expires_s":18446744073709551615}"#).is_ok());
    }

    #[test]
    fn questions_beyond_those_that_may_wait_are_answered_at_once() {
        let config = WebhookConfig { timeout_ms: 1, ..WebhookConfig::default() };
        // Nobody asks yet.
        let webhook = Webhook::new("http://127.0.0.1:1/", &config);
        let (sender, told) = mpsc::channel();
        let ask = |number: usize| {
            let sender = sender.clone();
            let question = Question {
                protocol: "ws",
                domain: Some(number.to_string()),
                namespace: None,
                client_id: None,
                token: None,
                ip: None,
                origin: None,
                groups: Vec::new(),
                anew: false,
            };
            webhook.ask(&question, Box::new(move |verdict| sender.send((number, verdict)).unwrap()));
        };
        (0..WAITING).for_each(ask);
        assert!(told.try_recv().is_err());
        ask(WAITING);
        assert_eq!(told.try_recv().unwrap(), (WAITING, Err(Refused::unavailable())));
        // Those that waited are told, too: by then their time is over.
        thread::sleep(Duration::from_millis(1));
        webhook.start();
        drop(webhook);
        drop(sender);
        assert_eq!(
            told.iter().filter(|(_, verdict)| *verdict == Err(Refused::unavailable())).count(),
            WAITING
        );
    }

    #[test]
    fn answers_are_forgotten_after_their_time_and_when_there_are_too_many() {
        let mut answers = Answers::new(Duration::from_secs(10));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let digest = |number: usize| digest_of(&[&number.to_be_bytes()]);
        answers.put(digest(0), Ok(Grant::default()), at(0));
        assert_eq!(answers.get(&digest(0), at(9)), Some(Ok(Grant::default())));
        assert_eq!(answers.get(&digest(0), at(10)), None);
        answers.put(digest(0), Err(Refused::unavailable()), at(5));
        answers.put(digest(1), Ok(Grant::default()), at(12));
        assert_eq!(answers.get(&digest(0), at(13)), Some(Err(Refused::unavailable())));
        for number in 0..REMEMBERED + 10 {
            answers.put(digest(number), Ok(Grant::default()), at(14));
        }
        assert_eq!((answers.order.len(), answers.by_digest.len()), (REMEMBERED, REMEMBERED));
        assert_eq!(answers.get(&digest(9), at(14)), None);
        answers.put(digest(0), Ok(Grant::default()), at(30));
        assert_eq!((answers.order.len(), answers.by_digest.len()), (1, 1));
    }
}
