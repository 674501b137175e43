//! Hostile compressed messages, and offers of compression: after each of these a good client is served by the same
//! process, which weighs what it did and has no descriptor more.

mod raw;
mod support;

use flate2::{Compress, Compression, FlushCompress};
use raw::frames::Then::{Beats, BeatsThenClosed, Closed, Fault, PongThenBeats};
use raw::frames::*;
use raw::{Got, Raw, Rest, Server, announcing, frame, upgrade_head, upgrade_with};

/// The bit that says that a message is compressed.
const RSV1: u8 = 0x40;

/// What makes the server take compressed messages, and the client offer them.
const ON: &str = "[ws]\ncompression = true\n";
const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";

/// A compressed payload.
fn deflated(message: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(message.len() + 100);
    let mut state = Compress::new(Compression::best(), false);
    state.compress_vec(message, &mut payload, FlushCompress::Sync).unwrap();
    payload.truncate(payload.len() - 4);
    payload
}

/// A payload out of blocks without compression, each so long.
fn stored(message: &[u8], block: usize) -> Vec<u8> {
    let blocks = message.chunks(block).flat_map(|bytes| {
        let length = bytes.len() as u16;
        [&[0][..], &length.to_le_bytes(), &(!length).to_le_bytes(), bytes].concat()
    });
    blocks.chain([0]).collect()
}

/// A payload of so many megabytes of blanks.
fn blanks(megabytes: usize) -> Vec<u8> {
    let (blanks, mut payload) = (vec![b' '; 1 << 20], Vec::with_capacity(1 << 16));
    let mut state = Compress::new(Compression::best(), false);
    state.compress_vec(&blanks, &mut payload, FlushCompress::Sync).unwrap();
    let first = payload.len();
    state.compress_vec(&blanks, &mut payload, FlushCompress::Sync).unwrap();
    // What refers to a megabyte of blanks may do so again and again.
    let again = payload.split_off(first);
    (1..megabytes).for_each(|_| payload.extend_from_slice(&again));
    payload.truncate(payload.len() - 4);
    payload
}

#[test]
fn compressed_messages() {
    let beat = deflated(BEAT);
    let (front, back) = beat.split_at(beat.len() / 2);
    let big = deflated(&[BEAT, &[b' '; 990_000][..]].concat());
    let cut = &beat[..beat.len() - 3];
    let final_beat = |last: bool| {
        let mut block = stored(BEAT, 100);
        block[0] = u8::from(last);
        block
    };
    run_with(
        ON,
        OFFER,
        vec![
            ("good", frame(TEXT | RSV1, &beat), Beats(1)),
            (
                "good and plain",
                [frame(TEXT, BEAT), frame(TEXT | RSV1, &beat), frame(TEXT, BEAT)].concat(),
                Beats(3),
            ),
            ("two fragments", frames(&[(BEGIN_TEXT | RSV1, front), (LAST, back)]), Beats(1)),
            (
                "a ping between",
                frames(&[(BEGIN_TEXT | RSV1, front), (PING, b"!"), (LAST, back)]),
                PongThenBeats(b"!", 1),
            ),
            (
                "100,000 empty fragments",
                [frame(BEGIN_TEXT | RSV1, front), frame(CONTINUE, b"").repeat(100_000), frame(LAST, back)]
                    .concat(),
                Beats(1),
            ),
            ("990,000 blanks behind", frame(TEXT | RSV1, &big), Beats(1)),
            ("the same twice", frame(TEXT | RSV1, &big).repeat(2), Beats(2)),
            ("without compression in it", frame(TEXT | RSV1, &stored(BEAT, 100)), Beats(1)),
            ("a block for every byte", frame(TEXT | RSV1, &stored(BEAT, 1)), Beats(1)),
            ("a final block", frame(TEXT | RSV1, &final_beat(true)), Beats(1)),
            (
                "a final block, its end missing",
                frame(TEXT | RSV1, &final_beat(true)[..BEAT.len() + 5]),
                Beats(1),
            ),
            (
                "a block that is not final, its end missing",
                frame(TEXT | RSV1, &final_beat(false)[..BEAT.len() + 5]),
                Closed(1007),
            ),
            (
                "100,000 empty blocks",
                frame(TEXT | RSV1, &[[0, 0, 0, 0xff, 0xff].repeat(100_000), beat.clone()].concat()),
                Beats(1),
            ),
            (
                "100,000 empty final blocks",
                frame(TEXT | RSV1, &[[3, 0].repeat(100_000), beat.clone()].concat()),
                Beats(1),
            ),
            ("empty", frame(TEXT | RSV1, &[0]), Fault),
            (
                "the bit on a continuation",
                frames(&[(BEGIN_TEXT | RSV1, front), (LAST | RSV1, back)]),
                Closed(1002),
            ),
            (
                "the bit on a continuation only",
                frames(&[(BEGIN_TEXT, b"{"), (LAST | RSV1, b"}")]),
                Closed(1002),
            ),
            (
                "the bit on the third fragment",
                frames(&[(BEGIN_TEXT | RSV1, front), (CONTINUE, back), (LAST | RSV1, b"")]),
                Closed(1002),
            ),
            ("the bit on a ping", frame(PING | RSV1, b""), Closed(1002)),
            ("the bit on a pong", frame(PONG | RSV1, b""), Closed(1002)),
            ("the bit on a close", frame(CLOSE | RSV1, &code(1000, b"")), Closed(1002)),
            ("another bit too", frame(TEXT | RSV1 | 0x20, &beat), Closed(1002)),
            ("a reserved opcode", frame(0x83 | RSV1, &beat), Closed(1002)),
            (
                "good before bad",
                [frame(TEXT | RSV1, &beat), frame(TEXT | 0x20, &beat)].concat(),
                BeatsThenClosed(1, 1002),
            ),
            ("text inside text", frames(&[(BEGIN_TEXT | RSV1, front), (TEXT | RSV1, &beat)]), Closed(1002)),
            ("binary", frame(BINARY | RSV1, &beat), Closed(1003)),
            ("cut", frame(TEXT | RSV1, cut), Closed(1007)),
            ("cut, in fragments", frames(&[(BEGIN_TEXT | RSV1, cut), (LAST, b"")]), Closed(1007)),
            ("not compressed", frame(TEXT | RSV1, BEAT), Closed(1007)),
            ("zlib's header", frame(TEXT | RSV1, &[&[0x78, 0x9c], &beat[..]].concat()), Closed(1007)),
            (
                "a preset dictionary",
                frame(TEXT | RSV1, &[&[0x78, 0xbb, 1, 2, 3, 4], &beat[..]].concat()),
                Closed(1007),
            ),
            ("a block of the reserved kind", frame(TEXT | RSV1, &[0x06, 0x00]), Closed(1007)),
            ("nonsense", frame(TEXT | RSV1, &[0xff; 50_000]), Closed(1007)),
            ("back beyond the beginning", frame(TEXT | RSV1, &[0xf2, 0x00, 0x11, 0x00, 0x00]), Closed(1007)),
            (
                "back into the message before",
                [frame(TEXT | RSV1, &beat), frame(TEXT | RSV1, &[0xf2, 0x00, 0x11, 0x00, 0x00])].concat(),
                BeatsThenClosed(1, 1007),
            ),
            ("no UTF-8 in it", frame(TEXT | RSV1, &deflated(b"{\"msgId\":\"\xff\"}")), Closed(1007)),
            ("one over the limit", frame(TEXT | RSV1, &deflated(&[b' '; 1_000_001])), Closed(1009)),
            ("100 MB", frame(TEXT | RSV1, &blanks(100)), Closed(1009)),
            ("a gigabyte", frame(TEXT | RSV1, &blanks(1_000)), Closed(1009)),
            (
                "a gigabyte in fragments",
                {
                    let all = blanks(1_000);
                    let (front, back) = all.split_at(500_000);
                    frames(&[(BEGIN_TEXT | RSV1, front), (PONG, b""), (LAST, back)])
                },
                Closed(1009),
            ),
            ("announced over the limit", announcing(TEXT | RSV1, 2_000_000), Closed(1009)),
            ("announced 2^62", announcing(TEXT | RSV1, 1 << 62), Closed(1009)),
            (
                "announced together over the limit",
                [frame(BEGIN_TEXT | RSV1, front), announcing(LAST, 2_000_000)].concat(),
                Closed(1009),
            ),
        ],
    );
    // Nobody offered it, or it is off.
    for (config, offer) in [(ON, ""), ("", OFFER)] {
        run_with(
            config,
            offer,
            vec![
                ("not agreed on", frame(TEXT | RSV1, &beat), Closed(1002)),
                ("not agreed on, in fragments", frame(BEGIN_TEXT | RSV1, front), Closed(1002)),
            ],
        );
    }
}

#[test]
fn messages_in_progress_cost_their_bytes() {
    let server = Server::start(2, ON);
    let rest = Rest::of(&server, SLACK);
    // Each is in the middle of a message that would be a gigabyte.
    let bomb = blanks(1_000);
    let before = server.weight();
    let raws: Vec<Raw> = (0..200)
        .map(|n| {
            let mut raw = upgrade_with(server.connect(), &format!("bizCode=d&clientId=c{n}"), OFFER);
            raw.send(&frame(BEGIN_TEXT | RSV1, &bomb[..1_000]));
            raw.send(&frame(PING, b"here"));
            assert_eq!(raw.frame(), Got::Pong(b"here".to_vec()));
            raw
        })
        .collect();
    let each = (server.weight() - before.min(server.weight())) / 200;
    assert!(each < 8 << 10, "{each} bytes for a thousand");
    drop(raws);
    rest.check(&server, "messages in progress");
}

#[test]
fn offers_of_compression() {
    let server = Server::start(2, ON);
    let rest = Rest::of(&server, SLACK);
    let long = |offer: &str| offer.repeat(15_000 / offer.len());
    for (offers, status) in [
        ("permessage-deflate".to_owned(), 101),
        ("permessage-deflate; __proto__".to_owned(), 101),
        ("permessage-deflate; server_max_window_bits=99".to_owned(), 101),
        ("permessage-deflate; client_max_window_bits=-7".to_owned(), 101),
        ("permessage-deflate; client_max_window_bits=08".to_owned(), 101),
        (long("permessage-deflate; __proto__, "), 101),
        (format!("permessage-deflate{}", long("; client_max_window_bits")), 101),
        (long(","), 101),
        (long("permessage-deflate; a=\"\\b\", "), 101),
        ("permessage-deflate; a=\"b".to_owned(), 400),
        ("permessage-deflate;".to_owned(), 400),
        ("permessage-deflate; \"\"".to_owned(), 400),
        (long("\""), 400),
        ("permessage-deflate, ".repeat(10_000), 431),
    ] {
        let name = &offers[..offers.len().min(60)];
        let mut raw = server.connect();
        let more = format!("Sec-WebSocket-Extensions: {offers}\r\n");
        raw.send(upgrade_head("bizCode=d&clientId=offers", &more).as_bytes());
        assert_eq!(raw.answer().map(|answer| answer.status), Some(status), "{name}");
        if status == 101 {
            raw.heartbeat(name);
            raw.say_goodbye(name);
        } else {
            raw.expect_end(name);
        }
        drop(raw);
        rest.check(&server, name);
    }
}
