//! What delivering and being connected cost in heap memory, counted by the allocator of this program.

use fanfare::Frame;
use fanfare::base::ids::{LinkId, ReactorId};
use fanfare::hub::{Hub, Interest, Selector};
use fanfare::reactor::outlet::{Outlet, Wires};
use fanfare::session::websocket::{Event, WebSocket, WsError};
use fanfare::wire::adapter::{
    Body, Broadcast, Channels, Flags, Message, Opts, Payload, Wire, decode, encode,
};
use fanfare::wire::deflate::{Deflater, InflateError, Inflater};
use fanfare::wire::dialect::Dialect;
use fanfare::wire::engine::Revision;
use fanfare::wire::parcel::{Parcel, Piece, Settings};
use flate2::{Compress, Compression, FlushCompress};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{self, IoSlice};
use std::sync::Arc;

thread_local! {
    /// By thread, because tests run side by side.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<i64> = const { Cell::new(0) };
    /// The most of them since it was last set.
    static PEAK: Cell<i64> = const { Cell::new(0) };
}

struct Counting;

fn count(allocations: u64, bytes: i64) {
    // A thread that ends frees memory when its counters are gone; nobody looks at those.
    let _ = ALLOCATIONS.try_with(|sum| sum.set(sum.get() + allocations));
    let _ = BYTES.try_with(|sum| {
        sum.set(sum.get() + bytes);
        PEAK.try_with(|peak| peak.set(peak.get().max(sum.get())))
    });
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

/// The most bytes that a call had allocated at a time, and the bytes that it left.
fn measure_peak<T>(call: impl FnOnce() -> T) -> (i64, i64, T) {
    let before = BYTES.get();
    PEAK.set(before);
    let result = call();
    (PEAK.get() - before, BYTES.get() - before, result)
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

/// Allocations of a packet of Socket.IO, with an attachment or without, to so many sockets on WebSockets of both
/// revisions, and its flush.
fn emit(recipients: u32, attachment: bool) -> u64 {
    let mut hub = Hub::new(ReactorId(0), Arc::new(Interest::new()));
    let mut outlet = Outlet::new(1 << 20);
    for number in 0..recipients {
        let link = outlet.open();
        let revision = if number % 2 == 0 { Revision::Three } else { Revision::Four };
        outlet.set_dialect(link, Dialect::engine(revision, number % 3 == 0));
        hub.enter(link.slot, "/");
        hub.join(link.slot, "/", "g1");
    }
    let mut sink = Sink(0);
    let mut round = || {
        let text = Piece::Text(if attachment { "51-[\"e\",{}]" } else { "2[\"e\"]" }.into());
        let binary = attachment.then(|| Piece::Binary([7; 64].as_slice().into()));
        let parcel = Parcel::new(std::iter::once(text).chain(binary), Settings::default());
        let selector = Selector { scope: "/", rooms: &["g1"], except: &[] };
        outlet.fan_out(hub.select(selector), None, &parcel, None);
        outlet.flush(&mut sink);
    };
    // What is kept for the next time is allocated once.
    round();
    let (allocations, bytes, ()) = measure(round);
    assert_eq!(bytes, 0, "an event left memory behind");
    assert!(sink.0 > 2 * u64::from(recipients) * 8);
    allocations
}

#[test]
fn an_event_of_socketio_allocates_for_its_forms_and_not_for_its_recipients() {
    // The packet, its one form, and the list of what waits.
    assert!(emit(10_000, false) <= 6, "{}", emit(10_000, false));
    assert_eq!(emit(10_000, false), emit(100, false));
    // A form in each of four dialects.
    assert!(emit(10_000, true) <= 40, "{}", emit(10_000, true));
    assert_eq!(emit(10_000, true), emit(100, true));
}

/// What a client of Socket.IO on a WebSocket adds to these tables: two boxes, whose sizes tests in `src` bound, with what
/// the allocator adds to each, and their places in two more tables.
const SOCKETIO_BYTES: i64 = 96 + 40 + 2 * 16 + 24 + 8;

#[test]
fn an_idle_socketio_client_costs_at_most_384_bytes_of_tables() {
    const CLIENTS: u32 = 30_000;
    const GROUPS: u32 = 100;
    let build = || {
        let mut hub = Hub::new(ReactorId(0), Arc::new(Interest::new()));
        let mut outlet = Outlet::new(1 << 20);
        for client in 0..CLIENTS {
            let link = outlet.open();
            outlet.set_dialect(link, Dialect::engine(Revision::Four, false));
            hub.enter(link.slot, "/");
            hub.claim(link.slot, "/", &format!("client-{client}"));
            hub.join(link.slot, "/", &format!("group-{}", client % GROUPS));
        }
        (hub, outlet)
    };
    let (_, bytes, (mut hub, mut outlet)) = measure(build);
    let each = bytes / i64::from(CLIENTS) + SOCKETIO_BYTES;
    println!("{each} bytes a client");
    assert!(each <= 384, "{each} bytes a client");
    let (_, freed, ()) = measure(|| {
        for link in outlet.ids() {
            hub.exit_scope(link.slot, "/");
            outlet.abort(link);
            outlet.free(link);
        }
        outlet.take_dead();
        hub.trim();
        outlet.trim();
    });
    assert!((bytes + freed) * 20 <= bytes, "{} bytes left of {bytes}", bytes + freed);
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

/// A whole frame, masked with zeros, of a compressed binary message of so many megabytes of zeros.
fn bomb(megabytes: usize) -> Vec<u8> {
    let (zeros, mut payload) = (vec![0; 1 << 20], Vec::with_capacity(1 << 16));
    let mut state = Compress::new(Compression::best(), false);
    state.compress_vec(&zeros, &mut payload, FlushCompress::Sync).unwrap();
    let first = payload.len();
    state.compress_vec(&zeros, &mut payload, FlushCompress::Sync).unwrap();
    // What refers to a megabyte of zeros may do so again and again.
    let again = payload.split_off(first);
    (1..megabytes).for_each(|_| payload.extend_from_slice(&again));
    let length = (payload.len() as u64 - 4).to_be_bytes();
    [&[0xc2, 0xff][..], &length, &[0; 4], &payload[..payload.len() - 4]].concat()
}

#[test]
fn a_compressed_gigabyte_costs_what_a_message_may_have() {
    const MAX: usize = 1_000_000;
    let mut bytes = bomb(1_000);
    assert!(bytes.len() < MAX * 9 / 8, "{} bytes", bytes.len());
    let (mut socket, mut inflater) = (WebSocket::with_deflate(), Inflater::new());
    // In one piece, the compressed message is not copied.
    let (peak, left, error) = measure_peak(|| {
        let mut input = &mut bytes[..];
        socket.next(&mut input, MAX, &mut inflater).unwrap_err()
    });
    assert_eq!(error, WsError::Inflate(InflateError::TooBig));
    println!("{peak} bytes at most for a gigabyte, {left} left");
    assert!(peak < MAX as i64 + (64 << 10), "{peak} bytes at most");
    assert!(left < 64 << 10, "{left} bytes are kept for the next message");

    // In pieces, the compressed message has to be kept, but no more than that.
    let mut bytes = bomb(900);
    let mut socket = WebSocket::with_deflate();
    let (peak, left, error) = measure_peak(|| {
        bytes.chunks_mut(50_000).find_map(|mut piece| socket.next(&mut piece, MAX, &mut inflater).err())
    });
    assert_eq!(error, Some(WsError::Inflate(InflateError::TooBig)));
    println!("{peak} bytes at most for most of a gigabyte in pieces, {left} left");
    // The vector that collects it has up to twice what it holds.
    assert!(peak < 3 * MAX as i64 + (64 << 10), "{peak} bytes at most");
    assert!(socket.is_idle());
}

#[test]
fn compression_costs_nothing_until_it_is_used() {
    let (allocations, _, mut inflater) = measure(Inflater::new);
    assert_eq!(allocations, 0);
    let (allocations, _, mut deflater) = measure(|| Deflater::new(6));
    assert_eq!(allocations, 0);
    let mut socket = WebSocket::with_deflate();
    let mut bytes = *b"\x81\x82\0\0\0\0hi";
    let frame = text();
    let (allocations, ..) = measure(|| {
        let mut input = &mut bytes[..];
        assert_eq!(socket.next(&mut input, 9, &mut inflater), Ok(Some(Event::Text("hi"))));
        deflater.frame_if_worth(&frame, 65)
    });
    assert_eq!(allocations, 0, "nothing was compressed");

    let (_, bytes, _) = measure(|| deflater.frame_if_worth(&frame, 64).map(drop));
    println!("{bytes} bytes for a thread that compresses");
    assert!(bytes < 400 << 10, "{bytes} bytes");
    // From then on, what a message costs is its frame.
    let (allocations, bytes, _) = measure(|| deflater.frame_if_worth(&frame, 64).map(drop));
    assert_eq!((allocations, bytes), (1, 0));
}

#[test]
fn a_message_to_other_servers_is_its_channel_and_its_bytes() {
    let message = Message {
        scope: "/".into(),
        from: Some("0123456789abcdef".into()),
        to: None,
        seq: Some(1),
        body: Body::Broadcast(Broadcast {
            data: Payload::new(r#"["price",{"symbol":"ABC","bid":12.5,"ask":[12.6,12.7]}]"#, Vec::new()),
            opts: Opts { rooms: vec!["r1".into()], except: Vec::new(), flags: Flags::default() },
            request: None,
            report: None,
        }),
    };
    // To be read, MessagePack becomes text, which is a third; the rooms are a list.
    for (wire, to_read) in [(Wire::Classic, 2), (Wire::Sharded, 1)] {
        let channels = Channels::new("socket.io", wire);
        let (written, _, encoded) = measure(|| encode(&channels, &message));
        let (channel, bytes) = encoded.unwrap();
        let (read, _, decoded) = measure(|| decode(&channels, "another", &channel, &bytes));
        assert_eq!(decoded, Ok(Some(message.clone())));
        println!("{written} allocations to write, {read} to read: {wire:?}");
        assert_eq!((written, read), (2, to_read));
    }
}
