//! The daemon: command line to server.
//!
//! Owns: what its options mean, the logger, the exit code.
//!
//! Never does anything a program that embeds the library could not do.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use getopts::Matches;
use log::{error, info, warn};
use mqtt_broker::cli::{self, Usage};
use mqtt_broker::config::{self, Config, Fallback, LogDest, LogSettings, LogTypes, Reading};
use mqtt_broker::server::log::{Logger, Surroundings};
use mqtt_broker::server::options::BROKER;
use mqtt_broker::server::process::Process;
use mqtt_broker::server::{Disk, Server, ServerConfig};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(usage)) => {
            complain(&[format!("mqtt-broker: {usage}")]);
            ExitCode::FAILURE
        }
        Err(Failure::Config(problems)) => {
            complain(&problems);
            ExitCode::from(UNUSABLE)
        }
        Err(Failure::Logged) => ExitCode::FAILURE,
    }
}

/// Exit code for a configuration that cannot be used.
const UNUSABLE: u8 = 3;

enum Failure {
    Usage(Usage),
    Config(Vec<String>),
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
    let reading = configuration(&matches)?;
    if matches.opt_present("test-config") {
        print(&explained(&reading));
        return Ok(());
    }
    serve(&reading)
}

/// What the command line and the file it names say.
fn configuration(matches: &Matches) -> Result<Reading, Failure> {
    let fallback = Fallback {
        hosts: matches.opt_strs("host"),
        port: cli::value(matches, "port", "a number from 0 to 65535")?,
    };
    let mut reading = match matches.opt_str("config") {
        Some(path) => config::read(&path, &Disk, &fallback)
            .map_err(|problems| Failure::Config(told(&problems)))?,
        None => Reading { config: config::without_file(&fallback), warnings: Vec::new() },
    };
    let expected = "how many clients may connect, 0 for no limit";
    if let Some(most) = cli::value(matches, "max-clients", expected)? {
        reading.config.limits.global_max_connections = most;
    }
    override_settings(matches, &mut reading.config);
    let lacks = ServerConfig::lacks(&reading.config);
    if lacks.is_empty() { Ok(reading) } else { Err(Failure::Config(lacks)) }
}

/// What the command line says of the log and the process goes before what the file says.
fn override_settings(matches: &Matches, config: &mut Config) {
    let Config { log, daemon, .. } = config;
    if matches.opt_present("quiet") {
        log.types = LogTypes { error: true, ..LogTypes::NONE };
    } else if matches.opt_present("verbose") {
        log.types = LogTypes::ALL;
    }
    daemon.daemonize = matches.opt_present("daemon");
    if daemon.daemonize {
        // A daemon has no terminal, and nobody reads its standard output.
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

fn told(problems: &[config::Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

/// The text of `--test-config`.
fn explained(reading: &Reading) -> String {
    let mut text = config::policy(&reading.config);
    if !reading.warnings.is_empty() {
        text += "\nWarnings\n";
    }
    for warning in told(&reading.warnings) {
        text += &format!("  {warning}\n");
    }
    text
}

fn serve(reading: &Reading) -> Result<(), Failure> {
    let log = &reading.config.log;
    let mut process = Process::prepare(&reading.config.daemon).map_err(Usage)?;
    let around = Surroundings { owner: process.owner(), ..Surroundings::default() };
    let logger = Logger::open(log, around).map_err(Usage)?;
    logger.install().map_err(|error| Usage(error.to_string()))?;
    for warning in &reading.warnings {
        warn!("{warning}");
    }
    // The command line alone says where to listen, or nothing does.
    let is_open = reading.config.listeners.iter().all(|listener| listener.origin.is_empty());
    let (mut config, authority) = ServerConfig::from_config(&reading.config).map_err(|what| {
        if is_open { Failure::Usage(Usage(what)) } else { Failure::Config(vec![what]) }
    })?;
    (config.handles_signals, config.notifies_manager) = (true, true);
    let server = Server::new(config).authority(authority).logger(logger);
    let bound = server.bind().map_err(|error| give_up(log, error))?;
    for address in bound.local_addrs() {
        info!("listening on {address}");
    }
    if reading.config.is_local_only {
        info!("Only this machine may connect: the configuration has no 'listener' line");
    } else if is_open && bound.local_addrs().iter().any(|address| !address.ip().is_loopback()) {
        warn!(
            "Everyone who can reach these addresses may connect; --host 127.0.0.1 keeps it local"
        );
    }
    process.enter().map_err(|error| give_up(log, error))?;
    info!("mqtt-broker version {} running", env!("CARGO_PKG_VERSION"));
    let end = bound.run().map_err(|error| give_up(log, error));
    drop(process);
    end
}

fn complain(lines: &[String]) {
    for line in lines {
        // Nothing is left to be done if standard error is closed.
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}

fn print(text: &str) {
    // A closed standard output is nobody's fault.
    let _ = std::io::stdout().write_all(text.as_bytes());
}
