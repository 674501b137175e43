//! Questions to every reactor: each answers from its own hub, nothing is shared or locked.

use crate::base::ids::ReactorId;
use crate::hub::Hub;
use std::any::Any;
use std::sync::Arc;

/// What a question sees of one reactor.
#[derive(Debug)]
pub struct View<'a> {
    pub(crate) hub: &'a Hub,
    pub(crate) reactor: ReactorId,
}

impl View<'_> {
    /// The reactor's number.
    pub fn reactor(&self) -> usize {
        usize::from(self.reactor.0)
    }

    /// The scopes that somebody on this reactor is in, with the number of its sockets; in no order.
    pub fn scopes(&self) -> impl Iterator<Item = (&str, u64)> {
        self.hub.scopes()
    }

    /// How many sockets of this reactor are in a scope.
    pub fn scope_len(&self, scope: &str) -> u64 {
        self.hub.scope_len(scope)
    }

    /// The rooms of a scope that have a member on this reactor, with the number of its members; in no
    /// order. Walks all rooms of the reactor.
    pub fn rooms(&self, scope: &str) -> impl Iterator<Item = (&str, u64)> {
        self.hub.rooms(scope)
    }
}

pub(crate) type Answer = Box<dyn Any + Send>;
pub(crate) type Ask = Arc<dyn Fn(&View<'_>) -> Answer + Send + Sync>;
