//! A WebSocket echo at `/echo`, for conformance suites: every message comes back as it came.
//!
//! `cargo run --release --example echo -- --listen 127.0.0.1:9001 --reactors 1`

mod common;

use clap::{Arg, ArgAction};
use fanfare::{Admission, Compression, Endpoint, Limits, Message, Request, Response, Socket};

/// What a suite sends at most, with room to spare: its largest messages have 16 MiB.
const MESSAGE_BYTES: usize = 17 << 20;
/// Its largest messages in flight at once, and the frames around them.
const OUTBOX_BYTES: usize = 64 << 20;

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
    let compression = Arg::new("compression").long("compression").action(ArgAction::SetTrue);
    let args = common::command("echo", "A WebSocket echo server at /echo", "127.0.0.1:9001")
        .arg(compression.help("Agree on permessage-deflate, and compress every message that gets shorter"))
        .get_matches();
    let limits = Limits { message_bytes: MESSAGE_BYTES, outbox_bytes: OUTBOX_BYTES, ..Limits::default() };
    let mut server = common::server(&args).limits(limits).endpoint("/echo", Echo);
    if args.get_flag("compression") {
        server = server.compression(Compression { threshold_bytes: 0, ..Compression::default() });
    }
    common::run("echo", server)
}
