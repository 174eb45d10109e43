//! Every timer of the process.
//!
//! Owns: an ordered set with one entry for each owner. The owner's own fields hold the *true*
//! deadline; activity only writes those. When an entry comes due and the true deadline is later,
//! the entry is put in again: so re-arming on every packet is a store of eight bytes, and the set
//! holds one entry a connection, not one a packet.
//!
//! ```text
//! invariant: an owner with a deadline has an entry, and the entry is not later than the deadline
//! ```
//!
//! Never knows why somebody waits, and never asks a clock.

use std::collections::BTreeSet;

use crate::time::Time;

/// Whose deadline it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// That of the connection in this slot: CONNECT, keep alive, a peer that takes nothing.
    Link(u32),
    /// A session's without connection, by its number, which stays below 2^62: Will delay, expiry.
    Session(u64),
    /// Retained messages that one go did not reach.
    Scan,
    /// Subscriptions that are still to be logged.
    List,
}

/// A [`Timer`] in eight bytes, its kind in the upper two bits: an entry of the set has 16 bytes
/// instead of 24, and there is one for each connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Packed(u64);

impl Packed {
    const SESSION: u64 = 1 << 62;
    const SCAN: u64 = 2 << 62;
    const LIST: u64 = 3 << 62;

    fn timer(self) -> Timer {
        match u32::try_from(self.0) {
            Ok(slot) => Timer::Link(slot),
            Err(_) if self.0 < Self::SCAN => Timer::Session(self.0 & (Self::SESSION - 1)),
            Err(_) if self.0 < Self::LIST => Timer::Scan,
            Err(_) => Timer::List,
        }
    }
}

impl From<Timer> for Packed {
    fn from(timer: Timer) -> Self {
        match timer {
            Timer::Link(slot) => Self(u64::from(slot)),
            Timer::Session(number) => Self(Self::SESSION | number),
            Timer::Scan => Self(Self::SCAN),
            Timer::List => Self(Self::LIST),
        }
    }
}

/// Deadlines in order.
#[derive(Debug, Default)]
pub(super) struct Timers {
    set: BTreeSet<(Time, Packed)>,
}

impl Timers {
    /// The earliest entry.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.set.first().map(|(at, _)| *at)
    }

    /// Adds an entry.
    pub(super) fn arm(&mut self, at: Time, timer: Timer) {
        self.set.insert((at, timer.into()));
    }

    /// Removes an entry, if it is there.
    pub(super) fn disarm(&mut self, at: Time, timer: Timer) {
        self.set.remove(&(at, timer.into()));
    }

    /// Whether an entry is there.
    pub(super) fn has(&self, at: Time, timer: Timer) -> bool {
        self.set.contains(&(at, timer.into()))
    }

    /// Takes the earliest entry if it is due.
    pub(super) fn due(&mut self, now: Time) -> Option<Timer> {
        let (at, timer) = *self.set.first()?;
        if at > now {
            return None;
        }
        self.set.pop_first();
        Some(timer.timer())
    }
}

/// For `server::sizes`.
#[cfg(test)]
impl super::Broker {
    pub(crate) const TIMER_BYTES: usize = size_of::<(Time, Packed)>();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_timer_is_the_same_timer() {
        let numbers = [0, 1, u64::from(u32::MAX), (1 << 62) - 1];
        let slots = [0, 1, u32::MAX].map(Timer::Link);
        let others = [Timer::Scan, Timer::List];
        for timer in numbers.map(Timer::Session).into_iter().chain(slots).chain(others) {
            assert_eq!(Packed::from(timer).timer(), timer);
        }
    }
}
