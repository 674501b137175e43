//! Parked links: what waits for them, what they become, and what is counted on the way.

use super::*;
use crate::base::ids::ReactorId;

/// A parked link in slot 0, and so many others.
fn parked(others: u32, limit: usize) -> (Outlet, LinkId, Vec<LinkId>, FakeWires) {
    let mut outlet = Outlet::new(limit);
    let parked = outlet.open_parked();
    let ids = (0..others).map(|_| outlet.open()).collect();
    (outlet, parked, ids, FakeWires::default())
}

fn taken(outlet: &mut Outlet, link: LinkId) -> Option<String> {
    let mut bytes = Vec::new();
    let any = outlet.take_parked(link, &mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(any, !text.is_empty());
    any.then_some(text)
}

fn volatile(text: &str) -> Parcel {
    let settings = crate::wire::parcel::Settings { volatile: true, compression: None };
    Parcel::of_frame(&Frame::text(text), settings)
}

#[test]
fn what_is_sent_to_a_parked_link_waits_in_order_until_it_is_taken() {
    let (mut outlet, parked, _, mut wires) = parked(1, 1000);
    outlet.send(parked, &frame("a"));
    outlet.fan_out(set(&[0, 1]), None, &frame("b").into(), None);
    outlet.flush(&mut wires);
    outlet.fan_out(set(&[0, 1]), None, &frame("c").into(), None);
    outlet.send(parked, &frame("d"));
    assert_eq!((outlet.waiting(parked), outlet.take_filled()), (4, vec![]));
    assert_eq!(taken(&mut outlet, parked).as_deref(), Some("abcd"));
    assert_eq!((taken(&mut outlet, parked), outlet.waiting(parked)), (None, 0));
    outlet.flush(&mut wires);
    assert_eq!((text(&wires, 0).as_str(), text(&wires, 1).as_str()), ("", "bc"));
    assert_eq!((outlet.counts().queued_bytes, outlet.counts().deliveries), (0, 6));
    outlet.abort(parked);
    outlet.send(parked, &frame("late"));
    assert_eq!(taken(&mut outlet, parked), None);
}

#[test]
fn the_owner_is_told_of_what_somebody_waits_for() {
    let (mut outlet, parked, _, mut wires) = parked(0, 1000);
    outlet.send(parked, &frame("a"));
    outlet.flush(&mut wires);
    assert_eq!(outlet.take_filled(), []);
    outlet.set_awaited(parked, true);
    outlet.flush(&mut wires);
    assert_eq!(outlet.take_filled(), [], "what was there before is its owner's business");
    outlet.send(parked, &frame("b"));
    outlet.flush(&mut wires);
    assert_eq!(outlet.take_filled(), [parked]);
    assert_eq!(taken(&mut outlet, parked).as_deref(), Some("ab"));
    outlet.set_awaited(parked, false);
    outlet.flush(&mut wires);
    outlet.send(parked, &frame("c"));
    outlet.flush(&mut wires);
    assert_eq!(outlet.take_filled(), []);
    // Its end still lets through what its owner asks for.
    outlet.set_awaited(parked, true);
    outlet.send(parked, &frame("d"));
    outlet.seal(parked, Tick(100));
    assert!(!outlet.send(parked, &frame("late")));
    outlet.flush(&mut wires);
    assert_eq!(outlet.take_filled(), [parked]);
    assert_eq!(taken(&mut outlet, parked).as_deref(), Some("cd"));
}

#[test]
fn a_parked_link_is_slow_if_nobody_asks_for_what_it_has() {
    let (mut outlet, parked, _, mut wires) = parked(0, 10);
    outlet.send(parked, &frame("0123456789"));
    outlet.send_control(parked, &frame("ping"));
    outlet.flush(&mut wires);
    assert_eq!(
        outlet.take_overflowed(),
        [],
        "the limit itself is allowed, and control frames have a reserve"
    );
    outlet.fan_out(set(&[0]), None, &frame("x").into(), Some(Ticket(1)));
    outlet.flush(&mut wires);
    assert_eq!(outlet.take_overflowed(), [parked]);
    let slow = Tally { matched: 1, slow: 1, ..Tally::default() };
    assert_eq!(outlet.take_tallies(), [(Ticket(1), slow)]);
    outlet.farewell(parked, None);
    assert_eq!((outlet.counts().dropped_slow, outlet.counts().queued_bytes), (2, 0));
    outlet.flush(&mut wires);
    assert_eq!((outlet.take_dead(), wires.calls), (vec![parked], 0));
}

#[test]
fn a_burst_is_not_slowness_of_somebody_who_waits() {
    let (mut outlet, parked, _, mut wires) = parked(0, 10);
    outlet.set_awaited(parked, true);
    outlet.fan_out(set(&[0]), None, &frame("more than ten bytes").into(), Some(Ticket(1)));
    outlet.flush(&mut wires);
    assert_eq!((outlet.take_filled(), outlet.take_overflowed()), (vec![parked], vec![]));
    let queued = Tally { matched: 1, queued: 1, ..Tally::default() };
    assert_eq!(outlet.take_tallies(), [(Ticket(1), queued)]);
    assert_eq!(taken(&mut outlet, parked).as_deref(), Some("more than ten bytes"));
}

#[test]
fn bytes_are_no_more_for_being_written_as_text() {
    for (base64, fits) in [(false, 12), (true, 16)] {
        let (mut outlet, parked, _, mut wires) = parked(0, 12);
        outlet.set_dialect(parked, Dialect::engine(crate::wire::engine::Revision::Four, base64));
        outlet.send(parked, &frame(&"x".repeat(fits)));
        outlet.flush(&mut wires);
        assert_eq!(outlet.take_overflowed(), []);
        outlet.send(parked, &frame("x"));
        outlet.flush(&mut wires);
        assert_eq!(outlet.take_overflowed(), [parked]);
    }
}

#[test]
fn volatile_messages_are_for_whoever_waits_now() {
    let (mut outlet, parked, ids, mut wires) = parked(1, 1000);
    assert!(!outlet.send_parcel(parked, &volatile("a")));
    let ticket = Ticket(Ticket::BY_SLOT | 1);
    outlet.fan_out(set(&[0, 1]), None, &volatile("b"), Some(ticket));
    outlet.flush(&mut wires);
    let one = Tally { matched: 2, written: 1, volatile: 1, ..Tally::default() };
    assert_eq!(outlet.take_tallies(), [(ticket, one)]);
    assert_eq!(outlet.take_missed(), [(ticket, parked.slot)]);
    assert_eq!((outlet.waiting(parked), outlet.counts().dropped_volatile), (0, 2));

    outlet.set_awaited(parked, true);
    outlet.fan_out(set(&[0, 1]), Some(ids[0].slot), &volatile("c"), Some(Ticket(2)));
    assert!(outlet.send_parcel(parked, &volatile("d")));
    outlet.flush(&mut wires);
    let queued = Tally { matched: 1, queued: 1, ..Tally::default() };
    assert_eq!(outlet.take_tallies(), [(Ticket(2), queued)]);
    let mut bytes = Vec::new();
    assert!(outlet.take_parked(parked, &mut bytes));
    assert_eq!(bytes, b"\x81\x01c\x81\x01d");
}

#[test]
fn what_is_taken_in_the_turn_of_its_publish_counts_as_written() {
    let (mut outlet, parked, _, mut wires) = parked(1, 20);
    outlet.fan_out(set(&[0, 1]), None, &frame("first").into(), Some(Ticket(1)));
    assert_eq!(taken(&mut outlet, parked).as_deref(), Some("first"));
    outlet.fan_out(set(&[0, 1]), None, &frame("second").into(), Some(Ticket(2)));
    assert_eq!(taken(&mut outlet, parked).as_deref(), Some("second"));
    outlet.fan_out(set(&[0, 1]), None, &frame("third").into(), Some(Ticket(3)));
    outlet.fan_out(Recipients::One(0), None, &frame("too much for this one").into(), Some(Ticket(4)));
    outlet.flush(&mut wires);
    let both = Tally { matched: 2, written: 2, ..Tally::default() };
    let slow = Tally { matched: 2, written: 1, slow: 1, ..Tally::default() };
    let one = Tally { matched: 1, slow: 1, ..Tally::default() };
    assert_eq!(
        outlet.take_tallies(),
        [(Ticket(1), both), (Ticket(2), both), (Ticket(3), slow), (Ticket(4), one)]
    );
    assert_eq!(outlet.take_overflowed(), [parked]);
}

#[test]
fn an_adopted_wire_gets_its_own_bytes_first_and_then_what_waited_for_the_session() {
    let (mut outlet, parked, ids, mut wires) = parked(1, 1000);
    outlet.set_awaited(parked, true);
    outlet.send(parked, &frame("before "));
    outlet.flush(&mut wires);
    outlet.take_filled();
    outlet.send_control(ids[0], &frame("probe "));
    outlet.fan_out(set(&[0]), None, &frame("meanwhile ").into(), Some(Ticket(1)));
    outlet.adopt(parked, ids[0]);
    outlet.send(parked, &frame("after"));
    assert_eq!(outlet.take_moves(), [Move::Adopt(ids[0], parked)]);
    assert_eq!((outlet.state(ids[0]), outlet.state(parked)), (LinkState::Dead, LinkState::Open));
    assert_eq!((outlet.next_ready(), outlet.take_dead()), (Some((parked, true)), vec![ids[0]]));
    assert!(!outlet.is_parked(parked));
    outlet.free(ids[0]);
    outlet.flush(&mut wires);
    assert_eq!(text(&wires, parked.slot), "probe before meanwhile after");
    let written = Tally { matched: 1, written: 1, ..Tally::default() };
    assert_eq!(outlet.take_tallies(), [(Ticket(1), written)]);
    let counts = outlet.counts();
    assert_eq!((counts.queued_bytes, counts.deliveries, counts.dropped_closed), (0, 3, 0));
    assert_eq!(outlet.take_filled(), [], "nobody polls any more");
}

#[test]
fn publishes_know_what_became_of_them_across_an_adoption() {
    // However much of it the wire takes: "probe " has 6 bytes, "one " and "two " have 4, "three" has 5.
    for (capacity, written) in [(0, 0), (6, 0), (9, 0), (10, 1), (13, 1), (14, 2), (18, 2), (19, 3)] {
        let (mut outlet, parked, ids, mut wires) = parked(1, 1000);
        outlet.send_control(ids[0], &frame("probe "));
        outlet.fan_out(Recipients::One(0), None, &frame("gone").into(), Some(Ticket(0)));
        assert_eq!(taken(&mut outlet, parked).as_deref(), Some("gone"));
        outlet.fan_out(Recipients::One(0), None, &frame("one ").into(), Some(Ticket(1)));
        outlet.fan_out(set(&[0]), None, &frame("two ").into(), Some(Ticket(2)));
        outlet.adopt(parked, ids[0]);
        outlet.fan_out(set(&[0]), None, &frame("three").into(), Some(Ticket(3)));
        wires.capacity = HashMap::from([(parked.slot, capacity)]);
        outlet.flush(&mut wires);
        let all = outlet.take_tallies();
        let tallies: Vec<(u64, u64)> = all.iter().map(|(_, tally)| (tally.written, tally.queued)).collect();
        let expected: Vec<(u64, u64)> = (0..4).map(|n| if n <= written { (1, 0) } else { (0, 1) }).collect();
        assert_eq!(tallies, expected, "{capacity} bytes taken");
        wires.capacity.clear();
        outlet.writable(parked);
        outlet.flush(&mut wires);
        assert_eq!(text(&wires, parked.slot), "probe one two three");
        assert_eq!(outlet.counts().queued_bytes, 0);
    }
}

#[test]
fn a_publish_to_the_wire_that_is_adopted_is_not_lost() {
    let (mut outlet, parked, ids, mut wires) = parked(1, 1000);
    outlet.fan_out(set(&[0, 1]), None, &frame("x").into(), Some(Ticket(1)));
    outlet.adopt(parked, ids[0]);
    outlet.flush(&mut wires);
    let both = Tally { matched: 2, written: 2, ..Tally::default() };
    assert_eq!(outlet.take_tallies(), [(Ticket(1), both)]);
    assert_eq!(text(&wires, parked.slot), "xx");
}

#[test]
fn nothing_adopts_the_wire_of_a_session_that_is_gone_and_none_adopts_a_dead_wire() {
    let (mut outlet, parked, ids, mut wires) = parked(2, 1000);
    outlet.finish(ids[0]);
    outlet.adopt(parked, ids[0]);
    assert_eq!((outlet.state(ids[0]), outlet.is_parked(parked)), (LinkState::Dead, true));
    outlet.send(parked, &frame("kept"));
    assert_eq!(taken(&mut outlet, parked).as_deref(), Some("kept"));
    outlet.abort(parked);
    outlet.send(ids[1], &frame("never"));
    outlet.adopt(parked, ids[1]);
    assert_eq!(outlet.state(ids[1]), LinkState::Dead);
    assert!(!outlet.has_moves());
    outlet.flush(&mut wires);
    assert_eq!((outlet.take_dead().len(), wires.calls), (3, 0));
}

#[test]
fn moves_are_made_in_their_order_and_may_be_put_back() {
    let (mut outlet, parked, ids, _) = parked(2, 1000);
    let arrived = outlet.arrive(7);
    outlet.adopt(parked, arrived);
    outlet.depart(ids[0], ReactorId(1));
    let moves = outlet.take_moves();
    assert_eq!(
        moves,
        [Move::Arrive(arrived, 7), Move::Adopt(arrived, parked), Move::Depart(ids[0], ReactorId(1))]
    );
    outlet.put_back_move(moves[2]);
    outlet.depart(ids[1], ReactorId(2));
    assert!(outlet.has_moves());
    assert_eq!(outlet.take_moves(), [moves[2], Move::Depart(ids[1], ReactorId(2))]);
    assert!(!outlet.has_moves());
}

#[test]
fn whoever_waits_to_depart_is_told_when_the_last_byte_is_gone() {
    let (mut outlet, _, ids, mut wires) = parked(1, 1000);
    wires.capacity = HashMap::from([(1, 3)]);
    outlet.send_bytes(ids[0], &frame("answer"));
    outlet.tell_when_drained(ids[0]);
    outlet.flush(&mut wires);
    assert_eq!((outlet.take_drained(), outlet.waiting(ids[0])), (vec![], 3));
    wires.capacity.clear();
    outlet.writable(ids[0]);
    outlet.flush(&mut wires);
    assert_eq!((outlet.take_drained(), outlet.waiting(ids[0])), (vec![ids[0]], 0));
    outlet.flush(&mut wires);
    assert_eq!(outlet.take_drained(), []);
}

#[test]
fn a_link_that_goes_to_another_reactor_takes_along_what_it_has_not_sent() {
    // However much of the first one was taken before; the second one is collected, and not in an outbox yet.
    for (capacity, written) in [(0, 0), (3, 0), (6, 1)] {
        let (mut old, _, ids, mut wires) = parked(1, 1000);
        wires.capacity = HashMap::from([(1, capacity)]);
        old.fan_out(set(&[1]), None, &frame("first ").into(), Some(Ticket(1)));
        old.flush(&mut wires);
        assert_eq!(old.take_tallies()[0].1.written, written);
        old.fan_out(set(&[1]), None, &frame("second ").into(), Some(Ticket(2)));
        let unsent = old.take_unsent(ids[0]);
        old.free(ids[0]);
        // Whoever has the slot next gets nothing of it.
        assert_eq!(old.open().slot, 1);
        wires.capacity.clear();
        old.flush(&mut wires);
        let queued = Tally { matched: 1, queued: 1, ..Tally::default() };
        assert_eq!(old.take_tallies(), [(Ticket(2), queued)]);
        let counts = old.counts();
        assert_eq!((counts.queued_bytes, counts.deliveries, counts.dropped_closed), (0, 2, 0));

        let (mut new, parked, _, mut new_wires) = parked(1, 12);
        new.set_awaited(parked, true);
        new.send(parked, &frame("third is long "));
        new.flush(&mut new_wires);
        assert_eq!(new.take_overflowed(), [], "it has no wire yet");
        new.arrive_parked(parked, 7, unsent);
        assert_eq!(new.take_moves(), [Move::Arrive(parked, 7)]);
        new.fan_out(set(&[0, 1]), None, &frame("fourth").into(), Some(Ticket(3)));
        assert!(!new.is_parked(parked));
        new.flush(&mut new_wires);
        let all = text(&wires, 1) + &text(&new_wires, 0);
        assert_eq!(all, "first second third is long fourth");
        let both = Tally { matched: 2, written: 2, ..Tally::default() };
        assert_eq!(new.take_tallies(), [(Ticket(3), both)]);
        assert_eq!((new.counts().queued_bytes, new.counts().parked), (0, 0));
    }
}
