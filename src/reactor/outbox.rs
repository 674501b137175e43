//! What one link still has to send: frames it shares with others, and small ones copied together.

use crate::base::time::Tick;
use crate::wire::frame::Frame;
use std::collections::VecDeque;
use std::io::IoSlice;

/// A frame up to this size is copied behind another one instead of being kept by reference: that is
/// cheaper than a reference count that other cores write to, and leaves fewer pieces to send.
const COPY_BYTES: usize = 512;

/// Copied frames are gathered up to this size.
const GATHER_BYTES: usize = 16 << 10;

/// Marks the length of a frame that is a message, unlike a pong or a response. No frame is that long.
const MESSAGE: u32 = 1 << 31;

#[derive(Debug)]
enum Chunk {
    Shared(Frame),
    Own(Vec<u8>),
}

impl Chunk {
    fn bytes(&self) -> &[u8] {
        match self {
            Chunk::Shared(frame) => frame,
            Chunk::Own(bytes) => bytes,
        }
    }
}

/// A queue of frames. It exists only while something waits.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    chunks: VecDeque<Chunk>,
    /// Bytes of the first chunk that are on the wire. Invariant: less than its length.
    head_sent: usize,
    /// Bytes that wait. Invariant: the sum of all chunks less `head_sent`.
    waiting: usize,
    /// Every byte that was ever queued here, sent ones included.
    pushed: u64,
    /// The lengths of the frames that are not wholly sent, each with [`MESSAGE`] if it is one, so that what is lost can
    /// be counted.
    lengths: VecDeque<u32>,
    /// Bytes of the first of them that are on the wire. Invariant: less than its length.
    front_sent: usize,
    /// Bytes of control frames queued since it was last empty.
    control: usize,
    /// When the first of what was queued since it was last empty came.
    since: Tick,
}

impl Outbox {
    pub(super) fn push(&mut self, frame: &Frame, is_message: bool) {
        let len = frame.len();
        if len == 0 {
            return;
        }
        self.waiting += len;
        self.pushed += len as u64;
        debug_assert!(len < MESSAGE as usize);
        self.lengths.push_back(len as u32 | if is_message { MESSAGE } else { 0 });
        if len <= COPY_BYTES {
            match self.chunks.back_mut() {
                Some(Chunk::Own(tail)) if tail.len() + len <= GATHER_BYTES => {
                    return tail.extend_from_slice(frame);
                }
                Some(_) => return self.chunks.push_back(Chunk::Own(frame.to_vec())),
                None => {}
            }
        }
        self.chunks.push_back(Chunk::Shared(frame.clone()));
    }

    /// Notes when it began to have something.
    pub(super) fn begin(&mut self, now: Tick) {
        self.since = now;
    }

    /// Since when something waits.
    pub(super) fn since(&self) -> Tick {
        self.since
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// A mark for the end of what is queued now; see [`Outbox::is_sent`].
    pub(super) fn mark(&self) -> u64 {
        self.pushed
    }

    /// The mark up to which everything is on the wire.
    pub(super) fn sent(&self) -> u64 {
        self.pushed - self.waiting as u64
    }

    /// Whether everything up to a mark is on the wire.
    pub(super) fn is_sent(&self, mark: u64) -> bool {
        self.sent() >= mark
    }

    /// The same, or the frame that ends there is partly on the wire: [`Outbox::cut`] leaves it.
    pub(super) fn is_begun(&self, mark: u64) -> bool {
        self.sent() + self.torn() as u64 >= mark
    }

    /// Notes that so many of the queued bytes are control frames.
    pub(super) fn note_control(&mut self, bytes: usize) {
        self.control += bytes;
    }

    /// Bytes that count towards the limit: control frames may use a reserve beyond it.
    pub(super) fn charged(&self, reserve: usize) -> usize {
        self.waiting.saturating_sub(self.control.min(reserve))
    }

    /// What waits, in order, as far as it fits into `slices`; returns how many slices and bytes it filled.
    pub(super) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> (usize, usize) {
        let mut skip = self.head_sent;
        let (mut count, mut bytes) = (0, 0);
        for (slice, chunk) in slices.iter_mut().zip(&self.chunks) {
            let rest = &chunk.bytes()[skip..];
            skip = 0;
            *slice = IoSlice::new(rest);
            count += 1;
            bytes += rest.len();
        }
        (count, bytes)
    }

    /// Takes `sent` bytes off the front.
    pub(super) fn advance(&mut self, sent: usize) {
        debug_assert!(sent <= self.waiting);
        self.waiting -= sent;
        let mut offset = self.head_sent + sent;
        while let Some(head) = self.chunks.front() {
            let len = head.bytes().len();
            if offset < len {
                break;
            }
            offset -= len;
            self.chunks.pop_front();
        }
        self.head_sent = offset;
        let mut offset = self.front_sent + sent;
        while let Some(len) = self.lengths.front().map(|len| (len & !MESSAGE) as usize) {
            if offset < len {
                break;
            }
            offset -= len;
            self.lengths.pop_front();
        }
        self.front_sent = offset;
    }

    /// How many messages are not wholly sent.
    pub(super) fn messages(&self) -> u64 {
        self.lengths.iter().filter(|len| **len & MESSAGE != 0).count() as u64
    }

    /// Bytes to come of the frame that is partly on the wire.
    fn torn(&self) -> usize {
        let torn = if self.front_sent > 0 { self.lengths.front() } else { None };
        torn.map_or(0, |len| (len & !MESSAGE) as usize - self.front_sent)
    }

    /// Drops every frame that the peer has not begun to receive; returns how many messages and bytes. The
    /// rest of a frame that is partly on the wire stays, as the stream would be torn without it.
    pub(super) fn cut(&mut self) -> (u64, usize) {
        let before = (self.messages(), self.waiting);
        let rest = self.torn();
        self.chunks.truncate(usize::from(rest > 0));
        if let Some(Chunk::Own(bytes)) = self.chunks.front_mut() {
            bytes.truncate(self.head_sent + rest);
        }
        if rest == 0 {
            self.head_sent = 0;
        }
        self.lengths.truncate(usize::from(rest > 0));
        self.waiting = rest;
        self.pushed -= (before.1 - rest) as u64;
        (before.0 - self.messages(), before.1 - rest)
    }

    /// Appends what waits to `into`; it counts as sent then.
    pub(super) fn move_to(&mut self, into: &mut Vec<u8>) {
        let mut skip = self.head_sent;
        into.reserve(self.waiting);
        for chunk in &self.chunks {
            into.extend_from_slice(&chunk.bytes()[skip..]);
            skip = 0;
        }
        self.advance(self.waiting);
        self.control = 0;
    }

    /// Queues what another outbox has behind what waits here. Of what waits there nothing may be on a wire.
    pub(super) fn append(&mut self, other: Outbox) {
        debug_assert!(other.head_sent == 0 && other.front_sent == 0);
        self.chunks.extend(other.chunks);
        self.lengths.extend(other.lengths);
        self.waiting += other.waiting;
        self.pushed += other.waiting as u64;
        self.control += other.control;
    }

    /// Ready for another link: empty, with what little capacity is worth keeping.
    pub(super) fn recycle(&mut self) {
        debug_assert!(self.is_empty());
        self.chunks.clear();
        self.chunks.shrink_to(8);
        self.lengths.clear();
        self.lengths.shrink_to(8);
        (self.head_sent, self.front_sent, self.pushed, self.control) = (0, 0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(outbox: &mut Outbox, step: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while !outbox.is_empty() {
            let mut slices = [IoSlice::new(&[]); 4];
            let (count, _) = outbox.slices(&mut slices);
            let bytes: Vec<u8> = slices[..count].iter().flat_map(|s| s.to_vec()).take(step).collect();
            all.extend_from_slice(&bytes);
            outbox.advance(bytes.len());
        }
        all
    }

    #[test]
    fn every_byte_leaves_once_and_in_order_whatever_the_kernel_takes() {
        let frames: Vec<Vec<u8>> = [3usize, 600, 1, 512, 513, 20_000, 7, 7]
            .iter()
            .enumerate()
            .map(|(i, len)| (0..*len).map(|j| (i * 31 + j) as u8).collect())
            .collect();
        let want: Vec<u8> = frames.concat();
        for step in [1, 2, 511, 600, 4096, 1 << 20] {
            let mut outbox = Outbox::default();
            for frame in &frames {
                outbox.push(&Frame::from_bytes(frame.as_slice()), true);
            }
            assert_eq!(outbox.waiting(), want.len());
            assert_eq!(drain(&mut outbox, step), want);
        }
    }

    #[test]
    fn a_mark_is_sent_when_its_last_byte_is() {
        let mut outbox = Outbox::default();
        outbox.push(&Frame::from_bytes([1; 10]), true);
        let first = outbox.mark();
        outbox.push(&Frame::from_bytes([2; 10]), true);
        outbox.advance(9);
        assert!(!outbox.is_sent(first) && outbox.is_begun(first));
        outbox.advance(1);
        assert!(outbox.is_sent(first));
        assert!(!outbox.is_sent(outbox.mark()) && !outbox.is_begun(outbox.mark()));
    }

    #[test]
    fn cutting_keeps_what_is_half_way() {
        let mut outbox = Outbox::default();
        outbox.push(&Frame::from_bytes([1; 1000]), true);
        outbox.push(&Frame::from_bytes([2; 1000]), true);
        assert_eq!(outbox.cut(), (2, 2000));
        outbox.push(&Frame::from_bytes([1; 1000]), true);
        outbox.push(&Frame::from_bytes([2; 1000]), true);
        outbox.advance(1);
        assert_eq!(outbox.cut(), (1, 1000));
        assert_eq!(outbox.waiting(), 999);
        assert_eq!(drain(&mut outbox, 64), [1; 999]);
    }

    #[test]
    fn cutting_inside_a_run_of_copied_frames_ends_at_a_frame() {
        let mut outbox = Outbox::default();
        outbox.push(&Frame::from_bytes([0; 600]), true);
        for byte in 1..=3 {
            outbox.push(&Frame::from_bytes([byte; 10]), true);
        }
        outbox.advance(600 + 10 + 4);
        assert_eq!(outbox.cut(), (1, 10));
        assert_eq!(drain(&mut outbox, 64), [2; 6]);
    }
}
