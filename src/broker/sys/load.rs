//! How much goes on, as averages over minutes.
//!
//! Owns: for each thing that is counted, how often it happened in a minute, averaged over the last
//! one, five and fifteen as the load of a system is: what was counted in an interval weighs the
//! more the longer the interval and the younger it is, and what was known before fades.
//!
//! ```text
//! rate = counted / interval                      average = rate + (average - rate) * e^(-i / w)
//! ```
//!
//! Never asks what is counted.

/// Over how many minutes it is averaged, and what a topic calls that.
pub const WINDOWS: [(&str, u32); 3] = [("1min", 1), ("5min", 5), ("15min", 15)];

const MINUTE_MS: f64 = 60_000.0;

/// Averages of `N` counters.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Loads<const N: usize> {
    /// Up to here they have been averaged.
    seen: [u64; N],
    averages: [[f64; WINDOWS.len()]; N],
}

impl<const N: usize> Default for Loads<N> {
    fn default() -> Self {
        Self { seen: [0; N], averages: [[0.0; WINDOWS.len()]; N] }
    }
}

impl<const N: usize> Loads<N> {
    /// An interval of so many milliseconds has ended with these counters; whether anything was
    /// counted in it.
    pub(super) fn count(&mut self, counters: [u64; N], interval_ms: u64) -> bool {
        let seen = std::mem::replace(&mut self.seen, counters);
        if interval_ms == 0 {
            self.seen = seen; // The next interval has it.
            return true;
        }
        let mut counted = [0.0; N];
        for (counted, (now, then)) in counted.iter_mut().zip(counters.iter().zip(&seen)) {
            *counted = float(now - then) * MINUTE_MS / float(interval_ms);
        }
        self.average(counted, interval_ms);
        counters != seen
    }

    /// Nothing was counted for so long.
    pub(super) fn fade(&mut self, interval_ms: u64) {
        self.average([0.0; N], interval_ms);
    }

    fn average(&mut self, rates: [f64; N], interval_ms: u64) {
        let left = WINDOWS
            .map(|(_, minutes)| (-float(interval_ms) / (MINUTE_MS * f64::from(minutes))).exp());
        for (averages, rate) in self.averages.iter_mut().zip(rates) {
            for (average, left) in averages.iter_mut().zip(left) {
                *average = rate + (*average - rate) * left;
            }
        }
    }

    /// The average of a counter over a window, in hundredths of one a minute.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is not negative, and one that large is as good as any other"
    )]
    pub(super) fn hundredths(&self, counter: usize, window: usize) -> u64 {
        (self.averages[counter][window] * 100.0).round() as u64
    }
}

#[expect(clippy::cast_precision_loss, reason = "an average has two places behind the point")]
const fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(loads: &Loads<1>) -> [u64; 3] {
        [0, 1, 2].map(|window| loads.hundredths(0, window))
    }

    #[test]
    fn what_goes_on_for_ever_is_what_is_shown_in_the_end() {
        let mut loads = Loads::<1>::default();
        for round in 1..=1000 {
            assert!(loads.count([round * 10], 10_000));
        }
        assert_eq!(all(&loads), [6000; 3], "ten in ten seconds are sixty in a minute");
    }

    /// The same numbers as from the formula on paper: 60 a minute for ten seconds.
    #[test]
    fn the_younger_weighs_the_more() {
        let mut loads = Loads::<1>::default();
        assert!(loads.count([10], 10_000));
        assert_eq!(all(&loads), [921, 197, 66]);
        assert!(!loads.count([10], 10_000), "nothing more");
        assert_eq!(all(&loads), [780, 190, 66]);
    }

    #[test]
    fn a_long_silence_is_as_good_as_many_short_ones() {
        let mut long = Loads::<1>::default();
        long.count([1000], 10_000);
        let mut short = long.clone();
        long.fade(3_600_000);
        for _ in 0..360 {
            short.count([1000], 10_000);
        }
        assert_eq!(all(&long), all(&short));
        assert_eq!(all(&long), [0, 0, 121]);
    }

    #[test]
    fn an_interval_without_length_is_part_of_the_next() {
        let mut loads = Loads::<1>::default();
        assert!(loads.count([5], 0));
        assert_eq!(all(&loads), [0; 3]);
        loads.count([10], 10_000);
        assert_eq!(all(&loads), [921, 197, 66]);
    }
}
