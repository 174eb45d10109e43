//! A message to one session: at once, later, or not.
//!
//! Owns: the decision. A session that is connected gets a message at once if its connection has
//! room for the bytes and, above QoS 0, its window has a place, and nothing of the kind waits
//! before it; else the message waits in the session's queue, which is bounded. What the bound
//! discards is counted by reason and logged once an episode.
//!
//! Never sends while matching, and never copies a message twice: the first that must keep it
//! makes it, everybody shares it.

use std::rc::Rc;

use log::warn;

use super::link::Online;
use super::source::{Source, Terms, remaining};
use super::target::CONNECTION;
use super::{Broker, ConnId, Effect, Effects, MessageRef, Options, Overflow, Seq, Shown, Target};
use crate::codec::{PacketId, PacketType, QoS, ReasonCode};
use crate::message::{Delivery, Message, Parts};
use crate::metrics::DropReason;
use crate::persistence::Change;
use crate::router::{Matches, count};
use crate::session::{Access, Queue, Session, SessionId};
use crate::time::Time;

impl Broker {
    /// Sends a message to all who match.
    pub(super) fn route(
        &mut self,
        now: Time,
        matches: &Matches,
        source: &mut Source<'_>,
        effects: &mut Effects,
    ) {
        let start = effects.targets.len();
        let highest = self.highest_qos(source.parts.qos);
        for found in &matches.sessions {
            let terms = Terms::of(found, matches, &source.parts, highest);
            self.deliver(now, found.session, terms, source, effects);
        }
        for group in &matches.groups {
            self.deliver_group(now, *group, source, effects);
        }
        self.emit(start, source, effects);
    }

    /// The highest QoS at which a message goes out: as it was published ([MQTT-3.8.4-8] of 5.0),
    /// unless it is to go out as subscribed.
    pub(super) const fn highest_qos(&self, published: QoS) -> QoS {
        if self.options.upgrade_outgoing_qos { QoS::ExactlyOnce } else { published }
    }

    /// One effect for all targets since `start`.
    pub(super) fn emit(&mut self, start: usize, source: &mut Source<'_>, effects: &mut Effects) {
        let len = effects.targets.len() - start;
        if len > 0 {
            self.count_sent(len, source.is_own, source.parts.payload.len());
            let message = source.message(&mut self.store);
            effects.list.push(Effect::Deliver { message, start: count(start), len: count(len) });
        }
    }

    fn deliver(
        &mut self,
        now: Time,
        to: SessionId,
        mut terms: Terms<'_>,
        source: &mut Source<'_>,
        effects: &mut Effects,
    ) {
        let session = self.store.session(to);
        let found = session.conn.and_then(|conn| Some((conn, self.links.online_mut(conn)?)));
        let Some((conn, online)) = found else {
            if source.is_own {
                return; // It is for those who are there.
            }
            if terms.qos == QoS::AtMostOnce && !self.options.queue_qos0_messages {
                return self.counters.drop_one(DropReason::Offline);
            }
            return self.enqueue(to, terms, source, effects);
        };
        if !self.allows_all
            && !self.authority.may(&online.identity, Access::Receive, source.parts.topic.as_str())
        {
            return;
        }
        if online.names.is_some() {
            let Some(skip) = online.skip(source.parts.topic) else {
                // Whom a mount point keeps from what the broker says misses nothing of a
                // client's.
                if !source.is_own {
                    self.note_outside(conn);
                }
                return;
            };
            terms.skip = skip;
        }
        let charge = source.charge(online.version, terms, now);
        if charge > online.maximum_packet_size {
            // As if it had been sent and had completed ([MQTT-3.1.2-25]).
            return self.counters.drop_one(DropReason::TooLarge);
        }
        if !self.options.takes(online, session, terms.qos, charge, &source.parts) {
            return self.enqueue(to, terms, source, effects);
        }
        if terms.qos > QoS::AtMostOnce {
            return self.hand_over(now, to, terms, charge, source, effects);
        }
        let sending = Sending::first(None, charge, remaining(&source.parts, now));
        let must_arm = online.charge(charge, now, self.options.stalled_timeout_ms);
        effects.push_target(conn, terms, sending, Seq(0));
        if must_arm {
            self.arm_link(conn);
        }
    }

    /// A target for a session that takes the message now.
    pub(super) fn hand_over(
        &mut self,
        now: Time,
        to: SessionId,
        terms: Terms<'_>,
        charge: u32,
        source: &mut Source<'_>,
        effects: &mut Effects,
    ) {
        let packet_id = (terms.qos > QoS::AtMostOnce).then(|| {
            let session = self.store.session(to);
            let packet_id = session.next_id();
            let must_keep = session.is_kept() || terms.group != 0;
            let message = must_keep.then(|| source.keep(&mut self.store));
            let delivery = delivery(message, terms);
            let len = count(source.parts.len());
            self.change(to, Change::Delivered { packet_id, delivery, len }, effects);
            packet_id
        });
        let expiry = remaining(&source.parts, now);
        self.target(now, to, terms, Sending::first(packet_id, charge, expiry), effects);
    }

    /// Charges a connection for a message and makes it a target.
    pub(super) fn target(
        &mut self,
        now: Time,
        to: SessionId,
        terms: Terms<'_>,
        sending: Sending,
        effects: &mut Effects,
    ) {
        let session = self.store.session(to);
        let after = if terms.qos == QoS::AtMostOnce { Seq(0) } else { self.gate(session) };
        let Some(conn) = session.conn else { return };
        let Some(online) = self.links.online_mut(conn) else { return };
        online.quota -= u16::from(sending.packet_id.is_some());
        let must_arm = online.charge(sending.charge, now, self.options.stalled_timeout_ms);
        let is_limited = sending.packet_id.is_some() && online.brake.is_some();
        effects.push_target(conn, terms, sending, after);
        if must_arm {
            self.arm_link(conn);
        }
        if is_limited {
            self.has_something_to_say(conn);
        }
    }

    /// Puts a message at the end of a session's queue, or does what happens at its bound.
    fn enqueue(
        &mut self,
        to: SessionId,
        terms: Terms<'_>,
        source: &mut Source<'_>,
        effects: &mut Effects,
    ) {
        if terms.qos == QoS::AtMostOnce && self.uses(Self::QOS0) {
            if self.store.session(to).queue.is_some() {
                self.note_dropping(to, "newest of QoS 0");
            }
            return self.drop_from(to, DropReason::Memory);
        }
        let len = source.parts.len();
        let is_full =
            |broker: &Self| broker.is_full(broker.store.session(to).queue.as_deref(), len);
        if is_full(self) {
            match self.options.overflow {
                Overflow::DropOldest if !self.is_full(None, len) => {
                    self.note_dropping(to, "oldest");
                    while is_full(self) {
                        self.drop_from(to, DropReason::QueueOldest);
                        self.change(to, Change::Unqueued, effects);
                    }
                    self.note_dropping(to, "");
                }
                Overflow::Disconnect if self.store.session(to).conn.is_some() => {
                    self.drop_from(to, DropReason::QueueDisconnect);
                    return self.doom(to);
                }
                Overflow::DropNewest | Overflow::DropOldest | Overflow::Disconnect => {
                    self.note_dropping(to, "newest");
                    return self.drop_from(to, DropReason::QueueNewest);
                }
                Overflow::Refuse => {
                    self.note_dropping(to, "newest");
                    return self.drop_from(to, DropReason::QueueRefused);
                }
            }
        }
        let delivery = delivery(Some(source.keep(&mut self.store)), terms);
        self.change(to, Change::Queued(delivery), effects);
    }

    /// Counts a message that a session was too slow for.
    fn drop_from(&mut self, id: SessionId, reason: DropReason) {
        self.counters.drop_one(reason);
        self.on_dropped(id);
    }

    /// Counts a message that was handed to so many connections.
    #[inline]
    fn count_sent(&mut self, connections: usize, is_own: bool, payload: usize) {
        self.counters.sent.add(PacketType::Publish as u8, connections as u64);
        if !is_own {
            self.counters.send(payload, connections);
        }
    }

    /// Whether a queue has no place for `len` bytes more.
    pub(super) fn is_full(&self, queue: Option<&Queue>, len: usize) -> bool {
        let (messages, bytes) = queue.map_or((0, 0), |queue| (queue.len(), queue.bytes()));
        let (messages_max, bytes_max) =
            (self.options.max_queued_messages, self.options.max_queued_bytes);
        (messages_max > 0 && messages >= messages_max) || (bytes_max > 0 && bytes + len > bytes_max)
    }

    /// Logs the first drop of an episode, which lasts until the queue is empty.
    fn note_dropping(&mut self, id: SessionId, what: &str) {
        let session = self.store.session_mut(id);
        let queue = session.queue_mut();
        if !std::mem::replace(&mut queue.is_dropping, true) && !what.is_empty() {
            let waiting = queue.len();
            warn!(
                "Outgoing messages are being dropped for client {}: {waiting} waiting, the {what} \
                 dropped.",
                Shown(&session.client_id)
            );
        }
    }

    /// Disconnects a session's client when the event has been handled: not while sending.
    fn doom(&mut self, id: SessionId) {
        let session = self.store.session(id);
        if let Some(conn) = session.conn
            && !self.doomed.contains(&conn)
        {
            warn!(
                target: CONNECTION,
                "Client {} disconnected: its queue is full.",
                Shown(&session.client_id)
            );
            self.doomed.push(conn);
        }
    }

    /// Disconnects whom the event has doomed.
    pub(super) fn dismiss_doomed(&mut self, now: Time, effects: &mut Effects) {
        while let Some(conn) = self.doomed.pop() {
            let why = Some("queue full");
            self.dismiss(now, conn, ReasonCode::QUOTA_EXCEEDED, why, effects);
        }
    }

    /// One effect for the targets since `start` of a message that is kept.
    pub(super) fn emit_shared(
        &mut self,
        start: usize,
        message: &Rc<Message>,
        effects: &mut Effects,
    ) {
        let len = effects.targets.len() - start;
        if len > 0 {
            self.count_sent(len, message.publisher.is_none(), message.payload().len());
            let message = MessageRef::Shared(Rc::clone(message));
            effects.list.push(Effect::Deliver { message, start: count(start), len: count(len) });
        }
    }
}

/// How a target is sent, beside the terms.
#[derive(Clone, Copy)]
pub(super) struct Sending {
    pub(super) packet_id: Option<PacketId>,
    pub(super) charge: u32,
    pub(super) expiry: Option<u32>,
    pub(super) dup: bool,
}

impl Sending {
    /// Of a message that was not sent before.
    const fn first(packet_id: Option<PacketId>, charge: u32, expiry: Option<u32>) -> Self {
        Self { packet_id, charge, expiry, dup: false }
    }
}

impl Effects {
    #[inline(always)]
    fn push_target(&mut self, conn: ConnId, terms: Terms<'_>, sending: Sending, after: Seq) {
        let identifiers_start = count(self.identifiers.len());
        if !terms.identifiers.is_empty() {
            self.identifiers.extend_from_slice(terms.identifiers);
        }
        self.targets.push(Target {
            conn,
            charge: sending.charge,
            expiry: sending.expiry,
            identifiers_start,
            identifiers_len: count(terms.identifiers.len()),
            packet_id: sending.packet_id,
            skip: terms.skip,
            qos: terms.qos,
            retain: terms.retain,
            dup: sending.dup,
            after,
        });
    }
}

impl Options {
    /// Whether a session's connection takes a message of this QoS now, of so many bytes on the
    /// wire.
    pub(super) fn takes(
        &self,
        online: &Online,
        session: &Session,
        qos: QoS,
        charge: u32,
        parts: &Parts<'_>,
    ) -> bool {
        if !online.has_room(charge) {
            return false;
        }
        let queue = session.queue.as_deref();
        if qos == QoS::AtMostOnce {
            // Order is promised per topic and QoS ([MQTT-4.6.0-6]): QoS 0 overtakes what waits
            // for acknowledgements, but not its own kind.
            return queue.is_none_or(|queue| !queue.has_qos0());
        }
        online.resume.is_none()
            && queue.is_none_or(Queue::is_empty)
            && self.has_window(online, session, parts)
    }

    /// Whether this message above QoS 0 may be on its way too. One that is larger than all that
    /// may be goes alone: else it would stop what is behind it for ever.
    pub(super) fn has_window(&self, online: &Online, session: &Session, parts: &Parts<'_>) -> bool {
        online.quota > 0
            && session.inflight() < usize::from(online.window)
            && (self.max_inflight_bytes == 0 || self.has_window_bytes(session, parts.len()))
    }

    fn has_window_bytes(&self, session: &Session, len: usize) -> bool {
        let before = session.inflight_bytes();
        before == 0 || before.saturating_add(len as u64) <= self.max_inflight_bytes
    }
}

fn delivery(message: Option<Rc<Message>>, terms: Terms<'_>) -> Delivery {
    let identifiers = terms.identifiers;
    Delivery {
        message,
        identifiers: (!identifiers.is_empty()).then(|| Box::new(identifiers.to_vec())),
        group: terms.group,
        qos: terms.qos,
        retain: terms.retain,
    }
}
