//! Valid packets: every type in every version, bare and with all it can carry.

use bytes::Bytes;

use super::super::*;

pub(super) const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

pub(super) fn id(id: u16) -> PacketId {
    PacketId::new(id).unwrap()
}

fn users() -> Vec<UserProperty> {
    vec![
        ("name".into(), "value".into()),
        (String::new(), String::new()),
        ("name".into(), "2".into()),
    ]
}

fn ack_properties() -> Option<Box<AckProperties>> {
    Some(Box::new(AckProperties { reason_string: Some("why".into()), user_properties: users() }))
}

/// What the version has, and the encoder keeps: decoding gives the same again.
pub(super) fn packets(version: Version) -> Vec<Packet> {
    let mut packets = vec![Packet::PingReq, Packet::PingResp];
    packets.push(Packet::Disconnect(Disconnect::default()));
    packets.extend(connects(version).into_iter().map(Packet::Connect));
    packets.extend(connacks(version).into_iter().map(Packet::ConnAck));
    packets.extend(publishes(version).into_iter().map(Packet::Publish));
    packets.extend(acks(version));
    packets.extend(subscriptions(version));
    if version == Version::V5 {
        packets.extend(ends());
    }
    packets
}

fn connects(version: Version) -> Vec<Connect> {
    let bare = Connect::new("").version(version).clean_session(false).keep_alive(0);
    let will = Will {
        topic: "will/topic".into(),
        payload: Bytes::from_static(b"gone\0"),
        qos: QoS::ExactlyOnce,
        retain: true,
        ..Will::default()
    };
    let mut full = Connect::new("client-\u{e9}").version(version).credentials("user", "pass\0");
    full.bridge = true;
    full = full.will(will.clone());
    let mut name_only = bare.clone();
    name_only.user_name = Some(String::new());
    let mut connects = vec![bare.clone(), name_only];
    if version == Version::V5 {
        let mut token = bare;
        token.password = Some(Bytes::from_static(b"token"));
        connects.push(token);
        full.will = Some(Box::new(Will {
            delay_interval: 5,
            properties: PublishProperties { topic_alias: None, ..publish_properties(&[]) },
            ..will
        }));
        full.properties = ConnectProperties {
            session_expiry_interval: Some(u32::MAX),
            receive_maximum: Some(1),
            maximum_packet_size: Some(1),
            topic_alias_maximum: Some(0),
            request_response_information: Some(true),
            request_problem_information: Some(false),
            user_properties: users(),
            authentication_method: Some("method".into()),
            authentication_data: Some(Bytes::from_static(&[0, 1, 2])),
        };
    }
    connects.push(full);
    connects
}

fn connacks(version: Version) -> Vec<ConnAck> {
    let connack = |session_present, reason| ConnAck {
        session_present,
        reason,
        properties: ConnAckProperties::default(),
    };
    let mut connacks = vec![
        connack(false, ReasonCode::SUCCESS),
        connack(true, ReasonCode::SUCCESS),
        connack(false, ReasonCode::NOT_AUTHORIZED),
        connack(false, ReasonCode::UNSUPPORTED_PROTOCOL_VERSION),
    ];
    if version == Version::V5 {
        connacks.push(connack(false, ReasonCode::CONNECTION_RATE_EXCEEDED));
        connacks.push(ConnAck {
            properties: ConnAckProperties {
                session_expiry_interval: Some(1),
                receive_maximum: Some(10),
                maximum_qos: Some(QoS::AtLeastOnce),
                retain_available: Some(false),
                maximum_packet_size: Some(1000),
                assigned_client_identifier: Some("chosen".into()),
                topic_alias_maximum: Some(16),
                reason_string: Some("because".into()),
                user_properties: users(),
                wildcard_subscription_available: Some(true),
                subscription_identifiers_available: Some(false),
                shared_subscription_available: Some(true),
                server_keep_alive: Some(60),
                response_information: Some("answers/".into()),
                server_reference: Some("other".into()),
                authentication_method: Some("method".into()),
                authentication_data: Some(Bytes::from_static(b"data")),
            },
            ..connack(true, ReasonCode::SUCCESS)
        });
    }
    connacks
}

fn publish_properties(subscription_identifiers: &[u32]) -> PublishProperties {
    PublishProperties {
        payload_format_indicator: Some(1),
        message_expiry_interval: Some(3600),
        topic_alias: Some(7),
        response_topic: Some("answers/1".into()),
        correlation_data: Some(Bytes::from_static(b"\0\xff")),
        subscription_identifiers: subscription_identifiers.to_vec(),
        content_type: Some("text/plain".into()),
        user_properties: users(),
    }
}

fn publishes(version: Version) -> Vec<Publish> {
    let bare = Publish::new("t", Bytes::new());
    let mut publishes = vec![
        bare.clone(),
        bare.clone().retain(true),
        Publish { dup: true, ..Publish::new("a/b", "one").at_least_once(id(1)) },
        Publish::new("a/b", "two").exactly_once(id(65_535)).retain(true),
        Publish::new("x".repeat(200), vec![b'y'; 300]).at_least_once(id(2)),
    ];
    if version == Version::V5 {
        let properties = publish_properties(&[1, 128, 268_435_455]);
        let aliased = PublishProperties { topic_alias: Some(65_535), ..Default::default() };
        publishes.extend([
            Publish { properties: properties.clone(), ..publishes[3].clone() },
            Publish { properties, ..publishes[4].clone() },
            Publish { topic: String::new(), properties: aliased, ..bare },
        ]);
    }
    publishes
}

fn acks(version: Version) -> Vec<Packet> {
    use AckKind::*;
    let mut packets = Vec::new();
    for (kind, reason) in [
        (PubAck, ReasonCode::NO_MATCHING_SUBSCRIBERS),
        (PubRec, ReasonCode::QUOTA_EXCEEDED),
        (PubRel, ReasonCode::PACKET_IDENTIFIER_NOT_FOUND),
        (PubComp, ReasonCode::PACKET_IDENTIFIER_NOT_FOUND),
    ] {
        let bare = Ack::new(id(0x1234), ReasonCode::SUCCESS);
        packets.push(kind.packet(bare.clone()));
        if version == Version::V5 {
            packets.push(kind.packet(Ack::new(id(1), reason)));
            packets.push(kind.packet(Ack { properties: ack_properties(), ..bare }));
        }
    }
    packets
}

fn subscriptions(version: Version) -> Vec<Packet> {
    let option = |qos| SubscribeOptions { qos, ..SubscribeOptions::default() };
    let subscribe = Subscribe {
        packet_id: id(10),
        subscription_identifier: None,
        user_properties: Vec::new(),
        filters: vec![
            ("a/+".into(), option(QoS::AtMostOnce)),
            ("#".into(), option(QoS::ExactlyOnce)),
            (String::new(), option(QoS::AtLeastOnce)),
        ],
    };
    let unsubscribe = Unsubscribe {
        packet_id: id(11),
        user_properties: Vec::new(),
        filters: vec!["a/+".into(), "#".into()],
    };
    let suback = SubAck {
        packet_id: id(10),
        reasons: vec![
            ReasonCode::GRANTED_QOS_0,
            ReasonCode::GRANTED_QOS_1,
            ReasonCode::GRANTED_QOS_2,
            ReasonCode::UNSPECIFIED_ERROR,
        ],
        properties: None,
    };
    let unsuback = UnsubAck { packet_id: id(11), reasons: Vec::new(), properties: None };
    let mut packets = vec![
        Packet::Subscribe(subscribe.clone()),
        Packet::Unsubscribe(unsubscribe.clone()),
        Packet::SubAck(suback.clone()),
    ];
    if version != Version::V5 {
        packets.push(Packet::UnsubAck(unsuback));
        return packets;
    }
    let options = SubscribeOptions {
        qos: QoS::AtLeastOnce,
        no_local: true,
        retain_as_published: true,
        retain_handling: RetainHandling::DoNotSend,
    };
    let other = SubscribeOptions { retain_handling: RetainHandling::SendIfNew, ..options };
    let reasons = vec![ReasonCode::SUCCESS, ReasonCode::NO_SUBSCRIPTION_EXISTED];
    packets.extend([
        Packet::Subscribe(Subscribe {
            subscription_identifier: Some(268_435_455),
            user_properties: users(),
            filters: vec![("$share/g/t".into(), options), ("t".into(), other)],
            ..subscribe
        }),
        Packet::Unsubscribe(Unsubscribe { user_properties: users(), ..unsubscribe }),
        Packet::SubAck(SubAck { properties: ack_properties(), ..suback }),
        Packet::UnsubAck(UnsubAck { reasons: reasons.clone(), ..unsuback.clone() }),
        Packet::UnsubAck(UnsubAck { reasons, properties: ack_properties(), ..unsuback }),
    ]);
    packets
}

/// DISCONNECT and AUTH of 5.0.
fn ends() -> Vec<Packet> {
    let reason = ReasonCode::DISCONNECT_WITH_WILL_MESSAGE;
    vec![
        Packet::Disconnect(Disconnect { reason, ..Disconnect::default() }),
        Packet::Disconnect(Disconnect {
            session_expiry_interval: Some(0),
            reason_string: Some("bye".into()),
            user_properties: users(),
            ..Disconnect::default()
        }),
        Packet::Disconnect(Disconnect {
            reason: ReasonCode::SERVER_MOVED,
            server_reference: Some("there".into()),
            ..Disconnect::default()
        }),
        Packet::Auth(Auth::default()),
        Packet::Auth(Auth {
            reason: ReasonCode::CONTINUE_AUTHENTICATION,
            authentication_method: Some("method".into()),
            authentication_data: Some(Bytes::from_static(b"data")),
            reason_string: Some("more".into()),
            user_properties: users(),
        }),
    ]
}
