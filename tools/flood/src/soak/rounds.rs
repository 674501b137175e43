//! What comes and goes around the connections that stay: runs of this program, each with names that nobody had before.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::compare::server::Server;
use crate::run::Failure;
use crate::speech::Protocol;

/// One kind of run: its command and flags, and which part of the connections it has.
struct Kind {
    protocol: Protocol,
    arguments: &'static str,
    /// One in so many of those that stay.
    share: u32,
}

/// A round, in this order.
const KINDS: [Kind; 7] = [
    Kind {
        protocol: Protocol::Ws,
        arguments: "broadcast --messages 60 --in-flight 8 --senders 2 --receipt",
        share: 4,
    },
    Kind {
        protocol: Protocol::Sio4,
        arguments: "rate --transport polling --mode 200 --senders 2 --per-second 20 --seconds 1.5",
        share: 20,
    },
    Kind {
        protocol: Protocol::Sio4,
        arguments: "hold --transport upgrade --seconds 0 --broadcast",
        share: 10,
    },
    Kind { protocol: Protocol::Sio3, arguments: "hold --seconds 0 --broadcast", share: 4 },
    Kind {
        protocol: Protocol::Ws,
        arguments: "storm --seconds 0 --within 30 --connecting 4096 --broadcast",
        share: 2,
    },
    Kind { protocol: Protocol::Sio4, arguments: "storm --seconds 0 --within 30 --broadcast", share: 4 },
    // 10 MB for each: more than two kernels and an outbox take.
    Kind { protocol: Protocol::Ws, arguments: "slow --messages 100 --payload 100000 --cut", share: 100 },
];

/// The rounds so far.
pub(super) struct Rounds {
    stay: u32,
    count: u32,
    /// Connections that were opened and closed.
    pub(super) connections: u64,
    /// Numbered messages that arrived.
    pub(super) received: u64,
}

impl Rounds {
    /// Around so many connections that stay.
    pub(super) fn new(stay: u32) -> Self {
        Self { stay, count: 0, connections: 0, received: 0 }
    }

    /// How many there were.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Runs one round; what went wrong.
    pub(super) fn run(&mut self, server: &Server) -> Result<Vec<String>, Failure> {
        self.count += 1;
        let mut failures = Vec::new();
        for (place, kind) in KINDS.iter().enumerate() {
            let name = format!("r{}k{place}", self.count);
            let connections = (self.stay / kind.share).max(4);
            let report = kind.run(server, &name, connections)?;
            let number = |place| report.pointer(place).and_then(Value::as_u64).unwrap_or(0);
            self.connections += u64::from(connections) + number("/storm/back");
            self.received += number("/messages/received");
            if report["ok"] != true {
                let why = report.get("failures").map_or("no report".to_owned(), Value::to_string);
                failures.push(format!("round {}, {}: {why}", self.count, kind.arguments));
            }
        }
        Ok(failures)
    }
}

impl Kind {
    fn run(&self, server: &Server, name: &str, connections: u32) -> Result<Value, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(self.arguments.split(' ')).args(["--json", "--connections", &connections.to_string()]);
        let url = server.url(self.protocol);
        let is_slow = self.arguments.starts_with("slow");
        match self.protocol {
            // That one names its domain itself.
            Protocol::Ws if is_slow => command.args(["--url", &url]),
            Protocol::Ws => {
                command.args(["--url", &format!("{url}?bizCode={name}&clientId=c{{n}}&group=g{{n%10}}")])
            }
            protocol => command.args(["--url", &url, "--protocol", protocol.name()]).args([
                "--user",
                &format!("{name}u{{n}}"),
                "--group",
                &format!("{name}g"),
            ]),
        };
        let output = command.stderr(Stdio::inherit()).output()?;
        Ok(serde_json::from_slice(&output.stdout).unwrap_or_default())
    }
}
