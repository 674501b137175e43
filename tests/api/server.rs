//! The program as these tests start it, and short ways to ask it something.

use crate::http::{Answer, Http};
use crate::support;

/// A running program; it is ended when this is dropped.
pub(crate) struct Server(pub(crate) support::Server);

impl Server {
    pub(crate) fn start(reactors: usize) -> Server {
        Server(support::Server::start(&["--reactors", &reactors.to_string()]))
    }

    pub(crate) fn start_with_key(reactors: usize, key: &str) -> Server {
        Server(support::Server::start(&["--reactors", &reactors.to_string(), "--api-key", key]))
    }

    /// A connection for requests.
    pub(crate) fn http(&self) -> Http {
        Http::new(self.0.connect())
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
