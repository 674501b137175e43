//! The text format of Prometheus, version 0.0.4: families of samples, histograms, escapes.

use fanfare::Durations;
use std::fmt::{Display, Write};

/// The type of the text in HTTP.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a family is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A page of families.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

// Writing to a String does not fail.
impl Exposition {
    /// Begins a family; its samples follow.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Family { name, text: &mut self.0 }
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// A family whose samples are being written.
pub(super) struct Family<'e> {
    name: &'static str,
    text: &'e mut String,
}

impl Family<'_> {
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.line("", labels, value);
    }

    /// A histogram of all of these.
    pub(super) fn histogram<'d>(
        &mut self,
        labels: &[(&str, &str)],
        durations: impl Iterator<Item = &'d Durations>,
    ) {
        let mut buckets = [0; Durations::BOUNDS_US.len() + 1];
        let mut sum = 0.0;
        for durations in durations {
            let (counts, seconds) = durations.read();
            buckets.iter_mut().zip(counts).for_each(|(all, count)| *all += count);
            sum += seconds;
        }
        let mut up_to = 0;
        let bounds = Durations::BOUNDS_US.iter().map(|us| (*us as f64 / 1e6).to_string());
        for (count, bound) in buckets.into_iter().zip(bounds.chain(["+Inf".to_owned()])) {
            up_to += count;
            let mut labels = labels.to_vec();
            labels.push(("le", &bound));
            self.line("_bucket", &labels, up_to);
        }
        self.line("_sum", labels, sum);
        self.line("_count", labels, up_to);
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.text, "{}{suffix}", self.name);
        for (place, (label, value)) in labels.iter().enumerate() {
            let opening = if place == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{opening}{label}=\"{}\"", escape(value));
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn samples_and_escapes() {
        let mut page = Exposition::default();
        let mut family = page.family("a_total", Kind::Counter, "A's.");
        family.sample(&[], 7);
        family.sample(&[("x", "q\"\\\n"), ("y", "é")], 0.5);
        let expected = "# HELP a_total A's.\n# TYPE a_total counter\na_total 7\na_total{x=\"q\\\"\\\\\\n\",y=\"é\"} 0.5\n";
        assert_eq!(page.finish(), expected);
    }

    #[test]
    fn histograms_add_up() {
        let (one, other) = (Durations::default(), Durations::default());
        one.observe(Duration::from_micros(5));
        other.observe(Duration::from_micros(5));
        other.observe(Duration::from_secs(20));
        let mut page = Exposition::default();
        page.family("t_seconds", Kind::Histogram, "T.")
            .histogram(&[("phase", "p")], [&one, &other].into_iter());
        let text = page.finish();
        let values: Vec<f64> =
            text.lines().skip(2).map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
        assert_eq!(values[..8], [2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 3.0]);
        assert!((values[8] - 20.000_01).abs() < 1e-9);
        assert_eq!(values[9..], [3.0]);
        assert!(text.contains("t_seconds_bucket{phase=\"p\",le=\"0.00001\"} 2\n"), "{text}");
        assert!(text.contains("t_seconds_bucket{phase=\"p\",le=\"10\"} 2\n"));
        assert!(text.contains("t_seconds_bucket{phase=\"p\",le=\"+Inf\"} 3\n"));
    }
}
