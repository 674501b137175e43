//! Chunked bodies (RFC 9112, section 7.1).
//!
//! Owns: a decoder that goes on where it stopped, looks at each byte once, and moves the data
//! together in the buffer it arrived in. Chunk extensions and trailers are checked, counted and dropped.

use std::fmt;

use super::head::is_token_byte;

/// The most bytes of extension of one chunk. Nobody uses them; a bound is cheaper than an argument.
pub const MAX_EXTENSION_BYTES: usize = 256;
/// The most digits of a chunk size: 60 bits cannot overflow.
const MAX_SIZE_DIGITS: u8 = 15;

/// How a chunked body can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkError {
    /// A size that is not 1 to 15 hexadecimal digits.
    Size,
    /// An extension with a control or non-ASCII character, or over 256 bytes.
    Extension,
    /// Something other than CR LF where a line or a chunk ends.
    LineEnd,
    /// A trailer that is no `name: value`.
    Trailer,
    /// Extensions and trailers together exceed what a head may have.
    TooMuchOverhead,
    /// The chunks add up to more than the limit.
    TooLarge,
}

impl ChunkError {
    /// The status of the answer.
    pub fn status(self) -> u16 {
        match self {
            ChunkError::TooMuchOverhead => 431,
            ChunkError::TooLarge => 413,
            _ => 400,
        }
    }
}

impl fmt::Display for ChunkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChunkError::Size => "malformed chunk size",
            ChunkError::Extension => "malformed chunk extension",
            ChunkError::LineEnd => "chunk does not end with CR LF",
            ChunkError::Trailer => "malformed trailer",
            ChunkError::TooMuchOverhead => "chunk extensions and trailers are too large",
            ChunkError::TooLarge => "body is too large",
        })
    }
}

impl std::error::Error for ChunkError {}

/// What the next byte is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The size, after so many digits.
    Size(u8),
    /// An extension, after so many bytes.
    Extension(usize),
    /// The LF of the size line.
    SizeLf,
    /// The data of a chunk; `left` says how much of it.
    Data,
    /// The CR after the data.
    DataCr,
    /// The LF after the data.
    DataLf,
    /// The first byte of a trailer, or the CR of the last line.
    LineStart,
    /// The name of a trailer.
    Name,
    /// The value of a trailer.
    Value,
    /// The LF of a trailer.
    ValueLf,
    /// The LF of the last line.
    LastLf,
    /// Nothing.
    Done,
}

/// A chunked body in a buffer that bytes are appended to.
#[derive(Clone, Debug)]
pub struct Chunked {
    state: State,
    /// Data bytes of the chunk in progress that have not been seen.
    left: u64,
    /// Bytes of extensions and trailers so far.
    overhead: usize,
    /// Invariant: `start <= write <= read`. The body is `start..write`, what is unseen begins at `read`.
    start: usize,
    write: usize,
    read: usize,
}

impl Chunked {
    /// A body whose first size line begins at `start` of the buffer.
    pub fn new(start: usize) -> Chunked {
        Chunked { state: State::Size(0), left: 0, overhead: 0, start, write: start, read: start }
    }

    /// Takes the bytes of `buffer` that have not been seen; true once the body is whole. Until then
    /// everything seen is taken out, so that the buffer ends with the data so far.
    pub fn decode(
        &mut self,
        buffer: &mut Vec<u8>,
        max_body: usize,
        max_overhead: usize,
    ) -> Result<bool, ChunkError> {
        while self.state != State::Done {
            if self.state == State::Data {
                let here = (buffer.len() - self.read).min(usize::try_from(self.left).unwrap_or(usize::MAX));
                buffer.copy_within(self.read..self.read + here, self.write);
                self.read += here;
                self.write += here;
                self.left -= here as u64;
                if self.left > 0 {
                    break;
                }
                self.state = State::DataCr;
            }
            let Some(&byte) = buffer.get(self.read) else { break };
            self.read += 1;
            self.state = self.after(byte, max_body)?;
            if self.overhead > max_overhead {
                return Err(ChunkError::TooMuchOverhead);
            }
        }
        if self.state == State::Done {
            return Ok(true);
        }
        debug_assert_eq!(self.read, buffer.len());
        buffer.truncate(self.write);
        self.read = self.write;
        Ok(false)
    }

    /// The data so far, as a range of the buffer.
    pub fn body(&self) -> std::ops::Range<usize> {
        self.start..self.write
    }

    /// Where the bytes begin that follow a whole body.
    pub fn end(&self) -> usize {
        self.read
    }

    fn after(&mut self, byte: u8, max_body: usize) -> Result<State, ChunkError> {
        Ok(match (self.state, byte) {
            (State::Size(digits), _) if byte.is_ascii_hexdigit() => {
                if digits == MAX_SIZE_DIGITS {
                    return Err(ChunkError::Size);
                }
                let digit = char::from(byte).to_digit(16).unwrap_or(0);
                self.left = self.left << 4 | u64::from(digit);
                State::Size(digits + 1)
            }
            (State::Size(1..), b'\r') => State::SizeLf,
            (State::Size(1..), b';') => State::Extension(0),
            (State::Size(_), _) => return Err(ChunkError::Size),

            (State::Extension(_), b'\r') => State::SizeLf,
            (State::Extension(bytes), b'\t' | b' '..=b'~') if bytes < MAX_EXTENSION_BYTES => {
                self.overhead += 1;
                State::Extension(bytes + 1)
            }
            (State::Extension(_), _) => return Err(ChunkError::Extension),

            (State::SizeLf, b'\n') if self.left == 0 => State::LineStart,
            (State::SizeLf, b'\n') => {
                // Refused before a byte of the chunk is kept.
                if self.left > (max_body - (self.write - self.start).min(max_body)) as u64 {
                    return Err(ChunkError::TooLarge);
                }
                State::Data
            }
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size(0),
            (State::SizeLf | State::DataCr | State::DataLf, _) => return Err(ChunkError::LineEnd),

            (State::LineStart, b'\r') => State::LastLf,
            (State::LineStart | State::Name, _) if is_token_byte(byte) => {
                self.overhead += 1;
                State::Name
            }
            (State::Name, b':') => State::Value,
            (State::Value, b'\r') => State::ValueLf,
            (State::Value, b'\t' | b' '..=b'~' | 0x80..) => {
                self.overhead += 1;
                State::Value
            }
            (State::LineStart | State::Name | State::Value, _) => return Err(ChunkError::Trailer),
            (State::ValueLf, b'\n') => {
                self.overhead += 1;
                State::LineStart
            }
            (State::LastLf, b'\n') => State::Done,
            (State::ValueLf | State::LastLf, _) => return Err(ChunkError::LineEnd),
            (State::Data | State::Done, _) => unreachable!("decode takes no byte in these states"),
        })
    }
}
