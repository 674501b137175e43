//! Who may come in: the client token, the origins of browsers, the key of the HTTP API.

use crate::config::Config;
use fanfare::{Request, Response};
use std::sync::{Arc, PoisonError, RwLock};

/// The rules that hold now: each handshake and request asks for them anew.
#[derive(Debug)]
pub(crate) struct Access(RwLock<Arc<Rules>>);

impl Access {
    /// What a configuration says.
    pub(crate) fn new(config: &Config) -> Access {
        Access(RwLock::new(Arc::new(Rules::of(config))))
    }

    /// Other rules hold from now on.
    pub(crate) fn replace(&self, config: &Config) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Rules::of(config));
    }

    /// The rules that hold now.
    pub(crate) fn rules(&self) -> Arc<Rules> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What is configured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    /// What `/ws` wants in `token`; `None` wants nothing.
    pub(crate) token: Option<String>,
    /// What the HTTP API wants in `Authorization: Bearer`; `None` wants nothing.
    pub(crate) api_key: Option<String>,
    /// Origins that browsers may come from; empty allows all.
    pub(crate) origins: Vec<String>,
}

impl Rules {
    fn of(config: &Config) -> Rules {
        Rules {
            token: config.token.clone(),
            api_key: config.api_key.clone(),
            origins: config.origins.clone(),
        }
    }

    /// Checks a client's token.
    pub(crate) fn check_token(&self, token: Option<&str>) -> Result<(), Response> {
        match (&self.token, token) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(Response::error(401, "unauthorized", "token is missing")),
            (Some(wanted), Some(given)) if same(wanted, given) => Ok(()),
            (Some(_), Some(_)) => Err(Response::error(401, "unauthorized", "token is wrong")),
        }
    }

    /// Checks the Origin header, which only browsers send.
    pub(crate) fn check_origin(&self, origin: Option<&[u8]>) -> Result<(), Response> {
        let Some(origin) = origin.filter(|_| !self.origins.is_empty()) else { return Ok(()) };
        if self.origins.iter().any(|allowed| allowed.as_bytes().eq_ignore_ascii_case(origin)) {
            return Ok(());
        }
        Err(Response::error(403, "forbidden", "this origin is not allowed"))
    }

    /// Whether a request may use the HTTP API: it has the key, or no key is configured and it does not come from a
    /// page of another site, which a browser would let it do from anywhere.
    pub(crate) fn check_api(&self, request: &Request<'_>) -> Result<(), Response> {
        if self.api_key.is_some() {
            return self.check_key(request.header("authorization"));
        }
        match request.header("origin") {
            Some(origin) if !self.is_own(origin, request.header("host")) => {
                Err(Response::error(403, "forbidden", "this origin is not allowed without an API key"))
            }
            _ => Ok(()),
        }
    }

    fn is_own(&self, origin: &[u8], host: Option<&[u8]>) -> bool {
        let same_host = host.is_some_and(|host| {
            let site = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
            site.is_some_and(|site| site.eq_ignore_ascii_case(host)) && is_local_name(host)
        });
        same_host || self.origins.iter().any(|allowed| allowed.as_bytes().eq_ignore_ascii_case(origin))
    }

    /// Checks the Authorization header of an API request.
    fn check_key(&self, authorization: Option<&[u8]>) -> Result<(), Response> {
        let Some(wanted) = &self.api_key else { return Ok(()) };
        let given = authorization.and_then(|value| std::str::from_utf8(value).ok());
        let given = given.and_then(|value| value.split_once(' '));
        match given {
            Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") && same(wanted, key.trim()) => {
                Ok(())
            }
            _ => Err(Response::error(401, "unauthorized", "expected Authorization: Bearer KEY")
                .header("WWW-Authenticate", "Bearer")),
        }
    }
}

/// An address or `localhost`, with or without a port: names that no other site can make its own, as it can by
/// pointing a name of its own at this machine.
fn is_local_name(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else { return false };
    let host = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
        .map_or(host, |(h, _)| h);
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok()
}

/// Compares in a time that depends on the lengths only, so that a secret cannot be guessed byte by byte.
fn same(wanted: &str, given: &str) -> bool {
    let differing = wanted.bytes().zip(given.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    std::hint::black_box(differing) == 0 && wanted.len() == given.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_keys_and_origins_are_compared_whole() {
        let access = Rules {
            token: Some("456".to_owned()),
            api_key: Some("k".to_owned()),
            origins: vec!["https://a.example".to_owned()],
        };
        assert!(access.check_token(Some("456")).is_ok());
        for wrong in [None, Some(""), Some("45"), Some("4567"), Some("457")] {
            assert_eq!(access.check_token(wrong).unwrap_err().status, 401);
        }
        assert!(access.check_key(Some(b"Bearer k")).is_ok());
        assert!(access.check_key(Some(b"bearer k")).is_ok());
        for wrong in
            [None, Some(&b"k"[..]), Some(b"Basic k"), Some(b"Bearer"), Some(b"Bearer kk"), Some(b"\xff")]
        {
            assert_eq!(access.check_key(wrong).unwrap_err().status, 401);
        }
        assert!(access.check_origin(None).is_ok());
        assert!(access.check_origin(Some(b"https://a.example")).is_ok());
        assert_eq!(access.check_origin(Some(b"https://b.example")).unwrap_err().status, 403);
        assert!(Rules::default().check_origin(Some(b"https://b.example")).is_ok());
        for own in ["127.0.0.1:3000", "localhost", "LOCALHOST:3000", "[::1]:3000", "[::1]", "192.0.2.1"] {
            assert!(
                Rules::default().is_own(format!("http://{own}").as_bytes(), Some(own.as_bytes())),
                "{own}"
            );
        }
        for foreign in ["evil.example:3000", "localhost.evil.example", "127.0.0.1.evil.example", "", ":3000"]
        {
            let origin = format!("http://{foreign}");
            assert!(!Rules::default().is_own(origin.as_bytes(), Some(foreign.as_bytes())), "{foreign}");
        }
        assert!(!Rules::default().is_own(b"http://127.0.0.1:1", Some(b"127.0.0.1:2")));
        assert!(access.is_own(b"https://a.example", Some(b"b.example")));
        assert!(Rules::default().check_token(None).is_ok());
        assert!(Rules::default().check_key(None).is_ok());
    }
}
