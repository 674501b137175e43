//! A plan as text, as a file for `/etc/sysctl.d`, and as JSON.

use super::machine::Machine;
use super::settings::{Here, Place, SETTINGS, Setting, descriptors};
use super::{Form, Load, Protocol, Question};
use crate::config::{Config, keys};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What the connections need, in this form.
pub(crate) fn plan(question: &Question, form: Form, config: &Config) -> String {
    let machine = Machine::here(None);
    let load = question.load(config, &machine);
    match form {
        Form::Sysctl => sysctl(&load, &machine),
        Form::Json => format!("{}\n", as_json(&load, &machine)),
        Form::Text => text(&load, &machine),
    }
}

/// What the kernel should be told, and the numbers.
fn kernel(load: &Load, machine: &Machine) -> Vec<(&'static Setting, String)> {
    let of_kernel = SETTINGS.iter().filter(|setting| setting.place == Place::Kernel);
    let values = of_kernel.filter_map(|setting| {
        let here = (setting.here)(machine);
        let value = setting.merged(&here, &(setting.wanted)(load)?);
        let words: Vec<String> = value.iter().map(u64::to_string).collect();
        (!matches!(here, Here::Nothing(_))).then(|| (setting, words.join(" ")))
    });
    values.collect()
}

/// What the server's configuration should have: the key and its value.
fn server(load: &Load) -> Vec<(&'static str, u64)> {
    let wanted = [
        ("reactors", load.reactors),
        ("limits.connections", load.connections),
        ("limits.outbox_bytes", load.queued_bytes.max(1)),
        ("limits.memory_bytes", load.memory().total()),
    ];
    let names = keys().map(|key| key.name);
    names.filter_map(|name| wanted.into_iter().find(|(wanted, _)| *wanted == name)).collect()
}

fn title(load: &Load) -> String {
    let protocol = match load.protocol {
        Protocol::Ws => "/ws",
        Protocol::Sio => "Socket.IO",
    };
    let (connections, reactors) = (load.connections, load.reactors);
    format!("{connections} connections of {protocol}, {reactors} reactors")
}

pub(super) fn sysctl(load: &Load, machine: &Machine) -> String {
    let mut out = format!(
        "# {}. What is better here already is kept.\n# To have it now: sysctl -p and this file's name.\n",
        title(load)
    );
    for (Setting { name, effect, cost, .. }, value) in kernel(load, machine) {
        // Writing to a String does not fail.
        let _ = writeln!(out, "\n# {effect}.\n# Costs: {cost}.\n{name} = {value}");
    }
    out
}

fn text(load: &Load, machine: &Machine) -> String {
    let mut out = format!("{}\n\n== /etc/sysctl.d/90-fanfare.conf (fanfare plan --sysctl)\n", title(load));
    for (setting, value) in kernel(load, machine) {
        let _ = writeln!(out, "{} = {value}", setting.name);
    }
    let _ = writeln!(
        out,
        "\n== systemctl edit fanfare\n[Service]\nLimitNOFILE={}\n\n== the configuration file",
        descriptors(load)
    );
    let mut section = None;
    for (name, value) in server(load) {
        let (of, leaf) = name.rsplit_once('.').map_or((None, name), |(section, leaf)| (Some(section), leaf));
        if let Some(of) = of.filter(|of| section != Some(*of)) {
            let _ = writeln!(out, "[{of}]");
            section = Some(of);
        }
        let _ = writeln!(out, "{leaf} = {value}");
    }
    let memory = load.memory();
    let _ = writeln!(out, "\n== memory");
    let slow = load.slow_readers;
    for (what, cost) in [
        ("the process".to_owned(), memory.process),
        ("idle connections, user space".to_owned(), memory.idle_user),
        ("idle connections, kernel".to_owned(), memory.idle_kernel),
        (format!("{slow} slow readers, outboxes at most"), memory.slow_user),
        (format!("{slow} slow readers, kernel at most"), memory.slow_kernel),
        ("all of it".to_owned(), memory.total()),
        ("with a quarter for the rest of the system".to_owned(), memory.machine()),
    ] {
        let _ = writeln!(out, "{what:44} {:>9}", bytes(cost));
    }
    out
}

fn as_json(load: &Load, machine: &Machine) -> Value {
    let memory = load.memory();
    let sysctl: serde_json::Map<String, Value> = kernel(load, machine)
        .into_iter()
        .map(|(setting, value)| (setting.name.to_owned(), value.into()))
        .collect();
    let server: serde_json::Map<String, Value> =
        server(load).into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    json!({
        "connections": load.connections,
        "reactors": load.reactors,
        "protocol": match load.protocol { Protocol::Ws => "ws", Protocol::Sio => "sio" },
        "slow_readers": load.slow_readers,
        "sysctl": sysctl,
        "unit": { "LimitNOFILE": descriptors(load) },
        "server": server,
        "memory_bytes": {
            "process": memory.process,
            "idle_user": memory.idle_user,
            "idle_kernel": memory.idle_kernel,
            "slow_user": memory.slow_user,
            "slow_kernel": memory.slow_kernel,
            "total": memory.total(),
            "machine": memory.machine(),
        },
    })
}

/// Bytes for people.
pub(super) fn bytes(bytes: u64) -> String {
    const MIB: f64 = (1 << 20) as f64;
    match bytes as f64 / MIB {
        mib if mib >= 10_240.0 => format!("{:.1} GiB", mib / 1_024.0),
        mib if mib >= 10.0 => format!("{mib:.0} MiB"),
        mib if mib >= 1.0 => format!("{mib:.1} MiB"),
        mib => format!("{:.0} KiB", mib * 1_024.0),
    }
}
