//! What a session says about bytes, however they are cut.
// Every test program uses another part of it.
#![allow(dead_code)]

use fanfare::session::websocket::{Event, WebSocket, WsError};
use fanfare::wire::deflate::Inflater;

pub(crate) const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// An event that owns what it says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    Wrong(WsError),
}

fn own(event: Event<'_>) -> Said {
    match event {
        Event::Text(text) => Said::Text(text.to_string()),
        Event::Binary(bytes) => Said::Binary(bytes.to_vec()),
        Event::Ping(bytes) => Said::Ping(bytes.to_vec()),
        Event::Pong(bytes) => Said::Pong(bytes.to_vec()),
        Event::Close { code, reason } => Said::Close(code, reason.to_string()),
    }
}

/// Feeds the pieces; everything said, the error last, and the piece that had it.
pub(crate) fn feed<'a>(
    mut socket: WebSocket,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    max: usize,
) -> (Vec<Said>, WebSocket, usize) {
    let mut inflater = Inflater::new();
    let mut said = Vec::new();
    for (i, piece) in pieces.into_iter().enumerate() {
        let mut bytes = piece.to_vec();
        let mut input = &mut bytes[..];
        loop {
            match socket.next(&mut input, max, &mut inflater) {
                Ok(Some(event)) => said.push(own(event)),
                Ok(None) => break,
                Err(error) => {
                    said.push(Said::Wrong(error));
                    return (said, socket, i);
                }
            }
        }
        assert!(input.is_empty(), "None means that the input is used up");
    }
    (said, socket, usize::MAX)
}

/// Whole, cut at every byte, and byte by byte.
pub(crate) fn check(session: impl Fn() -> WebSocket, bytes: &[u8], max: usize, expected: &[Said]) {
    let (said, socket, _) = feed(session(), [bytes], max);
    assert_eq!(said, expected, "whole: {bytes:x?}");
    if !matches!(expected.last(), Some(Said::Wrong(_))) {
        assert!(socket.is_idle(), "nothing is incomplete, so nothing is owned");
    }
    for cut in 0..=bytes.len() {
        let (said, ..) = feed(session(), [&bytes[..cut], &bytes[cut..]], max);
        assert_eq!(said, expected, "cut at {cut}: {bytes:x?}");
    }
    let (said, ..) = feed(session(), bytes.chunks(1), max);
    assert_eq!(said, expected, "byte by byte: {bytes:x?}");
}

/// A frame written out by hand, so that rules can be broken: first byte, then a payload under 126.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first, 0x80 | u8::try_from(payload.len()).unwrap()];
    out.extend_from_slice(&MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    out
}

pub(crate) fn text(s: &str) -> Said {
    Said::Text(s.to_string())
}
