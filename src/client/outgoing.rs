//! What a client sends and what the server says to it.
//!
//! Owns: [`Request`], the order of sending, and what an acknowledgement settles. A SUBSCRIBE lies
//! in the window like a QoS 1 message, but takes no share of the Receive Maximum.
//!
//! Never sends a message again on the same connection ([MQTT-4.4.0-1]).

use crate::codec::{
    Ack, Packet, PacketId, Publish, QoS, ReasonCode, SubAck, Subscribe, SubscribeOptions, UnsubAck,
    Unsubscribe, UserProperty, Version, encoded_len,
};
use crate::session::{Awaiting, Outbound};

use super::{Client, Effect, Fault, Online, Phase, Token};

/// Something the user asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Publish(Publish, Token),
    Subscribe(Subscribe, Token),
    Unsubscribe(Unsubscribe, Token),
}

impl Request {
    pub(super) fn subscribe(
        filters: Vec<(String, SubscribeOptions)>,
        subscription_identifier: Option<u32>,
        user_properties: Vec<UserProperty>,
        token: Token,
    ) -> Self {
        let subscribe =
            Subscribe { packet_id: UNKNOWN, subscription_identifier, user_properties, filters };
        Self::Subscribe(subscribe, token)
    }

    pub(super) fn unsubscribe(
        filters: Vec<String>,
        user_properties: Vec<UserProperty>,
        token: Token,
    ) -> Self {
        Self::Unsubscribe(Unsubscribe { packet_id: UNKNOWN, user_properties, filters }, token)
    }

    /// At which QoS its acknowledgement is like.
    const fn qos(&self) -> QoS {
        match self {
            Self::Publish(publish, _) => publish.qos,
            Self::Subscribe(..) | Self::Unsubscribe(..) => QoS::AtLeastOnce,
        }
    }

    /// Whether it takes a share of the Receive Maximum.
    fn is_metered(&self) -> bool {
        matches!(self, Self::Publish(publish, _) if publish.qos > QoS::AtMostOnce)
    }

    /// The packet it makes under `id`.
    fn packet(&self, id: Option<PacketId>, dup: bool, online: &Online) -> Packet {
        match self {
            Self::Publish(publish, _) => {
                let mut publish = publish.clone();
                publish.packet_id = id;
                publish.dup = dup;
                let properties = &mut publish.properties;
                // [MQTT-3.3.2-9], [MQTT-3.3.4-6]
                properties.topic_alias =
                    properties.topic_alias.filter(|&alias| alias <= online.topic_alias_maximum);
                properties.subscription_identifiers.clear();
                Packet::Publish(publish)
            }
            Self::Subscribe(subscribe, _) => {
                let packet_id = id.unwrap_or(UNKNOWN);
                Packet::Subscribe(Subscribe { packet_id, ..subscribe.clone() })
            }
            Self::Unsubscribe(unsubscribe, _) => {
                let packet_id = id.unwrap_or(UNKNOWN);
                Packet::Unsubscribe(Unsubscribe { packet_id, ..unsubscribe.clone() })
            }
        }
    }

    /// What the user is told if it is not sent, and why.
    fn refusal(self, reason: ReasonCode) -> Effect {
        match self {
            Self::Publish(_, token) => Effect::Acked { token, reason },
            Self::Subscribe(subscribe, token) => {
                Effect::Subscribed { token, reasons: vec![reason; subscribe.filters.len()] }
            }
            Self::Unsubscribe(unsubscribe, token) => {
                Effect::Unsubscribed { token, reasons: vec![reason; unsubscribe.filters.len()] }
            }
        }
    }
}

impl Online {
    /// Why the server would not take `packet`, if it said so beforehand.
    fn objection(&self, packet: &Packet, version: Version) -> Option<ReasonCode> {
        if let Packet::Publish(publish) = packet {
            if publish.qos > self.maximum_qos {
                return Some(ReasonCode::QOS_NOT_SUPPORTED); // [MQTT-3.2.2-11]
            }
            if publish.retain && !self.retain_available {
                return Some(ReasonCode::RETAIN_NOT_SUPPORTED); // [MQTT-3.2.2-14]
            }
        }
        (encoded_len(packet, version) > self.maximum_packet_size)
            .then_some(ReasonCode::PACKET_TOO_LARGE) // [MQTT-3.2.2-15]
    }
}

impl Client {
    pub(super) fn on_request(
        &mut self,
        request: Request,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Fault> {
        self.queue.push_back(request);
        self.pump(effects);
        Ok(())
    }

    /// The server remembers the session: what is unsettled is sent again ([MQTT-4.4.0-1]).
    pub(super) fn resume(&mut self) {
        self.resend = self.outbound.iter().map(|(id, ..)| id).collect();
        self.unsent = self.resend.iter().copied().collect();
    }

    /// The server has no memory of the session ([MQTT-3.2.2-5]): what it is not known to have
    /// taken goes to the front of the queue, as if it had never been sent.
    pub(super) fn restart(&mut self) {
        let ids: Vec<_> = self.outbound.iter().map(|(id, ..)| id).collect();
        for id in ids.into_iter().rev() {
            if let Some(request) = self.outbound.forget(id) {
                self.queue.push_front(request);
            }
        }
        self.outbound = Outbound::default();
        self.inbound = Default::default();
        self.unacknowledged.clear();
    }

    /// Sends what there is room for: first what is to be sent again, then what waits.
    pub(super) fn pump(&mut self, effects: &mut Vec<Effect>) {
        let version = self.version();
        let Phase::Online(online) = &mut self.phase else { return };
        while online.in_flight < online.window
            && let Some(id) = self.resend.pop_front()
        {
            if self.unsent.remove(&id) {
                send_again(id, version, online, &mut self.outbound, effects);
            }
        }
        if !self.resend.is_empty() {
            return;
        }
        while let Some(request) = self.queue.front() {
            let is_blocked = request.is_metered() && online.in_flight >= online.window
                || request.qos() > QoS::AtMostOnce && self.outbound.is_full();
            if is_blocked {
                return;
            }
            if let Some(request) = self.queue.pop_front() {
                send(request, version, online, &mut self.outbound, effects);
            }
        }
    }

    pub(super) fn on_puback(&mut self, ack: &Ack, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let id = ack.packet_id;
        match self.outbound.item(id) {
            Some(Request::Publish(..)) => {}
            Some(_) => return Err(MISMATCH),
            None => return self.known(id),
        }
        let request = self.outbound.acked(id).map_err(|_| MISMATCH)?;
        self.settled(id);
        self.tell(request, ack.reason, effects);
        self.pump(effects);
        Ok(())
    }

    pub(super) fn on_pubrec(&mut self, ack: &Ack, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let id = ack.packet_id;
        match (self.outbound.awaiting(id), ack.reason.is_error()) {
            (Some(Awaiting::Received), true) => {
                // [MQTT-4.3.3-4]: an error ends it.
                let request = self.outbound.refused(id).map_err(|_| MISMATCH)?;
                self.settled(id);
                self.tell(request, ack.reason, effects);
                self.pump(effects);
                return Ok(());
            }
            (Some(Awaiting::Received), false) => {
                let request = self.outbound.received(id).map_err(|_| MISMATCH)?;
                self.count(id);
                self.tell(request, ack.reason, effects);
            }
            (Some(Awaiting::Complete), false) => self.count(id),
            (Some(Awaiting::Ack), _) => return Err(MISMATCH),
            // It has no memory of this identifier.
            (Some(Awaiting::Complete) | None, true) => return Ok(()),
            (None, false) => {
                let reason = match self.version() {
                    Version::V5 => ReasonCode::PACKET_IDENTIFIER_NOT_FOUND,
                    Version::V31 | Version::V311 => ReasonCode::SUCCESS,
                };
                effects.push(Effect::Send(Packet::PubRel(Ack::new(id, reason))));
                return Ok(());
            }
        }
        effects.push(Effect::Send(Packet::PubRel(Ack::new(id, ReasonCode::SUCCESS))));
        Ok(())
    }

    pub(super) fn on_pubcomp(&mut self, ack: &Ack, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        if self.outbound.awaiting(ack.packet_id).is_none() {
            return Ok(());
        }
        self.outbound.completed(ack.packet_id).map_err(|_| MISMATCH)?;
        self.settled(ack.packet_id);
        self.pump(effects);
        Ok(())
    }

    pub(super) fn on_suback(
        &mut self,
        suback: SubAck,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Fault> {
        let id = suback.packet_id;
        let token = match self.outbound.item(id) {
            Some(Request::Subscribe(subscribe, token)) => {
                // [MQTT-3.8.4-6], [MQTT-3.9.3-1]
                if subscribe.filters.len() != suback.reasons.len() {
                    return Err(MISCOUNT);
                }
                *token
            }
            Some(_) => return Err(MISMATCH),
            None => return self.known(id),
        };
        self.answered(id);
        effects.push(Effect::Subscribed { token, reasons: suback.reasons });
        self.pump(effects);
        Ok(())
    }

    pub(super) fn on_unsuback(
        &mut self,
        unsuback: UnsubAck,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Fault> {
        let id = unsuback.packet_id;
        let token = match self.outbound.item(id) {
            Some(Request::Unsubscribe(unsubscribe, token)) => {
                let is_told = self.version() == Version::V5;
                if is_told && unsubscribe.filters.len() != unsuback.reasons.len() {
                    return Err(MISCOUNT);
                }
                *token
            }
            Some(_) => return Err(MISMATCH),
            None => return self.known(id),
        };
        self.answered(id);
        effects.push(Effect::Unsubscribed { token, reasons: unsuback.reasons });
        self.pump(effects);
        Ok(())
    }

    /// An acknowledgement of nothing is let pass; one of the wrong kind is not.
    fn known(&self, id: PacketId) -> Result<(), Fault> {
        if self.outbound.awaiting(id).is_some() { Err(MISMATCH) } else { Ok(()) }
    }

    /// A request was answered.
    fn answered(&mut self, id: PacketId) {
        self.unsent.remove(&id);
        self.outbound.forget(id);
    }

    /// An identifier that was acknowledged before it was sent again counts as sent.
    fn count(&mut self, id: PacketId) {
        if self.unsent.remove(&id)
            && let Phase::Online(online) = &mut self.phase
        {
            online.in_flight += 1;
        }
    }

    /// A message was settled: its place in the window is free, if it had one.
    fn settled(&mut self, id: PacketId) {
        if !self.unsent.remove(&id)
            && let Phase::Online(online) = &mut self.phase
        {
            online.in_flight -= 1;
        }
    }

    fn tell(&self, request: Option<Request>, reason: ReasonCode, effects: &mut Vec<Effect>) {
        if let Some(Request::Publish(_, token)) = request {
            effects.push(Effect::Acked { token, reason });
        }
    }
}

fn send(
    request: Request,
    version: Version,
    online: &mut Online,
    outbound: &mut Outbound<Request>,
    effects: &mut Vec<Effect>,
) {
    let qos = request.qos();
    let id = (qos > QoS::AtMostOnce).then(|| outbound.next_id());
    let packet = request.packet(id, false, online);
    if let Some(reason) = online.objection(&packet, version) {
        effects.push(request.refusal(reason));
        return;
    }
    effects.push(Effect::Send(packet));
    online.in_flight += usize::from(request.is_metered());
    match (id, request) {
        (Some(id), request) => outbound.send(id, qos, request, 0),
        (None, Request::Publish(_, token)) => {
            effects.push(Effect::Acked { token, reason: ReasonCode::SUCCESS });
        }
        (None, _) => unreachable!("requests have identifiers"),
    }
}

fn send_again(
    id: PacketId,
    version: Version,
    online: &mut Online,
    outbound: &mut Outbound<Request>,
    effects: &mut Vec<Effect>,
) {
    let Some(request) = outbound.item(id) else {
        online.in_flight += 1;
        effects.push(Effect::Send(Packet::PubRel(Ack::new(id, ReasonCode::SUCCESS))));
        return;
    };
    // [MQTT-3.3.1-1]
    let packet = request.packet(Some(id), true, online);
    if let Some(reason) = online.objection(&packet, version) {
        effects.extend(outbound.forget(id).map(|request| request.refusal(reason)));
        return;
    }
    online.in_flight += usize::from(request.is_metered());
    effects.push(Effect::Send(packet));
}

/// Stands where the identifier will be.
const UNKNOWN: PacketId = match PacketId::new(1) {
    Some(id) => id,
    None => unreachable!(),
};

const MISMATCH: Fault =
    (ReasonCode::PROTOCOL_ERROR, "an acknowledgement that does not fit what was sent");
const MISCOUNT: Fault =
    (ReasonCode::PROTOCOL_ERROR, "more or fewer answers than filters were asked for");
