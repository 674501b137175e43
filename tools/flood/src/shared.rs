//! What all threads of a run can see: the plan, and counters for progress.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::roster::Roster;
use crate::speech::Speech;
use crate::target::Target;

/// How a run is to be done, from the flags.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// What they speak.
    pub speech: Speech,
    /// Connections in all.
    pub connections: u32,
    /// Flood threads.
    pub threads: u32,
    /// Every connection says something at least this often; `None` for never.
    pub heartbeat: Option<Duration>,
    /// How long a handshake may take, and how long nothing may happen while something is awaited.
    pub timeout: Duration,
    /// A pause after each turn of a worker's loop, so that it finds more to do in the next.
    pub gather: Option<Duration>,
    /// Connects in progress per thread.
    pub connecting_max: u32,
    /// Processor for the flood threads.
    pub pin: Option<usize>,
}

/// The state that the threads of a run share.
#[derive(Debug)]
pub struct Shared {
    /// When the run began; every time in a message counts from here.
    pub epoch: Instant,
    /// Tells this run's messages from those of another.
    pub run: u64,
    /// How it is to be done.
    pub options: Options,
    /// Where the connections go.
    pub target: Target,
    /// Who they are.
    pub roster: Roster,
    /// By number: upgraded, and not lost since.
    open: Vec<AtomicBool>,
    /// Open at this moment.
    pub opened: AtomicU64,
    /// Given up.
    pub refused: AtomicU64,
    /// Ended by the server.
    pub lost: AtomicU64,
    /// Numbered messages sent.
    pub sent: AtomicU64,
    /// Distinct numbered messages that arrived.
    pub received: AtomicU64,
    /// Arrivals that the messages sent so far have to cause.
    pub expected: AtomicU64,
    /// Receipts that arrived.
    pub receipts: AtomicU64,
    /// Cut by a storm, on purpose.
    pub dropped: AtomicU64,
    /// Open again after that.
    pub returned: AtomicU64,
    /// Workers that have cut all of theirs.
    pub stormed: AtomicU32,
    /// Workers whose connections are all open or given up.
    pub ramped: AtomicU32,
    /// Workers that have followed `Prepare`.
    pub prepared: AtomicU32,
    /// Workers that will send no more of their own accord.
    pub spent: AtomicU32,
    /// Workers that ended with an error.
    pub failed: AtomicU32,
}

impl Shared {
    /// A run that begins now.
    pub fn new(options: Options, target: Target, roster: Roster) -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            epoch: Instant::now(),
            run: (since_1970.as_nanos() as u64) ^ (u64::from(std::process::id()) << 48),
            open: (0..options.connections).map(|_| AtomicBool::new(false)).collect(),
            options,
            target,
            roster,
            opened: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            expected: AtomicU64::new(0),
            receipts: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            returned: AtomicU64::new(0),
            stormed: AtomicU32::new(0),
            ramped: AtomicU32::new(0),
            prepared: AtomicU32::new(0),
            spent: AtomicU32::new(0),
            failed: AtomicU32::new(0),
        }
    }

    /// Whether connection `number` is open (or was, when the tool began to close).
    pub fn is_open(&self, number: u32) -> bool {
        self.open[number as usize].load(Relaxed)
    }

    pub(crate) fn set_open(&self, number: u32, open: bool) {
        self.open[number as usize].store(open, Relaxed);
    }

    /// Every open connection, in order.
    pub fn open_numbers(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.options.connections).filter(|number| self.is_open(*number))
    }

    /// The connections that worker `index` has.
    pub fn numbers_of(&self, index: u32) -> std::ops::Range<u32> {
        let edge = |index: u32| {
            (u64::from(self.options.connections) * u64::from(index) / u64::from(self.options.threads)) as u32
        };
        edge(index)..edge(index + 1)
    }

    /// The worker that has connection `number`.
    pub fn worker_of(&self, number: u32) -> usize {
        (0..self.options.threads).position(|index| self.numbers_of(index).contains(&number)).unwrap_or(0)
    }
}
