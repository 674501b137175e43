//! The origins of browsers (RFC 6454): which pages may connect, and which may use the HTTP API without a key.

use fanfare::{ListenAddr, Request, Response};

/// What is configured.
#[derive(Clone, Debug, Default)]
pub(super) struct Origins {
    /// Those that browsers may come from; empty allows all.
    allowed: Vec<String>,
    /// The ports of the addresses for operators, whose first page may connect to those for clients.
    admin_ports: Vec<u16>,
    /// Whoever reaches the server is meant to.
    open: bool,
}

impl Origins {
    pub(super) fn new(allowed: &[String], admin: &[ListenAddr], open: bool) -> Origins {
        let port = |addr: &ListenAddr| match addr {
            ListenAddr::Tcp(addr) => Some(addr.port()),
            _ => None,
        };
        Origins { allowed: allowed.to_vec(), admin_ports: admin.iter().filter_map(port).collect(), open }
    }

    /// Whether there are any that are allowed, so that others are not.
    pub(super) fn is_some(&self) -> bool {
        !self.allowed.is_empty()
    }

    /// Whether a page may connect, as far as it is up to where it comes from. Only browsers say that.
    pub(super) fn check(&self, request: &Request<'_>) -> Result<(), Response> {
        let Some(origin) = request.header("origin").filter(|_| !self.allowed.is_empty()) else {
            return Ok(());
        };
        if self.is_own(origin, request.header("host")) {
            return Ok(());
        }
        Err(Response::error(403, "forbidden", "this origin is not allowed"))
    }

    /// Whether a request may use the HTTP API where no key is configured. A browser would let pages do that from anywhere:
    /// those that say where they come from, and those that need not, because the name of their own site was made to mean
    /// this machine.
    pub(super) fn check_keyless(&self, request: &Request<'_>) -> Result<(), Response> {
        if !self.open && request.header("host").is_some_and(is_public_name) {
            let message = "this host name is not allowed without an API key, or --open";
            return Err(Response::error(403, "forbidden", message));
        }
        match request.header("origin") {
            Some(origin) if !self.is_own(origin, request.header("host")) => {
                Err(Response::error(403, "forbidden", "this origin is not allowed without an API key"))
            }
            _ => Ok(()),
        }
    }

    /// Whether a page is one of ours, or of those that are configured.
    fn is_own(&self, origin: &[u8], host: Option<&[u8]>) -> bool {
        let same_host = host.is_some_and(|host| {
            let site = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
            site.is_some_and(|site| is_local_name(host) && self.is_same_site(site, host))
        });
        same_host || self.allowed.iter().any(|allowed| allowed.as_bytes().eq_ignore_ascii_case(origin))
    }

    /// Whether a page of `site` is on `host`, or on its address for operators.
    fn is_same_site(&self, site: &[u8], host: &[u8]) -> bool {
        let (site_name, port) = split_port(site);
        let port = port.and_then(|port| std::str::from_utf8(port).ok()?.parse().ok());
        let is_admin = port.is_some_and(|port| self.admin_ports.contains(&port));
        site.eq_ignore_ascii_case(host) || is_admin && site_name.eq_ignore_ascii_case(split_port(host).0)
    }
}

/// A host without its port, and the port.
fn split_port(host: &[u8]) -> (&[u8], Option<&[u8]>) {
    match host.iter().rposition(|byte| *byte == b':') {
        Some(colon) if host[colon + 1..].iter().all(u8::is_ascii_digit) => {
            (&host[..colon], Some(&host[colon + 1..]))
        }
        _ => (host, None),
    }
}

/// A name that somebody may own and point anywhere: there are dots in it, and it is no address.
fn is_public_name(host: &[u8]) -> bool {
    let name = split_port(host).0;
    let name = name.strip_suffix(b".").unwrap_or(name);
    name.contains(&b'.') && !is_local_name(name)
}

/// An address or `localhost`, with or without a port: names that no other site can make its own, as it can by
/// pointing a name of its own at this machine.
fn is_local_name(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(split_port(host).0) else { return false };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_pages_are_those_of_addresses_that_nobody_else_can_have() {
        let none = Origins::default();
        for own in ["127.0.0.1:3000", "localhost", "LOCALHOST:3000", "[::1]:3000", "[::1]", "192.0.2.1"] {
            assert!(none.is_own(format!("http://{own}").as_bytes(), Some(own.as_bytes())), "{own}");
        }
        for foreign in ["evil.example:3000", "localhost.evil.example", "127.0.0.1.evil.example", "", ":3000"]
        {
            let origin = format!("http://{foreign}");
            assert!(!none.is_own(origin.as_bytes(), Some(foreign.as_bytes())), "{foreign}");
        }
        assert!(!none.is_own(b"http://127.0.0.1:1", Some(b"127.0.0.1:2")));
        let some = Origins::new(&["https://a.example".to_owned()], &[], false);
        assert!(some.is_own(b"https://A.example", Some(b"b.example")));
        assert!(!some.is_own(b"https://b.example", Some(b"b.example")));
    }

    #[test]
    fn a_name_that_can_be_bought_is_public() {
        for host in
            ["evil.example", "evil.example:3000", "evil.example.:80", "127.0.0.1.evil.example", "a.localhost"]
        {
            assert!(is_public_name(host.as_bytes()), "{host}");
        }
        for host in [
            "127.0.0.1",
            "127.0.0.1:3000",
            "[::ffff:192.0.2.1]:80",
            "[::1]",
            "localhost",
            "localhost.:1",
            "fanfare:3000",
            "",
        ] {
            assert!(!is_public_name(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn the_page_for_operators_is_one_of_ours() {
        let origins = Origins::new(&[], &["127.0.0.1:3001".parse().unwrap()], false);
        assert!(origins.is_own(b"http://127.0.0.1:3001", Some(b"127.0.0.1:3000")));
        assert!(origins.is_own(b"http://localhost:3001", Some(b"localhost:3000")));
        for (origin, host) in [
            ("http://127.0.0.1:3002", "127.0.0.1:3000"),
            ("http://192.0.2.1:3001", "127.0.0.1:3000"),
            ("http://evil.example:3001", "127.0.0.1:3000"),
            ("http://evil.example:3001", "evil.example:3000"),
        ] {
            assert!(!origins.is_own(origin.as_bytes(), Some(host.as_bytes())), "{origin} {host}");
        }
    }
}
