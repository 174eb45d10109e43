//! The daemon: command line to server.
//!
//! Owns: what its options mean, the logger, the exit code.
//!
//! Never does anything a program that embeds the library could not do.

use std::io::{IsTerminal, LineWriter, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;

use log::{LevelFilter, error, info, warn};
use mqtt_broker::cli::{self, Usage};
use mqtt_broker::server::options::BROKER;
use mqtt_broker::server::{PORT, Server, ServerConfig};
use simplelog::{ConfigBuilder, WriteLogger};

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
        ..ServerConfig::default()
    };
    log_to_stderr(level(matches.opt_present("quiet"), matches.opt_present("verbose")));
    serve(config, hosts.is_empty())
}

fn serve(config: ServerConfig, is_default: bool) -> Result<(), Failure> {
    let bound = Server::new(config).bind().map_err(|error| {
        error!("{error}");
        Failure::Logged
    })?;
    for address in bound.local_addrs() {
        info!("listening on {address}");
    }
    if is_default {
        warn!("Everyone who can reach this machine may connect; --host 127.0.0.1 keeps it local");
    } else if bound.local_addrs().iter().any(|address| !address.ip().is_loopback()) {
        warn!("Everyone who can reach these addresses may connect");
    }
    bound.run().map_err(|error| {
        error!("{error}");
        Failure::Logged
    })
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

const fn level(quiet: bool, verbose: bool) -> LevelFilter {
    match (quiet, verbose) {
        (true, _) => LevelFilter::Error,
        (false, true) => LevelFilter::Debug,
        (false, false) => LevelFilter::Info,
    }
}

/// One write a line, no colours, and a time stamp only for people: `logger` and journald have
/// their own. A reader that goes away takes the log with it, not the broker.
fn log_to_stderr(level: LevelFilter) {
    let time = if std::io::stderr().is_terminal() { LevelFilter::Error } else { LevelFilter::Off };
    let mut builder = ConfigBuilder::new();
    builder
        .set_time_level(time)
        .set_thread_level(LevelFilter::Off)
        .set_target_level(LevelFilter::Off)
        .set_location_level(LevelFilter::Off)
        .set_max_level(LevelFilter::Error);
    let _ = WriteLogger::init(level, builder.build(), LineWriter::new(std::io::stderr()));
}

fn print(text: &str) {
    // A closed standard output is nobody's fault.
    let _ = std::io::stdout().write_all(text.as_bytes());
}
