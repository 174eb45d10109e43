//! How far a store has come, and what time it was then.
//!
//! Owns: the rules by which time goes on over restarts. Boards without a clock of their own begin
//! in 1970, or in the year their clock was made, until somebody tells them the time. Stored
//! deadlines must survive that: time never goes back, and a leap from a clock that cannot be
//! right to one that can is no time that has passed.
//!
//! | clock of the last run | clock now | time now begins                                       |
//! |-----------------------|-----------|-------------------------------------------------------|
//! | plausible             | plausible | with the clock, but not before the stored time        |
//! | plausible             | not       | with the stored time: how long it was off is unknown  |
//! | not                   | plausible | with the stored time; the difference is kept, so that |
//! |                       |           | from now on the time between two runs counts          |
//! | not                   | not       | with the later of both                                |
//!
//! Never asks a clock.

use crate::time::Time;

/// A clock that says less has not been set: 1 November 2026.
pub const PLAUSIBLE_FROM: Time = Time::from_ms(1_793_491_200_000);

/// How far a store has come, and what time it was then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Number of the last record, of all there ever were.
    pub records: u64,
    /// What time it was.
    pub time: Time,
    /// Milliseconds to add to the wall clock to have the time.
    pub shift_ms: i64,
    /// Whether the wall clock had been set when the run began.
    pub is_plausible: bool,
}

impl Stamp {
    /// The first of a store that was never written.
    #[must_use]
    pub fn first(wall: Time) -> Self {
        Self { records: 0, time: wall, shift_ms: 0, is_plausible: wall >= PLAUSIBLE_FROM }
    }

    /// What a run begins with that follows the one that left this stamp, with the wall clock at
    /// `wall`. `latest` is the latest time that any stored row names.
    #[must_use]
    pub fn next(self, wall: Time, latest: Time) -> Self {
        let stored = self.time.max(latest);
        let is_plausible = wall >= PLAUSIBLE_FROM;
        if is_plausible && !self.is_plausible {
            let difference = i128::from(stored.as_ms()) - i128::from(wall.as_ms());
            let shift_ms = i64::try_from(difference).unwrap_or(0);
            return Self { time: stored, shift_ms, is_plausible, ..self };
        }
        let shifted = wall.as_ms().saturating_add_signed(self.shift_ms);
        Self { time: stored.max(Time::from_ms(shifted)), is_plausible, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000;

    fn at(ms: u64) -> Time {
        PLAUSIBLE_FROM.plus_ms(ms)
    }

    #[test]
    fn time_goes_on_with_a_clock_that_is_right() {
        let first = Stamp::first(at(0));
        let stored = Stamp { time: at(1000), ..first };
        let next = stored.next(at(DAY), at(2000));
        assert_eq!((next.time, next.shift_ms, next.is_plausible), (at(DAY), 0, true));
        assert_eq!(stored.next(at(500), Time::default()).time, at(1000), "set back");
        assert_eq!(stored.next(at(500), at(3000)).time, at(3000), "a row is later than the stamp");
    }

    #[test]
    fn a_clock_that_was_not_set_does_not_make_everything_expire() {
        let first = Stamp::first(Time::from_ms(10));
        assert!(!first.is_plausible);
        let stored = Stamp { time: Time::from_ms(5000), ..first };
        let second = stored.next(Time::from_ms(10), Time::default());
        assert_eq!(second.time, Time::from_ms(5000), "booted again without a clock");
        let third = second.next(at(0), Time::default());
        assert_eq!(third.time, Time::from_ms(5000), "the clock was set: no time has passed");
        let stored = Stamp { time: third.time.plus_ms(1000), ..third };
        let fourth = stored.next(at(DAY), Time::default());
        assert_eq!(fourth.time, Time::from_ms(5000 + DAY), "from then on it counts");
    }

    #[test]
    fn a_run_with_a_lost_clock_goes_on_where_the_last_one_ended() {
        let stored = Stamp { time: at(DAY), ..Stamp::first(at(0)) };
        let lost = stored.next(Time::from_ms(10), Time::default());
        assert_eq!((lost.time, lost.is_plausible), (at(DAY), false));
        let later = Stamp { time: at(DAY + 1000), ..lost };
        let back = later.next(at(9 * DAY), Time::default());
        assert_eq!(back.time, at(DAY + 1000), "what the lost run stored does not expire at once");
        let after = back.next(at(10 * DAY), Time::default());
        assert_eq!(after.time, at(2 * DAY + 1000));
    }
}
