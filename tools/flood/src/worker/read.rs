//! Readiness of a connection: the connect, the handshake's answer, frames.

use std::io::{self, Read};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use mio::event::Event;

use crate::load::Incoming;
use crate::stats::nanoseconds;
use crate::wire::engine::read_binary_frame;
use crate::wire::frame::{Frame, FrameError, close_reason, next_frame, opcode};
use crate::wire::handshake::{Answer, put_request, read_answer};
use crate::worker::Worker;
use crate::worker::conn::State;
use crate::worker::floor::kind;
use crate::worker::polling::PROBE;
use crate::worker::storm::enter;

/// What a read has brought to an end.
enum End {
    /// The connection goes on.
    None,
    /// It is over, for this reason.
    Ended(String),
}

impl Worker {
    /// A connection is readable, writable, or gone.
    pub(super) fn ready(&mut self, event: &Event) {
        let link = event.token().0 as u32;
        let slot = link % self.floor.slots();
        if self.floor.conns[link as usize].state == State::Connecting
            && (event.is_writable() || event.is_error())
            && let Err(error) = self.request(slot)
        {
            self.end(slot, format!("connect: {}", kind(&error)));
        }
        let conn = &mut self.floor.conns[link as usize];
        if conn.stream.is_none() || conn.state == State::Connecting {
            return;
        }
        if event.is_writable() && conn.extra.is_some() && conn.write_waiting().is_err() {
            // The read below says why.
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            let mut buffer = std::mem::take(&mut self.buffer);
            let drain = event.is_read_closed() || event.is_error();
            let end = self.read(link, &mut buffer, drain);
            self.buffer = buffer;
            // What the load has answered meanwhile.
            self.floor.flush();
            match end {
                End::Ended(why) => self.end(slot, why),
                End::None if self.floor.polls(slot) => self.ascend(slot),
                End::None => {}
            }
        }
    }

    /// The connect has succeeded or failed: in the first case asks for the upgrade.
    fn request(&mut self, slot: u32) -> io::Result<()> {
        let stream = self.floor.conns[slot as usize].stream.as_ref();
        if let Some(error) = stream.and_then(|stream| stream.take_error().transpose()) {
            return Err(error.unwrap_or_else(|error| error));
        }
        let number = self.floor.base + slot;
        let target = &self.floor.shared.target;
        let mut request = Vec::with_capacity(300);
        let path = match self.floor.revision {
            None => target.path.expand(number),
            Some(_) => self.floor.session_path(slot, "websocket", "", 0),
        };
        put_request(&mut request, &path, &target.host);
        let conn = &mut self.floor.conns[slot as usize];
        conn.state = State::Handshaking;
        conn.write(&request)
    }

    /// Reads until the kernel has no more (`drain`) or gave less than was asked for.
    fn read(&mut self, link: u32, buffer: &mut Vec<u8>, drain: bool) -> End {
        loop {
            let conn = &mut self.floor.conns[link as usize];
            let Some(stream) = &mut conn.stream else { return End::None };
            let kept = conn.extra.as_ref().map_or(0, |extra| extra.inbound.len());
            if kept * 2 > buffer.len() {
                buffer.resize(kept * 4, 0);
            }
            let count = match stream.read(&mut buffer[kept..]) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return End::None,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return self.hung_up(link, kind(&error)),
            };
            if let Some(extra) = &mut conn.extra {
                buffer[..kept].copy_from_slice(&extra.inbound);
                extra.inbound.clear();
            }
            self.floor.tally.bytes_in += count as u64;
            let filled = kept + count;
            let taken = self.take(link, &buffer[..filled], count == 0);
            match taken {
                Ok(taken) if taken < filled => {
                    self.floor.conns[link as usize].extra().inbound.extend_from_slice(&buffer[taken..filled]);
                }
                Ok(_) => self.floor.conns[link as usize].relax(),
                Err(why) => return End::Ended(why),
            }
            if count == 0 {
                return self.hung_up(link, "end of stream without a close frame".to_owned());
            }
            if filled < buffer.len() && !drain {
                return End::None;
            }
        }
    }

    /// What a link has received, complete or not; returns how many bytes are done with.
    fn take(&mut self, link: u32, bytes: &[u8], ended: bool) -> Result<usize, String> {
        let (slot, which) = (link % self.floor.slots(), link / self.floor.slots());
        if self.floor.polls(slot) {
            let now_ns = nanoseconds(self.floor.shared.epoch, Instant::now());
            match which {
                PROBE => self.probed(slot, bytes, ended),
                // The end of the connection is dealt with as such.
                _ if ended => Ok(0),
                _ => self.polled(slot, which, bytes, now_ns),
            }
        } else if self.floor.conns[link as usize].state == State::Handshaking {
            self.answer(slot, bytes, ended)
        } else {
            self.frames(slot, bytes)
        }
    }

    /// The server has closed a link: a client that polls may do without it.
    fn hung_up(&mut self, link: u32, why: String) -> End {
        let (slot, which) = (link % self.floor.slots(), link / self.floor.slots());
        if self.floor.polls(slot) && which != PROBE {
            self.floor.pipe_closed(slot, which, why).map_or(End::None, End::Ended)
        } else if self.floor.conns[link as usize].stream.is_none() {
            // It has ended otherwise, as a part of what was read.
            End::None
        } else {
            End::Ended(why)
        }
    }

    /// The handshake's answer and whatever frames follow it; returns how many bytes are done with.
    fn answer(&mut self, slot: u32, bytes: &[u8], ended: bool) -> Result<usize, String> {
        match read_answer(bytes, ended) {
            Answer::Incomplete => Ok(0),
            Answer::Refused(refusal) => {
                self.ramp.refused(&mut self.floor, slot, &refusal, Instant::now());
                Ok(bytes.len())
            }
            Answer::Open(head) => {
                if self.floor.revision.is_some() {
                    self.floor.conns[slot as usize].state = State::Greeting;
                } else {
                    self.opened(slot, Instant::now());
                }
                self.frames(slot, &bytes[head..]).map(|taken| head + taken)
            }
        }
    }

    /// A connection, and its session, are ready.
    pub(super) fn opened(&mut self, slot: u32, now: Instant) {
        let floor = &mut self.floor;
        let conn = &mut floor.conns[slot as usize];
        conn.state = State::Open;
        let since = conn.extra().since.take();
        conn.relax();
        let now_ns = nanoseconds(floor.shared.epoch, now);
        match self.ramp.storm {
            Some(storm) => {
                floor.tally.storm.back += 1;
                floor.tally.storm.time.record(now_ns, nanoseconds(storm.at, now));
                enter(&mut floor.tally.storm.back_per_s, now - storm.at);
                floor.shared.returned.fetch_add(1, Relaxed);
            }
            None => floor.tally.opened += 1,
        }
        if let Some(since) = since.filter(|_| self.ramp.storm.is_none()) {
            floor.tally.connect.record(now_ns, nanoseconds(since, now));
        }
        floor.shared.opened.fetch_add(1, Relaxed);
        floor.shared.set_open(floor.base + slot, true);
    }

    /// Every whole frame in `bytes`; returns how many bytes they took, or why the connection ends.
    fn frames(&mut self, slot: u32, bytes: &[u8]) -> Result<usize, String> {
        let now_ns = nanoseconds(self.floor.shared.epoch, Instant::now());
        let broke = |error: FrameError| format!("protocol error: {error}");
        let mut at = 0;
        while let Some((frame, taken)) = next_frame(&bytes[at..]).map_err(broke)? {
            at += taken;
            match frame.opcode {
                opcode::TEXT | opcode::BINARY if frame.fin => {
                    if self.fragmented(slot) {
                        return Err(broke(FrameError::BadFragment));
                    }
                    self.message(slot, frame.opcode, frame.payload, now_ns)?;
                }
                opcode::PING => self.floor.queue(slot, opcode::PONG, frame.payload),
                opcode::PONG => {}
                opcode::CLOSE => {
                    let closing = self.floor.conns[slot as usize].state == State::Closing;
                    if !closing {
                        self.floor.queue(slot, opcode::CLOSE, frame.payload.get(..2).unwrap_or_default());
                    }
                    let (code, reason) = close_reason(frame.payload);
                    return Err(format!("{code} {reason}").trim_end().to_owned());
                }
                _ => {
                    if let Some((opcode, joined)) = self.fragment(slot, frame).map_err(broke)? {
                        self.message(slot, opcode, &joined, now_ns)?;
                    }
                }
            }
        }
        Ok(at)
    }

    /// A whole WebSocket message.
    fn message(&mut self, slot: u32, opcode: u8, payload: &[u8], now_ns: u64) -> Result<(), String> {
        match self.floor.revision {
            None => {
                let incoming = Incoming { opcode, payload, attachments: &[] };
                self.load.message(&mut self.floor, slot, incoming, now_ns);
                Ok(())
            }
            Some(_) if opcode == opcode::TEXT => self.text_packet(slot, payload, now_ns),
            Some(revision) => {
                let data = read_binary_frame(revision, payload);
                let data = data.map_err(|error| format!("protocol error: {error}"))?;
                self.binary_packet(slot, data, now_ns)
            }
        }
    }

    fn fragmented(&self, slot: u32) -> bool {
        self.floor.conns[slot as usize].extra.as_ref().is_some_and(|extra| extra.fragments.is_some())
    }

    /// Joins the fragments of a message; returns it once it is whole.
    fn fragment(&mut self, slot: u32, frame: Frame<'_>) -> Result<Option<(u8, Vec<u8>)>, FrameError> {
        let fragments = &mut self.floor.conns[slot as usize].extra().fragments;
        match (fragments.as_mut(), frame.opcode) {
            (None, opcode::TEXT | opcode::BINARY) => {
                *fragments = Some((frame.opcode, frame.payload.to_vec()))
            }
            (Some((_, joined)), opcode::CONTINUATION) => joined.extend_from_slice(frame.payload),
            _ => return Err(FrameError::BadFragment),
        }
        Ok(if frame.fin { fragments.take() } else { None })
    }
}
