//! Packets as a line of text, so that a test reads like what happened.
//!
//! ```text
//! a/b=text q1 #3 dup retained expires 7 ids 1,2
//! connack present | connack refused 0x85 | puback #1 | pubrec #1 0x10 | suback #1 1,2,0x87
//! disconnect 0x8e | pingresp
//! ```
//!
//! Never shows what a test did not ask for: defaults are left out.

use std::fmt::Write;

use mqtt_broker::codec::{Ack, Packet, Publish, QoS, ReasonCode};

pub(crate) fn show(packet: &Packet) -> String {
    match packet {
        Packet::Publish(publish) => show_publish(publish),
        Packet::ConnAck(connack) if connack.reason.is_error() => {
            format!("connack refused 0x{:02x}", connack.reason.value())
        }
        Packet::ConnAck(connack) if connack.session_present => "connack present".into(),
        Packet::ConnAck(_) => "connack".into(),
        Packet::PubAck(ack) => show_ack("puback", ack),
        Packet::PubRec(ack) => show_ack("pubrec", ack),
        Packet::PubRel(ack) => show_ack("pubrel", ack),
        Packet::PubComp(ack) => show_ack("pubcomp", ack),
        Packet::SubAck(ack) => {
            format!("suback #{} {}", ack.packet_id.get(), show_reasons(&ack.reasons))
        }
        Packet::UnsubAck(ack) => {
            format!("unsuback #{} {}", ack.packet_id.get(), show_reasons(&ack.reasons))
        }
        Packet::Disconnect(disconnect) => format!("disconnect 0x{:02x}", disconnect.reason.value()),
        Packet::PingResp => "pingresp".into(),
        Packet::Connect(_)
        | Packet::Subscribe(_)
        | Packet::Unsubscribe(_)
        | Packet::PingReq
        | Packet::Auth(_) => format!("{packet:?}"),
    }
}

fn show_publish(publish: &Publish) -> String {
    let mut line = format!("{}={}", publish.topic, String::from_utf8_lossy(&publish.payload));
    if publish.qos > QoS::AtMostOnce {
        let _ = write!(line, " q{}", publish.qos.bits());
    }
    if let Some(packet_id) = publish.packet_id {
        let _ = write!(line, " #{}", packet_id.get());
    }
    if publish.dup {
        line += " dup";
    }
    if publish.retain {
        line += " retained";
    }
    if let Some(expiry) = publish.properties.message_expiry_interval {
        let _ = write!(line, " expires {expiry}");
    }
    let mut identifiers = publish.properties.subscription_identifiers.clone();
    identifiers.sort_unstable();
    if !identifiers.is_empty() {
        let ids: Vec<String> = identifiers.iter().map(u32::to_string).collect();
        let _ = write!(line, " ids {}", ids.join(","));
    }
    line
}

fn show_ack(name: &str, ack: &Ack) -> String {
    if ack.reason == ReasonCode::SUCCESS {
        format!("{name} #{}", ack.packet_id.get())
    } else {
        format!("{name} #{} 0x{:02x}", ack.packet_id.get(), ack.reason.value())
    }
}

fn show_reasons(reasons: &[ReasonCode]) -> String {
    let one = |reason: &ReasonCode| match reason.value() {
        value @ 0..=2 => value.to_string(),
        value => format!("0x{value:02x}"),
    };
    reasons.iter().map(one).collect::<Vec<_>>().join(",")
}
