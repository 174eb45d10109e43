//! A message the model knows, against a PUBLISH that may be it.
//!
//! Owns: when the two are the same, how large it is and what is told of its life.
//!
//! Never decides who is owed it.

use mqtt_broker::codec::{self, Packet, Publish, PublishProperties, QoS, Version};
use mqtt_broker::time::Time;

use super::{Letter, Owed};

impl Owed {
    pub(super) fn is(&self, publish: &Publish) -> bool {
        self.is_same_message(publish)
            && self.qos == publish.qos
            && self.retain == publish.retain
            && self.identifiers == sorted(publish)
    }

    pub(super) fn bytes(&self) -> u64 {
        (self.letter.topic.len() + self.letter.payload.len()) as u64
    }

    pub(super) fn is_same_message(&self, publish: &Publish) -> bool {
        *self.letter.topic == *publish.topic && *self.letter.payload == *publish.payload
    }

    /// Bytes of the packet behind a mount point, as far as they do not depend on the time.
    pub(super) fn size(&self, version: Version, mount: &str) -> usize {
        let packet = Packet::Publish(Publish {
            dup: false,
            qos: self.qos,
            retain: self.retain,
            topic: self.letter.topic[mount.len()..].into(),
            packet_id: (self.qos > QoS::AtMostOnce).then_some(codec::PacketId::MAX),
            payload: bytes::Bytes::copy_from_slice(&self.letter.payload),
            properties: PublishProperties {
                message_expiry_interval: self.letter.expiry,
                subscription_identifiers: self.identifiers.clone(),
                ..PublishProperties::default()
            },
        });
        codec::encoded_len(&packet, version)
    }
}

fn sorted(publish: &Publish) -> Vec<u32> {
    let mut identifiers = publish.properties.subscription_identifiers.clone();
    identifiers.sort_unstable();
    identifiers
}

impl Letter {
    /// It has not expired, or not before it could be sent at all.
    pub(super) fn may_go(&self, now: Time) -> bool {
        !self.has_expired(now) || self.created == now
    }

    /// What is sent now may be this, to judge by the time.
    pub(super) fn may_be(&self, publish: &Publish, version: Version, now: Time) -> bool {
        self.may_go(now) && publish.properties.message_expiry_interval == self.told(version, now)
    }

    /// Seconds left, rounded up, as a 5.0 client is told.
    pub(super) fn told(&self, version: Version, now: Time) -> Option<u32> {
        if version < Version::V5 {
            return None;
        }
        let left = self.created.plus_secs(self.expiry?).ms_since(now).div_ceil(1000);
        Some(u32::try_from(left).expect("it began as a u32"))
    }
}

pub(super) fn check_expiry(letter: &Letter, publish: &Publish, version: Version, now: Time) {
    let told = publish.properties.message_expiry_interval;
    assert_eq!(told, letter.told(version, now), "seconds it has left");
}
