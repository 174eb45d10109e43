//! The way out of a PUBLISH: everything but its payload, once per receiver.
//!
//! Owns: [`PublishHead`]. It is measured, given its room at the end of the output, and built in
//! place: one append after another costs more than all the rest, and so does building it
//! elsewhere and copying it from there. There is no template to patch and nothing cached, because
//! building it anew costs as little.
//!
//! Never copies a payload: the caller appends it, or sends it as a chunk of its own.

use bytes::BytesMut;

use super::kind::PacketType;
use super::property::PropertyId as Id;
use super::wire::{varint_bytes, varint_len};
use super::{PacketId, QoS, Text, Version};

/// Everything of a PUBLISH but its payload.
///
/// The caller sees to it that there is a packet identifier exactly above QoS 0, that the topic
/// has at most 65,535 bytes and that [`Self::packet_len`] is at most
/// [`PACKET_MAX`](super::PACKET_MAX): what arrived in a packet of that size may need a larger
/// one with the properties its receiver gets.
#[derive(Clone, Copy, Debug, Default)]
pub struct PublishHead<'a> {
    /// This may be a second delivery.
    pub dup: bool,
    /// Delivery guarantee.
    pub qos: QoS,
    /// The message was kept.
    pub retain: bool,
    /// Empty with an alias that the receiver knows.
    pub topic: Text<'a>,
    /// Present exactly when the QoS is above 0.
    pub packet_id: Option<PacketId>,
    /// 5.0 only, as everything below.
    pub topic_alias: Option<u16>,
    /// Seconds that remain.
    pub message_expiry_interval: Option<u32>,
    /// Of the subscriptions that matched, each 1 to 268,435,455.
    pub subscription_identifiers: &'a [u32],
    /// What [`forwardable`](super::PropertiesRef::forwardable) gave.
    pub properties: &'a [u8],
    /// Bytes that will follow the head.
    pub payload_len: usize,
}

/// A variable byte integer is written with all of its four bytes, which is quicker than asking.
const SLACK: usize = 3;

/// What the length fields of a head say.
struct Lengths {
    properties: usize,
    /// The remaining length, payload included.
    remaining: usize,
}

impl PublishHead<'_> {
    /// The length in bytes of the whole packet, payload included.
    #[must_use]
    pub fn packet_len(&self, version: Version) -> usize {
        let Lengths { remaining, .. } = self.lengths(version);
        1 + varint_len(remaining) + remaining
    }

    /// Appends the head.
    pub fn write(&self, version: Version, out: &mut BytesMut) {
        debug_assert_eq!(self.qos == QoS::AtMostOnce, self.packet_id.is_none());
        let lengths = self.lengths(version);
        debug_assert!(lengths.remaining <= super::wire::VARINT_MAX as usize);
        if lengths.properties == 0 {
            return self.write_plain(version, lengths.remaining, out);
        }
        let len = 1 + varint_len(lengths.remaining) + lengths.remaining - self.payload_len;
        let start = out.len();
        out.resize(start + len + SLACK, 0);
        self.fill(version, &lengths, &mut out[start..]);
        out.truncate(start + len);
    }

    /// One without properties. The fixed header and the topic's length are at most seven bytes,
    /// so they go into one word and out in one store.
    fn write_plain(&self, version: Version, remaining: usize, out: &mut BytesMut) {
        let (varint, len) = varint_bytes(remaining);
        let word = u64::from(self.first_byte())
            | u64::from(u32::from_le_bytes(varint)) << 8
            | u64::from(self.topic_len().swap_bytes()) << (8 + 8 * len);
        let start = out.len();
        out.reserve(8 + self.topic.len() + 3 + self.payload_len);
        out.extend_from_slice(&word.to_le_bytes());
        out.truncate(start + 3 + len);
        out.extend_from_slice(self.topic.as_bytes());
        if let Some(packet_id) = self.packet_id {
            out.extend_from_slice(&packet_id.get().to_be_bytes());
        }
        if version == Version::V5 {
            out.extend_from_slice(&[0]);
        }
    }

    fn first_byte(&self) -> u8 {
        let flags = u8::from(self.dup) << 3 | self.qos.bits() << 1 | u8::from(self.retain);
        PacketType::Publish.first_byte() | flags
    }

    fn topic_len(&self) -> u16 {
        u16::try_from(self.topic.len()).expect("a topic has at most 65,535 bytes")
    }

    fn lengths(&self, version: Version) -> Lengths {
        let mut remaining = 2 + self.topic.len() + self.payload_len;
        if self.packet_id.is_some() {
            remaining += 2;
        }
        let mut properties = 0;
        if version == Version::V5 {
            properties = self.properties.len();
            if self.topic_alias.is_some() {
                properties += 3;
            }
            if self.message_expiry_interval.is_some() {
                properties += 5;
            }
            for &id in self.subscription_identifiers {
                properties += 1 + varint_len(id as usize);
            }
            remaining += varint_len(properties) + properties;
        }
        Lengths { properties, remaining }
    }

    /// Fills `head`, which has [`SLACK`] bytes more than needed.
    fn fill(&self, version: Version, lengths: &Lengths, head: &mut [u8]) {
        let mut at = 0;
        // Bytes that have a fixed number, of which not all need count.
        let mut put = |bytes: &[u8], count: usize| {
            head[at..at + bytes.len()].copy_from_slice(bytes);
            at += count;
        };
        put(&[self.first_byte()], 1);
        let (varint, len) = varint_bytes(lengths.remaining);
        put(&varint, len);
        put(&self.topic_len().to_be_bytes(), 2);
        put(self.topic.as_bytes(), self.topic.len());
        if let Some(packet_id) = self.packet_id {
            put(&packet_id.get().to_be_bytes(), 2);
        }
        if version != Version::V5 {
            return;
        }
        let (varint, len) = varint_bytes(lengths.properties);
        put(&varint, len);
        if let Some(alias) = self.topic_alias {
            let [high, low] = alias.to_be_bytes();
            put(&[Id::TopicAlias as u8, high, low], 3);
        }
        if let Some(interval) = self.message_expiry_interval {
            let [a, b, c, d] = interval.to_be_bytes();
            put(&[Id::MessageExpiryInterval as u8, a, b, c, d], 5);
        }
        for &id in self.subscription_identifiers {
            let (varint, len) = varint_bytes(id as usize);
            put(&[Id::SubscriptionIdentifier as u8], 1);
            put(&varint, len);
        }
        put(self.properties, self.properties.len());
    }
}
