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
    /// Milliseconds since 1970 by the system's clock: for people.
    pub unix_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_never_early() {
        let now = Tick(10);
        assert!(now.plus_ms(1) > Tick(10));
        // 1 s is 10 ticks; at the very end of tick 10 only tick 21 is a whole second away.
        assert_eq!(now.plus_s(1), Tick(21));
    }
}
