//! Socket.IO by polling: a GET that is always open, and POSTs for what is sent.
//!
//! A client has two connections at most and keeps both alive, as a browser does: a request takes whichever is idle
//! and opens the second only if none is. One GET and one POST are in flight at a time. A connection that the
//! server closed between two requests costs nothing, and a request that met such a close goes out once more.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::time::Instant;

use mio::{Interest, Token};

use crate::wire::engine::{self, Handshake, Packet, Revision};
use crate::wire::frame::opcode;
use crate::wire::http;
use crate::worker::Worker;
use crate::worker::conn::State;
use crate::worker::dial::dial;
use crate::worker::floor::{Floor, kind};

/// Connections of one client: two for requests, and the WebSocket that it goes over to.
pub(crate) const LINKS: u32 = 3;
/// Which of them is that WebSocket.
pub(super) const PROBE: u32 = 2;

/// What a client has at polling.
#[derive(Debug)]
pub(crate) struct Poller {
    /// The session's id; empty before the open packet.
    pub(super) sid: String,
    /// What has to be sent, as opcodes and payloads.
    pub(super) pending: VecDeque<(u8, Vec<u8>)>,
    /// How far it is on its way to WebSocket.
    pub(super) ascent: Ascent,
    /// Requests so far: what makes each URL a new one.
    requests: u32,
    /// The body of the POST in flight.
    body: Option<Vec<u8>>,
    body_bytes_max: usize,
    pipes: [Pipe; 2],
}

/// How far a client is on its way from polling to WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ascent {
    /// It stays, or has only asked.
    Polling,
    /// The server has answered the probe: the requests in flight are the last.
    Probed,
}

/// One of the connections for requests.
#[derive(Debug, Default)]
struct Pipe {
    /// What it waits for the answer of.
    request: Option<Request>,
    /// An answer has come over it before.
    reused: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    Get,
    Post,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Get { "GET" } else { "POST" })
    }
}

impl Poller {
    /// Takes over what the open packet says.
    pub(super) fn open(&mut self, handshake: &Handshake) {
        self.sid.clone_from(&handshake.sid);
        self.body_bytes_max = handshake.max_payload.unwrap_or(usize::MAX);
    }

    /// Whether no request waits for its answer.
    pub(super) fn rests(&self) -> bool {
        self.pipes.iter().all(|pipe| pipe.request.is_none())
    }

    /// As many packets as fit in one body.
    fn take_body(&mut self, revision: Revision) -> Vec<u8> {
        let mut body = Vec::new();
        while let Some((code, payload)) = self.pending.pop_front() {
            let before = body.len();
            if code == opcode::BINARY {
                engine::put_in_payload(&mut body, revision, &engine::base64_packet(revision, &payload));
            } else {
                engine::put_in_payload(&mut body, revision, &payload);
            }
            if before > 0 && body.len() > self.body_bytes_max {
                body.truncate(before);
                self.pending.push_front((code, payload));
                break;
            }
        }
        body
    }
}

impl Floor {
    /// Asks for a session.
    pub(super) fn begin_polling(&mut self, slot: u32) {
        self.pollers[slot as usize] = Some(Box::new(Poller {
            sid: String::new(),
            pending: VecDeque::new(),
            ascent: Ascent::Polling,
            requests: 0,
            body: None,
            body_bytes_max: usize::MAX,
            pipes: Default::default(),
        }));
        self.request(slot, Request::Get);
    }

    /// Queues what `queue` was given, for a slot that polls. Frames other than messages have no meaning here.
    pub(super) fn queue_packet(&mut self, slot: u32, code: u8, payload: &[u8]) {
        let Some(Some(poller)) = self.pollers.get_mut(slot as usize) else { return };
        if code < opcode::CLOSE {
            poller.pending.push_back((code, payload.to_vec()));
            self.posts.push(slot);
        }
    }

    /// Sends what was queued for slots that poll.
    pub(super) fn post(&mut self) {
        for slot in std::mem::take(&mut self.posts) {
            self.post_pending(slot);
        }
    }

    fn post_pending(&mut self, slot: u32) {
        let Some(revision) = self.revision else { return };
        let Some(Some(poller)) = self.pollers.get_mut(slot as usize) else { return };
        let may = poller.body.is_none() && !poller.sid.is_empty() && poller.ascent == Ascent::Polling;
        if may && !poller.pending.is_empty() {
            let body = poller.take_body(revision);
            if self.conns[slot as usize].state == State::Open && body.contains(&b'"') {
                self.tally.writes += 1;
            }
            poller.body = Some(body);
            self.request(slot, Request::Post);
        }
    }

    /// The URL of the next request of a session.
    pub(super) fn session_path(&self, slot: u32, transport: &str, sid: &str, requests: u32) -> String {
        let mut path = self.shared.target.path.expand(self.base + slot);
        path.push_str("&transport=");
        path.push_str(transport);
        if requests > 0 {
            path.push_str(&format!("&t={requests:x}"));
        }
        if !sid.is_empty() {
            path.push_str("&sid=");
            path.push_str(sid);
        }
        path
    }

    fn request(&mut self, slot: u32, what: Request) {
        let Some(mut poller) = self.pollers[slot as usize].take() else { return };
        poller.requests += 1;
        let path = self.session_path(slot, "polling", &poller.sid, poller.requests);
        let host = &self.shared.target.host;
        let mut bytes = Vec::with_capacity(300);
        match what {
            Request::Get => http::put_get(&mut bytes, &path, host),
            Request::Post => {
                http::put_post(&mut bytes, &path, host, poller.body.as_deref().unwrap_or_default());
            }
        }
        // An idle connection before a new one.
        let idle = (0..2u32).filter(|which| poller.pipes[*which as usize].request.is_none());
        let which = idle.min_by_key(|which| self.conns[self.link(slot, *which)].stream.is_none());
        if let Some(which) = which {
            let pipe = &mut poller.pipes[which as usize];
            pipe.request = Some(what);
            if let Err(error) = self.transmit(slot, which, &bytes, pipe) {
                self.broken.push((slot, format!("{what}: {}", kind(&error))));
            }
        }
        self.pollers[slot as usize] = Some(poller);
    }

    /// Writes a request; over a new connection if the idle one turns out to be none.
    fn transmit(&mut self, slot: u32, which: u32, bytes: &[u8], pipe: &mut Pipe) -> io::Result<()> {
        let link = self.link(slot, which);
        if self.conns[link].stream.is_some() {
            match self.conns[link].write(bytes) {
                Err(_) if pipe.reused => self.conns[link].unplug(),
                other => return other,
            }
        }
        pipe.reused = false;
        self.plug(slot, which)?;
        self.conns[link].write(bytes)
    }

    /// Starts to connect one more link of a slot. What is written before it is connected waits for that.
    pub(super) fn plug(&mut self, slot: u32, which: u32) -> io::Result<()> {
        let shift = self.conns[slot as usize].attempts.into();
        let mut stream = dial(&self.shared, self.base + slot, shift)?;
        let link = self.link(slot, which);
        self.registry.register(&mut stream, Token(link), Interest::READABLE | Interest::WRITABLE)?;
        self.conns[link].stream = Some(stream);
        Ok(())
    }

    /// The place of a link.
    pub(super) fn link(&self, slot: u32, which: u32) -> usize {
        (slot + which * self.slots()) as usize
    }

    /// The server has closed a connection for requests: the request that was lost with it goes out again, or the
    /// reason comes back that ends the session.
    pub(super) fn pipe_closed(&mut self, slot: u32, which: u32, why: String) -> Option<String> {
        let link = self.link(slot, which);
        let begun = self.conns[link].extra.as_ref().is_some_and(|extra| !extra.inbound.is_empty());
        self.conns[link].unplug();
        let poller = self.pollers[slot as usize].as_mut()?;
        let pipe = &mut poller.pipes[which as usize];
        let what = pipe.request.take()?;
        if !pipe.reused || begun {
            return Some(format!("{what}: {why}"));
        }
        self.request(slot, what);
        None
    }
}

impl Worker {
    /// What arrived over a connection for requests; returns how many bytes are done with.
    pub(super) fn polled(
        &mut self,
        slot: u32,
        which: u32,
        bytes: &[u8],
        now_ns: u64,
    ) -> Result<usize, String> {
        let link = self.floor.link(slot, which);
        let (Some(revision), Some(Some(poller))) =
            (self.floor.revision, self.floor.pollers.get_mut(slot as usize))
        else {
            return Ok(bytes.len());
        };
        if bytes.is_empty() {
            return Ok(0);
        }
        let pipe = &mut poller.pipes[which as usize];
        let Some(what) = pipe.request else { return Err("an answer to no request".to_owned()) };
        let answer = http::read_answer(bytes).map_err(|error| format!("{what}: {error}"))?;
        let Some(answer) = answer else { return Ok(0) };
        (pipe.request, pipe.reused) = (None, true);
        let opening = poller.sid.is_empty();
        let mut taken = answer.taken;
        if answer.closes {
            self.floor.conns[link].unplug();
            taken = bytes.len();
        }
        if answer.status != 200 {
            if opening {
                self.ramp.refused(&mut self.floor, slot, &answer.refusal(), Instant::now());
                return Ok(bytes.len());
            }
            return Err(format!("{what} {}", answer.refusal().reason()));
        }
        match what {
            Request::Get => {
                let broke = |error| format!("protocol error: {error}");
                for packet in engine::read_payload(revision, &answer.body, answer.bytes).map_err(broke)? {
                    match packet {
                        Packet::Text(packet) => self.text_packet(slot, packet, now_ns)?,
                        Packet::Binary(data) => self.binary_packet(slot, &data, now_ns)?,
                    }
                }
                self.poll_on(slot);
            }
            Request::Post => self.posted(slot, &answer.body)?,
        }
        Ok(taken)
    }

    /// The next GET, unless the session is over or goes on elsewhere.
    fn poll_on(&mut self, slot: u32) {
        let floor = &mut self.floor;
        let stays = |poller: &Poller| poller.ascent == Ascent::Polling;
        if floor.conns[slot as usize].state != State::Closing
            && floor.pollers[slot as usize].as_deref().is_some_and(stays)
        {
            floor.request(slot, Request::Get);
        }
    }

    fn posted(&mut self, slot: u32, answer: &[u8]) -> Result<(), String> {
        if answer != b"ok" {
            let shown = String::from_utf8_lossy(&answer[..answer.len().min(40)]);
            return Err(format!("POST answered with {shown}"));
        }
        if let Some(Some(poller)) = self.floor.pollers.get_mut(slot as usize) {
            poller.body = None;
        }
        if self.floor.conns[slot as usize].state == State::Closing {
            return Err("200".to_owned());
        }
        self.floor.post_pending(slot);
        Ok(())
    }
}
