//! What stands in for the kernel: connections as pairs of byte queues, and the dice.

use crate::base::ids::LinkId;
use crate::reactor::outlet::Wires;
use std::collections::VecDeque;
use std::io::{self, IoSlice};

/// Numbers that follow from a seed (SplitMix64).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    /// One of the first `count` numbers.
    pub(super) fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }

    /// From `low` to `high`, both included.
    pub(super) fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// A length that is mostly short and sometimes long.
    pub(super) fn length(&mut self, most: usize) -> usize {
        let most = if self.chance(70) { most.min(20) } else { most };
        self.between(1, most.max(1))
    }
}

/// One connection.
pub(super) struct Pipe {
    pub(super) to_server: VecDeque<u8>,
    pub(super) to_client: VecDeque<u8>,
    /// How many bytes each direction holds.
    pub(super) capacity: usize,
    /// The client sends no more.
    pub(super) client_done: bool,
    /// The server sends no more.
    pub(super) server_done: bool,
    /// Lost: reads and writes of the server fail.
    pub(super) broken: bool,
    /// The server wants to be told when it can write.
    pub(super) armed: bool,
    /// Bytes were refused, and the server was not told since that there is room.
    pub(super) refused: bool,
}

impl Pipe {
    pub(super) fn new(capacity: usize) -> Pipe {
        Pipe {
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            capacity,
            client_done: false,
            server_done: false,
            broken: false,
            armed: false,
            refused: false,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.to_client.len() < self.capacity
    }
}

/// The wires of one reactor: which connection is in which slot.
pub(super) struct Kernel<'a> {
    pub(super) pipes: &'a mut [Pipe],
    pub(super) slots: &'a [Option<usize>],
    pub(super) dice: &'a mut Dice,
}

impl Kernel<'_> {
    fn pipe(&mut self, slot: u32) -> &mut Pipe {
        let connection = self.slots[slot as usize].expect("a write to a slot without a connection");
        &mut self.pipes[connection]
    }
}

impl Wires for Kernel<'_> {
    fn write(&mut self, slot: u32, bytes: &[u8]) -> io::Result<usize> {
        assert!(!bytes.is_empty(), "a write of nothing");
        // Sometimes the kernel is short of memory and takes less than there is room for.
        let stingy = self.dice.chance(10);
        let cut = self.dice.length(bytes.len());
        let pipe = self.pipe(slot);
        assert!(!pipe.server_done, "a write behind the end of the stream");
        if pipe.broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let room = pipe.capacity - pipe.to_client.len().min(pipe.capacity);
        let count = bytes.len().min(room).min(if stingy { cut } else { usize::MAX });
        pipe.refused = count < bytes.len();
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        pipe.to_client.extend(&bytes[..count]);
        Ok(count)
    }

    fn write_vectored(&mut self, slot: u32, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let all: Vec<u8> = pieces.iter().flat_map(|piece| piece.iter().copied()).collect();
        self.write(slot, &all)
    }

    fn shutdown(&mut self, slot: u32) {
        self.pipe(slot).server_done = true;
    }

    fn want_writable(&mut self, link: LinkId, wanted: bool) {
        self.pipe(link.slot).armed = wanted;
    }
}
