//! Streams: any split, the phases of a server, limits, memory.

use super::corpus::{VERSIONS, packets};
use super::*;
use crate::rng::Rng;

const ANY: Limits = Limits { packet: PACKET_MAX, connect: 100_000 };

/// Whether only a server sends it, in this version.
fn from_server(packet: &Packet) -> bool {
    PacketType::FROM_CLIENT & packet.packet_type().bit() == 0
}

fn admitted_by_server(packet: &Packet) -> bool {
    let identified = matches!(packet, Packet::Publish(publish)
        if !publish.properties.subscription_identifiers.is_empty());
    !from_server(packet) && !identified && !matches!(packet, Packet::Connect(_))
}

fn admitted_by_client(packet: &Packet, version: Version) -> bool {
    let expiring = matches!(packet, Packet::Disconnect(disconnect)
        if version != Version::V5 || disconnect.session_expiry_interval.is_some());
    PacketType::FROM_SERVER & packet.packet_type().bit() != 0 && !expiring
}

/// A connection's worth of packets as a server gets them.
fn conversation(version: Version) -> Vec<Packet> {
    let mut packets = packets(version);
    packets.retain(admitted_by_server);
    let mut connect = Connect::new("c").version(version);
    if version == Version::V5 {
        connect.properties.receive_maximum = Some(3);
    }
    packets.insert(0, Packet::Connect(connect));
    packets
}

/// Feeds `chunk` as one read.
fn feed(decoder: &mut Decoder, chunk: &[u8], got: &mut Vec<Packet>) -> Result<(), Error> {
    let mut input = chunk;
    while let Some(incoming) = decoder.next(&mut input, &ANY)? {
        got.push(incoming.to_packet());
        if got.len() == 1 {
            decoder.open();
        }
    }
    assert!(input.is_empty(), "None says that all was taken");
    assert_eq!(decoder.is_idle(), decoder.buffered() == 0);
    Ok(())
}

#[test]
fn a_stream_in_any_split() {
    for version in VERSIONS {
        let packets = conversation(version);
        let stream: Vec<u8> = packets.iter().flat_map(|packet| encoded(packet, version)).collect();
        let mut rng = Rng::new(7);
        for most in [1, 2, 7, 64, stream.len(), stream.len() * 4] {
            for _ in 0..20 {
                let (mut decoder, mut got, mut rest) = (Decoder::server(), Vec::new(), &stream[..]);
                while !rest.is_empty() {
                    let (chunk, after) = rest.split_at((rng.index(most) + 1).min(rest.len()));
                    feed(&mut decoder, chunk, &mut got).unwrap();
                    rest = after;
                }
                assert_eq!(got, packets);
                assert_eq!(decoder.buffered(), 0);
                assert_eq!(decoder.version(), Some(version));
            }
        }
    }
}

#[test]
fn a_client_gets_what_servers_send() {
    for version in VERSIONS {
        for packet in packets(version) {
            let bytes = encoded(&packet, version);
            let mut decoder = Decoder::client(version);
            let mut input = &bytes[..];
            let got = decoder.next(&mut input, &ANY).map(|got| got.map(|got| got.to_packet()));
            if admitted_by_client(&packet, version) {
                assert_eq!(got, Ok(Some(packet)));
            } else {
                assert!(matches!(got, Err(Error::Unexpected(_) | Error::Protocol(_))), "{got:?}");
            }
        }
    }
}

/// Back-pressure: after any packet the rest of the read is kept and comes first next time.
#[test]
fn an_interrupted_read_goes_on() {
    for version in VERSIONS {
        let packets = conversation(version);
        let stream: Vec<u8> = packets.iter().flat_map(|packet| encoded(packet, version)).collect();
        let mut rng = Rng::new(11);
        for _ in 0..200 {
            let (mut decoder, mut got, mut rest) = (Decoder::server(), Vec::new(), &stream[..]);
            while !rest.is_empty() || !decoder.is_idle() {
                let (mut input, after) = rest.split_at((rng.index(200)).min(rest.len()));
                rest = after;
                while let Some(incoming) = decoder.next(&mut input, &ANY).unwrap() {
                    got.push(incoming.to_packet());
                    decoder.open();
                    if rng.chance(1, 3) {
                        decoder.keep(input);
                        input = &[];
                        break;
                    }
                }
                assert!(input.is_empty());
            }
            assert_eq!(got, packets);
            let mut nothing: &[u8] = &[];
            assert!(matches!(decoder.next(&mut nothing, &ANY), Ok(None)));
            assert_eq!(decoder.buffered(), 0);
        }
    }
}

#[test]
fn damage_in_a_stream_is_no_panic() {
    let mut rng = Rng::new(13);
    for version in VERSIONS {
        let stream: Vec<u8> =
            conversation(version).iter().flat_map(|packet| encoded(packet, version)).collect();
        for _ in 0..3000 {
            let mut stream = stream.clone();
            for _ in 0..=rng.index(3) {
                let at = rng.index(stream.len());
                stream[at] = u8::try_from(rng.below(256)).unwrap();
            }
            let (mut decoder, mut got) = (Decoder::server(), Vec::new());
            for chunk in stream.chunks(rng.index(stream.len()) + 1) {
                if feed(&mut decoder, chunk, &mut got).is_err() {
                    break;
                }
            }
        }
    }
}

fn server_after(packets: &[&[u8]], open: bool) -> Decoder {
    let mut decoder = Decoder::server();
    for bytes in packets {
        let mut input = *bytes;
        decoder.next(&mut input, &ANY).unwrap().unwrap();
    }
    if open {
        decoder.open();
    }
    decoder
}

const CONNECT: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a";
const CONNECT_5: &[u8] = b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01a";

fn refused(decoder: &mut Decoder, mut input: &[u8]) -> Error {
    decoder.next(&mut input, &ANY).expect_err("this may not come now")
}

#[test]
fn only_connect_comes_first() {
    // [MQTT-3.1.0-1], by the first byte alone.
    for first in 0x20..=0xff {
        let error = refused(&mut Decoder::server(), &[first]);
        assert!(matches!(error, Error::Unexpected(_)), "{first:#x} {error}");
    }
    assert!(matches!(refused(&mut Decoder::server(), b"\x00"), Error::Malformed(_)));
    assert!(matches!(refused(&mut Decoder::server(), b"\x11"), Error::Malformed(_)));
    assert_eq!(refused(&mut Decoder::server(), b"GET / HTTP"), Error::Unexpected("PUBACK"));
}

#[test]
fn between_connect_and_connack_come_auth_and_disconnect() {
    for first in [0x30, 0x82, 0xc0, 0x40, 0x10] {
        let error = refused(&mut server_after(&[CONNECT_5], false), &[first]);
        assert!(matches!(error, Error::Unexpected(_)));
    }
    let auth = b"\xf0\x05\x18\x03\x15\x00\x00";
    drop(server_after(&[CONNECT_5, auth, auth, b"\xe0\x00"], false));
    drop(server_after(&[CONNECT, b"\xe0\x00"], false));
    // AUTH is of 5.0.
    let error = refused(&mut server_after(&[CONNECT], false), auth);
    assert!(matches!(error, Error::Malformed(_)));
}

#[test]
fn what_only_servers_send_does_not_come_from_a_client() {
    for first in [0x20, 0x90, 0xb0, 0xd0] {
        let error = refused(&mut server_after(&[CONNECT_5], true), &[first]);
        assert!(matches!(error, Error::Unexpected(_)));
    }
    // [MQTT-3.3.4-6]
    let publish = b"\x30\x06\x00\x01t\x02\x0b\x01";
    assert!(matches!(refused(&mut server_after(&[CONNECT_5], true), publish), Error::Protocol(_)));
}

#[test]
fn a_second_connect_is_handed_on_or_unexpected() {
    let mut decoder = server_after(&[CONNECT_5], true);
    let mut input = CONNECT;
    let second = decoder.next(&mut input, &ANY).unwrap().unwrap().to_packet();
    assert_eq!(second.name(), "CONNECT");
    assert_eq!(decoder.version(), Some(Version::V5), "it changes nothing");
    let error = refused(&mut decoder, b"\x10\x07\x00\x04MQTT\x09");
    assert_eq!(error, Error::Unexpected("CONNECT"));
}

#[test]
fn the_version_is_known_from_a_connect_that_is_refused() {
    let mut decoder = Decoder::server();
    let error = refused(&mut decoder, b"\x10\x08\x00\x04MQTT\x05\x01");
    assert!(matches!(error, Error::Malformed(_)));
    assert_eq!(decoder.version(), Some(Version::V5));
    let mut decoder = Decoder::server();
    let error = refused(&mut decoder, b"\x10\xff\xff\x7f\x00\x04MQTT\x05");
    assert!(matches!(error, Error::TooLarge { .. }));
    assert_eq!(decoder.version(), Some(Version::V5));
    let mut decoder = Decoder::server();
    assert_eq!(
        refused(&mut decoder, b"\x10\x07\x00\x04MQTT\x06"),
        Error::UnsupportedVersion { level: 6 }
    );
    assert_eq!(decoder.version(), None);
}

#[test]
fn a_packet_too_large_is_refused_by_its_header() {
    let limits = Limits { packet: 1000, connect: 200 };
    let next = |decoder: &mut Decoder, bytes: &[u8]| {
        let mut input = bytes;
        let result = decoder.next(&mut input, &limits).map(|got| got.is_some());
        assert_eq!(decoder.buffered(), if result == Ok(false) { 8 } else { 0 });
        result
    };
    let size = |len: usize| len + 3;
    // 997 bytes behind a header of 3 are allowed, 998 are not.
    let open = || server_after(&[CONNECT], true);
    assert_eq!(next(&mut open(), b"\x30\xe5\x07"), Ok(false));
    let too_large = Err(Error::TooLarge { size: size(998), max: 1000 });
    assert_eq!(next(&mut open(), b"\x30\xe6\x07"), too_large);
    let mut client = Decoder::client(Version::V5);
    assert_eq!(next(&mut client, b"\x30\xe6\x07"), too_large);
    // Until the connection is open the other limit holds.
    assert_eq!(next(&mut Decoder::server(), b"\x10\xc5\x01"), Ok(false));
    let too_large = Err(Error::TooLarge { size: size(198), max: 200 });
    assert_eq!(next(&mut Decoder::server(), b"\x10\xc6\x01"), too_large);
    let mut judging = server_after(&[CONNECT_5], false);
    assert_eq!(next(&mut judging, b"\xf0\xc6\x01"), too_large);
}

#[test]
fn memory_grows_with_what_arrives() {
    // 256 MiB announced.
    let mut decoder = server_after(&[CONNECT], true);
    let mut fed = 0;
    let mut give = |decoder: &mut Decoder, bytes: &[u8]| {
        let mut input = bytes;
        assert!(decoder.next(&mut input, &ANY).unwrap().is_none());
        fed += bytes.len();
        assert!(decoder.buffered() <= 8.max(2 * fed), "{} for {fed}", decoder.buffered());
    };
    give(&mut decoder, b"\x30\xff\xff\xff\x7f\x00\x01t");
    for _ in 0..100 {
        give(&mut decoder, &[0; 1000]);
    }
    // 100,000 bytes announced: not more than that is held in the end.
    let mut decoder = server_after(&[CONNECT], true);
    let mut packet = b"\x30\xa0\x8d\x06\x00\x01t".to_vec();
    packet.resize(100_004, b'p');
    for chunk in packet[..100_003].chunks(999) {
        let mut input = chunk;
        assert!(decoder.next(&mut input, &ANY).unwrap().is_none());
        assert!(decoder.buffered() <= packet.len());
    }
    let mut last = &packet[100_003..];
    let incoming = decoder.next(&mut last, &ANY).unwrap().unwrap();
    let Incoming::Publish(publish) = incoming else { panic!("{incoming:?}") };
    assert_eq!(publish.payload.len(), 99_997);
    assert!(decoder.next(&mut last, &ANY).unwrap().is_none());
    assert_eq!(decoder.buffered(), 0);
}

#[test]
fn it_is_small() {
    assert!(size_of::<Decoder>() <= 40);
}
