//! Addresses that brought wrong passwords.
//!
//! Owns: how long each of them has to wait before the next of its passwords is looked at. A few
//! mistakes cost nothing; from then on the wait doubles with each, up to a bound, and one mistake
//! is forgiven each minute. Nobody waits for what others do: IPv4 addresses count one by one, of
//! IPv6 the network of 64 bits that one customer has.
//!
//! The table has a bound; whoever failed longest ago is forgotten first. Nothing is ever done
//! because time has passed, so it wakes nobody.
//!
//! Never asks what time it is.

use core::net::{IpAddr, SocketAddr};
use std::collections::BTreeSet;

use crate::map::{self, Map};
use crate::time::Time;

/// Whom a password came from, as far as it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// This machine, by a transport without addresses.
    Local,
    /// An IPv4 address.
    V4([u8; 4]),
    /// An IPv6 network of 64 bits.
    V6([u8; 8]),
}

impl Origin {
    /// That of a peer.
    #[must_use]
    pub fn of(address: Option<SocketAddr>) -> Self {
        match address.map(|address| address.ip().to_canonical()) {
            None => Self::Local,
            Some(IpAddr::V4(address)) => Self::V4(address.octets()),
            Some(IpAddr::V6(address)) => {
                let octets = address.octets();
                Self::V6(octets[..8].try_into().expect("eight bytes"))
            }
        }
    }
}

/// What is known of each origin that has failed lately.
#[derive(Debug)]
pub struct Throttle {
    records: Map<Origin, Record>,
    /// Who failed longest ago first.
    order: BTreeSet<(Time, Origin)>,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    failures: u32,
    last: Time,
    until: Time,
}

/// Mistakes that cost nothing.
const FREE: u32 = 5;
/// The first wait.
const FIRST_MS: u64 = 250;
/// The longest wait.
const LONGEST_MS: u64 = 8_000;
/// How long it takes until one mistake is forgiven.
const FORGIVE_MS: u64 = 60_000;
/// Mistakes that are counted: so many minutes after the last one all is forgiven.
const FAILURES_MAX: u32 = 20;
/// Origins remembered at once.
const ORIGINS_MAX: usize = 4096;

impl Throttle {
    /// Nobody has failed; `seed` decides hashes.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { records: map::map(seed), order: BTreeSet::new() }
    }

    /// A password of this origin was wrong.
    pub fn failed(&mut self, now: Time, origin: Origin) {
        let mut failures = 0;
        if let Some(record) = self.records.get(&origin) {
            self.order.remove(&(record.last, origin));
            failures = record.left(now);
        } else if self.records.len() >= ORIGINS_MAX
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.records.remove(&oldest);
        }
        let failures = (failures + 1).min(FAILURES_MAX);
        let wait = match failures.checked_sub(FREE + 1) {
            None => 0,
            Some(doublings) => (FIRST_MS << doublings.min(20)).min(LONGEST_MS),
        };
        let record = Record { failures, last: now, until: now.plus_ms(wait) };
        self.records.insert(origin, record);
        self.order.insert((now, origin));
    }

    /// Until when no password of this origin is looked at; `None` if it may be now.
    #[must_use]
    pub fn rests(&self, now: Time, origin: Origin) -> Option<Time> {
        let until = self.records.get(&origin)?.until;
        (until > now).then_some(until)
    }
}

impl Record {
    /// Mistakes that are not forgiven yet.
    fn left(self, now: Time) -> u32 {
        let forgiven = now.ms_since(self.last) / FORGIVE_MS;
        self.failures.saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::from_ms(1_000_000 + ms)
    }

    fn origin(address: &str) -> Origin {
        Origin::of(Some(SocketAddr::new(address.parse().unwrap(), 1)))
    }

    #[test]
    fn waits_double_up_to_a_bound_and_concern_nobody_else() {
        let mut throttle = Throttle::new(1);
        let (bad, good) = (origin("192.0.2.1"), origin("192.0.2.2"));
        let waits: Vec<u64> = (0..14)
            .map(|_| {
                throttle.failed(at(0), bad);
                throttle.rests(at(0), bad).map_or(0, |until| until.ms_since(at(0)))
            })
            .collect();
        let doubled = [250, 500, 1000, 2000, 4000, 8000, 8000, 8000, 8000];
        assert_eq!(waits[..FREE as usize], [0; FREE as usize]);
        assert_eq!(waits[FREE as usize..], doubled);
        assert_eq!(throttle.rests(at(0), good), None);
        assert_eq!(throttle.rests(at(8000), bad), None, "its time is over");
    }

    #[test]
    fn time_forgives() {
        let mut throttle = Throttle::new(1);
        let bad = origin("192.0.2.1");
        (0..1000).for_each(|_| throttle.failed(at(0), bad));
        let later = u64::from(FAILURES_MAX) * FORGIVE_MS;
        throttle.failed(at(later), bad);
        assert_eq!(throttle.rests(at(later), bad), None);
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        assert_eq!(origin("2001:db8::1"), origin("2001:db8::ffff:1"));
        assert_ne!(origin("2001:db8::1"), origin("2001:db8:0:1::1"));
        assert_eq!(origin("::ffff:192.0.2.1"), origin("192.0.2.1"));
        assert_ne!(Origin::of(None), origin("0.0.0.0"));
    }

    #[test]
    fn the_table_has_a_bound() {
        let mut throttle = Throttle::new(1);
        let many = |number: u64| {
            let number = u32::try_from(number).unwrap();
            Origin::V4(number.to_be_bytes())
        };
        let most = ORIGINS_MAX as u64;
        for number in 0..=most {
            (0..9).for_each(|_| throttle.failed(at(number), many(number)));
        }
        assert_eq!((throttle.records.len(), throttle.order.len()), (ORIGINS_MAX, ORIGINS_MAX));
        assert_eq!(throttle.rests(at(most), many(0)), None, "the oldest is forgotten");
        assert!(throttle.rests(at(most), many(most)).is_some());
    }
}
