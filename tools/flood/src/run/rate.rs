//! `rate`: how long do messages take at a given rate?

use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::args::RateArgs;
use crate::load::{Mode, Rate, RatePlan};
use crate::report::Report;
use crate::run::broadcast::spread;
use crate::run::{Failure, LINGER, Session};
use crate::target::Defaults;

/// Sends at the rate until the time is over, then waits for what is still on its way.
pub fn rate(args: &RateArgs) -> Result<Report, Failure> {
    let common = &args.common;
    match args.mode {
        Mode::Client => common.require_user(),
        Mode::Group => common.require_group(),
        Mode::Domain => common.require_domain(),
    }
    .map_err(Failure::Usage)?;
    let plan: Arc<OnceLock<RatePlan>> = Arc::default();
    let load = || Box::new(Rate::new(Arc::clone(&plan), args.mode)) as _;
    let mut session = Session::start("rate", common, Defaults::OneDomain, load)?;
    let roster = &session.crew.shared.roster;
    let known = (0..roster.count()).all(|number| match args.mode {
        Mode::Client => roster.client(number).is_some(),
        Mode::Group => roster.group(number).is_some(),
        Mode::Domain => true,
    });
    if !known {
        session.finish(None)?;
        let (mode, what) = (args.mode.number(), if args.mode == Mode::Group { "group" } else { "clientId" });
        return Err(Failure::Usage(format!("--url: --mode {mode} needs a plain {what} for each connection")));
    }
    'run: {
        if !session.ramp() {
            break 'run;
        }
        let open: Vec<u32> = session.crew.shared.open_numbers().collect();
        let fresh = RatePlan {
            per_second: args.per_second,
            seconds: args.seconds,
            mode: args.mode,
            pick: args.to,
            bytes: args.payload,
            receipt: args.receipt,
            senders: spread(&open, args.senders),
            present: AtomicU32::new(0),
            lag_ns: AtomicU64::new(0),
        };
        let plan = plan.get_or_init(|| fresh);
        let (start, before) = (Instant::now(), session.cpu());
        let ended = session.crew.begin();
        if !session.judge(ended, "preparing") {
            break 'run;
        }
        let threads = session.crew.shared.options.threads;
        let total = (args.per_second * args.seconds).round() as u64;
        let ended = session.crew.wait("sending", total, None, |shared| {
            (shared.spent.load(Acquire) == threads, shared.sent.load(Relaxed))
        });
        let sending = start.elapsed().as_secs_f64();
        if session.judge(ended, "sending") {
            let receipt = args.receipt;
            let ended = session.crew.wait("arriving", 0, None, |shared| {
                let (arrived, expected) = (shared.received.load(Relaxed), shared.expected.load(Relaxed));
                let (receipts, sent) = (shared.receipts.load(Relaxed), shared.sent.load(Relaxed));
                (arrived >= expected && (!receipt || receipts >= sent), arrived + receipts)
            });
            if session.judge(ended, "arriving") {
                session.crew.pass("lingering", LINGER);
            }
        }
        let (sent, received) = {
            let shared = &session.crew.shared;
            (shared.sent.load(Relaxed), shared.received.load(Relaxed))
        };
        let cpu = before.zip(session.cpu());
        session.measured(sending, sent, received, cpu);
        let lag = Duration::from_nanos(plan.lag_ns.load(Relaxed));
        if let Some(rates) = &mut session.report.rates {
            rates.lag_us = Some(lag.as_secs_f64() * 1e6);
        }
    }
    let expected = session.crew.shared.expected.load(Relaxed);
    session.finish(Some(expected))
}
