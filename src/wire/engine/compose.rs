//! The answer to a poll: what waits for a long-polling client, as one HTTP body.
//!
//! Owns: turning the frames that a WebSocket client would get into the payload that a poll gets, so that a publish
//! is encoded once for both. The formats are those of [`super::payload`], which reads them.
//! Leaves to others: JSONP ([`super::jsonp`]), headers other than the type, compression.

use super::latin;
use super::packet::{Revision, base64_len, push_base64};
use super::payload::{LENGTH_END, SEPARATOR};
use crate::wire::frame::Opcode;

/// The body of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The body; UTF-8 unless it is binary.
    pub bytes: Vec<u8>,
    /// Whether it is in the binary form.
    pub is_binary: bool,
}

impl Payload {
    /// The Content-Type that tells the client how to read it.
    pub fn content_type(&self) -> &'static str {
        if self.is_binary { "application/octet-stream" } else { "text/plain; charset=UTF-8" }
    }
}

/// Makes one payload of whole unmasked frames that lie end to end, all of them made by
/// [`text_frame`](super::text_frame), [`message_frame`](super::message_frame),
/// [`binary_frame`](super::binary_frame) or [`base64_frame`](super::base64_frame) for the same revision.
///
/// `binary_ok`: the client did not ask for base64. Only revision 3 has a binary form; it is used if
/// it is allowed and something is binary.
///
/// `ascii`: messages are Socket.IO packets, and in the text form of revision 3 their JSON is written in ASCII, which
/// clients of 1.x need.
///
/// # Panics
///
/// If there is no frame, or if the bytes are not such frames.
pub fn compose(revision: Revision, binary_ok: bool, ascii: bool, frames: &[u8]) -> Payload {
    assert!(!frames.is_empty(), "a poll is answered when there is something to say");
    match revision {
        Revision::Three if binary_ok && Packets(frames).any(|(opcode, _)| opcode == Opcode::Binary) => {
            Payload { bytes: in_binary(frames), is_binary: true }
        }
        Revision::Three => Payload { bytes: counted(frames, ascii), is_binary: false },
        Revision::Four => Payload { bytes: separated(frames), is_binary: false },
    }
}

/// Where the first `count` of these frames end.
pub fn end_of(frames: &[u8], count: usize) -> usize {
    let mut packets = Packets(frames);
    packets.by_ref().take(count).for_each(drop);
    frames.len() - packets.0.len()
}

fn in_binary(frames: &[u8]) -> Vec<u8> {
    // A length in bytes takes two bytes more than its digits, a frame header at least two.
    let mut out = Vec::with_capacity(frames.len() + frames.len() / 4);
    for (opcode, packet) in Packets(frames) {
        out.push(u8::from(opcode == Opcode::Binary));
        out.extend(packet.len().to_string().bytes().map(|digit| digit - b'0'));
        out.push(LENGTH_END);
        out.extend_from_slice(packet);
    }
    out
}

fn counted(frames: &[u8], ascii: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(frames.len() + frames.len() / 4);
    for (opcode, packet) in Packets(frames) {
        let escaped = match std::str::from_utf8(packet) {
            Ok(text) if ascii && opcode == Opcode::Text && !text.is_ascii() => Some(latin::escape(text)),
            _ => None,
        };
        let packet = escaped.as_deref().map_or(packet, str::as_bytes);
        let length = match opcode {
            Opcode::Binary => base64_len(Revision::Three, packet.len() - 1),
            _ => utf_16_len(packet),
        };
        out.extend_from_slice(length.to_string().as_bytes());
        out.push(b':');
        push_packet(Revision::Three, opcode, packet, &mut out);
    }
    out
}

fn separated(frames: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(frames.len());
    for (opcode, packet) in Packets(frames) {
        if !out.is_empty() {
            out.push(SEPARATOR as u8);
        }
        push_packet(Revision::Four, opcode, packet, &mut out);
    }
    out
}

/// Appends a packet in its text form.
fn push_packet(revision: Revision, opcode: Opcode, packet: &[u8], out: &mut Vec<u8>) {
    match (opcode, revision) {
        (Opcode::Binary, Revision::Three) => push_base64(revision, packet[0], &packet[1..], out),
        (Opcode::Binary, Revision::Four) => push_base64(revision, 4, packet, out),
        _ => out.extend_from_slice(packet),
    }
}

/// The UTF-16 code units of a text: one for each character, two beyond U+FFFF, which take four bytes.
fn utf_16_len(text: &[u8]) -> usize {
    let characters = text.iter().filter(|&&byte| byte & 0xC0 != 0x80).count();
    characters + text.iter().filter(|&&byte| byte >= 0xF0).count()
}

/// The payloads of our own frames.
#[derive(Clone, Copy)]
struct Packets<'a>(&'a [u8]);

impl<'a> Iterator for Packets<'a> {
    type Item = (Opcode, &'a [u8]);

    fn next(&mut self) -> Option<(Opcode, &'a [u8])> {
        let (&first, rest) = self.0.split_first()?;
        let opcode = match first {
            0x81 => Opcode::Text,
            0x82 => Opcode::Binary,
            _ => panic!("not a whole message of ours: {first:#x}"),
        };
        let (len, rest) = match rest {
            [126, a, b, rest @ ..] => (u64::from(u16::from_be_bytes([*a, *b])), rest),
            [127, a, b, c, d, e, f, g, h, rest @ ..] => {
                (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), rest)
            }
            [len @ 0..=125, rest @ ..] => (u64::from(*len), rest),
            _ => panic!("a cut or masked frame"),
        };
        let len = usize::try_from(len).expect("our frames are in memory");
        let (packet, rest) = rest.split_at(len);
        self.0 = rest;
        Some((opcode, packet))
    }
}

#[cfg(test)]
mod tests {
    use super::super::packet::{PacketType, base64_frame, binary_frame, message_frame, text_frame};
    use super::*;
    use crate::wire::frame::{Frame, encode};
    use Revision::{Four, Three};

    #[test]
    fn frames_are_counted_whatever_their_lengths() {
        let all = [message_frame("a"), message_frame(&"b".repeat(300)), binary_frame(Four, &[0; 70_000])];
        let bytes: Vec<u8> = all.iter().flat_map(|frame| frame.to_vec()).collect();
        let ends = [0, all[0].len(), all[0].len() + all[1].len(), bytes.len(), bytes.len()];
        assert_eq!([0, 1, 2, 3, 4].map(|count| end_of(&bytes, count)), ends);
    }

    fn check(revision: Revision, binary_ok: bool, frames: &[Frame], expected: &[u8], is_binary: bool) {
        let frames: Vec<u8> = frames.iter().flat_map(|frame| frame.to_vec()).collect();
        let payload = compose(revision, binary_ok, false, &frames);
        assert_eq!(payload, Payload { bytes: expected.to_vec(), is_binary });
    }

    fn text(revision: Revision, binary_ok: bool, frames: &[Frame], expected: &str) {
        check(revision, binary_ok, frames, expected.as_bytes(), false);
    }

    #[test]
    fn texts() {
        let frames = [
            message_frame("€"),
            text_frame(PacketType::Noop, ""),
            message_frame("é😀"),
            text_frame(PacketType::Close, ""),
        ];
        for binary_ok in [false, true] {
            text(Three, binary_ok, &frames, "2:4€1:64:4é😀1:1");
            text(Four, binary_ok, &frames, "4€\u{1e}6\u{1e}4é😀\u{1e}1");
        }
    }

    #[test]
    fn binary_packets() {
        let frames = |revision| [message_frame("hello"), binary_frame(revision, &[1, 2, 3, 4])];
        text(Three, false, &frames(Three), "6:4hello10:b4AQIDBA==");
        check(Three, true, &frames(Three), b"\0\x06\xff4hello\x01\x05\xff\x04\x01\x02\x03\x04", true);
        text(Four, false, &frames(Four), "4hello\u{1e}bAQIDBA==");
        text(Four, true, &frames(Four), "4hello\u{1e}bAQIDBA==");
        // The length of a text in the binary form counts bytes.
        let frames = [message_frame("€"), binary_frame(Three, &[1, 2, 3, 4])];
        let expected = [0, 4, 255, 0x34, 0xE2, 0x82, 0xAC, 1, 5, 255, 4, 1, 2, 3, 4];
        check(Three, true, &frames, &expected, true);
        // What is in base64 already is a text.
        text(Three, true, &[base64_frame(Three, &[1, 2, 3, 4])], "10:b4AQIDBA==");
        text(Four, true, &[base64_frame(Four, &[])], "b");
        text(Three, false, &[binary_frame(Three, &[])], "2:b4");
        text(Four, false, &[binary_frame(Four, &[]), message_frame("")], "b\u{1e}4");
    }

    #[test]
    fn every_length_of_a_frame_header() {
        for len in [0, 1, 124, 125, 126, 65534, 65535, 65536] {
            let data = "x".repeat(len);
            let expected = format!("{}:4{data}1:2", len + 1);
            text(Three, true, &[message_frame(&data), text_frame(PacketType::Ping, "")], &expected);
        }
    }

    #[test]
    fn types_of_the_answers() {
        let answer = |frame: Frame| compose(Three, true, false, &frame).content_type();
        assert_eq!(answer(message_frame("")), "text/plain; charset=UTF-8");
        assert_eq!(answer(binary_frame(Three, &[])), "application/octet-stream");
    }

    #[test]
    #[should_panic(expected = "not a whole message of ours")]
    fn control_frames_are_no_packets() {
        compose(Four, true, false, &encode(Opcode::Ping, b""));
    }

    #[test]
    #[should_panic(expected = "something to say")]
    fn nothing_is_no_answer() {
        compose(Four, true, false, b"");
    }
}
