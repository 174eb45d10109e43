//! A message on its way through the broker.
//!
//! Owns: [`Source`], what it is made of and the kept copy once there is one; [`Terms`], how one
//! session is to get it; what it takes of a connection's room.
//!
//! Never decides who gets it.

use std::rc::Rc;

use super::MessageRef;
use super::store::Store;
use crate::codec::{PacketId, PublishHead, QoS, Version};
use crate::message::{Message, Parts};
use crate::router::{Match, Matches, count};
use crate::session::SessionId;
use crate::time::Time;

/// A message on its way through the broker: what it is made of, and the kept copy once there is
/// one.
pub(super) struct Source<'s> {
    pub(super) parts: Parts<'s>,
    kept: Option<Rc<Message>>,
    /// It is the PUBLISH of this event.
    is_received: bool,
    /// It is the broker's own.
    pub(super) is_own: bool,
    /// It was taken before, so it is not refused now.
    pub(super) is_taken: bool,
    pub(super) publisher: Option<SessionId>,
    /// Its user name, for what is asked later by what right it was published.
    pub(super) user_name: Option<Rc<str>>,
    /// What it takes of a connection, by version and QoS, once it has been worked out; 0 before.
    charges: [u32; 4],
}

impl<'s> Source<'s> {
    /// One of a client's that nobody keeps yet.
    pub(super) fn new(parts: Parts<'s>, publisher: SessionId, user_name: Option<Rc<str>>) -> Self {
        Self { user_name, ..Self::plain(parts, None, Some(publisher)) }
    }

    /// One that the broker has made itself.
    pub(super) fn own(parts: Parts<'s>) -> Self {
        Self { is_own: true, ..Self::plain(parts, None, None) }
    }

    /// The PUBLISH of this event; its publisher is still to be named.
    #[inline]
    pub(super) fn received(parts: Parts<'s>) -> Self {
        Self { is_received: true, ..Self::plain(parts, None, None) }
    }

    /// The same, taken before and so promised.
    pub(super) fn taken(self) -> Self {
        Self { is_taken: true, ..self }
    }

    /// Kept already.
    pub(super) fn shared(message: &'s Rc<Message>) -> Self {
        let (parts, kept) = (message.parts(), Some(Rc::clone(message)));
        let is_own = message.publisher.is_none();
        Self { is_own, ..Self::plain(parts, kept, None) }
    }

    const fn plain(
        parts: Parts<'s>,
        kept: Option<Rc<Message>>,
        publisher: Option<SessionId>,
    ) -> Self {
        Self {
            parts,
            kept,
            is_received: false,
            is_own: false,
            is_taken: false,
            publisher,
            user_name: None,
            charges: [0; 4],
        }
    }

    /// The kept copy, made if there is none.
    pub(super) fn keep(&mut self, store: &mut Store) -> Rc<Message> {
        if let Some(kept) = &self.kept {
            return Rc::clone(kept);
        }
        let message = self.make(&self.parts, store);
        self.kept = Some(Rc::clone(&message));
        message
    }

    /// A copy of its own for something that keeps it so many seconds.
    pub(super) fn keep_for(&self, seconds: u32, store: &mut Store) -> Rc<Message> {
        let parts = Parts { expiry_interval: Some(seconds), ..self.parts };
        self.make(&parts, store)
    }

    fn make(&self, parts: &Parts<'_>, store: &mut Store) -> Rc<Message> {
        let publisher = self.publisher.map(|id| Rc::clone(&store.session(id).client_id));
        let number = store.number_message();
        Message::of(number, parts, publisher, self.user_name.as_deref(), &store.gauge)
    }

    pub(super) fn message(&mut self, store: &mut Store) -> MessageRef {
        if self.is_received && self.kept.is_none() {
            MessageRef::Received
        } else {
            MessageRef::Shared(self.keep(store))
        }
    }

    /// Bytes of the whole packet, which is what it takes of a connection's room.
    pub(super) fn charge(&mut self, version: Version, terms: Terms<'_>, now: Time) -> u32 {
        if !terms.identifiers.is_empty() || terms.skip > 0 {
            return charge(version, terms, &self.parts, now);
        }
        let place =
            usize::from(version == Version::V5) << 1 | usize::from(terms.qos > QoS::AtMostOnce);
        if self.charges[place] == 0 {
            self.charges[place] = charge(version, terms, &self.parts, now);
        }
        self.charges[place]
    }
}

/// How one session is to get a message.
#[derive(Clone, Copy)]
pub(super) struct Terms<'i> {
    pub(super) qos: QoS,
    pub(super) retain: bool,
    pub(super) identifiers: &'i [u32],
    /// The shared subscription it comes from; 0 is none.
    pub(super) group: u32,
    /// Bytes of the mount point it does not see; 0 until its connection is known.
    pub(super) skip: u16,
}

impl<'i> Terms<'i> {
    /// Those of a session that matches a message of these parts, which goes out at `highest` at
    /// the most.
    #[inline]
    pub(super) fn of(found: &Match, matches: &'i Matches, parts: &Parts<'_>, highest: QoS) -> Self {
        Self {
            qos: found.qos.min(highest),
            retain: found.retain_as_published && parts.retain,
            identifiers: matches.identifiers_of(found),
            group: 0,
            skip: 0,
        }
    }
}

/// Bytes of the whole packet, which is what it takes of a connection's room.
pub(super) fn charge(version: Version, terms: Terms<'_>, parts: &Parts<'_>, now: Time) -> u32 {
    let head = PublishHead {
        dup: false,
        qos: terms.qos,
        retain: terms.retain,
        topic: parts.topic.after(terms.skip),
        // Its length does not depend on its value.
        packet_id: (terms.qos > QoS::AtMostOnce).then_some(PacketId::MAX),
        topic_alias: None,
        message_expiry_interval: remaining(parts, now),
        subscription_identifiers: terms.identifiers,
        properties: parts.properties,
        payload_len: parts.payload.len(),
    };
    count(head.packet_len(version))
}

/// Seconds a message has left ([MQTT-3.3.2-6]).
pub(super) fn remaining(parts: &Parts<'_>, now: Time) -> Option<u32> {
    let interval = parts.expiry_interval?;
    let left = parts.created.plus_secs(interval).ms_since(now).div_ceil(1000);
    Some(u32::try_from(left).unwrap_or(u32::MAX))
}

/// A subscription identifier as a list of one, or of none if it is 0.
pub(super) const fn identifiers(identifier: &u32) -> &[u32] {
    if *identifier == 0 { &[] } else { std::slice::from_ref(identifier) }
}
