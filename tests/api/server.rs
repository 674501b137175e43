//! Starting the program on a free port, and stopping it.

use crate::http::{Answer, Http};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// A running program; it is ended when this is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) addr: SocketAddr,
}

impl Server {
    pub(crate) fn start(reactors: usize) -> Server {
        Server::start_with_key(reactors, None)
    }

    pub(crate) fn start_with_key(reactors: usize, key: Option<&str>) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
        command.arg("127.0.0.1:0").arg(reactors.to_string());
        match key {
            Some(key) => command.env("FANFARE_API_KEY", key),
            None => command.env_remove("FANFARE_API_KEY"),
        };
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let rest = line.strip_prefix("fanfare ready on http://").expect(&line);
        let addr = rest.split(' ').next().unwrap().parse().expect(&line);
        Server { child, addr }
    }

    /// A connection for requests.
    pub(crate) fn http(&self) -> Http {
        Http::connect(self.addr)
    }

    /// One GET on a connection of its own.
    pub(crate) fn get(&self, target: &str) -> Answer {
        self.http().get(target)
    }

    /// One publish on a connection of its own.
    pub(crate) fn publish(&self, body: &str) -> Answer {
        self.http().publish(body)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none() || std::thread::panicking(), "the program ended early: {ended:?}");
        // Nothing that a test looks at happens after this.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
