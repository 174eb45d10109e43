//! Settings of which there are a few to choose from.
//!
//! Owns: what lies between a listener's socket and its packets.
//!
//! Never does what a setting says.

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
