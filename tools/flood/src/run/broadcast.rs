//! `broadcast`: what does a delivery cost?

use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::args::BroadcastArgs;
use crate::crew::Ended;
use crate::load::{Board, Broadcast};
use crate::report::Report;
use crate::run::{Failure, LINGER, SETTLE, Session};
use crate::shared::Shared;
use crate::stats::nanoseconds;
use crate::target::Defaults;

/// Cells of a board: senders times messages.
const CELLS_MAX: u64 = 20_000_000;

/// Has a few connections broadcast numbered messages, a window of them in flight.
pub fn broadcast(args: &BroadcastArgs) -> Result<Report, Failure> {
    let all = args.warmup + args.messages;
    if u64::from(args.senders) * u64::from(all) > CELLS_MAX {
        return Err(Failure::Usage(format!("--senders times --messages: {CELLS_MAX} at most")));
    }
    if args.senders > args.common.connections {
        return Err(Failure::Usage("--senders: more than --connections".to_owned()));
    }
    let board: Arc<OnceLock<Board>> = Arc::default();
    let load = || Box::new(Broadcast::new(Arc::clone(&board))) as _;
    let mut session = Session::start("broadcast", &args.common, Defaults::OneDomain, load)?;
    let mut expected = 0;
    'run: {
        if !session.ramp() {
            break 'run;
        }
        let open: Vec<u32> = session.crew.shared.open_numbers().collect();
        let senders = spread(&open, args.senders);
        let (bytes, receipt) = (args.payload, args.receipt);
        let per_round = announce(&mut session, &board, senders, all, args.in_flight, bytes, receipt)?;
        let settled = session.crew.pass("settling", SETTLE.min(Duration::from_millis(300)));
        if !session.judge(settled, "settling") {
            break 'run;
        }
        let senders = audiences(&session.crew.shared, &board).len() as u64;
        if args.warmup > 0 {
            expected = per_round * u64::from(args.warmup);
            board.get().expect("announced").raise(args.warmup);
            let ended = wait_completed(&mut session, &board, args.warmup, "warming up");
            if !session.judge(ended, "warming up") {
                break 'run;
            }
            session.crew.pass("settling", LINGER);
        }
        let before = session.cpu();
        let start_ns = nanoseconds(session.crew.shared.epoch, std::time::Instant::now());
        let received = session.crew.shared.received.load(Relaxed);
        expected = per_round * u64::from(all);
        board.get().expect("announced").raise(all);
        let ended = wait_completed(&mut session, &board, all, "broadcast");
        if session.judge(ended, "broadcast") {
            // The server is still on its way back from the last send when that has been received.
            session.crew.pass("lingering", LINGER);
        }
        let cpu = before.zip(session.cpu());
        let end_ns = board.get().expect("announced").completed_ns.load(Relaxed);
        let received = session.crew.shared.received.load(Relaxed) - received;
        let seconds = end_ns.saturating_sub(start_ns) as f64 / 1e9;
        session.measured(seconds, senders * u64::from(args.messages), received, cpu);
    }
    session.finish(Some(expected))
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
    messages: u32,
    in_flight: u32,
    bytes: usize,
    receipt: bool,
) -> Result<u64, Failure> {
    let shared = Arc::clone(&session.crew.shared);
    let owners = senders.iter().map(|sender| shared.worker_of(*sender)).collect();
    let wakers = session.crew.wakers();
    let fresh = Board::new(senders, messages, in_flight, wakers, owners).with_content(bytes, receipt);
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
