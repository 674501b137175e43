//! What leaves, and what waits, when there is room for so many bytes only; and links that end with a reset.

use super::*;

/// So many links, and room for so many bytes.
fn narrow(links: u32, room: usize) -> (Outlet, Vec<LinkId>, FakeWires) {
    let (mut outlet, ids, wires) = outlet(links, 1_000);
    outlet.make_room(room);
    (outlet, ids, wires)
}

fn sent(wires: &FakeWires, links: u32) -> usize {
    (0..links).map(|slot| text(wires, slot).len()).sum()
}

#[test]
fn a_broadcast_stops_where_the_room_ends_and_goes_on_in_order_when_there_is_more() {
    let (mut outlet, ids, mut wires) = narrow(10, 25);
    outlet.fan_out(set(&(0..10).collect::<Vec<_>>()), None, &frame("0123456789").into(), Some(Ticket(1)));
    // What is queued counts, too: nobody waits for the end of the turn then.
    assert!(outlet.is_urgent());
    outlet.flush(&mut wires);
    assert_eq!((sent(&wires, 10), outlet.is_out_of_room(), outlet.has_work()), (30, true, true));
    let tally = Tally { matched: 10, written: 3, queued: 7, ..Tally::default() };
    assert_eq!(outlet.take_tallies(), [(Ticket(1), tally)]);
    // Without room nothing leaves, whatever comes.
    outlet.send(ids[9], &frame("later"));
    outlet.flush(&mut wires);
    assert_eq!(sent(&wires, 10), 30);
    outlet.make_room(1_000);
    outlet.flush(&mut wires);
    assert_eq!((sent(&wires, 10), outlet.is_out_of_room(), outlet.has_work()), (105, false, false));
    assert!((0..9).all(|slot| text(&wires, slot) == "0123456789") && text(&wires, 9) == "0123456789later");
    assert_eq!((outlet.counts().queued_bytes, outlet.counts().deliveries), (0, 11));
}

#[test]
fn who_only_waits_for_room_is_not_slow() {
    let (mut outlet, ids, mut wires) = narrow(2, 1);
    let long = "x".repeat(2_000);
    outlet.fan_out(set(&[0, 1]), None, &frame(&long).into(), Some(Ticket(1)));
    outlet.flush(&mut wires);
    let tally = Tally { matched: 2, written: 1, queued: 1, ..Tally::default() };
    assert_eq!((outlet.take_tallies(), outlet.take_overflowed()), (vec![(Ticket(1), tally)], vec![]));
    outlet.make_room(1);
    outlet.flush(&mut wires);
    assert_eq!((sent(&wires, 2), outlet.take_overflowed()), (4_000, vec![]));
    assert!(ids.iter().all(|link| outlet.state(*link) == LinkState::Open));
}

#[test]
fn a_broadcast_that_needs_the_room_does_not_wait_for_more_of_them() {
    let (mut outlet, _, _) = narrow(10, 1_000);
    let all = set(&(0..10).collect::<Vec<_>>());
    outlet.fan_out(all.clone(), None, &frame(&"x".repeat(60)).into(), None);
    assert!(!outlet.is_urgent());
    outlet.fan_out(all, None, &frame(&"x".repeat(60)).into(), None);
    assert!(outlet.is_urgent());
}

#[test]
fn who_does_not_take_its_last_bytes_in_time_ends_with_a_reset_and_others_do_not() {
    let (mut outlet, ids, mut wires) = outlet(3, 1_000);
    wires.capacity.insert(0, 0);
    for link in &ids {
        outlet.send(*link, &frame("last"));
        outlet.finish(*link);
    }
    outlet.flush(&mut wires);
    outlet.set_now(Tick(1).plus_ms(FINISH_MS));
    assert_eq!(outlet.take_expired(), []);
    assert_eq!(outlet.take_dead().len(), 3);
    assert_eq!(ids.iter().map(|link| outlet.is_reset(*link)).collect::<Vec<_>>(), [true, false, false]);

    let (mut outlet, ids, _) = self::outlet(1, 1_000);
    outlet.reset(ids[0]);
    assert_eq!((outlet.take_dead(), outlet.is_reset(ids[0])), (vec![ids[0]], true));
}
