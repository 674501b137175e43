//! WebSocket frames through a session: examples of RFC 6455 and every rule of its sections 5 to 8, each
//! in one piece, cut in two at every byte, and byte by byte. All three must tell the same story.

mod said;

use fanfare::session::websocket::{Event, WebSocket, WsError};
use fanfare::wire::deflate::Inflater;
use fanfare::wire::frame::{Opcode, encode_masked, encode_masked_part};
use fanfare::wire::header::HeaderError;
use proptest::prelude::*;
use said::{MASK, Said, frame, text};

const MAX: usize = 100_000;

fn feed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, max: usize) -> (Vec<Said>, WebSocket, usize) {
    said::feed(WebSocket::new(), pieces, max)
}

fn check_within(bytes: &[u8], max: usize, expected: &[Said]) {
    said::check(WebSocket::new, bytes, max, expected);
}

fn check(bytes: &[u8], expected: &[Said]) {
    check_within(bytes, MAX, expected);
}

#[test]
fn examples_of_section_5_7() {
    check(&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58], &[text("Hello")]);
    check(
        &[0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58],
        &[Said::Pong(b"Hello".to_vec())],
    );
    // The fragmented text, masked because a client sends it.
    check(&[frame(0x01, b"Hel"), frame(0x80, b"lo")].concat(), &[text("Hello")]);
    check(&frame(0x89, b"Hello"), &[Said::Ping(b"Hello".to_vec())]);
    let mut out = Vec::new();
    encode_masked(Opcode::Binary, &[9; 256], MASK, &mut out);
    assert_eq!(out[..4], [0x82, 0xfe, 0x01, 0x00]);
    check(&out, &[Said::Binary(vec![9; 256])]);
}

#[test]
fn long_lengths() {
    for len in [125, 126, 65535, 65536] {
        let mut out = Vec::new();
        encode_masked(Opcode::Binary, &vec![b'x'; len], MASK, &mut out);
        let expected = [Said::Binary(vec![b'x'; len])];
        for cut in (0..20).chain([out.len() / 2, out.len() - 1, out.len()]) {
            assert_eq!(feed([&out[..cut], &out[cut..]], MAX).0, expected);
        }
        assert_eq!(feed(out.chunks(4096), MAX).0, expected);
    }
}

#[test]
fn control_frames_between_fragments() {
    let bytes = [
        frame(0x01, "aé".as_bytes()),
        frame(0x89, b"one"),
        frame(0x00, b""),
        frame(0x8a, b""),
        frame(0x00, b"b"),
        frame(0x89, &[0xff; 125]),
        frame(0x80, b""),
        frame(0x82, b"\xff\x00"),
    ]
    .concat();
    check(
        &bytes,
        &[
            Said::Ping(b"one".to_vec()),
            Said::Pong(vec![]),
            Said::Ping(vec![0xff; 125]),
            text("aéb"),
            Said::Binary(vec![0xff, 0]),
        ],
    );
    check(&[frame(0x02, b""), frame(0x80, b"")].concat(), &[Said::Binary(vec![])]);
    check(&[frame(0x81, b""), frame(0x89, b"")].concat(), &[text(""), Said::Ping(vec![])]);
}

#[test]
fn wrong_headers() {
    use HeaderError::*;
    let wrong = |error| [text("ok"), Said::Wrong(WsError::Header(error))];
    let after_ok = |bytes: &[u8]| [&frame(0x81, b"ok")[..], bytes].concat();
    for bit in [0x10, 0x20, 0x40] {
        check(&after_ok(&frame(0x81 | bit, b"x")), &wrong(ReservedBits));
    }
    for opcode in [3, 7, 0xb, 0xf] {
        check(&after_ok(&frame(0x80 | opcode, b"x")), &wrong(ReservedOpcode));
    }
    check(&after_ok(b"\x81\x05Hello"), &wrong(Unmasked));
    check(&after_ok(b"\x89\x00"), &wrong(Unmasked));
    for control in [0x8, 0x9, 0xa] {
        check(&after_ok(&frame(control, b"")), &wrong(ControlFragmented));
        let long = [&[0x80 | control, 0xfe, 0, 126][..], &MASK, &[0; 126]].concat();
        check(&after_ok(&long), &wrong(ControlTooLong));
    }
    check(&after_ok(&[&[0x82, 0xfe, 0, 125][..], &MASK].concat()), &wrong(LengthNotMinimal));
    let long = |n: u64| [&[0x82, 0xff][..], &n.to_be_bytes(), &MASK].concat();
    check(&after_ok(&long(65535)), &wrong(LengthNotMinimal));
    check(&after_ok(&long(1 << 63)), &wrong(LengthOverflow));
    check(&after_ok(&long(1 << 31)), &wrong(TooBig));
    check(&after_ok(&long((1 << 63) - 1)), &wrong(TooBig));
    assert_eq!(WsError::Header(TooBig).close_code(), 1009);
    for error in [ReservedBits, ReservedOpcode, Unmasked, ControlFragmented, ControlTooLong] {
        assert_eq!(WsError::Header(error).close_code(), 1002);
    }
}

#[test]
fn messages_over_the_limit() {
    let big = Said::Wrong(WsError::Header(HeaderError::TooBig));
    check_within(&frame(0x82, &[1; 10]), 10, &[Said::Binary(vec![1; 10])]);
    check_within(&frame(0x82, &[1; 11]), 10, std::slice::from_ref(&big));
    // The pieces add up; a carried beginning of a character counts too.
    let split = |first: &[u8], rest: &[u8]| [frame(0x01, first), frame(0x80, rest)].concat();
    check_within(&split(b"123456", b"7890"), 10, &[text("1234567890")]);
    check_within(&split(b"123456", b"78901"), 10, std::slice::from_ref(&big));
    check_within(
        &split(b"1234567\xe2\x82", b"\xac8"),
        10,
        &[Said::Wrong(WsError::Header(HeaderError::TooBig))],
    );
    check_within(&split(b"123456\xe2\x82", b"\xac8"), 10, &[text("123456€8")]);
    // Lengths whose sum overflows.
    let huge = [&[0x80, 0xff][..], &((1u64 << 63) - 1).to_be_bytes(), &MASK].concat();
    check(&[frame(0x01, b"x"), huge].concat(), std::slice::from_ref(&big));
    // Control frames have a limit of their own, and each message starts anew.
    let pings = [frame(0x02, &[1; 9]), frame(0x89, &[2; 100]), frame(0x80, &[1]), frame(0x82, &[3; 10])];
    check_within(
        &pings.concat(),
        10,
        &[Said::Ping(vec![2; 100]), Said::Binary(vec![1; 10]), Said::Binary(vec![3; 10])],
    );
}

#[test]
fn order_of_frames() {
    check(&frame(0x80, b"x"), &[Said::Wrong(WsError::NothingToContinue)]);
    check(&frame(0x00, b""), &[Said::Wrong(WsError::NothingToContinue)]);
    check(
        &[frame(0x01, b"a"), frame(0x80, b"b"), frame(0x80, b"c")].concat(),
        &[text("ab"), Said::Wrong(WsError::NothingToContinue)],
    );
    for first in [0x81, 0x82, 0x01, 0x02] {
        let bytes = [frame(0x01, b"a"), frame(first, b"b")].concat();
        check(&bytes, &[Said::Wrong(WsError::Interrupted)]);
    }
    assert_eq!(WsError::NothingToContinue.close_code(), 1002);
    assert_eq!(WsError::Interrupted.close_code(), 1002);
}

#[test]
fn text_must_be_utf8() {
    let wrong = [Said::Wrong(WsError::InvalidText)];
    let bad: &[&[u8]] = &[b"\xff", b"a\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf", b"\xe2\x82"];
    for bytes in bad {
        check(&frame(0x81, bytes), &wrong);
        for cut in 0..=bytes.len() {
            check(&[frame(0x01, &bytes[..cut]), frame(0x80, &bytes[cut..])].concat(), &wrong);
        }
        check(&frame(0x82, bytes), &[Said::Binary(bytes.to_vec())]);
    }
    let good = "κόσμε😀".as_bytes();
    for cut in 0..=good.len() {
        let bytes = [frame(0x01, &good[..cut]), frame(0x89, b""), frame(0x80, &good[cut..])].concat();
        check(&bytes, &[Said::Ping(vec![]), text("κόσμε😀")]);
    }
    assert_eq!(WsError::InvalidText.close_code(), 1007);
}

#[test]
fn text_fails_at_the_first_bad_byte() {
    // The payload of section 8.1's concern: valid, then a surrogate, then bytes that need not be awaited.
    let payload = b"\xce\xba\xed\xa0\x80edited";
    let bytes = frame(0x01, payload);
    let (said, _, piece) = feed(bytes.chunks(1), MAX);
    assert_eq!(said, [Said::Wrong(WsError::InvalidText)]);
    assert_eq!(piece, 6 + 3, "the a0 decides, long before the frame ends");
}

#[test]
fn closing() {
    let close = |payload: &[u8]| frame(0x88, payload);
    let coded = |code: u16, reason: &[u8]| close(&[&code.to_be_bytes()[..], reason].concat());
    check(&close(b""), &[Said::Close(None, String::new())]);
    check(&close(b"\x03"), &[Said::Wrong(WsError::CloseTooShort)]);
    for code in
        [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
    {
        check(&coded(code, b"why"), &[Said::Close(Some(code), "why".to_string())]);
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        check(&coded(code, b""), &[Said::Wrong(WsError::CloseCode(code))]);
        assert_eq!(WsError::CloseCode(code).close_code(), 1002);
    }
    check(&coded(1000, b"\xce\xff"), &[Said::Wrong(WsError::InvalidReason)]);
    check(&coded(1000, b"\xe2\x82"), &[Said::Wrong(WsError::InvalidReason)]);
    assert_eq!(WsError::InvalidReason.close_code(), 1007);
    assert_eq!(WsError::CloseTooShort.close_code(), 1002);
    check(&coded(1000, &[b'r'; 123]), &[Said::Close(Some(1000), "r".repeat(123))]);
    // In the middle of a message, and with anything behind it.
    let bytes = [frame(0x01, b"a"), coded(1001, b""), frame(0x80, b"b"), frame(0x81, b"c"), vec![0xff; 9]];
    check(&bytes.concat(), &[Said::Close(Some(1001), String::new())]);
}

#[test]
fn after_an_error_nothing_is_heard() {
    let (mut socket, mut inflater) = (WebSocket::new(), Inflater::new());
    let mut bytes = [frame(0x01, b"a"), frame(0x81, b"b"), frame(0x81, b"c")].concat();
    let mut input = &mut bytes[..];
    assert_eq!(socket.next(&mut input, MAX, &mut inflater), Err(WsError::Interrupted));
    assert_eq!(socket.next(&mut input, MAX, &mut inflater), Ok(None));
    assert!(input.is_empty() && socket.is_idle());
}

#[test]
fn sixty_five_thousand_fragments() {
    let mut bytes = frame(0x01, b"");
    for _ in 0..65_536 {
        bytes.extend(frame(0x00, b"x"));
        bytes.extend(frame(0x00, b""));
    }
    bytes.extend(frame(0x80, b"!"));
    let expected = [text(&("x".repeat(65_536) + "!"))];
    assert_eq!(feed([&bytes[..]], MAX).0, expected);
    assert_eq!(feed(bytes.chunks(7), MAX).0, expected);
}

#[test]
fn a_message_in_the_input_is_lent_from_it() {
    let mut bytes = [frame(0x81, b"one"), frame(0x82, b"two")].concat();
    let range = bytes.as_ptr_range();
    let (mut socket, mut inflater) = (WebSocket::new(), Inflater::new());
    let mut input = &mut bytes[..];
    while let Some(event) = socket.next(&mut input, MAX, &mut inflater).unwrap() {
        let at = match event {
            Event::Text(text) => text.as_ptr(),
            Event::Binary(bytes) => bytes.as_ptr(),
            other => panic!("{other:?}"),
        };
        assert!(range.contains(&at));
        assert!(socket.is_idle());
    }
}

/// A random message, its cuts, and whether a ping stands between its pieces.
fn message() -> impl Strategy<Value = (bool, String, Vec<prop::sample::Index>, bool)> {
    (any::<bool>(), "\\PC{0,60}", prop::collection::vec(any::<prop::sample::Index>(), 0..4), any::<bool>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_sent_is_said(
        messages in prop::collection::vec(message(), 0..8),
        mask in any::<[u8; 4]>(),
        piece in 1usize..50,
    ) {
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        for (is_text, payload, cuts, ping) in messages {
            let payload = payload.as_bytes();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
            cuts.sort_unstable();
            cuts.push(payload.len());
            let last = cuts.len() - 1;
            let mut from = 0;
            for (i, to) in cuts.into_iter().enumerate() {
                let opcode = if is_text { Opcode::Text } else { Opcode::Binary };
                encode_masked_part((i == 0).then_some(opcode), i == last, &payload[from..to], mask, &mut bytes);
                from = to;
                if ping && i < last {
                    encode_masked(Opcode::Ping, &mask, mask, &mut bytes);
                    expected.push(Said::Ping(mask.to_vec()));
                }
            }
            expected.push(if is_text {
                Said::Text(String::from_utf8(payload.to_vec()).unwrap())
            } else {
                Said::Binary(payload.to_vec())
            });
        }
        prop_assert_eq!(&feed([&bytes[..]], MAX).0, &expected);
        let (said, socket, _) = feed(bytes.chunks(piece), MAX);
        prop_assert_eq!(said, expected);
        prop_assert!(socket.is_idle());
    }

    #[test]
    fn no_bytes_cause_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), piece in 1usize..20) {
        let whole = feed([&bytes[..]], MAX).0;
        prop_assert_eq!(feed(bytes.chunks(piece), MAX).0, whole);
    }
}
