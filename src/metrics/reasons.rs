//! Why something was not done for somebody who would have had it.
//!
//! Owns: the reasons, with the words of the log.
//!
//! Never counts: [`Counters`](super::Counters) do.

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
    /// The client may not receive it any more.
    Denied,
}

/// How many reasons there are.
pub(super) const DROPS: usize = 13;

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
        Self::Denied,
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
            | Self::PayloadTooLarge
            | Self::Denied => false,
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
            Self::Denied => "not allowed to the client",
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
pub(super) const REFUSALS: usize = 10;

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
