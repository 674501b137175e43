//! Every setting that a number of connections asks for, once: why, how much, and what that costs.
//!
//! `fanfare plan` prints them, `fanfare doctor` compares them with the machine, and a test holds that tuning.md has each.

use super::Load;
use super::machine::{Machine, UNBOUNDED};

/// Descriptors of a table that are no connections: the listener, what polls, and those for refusals.
const SPARE_DESCRIPTORS: u64 = 128;
/// Open files of the rest of the system.
const OTHER_FILES: u64 = 65_536;
/// What the server asks to have queued for it, at most.
const BACKLOG: u64 = 65_535;
/// The kernel's default for `net.core.somaxconn`.
const BACKLOG_DEFAULT: u64 = 4_096;
/// The kernel's page.
const PAGE: u64 = 4_096;
/// Seconds after which everybody may be back.
const RETURN_S: u64 = 10;

/// Where something is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// By sysctl.
    Kernel,
    /// In the service's unit, or by `ulimit`.
    Unit,
    /// Nowhere: the machine has it or has it not. Otherwise, how it is set.
    Machine(&'static str),
}

/// How what is there compares with what is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// As much, number by number, or more.
    AtLeast,
    /// As late a version, or a later one.
    Version,
    /// As much or less.
    AtMost,
}

/// One setting.
pub(super) struct Setting {
    /// As the kernel, systemd or its file calls it.
    pub(super) name: &'static str,
    pub(super) place: Place,
    pub(super) rule: Rule,
    pub(super) unit: Unit,
    pub(super) effect: &'static str,
    pub(super) cost: &'static str,
    /// What these connections want of it; `None` if every value will do.
    pub(super) wanted: fn(&Load) -> Option<Vec<u64>>,
    pub(super) here: fn(&Machine) -> Here,
}

/// What the machine has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Here {
    /// These numbers.
    Numbers(Vec<u64>),
    /// Nothing that would need the setting; what is not there.
    Nothing(&'static str),
    /// It cannot be seen.
    Unknown,
}

impl From<Option<Vec<u64>>> for Here {
    fn from(numbers: Option<Vec<u64>>) -> Here {
        numbers.map_or(Here::Unknown, Here::Numbers)
    }
}

impl From<Option<u64>> for Here {
    fn from(number: Option<u64>) -> Here {
        Here::from(number.map(|number| vec![number]))
    }
}

/// What the numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Count,
    Bytes,
    Version,
}

/// All of them.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "LimitNOFILE",
        place: Place::Unit,
        rule: Rule::AtLeast,
        unit: Unit::Count,
        effect: "Descriptors of one reactor: its connections, and 128 for other uses",
        cost: "8 bytes for each that is used",
        wanted: |load| Some(vec![descriptors(load)]),
        here: |machine| machine.descriptors().into(),
    },
    Setting {
        name: "fs.nr_open",
        place: Place::Kernel,
        rule: Rule::AtLeast,
        unit: Unit::Count,
        effect: "The highest LimitNOFILE that can be had",
        cost: "none",
        wanted: |load| Some(vec![descriptors(load)]),
        here: |machine| machine.sysctl("fs.nr_open").into(),
    },
    Setting {
        name: "fs.file-max",
        place: Place::Kernel,
        rule: Rule::AtLeast,
        unit: Unit::Count,
        effect: "Open files of the whole system: all connections are files",
        cost: "none",
        wanted: |load| Some(vec![load.connections + SPARE_DESCRIPTORS * load.reactors + OTHER_FILES]),
        here: |machine| machine.sysctl("fs.file-max").into(),
    },
    Setting {
        name: "net.core.somaxconn",
        place: Place::Kernel,
        rule: Rule::AtLeast,
        unit: Unit::Count,
        effect: "Newcomers of a reactor that wait to be accepted: more of them are not answered and try again a second later",
        cost: "none until they come, then 2.4 KB for each that waits",
        wanted: |load| {
            let reactor = load.connections.div_ceil(load.reactors).next_power_of_two();
            Some(vec![reactor.clamp(BACKLOG_DEFAULT, BACKLOG)])
        },
        here: |machine| machine.sysctl("net.core.somaxconn").into(),
    },
    Setting {
        name: "net.ipv4.tcp_syncookies",
        place: Place::Kernel,
        rule: Rule::AtLeast,
        unit: Unit::Count,
        effect: "Half-open connections beyond somaxconn are answered with a cookie, not refused; without it net.ipv4.tcp_max_syn_backlog is another limit",
        cost: "none; who gets a cookie may do without window scaling",
        wanted: |_| Some(vec![1]),
        here: |machine| machine.sysctl("net.ipv4.tcp_syncookies").into(),
    },
    Setting {
        name: "net.ipv4.tcp_mem",
        place: Place::Kernel,
        rule: Rule::AtLeast,
        unit: Unit::Count,
        effect: "Pages for what waits in all sockets (fewer, pressed, most): a message on its way to everybody, and the slow readers' share",
        cost: "none until it is used: the memory under slow readers, kernel",
        wanted: |load| {
            let most = load.connections + load.memory().slow_kernel.div_ceil(PAGE);
            Some(vec![most / 2, most / 4 * 3, most])
        },
        here: |machine| machine.sysctl("net.ipv4.tcp_mem").into(),
    },
    Setting {
        name: "net.ipv4.tcp_notsent_lowat",
        place: Place::Kernel,
        rule: Rule::AtMost,
        unit: Unit::Bytes,
        effect: "What the kernel keeps for a reader before it has to be sent: a slow one costs 160 KB there, not the 4 MB of net.ipv4.tcp_wmem",
        cost: "more system calls for messages that are larger than that",
        wanted: |load| load.bounds_slow_readers().then(|| vec![super::NOTSENT_BYTES]),
        here: |machine| machine.sysctl("net.ipv4.tcp_notsent_lowat").into(),
    },
    Setting {
        name: "net.netfilter.nf_conntrack_max",
        place: Place::Kernel,
        rule: Rule::AtLeast,
        unit: Unit::Count,
        effect: "Connections that the firewall follows, where it does: the packets of others are dropped",
        cost: "about 256 bytes for each that is followed; notrack rules for the port cost nothing",
        wanted: |load| Some(vec![load.connections / 4 * 5 + OTHER_FILES]),
        here: |machine| match machine.follows_connections() {
            Some(false) => Here::Nothing("nothing is followed"),
            _ => machine.sysctl("net.netfilter.nf_conntrack_max").into(),
        },
    },
    Setting {
        name: "net.ipv4.ip_local_port_range",
        place: Place::Machine("a listen address more for each 28,000 connections of one proxy"),
        rule: Rule::AtLeast,
        unit: Unit::Count,
        effect: "Ports of a proxy on this machine: that many connections from each of its addresses to each listen address",
        cost: "none for clients of other machines, who bring their own",
        wanted: |_| Some(vec![28_232]),
        here: |machine| match machine.sysctl("net.ipv4.ip_local_port_range").as_deref() {
            Some([first, last]) => Here::Numbers(vec![last.saturating_sub(*first).saturating_add(1)]),
            _ => Here::Unknown,
        },
    },
    Setting {
        name: "vm.swappiness",
        place: Place::Kernel,
        rule: Rule::AtMost,
        unit: Unit::Count,
        effect: "Where there is swap: a broadcast reads the memory of every connection, also of those that were idle for hours",
        cost: "the page cache is given up first",
        wanted: |_| Some(vec![10]),
        here: |machine| match machine.memory("SwapTotal") {
            Some(0) => Here::Nothing("there is no swap"),
            _ => machine.sysctl("vm.swappiness").into(),
        },
    },
    Setting {
        name: "MemTotal",
        place: Place::Machine("more memory, or fewer connections"),
        rule: Rule::AtLeast,
        unit: Unit::Bytes,
        effect: "The memory of the plan, and a quarter more for the rest of the system",
        cost: "none",
        wanted: |load| Some(vec![load.memory().machine()]),
        here: |machine| machine.memory("MemTotal").into(),
    },
    Setting {
        name: "memory.max",
        place: Place::Machine("MemoryMax= in the unit, or the container's memory"),
        rule: Rule::AtLeast,
        unit: Unit::Bytes,
        effect: "What the control group may have, which counts sockets and what waits in them too",
        cost: "none",
        wanted: |load| Some(vec![load.memory().machine()]),
        here: |machine| machine.control_group("memory.max").into(),
    },
    Setting {
        name: "pids.max",
        place: Place::Machine("TasksMax= in the unit, or the container's limit of processes"),
        rule: Rule::AtLeast,
        unit: Unit::Count,
        effect: "Threads of the control group: one a reactor, and a few",
        cost: "none",
        wanted: |load| Some(vec![load.reactors + 16]),
        here: |machine| machine.control_group("pids.max").into(),
    },
    Setting {
        name: "processors",
        place: Place::Machine("more cores, or patience"),
        rule: Rule::AtLeast,
        unit: Unit::Count,
        effect: "Cores, so that everybody is back 10 seconds after all were cut off",
        cost: "none",
        wanted: |load| {
            Some(vec![(load.connections * load.protocol.return_us()).div_ceil(RETURN_S * 1_000_000)])
        },
        here: |machine| machine.processors.into(),
    },
    Setting {
        name: "kernel",
        place: Place::Machine("a newer kernel"),
        rule: Rule::Version,
        unit: Unit::Version,
        effect: "5.9 has close_range, without which no reactor starts",
        cost: "none",
        wanted: |_| Some(vec![5, 9]),
        here: |machine| machine.kernel().into(),
    },
];

/// Descriptors of the table of one reactor.
pub(super) fn descriptors(load: &Load) -> u64 {
    load.connections.div_ceil(load.reactors) + SPARE_DESCRIPTORS
}

/// Connections that reactors may have with tables of so many descriptors.
pub(super) fn connections(descriptors: u64, reactors: u64) -> u64 {
    descriptors.saturating_sub(SPARE_DESCRIPTORS).saturating_mul(reactors)
}

impl Setting {
    /// Whether what is there will do.
    pub(super) fn holds(&self, here: &[u64], wanted: &[u64]) -> bool {
        match self.rule {
            // What has fewer numbers is something else.
            Rule::AtLeast => {
                here.len() == wanted.len() && here.iter().zip(wanted).all(|(here, wanted)| here >= wanted)
            }
            Rule::Version => here >= wanted,
            Rule::AtMost => {
                here.len() == wanted.len() && here.iter().zip(wanted).all(|(here, wanted)| here <= wanted)
            }
        }
    }

    /// What to set: nothing that is better already becomes worse.
    pub(super) fn merged(&self, here: &Here, wanted: &[u64]) -> Vec<u64> {
        let here = match here {
            Here::Numbers(here) if here.len() == wanted.len() => here,
            _ => return wanted.to_vec(),
        };
        let both = here.iter().zip(wanted);
        match self.rule {
            Rule::AtLeast => both.map(|(here, wanted)| *here.max(wanted)).collect(),
            Rule::AtMost => both.map(|(here, wanted)| *here.min(wanted)).collect(),
            Rule::Version => wanted.to_vec(),
        }
    }

    /// The numbers for people.
    pub(super) fn show(&self, numbers: &[u64]) -> String {
        let text = |number: &u64| match (self.unit, *number) {
            (_, UNBOUNDED) => "unbounded".to_owned(),
            (Unit::Bytes, bytes) => super::print::bytes(bytes),
            (_, number) => number.to_string(),
        };
        let separator = if self.unit == Unit::Version { "." } else { " " };
        numbers.iter().map(text).collect::<Vec<_>>().join(separator)
    }
}
