//! What the broker itself publishes: below `$SYS`, where nobody else may.
//!
//! ```text
//! table.rs     which numbers there are, and where each is published
//! load.rs      how often a minute something happens
//! presence.rs  who is there: topics and payloads
//! ends.rs      when the certificates of listeners end
//! kept.rs      what is retained of all this, for those who subscribe
//! ```
//!
//! Owns: when numbers are looked at, and what those who subscribe know of them. At each full
//! interval of the clock the numbers that have changed since the last one are published, retained,
//! at QoS 2 at the most. What is retained is no message: nothing of it is kept in the store, is
//! recorded, counted as a retained message or refused by a limit; a subscription is shown what is
//! known at that moment. A client that is away misses it.
//!
//! **Sleep.** The load has to be averaged as long as something happens. Where nothing has happened
//! for a whole interval and nobody subscribes to anything below `$SYS`, the broker is not woken
//! any more, until something happens; the averages then fade for as long as that took.
//!
//! Never counts: the counters are where the counting is done.

mod ends;
mod kept;
mod load;
mod presence;
mod table;

use std::collections::BTreeSet;

use super::link::Online;
use super::source::Source;
use super::{Broker, ConnId, Effects};
use crate::codec::QoS;
use crate::message::Parts;
use crate::session::SessionId;
use crate::time::Time;
use crate::topic_matcher::Topic;

pub(super) use kept::{Kept, is_own, place};
use load::Loads;
pub use load::WINDOWS;
use presence::{About, topic};
pub use table::{LOADS, Load, ROOT, STATISTICS, Statistic};

/// The first level of everything that is published here.
const SYSTEM: &str = "$SYS";

/// Clients whose lost messages are told of in one interval; a further one waits until it loses
/// another.
const DROPPERS_MAX: usize = 1000;

/// What is known of the broker as a whole.
#[derive(Debug)]
pub(super) struct Sys {
    /// When the broker began; never, if nobody has said so yet.
    started: Time,
    /// Up to when the load is averaged.
    averaged: Time,
    /// When the numbers are looked at next.
    due: Time,
    /// Something has happened since they were looked at.
    pub(super) is_awake: bool,
    /// They were not looked at since then, for nothing happened.
    has_slept: bool,
    /// The numbers that those who subscribe know; empty if nobody does.
    known: Vec<u64>,
    loads: Loads<{ LOADS.len() }>,
    /// Clients that are connected, and the most that ever were at once.
    pub(super) online: usize,
    online_max: usize,
    /// The most bytes that were seen in use.
    heap_max: usize,
    /// Clients that have lost messages since the numbers were looked at.
    droppers: BTreeSet<SessionId>,
}

impl Default for Sys {
    fn default() -> Self {
        Self {
            started: Time::NEVER,
            averaged: Time::from_ms(0),
            due: Time::from_ms(0),
            is_awake: true,
            has_slept: false,
            known: Vec::new(),
            loads: Loads::default(),
            online: 0,
            online_max: 0,
            heap_max: 0,
            droppers: BTreeSet::new(),
        }
    }
}

impl Broker {
    /// The process begins: that is when it has been up since, and when the first interval begins.
    /// Without, the first tick is.
    pub fn begin(&mut self, now: Time) {
        (self.sys.started, self.sys.averaged) = (now, now);
        self.set_interval();
    }

    /// When the numbers are looked at next; never, if they are not.
    pub(super) const fn sys_deadline(&self) -> Time {
        let is_to_look = self.options.sys_interval > 0 && self.sys.is_awake;
        if is_to_look { self.sys.due } else { Time::NEVER }
    }

    /// Whether the next tick publishes numbers.
    #[must_use]
    pub fn is_about_to_publish(&self, now: Time) -> bool {
        self.sys_deadline() <= now && self.is_observed()
    }

    /// The interval may be another one.
    pub(super) fn set_interval(&mut self) {
        if self.options.sys_interval == 0 {
            self.sys.known = Vec::new();
            self.sys.droppers.clear();
        }
        if self.sys.started < Time::NEVER {
            self.sys.due = self.end_of_interval(self.sys.averaged);
        }
    }

    /// The next full interval of the clock.
    fn end_of_interval(&self, now: Time) -> Time {
        let every = u64::from(self.options.sys_interval.max(1)) * 1000;
        Time::from_ms((now.as_ms() / every + 1).saturating_mul(every))
    }

    /// Looks at the numbers if it is time, and publishes those that have changed.
    pub(super) fn on_sys(&mut self, now: Time, effects: &mut Effects) {
        if self.sys_deadline() > now {
            return;
        }
        if self.sys.started == Time::NEVER {
            return self.begin(now);
        }
        let has_slept = std::mem::take(&mut self.sys.has_slept);
        if has_slept && now >= self.end_of_interval(self.sys.due) {
            // What has woken it belongs to the interval that begins.
            self.fade(now);
        }
        let interval = now.ms_since(self.sys.averaged);
        let has_happened = self.sys.loads.count(table::counted(self), interval);
        self.sys.averaged = now;
        self.sys.due = self.end_of_interval(now);
        self.sys.heap_max = self.sys.heap_max.max(self.store.gauge.total());
        if self.is_observed() {
            self.publish_numbers(now, effects);
            self.publish_dropped(now, effects);
        } else {
            self.sys.known = Vec::new();
            self.sys.droppers.clear();
            self.sys.is_awake = has_happened;
            self.sys.has_slept = !has_happened;
        }
    }

    /// Nothing has happened for a while, and nobody has looked.
    fn fade(&mut self, now: Time) {
        self.sys.loads.fade(now.ms_since(self.sys.averaged));
        self.sys.averaged = now;
    }

    /// Whether anybody subscribes to anything that is published here.
    pub(super) fn is_observed(&self) -> bool {
        self.options.sys_interval > 0 && self.store.router.has_below(SYSTEM)
    }

    /// Sees to it that there is something to show to those who subscribe.
    pub(super) fn know(&mut self, now: Time) {
        if self.sys.known.is_empty() && self.is_observed() {
            if self.sys.started == Time::NEVER {
                self.begin(now);
            }
            if std::mem::take(&mut self.sys.has_slept) {
                self.fade(now);
                self.sys.due = self.end_of_interval(now);
            }
            self.sys.known = table::sample(self, now);
        }
    }

    fn publish_numbers(&mut self, now: Time, effects: &mut Effects) {
        let fresh = table::sample(self, now);
        let known = std::mem::replace(&mut self.sys.known, fresh);
        for place in 0..table::COUNT {
            let value = self.sys.known[place];
            if known.get(place) != Some(&value) {
                let (topic, text) = (table::topic(place), table::text(place, value));
                self.publish_own(now, &topic, text.as_bytes(), true, effects);
            }
        }
    }

    /// Publishes a message of the broker's own.
    pub(super) fn publish_own(
        &mut self,
        now: Time,
        topic: &str,
        payload: &[u8],
        retain: bool,
        effects: &mut Effects,
    ) {
        // There are client ids that are too long to be part of a topic.
        let Ok(parsed) = Topic::parse(topic) else { return };
        let mut matches = std::mem::take(&mut self.matches);
        self.store.router.matches(parsed, None, &mut matches);
        if !matches.is_empty() {
            let parts = Parts {
                topic: topic.into(),
                properties: &[],
                payload,
                qos: QoS::ExactlyOnce,
                retain,
                expiry_interval: None,
                created: now,
            };
            self.route(now, &matches, &mut Source::own(parts), effects);
        }
        self.matches = matches;
    }

    /// A client is let in.
    pub(super) fn on_arrival(&mut self, now: Time, conn: ConnId, effects: &mut Effects) {
        self.sys.online += 1;
        self.sys.online_max = self.sys.online_max.max(self.sys.online);
        if !self.is_observed() {
            return;
        }
        let online = self.online(conn);
        let topic = topic(&online.identity.client_id, About::Connected);
        let told = self.told_of(online, None);
        self.publish_own(now, &topic, told.as_bytes(), true, effects);
    }

    /// A client has gone; when everybody goes, nobody is told.
    pub(super) fn on_departure(
        &mut self,
        now: Time,
        online: &Online,
        reason: &str,
        effects: &mut Effects,
    ) {
        self.sys.online -= 1;
        if self.is_stopping || !self.is_observed() {
            return;
        }
        let told = self.told_of(online, Some(reason));
        let id = &online.identity.client_id;
        self.publish_own(now, &topic(id, About::Connected), b"", true, effects);
        let topic = topic(id, About::Disconnected);
        self.publish_own(now, &topic, told.as_bytes(), false, effects);
    }

    fn told_of(&self, online: &Online, reason: Option<&str>) -> String {
        let is_clean = !self.store.session(online.session).is_kept();
        presence::payload(online.identity.peer, online.version, is_clean, reason)
    }

    /// A session has lost a message for want of room in its queue.
    pub(super) fn on_dropped(&mut self, id: SessionId) {
        let rare = self.store.session_mut(id).rare_mut();
        rare.dropped = rare.dropped.saturating_add(1);
        if !self.sys.known.is_empty() && self.sys.droppers.len() < DROPPERS_MAX {
            self.sys.droppers.insert(id);
        }
    }

    fn publish_dropped(&mut self, now: Time, effects: &mut Effects) {
        for id in std::mem::take(&mut self.sys.droppers) {
            if !self.store.contains(id) {
                continue;
            }
            let session = self.store.session(id);
            // Another one may have its place by now.
            if session.dropped() > 0 {
                let topic = topic(&session.client_id, About::Dropped);
                let count = session.dropped().to_string();
                self.publish_own(now, &topic, count.as_bytes(), true, effects);
            }
        }
    }

    /// A session ends: what it has lost is forgotten.
    pub(super) fn forget_dropped(&mut self, now: Time, id: SessionId, effects: &mut Effects) {
        let session = self.store.session(id);
        if session.dropped() > 0 && self.is_observed() {
            let topic = topic(&session.client_id, About::Dropped);
            self.publish_own(now, &topic, b"", true, effects);
        }
    }
}
