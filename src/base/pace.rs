//! How often something may happen: a bucket that fills with time and is emptied by what happens.
//!
//! Owns the arithmetic for one client. Leaves to others what becomes of what happens too often.

/// What one client may still send. A value of [`Bucket::FULL`] costs nothing to make: it learns its size when it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Thousandths of a message: a rate in messages a second is as many of them a millisecond. Below zero is what was
    /// refused. Invariant: at most a thousand times the burst, once it was used.
    milli: i32,
    /// When that was so, in milliseconds of a clock that wraps.
    at: u32,
}

// Two words a connection, where there is a limit.
const _: () = assert!(size_of::<Bucket>() == 8);

/// Whether something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// It may.
    Fine,
    /// Not now.
    TooFast,
    /// Not now, and it is ten times as much as may be, and goes on.
    Flood,
}

/// Thousandths of a message that one takes, and that one takes that is refused: who sends ten times as many as may be gets
/// none through, because the bucket fills no faster than refusals empty it.
const TAKEN: i32 = 1_000;
const REFUSED: i32 = TAKEN / 10;

impl Bucket {
    /// As much as there may be.
    pub const FULL: Bucket = Bucket { milli: i32::MAX, at: 0 };

    /// One message comes, at a time in milliseconds of a clock that may wrap; `rate` a second may, 1,000,000 at most, and
    /// `burst` at once, 2,000,000 at most.
    pub fn take(&mut self, now_ms: u32, rate: u32, burst: u32) -> Pace {
        let most = i64::from(burst) * i64::from(TAKEN);
        debug_assert!(rate <= 1_000_000 && most <= i64::from(i32::MAX));
        let since = i64::from(now_ms.wrapping_sub(self.at));
        let filled = match *self {
            Bucket::FULL => most,
            Bucket { milli, .. } => (i64::from(milli) + since * i64::from(rate)).min(most),
        };
        self.at = now_ms;
        let (left, pace) = if filled >= i64::from(TAKEN) {
            (filled - i64::from(TAKEN), Pace::Fine)
        } else if filled - i64::from(REFUSED) > -most {
            (filled - i64::from(REFUSED), Pace::TooFast)
        } else {
            (-most, Pace::Flood)
        };
        // Between `-most` and `most`.
        self.milli = left as i32;
        pace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who sends so many a millisecond, for so long: how many were taken, and whether that was a flood.
    fn send(
        bucket: &mut Bucket,
        from_ms: u32,
        for_ms: u32,
        each_ms: u32,
        rate: u32,
        burst: u32,
    ) -> (u32, bool) {
        let (mut taken, mut flood) = (0, false);
        for ms in 0..for_ms {
            for _ in 0..each_ms {
                match bucket.take(from_ms.wrapping_add(ms), rate, burst) {
                    Pace::Fine => taken += 1,
                    Pace::TooFast => {}
                    Pace::Flood => flood = true,
                }
            }
        }
        (taken, flood)
    }

    #[test]
    fn a_burst_is_taken_and_not_one_more() {
        for (rate, burst) in [(1, 1), (1, 2), (5, 10), (1_000_000, 2_000_000)] {
            let mut bucket = Bucket::FULL;
            for _ in 0..burst {
                assert_eq!(bucket.take(7, rate, burst), Pace::Fine);
            }
            assert_eq!(bucket.take(7, rate, burst), Pace::TooFast, "{rate} {burst}");
        }
    }

    #[test]
    fn silence_fills_it_up_to_the_burst() {
        let mut bucket = Bucket::FULL;
        assert_eq!(send(&mut bucket, 0, 1, 4, 2, 4), (4, false));
        assert_eq!(bucket.take(499, 2, 4), Pace::TooFast);
        // What was refused has cost a tenth.
        assert_eq!(bucket.take(550, 2, 4), Pace::Fine);
        assert_eq!(send(&mut bucket, 1_000_000, 1, 10, 2, 4).0, 4);
    }

    #[test]
    fn the_rate_is_exact_over_time_also_when_the_clock_wraps() {
        for from_ms in [0, u32::MAX - 20_000] {
            // Three a second are sent as fast as they may be.
            let mut bucket = Bucket::FULL;
            let (mut taken, mut at) = (0, 0);
            while at < 60_000 {
                match bucket.take(from_ms.wrapping_add(at), 3, 1) {
                    Pace::Fine => taken += 1,
                    pace => assert_ne!(pace, Pace::Flood),
                }
                at += 334;
            }
            assert_eq!(taken, 180);
        }
    }

    #[test]
    fn ten_times_too_much_is_a_flood_and_twice_too_much_is_none() {
        // 100 a second may come, and 200 at once.
        let mut twice = Bucket::FULL;
        let (mut taken, mut flood) = (0, false);
        for ms in (0..60_000).step_by(5) {
            let pace = twice.take(ms, 100, 200);
            taken += u32::from(pace == Pace::Fine);
            flood |= pace == Pace::Flood;
        }
        assert!(!flood && (5_000..=6_200).contains(&taken), "{taken}");
        let mut often = Bucket::FULL;
        let (taken, flood) = send(&mut often, 0, 60_000, 2, 100, 200);
        assert!(flood && taken < 300, "{taken}");
    }

    #[test]
    fn a_smaller_limit_holds_from_now_on() {
        let mut bucket = Bucket::FULL;
        assert_eq!(bucket.take(0, 1_000, 2_000), Pace::Fine);
        assert_eq!(send(&mut bucket, 0, 1, 10, 1, 2), (2, false));
    }
}
