//! CONNACK.
//!
//! Owns: its body (5.0 and 3.1.1 section 3.2).
//!
//! Never decides what a server offers.

use bytes::Bytes;

use super::ack::reason;
use super::kind::PacketType;
use super::property::user_property;
use super::property::{Properties, Property, PropertyId as Id, PropertyValue as Value, UNTYPED};
use super::wire::{Reader, Writer};
use super::{ConnAck, ConnAckProperties, EncodeError, Error, QoS, ReasonCode, Version};

pub(super) fn decode(body: &[u8], version: Version) -> Result<ConnAck, Error> {
    let mut reader = Reader::new(body);
    // [MQTT-3.2.2-1]
    let session_present = match reader.u8()? {
        0 => false,
        1 => true,
        _ => return Err(Error::Malformed("reserved flags of CONNACK")),
    };
    let mut properties = ConnAckProperties::default();
    let reason = if version == Version::V5 {
        let reason = reason(&mut reader, PacketType::ConnAck)?;
        properties = read_properties(&mut reader)?;
        reason
    } else {
        ReasonCode::from_return_code(reader.u8()?)
            .ok_or(Error::Malformed("reserved return code"))?
    };
    reader.finish()?;
    // [MQTT-3.2.2-6] [3.1.1: MQTT-3.2.2-4]
    if session_present && reason != ReasonCode::SUCCESS {
        return Err(Error::Protocol("session present in a refusal"));
    }
    Ok(ConnAck { session_present, reason, properties })
}

fn read_properties(reader: &mut Reader<'_>) -> Result<ConnAckProperties, Error> {
    let mut to = ConnAckProperties::default();
    let mut list = Properties::read(reader, PacketType::ConnAck)?;
    while let Some(Property { id, value }) = list.next()? {
        match (id, value) {
            (Id::UserProperty, Value::Pair(name, value)) => {
                to.user_properties.push(user_property(name, value));
            }
            (Id::AuthenticationData, Value::Binary(data)) => {
                to.authentication_data = Some(Bytes::copy_from_slice(data));
            }
            (id, Value::Text(text)) => *text_of(&mut to, id)? = Some(text.to_owned()),
            (id, Value::Byte(value)) => set_byte(&mut to, id, value)?,
            (Id::SessionExpiryInterval, Value::Four(value)) => {
                to.session_expiry_interval = Some(value);
            }
            (Id::MaximumPacketSize, Value::Four(value)) => to.maximum_packet_size = Some(value),
            (Id::ReceiveMaximum, Value::Two(value)) => to.receive_maximum = Some(value),
            (Id::TopicAliasMaximum, Value::Two(value)) => to.topic_alias_maximum = Some(value),
            (Id::ServerKeepAlive, Value::Two(value)) => to.server_keep_alive = Some(value),
            _ => return Err(UNTYPED),
        }
    }
    Ok(to)
}

fn set_byte(to: &mut ConnAckProperties, id: Id, value: u8) -> Result<(), Error> {
    if id == Id::MaximumQos {
        to.maximum_qos = QoS::from_bits(value);
        return Ok(());
    }
    let flag = [
        (Id::RetainAvailable, &mut to.retain_available),
        (Id::WildcardSubscriptionAvailable, &mut to.wildcard_subscription_available),
        (Id::SubscriptionIdentifierAvailable, &mut to.subscription_identifiers_available),
        (Id::SharedSubscriptionAvailable, &mut to.shared_subscription_available),
    ];
    let (_, flag) = flag.into_iter().find(|(of, _)| *of == id).ok_or(UNTYPED)?;
    *flag = Some(value != 0);
    Ok(())
}

fn text_of(to: &mut ConnAckProperties, id: Id) -> Result<&mut Option<String>, Error> {
    let texts = [
        (Id::AssignedClientIdentifier, &mut to.assigned_client_identifier),
        (Id::ReasonString, &mut to.reason_string),
        (Id::ResponseInformation, &mut to.response_information),
        (Id::ServerReference, &mut to.server_reference),
        (Id::AuthenticationMethod, &mut to.authentication_method),
    ];
    texts.into_iter().find(|(of, _)| *of == id).map(|(_, text)| text).ok_or(UNTYPED)
}

pub(super) fn write(connack: &ConnAck, version: Version, writer: &mut Writer<'_>) {
    writer.u8(connack.session_present.into());
    if version == Version::V5 {
        writer.u8(connack.reason.value());
        write_properties(&connack.properties, writer);
    } else {
        writer.u8(connack.reason.return_code());
    }
}

fn write_properties(from: &ConnAckProperties, writer: &mut Writer<'_>) {
    // 3.2.2.3.4: absent says 2.
    if from.maximum_qos == Some(QoS::ExactlyOnce) {
        writer.refuse(EncodeError::Invalid("Maximum QoS of 2"));
    }
    writer.measured(|writer| {
        writer.two(Id::TopicAliasMaximum, from.topic_alias_maximum);
        writer.string(Id::AssignedClientIdentifier, from.assigned_client_identifier.as_deref());
        writer.two(Id::ServerKeepAlive, from.server_keep_alive);
        writer.string(Id::AuthenticationMethod, from.authentication_method.as_deref());
        writer.data(Id::AuthenticationData, from.authentication_data.as_deref());
        writer.four(Id::SessionExpiryInterval, from.session_expiry_interval);
        writer.string(Id::ResponseInformation, from.response_information.as_deref());
        writer.string(Id::ServerReference, from.server_reference.as_deref());
        writer.string(Id::ReasonString, from.reason_string.as_deref());
        writer.users(&from.user_properties);
        writer.flag(Id::RetainAvailable, from.retain_available);
        writer.flag(Id::WildcardSubscriptionAvailable, from.wildcard_subscription_available);
        writer.flag(Id::SubscriptionIdentifierAvailable, from.subscription_identifiers_available);
        writer.flag(Id::SharedSubscriptionAvailable, from.shared_subscription_available);
        writer.byte(Id::MaximumQos, from.maximum_qos.map(QoS::bits));
        writer.four(Id::MaximumPacketSize, from.maximum_packet_size);
        writer.two(Id::ReceiveMaximum, from.receive_maximum);
    });
}
