//! What a soak comes to: the samples of its quiet moments, and whether anything grew.

use std::fmt;
use std::io;

use comfy_table::{Table, presets};
use serde::Serialize;

use super::rounds::Rounds;

/// Rows of the table.
const ROWS_MAX: usize = 20;
/// Samples without which nothing can be said, after the warm-up.
const SAMPLES_MIN: usize = 3;
/// Rounds that bring as many.
pub(super) const ROUNDS_MIN: u32 = 1 + SAMPLES_MIN as u32;

/// One quiet moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Sample {
    /// Seconds since the beginning.
    pub(super) at_s: f64,
    /// As the server counts them.
    pub(super) connections: u64,
    /// Of all tables of the server.
    pub(super) descriptors: u64,
    /// Heap and stacks in bytes.
    pub(super) memory: u64,
    /// The most of it since the sample before.
    pub(super) memory_most: u64,
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sample { at_s, connections, descriptors, memory, memory_most } = *self;
        let (memory, most) = (mib(memory), mib(memory_most));
        write!(
            f,
            "{at_s:.0} s, {connections} connections, {descriptors} descriptors, {memory}, at most {most}"
        )
    }
}

/// The whole soak.
#[derive(Debug, Default, Serialize)]
pub(super) struct Soak {
    pub(super) ok: bool,
    pub(super) failures: Vec<String>,
    pub(super) seconds: f64,
    connections: u32,
    rounds: u32,
    /// Connections that came and went, and messages that arrived at them.
    churned: u64,
    received: u64,
    /// Medians of the first and the last third, after the warm-up, in bytes.
    memory_first: Option<u64>,
    memory_last: Option<u64>,
    /// By which it grew.
    growth_percent: Option<f64>,
    at_most_percent: f64,
    /// Descriptors that are no connections, the fewest and the most.
    descriptors_constant: Option<(i64, i64)>,
    pub(super) samples: Vec<Sample>,
}

impl Soak {
    /// One that fails when memory grows by more than this.
    pub(super) fn new(at_most_percent: f64, connections: u32) -> Self {
        Self { at_most_percent, connections, ..Self::default() }
    }

    /// Notes what came and went.
    pub(super) fn tally(&mut self, rounds: &Rounds) {
        self.rounds = rounds.count();
        self.churned = rounds.connections;
        self.received = rounds.received;
    }

    /// Compares the beginning with the end.
    pub(super) fn judge(&mut self) {
        // What the first rounds leave is what a server needs that has met everything once.
        let warm = self.samples.len().div_ceil(10);
        let warm = &self.samples[warm..];
        if warm.len() < SAMPLES_MIN {
            let have = self.samples.len();
            self.failures.push(format!("{have} quiet moments are too few to compare"));
        } else {
            let third = warm.len() / 3;
            let (first, last) = (median(&warm[..third]), median(&warm[warm.len() - third..]));
            let growth = (last as f64 / first as f64 - 1.0) * 100.0;
            (self.memory_first, self.memory_last) = (Some(first), Some(last));
            self.growth_percent = Some(growth);
            if growth > self.at_most_percent {
                let (first, last) = (mib(first), mib(last));
                self.failures.push(format!("memory grew by {growth:.1} %, from {first} to {last}"));
            }
        }
        let others = self.samples.iter().map(|sample| sample.descriptors as i64 - sample.connections as i64);
        self.descriptors_constant = others.clone().min().zip(others.max());
        if let Some((fewest, most)) = self.descriptors_constant.filter(|(fewest, most)| fewest != most) {
            self.failures.push(format!("descriptors that are no connections: {fewest} to {most}"));
        }
        self.ok = self.failures.is_empty();
    }

    /// Prints it.
    pub(super) fn show(&self, json: bool) -> io::Result<()> {
        if json {
            println!("{}", serde_json::to_string(self)?);
            return Ok(());
        }
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        table.set_header(["seconds", "connections", "descriptors", "memory", "at most before"]);
        for sample in self.samples.iter().step_by(self.samples.len().div_ceil(ROWS_MAX).max(1)) {
            table.add_row([
                format!("{:.0}", sample.at_s),
                sample.connections.to_string(),
                sample.descriptors.to_string(),
                mib(sample.memory),
                mib(sample.memory_most),
            ]);
        }
        println!("{table}");
        let Soak { rounds, churned, received, connections, seconds, .. } = self;
        println!("{connections} connections stayed for {seconds:.0} s");
        println!("{churned} came and went in {rounds} rounds, and got {received} messages");
        if let (Some(first), Some(last), Some(growth)) =
            (self.memory_first, self.memory_last, self.growth_percent)
        {
            println!(
                "memory, median of the first and of the last third: {}, {}: {growth:+.2} %",
                mib(first),
                mib(last)
            );
        }
        if let Some((fewest, most)) = self.descriptors_constant {
            let constant = if fewest == most { most.to_string() } else { format!("{fewest} to {most}") };
            println!("descriptors: connections and {constant}");
        }
        self.failures.iter().for_each(|failure| println!("FAILED: {failure}"));
        if self.ok {
            println!("ok");
        }
        Ok(())
    }
}

fn median(samples: &[Sample]) -> u64 {
    let mut sorted: Vec<u64> = samples.iter().map(|sample| sample.memory).collect();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

fn mib(bytes: u64) -> String {
    format!("{:.2} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soaked(samples: impl Iterator<Item = (u64, u64)>) -> Soak {
        let sample = |(round, (memory, descriptors))| Sample {
            at_s: round as f64,
            connections: 100,
            descriptors,
            memory,
            memory_most: memory,
        };
        let samples = samples.enumerate().map(sample).collect();
        let mut soak = Soak { samples, ..Soak::new(3.0, 100) };
        soak.judge();
        soak
    }

    #[test]
    fn what_stays_the_same_is_fine() {
        // The first rounds, and one that is an exception, do not count.
        let soak = soaked((0..30).map(|round| (if round < 2 || round == 29 { 500 } else { 1_000 }, 120)));
        assert!(soak.ok, "{soak:?}");
        assert_eq!((soak.growth_percent, soak.descriptors_constant), (Some(0.0), Some((20, 20))));
    }

    #[test]
    fn a_leak_of_memory_is_found() {
        let soak = soaked((0..30).map(|round| (1_000 + 2 * round, 120)));
        assert!(!soak.ok && soak.failures[0].starts_with("memory grew by 3."), "{soak:?}");
        assert!(soaked((0..30).map(|round| (1_000 + round, 120))).ok);
        assert!(soaked((0..30).map(|round| (1_000 - round, 120))).ok, "less is fine");
    }

    #[test]
    fn one_descriptor_that_stays_is_found() {
        let soak = soaked((0..30).map(|round| (1_000, 120 + u64::from(round == 17))));
        assert_eq!(soak.failures, ["descriptors that are no connections: 20 to 21"]);
    }

    #[test]
    fn nothing_can_be_said_of_a_few_moments() {
        assert!(soaked([(1_000, 120); ROUNDS_MIN as usize].into_iter()).ok);
        assert!(!soaked([(1_000, 120); ROUNDS_MIN as usize - 1].into_iter()).ok);
        assert!(!soaked(std::iter::empty()).ok);
    }
}
