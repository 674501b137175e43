//! Who is slow, and since when.

use super::*;
use crate::base::time::TICK_MS;
use std::time::Duration;

fn waits(outlet: &Outlet, limit: usize) -> Vec<(u32, usize, u64)> {
    let slow = outlet.slowest(limit).into_iter();
    slow.map(|slow| (slow.link.slot, slow.queued_bytes, slow.waiting.as_millis() as u64 / TICK_MS)).collect()
}

#[test]
fn those_with_most_come_first_with_the_time_since_they_had_nothing() {
    let (mut outlet, ids, mut wires) = outlet(5, 1_000);
    wires.capacity.extend([(1, 0), (2, 2), (4, 0)]);
    outlet.set_now(Tick(10));
    outlet.send(ids[1], &frame("1234"));
    outlet.fan_out(set(&[0, 2, 3]), None, &frame("123456789").into(), None);
    outlet.flush(&mut wires);
    assert_eq!(waits(&outlet, 10), [(2, 7, 0), (1, 4, 0)]);
    outlet.set_now(Tick(14));
    outlet.send(ids[4], &frame("12345"));
    // What comes later does not make the others begin anew.
    outlet.send(ids[1], &frame("1234"));
    outlet.flush(&mut wires);
    outlet.set_now(Tick(15));
    assert_eq!(waits(&outlet, 10), [(1, 8, 5), (2, 7, 5), (4, 5, 1)]);
    assert_eq!(waits(&outlet, 2), [(1, 8, 5), (2, 7, 5)]);
    assert_eq!(waits(&outlet, 0), []);

    // Who has caught up is not slow, and begins anew.
    wires.capacity.insert(1, 8);
    outlet.writable(ids[1]);
    outlet.flush(&mut wires);
    assert_eq!(waits(&outlet, 10), [(2, 7, 5), (4, 5, 1)]);
    outlet.send(ids[1], &frame("x"));
    outlet.flush(&mut wires);
    assert_eq!(waits(&outlet, 10), [(2, 7, 5), (4, 5, 1), (1, 1, 0)]);
    assert_eq!(outlet.slowest(1)[0].link, ids[2]);
    assert_eq!(outlet.slowest(1)[0].waiting, Duration::from_millis(500));
}

#[test]
fn a_question_is_work_until_it_is_taken() {
    let (mut outlet, _, _) = outlet(1, 1_000);
    assert!(!outlet.has_work());
    outlet.ask_slowest(Ticket(7), 3);
    assert!(outlet.has_work());
    assert_eq!(outlet.take_slow_asked(), [(Ticket(7), 3)]);
    assert!(!outlet.has_work());
}
