//! The clock of a server.
//!
//! Owns: the wall clock at the start, or the time of the store if that goes before, and the
//! monotonic time since. Everything below is told the time; it never goes backwards, whatever
//! somebody does to the wall clock meanwhile.
//!
//! Never sleeps.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::time::Time;

/// Time at the start plus monotonic time since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
    begun: Time,
}

impl Clock {
    /// Starts.
    #[expect(clippy::disallowed_methods, reason = "this is where time comes from")]
    pub(crate) fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall_ms = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX / 2);
        Self { started: Instant::now(), begun: Time::from_ms(wall_ms) }
    }

    /// Goes on from `now`: the store knows better.
    #[expect(clippy::disallowed_methods, reason = "this is where time comes from")]
    pub(crate) fn set(&mut self, now: Time) {
        (self.started, self.begun) = (Instant::now(), now);
    }

    /// Now.
    pub(crate) fn now(&self) -> Time {
        let elapsed = self.started.elapsed().as_millis();
        self.begun.plus_ms(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }
}

/// The wall clock, in seconds since 1970: for certificates, which know no other time.
#[expect(clippy::disallowed_methods, reason = "the server floor is where clocks are read")]
pub(super) fn wall() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
