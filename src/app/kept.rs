//! Values that handlers keep with plain sockets.
//!
//! Few sockets have any, so that they are in a table of their own and cost the others nothing. A value stays until its
//! socket has left and its handlers know.

use super::socket::Socket;
use smallvec::SmallVec;
use std::any::Any;
use std::collections::HashMap;

/// What is kept with one socket, one of each type; mostly one alone.
pub(crate) type Values = SmallVec<[Box<dyn Any + Send>; 1]>;

/// What the plain sockets of a reactor keep, by their slots.
#[derive(Default)]
pub(crate) struct Kept(HashMap<u32, Values>);

impl Kept {
    /// Keeps a value.
    pub(crate) fn put(&mut self, slot: u32, value: Box<dyn Any + Send>) {
        self.0.entry(slot).or_default().push(value);
    }

    /// Takes everything out, when the socket is gone.
    pub(crate) fn take(&mut self, slot: u32) -> Option<Values> {
        if self.0.is_empty() { None } else { self.0.remove(&slot) }
    }

    /// A socket has come from another reactor with what it keeps.
    pub(crate) fn put_all(&mut self, slot: u32, values: Values) {
        self.0.insert(slot, values);
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn trim(&mut self) {
        self.0.shrink_to_fit();
    }

    fn get<T: Any>(&self, slot: u32) -> Option<&T> {
        self.0.get(&slot)?.iter().find_map(|value| value.downcast_ref())
    }

    fn get_mut<T: Any>(&mut self, slot: u32) -> Option<&mut T> {
        self.0.get_mut(&slot)?.iter_mut().find_map(|value| value.downcast_mut())
    }
}

impl Socket<'_> {
    /// Keeps a value with the socket, one of each type, until it is gone; `on_close` still finds it. Returns the one of
    /// that type that was kept before.
    ///
    /// A socket that keeps nothing costs nothing for this; the first value costs about 50 bytes and its own size. A
    /// value may be given with the admission, too: [`Admission::with`](crate::Admission::with).
    pub fn set<T: Any + Send>(&mut self, value: T) -> Option<T> {
        match self.get_mut::<T>() {
            Some(place) => Some(std::mem::replace(place, value)),
            None => {
                // Nobody would take it out again.
                if self.cx.core.hub.scope_of(self.link.slot).is_some() {
                    self.cx.core.kept.put(self.link.slot, Box::new(value));
                }
                None
            }
        }
    }

    /// The value of a type that is kept with the socket.
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.cx.core.kept.get(self.link.slot)
    }

    /// The same, to be changed.
    pub fn get_mut<T: Any>(&mut self) -> Option<&mut T> {
        self.cx.core.kept.get_mut(self.link.slot)
    }
}
