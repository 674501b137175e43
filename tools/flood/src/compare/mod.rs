//! `compare`: fanfare against the bare `send()` loop, in one run.
//!
//! All servers run, and have their connections, all the time: one fanfare for each protocol, and the loop. Short
//! stretches of broadcasts go to one after the other, so that whatever else the machine does meets all alike. The
//! ratio is the median over the rounds. Frames are of the same length, whatever the protocol. Servers and flood
//! each have a processor of their own where the machine has two.

pub(crate) mod server;
mod table;

use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use clap::Args;
use serde::Serialize;

use crate::args::{Common, payload};
use crate::run::{Broadcasts, Failure, Plan};
use crate::speech::Protocol;
use crate::sys;
use server::{Server, flood, number, program};

/// Windows before a stretch is measured: the first deliveries after a pause cost more (with three windows,
/// whichever server came second in a pair was a quarter dearer; with twenty, the order made no difference).
const WARMUP_BURSTS: u32 = 20;

/// `compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The fanfare program; beside this one if absent.
    #[arg(long, value_name = "PROGRAM")]
    pub fanfare: Option<PathBuf>,
    /// The fanfare-bare program; beside this one if absent.
    #[arg(long, value_name = "PROGRAM")]
    pub bare: Option<PathBuf>,
    /// What fanfare is measured with; the loop always has plain WebSockets.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "ws,sio4", value_name = "PROTOCOLS")]
    pub protocol: Vec<Protocol>,
    /// Stretches of each kind, for each server.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// Recipients of a broadcast, plus one.
    #[arg(long, short = 'n', default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(2..=19_000))]
    pub connections: u32,
    /// Broadcasts of a stretch; 20 windows if absent.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub messages: Option<u32>,
    /// Broadcasts in flight, of each kind of run.
    #[arg(long, value_delimiter = ',', default_value = "1,16")]
    pub in_flight: Vec<u32>,
    /// Fail when a ratio of plain WebSockets is above these, in the order of --in-flight.
    #[arg(long, value_delimiter = ',', value_name = "RATIOS")]
    pub at_most: Vec<f64>,
    /// The same for Socket.IO.
    #[arg(long, value_delimiter = ',', value_name = "RATIOS")]
    pub sio_at_most: Vec<f64>,
    /// Bytes of a content at `/ws`; Socket.IO gets frames of the same length.
    #[arg(long, default_value_t = 128, value_parser = payload)]
    pub payload: usize,
    /// Idle connections for memory and the cost of a connect; 0 to leave that out.
    #[arg(long, default_value_t = 30_000)]
    pub idle_connections: u32,
    /// Reactors for that.
    #[arg(long, default_value_t = 2)]
    pub idle_reactors: u32,
    /// Pause of the flood after each turn, see `broadcast --gather-us`.
    #[arg(long, value_name = "MICROSECONDS", default_value_t = 0)]
    pub gather_us: u64,
    /// Let the scheduler place server and flood.
    #[arg(long)]
    pub no_pin: bool,
    /// Print exactly one line, of JSON.
    #[arg(long)]
    pub json: bool,
}

/// One kind of run: a protocol, and so many broadcasts in flight.
#[derive(Debug, Serialize)]
struct Pairing {
    protocol: &'static str,
    in_flight: u32,
    /// Server processor time per delivery in microseconds, by round.
    fanfare_us: Vec<f64>,
    /// The same of the bare loop.
    bare_us: Vec<f64>,
    /// Broadcasts of a round.
    messages: u32,
    /// The median of the rounds' ratios, and its quartiles.
    ratio: f64,
    ratio_low: f64,
    ratio_high: f64,
    /// The ratio of the lower quartiles of both: what others do on the machine only ever adds to a cost.
    ratio_quiet: f64,
}

/// Idle connections.
#[derive(Debug, Serialize)]
struct Idle {
    protocol: &'static str,
    connections: u32,
    reactors: u32,
    cpu_us_per_connect: f64,
    pss_per_connection: f64,
    pss_before: f64,
    pss_after: f64,
}

#[derive(Debug, Serialize)]
struct Comparison {
    ok: bool,
    pairings: Vec<Pairing>,
    /// By protocol.
    idle: Vec<Idle>,
    failures: Vec<String>,
}

/// Runs everything, prints it, and says whether all runs were clean and below the limits.
pub fn compare(args: &CompareArgs) -> Result<bool, Failure> {
    if args.in_flight.is_empty() || args.in_flight.contains(&0) {
        return Err(Failure::Usage("--in-flight: numbers above 0".to_owned()));
    }
    if args.protocol.is_empty() {
        return Err(Failure::Usage("--protocol: at least one".to_owned()));
    }
    let fanfare = program(args.fanfare.as_deref(), "fanfare")?;
    let bare = program(args.bare.as_deref(), "fanfare-bare")?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut comparison =
        Comparison { ok: true, pairings: Vec::new(), idle: Vec::new(), failures: Vec::new() };
    for (place, in_flight) in args.in_flight.iter().enumerate() {
        for (protocol, pairing) in args.protocol.iter().zip(rounds(args, cores, &fanfare, &bare, *in_flight)?)
        {
            let limits = if *protocol == Protocol::Ws { &args.at_most } else { &args.sio_at_most };
            if let Some(limit) = limits.get(place).filter(|limit| pairing.ratio > **limit) {
                let Pairing { protocol, ratio, .. } = pairing;
                let what =
                    format!("{protocol}, {in_flight} in flight: the ratio is {ratio:.3}, above {limit}");
                comparison.failures.push(what);
            }
            comparison.pairings.push(pairing);
        }
    }
    // Protocol by protocol.
    comparison
        .pairings
        .sort_by_key(|pairing| args.protocol.iter().position(|protocol| protocol.name() == pairing.protocol));
    if args.idle_connections > 0 {
        for protocol in &args.protocol {
            comparison.idle.push(idle(args, cores, &fanfare, *protocol)?);
        }
    }
    comparison.ok = comparison.failures.is_empty();
    if args.json {
        println!("{}", serde_json::to_string(&comparison).map_err(io::Error::from)?);
    } else {
        table::print(&comparison);
    }
    Ok(comparison.ok)
}

/// A server with its connections.
struct Side {
    server: Server,
    protocol: Protocol,
    broadcasts: Broadcasts,
    costs_us: Vec<f64>,
}

impl Side {
    /// The processor time per delivery in one stretch, after it is warm.
    fn measure(mut self, warmup: u32, messages: u32) -> Result<Self, Failure> {
        if !self.broadcasts.stretch(warmup, "warming up") || !self.broadcasts.stretch(messages, "broadcast") {
            return Err(failed(&self.server, self.protocol, &self.broadcasts.finish()?.failures));
        }
        self.costs_us.push(self.broadcasts.cpu_us_per_delivery().unwrap_or(f64::NAN));
        Ok(self)
    }
}

/// All rounds with so many broadcasts in flight: a pairing for each protocol.
fn rounds(
    args: &CompareArgs,
    cores: usize,
    fanfare: &Path,
    bare: &Path,
    in_flight: u32,
) -> Result<Vec<Pairing>, Failure> {
    let place = |cpu| if args.no_pin || cores < 2 { Ok(()) } else { sys::pin_to(cpu) };
    // A child, and a thread, inherits its processor.
    place(0)?;
    let mut servers = Vec::new();
    for protocol in &args.protocol {
        servers.push((Server::start(fanfare, &["--reactors", "1", "--listen", "127.0.0.1:0"])?, *protocol));
    }
    servers.push((Server::start(bare, &["--listen", "127.0.0.1:0"])?, Protocol::Ws));
    place(1)?;
    // Whole windows, so that every burst is as long as it can be.
    let messages = args.messages.unwrap_or(20 * in_flight).next_multiple_of(in_flight);
    let warmup = WARMUP_BURSTS * in_flight;
    let mut sides = Vec::new();
    for (server, protocol) in servers {
        let plan = Plan {
            messages: messages + (warmup + messages) * args.rounds,
            in_flight,
            senders: 1,
            bytes: args.payload,
            receipt: false,
            like_gateway: protocol != Protocol::Ws,
        };
        let mut broadcasts = Broadcasts::start(&args.common(&server, protocol), plan)?;
        if !broadcasts.open(plan)? || !broadcasts.stretch(messages, "warming up") {
            return Err(failed(&server, protocol, &broadcasts.finish()?.failures));
        }
        sides.push(Side { server, protocol, broadcasts, costs_us: Vec::new() });
    }
    for round in 0..args.rounds {
        // Each in turn, and every other round backwards: none always comes after the same one.
        let backwards = round % 2 == 1;
        if backwards {
            sides.reverse();
        }
        sides = sides.into_iter().map(|side| side.measure(warmup, messages)).collect::<Result<_, _>>()?;
        if backwards {
            sides.reverse();
        }
        if !args.json {
            let newest = sides.iter().map(|side| format!("{:.3} us", side.costs_us[round as usize]));
            let newest = newest.collect::<Vec<_>>().join(", ");
            eprintln!("{in_flight:2} in flight, round {round:2}: {newest} (the last one is the loop)");
        }
    }
    let mut costs = Vec::new();
    for Side { server, protocol, broadcasts, costs_us } in sides {
        let report = broadcasts.finish()?;
        if !report.ok {
            return Err(failed(&server, protocol, &report.failures));
        }
        costs.push((protocol, costs_us));
    }
    let (_, bare_us) = costs.pop().expect("the loop is the last side");
    Ok(costs.into_iter().map(|side| Pairing::of(side, &bare_us, in_flight, messages)).collect())
}

impl Pairing {
    fn of(
        (protocol, fanfare_us): (Protocol, Vec<f64>),
        bare_us: &[f64],
        in_flight: u32,
        messages: u32,
    ) -> Self {
        let ratios: Vec<f64> = fanfare_us.iter().zip(bare_us).map(|(a, b)| a / b).collect();
        Self {
            protocol: protocol.name(),
            in_flight,
            messages,
            ratio: quartile(&ratios, 2),
            ratio_low: quartile(&ratios, 1),
            ratio_high: quartile(&ratios, 3),
            ratio_quiet: quartile(&fanfare_us, 1) / quartile(bare_us, 1),
            fanfare_us,
            bare_us: bare_us.to_vec(),
        }
    }
}

fn failed(server: &Server, protocol: Protocol, failures: &[String]) -> Failure {
    let what = format!("a run against {} failed: {}", server.url(protocol), failures.join("; "));
    Failure::Io(io::Error::other(what))
}

fn idle(args: &CompareArgs, cores: usize, fanfare: &Path, protocol: Protocol) -> Result<Idle, Failure> {
    sys::pin_to_all(cores)?;
    let reactors = args.idle_reactors.to_string();
    let server = Server::start(fanfare, &["--reactors", &reactors, "--listen", "127.0.0.1:0"])?;
    let options = [("hold", None), ("--connections", Some(args.idle_connections)), ("--seconds", Some(5))];
    let report = flood(&server, protocol, &options)?;
    Ok(Idle {
        protocol: protocol.name(),
        connections: args.idle_connections,
        reactors: args.idle_reactors,
        cpu_us_per_connect: number(&report, "/server/cpu_us_per_connect")?,
        pss_per_connection: number(&report, "/server/pss_per_connection")?,
        pss_before: number(&report, "/server/pss_before")?,
        pss_after: number(&report, "/server/pss_after")?,
    })
}

impl CompareArgs {
    /// The flags of `broadcast` for one of the servers.
    fn common(&self, server: &Server, protocol: Protocol) -> Common {
        Common {
            url: server.url(protocol),
            connections: self.connections,
            protocol,
            transport: None,
            user: None,
            group: None,
            threads: None,
            pid: Some(server.pid()),
            // A comparison takes longer than a server waits for a silent client.
            heartbeat_s: (protocol == Protocol::Ws).then_some(25.0),
            timeout_s: 30,
            connecting: 256,
            gather_us: self.gather_us,
            pin: None,
            json: self.json,
            report: None,
            quiet: true,
        }
    }
}

/// The value below which `quarters` quarters of the values are.
fn quartile(values: &[f64], quarters: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len() - 1) as f64 * quarters as f64 / 4.0;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_the_values() {
        assert_eq!(quartile(&[9.0, 2.0, 1.0], 2), 2.0);
        assert_eq!(quartile(&[9.0, 4.0, 2.0, 1.0], 2), 3.0);
        assert_eq!(quartile(&[1.0, 2.0, 3.0, 4.0, 5.0], 1), 2.0);
        assert_eq!(quartile(&[7.0], 3), 7.0);
    }
}
