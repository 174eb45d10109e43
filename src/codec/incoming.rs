//! What a decoder yields.
//!
//! Owns: [`Incoming`] and the way from a type and a body to it.
//!
//! Never looks at a fixed header, and never asks which side it is on.

use super::kind::PacketType;
use super::wire::Reader;
use super::{
    Ack, AckKind, Error, Packet, PublishRef, Version, ack, connack, connect, control, publish,
    subscribe,
};

/// A received packet.
#[derive(Debug)]
pub enum Incoming<'a> {
    /// A view into the bytes it came in.
    Publish(PublishRef<'a>),
    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    Ack(AckKind, Ack),
    /// PINGREQ.
    PingReq,
    /// Any packet but those above.
    Other(Box<Packet>),
}

impl Incoming<'_> {
    /// A copy that owns what it holds.
    #[must_use]
    pub fn to_packet(&self) -> Packet {
        match self {
            Self::Publish(publish) => Packet::Publish(publish.to_owned()),
            Self::Ack(kind, ack) => kind.packet(ack.clone()),
            Self::PingReq => Packet::PingReq,
            Self::Other(packet) => (**packet).clone(),
        }
    }

    /// The same without a second copy of what is owned already.
    #[must_use]
    pub fn into_packet(self) -> Packet {
        match self {
            Self::Publish(publish) => Packet::Publish(publish.to_owned()),
            Self::Ack(kind, ack) => kind.packet(ack),
            Self::PingReq => Packet::PingReq,
            Self::Other(packet) => *packet,
        }
    }

    /// As in the specification.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Publish(_) => PacketType::Publish.name(),
            Self::Ack(kind, _) => kind.name(),
            Self::PingReq => PacketType::PingReq.name(),
            Self::Other(packet) => packet.name(),
        }
    }
}

/// The packet with this first byte, which has been checked, and this body.
#[inline]
pub(super) fn decode(
    first: u8,
    kind: PacketType,
    body: &[u8],
    version: Version,
) -> Result<Incoming<'_>, Error> {
    let acknowledged = |kind| ack::decode(kind, body, version).map(|ack| Incoming::Ack(kind, ack));
    match kind {
        PacketType::Publish => publish::decode(first, body, version).map(Incoming::Publish),
        PacketType::PubAck => acknowledged(AckKind::PubAck),
        PacketType::PubRec => acknowledged(AckKind::PubRec),
        PacketType::PubRel => acknowledged(AckKind::PubRel),
        PacketType::PubComp => acknowledged(AckKind::PubComp),
        PacketType::PingReq => Reader::new(body).finish().map(|()| Incoming::PingReq),
        PacketType::Will
        | PacketType::Connect
        | PacketType::ConnAck
        | PacketType::Subscribe
        | PacketType::SubAck
        | PacketType::Unsubscribe
        | PacketType::UnsubAck
        | PacketType::PingResp
        | PacketType::Disconnect
        | PacketType::Auth => {
            decode_other(kind, body, version).map(|packet| Incoming::Other(Box::new(packet)))
        }
    }
}

fn decode_other(kind: PacketType, body: &[u8], version: Version) -> Result<Packet, Error> {
    match kind {
        PacketType::Connect => connect::decode(body).map(Packet::Connect),
        PacketType::ConnAck => connack::decode(body, version).map(Packet::ConnAck),
        PacketType::Subscribe => subscribe::decode_subscribe(body, version).map(Packet::Subscribe),
        PacketType::SubAck => subscribe::decode_suback(body, version).map(Packet::SubAck),
        PacketType::Unsubscribe => {
            subscribe::decode_unsubscribe(body, version).map(Packet::Unsubscribe)
        }
        PacketType::UnsubAck => subscribe::decode_unsuback(body, version).map(Packet::UnsubAck),
        PacketType::PingResp => Reader::new(body).finish().map(|()| Packet::PingResp),
        PacketType::Disconnect => control::decode_disconnect(body, version).map(Packet::Disconnect),
        PacketType::Auth => control::decode_auth(body).map(Packet::Auth),
        PacketType::Will
        | PacketType::Publish
        | PacketType::PubAck
        | PacketType::PubRec
        | PacketType::PubRel
        | PacketType::PubComp
        | PacketType::PingReq => Err(Error::Malformed("reserved packet type")),
    }
}
