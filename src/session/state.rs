//! A session: what the broker keeps of a client beyond its connection.
//!
//! Owns: subscriptions (as places in the tree), the queue, both windows, the Will, the cursors
//! over retained messages, and how long all that outlives the connection. An idle session with
//! one subscription allocates nothing beyond its own struct and its client id; everything else is
//! made when first needed and given back when empty. What most sessions never have lies in one
//! box together, [`Rare`]: 24 bytes less in each session than a pointer to every piece of it.
//!
//! Never changes by itself: `broker::Store` applies changes to it, live and in recovery.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Awaiting, ConnId, Inbound, Outbound, Queue};
use crate::codec::PacketId;
use crate::few::{Few, Keyed};
use crate::message::{Delivery, Message};
use crate::metrics::{Gauge, Kind};
use crate::time::Time;
use crate::topic_matcher::NodeId;

/// Where a subscription of a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its filter's node in the tree.
    pub node: NodeId,
    /// The shared subscription it is a member of; 0 is none.
    pub group: u32,
}

impl Keyed for Held {
    type Key = (NodeId, u32);
    fn key(&self) -> Self::Key {
        (self.node, self.group)
    }
}

/// A Will that may still be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will {
    /// What.
    pub message: Rc<Message>,
    /// Seconds after the connection ended; the end of the session comes first.
    pub delay_interval: u32,
}

/// Retained messages still to be sent: for each filter (never a shared one) those after a topic,
/// or all.
pub type Cursors = BTreeMap<Box<str>, Option<Box<str>>>;

/// What the broker keeps of a client beyond its connection.
#[derive(Debug)]
pub struct Session {
    /// Unique for ever; what records call it.
    pub number: u64,
    /// Whose it is.
    pub client_id: Rc<str>,
    /// Its connection, if it has one.
    pub conn: Option<ConnId>,
    /// Seconds it outlives its connection; 0 ends with it, `u32::MAX` is for ever.
    pub expiry_interval: u32,
    /// When its connection ended; never, while it has one or was not told since.
    pub detached: Time,
    /// By place in the tree.
    pub subscriptions: Few<Held>,
    /// What waits to be sent.
    pub queue: Option<Box<Queue>>,
    /// What was sent and is not settled.
    pub outbound: Option<Box<Outbound<Delivery>>>,
    /// QoS 2 messages taken and not released.
    pub inbound: Option<Box<Inbound>>,
    rare: Option<Box<Rare>>,
    gauge: Rc<Gauge>,
}

/// What most sessions never have.
#[derive(Debug, Default)]
pub struct Rare {
    /// Numbers of the shared subscriptions it is a member of.
    pub groups: Few<u32>,
    /// Published if the connection ends badly.
    pub will: Option<Will>,
    /// Retained messages still to be sent, a filter at a time.
    pub cursors: Cursors,
}

impl Rare {
    fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.will.is_none() && self.cursors.is_empty()
    }
}

impl Session {
    /// A session without anything.
    #[must_use]
    pub fn new(number: u64, client_id: Rc<str>, expiry_interval: u32, gauge: &Rc<Gauge>) -> Self {
        let session = Self {
            number,
            client_id,
            conn: None,
            expiry_interval,
            detached: Time::NEVER,
            subscriptions: Few::None,
            queue: None,
            outbound: None,
            inbound: None,
            rare: None,
            gauge: Rc::clone(gauge),
        };
        gauge.charge(Kind::Session, session.weight());
        session
    }

    /// Bytes it takes, as the gauge counts them.
    fn weight(&self) -> usize {
        size_of::<Self>() + self.client_id.len()
    }

    /// Whether it outlives its connection, so that its changes are recorded.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        self.expiry_interval > 0
    }

    /// Whether its connection has ended.
    #[must_use]
    pub fn is_detached(&self) -> bool {
        self.detached < Time::NEVER
    }

    /// Numbers of the shared subscriptions it is a member of.
    #[must_use]
    pub fn groups(&self) -> &[u32] {
        self.rare.as_ref().map_or(&[], |rare| rare.groups.as_slice())
    }

    /// What is published if the connection ends badly.
    #[must_use]
    pub fn will(&self) -> Option<&Will> {
        self.rare.as_ref()?.will.as_ref()
    }

    /// Retained messages still to be sent, if there are any.
    #[must_use]
    pub fn cursors(&self) -> Option<&Cursors> {
        self.rare.as_ref().map(|rare| &rare.cursors).filter(|cursors| !cursors.is_empty())
    }

    /// What most sessions never have, made if there is none; [`tidy`](Self::tidy) gives it back.
    pub fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_with(Box::default)
    }

    /// When it ends, if its connection has ended.
    #[must_use]
    pub fn expires(&self) -> Option<Time> {
        let ends = self.is_detached() && self.expiry_interval < u32::MAX;
        ends.then(|| self.detached.plus_secs(self.expiry_interval))
    }

    /// When its Will is published, if its connection has ended: after the delay, or with the
    /// session ([MQTT-3.1.2-8] of 5.0).
    #[must_use]
    pub fn will_due(&self) -> Option<Time> {
        let will = self.will().filter(|_| self.is_detached())?;
        let due = self.detached.plus_secs(will.delay_interval);
        Some(self.expires().map_or(due, |end| due.min(end)))
    }

    /// How many messages wait in its queue.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.len())
    }

    /// How many identifiers are in use towards the client.
    #[must_use]
    pub fn inflight(&self) -> usize {
        self.outbound.as_ref().map_or(0, |outbound| outbound.len())
    }

    /// Bytes of the messages of these identifiers.
    #[must_use]
    pub fn inflight_bytes(&self) -> u64 {
        self.outbound.as_ref().map_or(0, |outbound| outbound.bytes())
    }

    /// Its queue, made if there is none.
    pub fn queue_mut(&mut self) -> &mut Queue {
        let gauge = &self.gauge;
        self.queue.get_or_insert_with(|| Box::new(Queue::new(gauge)))
    }

    /// Its sending window, made if there is none.
    pub fn outbound_mut(&mut self) -> &mut Outbound<Delivery> {
        self.outbound.get_or_insert_with(Box::default)
    }

    /// Its receiving window, made if there is none.
    pub fn inbound_mut(&mut self) -> &mut Inbound {
        self.inbound.get_or_insert_with(Box::default)
    }

    /// What was sent and is not settled, oldest first.
    pub fn window(&self) -> impl Iterator<Item = (PacketId, Awaiting, Option<&Delivery>)> {
        self.outbound.iter().flat_map(|outbound| outbound.iter())
    }

    /// Gives back what has become empty.
    pub fn tidy(&mut self) {
        if self.queue.as_ref().is_some_and(|queue| queue.is_empty()) {
            self.queue = None;
        }
        if self.rare.as_ref().is_some_and(|rare| rare.is_empty()) {
            self.rare = None;
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.gauge.release(Kind::Session, self.weight());
    }
}
