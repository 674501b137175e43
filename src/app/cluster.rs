//! Other nodes, as far as reactors know of them: what they are told, and how what comes from them is done here.
//!
//! Owns: [`Cluster`], the one trait by which other nodes are reached; the orders that handlers' calls give it; and the
//! [`Gateway`] by which it acts on this node. Leaves to the layer above: how nodes reach one another.

use super::context::{Context, Core};
use super::mail::{Mail, Publish};
use super::publish::{DeliveryReport, To};
use super::router::Router;
use super::socketio::{Answer, Moves, RemoteSocket};
use super::stats::Stats;
use super::transfer::{Source, Step, TransferId};
use crate::base::ids::{ReactorId, ReactorSet};
use crate::base::sid::SidKey;
use crate::hub::Interest;
use crate::reactor::mail::Mailbox;
use crate::wire::parcel::Parcel;
use crate::wire::socketio::args::Args;
use compact_str::CompactString;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How other nodes are reached.
pub(crate) trait Cluster: Send + Sync {
    /// Tells other nodes, without ever waiting. What cannot be told is counted there, and answered with what is known.
    fn tell(&self, order: Order);

    /// How many other nodes of this program there are, as far as is known.
    fn others(&self) -> u64;

    /// What comes from other nodes is for the second reactor from now on, as far as the move is concerned: both are told
    /// where that begins.
    fn switch(&self, id: TransferId, from: ReactorId, to: ReactorId);
}

/// What other nodes are told, in the order in which one reactor gives it.
pub(crate) enum Order {
    /// Deliver this.
    Publish { to: To, parcel: Parcel, back: Option<Back<DeliveryReport>> },
    /// Deliver this and say what the recipients acknowledge.
    Ask { to: To, parcel: Parcel, timeout: Duration, back: Back<Answered> },
    /// Do this to sockets; to how many, other nodes of this program tell.
    Move { to: To, moves: Moves, back: Option<Back<DeliveryReport>> },
    /// Whoever is in this room has left it by now: a socket of this node claimed it, with this number.
    Claim { scope: CompactString, room: CompactString, sequence: u32 },
    /// Say what sockets there are.
    Fetch { to: To, back: Back<Vec<RemoteSocket>> },
    /// Tell the handlers for events between servers.
    ServerSide { scope: CompactString, event: String, args: Args, back: Option<Back<Vec<Args>>> },
}

/// What sockets of other nodes acknowledged.
#[derive(Default)]
pub(crate) struct Answered {
    pub(crate) asked: u64,
    pub(crate) answers: Vec<Answer>,
    /// Nodes that were not reached, or did not say whom they asked.
    pub(crate) silent: u64,
}

/// The way back for an answer; one that is dropped answers that there is none.
pub(crate) struct Back<T>(Option<Box<dyn FnOnce(Option<T>) + Send>>);

impl<T> Back<T> {
    pub(crate) fn new(answer: impl FnOnce(Option<T>) + Send + 'static) -> Back<T> {
        Back(Some(Box::new(answer)))
    }

    pub(crate) fn answer(mut self, value: T) {
        if let Some(answer) = self.0.take() {
            answer(Some(value));
        }
    }
}

impl<T: Send + 'static> Back<T> {
    /// The way back for something that this is made of.
    pub(crate) fn map<U: 'static>(mut self, make: impl FnOnce(U) -> T + Send + 'static) -> Back<U> {
        let answer = self.0.take();
        Back::new(move |value: Option<U>| {
            if let Some(answer) = answer {
                answer(value.map(make));
            }
        })
    }
}

impl<T> Drop for Back<T> {
    fn drop(&mut self) {
        if let Some(answer) = self.0.take() {
            answer(None);
        }
    }
}

impl Core {
    /// The cluster, if there is one and this is not for this node alone.
    pub(crate) fn cluster_for(&self, to: &To) -> Option<Arc<dyn Cluster>> {
        self.cluster.clone().filter(|_| !to.local)
    }

    /// The way back to what this reactor waits for under a number.
    pub(crate) fn back<T: Send + 'static>(
        &self,
        number: u32,
        into_mail: impl FnOnce(u32, Option<T>) -> Mail + Send + 'static,
    ) -> Back<T> {
        let mailbox = self.mailboxes[usize::from(self.reactor.0)].clone();
        Back::new(move |value| mailbox.post_anyway(into_mail(number, value), 256))
    }
}

/// This node, for what comes from others: each reactor gets what one node sent in its order.
#[derive(Clone)]
pub(crate) struct Gateway {
    pub(crate) mailboxes: Arc<[Arc<Mailbox<Mail>>]>,
    pub(crate) interest: Arc<Interest>,
    pub(crate) router: Arc<Router>,
    pub(crate) sids: Arc<SidKey>,
    pub(crate) stats: Stats,
    /// Held from looking who is interested until all of them are told: between two messages, then, all reactors agree on
    /// which came first.
    pub(crate) order: Arc<Mutex<()>>,
}

impl Gateway {
    /// Delivers to whom it means here; what became of it is told if somebody wants to know.
    pub(crate) fn publish(&self, to: To, parcel: Parcel, back: Option<Back<DeliveryReport>>) {
        let bytes = to.weight() + parcel.len();
        let in_order = self.in_order();
        let reactors = self.reactors(&to);
        let Some(back) = back else {
            let source = Source::Cluster;
            let publish = Arc::new(Publish { to, parcel, source, report: None, quiet: false });
            for reactor in reactors.iter() {
                if self.mailbox(reactor).post(Mail::Publish(publish.clone()), bytes).is_err() {
                    self.stats.reactors[usize::from(reactor.0)].dropped_busy.add(1);
                }
            }
            return;
        };
        let to = Arc::new(to);
        let sum = Sum::new(move |report| back.answer(report));
        for reactor in reactors.iter() {
            let (to, parcel, sum) = (to.clone(), parcel.clone(), sum.clone());
            let call = move |cx: &mut Context<'_>| {
                cx.deliver_with(&to, &parcel, move |_, report| {
                    sum.add(|all: &mut DeliveryReport| all.add(&report))
                });
            };
            self.post(reactor, bytes, call);
        }
        // Whoever lets go of the sum last answers.
        drop(in_order);
    }

    /// Of what comes from now on, the second reactor delivers what is for the sockets of a move.
    pub(crate) fn switch(&self, id: TransferId, from: ReactorId, to: ReactorId) {
        let _in_order = self.in_order();
        for reactor in [from, to] {
            let step = Step::Switched { source: Source::Cluster };
            self.mailbox(reactor).post_anyway(Mail::Transfer(id, step), 64);
        }
    }

    /// Sockets that claimed a room here before that number was drawn leave it.
    pub(crate) fn replace(&self, scope: &str, room: &str, sequence: u32) {
        let _in_order = self.in_order();
        for reactor in self.interest.reactors_of(scope, room).iter() {
            let (scope, room) = (scope.into(), room.into());
            self.mailbox(reactor).post_anyway(Mail::Replace { scope, room, sequence }, 64);
        }
    }

    /// Does this to sockets here, and says to how many.
    pub(crate) fn move_sockets(&self, to: To, moves: Moves, back: Option<Back<DeliveryReport>>) {
        let bytes = to.weight();
        let (to, moves) = (Arc::new(to), Arc::new(moves));
        let joining = moves.are_joins().then(|| self.interest.joining());
        let sum = Sum::new(move |count| {
            drop(joining);
            if let Some(back) = back {
                back.answer(count);
            }
        });
        for reactor in ReactorSet::first(self.mailboxes.len()).iter() {
            let (to, moves, sum) = (to.clone(), moves.clone(), sum.clone());
            self.post(reactor, bytes, move |cx| {
                let count = cx.move_sockets(&to, &moves, None);
                sum.add(|all: &mut DeliveryReport| all.matched += count);
            });
        }
    }

    /// Has something done on one reactor.
    pub(crate) fn run(&self, f: impl FnOnce(&mut Context<'_>) + Send + 'static) {
        self.post(ReactorId(0), 256, f);
    }

    /// Whether some reactor has a lot to catch up with.
    pub(crate) fn is_crowded(&self) -> bool {
        self.mailboxes.iter().any(|mailbox| mailbox.is_crowded())
    }

    /// Whom it may mean.
    fn reactors(&self, to: &To) -> ReactorSet {
        if self.interest.is_joining() {
            return ReactorSet::first(self.mailboxes.len());
        }
        if to.rooms.is_empty() {
            return self.interest.reactors_of(&to.scope, "");
        }
        let mut all = ReactorSet::EMPTY;
        for room in &to.rooms {
            all = all.union(self.interest.reactors_of(&to.scope, room));
            if to.is_namespace()
                && let Some(place) = self.sids.place_in(&to.scope, room)
                && usize::from(place.reactor.0) < self.mailboxes.len()
            {
                all.insert(place.reactor);
            }
        }
        all
    }

    fn in_order(&self) -> MutexGuard<'_, ()> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn post(&self, reactor: ReactorId, bytes: usize, f: impl FnOnce(&mut Context<'_>) + Send + 'static) {
        self.mailbox(reactor).post_anyway(Mail::Call(Box::new(f)), bytes);
    }

    fn mailbox(&self, reactor: ReactorId) -> &Mailbox<Mail> {
        &self.mailboxes[usize::from(reactor.0)]
    }
}

type OnSum<T> = Box<dyn FnOnce(T) + Send>;

/// What several reactors add to; whoever is the last to let go of it hands it on.
struct Sum<T: Default>(Mutex<(T, Option<OnSum<T>>)>);

impl<T: Default> Sum<T> {
    fn new(done: impl FnOnce(T) + Send + 'static) -> Arc<Sum<T>> {
        Arc::new(Sum(Mutex::new((T::default(), Some(Box::new(done))))))
    }

    fn add(&self, add: impl FnOnce(&mut T)) {
        add(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).0);
    }
}

impl<T: Default> Drop for Sum<T> {
    fn drop(&mut self) {
        let (all, done) = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(done) = done.take() {
            done(std::mem::take(all));
        }
    }
}
