//! An Engine.IO echo at `/engine.io/`, for conformance suites: every message comes back as it came.
//!
//! `cargo run --release --example engine_echo -- --listen 127.0.0.1:3000`

use clap::{Arg, ArgAction, Command, value_parser};
use fanfare::{Admission, Endpoint, EngineOptions, ListenAddr, Message, Request, Response, Server, Socket};

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
    let args = Command::new("engine_echo")
        .about("An Engine.IO echo server at /engine.io/")
        .arg(
            listen
                .action(ArgAction::Append)
                .default_value("127.0.0.1:3000")
                .help("Where to listen, once or more; port 0 picks one"),
        )
        .arg(reactors.default_value("0").help("Reactors; 0 is one a core"))
        .get_matches();
    let reactors = *args.get_one::<usize>("reactors").expect("it has a default");
    let options = EngineOptions::at("/engine.io/").ping_interval_ms(300).ping_timeout_ms(200);
    let mut server = Server::builder().reactors(reactors).engine(options, Echo);
    for listen in args.get_many::<ListenAddr>("listen").expect("it has a default") {
        server = server.listen(listen.clone());
    }
    let running = server.start()?;
    for addr in running.addrs() {
        println!("engine_echo ready on http://{addr} ({} reactors)", running.reactors());
    }
    Ok(running.join()?)
}
