//! The sockets of a namespace that a request means, and nothing else of it.

use super::fields::{Fault, Fields};
use fanfare::Context;
use fanfare::socketio::Emit;

/// A namespace, rooms of it (none: everybody there), and rooms whose members are left out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    namespace: String,
    rooms: Vec<String>,
    except: Vec<String>,
}

impl Target {
    /// Everybody in a room of a namespace that is served.
    pub(super) fn room(namespace: &str, room: String) -> Target {
        Target { namespace: namespace.to_owned(), rooms: vec![room], except: Vec::new() }
    }

    /// Reads `namespace`, `except`, and the field that has the rooms.
    pub(super) fn read(fields: &Fields<'_>, rooms: &str, served: &[String]) -> Result<Target, Fault> {
        let (rooms, except) = (fields.rooms(rooms)?, fields.rooms("except")?);
        Ok(Target { namespace: fields.namespace(served)?, rooms, except })
    }

    /// What to do with them is said next.
    pub(super) fn emit<'s, 'a>(&self, cx: &'s mut Context<'a>) -> Emit<&'s mut Context<'a>> {
        cx.namespace(&self.namespace).to(&self.rooms).except(&self.except)
    }
}
