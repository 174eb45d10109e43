//! What the two client programs share, and [`mqtt-passwd`](passwd).
//!
//! Owns: the option tables of the clients and what is read from them ([`Settings`]), the loop that
//! runs a [`Client`](crate::client::Client) over one socket ([`run`]), exit codes, and the formats
//! in which messages are written. What a program does with messages is its [`Role`].
//!
//! One thread, one `poll` over socket, standard input and signals; nothing is read from standard
//! input while the connection has no room for it, so a stream of any length takes bounded memory.
//!
//! Never speaks MQTT itself: that is `client`.

mod ending;
pub mod format;
mod json;
mod link;
pub mod passwd;
mod properties;
mod role;
mod run;
mod settings;
pub mod table;
mod trace;
mod transport;
mod wait;
mod way;

pub use properties::Properties;
pub use role::{Role, Step, Todo};
pub use run::run;
pub use settings::{Arguments, Settings, check_topic};
pub use transport::Server;

use std::fmt;
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::cli::Usage;
use crate::codec::{ReasonCode, Version};
use crate::stamp::Stamp;
use crate::time::Time;

/// The command line makes no sense, or a file it names cannot be read.
pub const USAGE: u8 = 1;
/// The time given with `-W` is over.
pub const TIMED_OUT: u8 = 27;
/// No connection to the server, or none that it answers on.
pub const UNREACHABLE: u8 = 69;
/// Standard input or output failed.
pub const INPUT_OUTPUT: u8 = 74;
/// What answers is not an MQTT server.
pub const PROTOCOL: u8 = 76;

/// Why a program ends otherwise than well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit status.
    pub code: u8,
    /// One line for people; empty if everything was said already.
    pub what: String,
}

impl Failure {
    /// A failure with the exit status `code`.
    #[must_use]
    pub fn new(code: u8, what: impl Into<String>) -> Self {
        Self { code, what: what.into() }
    }

    /// A refusal by the server: the exit status is the code it gave.
    #[must_use]
    pub fn refusal(version: Version, reason: ReasonCode, what: impl Into<String>) -> Self {
        let code = match version {
            Version::V31 | Version::V311 => reason.return_code(),
            Version::V5 => reason.value(),
        };
        Self::new(code, what)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl From<Usage> for Failure {
    fn from(usage: Usage) -> Self {
        Self::new(USAGE, usage.0)
    }
}

/// The exit status of `program`, after a line on standard error if there is something to say.
#[must_use]
pub fn exit(program: &str, quiet: bool, outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.what.is_empty() && (!quiet || failure.code == USAGE) {
                eprintln!("{program}: {failure}");
            }
            ExitCode::from(failure.code)
        }
    }
}

/// Prints what `--help` and `--version` ask for; a reader that has gone is no error.
pub fn print(text: &str) {
    use std::io::Write as _;
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// The clock of a program: wall time at its start and what has passed since.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    wall_ms: u64,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the server floor is where clocks are read")]
    pub fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall_ms = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
        Self { start: Instant::now(), wall_ms }
    }

    /// The moment, in local time, by the wall clock.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the server floor is where clocks are read")]
    pub fn stamp() -> Stamp {
        Stamp::local(SystemTime::now())
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Time {
        let passed = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        Time::from_ms(self.wall_ms).plus_ms(passed)
    }
}
