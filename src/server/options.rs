//! The option table of `mqtt-broker`.
//!
//! Owns: the options. Parser, `--help` and the test of the manual page come from here.
//!
//! Never says what an option does beyond a line: the manual page does.

use crate::cli::Opt;

/// The options of `mqtt-broker`.
pub const BROKER: &[Opt] = &[
    Opt::value("c", "config", "FILE", "read this configuration, see mqtt-broker.conf(5)"),
    Opt::flag("", "test-config", "say what the configuration means and exit"),
    Opt::value("", "test-acl", "FILE", "say what this list of rights allows and exit"),
    Opt::value("", "user", "NAME", "with --test-acl: the user name (default: none)"),
    Opt::value("", "clientid", "ID", "with --test-acl: the client id (default: empty)"),
    Opt::value(
        "",
        "import-mosquitto-db",
        "FILE",
        "put a database of mosquitto into the store and exit",
    ),
    Opt::flag("", "dump", "show what is stored as lines of JSON and exit"),
    Opt::value("", "host", "HOST", "listen on this address or name (default 0.0.0.0)").repeated(),
    Opt::value("p", "port", "PORT", "listen on this port (default 1883; 0: any free one)"),
    Opt::value("", "max-clients", "COUNT", "take so many connections at once (default: any)"),
    Opt::flag("d", "daemon", "run in the background, once everything is set up"),
    Opt::flag("v", "verbose", "log everything, every packet among it"),
    Opt::flag("q", "quiet", "log errors only"),
    Opt::flag("h", "help", "show this help and exit"),
    Opt::flag("V", "version", "show the version and exit"),
];
