//! PUBLISH and PUBREL from a client; messages that do not come from a connection.
//!
//! Owns: what a publisher may do, its receive quota. QoS 2 is routed at the first PUBLISH and keeps
//! only the packet identifier, so nothing is acknowledged and dropped later for want of room
//! (method A of 4.3.3).
//!
//! Never decides who gets a message: the router does.

use std::rc::Rc;

use log::debug;

use super::admit::Passage;
use super::entry::is_reserved;
use super::link::LastTopic;
use super::source::Source;
use super::{Broker, ConnId, Effects, Fault, Seq, Shown, Storage, name};
use crate::codec::{AckKind, PacketId, PublishRef, QoS, ReasonCode, Version};
use crate::message::{Message, Parts};
use crate::metrics::Refusal;
use crate::persistence::Change;
use crate::router::Matches;
use crate::session::SessionId;
use crate::time::Time;
use crate::topic_matcher::{Invalid, Topic};

impl Broker {
    pub(super) fn on_publish(
        &mut self,
        now: Time,
        conn: ConnId,
        publish: &PublishRef<'_>,
        is_mounted: bool,
        effects: &mut Effects,
    ) -> Result<(), Fault> {
        self.counters.payload_received += publish.payload.len() as u64;
        if publish.qos == QoS::AtMostOnce && !publish.retain {
            // Nothing to check, nothing to answer.
            let before = self.seq;
            self.take_in(now, conn, publish, is_mounted, effects)?;
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
        if let Some(reason) = self.take_in(now, conn, publish, is_mounted, effects)? {
            let how = (publish.qos, publish.packet_id);
            // What a topic retains may be what it was told to by an earlier event, which is
            // not durable yet: a deletion of what is gone already makes no record of its own.
            let since = if publish.retain { Seq(0) } else { before };
            self.answer_publish(conn, how, reason, since, effects);
        }
        // Values of one topic replace each other while they wait for storage that has failed.
        let allowed = u64::from(publish.packet_id.is_none() && self.storage == Storage::Failed);
        self.hold_maker(now, conn, before, allowed, effects);
        Ok(())
    }

    /// Acknowledges a PUBLISH that was taken or refused, if that is its QoS; `before` is the last
    /// record there was when it came.
    pub(super) fn answer_publish(
        &mut self,
        conn: ConnId,
        (qos, packet_id): (QoS, Option<PacketId>),
        reason: ReasonCode,
        before: Seq,
        effects: &mut Effects,
    ) {
        let Some(packet_id) = packet_id else { return };
        let session = self.online(conn).session;
        let kind = if qos == QoS::ExactlyOnce {
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
        let is_new = |id| {
            let inbound = self.store.session(online.session).inbound.as_ref();
            !inbound.is_some_and(|inbound| inbound.contains(id))
        };
        if online.version == Version::V5
            && limit > 0
            && online.taken >= limit
            && publish.packet_id.is_some_and(is_new)
        {
            // [MQTT-3.3.4-7] binds the client, [MQTT-4.13.1-1] what follows.
            let what = "more messages in flight than Receive Maximum";
            return Err(Fault::new(ReasonCode::RECEIVE_MAXIMUM_EXCEEDED, what));
        }
        Ok(())
    }

    /// Retains and routes a PUBLISH; says what its acknowledgement says, unless it has to wait.
    #[inline(always)]
    fn take_in(
        &mut self,
        now: Time,
        conn: ConnId,
        publish: &PublishRef<'_>,
        is_mounted: bool,
        effects: &mut Effects,
    ) -> Result<Option<ReasonCode>, Fault> {
        if let Some(properties) = publish.properties.as_forwardable()
            && !is_mounted
        {
            // No alias among them.
            let parts = Parts::of(publish, publish.topic, properties, now);
            let mut source = Source::received(parts);
            return self.publish_for(now, conn, &mut source, publish.packet_id, effects);
        }
        self.take_in_rewritten(now, conn, publish, effects)
    }

    /// One that goes on with another topic or other properties than it came with.
    #[inline(never)]
    fn take_in_rewritten(
        &mut self,
        now: Time,
        conn: ConnId,
        publish: &PublishRef<'_>,
        effects: &mut Effects,
    ) -> Result<Option<ReasonCode>, Fault> {
        let topic = self.resolve_alias(conn, publish)?;
        let mut rewritten = std::mem::take(&mut effects.rewritten);
        let mount = self.online(conn).mount_point();
        match &topic {
            None if mount.is_empty() => rewritten.set(&[], &publish.properties),
            None => rewritten.set(&[mount, publish.topic.as_str()], &publish.properties),
            Some(topic) => rewritten.set(&[mount, topic], &publish.properties),
        }
        let mut source = Source::received(rewritten.parts(publish, now));
        let reason = self.publish_for(now, conn, &mut source, publish.packet_id, effects);
        effects.rewritten = rewritten;
        reason
    }

    /// A message is not taken because of its size. 5.0 is told ([MQTT-3.4.2-1] has no 0x95 for
    /// it); a 3.x client at QoS 1 or 2, to whom nothing can be said, is disconnected, so that it
    /// does not take the message for delivered.
    #[cold]
    fn refuse_payload(&mut self, conn: ConnId, parts: &Parts<'_>) -> Result<ReasonCode, Fault> {
        self.note_large(conn, parts.payload.len());
        let reason = ReasonCode::QUOTA_EXCEEDED;
        if self.online(conn).version < Version::V5 && parts.qos > QoS::AtMostOnce {
            return Err(Fault::new(reason, "a payload larger than allowed"));
        }
        Ok(reason)
    }

    /// Finds who gets a client's message, from its last topic if it is the same, and routes it.
    fn publish_for(
        &mut self,
        now: Time,
        conn: ConnId,
        source: &mut Source<'_>,
        packet_id: Option<PacketId>,
        effects: &mut Effects,
    ) -> Result<Option<ReasonCode>, Fault> {
        let topic = source.parts.topic;
        let limit = self.options.message_size_limit as usize;
        if limit > 0 && source.parts.payload.len() > limit {
            return self.refuse_payload(conn, &source.parts).map(Some);
        }
        let online = self.online_mut(conn);
        let session = online.session;
        source.publisher = Some(session);
        if source.parts.retain {
            source.user_name = online.identity.user_name.clone();
        }
        let mut last = online.last_topic.take().unwrap_or_default();
        let generation = self.store.router.generation();
        let is_known = topic == *last.topic && !topic.is_empty();
        if !is_known || last.generation != generation {
            let topic = topic.as_str();
            let mount = self.online(conn).mount_point().len();
            let parsed = match Topic::parse(topic) {
                Ok(parsed) if !self.is_beyond(&topic[mount..]) => parsed,
                // Too long only with its mount point.
                Ok(_) | Err(Invalid::TooDeep | Invalid::TooLong) => {
                    return self.refuse_topic(now, conn, source.parts.qos);
                }
                // [MQTT-3.3.2-2], [MQTT-4.7.3-1].
                Err(Invalid::Empty | Invalid::Nul | Invalid::Wildcard | Invalid::Share) => {
                    return Err(Fault::malformed("the topic of a PUBLISH is not valid"));
                }
            };
            if is_reserved(topic) || is_reserved(&topic[mount..]) {
                return Ok(Some(self.deny(conn, topic)));
            }
            self.store.router.matches(parsed, Some(session), &mut last.matches);
            last.topic.clear();
            last.topic.push_str(topic);
            last.generation = generation;
        }
        let reason = if !self.allows_all && !self.may_publish(conn, &last.topic) {
            Some(self.deny(conn, &last.topic))
        } else if self.storage == Storage::Failed
            && self.is_refused(conn, &source.parts, &last.matches)
        {
            Some(ReasonCode::QUOTA_EXCEEDED)
        } else {
            let passage = if self.is_limited {
                self.admit(now, conn, &last.matches, source)
            } else {
                Passage::Now
            };
            match passage {
                Passage::Now => Some(self.spread(now, Some(conn), &last.matches, source, effects)),
                Passage::Refused(reason) => Some(reason),
                Passage::Later(awaited) => {
                    self.wait(now, conn, packet_id, awaited, source, effects);
                    None
                }
            }
        };
        self.keep_last_topic(conn, last);
        Ok(reason)
    }

    /// A topic that is well formed, and longer or deeper than is allowed. Who can be told is told
    /// (5.0, above QoS 0); who would take it for delivered is disconnected.
    fn refuse_topic(
        &mut self,
        now: Time,
        conn: ConnId,
        qos: QoS,
    ) -> Result<Option<ReasonCode>, Fault> {
        self.note_refusal(now, conn, Refusal::Topic);
        let reason = ReasonCode::TOPIC_NAME_INVALID;
        if qos > QoS::AtMostOnce && self.online(conn).version == Version::V5 {
            return Ok(Some(reason));
        }
        Err(Fault::new(reason, "a topic that is too long or has too many levels"))
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

    fn deny(&self, conn: ConnId, topic: &str) -> ReasonCode {
        let who = &self.online(conn).identity;
        debug!("Denied PUBLISH from {} to {}", name(who), Shown(topic));
        ReasonCode::NOT_AUTHORIZED
    }

    /// Keeps what is to be retained and sends to all who match.
    #[inline]
    pub(super) fn spread(
        &mut self,
        now: Time,
        from: Option<ConnId>,
        matches: &Matches,
        source: &mut Source<'_>,
        effects: &mut Effects,
    ) -> ReasonCode {
        let is_kept = !source.parts.retain || self.retain(now, from, source, effects);
        self.route(now, matches, source, effects);
        // At QoS 2 an error would say that nothing was delivered, and free the identifier: who
        // tries again would double the message for those who have it.
        if !is_kept && source.parts.qos == QoS::AtLeastOnce {
            ReasonCode::QUOTA_EXCEEDED
        } else if matches.is_empty() {
            ReasonCode::NO_MATCHING_SUBSCRIBERS
        } else {
            ReasonCode::SUCCESS
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
        let mut source = Source::new(parts, publisher, message.user_name().map(Rc::from));
        self.spread(now, None, &matches, &mut source, effects);
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
