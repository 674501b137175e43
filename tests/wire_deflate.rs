//! permessage-deflate through a session: the examples of RFC 7692, what may and may not be compressed, streams that
//! are cut or nonsense, and bombs; and what the server compresses, read back.

mod said;

use fanfare::Frame;
use fanfare::session::websocket::{Event, WebSocket, WsError};
use fanfare::wire::deflate::{Deflater, InflateError, Inflater, with_thread};
use fanfare::wire::frame::{Opcode, encode_close};
use fanfare::wire::header::HeaderError;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use proptest::prelude::*;
use said::{Said, feed, frame, text};

const MAX: usize = 100_000;

const TEXT: u8 = 0xc1;
const BINARY: u8 = 0xc2;
/// Not the last frame of its message.
const BEGIN_TEXT: u8 = 0x41;
const CONTINUE: u8 = 0x00;
const LAST: u8 = 0x80;
const PING: u8 = 0x89;

/// "Hello" in one block, by section 7.2.3.1.
const HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
/// "Hello" in one block that says that it is the last, by section 7.2.3.4; without the octet behind it.
const FINAL_HELLO: &[u8] = &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

/// Eleven times 'a', by hand, with the codes of RFC 1951, section 3.2.6: a literal, a length of 10, a distance of 1.
const ELEVEN: &[u8] = &[0x4a, 0x44, 0x00, 0x00, 0x00];

fn check_within(bytes: &[u8], max: usize, expected: &[Said]) {
    said::check(WebSocket::with_deflate, bytes, max, expected);
}

fn check(bytes: &[u8], expected: &[Said]) {
    check_within(bytes, MAX, expected);
}

/// The payload as one text, and cut into two fragments at every byte with a ping between them.
fn check_payload(payload: &[u8], expected: &Said) {
    check(&frame(TEXT, payload), std::slice::from_ref(expected));
    for cut in 0..=payload.len() {
        let (front, back) = payload.split_at(cut);
        let bytes = [frame(BEGIN_TEXT, front), frame(PING, b"!"), frame(LAST, back)].concat();
        check(&bytes, &[Said::Ping(b"!".to_vec()), expected.clone()]);
    }
}

fn inflate(payload: &[u8]) -> Result<Vec<u8>, InflateError> {
    Inflater::new().inflate(payload, MAX).map(<[u8]>::to_vec)
}

fn wrong(error: InflateError) -> Said {
    Said::Wrong(WsError::Inflate(error))
}

#[test]
fn examples_of_section_7_2_3() {
    let hello = text("Hello");
    check_payload(HELLO, &hello);
    check(&[frame(BEGIN_TEXT, &HELLO[..3]), frame(LAST, &HELLO[3..])].concat(), std::slice::from_ref(&hello));
    // Every message begins anew: the same bytes again, but not those that refer to the message before.
    check(&[frame(TEXT, HELLO), frame(TEXT, HELLO)].concat(), &[hello.clone(), hello.clone()]);
    let shared = [frame(TEXT, HELLO), frame(TEXT, &[0xf2, 0x00, 0x11, 0x00, 0x00])].concat();
    check(&shared, &[hello.clone(), wrong(InflateError::Corrupt)]);
    // A block without compression, and its beginning on the wire.
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    assert_eq!(frame(TEXT, &stored)[..2], [0xc1, 0x80 | 0x0b]);
    check_payload(&stored, &hello);
    // A final block and the octet that lets it be read like any other.
    check_payload(&[FINAL_HELLO, &[0x00]].concat(), &hello);
    // Two blocks, with a flush between them.
    check_payload(&[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00], &hello);
    // Nothing at all.
    check_payload(&[0x00], &text(""));
}

#[test]
fn several_blocks_of_all_kinds() {
    // Final blocks may stand anywhere, and what follows begins at a byte.
    check_payload(&[FINAL_HELLO, FINAL_HELLO, &[0x00]].concat(), &text("HelloHello"));
    check_payload(&[FINAL_HELLO, HELLO].concat(), &text("HelloHello"));
    let empty_stored = [0x00, 0x00, 0x00, 0xff, 0xff];
    let empty_final = [0x03, 0x00];
    check_payload(&[&empty_stored[..], &empty_final, HELLO].concat(), &text("Hello"));
    assert_eq!(inflate(&[empty_stored.repeat(15_000), vec![0]].concat()), Ok(vec![]));
    assert_eq!(inflate(&[empty_final.repeat(50_000), vec![0]].concat()), Ok(vec![]));
    // 'a', then ten bytes from one byte back, of which nine are not there yet.
    check_payload(ELEVEN, &text(&"a".repeat(11)));
    // What some senders make of a message that ends with a final block, and of an empty one.
    check_payload(FINAL_HELLO, &text("Hello"));
    check(&frame(TEXT, b""), &[text("")]);
    check(&[frame(BEGIN_TEXT, b""), frame(LAST, b"")].concat(), &[text("")]);
}

#[test]
fn corrupt_streams() {
    let corrupt: &[(&str, &[u8])] = &[
        ("a block of the reserved kind", &[0x06, 0x00]),
        ("the same, final", &[0x07, 0x00]),
        (
            "lengths of a stored block that differ",
            &[0x00, 0x05, 0x00, 0xfa, 0xfe, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
        ),
        ("looking back before the beginning", &[0xf2, 0x00, 0x11, 0x00, 0x00]),
        ("the header of zlib", &[0x78, 0x9c, 0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]),
        (
            "the header of zlib with a preset dictionary",
            &[0x78, 0xbb, 0x05, 0x8c, 0x01, 0xf5, 0xf2, 0x48, 0x00],
        ),
        (
            "the header of gzip",
            &[0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0xf2, 0x48, 0x00],
        ),
        ("not compressed at all", b"{\"mode\":1}"),
        ("a code that is not complete", &[0xec, 0xbd, 0x07, 0x60, 0x1c, 0x49]),
        ("ones", &[0xff; 40]),
        ("nothing behind a final block but its padding twice", &[0x03, 0x00, 0x00, 0x00]),
        ("the tail left on", &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00, 0x00, 0xff]),
    ];
    for (name, payload) in corrupt {
        assert_eq!(inflate(payload), Err(InflateError::Corrupt), "{name}");
        check(&frame(TEXT, payload), &[wrong(InflateError::Corrupt)]);
        check(&frame(BINARY, payload), &[wrong(InflateError::Corrupt)]);
    }
    assert_eq!(WsError::Inflate(InflateError::Corrupt).close_code(), 1007);
    // A stream that is broken leaves nothing behind for the next, whoever sends it.
    let mut inflater = Inflater::new();
    for (_, payload) in corrupt {
        assert!(inflater.inflate(payload, MAX).is_err());
        assert_eq!(inflater.inflate(HELLO, MAX), Ok(&b"Hello"[..]));
    }
}

#[test]
fn cut_streams() {
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    let long = Deflater::new(9).deflate(&sentences(3_000)).unwrap().to_vec();
    for payload in [HELLO, &stored, &long] {
        for cut in 1..payload.len() {
            // One byte of zeros is a whole empty message.
            if payload[..cut] != [0] {
                assert_eq!(inflate(&payload[..cut]), Err(InflateError::Corrupt), "{cut} of {payload:x?}");
            }
        }
    }
    check(&frame(TEXT, &HELLO[..6]), &[wrong(InflateError::Corrupt)]);
    // The missing four bytes of a stored block would be those that are put back behind every message.
    check(&frame(BINARY, &stored[..6]), &[wrong(InflateError::Corrupt)]);
}

#[test]
fn the_bit_of_compression() {
    let reserved = [Said::Wrong(WsError::Header(HeaderError::ReservedBits))];
    // Without an agreement it has no meaning.
    said::check(WebSocket::new, &frame(TEXT, HELLO), MAX, &reserved);
    said::check(WebSocket::new, &frame(BEGIN_TEXT, HELLO), MAX, &reserved);
    // With one, only on the first frame of a message.
    check(&[frame(BEGIN_TEXT, &HELLO[..3]), frame(0xc0, &HELLO[3..])].concat(), &reserved);
    check(&[frame(BEGIN_TEXT, &HELLO[..3]), frame(0x40, &HELLO[3..])].concat(), &reserved);
    check(&[frame(0x01, b"Hel"), frame(0xc0, b"lo")].concat(), &reserved);
    check(&frame(0xc0, HELLO), &reserved);
    for control in [0xc8, 0xc9, 0xca] {
        check(&frame(control, b""), &reserved);
        check(&[frame(BEGIN_TEXT, HELLO), frame(control, b"")].concat(), &reserved);
    }
    for bits in [0x20, 0x10] {
        check(&frame(TEXT | bits, HELLO), &reserved);
        check(&frame(0x81 | bits, b"Hello"), &reserved);
    }
    check(&frame(0xc3, HELLO), &[Said::Wrong(WsError::Header(HeaderError::ReservedOpcode))]);
    // Who has agreed may still send what is not compressed.
    let hello = || text("Hello");
    let mixed = [
        frame(0x81, b"Hello"),
        frame(TEXT, HELLO),
        frame(0x01, b"Hel"),
        frame(LAST, b"lo"),
        frame(BEGIN_TEXT, HELLO),
        frame(LAST, b""),
        frame(0x82, HELLO),
        frame(BINARY, HELLO),
    ];
    check(
        &mixed.concat(),
        &[hello(), hello(), hello(), hello(), Said::Binary(HELLO.to_vec()), Said::Binary(b"Hello".to_vec())],
    );
}

#[test]
fn frames_keep_their_order() {
    check(&[frame(BEGIN_TEXT, HELLO), frame(TEXT, HELLO)].concat(), &[Said::Wrong(WsError::Interrupted)]);
    check(&[frame(0x01, b""), frame(TEXT, HELLO)].concat(), &[Said::Wrong(WsError::Interrupted)]);
    check(
        &[frame(TEXT, HELLO), frame(LAST, HELLO)].concat(),
        &[text("Hello"), Said::Wrong(WsError::NothingToContinue)],
    );
    let close = [frame(BEGIN_TEXT, HELLO), frame(0x88, &encode_close(1001, "")[2..]), frame(LAST, b"")];
    check(&close.concat(), &[Said::Close(Some(1001), String::new())]);
    // Many fragments, most of them empty.
    let each: Vec<u8> =
        HELLO.iter().flat_map(|byte| [frame(CONTINUE, b""), frame(CONTINUE, &[*byte])].concat()).collect();
    let bytes = [frame(BEGIN_TEXT, b""), each, frame(CONTINUE, b"").repeat(1_000), frame(LAST, b"")].concat();
    assert_eq!(feed(WebSocket::with_deflate(), [&bytes[..]], MAX).0, [text("Hello")]);
    assert_eq!(feed(WebSocket::with_deflate(), bytes.chunks(5), MAX).0, [text("Hello")]);
}

/// The payload of a message, compressed by hand: one stored block.
fn stored(message: &[u8]) -> Vec<u8> {
    let len = u16::try_from(message.len()).unwrap();
    [&[0][..], &len.to_le_bytes(), &(!len).to_le_bytes(), message, &[0]].concat()
}

#[test]
fn text_must_be_utf8_once_inflated() {
    for bytes in [&b"\xff"[..], b"a\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf", b"a\xe2\x82"] {
        check_payload(&stored(bytes), &Said::Wrong(WsError::InvalidText));
        check(&frame(BINARY, &stored(bytes)), &[Said::Binary(bytes.to_vec())]);
    }
    check_payload(&stored("κόσμε 😀".as_bytes()), &text("κόσμε 😀"));
    // After an error nothing is heard, and nothing is kept.
    let (mut socket, mut inflater) = (WebSocket::with_deflate(), Inflater::new());
    let mut bytes = [frame(BEGIN_TEXT, &stored(b"\xff")), frame(LAST, b""), frame(TEXT, HELLO)].concat();
    let mut input = &mut bytes[..];
    assert_eq!(socket.next(&mut input, MAX, &mut inflater), Err(WsError::InvalidText));
    assert_eq!(socket.next(&mut input, MAX, &mut inflater), Ok(None));
    assert!(input.is_empty() && socket.is_idle());
}

#[test]
fn the_limit_holds_for_what_comes_out() {
    let big = wrong(InflateError::TooBig);
    check_within(&frame(TEXT, ELEVEN), 11, &[text(&"a".repeat(11))]);
    check_within(&frame(TEXT, ELEVEN), 10, std::slice::from_ref(&big));
    check_within(
        &[frame(BEGIN_TEXT, &ELEVEN[..2]), frame(LAST, &ELEVEN[2..])].concat(),
        10,
        std::slice::from_ref(&big),
    );
    check_within(&frame(TEXT, &[0x00]), 0, &[text("")]);
    check_within(&frame(TEXT, HELLO), 4, std::slice::from_ref(&big));
    assert_eq!(WsError::Inflate(InflateError::TooBig).close_code(), 1009);
    // A message that compression makes longer is still as long as it is.
    check_within(&frame(BINARY, &stored(&[7; 100])), 100, &[Said::Binary(vec![7; 100])]);
    // But not without an end, whatever comes out of it.
    let endless =
        [frame(BEGIN_TEXT, b""), frame(CONTINUE, &[0x00, 0x00, 0x00, 0xff, 0xff].repeat(20)).repeat(3)];
    check_within(&endless.concat(), 100, &[Said::Wrong(WsError::Header(HeaderError::TooBig))]);
    let announced = [&[0x42, 0xff][..], &(1u64 << 40).to_be_bytes(), &[0; 4]].concat();
    check(&announced, &[Said::Wrong(WsError::Header(HeaderError::TooBig))]);
}

/// A message of a few million zeros in about as many thousand bytes.
fn zeros(megabytes: usize) -> Vec<u8> {
    let (zeros, mut bytes) = (vec![0; 1 << 20], Vec::with_capacity(1 << 16));
    let mut state = Compress::new(Compression::best(), false);
    let mut lengths = Vec::new();
    for _ in 0..2 {
        state.compress_vec(&zeros, &mut bytes, FlushCompress::Sync).unwrap();
        lengths.push(bytes.len());
    }
    // The second megabyte refers to the first one, and any number of others may refer to it in the same way.
    let again = bytes[lengths[0]..lengths[1]].to_vec();
    bytes.truncate(lengths[0]);
    (1..megabytes).for_each(|_| bytes.extend_from_slice(&again));
    bytes.truncate(bytes.len() - 4);
    bytes
}

#[test]
fn bombs() {
    let whole = Inflater::new().inflate(&zeros(3), 3 << 20).map(<[u8]>::to_vec);
    assert_eq!(whole, Ok(vec![0; 3 << 20]), "the bomb is made as it should be");
    let bomb = zeros(1_000);
    assert!(bomb.len() < 1_200_000, "{} bytes for a gigabyte", bomb.len());
    let mut inflater = Inflater::new();
    assert_eq!(inflater.inflate(&bomb, 1_000_000), Err(InflateError::TooBig));
    assert_eq!(inflater.message().len(), 1_000_001, "it went on for not one byte longer");
    // As a message, in two fragments.
    let (front, back) = bomb.split_at(60_000);
    let mut bytes = Vec::new();
    for (first, part) in [(0x42, front), (LAST, back)] {
        bytes.extend([first, 0xff]);
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend_from_slice(part);
    }
    // A length of 60,000 has a shorter form, which a client must use.
    bytes.splice(1..10, [0xfe, 0xea, 0x60]);
    let (said, socket, _) = feed(WebSocket::with_deflate(), bytes.chunks(100_000), 1_200_000);
    assert_eq!(said, [wrong(InflateError::TooBig)]);
    assert!(socket.is_idle());
}

/// Text that compresses as text does.
fn sentences(len: usize) -> Vec<u8> {
    let words = ["the", "server", "tells", "a", "client", "what", "another", "has", "said", "of", "groups"];
    let mut state = 1u32;
    let mut text = Vec::new();
    while text.len() < len {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.extend_from_slice(words[(state >> 16) as usize % words.len()].as_bytes());
        text.push(b' ');
    }
    text.truncate(len);
    text
}

/// Bytes that do not compress.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..len).map(|_| byte()).collect()
}

#[test]
fn frames_are_compressed_if_it_is_worth_it() {
    let mut deflater = Deflater::new(6);
    let message = sentences(1_024);
    let text = std::str::from_utf8(&message).unwrap();
    for (frame, first) in [(Frame::text(text), 0xc1), (Frame::binary(&message), 0xc2)] {
        let compressed = deflater.frame_if_worth(&frame, 1_024).unwrap();
        assert_eq!(compressed[0], first);
        assert!(compressed.len() < frame.len() / 2);
        let size = if compressed[1] == 126 { 4 } else { 2 };
        assert_eq!(inflate(&compressed[size..]).unwrap(), message);
        // The same bytes whenever it is done: nothing is remembered.
        assert_eq!(deflater.frame_if_worth(&frame, 0), Some(compressed.clone()));
        assert_eq!(with_thread(6, |deflater| deflater.frame_if_worth(&frame, 1)), Some(compressed.clone()));
        assert_eq!(deflater.frame_if_worth(&frame, 1_025), None, "it is shorter than the threshold");
        assert_eq!(deflater.frame_if_worth(&compressed, 0), None, "once is enough");
        let two = Frame::from_bytes([&frame[..], &frame[..]].concat());
        assert_eq!(deflater.frame_if_worth(&two, 0), None, "two frames are not one");
        assert_eq!(deflater.frame_if_worth(&Frame::from_bytes(&frame[..frame.len() - 1]), 0), None);
    }
    for len in [0, 1, 100, 70_000] {
        assert_eq!(deflater.frame_if_worth(&Frame::binary(&noise(len)), 0), None, "{len} bytes of noise");
        assert!(deflater.frame_if_worth(&Frame::binary(&sentences(70_000)), 0).is_some());
    }
    assert_eq!(deflater.frame_if_worth(&encode_close(1000, &"a".repeat(123)), 0), None, "a control frame");
    let http = Frame::from_bytes(*b"HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(deflater.frame_if_worth(&http, 0), None);
    assert_eq!(deflater.frame_if_worth(&Frame::from_bytes([]), 0), None);
    assert_eq!(deflater.frame_if_worth(&Frame::from_bytes([0x81]), 0), None);
    assert_eq!(deflater.frame_if_worth(&Frame::from_bytes([0x81, 127, 0]), 0), None);
}

#[test]
fn frames_say_what_they_carry() {
    for len in [0, 1, 125, 126, 65_535, 65_536] {
        let bytes = vec![b'x'; len];
        let text = std::str::from_utf8(&bytes).unwrap();
        assert_eq!(Frame::text(text).message(), Some((Opcode::Text, &bytes[..])));
        assert_eq!(Frame::binary(&bytes).message(), Some((Opcode::Binary, &bytes[..])));
    }
}

#[test]
fn a_message_no_longer_than_a_window_needs_no_larger_one() {
    for bits in 9..=14 {
        let half = noise(1 << (bits - 1));
        // The second half refers to the first one, as far back as such a message can.
        let message = [&half[..], &half[..]].concat();
        let payload = Deflater::new(9).deflate(&message).unwrap().to_vec();
        assert!(payload.len() < half.len() + 200);
        let mut inflater = Decompress::new_with_window_bits(false, bits);
        let (mut out, mut input) = (Vec::new(), &payload[..]);
        // With room for a few bytes only, all that it can look back at is its window.
        while out.len() < message.len() {
            let mut few = Vec::with_capacity(7);
            let before = inflater.total_in();
            inflater.decompress_vec(input, &mut few, FlushDecompress::None).unwrap();
            input = &input[(inflater.total_in() - before) as usize..];
            assert!(!few.is_empty());
            out.extend(few);
        }
        assert_eq!(out, message);
    }
}

#[test]
fn an_inflater_serves_one_connection_after_another() {
    let mut inflater = Inflater::new();
    let mut sockets = [WebSocket::with_deflate(), WebSocket::with_deflate()];
    // Both are in the middle of a message at the same time.
    for part in [frame(BEGIN_TEXT, &HELLO[..3]), frame(CONTINUE, &HELLO[3..5]), frame(LAST, &HELLO[5..])] {
        let last = part[0] == LAST;
        for socket in &mut sockets {
            let mut bytes = part.clone();
            let mut input = &mut bytes[..];
            let event = socket.next(&mut input, MAX, &mut inflater).unwrap();
            assert_eq!(event, last.then_some(Event::Text("Hello")));
            assert_eq!(socket.next(&mut input, MAX, &mut inflater), Ok(None));
            assert_eq!(socket.is_idle(), last);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_deflated_is_inflated(
        messages in prop::collection::vec((0usize..20_000, 0usize..300, 0u8..=10), 1..4),
    ) {
        let mut inflater = Inflater::new();
        for (len, noisy, level) in messages {
            let message = [sentences(len), noise(noisy), sentences(len / 2)].concat();
            let mut deflater = Deflater::new(level);
            for _ in 0..2 {
                if let Some(payload) = deflater.deflate(&message) {
                    prop_assert!(payload.len() < message.len());
                    prop_assert_eq!(inflater.inflate(payload, message.len()), Ok(&message[..]));
                    prop_assert_eq!(
                        inflater.inflate(payload, message.len() - 1),
                        Err(InflateError::TooBig)
                    );
                } else {
                    prop_assert!(len < 200, "sentences become shorter");
                }
            }
        }
    }

    #[test]
    fn no_stream_causes_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        max in 0usize..5_000,
    ) {
        let mut inflater = Inflater::new();
        let mut check = |payload: &[u8]| {
            let result = inflater.inflate(payload, max).map(<[u8]>::to_vec);
            prop_assert!(result.as_ref().is_ok_and(|message| message.len() <= max) || result.is_err());
            // And the same again.
            prop_assert_eq!(inflater.inflate(payload, max).map(<[u8]>::to_vec), result);
            Ok(())
        };
        check(&bytes)?;
        let mut payload = Deflater::new(6).deflate(&sentences(2_000)).unwrap().to_vec();
        for (at, byte) in flips {
            let at = at.index(payload.len());
            payload[at] ^= byte;
        }
        check(&payload)?;
    }

    #[test]
    fn no_bytes_cause_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), piece in 1usize..20) {
        let whole = feed(WebSocket::with_deflate(), [&bytes[..]], MAX).0;
        prop_assert_eq!(feed(WebSocket::with_deflate(), bytes.chunks(piece), MAX).0, whole);
    }
}
