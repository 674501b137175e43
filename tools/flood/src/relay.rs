//! `relay`: how many messages a second go from clients of one server to clients of another?
//!
//! Pairs of a sender and a receiver, each pair with a thread for either. A sender keeps a window of messages on their way
//! and writes as many as fit at once; its receiver takes them one by one, in order. Only `/ws`, mode 100.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use crate::client::Client;
use crate::probe::Probe;
use crate::run::Failure;
use crate::target::{Defaults, Target};
use crate::wire::frame::{opcode, put_client_frame};

/// The most messages in one write.
const BURST: u64 = 128;
/// Where all of them are.
const DOMAIN: &str = "relay";
/// A mask that changes nothing.
const MASK: [u8; 4] = [0; 4];

/// `relay`.
#[derive(Debug, Args)]
pub struct RelayArgs {
    /// The server of the senders (loopback only).
    #[arg(long)]
    pub from: String,
    /// The server of the receivers.
    #[arg(long)]
    pub to: String,
    /// Pairs of a sender and a receiver.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub pairs: u32,
    /// Messages of each sender.
    #[arg(long, default_value_t = 250_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub messages: u64,
    /// Messages of each sender that may be on their way.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub in_flight: u64,
    /// Processes whose processor time is shown: the servers, Redis.
    #[arg(long, value_delimiter = ',')]
    pub pid: Vec<u32>,
    /// Give up when nothing arrives for this long.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout_s: u64,
    /// Fail when it is less, in messages a second.
    #[arg(long, value_name = "MESSAGES")]
    pub at_least: Option<f64>,
    /// Print exactly one line, of JSON.
    #[arg(long)]
    pub json: bool,
}

/// What came out.
#[derive(Debug, Serialize)]
struct Outcome {
    messages: u64,
    /// That did not arrive, or not in order.
    lost: u64,
    seconds: f64,
    per_second: f64,
    /// Microseconds of processor time a message, of each process.
    cpu_us: Vec<f64>,
}

/// Runs it; whether all arrived, and fast enough.
///
/// # Errors
/// A URL that cannot be used, and a server that refuses or ends a connection.
pub fn relay(args: &RelayArgs) -> Result<bool, Failure> {
    let target = |url: &str| Target::parse(url, Defaults::Echo).map_err(Failure::Usage);
    let (from, to) = (target(&args.from)?, target(&args.to)?);
    let probes = args.pid.iter().map(|pid| Probe::new(*pid)).collect::<io::Result<Vec<_>>>()?;
    let patience = Duration::from_secs(args.timeout_s);
    let connect = |target: &Target, name: &str| {
        Client::connect(target, &format!("/ws?bizCode={DOMAIN}&clientId={name}"), patience)
    };
    let mut pairs = Vec::new();
    for number in 0..args.pairs {
        let receiver = connect(&to, &format!("r{number}"))?;
        pairs.push((connect(&from, &format!("s{number}"))?, receiver));
    }
    // What the receivers' server subscribes to reaches the senders' a moment later.
    for (number, (sender, receiver)) in pairs.iter_mut().enumerate() {
        introduce(sender, receiver, number, patience)?;
    }
    let before = cpu(&probes)?;
    let start = Instant::now();
    let arrived = run(pairs, args)?;
    let seconds = start.elapsed().as_secs_f64();
    let messages = args.messages * u64::from(args.pairs);
    let spent = cpu(&probes)?.into_iter().zip(before);
    let outcome = Outcome {
        messages,
        lost: messages - arrived,
        seconds,
        per_second: arrived as f64 / seconds,
        cpu_us: spent.map(|(after, before)| (after - before) * 1e6 / messages as f64).collect(),
    };
    if args.json {
        println!("{}", serde_json::to_string(&outcome).map_err(io::Error::from)?);
    } else {
        let Outcome { messages, lost, seconds, per_second, cpu_us } = &outcome;
        println!("{messages} messages in {seconds:.2} s: {per_second:.0} a second, {lost} lost");
        let all: Vec<String> = cpu_us.iter().map(|us| format!("{us:.1}")).collect();
        println!("processor time a message: {} us", all.join(", "));
    }
    Ok(outcome.lost == 0 && args.at_least.is_none_or(|least| outcome.per_second >= least))
}

/// All pairs at once; how many messages arrived, each behind the one before.
fn run(pairs: Vec<(Client, Client)>, args: &RelayArgs) -> Result<u64, Failure> {
    let (messages, in_flight) = (args.messages, args.in_flight);
    thread::scope(|scope| {
        let mut receivers = Vec::new();
        for (number, (mut sender, mut receiver)) in pairs.into_iter().enumerate() {
            let arrived = Arc::new(AtomicU64::new(0));
            let seen = arrived.clone();
            scope.spawn(move || send(&mut sender, number, messages, in_flight, &seen));
            receivers.push(scope.spawn(move || receive(&mut receiver, messages, &arrived)));
        }
        receivers.into_iter().map(|receiver| Ok(receiver.join().expect("no panic")?)).sum()
    })
}

fn send(connection: &mut Client, number: usize, messages: u64, in_flight: u64, arrived: &AtomicU64) {
    let (mut sent, mut bytes, mut text) = (0, Vec::new(), String::new());
    while sent < messages {
        let arrived = arrived.load(Ordering::Acquire);
        if arrived == u64::MAX {
            return;
        }
        let burst = (arrived + in_flight - sent).min(BURST).min(messages - sent);
        if burst == 0 {
            thread::sleep(Duration::from_micros(100));
            continue;
        }
        bytes.clear();
        for content in sent..sent + burst {
            put_message(&mut bytes, &mut text, number, content, false);
        }
        if connection.write(&bytes).is_err() {
            return;
        }
        sent += burst;
    }
}

fn put_message(bytes: &mut Vec<u8>, text: &mut String, number: usize, content: u64, receipt: bool) {
    text.clear();
    let receipt = if receipt { ",\"receipt\":true" } else { "" };
    // Writing to a String does not fail.
    let _ = write!(text, "{{\"mode\":100,\"targetClientId\":\"r{number}\",\"content\":{content}{receipt}}}");
    put_client_frame(bytes, opcode::TEXT, text.as_bytes(), MASK);
}

/// Takes messages in their order until the last one, one that is not the next, or silence; how many they are.
fn receive(connection: &mut Client, messages: u64, arrived: &AtomicU64) -> io::Result<u64> {
    let mut next = 0;
    while next < messages {
        let is_next = |text: &[u8]| content_of(text) == Some(next);
        match connection.text(is_next) {
            Ok(true) => {
                next += 1;
                arrived.store(next, Ordering::Release);
            }
            Ok(false) => break,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                break;
            }
            Err(error) => {
                arrived.store(u64::MAX, Ordering::Release);
                return Err(error);
            }
        }
    }
    if next < messages {
        arrived.store(u64::MAX, Ordering::Release);
    }
    Ok(next)
}

/// The number behind `"content":`, which comes last.
fn content_of(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('}')?;
    text.rsplit_once("\"content\":")?.1.parse().ok()
}

/// Waits until a message of the sender gets to the receiver.
fn introduce(
    sender: &mut Client,
    receiver: &mut Client,
    number: usize,
    patience: Duration,
) -> Result<(), Failure> {
    let (start, mut bytes, mut text) = (Instant::now(), Vec::new(), String::new());
    loop {
        bytes.clear();
        put_message(&mut bytes, &mut text, number, 0, true);
        sender.write(&bytes)?;
        if sender.text(|receipt| receipt.ends_with(b"\"delivered\":1}"))? {
            // It was sent before the receipt.
            receiver.text(|_| true)?;
            return Ok(());
        }
        if start.elapsed() > patience {
            let what = "the servers do not reach one another: do they have the same Redis?";
            return Err(Failure::Io(io::Error::other(what)));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn cpu(probes: &[Probe]) -> io::Result<Vec<f64>> {
    probes.iter().map(|probe| Ok(probe.cpu()?.as_secs_f64())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_what_comes_last() {
        let text = br#"{"msgId":null,"mode":100,"from":"s0","content":4711}"#;
        assert_eq!(content_of(text), Some(4711));
        for other in [&b"{}"[..], b"\xff", br#"{"content":"x"}"#, br#"{"content":1"#] {
            assert_eq!(content_of(other), None);
        }
    }
}
