//! Engine.IO mounts: where sessions are served and how they behave.

use super::endpoint::Endpoint;
use super::http::Request;
use super::socketio::SocketIo;
use crate::base::compression::Compression;
pub use crate::wire::engine::Transport;
use crate::wire::response::Response;
use std::fmt;

/// Which pages of other origins may use the polling transport, or read [`Files`](crate::Files), by the Fetch standard's CORS protocol.
///
/// Without an allowed origin no header is sent and browsers keep other pages out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// Origins such as `https://app.example`; `*` allows every one.
    pub origins: Vec<String>,
    /// Whether cookies and the like are sent along.
    pub credentials: bool,
}

type AllowRequest = Box<dyn Fn(&Request<'_>) -> Result<(), String> + Send + Sync>;
type Middleware = Box<dyn Fn(&Request<'_>) -> Result<(), Response> + Send + Sync>;
type OnConnectionError = Box<dyn Fn(&Request<'_>, u8, &str) + Send + Sync>;
type HeadersFor = Box<dyn Fn(&Request<'_>) -> Vec<(String, String)> + Send + Sync>;

/// How an Engine.IO server behaves; the defaults are those of Socket.IO 4.
pub struct EngineOptions {
    pub(crate) path: String,
    pub(crate) ping_interval_ms: u32,
    pub(crate) ping_timeout_ms: u32,
    pub(crate) upgrade_timeout_ms: u32,
    pub(crate) max_payload_bytes: usize,
    pub(crate) transports: Vec<Transport>,
    pub(crate) allow_upgrades: bool,
    pub(crate) allow_eio3: bool,
    pub(crate) jsonp: bool,
    pub(crate) cookie: Option<String>,
    pub(crate) cors: Cors,
    pub(crate) compression: Option<Compression>,
    pub(crate) allow_request: Option<AllowRequest>,
    pub(crate) middlewares: Vec<Middleware>,
    pub(crate) on_connection_error: Vec<OnConnectionError>,
    initial_headers: Option<HeadersFor>,
    headers: Option<HeadersFor>,
}

impl fmt::Debug for EngineOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineOptions").field("path", &self.path).finish_non_exhaustive()
    }
}

impl EngineOptions {
    /// The defaults, at a path, which begins and ends with a slash.
    pub fn at(path: &str) -> EngineOptions {
        EngineOptions {
            path: path.to_owned(),
            ping_interval_ms: 25_000,
            ping_timeout_ms: 20_000,
            upgrade_timeout_ms: 10_000,
            max_payload_bytes: 1_000_000,
            transports: vec![Transport::Polling, Transport::WebSocket],
            allow_upgrades: true,
            allow_eio3: true,
            jsonp: true,
            cookie: None,
            cors: Cors::default(),
            compression: None,
            allow_request: None,
            middlewares: Vec::new(),
            on_connection_error: Vec::new(),
            initial_headers: None,
            headers: None,
        }
    }

    /// Time between two heartbeats, in milliseconds. Default 25,000.
    pub fn ping_interval_ms(mut self, ms: u32) -> EngineOptions {
        self.ping_interval_ms = ms;
        self
    }

    /// Time to answer a heartbeat before the session ends, in milliseconds. Default 20,000.
    pub fn ping_timeout_ms(mut self, ms: u32) -> EngineOptions {
        self.ping_timeout_ms = ms;
        self
    }

    /// Time from the opening of a WebSocket to the end of its upgrade, in milliseconds. Default 10,000.
    pub fn upgrade_timeout_ms(mut self, ms: u32) -> EngineOptions {
        self.upgrade_timeout_ms = ms;
        self
    }

    /// The largest message, and the largest body of a POST, in bytes; also told to clients. Default 1,000,000.
    /// More than [`Limits::message_bytes`](crate::Limits::message_bytes) cannot be.
    pub fn max_payload_bytes(mut self, bytes: usize) -> EngineOptions {
        self.max_payload_bytes = bytes;
        self
    }

    /// The transports that are served. Default both.
    pub fn transports(mut self, transports: &[Transport]) -> EngineOptions {
        self.transports = transports.to_vec();
        self
    }

    /// Whether a polling session may become a WebSocket. Default yes.
    pub fn allow_upgrades(mut self, allow: bool) -> EngineOptions {
        self.allow_upgrades = allow;
        self
    }

    /// Whether clients of protocol revision 3 (Socket.IO 1.x and 2.x) are served. Default yes.
    pub fn allow_eio3(mut self, allow: bool) -> EngineOptions {
        self.allow_eio3 = allow;
        self
    }

    /// Whether scripts may poll (JSONP), as browsers did that cannot ask across origins. A script does not say which page
    /// loads it, so that no check of origins keeps a page out that uses one. Default yes.
    pub fn jsonp(mut self, allow: bool) -> EngineOptions {
        self.jsonp = allow;
        self
    }

    /// Sets a cookie of this name to the session's id with the handshake's answer. Default none.
    pub fn cookie(mut self, name: &str) -> EngineOptions {
        self.cookie = Some(name.to_owned());
        self
    }

    /// Lets pages of other origins poll. Default none.
    pub fn cors(mut self, cors: Cors) -> EngineOptions {
        self.cors = cors;
        self
    }

    /// Agrees on permessage-deflate (RFC 7692) with WebSocket clients that offer it. Default no.
    pub fn compression(mut self, compression: Compression) -> EngineOptions {
        self.compression = Some(compression);
        self
    }

    /// Decides on each handshake; the error's text is told to the client, with code 4.
    pub fn allow_request(
        mut self,
        allow: impl Fn(&Request<'_>) -> Result<(), String> + Send + Sync + 'static,
    ) -> EngineOptions {
        self.allow_request = Some(Box::new(allow));
        self
    }

    /// Decides on every request before anything else looks at it: the one with which a session begins, polls, POSTs and
    /// requests for a WebSocket, but not preflights of [`EngineOptions::cors`]. Several are asked in their order; the
    /// first refusal is the answer. One that panics is answered with code 3.
    ///
    /// A POST that is refused changes nothing about its session.
    pub fn middleware(
        mut self,
        middleware: impl Fn(&Request<'_>) -> Result<(), Response> + Send + Sync + 'static,
    ) -> EngineOptions {
        self.middlewares.push(Box::new(middleware));
        self
    }

    /// A request was refused: with which code, 0 to 5, and which text, as its client is told. The body of the request is
    /// not there any more. Refusals of [`EngineOptions::middleware`], and of those for whom there is no place, are not
    /// told.
    pub fn on_connection_error(
        mut self,
        handler: impl Fn(&Request<'_>, u8, &str) + Send + Sync + 'static,
    ) -> EngineOptions {
        self.on_connection_error.push(Box::new(handler));
        self
    }

    /// Header fields of the answer with which a session begins, over polling or WebSocket. Not those of a refusal.
    /// A field that the answer has anyway is then there twice.
    pub fn initial_headers(
        mut self,
        headers: impl Fn(&Request<'_>) -> Vec<(String, String)> + Send + Sync + 'static,
    ) -> EngineOptions {
        self.initial_headers = Some(Box::new(headers));
        self
    }

    /// Header fields of every answer to a request of a session, the first one included. Not those of a refusal.
    /// It is called when the request has arrived, before the packets in it are acted on.
    pub fn headers(
        mut self,
        headers: impl Fn(&Request<'_>) -> Vec<(String, String)> + Send + Sync + 'static,
    ) -> EngineOptions {
        self.headers = Some(Box::new(headers));
        self
    }

    /// What the program adds to the answer to a request that is served.
    pub(crate) fn headers_for(&self, request: &Request<'_>, is_first: bool) -> Vec<(String, String)> {
        let initial = self.initial_headers.iter().filter(|_| is_first);
        initial.chain(&self.headers).flat_map(|headers| headers(request)).collect()
    }

    pub(crate) fn has(&self, transport: Transport) -> bool {
        self.transports.contains(&transport)
    }

    /// Whether the path of a request is served here. As in the reference, the path is a prefix.
    pub(crate) fn serves(&self, path: &str) -> bool {
        path.starts_with(&self.path) || path == self.path.trim_end_matches('/')
    }
}

impl Cors {
    fn allows(&self, origin: &str) -> bool {
        self.origins.iter().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(origin))
    }

    /// Adds what an answer to a page of another origin says.
    pub(crate) fn apply(&self, origin: Option<&str>, response: Response) -> Response {
        if self.origins.is_empty() {
            return response;
        }
        if self.origins.iter().any(|allowed| allowed == "*") && !self.credentials {
            // Also to whom it says nothing: a cache may give the answer to a page.
            return response.header("Access-Control-Allow-Origin", "*");
        }
        let response = response.header("Vary", "Origin");
        match origin.filter(|origin| self.allows(origin)) {
            Some(origin) => {
                let response = response.header("Access-Control-Allow-Origin", origin);
                if self.credentials {
                    response.header("Access-Control-Allow-Credentials", "true")
                } else {
                    response
                }
            }
            None => response,
        }
    }

    /// The answer to a preflight request.
    pub(crate) fn preflight(&self, origin: Option<&str>, headers: Option<&str>) -> Response {
        let response = Response::empty(204).header("Access-Control-Allow-Methods", "GET,POST");
        let response = match headers {
            Some(headers) => response
                .header("Access-Control-Allow-Headers", headers)
                .header("Vary", "Access-Control-Request-Headers"),
            None => response,
        };
        self.apply(origin, response.header("Access-Control-Max-Age", "600"))
    }
}

/// What serves the sessions of a mount.
pub(crate) enum Served {
    /// Messages as they are.
    Endpoint(Box<dyn Endpoint>),
    /// Socket.IO packets.
    SocketIo(Box<SocketIo>),
}

/// An Engine.IO server at a path.
pub(crate) struct Mount {
    pub(crate) options: EngineOptions,
    pub(crate) served: Served,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cors: &Cors, origin: Option<&str>) -> Vec<(String, String)> {
        let response = cors.apply(origin, Response::empty(200));
        response.headers.into_iter().map(|(name, value)| (name.into_owned(), value)).collect()
    }

    #[test]
    fn only_allowed_origins_are_told_that_they_are() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(headers(&Cors::default(), Some("http://a")), []);
        let any = Cors { origins: vec!["*".to_owned()], credentials: false };
        for origin in [Some("http://a"), None] {
            assert_eq!(headers(&any, origin), [pair("Access-Control-Allow-Origin", "*")]);
        }
        let one = Cors { origins: vec!["http://a".to_owned()], credentials: true };
        assert_eq!(
            headers(&one, Some("http://a")),
            [
                pair("Vary", "Origin"),
                pair("Access-Control-Allow-Origin", "http://a"),
                pair("Access-Control-Allow-Credentials", "true")
            ]
        );
        assert_eq!(headers(&one, Some("http://b")), [pair("Vary", "Origin")]);
    }

    #[test]
    fn the_path_is_a_prefix() {
        let options = EngineOptions::at("/socket.io/");
        assert!(
            options.serves("/socket.io/") && options.serves("/socket.io") && options.serves("/socket.io/x")
        );
        assert!(!options.serves("/socket.iox") && !options.serves("/"));
    }
}
