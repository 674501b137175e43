//! The content of a message: who sent it, which one it is, when it was meant to leave, and a checksum.
//!
//! `ff1.RUN.SENDER.NUMBER.TO.TIME.PADDING.CHECK`, numbers in hexadecimal of fixed width, so that it is
//! found and read without a JSON parser and needs no escape inside a JSON string.

/// What every token starts with.
pub const MARK: &[u8] = b"ff1.";
/// In place of a recipient, when a message is for more than one.
pub const TO_ALL: u32 = u32::MAX;
/// A token without padding.
pub const TOKEN_BYTES_MIN: usize = HEAD + 1 + CHECK;

const HEAD: usize = MARK.len() + 17 + 9 + 9 + 9 + 17;
const CHECK: usize = 16;

/// One message, as its content names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// The run of the tool that sent it.
    pub run: u64,
    /// The connection that sent it.
    pub sender: u32,
    /// Its place in the stream of this sender to this recipient (or to all of them), from 0.
    pub number: u32,
    /// The connection that it is for, or [`TO_ALL`].
    pub to: u32,
    /// When it was meant to be sent, in nanoseconds since the run began.
    pub time_ns: u64,
}

impl Token {
    /// Appends the token, padded to `bytes` in all.
    pub fn put(&self, out: &mut Vec<u8>, bytes: usize) {
        let start = out.len();
        out.extend_from_slice(MARK);
        put_hex(out, self.run, 16, b'.');
        put_hex(out, u64::from(self.sender), 8, b'.');
        put_hex(out, u64::from(self.number), 8, b'.');
        put_hex(out, u64::from(self.to), 8, b'.');
        put_hex(out, self.time_ns, 16, b'.');
        // The padding differs from message to message, so that bytes of another one are noticed.
        let first = self.number as u8;
        let padding = bytes.saturating_sub(TOKEN_BYTES_MIN);
        out.extend((0..padding).map(|at| b'a' + (first.wrapping_add(at as u8) & 15)));
        out.push(b'.');
        let check = checksum(&out[start..]);
        put_hex(out, check, CHECK as u32, b'.');
        out.pop();
    }

    /// Reads a token that takes all of `bytes`; `None` when any byte of it is not as it was sent.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let fields = bytes.strip_prefix(MARK)?;
        let body = bytes.len().checked_sub(CHECK)?;
        if bytes.len() < TOKEN_BYTES_MIN || hex(&bytes[body..])? != checksum(&bytes[..body]) {
            return None;
        }
        Some(Self {
            run: hex(&fields[..16])?,
            sender: hex(&fields[17..25])? as u32,
            number: hex(&fields[26..34])? as u32,
            to: hex(&fields[35..43])? as u32,
            time_ns: hex(&fields[44..60])?,
        })
    }
}

fn put_hex(out: &mut Vec<u8>, value: u64, digits: u32, after: u8) {
    for digit in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(value >> (4 * digit)) as usize & 15]);
    }
    out.push(after);
}

fn hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value: u64, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}

/// Multiply and rotate, eight bytes at a time: it has to notice accidents, not attacks.
fn checksum(bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |sum: u64, word: u64| ((sum ^ word).wrapping_mul(PRIME)).rotate_left(29);
    let mut chunks = bytes.chunks_exact(8);
    let mut sum = PRIME ^ bytes.len() as u64;
    for chunk in &mut chunks {
        sum = mix(sum, u64::from_le_bytes(chunk.try_into().expect("chunks of eight")));
    }
    let tail = chunks.remainder();
    let mut last = [0; 8];
    last[..tail.len()].copy_from_slice(tail);
    mix(mix(sum, u64::from_le_bytes(last)), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_and_any_changed_byte_is_noticed() {
        let token = Token { run: 0xfeed, sender: 7, number: 300, to: TO_ALL, time_ns: 123_456_789 };
        for bytes in [0, TOKEN_BYTES_MIN, 100, 1000] {
            let mut out = Vec::new();
            token.put(&mut out, bytes);
            assert_eq!(out.len(), bytes.max(TOKEN_BYTES_MIN));
            assert_eq!(Token::read(&out), Some(token));
            for at in 0..out.len() {
                let mut changed = out.clone();
                changed[at] ^= 1;
                assert_eq!(Token::read(&changed), None, "byte {at}");
            }
            assert_eq!(Token::read(&out[..out.len() - 1]), None);
        }
    }
}
