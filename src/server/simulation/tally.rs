//! How often happened what a simulation is for.

use super::World;
use super::carrier::State;
use super::client::Stage;
use super::play::Event;
use crate::app::Moved;
use std::collections::BTreeMap;

/// What was counted, by name.
pub(super) type Tally = BTreeMap<&'static str, u64>;

/// What [`World::tally`] counts besides the causes of closing.
pub(super) const TALLIED: [&str; 25] = [
    "delivered",
    "report",
    "report with queued",
    "report with slow",
    "report with closed",
    "report with busy",
    "timed out",
    "full",
    "answered over HTTP",
    "report with volatile",
    "delivered to guests",
    "upgraded",
    "abandoned",
    "acknowledged",
    "not acknowledged",
    "told",
    "refused",
    "handed over",
    "moved",
    "rang",
    "let in later",
    // Of sockets of Socket.IO; the rest are those of all others.
    "transport close",
    "transport error",
    "ping timeout",
    "parse error",
];

/// The same of a cluster.
pub(super) const CLUSTER_TALLIED: [&str; 8] = [
    "delivered",
    "delivered to guests",
    "report",
    "replaced",
    "from another node",
    "claimed from another node",
    "lost between nodes",
    "gap",
];

impl World {
    pub(super) fn tally(&self) -> Tally {
        let mut tally = Tally::new();
        let mut count = |what: &'static str, times: usize| *tally.entry(what).or_default() += times as u64;
        for event in self.events() {
            match event {
                Event::Closed { cause, .. } => count(cause, 1),
                Event::Rang { .. } => count("rang", 1),
                Event::Answered { right, .. } => {
                    count(if right.is_some() { "acknowledged" } else { "not acknowledged" }, 1);
                }
                Event::Reported { report: [_, _, queued, slow, volatile, closed, busy], .. } => {
                    let [all, some_queued, some_slow, some_volatile, some_closed, some_busy] =
                        [1, queued, slow, volatile, closed, busy].map(|number| usize::from(number > 0));
                    count("report with volatile", some_volatile);
                    count("report", all);
                    count("report with queued", some_queued);
                    count("report with slow", some_slow);
                    count("report with closed", some_closed);
                    count("report with busy", some_busy);
                }
                _ => {}
            }
        }
        for client in &self.clients {
            count("delivered", client.talk.got.len());
            count("answered over HTTP", client.answered);
            let is_in = matches!(client.stage, Stage::Open | Stage::Closed(_));
            count("let in later", usize::from(client.is_kept_waiting && is_in));
            count("timed out", usize::from(client.stage == Stage::Answered(408)));
            count("full", usize::from(client.stage == Stage::Answered(503)));
        }
        for guest in &self.guests {
            count("delivered to guests", guest.talk.got.len());
            count("upgraded", guest.carrier.upgrades);
            count("abandoned", guest.carrier.abandoned);
            count("full", usize::from(guest.carrier.state == State::Refused(503)));
            count("told", usize::from(guest.carrier.state == State::Told));
            count("refused", usize::from(matches!(guest.carrier.state, State::Refused(_))));
        }
        let homes = |n: usize, other: usize| self.homes[n] != self.homes[other];
        for somebody in self.everybody() {
            let from = somebody.talk.got.iter().filter(|(n, _)| homes(*n, somebody.talk.n));
            count("from another node", from.count());
        }
        let mut owners = BTreeMap::new();
        for event in self.events() {
            if let Event::Claimed { n, scope, user } = event {
                let before = owners.insert((scope, user), n);
                count(
                    "claimed from another node",
                    usize::from(before.is_some_and(|before| homes(n, before))),
                );
            }
        }
        for node in &self.nodes {
            count("handed over", node.stats.sum(|reactor| reactor.moved(Moved::Accepted)) as usize);
            count("moved", node.stats.sum(|reactor| reactor.moved(Moved::Balanced)) as usize);
            count("gap", node.stats.cluster().map_or(0, |cluster| cluster.gaps() as usize));
        }
        if let Some(redis) = &self.redis {
            count("lost between nodes", redis.lost());
        }
        tally
    }
}
