//! Options of bridges.
//!
//! Owns: their rows. The line that begins a bridge decides what becomes of all of it.
//!
//! Never reads a value.

use super::Kind::{Flag, Limit, Number, Own, Path, Text, Word};
use super::Scope::{Bridge, File};
use super::{Entry, Kind, Mark, general};

const fn bridge(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    says: &'static str,
) -> Entry {
    Entry::new(Bridge, name, kind, default, says).mark(general::BRIDGES)
}

const fn number(min: u64, max: u64, unit: &'static str) -> Kind {
    Number { min, max, unit }
}

const U32: u64 = u32::MAX as u64;
const U16: u64 = u16::MAX as u64;

const PSK: Mark =
    Mark::Refused("this broker knows no pre-shared keys; use TLS with certificates instead");

pub(super) const BRIDGES: &[Entry] = &[
    Entry::new(File, "connection", Own("NAME"), "none", "begins a bridge")
        .repeats()
        .mark(general::BRIDGES),
    bridge("address", Own("HOST[:PORT] ..."), "none", "the other broker, or several to try")
        .aliases(&["addresses"]),
    bridge(
        "topic",
        Own("PATTERN [[out | in | both] [QOS [LOCAL-PREFIX [REMOTE-PREFIX]]]]"),
        "none",
        "what goes over the bridge",
    )
    .repeats(),
    bridge("round_robin", Flag, "false", "whether the first address is as good as the others"),
    bridge(
        "bridge_protocol_version",
        Word(&["mqttv31", "mqttv311", "mqttv50"]),
        "mqttv311",
        "the version of MQTT",
    ),
    bridge("remote_clientid", Text, "NAME.HOSTNAME", "client id at the other broker")
        .aliases(&["clientid"]),
    bridge("remote_username", Text, "none", "user name at the other broker").aliases(&["username"]),
    bridge("remote_password", Text, "none", "password at the other broker").aliases(&["password"]),
    bridge("local_clientid", Text, "local.REMOTE-CLIENTID", "client id at this broker"),
    bridge("local_username", Text, "none", "user name at this broker"),
    bridge("local_password", Text, "none", "password at this broker"),
    bridge("cleansession", Flag, "false", "whether the other broker forgets the bridge"),
    bridge("local_cleansession", Flag, "as cleansession", "whether this broker does"),
    bridge("keepalive_interval", number(5, U16, "seconds"), "60", "keep alive"),
    bridge("start_type", Word(&["automatic", "lazy", "once"]), "automatic", "when it connects"),
    bridge(
        "restart_timeout",
        Own("SECONDS | BASE CAP [STABLE]"),
        "5 30",
        "time to the next attempt to connect",
    ),
    bridge("idle_timeout", number(1, U32, "seconds"), "60", "when a lazy bridge disconnects"),
    bridge("threshold", number(1, U32, "messages"), "10", "for how many a lazy bridge connects"),
    bridge("notifications", Flag, "true", "whether a topic tells if the bridge is up"),
    bridge("notifications_local_only", Flag, "false", "whether only this broker has that topic"),
    bridge(
        "notification_topic",
        Text,
        "$SYS/broker/connection/REMOTE-CLIENTID/state",
        "the topic that tells",
    ),
    bridge("try_private", Flag, "true", "whether it says that it is a bridge"),
    bridge("bridge_attempt_unsubscribe", Flag, "true", "whether it clears old subscriptions"),
    bridge("bridge_outgoing_retain", Flag, "true", "whether messages go out retained"),
    bridge(
        "bridge_max_packet_size",
        Limit { max: U32, unit: "bytes" },
        "no limit",
        "the largest packet over the bridge",
    ),
    bridge("bridge_max_topic_alias", number(0, U16, "aliases"), "10", "topic aliases"),
    bridge(
        "bridge_receive_maximum",
        number(1, U16, "messages"),
        "as max_inflight_messages",
        "messages on their way to this broker at once",
    ),
    bridge("bridge_session_expiry_interval", number(0, U32, "seconds"), "0", "life of the session"),
    bridge("bridge_reload_type", Word(&["lazy", "immediate"]), "lazy", "when changes take effect"),
    bridge("bridge_bind_address", Text, "any", "from which address it connects"),
    bridge("bridge_tcp_keepalive", Own("IDLE INTERVAL COUNT"), "off", "keep-alive of TCP"),
    bridge(
        "bridge_tcp_user_timeout",
        number(0, U32, "milliseconds"),
        "none",
        "time to acknowledge what was sent",
    ),
];

pub(super) const BRIDGES_TLS: &[Entry] = &[
    bridge("bridge_cafile", Path, "none", "authorities that vouch for the other broker"),
    bridge("bridge_capath", Path, "none", "a directory of such authorities"),
    bridge("bridge_certfile", Path, "none", "the certificate of the bridge"),
    bridge("bridge_keyfile", Path, "none", "its private key"),
    bridge("bridge_insecure", Flag, "false", "whether the name in the certificate may be wrong"),
    bridge("bridge_tls_version", Word(&["tlsv1.2", "tlsv1.3"]), "tlsv1.2", "the version of TLS"),
    bridge("bridge_tls_use_os_certs", Flag, "false", "whether the system's authorities count"),
    bridge("bridge_alpn", Text, "none", "the protocol named in the handshake"),
    bridge("bridge_ciphers", Text, "none", "ciphers for TLS 1.2"),
    bridge("bridge_ciphers_tls1.3", Text, "none", "ciphers for TLS 1.3"),
    bridge("bridge_require_ocsp", Flag, "false", "whether the certificate must be stapled")
        .mark(Mark::Refused("this broker does not check OCSP; give it a cafile you trust instead")),
    bridge("bridge_identity", Text, "none", "the name of a shared key").mark(PSK),
    bridge("bridge_psk", Text, "none", "a shared key").mark(PSK),
];
