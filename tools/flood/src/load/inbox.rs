//! What connections receive: numbered messages, heartbeats, receipts, errors.
//!
//! The same bytes go to many connections, so a message that was checked once is recognised by
//! comparing bytes; the JSON of each distinct message is read once a worker.

use crate::ledger::{Fault, Ledger, Stream};
use crate::load::envelope::{self, Reading};
use crate::tally::count;
use crate::token::{TO_ALL, Token};
use crate::worker::Floor;

/// Messages that are recognised by their bytes.
const SEEN: usize = 64;

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

    /// Reads what is not known by its bytes, and enters it if it is no message.
    fn read(&mut self, floor: &mut Floor, number: u32, payload: &[u8]) -> Option<Token> {
        match envelope::read(&floor.shared, payload, self.mode) {
            Reading::Message(token) => return Some(token),
            Reading::Corrupt => self.corrupt(number, payload),
            Reading::Stranger => floor.tally.strangers += 1,
            Reading::Heartbeat => floor.tally.heartbeats_answered += 1,
            Reading::Receipt(delivered) => {
                floor.tally.receipts += 1;
                floor.tally.receipts_delivered += delivered;
            }
            Reading::Refused(what) => count(&mut floor.tally.answers, what),
        }
        None
    }

    fn corrupt(&mut self, number: u32, payload: &[u8]) {
        self.ledger.faults.add(Fault::Corrupted, || {
            let shown = String::from_utf8_lossy(&payload[..payload.len().min(160)]);
            format!("connection {number} got {shown}")
        });
    }
}
