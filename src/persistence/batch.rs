//! Records as work for the storage engine, in bytes that another thread may have.
//!
//! Owns: the translation of a [`Record`] into rows to put, delete and move. A message is encoded
//! where it enters a batch, not once for each session it waits for. Values of one retained topic
//! replace each other: only the last of a batch is written, and while storage takes nothing, only
//! the last is kept.
//!
//! Never reads a store.

use std::collections::BTreeMap;

use crate::message::{Delivery, Message};
use crate::time::Time;

use super::layout::{
    CLIENT, CURSOR, GROUP, LIFE, Put, QUEUE, SUBSCRIPTION, TAKEN, WILL, WINDOW, options_byte,
    put_delivery, put_message, session_key,
};
use super::{Change, GroupChange, Record};

/// A place in the bytes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    start: usize,
    len: usize,
}

/// One step. Rows that refer to a message are counted by who carries it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A row is there, instead of one with the same key.
    Put { key: Span, value: Span },
    /// A row is not there any more.
    Delete { key: Span },
    /// The first row with this prefix is not there any more.
    Pop { prefix: Span },
    /// The first row with this prefix becomes one of a window, the `order`-th thing ever.
    Move { prefix: Span, key: Span, order: u64, len: u32 },
    /// The message of a window's row has arrived.
    Arrived { key: Span },
    /// No row with this prefix is there any more.
    Clear { prefix: Span },
}

/// A retained message: its number, and what it is.
type Value = (u64, Box<[u8]>);

/// Records of whole units, to become durable together.
#[derive(Debug, Default)]
pub struct Batch {
    /// Number of the last record, of all there ever were.
    last: u64,
    records: usize,
    bytes: Vec<u8>,
    steps: Vec<Step>,
    /// Messages that may be new to the store.
    messages: Vec<(u64, Span)>,
    retained: BTreeMap<Box<str>, Option<Value>>,
    /// Bytes of `retained`, about.
    retained_bytes: usize,
}

/// What one retained topic takes beside its name and value, about.
const RETAINED_COST: usize = 64;

/// A batch's memory beyond this is given back when it is done.
const KEPT_BYTES: usize = 1 << 18;

impl Batch {
    /// Adds the `number`-th record there ever was.
    pub fn push(&mut self, number: u64, record: &Record) {
        self.last = number;
        self.records += 1;
        match record {
            Record::Session(session, change) => self.push_session(*session, change),
            Record::Group(group, change) => self.push_group(*group, change),
            Record::Retained(message) => {
                let mut body = Vec::new();
                put_message(&mut body, message);
                let value = (message.number, body.into_boxed_slice());
                self.retain(message.topic().as_str(), Some(value));
            }
            Record::Unretained(topic) => self.retain(topic, None),
        }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// How many records it holds.
    #[must_use]
    pub const fn records(&self) -> usize {
        self.records
    }

    /// Bytes of memory it takes, about.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len() + self.steps.len() * size_of::<Step>() + self.retained_bytes
    }

    /// Number of its last record, of all there ever were.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// Forgets everything, keeps the memory if it is not much.
    pub fn clear(&mut self) {
        let mut old = std::mem::take(self);
        if old.bytes.capacity() <= KEPT_BYTES {
            old.bytes.clear();
            self.bytes = old.bytes;
        }
        if old.steps.capacity() * size_of::<Step>() <= KEPT_BYTES {
            old.steps.clear();
            self.steps = old.steps;
        }
    }

    pub(super) fn at(&self, span: Span) -> &[u8] {
        &self.bytes[span.start..span.start + span.len]
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Messages that may be new to the store.
    pub(super) fn messages(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let queued = self.messages.iter().map(|(number, span)| (*number, self.at(*span)));
        let retained = self.retained.values().flatten();
        queued.chain(retained.map(|(number, body)| (*number, &**body)))
    }

    /// Topics whose retained message has changed, and the number of the new one.
    pub(super) fn retained(&self) -> impl Iterator<Item = (&str, Option<u64>)> {
        let number = |value: &Option<Value>| value.as_ref().map(|(number, _)| *number);
        self.retained.iter().map(move |(topic, value)| (&**topic, number(value)))
    }

    fn retain(&mut self, topic: &str, value: Option<Value>) {
        let weigh = |value: &Option<Value>| value.as_ref().map_or(0, |(_, body)| body.len());
        self.retained_bytes += weigh(&value);
        match self.retained.get_mut(topic) {
            Some(old) => {
                self.retained_bytes -= weigh(old);
                *old = value;
            }
            None => {
                self.retained_bytes += topic.len() + RETAINED_COST;
                self.retained.insert(topic.into(), value);
            }
        }
    }

    fn push_session(&mut self, session: u64, change: &Change) {
        match change {
            Change::Opened { client_id, expiry_interval } => {
                let key = self.key(session, CLIENT, &[]);
                let value = self.span(|bytes| bytes.extend_from_slice(client_id.as_bytes()));
                self.steps.push(Step::Put { key, value });
                self.live(session, *expiry_interval, Time::NEVER);
            }
            Change::Attached { expiry_interval } => {
                self.live(session, *expiry_interval, Time::NEVER);
            }
            Change::Detached { at, expiry_interval } => self.live(session, *expiry_interval, *at),
            Change::Closed => {
                let whole = self.key(session, CLIENT, &[]);
                let prefix = Span { len: whole.len - 1, ..whole };
                self.steps.push(Step::Clear { prefix });
            }
            Change::Subscribed { filter, options, identifier, group, root } => {
                let key = self.key(session, SUBSCRIPTION, filter.as_bytes());
                let value = self.span(|bytes| {
                    bytes.u8(options_byte(*options));
                    bytes.u32(*identifier);
                    bytes.u32(*group);
                    bytes.u16(*root);
                });
                self.steps.push(Step::Put { key, value });
            }
            Change::Unsubscribed { filter } => {
                for kind in [SUBSCRIPTION, CURSOR] {
                    self.delete(session, kind, filter.as_bytes());
                }
            }
            Change::WillSet(message, delay) => {
                self.message(message);
                let key = self.key(session, WILL, &[]);
                let value = self.span(|bytes| {
                    bytes.u64(message.number);
                    bytes.u32(*delay);
                });
                self.steps.push(Step::Put { key, value });
            }
            Change::WillCleared => self.delete(session, WILL, &[]),
            Change::Cursor { filter, after } => {
                let key = self.key(session, CURSOR, filter.as_bytes());
                let value = self.span(|bytes| {
                    bytes.u8(after.is_some().into());
                    bytes.extend_from_slice(after.as_deref().unwrap_or_default().as_bytes());
                });
                self.steps.push(Step::Put { key, value });
            }
            Change::CursorDone { filter } => self.delete(session, CURSOR, filter.as_bytes()),
            Change::Taken(id) => {
                let key = self.key(session, TAKEN, &id.get().to_be_bytes());
                let value = self.span(|_| {});
                self.steps.push(Step::Put { key, value });
            }
            Change::Released(id) => self.delete(session, TAKEN, &id.get().to_be_bytes()),
            Change::Queued(_)
            | Change::Unqueued
            | Change::Sent { .. }
            | Change::Delivered { .. }
            | Change::Received(_)
            | Change::Settled(_) => self.push_delivery(session, change),
        }
    }

    /// What becomes of messages for a session.
    fn push_delivery(&mut self, session: u64, change: &Change) {
        match change {
            Change::Queued(delivery) => {
                let key = self.key(session, QUEUE, &self.last.to_be_bytes());
                self.put_delivery(key, None, delivery);
            }
            Change::Unqueued => {
                let prefix = self.key(session, QUEUE, &[]);
                self.steps.push(Step::Pop { prefix });
            }
            Change::Sent { packet_id, len } => {
                let (prefix, order) = (self.key(session, QUEUE, &[]), self.last);
                let key = self.key(session, WINDOW, &packet_id.get().to_be_bytes());
                self.steps.push(Step::Move { prefix, key, order, len: *len });
            }
            Change::Delivered { packet_id, delivery, len } => {
                let key = self.key(session, WINDOW, &packet_id.get().to_be_bytes());
                self.put_delivery(key, Some((self.last, *len)), delivery);
            }
            Change::Received(packet_id) => {
                let key = self.key(session, WINDOW, &packet_id.get().to_be_bytes());
                self.steps.push(Step::Arrived { key });
            }
            Change::Settled(packet_id) => {
                self.delete(session, WINDOW, &packet_id.get().to_be_bytes());
            }
            Change::Opened { .. }
            | Change::Attached { .. }
            | Change::Detached { .. }
            | Change::Closed
            | Change::Subscribed { .. }
            | Change::Unsubscribed { .. }
            | Change::Taken(_)
            | Change::Released(_)
            | Change::WillSet(..)
            | Change::WillCleared
            | Change::Cursor { .. }
            | Change::CursorDone { .. } => {}
        }
    }

    fn push_group(&mut self, group: u32, change: &GroupChange) {
        let order = self.last;
        let prefix = self.span(|bytes| {
            bytes.u8(GROUP);
            bytes.u32(group);
        });
        match change {
            GroupChange::Queued(delivery) => {
                self.bytes.u64(order);
                let key = Span { len: prefix.len + size_of::<u64>(), ..prefix };
                self.put_delivery(key, None, delivery);
            }
            GroupChange::Unqueued => self.steps.push(Step::Pop { prefix }),
            GroupChange::Dropped => self.steps.push(Step::Clear { prefix }),
        }
    }

    /// How long a session outlives its connection, and when it lost it.
    fn live(&mut self, session: u64, expiry_interval: u32, detached: Time) {
        let key = self.key(session, LIFE, &[]);
        let value = self.span(|bytes| {
            bytes.u32(expiry_interval);
            bytes.u64(detached.as_ms());
        });
        self.steps.push(Step::Put { key, value });
    }

    /// A row with a delivery; in a window with its place in the order of sending and its length.
    fn put_delivery(&mut self, key: Span, window: Option<(u64, u32)>, delivery: &Delivery) {
        if let Some(message) = &delivery.message {
            self.message(message);
        }
        let value = self.span(|bytes| {
            if let Some((order, len)) = window {
                bytes.u64(order);
                // What has arrived has no message any more.
                bytes.u8(delivery.message.is_none().into());
                bytes.u32(len);
            }
            put_delivery(bytes, delivery);
        });
        self.steps.push(Step::Put { key, value });
    }

    fn delete(&mut self, session: u64, kind: u8, rest: &[u8]) {
        let key = self.key(session, kind, rest);
        self.steps.push(Step::Delete { key });
    }

    /// A message that a row is about to refer to. Those who get it get it one after the other.
    fn message(&mut self, message: &Message) {
        if self.messages.last().is_none_or(|(number, _)| *number != message.number) {
            let span = self.span(|bytes| put_message(bytes, message));
            self.messages.push((message.number, span));
        }
    }

    fn key(&mut self, session: u64, kind: u8, rest: &[u8]) -> Span {
        self.span(|bytes| {
            session_key(bytes, session, kind);
            bytes.extend_from_slice(rest);
        })
    }

    fn span(&mut self, put: impl FnOnce(&mut Vec<u8>)) -> Span {
        let start = self.bytes.len();
        put(&mut self.bytes);
        Span { start, len: self.bytes.len() - start }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::codec::QoS;
    use crate::message::Parts;
    use crate::metrics::Gauge;

    fn message(number: u64, topic: &str, payload: &[u8]) -> Rc<Message> {
        let parts = Parts { qos: QoS::AtLeastOnce, ..Parts::plain(topic, payload) };
        Message::new(number, &parts, None, &Rc::new(Gauge::default()))
    }

    #[test]
    fn a_message_for_many_is_encoded_once() {
        let mut batch = Batch::default();
        let message = message(1, "t", &[7; 1000]);
        for session in 1..=100 {
            let delivery = Delivery {
                message: Some(Rc::clone(&message)),
                identifiers: None,
                group: 0,
                qos: QoS::AtLeastOnce,
                retain: false,
            };
            batch.push(session, &Record::Session(session, Change::Queued(delivery)));
        }
        assert_eq!((batch.records(), batch.messages().count()), (100, 1));
        assert!(batch.bytes.len() < 1100 + 100 * 40, "{} bytes", batch.bytes.len());
    }

    #[test]
    fn values_of_one_topic_replace_each_other() {
        let mut batch = Batch::default();
        for number in 1..=1000 {
            batch.push(number, &Record::Retained(message(number, "t", &[1; 100])));
        }
        let most = batch.len();
        assert!(most < 400, "{most} bytes");
        assert_eq!(batch.retained().collect::<Vec<_>>(), [("t", Some(1000))]);
        batch.push(1001, &Record::Unretained("t".into()));
        assert_eq!(batch.retained().collect::<Vec<_>>(), [("t", None)]);
        assert_eq!((batch.last(), batch.records()), (1001, 1001));
        batch.clear();
        assert!(batch.is_empty() && batch.bytes.is_empty() && batch.retained().count() == 0);
    }
}
