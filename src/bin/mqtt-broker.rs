//! The daemon: command line to server.
//!
//! Owns: what is printed, and the exit code.
//!
//! Never decides anything: [`mqtt_broker::server::daemon`] does.

use std::io::Write;
use std::process::ExitCode;

use mqtt_broker::cli;
use mqtt_broker::server::command::CommandLine;
use mqtt_broker::server::daemon::{self, Failure};
use mqtt_broker::server::options::BROKER;
use mqtt_broker::server::trial;

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
    trial::check(&matches)?;
    if let Some(file) = matches.opt_str("test-acl") {
        let (text, is_allowed) = trial::answer(&file, &matches).map_err(Failure::Config)?;
        print(&text);
        return if is_allowed { Ok(()) } else { Err(Failure::Logged) };
    }
    let command = CommandLine::new(&matches)?;
    let reading = command.configuration().map_err(Failure::Config)?;
    if matches.opt_present("test-config") {
        print(&daemon::explained(&command, reading)?);
        return Ok(());
    }
    if let Some(file) = matches.opt_str("import-mosquitto-db") {
        print(&daemon::import(&file, &reading)?);
        return Ok(());
    }
    if matches.opt_present("dump") {
        return daemon::dump(&reading, &mut std::io::BufWriter::new(std::io::stdout().lock()));
    }
    daemon::serve(command, reading)
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
