//! Latency: exact enough over the whole run, coarse over time.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

/// Width of a point on the time axis before the report thins them out.
pub const TICK: Duration = Duration::from_millis(100);

/// Longest latency that is told apart: an hour.
const LATENCY_NS_MAX: u64 = 3_600_000_000_000;

/// Nanoseconds from `epoch` to `now`.
pub fn nanoseconds(epoch: Instant, now: Instant) -> u64 {
    now.saturating_duration_since(epoch).as_nanos() as u64
}

/// Latencies of one worker, or of all.
#[derive(Debug)]
pub struct Latency {
    all: Histogram<u64>,
    ticks: Vec<Option<Box<Coarse>>>,
}

/// Four buckets to each doubling, so within 20% of the truth.
#[derive(Debug, Clone)]
struct Coarse {
    buckets: [u32; 192],
    max_ns: u64,
}

/// One point of the latency chart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LatencyPoint {
    /// Seconds since the run began.
    pub at_s: f64,
    /// Median in microseconds.
    pub p50_us: f64,
    /// 99th percentile in microseconds.
    pub p99_us: f64,
    /// The worst in microseconds.
    pub max_us: f64,
}

/// The percentiles that a report shows, in microseconds.
#[derive(Debug, Clone, Copy, Default, Serialize, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Percentiles {
    pub count: u64,
    pub min: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

impl Default for Latency {
    fn default() -> Self {
        let all = Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3).expect("bounds are in order");
        Self { all, ticks: Vec::new() }
    }
}

impl Latency {
    /// Enters one latency that was seen `now_ns` after the run began.
    pub fn record(&mut self, now_ns: u64, latency_ns: u64) {
        self.all.saturating_record(latency_ns.max(1));
        let tick = (now_ns / TICK.as_nanos() as u64) as usize;
        if self.ticks.len() <= tick {
            self.ticks.resize(tick + 1, None);
        }
        self.ticks[tick].get_or_insert_default().record(latency_ns);
    }

    /// Adds what another worker saw.
    pub fn merge(&mut self, other: &Self) {
        self.all.add(&other.all).expect("the same bounds");
        if self.ticks.len() < other.ticks.len() {
            self.ticks.resize(other.ticks.len(), None);
        }
        for (mine, theirs) in self.ticks.iter_mut().zip(&other.ticks) {
            if let Some(theirs) = theirs {
                mine.get_or_insert_default().merge(theirs);
            }
        }
    }

    /// `None` when nothing was recorded.
    pub fn percentiles(&self) -> Option<Percentiles> {
        let us = |ns: u64| (ns as f64 / 100.0).round() / 10.0;
        let at = |quantile| us(self.all.value_at_quantile(quantile));
        (!self.all.is_empty()).then(|| Percentiles {
            count: self.all.len(),
            min: us(self.all.min()),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: us(self.all.max()),
        })
    }

    /// Latency over time, in at most `points_max` points.
    pub fn over_time(&self, points_max: usize) -> Vec<LatencyPoint> {
        let step = self.ticks.len().div_ceil(points_max.max(1)).max(1);
        let points = self.ticks.chunks(step).enumerate().filter_map(|(index, ticks)| {
            let mut sum = Coarse::default();
            ticks.iter().flatten().for_each(|tick| sum.merge(tick));
            (sum.count() > 0).then(|| LatencyPoint {
                at_s: (index * step) as f64 * TICK.as_secs_f64(),
                p50_us: sum.quantile_us(0.5),
                p99_us: sum.quantile_us(0.99),
                max_us: sum.max_ns as f64 / 1000.0,
            })
        });
        points.collect()
    }
}

impl Default for Coarse {
    fn default() -> Self {
        Self { buckets: [0; 192], max_ns: 0 }
    }
}

impl Coarse {
    fn record(&mut self, ns: u64) {
        let log = (ns.max(4)).ilog2();
        let quarter = (ns.max(4) >> (log - 2)) & 3;
        let bucket = ((log - 2) as usize * 4 + quarter as usize).min(self.buckets.len() - 1);
        self.buckets[bucket] += 1;
        self.max_ns = self.max_ns.max(ns);
    }

    fn merge(&mut self, other: &Self) {
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(mine, theirs)| *mine += theirs);
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    fn count(&self) -> u64 {
        self.buckets.iter().map(|count| u64::from(*count)).sum()
    }

    fn quantile_us(&self, quantile: f64) -> f64 {
        let mut left = (self.count() as f64 * quantile).ceil() as u64;
        for (bucket, count) in self.buckets.iter().enumerate() {
            if u64::from(*count) >= left {
                let ns = (4 + bucket as u64 % 4) << (bucket / 4);
                return (ns.min(self.max_ns)) as f64 / 1000.0;
            }
            left -= u64::from(*count);
        }
        self.max_ns as f64 / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_both_grains_agree() {
        let (mut one, mut two) = (Latency::default(), Latency::default());
        assert_eq!(one.percentiles(), None);
        for n in 1..=1000 {
            let which = if n % 2 == 0 { &mut one } else { &mut two };
            which.record(n * 1_000_000, n * 10_000);
        }
        one.merge(&two);
        let all = one.percentiles().unwrap();
        assert_eq!(all.count, 1000);
        assert!((all.p50 - 5000.0).abs() < 50.0 && (all.max - 10_000.0).abs() < 20.0);
        let points = one.over_time(1);
        assert_eq!(points.len(), 1);
        assert!((points[0].p50_us / 5000.0 - 1.0).abs() < 0.25, "{points:?}");
        assert_eq!(points[0].max_us, 10_000.0);
        assert!(one.over_time(5).len() <= 6);
    }
}
