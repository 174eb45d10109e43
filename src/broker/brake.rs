//! Clients that are not read from for a while.
//!
//! Owns: the reasons, as a set, so that one that ends lets nobody go whom another still holds:
//!
//! | held for           | because                                      | until            |
//! |--------------------|----------------------------------------------|------------------|
//! | [`Holds::RATE`]    | the client has sent what a second allows     | a timer          |
//! | [`Holds::WAIT`]    | its PUBLISH waits for memory or for a queue  | see `wait.rs`    |
//! | [`Holds::STORAGE`] | it makes records and storage is behind       | that is well     |
//!
//! Being held, a client is answered nothing, so its silence does not count against it. What it is
//! sent still goes to it.
//!
//! Never drops anything.

use log::warn;

use super::rate::{Purse, Rates};
use super::wait::Wait;
use super::{Broker, ConnId, Effect, Effects, name};
use crate::codec::PublishRef;
use crate::metrics::Refusal;
use crate::time::Time;

/// What a connection has of limits, once it has come near one.
#[derive(Debug)]
pub(super) struct Brake {
    purse: Purse,
    /// Its own reasons to be held.
    holds: Holds,
    /// When [`Holds::RATE`] ends.
    until: Time,
    pub(super) wait: Option<Box<Wait>>,
    /// Refusals that are in the log already.
    noted: u16,
    /// The shortage of memory its patience has ended in; 0 is none.
    pub(super) tired_of: u32,
}

/// A set of reasons to be held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Holds(u8);

impl Holds {
    /// It has sent what its rate allows.
    pub(super) const RATE: Self = Self(1);
    /// A PUBLISH of its waits.
    pub(super) const WAIT: Self = Self(1 << 1);
    /// What it sends has to be stored, and storage does not keep up.
    pub(super) const STORAGE: Self = Self(1 << 2);

    const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl Brake {
    fn new(now: Time, rates: Rates) -> Self {
        Self {
            purse: Purse::full(now, rates),
            holds: Holds::default(),
            until: Time::NEVER,
            wait: None,
            noted: 0,
            tired_of: 0,
        }
    }

    /// When it must be looked at.
    pub(super) fn deadline(&self) -> Time {
        self.wait.as_ref().map_or(self.until, |wait| wait.by.min(self.until))
    }

    /// Whether it holds the client.
    pub(super) fn is_on(&self) -> bool {
        self.holds != Holds::default()
    }

    /// Whether its parts agree.
    pub(super) fn is_sound(&self) -> bool {
        self.holds.has(Holds::WAIT) == self.wait.is_some()
            && self.holds.has(Holds::RATE) == (self.until < Time::NEVER)
    }
}

impl Broker {
    /// Whether a client is not read from.
    fn is_held(&self, conn: ConnId) -> bool {
        let brake = self.links.online(conn).and_then(|online| online.brake.as_ref());
        brake.is_some_and(|brake| brake.is_on())
    }

    /// Lets go whom only storage has held.
    pub(super) fn let_go_of_storage(&mut self, now: Time, conn: ConnId, effects: &mut Effects) {
        let brake = self.links.online(conn).and_then(|online| online.brake.as_ref());
        if brake.is_some_and(|brake| brake.holds.has(Holds::STORAGE)) {
            self.let_go(now, conn, Holds::STORAGE, effects);
        }
    }

    /// Reads no further from a client.
    fn stop_reading(&mut self, conn: ConnId, effects: &mut Effects) {
        self.online_mut(conn).keep_alive_by = Time::NEVER;
        effects.list.push(Effect::Hold { conn });
    }

    fn go_on_reading(&mut self, now: Time, conn: ConnId, effects: &mut Effects) {
        self.online_mut(conn).heard(now);
        effects.list.push(Effect::Resume { conn });
        self.arm_link(conn);
    }

    pub(super) fn hold(&mut self, now: Time, conn: ConnId, why: Holds, effects: &mut Effects) {
        let was_held = self.is_held(conn);
        self.brake_mut(now, conn).holds.0 |= why.0;
        if !was_held {
            self.stop_reading(conn, effects);
        }
        self.arm_link(conn);
    }

    /// One reason less to hold a client.
    pub(super) fn let_go(&mut self, now: Time, conn: ConnId, why: Holds, effects: &mut Effects) {
        self.brake_mut(now, conn).holds.0 &= !why.0;
        if !self.is_held(conn) {
            self.go_on_reading(now, conn, effects);
        }
    }

    pub(super) const fn rates(&self) -> Rates {
        Rates { messages: self.options.max_message_rate, bytes: self.options.max_byte_rate }
    }

    pub(super) fn brake_mut(&mut self, now: Time, conn: ConnId) -> &mut Brake {
        let rates = self.rates();
        self.online_mut(conn).brake.get_or_insert_with(|| Box::new(Brake::new(now, rates)))
    }

    /// A PUBLISH has come, whatever became of it: its sender pays for it, and waits if that was
    /// more than its rate allows.
    pub(super) fn pay(
        &mut self,
        now: Time,
        conn: ConnId,
        publish: &PublishRef<'_>,
        effects: &mut Effects,
    ) {
        let rates = self.rates();
        let Some(online) = self.links.online(conn) else { return };
        if !rates.are_limited() {
            return;
        }
        let bytes = publish.packet_len(online.version);
        let brake = self.brake_mut(now, conn);
        if let Some(until) = brake.purse.pay(now, bytes, rates) {
            brake.until = until;
            self.hold(now, conn, Holds::RATE, effects);
        }
    }

    /// What a brake is on for may have come.
    pub(super) fn on_brake_due(&mut self, now: Time, conn: ConnId, effects: &mut Effects) {
        let brake_of = |broker: &Self| {
            let brake = broker.links.online(conn)?.brake.as_ref()?;
            Some((brake.until, brake.wait.as_ref().map(|wait| (wait.by, wait.awaited))))
        };
        if brake_of(self).is_some_and(|(until, _)| until <= now) {
            self.brake_mut(now, conn).until = Time::NEVER;
            self.let_go(now, conn, Holds::RATE, effects);
        }
        if let Some((_, Some((by, awaited)))) = brake_of(self)
            && by <= now
        {
            self.give_up(now, conn, awaited, effects);
        }
    }

    /// Counts a refusal; the first of its kind on a connection is logged.
    pub(super) fn note_refusal(&mut self, now: Time, conn: ConnId, what: Refusal) {
        self.counters.refuse_one(what);
        let brake = self.brake_mut(now, conn);
        if brake.noted & what.bit() != 0 {
            return;
        }
        brake.noted |= what.bit();
        let (who, what) = (name(&self.online(conn).identity), what.name());
        warn!("Client {who} was refused {what}; for this connection, that is not said again.");
    }
}

/// For `server::sizes`.
#[cfg(test)]
impl Broker {
    pub(crate) const BRAKE_BYTES: usize = size_of::<Brake>();
    pub(crate) const WAIT_BYTES: usize = size_of::<Wait>();
}
