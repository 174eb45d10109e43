//! What the server sends of its own accord.
//!
//! Owns: delivering each QoS 2 message once, the acknowledgements, the server's topic aliases.
//!
//! Never keeps a message: what is delivered is the user's.

use crate::codec::{Ack, Packet, PacketId, PublishRef, QoS, ReasonCode, Version};

use super::{Client, Effect, Fault, Phase};

impl Client {
    pub(super) fn on_publish(
        &mut self,
        publish: PublishRef<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Fault> {
        let mut delivered = publish.to_owned();
        self.expand(&mut delivered.topic, publish.properties.topic_alias)?;
        let Some(id) = publish.packet_id else {
            effects.push(Effect::Delivered(delivered));
            return Ok(());
        };
        let is_new = publish.qos != QoS::ExactlyOnce || self.inbound.publish(id);
        if is_new {
            effects.push(Effect::Delivered(delivered));
            if self.options.by_hand {
                self.unacknowledged.insert(id, publish.qos);
            }
        }
        // A repetition of what the user still ponders is answered when he has done so.
        if !self.unacknowledged.contains_key(&id) {
            self.acknowledge(id, publish.qos, ReasonCode::SUCCESS, effects);
        }
        Ok(())
    }

    pub(super) fn on_pubrel(&mut self, ack: &Ack, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let id = ack.packet_id;
        let is_known = self.inbound.release(id);
        self.unacknowledged.remove(&id);
        let reason = match self.version() {
            Version::V5 if !is_known => ReasonCode::PACKET_IDENTIFIER_NOT_FOUND,
            Version::V31 | Version::V311 | Version::V5 => ReasonCode::SUCCESS,
        };
        // [MQTT-4.3.3-11]
        effects.push(Effect::Send(Packet::PubComp(Ack::new(id, reason))));
        Ok(())
    }

    pub(super) fn on_acknowledge(
        &mut self,
        id: PacketId,
        reason: ReasonCode,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Fault> {
        if let Some(qos) = self.unacknowledged.remove(&id) {
            self.acknowledge(id, qos, reason, effects);
        }
        Ok(())
    }

    /// Acknowledges, or leaves it to the repetition on the next connection.
    fn acknowledge(
        &mut self,
        id: PacketId,
        qos: QoS,
        reason: ReasonCode,
        effects: &mut Vec<Effect>,
    ) {
        if qos == QoS::ExactlyOnce && reason.is_error() {
            self.inbound.release(id);
        }
        if !self.is_online() {
            return;
        }
        let ack = Ack::new(id, reason);
        effects.push(Effect::Send(match qos {
            QoS::AtMostOnce => return,
            QoS::AtLeastOnce => Packet::PubAck(ack),
            QoS::ExactlyOnce => Packet::PubRec(ack),
        }));
    }

    /// Replaces an alias by its topic, learns a new one, and refuses what is no topic.
    fn expand(&mut self, topic: &mut String, alias: Option<u16>) -> Result<(), Fault> {
        if let Some(alias) = alias {
            // [MQTT-3.1.2-26]
            if alias > self.options.connect.properties.topic_alias_maximum.unwrap_or(0) {
                return Err((ReasonCode::TOPIC_ALIAS_INVALID, "a topic alias over the maximum"));
            }
            let Phase::Online(online) = &mut self.phase else { return Ok(()) };
            if topic.is_empty() {
                let known = online.aliases.get(&alias);
                let known = known.ok_or((ReasonCode::PROTOCOL_ERROR, "an unknown topic alias"))?;
                topic.clone_from(known);
            } else {
                online.aliases.insert(alias, topic.clone());
            }
        }
        if topic.is_empty() || topic.contains(['+', '#']) {
            // [MQTT-3.3.2-2]
            return Err((ReasonCode::TOPIC_NAME_INVALID, "a PUBLISH without a valid topic name"));
        }
        Ok(())
    }
}
