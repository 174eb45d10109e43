//! Words the scenarios use: clients, options, packets, each with what a test wants to say of it.
//!
//! Owns: builders. A client made here never keeps alive, so that time passes in peace.
//!
//! Never sends anything.

use bytes::Bytes;
use mqtt_broker::codec::{
    Ack, Connect, Packet, PacketId, Publish, QoS, ReasonCode, RetainHandling, SubscribeOptions,
    Version, Will,
};

/// A client of MQTT 3.1.1 with a clean session.
pub(super) fn v3(name: &str) -> Connect {
    Connect::new(name).keep_alive(0)
}

/// A client of MQTT 3.1.1 whose session is kept.
pub(super) fn v3_kept(name: &str) -> Connect {
    v3(name).clean_session(false)
}

/// A client of MQTT 5.0 with a clean session that ends with the connection.
pub(super) fn v5(name: &str) -> Connect {
    v3(name).version(Version::V5)
}

/// A client of MQTT 5.0 that resumes its session and keeps it for so many seconds.
pub(super) fn v5_kept(name: &str, secs: u32) -> Connect {
    let mut connect = v5(name).clean_session(false);
    connect.properties.session_expiry_interval = Some(secs);
    connect
}

/// The same, with at most so many messages above QoS 0 at once.
pub(super) fn v5_narrow(name: &str, secs: u32, receive_maximum: u16) -> Connect {
    let mut connect = v5_kept(name, secs);
    connect.properties.receive_maximum = Some(receive_maximum);
    connect
}

pub(super) fn with_will(mut connect: Connect, topic: &str, delay: u32) -> Connect {
    let payload = Bytes::from_static(b"gone");
    let topic = topic.to_owned();
    let will = Will { topic, payload, delay_interval: delay, ..Will::default() };
    connect.will = Some(Box::new(will));
    connect
}

pub(super) fn qos(level: u8) -> QoS {
    QoS::from_bits(level).expect("0, 1 or 2")
}

pub(super) fn plain() -> SubscribeOptions {
    SubscribeOptions::default()
}

pub(super) fn at(level: u8) -> SubscribeOptions {
    SubscribeOptions { qos: qos(level), ..plain() }
}

pub(super) fn handling(retain_handling: RetainHandling) -> SubscribeOptions {
    SubscribeOptions { retain_handling, ..at(1) }
}

pub(super) fn message(topic: &str, payload: &str) -> Publish {
    Publish::new(topic.to_owned(), payload.to_owned())
}

pub(super) fn expiring(topic: &str, payload: &str, secs: u32) -> Publish {
    let mut publish = message(topic, payload);
    publish.properties.message_expiry_interval = Some(secs);
    publish
}

pub(super) fn id(packet_id: u16) -> PacketId {
    PacketId::new(packet_id).expect("not 0")
}

pub(super) fn ack(packet_id: u16) -> Ack {
    Ack::new(id(packet_id), ReasonCode::SUCCESS)
}

pub(super) fn refusal(packet_id: u16) -> Ack {
    Ack::new(id(packet_id), ReasonCode::QUOTA_EXCEEDED)
}

/// What a well-behaved client answers.
pub(super) fn answer_to(packet: &Packet) -> Option<Packet> {
    match packet {
        Packet::Publish(publish) => match publish.qos {
            QoS::AtMostOnce => None,
            QoS::AtLeastOnce => Some(Packet::PubAck(ack(publish.packet_id?.get()))),
            QoS::ExactlyOnce => Some(Packet::PubRec(ack(publish.packet_id?.get()))),
        },
        Packet::PubRel(released) => Some(Packet::PubComp(ack(released.packet_id.get()))),
        Packet::Connect(_)
        | Packet::ConnAck(_)
        | Packet::PubAck(_)
        | Packet::PubRec(_)
        | Packet::PubComp(_)
        | Packet::Subscribe(_)
        | Packet::SubAck(_)
        | Packet::Unsubscribe(_)
        | Packet::UnsubAck(_)
        | Packet::PingReq
        | Packet::PingResp
        | Packet::Disconnect(_)
        | Packet::Auth(_) => None,
    }
}
