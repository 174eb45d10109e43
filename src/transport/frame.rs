//! What is put into an output: packets and messages, and what they become while they wait.
//!
//! Owns: the values on both sides of the gate. A message on its way to many is borrowed
//! ([`Content`], [`Label`]); one that has to wait owns what it needs ([`Parcel`]).
//!
//! Never knows in which order they leave.

use std::rc::Rc;

use crate::codec::{self, Ack, AckKind, Packet, PacketId, QoS, Version};
use crate::message::{Message, Parts};
use crate::persistence::Seq;

use super::chunks::Chunks;

/// A packet that is no PUBLISH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// One of the four acknowledgements.
    Ack(AckKind, Ack),
    /// PINGRESP.
    PingResp,
    /// Any other.
    Packet(Box<Packet>),
}

/// A message that is sent, perhaps to many.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// What it is made of.
    pub parts: Parts<'a>,
    /// The kept message `parts` belongs to, if there is one.
    pub message: Option<&'a Rc<Message>>,
    /// Whether its payload is worth sharing: see [`SHARED_FROM`](super::output::SHARED_FROM).
    pub is_shared: bool,
}

/// How one peer gets it.
#[derive(Clone, Copy, Debug)]
pub struct Label<'a> {
    /// DUP flag.
    pub dup: bool,
    /// At which QoS.
    pub qos: QoS,
    /// RETAIN flag.
    pub retain: bool,
    /// Present exactly when the QoS is above 0.
    pub packet_id: Option<PacketId>,
    /// Seconds the message has left.
    pub expiry: Option<u32>,
    /// Subscription identifiers.
    pub identifiers: &'a [u32],
    /// Room it was charged.
    pub charge: u32,
    /// Bytes at the front of the topic that the peer does not see.
    pub skip: u16,
}

#[derive(Debug)]
pub(super) struct Gated {
    pub(super) after: Seq,
    pub(super) what: Waiting,
}

#[derive(Debug)]
pub(super) enum Waiting {
    Frame(Frame),
    Publish(Box<Parcel>),
}

/// A PUBLISH that waits: [`Content`] and [`Label`], owned.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) message: Rc<Message>,
    pub(super) identifiers: Box<[u32]>,
    pub(super) expiry: Option<u32>,
    pub(super) packet_id: Option<PacketId>,
    pub(super) skip: u16,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    pub(super) dup: bool,
    pub(super) is_shared: bool,
}

/// Whether a packet may overtake the gated lane.
pub(super) const fn is_free(frame: &Frame) -> bool {
    match frame {
        Frame::Ack(..) => false,
        Frame::PingResp => true,
        Frame::Packet(packet) => matches!(**packet, Packet::Auth(_) | Packet::Disconnect(_)),
    }
}

impl Waiting {
    pub(super) const fn is_free(&self) -> bool {
        match self {
            Self::Frame(frame) => is_free(frame),
            Self::Publish(parcel) => matches!(parcel.qos, QoS::AtMostOnce),
        }
    }
}

/// Puts a packet onto the wire; says whether it was the CONNACK.
pub(super) fn put_frame(chunks: &mut Chunks, frame: Frame, version: Version) -> bool {
    let out = chunks.buffer();
    let (is_connack, result) = match frame {
        Frame::Ack(kind, ack) => (false, codec::encode_ack(kind, &ack, version, out)),
        Frame::PingResp => (false, codec::encode(&Packet::PingResp, version, out)),
        Frame::Packet(packet) => {
            let is_connack = matches!(*packet, Packet::ConnAck(_));
            (is_connack, codec::encode(&packet, version, out))
        }
    };
    result.expect("the broker sends what can be sent");
    is_connack
}
