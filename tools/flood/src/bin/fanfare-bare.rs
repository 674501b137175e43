//! `fanfare-bare`: the bare `send()` loop that `fanfare-flood compare` measures against.

use std::net::SocketAddr;

use clap::Parser;
use fanfare_flood::bare::Bare;

/// Upgrades every connection and broadcasts every mode 300 message, with nothing around the send() loop.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// Where to listen (loopback only); port 0 picks one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    if !cli.listen.ip().is_loopback() {
        eprintln!(
            "fanfare-bare: --listen {}: it checks nothing, and so listens on loopback only",
            cli.listen
        );
        return 2.into();
    }
    let served = Bare::bind(cli.listen).and_then(|bare| {
        println!("fanfare-bare ready on http://{}", bare.address()?);
        bare.run()
    });
    match served {
        Ok(()) => 0.into(),
        Err(error) => {
            eprintln!("fanfare-bare: {error}");
            1.into()
        }
    }
}
