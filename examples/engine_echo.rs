//! An Engine.IO echo at `/engine.io/`, for conformance suites: every message comes back as it came.
//!
//! `cargo run --release --example engine_echo -- --listen 127.0.0.1:3000`

mod common;

use fanfare::{Admission, Endpoint, EngineOptions, Message, Request, Response, Socket};

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
    let about = "An Engine.IO echo server at /engine.io/";
    let args = common::command("engine_echo", about, "127.0.0.1:3000").get_matches();
    let options = EngineOptions::at("/engine.io/").ping_interval_ms(300).ping_timeout_ms(200);
    common::run("engine_echo", common::server(&args).engine(options, Echo))
}
