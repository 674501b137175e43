//! What comes in on the connections of a session: responses, payloads, frames, and ends.

use super::{Carrier, Message, Net, Purpose, State};
use crate::server::simulation::wires::Dice;
use crate::wire::engine::{BodyKind, PacketType, PayloadReader, from_binary, from_text};
use crate::wire::frame::{Opcode, encode_masked_part};

impl Carrier {
    pub(super) fn transfer(&mut self, at: usize, net: &mut Net<'_>) {
        let most = |dice: &mut Dice, thorough: bool| if thorough { usize::MAX } else { dice.length(2_000) };
        let (there, back) = (most(net.dice, net.thorough), most(net.dice, net.thorough));
        let line = &mut self.lines[at];
        if net.thorough || net.dice.chance(10) {
            line.out.extend(std::mem::take(&mut line.withheld));
        }
        let pipe = &mut net.pipes[line.pipe];
        if pipe.server_done || pipe.broken {
            line.out.clear();
            line.withheld.clear();
        }
        let room = pipe.capacity - pipe.to_server.len().min(pipe.capacity);
        pipe.to_server.extend(line.out.drain(..line.out.len().min(room).min(there)));
        let count = pipe.to_client.len().min(back);
        let bytes: Vec<u8> = pipe.to_client.drain(..count).collect();
        net.received += bytes.len();
        line.input.extend(bytes);
        if pipe.broken || pipe.server_done && pipe.to_client.is_empty() {
            pipe.client_done = true;
            line.ended = true;
        }
    }

    /// Reads one thing; whether there may be more.
    pub(super) fn read(&mut self, at: usize, net: &mut Net<'_>) -> bool {
        if self.is_over() {
            self.lines[at].input.clear();
        }
        let used = match self.lines[at].purpose {
            Purpose::Idle => None,
            Purpose::Probe | Purpose::Probed | Purpose::Spoiled | Purpose::WebSocket => {
                self.read_frame(at, net)
            }
            _ => self.read_response(at, net),
        };
        used.is_some_and(|used| {
            self.lines[at].input.drain(..used);
            true
        })
    }

    fn read_response(&mut self, at: usize, net: &mut Net<'_>) -> Option<usize> {
        let input = &self.lines[at].input;
        let end = input.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(input[..end].to_vec()).expect("a head of text");
        let status: u16 = head.strip_prefix("HTTP/1.1 ").expect("not an answer")[..3].parse().unwrap();
        let field = |name: &str| {
            head.lines().find_map(|line| {
                let (found, value) = line.split_once(':')?;
                found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let length = field("content-length").map_or(0, |length| length.parse().unwrap());
        let body = input.get(end..end + length)?.to_vec();
        let used = end + length;
        let purpose = self.lines[at].purpose;
        let stays = field("connection").is_none_or(|value| value != "close");
        match (purpose, status) {
            (Purpose::Upgrading, 101) => self.upgraded(at, net.dice),
            (Purpose::Handshake | Purpose::Poll, 200) => {
                let is_binary = field("content-type").is_some_and(|kind| kind == "application/octet-stream");
                self.free(at, stays);
                self.payload(&body, is_binary, net.now_ms);
            }
            (Purpose::Post, 200) => {
                assert_eq!(body, b"ok");
                self.free(at, stays);
            }
            _ => {
                self.state = State::Refused(status);
            }
        }
        Some(used)
    }

    fn free(&mut self, at: usize, stays: bool) {
        self.lines[at].purpose = Purpose::Idle;
        self.lines[at].ended |= !stays;
    }

    fn payload(&mut self, body: &[u8], is_binary: bool, now_ms: u64) {
        let kind = if is_binary { BodyKind::Binary } else { BodyKind::Text };
        assert!(!is_binary || !self.base64, "binary for a client that takes none");
        for packet in PayloadReader::new(self.revision, kind, body).expect("a payload") {
            assert!(!self.is_over(), "a packet behind the end");
            self.packet(packet.expect("a packet").into_owned(), now_ms);
        }
    }

    fn upgraded(&mut self, at: usize, dice: &mut Dice) {
        if self.sid.is_empty() {
            self.lines[at].purpose = Purpose::WebSocket;
        } else {
            self.lines[at].purpose = Purpose::Probe;
            self.frame(at, PacketType::Ping, &Message::Text("probe".to_owned()), dice);
        }
    }

    fn read_frame(&mut self, at: usize, net: &mut Net<'_>) -> Option<usize> {
        let input = &self.lines[at].input;
        let (first, second) = (*input.first()?, *input.get(1)?);
        assert!(first & 0xF0 == 0x80 && second & 0x80 == 0, "no frame: {first:x} {second:x}");
        let (length, head) = match second {
            126 => (u16::from_be_bytes(input.get(2..4)?.try_into().unwrap()).into(), 4),
            127 => (u64::from_be_bytes(input.get(2..10)?.try_into().unwrap()) as usize, 10),
            short => (usize::from(short), 2),
        };
        let payload = input.get(head..head + length)?.to_vec();
        let purpose = self.lines[at].purpose;
        let probes = purpose != Purpose::WebSocket;
        match first & 0xF {
            1 if probes => {
                assert_eq!(payload, b"3probe");
                if purpose == Purpose::Probe {
                    self.lines[at].purpose = Purpose::Probed;
                }
            }
            1 => {
                let text = std::str::from_utf8(&payload).expect("a text that is none");
                let packet = from_text(self.revision, text).expect("a packet").into_owned();
                self.packet(packet, net.now_ms);
            }
            2 if !probes => {
                assert!(!self.base64, "binary for a client that takes none");
                let packet = from_binary(self.revision, &payload).expect("a packet").into_owned();
                self.packet(packet, net.now_ms);
            }
            8 => {
                let mut answer = Vec::new();
                encode_masked_part(Some(Opcode::Close), true, &payload, [1, 2, 3, 4], &mut answer);
                self.lines[at].out.extend(answer);
                if probes {
                    self.lines[at].ended = true;
                } else {
                    self.state = State::Told;
                }
            }
            other => panic!("opcode {other}"),
        }
        Some(head + length)
    }

    pub(super) fn notice_ends(&mut self) {
        for at in 0..self.lines.len() {
            if !self.lines[at].ended {
                continue;
            }
            match self.lines[at].purpose {
                Purpose::Idle | Purpose::Probe | Purpose::Probed | Purpose::Spoiled => {}
                Purpose::Upgrading if !self.sid.is_empty() => {}
                _ if !self.is_over() => self.state = State::Lost,
                _ => {}
            }
        }
    }
}
