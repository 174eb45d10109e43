//! What is retained of what the broker publishes, for those who subscribe.
//!
//! Nothing lies there as a message. What there is has an order, and a cursor is a place in it:
//!
//! ```text
//! 0 .. COUNT     the numbers, in the order of the table
//! .. + LISTENERS one for each listener: when its certificate ends
//! ..             two for each place of a session: that it is connected, what it has lost
//! ```
//!
//! A message is made when its place is reached and its topic matches. Whoever comes to a place
//! that was passed already is announced as anybody is, to subscribers that are still being shown
//! what there is too.
//!
//! Owns: this order, and where in it a cursor stands.
//!
//! Never looks at the retained messages of clients: `scan.rs` does, before.

use std::ops::Range;
use std::rc::Rc;

use super::presence::{About, Wanted, topic};
use super::{SYSTEM, ends, table};
use crate::broker::{Broker, Effects};
use crate::codec::QoS;
use crate::message::{Message, Parts};
use crate::router::Subscriber;
use crate::session::{Held, Session, SessionId};
use crate::time::Time;
use crate::topic_matcher::{Filter, Topic};

/// How far a subscription was shown what there is.
pub(in crate::broker) enum Kept {
    /// All of it.
    Done,
    /// Up to this place; there is more when its connection takes more.
    Waits(Box<str>),
    /// Up to this place; there is more in a moment.
    Paused(Box<str>),
}

/// What a cursor's name begins with that stands in here: no client has an empty level there.
const MARK: &str = "$SYS//";

/// Listeners whose certificates are published.
const LISTENERS: usize = 256;

/// Where the places of sessions begin.
const SESSIONS: usize = table::COUNT + LISTENERS;

/// Whether a pattern may match what the broker publishes.
pub(in crate::broker) fn is_own(pattern: &str) -> bool {
    pattern.split('/').next() == Some(SYSTEM)
}

/// The name of a place.
pub(in crate::broker) fn place(number: usize) -> Box<str> {
    format!("{MARK}{number}").into()
}

/// The place a cursor names, if it stands in here.
fn number(name: Option<&str>) -> Option<usize> {
    name?.strip_prefix(MARK)?.parse().ok()
}

impl Broker {
    /// Goes on showing a subscription what there is, if that is where its cursor stands.
    pub(in crate::broker) fn show_kept(
        &mut self,
        now: Time,
        id: SessionId,
        filter: &str,
        (wanted, after): ((Held, Subscriber), Option<&str>),
        effects: &mut Effects,
    ) -> Option<Kept> {
        let start = number(after)?;
        self.know(now);
        let Ok(filter) = Filter::parse(filter) else { return Some(Kept::Done) };
        let mut left = self.options.retained_budget.max(1);
        for range in self.places_for(filter.pattern()) {
            for at in range.start.max(start)..range.end {
                if left == 0 {
                    return Some(Kept::Paused(place(at)));
                }
                left -= 1;
                let Some(message) = self.kept_at(now, at, filter) else { continue };
                if !self.send_retained(now, id, wanted, &message, effects) {
                    return Some(Kept::Waits(place(at)));
                }
            }
        }
        Some(Kept::Done)
    }

    /// Where something may be that the pattern matches.
    fn places_for(&self, pattern: &str) -> [Range<usize>; 3] {
        let slots = match Wanted::by(pattern) {
            _ if self.options.sys_interval == 0 => 0..0,
            Wanted::Nobody => 0..0,
            Wanted::Anybody => 0..self.store.places(),
            Wanted::One(client_id) => self.store.of_client(&client_id).map_or(0..0, |id| {
                let slot = id.0 as usize;
                slot..slot + 1
            }),
        };
        let numbers = if pattern.contains(['+', '#']) {
            0..self.sys.known.len()
        } else {
            table::place_of(pattern).map_or(0..0, |at| at..at + 1)
        };
        let has_ends = self.options.sys_interval > 0 && ends::may_match(pattern);
        let ends = if has_ends { self.options.listeners.len().min(LISTENERS) } else { 0 };
        let places = |slot| SESSIONS + 2 * slot;
        [numbers, table::COUNT..table::COUNT + ends, places(slots.start)..places(slots.end)]
    }

    /// How many places there are that a pattern with wildcards leads to, or fewer.
    pub(in crate::broker) fn places_below(&self, pattern: &str) -> usize {
        if self.options.sys_interval > 0 && is_own(pattern) {
            let listeners = self.options.listeners.len().min(LISTENERS);
            table::COUNT + listeners + 2 * self.store.places()
        } else {
            0
        }
    }

    /// What is retained at a place, if there is something and it matches.
    fn kept_at(&mut self, now: Time, place: usize, filter: Filter<'_>) -> Option<Rc<Message>> {
        let (name, payload) = if place < table::COUNT {
            let value = *self.sys.known.get(place)?;
            (table::topic(place), table::text(place, value))
        } else if place < SESSIONS {
            self.end_of(self.options.listeners.get(place - table::COUNT)?.as_deref()?)?
        } else {
            let slot = place - SESSIONS;
            let id = SessionId(u32::try_from(slot / 2).ok()?);
            let about = if slot.is_multiple_of(2) { About::Connected } else { About::Dropped };
            let session = self.store.contains(id).then(|| self.store.session(id))?;
            (topic(&session.client_id, about), self.kept_of(session, about)?)
        };
        if !filter.matches(Topic::parse(&name).ok()?) {
            return None;
        }
        let parts = Parts {
            topic: name.as_str().into(),
            properties: &[],
            payload: payload.as_bytes(),
            qos: QoS::ExactlyOnce,
            retain: true,
            expiry_interval: None,
            created: now,
        };
        let number = self.store.number_message();
        Some(Message::new(number, &parts, None, &self.store.gauge))
    }

    fn kept_of(&self, session: &Session, about: About) -> Option<String> {
        match about {
            About::Connected => Some(self.told_of(self.links.online(session.conn?)?, None)),
            About::Dropped => (session.dropped() > 0).then(|| session.dropped().to_string()),
            About::Disconnected => None,
        }
    }
}
