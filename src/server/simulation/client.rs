//! Clients: byte generators that speak in pieces, and readers that believe nothing.

use super::talk::{ROOMS, Talk};
use super::wires::{Dice, Pipe};
use crate::wire::frame::{Opcode, encode_masked_part};
use std::collections::VecDeque;

const CODES: [u16; 3] = [1000, 1001, 4_321];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    WebSocket,
    /// Asks over HTTP, several requests at once.
    Http,
    /// Never ends its request.
    Dribbler,
    /// The application does not want it.
    Unwanted,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    Handshake,
    Open,
    /// The server sent a close frame.
    Closed(Option<u16>),
    /// The server answered with something else than an upgrade.
    Answered(u16),
}

pub(super) struct Client {
    pub(super) n: usize,
    /// Its only connection.
    pub(super) pipe: usize,
    pub(super) kind: Kind,
    pub(super) stage: Stage,
    pub(super) talk: Talk,
    out: VecDeque<u8>,
    input: Vec<u8>,
    admitted: Vec<String>,
    pings: VecDeque<Vec<u8>>,
    answers: VecDeque<String>,
    pub(super) answered: usize,
    /// It reads nothing.
    pub(super) stalled: bool,
    /// And that for long.
    pub(super) was_away: bool,
    /// It does not answer a close frame.
    mute: bool,
    /// It said that it goes, or broke the protocol.
    pub(super) leaving: bool,
    pub(super) lost: bool,
    /// It is not decided at once whether it may come in.
    pub(super) is_kept_waiting: bool,
}

impl Client {
    pub(super) fn new(n: usize, pipe: usize, dice: &mut Dice) -> Client {
        let kind = match dice.below(20) {
            0 | 1 => Kind::Http,
            2 => Kind::Dribbler,
            3 => Kind::Unwanted,
            _ => Kind::WebSocket,
        };
        let scope = if kind == Kind::Http || dice.chance(75) { "d1" } else { "d2" };
        let mut client = Client {
            n,
            pipe,
            kind,
            talk: Talk::new(n, scope),
            stage: Stage::Handshake,
            out: VecDeque::new(),
            input: Vec::new(),
            admitted: Vec::new(),
            pings: VecDeque::new(),
            answers: VecDeque::new(),
            answered: 0,
            stalled: false,
            was_away: false,
            mute: dice.chance(10),
            leaving: false,
            lost: false,
            is_kept_waiting: false,
        };
        if kind == Kind::Http {
            client.stage = Stage::Open;
        } else {
            client.ask_to_enter(dice);
        }
        client
    }

    fn ask_to_enter(&mut self, dice: &mut Dice) {
        let groups: Vec<&str> = ROOMS[..3].iter().copied().filter(|_| dice.chance(30)).collect();
        let mut target = format!("/play?d={}&n=n{}&g={}", self.talk.scope, self.n, groups.join(","));
        self.admitted = groups.iter().map(|group| (*group).to_owned()).collect();
        self.admitted.push(format!("n{}", self.n));
        if dice.chance(70) {
            let user = format!("@{}", dice.below(5));
            target += &format!("&u={user}");
            self.admitted.push(user);
        }
        if self.kind == Kind::Unwanted {
            target += "&refuse=1";
        }
        if self.kind == Kind::WebSocket && dice.chance(30) {
            target += "&later=1";
            self.is_kept_waiting = true;
        }
        let mut request = format!(
            "GET {target} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        if self.kind == Kind::Dribbler {
            request.truncate(dice.below(request.len()));
        }
        self.out.extend(request.as_bytes());
    }

    /// Whether it may still be told something, and tells it to those who wonder.
    pub(super) fn is_well(&self) -> bool {
        self.stage == Stage::Open && !self.stalled && !self.leaving && !self.lost
    }

    pub(super) fn has_to_send(&self) -> bool {
        !self.out.is_empty()
    }

    // ---- speaking

    /// Says something or other.
    pub(super) fn speak(&mut self, dice: &mut Dice, gentle: bool) {
        if !self.is_well() {
            return;
        }
        if self.kind == Kind::Http {
            return self.request(dice);
        }
        match dice.below(100) {
            0..45 => {
                let word = if dice.chance(50) { "ask" } else { "pub" };
                let words = self.talk.publish(word, dice);
                self.say(&words, dice);
            }
            45..60 => {
                let words = self.talk.move_about(dice);
                self.say(&words, dice);
            }
            60..70 => {
                let payload = vec![b'p'; dice.below(126)];
                self.frame(Some(Opcode::Ping), true, &payload, dice);
                self.pings.push_back(payload);
            }
            70..80 => {
                let payload = self.talk.binary(dice);
                self.fragments(Opcode::Binary, &payload, dice);
            }
            80..83 if !gentle => self.leave(dice),
            83..85 if !gentle => self.say("close please", dice),
            85..87 if !gentle => self.misbehave(dice),
            87..91 if !gentle => self.stalled = true,
            _ => {}
        }
    }

    fn say(&mut self, text: &str, dice: &mut Dice) {
        self.fragments(Opcode::Text, text.as_bytes(), dice);
    }

    /// One message in one frame or in several, cut anywhere, with a ping in between.
    fn fragments(&mut self, opcode: Opcode, payload: &[u8], dice: &mut Dice) {
        let mut rest = payload;
        let mut first = Some(opcode);
        while dice.chance(25) {
            let (part, behind) = rest.split_at(dice.below(rest.len() + 1));
            self.frame(first.take(), false, part, dice);
            rest = behind;
            if dice.chance(20) {
                self.frame(Some(Opcode::Ping), true, b"in between", dice);
                self.pings.push_back(b"in between".to_vec());
            }
        }
        self.frame(first, true, rest, dice);
    }

    fn frame(&mut self, opcode: Option<Opcode>, fin: bool, payload: &[u8], dice: &mut Dice) {
        let mut bytes = Vec::new();
        encode_masked_part(opcode, fin, payload, (dice.next() as u32).to_ne_bytes(), &mut bytes);
        self.out.extend(bytes);
    }

    fn misbehave(&mut self, dice: &mut Dice) {
        let bad: [&[u8]; 7] = [
            b"\x81\x01x",
            b"\xC1\x80\0\0\0\0",
            b"\x81\x81\0\0\0\0\xFF",
            b"\x82\xFF\0\0\0\0\0\x01\0\0\0\0\0\0",
            b"\x80\x80\0\0\0\0",
            b"\x88\x82\0\0\0\0\x03\xED",
            b"\x88\x81\0\0\0\0\x03",
        ];
        self.out.extend(*dice.pick(&bad));
        self.leaving = true;
    }

    /// Goes, more or less politely.
    pub(super) fn leave(&mut self, dice: &mut Dice) {
        if self.leaving {
            return;
        }
        self.leaving = true;
        if self.kind == Kind::WebSocket && self.stage == Stage::Open && dice.chance(70) {
            let code = dice.pick(&CODES).to_be_bytes();
            let payload = if dice.chance(80) { &code[..] } else { &[] };
            self.frame(Some(Opcode::Close), true, payload, dice);
        } else {
            self.lost |= dice.chance(50);
        }
    }

    fn request(&mut self, dice: &mut Dice) {
        for _ in 0..dice.between(1, 3) {
            self.talk.number += 1;
            let (what, body) = if dice.chance(50) {
                ("sum", String::new())
            } else {
                ("publish", "z".repeat(dice.length(900)))
            };
            let (n, number, length) = (self.n, self.talk.number, body.len());
            let head = format!(
                "POST /q/{what}/{n}/{number} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
            );
            self.out.extend(head.as_bytes());
            self.out.extend(body.as_bytes());
            self.answers.push_back(format!("{what} {number} "));
        }
    }

    // ---- bytes

    /// Hands bytes to the pipe and takes some from it; what it took is returned.
    pub(super) fn transfer(&mut self, pipe: &mut Pipe, dice: &mut Dice, thorough: bool) -> Vec<u8> {
        if self.lost {
            pipe.broken = true;
            self.out.clear();
            return Vec::new();
        }
        let amount = |dice: &mut Dice| if thorough { usize::MAX } else { dice.length(2_000) };
        if pipe.server_done || pipe.client_done {
            self.out.clear();
        }
        let room = pipe.capacity - pipe.to_server.len().min(pipe.capacity);
        let count = self.out.len().min(room).min(amount(dice));
        pipe.to_server.extend(self.out.drain(..count));
        let polite = self.kind == Kind::WebSocket && self.stage == Stage::Open;
        if self.leaving && !polite && self.out.is_empty() && self.answers.is_empty() {
            pipe.client_done = true;
        }
        if self.stalled {
            return Vec::new();
        }
        let count = pipe.to_client.len().min(amount(dice));
        let bytes: Vec<u8> = pipe.to_client.drain(..count).collect();
        self.input.extend_from_slice(&bytes);
        self.read(dice);
        if pipe.server_done && pipe.to_client.is_empty() {
            // A real client closes when the server has.
            pipe.client_done = true;
        }
        bytes
    }

    fn read(&mut self, dice: &mut Dice) {
        loop {
            let used = match (&self.stage, self.kind) {
                (_, Kind::Http) => self.read_answer(),
                (Stage::Handshake, _) => self.read_handshake(),
                (Stage::Open, _) => self.read_frame(dice),
                _ => {
                    assert!(self.input.is_empty(), "{}: bytes behind the end: {:?}", self.n, self.input);
                    return;
                }
            };
            match used {
                Some(count) => drop(self.input.drain(..count)),
                None => return,
            }
        }
    }

    /// A head and a body that are whole, with the status.
    fn response(&self) -> Option<(u16, String, String, usize)> {
        let end = self.input.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(self.input[..end].to_vec()).unwrap();
        let status = head.strip_prefix("HTTP/1.1 ").expect("not an answer")[..3].parse().unwrap();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
        });
        let length: usize = length.unwrap_or(0);
        let body = self.input.get(end..end + length)?;
        Some((status, head, String::from_utf8(body.to_vec()).unwrap(), end + length))
    }

    fn read_handshake(&mut self) -> Option<usize> {
        let (status, head, _, used) = self.response()?;
        if status == 101 {
            assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
            assert_eq!(self.kind, Kind::WebSocket);
            self.stage = Stage::Open;
            self.talk.rooms = self.admitted.iter().cloned().collect();
        } else {
            self.stage = Stage::Answered(status);
        }
        Some(used)
    }

    fn read_answer(&mut self) -> Option<usize> {
        let (status, _, body, used) = self.response()?;
        if status == 408 || status == 503 {
            // It waited too long with the next request, or the server stops.
            self.answers.clear();
            self.leaving = true;
            return Some(used);
        }
        let expected = self.answers.pop_front().expect("an answer to nothing");
        assert!(status == 200 && body.starts_with(&expected), "{status} {body:?}, not {expected:?}");
        self.answered += 1;
        Some(used)
    }

    fn read_frame(&mut self, dice: &mut Dice) -> Option<usize> {
        let input = &self.input;
        let (first, second) = (*input.first()?, *input.get(1)?);
        assert!(first & 0xF0 == 0x80 && second & 0x80 == 0, "{}: no frame: {first:x} {second:x}", self.n);
        let (length, head) = match second {
            126 => (u16::from_be_bytes(input.get(2..4)?.try_into().unwrap()).into(), 4),
            127 => (u64::from_be_bytes(input.get(2..10)?.try_into().unwrap()) as usize, 10),
            short => (usize::from(short), 2),
        };
        let minimal = if length > 65_535 {
            10
        } else if length > 125 {
            4
        } else {
            2
        };
        assert_eq!(head, minimal, "a length that is not minimal");
        let payload = input.get(head..head + length)?.to_vec();
        match first & 0xF {
            1 => self.talk.heard(std::str::from_utf8(&payload).expect("a text that is none")),
            2 => self.talk.heard_binary(&payload),
            8 => {
                let code = payload.get(..2).map(|two| u16::from_be_bytes(two.try_into().unwrap()));
                self.stage = Stage::Closed(code);
                self.out.clear();
                if !self.leaving && !self.mute {
                    self.frame(Some(Opcode::Close), true, &payload, dice);
                }
            }
            10 => assert_eq!(Some(payload), self.pings.pop_front(), "{}: a wrong pong", self.n),
            other => panic!("opcode {other}"),
        }
        Some(head + length)
    }
}
