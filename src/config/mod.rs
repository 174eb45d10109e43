//! The configuration file: what it may say, and what it says.
//!
//! Owns: the settings ([`Config`]), the [option table](options) and the way from the one to the
//! other.
//!
//! ```text
//! read - parse.rs      files to lines: syntax, options by name, whose line it is
//!      - options/      the table: what there is, its value, its fate, the setting it decides
//!      - build.rs      lines to settings; everything wrong is told at once
//!      - listeners.rs  which listeners there are, and what holds for each
//!      - value.rs      the text of a value to a setting and back
//! policy, differences  a configuration in words, and what a reload changes
//! ```
//!
//! The syntax and most options are mosquitto's, so that its files work here. What an option of
//! those that cannot work yet, or never will, does to a file is a matter of its
//! [mark](options::Mark).
//!
//! Never opens a file ([`Files`] does), never resolves a name, and never does what a setting says.

mod address;
mod build;
mod choice;
mod identity;
mod listeners;
mod log;
mod named;
pub mod options;
mod parse;
mod policy;
mod report;
mod settings;
#[cfg(test)]
mod tests;
mod value;

pub use address::Fallback;
pub use choice::{
    Address, Family, Mode, Protocol, ProxyHeader, QueueOverflow, TlsVersion, Versions,
};
pub use log::{Facility, LogDest, LogFormat, LogSettings, LogTypes};
pub use parse::{FILE_MAX, Files};
pub use policy::{differences, policy};
pub use report::Problem;
use report::Report;
pub use settings::{
    Config, DaemonSettings, Limits, Listener, PersistenceSettings, PersistenceSync,
};

/// A configuration that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What it says.
    pub config: Config,
    /// What the operator should know about it at every start.
    pub warnings: Vec<Problem>,
}

/// Reads the configuration at `path`; `fallback` is where to listen if it does not say.
///
/// # Errors
/// Everything that is wrong with it, in the order of the files and lines.
pub fn read(path: &str, files: &dyn Files, fallback: &Fallback) -> Result<Reading, Vec<Problem>> {
    let mut report = Report::default();
    let raw = parse::read(path, files, &mut report);
    let config = build::build(&raw, fallback, &mut report);
    report.sort(&raw);
    match config {
        Some(config) => Ok(Reading { config, warnings: report.warnings }),
        None => Err(report.errors),
    }
}

/// The configuration of a broker without a file: everybody may connect, on `fallback` or else on
/// every IPv4 address of the machine.
#[must_use]
pub fn without_file(fallback: &Fallback) -> Config {
    let mut fallback = fallback.clone();
    if fallback.hosts.is_empty() {
        fallback.hosts.push("0.0.0.0".into());
    }
    let mut config = Config::bare();
    config.listeners = fallback.listeners().collect();
    config
}
