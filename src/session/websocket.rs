//! A connection after its upgrade (RFC 6455, sections 5 to 7; RFC 7692, section 6): bytes in, messages out.
//!
//! Owns: the order of frames, the message in progress, and the rules of closing. A message that lies
//! whole in the input is unmasked there and lent out; anything else is collected as it arrives, and
//! freed when it was delivered, so that an idle connection owns no memory. A compressed message is collected as it
//! comes and inflated when it is whole, by the [`Inflater`] that the caller owns and that lends it out.
//! Leaves to others: answering pings, the closing handshake's other half, deadlines.

use std::fmt;
use std::mem;

use crate::wire::deflate::{InflateError, Inflater, most_deflated};
use crate::wire::frame::RSV1;
use crate::wire::header::{self, ClientHeader, HeaderError, Kind, MAX_HEADER_BYTES};
use crate::wire::mask;
use crate::wire::utf8::Utf8Carry;

/// What a client said.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole text message.
    Text(&'a str),
    /// A whole binary message.
    Binary(&'a [u8]),
    /// A ping; it wants a pong with the same bytes.
    Ping(&'a [u8]),
    /// A pong, asked for or not.
    Pong(&'a [u8]),
    /// The closing handshake. Nothing follows.
    Close {
        /// The code, if one was given; it is one that may be sent.
        code: Option<u16>,
        /// The reason; empty if none was given.
        reason: &'a str,
    },
}

/// How a client can be wrong. The connection is closed with the code; what follows is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WsError {
    /// A frame header breaks a rule.
    Header(HeaderError),
    /// A compressed message cannot be inflated (RFC 7692, section 7.2.2).
    Inflate(InflateError),
    /// A continuation without a message to continue (section 5.4).
    NothingToContinue,
    /// A new message before the one in progress has ended (section 5.4).
    Interrupted,
    /// A text that is not UTF-8 (section 8.1).
    InvalidText,
    /// A close frame with one byte, which is no code (section 5.5.1).
    CloseTooShort,
    /// A close code that must not be sent (section 7.4).
    CloseCode(u16),
    /// A close reason that is not UTF-8 (section 5.5.1).
    InvalidReason,
}

impl WsError {
    /// The code to close with (section 7.4.1).
    pub fn close_code(self) -> u16 {
        match self {
            WsError::Header(HeaderError::TooBig) | WsError::Inflate(InflateError::TooBig) => 1009,
            WsError::InvalidText | WsError::InvalidReason | WsError::Inflate(InflateError::Corrupt) => 1007,
            _ => 1002,
        }
    }
}

impl fmt::Display for WsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WsError::Header(error) => error.fmt(f),
            WsError::Inflate(error) => error.fmt(f),
            WsError::NothingToContinue => f.write_str("continuation without a message"),
            WsError::Interrupted => f.write_str("new message inside a fragmented one"),
            WsError::InvalidText => f.write_str("text is not UTF-8"),
            WsError::CloseTooShort => f.write_str("close frame of one byte"),
            WsError::CloseCode(code) => write!(f, "close code {code} must not be sent"),
            WsError::InvalidReason => f.write_str("close reason is not UTF-8"),
        }
    }
}

impl std::error::Error for WsError {}

impl From<HeaderError> for WsError {
    fn from(error: HeaderError) -> WsError {
        WsError::Header(error)
    }
}

impl From<InflateError> for WsError {
    fn from(error: InflateError) -> WsError {
        WsError::Inflate(error)
    }
}

/// A WebSocket connection, the server's side: 16 bytes, and a box while something is incomplete.
#[derive(Debug, Default)]
pub struct WebSocket {
    partial: Option<Box<Partial>>,
    /// A Close or an error ended it.
    ended: bool,
    /// The client may send compressed messages.
    deflate: bool,
}

impl WebSocket {
    /// A connection that was just upgraded.
    pub const fn new() -> WebSocket {
        WebSocket { partial: None, ended: false, deflate: false }
    }

    /// The same, with permessage-deflate agreed on.
    pub const fn with_deflate() -> WebSocket {
        WebSocket { partial: None, ended: false, deflate: true }
    }

    /// What it owns of a message that is not whole, in bytes.
    pub fn unfinished_bytes(&self) -> usize {
        let message = self.partial.as_deref().and_then(|partial| partial.message.as_ref());
        message.map_or(0, Message::capacity)
    }

    /// Whether it owns no memory: nothing is incomplete, nothing is lent out.
    pub fn is_idle(&self) -> bool {
        self.partial.is_none()
    }

    /// The next event of `input`, which is advanced past what was used; `None` when it is used up.
    /// Call until `None`: what an event lent is freed by the call after it.
    ///
    /// A message may have `max_message` bytes, also when it is inflated. The inflater may serve other connections
    /// between two calls.
    pub fn next<'s, 'i: 's>(
        &'s mut self,
        input: &mut &'i mut [u8],
        max_message: usize,
        inflater: &'s mut Inflater,
    ) -> Result<Option<Event<'s>>, WsError> {
        inflater.release();
        let result = self.step(input, max_message, inflater);
        // The two arms of an event borrow differently, so the end is noted before either is built.
        match result {
            Ok(Ready::Nothing) => Ok(None),
            Ok(Ready::Whole(kind, payload)) => {
                let event = event(kind, payload);
                self.ended = matches!(event, Err(_) | Ok(Event::Close { .. }));
                event.map(Some)
            }
            Ok(Ready::Inflated(kind)) => {
                let event = event(kind, inflater.message());
                self.ended = event.is_err();
                event.map(Some)
            }
            Ok(Ready::Control(kind)) => {
                let WebSocket { partial, ended, .. } = self;
                let payload = partial.as_ref().map_or(&[][..], |p| &p.control);
                let event = event(kind, payload);
                *ended = matches!(event, Err(_) | Ok(Event::Close { .. }));
                event.map(Some)
            }
            Ok(Ready::Message) => match self.partial.as_deref().and_then(|p| p.message.as_ref()) {
                Some(Message::Text(text, _)) => Ok(Some(Event::Text(text))),
                Some(Message::Binary(bytes)) => Ok(Some(Event::Binary(bytes))),
                Some(Message::Compressed(..)) | None => Ok(None),
            },
            Err(error) => {
                self.ended = true;
                self.partial = None;
                inflater.release();
                Err(error)
            }
        }
    }

    fn step<'i>(
        &mut self,
        input: &mut &'i mut [u8],
        max: usize,
        inflater: &mut Inflater,
    ) -> Result<Ready<'i>, WsError> {
        self.free_lent();
        loop {
            if self.ended {
                take(input, input.len());
                return Ok(Ready::Nothing);
            }
            if self.partial.as_ref().is_none_or(|p| p.frame.is_none()) {
                if input.is_empty() {
                    return Ok(Ready::Nothing);
                }
                let Some(header) = self.header(input, max)? else { return Ok(Ready::Nothing) };
                let single = header.kind.is_control() || header.fin && header.kind != Kind::Continue;
                if single && input.len() >= header.len {
                    let payload = take(input, header.len);
                    mask::apply(payload, header.mask, 0);
                    if header.compressed {
                        inflater.inflate(payload, max)?;
                        return Ok(Ready::Inflated(header.kind));
                    }
                    return Ok(Ready::Whole(header.kind, payload));
                }
                self.partial().begin(&header);
            }
            let partial = self.partial();
            let ready = partial.feed(input)?;
            if matches!(ready, Ready::Message)
                && let Some((kind, payload)) = partial.take_compressed()
            {
                self.free_lent();
                inflater.inflate(&payload, max)?;
                return Ok(Ready::Inflated(kind));
            }
            if !matches!(ready, Ready::Nothing) {
                return Ok(ready);
            }
            if partial.frame.is_some() {
                return Ok(Ready::Nothing);
            }
        }
    }

    /// The next header, if it is whole; else what there is of it is kept.
    fn header(&mut self, input: &mut &mut [u8], max: usize) -> Result<Option<ClientHeader>, WsError> {
        let message = self.partial.as_ref().and_then(|p| p.message.as_ref());
        let cut = self.partial.as_ref().is_some_and(|p| p.head_len > 0);
        let first = match &self.partial {
            Some(partial) if cut => partial.head[0],
            _ => input[0],
        };
        let is_compressed = message.map_or(self.deflate && first & RSV1 != 0, Message::is_compressed);
        let max = if is_compressed { most_deflated(max) } else { max };
        let (open, room) = (message.is_some(), max.saturating_sub(message.map_or(0, Message::len)));
        let deflate = self.deflate;
        let header = if cut {
            let partial = self.partial();
            partial.collect_head(input);
            header::parse(&partial.head[..usize::from(partial.head_len)], room, deflate)?
        } else {
            header::parse(input, room, deflate)?
        };
        let Some(header) = header else {
            if !input.is_empty() {
                self.partial().collect_head(input);
            }
            return Ok(None);
        };
        if cut {
            self.partial().head_len = 0;
            self.free_empty();
        } else {
            take(input, header.size);
        }
        match header.kind {
            Kind::Continue if !open => Err(WsError::NothingToContinue),
            Kind::Text | Kind::Binary if open => Err(WsError::Interrupted),
            _ => Ok(Some(header)),
        }
    }

    fn partial(&mut self) -> &mut Partial {
        self.partial.get_or_insert_default()
    }

    /// Frees what the last event lent.
    fn free_lent(&mut self) {
        let Some(partial) = &mut self.partial else { return };
        match mem::take(&mut partial.lent) {
            Lent::Nothing => {}
            Lent::Control => partial.control = Vec::new(),
            Lent::Message => partial.message = None,
        }
        if self.ended {
            self.partial = None;
        }
        self.free_empty();
    }

    fn free_empty(&mut self) {
        if self.partial.as_ref().is_some_and(|p| p.is_empty()) {
            self.partial = None;
        }
    }
}

/// What a step found.
enum Ready<'i> {
    /// The input is used up.
    Nothing,
    /// A frame that lay whole in the input.
    Whole(Kind, &'i [u8]),
    /// A compressed message, which the inflater has.
    Inflated(Kind),
    /// A control frame that was collected.
    Control(Kind),
    /// A message that was collected.
    Message,
}

/// What the last event borrows from the partial.
#[derive(Debug, Default)]
enum Lent {
    #[default]
    Nothing,
    Control,
    Message,
}

/// A message whose end has not arrived.
#[derive(Debug)]
enum Message {
    /// Valid so far; the carry is the beginning of its next character.
    Text(String, Utf8Carry),
    Binary(Vec<u8>),
    /// What it is, and its payload as it came.
    Compressed(Kind, Vec<u8>),
}

impl Message {
    /// Bytes of payload so far.
    fn len(&self) -> usize {
        match self {
            Message::Text(text, carry) => text.len() + carry.carried(),
            Message::Binary(bytes) | Message::Compressed(_, bytes) => bytes.len(),
        }
    }

    /// Bytes that it takes.
    fn capacity(&self) -> usize {
        match self {
            Message::Text(text, _) => text.capacity(),
            Message::Binary(bytes) | Message::Compressed(_, bytes) => bytes.capacity(),
        }
    }

    fn is_compressed(&self) -> bool {
        matches!(self, Message::Compressed(..))
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), WsError> {
        match self {
            Message::Text(text, carry) => carry.push(bytes, text).map_err(|_| WsError::InvalidText),
            Message::Binary(all) | Message::Compressed(_, all) => {
                all.extend_from_slice(bytes);
                Ok(())
            }
        }
    }
}

/// A frame whose payload has not all arrived.
#[derive(Debug)]
struct FrameInProgress {
    kind: Kind,
    fin: bool,
    mask: [u8; 4],
    /// Bytes of payload so far, modulo four.
    phase: u8,
    /// Bytes of payload to come.
    left: usize,
}

/// Everything incomplete. It grows with the bytes that arrive and with nothing else.
#[derive(Debug, Default)]
struct Partial {
    /// The beginning of a header. Invariant: `head_len` is less than the header's length between calls.
    head: [u8; MAX_HEADER_BYTES],
    head_len: u8,
    lent: Lent,
    frame: Option<FrameInProgress>,
    message: Option<Message>,
    /// The payload of a control frame, which may stand in the middle of a message.
    control: Vec<u8>,
}

impl Partial {
    fn is_empty(&self) -> bool {
        self.head_len == 0 && self.frame.is_none() && self.message.is_none() && self.control.is_empty()
    }

    /// Takes of `input` what the header still needs, and no byte of payload.
    fn collect_head(&mut self, input: &mut &mut [u8]) {
        loop {
            let have = usize::from(self.head_len);
            let need = header::size_hint(&self.head[..have]) - have;
            let bytes = take(input, need.min(input.len()));
            if bytes.is_empty() {
                return;
            }
            self.head[have..have + bytes.len()].copy_from_slice(bytes);
            self.head_len += bytes.len() as u8;
        }
    }

    fn begin(&mut self, header: &ClientHeader) {
        let ClientHeader { kind, fin, mask, len, .. } = *header;
        match kind {
            _ if header.compressed => self.message = Some(Message::Compressed(kind, Vec::new())),
            Kind::Text => self.message = Some(Message::Text(String::new(), Utf8Carry::new())),
            Kind::Binary => self.message = Some(Message::Binary(Vec::new())),
            _ => {}
        }
        self.frame = Some(FrameInProgress { kind, fin, mask, phase: 0, left: len });
    }

    /// Takes of `input` what the frame in progress still needs.
    fn feed<'i>(&mut self, input: &mut &'i mut [u8]) -> Result<Ready<'i>, WsError> {
        let Some(frame) = &mut self.frame else { return Ok(Ready::Nothing) };
        let bytes = take(input, frame.left.min(input.len()));
        frame.phase = mask::apply(bytes, frame.mask, frame.phase);
        frame.left -= bytes.len();
        let (kind, fin, left) = (frame.kind, frame.fin, frame.left);
        if kind.is_control() {
            self.control.extend_from_slice(bytes);
        } else if let Some(message) = &mut self.message {
            message.push(bytes)?;
        }
        if left > 0 {
            return Ok(Ready::Nothing);
        }
        self.frame = None;
        if kind.is_control() {
            self.lent = Lent::Control;
            return Ok(Ready::Control(kind));
        }
        if !fin {
            return Ok(Ready::Nothing);
        }
        if matches!(&self.message, Some(Message::Text(_, carry)) if carry.carried() > 0) {
            return Err(WsError::InvalidText);
        }
        self.lent = Lent::Message;
        Ok(Ready::Message)
    }

    /// The kind and the payload of the message that was collected, if it has to be inflated.
    fn take_compressed(&mut self) -> Option<(Kind, Vec<u8>)> {
        match &mut self.message {
            Some(Message::Compressed(kind, payload)) => Some((*kind, mem::take(payload))),
            _ => None,
        }
    }
}

/// The event of a frame that stands alone.
fn event(kind: Kind, payload: &[u8]) -> Result<Event<'_>, WsError> {
    Ok(match kind {
        Kind::Text => Event::Text(std::str::from_utf8(payload).map_err(|_| WsError::InvalidText)?),
        Kind::Binary | Kind::Continue => Event::Binary(payload),
        Kind::Ping => Event::Ping(payload),
        Kind::Pong => Event::Pong(payload),
        Kind::Close => return close(payload),
    })
}

fn close(payload: &[u8]) -> Result<Event<'_>, WsError> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        let empty = payload.is_empty();
        return if empty { Ok(Event::Close { code: None, reason: "" }) } else { Err(WsError::CloseTooShort) };
    };
    let code = u16::from_be_bytes(*code);
    if !is_sendable(code) {
        return Err(WsError::CloseCode(code));
    }
    let reason = std::str::from_utf8(reason).map_err(|_| WsError::InvalidReason)?;
    Ok(Event::Close { code: Some(code), reason })
}

/// Whether a close frame may carry the code: those that IANA has registered for the wire, and the
/// ranges of libraries and applications (section 7.4.2).
pub fn is_sendable(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// The first `len` bytes of `input`, which is advanced past them.
fn take<'i>(input: &mut &'i mut [u8], len: usize) -> &'i mut [u8] {
    let (front, rest) = mem::take(input).split_at_mut(len);
    *input = rest;
    front
}

#[cfg(test)]
mod tests {
    use super::*;

    // What a client may say is in tests/wire_vectors.rs; here stands what only the inside can show.

    #[test]
    fn an_idle_connection_is_sixteen_bytes() {
        assert!(size_of::<WebSocket>() <= 16);
        let (mut socket, mut inflater) = (WebSocket::new(), Inflater::new());
        // A ping that is cut in its header, then in its payload.
        let mut bytes = [0x89, 0x82, 0, 0, 0, 0, b'h', b'i'];
        let (mut a, rest) = bytes.split_at_mut(3);
        let (mut b, mut c) = rest.split_at_mut(4);
        assert_eq!(socket.next(&mut a, 9, &mut inflater), Ok(None));
        assert!(!socket.is_idle());
        assert_eq!(socket.next(&mut b, 9, &mut inflater), Ok(None));
        assert_eq!(socket.next(&mut c, 9, &mut inflater), Ok(Some(Event::Ping(b"hi"))));
        assert_eq!(socket.next(&mut c, 9, &mut inflater), Ok(None));
        assert!(socket.is_idle());
    }

    #[test]
    fn memory_follows_the_bytes_and_not_the_announcement() {
        let mut socket = WebSocket::new();
        let mut bytes = [&[0x82, 0xff][..], &(1u64 << 40).to_be_bytes(), &[0; 4], b"abc"].concat();
        let mut input = &mut bytes[..];
        assert_eq!(socket.next(&mut input, usize::MAX, &mut Inflater::new()), Ok(None));
        let partial = socket.partial.as_ref().unwrap();
        assert!(matches!(&partial.message, Some(Message::Binary(bytes)) if bytes.capacity() < 64));
        assert!(size_of::<Partial>() <= 128);
    }
}
