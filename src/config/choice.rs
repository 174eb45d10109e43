//! Settings of which there are a few to choose from.
//!
//! Owns: where to listen, what lies between a listener's socket and its packets, and the other
//! choices, each with its default.
//!
//! Never does what a setting says.

use std::fmt;

use crate::codec::Version;

/// What is spoken at a listener, inside TLS or without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Plain MQTT.
    #[default]
    Mqtt,
    /// MQTT in WebSocket.
    Websockets,
}

/// Version of a PROXY header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyHeader {
    /// There is none.
    #[default]
    None,
    /// The line of text.
    V1,
    /// The binary one.
    V2,
}

/// Versions of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.2.
    #[default]
    V12,
    /// 1.3.
    V13,
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// This machine only: 127.0.0.1 and, if there is one, `::1`.
    Loopback {
        /// Port; 0 is any free one.
        port: u16,
    },
    /// Every address of this machine.
    Any {
        /// Port; 0 is any free one.
        port: u16,
    },
    /// Every address that a name has, or one address.
    Host {
        /// Name or address, as it was written.
        host: String,
        /// Port; 0 is any free one.
        port: u16,
    },
    /// A Unix socket.
    Unix {
        /// Its path.
        path: String,
    },
}

/// Versions of IP a listener speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// Both.
    #[default]
    Both,
    /// IPv4 only.
    Ipv4,
    /// IPv6 only.
    Ipv6,
}

/// Permissions of a file, as chmod(2) takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub u32);

/// Versions of MQTT, a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// MQTT 3.1.
    pub v31: bool,
    /// MQTT 3.1.1.
    pub v311: bool,
    /// MQTT 5.0.
    pub v5: bool,
}

/// What happens to a message for a client whose queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueueOverflow {
    /// It is dropped.
    #[default]
    DropNew,
    /// The oldest one in the queue is dropped.
    DropOld,
    /// It is dropped and the client is disconnected.
    Disconnect,
    /// The publisher is told (5.0: 0x97) or held (3.x) until there is room.
    Refuse,
}

impl Address {
    /// Whether the system chooses the port.
    #[must_use]
    pub const fn is_any_port(&self) -> bool {
        match self {
            Self::Loopback { port } | Self::Any { port } | Self::Host { port, .. } => *port == 0,
            Self::Unix { .. } => false,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback { port } => write!(f, "port {port} of this machine only"),
            Self::Any { port } => write!(f, "port {port} of every address"),
            Self::Host { host, port } => write!(f, "port {port} of {host}"),
            Self::Unix { path } => write!(f, "Unix socket {path}"),
        }
    }
}

impl Versions {
    /// Whether `version` is among them.
    #[must_use]
    pub const fn allow(self, version: Version) -> bool {
        match version {
            Version::V31 => self.v31,
            Version::V311 => self.v311,
            Version::V5 => self.v5,
        }
    }
}

impl Default for Versions {
    fn default() -> Self {
        Self { v31: true, v311: true, v5: true }
    }
}
