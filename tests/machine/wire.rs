//! One connection: what is on its way to the client.
//!
//! Owns: the two lanes. Gated frames leave in order, each once its record is durable; free ones
//! (PINGRESP, QoS 0 messages, DISCONNECT) may overtake them, but not CONNACK.
//!
//! Never holds what is on its way to the broker.

use std::collections::VecDeque;

use mqtt_broker::broker::Seq;
use mqtt_broker::codec::{Decoder, Packet, QoS, Version};

/// A packet on its way.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) after: Seq,
    pub(super) charge: usize,
    pub(super) packet: Packet,
}

/// A connection, seen from the broker's side of the socket.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) decoder: Decoder,
    pub(super) version: Version,
    /// The client is accepted.
    pub(super) is_open: bool,
    /// Not read from.
    pub(super) is_held: bool,
    pub(super) is_closing: bool,
    has_greeted: bool,
    gated: VecDeque<Frame>,
    free: VecDeque<Frame>,
}

impl Default for Wire {
    fn default() -> Self {
        Self {
            decoder: Decoder::server(),
            version: Version::V311,
            is_open: false,
            is_held: false,
            is_closing: false,
            has_greeted: false,
            gated: VecDeque::new(),
            free: VecDeque::new(),
        }
    }
}

impl Wire {
    pub(super) fn push(&mut self, frame: Frame) {
        assert!(!self.is_closing, "nothing is said after goodbye: {:?}", frame.packet);
        let is_free = match &frame.packet {
            Packet::PingResp | Packet::Auth(_) => true,
            Packet::Publish(publish) => publish.qos == QoS::AtMostOnce,
            Packet::Disconnect(_) => {
                // Of what waits only the CONNACK still matters.
                let greeting = usize::from(!self.has_greeted);
                self.gated.truncate(greeting);
                true
            }
            packet => {
                let is_connack = matches!(packet, Packet::ConnAck(_));
                assert_eq!(is_connack, !self.has_greeted && self.gated.is_empty(), "CONNACK first");
                false
            }
        };
        if is_free { self.free.push_back(frame) } else { self.gated.push_back(frame) }
    }

    pub(super) fn abort(&mut self) {
        self.gated.clear();
        self.free.clear();
        self.is_closing = true;
    }

    fn gate_is_open(&self, durable: Seq) -> bool {
        self.gated.front().is_some_and(|frame| frame.after <= durable)
    }

    pub(super) fn can_send(&self, durable: Seq) -> bool {
        self.gate_is_open(durable) || self.has_greeted && !self.free.is_empty()
    }

    pub(super) fn is_spent(&self) -> bool {
        self.is_closing && self.gated.is_empty() && self.free.is_empty()
    }

    /// What may leave, up to `most` packets, and the room it took.
    pub(super) fn take(&mut self, durable: Seq, most: usize) -> (Vec<Packet>, usize) {
        let (mut packets, mut room) = (Vec::new(), 0);
        while packets.len() < most {
            let frame = if self.has_greeted && !self.free.is_empty() {
                self.free.pop_front()
            } else if self.gate_is_open(durable) {
                self.has_greeted = true;
                self.gated.pop_front()
            } else {
                None
            };
            let Some(frame) = frame else { break };
            room += frame.charge;
            packets.push(frame.packet);
        }
        (packets, room)
    }
}
