//! What waits for a session, when its connection can take more.
//!
//! Owns: the order. First what an earlier connection left unsettled, in the original order
//! ([MQTT-4.4.0-1], [MQTT-4.6.0-1]); then the session's queue; then what its shared subscriptions
//! have waiting; then retained messages, for which see `scan.rs`. Each step goes on as far as room
//! and window allow and no further.
//!
//! Never sends what a connection has no room for.

use std::rc::Rc;

use super::deliver::Sending;
use super::link::Resume;
use super::source::{Source, Terms, charge, remaining};
use super::{Broker, ConnId, Effects};
use crate::codec::{AckKind, QoS, ReasonCode};
use crate::message::{Delivery, Message};
use crate::metrics::DropReason;
use crate::persistence::{Change, GroupChange};
use crate::router::{GroupId, count};
use crate::session::{Awaiting, SessionId};
use crate::time::Time;

/// Whether a connection could take what it was offered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    /// It is on its way.
    Taken,
    /// Not now.
    Waits,
    /// Never, and why.
    Never(DropReason),
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
        if self.store.session(id).queue.is_some() && !self.pump_queue(now, id, conn, effects) {
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
                    Offer::Never(why) => {
                        self.note_never(conn, why);
                        self.change(id, Change::Settled(packet_id), effects);
                    }
                }
            }
            self.online_mut(conn).resume = Some(Box::new(Resume { after: Some(place) }));
        }
        true
    }

    /// Sends from the session's queue; true if it is empty.
    fn pump_queue(
        &mut self,
        now: Time,
        id: SessionId,
        conn: ConnId,
        effects: &mut Effects,
    ) -> bool {
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
                Offer::Never(why) => {
                    self.note_never(conn, why);
                    self.change(id, Change::Unqueued, effects);
                }
            }
        }
    }

    /// Counts a message that a connection never takes.
    pub(super) fn note_never(&mut self, conn: ConnId, why: DropReason) {
        if why == DropReason::OutsideMount {
            self.note_outside(conn);
        } else {
            self.counters.drop_one(why);
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
            skip: 0,
        };
        let (terms, charge) = match self.fits(now, id, terms, message, again.is_some()) {
            Ok(fitting) => fitting,
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
                let len = count(message.len());
                self.change(id, Change::Sent { packet_id, len }, effects);
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

    /// What a message takes of the connection's room, if it can be sent now, and how it is sent.
    pub(super) fn fits<'i>(
        &self,
        now: Time,
        id: SessionId,
        terms: Terms<'i>,
        message: &Message,
        again: bool,
    ) -> Result<(Terms<'i>, u32), Offer> {
        let conn = self.store.session(id).conn;
        let Some(online) = conn.and_then(|conn| self.links.online(conn)) else {
            return Err(Offer::Waits);
        };
        if !self.may_receive(online, message.topic()) {
            return Err(Offer::Never(DropReason::Denied));
        }
        let Some(skip) = online.skip(message.topic()) else {
            return Err(Offer::Never(DropReason::OutsideMount));
        };
        let terms = Terms { skip, ..terms };
        let charge = charge(online.version, terms, &message.parts(), now);
        if charge > online.maximum_packet_size {
            return Err(Offer::Never(DropReason::TooLarge));
        }
        let may_go = match (terms.qos, again) {
            (QoS::AtMostOnce, _) => true,
            // Its identifier is in use already.
            (_, true) => online.quota > 0,
            (_, false) => self.options.has_window(online, self.store.session(id), &message.parts()),
        };
        if online.has_room(charge) && may_go { Ok((terms, charge)) } else { Err(Offer::Waits) }
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
            let (number, source) = (GroupId(number), Source::shared(&message));
            let fits = match self.group_terms(&member, &source, number) {
                Some(terms) => self.fits(now, id, terms, &message, false),
                None => Err(Offer::Waits),
            };
            if let Ok((terms, charge)) = fits {
                self.change_group(number.0, GroupChange::Unqueued, effects);
                self.send_kept(now, id, terms, charge, &message, effects);
            } else if let Some(why) = self.refused_by_all(now, number, &source) {
                self.counters.drop_one(why);
                self.change_group(number.0, GroupChange::Unqueued, effects);
            } else {
                // Another member may take it.
                next += 1;
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
