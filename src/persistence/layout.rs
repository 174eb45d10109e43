//! How durable state lies in the storage engine: one ordered table of bytes to bytes.
//!
//! Owns: keys and values of format [`FORMAT`], both ways. Numbers are big-endian, so that keys
//! sort as numbers do.
//!
//! ```text
//! 0 group(4) order(8)                message that waits for a shared subscription
//! 1 topic                            message number: the retained message
//! 2 session(8) 0                     client id
//! 2 session(8) 1                     expiry interval(4), when it lost its connection(8)
//! 2 session(8) 2 filter              options(1), identifier(4), group(4), root(2)
//! 2 session(8) 3                     Will: message number(8), delay(4)
//! 2 session(8) 4 filter              retained messages still to be sent: 0, or 1 and a topic
//! 2 session(8) 5 packet id(2)        nothing: QoS 2 message taken from the client
//! 2 session(8) 6 packet id(2)        order(8), arrived(1), length(4), delivery: on its way to it
//! 2 session(8) 7 order(8)            delivery: what waits for it
//! 3 message(8) 0                     the message, once, however many wait for it
//! 3 message(8) 1                     how many refer to it(4), if it is not one
//! 4                                  how far and when: see `Stamp`
//! ```
//!
//! What changes together lies together: a session's rows are neighbours, a message's count lies
//! beside it, and the stamp beside the newest messages; so a small commit touches few pages.
//!
//! Never opens a store.

use std::rc::Rc;

use crate::codec::{PacketId, QoS, RetainHandling, SubscribeOptions, Text};
use crate::message::{Delivery, Message, Parts};
use crate::metrics::Gauge;
use crate::time::Time;
use crate::topic_matcher::Topic;

use super::{Corrupt, Stamp};

/// Version of the layout. A store of another one is refused.
pub(super) const FORMAT: u64 = 1;

/// First byte of a key.
pub(super) const GROUP: u8 = 0;
pub(super) const RETAINED: u8 = 1;
pub(super) const SESSION: u8 = 2;
pub(super) const MESSAGE: u8 = 3;
pub(super) const STAMP: u8 = 4;

/// Tenth byte of a session's key.
pub(super) const CLIENT: u8 = 0;
pub(super) const LIFE: u8 = 1;
pub(super) const SUBSCRIPTION: u8 = 2;
pub(super) const WILL: u8 = 3;
pub(super) const CURSOR: u8 = 4;
pub(super) const TAKEN: u8 = 5;
pub(super) const WINDOW: u8 = 6;
pub(super) const QUEUE: u8 = 7;

/// Tenth byte of a message's key.
pub(super) const BODY: u8 = 0;
pub(super) const COUNT: u8 = 1;

/// Where the byte is that says what a row of a session or message is.
pub(super) const KIND_AT: usize = 9;

/// Where a window's row says that its message has arrived, and where its delivery begins.
pub(super) const ARRIVED_AT: usize = 8;
pub(super) const WINDOW_DELIVERY_AT: usize = 13;

/// Appends fields to a key or value.
pub(super) trait Put {
    fn u8(&mut self, value: u8);
    fn u16(&mut self, value: u16);
    fn u32(&mut self, value: u32);
    fn u64(&mut self, value: u64);
}

impl Put for Vec<u8> {
    fn u8(&mut self, value: u8) {
        self.push(value);
    }

    fn u16(&mut self, value: u16) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_be_bytes());
    }
}

/// Takes fields from the front of a key or value.
pub(super) struct Take<'a>(pub(super) &'a [u8]);

impl<'a> Take<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Corrupt> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(SHORT)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Corrupt> {
        self.bytes(N)?.try_into().map_err(|_| SHORT)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Corrupt> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Corrupt> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Corrupt> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Corrupt> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn packet_id(&mut self) -> Result<PacketId, Corrupt> {
        PacketId::new(self.u16()?).ok_or(Corrupt { what: "a packet identifier of 0" })
    }

    /// Everything that is left, as text.
    pub(super) fn text(&mut self) -> Result<&'a str, Corrupt> {
        let text = std::str::from_utf8(self.0).map_err(|_| Corrupt { what: "text in no UTF-8" })?;
        self.0 = &[];
        Ok(text)
    }

    /// Text behind its length.
    fn short_text(&mut self) -> Result<&'a str, Corrupt> {
        let len = self.u16()?;
        Take(self.bytes(len.into())?).text()
    }

    pub(super) fn end(&self) -> Result<(), Corrupt> {
        if self.0.is_empty() { Ok(()) } else { Err(Corrupt { what: "a row that is too long" }) }
    }
}

const SHORT: Corrupt = Corrupt { what: "a row that is too short" };

/// A session's key up to the kind of row.
pub(super) fn session_key(out: &mut Vec<u8>, session: u64, kind: u8) {
    out.u8(SESSION);
    out.u64(session);
    out.u8(kind);
}

/// The key of a message's row.
pub(super) fn message_key(message: u64, kind: u8) -> Vec<u8> {
    let mut key = Vec::with_capacity(KIND_AT + 1);
    key.u8(MESSAGE);
    key.u64(message);
    key.u8(kind);
    key
}

/// The first key behind all that begin with `prefix`.
pub(super) fn behind(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    end
}

/// The number of the message that a row refers to.
pub(super) fn refers_to(key: &[u8], value: &[u8]) -> Result<Option<u64>, Corrupt> {
    let kind = key.get(KIND_AT).copied();
    let at = match (key.first().copied(), kind) {
        (Some(GROUP | RETAINED), _) | (Some(SESSION), Some(WILL | QUEUE)) => 0,
        (Some(SESSION), Some(WINDOW)) if value.get(ARRIVED_AT) == Some(&0) => WINDOW_DELIVERY_AT,
        _ => return Ok(None),
    };
    Take(value.get(at..).unwrap_or_default()).u64().map(Some)
}

const RETAIN: u8 = 1 << 2;
const EXPIRES: u8 = 1 << 3;
const HAS_PUBLISHER: u8 = 1 << 4;
const HAS_USER: u8 = 1 << 5;

/// A delivery; its message by number, 0 if there is none any more.
pub(super) fn put_delivery(out: &mut Vec<u8>, delivery: &Delivery) {
    out.u64(delivery.message.as_ref().map_or(0, |message| message.number));
    out.u8(delivery.qos.bits() | if delivery.retain { RETAIN } else { 0 });
    out.u32(delivery.group);
    for identifier in delivery.identifiers.iter().flat_map(|list| list.iter()) {
        out.u32(*identifier);
    }
}

/// A delivery without its message, and the number of that.
pub(super) fn take_delivery(mut row: Take<'_>) -> Result<(u64, Delivery), Corrupt> {
    let number = row.u64()?;
    let flags = row.u8()?;
    let group = row.u32()?;
    let mut identifiers = Vec::new();
    while !row.0.is_empty() {
        identifiers.push(row.u32()?);
    }
    let identifiers = (!identifiers.is_empty()).then(|| Box::new(identifiers));
    let (qos, retain) = (qos(flags)?, flags & RETAIN != 0);
    Ok((number, Delivery { message: None, identifiers, group, qos, retain }))
}

fn qos(flags: u8) -> Result<QoS, Corrupt> {
    QoS::from_bits(flags & 0b11).ok_or(Corrupt { what: "a QoS of 3" })
}

/// A message.
pub(super) fn put_message(out: &mut Vec<u8>, message: &Message) {
    let parts = message.parts();
    let mut flags = message.qos.bits();
    flags |= if message.retain { RETAIN } else { 0 };
    flags |= if parts.expiry_interval.is_some() { EXPIRES } else { 0 };
    flags |= if message.publisher.is_some() { HAS_PUBLISHER } else { 0 };
    flags |= if message.user_name().is_some() { HAS_USER } else { 0 };
    out.u8(flags);
    out.u64(parts.created.as_ms());
    if let Some(interval) = parts.expiry_interval {
        out.u32(interval);
    }
    for text in [message.publisher.as_deref(), message.user_name()].into_iter().flatten() {
        put_text(out, text.as_bytes());
    }
    put_text(out, parts.topic.as_bytes());
    out.u32(u32::try_from(parts.properties.len()).expect("a packet is smaller"));
    out.extend_from_slice(parts.properties);
    out.extend_from_slice(parts.payload);
}

/// Text of the protocol, which has at most 65,535 bytes, behind its length.
fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    out.u16(u16::try_from(text.len()).expect("it came in a packet"));
    out.extend_from_slice(text);
}

/// A message.
pub(super) fn take_message(
    number: u64,
    value: &[u8],
    gauge: &Rc<Gauge>,
) -> Result<Rc<Message>, Corrupt> {
    let mut row = Take(value);
    let flags = row.u8()?;
    let created = Time::from_ms(row.u64()?);
    let expiry_interval = if flags & EXPIRES != 0 { Some(row.u32()?) } else { None };
    let publisher = if flags & HAS_PUBLISHER != 0 { Some(row.short_text()?.into()) } else { None };
    let user_name = if flags & HAS_USER != 0 { Some(row.short_text()?) } else { None };
    let topic = row.short_text()?;
    Topic::parse(topic).map_err(|_| Corrupt { what: "a topic that is none" })?;
    let len = row.u32()? as usize;
    let properties = row.bytes(len)?;
    let parts = Parts {
        topic: Text::from(topic),
        properties,
        payload: row.0,
        qos: qos(flags)?,
        retain: flags & RETAIN != 0,
        expiry_interval,
        created,
    };
    Ok(Message::of(number, &parts, publisher, user_name, gauge))
}

/// What a subscription asks for.
pub(super) const fn options_byte(options: SubscribeOptions) -> u8 {
    options.qos.bits()
        | (options.no_local as u8) << 2
        | (options.retain_as_published as u8) << 3
        | (options.retain_handling as u8) << 4
}

/// What a subscription asks for.
pub(super) fn options_of(byte: u8) -> Result<SubscribeOptions, Corrupt> {
    Ok(SubscribeOptions {
        qos: qos(byte)?,
        no_local: byte & 1 << 2 != 0,
        retain_as_published: byte & 1 << 3 != 0,
        retain_handling: match byte >> 4 {
            0 => RetainHandling::Send,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return Err(Corrupt { what: "a subscription's options" }),
        },
    })
}

/// The stamp.
pub(super) fn put_stamp(stamp: Stamp) -> Vec<u8> {
    let mut value = Vec::with_capacity(25);
    value.u64(stamp.records);
    value.u64(stamp.time.as_ms());
    value.u64(stamp.shift_ms.cast_unsigned());
    value.u8(stamp.is_plausible.into());
    value
}

/// The stamp.
pub(super) fn take_stamp(value: &[u8]) -> Result<Stamp, Corrupt> {
    let mut row = Take(value);
    let stamp = Stamp {
        records: row.u64()?,
        time: Time::from_ms(row.u64()?),
        shift_ms: row.u64()?.cast_signed(),
        is_plausible: row.u8()? != 0,
    };
    row.end()?;
    Ok(stamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_deliveries_come_back_as_they_were() {
        let gauge = Rc::new(Gauge::default());
        for bits in 0..16_u8 {
            let parts = Parts {
                topic: Text::from("a/b"),
                properties: if bits & 1 == 0 { b"" } else { b"\x01\x00" },
                payload: b"payload",
                qos: if bits & 2 == 0 { QoS::AtLeastOnce } else { QoS::ExactlyOnce },
                retain: bits & 4 == 0,
                expiry_interval: (bits & 8 == 0).then_some(7),
                created: Time::from_ms(1_700_000_000_123),
            };
            let publisher = (bits & 1 == 0).then(|| "client".into());
            let user_name = (bits & 2 == 0).then_some("user");
            let message = Message::of(3, &parts, publisher, user_name, &gauge);
            let mut value = Vec::new();
            put_message(&mut value, &message);
            assert_eq!(take_message(3, &value, &gauge).unwrap(), message);
            let (qos, retain) = (QoS::ExactlyOnce, bits & 4 == 0);
            let identifiers = (bits & 2 == 0).then(|| Box::new(vec![1, 268_435_455]));
            let delivery = Delivery { message: Some(message), identifiers, group: 9, qos, retain };
            let mut value = Vec::new();
            put_delivery(&mut value, &delivery);
            let (number, taken) = take_delivery(Take(&value)).unwrap();
            assert_eq!((number, taken), (3, Delivery { message: None, ..delivery }));
        }
        assert_eq!(gauge.total(), 0);
    }

    #[test]
    fn what_is_cut_short_is_damage_and_no_panic() {
        let gauge = Rc::new(Gauge::default());
        let parts = Parts {
            topic: Text::from("a/b"),
            properties: b"\x01\x00",
            payload: b"",
            qos: QoS::AtLeastOnce,
            retain: false,
            expiry_interval: Some(1),
            created: Time::from_ms(1),
        };
        let mut value = Vec::new();
        put_message(&mut value, &Message::of(1, &parts, Some("c".into()), Some("u"), &gauge));
        for len in 0..value.len() {
            assert!(take_message(1, &value[..len], &gauge).is_err(), "{len} bytes");
        }
        assert!(take_stamp(&[0; 24]).is_err() && take_stamp(&[0; 26]).is_err());
        assert!(take_delivery(Take(&[0; 12])).is_err() && options_of(3).is_err());
    }

    #[test]
    fn subscribe_options_come_back_as_they_were() {
        for byte in (0..48).filter(|byte| byte & 3 < 3) {
            assert_eq!(options_byte(options_of(byte).unwrap()), byte);
        }
    }

    #[test]
    fn what_lies_behind_a_prefix_is_found() {
        assert_eq!(behind(&[1, 2]), [1, 3]);
        assert_eq!(behind(&[1, 255]), [2]);
        assert_eq!(behind(&[255]), [0_u8; 0]);
    }
}
