//! PUBLISH, the one packet that is never copied on its way in.
//!
//! Owns: [`PublishRef`], a view into the bytes a PUBLISH came in, with its [`PropertiesRef`]; the
//! body of the owned [`Publish`] (5.0 and 3.1.1 section 3.3). The way out is in `head`.
//!
//! Never judges a topic's wildcards, resolves an alias or looks into a payload.

use bytes::Bytes;

use super::ack::packet_id;
use super::incoming::{Incoming, Next, Sender};
use super::kind::PacketType;
use super::property::user_property;
use super::property::{Properties, Property, PropertyId as Id, PropertyValue as Value, UNTYPED};
use super::wire::{Reader, Writer, varint, varint_len};
use super::{EncodeError, Error, PacketId, Publish, PublishProperties, QoS, Text, Version};

/// A PUBLISH as it lies in the buffer. Well formed: the topic is UTF-8 without U+0000 and empty
/// only with an alias, the properties are checked, there is an identifier exactly above QoS 0.
#[derive(Clone, Copy, Debug)]
pub struct PublishRef<'a> {
    /// This may be a second delivery.
    pub dup: bool,
    /// Delivery guarantee.
    pub qos: QoS,
    /// Keep it (to the server), kept (from the server).
    pub retain: bool,
    /// Empty only with an alias.
    pub topic: Text<'a>,
    /// Present exactly when the QoS is above 0.
    pub packet_id: Option<PacketId>,
    /// The message itself.
    pub payload: &'a [u8],
    /// 5.0 only.
    pub properties: PropertiesRef<'a>,
}

/// The properties of a PUBLISH as they lie in the buffer, checked; those a broker acts on are
/// at hand.
#[derive(Clone, Copy, Debug, Default)]
pub struct PropertiesRef<'a> {
    raw: &'a [u8],
    /// Bytes of `raw` that are not forwarded.
    kept_back: usize,
    identified: bool,
    /// Never 0.
    pub topic_alias: Option<u16>,
    /// Seconds.
    pub message_expiry_interval: Option<u32>,
    /// 0 bytes, 1 UTF-8.
    pub payload_format_indicator: Option<u8>,
}

/// What is of one connection only and so is not forwarded as it came.
const KEPT_BACK: u64 =
    Id::TopicAlias.bit() | Id::MessageExpiryInterval.bit() | Id::SubscriptionIdentifier.bit();

/// `flags` are those of the fixed header, already checked.
#[inline(always)]
pub(super) fn decode(flags: u8, body: &[u8], version: Version, sender: Sender) -> Next<'_> {
    let mut reader = Reader::new(body);
    let qos = QoS::from_bits(flags >> 1 & 0b11).ok_or(Error::Malformed("QoS 3"))?;
    let topic = reader.raw_text()?; // [MQTT-3.3.2-1]
    let packet_id = match qos {
        QoS::AtMostOnce => None,
        QoS::AtLeastOnce | QoS::ExactlyOnce => Some(packet_id(&mut reader)?),
    };
    let mut payload = reader.rest();
    if version == Version::V5 {
        match payload.split_first() {
            // Most messages have no properties.
            Some((0, rest)) => payload = rest,
            _ => return decode_rich(flags, topic, packet_id, reader, sender),
        }
    }
    if topic.is_empty() {
        return Err(no_topic(version));
    }
    Ok(Some(Incoming::Publish(PublishRef {
        dup: flags & 0b1000 != 0,
        qos,
        retain: flags & 0b0001 != 0,
        topic,
        packet_id,
        payload,
        properties: PropertiesRef::default(),
    })))
}

/// The rest of one with properties.
#[inline(never)]
fn decode_rich<'a>(
    flags: u8,
    topic: Text<'a>,
    packet_id: Option<PacketId>,
    mut reader: Reader<'a>,
    sender: Sender,
) -> Next<'a> {
    let properties = PropertiesRef::read(&mut reader)?;
    if topic.is_empty() && properties.topic_alias.is_none() {
        return Err(no_topic(Version::V5));
    }
    // [MQTT-3.3.4-6]
    if properties.is_identified() && sender == Sender::Client {
        return Err(Error::Protocol("Subscription Identifier from a client"));
    }
    Ok(Some(Incoming::Publish(PublishRef {
        dup: flags & 0b1000 != 0,
        qos: QoS::from_bits(flags >> 1 & 0b11).unwrap_or_default(),
        retain: flags & 0b0001 != 0,
        topic,
        packet_id,
        payload: reader.rest(),
        properties,
    })))
}

#[cold]
const fn no_topic(version: Version) -> Error {
    match version {
        // 3.3.2.1
        Version::V5 => Error::Protocol("neither topic nor topic alias"),
        // [3.1.1: MQTT-4.7.3-1]
        Version::V31 | Version::V311 => Error::Malformed("empty topic"),
    }
}

impl PublishRef<'_> {
    /// Bytes of the whole packet, first byte to last.
    #[must_use]
    pub const fn packet_len(&self, version: Version) -> usize {
        let properties = match version {
            Version::V5 => varint_len(self.properties.raw.len()) + self.properties.raw.len(),
            Version::V31 | Version::V311 => 0,
        };
        let packet_id = if self.packet_id.is_some() { 2 } else { 0 };
        let body = 2 + self.topic.len() + packet_id + properties + self.payload.len();
        1 + varint_len(body) + body
    }

    /// A copy that owns what it holds.
    ///
    /// # Panics
    /// Never: the properties were checked when the view was made.
    #[must_use]
    pub fn to_owned(&self) -> Publish {
        Publish {
            dup: self.dup,
            qos: self.qos,
            retain: self.retain,
            topic: self.topic.as_str().to_owned(),
            packet_id: self.packet_id,
            payload: Bytes::copy_from_slice(self.payload),
            properties: self.properties.to_owned(),
        }
    }
}

impl<'a> PropertiesRef<'a> {
    /// The list at the front of `reader`, all of it checked.
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut list = Properties::read(reader, PacketType::Publish)?;
        let raw = list.rest();
        let mut checked = Self { raw, ..Self::default() };
        while let Some(Property { id, value }) = list.next()? {
            let size = match (id, value) {
                (Id::TopicAlias, Value::Two(alias)) => {
                    checked.topic_alias = Some(alias);
                    3
                }
                (Id::MessageExpiryInterval, Value::Four(interval)) => {
                    checked.message_expiry_interval = Some(interval);
                    5
                }
                (Id::SubscriptionIdentifier, Value::Variable(id)) => {
                    checked.identified = true;
                    1 + varint_len(id as usize)
                }
                (Id::PayloadFormatIndicator, Value::Byte(format)) => {
                    checked.payload_format_indicator = Some(format);
                    0
                }
                (Id::ResponseTopic, Value::Text(topic)) => {
                    check_response_topic(topic)?;
                    0
                }
                _ => 0,
            };
            checked.kept_back += size;
        }
        Ok(checked)
    }

    /// There are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// There is a Subscription Identifier.
    #[must_use]
    pub const fn is_identified(&self) -> bool {
        self.identified
    }

    /// Appends the bytes a server forwards unaltered and in order: Payload Format Indicator,
    /// Content Type, Response Topic, Correlation Data, User Property [MQTT-3.3.2-4]
    /// [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-18] [MQTT-3.3.2-20].
    pub fn forwardable(&self, out: &mut Vec<u8>) {
        if self.kept_back == 0 {
            out.extend_from_slice(self.raw);
            return;
        }
        let mut list = self.list();
        let mut from = 0;
        while let Ok(Some(Property { id, .. })) = list.next() {
            let to = self.raw.len() - list.rest().len();
            if id.bit() & KEPT_BACK == 0 {
                out.extend_from_slice(&self.raw[from..to]);
            }
            from = to;
        }
    }

    /// What [`Self::forwardable`] would append, where it lies, if it lies in one piece: nearly
    /// always.
    #[must_use]
    pub const fn as_forwardable(&self) -> Option<&'a [u8]> {
        if self.kept_back == 0 { Some(self.raw) } else { None }
    }

    /// How many bytes [`Self::forwardable`] appends.
    #[must_use]
    pub const fn forwardable_len(&self) -> usize {
        self.raw.len() - self.kept_back
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Property<'a>> + use<'a> {
        let mut list = self.list();
        std::iter::from_fn(move || list.next().ok().flatten())
    }

    /// A copy that owns what it holds.
    fn to_owned(self) -> PublishProperties {
        let mut properties = PublishProperties::default();
        for property in self.iter() {
            set(&mut properties, property).expect("the list was checked when the view was made");
        }
        properties
    }

    const fn list(&self) -> Properties<'a> {
        Properties::new(self.raw, PacketType::Publish)
    }
}

/// [MQTT-3.3.2-14]
pub(super) fn check_response_topic(topic: &str) -> Result<(), Error> {
    if topic.contains(['+', '#']) {
        return Err(Error::Protocol("Response Topic with a wildcard"));
    }
    Ok(())
}

/// Puts one property of a PUBLISH or a Will in its place.
pub(super) fn set(to: &mut PublishProperties, property: Property<'_>) -> Result<(), Error> {
    match (property.id, property.value) {
        (Id::PayloadFormatIndicator, Value::Byte(format)) => {
            to.payload_format_indicator = Some(format);
        }
        (Id::MessageExpiryInterval, Value::Four(interval)) => {
            to.message_expiry_interval = Some(interval);
        }
        (Id::TopicAlias, Value::Two(alias)) => to.topic_alias = Some(alias),
        (Id::ResponseTopic, Value::Text(topic)) => {
            check_response_topic(topic)?;
            to.response_topic = Some(topic.to_owned());
        }
        (Id::CorrelationData, Value::Binary(data)) => {
            to.correlation_data = Some(Bytes::copy_from_slice(data));
        }
        (Id::SubscriptionIdentifier, Value::Variable(id)) => to.subscription_identifiers.push(id),
        (Id::ContentType, Value::Text(text)) => to.content_type = Some(text.to_owned()),
        (Id::UserProperty, Value::Pair(name, value)) => {
            to.user_properties.push(user_property(name, value));
        }
        _ => return Err(UNTYPED),
    }
    Ok(())
}

/// Decodes the properties of a PUBLISH without their length: [`PropertiesRef::forwardable`] bytes.
///
/// # Errors
/// If they are not the properties of a PUBLISH.
pub fn read_publish_properties(raw: &[u8]) -> Result<PublishProperties, Error> {
    let mut properties = PublishProperties::default();
    let mut list = Properties::new(raw, PacketType::Publish);
    while let Some(property) = list.next()? {
        set(&mut properties, property)?;
    }
    Ok(properties)
}

/// Decodes the properties of a PUBLISH behind their length, and nothing else.
///
/// # Errors
/// As of [`read_publish_properties`], or if the length is another.
pub fn read_publish_property_block(block: &[u8]) -> Result<PublishProperties, Error> {
    match varint(block)? {
        Some((len, at)) if block.len() - at == len as usize => {
            read_publish_properties(&block[at..])
        }
        _ => Err(Error::Malformed("properties are longer or shorter than their length")),
    }
}

/// Appends what [`PropertiesRef::forwardable`] would append had these properties arrived in a
/// PUBLISH: for Wills and publishers inside the process. If one of them cannot be written (a text
/// with U+0000 or of more than 65,535 bytes, which no Will from the wire has), none is.
pub fn write_forwardable(properties: &PublishProperties, out: &mut Vec<u8>) {
    let mut count = Writer::counting();
    write_unaltered(properties, &mut count);
    if count.fault().is_none() {
        let mut bytes = bytes::BytesMut::with_capacity(count.len());
        write_unaltered(properties, &mut Writer::new(&mut bytes));
        out.extend_from_slice(&bytes);
    }
}

/// The properties a server forwards unaltered.
pub(super) fn write_unaltered(from: &PublishProperties, writer: &mut Writer<'_>) {
    if from.payload_format_indicator.is_some_and(|format| format > 1) {
        writer.refuse(EncodeError::Invalid("Payload Format Indicator above 1"));
    }
    writer.byte(Id::PayloadFormatIndicator, from.payload_format_indicator);
    writer.string(Id::ContentType, from.content_type.as_deref());
    writer.string(Id::ResponseTopic, from.response_topic.as_deref());
    writer.data(Id::CorrelationData, from.correlation_data.as_deref());
    writer.users(&from.user_properties);
}

/// The body.
pub(super) fn write(publish: &Publish, version: Version, writer: &mut Writer<'_>) {
    if (publish.qos == QoS::AtMostOnce) != publish.packet_id.is_none() {
        writer.refuse(EncodeError::Invalid("packet identifier and QoS disagree"));
    }
    if publish.dup && publish.qos == QoS::AtMostOnce {
        writer.refuse(EncodeError::Invalid("DUP at QoS 0"));
    }
    let alias = publish.properties.topic_alias.filter(|_| version == Version::V5);
    if publish.topic.is_empty() && alias.is_none() {
        writer.refuse(EncodeError::Invalid("neither topic nor topic alias"));
    }
    writer.text(&publish.topic);
    if let Some(packet_id) = publish.packet_id {
        writer.u16(packet_id.get());
    }
    if version == Version::V5 {
        let properties = &publish.properties;
        writer.measured(|writer| {
            writer.two(Id::TopicAlias, alias);
            writer.four(Id::MessageExpiryInterval, properties.message_expiry_interval);
            for id in &properties.subscription_identifiers {
                writer.variable(Id::SubscriptionIdentifier, Some(*id));
            }
            write_unaltered(properties, writer);
        });
    }
    writer.bytes(&publish.payload);
}
