//! A WebSocket echo at `/echo`, for conformance suites: every message comes back as it came.
//!
//! `cargo run --release --example echo -- --listen 127.0.0.1:9001 --reactors 1`

use clap::{Arg, ArgAction, Command, value_parser};
use fanfare::{
    Admission, Compression, Endpoint, Limits, ListenAddr, Message, Request, Response, Server, Socket,
};

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
    let listen = Arg::new("listen").long("listen").value_parser(value_parser!(ListenAddr));
    let reactors = Arg::new("reactors").long("reactors").value_parser(value_parser!(usize));
    let compression = Arg::new("compression").long("compression").action(ArgAction::SetTrue);
    let args = Command::new("echo")
        .about("A WebSocket echo server at /echo")
        .arg(listen.default_value("127.0.0.1:9001").help("Where to listen; port 0 picks one"))
        .arg(reactors.default_value("0").help("Reactors; 0 is one a core"))
        .arg(compression.help("Agree on permessage-deflate, and compress every message that gets shorter"))
        .get_matches();
    let listen = args.get_one::<ListenAddr>("listen").expect("it has a default").clone();
    let reactors = *args.get_one::<usize>("reactors").expect("it has a default");
    let limits = Limits { message_bytes: MESSAGE_BYTES, outbox_bytes: OUTBOX_BYTES, ..Limits::default() };
    let mut server =
        Server::builder().listen(listen).reactors(reactors).limits(limits).endpoint("/echo", Echo);
    if args.get_flag("compression") {
        server = server.compression(Compression { threshold_bytes: 0, ..Compression::default() });
    }
    let running = server.start()?;
    for addr in running.addrs() {
        println!("echo ready on http://{addr} ({} reactors)", running.reactors());
    }
    Ok(running.join()?)
}
