//! WebSocket frames as bytes ready for the wire (RFC 6455, section 5.2).
//!
//! Owns: the writing of frames, and [`Frame`], the shared piece of bytes that outboxes hold.
//! Leaves to others: reading frames ([`super::header`]), compressing what is in them ([`super::deflate`]), HTTP
//! responses ([`super::response`]).

use std::io;
use std::ops::Deref;
use std::sync::Arc;

use super::mask;

/// What a whole frame carries. Continuations have no place here: the server never fragments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// UTF-8 text.
    Text,
    /// Arbitrary bytes.
    Binary,
    /// The closing handshake.
    Close,
    /// A question for a sign of life.
    Ping,
    /// The answer to a ping.
    Pong,
}

impl Opcode {
    const fn bits(self) -> u8 {
        match self {
            Opcode::Text => 0x1,
            Opcode::Binary => 0x2,
            Opcode::Close => 0x8,
            Opcode::Ping => 0x9,
            Opcode::Pong => 0xA,
        }
    }
}

/// Bytes ready for the wire, built once and shared by every recipient.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame(Arc<[u8]>);

impl Frame {
    /// A text message (RFC 6455, section 5.6).
    pub fn text(text: &str) -> Frame {
        encode(Opcode::Text, text.as_bytes())
    }

    /// A binary message.
    pub fn binary(bytes: &[u8]) -> Frame {
        encode(Opcode::Binary, bytes)
    }

    /// A frame out of bytes that are already in their wire form, such as an HTTP response.
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>) -> Frame {
        Frame(bytes.into())
    }

    /// What it says, if it is one whole uncompressed message: text or binary, and its payload.
    #[doc(hidden)]
    pub fn message(&self) -> Option<(Opcode, &[u8])> {
        let opcode = match self.first()? {
            0x81 => Opcode::Text,
            0x82 => Opcode::Binary,
            _ => return None,
        };
        // The frames of this server are unmasked, so that the second byte is the length or says how it is written.
        let size = match self.get(1)? {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        let payload = self.get(size..)?;
        let (head, whole) = header(self[0], 0, payload.len());
        (self[..size] == head[..whole]).then_some((opcode, payload))
    }

    /// Whether both are the same allocation, not only equal bytes.
    pub fn same(&self, other: &Frame) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Deref for Frame {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frame({} bytes \"{}\")", self.len(), self.0.escape_ascii())
    }
}

/// The bit of the first byte that says that the message ends with the frame.
const FIN: u8 = 0x80;
/// The bit of the first byte that marks a compressed message, on its first frame (RFC 7692, section 6).
pub const RSV1: u8 = 0x40;
/// The longest header of a server frame: two bytes and a 64-bit length, no mask.
const HEADER_ROOM: usize = 10;
/// The longest payload of a control frame (section 5.5).
pub const CONTROL_BYTES: usize = 125;

/// A frame header written from the front; says how many bytes it takes.
fn header(first: u8, masked: u8, len: usize) -> ([u8; HEADER_ROOM], usize) {
    let mut bytes = [0; HEADER_ROOM];
    bytes[0] = first;
    if let Ok(short) = u16::try_from(len) {
        if len <= 125 {
            bytes[1] = masked | short as u8;
            return (bytes, 2);
        }
        bytes[1] = masked | 126;
        bytes[2..4].copy_from_slice(&short.to_be_bytes());
        return (bytes, 4);
    }
    bytes[1] = masked | 127;
    bytes[2..].copy_from_slice(&(len as u64).to_be_bytes());
    (bytes, 10)
}

/// A whole unmasked server frame in one allocation.
///
/// A control payload over 125 bytes is our own fault and panics.
pub fn encode(opcode: Opcode, payload: &[u8]) -> Frame {
    assert!(
        payload.len() <= CONTROL_BYTES || matches!(opcode, Opcode::Text | Opcode::Binary),
        "control frame too long"
    );
    whole(FIN | opcode.bits(), payload)
}

/// A whole message whose payload is compressed (RFC 7692, section 6).
pub(super) fn encode_compressed(opcode: Opcode, payload: &[u8]) -> Frame {
    whole(FIN | RSV1 | opcode.bits(), payload)
}

fn whole(first: u8, payload: &[u8]) -> Frame {
    let (head, size) = header(first, 0, payload.len());
    // An exact-size iterator lets `collect` allocate once; zeroing costs less than a second copy.
    let mut bytes: Arc<[u8]> = std::iter::repeat_n(0, size + payload.len()).collect();
    let room = Arc::get_mut(&mut bytes).expect("the allocation is not shared yet");
    room[..size].copy_from_slice(&head[..size]);
    room[size..].copy_from_slice(payload);
    Frame(bytes)
}

/// A close frame without a code, which its receiver sees as 1005.
pub fn encode_close_empty() -> Frame {
    encode(Opcode::Close, &[])
}

/// A close frame; the reason is cut at a character boundary to the 123 bytes that fit.
pub fn encode_close(code: u16, reason: &str) -> Frame {
    let mut cut = reason.len().min(CONTROL_BYTES - 2);
    while !reason.is_char_boundary(cut) {
        cut -= 1;
    }
    let mut payload = [0; CONTROL_BYTES];
    payload[..2].copy_from_slice(&code.to_be_bytes());
    payload[2..2 + cut].copy_from_slice(&reason.as_bytes()[..cut]);
    encode(Opcode::Close, &payload[..2 + cut])
}

/// Appends a whole masked frame, as a client sends it. For tests and load tools.
pub fn encode_masked(opcode: Opcode, payload: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
    encode_masked_part(Some(opcode), true, payload, mask, out);
}

/// Appends one masked fragment; `None` is a continuation. For tests and load tools.
pub fn encode_masked_part(
    opcode: Option<Opcode>,
    fin: bool,
    payload: &[u8],
    mask: [u8; 4],
    out: &mut Vec<u8>,
) {
    let first = opcode.map_or(0, Opcode::bits) | if fin { FIN } else { 0 };
    let (head, size) = header(first, 0x80, payload.len());
    out.extend_from_slice(&head[..size]);
    out.extend_from_slice(&mask);
    let start = out.len();
    out.extend_from_slice(payload);
    mask::apply(&mut out[start..], mask, 0);
}

/// Collects a payload where its frame will be, so that a text that is written piece by piece
/// (by `serde_json`, say) becomes a frame with one more copy and no more.
#[derive(Debug)]
pub struct FrameBuilder {
    opcode: Opcode,
    /// Invariant: at least [`HEADER_ROOM`] bytes; the payload stands behind them.
    bytes: Vec<u8>,
}

impl FrameBuilder {
    /// A text frame with room for `capacity` bytes of payload. What is written must be UTF-8.
    pub fn text(capacity: usize) -> FrameBuilder {
        FrameBuilder::new(Opcode::Text, capacity)
    }

    /// A binary frame with room for `capacity` bytes of payload.
    pub fn binary(capacity: usize) -> FrameBuilder {
        FrameBuilder::new(Opcode::Binary, capacity)
    }

    fn new(opcode: Opcode, capacity: usize) -> FrameBuilder {
        let mut bytes = Vec::with_capacity(HEADER_ROOM + capacity);
        bytes.resize(HEADER_ROOM, 0);
        FrameBuilder { opcode, bytes }
    }

    /// Appends to the payload; `Write` without its `Result`.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The payload so far.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[HEADER_ROOM..]
    }

    /// The frame.
    pub fn finish(mut self) -> Frame {
        let (head, size) = header(FIN | self.opcode.bits(), 0, self.bytes.len() - HEADER_ROOM);
        // The header ends where the payload begins, so that the two lie in one piece.
        let start = HEADER_ROOM - size;
        self.bytes[start..HEADER_ROOM].copy_from_slice(&head[..size]);
        Frame(Arc::from(&self.bytes[start..]))
    }
}

impl io::Write for FrameBuilder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn examples_of_section_5_7() {
        assert_eq!(&encode(Opcode::Text, b"Hello")[..], b"\x81\x05Hello");
        assert_eq!(&encode(Opcode::Ping, b"Hello")[..], b"\x89\x05Hello");
        let mut out = Vec::new();
        encode_masked(Opcode::Text, b"Hello", [0x37, 0xfa, 0x21, 0x3d], &mut out);
        assert_eq!(out, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
        assert_eq!(encode(Opcode::Binary, &[0; 256])[..4], [0x82, 0x7e, 0x01, 0x00]);
        let long = encode(Opcode::Binary, &[7; 65536]);
        assert_eq!(long[..10], [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(long.len(), 10 + 65536);
    }

    #[test]
    fn lengths_are_minimal_and_the_builder_agrees() {
        for (len, size) in [(0, 2), (125, 2), (126, 4), (65535, 4), (65536, 10)] {
            let payload = vec![b'x'; len];
            let whole = encode(Opcode::Text, &payload);
            assert_eq!(whole.len(), size + len);
            let mut builder = FrameBuilder::text(3);
            builder.write_all(&payload).unwrap();
            assert_eq!(builder.payload(), payload);
            assert_eq!(builder.finish(), whole);
            assert_eq!(whole.message(), Some((Opcode::Text, payload.as_slice())));
            assert_eq!(Frame::from_bytes(&whole[..whole.len() - 1]).message(), None);
        }
    }

    #[test]
    fn close_reason_is_cut_between_characters() {
        assert_eq!(&encode_close(1000, "")[..], b"\x88\x02\x03\xe8");
        assert_eq!(&encode_close(1001, "bye")[..], b"\x88\x05\x03\xe9bye");
        // 41 three-byte characters are 123 bytes; one byte before them moves the cut back to 121.
        assert_eq!(encode_close(1008, &"€".repeat(60)).len(), 2 + 125);
        let cut = encode_close(1008, &format!("a{}", "€".repeat(60)));
        assert_eq!(std::str::from_utf8(&cut[4..]).unwrap(), format!("a{}", "€".repeat(40)));
    }

    #[test]
    #[should_panic(expected = "control frame too long")]
    fn a_control_frame_over_125_bytes_is_our_own_fault() {
        encode(Opcode::Ping, &[0; 126]);
    }
}
