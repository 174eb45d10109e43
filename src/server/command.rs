//! What the command line of the daemon says.
//!
//! Owns: [`CommandLine`], which reads the configuration it names, once and again, and says what
//! goes before it. What it overrides stays so over every reload.
//!
//! Never prints and never opens anything but configuration files.

use getopts::Matches;

use super::access::Tables;
use super::files::{Disk, is_credential};
use crate::cli::{self, Usage};
use crate::config::{
    self, Address, Config, Fallback, Listener, LogDest, LogTypes, Problem, Reading,
};

/// A command line, understood.
#[derive(Clone, Debug, Default)]
pub struct CommandLine {
    /// The configuration to read.
    file: Option<String>,
    /// Where to listen if it does not say.
    fallback: Fallback,
    max_clients: Option<u32>,
    is_daemon: bool,
    is_quiet: bool,
    is_verbose: bool,
    disk: Disk,
}

impl CommandLine {
    /// Understands what was given. Names of files count from where the process is now.
    ///
    /// # Errors
    /// [`Usage`] for values that are none.
    pub fn new(matches: &Matches) -> Result<Self, Usage> {
        if let Some(extra) = matches.free.first() {
            return Err(Usage(format!(
                "argument '{extra}' is not expected; 'mqtt-broker --help' says what is"
            )));
        }
        let expected = "how many clients may connect, 0 for no limit";
        Ok(Self {
            file: matches.opt_str("config"),
            fallback: Fallback {
                hosts: matches.opt_strs("host"),
                port: cli::value(matches, "port", "a number from 0 to 65535")?,
            },
            max_clients: cli::value(matches, "max-clients", expected)?,
            is_daemon: matches.opt_present("daemon"),
            is_quiet: matches.opt_present("quiet"),
            is_verbose: matches.opt_present("verbose"),
            disk: Disk::here(),
        })
    }

    /// Whether there is a file to read again.
    #[must_use]
    pub const fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// Reads the configuration: what the file says, and what goes before it.
    ///
    /// # Errors
    /// Everything that is wrong with it, a line each.
    pub fn configuration(&self) -> Result<Reading, Vec<String>> {
        let mut reading = match &self.file {
            Some(path) => config::read(path, &self.disk, &self.fallback)
                .map_err(|problems| problems.iter().map(Problem::to_string).collect::<Vec<_>>())?,
            None => Reading { config: config::without_file(&self.fallback), warnings: Vec::new() },
        };
        self.override_settings(&mut reading.config);
        Ok(reading)
    }

    /// Its files.
    pub(super) const fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Reads the files of passwords and rights that a configuration names.
    ///
    /// # Errors
    /// Everything that is wrong with them, a line each.
    pub fn tables(&self, config: &Config) -> Result<Tables, Vec<String>> {
        Tables::read(config, &self.disk)
    }

    /// What the command line says goes before what the file says.
    fn override_settings(&self, config: &mut Config) {
        let Config { log, daemon, limits, listeners, .. } = config;
        if let Some(most) = self.max_clients {
            limits.global_max_connections = most;
        }
        if self.is_quiet {
            log.types = LogTypes { error: true, ..LogTypes::NONE };
        } else if self.is_verbose {
            log.types = LogTypes::ALL;
        }
        daemon.daemonize = self.is_daemon;
        if daemon.daemonize {
            // A daemon has no terminal, and nobody reads its standard output.
            let count = log.destinations.len();
            log.destinations.retain(|place| !matches!(place, LogDest::Stderr | LogDest::Stdout));
            if log.destinations.len() < count && !log.destinations.contains(&LogDest::Syslog) {
                log.destinations.push(LogDest::Syslog);
            }
        }
        // A daemon goes elsewhere before it opens them again.
        let logs = log.destinations.iter_mut().filter_map(|place| match place {
            LogDest::File(path) => Some(path),
            LogDest::Stderr | LogDest::Stdout | LogDest::Syslog | LogDest::Topic => None,
        });
        let of_listeners = listeners.iter_mut().flat_map(|listener| {
            let socket = match &mut listener.address {
                Address::Unix { path } => Some(path),
                Address::Loopback { .. } | Address::Any { .. } | Address::Host { .. } => None,
            };
            let Listener { certfile, keyfile, cafile, capath, crlfile, .. } = listener;
            let files = [certfile, keyfile, cafile, capath, crlfile].into_iter().flatten();
            files.chain(socket)
        });
        for path in logs.chain(of_listeners).filter(|path| !is_credential(path)) {
            if let Some(absolute) = self.disk.absolute(path).to_str() {
                absolute.clone_into(path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::options::BROKER;

    fn command(words: &[&str]) -> Result<CommandLine, Usage> {
        let words = words.iter().map(std::ffi::OsString::from);
        CommandLine::new(&cli::parse("mqtt-broker", BROKER, words)?)
    }

    fn config(words: &[&str]) -> Config {
        command(words).unwrap().configuration().unwrap().config
    }

    #[test]
    fn without_a_file_it_says_everything() {
        let listener = |words: &[&str]| config(words).listeners[0].address.to_string();
        assert_eq!(listener(&[]), "port 1883 of 0.0.0.0");
        assert_eq!(listener(&["-p", "5", "--host", "::1"]), "port 5 of ::1");
        assert!(config(&[]).listeners[0].allow_anonymous);
        assert_eq!(config(&["--max-clients", "7"]).limits.global_max_connections, 7);
        assert!(config(&["-v"]).log.types == LogTypes::ALL && !config(&["-q"]).log.types.warning);
        let daemon = config(&["-d"]);
        assert!(daemon.daemon.daemonize && daemon.log.destinations == [LogDest::Syslog]);
        for wrong in [&["extra"][..], &["-p", "x"], &["--max-clients", "-1"]] {
            assert!(command(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn it_goes_before_the_file_whenever_that_is_read() {
        let path = std::env::temp_dir().join(format!("mqtt-broker-command-{}", std::process::id()));
        let name = path.to_str().unwrap();
        let text = "max_qos 1\nlog_type none\nglobal_max_connections 3\nlog_dest file a/b\n";
        std::fs::write(&path, text).unwrap();
        let command = command(&["-c", name, "-p", "5", "-v", "--max-clients", "7"]).unwrap();
        assert!(command.has_file());
        let here = std::env::current_dir().unwrap().join("a/b");
        let first = command.configuration().unwrap();
        let Config { limits, log, listeners, .. } = &first.config;
        assert_eq!((limits.global_max_connections, log.types), (7, LogTypes::ALL));
        assert_eq!(listeners[0].address.to_string(), "port 5 of every address");
        assert_eq!(log.destinations, [LogDest::File(here.to_str().unwrap().into())]);
        assert_eq!(command.configuration(), Ok(first));
        std::fs::write(&path, "listener 6\nmax_qs 1\nqueue_overflow refuse\n").unwrap();
        assert_eq!(command.configuration().unwrap_err().len(), 1);
        std::fs::remove_file(&path).unwrap();
        assert!(command.configuration().unwrap_err()[0].contains("cannot read it"));
    }
}
