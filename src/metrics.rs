//! Plain counters and the memory gauge.
//!
//! Owns: the numbers that say how a broker is doing. [`Gauge`] counts the bytes everything alive
//! takes, by kind: charged when a thing is created, released when it is dropped, so that a limit
//! on memory can be enforced by asking and needs no search. [`Counters`] and [`Traffic`] only ever
//! grow, but for what waits.
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
    /// The session's queue was full, and nobody could be told or made to wait.
    QueueRefused,
    /// QoS 0 for a queue while memory was short.
    Memory,
    /// Its topic is not below the mount point of the client's connection.
    OutsideMount,
    /// Its payload was larger than allowed: it was not taken at all.
    PayloadTooLarge,
}

/// How many reasons there are.
const DROPS: usize = 12;

impl DropReason {
    /// All of them.
    pub const ALL: [Self; DROPS] = [
        Self::QueueNewest,
        Self::QueueOldest,
        Self::QueueDisconnect,
        Self::Offline,
        Self::Expired,
        Self::TooLarge,
        Self::SessionEnded,
        Self::Refused,
        Self::QueueRefused,
        Self::Memory,
        Self::OutsideMount,
        Self::PayloadTooLarge,
    ];

    /// Whether it was for want of room in a queue: what the receiver was too slow for.
    #[must_use]
    pub const fn is_overflow(self) -> bool {
        match self {
            Self::QueueNewest | Self::QueueOldest | Self::QueueDisconnect | Self::QueueRefused => {
                true
            }
            Self::Offline
            | Self::Expired
            | Self::TooLarge
            | Self::SessionEnded
            | Self::Refused
            | Self::Memory
            | Self::OutsideMount
            | Self::PayloadTooLarge => false,
        }
    }

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
            Self::QueueRefused => "queue full, too late to refuse",
            Self::Memory => "QoS 0 while memory is short",
            Self::OutsideMount => "outside of the mount point",
            Self::PayloadTooLarge => "payload larger than allowed",
        }
    }
}

/// What was refused to a client that asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// To come in with a client id of such a length.
    ClientId,
    /// A PUBLISH or Will to a topic of such a length or depth.
    Topic,
    /// A subscription with a filter of such a length or depth.
    Filter,
    /// One more subscription than a client may have.
    Subscriptions,
    /// A retained message on one more topic than may have one.
    Retained,
    /// A PUBLISH for a session whose queue was full.
    Queue,
    /// To come in as a new client while memory was short.
    MemoryConnect,
    /// A retained message on a new topic while memory was short.
    MemoryRetained,
    /// A new subscription while memory was short.
    MemorySubscription,
    /// A PUBLISH while memory was short, and not before it had waited.
    MemoryPublish,
}

/// How many kinds there are.
const REFUSALS: usize = 10;

impl Refusal {
    /// All of them.
    pub const ALL: [Self; REFUSALS] = [
        Self::ClientId,
        Self::Topic,
        Self::Filter,
        Self::Subscriptions,
        Self::Retained,
        Self::Queue,
        Self::MemoryConnect,
        Self::MemoryRetained,
        Self::MemorySubscription,
        Self::MemoryPublish,
    ];

    /// What a log line calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientId => "a client id that is too long",
            Self::Topic => "a topic that is too long or too deep",
            Self::Filter => "a filter that is too long or too deep",
            Self::Subscriptions => "more subscriptions than allowed",
            Self::Retained => "more retained messages than allowed",
            Self::Queue => "a message for a full queue",
            Self::MemoryConnect => "a new client while memory is short",
            Self::MemoryRetained => "a retained message on a new topic while memory is short",
            Self::MemorySubscription => "a new subscription while memory is short",
            Self::MemoryPublish => "a message while memory is short",
        }
    }

    /// This one in a set of them.
    #[must_use]
    pub const fn bit(self) -> u16 {
        1 << self as u16
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

/// Bytes as the network sees them. The server counts them where they pass.
#[derive(Debug, Default)]
pub struct Traffic {
    received: Cell<u64>,
    sent: Cell<u64>,
    waiting: Cell<usize>,
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
