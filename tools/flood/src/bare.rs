//! The denominator of the comparison: one thread, one epoll, and a bare loop of `send()`.
//!
//! It upgrades whoever asks, and gives every mode 300 message to all other connections in the same bytes
//! as the gateway would, with one `send()` a connection for all messages that came in one read. It knows no
//! domains, no rooms and no outboxes, and keeps no books: a connection that cannot take a frame at once
//! is dropped. What it costs is what the kernel costs.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use hashbrown::HashMap;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use rustix::net::{SendFlags, send};
use serde::Deserialize;
use serde_json::value::RawValue;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::frame::FrameHeader;

use crate::sys;
use crate::target::query_value;
use crate::wire::frame::{apply_mask, opcode, put_server_frame};

const LISTENER: Token = Token(usize::MAX);
const RECEIVE_BYTES: usize = 64 << 10;
/// A request head, or a message, beyond this is not for this program.
const WAITING_BYTES_MAX: usize = 32 << 20;

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, rename = "msgId")]
    msg_id: Option<&'a RawValue>,
    mode: u16,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

/// All there is.
pub struct Bare {
    poll: Poll,
    listener: TcpListener,
    /// Upgraded connections: the loop of `send()` walks this and nothing else.
    open: Vec<TcpStream>,
    /// Client ids, in the order of `open`.
    names: Vec<String>,
    /// Where a descriptor stands in `open`.
    places: Vec<u32>,
    /// Connections that have not asked for the upgrade yet.
    fresh: HashMap<usize, TcpStream>,
    /// Incomplete requests and frames, by descriptor.
    waiting: HashMap<usize, Vec<u8>>,
    buffer: Vec<u8>,
    out: Vec<u8>,
}

/// What becomes of a connection after a read.
#[derive(PartialEq, Eq)]
enum Fate {
    Stays,
    Ends,
}

impl Bare {
    /// Listens; nothing is accepted before [`Bare::run`].
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        sys::connections_per_table();
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(address)?;
        // The standard backlog is short for a ramp of thousands a second.
        rustix::net::listen(&listener, 4096)?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            listener,
            open: Vec::new(),
            names: Vec::new(),
            places: Vec::new(),
            fresh: HashMap::new(),
            waiting: HashMap::new(),
            buffer: vec![0; RECEIVE_BYTES],
            out: Vec::new(),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the process ends.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    Token(descriptor) => {
                        if self.readable(descriptor) == Fate::Ends {
                            self.remove(descriptor);
                        }
                    }
                }
            }
        }
    }

    fn accept(&mut self) {
        while let Ok((mut stream, _)) = self.listener.accept() {
            let descriptor = stream.as_raw_fd() as usize;
            let ready = stream.set_nodelay(true);
            let added = self.poll.registry().register(&mut stream, Token(descriptor), Interest::READABLE);
            if ready.and(added).is_ok() {
                self.fresh.insert(descriptor, stream);
            }
        }
    }

    fn remove(&mut self, descriptor: usize) {
        self.waiting.remove(&descriptor);
        if self.fresh.remove(&descriptor).is_some() {
            return;
        }
        let place = self.places[descriptor] as usize;
        self.open.swap_remove(place);
        self.names.swap_remove(place);
        if let Some(moved) = self.open.get(place) {
            self.places[moved.as_raw_fd() as usize] = place as u32;
        }
    }

    fn readable(&mut self, descriptor: usize) -> Fate {
        let mut buffer = std::mem::take(&mut self.buffer);
        let fate = self.read_all(descriptor, &mut buffer);
        self.buffer = buffer;
        fate
    }

    fn read_all(&mut self, descriptor: usize, buffer: &mut [u8]) -> Fate {
        loop {
            let stream = match self.fresh.get_mut(&descriptor) {
                Some(stream) => stream,
                None => &mut self.open[self.places[descriptor] as usize],
            };
            let count = match stream.read(buffer) {
                Ok(0) => return Fate::Ends,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Fate::Stays,
                Err(_) => return Fate::Ends,
            };
            let fate = match self.waiting.remove(&descriptor) {
                Some(mut waiting) => {
                    waiting.extend_from_slice(&buffer[..count]);
                    self.take(descriptor, &mut waiting)
                }
                None => self.take(descriptor, &mut buffer[..count]),
            };
            // A broadcast first, then the sender's next read.
            self.give_to_others(descriptor);
            if fate == Fate::Ends {
                return fate;
            }
        }
    }

    fn take(&mut self, descriptor: usize, bytes: &mut [u8]) -> Fate {
        let taken = if self.fresh.contains_key(&descriptor) {
            self.upgrade(descriptor, bytes)
        } else {
            self.frames(descriptor, bytes)
        };
        match taken {
            Some(taken) if taken < bytes.len() && bytes.len() < WAITING_BYTES_MAX => {
                self.waiting.insert(descriptor, bytes[taken..].to_vec());
                Fate::Stays
            }
            Some(taken) if taken == bytes.len() => Fate::Stays,
            _ => Fate::Ends,
        }
    }

    /// Answers the request for an upgrade.
    fn upgrade(&mut self, descriptor: usize, bytes: &[u8]) -> Option<usize> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut headers);
        let head = match request.parse(bytes).ok()? {
            httparse::Status::Complete(head) => head,
            httparse::Status::Partial => return Some(0),
        };
        let key =
            request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("sec-websocket-key"))?;
        let accept = derive_accept_key(key.value);
        let name = query_value(request.path?, "clientId").unwrap_or_default().to_owned();
        let mut stream = self.fresh.remove(&descriptor)?;
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        let written = stream.write(answer.as_bytes()).is_ok_and(|written| written == answer.len());
        if self.places.len() <= descriptor {
            self.places.resize(descriptor + 1, 0);
        }
        self.places[descriptor] = self.open.len() as u32;
        self.open.push(stream);
        self.names.push(name);
        written.then_some(head)
    }

    /// Reads frames, and appends to `out` what the others have to get.
    fn frames(&mut self, descriptor: usize, bytes: &mut [u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            let mut cursor = io::Cursor::new(&bytes[at..]);
            let Some((header, length)) = FrameHeader::parse(&mut cursor).ok()? else { return Some(at) };
            let start = at + cursor.position() as usize;
            let end = start.checked_add(usize::try_from(length).ok()?)?;
            if end > bytes.len() {
                return Some(at);
            }
            let payload = &mut bytes[start..end];
            apply_mask(payload, header.mask?);
            let place = self.places[descriptor] as usize;
            match u8::from(header.opcode) {
                opcode::TEXT => {
                    let message: Message<'_> = serde_json::from_slice(payload).ok()?;
                    match (message.mode, message.content) {
                        (300, Some(content)) => {
                            put_message(&mut self.out, &message, &self.names[place], content)
                        }
                        (1, _) => self.open[place].write_all(&heartbeat_answer(&message)).ok()?,
                        _ => {}
                    }
                }
                opcode::CLOSE => {
                    let mut answer = Vec::new();
                    put_server_frame(&mut answer, opcode::CLOSE, payload.get(..2).unwrap_or_default());
                    // Whoever is gone already does not need it.
                    drop(self.open[place].write(&answer));
                    return None;
                }
                _ => {}
            }
            at = end;
        }
    }

    /// The loop that everything is measured against.
    fn give_to_others(&mut self, sender: usize) {
        if self.out.is_empty() {
            return;
        }
        let own = self.places[sender] as usize;
        let (before, rest) = self.open.split_at(own);
        for stream in before.iter().chain(&rest[1..]) {
            match send(stream, &self.out, SendFlags::NOSIGNAL) {
                Ok(sent) if sent == self.out.len() => {}
                // Its reader has been cut off; the flood notices.
                _ => drop(rustix::net::shutdown(stream, rustix::net::Shutdown::Both)),
            }
        }
        self.out.clear();
    }
}

/// The frame that every receiver gets.
fn put_message(out: &mut Vec<u8>, message: &Message<'_>, from: &str, content: &RawValue) {
    let id = message.msg_id.map_or("null", RawValue::get);
    let content = content.get();
    let payload = format!(r#"{{"msgId":{id},"mode":300,"from":"{from}","content":{content}}}"#);
    put_server_frame(out, opcode::TEXT, payload.as_bytes());
}

fn heartbeat_answer(message: &Message<'_>) -> Vec<u8> {
    let id = message.msg_id.map_or("null", RawValue::get);
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let payload = format!(r#"{{"msgId":{id},"mode":1,"code":0,"time":{}}}"#, since_1970.as_millis());
    let mut out = Vec::new();
    put_server_frame(&mut out, opcode::TEXT, payload.as_bytes());
    out
}
