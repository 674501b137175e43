//! The `fanfare` program: maps what it is asked and what comes of it to output and exit status, nothing else.

mod access;
mod api;
mod client;
mod config;
mod events;
mod flags;
mod gateway;
mod logging;
mod raw;
mod serve;
mod tls;

use client::Client;
use config::ConfigError;
use flags::{Given, Task};
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
        let shown = Shown::read(&loaded)?;
        Ok((loaded, client, shown))
    };
    let load = |given: &Given| load(given).map_err(|error: ConfigError| (USAGE, error.to_string()));
    match flags::parse(std::env::args_os()).map_err(usage)? {
        Task::Serve(given) => {
            let (loaded, client, shown) = load(&given)?;
            serve::serve(&loaded, client, &shown).map_err(|error| (FAILURE, error))
        }
        Task::Check(given) => say(&load(&given)?.0.show()),
        Task::Say(text) => say(&text),
    }
}

fn say(text: &str) -> Result<(), (u8, String)> {
    let mut out = std::io::stdout().lock();
    let said = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    said.map_err(|error| (FAILURE, format!("cannot write to standard output: {error}")))
}
