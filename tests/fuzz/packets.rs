//! Random valid packets of every kind and version, as values of the codec.

use bytes::Bytes;
use mqtt_broker::codec::*;
use mqtt_broker::rng::Rng;

use super::pick;

pub(super) const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

/// A random packet that a client sends, other than CONNECT.
pub(super) fn from_client(rng: &mut Rng, version: Version) -> Packet {
    match rng.index(if version == Version::V5 { 12 } else { 11 }) {
        0..=3 => Packet::Publish(publish(rng, version, false)),
        4..=5 => subscribe(rng, version),
        6 => unsubscribe(rng, version),
        7 => Packet::PingReq,
        8..=9 => acknowledgement(rng, version),
        10 => disconnect(rng, version, false),
        _ => auth(rng),
    }
}

/// A random packet that a server sends.
pub(super) fn from_server(rng: &mut Rng, version: Version) -> Packet {
    match rng.index(if version == Version::V5 { 10 } else { 8 }) {
        0 => connack(rng, version),
        1..=3 => Packet::Publish(publish(rng, version, true)),
        4 => acknowledgement(rng, version),
        5 => suback(rng, version),
        6 => unsuback(rng, version),
        7 => Packet::PingResp,
        8 => disconnect(rng, version, true),
        _ => auth(rng),
    }
}

pub(super) fn connect(rng: &mut Rng, version: Version) -> Packet {
    let five = version == Version::V5;
    let mut connect = Connect::new(*pick(rng, &["a", "b", "c", "", "client-\u{e9}"]))
        .version(version)
        .clean_session(rng.chance(1, 2))
        .keep_alive(*pick(rng, &[0, 1, 60, u16::MAX]));
    connect.bridge = rng.chance(1, 10);
    connect.user_name = maybe(rng, text);
    if connect.user_name.is_some() || five {
        connect.password = maybe(rng, data);
    }
    if rng.chance(1, 3) {
        let message = publish(rng, version, false);
        let properties = PublishProperties { topic_alias: None, ..message.properties };
        connect.will = Some(Box::new(Will {
            topic: topic(rng),
            payload: message.payload.slice(..message.payload.len().min(60_000)),
            qos: message.qos,
            retain: message.retain,
            delay_interval: if five { *pick(rng, &[0, 1, u32::MAX]) } else { 0 },
            properties,
        }));
    }
    if five {
        connect.properties = connect_properties(rng);
    }
    Packet::Connect(connect)
}

fn connect_properties(rng: &mut Rng) -> ConnectProperties {
    let authentication_method = if rng.chance(1, 10) { Some(text(rng)) } else { None };
    ConnectProperties {
        session_expiry_interval: maybe(rng, number),
        receive_maximum: maybe(rng, |rng| *pick(rng, &[1, 2, 20, u16::MAX])),
        maximum_packet_size: maybe(rng, |rng| *pick(rng, &[1, 20, 100, 100_000, u32::MAX])),
        topic_alias_maximum: maybe(rng, |rng| *pick(rng, &[0, 1, 10, u16::MAX])),
        request_response_information: maybe(rng, flag),
        request_problem_information: maybe(rng, flag),
        user_properties: users(rng),
        authentication_data: authentication_method.as_ref().and_then(|_| maybe(rng, data)),
        authentication_method,
    }
}

fn connack(rng: &mut Rng, version: Version) -> Packet {
    let reason = ReasonCode::from_return_code(u8::try_from(rng.index(6)).expect("below 6"));
    let reason = reason.expect("0 to 5 are return codes");
    let mut properties = ConnAckProperties::default();
    if version == Version::V5 {
        properties = ConnAckProperties {
            session_expiry_interval: maybe(rng, number),
            receive_maximum: maybe(rng, |rng| *pick(rng, &[1, 20, u16::MAX])),
            maximum_qos: maybe(rng, |rng| *pick(rng, &[QoS::AtMostOnce, QoS::AtLeastOnce])),
            retain_available: maybe(rng, flag),
            maximum_packet_size: maybe(rng, |rng| *pick(rng, &[1, u32::MAX])),
            assigned_client_identifier: maybe(rng, text),
            topic_alias_maximum: maybe(rng, |rng| *pick(rng, &[0, 10])),
            reason_string: maybe(rng, text),
            user_properties: users(rng),
            wildcard_subscription_available: maybe(rng, flag),
            subscription_identifiers_available: maybe(rng, flag),
            shared_subscription_available: maybe(rng, flag),
            server_keep_alive: maybe(rng, |rng| *pick(rng, &[0, 60])),
            response_information: maybe(rng, text),
            server_reference: maybe(rng, text),
            authentication_method: Some(text(rng)),
            authentication_data: maybe(rng, data),
        };
    }
    let session_present = reason == ReasonCode::SUCCESS && version != Version::V31 && flag(rng);
    Packet::ConnAck(ConnAck { session_present, reason, properties })
}

/// With subscription identifiers only if a server is to send it.
pub(super) fn publish(rng: &mut Rng, version: Version, is_server: bool) -> Publish {
    let qos = quality(rng);
    let mut properties = PublishProperties::default();
    if version == Version::V5 {
        properties = PublishProperties {
            payload_format_indicator: maybe(rng, |rng| *pick(rng, &[0, 1])),
            message_expiry_interval: maybe(rng, number),
            topic_alias: if rng.chance(1, 4) { Some(*pick(rng, &[1, 2, 10, 11])) } else { None },
            response_topic: maybe(rng, topic),
            correlation_data: maybe(rng, data),
            subscription_identifiers: Vec::new(),
            content_type: maybe(rng, text),
            user_properties: users(rng),
        };
        if is_server {
            let ids = (0..rng.index(3)).map(|_| *pick(rng, &[1, 127, 128, 268_435_455]));
            properties.subscription_identifiers = ids.collect();
        }
    }
    let nameless = properties.topic_alias.is_some() && rng.chance(1, 2);
    Publish {
        dup: qos != QoS::AtMostOnce && rng.chance(1, 5),
        qos,
        retain: rng.chance(1, 5),
        topic: if nameless { String::new() } else { topic(rng) },
        packet_id: (qos != QoS::AtMostOnce).then(|| id(rng)),
        payload: data(rng),
        properties,
    }
}

fn acknowledgement(rng: &mut Rng, version: Version) -> Packet {
    let five = version == Version::V5;
    let mut ack = Ack::new(id(rng), ReasonCode::SUCCESS);
    if five {
        ack.properties = maybe(rng, ack_properties).flatten();
    }
    let failed = five && rng.chance(1, 4);
    match rng.index(4) {
        kind @ 0..=1 => {
            if failed {
                ack.reason = *pick(
                    rng,
                    &[
                        ReasonCode::NO_MATCHING_SUBSCRIBERS,
                        ReasonCode::UNSPECIFIED_ERROR,
                        ReasonCode::QUOTA_EXCEEDED,
                    ],
                );
            }
            if kind == 0 { Packet::PubAck(ack) } else { Packet::PubRec(ack) }
        }
        kind => {
            if failed {
                ack.reason = ReasonCode::PACKET_IDENTIFIER_NOT_FOUND;
            }
            if kind == 2 { Packet::PubRel(ack) } else { Packet::PubComp(ack) }
        }
    }
}

fn subscribe(rng: &mut Rng, version: Version) -> Packet {
    let five = version == Version::V5;
    let options = |rng: &mut Rng| SubscribeOptions {
        qos: quality(rng),
        no_local: five && rng.chance(1, 5),
        retain_as_published: five && flag(rng),
        retain_handling: match rng.index(if five { 3 } else { 1 }) {
            0 => RetainHandling::Send,
            1 => RetainHandling::SendIfNew,
            _ => RetainHandling::DoNotSend,
        },
    };
    Packet::Subscribe(Subscribe {
        packet_id: id(rng),
        subscription_identifier: if five { maybe(rng, |rng| *pick(rng, &[1, 300])) } else { None },
        user_properties: if five { users(rng) } else { Vec::new() },
        filters: (0..=rng.index(3)).map(|_| (filter(rng), options(rng))).collect(),
    })
}

fn suback(rng: &mut Rng, version: Version) -> Packet {
    let codes = [
        ReasonCode::GRANTED_QOS_0,
        ReasonCode::GRANTED_QOS_1,
        ReasonCode::GRANTED_QOS_2,
        ReasonCode::UNSPECIFIED_ERROR,
    ];
    let known = if version == Version::V31 { &codes[..3] } else { &codes };
    Packet::SubAck(SubAck {
        packet_id: id(rng),
        reasons: (0..=rng.index(3)).map(|_| *pick(rng, known)).collect(),
        properties: if version == Version::V5 { ack_properties(rng) } else { None },
    })
}

fn unsubscribe(rng: &mut Rng, version: Version) -> Packet {
    Packet::Unsubscribe(Unsubscribe {
        packet_id: id(rng),
        user_properties: if version == Version::V5 { users(rng) } else { Vec::new() },
        filters: (0..=rng.index(3)).map(|_| filter(rng)).collect(),
    })
}

fn unsuback(rng: &mut Rng, version: Version) -> Packet {
    let codes = [ReasonCode::SUCCESS, ReasonCode::NO_SUBSCRIPTION_EXISTED];
    let five = version == Version::V5;
    let reasons = (0..=rng.index(3)).map(|_| *pick(rng, &codes)).collect();
    Packet::UnsubAck(UnsubAck {
        packet_id: id(rng),
        reasons: if five { reasons } else { Vec::new() },
        properties: if five { ack_properties(rng) } else { None },
    })
}

fn disconnect(rng: &mut Rng, version: Version, is_server: bool) -> Packet {
    let mut disconnect = Disconnect::default();
    if version == Version::V5 {
        let reasons = match is_server {
            true => [ReasonCode::SESSION_TAKEN_OVER, ReasonCode::SERVER_SHUTTING_DOWN],
            false => [ReasonCode::NORMAL_DISCONNECTION, ReasonCode::DISCONNECT_WITH_WILL_MESSAGE],
        };
        disconnect = Disconnect {
            reason: *pick(rng, &reasons),
            session_expiry_interval: if is_server { None } else { maybe(rng, number) },
            reason_string: maybe(rng, text),
            user_properties: users(rng),
            server_reference: if is_server { maybe(rng, text) } else { None },
        };
    }
    Packet::Disconnect(disconnect)
}

fn auth(rng: &mut Rng) -> Packet {
    Packet::Auth(Auth {
        reason: *pick(rng, &[ReasonCode::CONTINUE_AUTHENTICATION, ReasonCode::RE_AUTHENTICATE]),
        authentication_method: Some(text(rng)),
        authentication_data: maybe(rng, data),
        reason_string: maybe(rng, text),
        user_properties: users(rng),
    })
}

/// None where there would be nothing in them.
fn ack_properties(rng: &mut Rng) -> Option<Box<AckProperties>> {
    let properties = AckProperties { reason_string: maybe(rng, text), user_properties: users(rng) };
    (properties != AckProperties::default()).then(|| Box::new(properties))
}

fn users(rng: &mut Rng) -> Vec<UserProperty> {
    let count = if rng.chance(1, 3) { rng.index(4) } else { 0 };
    (0..count).map(|_| (text(rng), text(rng))).collect()
}

fn maybe<T>(rng: &mut Rng, make: impl FnOnce(&mut Rng) -> T) -> Option<T> {
    rng.chance(1, 3).then(|| make(rng))
}

fn flag(rng: &mut Rng) -> bool {
    rng.chance(1, 2)
}

fn id(rng: &mut Rng) -> PacketId {
    PacketId::new(*pick(rng, &[1, 2, 3, 4, 300, u16::MAX])).expect("not 0")
}

fn quality(rng: &mut Rng) -> QoS {
    *pick(rng, &[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])
}

fn number(rng: &mut Rng) -> u32 {
    *pick(rng, &[0, 1, 100, u32::MAX])
}

fn text(rng: &mut Rng) -> String {
    let pieces = ["", "a", "text", "\u{e9}", "\u{1f980}", " ", "/", "x-y"];
    (0..rng.index(4)).map(|_| *pick(rng, &pieces)).collect()
}

fn data(rng: &mut Rng) -> Bytes {
    let len = if rng.chance(1, 20) { rng.index(5000) } else { rng.index(20) };
    (0..len).map(|_| rng.next_u64().to_le_bytes()[0]).collect()
}

/// A topic name from few words.
pub(super) fn topic(rng: &mut Rng) -> String {
    let levels: Vec<_> =
        (0..=rng.index(3)).map(|_| *pick(rng, &["a", "b", "c", "\u{e9}", "$d"])).collect();
    levels.join("/")
}

/// A topic filter that may match such names; some are shared, a few are not valid.
pub(super) fn filter(rng: &mut Rng) -> String {
    let words = ["a", "b", "c", "+", "$d", "#"];
    let levels: Vec<_> =
        (0..=rng.index(3)).map(|at| *pick(rng, &words[..if at == 3 { 6 } else { 5 }])).collect();
    let shared = if rng.chance(1, 5) { "$share/group/" } else { "" };
    let open = if rng.chance(1, 4) { "/#" } else { "" };
    format!("{shared}{}{open}", levels.join("/"))
}
