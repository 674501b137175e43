//! Readiness of a connection: the connect, the handshake's answer, frames.

use std::io::{self, Read};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use mio::event::Event;

use crate::stats::nanoseconds;
use crate::wire::frame::{Frame, FrameError, close_reason, next_frame, opcode};
use crate::wire::handshake::{Answer, put_request, read_answer};
use crate::worker::Worker;
use crate::worker::conn::State;
use crate::worker::floor::kind;

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
        let slot = event.token().0 as u32;
        if self.floor.conns[slot as usize].state == State::Connecting
            && (event.is_writable() || event.is_error())
            && let Err(error) = self.request(slot)
        {
            self.end(slot, format!("connect: {}", kind(&error)));
        }
        let conn = &mut self.floor.conns[slot as usize];
        if matches!(conn.state, State::Absent | State::Connecting) {
            return;
        }
        if event.is_writable() && conn.extra.is_some() && conn.write_waiting().is_err() {
            // The read below says why.
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            let mut buffer = std::mem::take(&mut self.buffer);
            let drain = event.is_read_closed() || event.is_error();
            let end = self.read(slot, &mut buffer, drain);
            self.buffer = buffer;
            // What the load has answered meanwhile.
            self.floor.flush();
            if let End::Ended(why) = end {
                self.end(slot, why);
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
        put_request(&mut request, &target.path.expand(number), &target.host);
        let conn = &mut self.floor.conns[slot as usize];
        conn.state = State::Handshaking;
        conn.write(&request)
    }

    /// Reads until the kernel has no more (`drain`) or gave less than was asked for.
    fn read(&mut self, slot: u32, buffer: &mut Vec<u8>, drain: bool) -> End {
        loop {
            let conn = &mut self.floor.conns[slot as usize];
            let Some(stream) = &mut conn.stream else { return End::None };
            let kept = conn.extra.as_ref().map_or(0, |extra| extra.inbound.len());
            if kept * 2 > buffer.len() {
                buffer.resize(kept * 4, 0);
            }
            let count = match stream.read(&mut buffer[kept..]) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return End::None,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return End::Ended(kind(&error)),
            };
            if let Some(extra) = &mut conn.extra {
                buffer[..kept].copy_from_slice(&extra.inbound);
                extra.inbound.clear();
            }
            self.floor.tally.bytes_in += count as u64;
            let filled = kept + count;
            let handshaking = conn.state == State::Handshaking;
            let taken = if handshaking {
                self.answer(slot, &buffer[..filled], count == 0)
            } else {
                self.frames(slot, &buffer[..filled])
            };
            match taken {
                Ok(taken) if taken < filled => {
                    self.floor.conns[slot as usize].extra().inbound.extend_from_slice(&buffer[taken..filled]);
                }
                Ok(_) => self.floor.conns[slot as usize].relax(),
                Err(why) => return End::Ended(why),
            }
            if count == 0 {
                return End::Ended("end of stream without a close frame".to_owned());
            }
            if filled < buffer.len() && !drain {
                return End::None;
            }
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
                let now = Instant::now();
                let floor = &mut self.floor;
                let conn = &mut floor.conns[slot as usize];
                conn.state = State::Open;
                if let Some(since) = conn.extra().since.take() {
                    let now_ns = nanoseconds(floor.shared.epoch, now);
                    floor.tally.connect.record(now_ns, nanoseconds(since, now));
                }
                conn.relax();
                floor.tally.opened += 1;
                floor.shared.opened.fetch_add(1, Relaxed);
                floor.shared.set_open(floor.base + slot, true);
                if self.closing.is_some() {
                    // The ramp was stopped in between; close_some may have passed this slot.
                    self.floor.conns[slot as usize].state = State::Closing;
                }
                self.frames(slot, &bytes[head..]).map(|taken| head + taken)
            }
        }
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
                    self.load.message(&mut self.floor, slot, frame.opcode, frame.payload, now_ns);
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
                _ => self.fragment(slot, frame, now_ns).map_err(broke)?,
            }
        }
        Ok(at)
    }

    fn fragmented(&self, slot: u32) -> bool {
        self.floor.conns[slot as usize].extra.as_ref().is_some_and(|extra| extra.fragments.is_some())
    }

    /// Joins the fragments of a message.
    fn fragment(&mut self, slot: u32, frame: Frame<'_>, now_ns: u64) -> Result<(), FrameError> {
        let fragments = &mut self.floor.conns[slot as usize].extra().fragments;
        match (fragments.as_mut(), frame.opcode) {
            (None, opcode::TEXT | opcode::BINARY) => {
                *fragments = Some((frame.opcode, frame.payload.to_vec()))
            }
            (Some((_, joined)), opcode::CONTINUATION) => joined.extend_from_slice(frame.payload),
            _ => return Err(FrameError::BadFragment),
        }
        if frame.fin
            && let Some((opcode, joined)) = fragments.take()
        {
            self.load.message(&mut self.floor, slot, opcode, &joined, now_ns);
        }
        Ok(())
    }
}
