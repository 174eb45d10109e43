//! Properties of MQTT 5.0: one table (5.0 table 2-4).
//!
//! Owns: identifier, name, data type, smallest value, the packets a property may stand in and
//! those where it may stand more than once. Reading checks all of it, so the packets' own files
//! only say where a value goes.
//!
//! Never knows what a property means.

use super::kind::PacketType;
use super::wire::{Reader, Writer};
use super::{EncodeError, Error, UserProperty};

/// One property as it lies in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property<'a> {
    /// Which.
    pub id: PropertyId,
    /// What it says, of the type that `id` has in the table.
    pub value: PropertyValue<'a>,
}

/// A property's value by its data type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PropertyValue<'a> {
    /// 0 or 1: no property of one byte has other values.
    Byte(u8),
    /// Two byte integer.
    Two(u16),
    /// Four byte integer.
    Four(u32),
    /// Variable byte integer.
    Variable(u32),
    /// UTF-8 without U+0000.
    Text(&'a str),
    /// Up to 65,535 bytes.
    Binary(&'a [u8]),
    /// A name and a value.
    Pair(&'a str, &'a str),
}

#[derive(Clone, Copy)]
enum DataType {
    Byte,
    Two,
    Four,
    Variable,
    Text,
    Binary,
    Pair,
}

#[derive(Clone, Copy)]
struct Entry {
    id: PropertyId,
    data: DataType,
    /// The smallest value.
    min: u32,
    /// A set of [`PacketType`]s.
    packets: u16,
    /// The subset where it may be repeated.
    repeats: u16,
    twice: &'static str,
    zero: &'static str,
}

macro_rules! properties {
    ($($id:ident $value:literal $name:literal $data:ident $min:literal
        [$($packet:ident)*] [$($repeat:ident)*])*) => {
        /// Which property; the value is the identifier on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum PropertyId {
            $(#[doc = $name] $id = $value,)*
        }

        const TABLE: &[Entry] = &[$(Entry {
            id: PropertyId::$id,
            data: DataType::$data,
            min: $min,
            packets: 0 $(| PacketType::$packet.bit())*,
            repeats: 0 $(| PacketType::$repeat.bit())*,
            twice: concat!($name, " more than once"),
            zero: concat!($name, " of 0"),
        }),*];
    };
}

// Identifier, name, data type, smallest value, packets, packets where it repeats.
properties! {
    PayloadFormatIndicator 0x01 "Payload Format Indicator" Byte 0 [Publish Will] []
    MessageExpiryInterval 0x02 "Message Expiry Interval" Four 0 [Publish Will] []
    ContentType 0x03 "Content Type" Text 0 [Publish Will] []
    ResponseTopic 0x08 "Response Topic" Text 0 [Publish Will] []
    CorrelationData 0x09 "Correlation Data" Binary 0 [Publish Will] []
    SubscriptionIdentifier 0x0b "Subscription Identifier" Variable 1
        [Publish Subscribe] [Publish]
    SessionExpiryInterval 0x11 "Session Expiry Interval" Four 0 [Connect ConnAck Disconnect] []
    AssignedClientIdentifier 0x12 "Assigned Client Identifier" Text 0 [ConnAck] []
    ServerKeepAlive 0x13 "Server Keep Alive" Two 0 [ConnAck] []
    AuthenticationMethod 0x15 "Authentication Method" Text 0 [Connect ConnAck Auth] []
    AuthenticationData 0x16 "Authentication Data" Binary 0 [Connect ConnAck Auth] []
    RequestProblemInformation 0x17 "Request Problem Information" Byte 0 [Connect] []
    WillDelayInterval 0x18 "Will Delay Interval" Four 0 [Will] []
    RequestResponseInformation 0x19 "Request Response Information" Byte 0 [Connect] []
    ResponseInformation 0x1a "Response Information" Text 0 [ConnAck] []
    ServerReference 0x1c "Server Reference" Text 0 [ConnAck Disconnect] []
    ReasonString 0x1f "Reason String" Text 0
        [ConnAck PubAck PubRec PubRel PubComp SubAck UnsubAck Disconnect Auth] []
    ReceiveMaximum 0x21 "Receive Maximum" Two 1 [Connect ConnAck] []
    TopicAliasMaximum 0x22 "Topic Alias Maximum" Two 0 [Connect ConnAck] []
    TopicAlias 0x23 "Topic Alias" Two 1 [Publish] []
    MaximumQos 0x24 "Maximum QoS" Byte 0 [ConnAck] []
    RetainAvailable 0x25 "Retain Available" Byte 0 [ConnAck] []
    UserProperty 0x26 "User Property" Pair 0
        [Connect ConnAck Publish Will PubAck PubRec PubRel PubComp Subscribe SubAck Unsubscribe
            UnsubAck Disconnect Auth]
        [Connect ConnAck Publish Will PubAck PubRec PubRel PubComp Subscribe SubAck Unsubscribe
            UnsubAck Disconnect Auth]
    MaximumPacketSize 0x27 "Maximum Packet Size" Four 1 [Connect ConnAck] []
    WildcardSubscriptionAvailable 0x28 "Wildcard Subscription Available" Byte 0 [ConnAck] []
    SubscriptionIdentifierAvailable 0x29 "Subscription Identifier Available" Byte 0 [ConnAck] []
    SharedSubscriptionAvailable 0x2a "Shared Subscription Available" Byte 0 [ConnAck] []
}

/// One more than the largest identifier.
const END: usize = 0x2b;

/// The table by identifier.
static BY_ID: [Option<Entry>; END] = {
    let mut by_id = [None; END];
    let mut at = 0;
    while at < TABLE.len() {
        by_id[TABLE[at].id as usize] = Some(TABLE[at]);
        at += 1;
    }
    by_id
};

impl PropertyId {
    /// As a member of a set of properties; every identifier is below 64.
    pub(super) const fn bit(self) -> u64 {
        1 << self as u8
    }
}

/// Reads a property list; ends at its first fault.
#[derive(Clone, Copy, Debug)]
pub(super) struct Properties<'a> {
    reader: Reader<'a>,
    packet: PacketType,
    seen: u64,
}

impl<'a> Properties<'a> {
    /// The list at the front of `reader`, behind its length.
    pub(super) fn read(reader: &mut Reader<'a>, packet: PacketType) -> Result<Self, Error> {
        let len = reader.varint()? as usize;
        let raw = reader.take(len)?;
        // What is copied takes up to ten times its size on the wire. Every property of these
        // packets but the User Property fits into this several times.
        if packet != PacketType::Publish && len > COPIED_MAX {
            return Err(Error::TooLarge { size: len, max: COPIED_MAX });
        }
        Ok(Self::new(raw, packet))
    }

    /// The list without its length.
    pub(super) const fn new(raw: &'a [u8], packet: PacketType) -> Self {
        Self { reader: Reader::new(raw), packet, seen: 0 }
    }

    /// The bytes not read yet.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.reader.rest()
    }

    /// The next property; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Property<'a>>, Error> {
        if self.reader.is_empty() {
            return Ok(None);
        }
        // The identifier is a variable byte integer; all of 5.0 are below 128.
        let id = self.reader.u8()?;
        let Some(entry) = BY_ID.get(usize::from(id)).and_then(Option::as_ref) else {
            return Err(Error::Malformed("unknown property"));
        };
        if entry.packets & self.packet.bit() == 0 {
            return Err(Error::Malformed("property of another packet"));
        }
        if self.seen & entry.id.bit() != 0 && entry.repeats & self.packet.bit() == 0 {
            return Err(Error::Protocol(entry.twice));
        }
        self.seen |= entry.id.bit();
        let value = entry.read(&mut self.reader)?;
        Ok(Some(Property { id: entry.id, value }))
    }
}

/// The longest property list of a packet that is copied, in bytes.
const COPIED_MAX: usize = 256 * 1024;

impl Entry {
    fn read<'a>(&self, reader: &mut Reader<'a>) -> Result<PropertyValue<'a>, Error> {
        use PropertyValue as Value;
        let (number, value) = match self.data {
            DataType::Byte => {
                let byte = reader.u8()?;
                if byte > 1 {
                    return Err(Error::Protocol("property of neither 0 nor 1"));
                }
                (byte.into(), Value::Byte(byte))
            }
            DataType::Two => reader.u16().map(|value| (value.into(), Value::Two(value)))?,
            DataType::Four => reader.u32().map(|value| (value, Value::Four(value)))?,
            DataType::Variable => reader.varint().map(|value| (value, Value::Variable(value)))?,
            DataType::Text => return reader.text().map(Value::Text),
            DataType::Binary => return reader.binary().map(Value::Binary),
            DataType::Pair => return Ok(Value::Pair(reader.text()?, reader.text()?)),
        };
        if number >= self.min {
            Ok(value)
        } else if self.id == PropertyId::TopicAlias {
            Err(Error::TopicAlias) // 5.0, 3.3.4: a code of its own
        } else {
            Err(Error::Protocol(self.zero))
        }
    }
}

/// What to say of a property whose type is not the one its packet's file expects: never, as long
/// as that file and the table agree.
pub(super) const UNTYPED: Error = Error::Malformed("property of another type");

/// Copies a pair.
pub(super) fn user_property(name: &str, value: &str) -> UserProperty {
    (name.to_owned(), value.to_owned())
}

impl Writer<'_> {
    pub(super) fn property(&mut self, id: PropertyId, value: PropertyValue<'_>) {
        use PropertyValue as Value;
        self.u8(id as u8);
        match value {
            Value::Byte(byte) => self.u8(byte),
            Value::Two(value) => self.u16(value),
            Value::Four(value) => self.u32(value),
            Value::Variable(value) => self.varint(value as usize),
            Value::Text(text) => self.text(text),
            Value::Binary(bytes) => self.binary(bytes),
            Value::Pair(name, value) => {
                self.text(name);
                self.text(value);
            }
        }
        let least = BY_ID[id as usize].map_or(0, |entry| entry.min);
        let number = match value {
            Value::Two(value) => value.into(),
            Value::Four(value) | Value::Variable(value) => value,
            Value::Byte(_) | Value::Text(_) | Value::Binary(_) | Value::Pair(..) => least,
        };
        if number < least {
            self.refuse(EncodeError::Invalid("property of 0"));
        }
    }

    pub(super) fn byte(&mut self, id: PropertyId, value: Option<u8>) {
        if let Some(value) = value {
            self.property(id, PropertyValue::Byte(value));
        }
    }

    pub(super) fn flag(&mut self, id: PropertyId, value: Option<bool>) {
        self.byte(id, value.map(u8::from));
    }

    pub(super) fn two(&mut self, id: PropertyId, value: Option<u16>) {
        if let Some(value) = value {
            self.property(id, PropertyValue::Two(value));
        }
    }

    pub(super) fn four(&mut self, id: PropertyId, value: Option<u32>) {
        if let Some(value) = value {
            self.property(id, PropertyValue::Four(value));
        }
    }

    pub(super) fn variable(&mut self, id: PropertyId, value: Option<u32>) {
        if let Some(value) = value {
            self.property(id, PropertyValue::Variable(value));
        }
    }

    pub(super) fn string(&mut self, id: PropertyId, value: Option<&str>) {
        if let Some(value) = value {
            self.property(id, PropertyValue::Text(value));
        }
    }

    pub(super) fn data(&mut self, id: PropertyId, value: Option<&[u8]>) {
        if let Some(value) = value {
            self.property(id, PropertyValue::Binary(value));
        }
    }

    pub(super) fn users(&mut self, properties: &[UserProperty]) {
        for (name, value) in properties {
            self.property(PropertyId::UserProperty, PropertyValue::Pair(name, value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_ascends_and_covers_the_specification() {
        assert!(TABLE.is_sorted_by(|a, b| (a.id as u8) < b.id as u8));
        assert_eq!(TABLE.len(), 27);
        assert_eq!(TABLE[TABLE.len() - 1].id as usize + 1, END);
        // Properties a type may carry: 5.0 sections 3.1.2.11 to 3.15.2.2.
        let count = |packet: PacketType| {
            TABLE.iter().filter(|entry| entry.packets & packet.bit() != 0).count()
        };
        use PacketType::*;
        for (packet, properties) in [
            (Will, 7),
            (Connect, 9),
            (ConnAck, 17),
            (Publish, 8),
            (PubAck, 2),
            (PubRec, 2),
            (PubRel, 2),
            (PubComp, 2),
            (Subscribe, 2),
            (SubAck, 2),
            (Unsubscribe, 1),
            (UnsubAck, 2),
            (PingReq, 0),
            (PingResp, 0),
            (Disconnect, 4),
            (Auth, 4),
        ] {
            assert_eq!(count(packet), properties, "{packet:?}");
        }
    }

    #[test]
    fn an_identifier_of_another_packet_is_malformed() {
        let mut properties = Properties::new(&[0x23, 0, 1], PacketType::Subscribe);
        assert!(matches!(properties.next(), Err(Error::Malformed(_))));
        for id in [0x00, 0x04, 0x2b, 0x7f, 0x80, 0xff] {
            let bytes = [id, 0, 0, 0, 0];
            let mut properties = Properties::new(&bytes, PacketType::Publish);
            assert!(matches!(properties.next(), Err(Error::Malformed(_))), "{id}");
        }
    }
}
