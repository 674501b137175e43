//! How much memory is taken of what may be: what all reactors know of it, and the steps in which it is acted on.
//!
//! Owns the sums and the levels. Leaves the weighing, and who is shed, to the scales
//! of each reactor.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// From this part of the ceiling on newcomers are refused, in percent,
const REFUSE: u64 = 90;
/// until so much is free again: a door that opens for one and shuts again is no help.
const AGAIN: u64 = 87;
/// From this part on who has most waiting is shed, until it is below [`REFUSE`].
const SHED: u64 = 97;

/// What a reactor's links take of the kernel, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// What every connection takes: the socket, its file, its entry in the poll.
    pub idle: u64,
    /// What waits in the kernel to be sent, or to be read.
    pub queued: u64,
    /// What waits in outboxes, shared frames counted for each, and where it matters what was received and is not whole.
    pub waiting: u64,
}

#[derive(Debug, Default)]
struct Cells {
    idle: AtomicU64,
    queued: AtomicU64,
    waiting: AtomicU64,
}

/// What is done about the memory that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    Fine,
    /// Newcomers are refused.
    Refuse,
    /// Who has most waiting is closed.
    Shed,
}

/// See the module.
#[derive(Debug)]
pub struct Pressure {
    /// 0 is none.
    ceiling: AtomicU64,
    /// What is resident of the process.
    process: AtomicU64,
    reactors: Box<[Cells]>,
    /// What links had here that were shed, and is still counted as the process's.
    freeing: AtomicU64,
    level: AtomicU8,
}

impl Pressure {
    /// Of a server with so many reactors, without a ceiling.
    pub fn new(reactors: usize) -> Pressure {
        let reactors = (0..reactors).map(|_| Cells::default()).collect();
        Pressure {
            ceiling: AtomicU64::new(0),
            process: AtomicU64::new(0),
            reactors,
            freeing: AtomicU64::new(0),
            level: AtomicU8::new(Level::Fine as u8),
        }
    }

    /// Has this ceiling from now on.
    pub fn set_ceiling(&self, ceiling: Option<u64>) {
        self.ceiling.store(ceiling.unwrap_or(0), Ordering::Relaxed);
        if ceiling.is_none() {
            self.level.store(Level::Fine as u8, Ordering::Relaxed);
        }
    }

    /// The ceiling in bytes.
    pub fn ceiling(&self) -> Option<u64> {
        Some(self.ceiling.load(Ordering::Relaxed)).filter(|ceiling| *ceiling > 0)
    }

    /// What the process takes, as of the last look.
    pub fn process(&self) -> u64 {
        self.process.load(Ordering::Relaxed)
    }

    /// What the kernel takes for its connections, as of the last look.
    pub fn kernel(&self) -> u64 {
        let all = self.reactors.iter();
        all.map(|cells| cells.idle.load(Ordering::Relaxed) + cells.queued.load(Ordering::Relaxed)).sum()
    }

    /// Whether newcomers are refused.
    pub fn refuses(&self) -> bool {
        self.level.load(Ordering::Relaxed) >= Level::Refuse as u8
    }

    /// Whether newcomers will be refused if the process takes so much.
    pub(super) fn would_refuse(&self, process: u64) -> bool {
        self.ceiling()
            .is_some_and(|ceiling| self.refuses() || process + self.kernel() >= part(ceiling, REFUSE))
    }

    /// A reactor has looked, and may have to act.
    pub(super) fn weighed(&self, reactor: usize, weight: Weight, process: u64) -> Level {
        let cells = &self.reactors[reactor];
        cells.idle.store(weight.idle, Ordering::Relaxed);
        cells.queued.store(weight.queued, Ordering::Relaxed);
        cells.waiting.store(weight.waiting, Ordering::Relaxed);
        self.process.store(process, Ordering::Relaxed);
        let Some(ceiling) = self.ceiling() else { return Level::Fine };
        let (used, before) = (self.used(), self.level.load(Ordering::Relaxed));
        let level = match used {
            _ if used >= part(ceiling, SHED) => Level::Shed,
            _ if used >= part(ceiling, REFUSE) => Level::Refuse,
            _ if used >= part(ceiling, AGAIN) && before >= Level::Refuse as u8 => Level::Refuse,
            _ => Level::Fine,
        };
        let was = self.level.swap(level as u8, Ordering::Relaxed);
        if was != level as u8 {
            say(Level::of(was), level, used, ceiling);
        }
        level
    }

    pub(super) fn reactors(&self) -> usize {
        self.reactors.len()
    }

    /// A reactor sheds links that have so much in the kernel, which is free as soon as they are closed, and so much in their
    /// outboxes, which is when the allocator has given it back.
    pub(super) fn begin_freeing(&self, reactor: usize, queued: u64, waiting: u64) {
        // Its own cell, which nobody else changes.
        let cell = &self.reactors[reactor].queued;
        cell.store(cell.load(Ordering::Relaxed).saturating_sub(queued), Ordering::Relaxed);
        self.freeing.fetch_add(waiting, Ordering::Relaxed);
    }

    /// What was in outboxes is free, and whoever looks next sees it.
    pub(super) fn end_freeing(&self, waiting: u64) {
        self.freeing.fetch_sub(waiting, Ordering::Relaxed);
    }

    fn used(&self) -> u64 {
        (self.process() + self.kernel()).saturating_sub(self.freeing.load(Ordering::Relaxed))
    }

    /// What may come until links are shed, in bytes.
    pub(super) fn headroom(&self) -> u64 {
        let ceiling = self.ceiling().unwrap_or(u64::MAX);
        part(ceiling, SHED).saturating_sub(self.used())
    }

    /// What a reactor has to free, in bytes, so that all together free enough: as much of it as its links have of what
    /// waits.
    pub(super) fn share_to_free(&self, reactor: usize) -> u64 {
        let waits = |cells: &Cells| {
            u128::from(cells.queued.load(Ordering::Relaxed) + cells.waiting.load(Ordering::Relaxed))
        };
        let all: u128 = self.reactors.iter().map(waits).sum();
        let over = self.used().saturating_sub(part(self.ceiling().unwrap_or(u64::MAX), REFUSE));
        // Rounded up: what nobody frees stays.
        (u128::from(over) * waits(&self.reactors[reactor])).div_ceil(all.max(1)) as u64
    }
}

impl Level {
    fn of(number: u8) -> Level {
        match number {
            0 => Level::Fine,
            1 => Level::Refuse,
            _ => Level::Shed,
        }
    }
}

fn part(ceiling: u64, percent: u64) -> u64 {
    (u128::from(ceiling) * u128::from(percent) / 100) as u64
}

fn say(was: Level, level: Level, used: u64, ceiling: u64) {
    let mib = |bytes: u64| bytes >> 20;
    let (used, ceiling) = (mib(used), mib(ceiling));
    match level {
        Level::Shed => log::error!(
            "memory: {used} MiB of {ceiling} MiB are taken: who has most waiting is closed until less than {REFUSE}% are"
        ),
        Level::Refuse if was == Level::Fine => {
            log::warn!("memory: {used} MiB of {ceiling} MiB are taken: newcomers are refused");
        }
        Level::Refuse => {
            log::warn!("memory: {used} MiB of {ceiling} MiB are taken: newcomers still are refused")
        }
        Level::Fine => {
            log::info!("memory: {used} MiB of {ceiling} MiB are taken: newcomers are welcome again")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queued(bytes: u64) -> Weight {
        Weight { idle: 0, queued: bytes, waiting: 0 }
    }

    #[test]
    fn steps_begin_at_their_value_and_end_below_it() {
        let pressure = Pressure::new(1);
        pressure.set_ceiling(Some(1_000));
        for (bytes, level) in [
            (0, Level::Fine),
            (899, Level::Fine),
            (900, Level::Refuse),
            (870, Level::Refuse),
            (869, Level::Fine),
            (870, Level::Fine),
            (969, Level::Refuse),
            (970, Level::Shed),
            (1_100, Level::Shed),
            (969, Level::Refuse),
            (0, Level::Fine),
        ] {
            assert_eq!(pressure.weighed(0, queued(bytes), 0), level, "{bytes}");
            assert_eq!(pressure.refuses(), level >= Level::Refuse);
        }
        pressure.weighed(0, queued(1_000), 0);
        pressure.set_ceiling(None);
        assert!(!pressure.refuses());
        assert_eq!(pressure.weighed(0, queued(1_000), u64::MAX / 2), Level::Fine);
    }

    #[test]
    fn all_parts_count_and_all_reactors_free_together_what_is_too_much() {
        let pressure = Pressure::new(3);
        pressure.set_ceiling(Some(10_000));
        pressure.weighed(0, Weight { idle: 500, queued: 2_000, waiting: 1_000 }, 1_000);
        pressure.weighed(1, Weight { idle: 500, queued: 5_000, waiting: 1_000 }, 1_000);
        assert_eq!((pressure.process(), pressure.kernel(), pressure.headroom()), (1_000, 8_000, 700));
        let level = pressure.weighed(2, Weight { idle: 300, queued: 400, waiting: 0 }, 1_200);
        assert_eq!((level, pressure.headroom()), (Level::Shed, 0));
        let shares: Vec<u64> = (0..3).map(|reactor| pressure.share_to_free(reactor)).collect();
        assert!((900..903).contains(&shares.iter().sum::<u64>()), "{shares:?}");
        assert!(shares[1] > shares[0] && shares[0] > shares[2], "{shares:?}");
        // What was shed is not shed again before it is free.
        pressure.begin_freeing(1, 400, 500);
        assert_eq!((pressure.kernel(), pressure.share_to_free(0), pressure.headroom()), (8_300, 0, 700));
        pressure.end_freeing(500);
        assert_eq!((pressure.headroom(), pressure.share_to_free(0) > shares[0] / 2), (200, true));
    }
}
