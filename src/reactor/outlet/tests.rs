//! The outlet against wires that take what they are told to take.

mod dialects;
mod park;
mod room;
mod slow;

use super::*;
use roaring::RoaringBitmap;
use std::collections::HashMap;
use std::sync::Arc;

/// Wires with a capacity per slot; without one they take everything.
#[derive(Default)]
struct FakeWires {
    sent: HashMap<u32, Vec<u8>>,
    capacity: HashMap<u32, usize>,
    broken: Vec<u32>,
    shut: Vec<u32>,
    armed: HashMap<u32, bool>,
    calls: usize,
}

impl Wires for FakeWires {
    fn write(&mut self, slot: u32, bytes: &[u8]) -> io::Result<usize> {
        self.calls += 1;
        if self.broken.contains(&slot) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let room = self.capacity.entry(slot).or_insert(usize::MAX);
        if *room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = bytes.len().min(*room);
        *room -= count;
        self.sent.entry(slot).or_default().extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn write_vectored(&mut self, slot: u32, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let all: Vec<u8> = pieces.iter().flat_map(|piece| piece.to_vec()).collect();
        self.write(slot, &all)
    }

    fn shutdown(&mut self, slot: u32) {
        self.shut.push(slot);
    }

    fn want_writable(&mut self, link: LinkId, wanted: bool) {
        self.armed.insert(link.slot, wanted);
    }
}

fn outlet(links: u32, limit: usize) -> (Outlet, Vec<LinkId>, FakeWires) {
    let mut outlet = Outlet::new(limit);
    let ids = (0..links).map(|_| outlet.open()).collect();
    (outlet, ids, FakeWires::default())
}

fn frame(text: &str) -> Frame {
    Frame::from_bytes(text.as_bytes())
}

fn set(slots: &[u32]) -> Recipients {
    Recipients::Set(Arc::new(RoaringBitmap::from_iter(slots.iter().copied())))
}

fn text(wires: &FakeWires, slot: u32) -> String {
    String::from_utf8(wires.sent.get(&slot).cloned().unwrap_or_default()).unwrap()
}

#[test]
fn broadcasts_of_one_turn_to_the_same_links_are_one_write_each() {
    let (mut outlet, _, mut wires) = outlet(4, 1000);
    for message in ["a", "b", "c"] {
        outlet.fan_out(set(&[0, 1, 3]), None, &frame(message).into(), None);
    }
    outlet.flush(&mut wires);
    assert_eq!([0, 1, 2, 3].map(|slot| text(&wires, slot)), ["abc", "abc", "", "abc"]);
    assert_eq!(wires.calls, 3);
    assert_eq!(outlet.counts().deliveries, 9);
    assert_eq!(outlet.counts().queued_bytes, 0);
}

#[test]
fn order_holds_between_unicasts_and_broadcasts_of_a_turn() {
    let (mut outlet, ids, mut wires) = outlet(3, 1000);
    outlet.send(ids[0], &frame("1"));
    outlet.fan_out(set(&[0, 1]), None, &frame("2").into(), None);
    outlet.send(ids[0], &frame("3"));
    outlet.fan_out(set(&[0, 1]), None, &frame("4").into(), None);
    outlet.fan_out(set(&[0, 2]), None, &frame("5").into(), None);
    outlet.fan_out(set(&[0, 1]), None, &frame("6").into(), None);
    outlet.flush(&mut wires);
    assert_eq!([0, 1, 2].map(|slot| text(&wires, slot)), ["123456", "246", "5"]);
}

#[test]
fn each_sender_misses_only_its_own() {
    let (mut outlet, _, mut wires) = outlet(3, 1000);
    outlet.fan_out(set(&[0, 1, 2]), Some(0), &frame("0").into(), Some(Ticket(1)));
    outlet.fan_out(set(&[0, 1, 2]), Some(1), &frame("1").into(), Some(Ticket(2)));
    outlet.fan_out(set(&[0, 1, 2]), Some(0), &frame("0").into(), Some(Ticket(3)));
    outlet.flush(&mut wires);
    assert_eq!([0, 1, 2].map(|slot| text(&wires, slot)), ["1", "00", "010"]);
    let two = Tally { matched: 2, written: 2, ..Tally::default() };
    assert_eq!(outlet.take_tallies(), [(Ticket(1), two), (Ticket(2), two), (Ticket(3), two)]);
}

#[test]
fn a_tally_tells_written_queued_slow_and_closed_apart() {
    let (mut outlet, ids, mut wires) = outlet(5, 10);
    wires.capacity = HashMap::from([(1, 3), (2, 0)]);
    wires.broken = vec![3];
    outlet.seal(ids[4], Tick(100));
    outlet.fan_out(set(&[0, 1, 2, 3, 4]), None, &frame("12345678").into(), Some(Ticket(7)));
    outlet.flush(&mut wires);
    let first = Tally { matched: 5, written: 1, queued: 2, slow: 0, closed: 2, volatile: 0 };
    assert_eq!(outlet.take_tallies(), [(Ticket(7), first)]);
    assert_eq!(outlet.take_dead(), [ids[3]]);
    assert_eq!(outlet.waiting(ids[1]), 5);
    outlet.fan_out(set(&[1, 2]), None, &frame("abcdef").into(), Some(Ticket(8)));
    outlet.flush(&mut wires);
    // 5 + 6 and 8 + 6 are both over 10.
    assert_eq!(outlet.take_tallies(), [(Ticket(8), Tally { matched: 2, slow: 2, ..Tally::default() })]);
    assert_eq!(outlet.take_overflowed(), [ids[1], ids[2]]);
}

#[test]
fn who_asks_is_told_which_slots_did_not_get_it() {
    let (mut outlet, ids, mut wires) = outlet(5, 1000);
    wires.broken = vec![3];
    outlet.seal(ids[4], Tick(100));
    let asks = |number| Some(Ticket(Ticket::BY_SLOT | number));
    outlet.fan_out(set(&[0, 1, 3, 4]), Some(0), &frame("a").into(), asks(1));
    outlet.fan_out(set(&[0, 4]), None, &frame("b").into(), Some(Ticket(2)));
    outlet.fan_out(Recipients::One(4), None, &frame("c").into(), asks(3));
    // What is under way to one that has gone since.
    outlet.fan_out(set(&[1, 2]), None, &frame("d").into(), asks(4));
    outlet.abort(ids[2]);
    outlet.free(ids[2]);
    outlet.flush(&mut wires);
    let mut missed = outlet.take_missed();
    missed.sort_unstable_by_key(|(ticket, slot)| (ticket.0 & !Ticket::BY_SLOT, *slot));
    let by_slot = |number| Ticket(Ticket::BY_SLOT | number);
    // The one whose wire breaks in the flush had it in its outbox: it leaves.
    assert_eq!(missed, [(by_slot(1), 4), (by_slot(3), 4), (by_slot(4), 2)]);
    assert_eq!(outlet.take_missed(), []);
}

#[test]
fn a_tally_counts_those_who_were_freed_before_the_flush() {
    let (mut outlet, ids, mut wires) = outlet(3, 1000);
    outlet.abort(ids[1]);
    outlet.take_dead();
    outlet.fan_out(set(&[0, 1, 2]), None, &frame("bye").into(), Some(Ticket(1)));
    outlet.free(ids[1]);
    outlet.flush(&mut wires);
    let expected = Tally { matched: 3, written: 2, closed: 1, ..Tally::default() };
    assert_eq!(outlet.take_tallies(), [(Ticket(1), expected)]);
    assert_eq!((outlet.counts().deliveries, outlet.counts().dropped_closed), (2, 1));
}

#[test]
fn a_frame_that_is_half_on_the_wire_is_not_lost_to_slowness() {
    let (mut outlet, ids, mut wires) = outlet(1, 10);
    wires.capacity = HashMap::from([(0, 4)]);
    outlet.fan_out(set(&[0]), None, &frame("a frame of 22 bytes...").into(), Some(Ticket(1)));
    outlet.fan_out(set(&[0]), None, &frame("another").into(), Some(Ticket(2)));
    outlet.flush(&mut wires);
    assert_eq!(outlet.take_overflowed(), ids);
    let queued = Tally { matched: 1, queued: 1, ..Tally::default() };
    let slow = Tally { matched: 1, slow: 1, ..Tally::default() };
    assert_eq!(outlet.take_tallies(), [(Ticket(1), queued), (Ticket(2), slow)]);
    // Somebody else's farewell made a handler publish before this one's turn comes.
    outlet.fan_out(set(&[0]), None, &frame("a third").into(), Some(Ticket(3)));
    outlet.farewell(ids[0], Some(&frame("bye")));
    wires.capacity.clear();
    outlet.writable(ids[0]);
    outlet.flush(&mut wires);
    assert_eq!(outlet.take_tallies(), [(Ticket(3), slow)]);
    assert_eq!(text(&wires, 0), "a frame of 22 bytes...bye");
}

#[test]
fn the_limit_itself_is_allowed_and_control_frames_have_a_reserve() {
    let (mut outlet, ids, mut wires) = outlet(1, 10);
    wires.capacity = HashMap::from([(0, 0)]);
    outlet.send(ids[0], &frame("0123456789"));
    outlet.send_control(ids[0], &frame("pong"));
    outlet.flush(&mut wires);
    assert_eq!(outlet.take_overflowed(), []);
    outlet.send(ids[0], &frame("x"));
    outlet.flush(&mut wires);
    assert_eq!(outlet.take_overflowed(), ids);
}

#[test]
fn a_farewell_keeps_the_torn_frame_whole_and_then_shuts_down() {
    let (mut outlet, ids, mut wires) = outlet(1, 10);
    wires.capacity = HashMap::from([(0, 2)]);
    for message in ["first", "second", "third"] {
        outlet.send(ids[0], &frame(message));
    }
    outlet.flush(&mut wires);
    assert_eq!(outlet.take_overflowed(), ids);
    outlet.farewell(ids[0], Some(&frame("bye")));
    assert_eq!(outlet.counts().dropped_slow, 2);
    assert!(!outlet.send(ids[0], &frame("late")));
    wires.capacity.insert(0, 1000);
    outlet.writable(ids[0]);
    outlet.flush(&mut wires);
    assert_eq!(text(&wires, 0), "firstbye");
    assert_eq!(wires.shut, [0]);
    assert!(!wires.armed[&0]);
    assert_eq!(outlet.state(ids[0]), LinkState::Lingering);
    assert_eq!(outlet.counts().queued_bytes, 0);
}

#[test]
fn a_finished_link_whose_peer_has_ended_still_sends_what_it_has() {
    let (mut outlet, ids, mut wires) = outlet(1, 1000);
    wires.capacity = HashMap::from([(0, 2)]);
    outlet.send(ids[0], &frame("last words"));
    outlet.finish(ids[0]);
    outlet.flush(&mut wires);
    outlet.peer_ended(ids[0]);
    assert_eq!(outlet.state(ids[0]), LinkState::Finishing);
    wires.capacity.insert(0, 1000);
    outlet.writable(ids[0]);
    outlet.flush(&mut wires);
    assert_eq!(text(&wires, 0), "last words");
    assert_eq!(outlet.state(ids[0]), LinkState::Dead);
}

#[test]
fn a_refused_link_is_not_tried_again_until_it_is_writable() {
    let (mut outlet, ids, mut wires) = outlet(1, 1000);
    wires.capacity = HashMap::from([(0, 0)]);
    outlet.send(ids[0], &frame("a"));
    outlet.flush(&mut wires);
    assert_eq!((wires.calls, wires.armed[&0]), (1, true));
    outlet.send(ids[0], &frame("b"));
    outlet.flush(&mut wires);
    assert_eq!(wires.calls, 1);
    wires.capacity.insert(0, 10);
    outlet.writable(ids[0]);
    outlet.flush(&mut wires);
    assert_eq!((text(&wires, 0).as_str(), wires.armed[&0]), ("ab", false));
}

#[test]
fn deadlines_expire_once_and_endings_by_themselves() {
    let (mut outlet, ids, mut wires) = outlet(3, 1000);
    outlet.set_deadline(ids[0], Tick(5));
    outlet.set_deadline(ids[1], Tick(50));
    outlet.finish(ids[2]);
    outlet.flush(&mut wires);
    outlet.set_now(Tick(4));
    assert!(outlet.take_expired().is_empty());
    outlet.set_now(Tick(5));
    assert_eq!(outlet.take_expired(), [ids[0]]);
    assert!(outlet.take_expired().is_empty());
    outlet.set_now(Tick(49));
    assert!(outlet.take_expired().is_empty());
    assert_eq!(outlet.take_dead(), [ids[2]], "a lingering link is freed without its owner");
    outlet.set_now(Tick(50));
    assert_eq!(outlet.take_expired(), [ids[1]]);
}

#[test]
fn an_id_of_a_former_link_reaches_nobody() {
    let (mut outlet, ids, mut wires) = outlet(1, 1000);
    outlet.abort(ids[0]);
    for link in outlet.take_dead() {
        outlet.free(link);
    }
    let next = outlet.open();
    assert_eq!(next.slot, ids[0].slot);
    assert!(!outlet.send(ids[0], &frame("late")));
    outlet.set_deadline(ids[0], Tick(1));
    outlet.abort(ids[0]);
    outlet.flush(&mut wires);
    assert_eq!((text(&wires, 0).as_str(), outlet.state(next)), ("", LinkState::Open));
    assert!(outlet.take_expired().is_empty());
}

#[test]
fn a_link_fits_in_24_bytes() {
    assert!(std::mem::size_of::<Link>() <= 24, "{}", std::mem::size_of::<Link>());
}

#[test]
fn many_small_messages_to_many_are_urgent_before_any_link_is_over_its_limit() {
    let (mut outlet, _, mut wires) = outlet(2_000, 1 << 20);
    let (all, half) = (set(&(0..2_000).collect::<Vec<_>>()), set(&(0..1_000).collect::<Vec<_>>()));
    let mut rounds = 0;
    while !outlet.is_urgent() {
        // Two kinds of recipients in turn: neither can be laid out once for all.
        outlet.fan_out(all.clone(), None, &frame(&"a".repeat(100)).into(), None);
        outlet.fan_out(half.clone(), None, &frame(&"b".repeat(100)).into(), None);
        rounds += 1;
        assert!(rounds < 200, "nothing is urgent at {} queued bytes", outlet.counts().queued_bytes);
    }
    assert!(outlet.counts().queued_bytes < 2 * UNFLUSHED_BYTES as u64);
    outlet.flush(&mut wires);
    assert!(!outlet.is_urgent());
    assert_eq!(outlet.counts().queued_bytes, 0);
    assert_eq!((text(&wires, 1_999).len(), text(&wires, 0).len()), (rounds * 100, rounds * 200));
}

#[test]
fn a_link_that_finishes_is_read_to_its_end_even_if_reading_was_paused() {
    let (mut outlet, ids, _) = outlet(1, 1000);
    outlet.pause_reading(ids[0]);
    assert_eq!(outlet.ready_len(), 0);
    outlet.finish(ids[0]);
    assert!(!outlet.is_paused(ids[0]));
    assert_eq!(outlet.next_ready(), Some((ids[0], true)));
}

#[test]
fn a_link_waits_once_to_be_read_however_often_it_is_ready() {
    let (mut outlet, ids, _) = outlet(3, 1000);
    for (link, to_the_end) in [(0, false), (1, false), (0, true), (0, false), (2, false), (1, false)] {
        outlet.note_ready(ids[link], to_the_end);
    }
    outlet.free(ids[2]);
    let mut next = || outlet.next_ready();
    assert_eq!([next(), next(), next()], [Some((ids[0], true)), Some((ids[1], false)), None]);
    outlet.note_ready(ids[0], false);
    assert_eq!(outlet.next_ready(), Some((ids[0], false)));
}

#[test]
fn what_the_kernel_refused_is_not_urgent() {
    let (mut outlet, _, mut wires) = outlet(2, 10);
    wires.capacity = HashMap::from([(0, 0)]);
    outlet.fan_out(set(&[0, 1]), None, &frame("more than ten bytes").into(), None);
    outlet.flush(&mut wires);
    assert_eq!(outlet.waiting(LinkId { slot: 0, generation: 1 }), 19);
    assert!(!outlet.is_urgent());
}

#[test]
fn what_a_link_had_not_taken_when_it_ended_is_counted() {
    let (mut outlet, ids, mut wires) = outlet(1, 1000);
    wires.capacity = HashMap::from([(0, 7)]);
    for message in ["first", "second", "third"] {
        outlet.send(ids[0], &frame(message));
    }
    outlet.send_control(ids[0], &frame("pong"));
    outlet.flush(&mut wires);
    outlet.abort(ids[0]);
    outlet.take_dead().into_iter().for_each(|link| outlet.free(link));
    let counts = outlet.counts();
    assert_eq!((counts.deliveries, counts.dropped_closed, counts.queued_bytes), (3, 2, 0));
}

#[test]
fn parked_links_are_counted_until_they_have_a_wire_or_are_gone() {
    let (mut outlet, ids, _) = outlet(1, 1000);
    let (upgraded, gone) = (outlet.open_parked(), outlet.open_parked());
    assert_eq!((outlet.len(), outlet.counts().parked), (3, 2));
    outlet.adopt(upgraded, ids[0]);
    assert_eq!(outlet.counts().parked, 1);
    outlet.abort(gone);
    assert_eq!(outlet.counts().parked, 1, "it is there until the end of the turn");
    outlet.take_dead().into_iter().for_each(|link| outlet.free(link));
    outlet.free(upgraded);
    assert_eq!((outlet.len(), outlet.counts().parked), (0, 0));
}
