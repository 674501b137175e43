//! `hold`: what does an idle connection cost?

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::args::HoldArgs;
use crate::load::{Board, Broadcast};
use crate::report::Report;
use crate::run::broadcast::{Plan, announce, audiences, wait_completed};
use crate::run::{Failure, LINGER, SETTLE, Session};
use crate::target::Defaults;

/// The broadcast at the end; its senders are chosen by domain.
const ONE: Plan =
    Plan { messages: 1, in_flight: 1, senders: 0, bytes: 0, receipt: false, like_gateway: false };

/// Opens the connections, holds them, and lets one of each domain broadcast at the end if that was asked.
pub fn hold(args: &HoldArgs) -> Result<Report, Failure> {
    if args.broadcast {
        args.common.require_group().map_err(Failure::Usage)?;
    }
    let board: Arc<OnceLock<Board>> = Arc::default();
    let load = || Box::new(Broadcast::new(Arc::clone(&board))) as _;
    let mut session = Session::start("hold", &args.common, Defaults::Hold, load)?;
    let mut expected = args.broadcast.then_some(0);
    'run: {
        if !session.ramp() {
            break 'run;
        }
        let settled = session.crew.pass("settling", SETTLE);
        if !session.judge(settled, "settling") {
            break 'run;
        }
        session.weigh();
        let (start, before) = (Instant::now(), session.cpu());
        let held = session.crew.pass("holding", Duration::from_secs_f64(args.seconds));
        if let (Some(before), Some(after)) = (before, session.cpu()) {
            let share = (after - before).as_secs_f64() / start.elapsed().as_secs_f64();
            session.server.idle_cpu_percent = Some((share * 1e4).round() / 100.0);
        }
        if !session.judge(held, "holding") || !args.broadcast {
            break 'run;
        }
        expected = Some(broadcast_once(&mut session, &board)?);
    }
    session.finish(expected)
}

/// Has one connection of each domain broadcast; returns how many arrivals that has to cause.
pub(super) fn broadcast_once(session: &mut Session, board: &OnceLock<Board>) -> Result<u64, Failure> {
    let roster = &session.crew.shared.roster;
    let first_open =
        |domain| roster.members(domain).iter().copied().find(|number| session.crew.shared.is_open(*number));
    let senders: Vec<u32> = (0..roster.domains()).filter_map(first_open).collect();
    let total = announce(session, board, senders, ONE)?;
    if total == 0 {
        session.report.notes.push("no domain has a second connection to hear a broadcast".to_owned());
    }
    let (start, before) = (Instant::now(), session.cpu());
    board.get().expect("announced").raise(1);
    let ended = wait_completed(session, board, 1, "broadcast");
    let seconds = start.elapsed().as_secs_f64();
    let cpu = before.zip(session.cpu());
    let senders = audiences(&session.crew.shared, board).len() as u64;
    session.measured(seconds, senders, total, cpu);
    if session.judge(ended, "broadcast") {
        session.crew.pass("lingering", LINGER);
    }
    Ok(total)
}
