//! Putting a server together and starting it.

use super::running::{Running, start};
use crate::app::socketio::SocketIo;
use crate::app::{
    Context, Endpoint, EngineOptions, Files, FilesAt, Mount, NodeAnswer, Params, Request, Responder, Router,
    Served,
};
use crate::base::compression::Compression;
use crate::base::ids::MAX_REACTORS;
use crate::base::limits::Limits;
use crate::base::proxies::Proxies;
use crate::base::sid::MAX_NODE;
use crate::cluster::ClusterOptions;
use crate::reactor::listener::{ListenAddr, OpenListener};
use crate::reactor::tls::Certificates;
use std::fmt;
use std::io;

/// The permissions of a unix socket's file.
const UNIX_MODE: u32 = 0o660;

/// Where servers begin: [`Server::builder`].
#[derive(Debug)]
pub struct Server;

impl Server {
    /// A server without endpoints, routes or addresses.
    pub fn builder() -> Builder {
        Builder {
            listen: Vec::new(),
            listen_tls: Vec::new(),
            admin: Vec::new(),
            open: Vec::new(),
            reactors: 0,
            limits: Limits::default(),
            compression: None,
            router: Router::default(),
            cluster: None,
            node: None,
            balance: true,
            proxies: Proxies::default(),
            unix_mode: UNIX_MODE,
        }
    }
}

/// Why a server did not start. Nothing is left behind: no thread, no socket.
#[derive(Debug)]
pub enum StartError {
    /// There is no address to listen on.
    NoAddress,
    /// More reactors than there can be.
    TooManyReactors(usize),
    /// A node's number that does not fit into ids.
    NodeTooLarge(u16),
    /// Two namespaces of one name, on two paths, have different parsers; or there is a dynamic namespace with another
    /// parser behind a [`Namespace::when`](crate::socketio::Namespace::when).
    MixedParsers,
    /// The kernel refuses an address.
    Listen(ListenAddr, io::Error),
    /// The kernel refuses something else that a reactor needs.
    System(&'static str, io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::NoAddress => f.write_str("there is no address to listen on"),
            StartError::TooManyReactors(count) => write!(f, "{count} reactors: {MAX_REACTORS} at most"),
            StartError::NodeTooLarge(number) => write!(f, "node {number}: {MAX_NODE} at most"),
            StartError::MixedParsers => {
                f.write_str(
                    "namespaces of one name have one parser, and behind one by function all dynamic ones have its",
                )
            }
            StartError::Listen(addr, error) => write!(f, "cannot listen on {addr}: {error}"),
            StartError::System(what, error) => write!(f, "{what}: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// A server to be.
pub struct Builder {
    pub(super) listen: Vec<ListenAddr>,
    pub(super) listen_tls: Vec<(ListenAddr, Certificates)>,
    pub(super) admin: Vec<ListenAddr>,
    /// Open already, and whether for operators.
    pub(super) open: Vec<(OpenListener, bool)>,
    pub(super) reactors: usize,
    pub(super) limits: Limits,
    pub(super) compression: Option<Compression>,
    pub(super) router: Router,
    pub(super) cluster: Option<ClusterOptions>,
    pub(super) node: Option<u16>,
    pub(super) balance: bool,
    pub(super) proxies: Proxies,
    pub(super) unix_mode: u32,
}

impl Builder {
    /// Listens on this address too.
    pub fn listen(mut self, addr: ListenAddr) -> Builder {
        self.listen.push(addr);
        self
    }

    /// Listens on this address too, for connections with TLS. What is served there is what is served elsewhere.
    #[cfg(feature = "tls")]
    pub fn listen_tls(mut self, addr: ListenAddr, certificates: Certificates) -> Builder {
        self.listen_tls.push((addr, certificates));
        self
    }

    /// The load balancers and proxies in front of the server, whose word is taken about who a client is:
    /// [`Request::peer`] is then who they say.
    pub fn proxies(mut self, proxies: Proxies) -> Builder {
        self.proxies = proxies;
        self
    }

    /// Who may connect to unix sockets that are listened on, as the permissions of their files: to connect takes the
    /// permission to write. The default is `0o660`: the server's own user and group.
    pub fn unix_mode(mut self, mode: u32) -> Builder {
        self.unix_mode = mode;
        self
    }

    /// Serves operators at this address: every route, but no endpoint. The other addresses then do not serve what
    /// [`Builder::admin_route`] added.
    pub fn admin_listen(mut self, addr: ListenAddr) -> Builder {
        self.admin.push(addr);
        self.router.separate_admin = true;
        self
    }

    /// Serves clients on a socket that listens already, as service managers pass it on. All reactors share it, and when the
    /// server ends whoever has it too still listens.
    pub fn listen_on(mut self, listener: impl Into<OpenListener>) -> Builder {
        self.open.push((listener.into(), false));
        self
    }

    /// Serves operators on a socket that listens already: as [`Builder::admin_listen`] does at an address.
    pub fn admin_listen_on(mut self, listener: impl Into<OpenListener>) -> Builder {
        self.open.push((listener.into(), true));
        self.router.separate_admin = true;
        self
    }

    /// How many reactors; 0, the default, is one for each core that this process may use. 64 at most.
    pub fn reactors(mut self, count: usize) -> Builder {
        self.reactors = count;
        self
    }

    /// The limits that peers meet.
    pub fn limits(mut self, limits: Limits) -> Builder {
        self.limits = limits;
        self
    }

    /// Agrees on permessage-deflate with clients of plain WebSocket endpoints that offer it, which no server does
    /// without this call. For Engine.IO see [`EngineOptions::compression`].
    pub fn compression(mut self, compression: Compression) -> Builder {
        self.compression = Some(compression);
        self
    }

    /// Makes this server one with the others that use the same Redis: what is said to a room is said to its members on all
    /// of them. That Redis is away keeps nothing from starting. With the feature `redis`.
    #[cfg(feature = "redis")]
    pub fn cluster(mut self, options: ClusterOptions) -> Builder {
        self.cluster = Some(options);
        self
    }

    /// The number of this node behind a load balancer, 0 to 4,095: ids of sessions begin with it, in two characters of
    /// base64url (`AA` for 0, `AB` for 1), so that the balancer can send the requests of a session where it lives. A
    /// random one without this.
    pub fn node(mut self, number: u16) -> Builder {
        self.node = Some(number);
        self
    }

    /// Whether the reactors share the load: a new connection then goes to one that has clearly fewer, and idle WebSockets of
    /// plain endpoints move when one reactor has many more than the others. Default yes.
    ///
    /// Nobody notices, except that [`Socket::id`](crate::Socket::id) and [`Socket::slot`](crate::Socket::slot) of such a
    /// WebSocket are others afterwards. Sessions of Engine.IO and Socket.IO stay where they began, as their ids say where
    /// they live.
    pub fn balance(mut self, share: bool) -> Builder {
        self.balance = share;
        self
    }

    /// Answers the questions of this name that other nodes of the cluster ask by
    /// [`Context::ask_nodes`](crate::Context::ask_nodes). The handler is given the question as JSON; it runs on one reactor
    /// and must not block.
    pub fn answer_nodes(
        mut self,
        name: &str,
        handler: impl Fn(&mut Context<'_>, &str, NodeAnswer) + Send + Sync + 'static,
    ) -> Builder {
        self.router.add_question(name, Box::new(handler));
        self
    }

    /// Serves the WebSocket connections of a path.
    pub fn endpoint(mut self, path: &str, endpoint: impl Endpoint) -> Builder {
        self.router.endpoint(path, Box::new(endpoint));
        self
    }

    /// Serves Engine.IO sessions, with an endpoint's handlers for their messages. Its `on_upgrade` decides on
    /// handshakes.
    pub fn engine(mut self, options: EngineOptions, endpoint: impl Endpoint) -> Builder {
        self.router.add_mount(Mount { options, served: Served::Endpoint(Box::new(endpoint)) });
        self
    }

    /// Serves Socket.IO.
    pub fn socketio(mut self, mut socketio: SocketIo) -> Builder {
        let options = socketio.take_engine();
        self.router.add_mount(Mount { options, served: Served::SocketIo(Box::new(socketio)) });
        self
    }

    /// Serves the requests of a method and a path. A segment `{name}` of the path matches any one segment and is
    /// given to the handler, decoded. `GET` serves `HEAD` too. Of two routes that match, the first one serves.
    pub fn route(
        mut self,
        method: &str,
        path: &str,
        handler: impl Fn(&mut Context<'_>, &Request<'_>, &Params, Responder) + Send + Sync + 'static,
    ) -> Builder {
        self.router.route(method, path, false, Box::new(handler));
        self
    }

    /// A [`Builder::route`] for operators: if they have an address of their own, it is served only there.
    pub fn admin_route(
        mut self,
        method: &str,
        path: &str,
        handler: impl Fn(&mut Context<'_>, &Request<'_>, &Params, Responder) + Send + Sync + 'static,
    ) -> Builder {
        self.router.route(method, path, true, Box::new(handler));
        self
    }

    /// Serves files below a path, to `GET` and `HEAD`; the one at `/x/index.html` also at `/x/`. Of two that serve the
    /// same path, the first one does.
    ///
    /// Routes and endpoints come before files. So do Engine.IO and Socket.IO, unless the path of the files is below
    /// theirs or the same: then they have what no file is for. What is at no path is answered with 404, another
    /// method with 405.
    pub fn files(mut self, path: &str, files: Files) -> Builder {
        self.router.add_files(FilesAt::new(path, files));
        self
    }

    /// Listens, starts the reactors and returns when every listener accepts.
    ///
    /// The soft limit of descriptors is raised to the hard one, which counts for each reactor.
    ///
    /// Every reactor has a descriptor table of its own, in which only the standard three and what the server itself
    /// needs are open. A descriptor that the program opened before is closed there, or is the number of somebody's
    /// connection: handlers, and a logger that is called on a reactor's thread, must not use one. Let another
    /// thread do that, and hand it what it needs by a channel.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(self) -> Result<Running, StartError> {
        start(self)
    }
}
