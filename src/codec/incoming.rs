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

    /// The number of its type in the standard.
    #[must_use]
    pub fn number(&self) -> u8 {
        match self {
            Self::Publish(_) => PacketType::Publish as u8,
            Self::Ack(kind, _) => kind.number(),
            Self::PingReq => PacketType::PingReq as u8,
            Self::Other(packet) => packet.number(),
        }
    }
}

/// Who sent it. What is wrong in a packet only because of its sender is found here too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    Client,
    Server,
    /// Nobody knows, and nobody asks.
    Either,
}

/// What [`Decoder::next`](super::Decoder::next) says. It is made of the parts in one step where
/// speed counts: wrapping a view of this size again and again costs more than decoding it.
pub(super) type Next<'a> = Result<Option<Incoming<'a>>, Error>;

/// The packet with this first byte, which has been checked, and this body.
#[inline]
pub(super) fn decode(
    first: u8,
    kind: PacketType,
    body: &[u8],
    version: Version,
    sender: Sender,
) -> Next<'_> {
    match kind {
        PacketType::Publish => publish::decode(first, body, version, sender),
        PacketType::PubAck => ack::decode(AckKind::PubAck, body, version),
        PacketType::PubRec => ack::decode(AckKind::PubRec, body, version),
        PacketType::PubRel => ack::decode(AckKind::PubRel, body, version),
        PacketType::PubComp => ack::decode(AckKind::PubComp, body, version),
        PacketType::PingReq => Reader::new(body).finish().map(|()| Some(Incoming::PingReq)),
        PacketType::Will
        | PacketType::Connect
        | PacketType::ConnAck
        | PacketType::Subscribe
        | PacketType::SubAck
        | PacketType::Unsubscribe
        | PacketType::UnsubAck
        | PacketType::PingResp
        | PacketType::Disconnect
        | PacketType::Auth => decode_boxed(kind, body, version, sender),
    }
}

#[inline(never)]
fn decode_boxed(kind: PacketType, body: &[u8], version: Version, sender: Sender) -> Next<'static> {
    let packet = decode_other(kind, body, version)?;
    // [MQTT-3.14.2-2]
    if let Packet::Disconnect(disconnect) = &packet
        && disconnect.session_expiry_interval.is_some()
        && sender == Sender::Server
    {
        return Err(Error::Protocol("Session Expiry Interval from a server"));
    }
    Ok(Some(Incoming::Other(Box::new(packet))))
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
