//! The header of a frame that a client sent (RFC 6455, section 5.2).
//!
//! Owns: the rules that one header alone can break. tungstenite takes the bytes apart and refuses
//! reserved opcodes; the rules that it leaves out stand here, each with its section.
//! Leaves to others: the order of frames, which is [`crate::session::websocket`]'s, and what a compressed payload says
//! ([`super::deflate`]).

use std::fmt;
use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::frame::CONTROL_BYTES;

/// The longest header that a client can send: two bytes, a 64-bit length, a mask.
pub const MAX_HEADER_BYTES: usize = 14;

/// What a client's frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A further piece of the message in progress.
    Continue,
    /// The first or only piece of a text.
    Text,
    /// The first or only piece of a binary message.
    Binary,
    /// The closing handshake.
    Close,
    /// A question for a sign of life.
    Ping,
    /// The answer to a ping.
    Pong,
}

impl Kind {
    /// Whether this is a control frame, which may stand between the pieces of a message.
    pub fn is_control(self) -> bool {
        matches!(self, Kind::Close | Kind::Ping | Kind::Pong)
    }
}

/// A client's frame header that broke no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientHeader {
    /// What the frame is.
    pub kind: Kind,
    /// Whether its message ends with it.
    pub fin: bool,
    /// Whether it begins a compressed message (RFC 7692, section 6).
    pub compressed: bool,
    /// The masking key.
    pub mask: [u8; 4],
    /// Bytes of payload. Invariant: at most what the caller had room for, or 125.
    pub len: usize,
    /// Bytes that the header itself takes.
    pub size: usize,
}

/// How a header can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// A reserved bit is set to which no negotiated extension gives a meaning on this frame (section 5.2).
    ReservedBits,
    /// An opcode without meaning (section 5.2).
    ReservedOpcode,
    /// A client must mask (section 5.1).
    Unmasked,
    /// A control frame over 125 bytes (section 5.5).
    ControlTooLong,
    /// A control frame without FIN (section 5.5).
    ControlFragmented,
    /// The length is written in more bytes than it needs (section 5.2).
    LengthNotMinimal,
    /// The most significant bit of a 64-bit length is set (section 5.2).
    LengthOverflow,
    /// The message would grow past the limit.
    TooBig,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HeaderError::ReservedBits => "reserved bits are set",
            HeaderError::ReservedOpcode => "reserved opcode",
            HeaderError::Unmasked => "frame is not masked",
            HeaderError::ControlTooLong => "control frame is too long",
            HeaderError::ControlFragmented => "control frame is fragmented",
            HeaderError::LengthNotMinimal => "length is not minimal",
            HeaderError::LengthOverflow => "length has its top bit set",
            HeaderError::TooBig => "message is too big",
        })
    }
}

impl std::error::Error for HeaderError {}

/// How long the header is that begins with `bytes`, as far as they tell: 2 while the second byte is
/// missing. Lets a caller collect a cut header without taking a byte of payload.
pub fn size_hint(bytes: &[u8]) -> usize {
    let Some(second) = bytes.get(1) else { return 2 };
    let length = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + length + if second & 0x80 == 0 { 0 } else { 4 }
}

/// The header at the start of `input`; `None` while it is cut. `room` is what the message in
/// progress may still grow by: a data frame that announces more is refused before a byte of it is kept. With `deflate`,
/// the first frame of a message may say that it is compressed.
pub fn parse(input: &[u8], room: usize, deflate: bool) -> Result<Option<ClientHeader>, HeaderError> {
    let input = &input[..input.len().min(MAX_HEADER_BYTES)];
    let mut cursor = Cursor::new(input);
    // Reading from memory cannot fail, so a reserved opcode is the only error there is.
    let parsed = FrameHeader::parse(&mut cursor).map_err(|_| HeaderError::ReservedOpcode)?;
    let Some((header, len)) = parsed else { return Ok(None) };
    let size = cursor.position() as usize;

    let kind = match header.opcode {
        OpCode::Data(Data::Continue) => Kind::Continue,
        OpCode::Data(Data::Text) => Kind::Text,
        OpCode::Data(Data::Binary) => Kind::Binary,
        OpCode::Control(Control::Close) => Kind::Close,
        OpCode::Control(Control::Ping) => Kind::Ping,
        OpCode::Control(Control::Pong) => Kind::Pong,
        OpCode::Data(Data::Reserved(_)) | OpCode::Control(Control::Reserved(_)) => {
            return Err(HeaderError::ReservedOpcode);
        }
    };
    let may_compress = deflate && matches!(kind, Kind::Text | Kind::Binary);
    if header.rsv1 && !may_compress || header.rsv2 || header.rsv3 {
        return Err(HeaderError::ReservedBits);
    }
    let Some(mask) = header.mask else { return Err(HeaderError::Unmasked) };
    if kind.is_control() {
        // The seven bits themselves, because a longer form is over 125 even when its value is not.
        if usize::from(input[1] & 0x7f) > CONTROL_BYTES {
            return Err(HeaderError::ControlTooLong);
        }
        if !header.is_final {
            return Err(HeaderError::ControlFragmented);
        }
    }
    match input[1] & 0x7f {
        126 if len <= 125 => return Err(HeaderError::LengthNotMinimal),
        127 if len <= u64::from(u16::MAX) => return Err(HeaderError::LengthNotMinimal),
        127 if len >> 63 == 1 => return Err(HeaderError::LengthOverflow),
        _ => {}
    }
    let len = usize::try_from(len).map_err(|_| HeaderError::TooBig)?;
    if !kind.is_control() && len > room {
        return Err(HeaderError::TooBig);
    }
    Ok(Some(ClientHeader { kind, fin: header.is_final, compressed: header.rsv1, mask, len, size }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], room: usize) -> Result<Option<ClientHeader>, HeaderError> {
        check_with(false, bytes, room)
    }

    fn check_with(deflate: bool, bytes: &[u8], room: usize) -> Result<Option<ClientHeader>, HeaderError> {
        // Until the last byte is there, a header is neither right nor wrong; what follows is payload.
        for cut in 0..bytes.len() {
            assert_eq!(parse(&bytes[..cut], room, deflate), Ok(None), "{bytes:x?} cut at {cut}");
            assert!(size_hint(&bytes[..cut]) > cut);
        }
        assert_eq!(size_hint(bytes), bytes.len());
        let longer = [bytes, &[0xff; 20]].concat();
        assert_eq!(parse(&longer, room, deflate), parse(bytes, room, deflate));
        parse(bytes, room, deflate)
    }

    #[test]
    fn good_headers() {
        let mask = [1, 2, 3, 4];
        let header =
            |kind, fin, len, size| Ok(Some(ClientHeader { kind, fin, compressed: false, mask, len, size }));
        assert_eq!(check(&[0x81, 0x80, 1, 2, 3, 4], 9), header(Kind::Text, true, 0, 6));
        assert_eq!(check(&[0x02, 0x85, 1, 2, 3, 4], 5), header(Kind::Binary, false, 5, 6));
        assert_eq!(check(&[0x80, 0xfd, 1, 2, 3, 4], 125), header(Kind::Continue, true, 125, 6));
        assert_eq!(check(&[0x81, 0xfe, 0, 126, 1, 2, 3, 4], 200), header(Kind::Text, true, 126, 8));
        assert_eq!(
            check(&[0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4], 65536),
            header(Kind::Text, true, 65536, 14)
        );
        // Control frames are not held against the room of the message.
        assert_eq!(check(&[0x88, 0xfd, 1, 2, 3, 4], 0), header(Kind::Close, true, 125, 6));
        assert_eq!(check(&[0x89, 0x80, 1, 2, 3, 4], 0), header(Kind::Ping, true, 0, 6));
        assert_eq!(check(&[0x8a, 0x81, 1, 2, 3, 4], 0), header(Kind::Pong, true, 1, 6));
    }

    #[test]
    fn the_bit_of_compression_is_for_the_first_frame_of_a_message() {
        for (first, kind, fin) in [
            (0xc1, Kind::Text, true),
            (0xc2, Kind::Binary, true),
            (0x41, Kind::Text, false),
            (0x42, Kind::Binary, false),
        ] {
            let bytes = [first, 0x85, 1, 2, 3, 4];
            let expected = ClientHeader { kind, fin, compressed: true, mask: [1, 2, 3, 4], len: 5, size: 6 };
            assert_eq!(check_with(true, &bytes, 5), Ok(Some(expected)));
            assert_eq!(check_with(true, &bytes, 4), Err(HeaderError::TooBig));
            assert_eq!(check_with(false, &bytes, 5), Err(HeaderError::ReservedBits));
            for bit in [0x10, 0x20] {
                let bytes = [first | bit, 0x85, 1, 2, 3, 4];
                assert_eq!(check_with(true, &bytes, 5), Err(HeaderError::ReservedBits));
            }
        }
        for first in [0x40, 0xc0, 0xc8, 0xc9, 0xca] {
            let bytes = [first, 0x80, 1, 2, 3, 4];
            assert_eq!(check_with(true, &bytes, 5), Err(HeaderError::ReservedBits), "{first:x}");
        }
    }

    #[test]
    fn bad_headers() {
        use HeaderError::*;
        for bit in [0x10, 0x20, 0x40] {
            assert_eq!(check(&[0x81 | bit, 0x80, 1, 2, 3, 4], 9), Err(ReservedBits));
        }
        for opcode in [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf] {
            assert_eq!(check(&[0x80 | opcode, 0x80, 1, 2, 3, 4], 9), Err(ReservedOpcode));
        }
        assert_eq!(check(&[0x81, 0x05], 9), Err(Unmasked));
        for opcode in [8, 9, 10] {
            assert_eq!(check(&[opcode, 0x80, 1, 2, 3, 4], 9), Err(ControlFragmented));
            assert_eq!(check(&[0x80 | opcode, 0xfe, 0, 126, 1, 2, 3, 4], 999), Err(ControlTooLong));
            assert_eq!(check(&[0x80 | opcode, 0xfe, 0, 5, 1, 2, 3, 4], 999), Err(ControlTooLong));
        }
        assert_eq!(check(&[0x81, 0xfe, 0, 125, 1, 2, 3, 4], 999), Err(LengthNotMinimal));
        let long = |n: u64| [&[0x81, 0xff][..], &n.to_be_bytes(), &[1, 2, 3, 4]].concat();
        assert_eq!(check(&long(65535), usize::MAX), Err(LengthNotMinimal));
        assert_eq!(check(&long(1 << 63), usize::MAX), Err(LengthOverflow));
        assert_eq!(check(&long(u64::MAX), usize::MAX), Err(LengthOverflow));
        assert_eq!(check(&long((1 << 63) - 1), 1_000_000), Err(TooBig));
        assert_eq!(check(&long(1_000_001), 1_000_000), Err(TooBig));
        assert_eq!(check(&[0x80, 0x86, 1, 2, 3, 4], 5), Err(TooBig));
    }
}
