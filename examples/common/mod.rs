//! What the servers for conformance suites have in common: their flags, and how they start.

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use fanfare::{Builder, ListenAddr, Server};
use std::error::Error;

/// A command line with `--listen` and `--reactors`.
pub(crate) fn command(name: &'static str, about: &'static str, listen: &'static str) -> Command {
    let addresses = Arg::new("listen").long("listen").value_parser(value_parser!(ListenAddr));
    let reactors = Arg::new("reactors").long("reactors").value_parser(value_parser!(usize));
    let addresses = addresses.action(ArgAction::Append).default_value(listen);
    Command::new(name)
        .about(about)
        .arg(addresses.help("Where to listen, once or more; port 0 picks one"))
        .arg(reactors.default_value("0").help("Reactors; 0 is one a core"))
}

/// The server that was asked for, without anything to serve.
pub(crate) fn server(args: &ArgMatches) -> Builder {
    let reactors = *args.get_one::<usize>("reactors").expect("it has a default");
    let listen = args.get_many::<ListenAddr>("listen").expect("it has a default");
    listen.cloned().fold(Server::builder().reactors(reactors), Builder::listen)
}

/// Starts it, says where it is, and serves until it is ended.
pub(crate) fn run(name: &str, server: Builder) -> Result<(), Box<dyn Error>> {
    let running = server.start()?;
    for addr in running.addrs() {
        println!("{name} ready on http://{addr} ({} reactors)", running.reactors());
    }
    Ok(running.join()?)
}
