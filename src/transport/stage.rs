//! How far somebody came who took too long.
//!
//! Owns: the names of what lies between accept and the first packet, as the log has them.
//!
//! Never decides how long is too long.

use std::fmt;

/// What was not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// No byte came.
    Nothing,
    /// The header of a proxy.
    Proxy,
    /// The handshake of TLS.
    Tls,
    /// The request for a WebSocket.
    Web,
    /// The first packet.
    Packets,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing has come",
            Self::Proxy => "its PROXY header has no end",
            Self::Tls => "its TLS handshake has no end",
            Self::Web => "its WebSocket request has no end",
            Self::Packets => "its CONNECT has no end",
        })
    }
}
