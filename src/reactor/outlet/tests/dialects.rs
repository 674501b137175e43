//! One publish to links of every dialect: each recipient gets its form, and each form is made once.

use super::*;
use crate::wire::engine::Revision;
use crate::wire::parcel::{Piece, Settings};
use proptest::prelude::*;

const THREE: Dialect = Dialect::engine(Revision::Three, false);
const FOUR: Dialect = Dialect::engine(Revision::Four, false);
const FOUR_TEXT: Dialect = Dialect::engine(Revision::Four, true);

/// Four links of different dialects, twice; those in slots 3 and 7 are parked.
fn mixed(limit: usize) -> (Outlet, Vec<LinkId>) {
    let mut outlet = Outlet::new(limit);
    let ids: Vec<LinkId> =
        (0..8).map(|slot| if slot % 4 == 3 { outlet.open_parked() } else { outlet.open() }).collect();
    for (id, dialect) in ids.iter().zip([Dialect::PLAIN, THREE, FOUR, FOUR_TEXT].into_iter().cycle()) {
        outlet.set_dialect(*id, dialect);
    }
    (outlet, ids)
}

fn parcel(text: &str, binary: Option<&[u8]>, volatile: bool) -> Parcel {
    let binary = binary.map(|bytes| Piece::Binary(bytes.into()));
    let pieces = std::iter::once(Piece::Text(text.into())).chain(binary);
    Parcel::new(pieces, Settings { volatile, compression: None })
}

fn made(outlet: &Outlet) -> Vec<(&'static str, u64)> {
    let counts =
        Dialect::forms().map(|dialect| (dialect.name(), outlet.counts().encoded[dialect.form_index()]));
    counts.filter(|(_, count)| *count > 0).collect()
}

fn everybody() -> Recipients {
    set(&[0, 1, 2, 3, 4, 5, 6, 7])
}

/// What a parked link has, or what was written to another one.
fn received(outlet: &mut Outlet, wires: &mut FakeWires, link: LinkId) -> Vec<u8> {
    let bytes = wires.sent.entry(link.slot).or_default();
    if outlet.is_parked(link) {
        outlet.take_parked(link, bytes);
    }
    bytes.clone()
}

#[test]
fn each_recipient_gets_its_form_and_each_form_is_made_once() {
    let (mut outlet, ids) = mixed(1000);
    let mut wires = FakeWires::default();
    outlet.fan_out(everybody(), Some(5), &parcel("2[]", None, false), Some(Ticket(1)));
    // Settled: it gets the first message by itself.
    outlet.send(ids[4], &frame("-"));
    outlet.fan_out(everybody(), None, &parcel("5", Some(&[1, 2]), false), Some(Ticket(2)));
    outlet.flush(&mut wires);
    assert_eq!(made(&outlet), [("websocket", 2), ("eio3", 1), ("eio4", 2), ("eio4_base64", 1)]);
    let expected: [&[u8]; 8] = [
        b"\x81\x032[]\x81\x015\x82\x02\x01\x02",
        b"\x81\x0442[]\x81\x0245\x82\x03\x04\x01\x02",
        b"\x81\x0442[]\x81\x0245\x82\x02\x01\x02",
        b"\x81\x0442[]\x81\x0245\x81\x05bAQI=",
        b"\x81\x032[]-\x81\x015\x82\x02\x01\x02",
        b"\x81\x0245\x82\x03\x04\x01\x02",
        b"\x81\x0442[]\x81\x0245\x82\x02\x01\x02",
        b"\x81\x0442[]\x81\x0245\x81\x05bAQI=",
    ];
    for (link, expected) in ids.iter().zip(expected) {
        assert_eq!(received(&mut outlet, &mut wires, *link), expected, "slot {}", link.slot);
    }
    let tally = |matched| Tally { matched, written: matched - 2, queued: 2, ..Tally::default() };
    assert_eq!(outlet.take_tallies(), [(Ticket(1), tally(7)), (Ticket(2), tally(8))]);
}

#[test]
fn a_frame_of_no_message_reaches_plain_websockets_only() {
    let (mut outlet, ids) = mixed(1000);
    let mut wires = FakeWires::default();
    outlet.fan_out(everybody(), None, &frame("raw").into(), Some(Ticket(1)));
    outlet.flush(&mut wires);
    let tally = Tally { matched: 8, written: 2, closed: 6, ..Tally::default() };
    assert_eq!(outlet.take_tallies(), [(Ticket(1), tally)]);
    assert_eq!((outlet.counts().deliveries, outlet.counts().dropped_closed), (2, 6));
    for link in ids {
        let expected: &[u8] = if link.slot % 4 == 0 { b"raw" } else { b"" };
        assert_eq!(received(&mut outlet, &mut wires, link), expected);
    }
}

#[test]
fn a_link_that_changes_its_dialect_gets_what_was_published_before_in_the_old_one() {
    let (mut outlet, ids) = mixed(1000);
    let mut wires = FakeWires::default();
    outlet.fan_out(everybody(), None, &parcel("5", Some(&[1]), false), None);
    outlet.set_dialect(ids[3], FOUR);
    outlet.fan_out(everybody(), None, &parcel("5", Some(&[2]), false), None);
    outlet.flush(&mut wires);
    let expected: &[u8] = b"\x81\x0245\x81\x05bAQ==\x81\x0245\x82\x01\x02";
    assert_eq!(received(&mut outlet, &mut wires, ids[3]), expected);
}

/// What one step of a random turn does.
#[derive(Clone, Debug)]
enum Step {
    /// To whom (bits), except whom, volatile, with an attachment.
    Publish(u8, Option<u32>, bool, bool),
    Send(u32),
    /// The kernel takes so many bytes more of this slot.
    Room(u32, usize),
    Break(u32),
    Await(u32, bool),
    Take(u32),
    Flush,
}

fn step() -> impl Strategy<Value = Step> {
    let slot = || 0u32..8;
    prop_oneof![
        10 => (any::<u8>(), proptest::option::of(slot()), any::<bool>(), any::<bool>())
            .prop_map(|(to, skip, volatile, binary)| Step::Publish(to, skip, volatile, binary)),
        4 => slot().prop_map(Step::Send),
        4 => (slot(), 0usize..40).prop_map(|(slot, more)| Step::Room(slot, more)),
        1 => slot().prop_map(Step::Break),
        2 => (slot(), any::<bool>()).prop_map(|(slot, awaited)| Step::Await(slot, awaited)),
        2 => slot().prop_map(Step::Take),
        6 => Just(Step::Flush),
    ]
}

/// A message that somebody was meant to get.
struct Meant {
    form: Vec<u8>,
    volatile: bool,
}

struct Run {
    outlet: Outlet,
    ids: Vec<LinkId>,
    wires: FakeWires,
    meant: Vec<Vec<Meant>>,
    number: u64,
    matched: HashMap<Ticket, u64>,
    sum: Tally,
}

impl Run {
    fn flush(&mut self) {
        self.outlet.flush(&mut self.wires);
        for (ticket, tally) in self.outlet.take_tallies() {
            let Tally { matched, written, queued, slow, closed, volatile } = tally;
            assert_eq!(self.matched.remove(&ticket), Some(matched));
            assert_eq!(matched, written + queued + slow + closed + volatile, "{tally:?}");
            assert_eq!(slow, 0);
            self.sum.matched += matched;
            self.sum.closed += closed;
            self.sum.volatile += volatile;
        }
        assert!(self.matched.is_empty(), "a publish without an outcome");
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::Publish(to, skip, volatile, binary) => {
                self.number += 1;
                let text = format!("2{}", self.number);
                let parcel = parcel(&text, binary.then_some(&[7; 3]), *volatile);
                let slots: Vec<u32> = (0..8).filter(|slot| to >> slot & 1 == 1).collect();
                for slot in slots.iter().filter(|slot| Some(**slot) != *skip) {
                    let dialect = self.outlet.dialect(self.ids[*slot as usize]);
                    let form = parcel.clone().form(dialect, |_| ()).unwrap().to_vec();
                    self.meant[*slot as usize].push(Meant { form, volatile: *volatile });
                }
                let ticket = Ticket(self.number);
                let matched = slots.iter().filter(|slot| Some(**slot) != *skip).count() as u64;
                self.matched.insert(ticket, matched);
                self.outlet.fan_out(set(&slots), *skip, &parcel, Some(ticket));
            }
            Step::Send(slot) => {
                self.number += 1;
                let form = format!("<{}>", self.number);
                if self.outlet.send(self.ids[*slot as usize], &frame(&form)) {
                    self.meant[*slot as usize].push(Meant { form: form.into_bytes(), volatile: false });
                }
            }
            Step::Room(slot, more) => {
                let room = self.wires.capacity.entry(*slot).or_default();
                *room = room.saturating_add(*more);
                if *more > 0 {
                    self.outlet.writable(self.ids[*slot as usize]);
                }
            }
            Step::Break(slot) => self.wires.broken.push(*slot),
            Step::Await(slot, awaited) => self.outlet.set_awaited(self.ids[*slot as usize], *awaited),
            Step::Take(slot) => {
                let link = self.ids[*slot as usize];
                received(&mut self.outlet, &mut self.wires, link);
            }
            Step::Flush => self.flush(),
        }
    }

    /// Each link has got its messages in their order, all of those that are not volatile; none is missing uncounted.
    fn check(&mut self) {
        for (link, meant) in self.ids.clone().into_iter().zip(&self.meant) {
            if self.wires.broken.contains(&link.slot) {
                continue;
            }
            let bytes = received(&mut self.outlet, &mut self.wires, link);
            let mut rest = bytes.as_slice();
            for message in meant {
                match rest.strip_prefix(message.form.as_slice()) {
                    Some(behind) => rest = behind,
                    None => assert!(message.volatile, "slot {} lost or reordered a message", link.slot),
                }
            }
            assert_eq!(rest, b"", "slot {}: bytes that nobody sent", link.slot);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everybody_gets_what_is_meant_for_them_in_its_order(steps in proptest::collection::vec(step(), 1..80)) {
        let (outlet, ids) = mixed(1 << 20);
        let meant = (0..8).map(|_| Vec::new()).collect();
        let capacity = (0..8).map(|slot| (slot, 20)).collect();
        let wires = FakeWires { capacity, ..FakeWires::default() };
        let (matched, sum) = (HashMap::new(), Tally::default());
        let mut run = Run { outlet, ids, wires, meant, number: 0, matched, sum };
        steps.iter().for_each(|step| run.apply(step));
        run.wires.capacity.clear();
        (0..8).for_each(|slot| run.outlet.writable(run.ids[slot]));
        run.flush();
        run.check();
        for link in run.outlet.take_dead() {
            assert!(run.wires.broken.contains(&link.slot));
        }
        prop_assert_eq!(run.outlet.counts().dropped_volatile, run.sum.volatile);
        for link in run.ids.clone() {
            run.outlet.free(link);
        }
        prop_assert_eq!(run.outlet.counts().queued_bytes, 0);
    }
}
