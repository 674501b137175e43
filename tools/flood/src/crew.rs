//! The flood threads of a run, and the wait for what they do.

use std::io;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use mio::{Poll, Waker};

use crate::load::{Load, To};
use crate::shared::Shared;
use crate::stats::TICK;
use crate::tally::Tally;
use crate::worker::{Order, Outcome, WAKER, Worker};

/// How long the coordinator sleeps between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// One look at the counters, for the report's charts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Seconds since the run began.
    pub at_s: f64,
    /// Connections that were open.
    pub open: u64,
    /// Messages that had arrived.
    pub received: u64,
}

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// What was waited for is there.
    Met,
    /// Nothing happened for as long as `--timeout-s`.
    Stalled,
    /// SIGINT, or a thread that failed.
    Interrupted,
}

/// The threads of a run.
pub struct Crew {
    /// What they share.
    pub shared: Arc<Shared>,
    /// The counters over time.
    pub points: Vec<Point>,
    members: Vec<Member>,
    bar: ProgressBar,
    interrupt: Arc<AtomicBool>,
}

struct Member {
    orders: Sender<Order>,
    waker: Arc<Waker>,
    thread: JoinHandle<io::Result<Outcome>>,
}

impl Crew {
    /// Starts the threads, which begin to connect at once.
    pub fn start(
        shared: Arc<Shared>,
        interrupt: Arc<AtomicBool>,
        quiet: bool,
        mut load: impl FnMut() -> Box<dyn Load>,
    ) -> io::Result<Self> {
        // A thread copies the descriptors that exist when it parts: all pollers are made before that.
        let polls = (0..shared.options.threads).map(|_| Poll::new()).collect::<io::Result<Vec<_>>>()?;
        let mut members = Vec::new();
        for (index, poll) in polls.into_iter().enumerate() {
            let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
            let (orders, inbox) = channel();
            let worker = Worker::new(poll, inbox, load(), Arc::clone(&shared), index as u32)?;
            let state = Arc::clone(&shared);
            let thread = thread::Builder::new().name(format!("flood-{index}")).spawn(move || {
                let outcome = worker.run();
                if outcome.is_err() {
                    state.failed.fetch_add(1, Relaxed);
                }
                outcome
            })?;
            members.push(Member { orders, waker, thread });
        }
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(0) };
        let style = "{msg:10} {bar:36} {human_pos}/{human_len}  {elapsed}  {prefix}";
        bar.set_style(ProgressStyle::with_template(style).expect("a valid template"));
        Ok(Self { shared, points: Vec::new(), members, bar, interrupt })
    }

    /// The wakers, by worker.
    pub fn wakers(&self) -> Vec<Arc<Waker>> {
        self.members.iter().map(|member| Arc::clone(&member.waker)).collect()
    }

    /// Waits until every connection is open or given up.
    pub fn ramp(&mut self) -> Ended {
        let threads = self.shared.options.threads;
        let total = self.shared.options.connections.into();
        self.wait("connecting", total, None, |shared| {
            let done = shared.opened.load(Relaxed) + shared.refused.load(Relaxed);
            (shared.ramped.load(Acquire) == threads, done)
        })
    }

    /// Has every worker prepare, and begin once all have.
    pub fn begin(&mut self) -> Ended {
        let threads = self.shared.options.threads;
        self.order(Order::Prepare);
        let ended = self.wait("preparing", threads.into(), None, |shared| {
            let prepared = shared.prepared.load(Acquire);
            (prepared == threads, prepared.into())
        });
        self.order(Order::Start);
        ended
    }

    /// Gives an order to every worker.
    pub fn order(&self, order: Order) {
        for member in &self.members {
            if member.orders.send(order).is_ok() {
                drop(member.waker.wake());
            }
        }
    }

    /// Lets time pass.
    pub fn pass(&mut self, what: &'static str, time: Duration) -> Ended {
        let (start, total) = (Instant::now(), time.as_millis() as u64);
        self.wait(what, total, Some(start + time), |_| (false, start.elapsed().as_millis() as u64))
    }

    /// Waits until `look` says that it is done; it also says how far things are. With a `deadline`, its
    /// passing is what is waited for, and nothing need happen before.
    pub fn wait(
        &mut self,
        what: &'static str,
        total: u64,
        deadline: Option<Instant>,
        look: impl Fn(&Shared) -> (bool, u64),
    ) -> Ended {
        let timeout = self.shared.options.timeout;
        let (mut newest, mut changed, mut drawn) = (u64::MAX, Instant::now(), None);
        self.bar.set_message(what);
        self.bar.set_length(total);
        loop {
            let (done, position) = look(&self.shared);
            let now = Instant::now();
            if position != newest {
                (newest, changed) = (position, now);
            }
            self.sample(now);
            if drawn.is_none_or(|drawn| now - drawn > TICK) {
                drawn = Some(now);
                let shared = &self.shared;
                let (open, received) = (shared.opened.load(Relaxed), shared.received.load(Relaxed));
                self.bar.set_position(position.min(total));
                self.bar.set_prefix(format!("{open} open, {received} received"));
            }
            if done || deadline.is_some_and(|deadline| now >= deadline) {
                return Ended::Met;
            }
            if self.interrupt.load(Relaxed) || self.shared.failed.load(Relaxed) > 0 {
                return Ended::Interrupted;
            }
            if deadline.is_none() && now - changed > timeout + Duration::from_secs(1) {
                return Ended::Stalled;
            }
            thread::sleep(deadline.map_or(LOOK, |deadline| deadline - now).min(LOOK));
        }
    }

    fn sample(&mut self, now: Instant) {
        let at_s = (now - self.shared.epoch).as_secs_f64();
        if self.points.last().is_none_or(|last| at_s - last.at_s >= TICK.as_secs_f64()) {
            let (open, received) = (self.shared.opened.load(Relaxed), self.shared.received.load(Relaxed));
            self.points.push(Point { at_s, open, received });
        }
    }

    /// Closes every connection and returns the account of the whole run, reconciled.
    pub fn finish(mut self, grace: Duration) -> io::Result<(Arc<Shared>, Tally, Vec<Point>)> {
        let interrupted = self.interrupt.swap(false, Relaxed);
        let grace = if interrupted { grace.min(Duration::from_secs(2)) } else { grace };
        self.order(Order::Close(Instant::now() + grace));
        let total = self.shared.opened.load(Relaxed);
        let members = std::mem::take(&mut self.members);
        self.wait("closing", total, Some(Instant::now() + grace + Duration::from_millis(200)), |shared| {
            let left = shared.opened.load(Relaxed);
            (members.iter().all(|member| member.thread.is_finished()), total.saturating_sub(left))
        });
        self.sample(Instant::now());
        self.bar.finish_and_clear();
        let mut outcomes = Vec::new();
        for member in members {
            drop(member.waker.wake());
            outcomes.push(member.thread.join().map_err(|_| io::Error::other("a flood thread panicked"))??);
        }
        self.interrupt.store(interrupted, Relaxed);
        settle(&self.shared, &mut outcomes);
        let mut tally = Tally::default();
        for mut outcome in outcomes {
            tally.faults.merge(std::mem::take(&mut outcome.ledger.faults));
            tally.merge(outcome.tally);
        }
        Ok((self.shared, tally, self.points))
    }
}

/// Confronts what was sent with what arrived. Members of a domain that the server has cut off are left
/// out: their loss is reported as such.
fn settle(shared: &Shared, outcomes: &mut [Outcome]) {
    use crate::ledger::Stream;
    let sent: Vec<_> = outcomes.iter().flat_map(|outcome| outcome.sent.iter().copied()).collect();
    for (index, outcome) in outcomes.iter_mut().enumerate() {
        let mine = shared.numbers_of(index as u32);
        for sent in &sent {
            let sender = sent.sender;
            let mut settle = |recipient| outcome.ledger.settle(Stream { recipient, sender }, sent.count);
            match sent.to {
                To::One(recipient) if mine.contains(&recipient) => settle(recipient),
                To::One(_) => {}
                To::Domain | To::Group => {
                    let group = sent.to == To::Group;
                    let members = shared.roster.members(shared.roster.domain(sender)).iter().copied();
                    members
                        .filter(|member| mine.contains(member) && shared.is_open(*member))
                        .filter(|member| shared.roster.hears(*member, sender, group))
                        .for_each(settle);
                }
            }
        }
    }
}

/// Set once SIGINT or SIGTERM has come.
pub fn interrupt_flag() -> io::Result<Arc<AtomicBool>> {
    static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    let flag = FLAG.get_or_init(Arc::default);
    static REGISTERED: AtomicU32 = AtomicU32::new(0);
    if REGISTERED.fetch_add(1, Relaxed) == 0 {
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            // The second one ends the tool on the spot.
            signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(flag))?;
            signal_hook::flag::register(signal, Arc::clone(flag))?;
        }
    }
    Ok(Arc::clone(flag))
}
