//! Time as a number.
//!
//! Owns: nothing. A [`Time`] is milliseconds since the Unix epoch, made by the server floor from
//! the wall clock at its start plus the monotonic time since, and handed down as an argument.
//! Being a number it can be stored, compared after a restart and printed, which `Instant` cannot.
//!
//! Never asks a clock.

use std::fmt;
use std::time::Duration;

/// Milliseconds since the Unix epoch, never going backwards within one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// Later than every deadline: what "never" compares as.
    pub const NEVER: Self = Self(u64::MAX);

    /// The time `ms` milliseconds after the epoch.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_ms(self) -> u64 {
        self.0
    }

    /// This time and `ms` milliseconds; saturates at [`Time::NEVER`].
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// This time and `secs` seconds; saturates at [`Time::NEVER`].
    #[must_use]
    pub const fn plus_secs(self, secs: u32) -> Self {
        self.plus_ms(secs as u64 * 1000)
    }

    /// How long after `earlier` this is; zero if it is not.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Milliseconds after `earlier`; zero if it is not later.
    #[must_use]
    pub const fn ms_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}
