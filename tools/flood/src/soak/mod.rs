//! `soak`: does a server keep memory or descriptors, after hours of comings and goings?
//!
//! A server of its own has connections that stay, half of them plain WebSockets, half Socket.IO. Around them others come and go
//! in rounds (`rounds`): broadcasts, polling, storms, readers that do not read, each a run that reconciles its messages.
//! After each round it is quiet: those that stay get broadcasts, and what the server holds is looked at. In the end
//! memory is to be what it was, and descriptors connections and a constant (`verdict`).

mod rounds;
mod verdict;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use crate::args::Common;
use crate::compare::server::{Server, program};
use crate::crew::interrupt_flag;
use crate::probe::Probe;
use crate::run::{Broadcasts, Failure, Plan};
use crate::speech::Protocol;
use rounds::Rounds;
use verdict::{ROUNDS_MIN, Sample, Soak};

/// Broadcasts to those that stay, in each quiet moment.
const QUIET_MESSAGES: u32 = 5;
/// As long a quiet moment is awaited at most.
const QUIET_WITHIN: Duration = Duration::from_secs(30);
/// Between two looks that have to agree.
const LOOK: Duration = Duration::from_millis(300);
/// After a round, before the first look: the server gives back what it needs no more.
const SETTLE: Duration = Duration::from_millis(1500);
/// Between two looks at what the server has at most.
const PEAK_LOOK: Duration = Duration::from_secs(2);
/// The outboxes of the server, so that those who do not read are ended soon.
const OUTBOX_BYTES: &str = "262144";

/// `soak`.
#[derive(Debug, Args)]
pub struct SoakArgs {
    /// The fanfare program; beside this one if absent.
    #[arg(long, value_name = "PROGRAM")]
    pub fanfare: Option<PathBuf>,
    /// How long; the round in which that is over is the last one, but for the fourth.
    #[arg(long, default_value_t = 1200, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: u64,
    /// Connections that stay.
    #[arg(long, short = 'n', default_value_t = 2000, value_parser = clap::value_parser!(u32).range(20..=30_000))]
    pub connections: u32,
    /// Threads of the server.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub reactors: u32,
    /// Fail when memory has grown by more, in percent.
    #[arg(long, default_value_t = 5.0)]
    pub at_most: f64,
    /// Print exactly one line, of JSON.
    #[arg(long)]
    pub json: bool,
}

/// Runs it; whether the server holds no more than before and no run went wrong.
///
/// # Errors
/// Programs that are not there, and a server that cannot be looked at.
pub fn soak(args: &SoakArgs) -> Result<bool, Failure> {
    let fanfare = program(args.fanfare.as_deref(), "fanfare")?;
    let interrupt = interrupt_flag()?;
    let reactors = args.reactors.to_string();
    let server = Server::start_with(
        &fanfare,
        &["--listen", "127.0.0.1:0", "--log", "error", "--reactors", &reactors],
        &[("FANFARE_LIMITS_OUTBOX_BYTES", OUTBOX_BYTES)],
    )?;
    let probe = Probe::new(server.pid())?;

    let start = Instant::now();
    let mut stayers = Stayers::start(args, &server)?;
    let mut rounds = Rounds::new(args.connections);
    let mut soak = Soak::new(args.at_most, args.connections);
    let peak = Peak::watch(probe);
    let mut open = stayers.open()?;
    while open && !interrupt.load(Ordering::Relaxed) {
        soak.failures.extend(rounds.run(&server)?);
        open = stayers.broadcast();
        thread::sleep(SETTLE);
        match look(&server, probe, args.connections, start)? {
            Ok(sample) => {
                let sample = Sample { memory_most: peak.take().max(sample.memory), ..sample };
                if !args.json {
                    eprintln!("round {:3}: {sample}", rounds.count());
                }
                soak.samples.push(sample);
            }
            Err(why) => soak.failures.push(format!("after round {}: {why}", rounds.count())),
        }
        if start.elapsed().as_secs() >= args.seconds && rounds.count() >= ROUNDS_MIN {
            break;
        }
    }
    soak.seconds = start.elapsed().as_secs_f64();
    soak.tally(&rounds);
    soak.failures.extend(stayers.finish()?);
    if interrupt.load(Ordering::Relaxed) {
        soak.failures.push("interrupted".to_owned());
    }
    soak.judge();
    soak.show(args.json)?;
    Ok(soak.ok)
}

/// The connections that stay.
struct Stayers {
    kinds: Vec<(Protocol, Broadcasts)>,
    plan: Plan,
}

impl Stayers {
    fn start(args: &SoakArgs, server: &Server) -> Result<Self, Failure> {
        let plan = Plan {
            // A round takes more than a second.
            messages: QUIET_MESSAGES * (args.seconds as u32 + ROUNDS_MIN),
            in_flight: 1,
            senders: 1,
            bytes: 128,
            receipt: false,
            like_gateway: false,
        };
        let mut kinds = Vec::new();
        let half = args.connections / 2;
        for (protocol, connections) in [(Protocol::Ws, args.connections - half), (Protocol::Sio4, half)] {
            let common = Common {
                url: match protocol {
                    Protocol::Ws => format!("{}?bizCode=stay&clientId=c{{n}}", server.url(protocol)),
                    _ => server.url(protocol),
                },
                connections,
                protocol,
                transport: None,
                user: (protocol != Protocol::Ws).then(|| "stay{n}".to_owned()),
                group: (protocol != Protocol::Ws).then(|| "stay".to_owned()),
                threads: None,
                pid: None,
                heartbeat_s: (protocol == Protocol::Ws).then_some(25.0),
                timeout_s: 30,
                connecting: 256,
                gather_us: 0,
                pin: None,
                json: false,
                report: None,
                quiet: true,
            };
            kinds.push((protocol, Broadcasts::start(&common, plan)?));
        }
        Ok(Self { kinds, plan })
    }

    /// Waits until all are there; false when that will not be.
    fn open(&mut self) -> Result<bool, Failure> {
        for (_, broadcasts) in &mut self.kinds {
            if !broadcasts.open(self.plan)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Has everybody hear something; false when that goes wrong.
    fn broadcast(&mut self) -> bool {
        self.kinds.iter_mut().all(|(_, broadcasts)| broadcasts.stretch(QUIET_MESSAGES, "quiet"))
    }

    /// Closes them; what went wrong.
    fn finish(self) -> Result<Vec<String>, Failure> {
        let mut failures = Vec::new();
        for (protocol, broadcasts) in self.kinds {
            let report = broadcasts.finish()?;
            let named =
                report.failures.into_iter().map(|why| format!("{} that stay: {why}", protocol.name()));
            failures.extend(named);
        }
        Ok(failures)
    }
}

/// What the server holds, once only those that stay are there and two looks agree; or why that does not come.
fn look(
    server: &Server,
    probe: Probe,
    connections: u32,
    start: Instant,
) -> Result<Result<Sample, String>, Failure> {
    let deadline = Instant::now() + QUIET_WITHIN;
    let mut before = None;
    loop {
        let open = open_connections(server)?;
        // The request above has been closed by now, or is by the next look.
        thread::sleep(LOOK);
        let descriptors = probe.descriptors()?;
        if open == u64::from(connections) && before == Some(descriptors) {
            return Ok(Ok(Sample {
                at_s: start.elapsed().as_secs_f64(),
                connections: open,
                descriptors,
                memory: probe.anonymous_bytes()?,
                memory_most: 0,
            }));
        }
        before = Some(descriptors);
        if Instant::now() > deadline {
            let seconds = QUIET_WITHIN.as_secs();
            return Ok(Err(format!("{open} connections and not {connections}, {seconds} s later")));
        }
    }
}

/// WebSocket and polling connections, as the server counts them.
fn open_connections(server: &Server) -> Result<u64, Failure> {
    let mut stream = TcpStream::connect(server.address())?;
    stream.set_read_timeout(Some(QUIET_WITHIN))?;
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", server.address());
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    connections_in(&answer)
        .ok_or_else(|| Failure::Io(io::Error::other("the server's metrics do not count its connections")))
}

/// The sum of `fanfare_connections` but for plain HTTP.
fn connections_in(metrics: &str) -> Option<u64> {
    let lines = metrics.lines().filter(|line| line.starts_with("fanfare_connections{"));
    let lines: Vec<&str> = lines.filter(|line| !line.contains("transport=\"http\"")).collect();
    let numbers = lines.iter().map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
    if lines.is_empty() { None } else { numbers.sum() }
}

/// The most memory that the server had since somebody asked.
struct Peak {
    most: Arc<AtomicU64>,
    end: Arc<AtomicBool>,
}

impl Peak {
    fn watch(probe: Probe) -> Self {
        let peak = Self { most: Arc::default(), end: Arc::default() };
        let (most, end) = (peak.most.clone(), peak.end.clone());
        thread::spawn(move || {
            // A server that ends is noticed by everybody else.
            while let (false, Ok(memory)) = (end.load(Ordering::Relaxed), probe.anonymous_bytes()) {
                most.fetch_max(memory, Ordering::Relaxed);
                thread::sleep(PEAK_LOOK);
            }
        });
        peak
    }

    fn take(&self) -> u64 {
        self.most.swap(0, Ordering::Relaxed)
    }
}

impl Drop for Peak {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_counted_without_requests() {
        let metrics = "# TYPE fanfare_connections gauge\n\
            fanfare_connections{transport=\"websocket\",reactor=\"0\"} 7\n\
            fanfare_connections{transport=\"http\",reactor=\"0\"} 1\n\
            fanfare_connections{transport=\"polling\",reactor=\"1\"} 2\n\
            fanfare_accepted_total 99\n";
        assert_eq!(connections_in(metrics), Some(9));
        assert_eq!(connections_in("fanfare_accepted_total 99\n"), None);
        assert_eq!(connections_in("fanfare_connections{transport=\"websocket\"} x\n"), None);
    }
}
