//! The daemon: command line to server.
//!
//! Owns: what its options mean, the logger, the exit code.
//!
//! Never does anything a program that embeds the library could not do.

use std::fmt::Display;
use std::io::Write;
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;

use getopts::Matches;
use log::{error, info, warn};
use mqtt_broker::cli::{self, Usage};
use mqtt_broker::config::{DaemonSettings, LogDest, LogSettings, LogTypes};
use mqtt_broker::server::log::{Logger, Surroundings};
use mqtt_broker::server::options::BROKER;
use mqtt_broker::server::process::Process;
use mqtt_broker::server::{PORT, Server, ServerConfig};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(usage)) => {
            // Nothing is left to be done if standard error is closed.
            let _ = writeln!(std::io::stderr(), "mqtt-broker: {usage}");
            ExitCode::FAILURE
        }
        Err(Failure::Logged) => ExitCode::FAILURE,
    }
}

enum Failure {
    Usage(Usage),
    Logged,
}

impl From<Usage> for Failure {
    fn from(usage: Usage) -> Self {
        Self::Usage(usage)
    }
}

fn run() -> Result<(), Failure> {
    let arguments = std::env::args_os().skip(1);
    let matches = cli::parse("mqtt-broker", BROKER, arguments)?;
    if matches.opt_present("help") {
        print(&cli::usage(
            "Usage: mqtt-broker [OPTION]...\nAn MQTT 3.1, 3.1.1 and 5.0 broker.",
            BROKER,
        ));
        return Ok(());
    }
    if matches.opt_present("version") {
        print(&format!("mqtt-broker {}\n", env!("CARGO_PKG_VERSION")));
        return Ok(());
    }
    if let Some(extra) = matches.free.first() {
        let what = format!("argument '{extra}' is not expected; 'mqtt-broker --help' says what is");
        return Err(Usage(what).into());
    }
    let port: u16 = cli::value(&matches, "port", "a number from 0 to 65535")?.unwrap_or(PORT);
    let hosts = matches.opt_strs("host");
    let expected = "how many clients may connect, 0 for no limit";
    let config = ServerConfig {
        listeners: addresses(&hosts, port)?,
        max_connections: cli::value(&matches, "max-clients", expected)?.unwrap_or(0),
        handles_signals: true,
        notifies_manager: true,
        ..ServerConfig::default()
    };
    let (mut log, mut daemon) = (LogSettings::default(), DaemonSettings::default());
    override_settings(&matches, &mut log, &mut daemon);
    serve(config, hosts.is_empty(), &log, &daemon)
}

/// What the command line says goes before what a file says.
fn override_settings(matches: &Matches, log: &mut LogSettings, daemon: &mut DaemonSettings) {
    daemon.daemonize = matches.opt_present("daemon");
    if matches.opt_present("quiet") {
        log.types = LogTypes { error: true, ..LogTypes::NONE };
    } else if matches.opt_present("verbose") {
        log.types = LogTypes::ALL;
    }
    if daemon.daemonize {
        // A daemon has no terminal, and nobody who reads its standard output.
        let count = log.destinations.len();
        log.destinations.retain(|place| !matches!(place, LogDest::Stderr | LogDest::Stdout));
        if log.destinations.len() < count && !log.destinations.contains(&LogDest::Syslog) {
            log.destinations.push(LogDest::Syslog);
        }
    }
}

/// Says why nothing is served: in the log, and to whoever started the program.
fn give_up(log: &LogSettings, what: impl Display) -> Failure {
    error!("{what}");
    if log.destinations.contains(&LogDest::Stderr) {
        return Failure::Logged;
    }
    Usage(what.to_string()).into()
}

fn serve(
    config: ServerConfig,
    is_default: bool,
    log: &LogSettings,
    daemon: &DaemonSettings,
) -> Result<(), Failure> {
    let mut process = Process::prepare(daemon).map_err(Usage)?;
    let around = Surroundings { owner: process.owner(), ..Surroundings::default() };
    let logger = Logger::open(log, around).map_err(Usage)?;
    logger.install().map_err(|error| Usage(error.to_string()))?;
    let bound = Server::new(config).logger(logger).bind();
    let bound = bound.map_err(|error| give_up(log, error))?;
    for address in bound.local_addrs() {
        info!("listening on {address}");
    }
    if is_default {
        warn!("Everyone who can reach this machine may connect; --host 127.0.0.1 keeps it local");
    } else if bound.local_addrs().iter().any(|address| !address.ip().is_loopback()) {
        warn!("Everyone who can reach these addresses may connect");
    }
    process.enter().map_err(|error| give_up(log, error))?;
    info!("mqtt-broker version {} running", env!("CARGO_PKG_VERSION"));
    let end = bound.run().map_err(|error| give_up(log, error));
    drop(process);
    end
}

fn addresses(hosts: &[String], port: u16) -> Result<Vec<SocketAddr>, Usage> {
    if hosts.is_empty() {
        return Ok(vec![SocketAddr::from(([0, 0, 0, 0], port))]);
    }
    let mut all = Vec::new();
    for host in hosts {
        let found = (host.as_str(), port).to_socket_addrs().map_err(|error| {
            Usage(format!("--host '{host}': give an address or name of this machine ({error})"))
        })?;
        for address in found {
            if !all.contains(&address) {
                all.push(address);
            }
        }
    }
    Ok(all)
}

fn print(text: &str) {
    // A closed standard output is nobody's fault.
    let _ = std::io::stdout().write_all(text.as_bytes());
}
