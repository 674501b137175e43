//! What a broadcast that wants acknowledgements costs on the reactor that sends it, counted by the allocator of this
//! program.

mod embedded;
mod support;

use embedded::Embedded;
use fanfare::socketio::{Namespace, SocketIo};
use fanfare::{EngineOptions, Server};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

thread_local! {
    /// By thread: there is one reactor, and clients are on another thread.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

fn count() {
    // A thread that ends frees memory when its counter is gone; nobody looks at that.
    let _ = ALLOCATIONS.try_with(|sum| sum.set(sum.get() + 1));
}

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are those that this asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above; the pointer came from the same allocator.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations from the call that asks so many sockets, besides the one that has this done, until all was handed to the
/// kernel.
fn ask(recipients: usize) -> u64 {
    let namespace = Namespace::new("/").on("ask", |socket, _| {
        let id = socket.id();
        let before = ALLOCATIONS.get();
        socket.broadcast().timeout(Duration::from_secs(1_000)).emit_with_ack("q", "?", |_, answers| {
            assert!(!answers.is_complete(), "nobody answers here");
        })?;
        socket.context().later(move |cx| {
            let allocations = ALLOCATIONS.get() - before;
            cx.namespace("/").to(&id).emit("allocations", allocations).unwrap();
        });
        Ok(())
    });
    let socketio = SocketIo::new(EngineOptions::at("/socket.io/")).namespace(namespace);
    let server = Embedded::start(Server::builder().socketio(socketio));
    let mut clients: Vec<_> = (0..=recipients)
        .map(|_| {
            let mut ws = server.websocket("/socket.io/?EIO=4", "");
            ws.send("40");
            ws.text();
            ws
        })
        .collect();
    let mut rounds = Vec::new();
    for _ in 0..4 {
        let (asker, others) = clients.split_first_mut().unwrap();
        asker.send(r#"42["ask"]"#);
        let text = asker.text();
        let number = text.strip_prefix(r#"42["allocations","#).and_then(|text| text.strip_suffix(']'));
        rounds.push(number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{text}")));
        for ws in others {
            assert!(ws.text().ends_with(r#"["q","?"]"#));
        }
    }
    // What is kept for the next time is allocated once, or in steps.
    rounds.into_iter().min().unwrap()
}

#[test]
fn asking_allocates_for_the_question_and_not_for_whom_it_is_for() {
    let (few, many) = (ask(10), ask(1_000));
    println!("{few} allocations for 10, {many} for 1,000");
    assert_eq!(few, many);
    assert!(few <= 40, "{few}");
}
