//! Options of the log.
//!
//! Owns: their rows.
//!
//! Never reads a value.

use super::Kind::{Flag, Limit, Number, Own, Text, Word, Words};
use super::Scope::Global;
use super::{Entry, Mark, in_broker};

pub(super) const LOG: &[Entry] = &[
    Entry::new(
        Global,
        "log_dest",
        Own("stderr | stdout | syslog | topic | none | file PATH"),
        "stderr",
        "where lines go",
    )
    .at(in_broker!(log.destinations))
    .repeats(),
    Entry::new(
        Global,
        "log_type",
        Words(&[
            "error",
            "warning",
            "notice",
            "information",
            "debug",
            "subscribe",
            "unsubscribe",
            "websockets",
            "internal",
            "none",
            "all",
        ]),
        "error warning notice information",
        "which lines there are",
    )
    .at(in_broker!(log.types))
    .repeats(),
    Entry::new(
        Global,
        "connection_messages",
        Flag,
        "true",
        "whether clients that come and go are worth a line",
    )
    .at(in_broker!(log.connection_messages)),
    Entry::new(
        Global,
        "log_timestamp",
        Flag,
        "true in files and on terminals, false where the reader has its own",
        "whether lines begin with the time",
    )
    .at(in_broker!(log.timestamp)),
    Entry::new(
        Global,
        "log_timestamp_format",
        Text,
        "seconds since 1970",
        "how the time is written, as of strftime(3)",
    )
    .at(in_broker!(log.timestamp_format)),
    Entry::new(Global, "log_format", Word(&["text", "json"]), "text", "what a line looks like")
        .at(in_broker!(log.format)),
    Entry::new(
        Global,
        "log_facility",
        Number { min: 0, max: 7, unit: "" },
        "daemon",
        "the facility of syslog, local0 to local7",
    )
    .at(in_broker!(log.facility)),
    Entry::new(
        Global,
        "log_file_size",
        Limit { max: u64::MAX, unit: "bytes" },
        "no limit",
        "size of a log file at which the next one is begun",
    )
    .at(in_broker!(log.file_size)),
    Entry::new(
        Global,
        "log_file_count",
        Number { min: 0, max: 1000, unit: "files" },
        "1",
        "full log files that are kept",
    )
    .at(in_broker!(log.file_count)),
    Entry::new(
        Global,
        "max_log_entries",
        Number { min: 0, max: u32::MAX as u64, unit: "lines" },
        "none",
        "what old files have, and nothing more",
    )
    .instead("log_file_size")
    .mark(Mark::Warns("log_file_size limits a log")),
];
