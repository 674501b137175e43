//! A server that is told to end, and the one to which its clients return.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering::Acquire;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::report::Drain;
use crate::run::{Failure, Session};
use crate::shared::Shared;
use crate::tally;

/// How long the first server may go on listening.
const LISTENS: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(5);

/// The next server; it is told to end when this is dropped.
pub(super) struct Next(Child);

impl Drop for Next {
    fn drop(&mut self) {
        // It may have ended already.
        if let Some(pid) = Pid::from_raw(self.0.id() as i32) {
            let _ = kill_process(pid, Signal::INT);
        }
        let _ = self.0.wait();
    }
}

/// Tells the server to end, after all workers know that whoever is closed from then on comes back, and, once it listens no more, starts the next one.
pub(super) fn begin(session: &mut Session, pid: i32, then: Option<&str>) -> Result<Option<Next>, Failure> {
    let gone = |what: &str| Failure::Usage(format!("--drain {pid}: {what}"));
    let process = Pid::from_raw(pid).ok_or_else(|| gone("no process"))?;
    let shared = &session.crew.shared;
    let known = |shared: &Shared| shared.stormed.load(Acquire) == shared.options.threads;
    let asked = Instant::now();
    while !known(shared) && asked.elapsed() < LISTENS {
        std::thread::sleep(LOOK);
    }
    kill_process(process, Signal::TERM).map_err(|error| gone(&error.to_string()))?;
    let Some(command) = then else { return Ok(None) };
    let (begun, address) = (Instant::now(), session.crew.shared.target.address);
    while TcpStream::connect(address).is_ok() {
        if begun.elapsed() > LISTENS {
            return Err(gone("still listens"));
        }
        std::thread::sleep(LOOK);
    }
    let mut shell = Command::new("sh");
    // The shell becomes the server, so that it can be ended by its number.
    shell.args(["-c", &format!("exec {command}")]).stdin(Stdio::null()).stdout(Stdio::null());
    Ok(Some(Next(shell.spawn()?)))
}

/// What the workers have counted.
pub(super) fn account(tally: &tally::Storm) -> Drain {
    let (mean_per_s, max_per_s) = rates(&tally.back_per_s);
    Drain {
        closes: tally.closes.clone(),
        closed_per_s: tally.closed_per_s.clone(),
        back_per_s: tally.back_per_s.clone(),
        mean_per_s,
        max_per_s,
        spread: if mean_per_s > 0.0 { max_per_s as f64 / mean_per_s } else { 0.0 },
        lost_for_good: tally.dropped.saturating_sub(tally.back),
    }
}

/// The mean of the middle 90%, which leaves out how it begins and ends, and the busiest second.
fn rates(per_s: &[u64]) -> (f64, u64) {
    let total: u64 = per_s.iter().sum();
    // When so many were back, as if each second's had come evenly.
    let when = |count: f64| {
        let mut before = 0.0;
        for (second, here) in per_s.iter().map(|here| *here as f64).enumerate() {
            if here > 0.0 && before + here >= count {
                return second as f64 + (count - before) / here;
            }
            before += here;
        }
        per_s.len() as f64
    };
    let total = total as f64;
    let seconds = when(0.95 * total) - when(0.05 * total);
    (if seconds > 0.0 { 0.9 * total / seconds } else { 0.0 }, per_s.iter().copied().max().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_of_the_middle() {
        assert_eq!(rates(&[]), (0.0, 0));
        let (mean, most) = rates(&[0, 100, 100, 100, 100, 0]);
        assert!((mean - 100.0).abs() < 1e-6 && most == 100, "{mean}");
        // One that is late does not make it look slower.
        let (mean, most) = rates(&[10, 100, 100, 100, 100, 10, 0, 0, 0, 0, 0, 0, 1]);
        assert!((90.0..=101.0).contains(&mean) && most == 100, "{mean}");
        let (mean, most) = rates(&[400]);
        assert!((mean - 400.0).abs() < 1e-6 && most == 400, "{mean}");
    }
}
