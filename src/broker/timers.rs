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

use crate::session::ConnId;
use crate::time::Time;

/// Whose deadline it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A connection's: CONNECT, keep alive, a peer that takes nothing.
    Link(ConnId),
    /// A session's without connection, by its number: Will delay, expiry.
    Session(u64),
    /// Retained messages that one go did not reach.
    Scan,
}

/// Deadlines in order.
#[derive(Debug, Default)]
pub(super) struct Timers {
    set: BTreeSet<(Time, Timer)>,
}

impl Timers {
    /// The earliest entry.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.set.first().map(|(at, _)| *at)
    }

    /// Adds an entry.
    pub(super) fn arm(&mut self, at: Time, timer: Timer) {
        self.set.insert((at, timer));
    }

    /// Removes an entry, if it is there.
    pub(super) fn disarm(&mut self, at: Time, timer: Timer) {
        self.set.remove(&(at, timer));
    }

    /// Whether an entry is there.
    pub(super) fn has(&self, at: Time, timer: Timer) -> bool {
        self.set.contains(&(at, timer))
    }

    /// Takes the earliest entry if it is due.
    pub(super) fn due(&mut self, now: Time) -> Option<Timer> {
        let (at, timer) = *self.set.first()?;
        if at > now {
            return None;
        }
        self.set.pop_first();
        Some(timer)
    }
}

/// For `server::sizes`.
#[cfg(test)]
impl super::Broker {
    pub(crate) const TIMER_BYTES: usize = size_of::<(Time, Timer)>();
}
