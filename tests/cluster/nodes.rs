//! The servers of a cluster, and what they say about themselves over HTTP.

use crate::servers::{Redis, eventually};
use crate::support::{Folder, Reply, Server, fanfare};
use serde_json::Value;

/// Which wire a cluster speaks.
pub(crate) const WIRES: [bool; 2] = [false, true];

/// Servers of one cluster.
pub(crate) struct Nodes {
    pub(crate) all: Vec<Server>,
    sharded: bool,
    folder: Folder,
}

impl Nodes {
    /// As many servers as there are URLs of Redis, which know of one another.
    pub(crate) fn by(urls: &[String], sharded: bool) -> Nodes {
        let mut nodes = Nodes { all: Vec::new(), sharded, folder: Folder::new() };
        for url in urls {
            nodes.add(url);
        }
        nodes.until_complete();
        nodes
    }

    pub(crate) fn start(count: usize, redis: &Redis, sharded: bool) -> Nodes {
        Nodes::by(&vec![redis.url(); count], sharded)
    }

    /// One more.
    pub(crate) fn add(&mut self, url: &str) {
        let text = format!("reactors = 2\n[cluster]\nsharded = {}\n", self.sharded);
        let file = self.folder.write("node.toml", &text);
        let file = file.to_str().expect("a path of this test");
        let arguments = ["-c", file, "--listen", "127.0.0.1:0", "--redis", url];
        self.all.push(Server::spawn(&mut fanfare(&arguments)));
    }

    /// Waits until each knows of all others.
    pub(crate) fn until_complete(&self) {
        let others = self.all.len() as u64 - 1;
        for node in &self.all {
            eventually("the nodes find one another", || {
                metric(node, "fanfare_cluster_up") == 1 && metric(node, "fanfare_cluster_nodes") == others
            });
        }
    }

    /// Waits until a message to whom this means is for so many clients, whichever node is asked. What one node
    /// subscribes to others reach a moment later: this is how a test knows that the moment is over.
    pub(crate) fn until_matched(&self, to: &str, matched: u64) {
        for node in &self.all {
            eventually(&format!("{to} are {matched}"), || {
                publish(node, &format!("{{{to},\"content\":\"probe\"}}"))["matched"] == matched
            });
        }
    }
}

impl std::ops::Index<usize> for Nodes {
    type Output = Server;

    fn index(&self, node: usize) -> &Server {
        &self.all[node]
    }
}

/// The report of what was published by HTTP.
pub(crate) fn publish(node: &Server, body: &str) -> Value {
    let reply = post(node, "/api/v1/publish", body);
    assert_eq!(reply.status, 200, "{}", reply.body);
    serde_json::from_str(&reply.body).expect("a report")
}

pub(crate) fn post(node: &Server, target: &str, body: &str) -> Reply {
    node.request("POST", target, "Content-Type: application/json\r\n", body)
}

/// What a report says of nodes: asked, and answered.
pub(crate) fn nodes_of(report: &Value) -> (u64, u64) {
    let number = |name| report["nodes"][name].as_u64().expect("a number of nodes");
    (number("asked"), number("answered"))
}

/// A metric without labels.
pub(crate) fn metric(node: &Server, name: &str) -> u64 {
    let page = node.get("/metrics").body;
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {page}")).parse().expect("a whole number")
}
