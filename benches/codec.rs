//! What a packet costs on its way in and out of the wire.
//!
//! Owns: the packets of the hot path, a topic of 24 bytes and a payload of 100.
//!
//! Never measures a socket.

use std::hint::black_box;

use bytes::BytesMut;
use divan::Bencher;
use mqtt_broker::codec::{
    Ack, AckKind, Decoder, Incoming, Limits, Packet, PacketId, Publish, PublishHead,
    PublishProperties, QoS, ReasonCode, Version, encode, encode_ack,
};

const TOPIC: &str = "site/7/line/3/temp/000042";
const PAYLOAD: [u8; 100] = [b'p'; 100];

/// Packets of one read.
const BATCH: usize = 256;

fn main() {
    divan::main();
}

fn packet_id() -> PacketId {
    PacketId::new(77).expect("not 0")
}

fn properties() -> PublishProperties {
    PublishProperties {
        message_expiry_interval: Some(3600),
        content_type: Some("application/json".into()),
        user_properties: vec![("trace".into(), "0123456789abcdef".into())],
        ..PublishProperties::default()
    }
}

fn publish(properties: PublishProperties) -> Packet {
    let topic = &TOPIC[..24];
    let publish = Publish::new(topic, PAYLOAD.to_vec()).at_least_once(packet_id());
    Packet::Publish(Publish { properties, ..publish })
}

fn read(packet: &Packet) -> BytesMut {
    let mut bytes = BytesMut::new();
    for _ in 0..BATCH {
        encode(packet, Version::V5, &mut bytes).expect("it can be written");
    }
    bytes
}

fn decode(bencher: Bencher<'_, '_>, packet: &Packet) {
    let bytes = read(packet);
    let limits = Limits::default();
    let mut decoder = Decoder::client(Version::V5);
    bencher.counter(divan::counter::ItemsCount::new(BATCH)).bench_local(|| {
        let mut input = black_box(&bytes[..]);
        let mut sum = 0;
        // One pattern: to take it out of one wrapping after another costs a copy each.
        while let Ok(Some(incoming)) = decoder.next(&mut input, &limits) {
            sum += match black_box(&incoming) {
                Incoming::Publish(publish) => publish.payload.len(),
                Incoming::Ack(_, ack) => ack.packet_id.get().into(),
                Incoming::PingReq | Incoming::Other(_) => 0,
            };
        }
        assert!(input.is_empty());
        sum
    });
}

#[divan::bench]
fn decode_publish(bencher: Bencher<'_, '_>) {
    decode(bencher, &publish(PublishProperties::default()));
}

#[divan::bench]
fn decode_publish_with_properties(bencher: Bencher<'_, '_>) {
    decode(bencher, &publish(properties()));
}

#[divan::bench]
fn decode_puback(bencher: Bencher<'_, '_>) {
    decode(bencher, &Packet::PubAck(Ack::new(packet_id(), ReasonCode::SUCCESS)));
}

fn write(bencher: Bencher<'_, '_>, head: &PublishHead<'_>, version: Version) {
    let mut out = BytesMut::with_capacity(64 * 1024);
    bencher.counter(divan::counter::ItemsCount::new(BATCH)).bench_local(|| {
        out.clear();
        for _ in 0..BATCH {
            black_box(head).write(version, black_box(&mut out));
        }
        out.len()
    });
}

fn head(properties: &[u8]) -> PublishHead<'_> {
    PublishHead {
        qos: QoS::AtLeastOnce,
        topic: TOPIC[..24].into(),
        packet_id: Some(packet_id()),
        properties,
        payload_len: PAYLOAD.len(),
        ..PublishHead::default()
    }
}

#[divan::bench]
fn head_3(bencher: Bencher<'_, '_>) {
    write(bencher, &head(&[]), Version::V311);
}

#[divan::bench]
fn head_5(bencher: Bencher<'_, '_>) {
    write(bencher, &head(&[]), Version::V5);
}

#[divan::bench]
fn head_5_with_properties(bencher: Bencher<'_, '_>) {
    let head = PublishHead {
        message_expiry_interval: Some(3600),
        subscription_identifiers: &[7],
        ..head(b"\x03\x00\x10application/json\x26\x00\x05trace\x00\x100123456789abcdef")
    };
    write(bencher, &head, Version::V5);
}

#[divan::bench]
fn encode_puback(bencher: Bencher<'_, '_>) {
    let mut out = BytesMut::with_capacity(64 * 1024);
    let ack = Ack::new(packet_id(), ReasonCode::SUCCESS);
    bencher.counter(divan::counter::ItemsCount::new(BATCH)).bench_local(|| {
        out.clear();
        for _ in 0..BATCH {
            encode_ack(AckKind::PubAck, black_box(&ack), Version::V5, black_box(&mut out))
                .expect("no properties");
        }
        out.len()
    });
}
