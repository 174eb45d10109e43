//! CONNECT and its Will.
//!
//! Owns: their body (5.0 and 3.1.1 section 3.1). The protocol name and level come before
//! everything else, so that a client of an unknown version is told so whatever follows.
//!
//! Never judges a client identifier, credentials or a Will's topic.

use bytes::Bytes;

use super::kind::PacketType;
use super::property::user_property;
use super::property::{Properties, Property, PropertyId as Id, PropertyValue as Value, UNTYPED};
use super::publish;
use super::wire::{Reader, Writer};
use super::{Connect, ConnectProperties, EncodeError, Error, QoS, Version, Will};

/// Set in the protocol level by a bridge.
const BRIDGE: u8 = 0x80;

const CLEAN_START: u8 = 0b0000_0010;
const WILL: u8 = 0b0000_0100;
const WILL_RETAIN: u8 = 0b0010_0000;
const PASSWORD: u8 = 0b0100_0000;
const USER_NAME: u8 = 0b1000_0000;

/// What the start of a CONNECT's body says it speaks, and whether it is a bridge
/// [MQTT-3.1.2-1] [MQTT-3.1.2-2].
pub(super) fn version(reader: &mut Reader<'_>) -> Result<(Version, bool), Error> {
    let name = reader.binary()?;
    if !matches!(name, b"MQTT" | b"MQIsdp") {
        return Err(Error::ProtocolName);
    }
    let level = reader.u8()?;
    let version = match (name, level & !BRIDGE) {
        (b"MQIsdp", 3) => Version::V31,
        (b"MQTT", 4) => Version::V311,
        (b"MQTT", 5) => Version::V5,
        _ => return Err(Error::UnsupportedVersion { level }),
    };
    Ok((version, level & BRIDGE != 0))
}

pub(super) fn decode(body: &[u8]) -> Result<Connect, Error> {
    let mut reader = Reader::new(body);
    let (version, bridge) = version(&mut reader)?;
    let flags = reader.u8()?;
    check_flags(flags, version)?;
    let keep_alive = reader.u16()?;
    let mut properties = ConnectProperties::default();
    if version == Version::V5 {
        properties = read_properties(&mut reader)?;
    }
    let client_id = reader.text()?.to_owned();
    let mut will = None;
    if flags & WILL != 0 {
        will = Some(Box::new(read_will(&mut reader, flags, version)?));
    }
    // MQTT 3.1 lets the remaining length overrule these two flags.
    let missing = |reader: &Reader<'_>| version == Version::V31 && reader.is_empty();
    let mut user_name = None;
    if flags & USER_NAME != 0 && !missing(&reader) {
        user_name = Some(reader.text()?.to_owned());
    }
    let mut password = None;
    if flags & PASSWORD != 0 && !missing(&reader) {
        password = Some(Bytes::copy_from_slice(reader.binary()?));
    }
    reader.finish()?;
    let clean_start = flags & CLEAN_START != 0;
    Ok(Connect {
        version,
        bridge,
        clean_start,
        keep_alive,
        client_id,
        will,
        user_name,
        password,
        properties,
    })
}

const fn check_flags(flags: u8, version: Version) -> Result<(), Error> {
    // [MQTT-3.1.2-3]
    if flags & 1 != 0 {
        return Err(Error::Malformed("reserved flag of CONNECT"));
    }
    // [MQTT-3.1.2-11] [MQTT-3.1.2-13] [3.1.1: MQTT-3.1.2-13] [3.1.1: MQTT-3.1.2-15]
    if flags & WILL == 0 && flags & 0b0011_1000 != 0 {
        return Err(Error::Malformed("QoS or RETAIN of a Will that is none"));
    }
    // [MQTT-3.1.2-12] [3.1.1: MQTT-3.1.2-14]
    if flags & 0b0001_1000 == 0b0001_1000 {
        return Err(Error::Malformed("Will of QoS 3"));
    }
    // [3.1.1: MQTT-3.1.2-22]; 5.0 allows it.
    if flags & (USER_NAME | PASSWORD) == PASSWORD && !matches!(version, Version::V5) {
        return Err(Error::Malformed("password without user name"));
    }
    Ok(())
}

fn read_properties(reader: &mut Reader<'_>) -> Result<ConnectProperties, Error> {
    let mut to = ConnectProperties::default();
    let mut list = Properties::read(reader, PacketType::Connect)?;
    while let Some(Property { id, value }) = list.next()? {
        match (id, value) {
            (Id::SessionExpiryInterval, Value::Four(value)) => {
                to.session_expiry_interval = Some(value);
            }
            (Id::ReceiveMaximum, Value::Two(value)) => to.receive_maximum = Some(value),
            (Id::MaximumPacketSize, Value::Four(value)) => to.maximum_packet_size = Some(value),
            (Id::TopicAliasMaximum, Value::Two(value)) => to.topic_alias_maximum = Some(value),
            (Id::RequestResponseInformation, Value::Byte(value)) => {
                to.request_response_information = Some(value != 0);
            }
            (Id::RequestProblemInformation, Value::Byte(value)) => {
                to.request_problem_information = Some(value != 0);
            }
            (Id::UserProperty, Value::Pair(name, value)) => {
                to.user_properties.push(user_property(name, value));
            }
            (Id::AuthenticationMethod, Value::Text(text)) => {
                to.authentication_method = Some(text.to_owned());
            }
            (Id::AuthenticationData, Value::Binary(data)) => {
                to.authentication_data = Some(Bytes::copy_from_slice(data));
            }
            _ => return Err(UNTYPED),
        }
    }
    // 3.1.2.11.10
    if to.authentication_data.is_some() && to.authentication_method.is_none() {
        return Err(Error::Protocol("Authentication Data without a method"));
    }
    Ok(to)
}

fn read_will(reader: &mut Reader<'_>, flags: u8, version: Version) -> Result<Will, Error> {
    let mut will = Will {
        qos: QoS::from_bits(flags >> 3 & 0b11).unwrap_or_default(),
        retain: flags & WILL_RETAIN != 0,
        ..Will::default()
    };
    if version == Version::V5 {
        let mut list = Properties::read(reader, PacketType::Will)?;
        while let Some(property) = list.next()? {
            match (property.id, property.value) {
                (Id::WillDelayInterval, Value::Four(value)) => will.delay_interval = value,
                _ => publish::set(&mut will.properties, property)?,
            }
        }
    }
    reader.text()?.clone_into(&mut will.topic);
    will.payload = Bytes::copy_from_slice(reader.binary()?);
    Ok(will)
}

/// The body; of the version the CONNECT itself names.
pub(super) fn write(connect: &Connect, writer: &mut Writer<'_>) {
    let (name, level) = match connect.version {
        Version::V31 => ("MQIsdp", 3),
        Version::V311 => ("MQTT", 4),
        Version::V5 => ("MQTT", 5),
    };
    if connect.password.is_some() && connect.user_name.is_none() && connect.version < Version::V5 {
        writer.refuse(EncodeError::Invalid("password without user name"));
    }
    writer.text(name);
    writer.u8(if connect.bridge { level | BRIDGE } else { level });
    writer.u8(flags(connect));
    writer.u16(connect.keep_alive);
    if connect.version == Version::V5 {
        write_properties(&connect.properties, writer);
    }
    writer.text(&connect.client_id);
    if let Some(will) = &connect.will {
        if connect.version == Version::V5 {
            writer.measured(|writer| {
                let delay = Some(will.delay_interval).filter(|delay| *delay > 0);
                writer.four(Id::WillDelayInterval, delay);
                writer.four(Id::MessageExpiryInterval, will.properties.message_expiry_interval);
                publish::write_unaltered(&will.properties, writer);
            });
        }
        writer.text(&will.topic);
        writer.binary(&will.payload);
    }
    if let Some(user_name) = &connect.user_name {
        writer.text(user_name);
    }
    if let Some(password) = &connect.password {
        writer.binary(password);
    }
}

fn flags(connect: &Connect) -> u8 {
    let mut flags = 0;
    let mut set = |flag: u8, when: bool| flags |= if when { flag } else { 0 };
    set(USER_NAME, connect.user_name.is_some());
    set(PASSWORD, connect.password.is_some());
    set(CLEAN_START, connect.clean_start);
    if let Some(will) = &connect.will {
        set(WILL | will.qos.bits() << 3, true);
        set(WILL_RETAIN, will.retain);
    }
    flags
}

fn write_properties(from: &ConnectProperties, writer: &mut Writer<'_>) {
    if from.authentication_data.is_some() && from.authentication_method.is_none() {
        writer.refuse(EncodeError::Invalid("Authentication Data without a method"));
    }
    writer.measured(|writer| {
        writer.four(Id::SessionExpiryInterval, from.session_expiry_interval);
        writer.two(Id::ReceiveMaximum, from.receive_maximum);
        writer.four(Id::MaximumPacketSize, from.maximum_packet_size);
        writer.two(Id::TopicAliasMaximum, from.topic_alias_maximum);
        writer.flag(Id::RequestResponseInformation, from.request_response_information);
        writer.flag(Id::RequestProblemInformation, from.request_problem_information);
        writer.users(&from.user_properties);
        writer.string(Id::AuthenticationMethod, from.authentication_method.as_deref());
        writer.data(Id::AuthenticationData, from.authentication_data.as_deref());
    });
}
