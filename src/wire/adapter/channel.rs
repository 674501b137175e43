//! The names of channels, put together and taken apart.
//!
//! | | classic | sharded |
//! |---|---|---|
//! | broadcasts | `socket.io#/#` | `socket.io#/#`, with everything else |
//! | broadcasts to one room | `socket.io#/#room#` | the same, in [`Channels::has_own`] |
//! | questions | `socket.io-request#/#` | |
//! | answers, to all or to one server | `socket.io-response#/#`, `socket.io-response#/#server#` | `socket.io#/#server#` |
//!
//! The packages compare names as they are, and so it is here: a `#` in a name is not escaped. Two names may then share a
//! channel, such as the scope `/a#b` and the room `b` of `/a`; both get the message, and the scope that it
//! names itself decides. Nothing reaches a scope or a room that it is not for.

use std::fmt::Write;

use super::{BadMessage, Body, Message};

/// Which of the two adapters the cluster speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// `PUBLISH`, with channels for questions and answers.
    Classic,
    /// `SPUBLISH` of Redis 7, with one channel for a scope and those of its rooms.
    Sharded,
}

/// The channels of one prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channels {
    prefix: Box<str>,
    wire: Wire,
}

/// A channel without its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stem<'a> {
    /// Scope and `#`, and perhaps a room and `#`.
    Main(&'a str),
    /// A scope.
    Requests(&'a str),
    /// Scope and `#`, and perhaps a server and `#`.
    Responses(&'a str),
}

impl Channels {
    /// The packages' prefix is `socket.io`.
    pub fn new(prefix: impl Into<Box<str>>, wire: Wire) -> Channels {
        Channels { prefix: prefix.into(), wire }
    }

    /// Which of the two adapters speaks on them.
    pub fn wire(&self) -> Wire {
        self.wire
    }

    /// What is for everybody in a scope; on the sharded wire all but answers and what has a channel of its own.
    pub fn main(&self, scope: &str) -> String {
        self.name("#", scope, None)
    }

    /// What is for one room of a scope.
    pub fn room(&self, scope: &str, room: &str) -> String {
        self.name("#", scope, Some(room))
    }

    /// Classic wire: what `PSUBSCRIBE` takes for a scope with all of its rooms.
    pub fn pattern(&self, scope: &str) -> String {
        let mut pattern = String::with_capacity(self.prefix.len() + scope.len() + 3);
        for c in self.main(scope).chars() {
            if matches!(c, '*' | '?' | '[' | ']' | '\\') {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        pattern.push('*');
        pattern
    }

    /// Questions. Who subscribes to it is a server of the scope: `PUBSUB NUMSUB`, or `SHARDNUMSUB`, counts them.
    pub fn requests(&self, scope: &str) -> String {
        match self.wire {
            Wire::Classic => self.name("-request#", scope, None),
            Wire::Sharded => self.main(scope),
        }
    }

    /// Answers: those for one server, or those for all that a classic wire has.
    pub fn responses(&self, scope: &str, server: Option<&str>) -> String {
        match self.wire {
            Wire::Classic => self.name("-response#", scope, server),
            Wire::Sharded => self.name("#", scope, server),
        }
    }

    /// Whether broadcasts to nobody but this room go to [`Channels::room`]. A name of 20 characters is taken for the id
    /// of a socket on the sharded wire, where a channel for each socket would be too many.
    pub fn has_own(&self, room: &str) -> bool {
        self.wire == Wire::Classic || room.encode_utf16().count() != 20
    }

    /// The room of a scope that a channel is for, before anything is decoded: who has no such room may pass over
    /// the message. `None` for the scope's other channels and those of other scopes.
    pub fn room_of<'c>(&self, scope: &str, channel: &'c str) -> Option<&'c str> {
        match self.stem(channel) {
            Ok(Stem::Main(rest)) => tail(rest, scope).ok().flatten(),
            _ => None,
        }
    }

    /// Where a message goes; `None` if this wire has no form for it.
    pub(crate) fn target(&self, message: &Message<'_>) -> Option<String> {
        let scope = &*message.scope;
        Some(match &message.body {
            Body::Broadcast(broadcast) => match &broadcast.opts.rooms[..] {
                _ if broadcast.request.is_some() => self.requests(scope),
                [room] if self.has_own(room) => self.room(scope, room),
                _ => self.main(scope),
            },
            body if body.is_response() => self.responses(scope, message.to.as_deref()),
            Body::Heartbeat(_) if self.wire == Wire::Classic => return None,
            Body::Old(_) | Body::Unknown { .. } => return None,
            _ => self.requests(scope),
        })
    }

    /// Takes a channel apart as far as it can be without knowing the scope.
    pub(super) fn stem<'c>(&self, channel: &'c str) -> Result<Stem<'c>, BadMessage> {
        let rest = channel.strip_prefix(&*self.prefix).ok_or(BadMessage::Channel)?;
        let classic = |kind| if self.wire == Wire::Classic { rest.strip_prefix(kind) } else { None };
        let stem = if let Some(rest) = rest.strip_prefix('#') {
            Stem::Main(rest)
        } else if let Some(rest) = classic("-request#") {
            return rest.strip_suffix('#').map(Stem::Requests).ok_or(BadMessage::Channel);
        } else if let Some(rest) = classic("-response#") {
            Stem::Responses(rest)
        } else {
            return Err(BadMessage::Channel);
        };
        if rest.ends_with('#') { Ok(stem) } else { Err(BadMessage::Channel) }
    }

    fn name(&self, kind: &str, scope: &str, tail: Option<&str>) -> String {
        let more = tail.map_or(0, |tail| tail.len() + 1);
        let mut name = String::with_capacity(self.prefix.len() + kind.len() + scope.len() + 1 + more);
        // Writing to a string does not fail.
        let _ = write!(name, "{}{kind}{scope}#", self.prefix);
        if let Some(tail) = tail {
            name.push_str(tail);
            name.push('#');
        }
        name
    }
}

/// What follows the scope in the rest of a channel, without its `#`.
pub(super) fn tail<'c>(rest: &'c str, scope: &str) -> Result<Option<&'c str>, BadMessage> {
    let tail = rest.strip_prefix(scope).and_then(|rest| rest.strip_prefix('#')).ok_or(BadMessage::Scope)?;
    if tail.is_empty() { Ok(None) } else { tail.strip_suffix('#').map(Some).ok_or(BadMessage::Channel) }
}
