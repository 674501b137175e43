//! What a reactor's links take of memory, and who is shed when there is too little: who does not read, and who sends messages
//! and does not finish them.
//!
//! Owns the looks: ten a second where memory has a ceiling, and one whenever as much was sent, or received, as the look before
//! left room for, so that a flood between two looks is bounded by bytes and not by time. What a send takes of the kernel is freed when
//! the peer has it, or when the connection is reset; closing it is not enough, because the kernel goes on trying.

use super::Handler;
use super::outlet::{LinkState, Waiter};
use super::pressure::{Level, Pressure, Weight};
use super::turn::Reactor;
use crate::base::ids::{LinkId, ReactorId};
use crate::base::time::Tick;
use crate::sys::{self, Resident};
use socket2::Socket;
use std::os::fd::AsFd;
use std::sync::Arc;

/// What the kernel takes for a connection that is idle, in bytes: socket, inode, file and its entry in the poll.
/// Slab deltas over 19,500 pairs on Linux 6.18: 4,135 to 4,166 for each end.
const IDLE_BYTES: u64 = 4_160;
/// Links that are asked in one look; of more, the others are taken to be like those that were asked.
const ASKED: usize = 1_024;
/// The least room that a look leaves: without any, nothing that frees memory could be sent.
const LEAST_ROOM: usize = 256 << 10;
/// Time between two looks, and between two times that free memory is handed back while there is too little.
const LOOK_MS: u64 = 100;
const TRIM_MS: u64 = 1_000;

/// See the module.
#[derive(Debug)]
pub struct Scales {
    reactor: ReactorId,
    pressure: Arc<Pressure>,
    resident: Option<Resident>,
    /// Tick::NEVER while there is no ceiling.
    pub(super) next: Tick,
    next_trim: Tick,
    /// What those had here that were shed in the last look, in bytes.
    freeing: u64,
    /// What may be received before the next look.
    room: usize,
    /// Where the next look begins to ask.
    turn: usize,
}

impl Scales {
    /// In the table of the reactor's thread.
    pub fn new(reactor: ReactorId, pressure: Arc<Pressure>) -> Scales {
        let resident = Resident::open();
        if let Err(error) = &resident {
            log::warn!(
                "what the process takes is not known, a ceiling on memory is only one for the kernel: {error}"
            );
        }
        let first = if pressure.ceiling().is_some() { Tick(1) } else { Tick::NEVER };
        Scales {
            reactor,
            pressure,
            resident: resident.ok(),
            next: first,
            next_trim: Tick(1),
            freeing: 0,
            room: usize::MAX,
            turn: 0,
        }
    }

    /// Whether nothing more should be received before the next look.
    pub(super) fn is_out_of_room(&self) -> bool {
        self.room == 0
    }

    /// So many bytes came.
    pub(super) fn received(&mut self, bytes: usize) {
        self.room = self.room.saturating_sub(bytes);
    }
}

impl<H: Handler> Reactor<H> {
    /// Looks if it is time to, or if nothing more may be sent before.
    pub(super) fn weigh_if_due(&mut self) {
        let has_ceiling = self.scales.pressure.ceiling().is_some();
        let was_weighed = self.scales.next != Tick::NEVER;
        let is_time =
            self.now.tick >= self.scales.next || self.outlet.is_out_of_room() || self.scales.is_out_of_room();
        if has_ceiling && is_time {
            self.weigh();
        } else if was_weighed && !has_ceiling {
            self.scales.next = Tick::NEVER;
            self.outlet.make_room(usize::MAX);
            self.scales.room = usize::MAX;
        }
    }

    fn weigh(&mut self) {
        let pressure = self.scales.pressure.clone();
        self.scales.next = Tick(self.now.tick.0 + (LOOK_MS / crate::base::time::TICK_MS) as u32);
        let number = usize::from(self.scales.reactor.0);
        let process = |scales: &Scales| {
            let known = scales.resident.as_ref().and_then(Resident::bytes);
            known.unwrap_or_else(|| scales.pressure.process())
        };
        let is_time = pressure.refuses() && self.now.tick >= self.scales.next_trim;
        if is_time || self.scales.freeing > 0 {
            // What was freed may still be the allocator's.
            self.scales.next_trim = self.now.tick.plus_ms(TRIM_MS);
            sys::return_free_memory();
            pressure.end_freeing(std::mem::take(&mut self.scales.freeing));
        }
        let process = process(&self.scales);
        // Those who send are looked at one by one only if it has come to that.
        let is_tight = pressure.would_refuse(process);
        let weight = self.ask_links(is_tight);
        let level = pressure.weighed(number, weight, process);
        if level == Level::Shed {
            let (queued, waiting) = self.shed(pressure.share_to_free(number));
            pressure.begin_freeing(number, queued, waiting);
            self.scales.freeing = waiting;
            // While their addresses are known.
            self.write_notes();
        }
        let headroom = usize::try_from(pressure.headroom()).unwrap_or(usize::MAX);
        // Others send at the same time, and the kernel charges more than the bytes.
        let room = (headroom / (2 * pressure.reactors())).max(LEAST_ROOM);
        self.outlet.make_room(room);
        self.scales.room = room;
    }

    /// What the kernel has charged, what waits to be sent and, if it `is_tight`, what was received and is not whole.
    fn ask_links(&mut self, is_tight: bool) -> Weight {
        let counts = self.outlet.counts();
        let wired = self.outlet.len() as u64 - counts.parked;
        let stride = self.outlet.len().div_ceil(ASKED).max(1);
        let first = self.scales.turn % stride;
        self.scales.turn = self.scales.turn.wrapping_add(1);
        let (mut asked, mut exact, mut sampled, mut unfinished) = (0, 0, 0, 0);
        for (number, waiter) in self.outlet.waiters().enumerate() {
            if is_tight {
                unfinished += self.handler.unfinished_bytes(waiter.link) as u64;
            }
            // Those for which the kernel takes no more are all asked, as far as that can be paid for.
            let refused = waiter.refused && asked < ASKED;
            if refused || number % stride == first {
                let charged = charged(&self.sockets, waiter.link);
                if refused {
                    asked += 1;
                    exact += charged;
                } else {
                    sampled += charged;
                }
            }
        }
        let queued = exact + sampled * stride as u64;
        Weight { idle: wired * IDLE_BYTES, queued, waiting: counts.queued_bytes + unfinished }
    }

    /// Ends the links with the largest backlogs, of either direction, until so many bytes will be free; how many those are in
    /// the kernel, and here.
    fn shed(&mut self, bytes: u64) -> (u64, u64) {
        // What is here of a link counts as waiting, whichever way it goes.
        let whole = |waiter: Waiter| {
            let unfinished = self.handler.unfinished_bytes(waiter.link);
            (0, Waiter { waiting: waiter.waiting + unfinished, ..waiter })
        };
        let mut waiters: Vec<(u64, Waiter)> = self.outlet.waiters().map(whole).collect();
        for (backlog, waiter) in &mut waiters {
            let socket = socket(&self.sockets, waiter.link);
            let unsent = socket.map_or(0, |socket| {
                sys::unsent_bytes(socket.as_fd()).unwrap_or_else(|| charged(&self.sockets, waiter.link))
            });
            *backlog = unsent + waiter.waiting as u64;
        }
        waiters.retain(|(backlog, _)| *backlog > 0);
        // Who ends has had its last words; then whoever is farthest behind.
        waiters.sort_unstable_by_key(|(backlog, waiter)| std::cmp::Reverse((waiter.ends, *backlog)));
        let (mut queued, mut waiting) = (0, 0);
        for (_, waiter) in waiters {
            if queued + waiting >= bytes {
                break;
            }
            let charged = charged(&self.sockets, waiter.link);
            self.handler.shed(waiter.link, &mut self.outlet);
            if self.outlet.state(waiter.link) == LinkState::Dead {
                queued += charged;
                waiting += waiter.waiting as u64;
            }
        }
        (queued, waiting)
    }
}

/// Closing a socket so drops what the kernel has not sent.
pub(super) fn reset_on_close(socket: &Socket) {
    // It fails for no socket that can be closed.
    let _ = socket.set_linger(Some(std::time::Duration::ZERO));
}

fn socket(sockets: &[Option<Socket>], link: LinkId) -> Option<&Socket> {
    sockets.get(link.slot as usize)?.as_ref()
}

fn charged(sockets: &[Option<Socket>], link: LinkId) -> u64 {
    // One that is gone has nothing.
    socket(sockets, link).and_then(|socket| sys::charged_bytes(socket.as_fd()).ok()).unwrap_or(0)
}
