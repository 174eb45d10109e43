//! A message to a shared subscription.
//!
//! Owns: who of the group gets it. The next member whose connection takes it at once; if there is
//! none, it waits for the group, bounded like any queue, and goes to the first member that can.
//!
//! Never takes a message from a member's session while that lives ([MQTT-4.8.2-4]).

use log::warn;

use super::link::Online;
use super::source::{Source, Terms, charge, identifiers};
use super::{Broker, Effects, Overflow, Shown};
use crate::codec::QoS;
use crate::message::Delivery;
use crate::metrics::DropReason;
use crate::persistence::GroupChange;
use crate::router::{GroupId, Subscriber};
use crate::session::Held;
use crate::time::Time;

impl Broker {
    /// One copy for a shared subscription: to the next member that takes it now ([MQTT-4.8.2-3]
    /// binds the QoS), else it waits for the first that can.
    pub(super) fn deliver_group(
        &mut self,
        now: Time,
        group: GroupId,
        source: &mut Source<'_>,
        effects: &mut Effects,
    ) {
        let Some(shared) = self.store.router.group(group) else { return };
        let (mut ahead, mut highest, mut is_anybody_there) = (0, None, false);
        let found = loop {
            if ahead == shared.members.len() {
                break None;
            }
            let Some(member) = shared.member(ahead) else { break None };
            if let Some(terms) = self.group_terms(&member, source, group) {
                highest = highest.max(Some(terms.qos));
                let session = self.store.session(member.session);
                if let Some(online) = session.conn.and_then(|conn| self.links.online(conn)) {
                    is_anybody_there = true;
                    if let Ok((terms, charge)) = fits_member(now, online, terms, source)
                        && let len = source.parts.len()
                        && self.options.takes(online, session, terms.qos, charge, len)
                    {
                        break Some((member, terms.skip, charge));
                    }
                }
            }
            ahead += 1;
        };
        if let Some((member, skip, charge)) = found
            && let Some(terms) = self.group_terms(&member, source, group)
        {
            self.store.router.group_mut(group).served(ahead);
            let terms = Terms { skip, ..terms };
            return self.hand_over(now, member.session, terms, charge, source, effects);
        }
        // With nobody whose filter matches, it is not for this group.
        let Some(highest) = highest.map(|highest| highest.max(source.parts.qos)) else { return };
        let is_qos0 = highest == QoS::AtMostOnce;
        if is_qos0 && !is_anybody_there && !self.options.queue_qos0_messages {
            return self.counters.drop_one(DropReason::Offline);
        }
        if let Some(why) = self.refused_by_all(now, group, source) {
            return self.counters.drop_one(why);
        }
        self.enqueue_group(group, source, effects);
    }

    /// How a member gets a message; `None` if its filter does not match it, as the member sees
    /// the two.
    pub(super) fn group_terms<'i>(
        &self,
        member: &'i Subscriber,
        source: &Source<'_>,
        group: GroupId,
    ) -> Option<Terms<'i>> {
        let held = Held { node: self.store.router.group(group)?.node, group: group.0 };
        let is_hidden = self.store.router.hides(member.session, held, source.parts.topic);
        (!is_hidden).then(|| Terms {
            qos: self.outgoing_qos(member.options.qos, source.parts.qos),
            retain: member.options.retain_as_published && source.parts.retain,
            identifiers: identifiers(&member.identifier),
            group: group.0,
            skip: 0,
        })
    }

    /// Why no member ever takes a message, all being there to say so that it is for.
    pub(super) fn refused_by_all(
        &self,
        now: Time,
        group: GroupId,
        source: &Source<'_>,
    ) -> Option<DropReason> {
        let shared = self.store.router.group(group)?;
        // Those it was for may have left.
        let mut why = DropReason::SessionEnded;
        for member in shared.members.as_slice() {
            let Some(terms) = self.group_terms(member, source, group) else { continue };
            let conn = self.store.session(member.session).conn?;
            why = fits_member(now, self.links.online(conn)?, terms, source).err()?;
        }
        Some(why)
    }

    fn enqueue_group(&mut self, group: GroupId, source: &mut Source<'_>, effects: &mut Effects) {
        let message = source.keep(&mut self.store);
        let len = message.len();
        while self.is_group_full(group, len) {
            if self.options.overflow != Overflow::DropOldest || self.is_full(None, len) {
                self.note_group_dropping(group, "newest");
                return self.counters.drop_one(DropReason::QueueNewest);
            }
            self.note_group_dropping(group, "oldest");
            self.counters.drop_one(DropReason::QueueOldest);
            self.change_group(group.0, GroupChange::Unqueued, effects);
        }
        let delivery = Delivery {
            qos: message.qos,
            retain: message.retain,
            message: Some(message),
            identifiers: None,
            group: group.0,
        };
        self.change_group(group.0, GroupChange::Queued(delivery), effects);
    }

    fn is_group_full(&self, group: GroupId, len: usize) -> bool {
        let queue = self.store.router.group(group).map(|shared| &shared.queue);
        self.is_full(queue, len)
    }

    fn note_group_dropping(&mut self, group: GroupId, what: &str) {
        let shared = self.store.router.group_mut(group);
        if !std::mem::replace(&mut shared.queue.is_dropping, true) {
            let filter = Shown(&shared.filter);
            warn!("Messages are being dropped for {filter}: the {what} dropped.");
        }
    }

    /// What was sent to a member of a shared subscription and not acknowledged goes to another
    /// when the member's session ends.
    pub(super) fn redeliver(
        &mut self,
        now: Time,
        group: u32,
        delivery: Delivery,
        effects: &mut Effects,
    ) {
        let Some(message) = delivery.message else { return };
        let group = GroupId(group);
        if self.store.router.group(group).is_none() {
            return self.counters.drop_one(DropReason::SessionEnded);
        }
        if message.has_expired(now) {
            // [MQTT-3.3.2-5]: to this member it has not begun.
            return self.counters.drop_one(DropReason::Expired);
        }
        let start = effects.targets.len();
        let mut source = Source::shared(&message);
        self.deliver_group(now, group, &mut source, effects);
        self.emit_shared(start, &message, effects);
    }
}

/// How a member's connection gets a message and what that takes of its room; why not, if it never
/// does.
fn fits_member<'i>(
    now: Time,
    online: &Online,
    terms: Terms<'i>,
    source: &Source<'_>,
) -> Result<(Terms<'i>, u32), DropReason> {
    let skip = online.skip(source.parts.topic).ok_or(DropReason::OutsideMount)?;
    let terms = Terms { skip, ..terms };
    let charge = charge(online.version, terms, &source.parts, now);
    if charge > online.maximum_packet_size {
        return Err(DropReason::TooLarge);
    }
    Ok((terms, charge))
}
