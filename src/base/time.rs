//! Time as a value: read once a turn and handed down, so that nothing below reads a clock.

/// Length of one tick in milliseconds. Every deadline is a whole number of ticks.
pub const TICK_MS: u64 = 100;

/// A point in time in ticks since the server started. 0 is "never" where a deadline is stored, so
/// the clock starts at 1; 2^32 ticks are 13 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick(pub u32);

impl Tick {
    /// "No deadline".
    pub const NEVER: Tick = Tick(0);

    /// The tick that is at least `ms` milliseconds after this one.
    pub fn plus_ms(self, ms: u64) -> Tick {
        // One more tick, because this one has partly passed: a deadline never fires early.
        let ticks = ms.div_ceil(TICK_MS) + 1;
        Tick(self.0.saturating_add(u32::try_from(ticks).unwrap_or(u32::MAX)))
    }

    /// The tick that is at least `seconds` after this one.
    pub fn plus_s(self, seconds: u32) -> Tick {
        self.plus_ms(u64::from(seconds) * 1_000)
    }
}

/// What a turn knows of the time.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Monotonic, coarse: for deadlines.
    pub tick: Tick,
    /// The same clock in milliseconds. It wraps after 49 days: compare by [`Now::is_past`].
    pub ms: u32,
    /// Milliseconds since 1970 by the system's clock: for people.
    pub unix_ms: u64,
}

impl Now {
    /// The time that is `ms` milliseconds from now; less than 24 days.
    pub fn in_ms(&self, ms: u32) -> u32 {
        self.ms.wrapping_add(ms)
    }

    /// Whether a time of [`Now::in_ms`] has come.
    pub fn is_past(&self, at: u32) -> bool {
        self.until(at) <= 0
    }

    /// Milliseconds from now to a time of [`Now::in_ms`]; negative if it has come.
    pub fn until(&self, at: u32) -> i32 {
        at.wrapping_sub(self.ms) as i32
    }

    /// The first tick that begins when a time of [`Now::in_ms`] has come.
    pub fn tick_after(&self, at: u32) -> Tick {
        Tick(self.tick.0.saturating_add(self.since_tick(at).div_ceil(TICK_MS) as u32))
    }

    /// The tick in which a time of [`Now::in_ms`] lies; the next one if it is this.
    pub fn tick_of(&self, at: u32) -> Tick {
        Tick(self.tick.0.saturating_add((self.since_tick(at) / TICK_MS).max(1) as u32))
    }

    /// Milliseconds from the beginning of this tick.
    fn since_tick(&self, at: u32) -> u64 {
        let left = self.until(at).max(0) as u64;
        u64::from(self.ms) % TICK_MS + left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_compare_across_the_wrap() {
        let now = Now { tick: Tick(5), ms: u32::MAX - 10, unix_ms: 0 };
        let soon = now.in_ms(300);
        assert!(!now.is_past(soon) && now.is_past(now.ms));
        assert!(Now { ms: 289, ..now }.is_past(soon) && !Now { ms: 288, ..now }.is_past(soon));
        let now = Now { tick: Tick(5), ms: 430, unix_ms: 0 };
        assert_eq!((now.tick_of(now.in_ms(300)), now.tick_after(now.in_ms(300))), (Tick(8), Tick(9)));
        assert_eq!((now.tick_of(now.in_ms(270)), now.tick_after(now.in_ms(270))), (Tick(8), Tick(8)));
        assert_eq!((now.tick_of(now.ms), now.tick_after(now.ms)), (Tick(6), Tick(6)));
    }

    #[test]
    fn a_deadline_is_never_early() {
        let now = Tick(10);
        assert!(now.plus_ms(1) > Tick(10));
        // 1 s is 10 ticks; at the very end of tick 10 only tick 21 is a whole second away.
        assert_eq!(now.plus_s(1), Tick(21));
    }
}
