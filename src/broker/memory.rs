//! One budget for everything that is kept.
//!
//! Owns: what is refused as memory becomes short, in this order, each from a share of
//! [`Options::memory_limit`](super::Options) on:
//!
//! |  from | who or what                                                                    |
//! |-------|--------------------------------------------------------------------------------|
//! |  75 % | new clients are refused; those who have a session may come back                |
//! |  80 % | messages on new topics are passed on, but not retained                         |
//! |  85 % | messages of QoS 0 are not queued                                               |
//! |  90 % | new subscriptions are refused                                                  |
//! |  95 % | who publishes has to wait, unless he has messages to acknowledge himself       |
//! | 100 % | who publishes has to wait                                                      |
//!
//! What was acknowledged is never given up, and what makes memory free goes on at every stage:
//! acknowledgements, ends of connections and sessions, retained messages that are cleared or
//! replaced. That is why clients that have a session may always come back for what waits for them,
//! and why who has messages to acknowledge waits last: his acknowledgements are read in turn, after
//! what he publishes.
//!
//! Who waits goes on once there is 5 % less than made him wait. The gauge is asked when something
//! is to be refused and after each event; nothing looks at it by the clock.
//!
//! Never frees anything.

use log::{info, warn};

use super::wait::Awaited;
use super::{Broker, ConnId};

/// A share of the limit, and what a log line says of it.
struct Stage {
    percent: u64,
    what: &'static str,
}

const STAGES: [Stage; 6] = [
    Stage { percent: Broker::CLIENTS, what: "new clients are refused" },
    Stage { percent: Broker::RETAINED, what: "messages on new topics are not retained" },
    Stage { percent: Broker::QOS0, what: "messages of QoS 0 are not queued" },
    Stage { percent: Broker::SUBSCRIPTIONS, what: "new subscriptions are refused" },
    Stage {
        percent: Broker::PUBLISHERS,
        what: "publishers have to wait, until clients take what waits for them, sessions end, \
               retained messages are cleared or memory_limit is raised",
    },
    Stage { percent: Broker::EVERYBODY, what: "all publishers have to wait" },
];

/// So much less than what a stage begins at ends it.
const SLACK: u64 = 5;

/// Where the broker stands.
#[derive(Debug)]
pub(super) struct Memory {
    /// How many stages have begun, as the log says.
    stage: usize,
    /// The number of this shortage, or of the next: it ends when publishers need not wait.
    pub(super) shortage: u32,
}

impl Default for Memory {
    fn default() -> Self {
        Self { stage: 0, shortage: 1 }
    }
}

impl Broker {
    /// From here on new clients are refused.
    pub(super) const CLIENTS: u64 = 75;
    /// From here on new topics retain nothing.
    pub(super) const RETAINED: u64 = 80;
    /// From here on no QoS 0 message is queued.
    pub(super) const QOS0: u64 = 85;
    /// From here on new subscriptions are refused.
    pub(super) const SUBSCRIPTIONS: u64 = 90;
    /// From here on publishers wait.
    const PUBLISHERS: u64 = 95;
    /// From here on those wait, too, who have messages to acknowledge.
    const EVERYBODY: u64 = 100;

    /// Whether so much of the memory is in use, if it is limited.
    pub(super) fn uses(&self, percent: u64) -> bool {
        let limit = self.options.memory_limit;
        limit > 0 && self.share() >= percent.saturating_mul(limit)
    }

    /// What is in use, a hundred times.
    fn share(&self) -> u64 {
        (self.store.gauge.total() as u64).saturating_mul(100)
    }

    /// What a PUBLISH from this client has to wait for, if it has to.
    pub(super) fn awaits_memory(&self, conn: ConnId) -> Option<Awaited> {
        if self.options.memory_limit == 0 {
            return None;
        }
        let session = self.store.session(self.online(conn).session);
        let (awaited, percent) = if session.inflight() > 0 {
            (Awaited::Reserve, Self::EVERYBODY)
        } else {
            (Awaited::Memory, Self::PUBLISHERS)
        };
        // Nobody goes before those who wait already.
        let slack = if self.waiting.has(awaited) { SLACK } else { 0 };
        self.uses(percent - slack).then_some(awaited)
    }

    /// Whether those who wait for this can go on.
    pub(super) fn may_end(&self, awaited: Awaited) -> bool {
        let percent = match awaited {
            Awaited::Memory => Self::PUBLISHERS,
            Awaited::Reserve => Self::EVERYBODY,
            Awaited::Session(_) | Awaited::Group(_) => return false,
        };
        self.waiting.has(awaited) && !self.uses(percent - SLACK)
    }

    /// Whether somebody waits for memory that has become free outside of an event:
    /// [`Event::Tick`](super::Event::Tick) lets him go on.
    #[must_use]
    pub fn is_relieved(&self) -> bool {
        !self.waiting.is_empty()
            && (self.may_end(Awaited::Memory) || self.may_end(Awaited::Reserve))
    }

    /// Says in the log what begins and what has ended.
    pub(super) fn watch_memory(&mut self) {
        let before = self.memory.stage;
        let mut stage = before;
        while STAGES.get(stage).is_some_and(|next| self.uses(next.percent)) {
            stage += 1;
        }
        while stage > 0 && !self.uses(STAGES[stage - 1].percent - SLACK) {
            stage -= 1;
        }
        if stage == before {
            return;
        }
        self.memory.stage = stage;
        let (used, limit) = (self.store.gauge.total(), self.options.memory_limit);
        if let Some(begun) = STAGES[..stage].get(before..).and_then(<[Stage]>::last) {
            warn!("Memory: {used} of {limit} bytes in use; {}.", begun.what);
            return;
        }
        let what = stage.checked_sub(1).map_or("nothing is refused", |last| STAGES[last].what);
        info!("Memory: {used} of {limit} bytes in use; from here on {what}.");
        let waits = STAGES.iter().position(|stage| stage.percent == Self::PUBLISHERS);
        if waits.is_some_and(|waits| stage <= waits && before > waits) {
            self.memory.shortage = self.memory.shortage.wrapping_add(1).max(1);
        }
    }
}
