//! The `fanfare` program.

mod access;
mod gateway;

use std::sync::Arc;

fn main() {
    env_logger::Builder::new().filter_level(log::LevelFilter::Info).init();
    let access = Arc::new(access::Access::default());
    let reactors = std::env::args().nth(2).and_then(|n| n.parse().ok()).unwrap_or(0);
    let running = fanfare::Server::builder()
        .listen(std::env::args().nth(1).unwrap_or("127.0.0.1:3000".into()).parse().unwrap())
        .reactors(reactors)
        .endpoint("/ws", gateway::Gateway::new(access))
        .start()
        .unwrap();
    println!("fanfare ready on http://{} ({} reactors)", running.addrs()[0], running.reactors());
    let mut signals =
        signal_hook::iterator::Signals::new([signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT])
            .unwrap();
    signals.forever().next();
    running.stop();
    running.join().unwrap();
}
