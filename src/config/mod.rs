//! The configuration file: what it may say, and what it says.
//!
//! Owns: the settings ([`Config`]).
//!
//! Never opens a file, never resolves a name, and never does what a setting says.

mod log;
mod settings;

pub use log::{Facility, LogDest, LogFormat, LogSettings, LogTypes};
pub use settings::{
    Address, Config, DaemonSettings, Family, Limits, Listener, Mode, QueueOverflow, Versions,
};
