//! The way back to a socket of a namespace from another thread.

use super::socket::Socket;
use super::state::NamespaceId;
use crate::app::context::Context;
use crate::app::engine::Served;
use crate::app::handle::{Handle, Via};
use crate::base::ids::LinkId;
use compact_str::CompactString;
use std::fmt;

/// The way back to a socket: for whoever finds something out on another thread that its handler waits for. To acknowledge
/// an event, an [`Ack`](super::Ack) is enough.
pub struct WayBack {
    /// Its home is the reactor that has the link.
    handle: Handle,
    link: LinkId,
    at: NamespaceId,
    namespace: CompactString,
    epoch: u8,
}

impl Socket<'_> {
    /// The way back here, from any thread.
    ///
    /// ```
    /// # use fanfare::socketio::Namespace;
    /// # fn team_of(user: &str) -> String { String::new() }
    /// let chat = Namespace::new("/chat").on("user", |socket, event| {
    ///     let user: String = event.parse()?;
    ///     let (handle, way_back) = (socket.context().handle(), socket.way_back());
    ///     std::thread::spawn(move || {
    ///         let team = team_of(&user);
    ///         way_back.run(&handle, move |socket| {
    ///             socket.set(team);
    ///         });
    ///     });
    ///     Ok::<(), fanfare::socketio::Error>(())
    /// });
    /// ```
    pub fn way_back(&mut self) -> WayBack {
        let (link, at, epoch) = (self.link, self.at, self.epoch);
        WayBack { handle: self.cx.handle(), link, at, namespace: self.name.into(), epoch }
    }
}

impl WayBack {
    /// Has something done with the socket, on its reactor; it must not block there. If the socket is gone, or has left its
    /// namespace, nothing happens. One for which it panics is disconnected, as by a handler that does.
    pub fn run(self, via: impl Via, f: impl FnOnce(&mut Socket<'_>) + Send + 'static) {
        let home = self.handle.home();
        via.carry_to(home, 256, move |cx| self.give(cx, f));
    }

    fn give(self, cx: &mut Context<'_>, f: impl FnOnce(&mut Socket<'_>)) {
        let WayBack { link, at, namespace: name, epoch, .. } = self;
        if cx.core.namespace_number(at.mount, &name) != Some(at.number) {
            // The number may be that of another dynamic namespace by now.
            return;
        }
        let Some(session) = cx.core.sio.get(link).filter(|session| !session.closed) else { return };
        let revision = session.revision;
        let member = session.member(at.number).filter(|member| member.epoch == epoch);
        let Some(definition) = member.map(|member| member.definition) else { return };
        let router = cx.core.router.clone();
        let Served::SocketIo(socketio) = &router.mount(at.mount).served else { return };
        let namespace = socketio.namespace_at(definition);
        let cx = Context { core: &mut *cx.core, out: &mut *cx.out };
        let mut socket = Socket { cx, link, at, namespace, name: &name, epoch, revision, parting: None };
        socket.run("what came back to it", |socket| {
            f(socket);
            Ok(())
        });
    }
}

impl fmt::Debug for WayBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WayBack")
    }
}
