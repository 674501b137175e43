//! Questions to every reactor: each answers from what it owns, nothing is shared or locked.

use super::context::{Context, Core};
use super::publish::To;
use super::socketio::SocketInfo;
use crate::reactor::outlet::Outlet;
use std::any::Any;
use std::sync::Arc;

/// What a question sees of one reactor.
pub struct View<'a> {
    pub(crate) core: &'a Core,
    pub(crate) out: &'a Outlet,
}

impl View<'_> {
    /// The reactor's number.
    pub fn reactor(&self) -> usize {
        usize::from(self.core.reactor.0)
    }

    /// The scopes that somebody on this reactor is in, with the number of its sockets; in no order.
    pub fn scopes(&self) -> impl Iterator<Item = (&str, u64)> {
        self.core.hub.scopes()
    }

    /// How many sockets of this reactor are in a scope.
    pub fn scope_len(&self, scope: &str) -> u64 {
        self.core.hub.scope_len(scope)
    }

    /// The rooms of a scope that have a member on this reactor, with the number of its members; in no
    /// order. Walks all rooms of the reactor.
    pub fn rooms(&self, scope: &str) -> impl Iterator<Item = (&str, u64)> {
        self.core.hub.rooms(scope)
    }

    /// How many sockets of this reactor are in a room.
    pub fn room_len(&self, scope: &str, room: &str) -> u64 {
        self.core.select(&To::room(scope, room), self.out).len()
    }

    /// The sockets of a namespace whose rooms it selects, as far as they are here; in no order.
    pub fn sockets<'v>(&'v self, to: &'v To) -> impl Iterator<Item = SocketInfo<'v>> {
        let slots = self.core.select(to, self.out).to_vec();
        slots.into_iter().filter_map(|slot| SocketInfo::find(self.core, self.out, &to.scope, slot))
    }
}

pub(crate) type Answer = Box<dyn Any + Send>;
/// What is asked of a reactor, or done there.
pub(crate) type Ask = Arc<dyn Fn(&mut Context<'_>) -> Answer + Send + Sync>;
