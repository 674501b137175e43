//! `echo`: do the same bytes come back, and how fast?

use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::{Duration, Instant};

use crate::args::EchoArgs;
use crate::crew::Ended;
use crate::load::Echo;
use crate::report::Report;
use crate::run::{Failure, LINGER, Session};
use crate::target::Defaults;
use crate::wire::frame::opcode;
use crate::worker::Order;

/// Every connection keeps a few messages in flight until the time is over or all are back.
pub fn echo(args: &EchoArgs) -> Result<Report, Failure> {
    let kind = if args.binary { opcode::BINARY } else { opcode::TEXT };
    let load = || Box::new(Echo::new(kind, args.payload, args.in_flight, args.messages)) as _;
    let mut session = Session::start("echo", &args.common, Defaults::Echo, load)?;
    'run: {
        if !session.ramp() {
            break 'run;
        }
        let (start, before) = (Instant::now(), session.cpu());
        let ended = session.crew.begin();
        if !session.judge(ended, "preparing") {
            break 'run;
        }
        let threads = session.crew.shared.options.threads;
        let ended = match args.messages {
            Some(messages) => {
                let total = session.opened() * u64::from(messages);
                session.crew.wait("echoing", total, None, |shared| {
                    (shared.spent.load(Acquire) == threads, shared.received.load(Relaxed))
                })
            }
            None => session.crew.pass("echoing", Duration::from_secs_f64(args.seconds)),
        };
        let seconds = start.elapsed().as_secs_f64();
        session.crew.order(Order::Halt);
        if session.judge(ended, "echoing") {
            // The workers may send once more before they hear of the end.
            let ended = session.crew.pass("halting", LINGER);
            if session.judge(ended, "halting") {
                let ended = session.crew.wait("arriving", 0, None, |shared| {
                    let received = shared.received.load(Relaxed);
                    (received >= shared.sent.load(Relaxed), received)
                });
                session.judge(ended, "arriving");
            }
        } else if ended == Ended::Interrupted {
            session.crew.order(Order::Halt);
        }
        let received = session.crew.shared.received.load(Relaxed);
        let cpu = before.zip(session.cpu());
        session.measured(seconds, received, received, cpu);
    }
    let sent = session.crew.shared.sent.load(Relaxed);
    session.finish(Some(sent))
}
