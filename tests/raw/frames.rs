//! Frames for the gateway, good or not, and what is to come of them.

use super::{Got, Raw, Rest, Server, frame, upgrade_with};

/// What the memory of the process may grow by over a whole group of cases, in bytes.
pub(crate) const SLACK: u64 = 4 << 20;

pub(crate) const TEXT: u8 = 0x81;
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8a;
/// A frame that is not the last of its message.
pub(crate) const BEGIN_TEXT: u8 = 0x01;
pub(crate) const BEGIN_BINARY: u8 = 0x02;
pub(crate) const CONTINUE: u8 = 0x00;
pub(crate) const LAST: u8 = 0x80;

/// What a message that the gateway answers with a heartbeat looks like, and how the answer begins.
pub(crate) const BEAT: &[u8] = br#"{"msgId":1,"mode":1}"#;
pub(crate) const BEATEN: &str = r#"{"msgId":1,"mode":1,"code":0,"time":"#;

/// What is to come of some frames, in order.
pub(crate) enum Then {
    /// A close frame with this code, and the end.
    Closed(u16),
    /// A close frame without a code, and the end.
    ClosedBare,
    /// So many heartbeats, and then the connection still lives.
    Beats(usize),
    /// So many heartbeats, then a close frame with this code, and the end.
    BeatsThenClosed(usize, u16),
    /// A pong with this payload, so many heartbeats, and then the connection still lives.
    PongThenBeats(&'static [u8], usize),
    /// The gateway's error 400, and then the connection still lives.
    Fault,
}
use Then::{Beats, BeatsThenClosed, Closed, ClosedBare, Fault, PongThenBeats};

pub(crate) type Case<'a> = (&'a str, Vec<u8>, Then);

/// Every case in one piece, and again a byte at a time if it is short.
pub(crate) fn run(cases: Vec<Case<'_>>) {
    run_with("", "", cases);
}

/// The same with this configuration, and with these header lines in the handshake.
pub(crate) fn run_with(config: &str, more: &str, cases: Vec<Case<'_>>) {
    let server = Server::start(2, config);
    let rest = Rest::of(&server, SLACK);
    for (name, bytes, then) in cases {
        for piecemeal in [false, true] {
            if piecemeal && bytes.len() > 300 {
                continue;
            }
            let mut raw = upgrade_with(server.connect(), "bizCode=d&clientId=hostile", more);
            let piece = if piecemeal { 1 } else { bytes.len().max(1) };
            bytes.chunks(piece).for_each(|piece| raw.send(piece));
            check(&mut raw, &then, name);
            drop(raw);
            rest.check(&server, name);
        }
    }
}

pub(crate) fn check(raw: &mut Raw, then: &Then, name: &str) {
    let beats = |raw: &mut Raw, count: usize| {
        for _ in 0..count {
            let got = raw.frame();
            assert!(matches!(&got, Got::Text(text) if text.starts_with(BEATEN)), "{name}: {got:?}");
        }
    };
    let closed = |raw: &mut Raw, code: Option<u16>| {
        let got = raw.frame();
        assert!(matches!(&got, Got::Close(said, _) if *said == code), "{name}: {got:?}, not {code:?}");
        // It may be this side's turn to answer; if not, nobody minds.
        raw.send(&frame(CLOSE, b""));
        raw.expect_end(name);
    };
    match then {
        Closed(code) => return closed(raw, Some(*code)),
        ClosedBare => return closed(raw, None),
        BeatsThenClosed(count, code) => {
            beats(raw, *count);
            return closed(raw, Some(*code));
        }
        Beats(count) => beats(raw, *count),
        PongThenBeats(payload, count) => {
            assert_eq!(raw.frame(), Got::Pong(payload.to_vec()), "{name}");
            beats(raw, *count);
        }
        Fault => {
            let got = raw.frame();
            assert!(matches!(&got, Got::Text(text) if text.contains("\"code\":400")), "{name}: {got:?}");
        }
    }
    raw.heartbeat(name);
    raw.say_goodbye(name);
}

pub(crate) fn frames(frames: &[(u8, &[u8])]) -> Vec<u8> {
    frames.iter().flat_map(|(first, payload)| frame(*first, payload)).collect()
}

/// A close frame's payload.
pub(crate) fn code(code: u16, reason: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes(), reason].concat()
}
