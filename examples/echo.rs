//! A WebSocket echo at `/echo`, for conformance suites: every message comes back as it came.
//!
//! `cargo run --release --example echo -- --listen 127.0.0.1:9001 --reactors 1`

use clap::Parser;
use fanfare::{Admission, Endpoint, Limits, ListenAddr, Message, Request, Response, Server, Socket};

/// What a suite sends at most, with room to spare: its largest messages have 16 MiB.
const MESSAGE_BYTES: usize = 17 << 20;
/// Its largest messages in flight at once, and the frames around them.
const OUTBOX_BYTES: usize = 64 << 20;

/// A WebSocket echo server.
#[derive(Parser)]
struct Args {
    /// Where to listen; port 0 picks one.
    #[arg(long, default_value = "127.0.0.1:9001")]
    listen: ListenAddr,
    /// Reactors; 0 is one a core.
    #[arg(long, default_value_t = 0)]
    reactors: usize,
}

struct Echo;

impl Endpoint for Echo {
    fn on_upgrade(&self, _request: &Request<'_>) -> Result<Admission, Response> {
        Ok(Admission::to_scope("echo"))
    }

    fn on_message(&self, socket: &mut Socket<'_>, message: Message<'_>) {
        match message {
            Message::Text(text) => socket.send_text(text),
            Message::Binary(bytes) => socket.send_binary(bytes),
        };
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let limits = Limits { message_bytes: MESSAGE_BYTES, outbox_bytes: OUTBOX_BYTES, ..Limits::default() };
    let running = Server::builder()
        .listen(args.listen)
        .reactors(args.reactors)
        .limits(limits)
        .endpoint("/echo", Echo)
        .start()?;
    for addr in running.addrs() {
        println!("echo ready on http://{addr} ({} reactors)", running.reactors());
    }
    Ok(running.join()?)
}
