//! What happened to the connections: opened, refused, lost, and the server's reasons.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ledger::Faults;
use crate::stats::Latency;

/// Reasons beyond this many kinds are counted together.
const KINDS_MAX: usize = 64;

/// Counted by what was said.
pub type Reasons = BTreeMap<String, u64>;

/// Counts one `what`.
pub fn count(reasons: &mut Reasons, what: String) {
    count_many(reasons, what, 1);
}

fn count_many(reasons: &mut Reasons, what: String, times: u64) {
    let known = reasons.len() < KINDS_MAX || reasons.contains_key(&what);
    *reasons.entry(if known { what } else { "others".to_owned() }).or_default() += times;
}

/// What a storm did.
#[derive(Debug, Default)]
pub struct Storm {
    /// Connections that were cut.
    pub dropped: u64,
    /// Connections that came back.
    pub back: u64,
    /// Attempts to come back.
    pub attempts: u64,
    /// From the storm to being back.
    pub time: Latency,
    /// Why attempts failed.
    pub refusals: Reasons,
    /// How the server closed those that it was to close.
    pub closes: Reasons,
    /// How many it closed, and how many came back, in each second.
    pub closed_per_s: Vec<u64>,
    /// Those that came back.
    pub back_per_s: Vec<u64>,
}

/// One worker's account, or the sum of all.
#[derive(Debug, Default)]
pub struct Tally {
    /// Connections that were upgraded.
    pub opened: u64,
    /// Connections that never were, in spite of every attempt.
    pub refused: u64,
    /// Connections that ended before the tool closed them.
    pub lost: u64,
    /// Attempts that were made again.
    pub retries: u64,
    /// Every answer but 101, and every failed connect, retried or not.
    pub refusals: Reasons,
    /// Close codes with reasons, and other ends, of connections that the tool had not closed.
    pub closes: Reasons,
    /// Close codes in answer to the tool's own.
    pub farewells: Reasons,
    /// Error answers of the gateway (`code` other than 0).
    pub answers: Reasons,
    /// From connect to 101.
    pub connect: Latency,
    /// From the intended time of sending to the arrival.
    pub latency: Latency,
    /// Messages that went wrong.
    pub faults: Faults,
    /// How connections came back after a storm.
    pub storm: Storm,
    /// Numbered messages sent.
    pub sent: u64,
    /// Distinct numbered messages that arrived.
    pub received: u64,
    /// Writes that carried numbered messages.
    pub writes: u64,
    /// Receipts, and what they said was delivered.
    pub receipts: u64,
    /// Sum of `delivered` over the receipts.
    pub receipts_delivered: u64,
    /// Heartbeats sent, pings sent or, with Socket.IO 3 and later, pings of the server.
    pub heartbeats: u64,
    /// Heartbeats answered.
    pub heartbeats_answered: u64,
    /// Messages that are none of the above.
    pub strangers: u64,
    /// Bytes in.
    pub bytes_in: u64,
    /// Processor time of the flood threads.
    pub cpu: Duration,
}

impl Tally {
    /// Adds another worker's account.
    pub fn merge(&mut self, other: Self) {
        self.opened += other.opened;
        self.refused += other.refused;
        self.lost += other.lost;
        self.retries += other.retries;
        for (mine, theirs) in [
            (&mut self.refusals, other.refusals),
            (&mut self.closes, other.closes),
            (&mut self.farewells, other.farewells),
            (&mut self.answers, other.answers),
            (&mut self.storm.refusals, other.storm.refusals),
            (&mut self.storm.closes, other.storm.closes),
        ] {
            theirs.into_iter().for_each(|(what, times)| count_many(mine, what, times));
        }
        self.connect.merge(&other.connect);
        self.latency.merge(&other.latency);
        self.faults.merge(other.faults);
        for (mine, theirs) in [
            (&mut self.storm.closed_per_s, other.storm.closed_per_s),
            (&mut self.storm.back_per_s, other.storm.back_per_s),
        ] {
            mine.resize(mine.len().max(theirs.len()), 0);
            mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine += theirs);
        }
        self.storm.dropped += other.storm.dropped;
        self.storm.back += other.storm.back;
        self.storm.attempts += other.storm.attempts;
        self.storm.time.merge(&other.storm.time);
        self.sent += other.sent;
        self.received += other.received;
        self.writes += other.writes;
        self.receipts += other.receipts;
        self.receipts_delivered += other.receipts_delivered;
        self.heartbeats += other.heartbeats;
        self.heartbeats_answered += other.heartbeats_answered;
        self.strangers += other.strangers;
        self.bytes_in += other.bytes_in;
        self.cpu += other.cpu;
    }
}
