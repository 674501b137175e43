//! Several servers with one Redis, all of them real processes: what one of them promises, they promise together, and
//! what an outage costs is what is counted.

mod client;
mod cost;
mod faults;
mod load;
mod nodes;
#[path = "../redis_link/proxy.rs"]
mod proxy;
mod scenarios;
#[path = "../redis_link/servers.rs"]
#[allow(dead_code)]
mod servers;
mod sio;
#[path = "../support/mod.rs"]
mod support;
