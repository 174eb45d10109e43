//! `mqtt-passwd`: makes and changes password files.
//!
//! Owns: what is printed, and the exit code.
//!
//! Never decides anything: [`mqtt_broker::program::passwd`] does.

use std::process::ExitCode;

use mqtt_broker::program::{self, passwd};

fn main() -> ExitCode {
    let outcome = passwd::run(std::env::args_os().skip(1)).map(|text| program::print(&text));
    program::exit("mqtt-passwd", false, outcome)
}
