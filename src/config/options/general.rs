//! Options of the file, the process, who may connect, and what outlives the process.
//!
//! Owns: their rows.
//!
//! Never reads a value.

use super::Kind::{Flag, Limit, Number, Own, Path, Text};
use super::Scope::{File, Global, Security};
use super::{Entry, Mark, in_broker, in_listener};

/// What the features are called that are still to come.
pub(super) const BRIDGES: Mark = Mark::Later("bridges");
const CONTROL: Mark = Mark::Later("the control topics");

const PLUGIN: Mark = Mark::Refused(
    "this broker loads no plugins, and without this one it would let in whom the plugin may \
     not; remove the line and use its own options",
);

pub(super) const FILE: &[Entry] = &[
    Entry::new(File, "include_dir", Path, "none", "a directory of which all *.conf are read here")
        .repeats(),
    Entry::new(
        File,
        "per_listener_settings",
        Flag,
        "false",
        "whether who may connect is said for each listener by itself",
    )
    .instead("listener_allow_anonymous and listener_auto_id_prefix"),
];

pub(super) const PROCESS: &[Entry] = &[
    Entry::new(Global, "pid_file", Path, "none", "a file that holds the process id")
        .at(in_broker!(daemon.pid_file))
        .at_start(),
    Entry::new(
        Global,
        "user",
        Text,
        "mosquitto, or nobody where there is none",
        "whose rights it keeps when started by root",
    )
    .at(in_broker!(daemon.user))
    .at_start(),
    Entry::new(
        Global,
        "sys_interval",
        Number { min: 0, max: 65_535, unit: "seconds" },
        "10",
        "time between statistics below $SYS",
    )
    .at(in_broker!(daemon.sys_interval)),
    Entry::new(Global, "set_tcp_nodelay", Flag, "true", "whether small packets leave at once")
        .at(in_broker!(daemon.tcp_nodelay)),
    Entry::new(Global, "enable_control_api", Flag, "false", "the topics below $CONTROL")
        .mark(CONTROL),
];

pub(super) const ADMISSION: &[Entry] = &[
    Entry::new(
        Security,
        "allow_anonymous",
        Flag,
        "false, but true where the file has no listener",
        "whether clients may come in without a user name",
    )
    .at(in_listener!(allow_anonymous)),
    Entry::new(
        Security,
        "allow_zero_length_clientid",
        Flag,
        "true",
        "whether clients may leave their id to the broker",
    )
    .at(in_listener!(allow_zero_length_clientid)),
    Entry::new(Security, "auto_id_prefix", Text, "auto-", "what an id begins with that it chose")
        .at(in_listener!(auto_id_prefix))
        .instead("listener_auto_id_prefix"),
    Entry::new(Security, "password_file", Path, "none", "who may come in with which password")
        .at(in_listener!(password_file)),
    Entry::new(Security, "acl_file", Path, "none", "who may publish and subscribe to what")
        .at(in_listener!(acl_file)),
    Entry::new(
        Global,
        "check_retain_source",
        Flag,
        "true",
        "whether retained messages are held back whose publisher has lost his rights",
    )
    .at(in_broker!(limits.check_retain_source)),
    Entry::new(
        Security,
        "auth_plugin_deny_special_chars",
        Flag,
        "true",
        "whether names with + and # are denied everything",
    )
    .mark(Mark::Warns("a list that has patterns never gives anything to names with + and #")),
    Entry::new(Security, "psk_file", Path, "none", "keys shared with clients").mark(Mark::Refused(
        "this broker knows no pre-shared keys; use TLS with certificates instead",
    )),
    Entry::new(Global, "clientid_prefixes", Text, "none", "with what client ids must begin")
        .instead("an access control list")
        .mark(Mark::Refused(
            "this broker does not judge client ids; give who may come in a user name instead",
        )),
    Entry::new(Security, "plugin", Path, "none", "a program to ask who may do what")
        .aliases(&["auth_plugin"])
        .repeats()
        .mark(PLUGIN),
    Entry::new(Security, "plugin_opt_*", Text, "none", "an option of the plugin above it")
        .aliases(&["auth_opt_*"])
        .repeats()
        .mark(PLUGIN),
    Entry::new(Global, "global_plugin", Path, "none", "a plugin for every listener")
        .repeats()
        .mark(PLUGIN),
    Entry::new(Global, "plugin_load", Own("NAME PATH"), "none", "a plugin for some listeners")
        .repeats()
        .mark(PLUGIN),
    Entry::new(Security, "plugin_use", Own("NAME"), "none", "a plugin that was loaded")
        .repeats()
        .mark(PLUGIN),
];

pub(super) const PERSISTENCE: &[Entry] = &[
    Entry::new(Global, "persistence", Flag, "false", "whether state outlives the process")
        .aliases(&["retained_persistence"])
        .at(in_broker!(persistence.is_on))
        .at_start(),
    Entry::new(
        Global,
        "persistence_location",
        Path,
        "the directory it was started in",
        "the directory of the store",
    )
    .at(in_broker!(persistence.location))
    .at_start(),
    Entry::new(Global, "persistence_file", Path, "mqtt-broker.db", "the name of the store's file")
        .at(in_broker!(persistence.file))
        .at_start(),
    Entry::new(
        Global,
        "persistence_sync",
        Own("always | interval N ms | off"),
        "always",
        "when an acknowledgement may leave",
    )
    .at(in_broker!(persistence.sync))
    .at_start(),
    Entry::new(
        Global,
        "autosave_interval",
        Limit { max: u32::MAX as u64, unit: "seconds" },
        "10",
        "how long what nobody waits for may stay unsaved",
    )
    .at(in_broker!(persistence.autosave_interval))
    .at_start(),
    Entry::new(
        Global,
        "autosave_on_changes",
        Flag,
        "false",
        "whether autosave_interval counts changes instead of seconds",
    )
    .at(in_broker!(persistence.autosave_on_changes))
    .at_start(),
];
