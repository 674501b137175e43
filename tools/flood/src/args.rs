//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::compare::CompareArgs;
use crate::load::{Mode, Pick};
use crate::relay::RelayArgs;
use crate::shared::Options;
use crate::slow::SlowArgs;
use crate::soak::SoakArgs;
use crate::speech::{Protocol, Speech, Transport};
use crate::sys;
use crate::target::{Defaults, Target};
use crate::token::TOKEN_BYTES_MIN;

/// Loads a realtime server on this machine with very many connections, and reconciles every message.
///
/// Exit status: 0 when all that was asked for happened; 1 when a connection was refused or lost, or a message
/// was lost, duplicated, reordered or corrupted; 2 when the command line cannot be followed.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Open connections and hold them: what does an idle one cost?
    Hold(HoldArgs),
    /// Send a fixed number of messages a second: how long do they take?
    Rate(RateArgs),
    /// Broadcast to everybody, the next when the last has arrived: what does a delivery cost?
    Broadcast(BroadcastArgs),
    /// Send bytes to an echo endpoint and compare what comes back.
    Echo(EchoArgs),
    /// Close all connections at once and have them return as client libraries do: how long does that take?
    Storm(StormArgs),
    /// Set a fanfare server against the bare send() loop, in interleaved rounds.
    Compare(CompareArgs),
    /// From clients of one server to clients of another: how many messages a second?
    Relay(RelayArgs),
    /// Broadcast to some that read and to many that do not: do those that read miss anything?
    Slow(SlowArgs),
    /// Churn for a long time: does a server keep memory or descriptors?
    Soak(SoakArgs),
}

/// What every command takes.
#[derive(Debug, Args)]
pub struct Common {
    /// Where to connect (loopback only).
    ///
    /// An n in braces is the number of the connection, {n%K} its remainder. Without a path it is /ws, or /echo for
    /// `echo`; without braces and a bizCode every connection gets a bizCode, a clientId and one of 100 groups.
    /// For Socket.IO it may begin with http:// too, and without a path it is /socket.io/.
    #[arg(long, default_value = "ws://127.0.0.1:3000")]
    pub url: String,
    /// How many connections.
    #[arg(long, short = 'n', default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=4_000_000))]
    pub connections: u32,
    /// The protocol on the connections.
    #[arg(long, value_enum, default_value_t = Protocol::Ws)]
    pub protocol: Protocol,
    /// How Socket.IO is carried [default: websocket].
    #[arg(long, value_enum)]
    pub transport: Option<Transport>,
    /// The user that each Socket.IO connection registers as, with its number as in the URL; empty for none [default: c
    /// and the number, none for `echo`].
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// The group that each Socket.IO connection registers in, likewise [default: one of g0 to g99 for `hold` and
    /// `storm`, g0 for `rate` and `broadcast`, none for `echo`].
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// Flood threads, each with a descriptor table of its own; as many as are needed if absent.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Option<u32>,
    /// The server's process: reports its processor time and memory.
    #[arg(long)]
    pub pid: Option<u32>,
    /// Every plain WebSocket says something this often, so that it is not idle; 0 for never [default: 25, 0 for
    /// `echo`]. Socket.IO has pings of its own.
    #[arg(long, value_name = "SECONDS")]
    pub heartbeat_s: Option<f64>,
    /// Give up when nothing happens for this long.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout_s: u64,
    /// Connects in progress per thread.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub connecting: u32,
    /// Pause after each turn of a flood thread, so that it wakes up less often.
    #[arg(long, value_name = "MICROSECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=100_000))]
    pub gather_us: u64,
    /// Bind the flood threads to this processor.
    #[arg(long, value_name = "CPU")]
    pub pin: Option<usize>,
    /// Print exactly one line, of JSON.
    #[arg(long)]
    pub json: bool,
    /// Write a page with charts.
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
    /// No progress bar.
    #[arg(long, short)]
    pub quiet: bool,
}

/// `hold`.
#[derive(Debug, Args)]
pub struct HoldArgs {
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
    /// How long, once all are open.
    #[arg(long, default_value_t = 10.0, value_parser = seconds)]
    pub seconds: f64,
    /// At the end one connection of each domain broadcasts, and all others must receive it.
    #[arg(long)]
    pub broadcast: bool,
}

/// `rate`.
#[derive(Debug, Args)]
pub struct RateArgs {
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
    /// Messages a second, of all connections together.
    #[arg(long, default_value_t = 1000.0, value_parser = per_second)]
    pub per_second: f64,
    /// How long.
    #[arg(long, default_value_t = 10.0, value_parser = seconds)]
    pub seconds: f64,
    /// 100 to one client (or user), 200 to a group, 300 to a domain (which Socket.IO has not).
    #[arg(long, value_enum, default_value = "100")]
    pub mode: Mode,
    /// To which client (mode 100).
    #[arg(long, value_enum, default_value = "random")]
    pub to: Pick,
    /// How many connections send (modes 200 and 300).
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub senders: u32,
    /// Bytes of a content.
    #[arg(long, default_value_t = 128, value_parser = payload)]
    pub payload: usize,
    /// Ask for receipts, and compare them with what arrived.
    #[arg(long)]
    pub receipt: bool,
}

/// `broadcast`.
#[derive(Debug, Args)]
pub struct BroadcastArgs {
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
    /// Messages of each sender.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub messages: u32,
    /// Messages of each sender that not everybody has yet.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub in_flight: u32,
    /// How many connections send.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub senders: u32,
    /// Messages of each sender before the measurement.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub warmup: u32,
    /// Bytes of a content.
    #[arg(long, default_value_t = 128, value_parser = payload)]
    pub payload: usize,
    /// Ask for receipts, and compare them with what arrived.
    #[arg(long)]
    pub receipt: bool,
}

/// `echo`.
#[derive(Debug, Args)]
pub struct EchoArgs {
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
    /// How long.
    #[arg(long, default_value_t = 10.0, value_parser = seconds)]
    pub seconds: f64,
    /// Messages of each connection; ends when all are back.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub messages: Option<u32>,
    /// Messages of each connection that are not back yet.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub in_flight: u32,
    /// Bytes of a message.
    #[arg(long, default_value_t = 128, value_parser = payload)]
    pub payload: usize,
    /// Binary messages instead of text.
    #[arg(long)]
    pub binary: bool,
}

/// `storm`.
#[derive(Debug, Args)]
pub struct StormArgs {
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
    /// All have to be back after this time.
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = seconds)]
    pub within: f64,
    /// How long they are held before.
    #[arg(long, default_value_t = 1.0, value_parser = seconds)]
    pub seconds: f64,
    /// At the end one connection of each domain broadcasts, and all others must receive it.
    #[arg(long)]
    pub broadcast: bool,
    /// Cuts nothing: ends the server's process by SIGTERM, and has each connection return when the server has closed it.
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(i32).range(2..))]
    pub drain: Option<i32>,
    /// A shell command that is started once nobody listens there any more: the server to which they return. It is ended
    /// by SIGTERM after the run.
    #[arg(long, value_name = "COMMAND", requires = "drain")]
    pub then: Option<String>,
}

impl Common {
    /// Whether a message can be sent to each connection alone.
    pub fn require_user(&self) -> Result<(), String> {
        if self.user.as_deref() == Some("") {
            return Err("--user: messages to one connection need a name for each".to_owned());
        }
        Ok(())
    }

    /// Whether a message can be sent to the group of each connection.
    pub fn require_group(&self) -> Result<(), String> {
        if self.group.as_deref() == Some("") {
            return Err("--group: a broadcast needs a name for those who hear it".to_owned());
        }
        Ok(())
    }

    /// Whether a message can be sent to the domain of each connection.
    pub fn require_domain(&self) -> Result<(), String> {
        if self.protocol != Protocol::Ws {
            return Err(
                "--mode 300: Socket.IO has no domains; --mode 200 and --group say who hears it".to_owned()
            );
        }
        Ok(())
    }

    /// The target and the options, or what is wrong with the flags.
    pub fn plan(&self, defaults: Defaults) -> Result<(Target, Options), String> {
        let speech =
            Speech { protocol: self.protocol, transport: self.transport.unwrap_or(Transport::Websocket) };
        let target = match self.protocol.revision() {
            None => {
                for (flag, given) in [
                    ("--transport", self.transport.is_some()),
                    ("--user", self.user.is_some()),
                    ("--group", self.group.is_some()),
                ] {
                    if given {
                        return Err(format!("{flag}: for --protocol sio3 and sio4 only"));
                    }
                }
                Target::parse(&self.url, defaults)?
            }
            Some(_) if self.heartbeat_s.is_some() => {
                return Err("--heartbeat-s: Socket.IO has pings of its own".to_owned());
            }
            Some(revision) => {
                Target::socketio(&self.url, defaults, revision, self.user.as_deref(), self.group.as_deref())?
            }
        };
        let per_table = (sys::connections_per_table() / speech.descriptors()).max(1);
        let needed = self.connections.div_ceil(per_table);
        let threads = self.threads.unwrap_or(needed);
        if threads < needed {
            return Err(format!(
                "--threads {threads}: {needed} are needed, {per_table} connections fit in a descriptor table"
            ));
        }
        let silent = defaults == Defaults::Echo || self.protocol != Protocol::Ws;
        let heartbeat_s = self.heartbeat_s.unwrap_or(if silent { 0.0 } else { 25.0 });
        if !(0.0..=86_400.0).contains(&heartbeat_s) {
            return Err(format!("--heartbeat-s {heartbeat_s}: 0 to 86400 seconds"));
        }
        let options = Options {
            speech,
            connections: self.connections,
            threads: threads.min(self.connections),
            heartbeat: (heartbeat_s > 0.0).then(|| Duration::from_secs_f64(heartbeat_s.max(0.1))),
            timeout: Duration::from_secs(self.timeout_s),
            gather: (self.gather_us > 0).then(|| Duration::from_micros(self.gather_us)),
            connecting_max: self.connecting,
            pin: self.pin,
        };
        Ok((target, options))
    }
}

fn bounded(text: &str, low: f64, high: f64) -> Result<f64, String> {
    let value = text.parse::<f64>().map_err(|error| error.to_string())?;
    if (low..=high).contains(&value) { Ok(value) } else { Err(format!("{low} to {high}")) }
}

/// Runs are bounded: a day at most.
fn seconds(text: &str) -> Result<f64, String> {
    bounded(text, 0.0, 86_400.0)
}

fn per_second(text: &str) -> Result<f64, String> {
    bounded(text, 0.01, 10_000_000.0)
}

pub(crate) fn payload(text: &str) -> Result<usize, String> {
    let bytes = bounded(text, TOKEN_BYTES_MIN as f64, 16e6)?;
    Ok(bytes as usize)
}
