//! Who a request is from, where proxies stand before the server.

use crate::base::proxies::Proxies;
use crate::reactor::peer::Peer;
use crate::wire::forwarded;
use crate::wire::head::Head;

/// Who sent a request, and whether it came over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) peer: Peer,
    pub(super) secure: bool,
}

impl Client {
    /// What the request says, as far as those are trusted who say it: the connection is this client's.
    pub(super) fn of(self, head: &Head<'_>, proxies: &Proxies) -> Client {
        let Client { mut peer, mut secure } = self;
        if !peer.is_among(&proxies.trusted) {
            return self;
        }
        secure = forwarded::is_secure(head).unwrap_or(secure);
        for addr in forwarded::addresses_backwards(head) {
            peer = Peer::from(addr);
            if !peer.is_among(&proxies.trusted) {
                break;
            }
        }
        Client { peer, secure }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(text: &str) -> Peer {
        Peer::Tcp(text.parse().unwrap())
    }

    /// Who a request with these fields is from, if it comes from there.
    fn seen(from: Peer, trusted: &[&str], fields: &str) -> Client {
        let trusted = trusted.iter().map(|text| text.parse().unwrap()).collect();
        let proxies = Proxies { trusted, ..Proxies::default() };
        let bytes = format!("GET / HTTP/1.1\r\nHost: x\r\n{fields}\r\n").into_bytes();
        Client { peer: from, secure: false }.of(&Head::parse(&bytes).unwrap(), &proxies)
    }

    const SPOOFED: &str = "X-Forwarded-For: 192.0.2.66, 198.51.100.1\r\nX-Forwarded-Proto: https\r\n";

    #[test]
    fn nobody_is_believed_who_is_not_trusted() {
        for (from, trusted) in [
            (tcp("203.0.113.1:9"), &["10.0.0.0/8"][..]),
            (tcp("203.0.113.1:9"), &[]),
            (tcp("203.0.113.1:9"), &["unix"]),
            (Peer::Unix, &["0.0.0.0/0", "::/0"]),
            (Peer::Unknown, &["unix", "0.0.0.0/0"]),
        ] {
            assert_eq!(seen(from, trusted, SPOOFED), Client { peer: from, secure: false });
        }
    }

    #[test]
    fn what_a_client_says_itself_stands_before_what_its_proxy_appends() {
        let seen_by = |trusted: &[&str]| seen(tcp("10.0.0.1:9"), trusted, SPOOFED);
        assert_eq!(seen_by(&["10.0.0.0/8"]), Client { peer: tcp("198.51.100.1:0"), secure: true });
        // A second proxy is passed only if it is known.
        assert_eq!(seen_by(&["10.0.0.0/8", "198.51.100.1"]).peer, tcp("192.0.2.66:0"));
        // Where everybody is trusted, the first one asked.
        assert_eq!(seen_by(&["0.0.0.0/0"]).peer, tcp("192.0.2.66:0"));
    }

    #[test]
    fn a_proxy_that_does_not_say_asks_for_itself() {
        for fields in ["", "X-Forwarded-For: unknown\r\n", "X-Forwarded-For: 192.0.2.1, \r\n"] {
            assert_eq!(seen(Peer::Unix, &["unix"], fields), Client { peer: Peer::Unix, secure: false });
        }
        let secure = Client { peer: Peer::Unix, secure: true };
        let proxies = Proxies { trusted: vec!["unix".parse().unwrap()], ..Proxies::default() };
        for (fields, expected) in [("", true), ("X-Forwarded-Proto: http\r\n", false)] {
            let bytes = format!("GET / HTTP/1.1\r\nHost: x\r\n{fields}\r\n").into_bytes();
            assert_eq!(secure.of(&Head::parse(&bytes).unwrap(), &proxies).secure, expected);
        }
    }
}
