//! The wire protocol: bytes to packets and back.
//!
//! One packet model serves MQTT 3.1, 3.1.1 and 5.0; [`Version`] is an argument. Two ways in:
//!
//! * [`Decoder`] takes any split of a stream and yields [`Incoming`] packets; a PUBLISH is a view
//!   into the bytes it came in, so nothing is copied that is not kept;
//! * [`decode_packet`] takes one whole packet from the front of a buffer.
//!
//! Owns: the fifteen control packets, the property table, the reason codes. Never keeps a
//! connection's state beyond the one unfinished packet, and never judges behaviour: what is
//! malformed (0x81), what breaks the protocol in one packet alone (0x82) and what is too large
//! (0x95) is found here; what is wrong only in its place is the broker's to say.

mod ack;
mod build;
mod connack;
mod connect;
mod control;
mod error;
mod frame;
mod head;
mod incoming;
mod kind;
mod packet;
mod property;
mod publish;
mod reason;
mod subscribe;
mod text;
mod whole;
mod wire;

pub use ack::{encode_ack, encoded_ack_len};
pub use error::{EncodeError, Error};
pub use frame::{Decoder, Limits};
pub use head::PublishHead;
pub use incoming::Incoming;
pub(crate) use kind::PacketType;
pub use packet::*;
pub use property::{Property, PropertyId, PropertyValue};
pub use publish::{
    PropertiesRef, PublishRef, read_publish_properties, read_publish_property_block,
    write_forwardable,
};
pub use reason::ReasonCode;
pub use text::Text;
pub use whole::{PACKET_MAX, decode_packet, encode, encode_packet, encoded_len};

use std::fmt;
use std::num::NonZeroU16;

use whole::{append, measure};

/// A protocol version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// MQTT 3.1: protocol name `MQIsdp`, level 3.
    V31,
    /// MQTT 3.1.1: protocol name `MQTT`, level 4.
    #[default]
    V311,
    /// MQTT 5.0: protocol name `MQTT`, level 5.
    V5,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V31 => "MQTT 3.1",
            Self::V311 => "MQTT 3.1.1",
            Self::V5 => "MQTT 5.0",
        })
    }
}

/// A delivery guarantee; ordered, so that the lower of two is their `min`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QoS {
    /// 0
    #[default]
    AtMostOnce,
    /// 1
    AtLeastOnce,
    /// 2
    ExactlyOnce,
}

impl QoS {
    /// `None` for anything above 2.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }

    /// 0, 1 or 2.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self as u8
    }
}

/// A packet identifier: never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketId(NonZeroU16);

impl PacketId {
    /// The highest.
    pub const MAX: Self = Self(NonZeroU16::MAX);

    /// `None` for 0.
    #[must_use]
    pub const fn new(id: u16) -> Option<Self> {
        match NonZeroU16::new(id) {
            Some(id) => Some(Self(id)),
            None => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

#[cfg(test)]
mod tests;
