//! `fanfare plan` and `fanfare doctor`: what a number of connections needs, and whether this machine has it.
//!
//! Owns the flags of both, and what connections cost in memory. [`settings`] owns the table of settings, [`machine`] what is
//! there, [`print`] and [`doctor`] what is said. Figures are those of tuning.md, which names the commands that measured them.

mod doctor;
mod machine;
mod print;
mod settings;
#[cfg(test)]
mod tests;

pub(crate) use doctor::doctor;
pub(crate) use print::plan;

use crate::config::Config;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use machine::{Machine, UNBOUNDED};

/// The kernel's part of an idle connection, in bytes.
const KERNEL_BYTES: u64 = 4_096;
/// The process without a connection: itself, and each reactor.
const PROCESS_BYTES: u64 = 10 << 20;
const REACTOR_BYTES: u64 = 512 << 10;
/// What the kernel keeps for a reader that reads nothing: as `net.ipv4.tcp_wmem` has it by default.
const SLOW_KERNEL_BYTES: u64 = 4 << 20;
/// What `net.ipv4.tcp_notsent_lowat` should be for a great many slow readers, and what the kernel keeps then.
const NOTSENT_BYTES: u64 = 128 << 10;
const BOUNDED_KERNEL_BYTES: u64 = 160 << 10;
/// What slow readers may always cost the kernel.
const SLOW_KERNEL_FREE: u64 = 1 << 30;
/// One of so many connections reads slowly, unless it is said how many.
const SLOW_ONE_OF: u64 = 100;
/// As many connections as a doctor assumes at most, when nobody says how many are to be.
const ASSUMED_CONNECTIONS: u64 = 1_000_000;
/// The most connections that can be planned for.
const MOST_CONNECTIONS: u64 = 100_000_000;

/// What the connections speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// `/ws`.
    Ws,
    /// Socket.IO.
    Sio,
}

impl Protocol {
    /// User space of an idle connection, in bytes.
    fn idle_bytes(self) -> u64 {
        match self {
            Protocol::Ws => 200,
            Protocol::Sio => 345,
        }
    }

    /// Processor time of a connection that returns and joins its group, in microseconds.
    fn return_us(self) -> u64 {
        match self {
            Protocol::Ws => 19,
            Protocol::Sio => 36,
        }
    }
}

/// What is asked, where it is not in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    connections: Option<u64>,
    protocol: Protocol,
    slow_readers: Option<u64>,
    queued_bytes: Option<u64>,
}

/// In which form a plan is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// All of it, for people.
    Text,
    /// A file for `/etc/sysctl.d`.
    Sysctl,
    /// One line of JSON.
    Json,
}

/// Adds the flags of both commands.
pub(crate) fn with_question(command: Command, connections_required: bool) -> Command {
    let count = |name, value, help| {
        Arg::new(name).long(name).value_name(value).help(help).value_parser(value_parser!(u64))
    };
    let connections = "Connections to plan for";
    let connections = if connections_required {
        connections.to_owned()
    } else {
        format!("{connections} [default: limits.connections, or what the descriptor limits allow]")
    };
    command
        .arg(
            count("connections", "N", connections)
                .required(connections_required)
                .value_parser(value_parser!(u64).range(1..=MOST_CONNECTIONS)),
        )
        .arg(
            Arg::new("protocol")
                .long("protocol")
                .value_name("ws|sio")
                .value_parser(["ws", "sio"])
                .default_value("ws")
                .help("What they speak"),
        )
        .arg(
            count("slow-readers", "N", "How many may read slowly at once [default: one of 100]".to_owned())
                .value_parser(value_parser!(u64).range(0..=MOST_CONNECTIONS)),
        )
        .arg(
            count(
                "queued-bytes",
                "BYTES",
                "What waits in the server for each of them [default: limits.outbox_bytes]".to_owned(),
            )
            .value_parser(value_parser!(u64).range(0..=1 << 30)),
        )
}

/// Adds the flag that names the process whose limits count.
pub(crate) fn with_pid(command: Command) -> Command {
    let help = "The server: its limits and its control group, instead of those of this shell";
    let pid = Arg::new("pid").long("pid").value_name("PID").help(help).value_parser(value_parser!(u32));
    command.arg(pid)
}

/// Adds the flags that say how a plan is printed.
pub(crate) fn with_form(command: Command) -> Command {
    let switch = |name, help| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    command
        .arg(switch("sysctl", "Print a file for /etc/sysctl.d only").conflicts_with("json"))
        .arg(switch("json", "Print one line of JSON"))
}

impl Question {
    /// Reads the flags.
    pub(crate) fn of(matches: &ArgMatches) -> Question {
        let number = |name| matches.get_one::<u64>(name).copied();
        let protocol = matches.get_one::<String>("protocol").map(String::as_str);
        Question {
            connections: number("connections"),
            protocol: if protocol == Some("sio") { Protocol::Sio } else { Protocol::Ws },
            slow_readers: number("slow-readers"),
            queued_bytes: number("queued-bytes"),
        }
    }

    /// What is planned for, with this configuration.
    fn load(&self, config: &Config, machine: &Machine) -> Load {
        let reactors = match config.reactors {
            0 => machine.processors.unwrap_or(1),
            some => some as u64,
        };
        let configured = || config.limits.connections.map(|connections| connections as u64);
        let allowed = || {
            let table = match machine.descriptors().unwrap_or(UNBOUNDED) {
                // The kernel has a bound all the same.
                UNBOUNDED => machine.sysctl("fs.nr_open").map_or(UNBOUNDED, |numbers| numbers[0]),
                bounded => bounded,
            };
            settings::connections(table, reactors).min(ASSUMED_CONNECTIONS)
        };
        let connections = self.connections.or_else(configured).unwrap_or_else(allowed);
        let connections = connections.clamp(1, MOST_CONNECTIONS);
        Load {
            connections,
            reactors,
            protocol: self.protocol,
            slow_readers: self.slow_readers.unwrap_or(connections / SLOW_ONE_OF).min(connections),
            queued_bytes: self.queued_bytes.unwrap_or(config.limits.outbox_bytes as u64),
        }
    }
}

impl Form {
    /// Reads the flags.
    pub(crate) fn of(matches: &ArgMatches) -> Form {
        match (matches.get_flag("sysctl"), matches.get_flag("json")) {
            (true, _) => Form::Sysctl,
            (_, true) => Form::Json,
            _ => Form::Text,
        }
    }
}

/// What is planned for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Load {
    /// At least 1, at most [`MOST_CONNECTIONS`], so that what is worked out from it has room.
    connections: u64,
    /// At least 1.
    reactors: u64,
    protocol: Protocol,
    /// At most `connections`.
    slow_readers: u64,
    /// Of each of them.
    queued_bytes: u64,
}

/// The memory of a load, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Memory {
    process: u64,
    idle_user: u64,
    idle_kernel: u64,
    slow_user: u64,
    slow_kernel: u64,
}

impl Load {
    fn memory(&self) -> Memory {
        let slow_each = if self.bounds_slow_readers() { BOUNDED_KERNEL_BYTES } else { SLOW_KERNEL_BYTES };
        Memory {
            process: PROCESS_BYTES + REACTOR_BYTES * self.reactors,
            idle_user: self.protocol.idle_bytes() * self.connections,
            idle_kernel: KERNEL_BYTES * self.connections,
            slow_user: self.queued_bytes * self.slow_readers,
            slow_kernel: slow_each * self.slow_readers,
        }
    }

    /// Whether slow readers would cost the kernel more than all others together, and than a box can spare.
    fn bounds_slow_readers(&self) -> bool {
        let free = (KERNEL_BYTES * self.connections).max(SLOW_KERNEL_FREE);
        SLOW_KERNEL_BYTES * self.slow_readers > free
    }
}

impl Memory {
    fn total(&self) -> u64 {
        self.process + self.idle_user + self.idle_kernel + self.slow_user + self.slow_kernel
    }

    /// With a quarter more for the rest of the system.
    fn machine(&self) -> u64 {
        self.total() / 4 * 5
    }
}
