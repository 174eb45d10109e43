//! DISCONNECT and AUTH; PINGREQ and PINGRESP have no body.
//!
//! Owns: their bodies (5.0 sections 3.12 to 3.15, 3.1.1 sections 3.12 to 3.14).
//!
//! Never judges who sent one: that a server sends no Session Expiry Interval is the decoder's to
//! check, which knows its side.

use bytes::Bytes;

use super::ack::reason;
use super::kind::PacketType;
use super::property::user_property;
use super::property::{Properties, Property, PropertyId as Id, PropertyValue as Value, UNTYPED};
use super::wire::{Reader, Writer};
use super::{Auth, Disconnect, Error, ReasonCode, Version};

pub(super) fn decode_disconnect(body: &[u8], version: Version) -> Result<Disconnect, Error> {
    let mut reader = Reader::new(body);
    let mut disconnect = Disconnect::default();
    if version != Version::V5 || reader.is_empty() {
        reader.finish()?;
        return Ok(disconnect);
    }
    disconnect.reason = reason(&mut reader, PacketType::Disconnect)?;
    // "If the Remaining Length is less than 2, a value of 0 is used", 3.14.2.2.1.
    if reader.is_empty() {
        return Ok(disconnect);
    }
    let mut list = Properties::read(&mut reader, PacketType::Disconnect)?;
    while let Some(Property { id, value }) = list.next()? {
        match (id, value) {
            (Id::SessionExpiryInterval, Value::Four(value)) => {
                disconnect.session_expiry_interval = Some(value);
            }
            (Id::ReasonString, Value::Text(text)) => {
                disconnect.reason_string = Some(text.to_owned());
            }
            (Id::UserProperty, Value::Pair(name, value)) => {
                disconnect.user_properties.push(user_property(name, value));
            }
            (Id::ServerReference, Value::Text(text)) => {
                disconnect.server_reference = Some(text.to_owned());
            }
            _ => return Err(UNTYPED),
        }
    }
    reader.finish()?;
    Ok(disconnect)
}

pub(super) fn write_disconnect(disconnect: &Disconnect, version: Version, writer: &mut Writer<'_>) {
    if version != Version::V5 {
        return;
    }
    let Disconnect {
        reason,
        session_expiry_interval,
        reason_string,
        user_properties,
        server_reference,
    } = disconnect;
    let bare = session_expiry_interval.is_none()
        && reason_string.is_none()
        && user_properties.is_empty()
        && server_reference.is_none();
    if !bare || *reason != ReasonCode::NORMAL_DISCONNECTION {
        writer.u8(reason.value());
    }
    if !bare {
        writer.measured(|writer| {
            writer.four(Id::SessionExpiryInterval, *session_expiry_interval);
            writer.string(Id::ServerReference, server_reference.as_deref());
            writer.string(Id::ReasonString, reason_string.as_deref());
            writer.users(user_properties);
        });
    }
}

/// The body of an AUTH, which only 5.0 has.
pub(super) fn decode_auth(body: &[u8]) -> Result<Auth, Error> {
    let mut reader = Reader::new(body);
    let mut auth = Auth::default();
    // Success without properties, 3.15.2.1: the one form without an Authentication Method.
    if reader.is_empty() {
        return Ok(auth);
    }
    auth.reason = reason(&mut reader, PacketType::Auth)?;
    if !reader.is_empty() {
        let mut list = Properties::read(&mut reader, PacketType::Auth)?;
        while let Some(Property { id, value }) = list.next()? {
            match (id, value) {
                (Id::AuthenticationMethod, Value::Text(text)) => {
                    auth.authentication_method = Some(text.to_owned());
                }
                (Id::AuthenticationData, Value::Binary(data)) => {
                    auth.authentication_data = Some(Bytes::copy_from_slice(data));
                }
                (Id::ReasonString, Value::Text(text)) => {
                    auth.reason_string = Some(text.to_owned());
                }
                (Id::UserProperty, Value::Pair(name, value)) => {
                    auth.user_properties.push(user_property(name, value));
                }
                _ => return Err(UNTYPED),
            }
        }
    }
    reader.finish()?;
    // 3.15.2.2.2
    if auth.authentication_method.is_none() {
        return Err(Error::Protocol("AUTH without an Authentication Method"));
    }
    Ok(auth)
}

pub(super) fn write_auth(auth: &Auth, writer: &mut Writer<'_>) {
    if *auth == Auth::default() {
        return;
    }
    writer.u8(auth.reason.value());
    writer.measured(|writer| {
        writer.string(Id::AuthenticationMethod, auth.authentication_method.as_deref());
        writer.data(Id::AuthenticationData, auth.authentication_data.as_deref());
        writer.string(Id::ReasonString, auth.reason_string.as_deref());
        writer.users(&auth.user_properties);
    });
}
