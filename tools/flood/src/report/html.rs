//! The report as one page without anything from elsewhere: charts as inline SVG.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use crate::report::Report;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 70.0;
const BOTTOM: f64 = 26.0;
/// Points of a line: more than this cannot be told apart.
const POINTS_MAX: usize = 400;

const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1d2330;--dim:#667085;--back:#fff;--rule:#e3e7ee;--a:#1f6feb;--b:#c2410c;--c:#7c3aed;--bad:#b42318}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ef;--dim:#98a2b3;--back:#12161d;--rule:#2a3140;--a:#6cb0ff;--b:#ff9d66;--c:#b79cff;--bad:#ff8a80}}
body{background:var(--back);color:var(--ink);font:15px/1.5 system-ui,sans-serif;max-width:900px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.3rem}h2{font-size:1rem;margin:1.6rem 0 .3rem}code,pre{font-family:ui-monospace,monospace;font-size:.85rem}
pre{white-space:pre-wrap;border:1px solid var(--rule);padding:.8rem;border-radius:6px}
svg{width:100%;height:auto}text{fill:var(--dim);font-size:12px}.rule{stroke:var(--rule)}
.a{stroke:var(--a)}.b{stroke:var(--b)}.c{stroke:var(--c)}path{fill:none;stroke-width:2}
.ka{color:var(--a)}.kb{color:var(--b)}.kc{color:var(--c)}.bad{color:var(--bad)}
";

/// Writes the page.
pub fn write_page(report: &Report, file: &Path) -> io::Result<()> {
    std::fs::write(file, page(report))
}

fn page(report: &Report) -> String {
    let mut out = String::from("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
    let title = format!("fanfare-flood {}: {} connections", report.command, report.connections.opened);
    let _ = write!(out, "<title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>");
    let _ = write!(out, "<p><code>{} {}</code></p>", report.protocol, escape(&report.url));
    for failure in &report.failures {
        let _ = write!(out, "<p class=\"bad\">failed: {}</p>", escape(failure));
    }
    for note in &report.notes {
        let _ = write!(out, "<p>note: {}</p>", escape(note));
    }
    let points = &report.points;
    let open: Vec<_> = points.iter().map(|point| (point.at_s, point.open as f64)).collect();
    chart(&mut out, "Connections open", &[("a", "open", thin(&open))]);
    let step = points.len().div_ceil(POINTS_MAX).max(1);
    let thinned: Vec<_> = points.iter().step_by(step).collect();
    let rate = thinned.windows(2).map(|pair| {
        let seconds = (pair[1].at_s - pair[0].at_s).max(0.001);
        (pair[1].at_s, (pair[1].received - pair[0].received) as f64 / seconds)
    });
    chart(&mut out, "Deliveries a second", &[("a", "deliveries/s", rate.collect())]);
    let line = |value: fn(&crate::stats::LatencyPoint) -> f64| {
        report.latency_points.iter().map(|point| (point.at_s, value(point) / 1000.0)).collect::<Vec<_>>()
    };
    let lines = [
        ("a", "median", line(|point| point.p50_us)),
        ("b", "99th percentile", line(|point| point.p99_us)),
        ("c", "worst", line(|point| point.max_us)),
    ];
    chart(&mut out, "Latency in milliseconds", &lines);
    if let Some(storm) = &report.storm {
        let _ = write!(out, "<h2>Storm</h2><p>{} cut, {} back", storm.dropped, storm.back);
        if let Some(seconds) = storm.all_back_s {
            let _ = write!(out, " after {seconds:.2} s");
        }
        let _ = write!(out, ", {} attempts</p>", storm.attempts);
        if let Some(drain) = &storm.drain {
            let seconds = |counts: &[u64]| {
                counts.iter().enumerate().map(|(at, count)| (at as f64, *count as f64)).collect::<Vec<_>>()
            };
            let lines =
                [("b", "closed", seconds(&drain.closed_per_s)), ("a", "back", seconds(&drain.back_per_s))];
            chart(&mut out, "Closed by the server, and back, in each second", &lines);
            let _ = write!(out, "<p>the busiest second against the mean: {:.2}</p>", drain.spread);
        }
    }
    let numbers = serde_json::to_string_pretty(report).unwrap_or_default();
    let _ = write!(out, "<h2>All numbers</h2><pre>{}</pre></body></html>", escape(&numbers));
    out
}

/// Its colour, its name, and its points.
type Line<'a> = (&'a str, &'a str, Vec<(f64, f64)>);

fn chart(out: &mut String, title: &str, lines: &[Line<'_>]) {
    let _ = write!(out, "<h2>{title}</h2>");
    let all = || lines.iter().flat_map(|(_, _, points)| points);
    if all().next().is_none() {
        out.push_str("<p>nothing was recorded</p>");
        return;
    }
    if lines.len() > 1 {
        for (class, name, _) in lines {
            let _ = write!(out, "<span class=\"k{class}\">\u{25a0} {name}</span> ");
        }
    }
    let end = all().map(|point| point.0).fold(0.001, f64::max);
    let top = round_up(all().map(|point| point.1).fold(0.0, f64::max));
    let x = |at: f64| LEFT + at / end * (WIDTH - LEFT - 10.0);
    let y = |value: f64| 10.0 + (1.0 - value / top) * (HEIGHT - BOTTOM - 10.0);
    let _ = write!(out, "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">");
    for quarter in 0..=4 {
        let (value, at) = (top * f64::from(quarter) / 4.0, end * f64::from(quarter) / 4.0);
        let (line, place) = (y(value), x(at));
        let right = WIDTH - 10.0;
        let _ = write!(
            out,
            "<line class=\"rule\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{line:.1}\" y2=\"{line:.1}\"/>"
        );
        let (label, text) = (line + 4.0, short(value));
        let _ = write!(out, "<text x=\"{}\" y=\"{label:.1}\" text-anchor=\"end\">{text}</text>", LEFT - 8.0);
        let foot = HEIGHT - 6.0;
        let _ =
            write!(out, "<text x=\"{place:.1}\" y=\"{foot}\" text-anchor=\"middle\">{} s</text>", short(at));
    }
    for (class, _, points) in lines {
        let _ = write!(out, "<path class=\"{class}\" d=\"");
        for (index, (at, value)) in points.iter().enumerate() {
            let _ = write!(out, "{}{:.1} {:.1}", if index == 0 { "M" } else { "L" }, x(*at), y(*value));
        }
        out.push_str("\"/>");
    }
    out.push_str("</svg>");
}

fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let step = points.len().div_ceil(POINTS_MAX).max(1);
    points.iter().copied().step_by(step).chain(points.last().copied()).collect()
}

/// The next 1, 2, 4 or 8 with zeros.
fn round_up(value: f64) -> f64 {
    let ten = 10f64.powf(value.max(1e-6).log10().floor());
    [1.0, 2.0, 4.0, 8.0, 10.0]
        .map(|step| step * ten)
        .into_iter()
        .find(|top| *top >= value)
        .unwrap_or(10.0 * ten)
}

fn short(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{}M", trim(v / 1e6)),
        v if v >= 1e3 => format!("{}k", trim(v / 1e3)),
        v => trim(v),
    }
}

fn trim(value: f64) -> String {
    let digits = if value < 1.0 { 3 } else { 1 };
    let text = format!("{value:.digits$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crew::Point;

    #[test]
    fn the_page_stands_alone_and_escapes_what_the_server_said() {
        let mut report =
            Report { command: "hold", url: "ws://127.0.0.1/?a=1&b=<x>".into(), ..Report::default() };
        report.points =
            (0..2000).map(|n| Point { at_s: f64::from(n) / 10.0, open: 7, received: 3 * n as u64 }).collect();
        let page = page(&report);
        assert!(page.contains("&lt;x&gt;") && !page.contains("<x>"));
        assert!(!page.contains("http") && !page.contains("NaN"));
        assert_eq!(page.matches("<svg").count(), 2);
        assert!(page.len() < 60_000);
        assert_eq!((short(2500.0), short(0.25), short(4e6)), ("2.5k".into(), "0.25".into(), "4M".into()));
        assert_eq!(round_up(3000.0), 4000.0);
    }
}
