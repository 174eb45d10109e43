//! Retained messages for those who subscribe.
//!
//! Owns: how far each session's cursors are. They are sent a batch at a time, as far as room and
//! window allow, so that they fill neither queue nor memory; and looking for them takes a bounded
//! part of each millisecond, whoever asks and however often.
//!
//! Never keeps a message back for a session: the value is read when the cursor reaches it.

use std::ops::ControlFlow;
use std::rc::Rc;

use super::pump::Offer;
use super::source::{Terms, identifiers};
use super::{Broker, Effects, Timer};
use crate::message::Message;
use crate::persistence::Change;
use crate::router::Subscriber;
use crate::session::{Held, SessionId};
use crate::time::Time;
use crate::topic_matcher::{Filter, Scan};

impl Broker {
    /// Sends retained messages for subscriptions that are owed them.
    pub(super) fn pump_cursors(&mut self, now: Time, id: SessionId, effects: &mut Effects) {
        loop {
            let cursors = self.store.session(id).cursors();
            let Some((filter, after)) = cursors.and_then(|cursors| cursors.first_key_value())
            else {
                return;
            };
            let (filter, after) = (filter.clone(), after.clone());
            if filter.contains(['+', '#']) && !self.may_scan(now) {
                return self.scan_later(now, id);
            }
            let Some(wanted) = self.subscription(id, &filter) else {
                self.change(id, Change::CursorDone { filter }, effects);
                continue;
            };
            let (batch, scan) = self.retained_after(&filter, after.as_deref());
            let mut last = None;
            for message in &batch {
                if !self.send_retained(now, id, wanted, message, effects) {
                    // Not now: the cursor stands before this one.
                    if last.is_some() {
                        self.change(id, Change::Cursor { filter, after: last }, effects);
                    }
                    return;
                }
                last = Some(message.topic().as_str().into());
            }
            match scan {
                Scan::Done => self.change(id, Change::CursorDone { filter }, effects),
                Scan::Stopped => self.change(id, Change::Cursor { filter, after: last }, effects),
                Scan::Paused(at) => {
                    let after = Some(at);
                    self.change(id, Change::Cursor { filter, after }, effects);
                    return self.scan_later(now, id);
                }
            }
        }
    }

    fn subscription(&self, id: SessionId, filter: &str) -> Option<(Held, Subscriber)> {
        let held = self.store.router.find(Filter::parse(filter).ok()?)?;
        let subscriber = self.store.router.subscriber(id, held)?;
        Some((held, *subscriber))
    }

    fn retained_after(&self, filter: &str, after: Option<&str>) -> (Vec<Rc<Message>>, Scan) {
        let mut batch = Vec::new();
        let budget = self.options.retained_budget;
        let scan = self.store.router.retained.selected(filter, after, budget, &mut |message| {
            if batch.len() == BATCH {
                return ControlFlow::Break(());
            }
            batch.push(Rc::clone(message));
            ControlFlow::Continue(())
        });
        (batch, scan)
    }

    /// Sends one retained message, unless it is not for this session; false if it must wait.
    fn send_retained(
        &mut self,
        now: Time,
        id: SessionId,
        (held, subscriber): (Held, Subscriber),
        message: &Rc<Message>,
        effects: &mut Effects,
    ) -> bool {
        let own = message.publisher.as_ref() == Some(&self.store.session(id).client_id);
        let Subscriber { identifier, options, .. } = subscriber;
        let is_hidden = self.store.router.hides(id, held, message.topic());
        if message.has_expired(now) || options.no_local && own || is_hidden {
            return true;
        }
        let terms = Terms {
            qos: self.outgoing_qos(options.qos, message.qos),
            // [MQTT-3.3.1-8] of 3.1.1: sent because of a new subscription.
            retain: true,
            identifiers: identifiers(&identifier),
            group: 0,
            skip: 0,
        };
        match self.fits(now, id, terms, message, false) {
            Ok((terms, charge)) => {
                self.send_kept(now, id, terms, charge, message, effects);
                true
            }
            Err(Offer::Never(why)) => {
                if let Some(conn) = self.store.session(id).conn {
                    self.note_never(conn, why);
                }
                true
            }
            Err(_) => false,
        }
    }

    /// Whether topics of retained messages may be looked at for a filter with wildcards, which
    /// counts as done: not behind the back of those that wait for it, and not without end. What
    /// asks for it takes a few bytes, and one packet may hold thousands of them.
    fn may_scan(&mut self, now: Time) -> bool {
        if self.scanned.0 != now {
            self.scanned = (now, 0);
        }
        let may = self.scanning.is_empty() && self.scanned.1 < SCANNED_MAX;
        if may {
            self.scanned.1 +=
                self.options.retained_budget.min(self.store.router.retained.len()) + 1;
        }
        may
    }

    /// Goes on with a session's retained messages in a moment, so that others have their turn.
    fn scan_later(&mut self, now: Time, id: SessionId) {
        if !self.scanning.contains(&id) {
            self.scanning.push(id);
        }
        self.arm_scan(now);
    }

    fn arm_scan(&mut self, now: Time) {
        if self.scan_at == Time::NEVER {
            self.scan_at = now.plus_ms(1);
            self.timers.arm(self.scan_at, Timer::Scan);
        }
    }

    /// Goes on with the sessions whose moment has come, as many as there is time for.
    pub(super) fn on_scan_due(&mut self, now: Time, effects: &mut Effects) {
        self.scan_at = Time::NEVER;
        self.scanned = (now, 0);
        let mut waiting = std::mem::take(&mut self.scanning).into_iter();
        let mut again = Vec::new();
        while self.scanned.1 < SCANNED_MAX
            && let Some(id) = waiting.next()
        {
            if self.store.contains(id) {
                self.pump(now, id, effects);
                again.append(&mut self.scanning);
            }
        }
        self.scanning = waiting.chain(again).collect();
        if !self.scanning.is_empty() {
            self.arm_scan(now);
        }
    }
}

/// Retained messages taken out of the tree at once.
const BATCH: usize = 256;

/// Topics of retained messages looked at in one millisecond, about.
const SCANNED_MAX: usize = 1 << 16;
