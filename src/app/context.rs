//! The state of one reactor that handlers act on, and the view of it that they get.

use super::endpoint::CloseCause;
use super::gather::{Answer, View};
use super::mail::{Mail, Publish};
use super::publish::{DeliveryReport, To};
use super::stats::{ReactorStats, Stats};
use crate::base::ids::{LinkId, ReactorId, ReactorSet};
use crate::base::limits::Limits;
use crate::base::time::Now;
use crate::hub::Hub;
use crate::reactor::mail::Mailbox;
use crate::reactor::outlet::{Outlet, Tally, Ticket};
use crate::wire::frame::Frame;
use crate::wire::response::Response;
use slab::Slab;
use std::any::Any;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

type OnReport = Box<dyn FnOnce(&mut Context<'_>, DeliveryReport)>;
type OnAnswers = Box<dyn FnOnce(&mut Context<'_>, Vec<Answer>)>;

/// Something that other reactors have still to say.
enum Waiting {
    Report { missing: usize, report: DeliveryReport, since: Instant, done: OnReport },
    Answers { missing: usize, answers: Vec<Answer>, done: OnAnswers },
}

/// What a handler asked for that concerns a session, which handlers do not reach: done after they return.
pub(crate) enum Job {
    Respond { link: LinkId, number: u32, response: Response },
    Closed { link: LinkId, cause: CloseCause },
}

/// Something that waits for what was queued before it to be sent.
pub(crate) enum Later {
    Call(Box<dyn FnOnce(&mut Context<'_>)>),
    /// The rest of what was read from a link, which is not read on meanwhile.
    Bytes {
        link: LinkId,
        bytes: Vec<u8>,
    },
}

/// One reactor's part of the server that is not its sessions.
pub(crate) struct Core {
    pub(crate) reactor: ReactorId,
    pub(crate) hub: Hub,
    pub(crate) now: Now,
    pub(crate) limits: Arc<Limits>,
    pub(crate) mailboxes: Arc<[Arc<Mailbox<Mail>>]>,
    pub(crate) stats: Stats,
    pub(crate) jobs: VecDeque<Job>,
    /// Put off until after the next flush, in this order.
    pub(crate) later: VecDeque<Later>,
    /// A mailbox that was posted to was crowded.
    crowded: bool,
    waiting: Slab<Waiting>,
}

impl Core {
    pub(crate) fn new(
        reactor: ReactorId,
        hub: Hub,
        limits: Arc<Limits>,
        mailboxes: Arc<[Arc<Mailbox<Mail>>]>,
        stats: Stats,
    ) -> Core {
        let now = Now { tick: crate::base::time::Tick(1), unix_ms: 0 };
        Core {
            reactor,
            hub,
            now,
            limits,
            mailboxes,
            stats,
            jobs: VecDeque::new(),
            later: VecDeque::new(),
            crowded: false,
            waiting: Slab::new(),
        }
    }

    pub(crate) fn own_stats(&self) -> &ReactorStats {
        &self.stats.reactors[usize::from(self.reactor.0)]
    }

    /// Whether another reactor has a lot to catch up with, and this one has added to it.
    pub(crate) fn is_crowded(&self) -> bool {
        self.crowded
    }

    /// Looks again whether that is so.
    pub(crate) fn check_crowded(&mut self) -> bool {
        self.crowded = self.crowded && self.others().iter().any(|reactor| self.mailbox(reactor).is_crowded());
        self.crowded
    }

    pub(crate) fn trim(&mut self) {
        self.hub.trim();
        self.jobs.shrink_to(64);
        self.later.shrink_to(0);
        self.waiting.shrink_to_fit();
    }

    /// How many questions other reactors have still to answer.
    #[cfg(test)]
    pub(crate) fn waiting_count(&self) -> usize {
        self.waiting.len()
    }

    fn others(&self) -> ReactorSet {
        ReactorSet::first(self.mailboxes.len()).without(self.reactor)
    }

    fn mailbox(&self, reactor: ReactorId) -> &Mailbox<Mail> {
        &self.mailboxes[usize::from(reactor.0)]
    }
}

/// What handlers may do on the reactor that runs them.
pub struct Context<'a> {
    pub(crate) core: &'a mut Core,
    pub(crate) out: &'a mut Outlet,
}

impl Context<'_> {
    /// The number of this reactor.
    pub fn reactor(&self) -> usize {
        usize::from(self.core.reactor.0)
    }

    /// Milliseconds since 1970, as of the beginning of this turn.
    pub fn unix_ms(&self) -> u64 {
        self.core.now.unix_ms
    }

    /// The limits of the server.
    pub fn limits(&self) -> &Limits {
        &self.core.limits
    }

    /// The counters of all reactors.
    pub fn stats(&self) -> &Stats {
        &self.core.stats
    }

    /// Delivers a frame to whom it is for, on every reactor.
    pub fn publish(&mut self, to: &To, frame: &Frame) {
        self.publish_from(None, to, frame, None);
    }

    /// The same; `done` is called, once, on this reactor when every reactor has said what became of it.
    pub fn publish_with(
        &mut self,
        to: &To,
        frame: &Frame,
        done: impl FnOnce(&mut Context<'_>, DeliveryReport) + 'static,
    ) {
        self.publish_from(None, to, frame, Some(Box::new(done)));
    }

    /// Whether so much is queued that a handler with more to publish should do that [`Context::later`].
    pub fn is_congested(&self) -> bool {
        self.out.is_urgent() || self.core.is_crowded()
    }

    /// Calls `f` on this reactor when what is queued now was handed to the kernel, or waits in the outboxes of those
    /// who are slow.
    pub fn later(&mut self, f: impl FnOnce(&mut Context<'_>) + 'static) {
        self.core.later.push_back(Later::Call(Box::new(f)));
    }

    /// Asks every reactor, this one included, and calls `done`, once, on this reactor with all answers, in no
    /// order.
    pub fn gather<T: Any + Send>(
        &mut self,
        ask: impl Fn(&View<'_>) -> T + Send + Sync + 'static,
        done: impl FnOnce(&mut Context<'_>, Vec<T>) + 'static,
    ) {
        let ask: super::gather::Ask = Arc::new(move |view| Box::new(ask(view)));
        let done = move |cx: &mut Context<'_>, answers: Vec<Answer>| {
            let typed = answers.into_iter().filter_map(|answer| answer.downcast::<T>().ok());
            done(cx, typed.map(|answer| *answer).collect());
        };
        let others = self.core.others();
        let own = ask(&View { hub: &self.core.hub, reactor: self.core.reactor });
        if others.is_empty() {
            return done(self, vec![own]);
        }
        let waiting = Waiting::Answers { missing: others.len(), answers: vec![own], done: Box::new(done) };
        let number = self.core.waiting.insert(waiting) as u32;
        for reactor in others.iter() {
            let mail = Mail::Ask { asker: self.core.reactor, number, ask: ask.clone() };
            self.core.mailbox(reactor).post_anyway(mail, 64);
        }
    }

    pub(crate) fn publish_from(
        &mut self,
        sender: Option<u32>,
        to: &To,
        frame: &Frame,
        done: Option<OnReport>,
    ) {
        let elsewhere = self.core.hub.elsewhere(to.selector());
        let number = done.map(|done| {
            let missing = elsewhere.len() + 1;
            let report = DeliveryReport::default();
            self.core.waiting.insert(Waiting::Report { missing, report, since: Instant::now(), done }) as u32
        });
        if !elsewhere.is_empty() {
            let report = number.map(|number| (self.core.reactor, number));
            let publish = Arc::new(Publish { to: to.clone(), frame: frame.clone(), report });
            let weight = to.weight() + frame.len();
            for reactor in elsewhere.iter() {
                self.core.crowded |= self.core.mailbox(reactor).is_crowded();
                if self.core.mailbox(reactor).post(Mail::Publish(publish.clone()), weight).is_err() {
                    self.core.own_stats().dropped_busy.add(1);
                    if let Some(number) = number {
                        self.reported(
                            number,
                            DeliveryReport { dropped_busy: 1, ..DeliveryReport::default() },
                        );
                    }
                }
            }
        }
        let ticket = number.map(|number| ticket(self.core.reactor, number));
        let recipients = self.core.hub.select(to.selector());
        self.out.fan_out(recipients, sender, frame, ticket);
    }

    /// A publish of another reactor.
    pub(crate) fn deliver(&mut self, publish: &Publish) {
        let recipients = self.core.hub.select(publish.to.selector());
        let ticket = publish.report.map(|(reactor, number)| ticket(reactor, number));
        self.out.fan_out(recipients, None, &publish.frame, ticket);
    }

    /// What became of a publish here: kept if this reactor asked, posted to the one that did otherwise.
    pub(crate) fn tallied(&mut self, Ticket(word): Ticket, tally: Tally) {
        let (asker, number) = (ReactorId((word >> 32) as u8), word as u32);
        let report = DeliveryReport::from(tally);
        if asker == self.core.reactor {
            self.reported(number, report);
        } else {
            self.core.mailbox(asker).post_anyway(Mail::Report { number, report }, 64);
        }
    }

    pub(crate) fn reported(&mut self, number: u32, part: DeliveryReport) {
        let Some(Waiting::Report { missing, report, .. }) = self.core.waiting.get_mut(number as usize) else {
            debug_assert!(false, "a report that nobody waits for");
            return;
        };
        report.add(&part);
        *missing -= 1;
        if *missing == 0
            && let Waiting::Report { report, since, done, .. } = self.core.waiting.remove(number as usize)
        {
            self.core.own_stats().publish.observe(since.elapsed());
            done(self, report);
        }
    }

    pub(crate) fn asked(&mut self, asker: ReactorId, number: u32, ask: &super::gather::Ask) {
        let answer = ask(&View { hub: &self.core.hub, reactor: self.core.reactor });
        self.core.mailbox(asker).post_anyway(Mail::Answer { number, answer }, 64);
    }

    pub(crate) fn answered(&mut self, number: u32, answer: Answer) {
        let Some(Waiting::Answers { missing, answers, .. }) = self.core.waiting.get_mut(number as usize)
        else {
            debug_assert!(false, "an answer that nobody waits for");
            return;
        };
        answers.push(answer);
        *missing -= 1;
        if *missing == 0
            && let Waiting::Answers { answers, done, .. } = self.core.waiting.remove(number as usize)
        {
            done(self, answers);
        }
    }
}

fn ticket(reactor: ReactorId, number: u32) -> Ticket {
    Ticket((u64::from(reactor.0) << 32) | u64::from(number))
}
