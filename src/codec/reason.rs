//! Reason codes: one table (5.0 table 2-6).
//!
//! Owns: value, name, the packets that may carry it, and the CONNACK return code that stands for
//! it on a 3.x wire.
//!
//! Never chooses one; what went wrong is said by whoever saw it.

use std::fmt;

use super::kind::PacketType;

/// How something ended: below 0x80 well, from 0x80 on not.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ReasonCode(u8);

struct Entry {
    value: u8,
    name: &'static str,
    /// On a 3.x CONNACK.
    return_code: u8,
    /// A set of [`PacketType`]s.
    packets: u16,
}

macro_rules! reasons {
    ($($constant:ident $value:literal $name:literal $return_code:literal [$($packet:ident)*])*) => {
        impl ReasonCode {
            $(#[doc = $name] pub const $constant: Self = Self($value);)*
        }

        /// In ascending order.
        const TABLE: &[Entry] = &[$(Entry {
            value: $value,
            name: $name,
            return_code: $return_code,
            packets: 0 $(| PacketType::$packet.bit())*,
        }),*];
    };
}

// The return codes of codes that 3.x lacks: 3 (server unavailable) where trying again later may
// help, 5 (not authorized) where it will not.
reasons! {
    SUCCESS 0x00 "Success" 0
        [ConnAck PubAck PubRec PubRel PubComp SubAck UnsubAck Auth Disconnect]
    GRANTED_QOS_1 0x01 "Granted QoS 1" 0 [SubAck]
    GRANTED_QOS_2 0x02 "Granted QoS 2" 0 [SubAck]
    DISCONNECT_WITH_WILL_MESSAGE 0x04 "Disconnect with Will Message" 0 [Disconnect]
    NO_MATCHING_SUBSCRIBERS 0x10 "No matching subscribers" 0 [PubAck PubRec]
    NO_SUBSCRIPTION_EXISTED 0x11 "No subscription existed" 0 [UnsubAck]
    CONTINUE_AUTHENTICATION 0x18 "Continue authentication" 0 [Auth]
    RE_AUTHENTICATE 0x19 "Re-authenticate" 0 [Auth]
    UNSPECIFIED_ERROR 0x80 "Unspecified error" 3
        [ConnAck PubAck PubRec SubAck UnsubAck Disconnect]
    MALFORMED_PACKET 0x81 "Malformed Packet" 5 [ConnAck Disconnect]
    PROTOCOL_ERROR 0x82 "Protocol Error" 5 [ConnAck Disconnect]
    IMPLEMENTATION_SPECIFIC_ERROR 0x83 "Implementation specific error" 3
        [ConnAck PubAck PubRec SubAck UnsubAck Disconnect]
    UNSUPPORTED_PROTOCOL_VERSION 0x84 "Unsupported Protocol Version" 1 [ConnAck]
    CLIENT_IDENTIFIER_NOT_VALID 0x85 "Client Identifier not valid" 2 [ConnAck]
    BAD_USER_NAME_OR_PASSWORD 0x86 "Bad User Name or Password" 4 [ConnAck]
    NOT_AUTHORIZED 0x87 "Not authorized" 5 [ConnAck PubAck PubRec SubAck UnsubAck Disconnect]
    SERVER_UNAVAILABLE 0x88 "Server unavailable" 3 [ConnAck]
    SERVER_BUSY 0x89 "Server busy" 3 [ConnAck Disconnect]
    BANNED 0x8a "Banned" 5 [ConnAck]
    SERVER_SHUTTING_DOWN 0x8b "Server shutting down" 3 [Disconnect]
    BAD_AUTHENTICATION_METHOD 0x8c "Bad authentication method" 5 [ConnAck Disconnect]
    KEEP_ALIVE_TIMEOUT 0x8d "Keep Alive timeout" 3 [Disconnect]
    SESSION_TAKEN_OVER 0x8e "Session taken over" 3 [Disconnect]
    TOPIC_FILTER_INVALID 0x8f "Topic Filter invalid" 5 [SubAck UnsubAck Disconnect]
    TOPIC_NAME_INVALID 0x90 "Topic Name invalid" 5 [ConnAck PubAck PubRec Disconnect]
    PACKET_IDENTIFIER_IN_USE 0x91 "Packet Identifier in use" 5 [PubAck PubRec SubAck UnsubAck]
    PACKET_IDENTIFIER_NOT_FOUND 0x92 "Packet Identifier not found" 5 [PubRel PubComp]
    RECEIVE_MAXIMUM_EXCEEDED 0x93 "Receive Maximum exceeded" 5 [Disconnect]
    TOPIC_ALIAS_INVALID 0x94 "Topic Alias invalid" 5 [Disconnect]
    PACKET_TOO_LARGE 0x95 "Packet too large" 5 [ConnAck Disconnect]
    MESSAGE_RATE_TOO_HIGH 0x96 "Message rate too high" 3 [Disconnect]
    QUOTA_EXCEEDED 0x97 "Quota exceeded" 3 [ConnAck PubAck PubRec SubAck Disconnect]
    ADMINISTRATIVE_ACTION 0x98 "Administrative action" 3 [Disconnect]
    PAYLOAD_FORMAT_INVALID 0x99 "Payload format invalid" 5 [ConnAck PubAck PubRec Disconnect]
    RETAIN_NOT_SUPPORTED 0x9a "Retain not supported" 5 [ConnAck Disconnect]
    QOS_NOT_SUPPORTED 0x9b "QoS not supported" 5 [ConnAck Disconnect]
    USE_ANOTHER_SERVER 0x9c "Use another server" 3 [ConnAck Disconnect]
    SERVER_MOVED 0x9d "Server moved" 3 [ConnAck Disconnect]
    SHARED_SUBSCRIPTIONS_NOT_SUPPORTED 0x9e "Shared Subscriptions not supported" 5
        [SubAck Disconnect]
    CONNECTION_RATE_EXCEEDED 0x9f "Connection rate exceeded" 3 [ConnAck Disconnect]
    MAXIMUM_CONNECT_TIME 0xa0 "Maximum connect time" 3 [Disconnect]
    SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED 0xa1 "Subscription Identifiers not supported" 5
        [SubAck Disconnect]
    WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED 0xa2 "Wildcard Subscriptions not supported" 5
        [SubAck Disconnect]
}

impl ReasonCode {
    /// What [`Self::SUCCESS`] is called in a DISCONNECT.
    pub const NORMAL_DISCONNECTION: Self = Self::SUCCESS;
    /// What [`Self::SUCCESS`] is called in a SUBACK.
    pub const GRANTED_QOS_0: Self = Self::SUCCESS;

    /// As on a 5.0 wire.
    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }

    /// From 0x80 on.
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.0 >= 0x80
    }

    /// As in the specification.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.entry().map_or("Unknown", |entry| entry.name)
    }

    /// The return code of a 3.x CONNACK, 0 to 5, that says this or comes nearest.
    #[must_use]
    pub fn return_code(self) -> u8 {
        self.entry().map_or(5, |entry| entry.return_code)
    }

    /// What a return code of a 3.x CONNACK says; `None` for those from 6 on, which are reserved.
    #[must_use]
    pub const fn from_return_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::SUCCESS),
            1 => Some(Self::UNSUPPORTED_PROTOCOL_VERSION),
            2 => Some(Self::CLIENT_IDENTIFIER_NOT_VALID),
            3 => Some(Self::SERVER_UNAVAILABLE),
            4 => Some(Self::BAD_USER_NAME_OR_PASSWORD),
            5 => Some(Self::NOT_AUTHORIZED),
            _ => None,
        }
    }

    /// The code of `value`, if a packet of this type may carry it.
    pub(crate) fn of(packet: PacketType, value: u8) -> Option<Self> {
        // Success may stand in every packet that has a code at all, and nearly always does.
        if value == 0 {
            return Some(Self::SUCCESS);
        }
        Self(value).entry().filter(|entry| entry.packets & packet.bit() != 0).map(|_| Self(value))
    }

    fn entry(self) -> Option<&'static Entry> {
        let at = TABLE.binary_search_by_key(&self.0, |entry| entry.value).ok()?;
        TABLE.get(at)
    }
}

impl fmt::Debug for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReasonCode({self})")
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:02x} {}", self.0, self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_ascends_and_covers_the_specification() {
        assert!(TABLE.is_sorted_by(|a, b| a.value < b.value));
        assert_eq!(TABLE.len(), 43);
    }

    #[test]
    fn return_codes_go_both_ways() {
        for code in 0..=5 {
            assert_eq!(ReasonCode::from_return_code(code).unwrap().return_code(), code);
        }
        assert_eq!(ReasonCode::from_return_code(6), None);
        assert!(TABLE.iter().all(|e| (e.return_code == 0) == (e.value < 0x80)));
        assert_eq!(ReasonCode::QUOTA_EXCEEDED.return_code(), 3);
        assert_eq!(ReasonCode::BANNED.return_code(), 5);
    }

    #[test]
    fn a_code_belongs_to_its_packets_only() {
        use PacketType::*;
        assert_eq!(ReasonCode::of(PubAck, 0x10), Some(ReasonCode::NO_MATCHING_SUBSCRIBERS));
        assert_eq!(ReasonCode::of(PubRel, 0x10), None);
        assert_eq!(ReasonCode::of(Disconnect, 0x84), None);
        assert_eq!(ReasonCode::of(ConnAck, 0x03), None);
        assert_eq!(ReasonCode::of(SubAck, 0), Some(ReasonCode::GRANTED_QOS_0));
    }

    #[test]
    fn it_says_its_name() {
        assert_eq!(ReasonCode::PACKET_TOO_LARGE.to_string(), "0x95 Packet too large");
    }
}
