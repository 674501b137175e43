//! Other nodes: how they are reached, what they are told and asked, and what they say.
//!
//! One `Peers` is all of that for one node. It speaks the wires of Socket.IO's own adapters ([`crate::wire::adapter`]),
//! for namespaces under their prefix, so that servers in JavaScript and emitters in any language are of the same cluster,
//! and for the scopes of plain WebSockets under one of its own. Reactors tell it by `app::Cluster`, and it acts on
//! this node by `app::Gateway`; the bytes go through [`redis`].
//!
//! | file | owns |
//! |---|---|
//! | `peers` | the node's identity, what it is subscribed to, what it tells others |
//! | `hearing` | what others tell |
//! | `elder` | what only older servers ask |
//! | `wanted` | questions to other nodes, until they are answered or late |
//! | `presence` | which other nodes there are |
//! | `claims` | which claim of a name is the newest |
//! | `sequence` | how many messages of others were missed in an outage |
//! | `transport` | what it has of the world outside |

mod claims;
mod elder;
mod hearing;
mod peers;
mod presence;
pub mod redis;
mod sequence;
mod transport;
mod wanted;

pub(crate) use peers::Peers;
#[cfg(test)]
pub(crate) use transport::{Clock, Transport};

use crate::wire::adapter::Wire;
use redis::RedisUrl;

/// How nodes are one.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    pub(crate) url: RedisUrl,
    pub(crate) link: redis::Settings,
    pub(crate) prefix: String,
    pub(crate) own_prefix: String,
}

impl ClusterOptions {
    /// By this Redis, with the defaults: the classic wire, which servers and emitters of all versions speak.
    pub fn redis(url: RedisUrl) -> ClusterOptions {
        let link = redis::Settings::default();
        ClusterOptions { url, link, prefix: "socket.io".to_owned(), own_prefix: "fanfare".to_owned() }
    }

    /// Sharded Pub/Sub of Redis 7, and the wire of Socket.IO's sharded adapter: a node gets only what is for everybody, and
    /// for rooms that it has a member of. Default no.
    pub fn sharded(mut self, sharded: bool) -> ClusterOptions {
        self.link.sharded = sharded;
        self
    }

    /// What the names of Socket.IO's channels begin with. Default `socket.io`, as with the packages.
    pub fn prefix(mut self, prefix: &str) -> ClusterOptions {
        self.prefix = prefix.to_owned();
        self
    }

    /// What the names of the other channels begin with: those of scopes of plain WebSockets, and what nodes say about
    /// themselves. Default `fanfare`.
    pub fn own_prefix(mut self, prefix: &str) -> ClusterOptions {
        self.own_prefix = prefix.to_owned();
        self
    }

    /// How the link to Redis behaves: what it keeps during an outage, when it gives up on silence.
    pub fn link(mut self, settings: redis::Settings) -> ClusterOptions {
        self.link = redis::Settings { sharded: self.link.sharded, ..settings };
        self
    }

    pub(crate) fn wire(&self) -> Wire {
        if self.link.sharded { Wire::Sharded } else { Wire::Classic }
    }
}
