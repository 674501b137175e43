//! What gateway connections receive: numbered messages, heartbeats, receipts, errors.
//!
//! The same bytes go to many connections, so a message that was checked once is recognised by
//! comparing bytes; the JSON of each distinct message is read once a worker.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::ledger::{Fault, Ledger, Stream};
use crate::tally::count;
use crate::token::{MARK, TO_ALL, Token};
use crate::worker::Floor;

/// Messages that are recognised by their bytes.
const SEEN: usize = 64;

/// What the gateway puts around a content, or answers.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "msgId")]
    msg_id: Option<&'a RawValue>,
    mode: Option<u16>,
    #[serde(borrow)]
    from: Option<Cow<'a, str>>,
    #[serde(borrow)]
    group: Option<Cow<'a, str>>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    code: Option<u32>,
    delivered: Option<u64>,
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
}

/// The receiving side of a worker's connections.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) ledger: Ledger,
    mode: u16,
    seen: Vec<Option<(Box<[u8]>, Token)>>,
}

impl Inbox {
    /// For messages of `mode`.
    pub(super) fn new(mode: u16) -> Self {
        Self { ledger: Ledger::default(), mode, seen: vec![None; SEEN] }
    }

    /// Enters whatever arrived; returns the message if it is one that had not arrived before.
    pub(super) fn take(
        &mut self,
        floor: &mut Floor,
        slot: u32,
        payload: &[u8],
        now_ns: u64,
    ) -> Option<Token> {
        let number = floor.base + slot;
        // The last bytes of a content differ most: its checksum stands there.
        let tail = payload.len().checked_sub(10).and_then(|at| payload[at..].first_chunk::<8>());
        let place =
            tail.map_or(0, |tail| u64::from_le_bytes(*tail).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58);
        let seen = &self.seen[place as usize];
        let token = match seen.as_ref().filter(|(bytes, _)| **bytes == *payload) {
            Some((_, token)) => *token,
            None => {
                let token = self.read(floor, number, payload)?;
                if token.to == TO_ALL {
                    self.seen[place as usize] = Some((payload.into(), token));
                }
                token
            }
        };
        let roster = &floor.shared.roster;
        let mine = match token.to {
            TO_ALL => roster.hears(number, token.sender, self.mode == 200),
            to => to == number,
        };
        if !mine {
            let Token { sender, number: message, .. } = token;
            self.ledger.faults.add(Fault::Misrouted, || {
                format!("message {message} from connection {sender} reached {number}, which is not meant")
            });
            return None;
        }
        let stream = Stream { recipient: number, sender: token.sender };
        if !self.ledger.arrive(stream, token.number) {
            return None;
        }
        floor.tally.received += 1;
        floor.tally.latency.record(now_ns, now_ns.saturating_sub(token.time_ns));
        Some(token)
    }

    /// Reads a message that is not known by its bytes, and checks all of its envelope.
    fn read(&mut self, floor: &mut Floor, number: u32, payload: &[u8]) -> Option<Token> {
        let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(payload) else {
            self.corrupt(number, payload);
            return None;
        };
        let Some(content) = envelope.content else {
            self.answer(floor, &envelope, number, payload);
            return None;
        };
        let content = content.get().trim_matches('"').as_bytes();
        if !content.starts_with(MARK) {
            floor.tally.strangers += 1;
            return None;
        }
        let Some(token) = Token::read(content) else {
            self.corrupt(number, payload);
            return None;
        };
        let roster = &floor.shared.roster;
        if token.run != floor.shared.run || token.sender >= roster.count() {
            floor.tally.strangers += 1;
            return None;
        }
        let id = envelope.msg_id.is_some_and(|id| id.get() == token.number.to_string());
        let from = roster.client(token.sender).is_none_or(|client| envelope.from.as_deref() == Some(client));
        let group = self.mode != 200 || envelope.group.as_deref() == roster.group(token.sender);
        if !(id && from && group && envelope.mode == Some(self.mode)) {
            self.corrupt(number, payload);
            return None;
        }
        Some(token)
    }

    fn answer(&mut self, floor: &mut Floor, envelope: &Envelope<'_>, number: u32, payload: &[u8]) {
        match (envelope.code, envelope.mode, envelope.delivered) {
            (Some(0), Some(1), _) => floor.tally.heartbeats_answered += 1,
            (Some(0), _, Some(delivered)) => {
                floor.tally.receipts += 1;
                floor.tally.receipts_delivered += delivered;
            }
            (Some(0), ..) => floor.tally.strangers += 1,
            (Some(code), ..) => {
                let message = envelope.message.as_deref().unwrap_or_default();
                count(&mut floor.tally.answers, format!("{code} {message}").trim_end().to_owned());
            }
            (None, ..) => self.corrupt(number, payload),
        }
    }

    fn corrupt(&mut self, number: u32, payload: &[u8]) {
        self.ledger.faults.add(Fault::Corrupted, || {
            let shown = String::from_utf8_lossy(&payload[..payload.len().min(160)]);
            format!("connection {number} got {shown}")
        });
    }
}

/// Writes the JSON of a message to `out`.
pub(super) fn put_message(out: &mut Vec<u8>, mode: u16, token: &Token, bytes: usize, extra: &str) {
    use std::io::Write as _;
    let number = token.number;
    write!(out, r#"{{"msgId":{number},"mode":{mode}{extra},"content":""#).expect("a vector takes all");
    token.put(out, bytes);
    out.extend_from_slice(br#""}"#);
}
