//! The handle of a link: what other threads touch. They push onto a queue, wake the link's thread and go on.

use super::driver;
use super::spool::weight;
use super::topology::Seeker;
use super::url::RedisUrl;
use super::{Counters, Event, Reason, Settings};
use crate::sys::{Bell, Wakeup, with_signals_blocked};
use crossbeam_queue::SegQueue;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// What other threads ask of the link's.
pub(crate) enum Order {
    Publish { channel: Arc<str>, payload: Arc<[u8]>, ticket: Option<u64> },
    Subscribe { pattern: bool, name: Arc<str>, wanted: bool },
    Count { channel: Arc<str>, ticket: u64 },
}

/// What the handles and the thread share.
pub(crate) struct Shared {
    pub(crate) orders: SegQueue<Order>,
    /// A wake-up is under way and will see whatever was pushed before it is taken back.
    pub(crate) signalled: AtomicBool,
    wakeup: Arc<Wakeup>,
    /// The thread shall end.
    pub(crate) stop: AtomicBool,
    /// The thread has ended: nobody will look at the queue.
    pub(crate) ended: AtomicBool,
    pub(crate) up: AtomicBool,
    /// What waits in the queue and in the spool.
    pub(crate) waiting_bytes: AtomicUsize,
    backlog_bytes: usize,
    pub(crate) published: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) dropped: [AtomicU64; Reason::ALL.len()],
    pub(crate) reconnects: AtomicU64,
    pub(crate) subscriptions: AtomicU64,
}

impl Shared {
    fn new(wakeup: Arc<Wakeup>, backlog_bytes: usize) -> Shared {
        Shared {
            orders: SegQueue::new(),
            signalled: AtomicBool::new(false),
            wakeup,
            stop: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            up: AtomicBool::new(false),
            waiting_bytes: AtomicUsize::new(0),
            backlog_bytes,
            published: AtomicU64::new(0),
            received: AtomicU64::new(0),
            dropped: Default::default(),
            reconnects: AtomicU64::new(0),
            subscriptions: AtomicU64::new(0),
        }
    }

    fn wake(&self) {
        if let Err(error) = self.wakeup.wake() {
            log::error!("redis: cannot wake the thread of the link: {error}");
        }
    }

    fn push(&self, order: Order) {
        self.orders.push(order);
        // SeqCst on both sides: either the thread sees the order, or this sees that it needs a wake-up.
        if !self.signalled.swap(true, Ordering::SeqCst) {
            self.wake();
        }
        // Either this sees that the thread ended, or its end sees the order.
        if self.ended.load(Ordering::SeqCst) {
            self.empty();
        }
    }

    fn empty(&self) {
        while let Some(order) = self.orders.pop() {
            if let Order::Publish { channel, payload, .. } = order {
                self.waiting_bytes.fetch_sub(weight(&channel, &payload), Ordering::Relaxed);
                self.dropped[Reason::Stopped as usize].fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn end(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.wake();
    }
}

/// Says that the thread ended, also if a callback panicked.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.up.store(false, Ordering::Relaxed);
        self.0.ended.store(true, Ordering::SeqCst);
        self.0.empty();
    }
}

/// A message that was not taken, and so will not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// [`Settings::backlog_bytes`] wait already.
    Backlog,
    /// The link was stopped.
    Stopped,
}

impl fmt::Display for NotTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotTaken::Backlog => "too many messages wait for Redis",
            NotTaken::Stopped => "the link to Redis was stopped",
        })
    }
}

impl std::error::Error for NotTaken {}

struct Owner {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.end();
    }
}

/// A connection to Redis that keeps itself alive; for any thread, and never waiting for Redis.
///
/// What one thread asks for is done in its order, but of what waits together subscriptions come first, counts second. When the last clone is
/// dropped, the link ends as with [`stop`](Link::stop), only that nobody waits for it.
#[derive(Clone)]
pub struct Link(Arc<Owner>);

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("counters", &self.counters()).finish()
    }
}

impl Link {
    /// Starts the thread, which connects at once and again whenever it has to; the events come on that thread.
    ///
    /// Threads that have a descriptor table of their own must have kept the wake-up in it before they use the link: its
    /// number would be somebody's connection there. One wake-up serves one link at a time.
    ///
    /// # Errors
    /// The certificates for TLS cannot be read, or the thread cannot be started. That Redis is away is no error.
    pub fn start(
        url: RedisUrl,
        mut settings: Settings,
        wakeup: Arc<Wakeup>,
        events: impl Fn(Event<'_>) + Send + 'static,
    ) -> io::Result<Link> {
        // A timer without a period would never rest.
        settings.ping_interval = settings.ping_interval.max(Duration::from_millis(1));
        let (said, hear) = tokio::sync::mpsc::unbounded_channel();
        let seeker = Seeker::new(url, &settings, said)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let bell = {
            let _runtime = runtime.enter();
            Bell::new(wakeup.clone())?
        };
        let shared = Arc::new(Shared::new(wakeup, settings.backlog_bytes));
        let end = End(shared.clone());
        let driver = driver::run(shared.clone(), bell, (Arc::new(seeker), hear), settings, Box::new(events));
        let work = move || {
            let _end = end;
            runtime.block_on(driver);
            // A name that is being looked up must not keep the thread.
            runtime.shutdown_background();
        };
        let builder = std::thread::Builder::new().name("cluster-redis".to_owned());
        let thread = with_signals_blocked(|| builder.spawn(work))?;
        Ok(Link(Arc::new(Owner { shared, thread: Mutex::new(Some(thread)) })))
    }

    /// Publishes a message; with a ticket, [`Event::Published`] or [`Event::Lost`] tells what became of it.
    ///
    /// # Errors
    /// [`NotTaken`]: it is counted as dropped, and no event comes.
    pub fn publish(
        &self,
        channel: impl Into<Arc<str>>,
        payload: impl Into<Arc<[u8]>>,
        ticket: Option<u64>,
    ) -> Result<(), NotTaken> {
        let (channel, payload) = (channel.into(), payload.into());
        let shared = &self.0.shared;
        let refuse = |reason: Reason, error| {
            shared.dropped[reason as usize].fetch_add(1, Ordering::Relaxed);
            Err(error)
        };
        if shared.stop.load(Ordering::SeqCst) || shared.ended.load(Ordering::SeqCst) {
            return refuse(Reason::Stopped, NotTaken::Stopped);
        }
        let bytes = weight(&channel, &payload);
        let before = shared.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > shared.backlog_bytes {
            shared.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return refuse(Reason::Backlog, NotTaken::Backlog);
        }
        shared.push(Order::Publish { channel, payload, ticket });
        Ok(())
    }

    /// Wants the messages of a channel, until it is unsubscribed from; twice is once.
    pub fn subscribe(&self, channel: impl Into<Arc<str>>) {
        self.0.shared.push(Order::Subscribe { pattern: false, name: channel.into(), wanted: true });
    }

    /// Wants the messages of a channel no more. Some that are on their way may still come.
    pub fn unsubscribe(&self, channel: impl Into<Arc<str>>) {
        self.0.shared.push(Order::Subscribe { pattern: false, name: channel.into(), wanted: false });
    }

    /// Wants the messages of all channels that match a pattern of Redis (`PSUBSCRIBE`). Sharded messages match none.
    pub fn psubscribe(&self, pattern: impl Into<Arc<str>>) {
        self.0.shared.push(Order::Subscribe { pattern: true, name: pattern.into(), wanted: true });
    }

    /// Wants the messages of a pattern no more.
    pub fn punsubscribe(&self, pattern: impl Into<Arc<str>>) {
        self.0.shared.push(Order::Subscribe { pattern: true, name: pattern.into(), wanted: false });
    }

    /// Asks how many are subscribed to a channel, in the whole of a Cluster; [`Event::Counted`] answers, unless the link is
    /// stopped.
    pub fn count(&self, channel: impl Into<Arc<str>>, ticket: u64) {
        self.0.shared.push(Order::Count { channel: channel.into(), ticket });
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        let shared = &self.0.shared;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            published: read(&shared.published),
            received: read(&shared.received),
            dropped: std::array::from_fn(|reason| read(&shared.dropped[reason])),
            reconnects: read(&shared.reconnects),
            subscriptions: read(&shared.subscriptions),
            waiting_bytes: shared.waiting_bytes.load(Ordering::Relaxed) as u64,
            up: shared.up.load(Ordering::Relaxed),
        }
    }

    /// Ends the link: what waits is sent if that takes no more than a second, the rest is dropped and counted. Returns
    /// when the thread has ended, unless it is called there.
    pub fn stop(&self) {
        self.0.shared.end();
        let mut thread = self.0.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let own = thread.as_ref().is_some_and(|thread| thread.thread().id() == std::thread::current().id());
        let taken = if own { None } else { thread.take() };
        drop(thread);
        if let Some(thread) = taken
            && thread.join().is_err()
        {
            log::error!("redis: the thread of the link panicked");
        }
    }
}
