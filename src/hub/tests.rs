//! The hub by example; `tests/hub_model.rs` compares it with a naive model.

use super::*;

fn pair() -> (Hub, Hub) {
    let interest = Arc::new(Interest::new());
    (Hub::new(ReactorId(0), interest.clone()), Hub::new(ReactorId(1), interest))
}

fn to<'a>(scope: &'a str, rooms: &'a [&'a str], except: &'a [&'a str]) -> Selector<'a, &'a str> {
    Selector { scope, rooms, except }
}

#[test]
fn a_union_of_rooms_has_each_socket_once_and_lacks_the_excepted() {
    let (mut hub, _) = pair();
    for slot in 0..6 {
        hub.enter(slot, "d");
    }
    for slot in [0, 1, 2] {
        hub.join(slot, "d", "a");
    }
    for slot in [2, 3] {
        hub.join(slot, "d", "b");
    }
    hub.join(3, "d", "c");
    assert_eq!(hub.select(to("d", &["a", "b"], &[])).to_vec(), [0, 1, 2, 3]);
    assert_eq!(hub.select(to("d", &["a", "b"], &["c"])).to_vec(), [0, 1, 2]);
    assert_eq!(hub.select(to("d", &[], &["a"])).to_vec(), [3, 4, 5]);
    assert_eq!(hub.select(to("d", &["nobody"], &[])).to_vec(), [0u32; 0]);
    assert_eq!(hub.select(to("other", &[], &[])).to_vec(), [0u32; 0]);
}

#[test]
fn taking_a_slot_out_of_recipients_does_not_take_it_out_of_the_room() {
    let (mut hub, _) = pair();
    for slot in [1, 2, 3] {
        hub.enter(slot, "d");
        hub.join(slot, "d", "a");
    }
    hub.join(3, "d", "one");
    for (room, members) in [("a", vec![1, 2, 3]), ("one", vec![3]), ("nobody", vec![])] {
        let mut recipients = hub.select(to("d", &[room], &[]));
        assert!(!recipients.remove(9));
        for slot in &members {
            assert!(recipients.remove(*slot) && !recipients.remove(*slot));
        }
        assert!(recipients.is_empty());
        assert_eq!(hub.select(to("d", &[room], &[])).to_vec(), members);
    }
}

#[test]
fn scopes_do_not_share_rooms() {
    let (mut hub, _) = pair();
    hub.enter(0, "d1");
    hub.join(0, "d1", "g");
    hub.enter(1, "d2");
    hub.join(1, "d2", "g");
    assert_eq!(hub.select(to("d1", &["g"], &[])).to_vec(), [0]);
    assert_eq!(hub.select(to("d2", &["g"], &[])).to_vec(), [1]);
}

#[test]
fn interest_follows_the_first_and_the_last_member() {
    let (mut a, mut b) = pair();
    b.enter(0, "d");
    b.join(0, "d", "g");
    b.join(1, "d", "g");
    assert!(a.elsewhere(to("d", &["g"], &[])).contains(ReactorId(1)));
    assert!(b.elsewhere(to("d", &["g"], &[])).is_empty(), "oneself is not elsewhere");
    b.leave(0, "d", "g");
    assert!(!a.elsewhere(to("d", &["g"], &[])).is_empty());
    b.exit(1);
    assert!(a.elsewhere(to("d", &["g"], &[])).is_empty());
    assert!(!a.elsewhere(to("d", &[], &[])).is_empty(), "slot 0 is still in the scope");
    a.enter(0, "d");
    b.exit(0);
    a.exit(0);
    assert_eq!(a.room_count() + b.room_count(), 0);
    assert!(a.interest.is_empty());
}

#[test]
fn a_claim_leaves_one_member_wherever_the_others_were() {
    let (mut a, mut b) = pair();
    assert_eq!(a.claim(0, "d", "u").evicted.to_vec(), [0u32; 0]);
    let local = a.claim(1, "d", "u");
    assert_eq!(local.evicted.to_vec(), [0]);
    assert!(local.elsewhere.is_empty());
    assert_eq!(a.count_of(0), 0);
    let remote = b.claim(0, "d", "u");
    assert!(remote.evicted.is_empty());
    assert_eq!(remote.elsewhere.iter().collect::<Vec<_>>(), [ReactorId(0)]);
    assert_eq!(a.evict("d", "u", remote.sequence).to_vec(), [1]);
    assert_eq!(a.select(to("d", &["u"], &[])).len(), 0);
    assert_eq!(b.select(to("d", &["u"], &[])).to_vec(), [0]);
}

#[test]
fn of_two_claims_that_cross_the_later_one_stays() {
    let (mut a, mut b) = pair();
    a.claim(0, "d", "u");
    let by_b = b.claim(0, "d", "u");
    // Before a hears of it, a newer connection claims the name there.
    let by_a = a.claim(1, "d", "u");
    assert!(by_a.elsewhere.contains(ReactorId(1)));
    assert!(a.evict("d", "u", by_b.sequence).is_empty());
    assert_eq!(b.evict("d", "u", by_a.sequence).to_vec(), [0]);
    assert_eq!(a.select(to("d", &["u"], &[])).to_vec(), [1]);
    assert!(b.select(to("d", &["u"], &[])).is_empty());
}

#[test]
fn who_joins_a_claimed_room_does_not_undo_the_claim() {
    let (mut a, mut b) = pair();
    let by_b = b.claim(0, "d", "u");
    let by_a = a.claim(0, "d", "u");
    a.join(1, "d", "u");
    assert!(a.evict("d", "u", by_b.sequence).is_empty(), "two members, and the later claim");
    a.leave(1, "d", "u");
    assert!(a.evict("d", "u", by_b.sequence).is_empty(), "one member again");
    assert_eq!(b.evict("d", "u", by_a.sequence).to_vec(), [0]);
}

#[test]
fn claiming_what_one_has_changes_nothing_but_the_number() {
    let (mut hub, _) = pair();
    hub.claim(4, "d", "u");
    assert!(hub.claim(4, "d", "u").evicted.is_empty());
    assert_eq!(hub.count_of(4), 1);
    hub.exit(4);
    assert_eq!(hub.room_count(), 0);
}

#[test]
fn a_snapshot_does_not_change() {
    let (mut hub, _) = pair();
    for slot in 0..3 {
        hub.join(slot, "d", "g");
    }
    let before = hub.select(to("d", &["g"], &[]));
    hub.leave(1, "d", "g");
    hub.join(9, "d", "g");
    assert_eq!(before.to_vec(), [0, 1, 2]);
    assert_eq!(hub.select(to("d", &["g"], &[])).to_vec(), [0, 2, 9]);
}

#[test]
fn names_have_one_to_264_bytes() {
    assert!(check_name("").is_err());
    assert!(check_name("a").is_ok());
    assert!(check_name(&"a".repeat(264)).is_ok());
    assert!(check_name(&"a".repeat(265)).is_err());
}
