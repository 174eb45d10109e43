//! What a connection calls topics: mount point and aliases.
//!
//! Owns: what stands before every topic and filter of a client that came by a listener with a
//! mount point, put there as they come in and left out as messages go out; the aliases a client
//! has given. Inside there are whole names only: those that routing, storage, authority and log
//! see.
//!
//! Never costs a connection without either more than to see that it has neither.

use std::mem;
use std::rc::Rc;
use std::sync::Arc;

use log::warn;

use super::link::Online;
use super::{Broker, ConnId, Fault, ListenerOptions, Shown, name};
use crate::codec::{PublishRef, ReasonCode, Text};
use crate::metrics::DropReason;
use crate::topic_matcher::Filter;

/// What a connection calls topics otherwise than everybody does.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Where the mount point stands, if there is one. It is that of the time when the client came,
    /// whatever is configured since: its subscriptions have it too.
    listener: Option<Arc<ListenerOptions>>,
    /// Topics the client has given an alias; index 0 is alias 1.
    aliases: Vec<Option<Rc<str>>>,
    /// It was logged that messages are not shown to the client.
    has_told_outside: bool,
    /// It was logged that messages of the client are too large.
    has_told_large: bool,
}

impl Names {
    /// Those of a client that comes by `listener`.
    pub(super) fn at(listener: &Arc<ListenerOptions>) -> Option<Box<Self>> {
        let is_mounted = !listener.mount_point.is_empty();
        is_mounted
            .then(|| Box::new(Self { listener: Some(Arc::clone(listener)), ..Self::default() }))
    }

    fn mount_point(&self) -> &str {
        self.listener.as_ref().map_or("", |listener| &listener.mount_point)
    }
}

impl Online {
    /// What stands before all names of the client; empty if nothing does.
    pub(super) fn mount_point(&self) -> &str {
        self.names.as_ref().map_or("", |names| names.mount_point())
    }

    /// Whether anything stands before them.
    pub(super) fn is_mounted(&self) -> bool {
        self.names.as_ref().is_some_and(|names| names.listener.is_some())
    }

    /// Bytes at the front of a topic that the client does not see; `None` if it does not see the
    /// topic at all, because it is not below its mount point.
    pub(super) fn skip(&self, topic: Text<'_>) -> Option<u16> {
        let Some(names) = &self.names else { return Some(0) };
        let mount = names.mount_point().as_bytes();
        let is_below = topic.as_bytes().starts_with(mount) && topic.len() > mount.len();
        if is_below { u16::try_from(mount.len()).ok() } else { None }
    }
}

/// A filter as it is inside: the mount point stands before what topics are matched with.
pub(super) fn mounted(mount: &str, filter: Filter<'_>) -> String {
    let whole = filter.as_str();
    let (share, pattern) = whole.split_at(whole.len() - filter.pattern().len());
    [share, mount, pattern].concat()
}

/// Bytes of the mount point in front of a mounted filter's pattern, if a wildcard follows; else 0.
pub(super) fn root(mount: &str, filter: Filter<'_>) -> u16 {
    let behind = filter.pattern().get(mount.len()..).unwrap_or_default();
    if behind.starts_with(['+', '#']) { u16::try_from(mount.len()).unwrap_or(0) } else { 0 }
}

impl Broker {
    /// The topic an alias stands for, if the packet has no topic of its own; learns an alias if
    /// it has both ([MQTT-3.3.2-8], [MQTT-3.3.2-12] of 5.0).
    pub(super) fn resolve_alias(
        &mut self,
        conn: ConnId,
        publish: &PublishRef<'_>,
    ) -> Result<Option<Rc<str>>, Fault> {
        let Some(alias) = publish.properties.topic_alias else { return Ok(None) };
        let highest = self.online(conn).topic_alias_maximum;
        if alias == 0 || alias > highest {
            let what = "topic alias out of range";
            return Err(Fault::new(ReasonCode::TOPIC_ALIAS_INVALID, what));
        }
        let aliases = &mut self.online_mut(conn).names.get_or_insert_default().aliases;
        if aliases.is_empty() {
            aliases.resize(usize::from(highest), None);
        }
        let known = &mut aliases[usize::from(alias) - 1];
        if publish.topic.is_empty() {
            let Some(topic) = known else {
                return Err(Fault::protocol("a topic alias that stands for nothing"));
            };
            return Ok(Some(Rc::clone(topic)));
        }
        *known = Some(publish.topic.as_str().into());
        Ok(None)
    }

    /// A message is not shown to a client, because its topic is not below the mount point: its
    /// session subscribed elsewhere. The first of a connection is logged.
    pub(super) fn note_outside(&mut self, conn: ConnId) {
        self.counters.drop_one(DropReason::OutsideMount);
        let online = self.online_mut(conn);
        let names = online.names.get_or_insert_default();
        if !mem::replace(&mut names.has_told_outside, true) {
            warn!(
                "Messages are being dropped for client {}: its session has subscriptions outside \
                 of mount_point {}.",
                name(&online.identity),
                Shown(names.mount_point())
            );
        }
    }

    /// A message is not taken from a client, because its payload is too large. The first of a
    /// connection is logged.
    pub(super) fn note_large(&mut self, conn: ConnId, len: usize) {
        self.counters.drop_one(DropReason::PayloadTooLarge);
        let limit = self.options.message_size_limit;
        let online = self.online_mut(conn);
        let names = online.names.get_or_insert_default();
        if !mem::replace(&mut names.has_told_large, true) {
            warn!(
                "Messages of client {} are not taken: one has {len} bytes, {limit} allowed.",
                name(&online.identity)
            );
        }
    }
}
