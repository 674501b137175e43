//! What the operating system knows about this process: its age and its memory.

use fanfare::Memory;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a proportional set size is told again before it is measured anew: the kernel walks all pages for it, which
/// takes milliseconds when there are many, and a reactor waits meanwhile.
const PSS_AGE: Duration = Duration::from_secs(5);

/// This process.
pub(super) struct Process {
    started: Instant,
    pss: Mutex<Option<(Instant, u64)>>,
}

impl Process {
    pub(super) fn new() -> Process {
        Process { started: Instant::now(), pss: Mutex::new(None) }
    }

    /// Seconds since the start.
    pub(super) fn uptime_s(&self) -> f64 {
        // Milliseconds are enough, and short to read.
        self.started.elapsed().as_millis() as f64 / 1e3
    }

    /// The resident and the proportional set size in bytes, where `/proc` tells; what the kernel takes and the ceiling, where
    /// there is one.
    pub(super) fn memory(&self, memory: Option<Memory>) -> impl Iterator<Item = (&'static str, u64)> {
        let parts = [
            ("rss", resident_bytes()),
            ("kernel", memory.map(|memory| memory.kernel)),
            ("ceiling", memory.map(|memory| memory.ceiling)),
            ("pss", self.proportional_bytes()),
        ];
        parts.into_iter().filter_map(|(part, bytes)| Some((part, bytes?)))
    }

    fn proportional_bytes(&self) -> Option<u64> {
        // What a thread that panicked left there is a number like any other.
        let mut known = self.pss.lock().unwrap_or_else(PoisonError::into_inner);
        match *known {
            Some((since, bytes)) if since.elapsed() < PSS_AGE => Some(bytes),
            _ => {
                let bytes = field("/proc/self/smaps_rollup", "Pss:")?;
                *known = Some((Instant::now(), bytes));
                Some(bytes)
            }
        }
    }
}

/// Processor time of all threads in seconds, user and system.
pub(super) fn cpu_s() -> Option<f64> {
    // Hundredths of a second: USER_HZ, which programs see whatever the kernel counts in. proc_pid_stat(5).
    const TICKS_PER_S: f64 = 100.0;
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name before may have anything in it, spaces and parentheses too; the fields count from the one behind it, the third.
    let (_, fields) = text.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(14 - 3).map_while(|field| field.parse::<u64>().ok());
    Some((times.next()? + times.next()?) as f64 / TICKS_PER_S)
}

fn resident_bytes() -> Option<u64> {
    field("/proc/self/status", "VmRSS:")
}

/// A line such as `VmRSS:     1234 kB`, in bytes.
fn field(path: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_weighs_something() {
        let process = Process::new();
        let parts: Vec<_> = process.memory(None).collect();
        assert_eq!(parts.len(), 2);
        assert!(parts.iter().all(|(_, bytes)| *bytes > 100_000), "{parts:?}");
        let memory = Memory { ceiling: 3_000_000, process: 1, kernel: 2_000_000, is_over: false };
        let more: Vec<_> = process.memory(Some(memory)).collect();
        assert_eq!(more[1..], [("kernel", 2_000_000), ("ceiling", 3_000_000), parts[1]]);
    }

    #[test]
    fn work_costs_processor_time() {
        let before = cpu_s().unwrap();
        let begun = Instant::now();
        while cpu_s().unwrap() < before + 0.03 {
            assert!(begun.elapsed() < Duration::from_secs(20), "the processor has worked all the time");
        }
    }
}
