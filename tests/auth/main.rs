//! Who may come in, and what they may do, as others meet it: every way in is tried closed and open, from outside of the
//! program.

mod config;
mod hooks;
mod jwks;
mod keys;
mod publish;
mod refresh;
mod sio;
#[path = "../support/mod.rs"]
mod support;
mod tokens;
mod users;
mod webhook;
mod ws;

use support::{Folder, Server};

/// A program with this configuration, on a port of its own.
struct Running {
    server: Server,
    folder: Folder,
}

impl Running {
    fn new(folder: Folder, config: &str) -> Running {
        let file = folder.write("fanfare.toml", &format!("reactors = 2\n{config}"));
        Running { server: Server::configured(&file), folder }
    }

    /// A server that takes tokens of these keys.
    fn with_keys(pem: &str, more: &str) -> Running {
        let folder = Folder::new();
        let file = folder.write("keys.pem", pem);
        let config = format!("[auth.jwt]\npublic_key_file = \"{}\"\n{more}", file.display());
        Running::new(folder, &config)
    }

    /// Whether a client with a token may come in: its status, and why not.
    fn knock(&self, target: &str) -> (u16, String) {
        match self.server.try_ws(target) {
            Ok(mut ws) => {
                ws.send(r#"{"mode":1,"msgId":"in"}"#);
                assert!(ws.text().starts_with(r#"{"msgId":"in","mode":1,"code":0"#));
                (101, String::new())
            }
            Err(reply) => {
                let body: serde_json::Value = serde_json::from_str(&reply.body).expect("a body of JSON");
                (reply.status, body["message"].as_str().unwrap().to_owned())
            }
        }
    }

    /// The server still serves somebody whose token is right.
    fn serves(&self, token: &str) {
        assert_eq!(self.knock(&ws_target("d1", "well", token)).0, 101);
    }
}

fn ws_target(domain: &str, client: &str, token: &str) -> String {
    format!("/ws?bizCode={domain}&clientId={client}&token={token}")
}
