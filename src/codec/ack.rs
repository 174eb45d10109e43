//! PUBACK, PUBREC, PUBREL, PUBCOMP.
//!
//! Owns: their common body (5.0 sections 3.4 to 3.7, 3.1.1 the same numbers): a packet identifier
//! and, in 5.0, a reason and properties that may both be left out.
//!
//! Never matches an identifier to anything in flight.

use bytes::BytesMut;

use super::incoming::{Incoming, Next};
use super::kind::PacketType;
use super::property::user_property;
use super::property::{Properties, Property, PropertyId as Id, PropertyValue, UNTYPED};
use super::wire::{Reader, Writer};
use super::{
    Ack, AckKind, AckProperties, EncodeError, Error, Packet, PacketId, ReasonCode, Version,
};

impl AckKind {
    pub(super) const fn packet_type(self) -> PacketType {
        match self {
            Self::PubAck => PacketType::PubAck,
            Self::PubRec => PacketType::PubRec,
            Self::PubRel => PacketType::PubRel,
            Self::PubComp => PacketType::PubComp,
        }
    }

    /// The packet of this kind.
    #[must_use]
    pub const fn packet(self, ack: Ack) -> Packet {
        match self {
            Self::PubAck => Packet::PubAck(ack),
            Self::PubRec => Packet::PubRec(ack),
            Self::PubRel => Packet::PubRel(ack),
            Self::PubComp => Packet::PubComp(ack),
        }
    }

    /// As in the specification.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.packet_type().name()
    }

    /// The number of its type in the standard.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.packet_type() as u8
    }
}

#[inline]
pub(super) fn decode(kind: AckKind, body: &[u8], version: Version) -> Next<'_> {
    // What nearly every one is: an identifier and no more.
    if let [high, low] = *body
        && let Some(packet_id) = PacketId::new(u16::from_be_bytes([high, low]))
    {
        return Ok(Some(Incoming::Ack(kind, Ack::new(packet_id, ReasonCode::SUCCESS))));
    }
    decode_any(kind, body, version)
}

#[inline(never)]
fn decode_any(kind: AckKind, body: &[u8], version: Version) -> Next<'_> {
    let mut reader = Reader::new(body);
    let mut ack = Ack::new(packet_id(&mut reader)?, ReasonCode::SUCCESS);
    if version == Version::V5 && !reader.is_empty() {
        ack.reason = reason(&mut reader, kind.packet_type())?;
        // "If the Remaining Length is less than 4 there is no Property Length", 3.4.2.2.1.
        if !reader.is_empty() {
            ack.properties = read_properties(&mut reader, kind.packet_type())?;
        }
    }
    reader.finish()?;
    Ok(Some(Incoming::Ack(kind, ack)))
}

/// Appends an acknowledgement: [`encode`](super::encode) without the detour over a [`Packet`].
///
/// # Errors
/// As of [`encode`](super::encode); never without properties.
pub fn encode_ack(
    kind: AckKind,
    ack: &Ack,
    version: Version,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    let first = kind.packet_type().first_byte();
    let [high, low] = ack.packet_id.get().to_be_bytes();
    if version != Version::V5 || ack.reason == ReasonCode::SUCCESS && ack.properties.is_none() {
        out.extend_from_slice(&[first, 2, high, low]);
    } else if ack.properties.is_none() {
        out.extend_from_slice(&[first, 3, high, low, ack.reason.value()]);
    } else {
        super::append(out, first, |writer| write(ack, writer))?;
    }
    Ok(())
}

/// How many bytes [`encode_ack`] appends.
#[must_use]
pub fn encoded_ack_len(ack: &Ack, version: Version) -> usize {
    if version != Version::V5 || ack.reason == ReasonCode::SUCCESS && ack.properties.is_none() {
        4
    } else if ack.properties.is_none() {
        5
    } else {
        super::measure(|writer| write(ack, writer))
    }
}

/// The body with reason and properties.
pub(super) fn write(ack: &Ack, writer: &mut Writer<'_>) {
    writer.u16(ack.packet_id.get());
    writer.u8(ack.reason.value());
    write_properties(ack.properties.as_deref(), writer);
}

/// A packet identifier, which is never 0 [MQTT-2.2.1-3] [3.1.1: MQTT-2.3.1-1].
pub(super) fn packet_id(reader: &mut Reader<'_>) -> Result<PacketId, Error> {
    PacketId::new(reader.u16()?).ok_or(Error::Protocol("packet identifier of 0"))
}

/// A reason code that this packet may carry [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1]
/// [MQTT-3.7.2-1] [MQTT-3.14.2-1] [MQTT-3.15.2-1].
pub(super) fn reason(reader: &mut Reader<'_>, packet: PacketType) -> Result<ReasonCode, Error> {
    ReasonCode::of(packet, reader.u8()?)
        .ok_or(Error::Protocol("reason code of no use in this packet"))
}

/// The properties of an acknowledgement, SUBACK or UNSUBACK; `None` if there are none.
pub(super) fn read_properties(
    reader: &mut Reader<'_>,
    packet: PacketType,
) -> Result<Option<Box<AckProperties>>, Error> {
    let mut list = Properties::read(reader, packet)?;
    let mut read: Option<Box<AckProperties>> = None;
    while let Some(Property { id, value }) = list.next()? {
        let properties = read.get_or_insert_default();
        match (id, value) {
            (Id::ReasonString, PropertyValue::Text(text)) => {
                properties.reason_string = Some(text.to_owned());
            }
            (Id::UserProperty, PropertyValue::Pair(name, value)) => {
                properties.user_properties.push(user_property(name, value));
            }
            _ => return Err(UNTYPED),
        }
    }
    Ok(read)
}

pub(super) fn write_properties(properties: Option<&AckProperties>, writer: &mut Writer<'_>) {
    writer.measured(|writer| {
        if let Some(properties) = properties {
            writer.string(Id::ReasonString, properties.reason_string.as_deref());
            writer.users(&properties.user_properties);
        }
    });
}
