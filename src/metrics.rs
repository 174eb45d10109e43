//! Plain counters and the memory gauge.
//!
//! Owns: the numbers that say how a broker is doing. [`Gauge`] counts the bytes everything alive
//! takes, by kind: charged when a thing is created, released when it is dropped, so that a limit
//! on memory can be enforced by asking and needs no search. [`Counters`] only ever grow.
//!
//! Never measures the process: what the allocator makes of it is the allocator's.

use std::cell::Cell;
use std::rc::Rc;

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
}

const KINDS: usize = 6;

/// Bytes in use, by kind.
#[derive(Debug, Default)]
pub struct Gauge {
    bytes: [Cell<usize>; KINDS],
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

/// Why a message was not delivered to somebody who would have had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// The session's queue was full: the newest was dropped.
    QueueNewest,
    /// The session's queue was full: the oldest was dropped.
    QueueOldest,
    /// The client was disconnected for its full queue.
    QueueDisconnect,
    /// QoS 0, and the client was not there.
    Offline,
    /// Its Message Expiry Interval had passed.
    Expired,
    /// Larger than the client takes.
    TooLarge,
    /// The session it waited for ended.
    SessionEnded,
    /// The client refused it.
    Refused,
    /// Its topic is not below the mount point of the client's connection.
    OutsideMount,
    /// Its payload was larger than allowed: it was not taken at all.
    PayloadTooLarge,
}

/// How many reasons there are.
const DROPS: usize = 10;

impl DropReason {
    /// What a log line calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::QueueNewest => "queue full, newest dropped",
            Self::QueueOldest => "queue full, oldest dropped",
            Self::QueueDisconnect => "queue full, client disconnected",
            Self::Offline => "QoS 0 while the client is away",
            Self::Expired => "expired",
            Self::TooLarge => "larger than the client takes",
            Self::SessionEnded => "session ended",
            Self::Refused => "refused by the client",
            Self::OutsideMount => "outside of the mount point",
            Self::PayloadTooLarge => "payload larger than allowed",
        }
    }
}

/// What has happened since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections accepted.
    pub connections: u64,
    /// CONNECTs answered with success.
    pub connects: u64,
    /// CONNECTs refused.
    pub refused: u64,
    /// Packets of any kind taken.
    pub packets_received: u64,
    /// PUBLISH packets taken.
    pub publishes_received: u64,
    /// PUBLISH packets handed to connections.
    pub publishes_sent: u64,
    /// Sessions that expired.
    pub sessions_expired: u64,
    dropped: [u64; DROPS],
}

impl Counters {
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
}
