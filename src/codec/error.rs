//! What can be wrong with bytes, and with packets that are to become bytes.
//!
//! Owns: [`Error`] for what a peer sent, [`EncodeError`] for what this side wanted to send, and
//! the one map from a peer's fault to the reason code that answers it.
//!
//! Never decides what happens to the connection.

use std::fmt;

use super::{ReasonCode, Version};

/// Why bytes are not a packet, or not one that may come here. Nothing after it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// It cannot be parsed.
    Malformed(&'static str),
    /// It can be parsed, and the protocol forbids what it says.
    Protocol(&'static str),
    /// It announces more bytes than are allowed.
    TooLarge {
        /// What it announces.
        size: usize,
        /// What is allowed.
        max: usize,
    },
    /// A CONNECT whose protocol name is not MQTT's.
    ProtocolName,
    /// A CONNECT of a protocol level nobody here speaks.
    UnsupportedVersion {
        /// As on the wire.
        level: u8,
    },
    /// A packet, by its name, that has no place here: anything before CONNECT, or one that only
    /// the other side sends.
    Unexpected(&'static str),
    /// A Topic Alias of 0, which has a reason code of its own.
    TopicAlias,
}

impl Error {
    /// What is wrong, without the numbers: fit for a reason string.
    #[must_use]
    pub const fn what(&self) -> &'static str {
        match self {
            Self::Malformed(what) | Self::Protocol(what) => what,
            Self::TooLarge { .. } => "packet too large",
            Self::ProtocolName => "not a protocol name of MQTT",
            Self::UnsupportedVersion { .. } => "unsupported protocol level",
            Self::Unexpected(_) => "a packet that has no place here",
            Self::TopicAlias => "topic alias of 0",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "malformed packet: {what}"),
            Self::Protocol(what) => write!(f, "protocol error: {what}"),
            Self::TooLarge { size, max } => write!(f, "packet of {size} bytes, {max} allowed"),
            Self::ProtocolName => f.write_str("not a protocol name of MQTT"),
            Self::UnsupportedVersion { level } => write!(f, "unsupported protocol level {level}"),
            Self::Unexpected(name) => write!(f, "unexpected {name}"),
            Self::TopicAlias => f.write_str("topic alias of 0"),
        }
    }
}

impl std::error::Error for Error {}

impl From<&Error> for ReasonCode {
    /// The reason code that answers a fault: the one map from fault to wire.
    fn from(error: &Error) -> Self {
        match error {
            Error::Malformed(_) => Self::MALFORMED_PACKET,
            Error::Protocol(_) | Error::Unexpected(_) => Self::PROTOCOL_ERROR,
            Error::TooLarge { .. } => Self::PACKET_TOO_LARGE,
            Error::ProtocolName | Error::UnsupportedVersion { .. } => {
                Self::UNSUPPORTED_PROTOCOL_VERSION
            }
            Error::TopicAlias => Self::TOPIC_ALIAS_INVALID,
        }
    }
}

/// Why a packet cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// A text or binary field of more than 65,535 bytes.
    FieldTooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// A packet of more than [`PACKET_MAX`](super::PACKET_MAX) bytes.
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// A packet that this version does not have.
    NotInVersion(&'static str, Version),
    /// A field whose value the protocol forbids.
    Invalid(&'static str),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FieldTooLong { len } => write!(f, "field of {len} bytes, 65535 allowed"),
            Self::TooLarge { size } => write!(f, "packet of {size} bytes cannot be encoded"),
            Self::NotInVersion(name, version) => write!(f, "no {name} in {version}"),
            Self::Invalid(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for EncodeError {}
