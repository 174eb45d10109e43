//! Packets made by hand, a field at a time.
//!
//! Owns: what a CONNECT, a PUBLISH and an acknowledgement are before anything is said of them.
//!
//! Never checks anything: encoding does.

use bytes::Bytes;

use super::{Ack, Connect, ConnectProperties, PacketId, Publish, QoS, ReasonCode, Version, Will};

impl Connect {
    /// A clean MQTT 3.1.1 CONNECT with a keep alive of 60 seconds.
    #[must_use]
    pub fn new(client_id: impl Into<String>) -> Self {
        Self {
            version: Version::V311,
            bridge: false,
            clean_start: true,
            keep_alive: 60,
            client_id: client_id.into(),
            will: None,
            user_name: None,
            password: None,
            properties: ConnectProperties::default(),
        }
    }

    /// Sets the protocol version.
    #[must_use]
    pub const fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// Sets Clean Session (3.x), Clean Start (5.0).
    #[must_use]
    pub const fn clean_session(mut self, clean: bool) -> Self {
        self.clean_start = clean;
        self
    }

    /// Sets the keep alive in seconds.
    #[must_use]
    pub const fn keep_alive(mut self, seconds: u16) -> Self {
        self.keep_alive = seconds;
        self
    }

    /// Sets user name and password.
    #[must_use]
    pub fn credentials(mut self, user_name: impl Into<String>, password: impl Into<Bytes>) -> Self {
        self.user_name = Some(user_name.into());
        self.password = Some(password.into());
        self
    }

    /// Sets the Will.
    #[must_use]
    pub fn will(mut self, will: Will) -> Self {
        self.will = Some(Box::new(will));
        self
    }
}

impl Publish {
    /// A QoS 0 message.
    #[must_use]
    pub fn new(topic: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self { topic: topic.into(), payload: payload.into(), ..Self::default() }
    }

    /// Sets the RETAIN flag.
    #[must_use]
    pub const fn retain(mut self, retain: bool) -> Self {
        self.retain = retain;
        self
    }

    /// Makes it a QoS 1 message with this packet identifier.
    #[must_use]
    pub const fn at_least_once(mut self, packet_id: PacketId) -> Self {
        self.qos = QoS::AtLeastOnce;
        self.packet_id = Some(packet_id);
        self
    }

    /// Makes it a QoS 2 message with this packet identifier.
    #[must_use]
    pub const fn exactly_once(mut self, packet_id: PacketId) -> Self {
        self.qos = QoS::ExactlyOnce;
        self.packet_id = Some(packet_id);
        self
    }
}

impl Ack {
    /// An acknowledgement without properties.
    #[must_use]
    pub const fn new(packet_id: PacketId, reason: ReasonCode) -> Self {
        Self { packet_id, reason, properties: None }
    }
}
