//! `broadcast`: what does a delivery cost?

use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::args::{BroadcastArgs, Common};
use crate::crew::Ended;
use crate::load::{Board, Broadcast};
use crate::report::Report;
use crate::run::{Failure, LINGER, Session};
use crate::shared::Shared;
use crate::stats::nanoseconds;
use crate::target::Defaults;

/// Cells of a board: senders times messages.
const CELLS_MAX: u64 = 20_000_000;
/// Between the ramp and the first stretch.
const OPEN_SETTLE: Duration = Duration::from_millis(300);
/// After a stretch, before the server's processor time is read.
const STRETCH_LINGER: Duration = Duration::from_millis(20);

/// What is broadcast.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Messages of each sender, over all stretches.
    pub(crate) messages: u32,
    pub(crate) in_flight: u32,
    pub(crate) senders: u32,
    /// Bytes of a content.
    pub(crate) bytes: usize,
    pub(crate) receipt: bool,
    /// Frames of Socket.IO are as long as those of the gateway would be, see [`Board::like_gateway`].
    pub(crate) like_gateway: bool,
}

/// Connections that broadcast in stretches, each of which is measured.
pub(crate) struct Broadcasts {
    session: Session,
    board: Arc<OnceLock<Board>>,
    /// Arrivals that one message of each sender has to cause.
    per_round: u64,
    /// Messages of each sender that may have left so far.
    goal: u32,
}

/// Has a few connections broadcast numbered messages, a window of them in flight.
pub fn broadcast(args: &BroadcastArgs) -> Result<Report, Failure> {
    let plan = Plan {
        messages: args.warmup + args.messages,
        in_flight: args.in_flight,
        senders: args.senders,
        bytes: args.payload,
        receipt: args.receipt,
        like_gateway: false,
    };
    let mut broadcasts = Broadcasts::start(&args.common, plan)?;
    if broadcasts.open(plan)? && broadcasts.stretch(args.warmup, "warming up") {
        broadcasts.stretch(args.messages, "broadcast");
    }
    broadcasts.finish()
}

impl Broadcasts {
    /// Starts to connect.
    pub(crate) fn start(common: &Common, plan: Plan) -> Result<Self, Failure> {
        if u64::from(plan.senders) * u64::from(plan.messages) > CELLS_MAX {
            return Err(Failure::Usage(format!("--senders times --messages: {CELLS_MAX} at most")));
        }
        common.require_group().map_err(Failure::Usage)?;
        if plan.senders > common.connections {
            return Err(Failure::Usage("--senders: more than --connections".to_owned()));
        }
        let board: Arc<OnceLock<Board>> = Arc::default();
        let load = || Box::new(Broadcast::new(Arc::clone(&board))) as _;
        let session = Session::start("broadcast", common, Defaults::OneDomain, load)?;
        Ok(Self { session, board, per_round: 0, goal: 0 })
    }

    /// Waits for the connections and chooses the senders; false when the run ends here.
    pub(crate) fn open(&mut self, plan: Plan) -> Result<bool, Failure> {
        if !self.session.ramp() {
            return Ok(false);
        }
        let open: Vec<u32> = self.session.crew.shared.open_numbers().collect();
        self.per_round = announce(&mut self.session, &self.board, spread(&open, plan.senders), plan)?;
        let settled = self.session.crew.pass("settling", OPEN_SETTLE);
        Ok(self.session.judge(settled, "settling"))
    }

    /// Lets every sender send `messages` more and waits until all have them. The report is about the last
    /// stretch; false when the run ends here.
    pub(crate) fn stretch(&mut self, messages: u32, what: &'static str) -> bool {
        if messages == 0 {
            return true;
        }
        let board = self.board.get().expect("opened");
        let before = self.session.cpu();
        let start_ns = nanoseconds(self.session.crew.shared.epoch, Instant::now());
        let received = self.session.crew.shared.received.load(Relaxed);
        self.goal += messages;
        board.raise(self.goal);
        let ended = wait_completed(&mut self.session, &self.board, self.goal, what);
        let going_on = self.session.judge(ended, what);
        if going_on {
            // The server is still on its way back from the last send when that has been received.
            self.session.crew.pass("lingering", STRETCH_LINGER);
        }
        let cpu = before.zip(self.session.cpu());
        let end_ns = board.completed_ns.load(Relaxed);
        let received = self.session.crew.shared.received.load(Relaxed) - received;
        let seconds = end_ns.saturating_sub(start_ns) as f64 / 1e9;
        let sent = board.senders().len() as u64 * u64::from(messages);
        self.session.measured(seconds, sent, received, cpu);
        going_on
    }

    /// The server's processor time per delivery in the last stretch.
    pub(crate) fn cpu_us_per_delivery(&self) -> Option<f64> {
        self.session.server.cpu_us_per_delivery
    }

    /// Closes everything and reconciles all stretches.
    pub(crate) fn finish(mut self) -> Result<Report, Failure> {
        self.session.crew.pass("lingering", LINGER);
        self.session.finish(Some(self.per_round * u64::from(self.goal)))
    }
}

/// `count` of the numbers, evenly.
pub(super) fn spread(numbers: &[u32], count: u32) -> Vec<u32> {
    let count = (count as usize).min(numbers.len());
    (0..count).map(|index| numbers[index * numbers.len() / count]).collect()
}

/// Puts up the board and has every worker look at it; returns how many arrivals one message of each sender
/// has to cause.
pub(super) fn announce(
    session: &mut Session,
    board: &OnceLock<Board>,
    senders: Vec<u32>,
    plan: Plan,
) -> Result<u64, Failure> {
    let shared = Arc::clone(&session.crew.shared);
    let owners = senders.iter().map(|sender| shared.worker_of(*sender)).collect();
    let wakers = session.crew.wakers();
    let fresh = Board::new(senders, plan.messages, plan.in_flight, wakers, owners)
        .with_content(plan.bytes, plan.receipt)
        .like_gateway(plan.like_gateway);
    board.get_or_init(|| fresh);
    let ended = session.crew.begin();
    session.judge(ended, "preparing");
    Ok(audiences(&shared, board).into_iter().sum())
}

/// How many open connections hear each sender.
pub(super) fn audiences(shared: &Shared, board: &OnceLock<Board>) -> Vec<u64> {
    let senders = board.get().map_or(&[][..], |board| board.senders());
    let audience = |sender: &u32| {
        let members = shared.roster.members(shared.roster.domain(*sender)).iter();
        members.filter(|member| **member != *sender && shared.is_open(**member)).count() as u64
    };
    senders.iter().map(audience).collect()
}

/// Waits until every message below `goal` has been received by all.
pub(super) fn wait_completed(
    session: &mut Session,
    board: &OnceLock<Board>,
    goal: u32,
    what: &'static str,
) -> Ended {
    let board = board.get().expect("announced");
    let goal = board.senders().len() as u64 * u64::from(goal);
    session.crew.wait(what, goal, None, |shared| {
        let completed = board.completed.load(Acquire);
        // Arrivals count as something happening, too, although they are not what is waited for.
        let moving = shared.received.load(Relaxed);
        (completed >= goal, if completed >= goal { goal } else { completed.max(moving.min(goal - 1)) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_are_spread() {
        assert_eq!(spread(&[1, 3, 5, 7], 2), [1, 5]);
        assert_eq!(spread(&[1, 3], 5), [1, 3]);
        assert!(spread(&[], 1).is_empty());
    }
}
