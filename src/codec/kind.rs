//! The packet types: numbers, names, header flags, who may send which.
//!
//! Owns: the table of control packets (5.0 tables 2-1 and 2-2, 3.1.1 tables 2.1 and 2.2).
//!
//! Never looks past the first byte of a packet.

use super::{Error, Version};

/// A control packet's type, and the Will as the one thing that has properties and is no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PacketType {
    Will = 0,
    Connect = 1,
    ConnAck = 2,
    Publish = 3,
    PubAck = 4,
    PubRec = 5,
    PubRel = 6,
    PubComp = 7,
    Subscribe = 8,
    SubAck = 9,
    Unsubscribe = 10,
    UnsubAck = 11,
    PingReq = 12,
    PingResp = 13,
    Disconnect = 14,
    Auth = 15,
}

use PacketType as P;

/// By number.
const TYPES: [PacketType; 16] = [
    P::Will,
    P::Connect,
    P::ConnAck,
    P::Publish,
    P::PubAck,
    P::PubRec,
    P::PubRel,
    P::PubComp,
    P::Subscribe,
    P::SubAck,
    P::Unsubscribe,
    P::UnsubAck,
    P::PingReq,
    P::PingResp,
    P::Disconnect,
    P::Auth,
];

/// By number.
const NAMES: [&str; 16] = [
    "Will",
    "CONNECT",
    "CONNACK",
    "PUBLISH",
    "PUBACK",
    "PUBREC",
    "PUBREL",
    "PUBCOMP",
    "SUBSCRIBE",
    "SUBACK",
    "UNSUBSCRIBE",
    "UNSUBACK",
    "PINGREQ",
    "PINGRESP",
    "DISCONNECT",
    "AUTH",
];

impl PacketType {
    /// The type a first byte names.
    pub(super) const fn of(first: u8) -> Result<Self, Error> {
        if first < 0x10 {
            return Err(Error::Malformed("reserved packet type"));
        }
        Ok(TYPES[(first >> 4) as usize])
    }

    /// Whether the version has this type with the flags of this first byte [MQTT-2.1.3-1]
    /// [3.1.1: MQTT-2.2.2-2].
    #[inline]
    pub(super) fn check(self, first: u8, version: Option<Version>) -> Result<(), Error> {
        let flags = first & 0x0f;
        if self == Self::Publish {
            // [MQTT-3.3.1-4]
            if flags & 0b0110 == 0b0110 {
                return Err(Error::Malformed("QoS 3"));
            }
            // [MQTT-3.3.1-2]; MQTT 3.1 gives DUP no meaning at QoS 0 and does not forbid it.
            if flags & 0b1110 == 0b1000 && version != Some(Version::V31) {
                return Err(Error::Malformed("DUP at QoS 0"));
            }
            return Ok(());
        }
        if self == Self::Auth && version.is_some_and(|v| v != Version::V5) {
            return Err(Error::Malformed("reserved packet type"));
        }
        // MQTT 3.1 marks a repeated PUBREL, SUBSCRIBE or UNSUBSCRIBE with DUP.
        let again = self.flags() == 0b0010 && version == Some(Version::V31);
        let flags = if again { flags & 0b0111 } else { flags };
        if flags == self.flags() { Ok(()) } else { Err(Error::Malformed("reserved flags")) }
    }

    /// The flags a packet of this type must carry; for PUBLISH they mean something.
    pub(super) const fn flags(self) -> u8 {
        match self {
            Self::PubRel | Self::Subscribe | Self::Unsubscribe => 0b0010,
            Self::Will
            | Self::Connect
            | Self::ConnAck
            | Self::Publish
            | Self::PubAck
            | Self::PubRec
            | Self::PubComp
            | Self::SubAck
            | Self::UnsubAck
            | Self::PingReq
            | Self::PingResp
            | Self::Disconnect
            | Self::Auth => 0,
        }
    }

    /// The first byte of a packet of this type.
    pub(super) const fn first_byte(self) -> u8 {
        (self as u8) << 4 | self.flags()
    }

    /// As a member of a set of types.
    pub(super) const fn bit(self) -> u16 {
        1 << self as u8
    }

    /// As in the specification.
    pub(crate) const fn name(self) -> &'static str {
        NAMES[self as usize]
    }

    /// What a client sends; AUTH only where the version has it, which [`Self::check`] sees to.
    pub(super) const FROM_CLIENT: u16 = Self::Connect.bit()
        | Self::Publish.bit()
        | Self::PubAck.bit()
        | Self::PubRec.bit()
        | Self::PubRel.bit()
        | Self::PubComp.bit()
        | Self::Subscribe.bit()
        | Self::Unsubscribe.bit()
        | Self::PingReq.bit()
        | Self::Disconnect.bit()
        | Self::Auth.bit();

    /// What a server sends; DISCONNECT in 5.0 only.
    pub(super) const FROM_SERVER: u16 = Self::ConnAck.bit()
        | Self::Publish.bit()
        | Self::PubAck.bit()
        | Self::PubRec.bit()
        | Self::PubRel.bit()
        | Self::PubComp.bit()
        | Self::SubAck.bit()
        | Self::UnsubAck.bit()
        | Self::PingResp.bit()
        | Self::Disconnect.bit()
        | Self::Auth.bit();
}
