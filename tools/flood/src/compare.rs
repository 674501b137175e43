//! `compare`: fanfare against the bare `send()` loop, in one run.
//!
//! Both servers run, and have their connections, all the time; short stretches of broadcasts go to one and
//! the other in turn, so that whatever else the machine does meets both alike. The ratio is the median over
//! the pairs. Servers and flood each have a processor of their own where the machine has two.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use clap::Args;
use comfy_table::{Table, presets};
use serde::Serialize;
use serde_json::Value;

use crate::args::{Common, payload};
use crate::run::{Broadcasts, Failure, Plan};
use crate::speech::Protocol;
use crate::sys;

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
    /// Pairs of stretches of each kind.
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
    /// Fail when a ratio is above these, in the order of --in-flight.
    #[arg(long, value_delimiter = ',', value_name = "RATIOS")]
    pub at_most: Vec<f64>,
    /// Bytes of a content.
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

/// One kind of run: so many broadcasts in flight.
#[derive(Debug, Serialize)]
struct Pairing {
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
    idle: Option<Idle>,
    failures: Vec<String>,
}

/// A server that ends with this value.
struct Server {
    child: Child,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left behind.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Runs everything, prints it, and says whether all runs were clean and below the limits.
pub fn compare(args: &CompareArgs) -> Result<bool, Failure> {
    if args.in_flight.is_empty() || args.in_flight.contains(&0) {
        return Err(Failure::Usage("--in-flight: numbers above 0".to_owned()));
    }
    let fanfare = program(args.fanfare.as_deref(), "fanfare")?;
    let bare = program(args.bare.as_deref(), "fanfare-bare")?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut comparison = Comparison { ok: true, pairings: Vec::new(), idle: None, failures: Vec::new() };
    for in_flight in &args.in_flight {
        let pairing = pair(args, cores, &fanfare, &bare, *in_flight)?;
        let limit = args.at_most.get(comparison.pairings.len());
        if let Some(limit) = limit.filter(|limit| pairing.ratio > **limit) {
            let ratio = pairing.ratio;
            comparison
                .failures
                .push(format!("{in_flight} in flight: the ratio is {ratio:.3}, above {limit}"));
        }
        comparison.pairings.push(pairing);
    }
    if args.idle_connections > 0 {
        comparison.idle = Some(idle(args, cores, &fanfare)?);
    }
    comparison.ok = comparison.failures.is_empty();
    if args.json {
        println!("{}", serde_json::to_string(&comparison).map_err(io::Error::from)?);
    } else {
        print(&comparison);
    }
    Ok(comparison.ok)
}

fn pair(
    args: &CompareArgs,
    cores: usize,
    fanfare: &Path,
    bare: &Path,
    in_flight: u32,
) -> Result<Pairing, Failure> {
    let place = |cpu| if args.no_pin || cores < 2 { Ok(()) } else { sys::pin_to(cpu) };
    // A child, and a thread, inherits its processor.
    place(0)?;
    let servers = [
        Server::start(fanfare, &["--reactors", "1", "--listen", "127.0.0.1:0"])?,
        Server::start(bare, &["--listen", "127.0.0.1:0"])?,
    ];
    place(1)?;
    // Whole windows, so that every burst is as long as it can be.
    let messages = args.messages.unwrap_or(20 * in_flight).next_multiple_of(in_flight);
    let warmup = WARMUP_BURSTS * in_flight;
    let plan = Plan {
        messages: messages + (warmup + messages) * args.rounds,
        in_flight,
        senders: 1,
        bytes: args.payload,
        receipt: false,
        like_gateway: false,
    };
    let mut sides = Vec::new();
    for server in &servers {
        let mut side = Broadcasts::start(&args.common(server), plan)?;
        if !side.open(plan)? || !side.stretch(messages, "warming up") {
            return Err(failed(server, &side.finish()?.failures));
        }
        sides.push(side);
    }
    let mut costs = [Vec::new(), Vec::new()];
    for round in 0..args.rounds {
        // A B, then B A: neither always comes second.
        for side in [round % 2, 1 - round % 2].map(|side| side as usize) {
            if !sides[side].stretch(warmup, "warming up") || !sides[side].stretch(messages, "broadcast") {
                return Err(failed(&servers[side], &sides.swap_remove(side).finish()?.failures));
            }
            costs[side].push(sides[side].cpu_us_per_delivery().unwrap_or(f64::NAN));
        }
        let [a, b] = [&costs[0], &costs[1]].map(|costs| costs[round as usize]);
        if !args.json {
            eprintln!("{in_flight:2} in flight, round {round:2}: {a:.3} us, bare {b:.3} us, {:.3}", a / b);
        }
    }
    for (side, server) in sides.into_iter().zip(&servers) {
        let report = side.finish()?;
        if !report.ok {
            return Err(failed(server, &report.failures));
        }
    }
    let [fanfare_us, bare_us] = costs;
    let ratio_quiet = quartile(&fanfare_us, 1) / quartile(&bare_us, 1);
    let ratios: Vec<f64> = fanfare_us.iter().zip(&bare_us).map(|(a, b)| a / b).collect();
    Ok(Pairing {
        in_flight,
        messages,
        ratio: quartile(&ratios, 2),
        ratio_low: quartile(&ratios, 1),
        ratio_high: quartile(&ratios, 3),
        ratio_quiet,
        fanfare_us,
        bare_us,
    })
}

fn failed(server: &Server, failures: &[String]) -> Failure {
    Failure::Io(io::Error::other(format!("a run against {} failed: {}", server.url, failures.join("; "))))
}

fn idle(args: &CompareArgs, cores: usize, fanfare: &Path) -> Result<Idle, Failure> {
    sys::pin_to_all(cores)?;
    let reactors = args.idle_reactors.to_string();
    let server = Server::start(fanfare, &["--reactors", &reactors, "--listen", "127.0.0.1:0"])?;
    let options = [("hold", None), ("--connections", Some(args.idle_connections)), ("--seconds", Some(5))];
    let report = flood(&server, &options)?;
    Ok(Idle {
        connections: args.idle_connections,
        reactors: args.idle_reactors,
        cpu_us_per_connect: number(&report, "/server/cpu_us_per_connect")?,
        pss_per_connection: number(&report, "/server/pss_per_connection")?,
        pss_before: number(&report, "/server/pss_before")?,
        pss_after: number(&report, "/server/pss_after")?,
    })
}

impl CompareArgs {
    /// The flags of `broadcast` for one of the two servers.
    fn common(&self, server: &Server) -> Common {
        Common {
            url: server.url.clone(),
            connections: self.connections,
            protocol: Protocol::Ws,
            transport: None,
            user: None,
            group: None,
            threads: None,
            pid: Some(server.child.id()),
            // A comparison takes longer than a server waits for a silent client.
            heartbeat_s: Some(25.0),
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

impl Server {
    /// Starts a program and waits for the line with its address.
    fn start(program: &Path, arguments: &[&str]) -> Result<Self, Failure> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| Failure::Usage(format!("{}: {error}", program.display())))?;
        let stdout = child.stdout.take().expect("piped");
        let mut server = Self { child, url: String::new() };
        let mut lines = BufReader::new(stdout).lines();
        for line in &mut lines {
            let line = line?;
            if let Some((_, address)) = line.split_once("ready on http://") {
                let address = address.split_whitespace().next().unwrap_or_default();
                server.url = format!("ws://{address}/ws");
                // Whatever it says later must not fill the pipe.
                thread::spawn(move || lines.for_each(drop));
                return Ok(server);
            }
        }
        Err(Failure::Io(io::Error::other(format!("{} ended without a ready line", program.display()))))
    }
}

/// Runs this very program against a server; anything but a clean run is an error.
fn flood(server: &Server, options: &[(&str, Option<u32>)]) -> Result<Value, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    for (name, value) in options {
        command.arg(name);
        command.args(value.map(|value| value.to_string()));
    }
    command.args(["--json", "--url", &server.url, "--pid", &server.child.id().to_string()]);
    let output = command.stderr(Stdio::inherit()).output()?;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    if output.status.success() {
        return Ok(report);
    }
    let what = report.get("failures").map_or_else(|| output.status.to_string(), Value::to_string);
    Err(Failure::Io(io::Error::other(format!("a run against {} failed: {what}", server.url))))
}

fn number(report: &Value, place: &str) -> Result<f64, Failure> {
    let number = report.pointer(place).and_then(Value::as_f64);
    number.ok_or_else(|| Failure::Io(io::Error::other(format!("no {place} in the report of a run"))))
}

fn program(given: Option<&Path>, name: &str) -> Result<PathBuf, Failure> {
    let path = match given {
        Some(path) => path.to_owned(),
        None => std::env::current_exe()?.with_file_name(name),
    };
    if path.is_file() {
        Ok(path)
    } else {
        Err(Failure::Usage(format!("{}: no such program", path.display())))
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

fn print(comparison: &Comparison) {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header([
        "server CPU per delivery",
        "fanfare",
        "bare send()",
        "ratio (median)",
        "quartiles",
        "ratio when quiet",
    ]);
    for pairing in &comparison.pairings {
        let middle = |costs: &[f64]| format!("{:.3} us", quartile(costs, 2));
        table.add_row([
            format!("{} in flight", pairing.in_flight),
            middle(&pairing.fanfare_us),
            middle(&pairing.bare_us),
            format!("{:.3}", pairing.ratio),
            format!("{:.3} to {:.3}", pairing.ratio_low, pairing.ratio_high),
            format!("{:.3}", pairing.ratio_quiet),
        ]);
    }
    println!("{table}");
    if let Some(idle) = &comparison.idle {
        let Idle { connections, reactors, cpu_us_per_connect, pss_per_connection, pss_before, pss_after } =
            idle;
        println!("{connections} idle connections on {reactors} reactors:");
        println!("  {pss_per_connection:.1} bytes of proportional set size each");
        println!("  {cpu_us_per_connect:.2} us of server CPU a connect");
        println!(
            "  memory {:.0} KiB before, {:.0} KiB after they left",
            pss_before / 1024.0,
            pss_after / 1024.0
        );
    }
    comparison.failures.iter().for_each(|failure| println!("FAILED: {failure}"));
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
