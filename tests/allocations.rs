//! What delivering and being connected cost in heap memory, counted by the allocator of this program.

use fanfare::Frame;
use fanfare::base::ids::{LinkId, ReactorId};
use fanfare::hub::{Hub, Interest, Selector};
use fanfare::reactor::outlet::{Outlet, Wires};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{self, IoSlice};
use std::sync::Arc;

thread_local! {
    /// By thread, because tests run side by side.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<i64> = const { Cell::new(0) };
}

struct Counting;

fn count(allocations: u64, bytes: i64) {
    // A thread that ends frees memory when its counters are gone; nobody looks at those.
    let _ = ALLOCATIONS.try_with(|sum| sum.set(sum.get() + allocations));
    let _ = BYTES.try_with(|sum| sum.set(sum.get() + bytes));
}

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as i64);
        // SAFETY: the caller's promises are those that this asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, -(layout.size() as i64));
        // SAFETY: as above; the pointer came from the same allocator.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size as i64 - layout.size() as i64);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The allocations of a call and the bytes that it left allocated.
fn measure<T>(call: impl FnOnce() -> T) -> (u64, i64, T) {
    let before = (ALLOCATIONS.get(), BYTES.get());
    let result = call();
    (ALLOCATIONS.get() - before.0, BYTES.get() - before.1, result)
}

/// Takes everything.
struct Sink(u64);

impl Wires for Sink {
    fn write(&mut self, _: u32, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn write_vectored(&mut self, slot: u32, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        pieces.iter().map(|piece| self.write(slot, piece)).sum()
    }

    fn shutdown(&mut self, _: u32) {}

    fn want_writable(&mut self, _: LinkId, _: bool) {}
}

fn text() -> Frame {
    fanfare::wire::frame::encode(fanfare::wire::frame::Opcode::Text, &[b'x'; 64])
}

/// Allocations of `frames` broadcasts to so many links, and their flush.
fn broadcast(recipients: u32, frames: usize) -> u64 {
    let mut hub = Hub::new(ReactorId(0), Arc::new(Interest::new()));
    let mut outlet = Outlet::new(1 << 20);
    for _ in 0..recipients {
        let slot = outlet.open().slot;
        hub.enter(slot, "d1");
        hub.join(slot, "d1", "#g1");
    }
    let mut sink = Sink(0);
    let mut round = || {
        for _ in 0..frames {
            let selector = Selector { scope: "d1", rooms: &["#g1"], except: &[] };
            outlet.fan_out(hub.select(selector), None, &text().into(), None);
        }
        outlet.flush(&mut sink);
    };
    // What is kept for the next time is allocated once.
    round();
    let (allocations, bytes, ()) = measure(round);
    assert_eq!(bytes, 0, "a broadcast left memory behind");
    assert_eq!(sink.0, 2 * u64::from(recipients) * frames as u64 * 66);
    allocations
}

#[test]
fn a_broadcast_allocates_for_itself_and_not_for_its_recipients() {
    // The frame, and the list of the frames that wait.
    assert!(broadcast(10_000, 1) <= 2, "{}", broadcast(10_000, 1));
    assert_eq!(broadcast(10_000, 1), broadcast(100, 1));
    // Sixteen frames, and the list growing.
    assert!(broadcast(10_000, 16) <= 16 + 4, "{}", broadcast(10_000, 16));
    assert_eq!(broadcast(10_000, 16), broadcast(100, 16));
}

#[test]
fn choosing_recipients_allocates_by_rooms_and_not_by_members() {
    let mut hub = Hub::new(ReactorId(0), Arc::new(Interest::new()));
    for slot in 0..30_000 {
        hub.enter(slot, "d1");
        hub.join(slot, "d1", ["#g1", "#g2", "#g3"][slot as usize % 3]);
    }
    let select = |rooms: &[&str], except: &[&str]| {
        let (allocations, _, found) = measure(|| hub.select(Selector { scope: "d1", rooms, except }));
        (allocations, found.len())
    };
    assert_eq!(select(&[], &[]), (0, 30_000));
    assert_eq!(select(&["#g1"], &[]), (0, 10_000));
    let (allocations, found) = select(&["#g1", "#g2"], &["#g3"]);
    assert_eq!(found, 20_000);
    assert!(allocations <= 16, "{allocations}");
}

#[test]
fn an_idle_client_costs_at_most_200_bytes_of_tables() {
    const CLIENTS: u32 = 30_000;
    const GROUPS: u32 = 100;
    let build = || {
        let interest = Arc::new(Interest::new());
        let mut reactors: Vec<(Hub, Outlet, Vec<LinkId>)> = (0..2)
            .map(|id| (Hub::new(ReactorId(id), interest.clone()), Outlet::new(1 << 20), Vec::new()))
            .collect();
        for client in 0..CLIENTS {
            let (hub, outlet, _) = &mut reactors[client as usize % 2];
            let slot = outlet.open().slot;
            hub.enter(slot, "d1");
            hub.claim(slot, "d1", &format!("@client-{client}"));
            hub.join(slot, "d1", &format!("#group-{}", client / 2 % GROUPS));
        }
        (interest, reactors)
    };
    let (_, bytes, (interest, mut reactors)) = measure(build);
    let each = bytes / i64::from(CLIENTS);
    println!("{each} bytes a client: hub, interest and link tables");
    assert!(each <= 200, "{each} bytes a client");

    // And nothing of it stays when they have gone.
    let (_, freed, ()) = measure(|| {
        for (hub, outlet, links) in &mut reactors {
            links.extend(outlet.ids());
            for link in links.drain(..) {
                hub.exit(link.slot);
                outlet.abort(link);
                outlet.free(link);
            }
            outlet.take_dead();
            hub.trim();
            outlet.trim();
            *links = Vec::new();
        }
    });
    assert!(interest.is_empty());
    let left = bytes + freed;
    println!("{left} bytes left of {bytes}");
    assert!(left * 20 <= bytes, "{left} bytes left of {bytes}");
}
