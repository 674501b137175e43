//! Servers that are started for a measurement and end with it, and runs of this program against them.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use serde_json::Value;

use crate::run::Failure;
use crate::speech::Protocol;

/// A server that ends with this value.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Host and port.
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left behind.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Server {
    /// Starts a program and waits for the line with its address.
    pub(crate) fn start(program: &Path, arguments: &[&str]) -> Result<Self, Failure> {
        Self::start_with(program, arguments, &[])
    }

    /// The same, with variables of the environment.
    pub(crate) fn start_with(
        program: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Self, Failure> {
        let mut child = Command::new(program)
            .args(arguments)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| Failure::Usage(format!("{}: {error}", program.display())))?;
        let stdout = child.stdout.take().expect("piped");
        let mut server = Self { child, address: String::new() };
        let mut lines = BufReader::new(stdout).lines();
        for line in &mut lines {
            let line = line?;
            if let Some((_, address)) = line.split_once("ready on http://") {
                let address = address.split_whitespace().next().unwrap_or_default();
                server.address = address.to_owned();
                // Whatever it says later must not fill the pipe.
                thread::spawn(move || lines.for_each(drop));
                return Ok(server);
            }
        }
        Err(Failure::Io(io::Error::other(format!("{} ended without a ready line", program.display()))))
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Where it speaks a protocol.
    pub(crate) fn url(&self, protocol: Protocol) -> String {
        let address = &self.address;
        match protocol {
            Protocol::Ws => format!("ws://{address}/ws"),
            Protocol::Sio3 | Protocol::Sio4 => format!("http://{address}/socket.io/"),
        }
    }
}

/// Runs this very program against a server; anything but a clean run is an error.
pub(crate) fn flood(
    server: &Server,
    protocol: Protocol,
    options: &[(&str, Option<u32>)],
) -> Result<Value, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    for (name, value) in options {
        command.arg(name);
        command.args(value.map(|value| value.to_string()));
    }
    let (url, pid) = (server.url(protocol), server.pid().to_string());
    command.args(["--json", "--protocol", protocol.name(), "--url", &url, "--pid", &pid]);
    let output = command.stderr(Stdio::inherit()).output()?;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    if output.status.success() {
        return Ok(report);
    }
    let what = report.get("failures").map_or_else(|| output.status.to_string(), Value::to_string);
    Err(Failure::Io(io::Error::other(format!("a run against {url} failed: {what}"))))
}

/// The number at a place of a report.
pub(crate) fn number(report: &Value, place: &str) -> Result<f64, Failure> {
    let number = report.pointer(place).and_then(Value::as_f64);
    number.ok_or_else(|| Failure::Io(io::Error::other(format!("no {place} in the report of a run"))))
}

/// A program that was named, or stands beside this one.
pub(crate) fn program(given: Option<&Path>, name: &str) -> Result<PathBuf, Failure> {
    let path = match given {
        Some(path) => path.to_owned(),
        None => std::env::current_exe()?.with_file_name(name),
    };
    if path.is_file() {
        Ok(path)
    } else {
        Err(Failure::Usage(format!("{}: no such program", path.display())))
    }
}
