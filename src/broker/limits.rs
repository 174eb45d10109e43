//! What one client may have, by number and by length.
//!
//! Owns: the answers: which client id, topic or filter is too long, who has as many subscriptions
//! as he may have, which topic is one too many to retain something.
//!
//! Never does what follows: each packet's handler does.

use super::{Broker, Fault};
use crate::codec::{Connect, ReasonCode};
use crate::metrics::Refusal;
use crate::topic_matcher::LEVELS_MAX;

impl Broker {
    /// A CONNECT with a client id or Will topic that is longer than allowed. An id that the broker
    /// has chosen is as long as it is.
    pub(super) fn check_lengths(
        &mut self,
        connect: &Connect,
        is_assigned: bool,
    ) -> Result<(), Fault> {
        let most = usize::from(self.options.max_client_id_length);
        // A user name may stand in its place.
        let is_chosen = is_assigned && connect.user_name.as_ref() != Some(&connect.client_id);
        if !is_chosen && connect.client_id.len() > most {
            self.counters.refuse_one(Refusal::ClientId);
            let what = "a client id longer than allowed";
            return Err(Fault::new(ReasonCode::CLIENT_IDENTIFIER_NOT_VALID, what));
        }
        if connect.will.as_ref().is_some_and(|will| self.is_beyond(&will.topic)) {
            self.counters.refuse_one(Refusal::Topic);
            let what = "a Will topic that is too long or has too many levels";
            return Err(Fault::new(ReasonCode::TOPIC_NAME_INVALID, what));
        }
        Ok(())
    }

    /// Why nobody becomes a client who is not one yet. 3.x hears: server unavailable.
    pub(super) fn refuses_clients(&mut self) -> Option<Fault> {
        let limit = self.options.max_sessions;
        let what = if limit > 0 && self.store.len() >= limit {
            "as many sessions as allowed"
        } else if self.uses(Self::CLIENTS) {
            self.counters.refuse_one(Refusal::MemoryConnect);
            "memory is short"
        } else {
            return None;
        };
        Some(Fault::new(ReasonCode::SERVER_BUSY, what))
    }

    /// Whether a topic, or the pattern of a filter, is longer or deeper than is allowed.
    pub(super) fn is_beyond(&self, name: &str) -> bool {
        let levels = usize::from(self.options.max_topic_levels);
        name.len() > usize::from(self.options.max_topic_length)
            || levels < LEVELS_MAX && name.split('/').count() > levels
    }

    /// Why a client that has so many subscriptions does not get one more.
    pub(super) fn refuses_subscription(&self, count: usize) -> Option<Refusal> {
        let limit = self.options.max_subscriptions as usize;
        if limit > 0 && count >= limit {
            return Some(Refusal::Subscriptions);
        }
        self.uses(Self::SUBSCRIPTIONS).then_some(Refusal::MemorySubscription)
    }

    /// Why a topic gets no retained message. One that has one may always have another.
    pub(super) fn refuses_retained(&self, topic: &str) -> Option<Refusal> {
        let retained = &self.store.router.retained;
        let limit = self.options.max_retained_messages as usize;
        let refusal = if limit > 0 && retained.len() >= limit {
            Refusal::Retained
        } else if self.uses(Self::RETAINED) {
            Refusal::MemoryRetained
        } else {
            return None;
        };
        retained.get(topic).is_none().then_some(refusal)
    }
}
