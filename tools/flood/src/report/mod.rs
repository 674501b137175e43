//! What a run comes to: one value, shown as a table, as a line of JSON, or as a page.

mod html;
mod table;

pub use html::write_page;
pub use table::print_table;

use serde::Serialize;

use crate::crew::Point;
use crate::stats::{LatencyPoint, Percentiles};
use crate::tally::Reasons;

/// Everything that a run found out. The names are those of `--json`.
#[derive(Debug, Default, Serialize)]
#[expect(missing_docs, reason = "the names say it; the README explains those that need it")]
pub struct Report {
    pub command: &'static str,
    /// The protocol and, for Socket.IO, the transport.
    pub protocol: String,
    pub url: String,
    pub ok: bool,
    pub interrupted: bool,
    /// Why `ok` is false.
    pub failures: Vec<String>,
    /// What was assumed or looks odd.
    pub notes: Vec<String>,
    pub connections: Connections,
    pub messages: Option<Messages>,
    pub rates: Option<Rates>,
    pub latency_us: Option<Percentiles>,
    pub storm: Option<Storm>,
    pub server: Option<Server>,
    pub heartbeats: u64,
    pub heartbeats_answered: u64,
    pub refusals: Reasons,
    pub closes: Reasons,
    pub farewells: Reasons,
    pub answers: Reasons,
    pub threads: u32,
    pub seconds: f64,
    pub flood_cpu_s: f64,
    /// For the charts only.
    #[serde(skip)]
    pub points: Vec<Point>,
    /// For the charts only.
    #[serde(skip)]
    pub latency_points: Vec<LatencyPoint>,
}

/// The part about connections.
#[derive(Debug, Default, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Connections {
    pub asked: u32,
    pub opened: u64,
    pub refused: u64,
    pub lost: u64,
    pub retries: u64,
    pub ramp_s: f64,
    pub per_s: f64,
    pub connect_us: Option<Percentiles>,
}

/// The part about numbered messages.
#[derive(Debug, Default, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Messages {
    pub sent: u64,
    pub expected: u64,
    pub received: u64,
    pub lost: u64,
    pub duplicated: u64,
    pub reordered: u64,
    pub corrupted: u64,
    pub misrouted: u64,
    /// Messages that are not of this run.
    pub strangers: u64,
    pub receipts: u64,
    pub receipts_delivered: u64,
}

/// The part about speed, over the measured stretch.
#[derive(Debug, Default, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Rates {
    pub seconds: f64,
    pub messages: u64,
    pub deliveries: u64,
    pub messages_per_s: f64,
    pub deliveries_per_s: f64,
    /// Messages that left in one write, on average.
    pub burst: f64,
    /// The worst lag of the tool itself behind its plan.
    pub lag_us: Option<f64>,
}

/// The part about a storm.
#[derive(Debug, Default, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Storm {
    /// Connections that were cut at once.
    pub dropped: u64,
    pub back: u64,
    /// Until the last one was back.
    pub all_back_s: Option<f64>,
    pub within_s: f64,
    /// From the cut to being back.
    pub back_us: Option<Percentiles>,
    pub attempts: u64,
    /// Why attempts failed.
    pub refusals: Reasons,
    /// How the server closed them, if it was told to end.
    pub drain: Option<Drain>,
}

/// The part about a server that was told to end.
#[derive(Debug, Default, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Drain {
    /// What the server said.
    pub closes: Reasons,
    pub closed_per_s: Vec<u64>,
    pub back_per_s: Vec<u64>,
    /// Of the middle 90% of those that came back.
    pub mean_per_s: f64,
    /// In the busiest second.
    pub max_per_s: u64,
    /// The busiest second against the mean.
    pub spread: f64,
    pub lost_for_good: u64,
}

/// The part about the server's process.
#[derive(Debug, Default, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Server {
    pub pid: u32,
    pub pss_before: u64,
    pub pss_held: Option<u64>,
    pub pss_after: Option<u64>,
    pub pss_per_connection: Option<f64>,
    pub cpu_us_per_connect: Option<f64>,
    pub idle_cpu_percent: Option<f64>,
    pub cpu_us_per_delivery: Option<f64>,
    pub cpu_s: f64,
}
