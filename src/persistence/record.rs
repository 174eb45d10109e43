//! What must outlive the process.
//!
//! Owns: the vocabulary of durable state. Every change of it, live and in recovery, is one of
//! these, applied by one function; so what is recovered is what was.
//!
//! A session or shared subscription that ends with its connections changes by the same values,
//! but no record is made of them.
//!
//! Never says how it is kept: that is a storage backend's.

use std::rc::Rc;

use crate::codec::{PacketId, SubscribeOptions};
use crate::message::{Delivery, Message};
use crate::time::Time;

/// A change of durable state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// Of one session, by its number.
    Session(u64, Change),
    /// Of one shared subscription's queue, by its number.
    Group(u32, GroupChange),
    /// The retained message of its topic.
    Retained(Rc<Message>),
    /// The topic has no retained message any more.
    Unretained(Box<str>),
}

/// A change of one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It begins.
    Opened {
        /// Whose it is.
        client_id: Rc<str>,
        /// Seconds it outlives its connection; `u32::MAX` is for ever.
        expiry_interval: u32,
    },
    /// A connection has taken it up, or its expiry has changed.
    Attached {
        /// Seconds it outlives its connection; `u32::MAX` is for ever.
        expiry_interval: u32,
    },
    /// Its connection ended; expiry and will delay count from here.
    Detached {
        /// When.
        at: Time,
        /// Seconds it outlives its connection; `u32::MAX` is for ever.
        expiry_interval: u32,
    },
    /// It ends.
    Closed,
    /// It has this subscription, instead of one with the same filter.
    Subscribed {
        /// With `$share/..` if it is shared.
        filter: Box<str>,
        /// As asked for.
        options: SubscribeOptions,
        /// 0 is none.
        identifier: u32,
        /// Number of the shared subscription; 0 is none.
        group: u32,
        /// Bytes of the mount point in front of its pattern, if a wildcard follows; else 0.
        root: u16,
    },
    /// It has no such subscription any more.
    Unsubscribed {
        /// With `$share/..` if it is shared.
        filter: Box<str>,
    },
    /// A message waits at the end of its queue.
    Queued(Delivery),
    /// The message at the front of its queue is gone.
    Unqueued,
    /// The message at the front of its queue was sent.
    Sent {
        /// Under which identifier.
        packet_id: PacketId,
        /// Bytes of topic, properties and payload.
        len: u32,
    },
    /// A message that waited nowhere was sent.
    Delivered {
        /// Under which identifier.
        packet_id: PacketId,
        /// What.
        delivery: Delivery,
        /// Bytes of topic, properties and payload.
        len: u32,
    },
    /// PUBREC arrived.
    Received(PacketId),
    /// The identifier is free.
    Settled(PacketId),
    /// QoS 2 message with this identifier taken from the client.
    Taken(PacketId),
    /// The client has released the identifier.
    Released(PacketId),
    /// It has this Will.
    WillSet(Rc<Message>, u32),
    /// It has no Will any more.
    WillCleared,
    /// Retained messages are still to be sent to it.
    Cursor {
        /// For this filter.
        filter: Box<str>,
        /// Those after this topic; `None` is all.
        after: Option<Box<str>>,
    },
    /// Retained messages have been sent to it.
    CursorDone {
        /// For this filter.
        filter: Box<str>,
    },
}

/// A change of one shared subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupChange {
    /// A message waits at the end of its queue.
    Queued(Delivery),
    /// The message at the front of its queue is gone.
    Unqueued,
    /// Its queue is empty and stays so.
    Dropped,
}
