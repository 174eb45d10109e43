//! A session: what the broker keeps of a client beyond its connection.
//!
//! Owns: subscriptions (as places in the tree), the queue, both windows, the Will, the cursors
//! over retained messages, and how long all that outlives the connection. An idle session with
//! one subscription allocates nothing beyond its own struct and its client id; everything else is
//! made when first needed and given back when empty.
//!
//! Never changes by itself: `broker::Store` applies changes to it, live and in recovery.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Awaiting, ConnId, Inbound, Outbound, Queue};
use crate::codec::PacketId;
use crate::few::{Few, Keyed};
use crate::message::{Delivery, Message};
use crate::metrics::{Charge, Gauge, Kind};
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
    /// When its connection ended.
    pub detached: Option<Time>,
    /// By place in the tree.
    pub subscriptions: Few<Held>,
    /// Numbers of the shared subscriptions among them.
    pub groups: Few<u32>,
    /// What waits to be sent.
    pub queue: Option<Box<Queue>>,
    /// What was sent and is not settled.
    pub outbound: Option<Box<Outbound<Delivery>>>,
    /// QoS 2 messages taken and not released.
    pub inbound: Option<Box<Inbound>>,
    /// Published if the connection ends badly.
    pub will: Option<Box<Will>>,
    /// Retained messages still to be sent, a filter at a time.
    pub cursors: Option<Box<Cursors>>,
    charge: Charge,
}

impl Session {
    /// A session without anything.
    #[must_use]
    pub fn new(number: u64, client_id: Rc<str>, expiry_interval: u32, gauge: &Rc<Gauge>) -> Self {
        let bytes = size_of::<Self>() + client_id.len();
        Self {
            number,
            client_id,
            conn: None,
            expiry_interval,
            detached: None,
            subscriptions: Few::None,
            groups: Few::None,
            queue: None,
            outbound: None,
            inbound: None,
            will: None,
            cursors: None,
            charge: Charge::new(gauge, Kind::Session, bytes),
        }
    }

    /// Whether it outlives its connection, so that its changes are recorded.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        self.expiry_interval > 0
    }

    /// When it ends, if its connection has ended.
    #[must_use]
    pub fn expires(&self) -> Option<Time> {
        let detached = self.detached?;
        (self.expiry_interval < u32::MAX).then(|| detached.plus_secs(self.expiry_interval))
    }

    /// When its Will is published, if its connection has ended: after the delay, or with the
    /// session ([MQTT-3.1.2-8] of 5.0).
    #[must_use]
    pub fn will_due(&self) -> Option<Time> {
        let due = self.detached?.plus_secs(self.will.as_ref()?.delay_interval);
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

    /// Its queue, made if there is none.
    pub fn queue_mut(&mut self) -> &mut Queue {
        let gauge = self.charge.gauge();
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
        if self.cursors.as_ref().is_some_and(|cursors| cursors.is_empty()) {
            self.cursors = None;
        }
    }
}
