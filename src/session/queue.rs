//! Messages that wait for a session or a shared subscription.
//!
//! Owns: a first-in first-out queue with its size in messages and bytes, so that a bound on either
//! is a comparison.
//!
//! Never decides what happens at a bound: the broker has the policy.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::codec::QoS;
use crate::message::Delivery;
use crate::metrics::{Charge, Gauge, Kind};

/// Deliveries in the order they came.
#[derive(Debug)]
pub struct Queue {
    entries: VecDeque<Delivery>,
    bytes: usize,
    qos0: usize,
    /// Whether the current episode of dropping has been logged; ends when the queue is empty.
    pub is_dropping: bool,
    charge: Charge,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(gauge: &Rc<Gauge>) -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
            qos0: 0,
            is_dropping: false,
            charge: Charge::new(gauge, Kind::Queue, size_of::<Self>()),
        }
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a QoS 0 message is among them.
    #[must_use]
    pub const fn has_qos0(&self) -> bool {
        self.qos0 > 0
    }

    /// Bytes of topic, properties and payload that wait.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The next to go.
    #[must_use]
    pub fn front(&self) -> Option<&Delivery> {
        self.entries.front()
    }

    /// Puts one at the end.
    pub fn push(&mut self, delivery: Delivery) {
        let (bytes, qos0) = size_of_one(&delivery);
        self.bytes += bytes;
        self.qos0 += qos0;
        self.entries.push_back(delivery);
        self.weigh();
    }

    /// Takes the next to go.
    pub fn pop(&mut self) -> Option<Delivery> {
        let delivery = self.entries.pop_front()?;
        let (bytes, qos0) = size_of_one(&delivery);
        self.bytes -= bytes;
        self.qos0 -= qos0;
        if self.entries.is_empty() {
            self.is_dropping = false;
            self.entries = VecDeque::new();
        }
        self.weigh();
        Some(delivery)
    }

    /// All that wait, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Delivery> {
        self.entries.iter()
    }

    fn weigh(&mut self) {
        self.charge.set(size_of::<Self>() + self.entries.capacity() * size_of::<Delivery>());
    }
}

impl PartialEq for Queue {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

fn size_of_one(delivery: &Delivery) -> (usize, usize) {
    let bytes = delivery.message.as_ref().map_or(0, |message| message.len());
    (bytes, usize::from(delivery.qos == QoS::AtMostOnce))
}
