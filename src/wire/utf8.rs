//! UTF-8 that arrives in pieces (RFC 3629; RFC 6455, sections 5.6 and 8.1).
//!
//! Owns: the up to three bytes of a character that is cut at the end of a piece. The text itself
//! grows as a `String`, so that what was found valid once is never looked at again.

use std::str;

/// The bytes cannot be, or become, UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidUtf8;

/// The beginning of a character whose end has not arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Utf8Carry {
    bytes: [u8; 4],
    /// Invariant: at most 3 between calls; `bytes[..len]` is a possible beginning of a character.
    len: u8,
}

impl Utf8Carry {
    /// Nothing carried.
    pub const fn new() -> Utf8Carry {
        Utf8Carry { bytes: [0; 4], len: 0 }
    }

    /// Appends what is whole in `chunk` to `text` and carries the rest. Fails at the first byte
    /// that no continuation could make valid.
    pub fn push(&mut self, mut chunk: &[u8], text: &mut String) -> Result<(), InvalidUtf8> {
        if chunk.is_empty() {
            return Ok(());
        }
        while self.len > 0
            && let Some((&byte, rest)) = chunk.split_first()
        {
            chunk = rest;
            self.bytes[usize::from(self.len)] = byte;
            self.len += 1;
            match str::from_utf8(&self.bytes[..usize::from(self.len)]) {
                Ok(character) => {
                    text.push_str(character);
                    self.len = 0;
                }
                // `None` says that more bytes could make it a character; four bytes always decide.
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Err(InvalidUtf8),
            }
        }
        // A bounds note: one leap over all that is whole, then at most three bytes are kept.
        if self.len > 0 {
            return Ok(());
        }
        // Setting the cut character aside first lets everything before it be checked in one leap.
        let (whole, tail) = chunk.split_at(chunk.len() - cut_at_end(chunk));
        text.push_str(str::from_utf8(whole).map_err(|_| InvalidUtf8)?);
        if str::from_utf8(tail).is_err_and(|error| error.error_len().is_some()) {
            return Err(InvalidUtf8);
        }
        self.bytes[..tail.len()].copy_from_slice(tail);
        self.len = tail.len() as u8;
        Ok(())
    }

    /// How many bytes are carried: 0 to 3. Not 0 at the end of a text means that it is cut.
    pub fn carried(&self) -> usize {
        usize::from(self.len)
    }
}

/// How many bytes at the end (0 to 3) begin a character that would need more of them.
fn cut_at_end(bytes: &[u8]) -> usize {
    for (i, &byte) in bytes.iter().rev().take(3).enumerate() {
        let width = match byte {
            0x80..=0xbf => continue,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xff => 4,
            _ => 1,
        };
        return if width > i + 1 { i + 1 } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the pieces; the index of the failing piece, or the text and what is carried.
    fn feed(pieces: &[&[u8]]) -> Result<(String, usize), usize> {
        let (mut carry, mut text) = (Utf8Carry::new(), String::new());
        for (i, piece) in pieces.iter().enumerate() {
            carry.push(piece, &mut text).map_err(|InvalidUtf8| i)?;
        }
        Ok((text, carry.carried()))
    }

    #[test]
    fn every_split_gives_the_same_text() {
        let text = "aé€😀\u{0}\u{7f}\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{ffff}\u{10000}\u{10ffff}z";
        for i in 0..=text.len() {
            for j in i..=text.len() {
                let bytes = text.as_bytes();
                assert_eq!(feed(&[&bytes[..i], &bytes[i..j], &bytes[j..]]), Ok((text.to_string(), 0)));
            }
        }
        let single: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(feed(&single), Ok((text.to_string(), 0)));
    }

    #[test]
    fn fails_at_the_first_impossible_byte() {
        // (bytes, index of the byte that makes it impossible), by the table of RFC 3629, section 4.
        let bad: &[(&[u8], usize)] = &[
            (b"\x80", 0),
            (b"\xc0\x80", 0),
            (b"\xc1\xbf", 0),
            (b"\xe0\x9f\xbf", 1),
            (b"\xed\xa0\x80", 1),
            (b"\xf0\x8f\xbf\xbf", 1),
            (b"\xf4\x90\x80\x80", 1),
            (b"\xf5\x80\x80\x80", 0),
            (b"\xff", 0),
            (b"ab\xe2\x82a", 4),
            (b"\xf0\x9f\x98a", 3),
            (b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90", 12),
        ];
        for &(bytes, at) in bad {
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(feed(&single), Err(at), "{bytes:x?}");
            assert!(feed(&[&bytes[..at]]).is_ok(), "{bytes:x?} was still possible before");
            assert_eq!(feed(&[&bytes[..=at]]), Err(0), "{bytes:x?}");
            assert_eq!(feed(&[bytes]), Err(0), "{bytes:x?} in one piece");
        }
    }

    #[test]
    fn a_cut_character_is_carried() {
        assert_eq!(feed(&[b"a\xf0\x9f"]), Ok(("a".to_string(), 2)));
        assert_eq!(feed(&[b"a\xf0\x9f", b"", b"\x98"]), Ok(("a".to_string(), 3)));
        assert!(size_of::<Utf8Carry>() <= 8);
    }
}
