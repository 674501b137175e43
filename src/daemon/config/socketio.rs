//! What `[socketio]` configures: the values, and which of them can be.
//!
//! Owns the form of paths, namespaces and cookie names, and the rules between keys of the section. Leaves to
//! [`super::keys`] their names and bounds, and to `client` what is in `client_dir`.

use super::{ConfigError, Loaded};
use std::path::PathBuf;

/// The longest path, and the longest name of a namespace, in bytes.
const NAME_BYTES: usize = 256;
/// The longest name of a cookie, in bytes.
const COOKIE_BYTES: usize = 64;

/// The Socket.IO part of the server. Every value has been checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SocketIoConfig {
    /// Where it is served: begins and ends with `/` and is more than that.
    pub(crate) path: String,
    pub(crate) ping_interval_ms: u32,
    pub(crate) ping_timeout_ms: u32,
    /// Time from the opening of a session to the first namespace that the client joins.
    pub(crate) connect_timeout_ms: u32,
    /// Time from the probe to the upgrade.
    pub(crate) upgrade_timeout_ms: u32,
    /// The longest message, and the longest body of a polling request.
    pub(crate) max_payload_bytes: usize,
    /// At least one, each once.
    pub(crate) transports: Vec<Transport>,
    pub(crate) allow_upgrades: bool,
    /// Engine.IO 3, which clients before 3.0 speak.
    pub(crate) eio3: bool,
    /// Besides `/`, which is always served; each once.
    pub(crate) namespaces: Vec<String>,
    pub(crate) parser: Parser,
    /// Speak msgpack whatever `parser` says. All of them are served.
    pub(crate) msgpack_namespaces: Vec<String>,
    pub(crate) compression: bool,
    pub(crate) cors: Cors,
    /// Pages of other origins may send cookies; never together with [`Cors::Any`].
    pub(crate) cors_credentials: bool,
    /// The cookie that tells a load balancer the session.
    pub(crate) cookie: Option<String>,
    pub(crate) serve_client: bool,
    /// The folder with the `node_modules` of the client; `None` looks beside the program.
    pub(crate) client_dir: Option<PathBuf>,
}

impl Default for SocketIoConfig {
    fn default() -> SocketIoConfig {
        SocketIoConfig {
            path: "/socket.io/".to_owned(),
            ping_interval_ms: 25_000,
            ping_timeout_ms: 20_000,
            connect_timeout_ms: 45_000,
            upgrade_timeout_ms: 10_000,
            max_payload_bytes: 1_000_000,
            transports: vec![Transport::Polling, Transport::WebSocket],
            allow_upgrades: true,
            eio3: true,
            namespaces: Vec::new(),
            parser: Parser::Json,
            msgpack_namespaces: Vec::new(),
            compression: false,
            cors: Cors::Off,
            cors_credentials: false,
            cookie: None,
            serve_client: true,
            client_dir: None,
        }
    }
}

/// How a session's packets travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Polling,
    WebSocket,
}

impl Transport {
    /// As Engine.IO names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Transport::Polling => "polling",
            Transport::WebSocket => "websocket",
        }
    }

    pub(super) fn find(name: &str) -> Option<Transport> {
        [Transport::Polling, Transport::WebSocket].into_iter().find(|transport| transport.name() == name)
    }
}

/// How packets are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parser {
    Json,
    Msgpack,
}

impl Parser {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Parser::Json => "json",
            Parser::Msgpack => "msgpack",
        }
    }

    pub(super) fn find(name: &str) -> Option<Parser> {
        [Parser::Json, Parser::Msgpack].into_iter().find(|parser| parser.name() == name)
    }
}

/// Which pages of other origins a browser lets read the answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cors {
    /// None; no header is sent.
    Off,
    /// Those of these origins; at least one.
    Origins(Vec<String>),
    /// All.
    Any,
}

/// Segments that no client and no proxy writes in another way.
pub(super) fn is_path(text: &str) -> bool {
    let inner = text.strip_prefix('/').and_then(|text| text.strip_suffix('/'));
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.len() <= NAME_BYTES
        && inner.is_some_and(|inner| {
            inner
                .split('/')
                .all(|segment| !matches!(segment, "" | "." | "..") && segment.bytes().all(is_plain))
        })
}

/// A namespace as a packet can carry it: a comma ends its name there, and a question mark begins the query of 2.x.
pub(super) fn is_namespace(text: &str) -> bool {
    text.starts_with('/')
        && text.len() <= NAME_BYTES
        && !text.contains(|c: char| c.is_control() || c == ',' || c == '?')
}

/// A token (RFC 6265, section 4.1.1).
pub(super) fn is_cookie_name(text: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=COOKIE_BYTES).contains(&text.len()) && text.bytes().all(is_token)
}

impl Loaded {
    /// What the keys say together.
    pub(super) fn check_socketio(&self) -> Result<(), ConfigError> {
        let SocketIoConfig { cors, cors_credentials, namespaces, msgpack_namespaces, .. } =
            &self.config.socketio;
        if *cors_credentials && *cors == Cors::Any {
            let error =
                "expected origins in socketio.cors, found \"*\": any page could act for whoever looks at it";
            return Err(self.bad_value("socketio.cors_credentials", error.to_owned()));
        }
        let is_served = |name: &&String| *name == "/" || namespaces.contains(name);
        match msgpack_namespaces.iter().find(|name| !is_served(name)) {
            None => Ok(()),
            Some(name) => {
                let error =
                    format!("expected \"/\" or names that are in socketio.namespaces, found {name:?}");
                Err(self.bad_value("socketio.msgpack_namespaces", error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_one_way_to_be_written() {
        for good in ["/socket.io/", "/a/b_c/d-e~f/", "/.a/"] {
            assert!(is_path(good), "{good}");
        }
        let long = format!("/{}/", "x".repeat(255));
        for bad in [
            "",
            "/",
            "//",
            "socket.io/",
            "/socket.io",
            "/a//b/",
            "/../",
            "/a/./",
            "/a b/",
            "/%41/",
            "/{x}/",
            "/é/",
            &long,
        ] {
            assert!(!is_path(bad), "{bad}");
        }
        assert!(is_path(&long.replacen('x', "", 1)));
    }

    #[test]
    fn namespaces_are_what_packets_can_carry() {
        let long = format!("/{}", "x".repeat(255));
        for good in ["/", "/admin", "/a/b", "/é ü", &long] {
            assert!(is_namespace(good), "{good}");
        }
        for bad in ["", "admin", "/a,b", "/a?b=c", "/a\n", &format!("{long}x")] {
            assert!(!is_namespace(bad), "{bad}");
        }
    }

    #[test]
    fn cookie_names_are_tokens() {
        for good in ["io", "__Host-io", "a.b", &"x".repeat(64)] {
            assert!(is_cookie_name(good), "{good}");
        }
        for bad in ["", "a b", "a=b", "a;b", "é", "\"io\"", &"x".repeat(65)] {
            assert!(!is_cookie_name(bad), "{bad}");
        }
    }

    #[test]
    fn names_are_found_again() {
        for transport in [Transport::Polling, Transport::WebSocket] {
            assert_eq!(Transport::find(transport.name()), Some(transport));
        }
        for parser in [Parser::Json, Parser::Msgpack] {
            assert_eq!(Parser::find(parser.name()), Some(parser));
        }
        assert_eq!(Transport::find("webtransport"), None);
        assert_eq!(Parser::find("JSON"), None);
    }
}
