//! Namespaces and their handlers: one table for all sockets of a namespace, so that a socket costs no closure.

use super::decision::LaterFn;
use super::dynamic::{Names, When};
use super::error::{Error, Outcome};
use super::event::Event;
use super::handshake::Handshake;
use super::listening::Listeners;
use super::reason::DisconnectReason;
use super::socket::Socket;
use crate::app::context::Context;
use crate::app::engine::EngineOptions;
use crate::session::packets::Parser;
use compact_str::CompactString;
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Why a socket may not connect to a namespace; told to the client as `connect_error`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectError {
    pub(crate) message: String,
    /// JSON.
    pub(crate) data: Option<String>,
}

impl ConnectError {
    /// An error with this message.
    pub fn new(message: impl Into<String>) -> ConnectError {
        ConnectError { message: message.into(), data: None }
    }

    /// What a client is told when the program fails.
    pub(crate) fn internal() -> ConnectError {
        ConnectError::new("internal error")
    }

    /// Adds `data`, any JSON value.
    pub fn data(mut self, data: &impl serde::Serialize) -> ConnectError {
        self.data = serde_json::to_string(data).ok();
        self
    }
}

/// What a client gives when it connects to a namespace.
#[derive(Clone, Copy, Debug)]
pub struct Connecting<'a> {
    pub(crate) handshake: &'a Handshake,
    /// The JSON object of the CONNECT packet; empty if there is none.
    pub(crate) auth: &'a str,
    /// The query of the namespace, which clients of 1.x and 2.x may give.
    pub(crate) query: Option<&'a str>,
}

impl<'a> Connecting<'a> {
    /// The beginning of the connection.
    pub fn handshake(&self) -> &'a Handshake {
        self.handshake
    }

    /// The `auth` of the client as JSON; `{}` if it gave none.
    pub fn auth(&self) -> &'a str {
        if self.auth.is_empty() { "{}" } else { self.auth }
    }

    /// The `auth` of the client as a value.
    ///
    /// # Errors
    /// It is of another shape.
    pub fn parse_auth<T: Deserialize<'a>>(&self) -> Result<T, Error> {
        Ok(serde_json::from_str(self.auth())?)
    }

    /// A parameter of the query: the connection's or, for clients of 1.x and 2.x, the namespace's.
    pub fn query(&self, name: &str) -> Option<String> {
        self.handshake.query(name).or_else(|| {
            let query = crate::app::http::Query::parse(self.query?).ok()?;
            query.get(name).map(str::to_owned)
        })
    }

    /// All parameters of the query, decoded, in their order, the connection's before the namespace's.
    pub fn queries(&self) -> Vec<(String, String)> {
        let both = [Some(self.handshake.raw_query()), self.query];
        let parsed =
            both.into_iter().flatten().filter_map(|query| crate::app::http::Query::parse(query).ok());
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        parsed.flat_map(|query| query.iter().map(owned).collect::<Vec<_>>()).collect()
    }
}

type NowFn = Box<dyn Fn(&mut Socket<'_>, &Connecting<'_>) -> Result<(), ConnectError> + Send + Sync>;

/// Decides whether a socket may connect.
pub(crate) enum Middleware {
    /// When it is asked.
    Now(NowFn),
    /// When it likes.
    Later(LaterFn),
}

pub(crate) type OnConnect = Box<dyn Fn(&mut Socket<'_>, &Connecting<'_>) -> Result<(), Error> + Send + Sync>;
pub(crate) type OnEvent = Box<dyn Fn(&mut Socket<'_>, &mut Event<'_>) -> Result<(), Error> + Send + Sync>;
pub(crate) type OnDisconnect =
    Box<dyn Fn(&mut Socket<'_>, DisconnectReason) -> Result<(), Error> + Send + Sync>;
pub(crate) type OnNewNamespace = Box<dyn Fn(&mut Context<'_>, &str) -> Result<(), Error> + Send + Sync>;
pub(crate) type OnError = Box<dyn Fn(&mut Socket<'_>, &str, &Error) + Send + Sync>;

/// A namespace: its name and what happens in it.
///
/// Handlers are those of all of its sockets, run on the reactor that owns the socket, and must not block. Several of one
/// kind run in the order in which they were added. They return nothing or a `Result`; what an `Err` says is told to
/// [`Namespace::on_error`] or, without that, to the log. One that panics ends its socket and nothing else.
///
/// ```
/// use fanfare::socketio::Namespace;
///
/// let chat = Namespace::new("/chat")
///     .on_connect(|socket, _| socket.emit("welcome", socket.id()))
///     .on("join", |socket, event| {
///         let room: String = event.parse()?;
///         socket.join(&room)?;
///         event.ack(socket, "ok")
///     })
///     .on("say", |socket, event| {
///         let (room, text): (String, String) = event.parse()?;
///         let id = socket.id();
///         socket.to(&room).emit("said", (id, text))
///     })
///     .on_disconnect(|socket, reason| println!("{} left: {reason}", socket.id()));
/// ```
pub struct Namespace {
    pub(super) names: Names,
    pub(crate) parser: Parser,
    pub(crate) middlewares: Vec<Middleware>,
    pub(crate) on_connect: Vec<OnConnect>,
    pub(crate) events: HashMap<String, Vec<OnEvent>>,
    pub(crate) on_any: Vec<OnEvent>,
    pub(crate) packet_middlewares: Vec<OnEvent>,
    pub(crate) on_disconnecting: Vec<OnDisconnect>,
    pub(crate) on_disconnect: Vec<OnDisconnect>,
    pub(crate) on_error: Vec<OnError>,
    pub(crate) listeners: Listeners,
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Namespace({:?})", self.names)
    }
}

impl Namespace {
    /// A namespace without handlers; its name begins with a slash, which is added if it is missing.
    pub fn new(name: &str) -> Namespace {
        let name = if name.starts_with('/') { name.into() } else { compact_str::format_compact!("/{name}") };
        Namespace::of(Names::One(name))
    }

    pub(super) fn of(names: Names) -> Namespace {
        Namespace {
            names,
            parser: Parser::Json,
            middlewares: Vec::new(),
            on_connect: Vec::new(),
            events: HashMap::new(),
            on_any: Vec::new(),
            packet_middlewares: Vec::new(),
            on_disconnecting: Vec::new(),
            on_disconnect: Vec::new(),
            on_error: Vec::new(),
            listeners: Listeners::default(),
        }
    }

    /// Its name, if it stands for one only.
    pub(crate) fn name(&self) -> Option<&CompactString> {
        match &self.names {
            Names::One(name) => Some(name),
            Names::Matching(_) | Names::When(_) => None,
        }
    }

    /// How packets are written; clients have to use the same. Default JSON.
    pub fn parser(mut self, parser: Parser) -> Namespace {
        self.parser = parser;
        self
    }

    /// Decides whether a socket may connect; several are asked in their order until one refuses. The socket has its
    /// id already; what is emitted here goes out before the client is told that it is connected.
    pub fn middleware(
        mut self,
        middleware: impl Fn(&mut Socket<'_>, &Connecting<'_>) -> Result<(), ConnectError> + Send + Sync + 'static,
    ) -> Namespace {
        self.middlewares.push(Middleware::Now(Box::new(middleware)));
        self
    }

    /// A socket has connected.
    pub fn on_connect<R: Outcome>(
        mut self,
        handler: impl Fn(&mut Socket<'_>, &Connecting<'_>) -> R + Send + Sync + 'static,
    ) -> Namespace {
        self.on_connect.push(Box::new(move |socket, connecting| handler(socket, connecting).into_result()));
        self
    }

    /// A client sent an event of this name. A number as a name is its decimal digits.
    pub fn on<R: Outcome>(
        mut self,
        event: &str,
        handler: impl Fn(&mut Socket<'_>, &mut Event<'_>) -> R + Send + Sync + 'static,
    ) -> Namespace {
        self.events.entry(event.to_owned()).or_default().push(boxed(handler));
        self
    }

    /// A client sent any event; called before the packet middlewares and those of [`Namespace::on`].
    pub fn on_any<R: Outcome>(
        mut self,
        handler: impl Fn(&mut Socket<'_>, &mut Event<'_>) -> R + Send + Sync + 'static,
    ) -> Namespace {
        self.on_any.push(boxed(handler));
        self
    }

    /// The same, before those that were added so far.
    pub fn prepend_any<R: Outcome>(
        mut self,
        handler: impl Fn(&mut Socket<'_>, &mut Event<'_>) -> R + Send + Sync + 'static,
    ) -> Namespace {
        self.on_any.insert(0, boxed(handler));
        self
    }

    /// Decides on every event whether it goes on to the handlers of [`Namespace::on`]. If it does not, those of
    /// [`Namespace::on_error`] are told why.
    pub fn packet_middleware(
        mut self,
        middleware: impl Fn(&mut Socket<'_>, &mut Event<'_>) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Namespace {
        self.packet_middlewares.push(Box::new(middleware));
        self
    }

    /// A socket is about to leave: it is still in its rooms, but nothing can be sent to it.
    pub fn on_disconnecting<R: Outcome>(
        mut self,
        handler: impl Fn(&mut Socket<'_>, DisconnectReason) -> R + Send + Sync + 'static,
    ) -> Namespace {
        self.on_disconnecting.push(Box::new(move |socket, reason| handler(socket, reason).into_result()));
        self
    }

    /// A socket has left, its rooms too.
    pub fn on_disconnect<R: Outcome>(
        mut self,
        handler: impl Fn(&mut Socket<'_>, DisconnectReason) -> R + Send + Sync + 'static,
    ) -> Namespace {
        self.on_disconnect.push(Box::new(move |socket, reason| handler(socket, reason).into_result()));
        self
    }

    /// A handler or a packet middleware returned an error, when it was given the event of this name (`connect`,
    /// `disconnecting`, `disconnect` and `upgrade` for the handlers of those, `an acknowledgement` for the callback of one).
    pub fn on_error(
        mut self,
        handler: impl Fn(&mut Socket<'_>, &str, &Error) + Send + Sync + 'static,
    ) -> Namespace {
        self.on_error.push(Box::new(handler));
        self
    }
}

fn boxed<R: Outcome>(
    handler: impl Fn(&mut Socket<'_>, &mut Event<'_>) -> R + Send + Sync + 'static,
) -> OnEvent {
    Box::new(move |socket, event| handler(socket, event).into_result())
}

/// A Socket.IO server: an Engine.IO server with namespaces.
pub struct SocketIo {
    engine: Option<EngineOptions>,
    pub(crate) connect_timeout_ms: u32,
    /// Nothing: all.
    kept_headers: Option<Vec<String>>,
    keeps_handshake: bool,
    namespaces: Vec<Namespace>,
    /// The main namespace, if the program did not add it.
    implied: Option<u16>,
    pub(crate) on_new_namespace: Vec<OnNewNamespace>,
}

impl fmt::Debug for SocketIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketIo")
            .field("engine", &self.engine)
            .field("namespaces", &self.namespaces)
            .finish()
    }
}

impl SocketIo {
    /// A server without namespaces; [`EngineOptions::at`] says where. At `/socket.io/` and as usual it is
    /// [`SocketIo::default`].
    pub fn new(engine: EngineOptions) -> SocketIo {
        SocketIo {
            engine: Some(engine),
            connect_timeout_ms: 45_000,
            kept_headers: None,
            keeps_handshake: false,
            namespaces: Vec::new(),
            implied: None,
            on_new_namespace: Vec::new(),
        }
    }

    /// Time to connect to a first namespace, in milliseconds. Default 45,000.
    pub fn connect_timeout_ms(mut self, ms: u32) -> SocketIo {
        self.connect_timeout_ms = ms;
        self
    }

    /// The header fields of its first request that a session keeps for the handlers of namespaces that it joins later.
    /// Default all, which costs each session as many bytes as they have; with a single namespace that stands for
    /// one name none.
    pub fn keep_headers(mut self, names: &[&str]) -> SocketIo {
        self.kept_headers = Some(names.iter().map(|name| (*name).to_owned()).collect());
        self
    }

    /// Whether sessions keep the handshake for handlers of events too: see
    /// [`Socket::handshake`](super::Socket::handshake). Default no. It costs each session as many bytes as its request has,
    /// or as the fields of [`SocketIo::keep_headers`] and its target have.
    pub fn keep_handshake(mut self, keep: bool) -> SocketIo {
        self.keeps_handshake = keep;
        self
    }

    /// What a session that has joined a namespace keeps of its handshake.
    pub(crate) fn keep_of(&self, mut handshake: Arc<Handshake>, number: u16) -> Option<Arc<Handshake>> {
        let keeps_head = self.keeps_handshake || self.has_more(number);
        match &self.kept_headers {
            _ if !keeps_head => Arc::make_mut(&mut handshake).trim(),
            Some(names) => Arc::make_mut(&mut handshake).keep(names),
            None => {}
        }
        (keeps_head || !handshake.raw_query().is_empty()).then_some(handshake)
    }

    /// Adds a namespace. The main one, `/`, is there without that, with no handlers, unless a pattern stands for it. One of the same name that was added before is replaced. In which order they are added matters
    /// to those that stand for many names: [`Namespace::matching`], [`Namespace::when`].
    pub fn namespace(mut self, namespace: Namespace) -> SocketIo {
        if let Some(name) = namespace.name() {
            self.namespaces.retain(|other| other.name() != Some(name));
        }
        self.namespaces.push(namespace);
        self
    }

    pub(crate) fn namespaces(&self) -> impl Iterator<Item = &Namespace> {
        self.namespaces.iter()
    }

    /// Tells of every namespace that comes into being by [`Namespace::matching`] or [`Namespace::when`]: its first
    /// socket, on all reactors, is about to be asked for by the middlewares. Told again when it was empty in between, as it is
    /// while all who asked for it wait for a decision;
    /// not told of those of [`Namespace::new`], which are always there. Errors go to the log.
    ///
    /// ```
    /// # use fanfare::{EngineOptions, socketio::SocketIo};
    /// let socketio = SocketIo::new(EngineOptions::at("/socket.io/"))
    ///     .on_new_namespace(|cx, name| cx.namespace("/admin").emit("new namespace", name));
    /// ```
    pub fn on_new_namespace<R: Outcome>(
        mut self,
        handler: impl Fn(&mut Context<'_>, &str) -> R + Send + Sync + 'static,
    ) -> SocketIo {
        self.on_new_namespace.push(Box::new(move |cx, name| handler(cx, name).into_result()));
        self
    }

    /// Whether some namespace has packets of this kind.
    pub(crate) fn speaks(&self, parser: Parser) -> bool {
        self.namespaces.iter().any(|namespace| namespace.parser == parser)
    }

    /// Whether a session that has joined this namespace may join another one later, and its handlers may want to know
    /// how it began. Nobody asks in the main one that nobody added.
    fn has_more(&self, number: u16) -> bool {
        let added = self.namespaces.len() - usize::from(self.implied.is_some());
        added > 1 || self.is_dynamic() || self.implied == Some(number) && added > 0
    }

    /// Whether some namespace stands for many names.
    fn is_dynamic(&self) -> bool {
        self.namespaces.iter().any(|namespace| namespace.name().is_none())
    }

    pub(crate) fn namespace_at(&self, number: u16) -> &Namespace {
        &self.namespaces[usize::from(number)]
    }

    /// What its mount is made of; once.
    ///
    /// The main namespace is there now if it was not added: clients before 3.0 join it by themselves, and are of no use
    /// without.
    pub(crate) fn take_engine(&mut self) -> EngineOptions {
        if self.choose("/", |_| false).is_none() {
            let parser = self.namespaces.first().map_or(Parser::Json, |namespace| namespace.parser);
            self.implied = Some(self.namespaces.len() as u16);
            self.namespaces.push(Namespace::new("/").parser(parser));
        }
        self.engine.take().unwrap_or_else(|| EngineOptions::at("/socket.io/"))
    }

    /// The namespace that has this name and no other.
    pub(crate) fn find(&self, name: &str) -> Option<u16> {
        let has = |namespace: &Namespace| namespace.name().is_some_and(|own| own == name);
        self.namespaces.iter().position(has).map(|number| number as u16)
    }

    /// The namespace that a name belongs to, if the functions of dynamic ones answer so.
    pub(crate) fn choose(&self, name: &str, mut ask: impl FnMut(&When) -> bool) -> Option<u16> {
        self.find(name).or_else(|| {
            let accepts = |namespace: &Namespace| match &namespace.names {
                Names::One(_) => false,
                Names::Matching(pattern) => pattern.is_match(name),
                Names::When(when) => ask(when),
            };
            self.namespaces.iter().position(accepts).map(|number| number as u16)
        })
    }

    /// A namespace that has the parser of all that a name may belong to; nothing if it belongs to none.
    pub(crate) fn presume(&self, name: &str) -> Option<u16> {
        self.choose(name, |_| true)
    }

    /// Whether no name has another parser there.
    pub(crate) fn agrees_with(&self, other: &SocketIo) -> bool {
        let named =
            self.namespaces.iter().filter_map(|namespace| Some((namespace.name()?, namespace.parser)));
        let mut theirs = named.filter_map(|(name, parser)| Some((other.find(name)?, parser)));
        theirs.all(|(number, parser)| other.namespace_at(number).parser == parser)
    }

    /// Whether the parser of every name is known beforehand: no other one comes behind a function.
    pub(crate) fn has_settled_parsers(&self) -> bool {
        let mut dynamic = self.namespaces.iter().filter(|namespace| namespace.name().is_none());
        let first = dynamic.find(|namespace| matches!(namespace.names, Names::When(_)));
        first.is_none_or(|first| dynamic.all(|namespace| namespace.parser == first.parser))
    }
}

impl Default for SocketIo {
    fn default() -> SocketIo {
        SocketIo::new(EngineOptions::at("/socket.io/"))
    }
}
