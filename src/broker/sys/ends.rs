//! When the certificates of listeners end.
//!
//! Owns: topic and payload, and who is told when a certificate is another one.
//!
//! Never looks at a certificate: whoever serves a listener says when its own ends.

use std::time::{Duration, UNIX_EPOCH};

use super::table::ROOT;
use crate::broker::{Broker, Effects, ListenerOptions, Options};
use crate::stamp::Stamp;
use crate::time::Time;

/// What all these topics begin with, behind [`ROOT`].
const LISTENERS: &str = "listeners/";

/// Whether a pattern may match one of these topics.
pub(super) fn may_match(pattern: &str) -> bool {
    pattern.contains(['+', '#'])
        || pattern.strip_prefix(ROOT).is_some_and(|rest| rest.starts_with(LISTENERS))
}

fn topic(listener: &ListenerOptions) -> Option<String> {
    let is_told = !listener.name.is_empty() && listener.certificate_end.is_some();
    is_told.then(|| format!("{ROOT}{LISTENERS}{}/certificate/expires", listener.name))
}

impl Broker {
    /// Topic and payload for a listener that has a certificate.
    pub(super) fn end_of(&self, listener: &ListenerOptions) -> Option<(String, String)> {
        let end = UNIX_EPOCH + Duration::from_secs(listener.certificate_end?);
        Some((topic(listener)?, Stamp::utc(end).iso()))
    }

    /// Publishes what is different from before.
    pub(in crate::broker) fn tell_ends(
        &mut self,
        now: Time,
        before: &Options,
        effects: &mut Effects,
    ) {
        if !self.is_observed() {
            return;
        }
        let ends = |options: &Options, broker: &Self| -> Vec<(String, String)> {
            let listeners = options.listeners.iter().flatten();
            listeners.filter_map(|listener| broker.end_of(listener)).collect()
        };
        let (old, new) = (ends(before, self), ends(&self.options, self));
        for (topic, _) in old.iter().filter(|(topic, _)| new.iter().all(|(it, _)| it != topic)) {
            self.publish_own(now, topic, b"", true, effects);
        }
        for (topic, text) in new.iter().filter(|end| !old.contains(end)) {
            self.publish_own(now, topic, text.as_bytes(), true, effects);
        }
    }
}
