//! The way back to a plain socket from another thread.
//!
//! Owns: [`WayBack`]. Leaves to `socketio` the same for sockets of a namespace. Whoever is waited for has to be found: a
//! socket stays on its reactor meanwhile ([`Transfers`](super::Transfers)).

use super::context::Context;
use super::handle::{Handle, Via};
use super::socket::Socket;
use crate::base::ids::LinkId;
use std::fmt;

/// The way back to a socket: for whoever finds something out on another thread that its handler waits for.
///
/// A connection whose way back somebody has does not [move](crate::Builder::balance).
pub struct WayBack(Option<Open>);

struct Open {
    /// Its home is the reactor that has the link.
    handle: Handle,
    link: LinkId,
}

impl Socket<'_> {
    /// The way back here, from any thread.
    ///
    /// ```
    /// # use fanfare::Socket;
    /// # fn price_of(item: &str) -> String { String::new() }
    /// fn on_text(socket: &mut Socket<'_>, text: &str) {
    ///     let (handle, way_back, item) = (socket.context().handle(), socket.way_back(), text.to_owned());
    ///     std::thread::spawn(move || {
    ///         let price = price_of(&item);
    ///         way_back.run(&handle, move |socket| {
    ///             socket.send_text(&price);
    ///         });
    ///     });
    /// }
    /// ```
    pub fn way_back(&mut self) -> WayBack {
        self.cx.core.transfers.hold(self.link.slot);
        WayBack(Some(Open { handle: self.cx.handle(), link: self.link }))
    }
}

impl WayBack {
    /// Has something done with the socket, on its reactor; it must not block there. If the socket is gone, nothing happens.
    /// One for which it panics is closed, as by a handler that does.
    pub fn run(mut self, via: impl Via, f: impl FnOnce(&mut Socket<'_>) + Send + 'static) {
        let Some(Open { handle, link }) = self.0.take() else { return };
        come_back(via, &handle, link, move |cx| {
            // One that has left has no scope any more.
            if cx.out.id_of(link.slot) == Some(link) && cx.core.hub.scope_of(link.slot).is_some() {
                let cx = Context { core: &mut *cx.core, out: &mut *cx.out };
                Socket { cx, link }.run("what came back to it", f);
            }
        });
    }
}

impl Drop for WayBack {
    fn drop(&mut self) {
        if let Some(Open { handle, link }) = self.0.take() {
            come_back(&handle, &handle, link, |_| ());
        }
    }
}

fn come_back(
    via: impl Via,
    handle: &Handle,
    link: LinkId,
    f: impl FnOnce(&mut Context<'_>) + Send + 'static,
) {
    via.carry_to(handle.home(), 256, move |cx| {
        cx.core.transfers.let_go(link.slot);
        f(cx);
    });
}

impl fmt::Debug for WayBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WayBack")
    }
}
