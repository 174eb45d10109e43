//! The packet model: one set of types for MQTT 3.1, 3.1.1 and 5.0.
//!
//! Owns: the fifteen control packets as values; `build.rs` has what makes the ones people write
//! by hand. Fields that only MQTT 5.0 has default to absent; [`Version`] is an argument of
//! decoding and encoding, not a type parameter.
//!
//! Never touches bytes on the wire (that is each packet's own file) and never judges behaviour:
//! a packet here is well formed, not welcome.

use bytes::Bytes;

use super::{PacketId, QoS, ReasonCode, Version};

/// A name and a value that mean what the two ends agree on; order is kept.
pub type UserProperty = (String, String);

/// One control packet, owning what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// Client requests a connection.
    Connect(Connect),
    /// Server answers it.
    ConnAck(ConnAck),
    /// A message, either way.
    Publish(Publish),
    /// QoS 1 acknowledged.
    PubAck(Ack),
    /// QoS 2 received (part 1).
    PubRec(Ack),
    /// QoS 2 released (part 2).
    PubRel(Ack),
    /// QoS 2 complete (part 3).
    PubComp(Ack),
    /// Client asks for messages.
    Subscribe(Subscribe),
    /// Server answers it.
    SubAck(SubAck),
    /// Client asks for no more.
    Unsubscribe(Unsubscribe),
    /// Server answers it.
    UnsubAck(UnsubAck),
    /// Client asks whether the server is there.
    PingReq,
    /// It is.
    PingResp,
    /// The connection ends (5.0: either way).
    Disconnect(Disconnect),
    /// Extended authentication, 5.0 only.
    Auth(Auth),
}

/// CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// Which protocol the client speaks.
    pub version: Version,
    /// Bit 0x80 of the protocol level, which mosquitto's bridges set.
    pub bridge: bool,
    /// Clean Session (3.x), Clean Start (5.0).
    pub clean_start: bool,
    /// Seconds; 0 turns the mechanism off.
    pub keep_alive: u16,
    /// May be empty.
    pub client_id: String,
    /// The Will message, if there is one.
    pub will: Option<Box<Will>>,
    /// User name.
    pub user_name: Option<String>,
    /// Password: binary.
    pub password: Option<Bytes>,
    /// 5.0 only.
    pub properties: ConnectProperties,
}

/// Properties of CONNECT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectProperties {
    /// Seconds; absent is 0, `u32::MAX` never expires.
    pub session_expiry_interval: Option<u32>,
    /// How many QoS 1 and 2 messages the client takes at once; absent is 65,535, never 0.
    pub receive_maximum: Option<u16>,
    /// Bytes of a whole packet; absent is no limit, never 0.
    pub maximum_packet_size: Option<u32>,
    /// Highest alias the client takes; absent is 0.
    pub topic_alias_maximum: Option<u16>,
    /// Whether Response Information is asked for; absent is no.
    pub request_response_information: Option<bool>,
    /// Whether reason strings and user properties are wanted; absent is yes.
    pub request_problem_information: Option<bool>,
    /// In order.
    pub user_properties: Vec<UserProperty>,
    /// Starts extended authentication.
    pub authentication_method: Option<String>,
    /// Only with a method.
    pub authentication_data: Option<Bytes>,
}

/// The Will of a CONNECT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Will {
    /// Where it is published.
    pub topic: String,
    /// What is published.
    pub payload: Bytes,
    /// At which QoS.
    pub qos: QoS,
    /// Whether it is retained.
    pub retain: bool,
    /// Seconds to wait before it is published; 5.0 only.
    pub delay_interval: u32,
    /// As of a PUBLISH, without alias and subscription identifiers; 5.0 only.
    pub properties: PublishProperties,
}

/// CONNACK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnAck {
    /// The server holds state of this session.
    pub session_present: bool,
    /// On a 3.x wire one of six return codes, see [`ReasonCode::return_code`].
    pub reason: ReasonCode,
    /// 5.0 only.
    pub properties: ConnAckProperties,
}

/// Properties of CONNACK. Encoded in the order: Topic Alias Maximum, Assigned Client Identifier,
/// Server Keep Alive, Authentication Method, Authentication Data, Session Expiry Interval,
/// Response Information, Server Reference, Reason String, User Property, the four
/// `..available`, Maximum QoS, Maximum Packet Size, Receive Maximum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnAckProperties {
    /// Seconds, where the server decides otherwise than asked.
    pub session_expiry_interval: Option<u32>,
    /// QoS 1 and 2 messages the server takes at once.
    pub receive_maximum: Option<u16>,
    /// 0 or 1; absent is 2.
    pub maximum_qos: Option<QoS>,
    /// Absent is yes.
    pub retain_available: Option<bool>,
    /// Bytes of a whole packet.
    pub maximum_packet_size: Option<u32>,
    /// The id the server chose.
    pub assigned_client_identifier: Option<String>,
    /// Highest alias the server takes.
    pub topic_alias_maximum: Option<u16>,
    /// For people.
    pub reason_string: Option<String>,
    /// In order.
    pub user_properties: Vec<UserProperty>,
    /// Absent is yes.
    pub wildcard_subscription_available: Option<bool>,
    /// Absent is yes.
    pub subscription_identifiers_available: Option<bool>,
    /// Absent is yes.
    pub shared_subscription_available: Option<bool>,
    /// Seconds, which the client must use.
    pub server_keep_alive: Option<u16>,
    /// Prefix for response topics.
    pub response_information: Option<String>,
    /// Where else to go.
    pub server_reference: Option<String>,
    /// Echoes the CONNECT's.
    pub authentication_method: Option<String>,
    /// Last data of the exchange.
    pub authentication_data: Option<Bytes>,
}

/// PUBLISH.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publish {
    /// This may be a second delivery.
    pub dup: bool,
    /// Delivery guarantee.
    pub qos: QoS,
    /// Keep it (to the server), kept (from the server).
    pub retain: bool,
    /// Empty only with an alias.
    pub topic: String,
    /// Present exactly when the QoS is above 0.
    pub packet_id: Option<PacketId>,
    /// Up to the packet limit.
    pub payload: Bytes,
    /// 5.0 only.
    pub properties: PublishProperties,
}

/// Properties of PUBLISH and of the Will.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishProperties {
    /// 0 bytes, 1 UTF-8.
    pub payload_format_indicator: Option<u8>,
    /// Seconds.
    pub message_expiry_interval: Option<u32>,
    /// Never 0.
    pub topic_alias: Option<u16>,
    /// Topic for a response.
    pub response_topic: Option<String>,
    /// What the response will carry.
    pub correlation_data: Option<Bytes>,
    /// Of the subscriptions that matched; from the server only.
    pub subscription_identifiers: Vec<u32>,
    /// MIME type or the like.
    pub content_type: Option<String>,
    /// In order.
    pub user_properties: Vec<UserProperty>,
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Of the PUBLISH.
    pub packet_id: PacketId,
    /// 3.x: always success.
    pub reason: ReasonCode,
    /// 5.0 only, absent when empty.
    pub properties: Option<Box<AckProperties>>,
}

/// Properties of the acknowledgements and of SUBACK, UNSUBACK.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AckProperties {
    /// For people.
    pub reason_string: Option<String>,
    /// In order.
    pub user_properties: Vec<UserProperty>,
}

/// Which of the four acknowledgements an [`Ack`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckKind {
    /// QoS 1.
    PubAck,
    /// QoS 2, part 1.
    PubRec,
    /// QoS 2, part 2.
    PubRel,
    /// QoS 2, part 3.
    PubComp,
}

/// SUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// Never 0.
    pub packet_id: PacketId,
    /// 1 to 268,435,455; 5.0 only.
    pub subscription_identifier: Option<u32>,
    /// In order; 5.0 only.
    pub user_properties: Vec<UserProperty>,
    /// At least one.
    pub filters: Vec<(String, SubscribeOptions)>,
}

/// Options of one subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// The highest at which messages are wanted.
    pub qos: QoS,
    /// Not what this client itself publishes; 5.0 only.
    pub no_local: bool,
    /// Keep the publisher's RETAIN flag; 5.0 only.
    pub retain_as_published: bool,
    /// When retained messages are sent; 5.0 only.
    pub retain_handling: RetainHandling,
}

/// When a SUBSCRIBE brings retained messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetainHandling {
    /// At every SUBSCRIBE (0).
    #[default]
    Send,
    /// If the subscription is new (1).
    SendIfNew,
    /// Never (2).
    DoNotSend,
}

/// SUBACK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubAck {
    /// Of the SUBSCRIBE.
    pub packet_id: PacketId,
    /// One for each filter, in order: granted QoS or a failure (3.x: every failure is 0x80).
    pub reasons: Vec<ReasonCode>,
    /// 5.0 only, absent when empty.
    pub properties: Option<Box<AckProperties>>,
}

/// UNSUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsubscribe {
    /// Never 0.
    pub packet_id: PacketId,
    /// In order; 5.0 only.
    pub user_properties: Vec<UserProperty>,
    /// At least one.
    pub filters: Vec<String>,
}

/// UNSUBACK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsubAck {
    /// Of the UNSUBSCRIBE.
    pub packet_id: PacketId,
    /// One for each filter, in order; 5.0 only (on a 3.x wire none).
    pub reasons: Vec<ReasonCode>,
    /// 5.0 only, absent when empty.
    pub properties: Option<Box<AckProperties>>,
}

/// DISCONNECT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disconnect {
    /// 3.x: always normal.
    pub reason: ReasonCode,
    /// Seconds; from the client only.
    pub session_expiry_interval: Option<u32>,
    /// For people.
    pub reason_string: Option<String>,
    /// In order.
    pub user_properties: Vec<UserProperty>,
    /// Where else to go; from the server only.
    pub server_reference: Option<String>,
}

/// AUTH, 5.0 only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Auth {
    /// Success, Continue authentication or Re-authenticate.
    pub reason: ReasonCode,
    /// The method's name.
    pub authentication_method: Option<String>,
    /// The method's bytes.
    pub authentication_data: Option<Bytes>,
    /// For people.
    pub reason_string: Option<String>,
    /// In order.
    pub user_properties: Vec<UserProperty>,
}
