//! WebSocket frames (RFC 6455, section 5) from the client's side.
//!
//! Frames are read straight out of the receive buffer: [`next_frame`] borrows the payload and copies
//! nothing. Joining fragments is left to the connection.

use std::fmt;

/// Frame opcodes in use.
pub mod opcode {
    /// A further piece of a fragmented message.
    pub const CONTINUATION: u8 = 0;
    /// UTF-8 text.
    pub const TEXT: u8 = 1;
    /// Bytes.
    pub const BINARY: u8 = 2;
    /// Closing handshake.
    pub const CLOSE: u8 = 8;
    /// Asks for a pong.
    pub const PING: u8 = 9;
    /// Answers a ping.
    pub const PONG: u8 = 10;
}

/// A message larger than this is no answer to anything that the tool sends.
pub const FRAME_BYTES_MAX: u64 = 64 << 20;

/// One frame; the payload lies in the receive buffer.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub struct Frame<'a> {
    /// Whether the message ends here.
    pub fin: bool,
    /// See [`opcode`].
    pub opcode: u8,
    /// The unmasked payload.
    pub payload: &'a [u8],
}

/// A way in which the server broke the protocol.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum FrameError {
    /// A reserved bit without an extension.
    ReservedBits,
    /// An opcode that RFC 6455 does not define.
    UnknownOpcode(u8),
    /// A server must not mask.
    Masked,
    /// A control frame over 125 bytes, or in fragments.
    BadControl,
    /// Over [`FRAME_BYTES_MAX`].
    TooLarge(u64),
    /// A continuation of nothing, or a new message inside a fragmented one.
    BadFragment,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedBits => write!(f, "reserved bits set"),
            Self::UnknownOpcode(code) => write!(f, "unknown opcode {code}"),
            Self::Masked => write!(f, "masked frame from a server"),
            Self::BadControl => write!(f, "long or fragmented control frame"),
            Self::TooLarge(bytes) => write!(f, "frame of {bytes} bytes"),
            Self::BadFragment => write!(f, "fragment out of place"),
        }
    }
}

/// The first frame in `bytes` and the number of bytes that it takes; `None` while it is incomplete.
pub fn next_frame(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    if first & 0x70 != 0 {
        return Err(FrameError::ReservedBits);
    }
    if second & 0x80 != 0 {
        return Err(FrameError::Masked);
    }
    let (fin, opcode) = (first & 0x80 != 0, first & 0x0f);
    if !matches!(opcode, 0..=2 | 8..=10) {
        return Err(FrameError::UnknownOpcode(opcode));
    }
    if opcode >= opcode::CLOSE && (!fin || *second > 125) {
        return Err(FrameError::BadControl);
    }
    let (length, head) = match second {
        126 => match rest.first_chunk::<2>() {
            Some(length) => (u64::from(u16::from_be_bytes(*length)), 4),
            None => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(length) => (u64::from_be_bytes(*length), 10),
            None => return Ok(None),
        },
        length => (u64::from(*length), 2),
    };
    if length > FRAME_BYTES_MAX {
        return Err(FrameError::TooLarge(length));
    }
    let end = head + length as usize;
    match bytes.get(head..end) {
        Some(payload) => Ok(Some((Frame { fin, opcode, payload }, end))),
        None => Ok(None),
    }
}

/// Appends a frame without a mask, as a server sends it.
pub fn put_server_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    put_head(out, opcode, payload.len(), 0);
    out.extend_from_slice(payload);
}

/// Appends a frame masked with `mask`, as a client sends it.
pub fn put_client_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8], mask: [u8; 4]) {
    put_head(out, opcode, payload.len(), 0x80);
    out.extend_from_slice(&mask);
    let start = out.len();
    out.extend_from_slice(payload);
    apply_mask(&mut out[start..], mask);
}

/// Masks or unmasks in place.
pub fn apply_mask(bytes: &mut [u8], mask: [u8; 4]) {
    let wide = u64::from_ne_bytes([mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3]]);
    let mut chunks = bytes.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let word = u64::from_ne_bytes(chunk.try_into().expect("chunks of eight")) ^ wide;
        chunk.copy_from_slice(&word.to_ne_bytes());
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

fn put_head(out: &mut Vec<u8>, opcode: u8, length: usize, mask_bit: u8) {
    out.push(0x80 | opcode);
    match length {
        0..=125 => out.push(mask_bit | length as u8),
        126..=0xffff => {
            out.push(mask_bit | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(mask_bit | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

/// Code and reason of a close frame's payload; 1005 when it has none.
pub fn close_reason(payload: &[u8]) -> (u16, String) {
    match payload {
        [high, low, reason @ ..] => {
            (u16::from_be_bytes([*high, *low]), String::from_utf8_lossy(reason).into_owned())
        }
        _ => (1005, String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(bytes: &[u8]) -> Vec<(bool, u8, Vec<u8>)> {
        let (mut frames, mut at) = (Vec::new(), 0);
        while let Some((frame, taken)) = next_frame(&bytes[at..]).unwrap() {
            frames.push((frame.fin, frame.opcode, frame.payload.to_vec()));
            at += taken;
        }
        frames
    }

    #[test]
    fn split_at_every_byte_gives_the_same_frames() {
        let mut stream = Vec::new();
        for (code, size) in [(1, 0), (1, 5), (9, 125), (2, 126), (1, 300), (2, 65_535), (1, 65_536), (8, 2)] {
            put_server_frame(&mut stream, code, &vec![b'x'; size]);
        }
        let whole = read_all(&stream);
        assert_eq!(whole.len(), 8);
        for cut in 0..=stream.len() {
            // As the worker does it: parse what is there, keep the rest, parse again with more.
            let (mut frames, mut kept) = (Vec::new(), Vec::new());
            for part in [&stream[..cut], &stream[cut..]] {
                kept.extend_from_slice(part);
                let mut at = 0;
                while let Some((frame, taken)) = next_frame(&kept[at..]).unwrap() {
                    frames.push((frame.fin, frame.opcode, frame.payload.len()));
                    at += taken;
                }
                kept.drain(..at);
            }
            assert!(kept.is_empty());
            assert!(
                frames.iter().zip(&whole).all(|(a, b)| (a.0, a.1, a.2) == (b.0, b.1, b.2.len())),
                "{cut}"
            );
            assert_eq!(frames.len(), whole.len());
        }
    }

    #[test]
    fn a_client_frame_is_masked_and_comes_back() {
        for size in [0, 1, 7, 8, 9, 125, 126, 70_000] {
            let payload: Vec<u8> = (0..size).map(|n| n as u8).collect();
            let mut bytes = Vec::new();
            put_client_frame(&mut bytes, opcode::TEXT, &payload, [1, 2, 3, 4]);
            assert_eq!(next_frame(&bytes), Err(FrameError::Masked));
            let body = bytes.len() - size;
            assert_eq!(&bytes[body - 4..body], &[1, 2, 3, 4]);
            apply_mask(&mut bytes[body..], [1, 2, 3, 4]);
            assert_eq!(&bytes[body..], &payload[..]);
        }
    }

    #[test]
    fn what_a_server_must_not_send_is_named() {
        assert_eq!(next_frame(&[0xc1, 0]), Err(FrameError::ReservedBits));
        assert_eq!(next_frame(&[0x83, 0]), Err(FrameError::UnknownOpcode(3)));
        assert_eq!(next_frame(&[0x09, 0]), Err(FrameError::BadControl));
        assert_eq!(next_frame(&[0x89, 126]), Err(FrameError::BadControl));
        let absurd = [0x82, 127, 0xff, 0, 0, 0, 0, 0, 0, 0];
        assert!(matches!(next_frame(&absurd), Err(FrameError::TooLarge(_))));
        assert_eq!(close_reason(&[0x0f, 0xa1, b'r']), (4001, "r".into()));
        assert_eq!(close_reason(&[]), (1005, String::new()));
    }
}
