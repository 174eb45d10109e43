//! What is retained.
//!
//! Owns: which message a topic has for those who subscribe later, whether one more is taken, and
//! how long one is kept.
//!
//! Never sends it: see `scan.rs`.

use std::rc::Rc;

use log::warn;

use super::source::Source;
use super::{Broker, ConnId, Effects, Shown};
use crate::message::Message;
use crate::metrics::Refusal;
use crate::persistence::Record;
use crate::time::Time;

impl Broker {
    /// [MQTT-3.3.1-5], [MQTT-3.3.1-6], [MQTT-3.3.1-7]. False if the topic is one too many.
    #[inline(never)]
    pub(super) fn retain(
        &mut self,
        now: Time,
        from: Option<ConnId>,
        source: &mut Source<'_>,
        effects: &mut Effects,
    ) -> bool {
        let topic = source.parts.topic.as_str();
        if source.parts.payload.is_empty() {
            self.unretain(topic, effects);
            return true;
        }
        if let Some(refusal) = self.refuses_retained(topic) {
            match from {
                Some(conn) => self.note_refusal(now, conn, refusal),
                None => self.note_refused_will(source, refusal),
            }
            return false;
        }
        let message = self.retainable(source);
        self.record(Record::Retained(Rc::clone(&message)), effects);
        self.store.retain(message);
        true
    }

    /// A Will is not retained.
    fn note_refused_will(&mut self, source: &Source<'_>, what: Refusal) {
        self.counters.refuse_one(what);
        if let Some(id) = source.publisher {
            let who = Shown(&self.store.session(id).client_id);
            warn!("Client {who} was refused {}: its Will is not retained.", what.name());
        }
    }

    /// The message as it is retained. What has no expiry of its own may be given one; that it
    /// does not have on its way to those who subscribe already, where it may have to wait longer.
    fn retainable(&mut self, source: &mut Source<'_>) -> Rc<Message> {
        let minutes = self.options.retain_expiry_interval;
        if minutes == 0 || source.parts.expiry_interval.is_some() {
            return source.keep(&mut self.store);
        }
        source.keep_for(minutes.saturating_mul(60), &mut self.store)
    }

    /// Forgets the retained message of a topic, if it has one.
    pub(super) fn unretain(&mut self, topic: &str, effects: &mut Effects) {
        if self.store.router.retained.get(topic).is_some() {
            self.record(Record::Unretained(topic.into()), effects);
            self.store.unretain(topic);
        }
    }
}
