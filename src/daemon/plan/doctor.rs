//! The machine beside a plan, one line a setting.

use super::machine::{Machine, UNBOUNDED};
use super::settings::{Here, Place, Rule, SETTINGS, Setting};
use super::{Load, Question};
use crate::config::Config;
use std::fmt::Write as _;

/// What the machine has beside what the connections need; and how many settings will not do.
///
/// # Errors
/// There is no such process.
pub(crate) fn doctor(
    question: &Question,
    pid: Option<u32>,
    config: &Config,
) -> Result<(String, usize), String> {
    let machine = Machine::here(pid);
    match pid.filter(|_| !machine.has_process()) {
        Some(pid) => Err(format!("--pid {pid}: there is no such process")),
        None => Ok(examine(&question.load(config, &machine), config, &machine)),
    }
}

pub(super) fn examine(load: &Load, config: &Config, machine: &Machine) -> (String, usize) {
    let mut out = format!("for {} connections on {} reactors\n", load.connections, load.reactors);
    let mut wrong = 0;
    for setting in SETTINGS {
        let Some(wanted) = (setting.wanted)(load) else { continue };
        let here = (setting.here)(machine);
        let (status, shown) = match &here {
            Here::Numbers(numbers) => {
                let status = match setting.rule {
                    _ if setting.holds(numbers, &wanted) => "ok",
                    Rule::AtMost => "high",
                    Rule::AtLeast | Rule::Version => "low",
                };
                (status, setting.show(numbers))
            }
            Here::Nothing(what) => ("ok", (*what).to_owned()),
            Here::Unknown => ("unknown", "not to be seen here".to_owned()),
        };
        let _ = write!(out, "{status:8} {}: {shown}", setting.name);
        if status != "ok" {
            let most = if setting.rule == Rule::AtMost { "at most " } else { "" };
            // Writing to a String does not fail.
            let _ = write!(out, ", wanted {most}{}: {}", setting.show(&wanted), how(setting, &here, &wanted));
        }
        out.push('\n');
        wrong += usize::from(matches!(status, "low" | "high"));
    }
    // The server's own limit counts before all others.
    let limit = config.limits.connections.map_or(UNBOUNDED, |connections| connections as u64);
    let name = "limits.connections";
    let _ = if limit >= load.connections {
        let shown =
            if limit == UNBOUNDED { "what the descriptors allow".to_owned() } else { limit.to_string() };
        writeln!(out, "ok       {name}: {shown}")
    } else {
        wrong += 1;
        writeln!(out, "low      {name}: {limit}, wanted {}: in the configuration file", load.connections)
    };
    (out, wrong)
}

/// How it is set.
fn how(setting: &Setting, here: &Here, wanted: &[u64]) -> String {
    let words: Vec<String> = setting.merged(here, wanted).iter().map(u64::to_string).collect();
    match setting.place {
        Place::Kernel => format!("sysctl -w {}='{}'", setting.name, words.join(" ")),
        Place::Unit => format!("{}={} in the unit, or ulimit -Hn", setting.name, words.join(" ")),
        Place::Machine(how) => how.to_owned(),
    }
}
