//! What is wrong below the packets, and what a peer seems to speak instead.
//!
//! Owns: [`Fault`], and the first bytes of the protocols that come to the wrong port.
//!
//! Never decides what happens to the peer.

/// What is wrong, in a few words for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault(pub(super) String);

/// What a peer seems to speak whose first bytes are these, if it is one of the protocols that
/// carry MQTT at some listener.
#[must_use]
pub fn foreign(first: &[u8]) -> Option<&'static str> {
    match first {
        // A record of a handshake, of any version since SSL 3.
        [0x16, 0x03, ..] => Some("the client speaks TLS, which this listener does not"),
        _ if first.starts_with(b"GET ") => {
            Some("the client speaks HTTP or WebSocket, which this listener does not")
        }
        _ if first.starts_with(b"PROXY ") || first.starts_with(b"\r\n\r\n\0\r\nQUIT\n") => {
            Some("a proxy says who the client is, which this listener does not believe")
        }
        _ => None,
    }
}

/// The same where no plain MQTT is spoken.
#[cfg(any(feature = "tls", feature = "websocket"))]
pub(super) fn spoken(first: &[u8]) -> Option<&'static str> {
    // A CONNECT: its length has one to four bytes, then comes the name of the protocol.
    if let [0x10, rest @ ..] = first
        && (1..=4).any(|at| rest.get(at..).is_some_and(is_name))
    {
        return Some("the client speaks plain MQTT, which this listener does not");
    }
    foreign(first)
}

#[cfg(any(feature = "tls", feature = "websocket"))]
fn is_name(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\0\x04MQTT") || bytes.starts_with(b"\0\x06MQIsdp")
}

#[cfg(test)]
mod tests {
    #[cfg(any(feature = "tls", feature = "websocket"))]
    #[test]
    fn who_comes_to_the_wrong_port_is_recognised() {
        use super::spoken;
        let said = |first: &[u8]| spoken(first).map(|said| said.split(' ').nth(3).unwrap());
        assert_eq!(said(b"\x16\x03\x01\x02\x00\x01"), Some("TLS,"));
        assert_eq!(said(b"GET / HTTP/1.1\r\n"), Some("HTTP"));
        assert_eq!(said(b"\x10\x0c\0\x04MQTT\x04"), Some("plain"));
        assert_eq!(said(b"\x10\xff\x01\0\x06MQIsdp"), Some("plain"));
        assert_eq!(spoken(b"PROXY TCP4 "), spoken(b"\r\n\r\n\0\r\nQUIT\n\x21"));
        assert!(spoken(b"PROXY TCP4 ").is_some());
        for other in [&b""[..], b"\x16", b"\x16\x03", b"\x10\x0c\0\x04HTTP", b"GETX", b"\x10"] {
            let is_tls = other == b"\x16\x03";
            assert_eq!(spoken(other).is_some(), is_tls, "{other:?}");
        }
    }
}
