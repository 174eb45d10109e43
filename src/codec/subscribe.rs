//! SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK.
//!
//! Owns: their bodies (5.0 and 3.1.1 sections 3.8 to 3.11).
//!
//! Never parses a topic filter: a text that is no filter is the broker's to answer, for in 5.0
//! the answer is a reason code and not the end of the connection.

use super::ack::{packet_id, read_properties, reason, write_properties};
use super::kind::PacketType;
use super::property::user_property;
use super::property::{Properties, Property, PropertyId as Id, PropertyValue, UNTYPED};
use super::wire::{Reader, Writer};
use super::{
    EncodeError, Error, QoS, ReasonCode, RetainHandling, SubAck, Subscribe, SubscribeOptions,
    UnsubAck, Unsubscribe, Version,
};

pub(super) fn decode_subscribe(body: &[u8], version: Version) -> Result<Subscribe, Error> {
    let mut reader = Reader::new(body);
    let mut subscribe = Subscribe {
        packet_id: packet_id(&mut reader)?,
        subscription_identifier: None,
        user_properties: Vec::new(),
        filters: Vec::new(),
    };
    if version == Version::V5 {
        let mut list = Properties::read(&mut reader, PacketType::Subscribe)?;
        while let Some(Property { id, value }) = list.next()? {
            match (id, value) {
                (Id::SubscriptionIdentifier, PropertyValue::Variable(value)) => {
                    subscribe.subscription_identifier = Some(value);
                }
                (Id::UserProperty, PropertyValue::Pair(name, value)) => {
                    subscribe.user_properties.push(user_property(name, value));
                }
                _ => return Err(UNTYPED),
            }
        }
    }
    while !reader.is_empty() {
        let filter = reader.text()?;
        subscribe.filters.push((filter.to_owned(), options(reader.u8()?, version)?));
    }
    // [MQTT-3.8.3-2] [3.1.1: MQTT-3.8.3-3]
    if subscribe.filters.is_empty() {
        return Err(Error::Protocol("SUBSCRIBE without a filter"));
    }
    Ok(subscribe)
}

/// Subscription options; in 3.x a QoS and nothing else.
fn options(byte: u8, version: Version) -> Result<SubscribeOptions, Error> {
    let qos = QoS::from_bits(byte & 0b11);
    if version != Version::V5 {
        // [3.1.1: MQTT-3.8.3-4]
        return match qos {
            Some(qos) if byte < 4 => Ok(SubscribeOptions { qos, ..SubscribeOptions::default() }),
            _ => Err(Error::Malformed("reserved bits of a requested QoS")),
        };
    }
    // [MQTT-3.8.3-5]
    if byte & 0b1100_0000 != 0 {
        return Err(Error::Malformed("reserved bits of subscription options"));
    }
    Ok(SubscribeOptions {
        qos: qos.ok_or(Error::Protocol("QoS 3"))?,
        no_local: byte & 0b0100 != 0,
        retain_as_published: byte & 0b1000 != 0,
        retain_handling: match byte >> 4 {
            0 => RetainHandling::Send,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return Err(Error::Protocol("Retain Handling of 3")),
        },
    })
}

pub(super) fn write_subscribe(subscribe: &Subscribe, version: Version, writer: &mut Writer<'_>) {
    if subscribe.filters.is_empty() {
        writer.refuse(EncodeError::Invalid("SUBSCRIBE without a filter"));
    }
    writer.u16(subscribe.packet_id.get());
    if version == Version::V5 {
        writer.measured(|writer| {
            writer.variable(Id::SubscriptionIdentifier, subscribe.subscription_identifier);
            writer.users(&subscribe.user_properties);
        });
    }
    for (filter, options) in &subscribe.filters {
        writer.text(filter);
        writer.u8(options_byte(*options, version));
    }
}

const fn options_byte(options: SubscribeOptions, version: Version) -> u8 {
    let qos = options.qos.bits();
    match version {
        Version::V31 | Version::V311 => qos,
        Version::V5 => {
            qos | (options.no_local as u8) << 2
                | (options.retain_as_published as u8) << 3
                | (options.retain_handling as u8) << 4
        }
    }
}

pub(super) fn decode_unsubscribe(body: &[u8], version: Version) -> Result<Unsubscribe, Error> {
    let mut reader = Reader::new(body);
    let mut unsubscribe = Unsubscribe {
        packet_id: packet_id(&mut reader)?,
        user_properties: Vec::new(),
        filters: Vec::new(),
    };
    if version == Version::V5 {
        let mut list = Properties::read(&mut reader, PacketType::Unsubscribe)?;
        while let Some(Property { value, .. }) = list.next()? {
            let PropertyValue::Pair(name, value) = value else { return Err(UNTYPED) };
            unsubscribe.user_properties.push(user_property(name, value));
        }
    }
    while !reader.is_empty() {
        unsubscribe.filters.push(reader.text()?.to_owned());
    }
    // [MQTT-3.10.3-2]
    if unsubscribe.filters.is_empty() {
        return Err(Error::Protocol("UNSUBSCRIBE without a filter"));
    }
    Ok(unsubscribe)
}

pub(super) fn write_unsubscribe(
    unsubscribe: &Unsubscribe,
    version: Version,
    writer: &mut Writer<'_>,
) {
    if unsubscribe.filters.is_empty() {
        writer.refuse(EncodeError::Invalid("UNSUBSCRIBE without a filter"));
    }
    writer.u16(unsubscribe.packet_id.get());
    if version == Version::V5 {
        writer.measured(|writer| writer.users(&unsubscribe.user_properties));
    }
    for filter in &unsubscribe.filters {
        writer.text(filter);
    }
}

pub(super) fn decode_suback(body: &[u8], version: Version) -> Result<SubAck, Error> {
    let mut reader = Reader::new(body);
    let packet_id = packet_id(&mut reader)?;
    let mut properties = None;
    if version == Version::V5 {
        properties = read_properties(&mut reader, PacketType::SubAck)?;
    }
    let reasons = if version == Version::V5 {
        reasons(reader, PacketType::SubAck)?
    } else {
        return_codes(reader)?
    };
    Ok(SubAck { packet_id, reasons, properties })
}

/// [3.1.1: MQTT-3.9.3-2]
fn return_codes(reader: Reader<'_>) -> Result<Vec<ReasonCode>, Error> {
    if reader.rest().iter().any(|code| !matches!(code, 0..=2 | 0x80)) {
        return Err(Error::Malformed("reserved return code"));
    }
    reasons(reader, PacketType::SubAck)
}

/// One code at least for one filter at least [MQTT-3.9.3-1] [MQTT-3.11.3-1].
fn reasons(mut reader: Reader<'_>, packet: PacketType) -> Result<Vec<ReasonCode>, Error> {
    if reader.is_empty() {
        return Err(Error::Protocol("acknowledgement of no filter"));
    }
    let mut reasons = Vec::with_capacity(reader.rest().len());
    while !reader.is_empty() {
        reasons.push(reason(&mut reader, packet)?);
    }
    Ok(reasons)
}

pub(super) fn write_suback(suback: &SubAck, version: Version, writer: &mut Writer<'_>) {
    writer.u16(suback.packet_id.get());
    if version == Version::V5 {
        write_properties(suback.properties.as_deref(), writer);
    }
    for reason in &suback.reasons {
        // 3.1.1 has one code for every failure; 3.1 has none, and takes this one.
        let failed = reason.is_error() && version != Version::V5;
        writer.u8(if failed { 0x80 } else { reason.value() });
    }
}

pub(super) fn decode_unsuback(body: &[u8], version: Version) -> Result<UnsubAck, Error> {
    let mut reader = Reader::new(body);
    let packet_id = packet_id(&mut reader)?;
    if version != Version::V5 {
        reader.finish()?;
        return Ok(UnsubAck { packet_id, reasons: Vec::new(), properties: None });
    }
    let properties = read_properties(&mut reader, PacketType::UnsubAck)?;
    let reasons = reasons(reader, PacketType::UnsubAck)?;
    Ok(UnsubAck { packet_id, reasons, properties })
}

pub(super) fn write_unsuback(unsuback: &UnsubAck, version: Version, writer: &mut Writer<'_>) {
    writer.u16(unsuback.packet_id.get());
    if version == Version::V5 {
        write_properties(unsuback.properties.as_deref(), writer);
        for reason in &unsuback.reasons {
            writer.u8(reason.value());
        }
    }
}
