//! Every packet in every version: there and back, cut short, damaged.

use super::corpus::{VERSIONS, id, packets};
use super::*;

#[test]
fn every_packet_survives_the_wire() {
    for version in VERSIONS {
        for packet in packets(version) {
            let bytes = encoded(&packet, version);
            assert_eq!(encoded_len(&packet, version), bytes.len(), "{version} {packet:?}");
            assert_eq!(decoded(&bytes, version), Ok(packet), "{version} {bytes:02x?}");
        }
    }
}

#[test]
fn every_prefix_needs_more() {
    for version in VERSIONS {
        for packet in packets(version) {
            let bytes = encoded(&packet, version);
            for cut in 0..bytes.len() {
                let mut input = BytesMut::from(&bytes[..cut]);
                assert_eq!(decode_packet(&mut input, version, PACKET_MAX), Ok(None));
                assert_eq!(input.len(), cut, "nothing is taken");
            }
        }
    }
}

/// A body that ends before its last field is malformed, or a shorter form of the packet.
#[test]
fn a_body_cut_short_is_no_panic() {
    for version in VERSIONS {
        for packet in packets(version) {
            let bytes = encoded(&packet, version);
            let header = bytes.len() - body_len(&bytes);
            for cut in header..bytes.len() {
                let mut short = BytesMut::from(&bytes[..1]);
                wire::Writer::new(&mut short).varint(cut - header);
                short.extend_from_slice(&bytes[header..cut]);
                if let Ok(other) = decoded(&short, version) {
                    assert_eq!(decoded(&encoded(&other, version), version), Ok(other));
                }
            }
        }
    }
}

fn body_len(packet: &[u8]) -> usize {
    let (len, _) = wire::varint(&packet[1..]).unwrap().unwrap();
    len as usize
}

/// Any one byte changed to any other is a packet, an error or an unfinished packet; and what is a
/// packet can be written and read again.
#[test]
fn a_damaged_byte_is_no_panic() {
    for version in VERSIONS {
        for packet in packets(version) {
            let mut bytes = encoded(&packet, version);
            for at in 0..bytes.len() {
                let good = bytes[at];
                for bad in 0..=255 {
                    bytes[at] = bad;
                    check_damaged(&bytes, version);
                }
                bytes[at] = good;
            }
        }
    }
}

fn check_damaged(bytes: &[u8], version: Version) {
    let mut input = BytesMut::from(bytes);
    let Ok(Some(packet)) = decode_packet(&mut input, version, PACKET_MAX) else { return };
    // 3.1.1 cannot write what MQTT 3.1 lets pass: DUP at QoS 0.
    if matches!(&packet, Packet::Publish(publish) if publish.dup && publish.qos == QoS::AtMostOnce)
    {
        return;
    }
    let version = if let Packet::Connect(connect) = &packet { connect.version } else { version };
    // In MQTT 3.1 a password may lack its user name.
    if matches!(&packet, Packet::Connect(c) if c.password.is_some() && c.user_name.is_none()) {
        return;
    }
    assert_eq!(decoded(&encoded(&packet, version), version), Ok(packet));
}

#[test]
fn the_shortest_form_is_written() {
    use ReasonCode as R;
    let ack = |reason| Packet::PubAck(Ack::new(id(1), reason));
    let disconnect = |reason| Packet::Disconnect(Disconnect { reason, ..Disconnect::default() });
    for (packet, version, bytes) in [
        (ack(R::SUCCESS), Version::V5, &[0x40, 2, 0, 1][..]),
        (ack(R::NOT_AUTHORIZED), Version::V5, &[0x40, 3, 0, 1, 0x87]),
        (ack(R::NOT_AUTHORIZED), Version::V311, &[0x40, 2, 0, 1]),
        (disconnect(R::NORMAL_DISCONNECTION), Version::V5, &[0xe0, 0]),
        (disconnect(R::SESSION_TAKEN_OVER), Version::V5, &[0xe0, 1, 0x8e]),
        (disconnect(R::SESSION_TAKEN_OVER), Version::V311, &[0xe0, 0]),
        (Packet::Auth(Auth::default()), Version::V5, &[0xf0, 0]),
    ] {
        assert_eq!(encoded(&packet, version), bytes);
    }
}

#[test]
fn older_versions_get_what_they_know() {
    let reasons = vec![ReasonCode::GRANTED_QOS_1, ReasonCode::TOPIC_FILTER_INVALID];
    let suback = Packet::SubAck(SubAck { packet_id: id(1), reasons, properties: None });
    assert_eq!(encoded(&suback, Version::V311), [0x90, 4, 0, 1, 1, 0x80]);
    assert_eq!(encoded(&suback, Version::V5), [0x90, 5, 0, 1, 0, 1, 0x8f]);
    let reasons = vec![ReasonCode::NO_SUBSCRIPTION_EXISTED];
    let unsuback = Packet::UnsubAck(UnsubAck { packet_id: id(1), reasons, properties: None });
    assert_eq!(encoded(&unsuback, Version::V311), [0xb0, 2, 0, 1]);
    assert_eq!(encoded(&unsuback, Version::V5), [0xb0, 4, 0, 1, 0, 0x11]);
}

#[test]
fn what_cannot_be_written_appends_nothing() {
    let long = "x".repeat(65_536);
    let no_id = Publish { packet_id: None, ..Publish::new("t", "").at_least_once(id(1)) };
    let zero = PublishProperties { topic_alias: Some(0), ..Default::default() };
    let mut token = Connect::new("");
    token.password = Some("token".into());
    let none = Subscribe {
        packet_id: id(1),
        subscription_identifier: None,
        user_properties: Vec::new(),
        filters: Vec::new(),
    };
    for (packet, version) in [
        (Packet::Publish(Publish::new(long, "")), Version::V5),
        (Packet::Publish(Publish::new("a\0", "")), Version::V5),
        (Packet::Publish(Publish::new("", "")), Version::V311),
        (Packet::Publish(no_id), Version::V5),
        (Packet::Publish(Publish { properties: zero, ..Publish::new("t", "") }), Version::V5),
        (Packet::Connect(token), Version::V311),
        (Packet::Subscribe(none), Version::V5),
        (Packet::Auth(Auth::default()), Version::V311),
    ] {
        let mut out = BytesMut::from(&b"before"[..]);
        assert!(encode(&packet, version, &mut out).is_err(), "{packet:?}");
        assert_eq!(&out[..], b"before");
    }
}

/// The head of the hot path and the owned packet say the same.
#[test]
fn a_head_is_the_packet_without_its_payload() {
    for version in VERSIONS {
        for packet in packets(version) {
            let Packet::Publish(publish) = &packet else { continue };
            let mut properties = Vec::new();
            write_forwardable(&publish.properties, &mut properties);
            let head = PublishHead {
                dup: publish.dup,
                qos: publish.qos,
                retain: publish.retain,
                topic: publish.topic.as_str().into(),
                packet_id: publish.packet_id,
                topic_alias: publish.properties.topic_alias,
                message_expiry_interval: publish.properties.message_expiry_interval,
                subscription_identifiers: &publish.properties.subscription_identifiers,
                properties: &properties,
                payload_len: publish.payload.len(),
            };
            let mut out = BytesMut::from(&b"before"[..]);
            head.write(version, &mut out);
            out.extend_from_slice(&publish.payload);
            assert_eq!(&out[6..], encoded(&packet, version), "{version} {publish:?}");
            assert_eq!(head.packet_len(version), out.len() - 6);
        }
    }
}

#[test]
fn what_is_forwarded_is_unaltered_and_in_order() {
    // User Property before and after, with all that stays behind in between.
    let kept_back =
        [&[0x23, 0, 9][..], &[0x02, 0, 0, 0, 8], &[0x0b, 0x80, 0x01], &[0x0b, 7]].concat();
    let first = [0x26, 0, 1, b'z', 0, 1, b'1'];
    let last = [&[0x01, 1][..], &[0x03, 0, 1, b'c'], &[0x26, 0, 1, b'a', 0, 0]].concat();
    let all = [&first[..], &kept_back, &last].concat();
    let mut packet = vec![0x30, 0, 0, 1, b't', u8::try_from(all.len()).unwrap()];
    packet.extend_from_slice(&all);
    packet[1] = u8::try_from(packet.len() - 2).unwrap();
    let mut decoder = Decoder::client(Version::V5);
    let mut input = &packet[..];
    let incoming = decoder.next(&mut input, &Limits::default());
    let Ok(Some(Incoming::Publish(publish))) = incoming else { panic!("{incoming:?}") };
    let properties = publish.properties;
    assert_eq!(properties.topic_alias, Some(9));
    assert_eq!(properties.message_expiry_interval, Some(8));
    assert_eq!(properties.payload_format_indicator, Some(1));
    assert_eq!(properties.iter().count(), 8);
    let mut forwarded = b"kept".to_vec();
    properties.forwardable(&mut forwarded);
    assert_eq!(forwarded[4..], [&first[..], &last].concat());
    assert_eq!(properties.forwardable_len(), forwarded.len() - 4);
    let read = read_publish_properties(&forwarded[4..]).unwrap();
    assert_eq!(read.user_properties, [("z".into(), "1".into()), ("a".into(), String::new())]);
    let mut again = Vec::new();
    write_forwardable(&read, &mut again);
    assert_eq!(again.len(), properties.forwardable_len());
}
