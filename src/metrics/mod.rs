//! Plain counters and the memory gauge.
//!
//! Owns: the numbers that say how a broker is doing. [`Gauge`] counts the bytes everything alive
//! takes, by kind: charged when a thing is created, released when it is dropped, so that a limit
//! on memory can be enforced by asking and needs no search. [`Counters`] and [`Traffic`] only ever
//! grow, but for what waits.
//!
//! Never measures the process: what the allocator makes of it is the allocator's.

mod reasons;

use std::cell::Cell;
use std::rc::Rc;

use reasons::{DROPS, REFUSALS};
pub use reasons::{DropReason, Refusal};

/// What a charged byte is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Messages, however many queues share them.
    Message,
    /// Sessions and their windows.
    Session,
    /// Subscriptions.
    Subscription,
    /// The index over retained messages.
    Retained,
    /// Places in queues.
    Queue,
    /// Bytes waiting to be read by a peer or decoded from one.
    Output,
    /// What is kept for each connection, whoever it is.
    Connection,
}

const KINDS: usize = 7;

impl Kind {
    /// All of them.
    pub const ALL: [Self; KINDS] = [
        Self::Message,
        Self::Session,
        Self::Subscription,
        Self::Retained,
        Self::Queue,
        Self::Output,
        Self::Connection,
    ];
}

/// Bytes in use, by kind.
#[derive(Debug, Default)]
pub struct Gauge {
    bytes: [Cell<usize>; KINDS],
    messages: Cell<usize>,
}

impl Gauge {
    /// Bytes of one kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> usize {
        self.bytes[kind as usize].get()
    }

    /// Bytes of all kinds.
    #[must_use]
    pub fn total(&self) -> usize {
        self.bytes.iter().map(Cell::get).sum()
    }

    /// How many messages are kept.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.messages.get()
    }

    /// Counts a message more, of so many bytes.
    pub fn charge_message(&self, bytes: usize) {
        self.messages.set(self.messages.get() + 1);
        self.charge(Kind::Message, bytes);
    }

    /// Counts a message less, of so many bytes.
    pub fn release_message(&self, bytes: usize) {
        self.messages.set(self.messages.get() - 1);
        self.release(Kind::Message, bytes);
    }

    /// Counts `bytes` more.
    pub fn charge(&self, kind: Kind, bytes: usize) {
        let cell = &self.bytes[kind as usize];
        cell.set(cell.get() + bytes);
    }

    /// Counts `bytes` less; they must have been charged.
    pub fn release(&self, kind: Kind, bytes: usize) {
        let cell = &self.bytes[kind as usize];
        let left = cell.get().checked_sub(bytes).expect("only what was charged is released");
        cell.set(left);
    }
}

/// Bytes charged to a gauge for as long as this lives.
#[derive(Debug)]
pub struct Charge {
    gauge: Rc<Gauge>,
    kind: Kind,
    bytes: usize,
}

impl Charge {
    /// Charges `bytes`.
    #[must_use]
    pub fn new(gauge: &Rc<Gauge>, kind: Kind, bytes: usize) -> Self {
        gauge.charge(kind, bytes);
        Self { gauge: Rc::clone(gauge), kind, bytes }
    }

    /// Changes what is charged.
    pub fn set(&mut self, bytes: usize) {
        self.gauge.charge(self.kind, bytes);
        self.gauge.release(self.kind, self.bytes);
        self.bytes = bytes;
    }

    /// The gauge it is charged to.
    #[must_use]
    pub const fn gauge(&self) -> &Rc<Gauge> {
        &self.gauge
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.gauge.release(self.kind, self.bytes);
    }
}

/// Packets of each type, by the number the standard gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packets([Cell<u64>; 16]);

impl Packets {
    /// Counts one.
    #[inline]
    pub fn count(&self, number: u8) {
        self.add(number, 1);
    }

    /// Counts so many.
    #[inline]
    pub fn add(&self, number: u8, count: u64) {
        let cell = &self.0[usize::from(number & 15)];
        cell.set(cell.get() + count);
    }

    /// How many there were of a type.
    #[must_use]
    pub const fn of(&self, number: u8) -> u64 {
        self.0[(number & 15) as usize].get()
    }

    /// How many there were of all types.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().map(Cell::get).sum()
    }
}

/// Bytes as the network and the medium see them. The server counts them where they pass.
#[derive(Debug, Default)]
pub struct Traffic {
    received: Cell<u64>,
    sent: Cell<u64>,
    waiting: Cell<usize>,
    storage: Cell<StorageFigures>,
}

impl Traffic {
    /// So many bytes came.
    pub fn came(&self, bytes: usize) {
        self.received.set(self.received.get() + bytes as u64);
    }

    /// So many bytes left.
    pub fn left(&self, bytes: usize) {
        self.sent.set(self.sent.get() + bytes as u64);
    }

    /// So many packets wait to leave.
    pub fn wait(&self, packets: usize) {
        self.waiting.set(packets);
    }

    /// This is what storage has done so far.
    pub fn store(&self, figures: StorageFigures) {
        self.storage.set(figures);
    }

    /// What storage had done when that was last looked at.
    #[must_use]
    pub const fn storage(&self) -> StorageFigures {
        self.storage.get()
    }

    /// Bytes that came.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received.get()
    }

    /// Bytes that left.
    #[must_use]
    pub const fn sent(&self) -> u64 {
        self.sent.get()
    }

    /// Packets that waited to leave when that was last looked at.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.waiting.get()
    }
}

/// What storage has done since the start, and how much there is of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageFigures {
    /// Bytes written to the medium.
    pub written: u64,
    /// How often the medium was waited for.
    pub syncs: u64,
    /// Batches that have become durable.
    pub commits: u64,
    /// Bytes of the store, what is free in it included.
    pub size: u64,
    /// Bytes that are not durable yet.
    pub waiting: u64,
}

/// What has happened since the start. Nothing in here counts what the broker itself publishes,
/// except `sent`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections accepted.
    pub connections: u64,
    /// CONNECTs answered with success.
    pub connects: u64,
    /// CONNECTs refused.
    pub refused: u64,
    /// Packets taken.
    pub received: Packets,
    /// Packets handed to connections.
    pub sent: Packets,
    /// Payloads of the PUBLISH packets taken, in bytes.
    pub payload_received: u64,
    /// Clients' messages handed to connections.
    pub messages_sent: u64,
    /// Their payloads, in bytes.
    pub payload_sent: u64,
    /// Sessions that expired.
    pub sessions_expired: u64,
    dropped: [u64; DROPS],
    refusals: [u64; REFUSALS],
}

impl Counters {
    /// Counts a message of a client's, handed to so many connections.
    #[inline]
    pub const fn send(&mut self, payload: usize, connections: usize) {
        self.messages_sent += connections as u64;
        self.payload_sent += payload as u64 * connections as u64;
    }

    /// Counts one message dropped for `reason`.
    pub const fn drop_one(&mut self, reason: DropReason) {
        self.dropped[reason as usize] += 1;
    }

    /// How many messages were dropped for `reason`.
    #[must_use]
    pub const fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize]
    }

    /// How many messages were dropped for any reason.
    #[must_use]
    pub fn dropped_in_all(&self) -> u64 {
        self.dropped.iter().sum()
    }

    /// Counts one refusal.
    pub const fn refuse_one(&mut self, what: Refusal) {
        self.refusals[what as usize] += 1;
    }

    /// How often `what` was refused.
    #[must_use]
    pub const fn refusals(&self, what: Refusal) -> u64 {
        self.refusals[what as usize]
    }

    /// How many messages were dropped because a queue was full.
    #[must_use]
    pub fn overflown(&self) -> u64 {
        let overflows = DropReason::ALL.into_iter().filter(|reason| reason.is_overflow());
        overflows.map(|reason| self.dropped(reason)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_of_kinds_and_reasons_are_whole() {
        assert!(Kind::ALL.into_iter().enumerate().all(|(place, kind)| kind as usize == place));
        let mut reasons = DropReason::ALL.into_iter().enumerate();
        assert!(reasons.all(|(place, reason)| reason as usize == place));
    }

    #[test]
    fn packets_are_counted_by_their_numbers() {
        let packets = Packets::default();
        packets.count(3);
        packets.add(3, 2);
        packets.count(15);
        assert_eq!((packets.of(3), packets.of(15), packets.of(1), packets.total()), (3, 1, 0, 4));
    }

    #[test]
    fn only_full_queues_overflow() {
        let mut counters = Counters::default();
        DropReason::ALL.into_iter().for_each(|reason| counters.drop_one(reason));
        assert_eq!((counters.overflown(), counters.dropped_in_all()), (4, DROPS as u64));
    }
}
