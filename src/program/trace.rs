//! Packets as lines, for `-d`.
//!
//! Owns: what is worth seeing of each packet. Never shows a password.

use crate::codec::{Ack, Packet, Publish, ReasonCode};

/// One line.
pub(super) fn describe(packet: &Packet) -> String {
    let name = packet.name();
    match packet {
        Packet::Connect(connect) => format!(
            "{name} client id '{}', clean start {}, keep alive {}{}{}",
            connect.client_id,
            connect.clean_start,
            connect.keep_alive,
            connect.user_name.as_ref().map(|user| format!(", user '{user}'")).unwrap_or_default(),
            connect.will.as_ref().map(|w| format!(", will '{}'", w.topic)).unwrap_or_default(),
        ),
        Packet::ConnAck(connack) => {
            let session = if connack.session_present { ", session present" } else { "" };
            format!("{name} {}{session}", connack.reason)
        }
        Packet::Publish(publish) => format!("{name} {}", message(publish)),
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            format!("{name} {}", acknowledgement(ack))
        }
        Packet::Subscribe(subscribe) => {
            let filters: Vec<_> = subscribe
                .filters
                .iter()
                .map(|(filter, options)| format!("'{filter}' qos {}", options.qos.bits()))
                .collect();
            format!("{name} id {}, {}", subscribe.packet_id.get(), filters.join(", "))
        }
        Packet::SubAck(suback) => {
            format!("{name} id {}, {}", suback.packet_id.get(), reasons(&suback.reasons))
        }
        Packet::Unsubscribe(unsubscribe) => {
            let filters: Vec<_> = unsubscribe.filters.iter().map(|f| format!("'{f}'")).collect();
            format!("{name} id {}, {}", unsubscribe.packet_id.get(), filters.join(", "))
        }
        Packet::UnsubAck(unsuback) => {
            format!("{name} id {}, {}", unsuback.packet_id.get(), reasons(&unsuback.reasons))
        }
        Packet::Disconnect(disconnect) => format!("{name} {}", disconnect.reason),
        Packet::Auth(auth) => format!("{name} {}", auth.reason),
        Packet::PingReq | Packet::PingResp => name.to_owned(),
    }
}

fn message(publish: &Publish) -> String {
    format!(
        "'{}', {} bytes, qos {}{}{}{}",
        publish.topic,
        publish.payload.len(),
        publish.qos.bits(),
        publish.packet_id.map(|id| format!(", id {}", id.get())).unwrap_or_default(),
        if publish.retain { ", retain" } else { "" },
        if publish.dup { ", dup" } else { "" },
    )
}

fn acknowledgement(ack: &Ack) -> String {
    let id = ack.packet_id.get();
    if ack.reason == ReasonCode::SUCCESS {
        format!("id {id}")
    } else {
        format!("id {id}, {}", ack.reason)
    }
}

fn reasons(reasons: &[ReasonCode]) -> String {
    let codes: Vec<_> = reasons.iter().map(|reason| reason.value().to_string()).collect();
    format!("codes {}", codes.join(" "))
}
