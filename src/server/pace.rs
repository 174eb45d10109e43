//! How many in a second.
//!
//! Owns: [`Pace`], an allowance that time fills and taking empties. It holds no more than a tenth
//! of a second's, so that after a rest no second sees more than a tenth too many; those who are
//! too many wait.
//!
//! Never asks a clock.

use crate::time::Time;

/// An allowance of so many a second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// How many in a second; 0 is no limit.
    rate: u64,
    /// Thousandths of one that may be taken.
    allowance: u64,
    /// When it was last filled.
    filled_at: Time,
}

/// What one takes of the allowance. A millisecond adds `rate` to it.
const ONE: u64 = 1000;

/// How much of a second's the allowance holds at the most.
const HELD_MS: u64 = 100;

impl Pace {
    pub(super) fn new(rate: u32) -> Self {
        let rate = u64::from(rate);
        Self { rate, allowance: full(rate), filled_at: Time::from_ms(0) }
    }

    /// Takes one, if one may be taken now.
    pub(super) fn take(&mut self, now: Time) -> bool {
        if self.rate == 0 {
            return true;
        }
        let gained = now.ms_since(self.filled_at).saturating_mul(self.rate);
        self.allowance = self.allowance.saturating_add(gained).min(full(self.rate));
        self.filled_at = now;
        let may = self.allowance >= ONE;
        if may {
            self.allowance -= ONE;
        }
        may
    }

    /// Gives back what was taken and not used.
    pub(super) fn give_back(&mut self) {
        self.allowance = (self.allowance + ONE).min(full(self.rate));
    }

    /// When the next one may be taken, at the earliest; for one that may not be taken now.
    pub(super) fn next(&self) -> Time {
        let missing = ONE.saturating_sub(self.allowance);
        self.filled_at.plus_ms(missing.div_ceil(self.rate.max(1)))
    }
}

/// What an allowance holds at the most.
fn full(rate: u64) -> u64 {
    (rate * HELD_MS).max(ONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many are taken until `end` by somebody who takes whatever he may, and how often he
    /// has to look.
    fn taken(pace: &mut Pace, begin: u64, end: u64) -> (u64, u64) {
        let (mut now, mut count, mut looks) = (Time::from_ms(begin), 0, 0);
        while now < Time::from_ms(end) {
            looks += 1;
            while pace.take(now) {
                count += 1;
            }
            assert!(pace.next() > now, "it does not spin");
            now = pace.next();
        }
        (count, looks)
    }

    #[test]
    fn no_second_sees_more_than_a_tenth_too_many() {
        for rate in [1, 3, 10, 100, 5000] {
            let mut pace = Pace::new(rate);
            let begin = 1_000_000;
            let (first, looks) = taken(&mut pace, begin, begin + 1000);
            let most = u64::from(rate) + u64::from(rate / 10).max(1);
            assert!((u64::from(rate)..=most).contains(&first), "{first} of {rate}");
            assert!(looks <= 1001);
            let (later, _) = taken(&mut pace, begin + 1000, begin + 11_000);
            assert!(later.abs_diff(u64::from(rate) * 10) <= 1, "{later} of {rate}");
        }
    }

    #[test]
    fn without_a_limit_nobody_waits() {
        let mut pace = Pace::new(0);
        assert!((0..10_000).all(|_| pace.take(Time::from_ms(5))));
    }

    #[test]
    fn what_is_given_back_may_be_taken_again() {
        let (mut pace, now) = (Pace::new(1), Time::from_ms(1_000_000));
        assert!(pace.take(now) && !pace.take(now));
        pace.give_back();
        assert!(pace.take(now) && !pace.take(now));
        pace.give_back();
        pace.give_back();
        assert!(pace.take(now) && !pace.take(now), "it never holds more than it may");
    }
}
