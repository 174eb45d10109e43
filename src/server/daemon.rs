//! The daemon: from a command line to a server that runs.
//!
//! Owns: the order in which things are done, so that all that can fail fails while somebody is
//! there to see it, and the exit status of what has failed.
//!
//! Never prints: what is to be said goes to the log, or to the caller.

use std::fmt::Display;

use log::{error, info, warn};

use super::access::secret;
use super::command::CommandLine;
use super::configured::Plan;
use super::gateway::gateway;
use super::log::{Logger, Surroundings};
use super::process::Process;
use super::reload::Reloader;
use super::storage::offline::{Import, dump as dump_store};
use super::{BoundServer, Server, inherited};
use crate::cli::Usage;
use crate::config::{self, LogSettings, Reading};

/// Why nothing is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The command line, or the machine; a line for standard error.
    Usage(Usage),
    /// The configuration; a line for each thing that is wrong with it.
    Config(Vec<String>),
    /// The log has said it where it can be seen.
    Logged,
}

impl From<Usage> for Failure {
    fn from(usage: Usage) -> Self {
        Self::Usage(usage)
    }
}

/// The text of `--test-config`: what a configuration means, and what the operator should know.
/// Every file that it names is read.
///
/// # Errors
/// Everything that is wrong with these.
pub fn explained(command: &CommandLine, reading: Reading) -> Result<String, Failure> {
    let Reading { config, mut warnings } = reading;
    let mut tables = command.tables(&config).map_err(Failure::Config)?;
    let gateways = config.listeners.iter().map(gateway);
    let problems: Vec<String> = gateways.filter_map(Result::err).collect();
    if !problems.is_empty() {
        return Err(Failure::Config(problems));
    }
    warnings.append(&mut tables.warnings);
    let mut text = config::policy(&config);
    if !warnings.is_empty() {
        text += "\nWarnings\n";
    }
    for warning in &warnings {
        text += &format!("  {warning}\n");
    }
    Ok(text)
}

/// `--import-mosquitto-db`: what was imported, in words. The rights of root are given up once the
/// database is read, so that the store belongs to whom the broker will be.
///
/// # Errors
/// Why nothing was.
pub fn import(file: &str, reading: &Reading) -> Result<String, Failure> {
    let import = Import::read(file).map_err(Usage)?;
    Process::leave_root(&reading.config.daemon).map_err(Usage)?;
    Ok(import.write(&reading.config.persistence).map_err(Usage)?)
}

/// `--dump`: everything that is stored goes to `out`, as lines of JSON.
///
/// # Errors
/// Why there is nothing to show.
pub fn dump(reading: &Reading, out: &mut dyn std::io::Write) -> Result<(), Failure> {
    Ok(dump_store(&reading.config.persistence, out).map_err(Usage)?)
}

/// Serves by what `command` has read, until a signal ends it. To be called before there is a
/// second thread.
///
/// # Errors
/// Why nothing is served.
pub fn serve(command: CommandLine, reading: Reading) -> Result<(), Failure> {
    let Reading { config, mut warnings } = reading;
    let mut process = Process::prepare(&config.daemon).map_err(Usage)?;
    let mut tables = command.tables(&config).map_err(Failure::Config)?;
    warnings.append(&mut tables.warnings);
    let secret = secret().map_err(Usage)?;
    let handed_over = inherited().map_err(|error| {
        Usage(format!("cannot take the sockets that were handed over (LISTEN_FDS): {error}"))
    })?;
    let owner = process.owner();
    let around = Surroundings { owner, ..Surroundings::default() };
    let logger = Logger::open(&config.log, around).map_err(Usage)?;
    logger.install().map_err(|error| Usage(error.to_string()))?;
    for warning in &warnings {
        warn!("{warning}");
    }
    // The command line alone says where to listen, or nothing does.
    let is_open = config.listeners.iter().all(|listener| listener.origin.is_empty());
    let plan =
        Plan::new(&config, &[], owner, (&tables, secret)).map_err(|problems| {
            match problems.first() {
                Some(first) if is_open => Failure::Usage(Usage(first.clone())),
                Some(_) | None => Failure::Config(problems),
            }
        })?;
    let Plan { config: mut server, authority, listeners } = plan;
    (server.handles_signals, server.notifies_manager) = (true, true);
    let (log, is_local_only) = (config.log.clone(), config.is_local_only);
    let mut server = Server::new(server)
        .authority(authority.clone())
        .logger(logger.clone())
        .inherited(handed_over);
    if command.has_file() {
        server.reloader =
            Some(Reloader::new(command, logger, owner, (config, listeners), (authority, secret)));
    }
    let mut bound = server.bind().map_err(|error| give_up(&log, error))?;
    announce(&bound, is_local_only, is_open);
    process.enter().map_err(|error| give_up(&log, error))?;
    bound.open_store().map_err(|error| give_up(&log, error))?;
    process.detach().map_err(|error| give_up(&log, error))?;
    info!("mqtt-broker version {} running", env!("CARGO_PKG_VERSION"));
    let end = bound.run().map_err(|error| give_up(&log, error));
    drop(process);
    end
}

/// Says who may come, where nobody has said it.
fn announce(bound: &BoundServer, is_local_only: bool, is_open: bool) {
    if is_local_only {
        info!("Only this machine may connect: the configuration has no 'listener' line");
    } else if is_open && bound.local_addrs().iter().any(|address| !address.ip().is_loopback()) {
        warn!(
            "Everyone who can reach these addresses may connect; --host 127.0.0.1 keeps it local"
        );
    }
}

/// Says why nothing is served: in the log, and to whoever started the program.
fn give_up(log: &LogSettings, what: impl Display) -> Failure {
    error!("{what}");
    if log.destinations.contains(&config::LogDest::Stderr) {
        return Failure::Logged;
    }
    Usage(what.to_string()).into()
}
