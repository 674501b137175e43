//! Where the connections go: the URL with its `{n}` and `{n%K}`, and the check that it is this machine.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::wire::engine::Revision;

/// Query of a gateway connection when the URL says nothing about it.
const HOLD_QUERY: &str = "bizCode=d{n%4}&clientId=c{n}&group=g{n%100}";
/// The same with everybody in one domain, so that everybody hears a broadcast.
const ONE_DOMAIN_QUERY: &str = "bizCode=d0&clientId=c{n}&group=g{n%100}";

/// The user of a Socket.IO connection when the flags say nothing about it.
const USER: &str = "c{n}";
/// The group of it, for many small ones.
const MANY_GROUPS: &str = "g{n%100}";
/// The same with everybody in one group.
const ONE_GROUP: &str = "g0";

/// What is filled in where the URL is silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defaults {
    /// `/ws` with four domains; a hundred groups of Socket.IO.
    Hold,
    /// `/ws` with one domain; one group of Socket.IO.
    OneDomain,
    /// `/echo` and no query; no user and no group of Socket.IO.
    Echo,
}

/// Text with places for the number of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Number,
    Remainder(u32),
}

impl Template {
    /// Reads `{n}` and `{n%K}`; any other brace is an error.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let (inside, after) =
                after.split_once('}').ok_or_else(|| format!("'{{' without '}}' in '{text}'"))?;
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(match inside.strip_prefix("n%") {
                None if inside == "n" => Piece::Number,
                Some(divisor) => match divisor.parse() {
                    Ok(divisor) if divisor > 0 => Piece::Remainder(divisor),
                    _ => return Err(format!("'{{{inside}}}': what follows % must be a number above 0")),
                },
                None => return Err(format!("'{{{inside}}}': only {{n}} and {{n%K}} are known")),
            });
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self(pieces))
    }

    /// The text for connection `n`.
    pub fn expand(&self, n: u32) -> String {
        let mut out = String::with_capacity(64);
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Number => drop(write!(out, "{n}")),
                Piece::Remainder(divisor) => drop(write!(out, "{}", n % divisor)),
            }
        }
        out
    }

    fn has_number(&self) -> bool {
        self.0.contains(&Piece::Number)
    }
}

/// The user and the group that each Socket.IO connection registers; empty for none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The user.
    pub user: Template,
    /// The group.
    pub group: Template,
}

/// A server on this machine and what each connection asks of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Where to connect.
    pub address: SocketAddr,
    /// The `Host` header.
    pub host: String,
    /// Path and query; for Socket.IO the transport and the session's id come behind it.
    pub path: Template,
    /// Who the connections are, where the query does not say it.
    pub names: Option<Names>,
    /// The URL as it is used, defaults included.
    pub url: String,
    /// What was filled in or looks odd, for the report.
    pub notes: Vec<String>,
}

impl Target {
    /// Reads a `ws://` URL, refuses any host but loopback, and fills in what is missing.
    pub fn parse(url: &str, defaults: Defaults) -> Result<Self, String> {
        let path = if defaults == Defaults::Echo { "/echo" } else { "/ws" };
        let Parts { address, authority, mut tail, mut notes } = Parts::of(url, &["ws://"], path)?;
        let query = match defaults {
            Defaults::Hold => HOLD_QUERY,
            Defaults::OneDomain => ONE_DOMAIN_QUERY,
            Defaults::Echo => "",
        };
        let numbered = Template::parse(&tail)?.has_number();
        if !query.is_empty() && !numbered {
            if tail.contains("bizCode=") {
                notes.push(
                    "the URL has no {n}: the server may take several connections for one client".to_owned(),
                );
            } else {
                tail.push(if tail.contains('?') { '&' } else { '?' });
                tail.push_str(query);
                notes.push(format!("the URL has no {{n}} and no bizCode: {query} added"));
            }
        }
        let url = format!("ws://{authority}{tail}");
        Ok(Self { address, host: authority, path: Template::parse(&tail)?, names: None, url, notes })
    }

    /// Reads the URL of a Socket.IO server, `http://` or `ws://`, likewise; `user` and `group` as the flags have
    /// them.
    pub fn socketio(
        url: &str,
        defaults: Defaults,
        revision: Revision,
        user: Option<&str>,
        group: Option<&str>,
    ) -> Result<Self, String> {
        let parts = Parts::of(url, &["http://", "ws://"], "/socket.io/")?;
        let Parts { address, authority, mut tail, mut notes } = parts;
        tail.push(if tail.contains('?') { '&' } else { '?' });
        tail.push_str(&format!("EIO={}", revision.number()));
        let (default_user, default_group) = match defaults {
            Defaults::Hold => (USER, MANY_GROUPS),
            Defaults::OneDomain => (USER, ONE_GROUP),
            Defaults::Echo => ("", ""),
        };
        for (flag, given, taken) in [("--user", user, default_user), ("--group", group, default_group)] {
            if given.is_none() && !taken.is_empty() {
                notes.push(format!("no {flag}: {taken} taken"));
            }
        }
        let name = |text: &str| match text.chars().find(|c| matches!(c, '"' | '\\') || c.is_control()) {
            Some(odd) => Err(format!("'{text}': {odd:?} cannot stand in a name here")),
            None => Template::parse(text),
        };
        let names =
            Names { user: name(user.unwrap_or(default_user))?, group: name(group.unwrap_or(default_group))? };
        let url = format!("http://{authority}{tail}");
        Ok(Self { address, host: authority, path: Template::parse(&tail)?, names: Some(names), url, notes })
    }
}

/// A URL taken apart.
struct Parts {
    address: SocketAddr,
    authority: String,
    /// Path and query.
    tail: String,
    notes: Vec<String>,
}

impl Parts {
    /// Takes one of these schemes, loopback only, and `path` where there is none.
    fn of(url: &str, schemes: &[&str], path: &str) -> Result<Self, String> {
        let rest = schemes.iter().find_map(|scheme| url.strip_prefix(scheme));
        let rest = rest.ok_or_else(|| format!("'{url}': only {} URLs are taken", schemes.join(" and ")))?;
        let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let address = loopback(authority).map_err(|what| format!("'{url}': {what}"))?;
        if let Some(odd) = tail.chars().find(|c| c.is_whitespace() || c.is_control()) {
            return Err(format!("'{url}': {odd:?} cannot stand in a URL"));
        }
        let (mut tail, mut notes) = (tail.to_owned(), Vec::new());
        if matches!(tail.split('?').next(), Some("" | "/")) {
            tail.replace_range(..tail.find('?').unwrap_or(tail.len()), path);
            notes.push(format!("the URL has no path: {path} taken"));
        }
        Ok(Self { address, authority: authority.to_owned(), tail, notes })
    }
}

/// The address of `host[:port]`, if that is this machine.
fn loopback(authority: &str) -> Result<SocketAddr, String> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            (host, port.parse::<u16>().map_err(|_| format!("'{port}' is not a port"))?)
        }
        _ => (authority, 80),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let address = match bare {
        Some(v6) => v6.parse::<Ipv6Addr>().map(IpAddr::V6).ok(),
        None if host.eq_ignore_ascii_case("localhost") => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        None => host.parse::<Ipv4Addr>().map(IpAddr::V4).ok(),
    };
    match address {
        Some(address) if address.is_loopback() && port > 0 => Ok(SocketAddr::new(address, port)),
        Some(address) if address.is_loopback() => Err("port 0 cannot be connected to".to_owned()),
        _ => Err(format!("'{host}' is not a loopback address, and load goes to loopback only")),
    }
}

/// The value of a parameter in the query of `path`.
pub fn query_value<'a>(path: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = path.split_once('?')?;
    query
        .split('&')
        .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_filled_in() {
        let template = Template::parse("/ws?bizCode=d{n%4}&clientId=c{n}&x=1").unwrap();
        assert_eq!(template.expand(7), "/ws?bizCode=d3&clientId=c7&x=1");
        assert_eq!(Template::parse("plain").unwrap().expand(1), "plain");
        for bad in ["{", "{m}", "{n%0}", "{n%x}", "{n%}", "a{n"] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(query_value("/ws?a=1&bc=2&c", "bc"), Some("2"));
        assert_eq!(query_value("/ws", "a"), None);
    }

    #[test]
    fn only_this_machine_is_loaded() {
        for good in ["127.0.0.1:3000", "127.9.8.7:1", "localhost:3000", "[::1]:3000", "127.0.0.1"] {
            assert!(Target::parse(&format!("ws://{good}/ws"), Defaults::Hold).is_ok(), "{good}");
        }
        for bad in
            ["10.0.0.1:3000", "0.0.0.0:3000", "example.com", "[::]:1", "127.0.0.1:0", "127.0.0.1:x", ""]
        {
            assert!(Target::parse(&format!("ws://{bad}/ws"), Defaults::Hold).is_err(), "{bad}");
        }
        assert!(Target::parse("http://127.0.0.1/", Defaults::Hold).is_err());
        assert!(Target::parse("ws://127.0.0.1/a b", Defaults::Hold).is_err());
        assert!(Target::parse("ws://user@10.0.0.1:80@127.0.0.1:3000/", Defaults::Hold).is_err());
    }

    #[test]
    fn silence_is_filled_in_and_said() {
        let target = Target::parse("ws://127.0.0.1:3000", Defaults::OneDomain).unwrap();
        assert_eq!(target.path.expand(105), "/ws?bizCode=d0&clientId=c105&group=g5");
        assert_eq!(target.notes.len(), 2);
        let target = Target::parse("ws://127.0.0.1:3000/ws?token=4", Defaults::Hold).unwrap();
        assert_eq!(target.path.expand(5), "/ws?token=4&bizCode=d1&clientId=c5&group=g5");
        let target = Target::parse("ws://127.0.0.1:3000/ws?clientId={n}", Defaults::Hold).unwrap();
        assert!(target.notes.is_empty());
        let target = Target::parse("ws://127.0.0.1:3000/?x=1", Defaults::Echo).unwrap();
        assert_eq!(target.path.expand(5), "/echo?x=1");
    }

    #[test]
    fn a_socketio_server_has_its_own_path_and_names() {
        let parse = |url: &str, user| Target::socketio(url, Defaults::Hold, Revision::Four, user, None);
        let target = parse("http://127.0.0.1:3000", None).unwrap();
        assert_eq!(target.path.expand(5), "/socket.io/?EIO=4");
        assert_eq!(target.names.unwrap().group.expand(105), "g5");
        assert_eq!(target.notes.len(), 3);
        let target = parse("ws://localhost:3000/other/?token={n}", Some("")).unwrap();
        assert_eq!(target.path.expand(5), "/other/?token=5&EIO=4");
        assert_eq!((target.names.unwrap().user.expand(1).as_str(), target.notes.len()), ("", 1));
        assert!(parse("http://10.0.0.1:3000/", None).is_err());
        assert!(parse("https://127.0.0.1:3000/", None).is_err());
        assert!(parse("http://127.0.0.1:3000/", Some("a\"b")).is_err());
    }
}
