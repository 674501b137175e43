//! What a Socket.IO session is on its reactor: the namespaces that it is in, the acknowledgements that it owes, and what
//! handlers keep with its sockets.

use super::handshake::Handshake;
use super::owed::Owing;
use crate::base::ids::LinkId;
use crate::base::time::Now;
use crate::session::packets::Decoder;
use crate::wire::socketio::Revision;
use smallvec::SmallVec;
use std::any::Any;
use std::sync::Arc;

/// Which namespace of which mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NamespaceId {
    pub(crate) mount: u16,
    pub(crate) number: u32,
}

/// JSON that a program keeps with a socket for all reactors to see, as one of its values.
pub(super) struct Data(pub(super) Box<str>);

/// A membership of a namespace.
pub(crate) struct Member {
    /// That of the namespace's name: where it is defined or, if it is a dynamic one, its number among
    /// [`LiveNames`](super::LiveNames), which this membership holds.
    pub(crate) number: u32,
    /// Where the namespace is defined.
    pub(crate) definition: u16,
    /// Tells this membership's id from those that the session had before.
    pub(crate) epoch: u8,
    /// It has not connected yet, and waits for a decision.
    pub(crate) waits: bool,
    /// None while nothing is owed and nothing kept, as with most.
    pub(crate) more: Option<Box<More>>,
}

/// A socket that is out of its session and still in its rooms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaving {
    pub(crate) slot: u32,
    pub(crate) number: u32,
    pub(crate) definition: u16,
    pub(crate) epoch: u8,
}

/// What a membership has that most have not.
#[derive(Default)]
pub(crate) struct More {
    owing: Owing,
    /// What handlers keep with the socket: one value of a type.
    values: Vec<Box<dyn Any + Send>>,
}

impl Member {
    pub(crate) fn new(number: u32, definition: u16, epoch: u8) -> Member {
        Member { number, definition, epoch, waits: false, more: None }
    }

    /// Acknowledgements that the client owes, if there are any.
    pub(crate) fn owing(&mut self) -> Option<&mut Owing> {
        self.more.as_deref_mut().map(|more| &mut more.owing)
    }

    /// The same, to add one.
    pub(crate) fn owing_mut(&mut self) -> &mut Owing {
        &mut self.more.get_or_insert_default().owing
    }

    /// Gives the memory back of what is not there any more.
    pub(crate) fn tidy(&mut self) {
        if self.more.as_deref().is_some_and(|more| more.owing.is_empty() && more.values.is_empty()) {
            self.more = None;
        }
    }

    pub(crate) fn value<T: Any>(&self) -> Option<&T> {
        self.more.as_deref()?.values.iter().find_map(|value| value.downcast_ref())
    }

    pub(crate) fn value_mut<T: Any>(&mut self) -> Option<&mut T> {
        self.more.as_deref_mut()?.values.iter_mut().find_map(|value| value.downcast_mut())
    }

    /// Keeps a value, in the place of another of its type.
    pub(crate) fn keep<T: Any + Send>(&mut self, value: T) -> Option<T> {
        match self.value_mut::<T>() {
            Some(place) => Some(std::mem::replace(place, value)),
            None => {
                self.more.get_or_insert_default().values.push(Box::new(value));
                None
            }
        }
    }
}

/// A Socket.IO session.
pub(crate) struct SioSession {
    pub(crate) link: LinkId,
    pub(crate) decoder: Decoder,
    pub(crate) members: SmallVec<[Member; 1]>,
    pub(crate) handshake: Option<Arc<Handshake>>,
    /// When a first namespace has to be joined; with revision 5.
    pub(crate) connect_by: Option<u32>,
    pub(crate) mount: u16,
    pub(crate) revision: Revision,
    pub(crate) epochs: u8,
    /// It is over: nothing is dispatched any more.
    pub(crate) closed: bool,
    /// The server has taken it out of some namespace: what its client says there may have been under way.
    pub(crate) dismissed: bool,
}

impl SioSession {
    pub(crate) fn new(
        link: LinkId,
        mount: u16,
        revision: Revision,
        handshake: Handshake,
        connect_by: Option<u32>,
    ) -> SioSession {
        SioSession {
            link,
            decoder: Decoder::default(),
            members: SmallVec::new(),
            handshake: Some(Arc::new(handshake)),
            connect_by,
            mount,
            revision,
            epochs: 0,
            closed: false,
            dismissed: false,
        }
    }

    pub(crate) fn member(&mut self, number: u32) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.number == number)
    }

    /// Takes a membership out.
    pub(crate) fn take_member(&mut self, number: u32) -> Option<Member> {
        let place = self.members.iter().position(|member| member.number == number)?;
        Some(self.members.remove(place))
    }

    /// The next thing that has to happen at some time.
    pub(crate) fn next_due(&self, now: Now) -> Option<u32> {
        let owing = self.members.iter().filter_map(|member| member.more.as_deref());
        let due = owing.filter_map(|more| more.owing.due());
        due.chain(self.connect_by).min_by_key(|at| now.until(*at))
    }
}

/// The Socket.IO sessions of a reactor, by slot.
#[derive(Default)]
pub(crate) struct SioSessions(Vec<Option<Box<SioSession>>>);

impl SioSessions {
    pub(crate) fn get(&mut self, link: LinkId) -> Option<&mut SioSession> {
        let session = self.0.get_mut(link.slot as usize)?.as_deref_mut()?;
        (session.link == link).then_some(session)
    }

    pub(crate) fn at(&self, slot: u32) -> Option<&SioSession> {
        self.0.get(slot as usize)?.as_deref()
    }

    pub(crate) fn insert(&mut self, session: SioSession) {
        let slot = session.link.slot as usize;
        if slot >= self.0.len() {
            self.0.resize_with(slot + 1, || None);
        }
        self.0[slot] = Some(Box::new(session));
    }

    pub(crate) fn remove(&mut self, link: LinkId) {
        if self.get(link).is_some() {
            self.0[link.slot as usize] = None;
        }
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.0.iter().flatten().count()
    }

    pub(crate) fn trim(&mut self) {
        while matches!(self.0.last(), Some(None)) {
            self.0.pop();
        }
        self.0.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_in_one_namespace_fits_in_96_bytes() {
        assert!(size_of::<SioSession>() <= 96, "{}", size_of::<SioSession>());
    }
}
