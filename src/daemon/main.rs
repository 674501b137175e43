//! The `fanfare` program: maps what it is asked and what comes of it to output and exit status, nothing else.

mod access;
mod api;
mod asking;
mod client;
mod config;
mod events;
mod flags;
mod gateway;
mod life;
mod logging;
mod papers;
mod plan;
mod publish_command;
mod raw;
mod reload;
mod remote;
mod serve;
mod systemd;
mod tls;
mod top;

use access::Rules;
use client::Client;
use config::ConfigError;
use flags::{Given, Task};
use reload::Live;
use remote::Problem;
use std::io::Write;
use std::process::ExitCode;
use tls::Shown;

/// An error of usage or configuration.
const USAGE: u8 = 2;
/// Any other error.
const FAILURE: u8 = 1;

fn main() -> ExitCode {
    let (status, error) = match run() {
        Ok(()) => return ExitCode::SUCCESS,
        Err(failed) => failed,
    };
    // If standard error is closed there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "fanfare: {error}");
    ExitCode::from(status)
}

fn run() -> Result<(), (u8, String)> {
    let usage = |error| (USAGE, error);
    let load = |given: &Given| {
        let loaded = config::load(given.file.as_deref(), std::env::vars_os(), &given.values)?;
        let client = Client::read(&loaded.config.socketio)
            .map_err(|error| loaded.bad_value("socketio.client_dir", error))?;
        let rules = Rules::read(&loaded.config).map_err(|bad| loaded.bad_value(bad.key, bad.error))?;
        let shown = Shown::read(&loaded)?;
        Ok((loaded, client, rules, shown))
    };
    let load = |given: &Given| load(given).map_err(|error: ConfigError| (USAGE, error.to_string()));
    match flags::parse(std::env::args_os()).map_err(usage)? {
        Task::Serve(given) => {
            let (loaded, client, rules, shown) = load(&given)?;
            let passed = systemd::Passed::take().map_err(|error| (FAILURE, error))?;
            passed.check(&loaded).map_err(|error| (USAGE, error.to_string()))?;
            let live = Live::new(&loaded.config, rules, shown);
            serve::serve(&loaded, client, live, passed, &given).map_err(|error| (FAILURE, error))
        }
        Task::Check(given) => say(&load(&given)?.0.show()),
        Task::Generate(papers, folder) => papers::write(papers, &folder)
            .map_err(|error| (FAILURE, format!("{}: {error}", folder.display()))),
        Task::Publish(matches) => {
            publish_command::run(&matches).map_err(status_of).and_then(|text| say(&text))
        }
        Task::Top(matches) => top::run(&matches).map_err(status_of).and_then(|text| say(&text)),
        Task::Plan(given, question, form) => say(&plan::plan(&question, form, &load(&given)?.0.config)),
        Task::Doctor(given, question, pid) => {
            let (text, wrong) =
                plan::doctor(&question, pid, &load(&given)?.0.config).map_err(|error| (USAGE, error))?;
            say(&text)?;
            if wrong == 0 { Ok(()) } else { Err((FAILURE, format!("{wrong} of these will not do"))) }
        }
        Task::Say(text) => say(&text),
    }
}

fn status_of(problem: Problem) -> (u8, String) {
    let status = if matches!(problem, Problem::Usage(_)) { USAGE } else { FAILURE };
    (status, problem.to_string())
}

fn say(text: &str) -> Result<(), (u8, String)> {
    let mut out = std::io::stdout().lock();
    let said = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    said.map_err(|error| (FAILURE, format!("cannot write to standard output: {error}")))
}
