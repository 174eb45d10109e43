//! Options that limit what clients may take, and those of messages and sessions.
//!
//! Owns: their rows.
//!
//! Never reads a value.

use super::Kind::{Flag, Limit, Number, Period, Word};
use super::Scope::Global;
use super::{Entry, Kind, Mark, in_broker};

/// Limits that the broker does not know yet. They protect, so nobody may believe that they hold.
const TO_COME: Mark = Mark::Later("further limits");

const fn limit(max: u64, unit: &'static str) -> Kind {
    Limit { max, unit }
}

const U32: u64 = u32::MAX as u64;
const U16: u64 = u16::MAX as u64;

/// The largest packet of the protocol: its first bytes and what they can announce.
const PACKET: u64 = 268_435_460;

pub(super) const LIMITS: &[Entry] = &[
    Entry::new(
        Global,
        "max_packet_size",
        Number { min: 20, max: PACKET, unit: "bytes" },
        "2000000",
        "the largest packet taken",
    )
    .at(in_broker!(limits.max_packet_size)),
    Entry::new(
        Global,
        "max_connect_size",
        Number { min: 20, max: PACKET, unit: "bytes" },
        "100000",
        "the largest CONNECT taken",
    )
    .at(in_broker!(limits.max_connect_size)),
    Entry::new(
        Global,
        "message_size_limit",
        limit(268_435_455, "bytes"),
        "no limit",
        "the largest payload passed on",
    )
    .at(in_broker!(limits.message_size_limit)),
    Entry::new(
        Global,
        "max_keepalive",
        limit(U16, "seconds"),
        "no limit",
        "the longest keep alive",
    )
    .at(in_broker!(limits.max_keepalive)),
    Entry::new(
        Global,
        "global_max_clients",
        limit(U32, "clients"),
        "no limit",
        "clients with a session, connected or not",
    )
    .at(in_broker!(limits.global_max_clients)),
    Entry::new(
        Global,
        "global_max_connections",
        limit(U32, "connections"),
        "no limit",
        "connections over all listeners at once",
    )
    .at(in_broker!(limits.global_max_connections)),
    Entry::new(
        Global,
        "max_connections_per_address",
        limit(U32, "connections"),
        "no limit",
        "connections from one address at once",
    )
    .at(in_broker!(limits.max_connections_per_address)),
    Entry::new(
        Global,
        "max_connection_rate",
        limit(U32, "connections"),
        "no limit",
        "connections taken in a second",
    )
    .at(in_broker!(limits.max_connection_rate)),
    Entry::new(
        Global,
        "max_message_rate",
        limit(U32, "messages"),
        "no limit",
        "messages taken from one client in a second",
    )
    .at(in_broker!(limits.max_message_rate))
    .mark(TO_COME),
    Entry::new(
        Global,
        "max_byte_rate",
        limit(u64::MAX, "bytes"),
        "no limit",
        "bytes taken from one client in a second",
    )
    .at(in_broker!(limits.max_byte_rate))
    .mark(TO_COME),
    Entry::new(
        Global,
        "max_subscriptions",
        limit(U32, "subscriptions"),
        "no limit",
        "subscriptions of one client",
    )
    .at(in_broker!(limits.max_subscriptions))
    .mark(TO_COME),
    Entry::new(
        Global,
        "max_topic_levels",
        Number { min: 1, max: U16, unit: "levels" },
        "200",
        "levels of a topic or filter",
    )
    .at(in_broker!(limits.max_topic_levels))
    .mark(TO_COME),
    Entry::new(
        Global,
        "max_topic_length",
        Number { min: 1, max: U16, unit: "bytes" },
        "65535",
        "length of a topic or filter",
    )
    .at(in_broker!(limits.max_topic_length))
    .mark(TO_COME),
    Entry::new(
        Global,
        "max_clientid_length",
        Number { min: 23, max: U16, unit: "bytes" },
        "65535",
        "length of a client id",
    )
    .at(in_broker!(limits.max_clientid_length))
    .mark(TO_COME),
    Entry::new(
        Global,
        "max_retained_messages",
        limit(U32, "messages"),
        "no limit",
        "topics with a retained message",
    )
    .at(in_broker!(limits.max_retained_messages))
    .mark(TO_COME),
    Entry::new(
        Global,
        "memory_limit",
        limit(u64::MAX, "bytes"),
        "no limit",
        "memory for everything that is kept",
    )
    .at(in_broker!(limits.memory_limit))
    .mark(TO_COME),
    Entry::new(
        Global,
        "connect_timeout",
        Number { min: 1, max: 3600, unit: "seconds" },
        "30",
        "time to send CONNECT",
    )
    .at(in_broker!(limits.connect_timeout)),
    Entry::new(
        Global,
        "stalled_timeout",
        Number { min: 1, max: 86_400, unit: "seconds" },
        "60",
        "time a client may take nothing of what waits for it",
    )
    .at(in_broker!(limits.stalled_timeout)),
];

pub(super) const MESSAGES: &[Entry] = &[
    Entry::new(
        Global,
        "max_inflight_messages",
        limit(U16, "messages"),
        "20",
        "messages of QoS 1 and 2 on their way to a client at once, and from it",
    )
    .at(in_broker!(limits.max_inflight_messages)),
    Entry::new(
        Global,
        "max_inflight_bytes",
        limit(u64::MAX, "bytes"),
        "no limit",
        "bytes of messages of QoS 1 and 2 on their way to a client at once",
    )
    .at(in_broker!(limits.max_inflight_bytes)),
    Entry::new(
        Global,
        "max_queued_messages",
        limit(U32, "messages"),
        "1000",
        "messages that wait for one client",
    )
    .at(in_broker!(limits.max_queued_messages)),
    Entry::new(
        Global,
        "max_queued_bytes",
        limit(u64::MAX, "bytes"),
        "no limit",
        "bytes of messages that wait for one client",
    )
    .at(in_broker!(limits.max_queued_bytes)),
    Entry::new(
        Global,
        "queue_overflow",
        Word(&["drop-new", "drop-old", "disconnect", "refuse"]),
        "drop-new",
        "what happens to a message for a full queue",
    )
    .at(in_broker!(limits.queue_overflow)),
    Entry::new(
        Global,
        "queue_qos0_messages",
        Flag,
        "false",
        "whether messages of QoS 0 wait for clients that are away",
    )
    .at(in_broker!(limits.queue_qos0_messages)),
    Entry::new(Global, "retain_available", Flag, "true", "whether messages can be retained")
        .at(in_broker!(limits.retain_available)),
    Entry::new(
        Global,
        "retain_expiry_interval",
        limit(U32, "minutes"),
        "no limit",
        "life of a retained message that has no expiry of its own",
    )
    .at(in_broker!(limits.retain_expiry_interval)),
    Entry::new(
        Global,
        "persistent_client_expiration",
        Period,
        "never",
        "when the session of a client is dropped that stays away",
    )
    .at(in_broker!(limits.persistent_client_expiration)),
    Entry::new(
        Global,
        "upgrade_outgoing_qos",
        Flag,
        "false",
        "whether messages go out with the QoS of the subscription",
    )
    .at(in_broker!(limits.upgrade_outgoing_qos)),
    Entry::new(
        Global,
        "allow_duplicate_messages",
        Flag,
        "false",
        "whether overlapping subscriptions bring a message more than once",
    )
    .instead("nothing: it is always false")
    .mark(Mark::Warns("a client gets a message once, however its subscriptions overlap")),
    Entry::new(
        Global,
        "retry_interval",
        limit(U32, "seconds"),
        "no limit",
        "time after which a message was sent again",
    )
    .instead("nothing: messages are sent again when a client reconnects, as MQTT says")
    .mark(Mark::Warns("messages are sent again when a client reconnects, never before")),
];
