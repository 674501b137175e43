//! Whose word is taken about who a client is.

use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};

/// Some addresses: a network such as `10.0.0.0/8`, one address, or `unix` for everybody who comes by a unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(Addresses);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Addresses {
    Ip(IpNet),
    Unix,
}

impl Network {
    /// Whether the address is one of them.
    pub(crate) fn contains(&self, ip: IpAddr) -> bool {
        matches!(&self.0, Addresses::Ip(network) if network.contains(&ip))
    }

    /// Whether everybody on a unix socket is meant.
    pub(crate) fn is_unix(&self) -> bool {
        self.0 == Addresses::Unix
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Addresses::Ip(network) if network.prefix_len() == network.max_prefix_len() => {
                network.addr().fmt(f)
            }
            Addresses::Ip(network) => network.fmt(f),
            Addresses::Unix => f.write_str("unix"),
        }
    }
}

/// A text that is no network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadNetwork(String);

impl fmt::Display for BadNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no network: expected 10.0.0.0/8, 192.0.2.1, 2001:db8::/32 or unix", self.0)
    }
}

impl std::error::Error for BadNetwork {}

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Network, BadNetwork> {
        if text == "unix" {
            return Ok(Network(Addresses::Unix));
        }
        let network = text.parse::<IpAddr>().map(IpNet::from).or_else(|_| text.parse::<IpNet>());
        let network = network.map_err(|_| BadNetwork(text.to_owned()))?;
        // Bits behind the prefix are a slip: 10.0.0.5/8 is not meant to be all of 10.
        if network.trunc() != network {
            return Err(BadNetwork(text.to_owned()));
        }
        Ok(Network(Addresses::Ip(network)))
    }
}

/// The proxies and load balancers in front of a server. Without any, everybody is who the kernel says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// Connections from here have to begin with a header of the PROXY protocol, version 1 or 2, and are those of whoever
    /// it names. Connections from elsewhere are taken as they are.
    pub protocol_from: Vec<Network>,
    /// Requests from here are those of whoever the fields `X-Forwarded-For` name: the last address in them that is not
    /// one of these. Whether they came over TLS, `X-Forwarded-Proto` says.
    pub trusted: Vec<Network>,
}

/// The proxies of a server that runs; they can be other ones from some moment on.
#[derive(Debug, Default)]
pub struct LiveProxies(RwLock<Arc<Proxies>>);

impl LiveProxies {
    /// These, to begin with.
    pub(crate) fn new(proxies: Proxies) -> LiveProxies {
        LiveProxies(RwLock::new(Arc::new(proxies)))
    }

    /// Those of now.
    pub(crate) fn get(&self) -> Arc<Proxies> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// These, from now on.
    pub(crate) fn set(&self, proxies: Proxies) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(proxies);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn networks_are_read_printed_and_contain_what_they_should() {
        for text in ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::1", "0.0.0.0/0", "unix"] {
            assert_eq!(network(text).to_string(), text);
        }
        assert_eq!(network("192.0.2.1/32").to_string(), "192.0.2.1");
        for text in ["", "10", "10.0.0.0/33", "10.0.0.5/8", "localhost", "10.0.0.0/", "Unix", "10.0.0.1 "] {
            assert_eq!(text.parse::<Network>(), Err(BadNetwork(text.to_owned())));
        }
        let has = |text: &str, ip: &str| network(text).contains(ip.parse().unwrap());
        assert!(has("10.0.0.0/8", "10.255.0.1") && has("::1", "::1") && has("0.0.0.0/0", "192.0.2.1"));
        assert!(!has("10.0.0.0/8", "11.0.0.0") && !has("::/0", "10.0.0.1") && !has("unix", "127.0.0.1"));
        assert!(network("unix").is_unix() && !network("0.0.0.0/0").is_unix());
    }
}
