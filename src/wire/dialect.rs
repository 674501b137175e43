//! The dialects: how one message looks on one kind of link.
//!
//! Owns: their names and their order. Making a message's form in each is the business of [`super::parcel`].

use super::engine::Revision;

/// How a message looks on a link. A polling session holds the WebSocket form until it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dialect(u8);

/// The lowest bit tells the compressed form from the other.
const DEFLATE: u8 = 1;
/// Marks a link whose client looks back less far than DEFLATE can; the forms of messages are the same.
const NARROW: u8 = 16;

impl Dialect {
    /// How many there are; each has an [`index`](Dialect::index) below this.
    pub const COUNT: usize = 2 * Dialect::FORMS;
    /// How many forms a message has; each has a [`form_index`](Dialect::form_index) below this.
    pub const FORMS: usize = 10;
    /// The longest message that is compressed for a narrow window, in bytes: as messages are compressed one by one,
    /// none refers to what lies further back than it is long.
    pub const NARROW_BYTES: usize = 4_096;
    /// A plain WebSocket.
    pub const PLAIN: Dialect = Dialect(0);

    /// An Engine.IO session; with `base64`, binary messages travel as text.
    pub const fn engine(revision: Revision, base64: bool) -> Dialect {
        match (revision, base64) {
            (Revision::Three, false) => Dialect(2),
            (Revision::Three, true) => Dialect(4),
            (Revision::Four, false) => Dialect(6),
            (Revision::Four, true) => Dialect(8),
        }
    }

    /// The same with or without permessage-deflate (RFC 7692).
    pub const fn with_deflate(self, deflate: bool) -> Dialect {
        Dialect(self.0 & !DEFLATE | if deflate { DEFLATE } else { 0 })
    }

    /// The same for a client whose window is narrow: of [`Dialect::NARROW_BYTES`] at least.
    pub const fn narrow(self) -> Dialect {
        Dialect(self.0 | NARROW)
    }

    /// The same for a client with a full window.
    pub const fn wide(self) -> Dialect {
        Dialect(self.0 & !NARROW)
    }

    /// Whether the client's window is narrow.
    pub const fn is_narrow(self) -> bool {
        self.0 & NARROW != 0
    }

    /// Whether messages may be compressed.
    pub const fn is_deflate(self) -> bool {
        self.0 & DEFLATE != 0
    }

    /// The Engine.IO revision, and whether binary messages travel as text; nothing for a plain WebSocket.
    pub const fn engine_form(self) -> Option<(Revision, bool)> {
        match self.0 & !(DEFLATE | NARROW) {
            2 => Some((Revision::Three, false)),
            4 => Some((Revision::Three, true)),
            6 => Some((Revision::Four, false)),
            8 => Some((Revision::Four, true)),
            _ => None,
        }
    }

    /// Its place among all.
    pub const fn index(self) -> usize {
        if self.is_narrow() { self.form_index() + Dialect::FORMS } else { self.form_index() }
    }

    /// The place of the form of its messages among all.
    pub const fn form_index(self) -> usize {
        (self.0 & !NARROW) as usize
    }

    /// All of them, in the order of their indices.
    pub fn all() -> impl Iterator<Item = Dialect> {
        Dialect::forms().chain(Dialect::forms().map(Dialect::narrow))
    }

    /// One for each form of a message, in the order of their indices.
    pub fn forms() -> impl Iterator<Item = Dialect> {
        (0..Dialect::FORMS as u8).map(Dialect)
    }

    /// The name of its form in metrics.
    pub const fn name(self) -> &'static str {
        [
            "websocket",
            "websocket_deflate",
            "eio3",
            "eio3_deflate",
            "eio3_base64",
            "eio3_base64_deflate",
            "eio4",
            "eio4_deflate",
            "eio4_base64",
            "eio4_base64_deflate",
        ][self.form_index()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_is_what_it_was_made_of() {
        for revision in [Revision::Three, Revision::Four] {
            for base64 in [false, true] {
                for deflate in [false, true] {
                    let dialect = Dialect::engine(revision, base64).with_deflate(deflate);
                    assert_eq!(dialect.engine_form(), Some((revision, base64)));
                    assert_eq!(dialect.is_deflate(), deflate);
                    assert!(dialect.index() < Dialect::COUNT);
                }
            }
        }
        assert_eq!(Dialect::PLAIN.with_deflate(true).engine_form(), None);
        let names: std::collections::BTreeSet<_> = Dialect::all().map(Dialect::name).collect();
        assert_eq!(names.len(), Dialect::FORMS);
        assert!(Dialect::all().map(Dialect::index).eq(0..Dialect::COUNT));
        let narrow = Dialect::engine(Revision::Three, true).with_deflate(true).narrow();
        assert_eq!(narrow.engine_form(), Some((Revision::Three, true)));
        assert!(narrow.is_deflate() && !narrow.with_deflate(false).is_deflate());
    }
}
