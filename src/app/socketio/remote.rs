//! Sockets of the whole server as plain data, and what is done to one of them by its id.

use super::emit::Emit;
use super::error::Error;
use super::many::SocketInfo;
use crate::app::cluster::Order;
use crate::app::context::Context;
use crate::app::handle::Via;
use crate::app::http::Query;
use crate::app::names::Rooms;
use crate::app::publish::To;
use crate::wire::socketio::value::ToArgs;
use compact_str::CompactString;
use serde::Deserialize;

/// A socket as it was when somebody asked, wherever it lives; it may have left since.
///
/// What is done to it goes to whoever has its id, by a [`Context`] or a [`Handle`](crate::Handle).
#[derive(Clone, Debug)]
pub struct RemoteSocket {
    id: CompactString,
    namespace: CompactString,
    rooms: Vec<CompactString>,
    query: Box<str>,
    /// JSON.
    data: Option<Box<str>>,
}

// As the documentation of `fetch_sockets` says.
const _: () = assert!(size_of::<RemoteSocket>() == 104 && size_of::<CompactString>() == 24);

impl RemoteSocket {
    fn of(info: &SocketInfo<'_>, namespace: &str) -> RemoteSocket {
        RemoteSocket {
            id: info.short_id(),
            namespace: namespace.into(),
            rooms: info.rooms().map(CompactString::from).collect(),
            query: info.raw_query().into(),
            data: info.raw_data().map(Box::from),
        }
    }

    /// One of another node.
    pub(crate) fn elsewhere(
        (id, namespace): (&str, &str),
        rooms: impl Iterator<Item = CompactString>,
        query: Box<str>,
        data: Option<Box<str>>,
    ) -> RemoteSocket {
        let rooms = rooms.filter(|room| room != id).collect();
        RemoteSocket { id: id.into(), namespace: namespace.into(), rooms, query, data }
    }

    /// The query with which its connection began, percent-encoded.
    pub(crate) fn raw_query(&self) -> &str {
        &self.query
    }

    /// What its program keeps with it, as JSON.
    pub(crate) fn raw_data(&self) -> Option<&str> {
        self.data.as_deref()
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name of its namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its rooms in the order in which it joined them; as [`Socket::rooms`](super::Socket::rooms) without the one that is
    /// its id, which JavaScript has first.
    pub fn rooms(&self) -> impl Iterator<Item = &str> {
        self.rooms.iter().map(CompactString::as_str)
    }

    /// A parameter of the query with which its connection began. Of the handshake, nothing else is kept for others to
    /// see: what they need goes into its data.
    pub fn query(&self, name: &str) -> Option<String> {
        Query::parse(&self.query).ok()?.get(name).map(str::to_owned)
    }

    /// What [`Socket::set_data`](super::Socket::set_data) kept with it.
    ///
    /// # Errors
    /// It is of another type.
    pub fn data<'a, T: Deserialize<'a>>(&'a self) -> Result<Option<T>, Error> {
        Ok(self.data.as_deref().map(serde_json::from_str).transpose()?)
    }

    /// This socket alone, for what may be done to many: a timeout, an acknowledgement, a report.
    pub fn by<V: Via>(&self, via: V) -> Emit<V> {
        Emit::new(via, None, To::room(&self.namespace, &self.id))
    }

    /// Sends it an event.
    ///
    /// # Errors
    /// Those of [`Emit::emit`]; that the socket is gone is none.
    pub fn emit(&self, via: impl Via, event: &str, args: impl ToArgs) -> Result<(), Error> {
        self.by(via).emit(event, args)
    }

    /// Makes it join a room or several: see [`Emit::sockets_join`].
    pub fn join(&self, via: impl Via, rooms: impl Rooms) {
        self.by(via).sockets_join(rooms);
    }

    /// Makes it leave a room or several.
    pub fn leave(&self, via: impl Via, rooms: impl Rooms) {
        self.by(via).sockets_leave(rooms);
    }

    /// Disconnects it from the namespace; with `close`, from everything.
    pub fn disconnect(&self, via: impl Via, close: bool) {
        self.by(via).disconnect_sockets(close);
    }
}

impl<V: Via> Emit<V> {
    /// Tells what sockets these are; `done` is called once, on a reactor. A thread waits for that by
    /// [`reply`](crate::reply).
    ///
    /// ```no_run
    /// # use fanfare::socketio::Error;
    /// # fn f(handle: &fanfare::Handle) -> Result<(), Error> {
    /// let (done, sockets) = fanfare::reply();
    /// handle.namespace("/").to("room").fetch_sockets(done);
    /// for socket in sockets.wait()? {
    ///     socket.emit(handle, "hello", socket.id())?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Each costs 104 bytes, 24 for each of its rooms, and what its query and data have. Every reactor makes its part in
    /// one go, and the one that calls `done` has all of it: a program with very many sockets asks for fewer at a time. To
    /// count sockets, or to look for some, [`Context::gather`] copies nothing.
    pub fn fetch_sockets(self, done: impl FnOnce(&mut Context<'_>, Vec<RemoteSocket>) + Send + 'static) {
        self.collect(
            |cx, namespace, slot| {
                let info = SocketInfo::find(cx.core, cx.out, namespace, slot)?;
                Some(RemoteSocket::of(&info, namespace))
            },
            |to, back| Order::Fetch { to, back },
            done,
        );
    }

    /// Tells only their ids.
    pub fn ids(self, done: impl FnOnce(&mut Context<'_>, Vec<String>) + Send + 'static) {
        self.collect(
            |cx, namespace, slot| Some(SocketInfo::find(cx.core, cx.out, namespace, slot)?.id()),
            |to, back| {
                let ids = |all: Vec<RemoteSocket>| all.into_iter().map(|socket| socket.id.into()).collect();
                Order::Fetch { to, back: back.map(ids) }
            },
            done,
        );
    }
}
