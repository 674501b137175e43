//! Publishes on their way: to whom they go here and elsewhere, and what is reported of them; answers to questions.

use super::*;

impl Context<'_> {
    pub(crate) fn publish_from(
        &mut self,
        sender: Option<u32>,
        to: &To,
        parcel: &Parcel,
        done: Option<OnReport>,
    ) {
        let elsewhere = self.elsewhere(to);
        let source = Source::Reactor(self.core.reactor);
        let cluster = self.core.cluster_for(to);
        let number = done.map(|done| {
            let others = elsewhere.len() + usize::from(cluster.is_some());
            self.core.wait_for_reports(others + 1, sender, done)
        });
        if let Some(cluster) = cluster {
            let unanswered = DeliveryReport::unanswered(cluster.others());
            let back = number.map(|number| {
                self.core.back(number, move |number, report| Mail::Report {
                    number,
                    report: report.unwrap_or(unanswered),
                })
            });
            let (to, parcel) = (self.core.named(to, sender, self.out), parcel.clone());
            cluster.tell(Order::Publish { to, parcel, back });
        }
        if !elsewhere.is_empty() {
            let report = number.map(|number| (self.core.reactor, number));
            let quiet = self.core.listening.is_quiet();
            let publish = Arc::new(Publish { to: to.clone(), parcel: parcel.clone(), source, report, quiet });
            let weight = to.weight() + parcel.len();
            for reactor in elsewhere.iter() {
                if !self.core.post(reactor, Mail::Publish(publish.clone()), weight)
                    && let Some(number) = number
                {
                    self.reported(number, DeliveryReport { dropped_busy: 1, ..DeliveryReport::default() });
                }
            }
        }
        let ticket = number.map(|number| ticket(self.core.reactor, number));
        let recipients = self.core.transfers.sift(source, self.core.select(to, self.out));
        let skip = sender.or_else(|| self.core.leaving_from(&to.scope));
        self.tell_outgoing(&to.scope, &recipients, skip, parcel);
        self.out.fan_out(recipients, skip, parcel, ticket);
    }

    /// Other reactors that may have somebody whom it means.
    pub(in crate::app) fn elsewhere(&self, to: &To) -> ReactorSet {
        if self.core.hub.interest().is_joining() {
            return self.core.others();
        }
        let mut reactors = self.core.hub.elsewhere(to.selector());
        if to.is_namespace() {
            for place in to.rooms.iter().filter_map(|room| self.core.place_of(&to.scope, room)) {
                reactors.insert(place.reactor);
            }
            reactors.remove(self.core.reactor);
        }
        reactors
    }

    /// A publish of another node; `done` is told what became of it here.
    pub(crate) fn deliver_with(
        &mut self,
        to: &To,
        parcel: &Parcel,
        done: impl FnOnce(&mut Context<'_>, DeliveryReport) + 'static,
    ) {
        let number = self.core.wait_for_reports(1, None, Box::new(done));
        let (to, parcel, report) = (to.clone(), parcel.clone(), Some((self.core.reactor, number)));
        self.deliver(&Publish { to, parcel, source: Source::Cluster, report, quiet: false });
    }

    /// A publish of another reactor.
    pub(crate) fn deliver(&mut self, publish: &Publish) {
        let recipients = self.core.select(&publish.to, self.out);
        let recipients = self.core.transfers.sift(publish.source, recipients);
        let ticket = publish.report.map(|(reactor, number)| ticket(reactor, number));
        if !publish.quiet {
            self.tell_outgoing(&publish.to.scope, &recipients, None, &publish.parcel);
        }
        self.out.fan_out(recipients, None, &publish.parcel, ticket);
    }

    /// What became of a publish here: kept if this reactor asked, posted to the one that did otherwise.
    pub(crate) fn tallied(&mut self, Ticket(word): Ticket, tally: Tally) {
        if word & Ticket::BY_SLOT != 0 {
            return self.asked_out(Ticket(word));
        }
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
            self.guarded("the callback of a publish", |cx| done(cx, report));
        }
    }

    pub(crate) fn asked(&mut self, asker: ReactorId, number: u32, ask: &crate::app::gather::Ask) {
        let mut answer: Option<Answer> = None;
        self.guarded("a question", |cx| answer = Some(ask(cx)));
        // Whoever asks is not left waiting; this is no answer to him.
        let answer = answer.unwrap_or_else(|| Box::new(()));
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
            self.guarded("the callback of a question", |cx| done(cx, answers));
        }
    }
}
