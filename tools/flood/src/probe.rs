//! What a server costs, read from `/proc` while it runs.

use std::fs;
use std::io;
use std::time::Duration;

/// A process that is looked at, never touched.
#[derive(Debug, Clone, Copy)]
pub struct Probe {
    pid: u32,
}

impl Probe {
    /// Fails when the process does not exist or may not be read.
    pub fn new(pid: u32) -> io::Result<Self> {
        let probe = Self { pid };
        probe.cpu()?;
        probe.pss_bytes()?;
        Ok(probe)
    }

    /// Processor time of all of its threads so far, to the nanosecond where the kernel keeps it.
    pub fn cpu(&self) -> io::Result<Duration> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.pid))? {
            // A thread may end between the listing and the reading.
            let Ok(line) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
            nanoseconds += line.split(' ').next().and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        }
        if nanoseconds == 0 { self.cpu_in_ticks() } else { Ok(Duration::from_nanos(nanoseconds)) }
    }

    /// The same from `stat`, in hundredths of a second, for kernels without schedstat.
    fn cpu_in_ticks(&self) -> io::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let ticks = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok());
        Ok(Duration::from_millis(10 * ticks.sum::<u64>()))
    }

    /// Descriptors of all of its threads' tables. One that several threads share counts once for each of them.
    pub fn descriptors(&self) -> io::Result<u64> {
        let mut open = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.pid))? {
            // A thread may end between the listing and the reading.
            let Ok(table) = fs::read_dir(task?.path().join("fd")) else { continue };
            open += table.count() as u64;
        }
        Ok(open)
    }

    /// Proportional set size: its own memory, and its share of what it has in common with others.
    pub fn pss_bytes(&self) -> io::Result<u64> {
        self.rollup("Pss:")
    }

    /// Heap and stacks, which it has in common with nobody: another process of the same program makes no difference.
    pub fn anonymous_bytes(&self) -> io::Result<u64> {
        self.rollup("Pss_Anon:")
    }

    fn rollup(&self, field: &str) -> io::Result<u64> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid))?;
        let kilobytes = rollup.lines().find_map(|line| line.strip_prefix(field)?.split_whitespace().next());
        let kilobytes = kilobytes.and_then(|number| number.parse::<u64>().ok());
        kilobytes.map(|kb| kb * 1024).ok_or_else(|| io::Error::other(format!("no {field} in smaps_rollup")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_process_can_be_read() {
        let probe = Probe::new(std::process::id()).unwrap();
        assert!(probe.pss_bytes().unwrap() > 100_000);
        assert!(probe.cpu().unwrap() > Duration::ZERO);
        assert!((1..=probe.pss_bytes().unwrap()).contains(&probe.anonymous_bytes().unwrap()));
        assert!(probe.descriptors().unwrap() >= 3);
        assert!(probe.cpu_in_ticks().unwrap() < Duration::from_secs(600));
        assert!(Probe::new(u32::MAX - 1).is_err());
    }
}
