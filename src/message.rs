//! A message that outlives the packet it came in.
//!
//! Owns: topic, forwardable properties, payload and sometimes the publisher's user name in one
//! boxed slice, copied once out of the bytes the packet arrived in, at the moment something must
//! keep them. Queues, windows and the retained messages share it by `Rc`; the type says that it
//! never leaves the loop.
//!
//! Never changes once made; what differs per receiver is a [`Delivery`].

use std::rc::Rc;

use crate::codec::{PublishRef, QoS, Text};
use crate::metrics::Gauge;
use crate::time::Time;
use crate::topic_matcher::Topical;

/// What a message is made from.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// Valid topic name.
    pub topic: Text<'a>,
    /// Properties as they are forwarded (5.0), in wire form without their length.
    pub properties: &'a [u8],
    /// Application payload.
    pub payload: &'a [u8],
    /// Of the PUBLISH it came in.
    pub qos: QoS,
    /// RETAIN flag of the PUBLISH it came in.
    pub retain: bool,
    /// Seconds it lives.
    pub expiry_interval: Option<u32>,
    /// When it arrived.
    pub created: Time,
}

impl<'a> Parts<'a> {
    /// Those of a PUBLISH that arrives `now`, with this topic and these properties.
    #[must_use]
    pub const fn of(
        publish: &PublishRef<'a>,
        topic: Text<'a>,
        properties: &'a [u8],
        now: Time,
    ) -> Self {
        Self {
            topic,
            properties,
            payload: publish.payload,
            qos: publish.qos,
            retain: publish.retain,
            expiry_interval: publish.properties.message_expiry_interval,
            created: now,
        }
    }

    /// Bytes of topic, properties and payload.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.topic.len() + self.properties.len() + self.payload.len()
    }

    /// Never: a topic has at least one character.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
impl<'a> Parts<'a> {
    /// Those of a message of QoS 0 with nothing special about it, for tests.
    pub(crate) fn plain(topic: &'a str, payload: &'a [u8]) -> Self {
        Self {
            topic: topic.into(),
            properties: &[],
            payload,
            qos: QoS::AtMostOnce,
            retain: false,
            expiry_interval: None,
            created: Time::default(),
        }
    }
}

/// A message, shared by everything that still has to deliver it.
#[derive(Debug)]
pub struct Message {
    /// Unique within a store; what records call it.
    pub number: u64,
    /// Client id of its publisher, for No Local; `None` for the broker itself.
    pub publisher: Option<Rc<str>>,
    bytes: Box<[u8]>,
    gauge: Rc<Gauge>,
    created: Time,
    expiry_interval: Option<u32>,
    /// And [`HAS_USER`], if a user name stands behind the payload.
    properties_len: u32,
    topic_len: u16,
    /// Of the PUBLISH it came in.
    pub qos: QoS,
    /// RETAIN flag of the PUBLISH it came in.
    pub retain: bool,
}

impl Message {
    /// Copies `parts` into a message of their size.
    ///
    /// # Panics
    /// If the topic is longer than a topic can be.
    #[must_use]
    pub fn new(
        number: u64,
        parts: &Parts<'_>,
        publisher: Option<Rc<str>>,
        gauge: &Rc<Gauge>,
    ) -> Rc<Self> {
        Self::of(number, parts, publisher, None, gauge)
    }

    /// The same of a user, whose name stands behind the payload: only what may be asked for later
    /// by what right it was published (retained messages, Wills) has it.
    ///
    /// # Panics
    /// If topic or name are longer than they can be.
    #[must_use]
    pub fn of(
        number: u64,
        parts: &Parts<'_>,
        publisher: Option<Rc<str>>,
        user_name: Option<&str>,
        gauge: &Rc<Gauge>,
    ) -> Rc<Self> {
        let tail = user_name.map_or(0, |name| name.len() + TAIL);
        let mut bytes = Vec::with_capacity(parts.len() + tail);
        bytes.extend_from_slice(parts.topic.as_bytes());
        bytes.extend_from_slice(parts.properties);
        bytes.extend_from_slice(parts.payload);
        if let Some(name) = user_name {
            let len = u16::try_from(name.len()).expect("a name has at most 65,535 bytes");
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(&len.to_le_bytes());
        }
        let len = u32::try_from(parts.properties.len()).expect("a packet is smaller");
        let message = Self {
            number,
            publisher,
            bytes: bytes.into_boxed_slice(),
            gauge: Rc::clone(gauge),
            created: parts.created,
            expiry_interval: parts.expiry_interval,
            properties_len: len | if user_name.is_some() { HAS_USER } else { 0 },
            topic_len: u16::try_from(parts.topic.len()).expect("a topic has at most 65,535 bytes"),
            qos: parts.qos,
            retain: parts.retain,
        };
        gauge.charge_message(message.weight());
        Rc::new(message)
    }

    /// Valid topic name.
    #[must_use]
    pub fn topic(&self) -> Text<'_> {
        Text::kept(&self.bytes[..usize::from(self.topic_len)])
    }

    /// Properties as they are forwarded, in wire form without their length.
    #[must_use]
    pub fn properties(&self) -> &[u8] {
        let start = usize::from(self.topic_len);
        &self.bytes[start..start + self.properties_len()]
    }

    /// Application payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.bytes[usize::from(self.topic_len) + self.properties_len()..self.len()]
    }

    /// User name of its publisher, if it had one and it was kept.
    #[must_use]
    pub fn user_name(&self) -> Option<&str> {
        let name = &self.bytes[self.len()..self.bytes.len() - self.tail().min(TAIL)];
        let name = std::str::from_utf8(name).expect("it was made of text");
        (self.properties_len & HAS_USER != 0).then_some(name)
    }

    const fn properties_len(&self) -> usize {
        (self.properties_len & !HAS_USER) as usize
    }

    /// Bytes of the user name and its length.
    const fn tail(&self) -> usize {
        if self.properties_len & HAS_USER == 0 {
            return 0;
        }
        let [.., low, high] = &*self.bytes else { return 0 };
        u16::from_le_bytes([*low, *high]) as usize + TAIL
    }

    /// Everything it was made from.
    #[must_use]
    pub fn parts(&self) -> Parts<'_> {
        Parts {
            topic: self.topic(),
            properties: self.properties(),
            payload: self.payload(),
            qos: self.qos,
            retain: self.retain,
            expiry_interval: self.expiry_interval,
            created: self.created,
        }
    }

    /// Whether its time has passed.
    #[must_use]
    pub fn has_expired(&self, now: Time) -> bool {
        self.expires().is_some_and(|at| at <= now)
    }

    /// When it expires, if ever.
    #[must_use]
    pub fn expires(&self) -> Option<Time> {
        self.expiry_interval.map(|secs| self.created.plus_secs(secs))
    }

    /// Seconds it has left, rounded up; what a receiver is told ([MQTT-3.3.2-6]).
    #[must_use]
    pub fn remaining(&self, now: Time) -> Option<u32> {
        let left = self.expires()?.ms_since(now).div_ceil(1000);
        Some(u32::try_from(left).unwrap_or(u32::MAX))
    }

    /// Bytes of topic, properties and payload.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len() - self.tail()
    }

    /// Never: a topic has at least one character.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes it takes, as the gauge counts them.
    #[must_use]
    pub fn weight(&self) -> usize {
        size_of::<Self>() + 2 * size_of::<usize>() + self.bytes.len()
    }
}

/// A packet has at most 2^28 bytes, so this bit is free.
const HAS_USER: u32 = 1 << 31;
/// Bytes of the length behind a user name.
const TAIL: usize = 2;

impl Drop for Message {
    fn drop(&mut self) {
        self.gauge.release_message(self.weight());
    }
}

impl PartialEq for Message {
    /// Two messages are equal if receivers could not tell them apart.
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
            && self.topic_len == other.topic_len
            && self.properties_len == other.properties_len
            && self.qos == other.qos
            && self.retain == other.retain
            && self.created == other.created
            && self.expiry_interval == other.expiry_interval
            && self.publisher == other.publisher
    }
}

impl Eq for Message {}

impl Topical for Rc<Message> {
    fn topic(&self) -> Text<'_> {
        Message::topic(self)
    }
}

/// A message as one session is to get it: what waits in queues and windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// `None` in a window whose session ends with its connection: there the identifier is enough.
    pub message: Option<Rc<Message>>,
    /// Subscription identifiers to send with it; absent is none.
    pub identifiers: Option<Box<Vec<u32>>>,
    /// The shared subscription it comes from; 0 is none.
    pub group: u32,
    /// At which QoS.
    pub qos: QoS,
    /// With which RETAIN flag.
    pub retain: bool,
}

impl Delivery {
    /// A QoS 2 message that has arrived: only its identifier is still in use.
    pub const RECEIVED: Self =
        Self { message: None, identifiers: None, group: 0, qos: QoS::ExactlyOnce, retain: false };
}
