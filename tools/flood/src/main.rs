//! `fanfare-flood`: maps outcomes to exit statuses, and nothing else.

use std::process::ExitCode;

use clap::Parser;
use fanfare_flood::args::{Cli, Command, Common};
use fanfare_flood::compare;
use fanfare_flood::relay;
use fanfare_flood::report::{Report, print_table, write_page};
use fanfare_flood::run::{self, Failure};
use fanfare_flood::{slow, soak};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let (common, outcome) = match &cli.command {
        Command::Hold(args) => (&args.common, run::hold(args)),
        Command::Rate(args) => (&args.common, run::rate(args)),
        Command::Broadcast(args) => (&args.common, run::broadcast(args)),
        Command::Echo(args) => (&args.common, run::echo(args)),
        Command::Storm(args) => (&args.common, run::storm(args)),
        Command::Compare(args) => return status(compare::compare(args)),
        Command::Relay(args) => return status(relay::relay(args)),
        Command::Slow(args) => return status(slow::slow(args)),
        Command::Soak(args) => return status(soak::soak(args)),
    };
    status(outcome.and_then(|report| show(common, &report)))
}

fn show(common: &Common, report: &Report) -> Result<bool, Failure> {
    if common.json {
        println!("{}", serde_json::to_string(report).map_err(std::io::Error::from)?);
    } else {
        print_table(report);
    }
    if let Some(file) = &common.report {
        write_page(report, file)
            .map_err(|error| Failure::Usage(format!("--report {}: {error}", file.display())))?;
    }
    Ok(report.ok)
}

fn status(outcome: Result<bool, Failure>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(Failure::Usage(what)) => {
            eprintln!("fanfare-flood: {what}");
            ExitCode::from(2)
        }
        Err(Failure::Io(error)) => {
            eprintln!("fanfare-flood: {error}");
            ExitCode::from(1)
        }
    }
}
