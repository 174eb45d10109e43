//! PUBLISH and PUBREL from a client; messages that do not come from a connection.
//!
//! Owns: what a publisher may do, its aliases, its receive quota; which retained message a topic
//! has. QoS 2 is routed at the first PUBLISH and keeps only the packet identifier, so nothing is
//! acknowledged and dropped later for want of room (method A of 4.3.3).
//!
//! Never decides who gets a message: the router does.

use std::rc::Rc;

use log::debug;

use super::entry::is_reserved;
use super::link::LastTopic;
use super::source::Source;
use super::{Broker, ConnId, Effects, Fault, Seq, Shown, Storage, name};
use crate::codec::{AckKind, PacketId, PublishRef, QoS, ReasonCode, Version};
use crate::message::{Message, Parts};
use crate::persistence::{Change, Record};
use crate::router::Matches;
use crate::session::{Access, SessionId};
use crate::time::Time;
use crate::topic_matcher::{Invalid, Topic};

impl Broker {
    pub(super) fn on_publish(
        &mut self,
        now: Time,
        conn: ConnId,
        publish: &PublishRef<'_>,
        effects: &mut Effects,
    ) -> Result<(), Fault> {
        self.counters.publishes_received += 1;
        if publish.qos == QoS::AtMostOnce && !publish.retain {
            // Nothing to check, nothing to answer.
            let before = self.seq;
            self.take_in(now, conn, publish, effects)?;
            if self.seq > before {
                self.hold_maker(now, conn, before, 0, effects);
            }
            return Ok(());
        }
        let before = self.seq;
        let session = self.online(conn).session;
        self.check_quota(conn, publish)?;
        if let (QoS::ExactlyOnce, Some(packet_id)) = (publish.qos, publish.packet_id)
            && self.store.session(session).inbound.as_ref().is_some_and(|i| i.contains(packet_id))
        {
            // Taken already: acknowledged again, not routed again ([MQTT-4.3.3-10]). What the
            // first copy changed must be durable before the answer leaves; an alias it sets holds
            // for this connection like any other.
            self.resolve_alias(conn, publish)?;
            let (kind, reason) = (AckKind::PubRec, ReasonCode::SUCCESS);
            self.send_ack(conn, kind, packet_id, reason, self.seq, effects);
            return Ok(());
        }
        let reason = self.take_in(now, conn, publish, effects)?;
        let Some(packet_id) = publish.packet_id else {
            // Values of one topic replace each other while they wait for storage that has failed.
            let allowed = u64::from(self.storage == Storage::Failed);
            self.hold_maker(now, conn, before, allowed, effects);
            return Ok(());
        };
        let kind = if publish.qos == QoS::ExactlyOnce {
            if !reason.is_error() {
                self.change(session, Change::Taken(packet_id), effects);
                let online = self.online_mut(conn);
                online.taken = online.taken.saturating_add(1);
            }
            AckKind::PubRec
        } else {
            AckKind::PubAck
        };
        let after = if reason == ReasonCode::QUOTA_EXCEEDED {
            Seq(0) // It promises nothing.
        } else {
            self.gate_since(before, session)
        };
        self.send_ack(conn, kind, packet_id, reason, after, effects);
        self.hold_maker(now, conn, before, 0, effects);
        Ok(())
    }

    /// Limits that hold for the connection as a whole.
    fn check_quota(&self, conn: ConnId, publish: &PublishRef<'_>) -> Result<(), Fault> {
        let online = self.online(conn);
        if publish.qos > online.maximum_qos {
            // [MQTT-3.2.2-11].
            return Err(Fault::new(ReasonCode::QOS_NOT_SUPPORTED, "QoS higher than allowed"));
        }
        if publish.retain && !self.options.retain_available {
            // [MQTT-3.2.2-14].
            return Err(Fault::new(ReasonCode::RETAIN_NOT_SUPPORTED, "RETAIN is not available"));
        }
        let limit = online.receive_maximum;
        let is_new = publish.packet_id.is_some_and(|id| {
            let inbound = self.store.session(online.session).inbound.as_ref();
            !inbound.is_some_and(|inbound| inbound.contains(id))
        });
        if online.version == Version::V5 && limit > 0 && is_new && online.taken >= limit {
            // [MQTT-3.3.4-7] binds the client, [MQTT-4.13.1-1] what follows.
            let what = "more messages in flight than Receive Maximum";
            return Err(Fault::new(ReasonCode::RECEIVE_MAXIMUM_EXCEEDED, what));
        }
        Ok(())
    }

    /// Retains and routes a PUBLISH; says what its acknowledgement says.
    fn take_in(
        &mut self,
        now: Time,
        conn: ConnId,
        publish: &PublishRef<'_>,
        effects: &mut Effects,
    ) -> Result<ReasonCode, Fault> {
        if let Some(properties) = publish.properties.as_forwardable()
            && !self.online(conn).is_mounted()
        {
            // No alias among them.
            let parts = Parts::of(publish, publish.topic, properties, now);
            return self.publish_for(now, conn, parts, effects);
        }
        let topic = self.resolve_alias(conn, publish)?;
        let mut rewritten = std::mem::take(&mut effects.rewritten);
        let mount = self.online(conn).mount_point();
        match &topic {
            None if mount.is_empty() => rewritten.set(&[], &publish.properties),
            None => rewritten.set(&[mount, publish.topic.as_str()], &publish.properties),
            Some(topic) => rewritten.set(&[mount, topic], &publish.properties),
        }
        let reason = self.publish_for(now, conn, rewritten.parts(publish, now), effects);
        effects.rewritten = rewritten;
        reason
    }

    /// Whether a message is not taken because of its size. 5.0 is told ([MQTT-3.4.2-1] has no
    /// 0x95 for it); a 3.x client at QoS 1 or 2, to whom nothing can be said, is disconnected, so
    /// that it does not take the message for delivered.
    fn refuse_payload(
        &mut self,
        conn: ConnId,
        parts: &Parts<'_>,
    ) -> Result<Option<ReasonCode>, Fault> {
        let (limit, len) = (self.options.message_size_limit as usize, parts.payload.len());
        if limit == 0 || len <= limit {
            return Ok(None);
        }
        self.note_large(conn, len);
        let online = self.online(conn);
        if online.version < Version::V5 && parts.qos > QoS::AtMostOnce {
            let what = "a payload larger than allowed";
            return Err(Fault::new(ReasonCode::QUOTA_EXCEEDED, what));
        }
        Ok(Some(ReasonCode::QUOTA_EXCEEDED))
    }

    /// Finds who gets a client's message, from its last topic if it is the same, and routes it.
    fn publish_for(
        &mut self,
        now: Time,
        conn: ConnId,
        parts: Parts<'_>,
        effects: &mut Effects,
    ) -> Result<ReasonCode, Fault> {
        let topic = parts.topic;
        if let Some(reason) = self.refuse_payload(conn, &parts)? {
            return Ok(reason);
        }
        let online = self.online_mut(conn);
        let session = online.session;
        let mut last = online.last_topic.take().unwrap_or_default();
        let generation = self.store.router.generation();
        let is_known = topic == *last.topic && !topic.is_empty();
        if !is_known || last.generation != generation {
            let topic = topic.as_str();
            let parsed = Topic::parse(topic).map_err(fault_of)?;
            let mount = self.online(conn).mount_point().len();
            if is_reserved(topic) || is_reserved(&topic[mount..]) {
                return Ok(self.deny(conn, topic));
            }
            self.store.router.matches(parsed, Some(session), &mut last.matches);
            last.topic.clear();
            last.topic.push_str(topic);
            last.generation = generation;
        }
        let reason = if !self.allows_all && !self.may_publish(conn, &last.topic) {
            self.deny(conn, &last.topic)
        } else if self.storage == Storage::Failed && self.is_refused(conn, &parts, &last.matches) {
            ReasonCode::QUOTA_EXCEEDED
        } else {
            self.spread(now, &last.matches, &mut Source::received(parts, session), effects)
        };
        self.keep_last_topic(conn, last);
        Ok(reason)
    }

    fn keep_last_topic(&mut self, conn: ConnId, mut last: Box<LastTopic>) {
        // One message to a crowd must not cost the publisher's connection its memory for ever.
        if last.matches.sessions.capacity() > LAST_TOPIC_MATCHES_MAX {
            last.matches = Matches::default();
            last.topic.clear();
        }
        self.online_mut(conn).last_topic = Some(last);
    }

    /// Whether a message cannot be kept while storage takes nothing, and its client can be told.
    fn is_refused(&self, conn: ConnId, parts: &Parts<'_>, matches: &Matches) -> bool {
        let is_kept = |id: SessionId| self.store.session(id).is_kept();
        parts.qos > QoS::AtMostOnce
            && self.online(conn).version == Version::V5
            && (parts.retain
                || matches.sessions.iter().any(|found| is_kept(found.session))
                || matches.groups.iter().any(|group| {
                    self.store.router.group(*group).is_some_and(|group| group.kept > 0)
                }))
    }

    fn may_publish(&self, conn: ConnId, topic: &str) -> bool {
        self.authority.may(&self.online(conn).identity, Access::Publish, topic)
    }

    fn deny(&self, conn: ConnId, topic: &str) -> ReasonCode {
        let who = &self.online(conn).identity;
        debug!("Denied PUBLISH from {} to {}", name(who), Shown(topic));
        ReasonCode::NOT_AUTHORIZED
    }

    /// Keeps what is to be retained and sends to all who match.
    fn spread(
        &mut self,
        now: Time,
        matches: &Matches,
        source: &mut Source<'_>,
        effects: &mut Effects,
    ) -> ReasonCode {
        if source.parts.retain {
            self.retain(source, effects);
        }
        self.route(now, matches, source, effects);
        if matches.is_empty() { ReasonCode::NO_MATCHING_SUBSCRIBERS } else { ReasonCode::SUCCESS }
    }

    /// [MQTT-3.3.1-5], [MQTT-3.3.1-6], [MQTT-3.3.1-7].
    fn retain(&mut self, source: &mut Source<'_>, effects: &mut Effects) {
        if source.parts.payload.is_empty() {
            self.unretain(source.parts.topic.as_str(), effects);
            return;
        }
        let message = self.retainable(source);
        self.record(Record::Retained(Rc::clone(&message)), effects);
        self.store.retain(message);
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

    /// Publishes a message that was kept for later: a Will. It counts from now.
    pub(super) fn publish_kept(
        &mut self,
        now: Time,
        publisher: SessionId,
        message: &Message,
        effects: &mut Effects,
    ) {
        let Ok(topic) = Topic::parse(message.topic().as_str()) else { return };
        let parts = Parts { created: now, ..message.parts() };
        let mut matches = std::mem::take(&mut self.matches);
        self.store.router.matches(topic, Some(publisher), &mut matches);
        self.spread(now, &matches, &mut Source::new(parts, publisher), effects);
        self.matches = matches;
    }

    /// PUBREL: the identifier is free again ([MQTT-4.3.3-11], [MQTT-4.3.3-12] of 5.0).
    pub(super) fn on_pubrel(&mut self, conn: ConnId, packet_id: PacketId, effects: &mut Effects) {
        let session = self.online(conn).session;
        let inbound = self.store.session(session).inbound.as_ref();
        // One that is not known is a repetition: it is answered like the first, so that the client
        // can finish.
        if inbound.is_some_and(|inbound| inbound.contains(packet_id)) {
            self.change(session, Change::Released(packet_id), effects);
        }
        // 5.0, 4.9: each PUBCOMP gives the client quota back, a repeated one too.
        let online = self.online_mut(conn);
        online.taken = online.taken.saturating_sub(1);
        let after = self.gate(self.store.session(session));
        let reason = ReasonCode::SUCCESS;
        self.send_ack(conn, AckKind::PubComp, packet_id, reason, after, effects);
    }
}

/// A list of matches longer than this is not kept for the next message.
const LAST_TOPIC_MATCHES_MAX: usize = 4096;

const fn fault_of(invalid: Invalid) -> Fault {
    match invalid {
        Invalid::TooDeep => {
            Fault::new(ReasonCode::TOPIC_NAME_INVALID, "a topic with too many levels")
        }
        // Only below a mount point.
        Invalid::TooLong => Fault::new(ReasonCode::TOPIC_NAME_INVALID, "a topic too long"),
        // [MQTT-3.3.2-2], [MQTT-4.7.3-1].
        Invalid::Empty | Invalid::Nul | Invalid::Wildcard | Invalid::Share => {
            Fault::malformed("the topic of a PUBLISH is not valid")
        }
    }
}
