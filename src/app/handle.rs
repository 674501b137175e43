//! The server from any thread.

use super::context::{Context, Core};
use super::mail::Mail;
use super::publish::To;
use super::router::Router;
use super::socketio::Emit;
use super::stats::Stats;
use crate::base::ids::ReactorId;
use crate::reactor::mail::Mailbox;
use crate::wire::frame::Frame;
use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How long a thread waits before it looks again whether the reactor has caught up.
const CROWDED_PAUSE: Duration = Duration::from_millis(1);

/// The server, for threads that are not its reactors: a bridge from a queue, a timer, work that takes long.
///
/// What one handle and its clones are told is done in that order, on one reactor. A thread that is faster than the
/// server waits in these calls until the server has caught up, so that what is under way stays bounded; a handler,
/// which may hold a handle too, never waits. When the server has ended, everything is passed over; a handle does not keep
/// its handlers, so that a thread that reads from their channel ends with them.
#[derive(Clone)]
pub struct Handle {
    mailboxes: Arc<[Arc<Mailbox<Mail>>]>,
    router: Weak<Router>,
    stats: Stats,
    home: ReactorId,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("home", &self.home).finish_non_exhaustive()
    }
}

thread_local! {
    static IS_REACTOR: Cell<bool> = const { Cell::new(false) };
}

/// This thread runs a reactor: it must not wait for one.
pub(crate) fn mark_reactor_thread() {
    IS_REACTOR.set(true);
}

pub(crate) fn is_reactor_thread() -> bool {
    IS_REACTOR.get()
}

impl Handle {
    pub(crate) fn new(
        mailboxes: Arc<[Arc<Mailbox<Mail>>]>,
        router: Weak<Router>,
        stats: Stats,
        home: ReactorId,
    ) -> Handle {
        Handle { mailboxes, router, stats, home }
    }

    pub(super) fn home(&self) -> ReactorId {
        self.home
    }

    /// Everybody in a namespace of Socket.IO; [`Emit::to`] chooses among them.
    pub fn namespace(&self, name: &str) -> Emit<&Handle> {
        Emit::new(self, None, To::namespace(name))
    }

    /// Delivers a frame to whom it is for, on every reactor.
    pub fn publish(&self, to: &To, frame: &Frame) {
        let (to, frame) = (to.clone(), frame.clone());
        self.post(self.home, to.weight() + frame.len(), move |cx| cx.publish(&to, &frame));
    }

    /// Has something done on a reactor, always the same one; it must not block there.
    pub fn run(&self, f: impl FnOnce(&mut Context<'_>) + Send + 'static) {
        self.post(self.home, 128, f);
    }

    /// The counters of all reactors.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Has something done that keeps about so many bytes.
    fn post(&self, reactor: ReactorId, bytes: usize, f: impl FnOnce(&mut Context<'_>) + Send + 'static) {
        let mailbox = &self.mailboxes[usize::from(reactor.0)];
        while mailbox.is_crowded() && !is_reactor_thread() {
            std::thread::sleep(CROWDED_PAUSE);
        }
        mailbox.post_anyway(Mail::Call(Box::new(f)), bytes);
    }
}

/// How a reactor is reached from somewhere.
pub(crate) trait Carry {
    /// Does it, here and now or on a reactor soon; it keeps about so many bytes.
    fn carry(self, bytes: usize, f: impl FnOnce(&mut Context<'_>) + Send + 'static);

    /// Does it on this reactor.
    fn carry_to(self, reactor: ReactorId, bytes: usize, f: impl FnOnce(&mut Context<'_>) + Send + 'static);

    /// What the server was built of; nothing if it has ended.
    fn with_router<R>(&self, f: impl FnOnce(&Router) -> R) -> Option<R>;
}

/// From where things can be done: a handler's [`Context`], or the [`Handle`] of any thread.
#[allow(private_bounds, reason = "nobody else implements it")]
pub trait Via: Carry {}

impl Via for &mut Context<'_> {}
impl Via for &Handle {}

impl Carry for &mut Context<'_> {
    fn carry(self, _: usize, f: impl FnOnce(&mut Context<'_>) + Send + 'static) {
        f(self);
    }

    fn carry_to(self, reactor: ReactorId, bytes: usize, f: impl FnOnce(&mut Context<'_>) + Send + 'static) {
        if reactor == self.core.reactor {
            return f(self);
        }
        self.core.mailboxes[usize::from(reactor.0)].post_anyway(Mail::Call(Box::new(f)), bytes);
    }

    fn with_router<R>(&self, f: impl FnOnce(&Router) -> R) -> Option<R> {
        Some(f(&self.core.router))
    }
}

impl Carry for &Handle {
    fn carry(self, bytes: usize, f: impl FnOnce(&mut Context<'_>) + Send + 'static) {
        self.post(self.home, bytes, f);
    }

    fn carry_to(self, reactor: ReactorId, bytes: usize, f: impl FnOnce(&mut Context<'_>) + Send + 'static) {
        self.post(reactor, bytes, f);
    }

    fn with_router<R>(&self, f: impl FnOnce(&Router) -> R) -> Option<R> {
        self.router.upgrade().map(|router| f(&router))
    }
}

impl Core {
    pub(super) fn handle(&self) -> Handle {
        Handle::new(self.mailboxes.clone(), Arc::downgrade(&self.router), self.stats.clone(), self.reactor)
    }
}
