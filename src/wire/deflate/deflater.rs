//! Messages for clients, compressed once for all of them (RFC 7692, section 7.2.1).

use std::cell::RefCell;

use flate2::{Compress, Compression, FlushCompress};

use super::{KEEP_BYTES, TAIL};
use crate::wire::frame::{Frame, encode_compressed};

/// Compresses one message after the other, whoever they are for.
///
/// It owns nothing until the first one comes; then about 380 KB.
#[derive(Debug)]
pub struct Deflater {
    level: u8,
    state: Option<Compress>,
    /// The last message.
    out: Vec<u8>,
}

impl Deflater {
    /// Without memory. The level is from 1, the fastest, to 9; one beyond is taken for the nearest.
    pub const fn new(level: u8) -> Deflater {
        Deflater { level, state: None, out: Vec::new() }
    }

    /// The payload of the compressed message, without its tail; nothing if it is no shorter than the message.
    pub fn deflate(&mut self, message: &[u8]) -> Option<&[u8]> {
        if self.out.capacity() > KEEP_BYTES {
            self.out = Vec::new();
        }
        self.out.clear();
        let level = Compression::new(u32::from(self.level.clamp(1, 9)));
        let state = self.state.get_or_insert_with(|| Compress::new(level, false));
        state.reset();
        // A compressor without room left over has not finished, and has shown that it is not worth it.
        self.out.reserve_exact(message.len() + TAIL.len());
        state.compress_vec(message, &mut self.out, FlushCompress::Sync).ok()?;
        let has_finished = state.total_in() == message.len() as u64 && self.out.len() < self.out.capacity();
        let payload = if has_finished { self.out.strip_suffix(&TAIL)? } else { return None };
        (payload.len() < message.len()).then_some(payload)
    }

    /// The frame compressed, if it is a whole uncompressed message of at least `threshold` bytes and becomes shorter.
    pub fn frame_if_worth(&mut self, frame: &Frame, threshold: usize) -> Option<Frame> {
        let (opcode, message) = frame.message()?;
        if message.len() < threshold {
            return None;
        }
        self.deflate(message).map(|payload| encode_compressed(opcode, payload))
    }
}

thread_local! {
    static DEFLATER: RefCell<Deflater> = const { RefCell::new(Deflater::new(0)) };
}

/// Calls `call` with the deflater of this thread, at this level. `call` must not do the same.
pub fn with_thread<T>(level: u8, call: impl FnOnce(&mut Deflater) -> T) -> T {
    DEFLATER.with_borrow_mut(|deflater| {
        if deflater.level != level {
            *deflater = Deflater::new(level);
        }
        call(deflater)
    })
}

/// Frees the memory of this thread's deflater.
pub fn forget_thread() {
    DEFLATER.with_borrow_mut(|deflater| *deflater = Deflater::new(deflater.level));
}
