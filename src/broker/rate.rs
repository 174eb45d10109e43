//! How much a client may publish in a second.
//!
//! Owns: two token buckets, one of messages and one of bytes, each with room for what a second
//! allows. What comes is always taken whole and paid for: what a bucket does not hold is owed, and
//! whoever owes is not read from until it is paid. So a message larger than a second allows comes
//! through, and those behind it wait the longer.
//!
//! A client that has to wait, waits until a tenth of a second's worth has come together (or one
//! message): one timer for many messages, ten times a second at the most.
//!
//! Never asks a clock and never stops anybody: it says until when.

use crate::time::Time;

/// What may be published in a second; 0 is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rates {
    pub(super) messages: u32,
    /// Bytes of PUBLISH packets, first byte to last.
    pub(super) bytes: u64,
}

impl Rates {
    /// Whether there is a limit at all.
    pub(super) const fn are_limited(self) -> bool {
        self.messages > 0 || self.bytes > 0
    }
}

/// What one client has left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Purse {
    /// Thousandths of a message and of a byte: a limit of n a second adds n in a millisecond.
    messages: i64,
    bytes: i64,
    /// When these were true.
    at: Time,
}

/// Thousandths of one.
const ONE: i64 = 1000;

/// Milliseconds worth of messages that must have come together before a client goes on.
const PORTION_MS: i64 = 100;

/// Whatever is configured, the arithmetic holds.
const BYTES_MAX: u64 = 1 << 50;

impl Purse {
    /// All that a second allows.
    pub(super) fn full(now: Time, rates: Rates) -> Self {
        let (messages, bytes) = a_second(rates);
        Self { messages, bytes, at: now }
    }

    /// Pays for a message of so many bytes; says when the next may come, if not at once.
    pub(super) fn pay(&mut self, now: Time, bytes: usize, rates: Rates) -> Option<Time> {
        let passed = i64::try_from(now.ms_since(self.at)).unwrap_or(i64::MAX);
        self.at = now;
        let (most_messages, most_bytes) = a_second(rates);
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX).saturating_mul(ONE);
        settle(&mut self.messages, passed, most_messages, ONE);
        settle(&mut self.bytes, passed, most_bytes, bytes);
        let waits = [wait(self.messages, most_messages, ONE), wait(self.bytes, most_bytes, 1)];
        waits.into_iter().flatten().max().map(|ms| now.plus_ms(ms))
    }
}

/// What a second allows, in thousandths.
fn a_second(rates: Rates) -> (i64, i64) {
    let bytes = i64::try_from(rates.bytes.min(BYTES_MAX)).expect("bounded");
    (i64::from(rates.messages) * ONE, bytes * ONE)
}

/// Adds what the time has brought, a second's worth at the most, and takes the price.
fn settle(level: &mut i64, passed: i64, most: i64, price: i64) {
    let brought = passed.saturating_mul(most / ONE);
    // Without a limit nothing is owed: there may be one some day.
    let price = if most == 0 { 0 } else { price };
    *level = level.saturating_add(brought).min(most).saturating_sub(price);
}

/// Milliseconds until a portion is there, if there is less than `least`. A limit of 0 is none.
fn wait(level: i64, most: i64, least: i64) -> Option<u64> {
    let a_ms = most / ONE;
    if a_ms == 0 || level >= least {
        return None;
    }
    let goal = (a_ms * PORTION_MS).max(least);
    let missing = u64::try_from(goal.saturating_sub(level)).unwrap_or(0);
    Some(missing.div_ceil(u64::try_from(a_ms).unwrap_or(1)).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    const START: Time = Time::from_ms(1_000_000);

    #[test]
    fn a_burst_of_a_second_and_then_tenths_of_it() {
        let rates = Rates { messages: 50, bytes: 0 };
        let mut purse = Purse::full(START, rates);
        for n in 1..50 {
            assert_eq!(purse.pay(START, 1_000_000, rates), None, "{n}");
        }
        // The last one of the burst: five come in a tenth of a second.
        let next = purse.pay(START, 1, rates).unwrap();
        assert_eq!(next.ms_since(START), 100);
        for n in 1..5 {
            assert_eq!(purse.pay(next, 1, rates), None, "{n}");
        }
        assert_eq!(purse.pay(next, 1, rates).unwrap().ms_since(next), 100);
    }

    #[test]
    fn one_a_second_comes_every_second() {
        let rates = Rates { messages: 1, bytes: 0 };
        let mut purse = Purse::full(START, rates);
        let mut now = START;
        for _ in 0..5 {
            let next = purse.pay(now, 1, rates).unwrap();
            assert_eq!(next.ms_since(now), 1000);
            now = next;
        }
    }

    #[test]
    fn what_is_larger_than_a_second_allows_is_paid_off() {
        let rates = Rates { messages: 0, bytes: 1000 };
        let mut purse = Purse::full(START, rates);
        assert_eq!(purse.pay(START, 999, rates), None);
        let next = purse.pay(START, 10_001, rates).unwrap();
        // 10,000 are owed, and a tenth of a second's worth is to be there.
        assert_eq!(next.ms_since(START), 10_100);
    }

    #[test]
    fn an_hour_of_silence_allows_no_more_than_a_second() {
        let rates = Rates { messages: 10, bytes: 0 };
        let mut purse = Purse::full(START, rates);
        let later = START.plus_secs(3600);
        for _ in 0..9 {
            assert_eq!(purse.pay(later, 0, rates), None);
        }
        assert!(purse.pay(later, 0, rates).is_some());
    }

    /// Over any time, no more than the limit and one burst; and whoever waits as he is told is
    /// held up no longer than the limit asks for.
    #[test]
    fn the_sum_is_right() {
        for seed in 0..200 {
            let mut rng = Rng::new(seed);
            let rates = Rates {
                messages: u32::try_from(rng.below(300)).unwrap(),
                bytes: rng.below(3) * (1 + rng.below(20_000)),
            };
            if !rates.are_limited() {
                continue;
            }
            let (mut purse, mut now) = (Purse::full(START, rates), START);
            let (mut messages, mut bytes, mut last) = (0, 0, 0);
            for _ in 0..2000 {
                last = rng.below(500);
                (messages, bytes) = (messages + 1, bytes + last);
                if let Some(next) = purse.pay(now, usize::try_from(last).unwrap(), rates) {
                    assert!(next > now);
                    now = next;
                }
            }
            let ms = now.ms_since(START);
            let allowed = |rate: u64| rate * (ms + 1000) / 1000;
            let rate = u64::from(rates.messages);
            if rate > 0 {
                assert!(messages <= allowed(rate) + 1, "{seed} {rates:?}: {messages} in {ms} ms");
            }
            if rates.bytes > 0 {
                assert!(bytes <= allowed(rates.bytes) + last, "{seed} {rates:?}: {bytes} in {ms}");
            }
            let is_slowed = |sum: u64, rate: u64| rate > 0 && sum + rate >= allowed(rate) * 8 / 10;
            let is_fast = is_slowed(messages, rate) || is_slowed(bytes, rates.bytes) || ms == 0;
            assert!(is_fast, "{seed} {rates:?}: only {messages}, {bytes} in {ms} ms");
        }
    }

    #[test]
    fn no_limit_is_too_large_for_the_arithmetic() {
        let rates = Rates { messages: u32::MAX, bytes: u64::MAX };
        let mut purse = Purse::full(START, rates);
        assert_eq!(purse.pay(Time::NEVER, 1 << 40, rates), None);
        let mut purse = Purse::full(START, Rates { messages: 0, bytes: 1 });
        assert!(purse.pay(START, usize::MAX, Rates { messages: 0, bytes: 1 }).is_some());
    }
}
