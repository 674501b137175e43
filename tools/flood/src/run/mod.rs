//! The commands, one file each, and what they have in common: start, measure, judge.

mod broadcast;
mod drain;
mod echo;
mod hold;
mod rate;
mod storm;

pub use broadcast::broadcast;
pub(crate) use broadcast::{Broadcasts, Plan};
pub use echo::echo;
pub use hold::hold;
pub use rate::rate;
pub use storm::storm;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::args::Common;
use crate::crew::{Crew, Ended, interrupt_flag};
use crate::ledger::Fault;
use crate::load::Load;
use crate::probe::Probe;
use crate::report::{Connections, Messages, Rates, Report, Server};
use crate::roster::Roster;
use crate::shared::Shared;
use crate::tally::Tally;
use crate::target::Defaults;

/// How long the closing handshakes of all connections may take together.
const CLOSE_GRACE: Duration = Duration::from_secs(10);
/// After the last arrival, for those that should not come.
const LINGER: Duration = Duration::from_millis(200);
/// Between the end of the ramp or of the run and a look at the server's memory.
const SETTLE: Duration = Duration::from_millis(1500);
/// Points of the latency chart.
const LATENCY_POINTS: usize = 300;

/// Why there is no report.
#[derive(Debug)]
pub enum Failure {
    /// The command line cannot be followed: exit status 2.
    Usage(String),
    /// The machine would not: exit status 1.
    Io(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A run in progress.
struct Session {
    crew: Crew,
    report: Report,
    probe: Option<Probe>,
    server: Server,
    started: Instant,
    cpu_before: Duration,
}

impl Session {
    /// Starts the threads.
    fn start(
        command: &'static str,
        common: &Common,
        defaults: Defaults,
        load: impl FnMut() -> Box<dyn Load>,
    ) -> Result<Self, Failure> {
        let (target, options) = common.plan(defaults).map_err(Failure::Usage)?;
        let probe = match common.pid {
            Some(pid) => {
                Some(Probe::new(pid).map_err(|error| Failure::Usage(format!("--pid {pid}: {error}")))?)
            }
            None => None,
        };
        let mut server = Server { pid: common.pid.unwrap_or(0), ..Server::default() };
        let mut cpu_before = Duration::ZERO;
        if let Some(probe) = &probe {
            server.pss_before = probe.pss_bytes()?;
            cpu_before = probe.cpu()?;
        }
        let report = Report {
            command,
            protocol: options.speech.to_string(),
            url: target.url.clone(),
            notes: target.notes.clone(),
            threads: options.threads,
            ..Report::default()
        };
        let roster = Roster::new(&target, options.connections);
        let shared = Arc::new(Shared::new(options, target, roster));
        let crew = Crew::start(shared, interrupt_flag()?, common.quiet || common.json, load)?;
        Ok(Self { crew, report, probe, server, started: Instant::now(), cpu_before })
    }

    /// Waits for the connections; false when the run is to end here.
    fn ramp(&mut self) -> bool {
        let before = self.cpu();
        let ended = self.crew.ramp();
        let seconds = self.crew.shared.epoch.elapsed().as_secs_f64();
        self.report.connections.ramp_s = seconds;
        let opened = self.opened();
        self.report.connections.per_s = opened as f64 / seconds;
        if let (Some(before), Some(after), true) = (before, self.cpu(), opened > 0) {
            // The whole ramp, from before the first connect.
            let before = before.min(self.cpu_before);
            self.server.cpu_us_per_connect = Some((after - before).as_secs_f64() * 1e6 / opened as f64);
        }
        self.judge(ended, "connecting") && opened > 0
    }

    /// Notes how a wait ended; true when the run goes on.
    fn judge(&mut self, ended: Ended, what: &str) -> bool {
        match ended {
            Ended::Met => return true,
            Ended::Stalled => {
                let seconds = self.crew.shared.options.timeout.as_secs();
                self.report.failures.push(format!("{what}: nothing happened for {seconds} s"));
            }
            Ended::Interrupted => self.report.interrupted = true,
        }
        false
    }

    fn opened(&self) -> u64 {
        self.crew.shared.opened.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// The server's processor time so far.
    fn cpu(&self) -> Option<Duration> {
        self.probe.as_ref().and_then(|probe| probe.cpu().ok())
    }

    /// Server memory with the connections in place.
    fn weigh(&mut self) {
        let held = self.probe.as_ref().and_then(|probe| probe.pss_bytes().ok());
        let opened = self.opened();
        if let Some(held) = held.filter(|_| opened > 0) {
            self.server.pss_held = Some(held);
            self.server.pss_per_connection =
                Some((held as f64 - self.server.pss_before as f64) / opened as f64);
        }
    }

    /// Enters the speed of the measured stretch.
    fn measured(&mut self, seconds: f64, messages: u64, deliveries: u64, cpu: Option<(Duration, Duration)>) {
        let seconds = seconds.max(1e-9);
        self.report.rates = Some(Rates {
            seconds,
            messages,
            deliveries,
            messages_per_s: messages as f64 / seconds,
            deliveries_per_s: deliveries as f64 / seconds,
            ..Rates::default()
        });
        if let Some((before, after)) = cpu.filter(|_| deliveries > 0) {
            self.server.cpu_us_per_delivery = Some((after - before).as_secs_f64() * 1e6 / deliveries as f64);
        }
    }

    /// Closes everything and passes judgement; `expected` is how many messages had to arrive.
    fn finish(mut self, expected: Option<u64>) -> Result<Report, Failure> {
        let weigh_after = self.server.pss_held.is_some();
        let asked = self.crew.shared.options.connections;
        let (shared, tally, points) = self.crew.finish(CLOSE_GRACE)?;
        let mut report = self.report;
        if let Some(probe) = self.probe {
            if weigh_after {
                std::thread::sleep(SETTLE);
            }
            match (probe.pss_bytes(), probe.cpu()) {
                (Ok(pss), Ok(cpu)) => {
                    self.server.pss_after = Some(pss);
                    self.server.cpu_s = cpu.saturating_sub(self.cpu_before).as_secs_f64();
                }
                _ => report.failures.push("the server's process has ended".to_owned()),
            }
            report.server = Some(self.server);
        }
        drop(shared);
        report.seconds = self.started.elapsed().as_secs_f64();
        report.points = points;
        report.connections = Connections {
            asked,
            opened: tally.opened,
            refused: tally.refused,
            lost: tally.lost,
            retries: tally.retries,
            connect_us: tally.connect.percentiles(),
            ..report.connections
        };
        judge_connections(&mut report);
        if let Some(expected) = expected {
            judge_messages(&mut report, &tally, expected);
        }
        report.latency_us = tally.latency.percentiles();
        report.latency_points = tally.latency.over_time(LATENCY_POINTS);
        if let Some(rates) = &mut report.rates {
            rates.burst = tally.sent as f64 / tally.writes.max(1) as f64;
        }
        report.heartbeats = tally.heartbeats;
        report.heartbeats_answered = tally.heartbeats_answered;
        report.storm = report.storm.map(|storm| storm::account(storm, &tally.storm));
        if tally.heartbeats_answered < tally.heartbeats {
            let missing = tally.heartbeats - tally.heartbeats_answered;
            report.notes.push(format!("{missing} heartbeats were not answered"));
        }
        report.refusals = tally.refusals;
        report.closes = tally.closes;
        report.farewells = tally.farewells;
        report.answers = tally.answers;
        report.flood_cpu_s = tally.cpu.as_secs_f64();
        report.ok = report.failures.is_empty();
        Ok(report)
    }
}

fn judge_connections(report: &mut Report) {
    let Connections { asked, opened, refused, lost, .. } = report.connections;
    if refused > 0 {
        report.failures.push(format!("{refused} of {asked} connections were refused"));
    } else if opened < u64::from(asked) && !report.interrupted {
        report.failures.push(format!("{opened} of {asked} connections were opened"));
    }
    if lost > 0 {
        report.failures.push(format!("{lost} connections were ended by the server"));
    }
}

fn judge_messages(report: &mut Report, tally: &Tally, expected: u64) {
    let count = |fault| tally.faults.count(fault);
    let messages = Messages {
        sent: tally.sent,
        expected,
        received: tally.received,
        lost: count(Fault::Lost),
        duplicated: count(Fault::Duplicated),
        reordered: count(Fault::Reordered),
        corrupted: count(Fault::Corrupted),
        misrouted: count(Fault::Misrouted),
        strangers: tally.strangers,
        receipts: tally.receipts,
        receipts_delivered: tally.receipts_delivered,
    };
    for fault in Fault::ALL {
        let count = tally.faults.count(fault);
        if count > 0 {
            let examples = tally.faults.examples(fault).join("; ");
            report.failures.push(format!("{count} {fault}: {examples}"));
        }
    }
    if !tally.answers.is_empty() {
        let errors: u64 = tally.answers.values().sum();
        report.failures.push(format!("{errors} messages were answered with an error"));
    }
    if tally.receipts > 0 && tally.receipts_delivered != tally.received && !report.interrupted {
        let (said, came) = (tally.receipts_delivered, tally.received);
        report.failures.push(format!("the receipts say {said} deliveries, {came} arrived"));
    }
    report.messages = Some(messages);
}
