//! What waits for a session, when its connection can take more.
//!
//! Owns: the order. First what an earlier connection left unsettled, in the original order
//! ([MQTT-4.4.0-1], [MQTT-4.6.0-1]); then the session's queue; then what its shared subscriptions
//! have waiting; then retained messages, for which see `scan.rs`. Each step goes on as far as room
//! and window allow and no further.
//!
//! Never sends what a connection has no room for.

use std::rc::Rc;

use super::deliver::{Sending, has_window};
use super::link::Resume;
use super::source::{Source, Terms, charge, identifiers, remaining};
use super::{Broker, ConnId, Effects};
use crate::codec::{AckKind, QoS, ReasonCode};
use crate::message::{Delivery, Message};
use crate::metrics::DropReason;
use crate::persistence::{Change, GroupChange};
use crate::router::GroupId;
use crate::session::{Awaiting, SessionId};
use crate::time::Time;

/// Whether a connection could take what it was offered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    /// It is on its way.
    Taken,
    /// Not now.
    Waits,
    /// Never: it is larger than the client takes.
    TooLarge,
}

impl Broker {
    pub(super) fn on_written(
        &mut self,
        now: Time,
        conn: ConnId,
        bytes: usize,
        effects: &mut Effects,
    ) {
        let timeout = self.options.stalled_timeout_ms;
        let Some(online) = self.links.online_mut(conn) else { return };
        online.charged = online.charged.saturating_sub(bytes as u64);
        let is_drained = online.charged == 0;
        online.stalled_by = if is_drained { Time::NEVER } else { now.plus_ms(timeout) };
        let session = online.session;
        self.pump(now, session, effects);
    }

    /// Sends what waits, as far as the connection takes it.
    pub(super) fn pump(&mut self, now: Time, id: SessionId, effects: &mut Effects) {
        let session = self.store.session(id);
        let Some(conn) = session.conn else { return };
        let has_groups = !session.groups().is_empty();
        let Some(online) = self.links.online(conn) else { return };
        if online.resume.is_some() && !self.pump_window(now, id, conn, effects) {
            return;
        }
        if self.store.session(id).queue.is_some() && !self.pump_queue(now, id, effects) {
            return;
        }
        if has_groups {
            self.pump_groups(now, id, effects);
        }
        if self.store.session(id).cursors().is_some() {
            self.pump_cursors(now, id, effects);
        }
    }

    /// Sends again what an earlier connection left unsettled; true if that is done.
    fn pump_window(
        &mut self,
        now: Time,
        id: SessionId,
        conn: ConnId,
        effects: &mut Effects,
    ) -> bool {
        while let Some(after) = self.online(conn).resume.as_ref().map(|resume| resume.after) {
            let outbound = self.store.session(id).outbound.as_ref();
            let next = outbound.and_then(|outbound| {
                let (place, packet_id) = outbound.after(after)?;
                let awaiting = outbound.awaiting(packet_id)?;
                Some((place, packet_id, awaiting, outbound.item(packet_id).cloned()))
            });
            let Some((place, packet_id, awaiting, delivery)) = next else {
                self.online_mut(conn).resume = None;
                return true;
            };
            if awaiting == Awaiting::Complete {
                // Its PUBCOMP will give back quota, so it takes some: else the client would be
                // sent more than it takes at once ([MQTT-3.3.4-9]).
                let online = self.online_mut(conn);
                if online.quota == 0 {
                    return false;
                }
                online.quota -= 1;
                let gate = self.gate(self.store.session(id));
                let reason = ReasonCode::SUCCESS;
                self.send_ack(conn, AckKind::PubRel, packet_id, reason, gate, effects);
            } else if let Some(delivery) = delivery
                && let Some(message) = &delivery.message
            {
                match self.offer(now, id, &delivery, message, Some(packet_id), effects) {
                    Offer::Waits => return false,
                    Offer::Taken => {}
                    Offer::TooLarge => {
                        self.counters.drop_one(DropReason::TooLarge);
                        self.change(id, Change::Settled(packet_id), effects);
                    }
                }
            }
            self.online_mut(conn).resume = Some(Box::new(Resume { after: Some(place) }));
        }
        true
    }

    /// Sends from the session's queue; true if it is empty.
    fn pump_queue(&mut self, now: Time, id: SessionId, effects: &mut Effects) -> bool {
        loop {
            let front = self.store.session(id).queue.as_ref().and_then(|queue| queue.front());
            let Some(delivery) = front.cloned() else { return true };
            let Some(message) = delivery.message.clone() else { return true };
            if message.has_expired(now) {
                // [MQTT-3.3.2-5].
                self.counters.drop_one(DropReason::Expired);
                self.change(id, Change::Unqueued, effects);
                continue;
            }
            match self.offer(now, id, &delivery, &message, None, effects) {
                Offer::Waits => return false,
                Offer::Taken => {}
                Offer::TooLarge => {
                    self.counters.drop_one(DropReason::TooLarge);
                    self.change(id, Change::Unqueued, effects);
                }
            }
        }
    }

    /// Offers a message from the window (`again`) or the front of the queue to the connection.
    fn offer(
        &mut self,
        now: Time,
        id: SessionId,
        delivery: &Delivery,
        message: &Rc<Message>,
        again: Option<crate::codec::PacketId>,
        effects: &mut Effects,
    ) -> Offer {
        let none = Vec::new();
        let terms = Terms {
            qos: delivery.qos,
            retain: delivery.retain,
            identifiers: delivery.identifiers.as_deref().unwrap_or(&none),
            group: delivery.group,
        };
        let charge = match self.fits(now, id, terms, message, again.is_some()) {
            Ok(charge) => charge,
            Err(offer) => return offer,
        };
        let packet_id = match (again, terms.qos) {
            (Some(packet_id), _) => Some(packet_id),
            (None, QoS::AtMostOnce) => {
                self.change(id, Change::Unqueued, effects);
                None
            }
            (None, _) => {
                let packet_id = self.store.session(id).next_id();
                self.change(id, Change::Sent { packet_id }, effects);
                Some(packet_id)
            }
        };
        let expiry = remaining(&message.parts(), now);
        let sending = Sending { packet_id, charge, expiry, dup: again.is_some() };
        let start = effects.targets.len();
        self.target(now, id, terms, sending, effects);
        self.emit_shared(start, message, effects);
        Offer::Taken
    }

    /// What a message takes of the connection's room, if it can be sent now.
    pub(super) fn fits(
        &self,
        now: Time,
        id: SessionId,
        terms: Terms<'_>,
        message: &Message,
        again: bool,
    ) -> Result<u32, Offer> {
        let conn = self.store.session(id).conn;
        let Some(online) = conn.and_then(|conn| self.links.online(conn)) else {
            return Err(Offer::Waits);
        };
        let charge = charge(online.version, terms, &message.parts(), now);
        if charge > online.maximum_packet_size {
            return Err(Offer::TooLarge);
        }
        let may_go = match (terms.qos, again) {
            (QoS::AtMostOnce, _) => true,
            // Its identifier is in use already.
            (_, true) => online.quota > 0,
            (_, false) => has_window(online, self.store.session(id)),
        };
        if online.has_room(charge) && may_go { Ok(charge) } else { Err(Offer::Waits) }
    }

    /// Sends what waits for the shared subscriptions this session is a member of.
    fn pump_groups(&mut self, now: Time, id: SessionId, effects: &mut Effects) {
        let mut next = 0;
        while let Some(&number) = self.store.session(id).groups().get(next) {
            let front = self.store.router.group(GroupId(number)).and_then(|group| {
                let member = group.members.find(id)?;
                Some((*member, group.queue.front()?.message.clone()?))
            });
            let Some((member, message)) = front else {
                next += 1;
                continue;
            };
            if message.has_expired(now) {
                self.counters.drop_one(DropReason::Expired);
                self.change_group(number, GroupChange::Unqueued, effects);
                continue;
            }
            let terms = Terms {
                qos: member.options.qos.min(message.qos),
                retain: member.options.retain_as_published && message.retain,
                identifiers: identifiers(&member.identifier),
                group: number,
            };
            match self.fits(now, id, terms, &message, false) {
                Err(Offer::TooLarge)
                    if self.is_too_large_for_all(
                        now,
                        GroupId(number),
                        &Source::shared(&message),
                    ) =>
                {
                    self.counters.drop_one(DropReason::TooLarge);
                    self.change_group(number, GroupChange::Unqueued, effects);
                }
                // Another member may take it.
                Err(_) => next += 1,
                Ok(charge) => {
                    self.change_group(number, GroupChange::Unqueued, effects);
                    self.send_kept(now, id, terms, charge, &message, effects);
                }
            }
        }
    }

    /// Sends a kept message that is in no queue of the session.
    pub(super) fn send_kept(
        &mut self,
        now: Time,
        id: SessionId,
        terms: Terms<'_>,
        charge: u32,
        message: &Rc<Message>,
        effects: &mut Effects,
    ) {
        let start = effects.targets.len();
        let mut source = Source::shared(message);
        self.hand_over(now, id, terms, charge, &mut source, effects);
        self.emit_shared(start, message, effects);
    }
}
