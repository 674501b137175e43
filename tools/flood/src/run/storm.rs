//! `storm`: how does everybody come back, when all are cut off at once, or closed one by one by a server that ends?

use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::args::StormArgs;
use crate::crew::Ended;
use crate::load::{Board, Broadcast};
use crate::report::{Drain, Report, Storm};
use crate::run::hold::broadcast_once;
use crate::run::{Failure, Session, drain};
use crate::tally;
use crate::target::Defaults;
use crate::worker::Order;

/// Opens the connections, cuts all of them, and waits until they are back.
pub fn storm(args: &StormArgs) -> Result<Report, Failure> {
    if args.broadcast {
        args.common.require_group().map_err(Failure::Usage)?;
    }
    let board: Arc<OnceLock<Board>> = Arc::default();
    let load = || Box::new(Broadcast::new(Arc::clone(&board))) as _;
    let mut session = Session::start("storm", &args.common, Defaults::Hold, load)?;
    let mut expected = args.broadcast.then_some(0);
    let mut next = None;
    'run: {
        if !session.ramp() {
            break 'run;
        }
        let held = session.crew.pass("holding", Duration::from_secs_f64(args.seconds));
        if !session.judge(held, "holding") {
            break 'run;
        }
        let at = Instant::now();
        match args.drain {
            None => session.crew.order(Order::Storm(at)),
            Some(pid) => {
                session.crew.order(Order::Return(at));
                next = drain::begin(&mut session, pid, args.then.as_deref())?;
            }
        }
        if !weather(&mut session, at, args) || !args.broadcast {
            break 'run;
        }
        expected = Some(broadcast_once(&mut session, &board)?);
    }
    let report = session.finish(expected);
    drop(next);
    report
}

/// The storm itself; true when all are back in time.
fn weather(session: &mut Session, at: Instant, args: &StormArgs) -> bool {
    let within_s = args.within;
    let threads = session.crew.shared.options.threads;
    let deadline = at + Duration::from_secs_f64(within_s);
    let total = u64::from(session.crew.shared.options.connections);
    // Those that a server has to close are all of them.
    let least = args.drain.map_or(0, |_| total);
    let ended = session.crew.wait("returning", total, Some(deadline), |shared| {
        let (cut, back) = (shared.dropped.load(Relaxed), shared.returned.load(Relaxed));
        (shared.stormed.load(Acquire) == threads && back >= cut.max(least), back)
    });
    let shared = &session.crew.shared;
    let (cut, back) = (shared.dropped.load(Relaxed), shared.returned.load(Relaxed));
    let all = back >= cut.max(least) && shared.stormed.load(Acquire) == threads;
    let all_back_s = all.then(|| at.elapsed().as_secs_f64());
    let drain = args.drain.map(|_| Drain::default());
    session.report.storm = Some(Storm { all_back_s, within_s, drain, ..Storm::default() });
    if !all && ended == Ended::Met {
        let missing = cut - back.min(cut);
        session.report.failures.push(format!("{missing} of {cut} were not back after {within_s} s"));
        if cut < least {
            session.report.failures.push(format!("{} were not closed by the server", least - cut));
        }
    }
    session.judge(ended, "returning") && all
}

/// Completes the report with what the workers have counted.
pub(super) fn account(storm: Storm, tally: &tally::Storm) -> Storm {
    Storm {
        dropped: tally.dropped,
        back: tally.back,
        back_us: tally.time.percentiles(),
        attempts: tally.attempts,
        refusals: tally.refusals.clone(),
        drain: storm.drain.map(|_| drain::account(tally)),
        // To the last arrival, not to the look that noticed it.
        all_back_s: storm.all_back_s.and(tally.time.percentiles()).map(|time| time.max / 1e6),
        ..storm
    }
}
