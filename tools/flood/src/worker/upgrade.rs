//! From polling to WebSocket: the probe over a third connection, and the change once no request is in flight.

use std::time::Instant;

use mio::{Interest, Token};

use crate::speech::Transport;
use crate::wire::engine::Handshake;
use crate::wire::frame::{close_reason, next_frame, opcode, put_client_frame};
use crate::wire::handshake::{Answer, put_request, read_answer};
use crate::worker::Worker;
use crate::worker::conn::{Conn, Stage, State};
use crate::worker::floor::{Floor, kind};
use crate::worker::polling::{Ascent, PROBE};

impl Floor {
    /// Asks for a WebSocket of the same session, if that is the plan.
    pub(super) fn begin_probe(&mut self, slot: u32, handshake: &Handshake) -> Result<(), String> {
        if self.shared.options.speech.transport != Transport::Upgrade {
            return Ok(());
        }
        if !handshake.upgrades.iter().any(|transport| transport == "websocket") {
            return Err("the server offers no upgrade to WebSocket".to_owned());
        }
        let mut request = Vec::with_capacity(300);
        let path = self.session_path(slot, "websocket", &handshake.sid, 0);
        put_request(&mut request, &path, &self.shared.target.host);
        let link = self.link(slot, PROBE);
        let asked = self.plug(slot, PROBE).and_then(|()| self.conns[link].write(&request));
        self.conns[link].state = State::Handshaking;
        asked.map_err(|error| format!("upgrade: {}", kind(&error)))
    }
}

impl Worker {
    /// What arrived over the connection that is to become the WebSocket; returns how many bytes are done with.
    pub(super) fn probed(&mut self, slot: u32, bytes: &[u8], ended: bool) -> Result<usize, String> {
        let link = self.floor.link(slot, PROBE);
        let mut at = 0;
        if self.floor.conns[link].state == State::Handshaking {
            match read_answer(bytes, ended) {
                Answer::Incomplete => return Ok(0),
                Answer::Refused(refusal) => return Err(format!("upgrade: {}", refusal.reason())),
                Answer::Open(head) => at = head,
            }
            self.floor.conns[link].state = State::Greeting;
            self.write_probe(link, opcode::TEXT, b"2probe")?;
        }
        while let Some((frame, taken)) =
            next_frame(&bytes[at..]).map_err(|error| format!("upgrade: protocol error: {error}"))?
        {
            let Some(Some(poller)) = self.floor.pollers.get_mut(slot as usize) else { break };
            match (frame.opcode, frame.payload) {
                (opcode::TEXT, b"3probe") if frame.fin && poller.ascent == Ascent::Polling => {
                    poller.ascent = Ascent::Probed;
                }
                (opcode::PING, payload) => self.write_probe(link, opcode::PONG, payload)?,
                (opcode::PONG, _) => {}
                (opcode::CLOSE, payload) => {
                    let (code, reason) = close_reason(payload);
                    return Err(format!("upgrade: {code} {reason}").trim_end().to_owned());
                }
                _ => return Err("upgrade: protocol error: not the answer to the probe".to_owned()),
            }
            at += taken;
        }
        Ok(at)
    }

    fn write_probe(&mut self, link: usize, opcode: u8, payload: &[u8]) -> Result<(), String> {
        let mut frame = Vec::new();
        put_client_frame(&mut frame, opcode, payload, self.floor.draw().to_ne_bytes());
        self.floor.conns[link].write(&frame).map_err(|error| format!("upgrade: {}", kind(&error)))
    }

    /// Goes over, if the probe was answered and the last requests were, too.
    pub(super) fn ascend(&mut self, slot: u32) {
        let floor = &mut self.floor;
        let place = slot as usize;
        let Some(poller) =
            floor.pollers[place].take_if(|poller| poller.ascent == Ascent::Probed && poller.rests())
        else {
            return;
        };
        let link = floor.link(slot, PROBE);
        let mut conn = std::mem::replace(&mut floor.conns[link], Conn::absent());
        let second = floor.link(slot, 1);
        floor.conns[second] = Conn::absent();
        let before = &floor.conns[place];
        (conn.state, conn.attempts) = (before.state, before.attempts);
        let since = before.extra.as_ref().and_then(|extra| extra.since);
        if since.is_some() {
            conn.extra().since = since;
        }
        let both = Interest::READABLE | Interest::WRITABLE;
        let moved = match &mut conn.stream {
            Some(stream) => floor.registry.reregister(stream, Token(place), both),
            None => Ok(()),
        };
        floor.conns[place] = conn;
        if let Err(error) = moved {
            floor.broken.push((slot, format!("upgrade: {}", kind(&error))));
        }
        floor.queue(slot, opcode::TEXT, b"5");
        for (code, payload) in poller.pending {
            floor.queue(slot, code, &payload);
        }
        floor.flush();
        if floor.clients[place].stage == Stage::Ready {
            self.opened(slot, Instant::now());
        }
    }
}
