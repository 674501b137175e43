//! Packets as MessagePack, the format of the npm package `socket.io-msgpack-parser` (3.0).
//!
//! One binary message is one packet: a map of `type` (0 to 4), `nsp`, and where they apply `data` and `id`; other keys
//! are passed over. Bytes stand in the data as `bin`, so that no attachments follow. [`decode()`] and [`encode()`] turn
//! it from and to what the text encoding gives: JSON with placeholders, and attachments.
//!
//! What JSON has no words for becomes what `JSON.stringify` makes of it: NaN and infinities `null`, the package's dates
//! (extension 0 of eight bytes: milliseconds since 1970) texts, its `undefined` (extension 0 of one byte) `null`.
//! Its typed arrays (extension 0 with a length) are bytes. Other extensions are refused: nothing else is known of them.
//! Integers keep all their digits. Bytes that are not UTF-8 in a string become U+FFFD.
//!
//! Messages between servers are in the same dialect ([`crate::wire::adapter`]): `source` and `text` read, and
//! `encode::write_value` writes, for both.

mod decode;
pub(in crate::wire) mod encode;
pub(in crate::wire) mod source;
pub(in crate::wire) mod text;

pub use decode::decode;
pub use encode::encode;

/// The most `bin` values in one packet. They need no counting by a receiver, but each costs an allocation here.
pub const MAX_INLINE: usize = 1_000;
