//! The report for a terminal.

use comfy_table::{Table, presets};

use crate::report::Report;
use crate::stats::Percentiles;
use crate::tally::Reasons;

/// Prints the table, then notes and failures.
pub fn print_table(report: &Report) {
    let mut rows = Rows(Vec::new());
    let connections = &report.connections;
    rows.add("connections", "asked", connections.asked);
    rows.add("", "opened", connections.opened);
    rows.add("", "refused", connections.refused);
    rows.add("", "lost", connections.lost);
    rows.add_if("", "retries", (connections.retries > 0).then_some(connections.retries));
    rows.add("", "ramp", format!("{:.2} s, {:.0}/s", connections.ramp_s, connections.per_s));
    rows.percentiles("connect time", connections.connect_us.as_ref());
    if let Some(messages) = &report.messages {
        rows.add("messages", "sent", messages.sent);
        rows.add("", "to arrive", messages.expected);
        rows.add("", "arrived", messages.received);
        rows.add("", "lost", messages.lost);
        rows.add("", "duplicated", messages.duplicated);
        rows.add("", "reordered", messages.reordered);
        rows.add("", "corrupted", messages.corrupted);
        rows.add("", "misrouted", messages.misrouted);
        rows.add_if("", "not of this run", (messages.strangers > 0).then_some(messages.strangers));
        if messages.receipts > 0 {
            let receipts = format!("{}, {} delivered", messages.receipts, messages.receipts_delivered);
            rows.add("", "receipts", receipts);
        }
    }
    if let Some(rates) = &report.rates {
        rows.add("speed", "measured", format!("{:.3} s", rates.seconds));
        rows.add("", "messages", format!("{:.0}/s", rates.messages_per_s));
        rows.add("", "deliveries", format!("{:.0}/s", rates.deliveries_per_s));
        rows.add("", "burst", format!("{:.1} messages a write", rates.burst));
        rows.add_if("", "own lag, worst", rates.lag_us.map(|lag| format!("{lag:.0} us")));
    }
    rows.percentiles("latency", report.latency_us.as_ref());
    if let Some(storm) = &report.storm {
        rows.add("storm", "cut", storm.dropped);
        rows.add("", "back", storm.back);
        rows.add("", "attempts", storm.attempts);
        let all = storm.all_back_s.map_or("never".to_owned(), |seconds| format!("{seconds:.2} s"));
        rows.add("", "all back after", format!("{all} (allowed: {} s)", storm.within_s));
        rows.percentiles("time to be back", storm.back_us.as_ref());
        rows.reasons("attempts failed", &storm.refusals);
        if let Some(drain) = &storm.drain {
            rows.reasons("closed by the server", &drain.closes);
            let rates = format!("{:.0}/s, {}/s", drain.mean_per_s, drain.max_per_s);
            rows.add("return", "mean, busiest second", rates);
            rows.add("", "busiest / mean", format!("{:.2}", drain.spread));
            rows.add("", "lost for good", drain.lost_for_good);
        }
    }
    if let Some(server) = &report.server {
        rows.add("server", "process", server.pid);
        let (before, held) = (mib(server.pss_before), server.pss_held.map_or("-".to_owned(), mib));
        let after = server.pss_after.map_or("-".to_owned(), mib);
        rows.add("", "Pss before, held, after", format!("{before}, {held}, {after}"));
        rows.add_if(
            "",
            "Pss per connection",
            server.pss_per_connection.map(|bytes| format!("{bytes:.1} bytes")),
        );
        rows.add_if("", "CPU per connect", server.cpu_us_per_connect.map(|us| format!("{us:.2} us")));
        rows.add_if("", "CPU while held", server.idle_cpu_percent.map(|cpu| format!("{cpu:.2} % of a core")));
        rows.add_if("", "CPU per delivery", server.cpu_us_per_delivery.map(|us| format!("{us:.3} us")));
        rows.add("", "CPU in all", format!("{:.2} s", server.cpu_s));
    }
    if report.heartbeats > 0 {
        let answered = format!("{}, {} answered", report.heartbeats, report.heartbeats_answered);
        rows.add("heartbeats", "sent", answered);
    }
    rows.reasons("not opened", &report.refusals);
    rows.reasons("ended by the server", &report.closes);
    rows.reasons("close answered by", &report.farewells);
    rows.reasons("error answers", &report.answers);
    let own =
        format!("{:.2} s in {} threads, {:.1} s in all", report.flood_cpu_s, report.threads, report.seconds);
    rows.add("fanfare-flood", "CPU", own);

    println!("fanfare-flood {} {} {}", report.command, report.protocol, report.url);
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).add_rows(rows.0);
    println!("{table}");
    report.notes.iter().for_each(|note| println!("note: {note}"));
    if report.interrupted {
        println!("interrupted: this is what was so far");
    }
    report.failures.iter().for_each(|failure| println!("FAILED: {failure}"));
    if report.ok {
        println!("ok");
    }
}

struct Rows(Vec<[String; 3]>);

impl Rows {
    fn add(&mut self, part: &str, name: &str, value: impl ToString) {
        self.0.push([part.to_owned(), name.to_owned(), value.to_string()]);
    }

    fn add_if(&mut self, part: &str, name: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.add(part, name, value);
        }
    }

    fn percentiles(&mut self, part: &str, percentiles: Option<&Percentiles>) {
        let Some(p) = percentiles else { return };
        let [p50, p90, p99, p999, max] = [p.p50, p.p90, p.p99, p.p999, p.max].map(time);
        self.add(part, "p50, p90, p99", format!("{p50}, {p90}, {p99}"));
        self.add("", "p99.9, worst", format!("{p999}, {max}"));
    }

    fn reasons(&mut self, part: &str, reasons: &Reasons) {
        for (index, (reason, count)) in reasons.iter().enumerate() {
            self.add(if index == 0 { part } else { "" }, reason, count);
        }
    }
}

fn mib(bytes: u64) -> String {
    format!("{:.2} MiB", bytes as f64 / f64::from(1 << 20))
}

fn time(us: f64) -> String {
    if us < 1000.0 { format!("{us:.0} us") } else { format!("{:.2} ms", us / 1000.0) }
}
