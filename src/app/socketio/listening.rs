//! What a namespace may be told besides events of clients, in one table of its own: see the impl of [`Namespace`] here.
//!
//! Owns: the table, and what a reactor remembers of it. The events themselves are in [`super::outgoing`].

use super::error::{Error, Outcome};
use super::namespace::Namespace;
use super::outgoing::Outgoing;
use super::socket::Socket;
use crate::app::router::Router;

type OnOutgoing = Box<dyn Fn(&mut Socket<'_>, &Outgoing<'_>) -> Result<(), Error> + Send + Sync>;

/// Handlers that most namespaces do without.
#[derive(Default)]
pub(crate) struct Listeners {
    pub(super) outgoing: Vec<OnOutgoing>,
}

/// What a reactor remembers of listeners.
pub(crate) struct Listening {
    /// Some namespace listens to what is sent.
    pub(super) outgoing: bool,
    /// What is sent now is not told: a handler sends it that was told of something sent.
    pub(super) quiet: bool,
}

impl Listening {
    pub(crate) fn new(router: &Router) -> Listening {
        let outgoing = router.has_namespace(|namespace| !namespace.listeners.outgoing.is_empty());
        Listening { outgoing, quiet: false }
    }

    /// Whether what is sent now is told to nobody.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }
}

impl Namespace {
    /// An event is sent to a socket, by itself or to many; called for each recipient on the reactor that owns it, before
    /// the event is queued, and also if it is volatile and may be dropped. Acknowledgements are not told.
    ///
    /// It is called from within `emit`: what locks the caller holds are held. What such a handler itself sends is told
    /// to no handler of this kind, so that none calls itself for ever.
    pub fn on_any_outgoing<R: Outcome>(
        mut self,
        handler: impl Fn(&mut Socket<'_>, &Outgoing<'_>) -> R + Send + Sync + 'static,
    ) -> Namespace {
        self.listeners.outgoing.push(Box::new(move |socket, event| handler(socket, event).into_result()));
        self
    }

    /// The same, before those that were added so far.
    pub fn prepend_any_outgoing<R: Outcome>(
        mut self,
        handler: impl Fn(&mut Socket<'_>, &Outgoing<'_>) -> R + Send + Sync + 'static,
    ) -> Namespace {
        let handler: OnOutgoing = Box::new(move |socket, event| handler(socket, event).into_result());
        self.listeners.outgoing.insert(0, handler);
        self
    }
}
