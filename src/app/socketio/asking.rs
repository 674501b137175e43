//! Broadcasts that want acknowledgements: whose answer a reactor still waits for, and what it has of them.
//!
//! One id goes to all recipients. Each reactor keeps one entry for a broadcast, with the set of slots that owe an
//! answer, and hands in its part once: when nobody owes anything any more, or when the time is up. Whoever leaves the
//! namespace owes nothing from then on, so that a slot is never taken for the one that had it before.
//! Leaves to others: what one socket owes for itself ([`super::owed`]), and adding up the parts ([`super::answers`]).

use super::answers::{Answer, Part};
use crate::app::cluster::{Answered, Order};
use crate::app::context::{Context, Core, Job};
use crate::app::mail::Mail;
use crate::app::publish::To;
use crate::base::ids::ReactorId;
use crate::base::time::Now;
use crate::hub::Recipients;
use crate::reactor::outlet::Ticket;
use crate::wire::parcel::Parcel;
use compact_str::CompactString;
use hashbrown::hash_map::Entry;
use hashbrown::{HashMap, HashSet};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The most broadcasts that may wait on one reactor for several sockets each. A socket that leaves is looked for in each
/// of them.
pub(super) const MAX_PENDING: usize = 1_024;

/// The most that may wait for one socket alone. Whoever makes others ask it again and again comes to this, and to nobody
/// else.
pub(super) const MAX_SINGLE: usize = 1_024;

/// How late one may be, in milliseconds, so that all of a time are looked at together.
const LATE_MS: u32 = 20;

/// What one reactor keeps of the answers to one broadcast, in bytes: clients decide how long they are, and some 100,000
/// that say little fit. Those beyond it are as if they had not come.
pub(super) const ANSWER_BYTES: usize = 16 << 20;

/// The same for all broadcasts of a reactor together, until the program gets them.
pub(super) const ALL_ANSWERS_BYTES: usize = 64 << 20;

/// A broadcast on its way to the reactors.
pub(super) struct Ask {
    pub(super) to: To,
    pub(super) parcel: Parcel,
    pub(super) id: u64,
    pub(super) timeout_ms: u32,
}

/// To whom the parts go, and under which number.
type Asker = (ReactorId, u32);

/// What a reactor has to hand in.
struct Finished {
    asker: Asker,
    part: Part,
}

/// Bytes of answers that count for the reactor that collected them, wherever they are.
pub(super) struct Held {
    of: Arc<AtomicUsize>,
    bytes: usize,
}

impl Held {
    /// Whether there was a place for so many more.
    fn add(&mut self, bytes: usize) -> bool {
        // Others only take away from it meanwhile.
        let fits = self.bytes + bytes <= ANSWER_BYTES
            && self.of.load(Ordering::Relaxed) + bytes <= ALL_ANSWERS_BYTES;
        if fits {
            self.bytes += bytes;
            self.of.fetch_add(bytes, Ordering::Relaxed);
        }
        fits
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.of.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// One broadcast on one reactor.
struct Pending {
    asker: Asker,
    namespace: CompactString,
    /// Who has not answered.
    owing: Recipients,
    /// It was sent: who did not get it is known, and answers are taken.
    sent: bool,
    until: u32,
    part: Part,
    /// The one socket that owed it, if it was only one.
    alone: Option<u32>,
}

/// The broadcasts that wait on a reactor.
#[derive(Default)]
pub(crate) struct Asking {
    /// By the id of their acknowledgement.
    pending: HashMap<u64, Pending>,
    /// Those that several sockets owed when they began.
    many: HashSet<u64>,
    /// Those that one socket owes, by its slot, oldest first.
    single: HashMap<u32, VecDeque<u64>>,
    /// None is late before.
    due: Option<u32>,
    /// Bytes of all answers that are held.
    held: Arc<AtomicUsize>,
}

impl Asking {
    /// A broadcast is about to be sent to these. False if that is one too many.
    fn begin(&mut self, ask: &Ask, asker: Asker, owing: Recipients, now: Now) -> bool {
        let until = now.in_ms(ask.timeout_ms);
        let owing = match owing {
            Recipients::Set(set) if set.len() == 1 => set.min().map_or(Recipients::None, Recipients::One),
            owing => owing,
        };
        match owing {
            Recipients::One(slot) => {
                let single = self.single.entry(slot).or_default();
                if single.len() >= MAX_SINGLE {
                    return false;
                }
                single.push_back(ask.id);
            }
            _ if self.many.len() >= MAX_PENDING => return false,
            _ => {
                self.many.insert(ask.id);
            }
        }
        self.due = self.due.into_iter().chain([until]).min_by_key(|at| now.until(*at));
        let alone = if let Recipients::One(slot) = owing { Some(slot) } else { None };
        let part = Part { asked: owing.len(), ..Part::default() };
        let namespace = ask.to.scope.clone();
        let pending = Pending { asker, namespace, owing, sent: false, until, part, alone };
        self.pending.insert(ask.id, pending);
        true
    }

    /// These have not got it after all.
    fn missed(&mut self, missed: &[(Ticket, u32)]) {
        for (ticket, slot) in missed {
            if let Some(pending) = self.pending.get_mut(&id_of(*ticket)) {
                pending.owing.remove(*slot);
                pending.part.asked -= 1;
            }
        }
    }

    /// It was sent to all others.
    fn sent(&mut self, id: u64) -> Option<Finished> {
        self.pending.get_mut(&id)?.sent = true;
        self.finish(id)
    }

    /// Whether an answer under this id is wanted of the socket of a namespace in a slot.
    fn wants(&self, id: u64, namespace: &str, slot: u32) -> bool {
        let pending = self.pending.get(&id).filter(|pending| pending.sent);
        pending.is_some_and(|pending| pending.owing.contains(slot) && pending.namespace == namespace)
    }

    /// It is given; there may be nothing in it that can be kept.
    fn answer(&mut self, id: u64, slot: u32, answer: Option<Answer>) -> Option<Finished> {
        let pending = self.pending.get_mut(&id)?;
        pending.owing.remove(slot);
        if let Some(answer) = answer {
            let new = || Held { of: self.held.clone(), bytes: 0 };
            if pending.part.held.get_or_insert_with(new).add(answer.bytes()) {
                pending.part.answers.push(answer);
            }
        }
        self.finish(id)
    }

    /// The socket in a slot has left a namespace, or all.
    fn left(&mut self, namespace: Option<&str>, slot: u32) -> Vec<Finished> {
        let mut done = Vec::new();
        let single = self.single.get(&slot).into_iter().flatten();
        for id in self.many.iter().chain(single) {
            let Some(pending) = self.pending.get_mut(id) else { continue };
            if pending.owing.contains(slot) && namespace.is_none_or(|name| pending.namespace == name) {
                pending.owing.remove(slot);
                done.push(*id);
            }
        }
        done.into_iter().filter_map(|id| self.finish(id)).collect()
    }

    /// Those whose time is up.
    fn take_late(&mut self, now: Now) -> Vec<Finished> {
        if !self.due.is_some_and(|at| now.is_past(at)) {
            return Vec::new();
        }
        // One that is not sent yet is in this turn.
        let is_late = |pending: &Pending| pending.sent && now.is_past(pending.until);
        let late: Vec<u64> = self.pending.iter().filter(|(_, it)| is_late(it)).map(|(id, _)| *id).collect();
        let late = late.into_iter().filter_map(|id| self.take(id)).collect();
        let next = self.pending.values().map(|pending| pending.until).min_by_key(|at| now.until(*at));
        let soonest = now.in_ms(LATE_MS);
        self.due = next.map(|at| if now.until(at) < now.until(soonest) { soonest } else { at });
        late
    }

    /// Milliseconds until one may be late.
    pub(crate) fn until_due(&self, now: Now) -> Option<u32> {
        Some(now.until(self.due?).max(0).unsigned_abs())
    }

    fn finish(&mut self, id: u64) -> Option<Finished> {
        let is_done = self.pending.get(&id).is_some_and(|pending| pending.sent && pending.owing.is_empty());
        is_done.then(|| self.take(id)).flatten()
    }

    fn take(&mut self, id: u64) -> Option<Finished> {
        let Pending { asker, part, alone, .. } = self.pending.remove(&id)?;
        match alone {
            None => {
                self.many.remove(&id);
            }
            Some(slot) => {
                if let Entry::Occupied(mut single) = self.single.entry(slot) {
                    single.get_mut().retain(|other| *other != id);
                    if single.get().is_empty() {
                        single.remove();
                    }
                }
            }
        }
        if self.pending.is_empty() {
            self.due = None;
        }
        Some(Finished { asker, part })
    }

    pub(crate) fn trim(&mut self) {
        self.pending.shrink_to_fit();
        self.many.shrink_to_fit();
        self.single.shrink_to_fit();
    }
}

fn ticket_of(id: u64) -> Ticket {
    debug_assert_eq!(id & Ticket::BY_SLOT, 0);
    Ticket(id | Ticket::BY_SLOT)
}

fn id_of(Ticket(word): Ticket) -> u64 {
    word & !Ticket::BY_SLOT
}

impl Core {
    /// The socket in a slot leaves a namespace and all of its rooms, and answers nobody any more.
    pub(crate) fn leave_namespace(&mut self, slot: u32, namespace: &str) {
        self.hub.exit_scope(slot, namespace);
        for finished in self.asking.left(Some(namespace), slot) {
            self.hand_in(finished);
        }
    }

    /// The socket in a slot leaves everything.
    pub(crate) fn leave_all(&mut self, slot: u32) {
        self.hub.exit(slot);
        for finished in self.asking.left(None, slot) {
            self.hand_in(finished);
        }
    }

    /// Hands in what there is of broadcasts whose time is up.
    pub(crate) fn hand_in_late(&mut self) {
        for finished in self.asking.take_late(self.now) {
            self.hand_in(finished);
        }
    }

    /// A client acknowledges what may have been a broadcast; `answer` is called if it was one and wants that.
    pub(crate) fn acknowledged(
        &mut self,
        id: u64,
        namespace: &str,
        slot: u32,
        answer: impl FnOnce(&Core) -> Option<Answer>,
    ) {
        if self.asking.wants(id, namespace, slot) {
            let answer = answer(self);
            if let Some(finished) = self.asking.answer(id, slot, answer) {
                self.hand_in(finished);
            }
        }
    }

    fn hand_in(&mut self, Finished { asker: (reactor, number), part }: Finished) {
        if reactor == self.reactor {
            // Not here and now: whoever asked may be in the middle of something.
            self.jobs.push_back(Job::Answered { number, answer: Box::new(part) });
        } else {
            let bytes = 64 + part.answers.iter().map(Answer::bytes).sum::<usize>();
            self.mailbox(reactor).post_anyway(Mail::Answer { number, answer: Box::new(part) }, bytes);
        }
    }
}

impl Context<'_> {
    /// Asks all whom it means, on every reactor, except one slot of this one.
    pub(super) fn ask(
        &mut self,
        sender: Option<u32>,
        ask: Ask,
        done: impl FnOnce(&mut Context<'_>, Vec<Part>) + 'static,
    ) {
        let elsewhere = self.elsewhere(&ask.to);
        let quiet = self.core.listening.is_quiet();
        let cluster = self.core.cluster_for(&ask.to);
        let parts = elsewhere.len() + 1 + usize::from(cluster.is_some());
        let asker = (self.core.reactor, self.core.wait(parts, done));
        if let Some(cluster) = cluster {
            let to = self.core.named(&ask.to, sender, self.out);
            let others = cluster.others();
            let back = self.core.back(asker.1, move |number, answered: Option<Answered>| {
                let Answered { asked, answers, silent } =
                    answered.unwrap_or(Answered { silent: others, ..Answered::default() });
                let part = Part { asked, answers, busy: silent, held: None };
                Mail::Answer { number, answer: Box::new(part) }
            });
            let timeout = Duration::from_millis(ask.timeout_ms.into());
            cluster.tell(Order::Ask { to, parcel: ask.parcel.clone(), timeout, back });
        }
        let ask = Arc::new(ask);
        let bytes = ask.to.weight() + ask.parcel.len();
        for reactor in elsewhere.iter() {
            let there = ask.clone();
            let call = Box::new(move |cx: &mut Context<'_>| cx.ask_here(None, &there, asker, quiet));
            if !self.core.post(reactor, Mail::Call(call), bytes) {
                self.core.hand_in(Finished { asker, part: Part::busy() });
            }
        }
        let skip = sender.or_else(|| self.core.leaving_from(&ask.to.scope));
        self.ask_here(skip, &ask, asker, quiet);
    }

    /// Asks those of this node that another one means.
    pub(crate) fn ask_here_for(
        &mut self,
        to: To,
        parcel: impl FnOnce(&Context<'_>, u64) -> Parcel,
        timeout: Duration,
        done: impl FnOnce(&mut Context<'_>, u64, Vec<Answer>) + Send + 'static,
    ) {
        let id = self.core.next_ack_id();
        let parcel = parcel(self, id);
        let timeout_ms = timeout.as_millis().min(i32::MAX as u128) as u32;
        self.ask(None, Ask { to, parcel, id, timeout_ms }, move |cx, parts| {
            let asked = parts.iter().map(|part| part.asked).sum();
            done(cx, asked, parts.into_iter().flat_map(|part| part.answers).collect());
        });
    }

    fn ask_here(&mut self, skip: Option<u32>, ask: &Ask, asker: Asker, quiet: bool) {
        let recipients = self.core.select(&ask.to, self.out);
        let owing = match skip {
            Some(slot) => recipients.clone().difference(&Recipients::One(slot)),
            None => recipients.clone(),
        };
        let now = self.core.now;
        let part = if owing.is_empty() {
            Part::default()
        } else if self.core.asking.begin(ask, asker, owing, now) {
            if !quiet {
                self.tell_outgoing(&ask.to.scope, &recipients, skip, &ask.parcel);
            }
            return self.out.fan_out(recipients, skip, &ask.parcel, Some(ticket_of(ask.id)));
        } else {
            Part::busy()
        };
        self.core.hand_in(Finished { asker, part });
    }

    /// The broadcast of a ticket was sent.
    pub(crate) fn asked_out(&mut self, ticket: Ticket) {
        // Of all that were sent with it, too.
        let missed = self.out.take_missed();
        self.core.asking.missed(&missed);
        if let Some(finished) = self.core.asking.sent(id_of(ticket)) {
            self.core.hand_in(finished);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Tick;
    use crate::wire::socketio::args::Args;
    use roaring::RoaringBitmap;

    fn at(ms: u32) -> Now {
        Now { tick: Tick(1), ms, unix_ms: 0 }
    }

    fn ask(id: u64, timeout_ms: u32) -> Ask {
        let parcel = Parcel::new([], Default::default());
        Ask { to: To::everybody("/"), parcel, id, timeout_ms }
    }

    fn asker(number: u32) -> Asker {
        (ReactorId(0), number)
    }

    fn slots(slots: &[u32]) -> Recipients {
        Recipients::Set(Arc::new(RoaringBitmap::from_iter(slots)))
    }

    fn answer(text: &str) -> Option<Answer> {
        let mut args = Args::new();
        args.push(text).unwrap();
        Answer::new("id".into(), args.as_ref())
    }

    fn give(asking: &mut Asking, id: u64, slot: u32, answer: Option<Answer>) -> Option<Finished> {
        assert!(asking.wants(id, "/", slot));
        asking.answer(id, slot, answer)
    }

    fn held(asking: &Asking) -> usize {
        asking.held.load(Ordering::Relaxed)
    }

    /// Who asked, how many were asked, and how many answered.
    fn told(finished: impl IntoIterator<Item = Finished>) -> Vec<(u32, u64, usize)> {
        let told = |it: Finished| (it.asker.1, it.part.asked, it.part.answers.len());
        let mut all: Vec<_> = finished.into_iter().map(told).collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn each_answers_once_and_only_what_it_was_asked() {
        let mut asking = Asking::default();
        assert!(asking.begin(&ask(7, 1_000), asker(7), slots(&[1, 2, 3]), at(0)));
        // Nobody can have got it yet.
        assert!(!asking.wants(7, "/", 1));
        assert!(asking.sent(7).is_none());
        for (id, namespace, slot) in [(8, "/", 1), (7, "/other", 1), (7, "/", 4), (u64::MAX, "/", 1)] {
            assert!(!asking.wants(id, namespace, slot), "{id} {namespace} {slot}");
        }
        assert!(give(&mut asking, 7, 1, answer("a")).is_none());
        assert!(!asking.wants(7, "/", 1));
        assert!(give(&mut asking, 7, 3, answer("c")).is_none());
        assert_eq!(told(give(&mut asking, 7, 2, answer("b"))), [(7, 3, 3)]);
        assert!(!asking.wants(7, "/", 2));
        assert_eq!((held(&asking), asking.until_due(at(5))), (0, None));
    }

    #[test]
    fn who_leaves_or_never_got_it_is_not_waited_for() {
        let mut asking = Asking::default();
        assert!(asking.begin(&ask(1, 1_000), asker(1), slots(&[1, 2, 3]), at(0)));
        assert!(asking.begin(&ask(2, 1_000), asker(2), Recipients::One(3), at(0)));
        // Before it is sent: one that left has still been asked, unless it missed it.
        assert!(asking.left(Some("/"), 3).is_empty());
        asking.missed(&[(ticket_of(1), 2), (ticket_of(2), 3), (ticket_of(9), 1)]);
        assert_eq!(told(asking.sent(2)), [(2, 0, 0)]);
        assert!(asking.sent(1).is_none());
        assert!(asking.left(Some("/other"), 1).is_empty());
        // The slot has another owner by then.
        assert!(!asking.wants(1, "/", 3));
        assert_eq!(told(asking.left(None, 1)), [(1, 2, 0)]);
    }

    #[test]
    fn those_whose_time_is_up_hand_in_what_they_have() {
        let now = at(u32::MAX - 10);
        let mut asking = Asking::default();
        for (id, timeout_ms) in [(1, 30), (2, 5), (3, 5)] {
            assert!(asking.begin(&ask(id, timeout_ms), asker(id as u32), slots(&[1, 2]), now));
        }
        assert_eq!(asking.until_due(now), Some(5));
        for id in [1, 2] {
            assert!(asking.sent(id).is_none());
        }
        assert!(give(&mut asking, 2, 2, answer("b")).is_none());
        assert!(asking.take_late(at(now.in_ms(4))).is_empty());
        assert_eq!(told(asking.take_late(at(now.in_ms(5)))), [(2, 2, 1)]);
        // What is still to be sent goes out first, and is looked at with others.
        assert_eq!(asking.until_due(at(now.in_ms(6))), Some(LATE_MS - 1));
        assert!(asking.sent(3).is_none());
        assert_eq!(told(asking.take_late(at(now.in_ms(40)))), [(1, 2, 0), (3, 2, 0)]);
        assert_eq!((asking.until_due(now), asking.pending.len(), held(&asking)), (None, 0, 0));
    }

    #[test]
    fn what_is_kept_of_answers_is_bounded() {
        let mut asking = Asking::default();
        let long: Arc<[u8]> = vec![0; ANSWER_BYTES / 2].into();
        let long = || {
            let mut args = Args::new();
            args.push_binary(long.clone()).unwrap();
            Answer::new("id".into(), args.as_ref())
        };
        let count = (ALL_ANSWERS_BYTES / ANSWER_BYTES) as u64 * 2 + 1;
        for id in 0..count {
            assert!(asking.begin(&ask(id, 1_000), asker(id as u32), slots(&[1, 2, 3, 4]), at(0)));
            assert!(asking.sent(id).is_none());
            // The second would be too much with the first; the short one is not, if there is a place at all.
            for slot in [1, 2] {
                assert!(give(&mut asking, id, slot, long()).is_none());
            }
            assert!(give(&mut asking, id, 3, answer("short")).is_none());
            assert!(held(&asking) <= ALL_ANSWERS_BYTES);
        }
        let finished: Vec<_> = (0..count).filter_map(|id| give(&mut asking, id, 4, None)).collect();
        let kept: Vec<usize> = finished.iter().map(|it| it.part.answers.len()).collect();
        assert_eq!((kept.len() as u64, kept[0], kept[kept.len() - 1]), (count, 2, 1));
        assert!(finished.iter().all(|it| it.part.asked == 4));
        // They count until the program has them.
        assert!(held(&asking) > ALL_ANSWERS_BYTES - ANSWER_BYTES);
        drop(finished);
        assert_eq!(held(&asking), 0);
    }

    #[test]
    fn there_is_a_most_that_may_wait() {
        let mut asking = Asking::default();
        let several = || slots(&[1, 2]);
        for id in 0..MAX_PENDING as u64 {
            assert!(asking.begin(&ask(id, 1_000), asker(id as u32), several(), at(0)));
        }
        let last = u64::MAX >> 1;
        assert!(!asking.begin(&ask(last, 1_000), asker(0), several(), at(0)));
        assert!(asking.sent(0).is_none());
        assert!(give(&mut asking, 0, 1, answer("a")).is_none());
        assert_eq!(told(give(&mut asking, 0, 2, answer("b"))), [(0, 2, 2)]);
        assert!(asking.begin(&ask(last, 1_000), asker(0), several(), at(0)));
    }

    #[test]
    fn who_is_asked_too_much_is_in_the_way_of_nobody_else() {
        let mut asking = Asking::default();
        for id in 0..MAX_SINGLE as u64 {
            // A room that others have left is one socket, too.
            let one = if id % 2 == 0 { Recipients::One(1) } else { slots(&[1]) };
            assert!(asking.begin(&ask(id, 1_000), asker(id as u32), one, at(0)));
            assert!(asking.sent(id).is_none());
        }
        let next = MAX_SINGLE as u64;
        assert!(!asking.begin(&ask(next, 1_000), asker(0), Recipients::One(1), at(0)));
        for (number, owing) in [Recipients::One(2), slots(&[1, 2, 3])].into_iter().enumerate() {
            assert!(asking.begin(&ask(next + number as u64, 1_000), asker(0), owing, at(0)));
        }
        assert_eq!(told(give(&mut asking, 7, 1, answer("a"))), [(7, 1, 1)]);
        assert!(asking.begin(&ask(next + 9, 1_000), asker(0), Recipients::One(1), at(0)));
        // It leaves, and all that waited for it alone ends.
        assert_eq!(asking.left(None, 1).len(), MAX_SINGLE - 1);
        assert_eq!((asking.single.len(), asking.many.len()), (2, 1));
    }
}
