//! What names that clients made up leave behind in memory, counted by the allocator of this program: nothing.

mod embedded;
mod support;

use embedded::Embedded;
use fanfare::socketio::{Namespace, SocketIo};
use fanfare::{EngineOptions, Server};
use std::alloc::{GlobalAlloc, Layout, System};
use std::net::TcpStream;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use support::{PATIENCE, Ws};

/// Of all threads: there is one test in this program.
static BYTES: AtomicI64 = AtomicI64::new(0);

struct Counting;

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: the caller's promises are those that this asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: as above; the pointer came from the same allocator.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        BYTES.fetch_add(size as i64 - layout.size() as i64, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const NAMES: usize = 10_000;
/// As many as one session may be in.
const AT_ONCE: usize = 64;
/// What a name takes at least, wherever it is kept.
const NAME_BYTES: usize = 100;

fn name(nth: usize) -> String {
    format!("/{}-{nth}", "n".repeat(NAME_BYTES))
}

/// Joins namespaces, each after it left another one if there is one to leave.
fn enter(ws: &mut Ws<TcpStream>, names: impl Iterator<Item = (usize, Option<usize>)>) {
    let names: Vec<(usize, Option<usize>)> = names.collect();
    for (next, last) in &names {
        if let Some(last) = last {
            ws.send(&format!("41{},", name(*last)));
        }
        ws.send(&format!("40{},", name(*next)));
    }
    for (next, _) in names {
        let answer = ws.text();
        assert!(answer.starts_with(&format!("40{},{{\"sid\"", name(next))), "{answer}");
    }
}

/// Waits until no more is in use than that and a little.
fn settles_at(bytes: i64) {
    let until = Instant::now() + PATIENCE;
    loop {
        let more = BYTES.load(Ordering::Relaxed) - bytes;
        if more < NAMES as i64 * 2 {
            return;
        }
        assert!(Instant::now() < until, "{more} bytes more than before");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn names_that_came_and_went_leave_nothing_behind() {
    let namespace = Namespace::matching(r"^/n+-\d+$").unwrap().on("e", |_, _| ());
    let socketio = SocketIo::new(EngineOptions::at("/socket.io/")).namespace(namespace);
    let server = Embedded::start(Server::builder().socketio(socketio));
    // What is made once is there.
    let mut ws = server.websocket("/socket.io/?EIO=4", "");
    enter(&mut ws, [(0, None)].into_iter());
    let before = BYTES.load(Ordering::Relaxed);

    // One after the other, in a session that stays.
    for first in (0..NAMES).step_by(AT_ONCE) {
        enter(&mut ws, (first..first + AT_ONCE).map(|nth| (nth + 1, Some(nth))));
    }
    settles_at(before);

    // All at once.
    let sessions: Vec<Ws<TcpStream>> = (0..NAMES)
        .step_by(AT_ONCE)
        .map(|first| {
            let mut ws = server.websocket("/socket.io/?EIO=4", "");
            enter(&mut ws, (first..first + AT_ONCE).map(|nth| (nth, None)));
            ws
        })
        .collect();
    assert!(BYTES.load(Ordering::Relaxed) - before > (NAMES * NAME_BYTES) as i64);
    drop(sessions);
    settles_at(before);
}
