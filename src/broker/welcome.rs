//! The terms of an accepted connection, and the CONNACK that states them.
//!
//! Owns: what the two ends' limits come to: keep alive, quota, packet sizes, session expiry.
//!
//! Never changes a session.

use std::sync::Arc;

use super::link::{Judging, Online, Resume, patience_from};
use super::names::Names;
use super::{Broker, ListenerOptions};
use crate::codec::{self, ConnAck, ConnAckProperties, Connect, Packet, QoS, ReasonCode, Version};
use crate::session::SessionId;
use crate::time::Time;

impl Broker {
    pub(super) fn online_from(
        &self,
        now: Time,
        session: SessionId,
        who: &Judging,
        listener: &Arc<ListenerOptions>,
        expiry: u32,
    ) -> Online {
        let connect = &who.connect;
        let properties = &connect.properties;
        let keep_alive = self.keep_alive(connect);
        let window = match self.options.max_inflight_messages {
            0 => u16::MAX,
            max => max,
        };
        let quota = properties.receive_maximum.unwrap_or(u16::MAX).min(window);
        let has_window = self.store.session(session).inflight() > 0;
        Online {
            session,
            identity: who.identity.clone(),
            version: connect.version,
            wants_reasons: properties.request_problem_information == Some(true),
            is_bridge: connect.bridge,
            has_method: properties.authentication_method.is_some(),
            is_held: false,
            may_extend: expiry > 0 || properties.session_expiry_interval.unwrap_or(0) > 0,
            quota,
            quota_max: quota,
            window,
            taken: 0,
            room: self.options.room,
            charged: 0,
            maximum_qos: listener.maximum_qos,
            topic_alias_maximum: listener.topic_alias_maximum,
            receive_maximum: self.options.receive_maximum,
            maximum_packet_size: properties
                .maximum_packet_size
                .map_or(LARGEST, |max| max.min(LARGEST)),
            keep_alive,
            keep_alive_by: patience_from(now, keep_alive),
            stalled_by: Time::NEVER,
            resume: has_window.then(|| Box::new(Resume { after: None })),
            names: Names::at(listener),
            last_topic: None,
        }
    }

    /// The keep alive that applies: the client's, or the highest allowed ([MQTT-3.1.2-21]).
    fn keep_alive(&self, connect: &Connect) -> u16 {
        match (self.options.max_keep_alive, connect.keep_alive) {
            (0, asked) => asked,
            (highest, 0) => highest,
            (highest, asked) => asked.min(highest),
        }
    }

    /// Bytes of the CONNACK that accepts.
    pub(super) fn connack_len(
        &self,
        who: &Judging,
        listener: &ListenerOptions,
        expiry: u32,
    ) -> usize {
        let answer = Packet::ConnAck(self.connack(who, listener, false, expiry));
        codec::encoded_len(&answer, who.connect.version)
    }

    pub(super) fn connack(
        &self,
        who: &Judging,
        listener: &ListenerOptions,
        session_present: bool,
        expiry: u32,
    ) -> ConnAck {
        let mut answer = ConnAck {
            session_present,
            reason: ReasonCode::SUCCESS,
            properties: ConnAckProperties::default(),
        };
        let connect = &who.connect;
        if connect.version < Version::V5 {
            return answer;
        }
        let options = &self.options;
        let keep_alive = self.keep_alive(connect);
        let asked = connect.properties.session_expiry_interval.unwrap_or(0);
        let some = |limit: u16| (limit > 0).then_some(limit);
        answer.properties = ConnAckProperties {
            topic_alias_maximum: some(listener.topic_alias_maximum),
            assigned_client_identifier: who.is_assigned.then(|| connect.client_id.clone()),
            server_keep_alive: (keep_alive != connect.keep_alive).then_some(keep_alive),
            authentication_method: connect.properties.authentication_method.clone(),
            session_expiry_interval: (expiry != asked).then_some(expiry),
            retain_available: (!options.retain_available).then_some(false),
            maximum_qos: (listener.maximum_qos < QoS::ExactlyOnce).then_some(listener.maximum_qos),
            maximum_packet_size: (options.max_packet_size > 0).then_some(options.max_packet_size),
            receive_maximum: some(options.receive_maximum),
            ..ConnAckProperties::default()
        };
        answer
    }
}

/// No packet can be larger, whatever its receiver takes: what arrived in one of that size may not
/// fit with the properties its receiver gets.
const LARGEST: u32 = 268_435_460;
const _: () = assert!(LARGEST as usize == codec::PACKET_MAX, "the largest packet there is");
