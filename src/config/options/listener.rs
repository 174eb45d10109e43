//! Options of listeners.
//!
//! Owns: their rows.
//!
//! Never reads a value.

use super::Kind::{Flag, Limit, Mode, Number, Own, Path, Prefix, Text, Word, Words};
use super::Scope::{File, Listener};
use super::{Entry, Mark, in_listener};

/// What a build without WebSocket makes of options that need it.
const WEBSOCKET: Mark = if cfg!(feature = "websocket") {
    Mark::Works
} else {
    Mark::Refused("this build has no WebSocket; use one with the feature 'websocket'")
};

const fn topic_aliases(name: &'static str, says: &'static str) -> Entry {
    let kind = Number { min: 0, max: u16::MAX as u64, unit: "aliases" };
    Entry::new(Listener, name, kind, "10", says)
}

pub(super) const LISTENERS: &[Entry] = &[
    Entry::new(
        File,
        "listener",
        Own("PORT | PORT ADDRESS | PORT NAME | 0 PATH"),
        "none",
        "where to listen",
    )
    .repeats(),
    Entry::new(
        File,
        "port",
        Number { min: 1, max: 65_535, unit: "" },
        "1883",
        "the port of the listener that begins above all 'listener' lines",
    )
    .instead("listener PORT"),
    Entry::new(
        File,
        "bind_address",
        Own("ADDRESS | NAME"),
        "none",
        "the address of the listener that begins above all 'listener' lines",
    )
    .instead("listener PORT ADDRESS"),
    Entry::new(Listener, "bind_interface", Text, "none", "the one network interface to listen on")
        .at(in_listener!(bind_interface)),
    Entry::new(
        Listener,
        "socket_domain",
        Word(&["both", "ipv4", "ipv6"]),
        "both",
        "versions of IP",
    )
    .at(in_listener!(family)),
    Entry::new(Listener, "unix_socket_mode", Mode, "0660", "mode of the file of a Unix socket")
        .at(in_listener!(unix_socket_mode))
        .needs_listener(),
    Entry::new(
        Listener,
        "unix_socket_owner",
        Own("USER[:GROUP]"),
        "the user of the process",
        "who owns the file of a Unix socket",
    )
    .at(in_listener!(unix_socket_owner))
    .needs_listener(),
    Entry::new(
        Listener,
        "max_connections",
        Limit { max: u32::MAX as u64, unit: "connections" },
        "no limit",
        "connections at once",
    )
    .at(in_listener!(max_connections)),
    Entry::new(
        Listener,
        "max_qos",
        Number { min: 0, max: 2, unit: "" },
        "2",
        "the highest QoS taken",
    )
    .aliases(&["maximum_qos"])
    .at(in_listener!(max_qos)),
    topic_aliases("max_topic_alias", "topic aliases a client may use")
        .at(in_listener!(max_topic_alias)),
    topic_aliases("max_topic_alias_broker", "topic aliases used towards a client")
        .at(in_listener!(max_topic_alias_broker))
        .needs_listener(),
    Entry::new(
        Listener,
        "accept_protocol_versions",
        Words(&["3", "4", "5"]),
        "3,4,5",
        "versions of MQTT spoken (3 is 3.1, 4 is 3.1.1)",
    )
    .at(in_listener!(versions))
    .needs_listener(),
    Entry::new(Listener, "mount_point", Prefix, "none", "what stands before all its topics")
        .at(in_listener!(mount_point)),
    Entry::new(
        Listener,
        "use_username_as_clientid",
        Flag,
        "false",
        "whether the user name becomes the client id",
    )
    .at(in_listener!(use_username_as_clientid)),
    Entry::new(
        Listener,
        "listener_allow_anonymous",
        Flag,
        "as allow_anonymous says",
        "allow_anonymous for this listener",
    )
    .at(in_listener!(allow_anonymous))
    .replaces("allow_anonymous")
    .needs_listener(),
    Entry::new(
        Listener,
        "listener_auto_id_prefix",
        Text,
        "as auto_id_prefix says",
        "what an id begins with that the broker chose for a client of this listener",
    )
    .at(in_listener!(auto_id_prefix))
    .replaces("auto_id_prefix")
    .needs_listener(),
    Entry::new(Listener, "protocol", Word(&["mqtt", "websockets"]), "mqtt", "what is spoken")
        .at(in_listener!(protocol))
        .mark(WEBSOCKET),
    Entry::new(Listener, "http_dir", Path, "none", "files for browsers").mark(Mark::Refused(
        "this broker is no web server; serve the files by one and remove the line",
    )),
    Entry::new(
        Listener,
        "websockets_origin",
        Text,
        "none",
        "from which pages browsers may connect",
    )
    .repeats()
    .at(in_listener!(websockets_origin))
    .mark(WEBSOCKET),
    Entry::new(
        Listener,
        "packet_buffer_size",
        Number { min: 0, max: u32::MAX as u64, unit: "bytes" },
        "4096",
        "room for the headers of a request",
    )
    .aliases(&["websockets_headers_size"])
    .mark(Mark::Warns("buffers are as large as they need to be")),
    Entry::new(
        Listener,
        "websockets_log_level",
        Number { min: 0, max: u32::MAX as u64, unit: "" },
        "0",
        "what a library logs that this broker does not have",
    )
    .mark(Mark::Warns("log_type websockets says what is logged")),
    Entry::new(
        Listener,
        "enable_proxy_protocol",
        Word(&["1", "2"]),
        "none",
        "by which PROXY header a proxy tells who the client is",
    )
    .at(in_listener!(enable_proxy_protocol))
    .needs_listener(),
    Entry::new(
        Listener,
        "proxy_protocol_v2_require_tls",
        Flag,
        "false",
        "whether the client must have spoken TLS to the proxy",
    )
    .at(in_listener!(proxy_protocol_v2_require_tls))
    .needs_listener(),
    Entry::new(
        Listener,
        "proxy_trusted_networks",
        Own("ADDRESS[/BITS] ..."),
        "none",
        "from where proxies are believed",
    )
    .at(in_listener!(proxy_trusted_networks))
    .repeats()
    .needs_listener(),
];
