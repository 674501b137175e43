//! `slow`: broadcasts to some clients that read and to many that do not.
//!
//! Every reader has a thread and has to get each message whole and in order. The others never read, so that what is for
//! them waits in both kernels and in the server, until that ends them. Only `/ws`, mode 300.

use std::fs;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use crate::client::Client;
use crate::probe::Probe;
use crate::run::Failure;
use crate::sys;
use crate::target::{Defaults, Target};
use crate::wire::frame::{opcode, put_client_frame};

/// A mask that changes nothing.
const MASK: [u8; 4] = [0; 4];
/// Between two looks at the server's memory.
const LOOK: Duration = Duration::from_millis(100);
/// When nothing comes for so long, the rest is still connected.
const SILENCE: Duration = Duration::from_secs(1);
/// What the server says to one that it ends, in a close frame with code 1008.
const FAREWELL: &[u8] = b"slow consumer";
/// A reader that will not go on is ahead of every message, so that nobody waits for it.
const GONE: u64 = u64::MAX;

/// `slow`.
#[derive(Debug, Args)]
pub struct SlowArgs {
    /// The server (loopback only).
    #[arg(long, default_value = "ws://127.0.0.1:3000")]
    pub url: String,
    /// Connections that never read.
    #[arg(long, short = 'n', default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub connections: u32,
    /// Connections that read.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub readers: u32,
    /// Messages to all of them.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub messages: u64,
    /// Bytes of a content.
    #[arg(long, default_value_t = 16_000, value_parser = clap::value_parser!(u32).range(1..=900_000))]
    pub payload: u32,
    /// Messages that not all readers have yet.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub in_flight: u64,
    /// The server's process: reports its memory.
    #[arg(long)]
    pub pid: Option<u32>,
    /// Give up when nothing arrives for this long.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout_s: u64,
    /// Fail if the server has not ended each that does not read.
    #[arg(long)]
    pub cut: bool,
    /// Print exactly one line, of JSON.
    #[arg(long)]
    pub json: bool,
}

/// What came out.
#[derive(Debug, Default, Serialize)]
struct Outcome {
    ok: bool,
    failures: Vec<String>,
    /// Connections that never read.
    slow: u32,
    /// Those of them that the server ended.
    cut: u32,
    /// Those that it told why.
    told: u32,
    readers: u32,
    messages: u64,
    seconds: f64,
    /// What the server's kernel had for each that did not read, when all was sent; absent if one was gone by then.
    kernel_bytes_each: Option<f64>,
    /// Proportional set size of the server.
    pss_before: Option<u64>,
    pss_most: Option<u64>,
}

/// Runs it; whether all who read got everything.
///
/// # Errors
/// A URL that cannot be used, and a server that refuses connections.
pub fn slow(args: &SlowArgs) -> Result<bool, Failure> {
    let target = Target::parse(&args.url, Defaults::Echo).map_err(Failure::Usage)?;
    let most = sys::connections_per_table().saturating_sub(args.readers);
    if args.connections > most {
        return Err(Failure::Usage(format!("--connections: {most} fit in a descriptor table")));
    }
    let probe = args.pid.map(Probe::new).transpose()?;
    let patience = Duration::from_secs(args.timeout_s);
    let domain = format!("slow{}", std::process::id());
    let connect =
        |name: String| Client::connect(&target, &format!("/ws?bizCode={domain}&clientId={name}"), patience);
    let mut sender = connect("sender".to_owned())?;
    let readers = (0..args.readers).map(|n| connect(format!("r{n}"))).collect::<Result<Vec<_>, _>>()?;
    let slow = (0..args.connections)
        .map(|n| Ok(connect(format!("s{n}"))?.into_stream()))
        .collect::<Result<Vec<_>, Failure>>()?;

    let mut outcome = Outcome {
        slow: args.connections,
        readers: args.readers,
        messages: args.messages,
        ..Outcome::default()
    };
    outcome.pss_before = probe.map(|probe| probe.pss_bytes()).transpose()?;
    outcome.pss_most = outcome.pss_before;
    let start = Instant::now();
    let have: Arc<Vec<AtomicU64>> = Arc::new(readers.iter().map(|_| AtomicU64::new(0)).collect());
    thread::scope(|scope| -> Result<(), Failure> {
        let running: Vec<_> = readers.into_iter().zip(have.iter()).collect();
        let running: Vec<_> = running
            .into_iter()
            .map(|(mut reader, have)| scope.spawn(move || read(&mut reader, args, have)))
            .collect();
        let sent = have.clone();
        let sending = scope.spawn(move || send(&mut sender, args, &sent));
        while !sending.is_finished() || running.iter().any(|reader| !reader.is_finished()) {
            if let Some(probe) = probe {
                outcome.pss_most = outcome.pss_most.max(Some(probe.pss_bytes()?));
            }
            thread::sleep(LOOK);
        }
        for (number, reader) in running.into_iter().enumerate() {
            if let Err(why) = reader.join().expect("no panic") {
                outcome.failures.push(format!("reader {number}: {why}"));
            }
        }
        if let Err(error) = sending.join().expect("no panic") {
            outcome.failures.push(format!("the sender: {error}"));
        }
        Ok(())
    })?;
    outcome.seconds = start.elapsed().as_secs_f64();
    outcome.kernel_bytes_each = queued(target.address, args.connections);
    (outcome.cut, outcome.told) = drain(slow)?;
    if args.cut && outcome.cut < outcome.slow {
        let left = outcome.slow - outcome.cut;
        outcome.failures.push(format!("{left} of {} that do not read are still connected", outcome.slow));
    }
    outcome.ok = outcome.failures.is_empty();
    show(&outcome, args.json)?;
    Ok(outcome.ok)
}

/// The text in which a message arrives.
fn arrival(number: u64, payload: u32) -> String {
    let content = "x".repeat(payload as usize);
    format!("{{\"msgId\":{number},\"mode\":300,\"from\":\"sender\",\"content\":\"{content}\"}}")
}

fn send(sender: &mut Client, args: &SlowArgs, have: &[AtomicU64]) -> io::Result<()> {
    let content = "x".repeat(args.payload as usize);
    let mut bytes = Vec::new();
    for number in 0..args.messages {
        let behind = |have: &AtomicU64| have.load(Ordering::Acquire).saturating_add(args.in_flight) <= number;
        while have.iter().any(behind) {
            thread::sleep(Duration::from_micros(100));
        }
        bytes.clear();
        let text = format!("{{\"msgId\":{number},\"mode\":300,\"content\":\"{content}\"}}");
        put_client_frame(&mut bytes, opcode::TEXT, text.as_bytes(), MASK);
        sender.write(&bytes)?;
    }
    Ok(())
}

/// Takes all messages in their order.
fn read(reader: &mut Client, args: &SlowArgs, have: &AtomicU64) -> Result<(), String> {
    for number in 0..args.messages {
        let expected = arrival(number, args.payload);
        let came = reader.text(|text| text == expected.as_bytes());
        let problem = match came {
            Ok(true) => None,
            Ok(false) => Some(format!("message {number} is not what came")),
            Err(error) => Some(format!("message {number}: {error}")),
        };
        if let Some(problem) = problem {
            have.store(GONE, Ordering::Release);
            return Err(problem);
        }
        have.store(number + 1, Ordering::Release);
    }
    Ok(())
}

/// Reads what is left for those that did not read; how many the server has ended, and how many it told why.
fn drain(mut left: Vec<TcpStream>) -> io::Result<(u32, u32)> {
    left.iter().try_for_each(|stream| stream.set_nonblocking(true))?;
    let (mut buffer, mut cut, mut told) = (vec![0; 256 << 10], 0, 0);
    let mut moved = Instant::now();
    while !left.is_empty() && moved.elapsed() < SILENCE {
        left.retain_mut(|stream| {
            loop {
                match stream.read(&mut buffer) {
                    Ok(0) => break,
                    // The farewell is the last that comes.
                    Ok(bytes) => told += u32::from(buffer[..bytes].ends_with(FAREWELL)),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                    Err(_) => break,
                }
                moved = Instant::now();
            }
            (cut, moved) = (cut + 1, Instant::now());
            false
        });
        thread::sleep(Duration::from_millis(1));
    }
    Ok((cut, told))
}

/// Bytes that wait in the kernel on the server's side of so many connections, each; `None` once one of them is gone.
fn queued(server: SocketAddr, connections: u32) -> Option<f64> {
    let table = fs::read_to_string(if server.is_ipv4() { "/proc/net/tcp" } else { "/proc/net/tcp6" }).ok()?;
    let waiting = table.lines().skip(1).filter_map(|line| queue_of(line, server.port()));
    let waiting: Vec<u64> = waiting.filter(|bytes| *bytes > 0).collect();
    (waiting.len() == connections as usize)
        .then(|| waiting.iter().sum::<u64>() as f64 / f64::from(connections))
}

/// What waits to be sent or acknowledged on an established connection of a local port.
fn queue_of(line: &str, port: u16) -> Option<u64> {
    let mut fields = line.split_whitespace().skip(1);
    let (local, _, state, queues) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let own = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
    let (to_send, _) = queues.split_once(':')?;
    (own == port && state == "01").then(|| u64::from_str_radix(to_send, 16).ok()).flatten()
}

fn show(outcome: &Outcome, json: bool) -> io::Result<()> {
    if json {
        println!("{}", serde_json::to_string(outcome)?);
        return Ok(());
    }
    let Outcome { slow, cut, told, readers, messages, seconds, .. } = outcome;
    println!("{messages} messages to {readers} that read and {slow} that do not, in {seconds:.2} s");
    println!("of those that do not, the server ended {cut}, and told {told} of them why");
    if let Some(bytes) = outcome.kernel_bytes_each {
        println!("the server's kernel has {bytes:.0} bytes for each that does not read");
    }
    if let (Some(before), Some(most)) = (outcome.pss_before, outcome.pss_most) {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        println!("the server's memory: {:.2} MiB before, {:.2} MiB at most", mib(before), mib(most));
    }
    outcome.failures.iter().for_each(|failure| println!("FAILED: {failure}"));
    if outcome.ok {
        println!("ok");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_kernels_table() {
        let line =
            "   1: 0100007F:0BB8 0100007F:D431 01 0003E800:00000000 02:00000A1B 00000000  0  0 94 2 0 20";
        assert_eq!(queue_of(line, 3000), Some(256_000));
        assert_eq!(queue_of(line, 3001), None);
        assert_eq!(queue_of(&line.replace(" 01 ", " 06 "), 3000), None);
        for rubbish in ["", "1:", "1: x y 01 z:0", "1: 0:0BB8 0:0 01 0"] {
            assert_eq!(queue_of(rubbish, 3000), None);
        }
    }

    #[test]
    fn an_arrival_is_what_the_gateway_documents() {
        assert_eq!(arrival(7, 3), r#"{"msgId":7,"mode":300,"from":"sender","content":"xxx"}"#);
    }
}
