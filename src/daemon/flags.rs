//! The command line. Its flags are the keys of the configuration that have one.

use crate::config::{FILE_VARIABLE, Key, Value, keys};
use crate::plan::{self, Form, Question};
use crate::{publish_command, top};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;

/// What the program is asked to do.
#[derive(Debug)]
pub(crate) enum Task {
    /// Run the server.
    Serve(Given),
    /// Validate and print the configuration.
    Check(Given),
    /// Write what a package of the program has beside it, into this folder.
    Generate(Papers, PathBuf),
    /// Send a message by a server's API.
    Publish(ArgMatches),
    /// Show the numbers of a server.
    Top(ArgMatches),
    /// Print what so many connections need.
    Plan(Given, Question, Form),
    /// Compare the machine with it.
    Doctor(Given, Question, Option<u32>),
    /// Print this: the help or the version.
    Say(String),
}

/// What is made of the command line's description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Papers {
    Manual,
    Completions,
    Configuration,
}

/// What the command line says about the configuration.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) file: Option<PathBuf>,
    pub(crate) values: Vec<(&'static Key, Value)>,
}

/// Reads the command line.
///
/// # Errors
/// One line that says what is wrong with it.
pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Task, String> {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return Ok(Task::Say(error.render().to_string()));
        }
        Err(error) => return Err(one_line(&error.render().to_string())),
    };
    Ok(match matches.subcommand() {
        Some(("check", matches)) => Task::Check(given(matches)),
        Some((GENERATE, matches)) => generate(matches),
        Some(("publish", matches)) => Task::Publish(matches.clone()),
        Some(("top", matches)) => Task::Top(matches.clone()),
        Some(("plan", matches)) => Task::Plan(given(matches), Question::of(matches), Form::of(matches)),
        Some(("doctor", matches)) => {
            let pid = matches.get_one::<u32>("pid").copied();
            Task::Doctor(given(matches), Question::of(matches), pid)
        }
        Some((_, matches)) => Task::Serve(given(matches)),
        None => Task::Serve(given(&matches)),
    })
}

/// For those who make packages; nobody else is told.
const GENERATE: &str = "generate";

fn command() -> Command {
    let what = Arg::new("what").required(true).value_parser(["man", "completions", "config"]);
    let folder = Arg::new("folder").required(true).value_parser(value_parser!(PathBuf));
    described().subcommand(Command::new(GENERATE).hide(true).arg(what).arg(folder))
}

fn generate(matches: &ArgMatches) -> Task {
    let papers = match matches.get_one::<String>("what").map(String::as_str) {
        Some("man") => Papers::Manual,
        Some("config") => Papers::Configuration,
        _ => Papers::Completions,
    };
    Task::Generate(papers, matches.get_one::<PathBuf>("folder").cloned().unwrap_or_default())
}

/// What there is for everybody.
pub(crate) fn described() -> Command {
    let serve = Command::new("serve").about("Run the server; the same as no command");
    let check = Command::new("check").about("Validate the configuration and print what is in effect");
    let plan = Command::new("plan").about("Print the settings and the memory that so many connections need");
    let doctor = Command::new("doctor").about("Compare this machine with what so many connections need");
    with_settings(Command::new("fanfare"))
        .version(env!("CARGO_PKG_VERSION"))
        .about("A realtime push server")
        .args_conflicts_with_subcommands(true)
        .subcommand(with_settings(serve))
        .subcommand(with_settings(check))
        .subcommand(publish_command::command())
        .subcommand(top::command())
        .subcommand(with_settings(plan::with_form(plan::with_question(plan, true))))
        .subcommand(with_settings(plan::with_pid(plan::with_question(doctor, false))))
}

fn with_settings(command: Command) -> Command {
    let config = Arg::new("config")
        .short('c')
        .long("config")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help(format!("Read the configuration from this TOML file [env: {FILE_VARIABLE}]"));
    command.arg(config).args(keys().filter_map(flag)).after_long_help(table_of_keys())
}

fn flag(key: &'static Key) -> Option<Arg> {
    let (name, value) = key.flag?;
    let arg = Arg::new(key.name)
        .long(name)
        .value_name(value)
        .help(format!("{} [env: {}]", key.about, key.variable()))
        .action(if key.is_list() { ArgAction::Append } else { ArgAction::Set });
    Some(if key.is_switch() {
        arg.num_args(0..=1).require_equals(true).default_missing_value("true")
    } else {
        arg
    })
}

fn given(matches: &ArgMatches) -> Given {
    let mut values = Vec::new();
    for key in keys().filter(|key| key.flag.is_some()) {
        let Some(given) = matches.get_many::<String>(key.name) else { continue };
        let given: Vec<String> = given.cloned().collect();
        values.push(match <[String; 1]>::try_from(given) {
            Ok([text]) => (key, Value::Raw(text)),
            Err(several) => (key, Value::List(several)),
        });
    }
    Given { file: matches.get_one::<PathBuf>("config").cloned(), values }
}

/// All keys with their variables and defaults, for `--help`.
fn table_of_keys() -> String {
    let mut table = String::from(
        "Every key of the configuration file has an environment variable. Flags win over the environment, the\n\
         environment over the file. Several values have commas between them, or a flag each.\n\nKeys:\n",
    );
    for key in keys() {
        let default = key.show(&crate::config::Config::default()).unwrap_or_else(|| "none".to_owned());
        // Writing to a String does not fail.
        let _ = writeln!(table, "  {} [env: {}] [default: {default}]", key.name, key.variable());
        let _ = writeln!(table, "      {}", key.about);
    }
    table.push_str(
        "\nExit status: 0 clean; 2 an error of usage or configuration; 1 anything else.\n\
         SIGTERM drains the server and then ends it, SIGINT ends it soon, the second of them at once. SIGHUP reads the\n\
         configuration again.",
    );
    table
}

/// The part of a usage error that says something, on one line.
fn one_line(error: &str) -> String {
    let is_about_help = |line: &str| line.starts_with("Usage:") || line.starts_with("For more information");
    let lines = error.lines().map(str::trim).take_while(|line| !is_about_help(line));
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    let text = lines.join(" ");
    format!("{} (see fanfare --help)", text.strip_prefix("error: ").unwrap_or(&text))
}
