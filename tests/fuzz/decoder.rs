//! The codec and damaged packets.
//!
//! Whatever arrives, however it is cut, is a packet or an error; how it is cut changes nothing; no
//! more is buffered than a limit allows; and what was decoded can be encoded and decoded again.

use bytes::BytesMut;
use mqtt_broker::codec::{Decoder, Error, Limits, Packet, Version, decode_packet, encode};
use mqtt_broker::rng::Rng;

use super::mutation::{mutate_packet, pieces};
use super::{packets, pick, rounds};

const STREAMS: usize = 3000;

/// What a decoder made of a stream.
type Outcome = (Vec<Packet>, Option<Error>);

#[test]
fn valid_packets_come_back_as_they_were() {
    rounds(|rng| {
        for _ in 0..STREAMS {
            let version = *pick(rng, &packets::VERSIONS);
            let packet = match rng.index(5) {
                0 => packets::connect(rng, version),
                1..=2 => packets::from_client(rng, version),
                _ => packets::from_server(rng, version),
            };
            come_back(&packet, version);
        }
    });
}

#[test]
fn damaged_streams_to_a_server() {
    rounds(|rng| {
        for _ in 0..STREAMS {
            let version = *pick(rng, &packets::VERSIONS);
            let connect = packets::connect(rng, version);
            let mut stream = damaged(rng, &connect, version, 10);
            for _ in 0..rng.index(5) {
                let packet = packets::from_client(rng, version);
                stream.extend(damaged(rng, &packet, version, 2));
            }
            compare(rng, &stream, Decoder::server);
        }
    });
}

#[test]
fn damaged_streams_to_a_client() {
    rounds(|rng| {
        for _ in 0..STREAMS {
            let version = *pick(rng, &packets::VERSIONS);
            let mut stream = Vec::new();
            for _ in 0..=rng.index(5) {
                let packet = packets::from_server(rng, version);
                stream.extend(damaged(rng, &packet, version, 2));
            }
            compare(rng, &stream, || Decoder::client(version));
        }
    });
}

#[test]
fn noise() {
    rounds(|rng| {
        for _ in 0..STREAMS {
            let version = *pick(rng, &packets::VERSIONS);
            let len = rng.index(100);
            let stream: Vec<u8> = (0..len).map(|_| rng.next_u64().to_le_bytes()[0]).collect();
            compare(rng, &stream, Decoder::server);
            compare(rng, &stream, || Decoder::client(version));
        }
    });
}

/// The packet's bytes, damaged one time in `often`.
fn damaged(rng: &mut Rng, packet: &Packet, version: Version, often: u64) -> Vec<u8> {
    let mut bytes = encoded(packet, version);
    if rng.chance(1, often) {
        mutate_packet(rng, &mut bytes);
    }
    bytes
}

fn encoded(packet: &Packet, version: Version) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    encode(packet, version, &mut bytes)
        .unwrap_or_else(|e| panic!("{version}: cannot encode {packet:?}: {e}"));
    bytes.to_vec()
}

/// Encodes, decodes and compares.
fn come_back(packet: &Packet, version: Version) {
    let bytes = encoded(packet, version);
    let again = decode_packet(&mut BytesMut::from(&bytes[..]), version, bytes.len());
    assert_eq!(again, Ok(Some(packet.clone())), "{version}: {bytes:02x?}");
}

/// Decodes a stream whole and in pieces.
fn compare(rng: &mut Rng, stream: &[u8], decoder: impl Fn() -> Decoder) {
    let limits = Limits { packet: *pick(rng, &[8, 50, 1000, 10_000]), connect: 300 };
    let whole = decode(decoder(), &[stream], &limits);
    let cut = decode(decoder(), &pieces(rng, stream), &limits);
    assert_eq!(whole, cut, "{limits:?} {stream:02x?}");
}

fn decode(mut decoder: Decoder, pieces: &[&[u8]], limits: &Limits) -> Outcome {
    let (mut packets, mut arrived) = (Vec::new(), 0);
    for piece in pieces {
        arrived += piece.len();
        let mut input = *piece;
        loop {
            let packet = match decoder.next(&mut input, limits) {
                Ok(Some(incoming)) => incoming.into_packet(),
                Ok(None) => break,
                Err(error) => return (packets, Some(error)),
            };
            decoder.open();
            let version = decoder.version().expect("known as soon as there is a packet");
            // MQTT 3.1 lets pass what has no meaning and is not written: DUP at QoS 0.
            if !matches!(&packet, Packet::Publish(p) if p.dup && p.packet_id.is_none()) {
                come_back(&packet, version);
            }
            packets.push(packet);
            bounded(&decoder, arrived, limits);
        }
        assert!(input.is_empty(), "what is not needed yet is kept");
        bounded(&decoder, arrived, limits);
    }
    (packets, None)
}

/// It holds no more than is allowed, and grows with what has come, not with what a header says.
fn bounded(decoder: &Decoder, arrived: usize, limits: &Limits) {
    let most = limits.packet.max(limits.connect).min(2 * arrived.max(4));
    assert!(decoder.buffered() <= most, "{} bytes held, {most} allowed", decoder.buffered());
}
