//! What must be refused, and as what: a table of packets with the statements they break.

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Fine,
    Malformed,
    Protocol,
    Alias,
    Name,
    Level,
}

use Class::*;

fn class(bytes: &[u8], version: Version) -> Class {
    match decoded(bytes, version) {
        Ok(_) => Fine,
        Err(Error::Malformed(_)) => Malformed,
        Err(Error::Protocol(_)) => Protocol,
        Err(Error::TopicAlias) => Alias,
        Err(Error::ProtocolName) => Name,
        Err(Error::UnsupportedVersion { .. }) => Level,
        Err(error @ (Error::TooLarge { .. } | Error::Unexpected(_))) => panic!("{error}"),
    }
}

fn check(version: Version, cases: &[(&str, Class, u8, &[&[u8]])]) {
    for (says, expected, first, parts) in cases {
        let body = parts.concat();
        let mut packet = BytesMut::from(&[*first][..]);
        wire::Writer::new(&mut packet).varint(body.len());
        packet.extend_from_slice(&body);
        assert_eq!(class(&packet, version), *expected, "{version}, {says}: {packet:02x?}");
    }
}

const NAME: &[u8] = b"\x00\x04MQTT";
const ID: &[u8] = &[0, 1];
const T: &[u8] = &[0, 1, b't'];
const KEEP: &[u8] = &[0, 60];

#[test]
fn connect_in_every_version() {
    use Version::*;
    check(
        V311,
        &[
            ("MQTT-3.1.2-1", Name, 0x10, &[b"\x00\x04MQTt\x04\x02", KEEP, T]),
            ("MQTT-3.1.2-1", Name, 0x10, &[b"\x00\x00\x04\x02", KEEP, T]),
            ("MQTT-3.1.2-2", Level, 0x10, &[NAME, &[6]]),
            ("MQTT-3.1.2-2", Level, 0x10, &[NAME, &[3, 0xff]]),
            ("MQTT-3.1.2-2", Level, 0x10, &[NAME, &[0]]),
            ("MQTT-3.1.2-2", Level, 0x10, &[b"\x00\x06MQIsdp\x04\x02", KEEP, T]),
            ("level is missing", Malformed, 0x10, &[NAME]),
            ("name is cut", Malformed, 0x10, &[b"\x00\x04MQ"]),
            ("3.1", Fine, 0x10, &[b"\x00\x06MQIsdp\x03\x02", KEEP, T]),
            ("3.1 bridge", Fine, 0x10, &[b"\x00\x06MQIsdp\x83\x02", KEEP, T]),
            ("3.1.1", Fine, 0x10, &[NAME, &[4, 2], KEEP, T]),
            ("3.1.1 bridge", Fine, 0x10, &[NAME, &[0x84, 2], KEEP, T]),
            ("5.0", Fine, 0x10, &[NAME, &[5, 2], KEEP, &[0], T]),
            ("5.0 bridge", Fine, 0x10, &[NAME, &[0x85, 2], KEEP, &[0], T]),
            ("MQTT-2.2.2-2", Malformed, 0x11, &[NAME, &[4, 2], KEEP, T]),
            ("MQTT-3.1.2-3", Malformed, 0x10, &[NAME, &[4, 3], KEEP, T]),
            ("MQTT-3.1.2-13", Malformed, 0x10, &[NAME, &[4, 0x0a], KEEP, T]),
            ("MQTT-3.1.2-15", Malformed, 0x10, &[NAME, &[4, 0x22], KEEP, T]),
            ("MQTT-3.1.2-14", Malformed, 0x10, &[NAME, &[4, 0x1e], KEEP, T, T, T]),
            ("MQTT-3.1.2-22", Malformed, 0x10, &[NAME, &[4, 0x42], KEEP, T, T]),
            ("MQTT-3.1.2-9 will", Malformed, 0x10, &[NAME, &[4, 6], KEEP, T]),
            ("MQTT-3.1.2-9 payload", Malformed, 0x10, &[NAME, &[4, 6], KEEP, T, T]),
            ("MQTT-3.1.2-19", Malformed, 0x10, &[NAME, &[4, 0x82], KEEP, T]),
            ("MQTT-3.1.2-21", Malformed, 0x10, &[NAME, &[4, 0xc2], KEEP, T, T]),
            ("3.1 user name left out", Fine, 0x10, &[b"\x00\x06MQIsdp\x03\xc2", KEEP, T]),
            ("3.1 password left out", Fine, 0x10, &[b"\x00\x06MQIsdp\x03\xc2", KEEP, T, T]),
            ("MQTT-3.1.2-18", Malformed, 0x10, &[NAME, &[4, 2], KEEP, T, T]),
            ("MQTT-3.1.3-3", Malformed, 0x10, &[NAME, &[4, 2], KEEP]),
            ("MQTT-1.5.3-1", Malformed, 0x10, &[NAME, &[4, 2], KEEP, &[0, 1, 0xff]]),
            ("MQTT-1.5.3-2", Malformed, 0x10, &[NAME, &[4, 2], KEEP, &[0, 1, 0]]),
        ],
    );
    check(
        V5,
        &[
            ("MQTT-3.1.2-3", Malformed, 0x10, &[NAME, &[5, 3], KEEP, &[0], T]),
            ("MQTT-3.1.2-11", Malformed, 0x10, &[NAME, &[5, 0x0a], KEEP, &[0], T]),
            ("MQTT-3.1.2-12", Malformed, 0x10, &[NAME, &[5, 0x1e], KEEP, &[0], T, &[0], T, T]),
            ("MQTT-3.1.2-13", Malformed, 0x10, &[NAME, &[5, 0x22], KEEP, &[0], T]),
            ("3.1.2.9 note", Fine, 0x10, &[NAME, &[5, 0x42], KEEP, &[0], T, T]),
            ("MQTT-2.2.2-1", Malformed, 0x10, &[NAME, &[5, 2], KEEP]),
        ],
    );
}

#[test]
fn connect_properties() {
    let connect = |says, class, properties: &[u8]| {
        let len = [u8::try_from(properties.len()).unwrap()];
        check(Version::V5, &[(says, class, 0x10, &[NAME, &[5, 2], KEEP, &len, properties, T])]);
    };
    connect("3.1.2.11.3", Protocol, &[0x21, 0, 0]);
    connect("3.1.2.11.3", Protocol, &[0x21, 0, 1, 0x21, 0, 1]);
    connect("3.1.2.11.4", Protocol, &[0x27, 0, 0, 0, 0]);
    connect("3.1.2.11.2", Protocol, &[0x11, 0, 0, 0, 0, 0x11, 0, 0, 0, 0]);
    connect("3.1.2.11.5", Protocol, &[0x22, 0, 0, 0x22, 0, 0]);
    connect("3.1.2.11.6", Protocol, &[0x19, 2]);
    connect("3.1.2.11.7", Protocol, &[0x17, 2]);
    connect("3.1.2.11.7", Protocol, &[0x17, 1, 0x17, 1]);
    connect("3.1.2.11.9", Protocol, &[0x15, 0, 1, b'a', 0x15, 0, 1, b'a']);
    connect("3.1.2.11.10", Protocol, &[0x16, 0, 1, b'a']);
    connect("3.1.2.11.10", Fine, &[0x16, 0, 1, b'a', 0x15, 0, 1, b'a']);
    connect("3.1.2.11.8 twice", Fine, &[0x26, 0, 0, 0, 0, 0x26, 0, 0, 0, 0]);
    connect("2.2.2.2 of CONNACK", Malformed, &[0x12, 0, 0]);
    connect("2.2.2.2 of the Will", Malformed, &[0x18, 0, 0, 0, 0]);
    connect("2.2.2.2 unknown", Malformed, &[0x7f]);
    connect("2.2.2.2 cut", Malformed, &[0x21, 0]);
    connect("MQTT-1.5.7-1", Malformed, &[0x26, 0, 0, 0, 1, 0]);
    let will = |says, class, properties: &[u8]| {
        let len = [u8::try_from(properties.len()).unwrap()];
        let parts: &[&[u8]] = &[NAME, &[5, 6], KEEP, &[0], T, &len, properties, T, T];
        check(Version::V5, &[(says, class, 0x10, parts)]);
    };
    will("3.1.3.2.2", Protocol, &[0x18, 0, 0, 0, 0, 0x18, 0, 0, 0, 0]);
    will("3.1.3.2.3", Protocol, &[0x01, 0, 0x01, 0]);
    will("3.1.3.2.3", Protocol, &[0x01, 2]);
    will("3.1.3.2.4", Protocol, &[0x02, 0, 0, 0, 0, 0x02, 0, 0, 0, 0]);
    will("3.1.3.2.5", Protocol, &[0x03, 0, 0, 0x03, 0, 0]);
    will("3.1.3.2.6", Protocol, &[0x08, 0, 1, b'a', 0x08, 0, 1, b'a']);
    will("3.1.3.2.7", Protocol, &[0x09, 0, 0, 0x09, 0, 0]);
    will("MQTT-3.3.2-14", Protocol, &[0x08, 0, 1, b'#']);
    will("2.2.2.2 of PUBLISH", Malformed, &[0x23, 0, 1]);
    will("2.2.2.2 of SUBSCRIBE", Malformed, &[0x0b, 1]);
    will("2.2.2.2 of CONNECT", Malformed, &[0x11, 0, 0, 0, 0]);
}

#[test]
fn connack() {
    check(
        Version::V311,
        &[
            ("MQTT-3.2.2-4", Protocol, 0x20, &[&[1, 5]]),
            ("3.2.2.1", Malformed, 0x20, &[&[2, 0]]),
            ("table 3.1", Malformed, 0x20, &[&[0, 6]]),
            ("3.2.3", Malformed, 0x20, &[&[0, 0, 0]]),
            ("cut", Malformed, 0x20, &[&[0]]),
        ],
    );
    check(
        Version::V5,
        &[
            ("MQTT-3.2.2-1", Malformed, 0x20, &[&[0x80, 0, 0]]),
            ("MQTT-3.2.2-6", Protocol, 0x20, &[&[1, 0x87, 0]]),
            ("MQTT-3.2.2-8", Protocol, 0x20, &[&[0, 0x01, 0]]),
            ("2.2.2.1", Malformed, 0x20, &[&[0, 0]]),
            ("3.2.2.3.3", Protocol, 0x20, &[&[0, 0, 3, 0x21, 0, 0]]),
            ("3.2.2.3.4", Protocol, 0x20, &[&[0, 0, 2, 0x24, 2]]),
            ("3.2.2.3.5", Protocol, 0x20, &[&[0, 0, 2, 0x25, 2]]),
            ("3.2.2.3.6", Protocol, 0x20, &[&[0, 0, 5, 0x27, 0, 0, 0, 0]]),
            ("3.2.2.3.11", Protocol, 0x20, &[&[0, 0, 2, 0x28, 2]]),
            ("3.2.2.3.12", Protocol, 0x20, &[&[0, 0, 2, 0x29, 2]]),
            ("3.2.2.3.13", Protocol, 0x20, &[&[0, 0, 2, 0x2a, 2]]),
            ("3.2.2.3.14", Protocol, 0x20, &[&[0, 0, 6, 0x13, 0, 1, 0x13, 0, 1]]),
            ("3.2.3", Malformed, 0x20, &[&[0, 0, 0, 0]]),
        ],
    );
}

#[test]
fn publish_in_3() {
    for version in [Version::V31, Version::V311] {
        check(
            version,
            &[
                ("3.3.3", Fine, 0x30, &[T]),
                ("MQTT-3.3.1-4", Malformed, 0x36, &[T, ID]),
                ("MQTT-3.3.2-1", Malformed, 0x30, &[]),
                ("MQTT-3.3.2-1", Malformed, 0x30, &[&[0, 2, b't']]),
                ("MQTT-1.5.3-1", Malformed, 0x30, &[&[0, 2, 0xc3, 0x28]]),
                ("MQTT-1.5.3-2", Malformed, 0x30, &[&[0, 2, b'a', 0]]),
                ("MQTT-4.7.3-1", Malformed, 0x30, &[&[0, 0]]),
                ("MQTT-2.3.1-1", Protocol, 0x32, &[T, &[0, 0]]),
                ("2.3.1 cut", Malformed, 0x34, &[T, &[0]]),
                // Judged by the broker, which knows what a topic is.
                ("MQTT-3.3.2-2", Fine, 0x30, &[&[0, 1, b'#']]),
            ],
        );
    }
    check(Version::V311, &[("MQTT-3.3.1-2", Malformed, 0x38, &[T])]);
    check(Version::V31, &[("DUP at QoS 0", Fine, 0x38, &[T])]);
}

#[test]
fn publish_in_5() {
    check(
        Version::V5,
        &[
            ("MQTT-3.3.1-2", Malformed, 0x38, &[T, &[0]]),
            ("MQTT-3.3.1-4", Malformed, 0x36, &[T, ID, &[0]]),
            ("MQTT-2.2.2-1", Malformed, 0x30, &[T]),
            ("MQTT-2.2.1-3", Protocol, 0x32, &[T, &[0, 0], &[0]]),
            ("3.3.2.1", Protocol, 0x30, &[&[0, 0, 0]]),
            ("3.3.2.1", Fine, 0x30, &[&[0, 0, 3, 0x23, 0, 1]]),
            ("MQTT-3.3.2-8", Alias, 0x30, &[T, &[3, 0x23, 0, 0]]),
            ("3.3.2.3.4", Protocol, 0x30, &[T, &[6, 0x23, 0, 1, 0x23, 0, 1]]),
            ("3.3.2.3.2", Protocol, 0x30, &[T, &[2, 0x01, 2]]),
            ("3.3.2.3.3", Protocol, 0x30, &[T, &[10], &[2, 0, 0, 0, 1], &[2, 0, 0, 0, 1]]),
            ("3.3.2.3.5", Protocol, 0x30, &[T, &[8, 8, 0, 1, b'a', 8, 0, 1, b'a']]),
            ("MQTT-3.3.2-14", Protocol, 0x30, &[T, &[4, 8, 0, 1, b'+']]),
            ("MQTT-3.3.2-13", Malformed, 0x30, &[T, &[4, 8, 0, 1, 0xff]]),
            ("3.3.2.3.6", Protocol, 0x30, &[T, &[6, 9, 0, 0, 9, 0, 0]]),
            ("3.3.2.3.8", Protocol, 0x30, &[T, &[2, 0x0b, 0]]),
            ("3.3.2.3.8 two", Fine, 0x30, &[T, &[4, 0x0b, 1, 0x0b, 1]]),
            ("MQTT-1.5.5-1", Malformed, 0x30, &[T, &[3, 0x0b, 0x81, 0]]),
            ("MQTT-1.5.5-1", Malformed, 0x30, &[T, &[0x80, 0]]),
            ("3.3.2.3.9", Protocol, 0x30, &[T, &[6, 3, 0, 0, 3, 0, 0]]),
            ("MQTT-3.3.2-19", Malformed, 0x30, &[T, &[4, 3, 0, 1, 0]]),
            ("2.2.2.2 of CONNECT", Malformed, 0x30, &[T, &[3, 0x21, 0, 1]]),
            ("2.2.2.2 of the Will", Malformed, 0x30, &[T, &[5, 0x18, 0, 0, 0, 0]]),
            ("2.2.2.1 beyond the packet", Malformed, 0x30, &[T, &[5, 0x01]]),
            ("a value beyond the list", Malformed, 0x30, &[T, &[2, 0x23, 0, 1]]),
        ],
    );
}

#[test]
fn acknowledgements() {
    for first in [0x40, 0x50, 0x62, 0x70] {
        for version in [Version::V31, Version::V311] {
            check(
                version,
                &[
                    ("3.4.2", Fine, first, &[ID]),
                    ("2.3.1", Protocol, first, &[&[0, 0]]),
                    ("cut", Malformed, first, &[&[0]]),
                    ("empty", Malformed, first, &[]),
                    ("MQTT-2.2.2-2", Malformed, first ^ 1, &[ID]),
                    ("3.4.3", Malformed, first, &[ID, &[0]]),
                ],
            );
        }
        check(Version::V311, &[("MQTT-3.6.1-1", Malformed, first ^ 8, &[ID])]);
        check(
            Version::V5,
            &[
                ("3.4.2.1", Fine, first, &[ID]),
                ("3.4.2.2.1", Fine, first, &[ID, &[0]]),
                ("3.4.2.2.1", Fine, first, &[ID, &[0, 0]]),
                ("MQTT-2.2.1-3", Protocol, first, &[&[0, 0]]),
                ("cut", Malformed, first, &[&[0]]),
                ("MQTT-2.1.3-1", Malformed, first ^ 2, &[ID]),
                ("MQTT-3.4.2-1", Protocol, first, &[ID, &[0x8e]]),
                ("MQTT-3.4.2-1", Protocol, first, &[ID, &[0x01, 0]]),
                ("3.4.2.2.2", Protocol, first, &[ID, &[0, 6, 0x1f, 0, 0, 0x1f, 0, 0]]),
                ("2.2.2.2", Malformed, first, &[ID, &[0, 2, 0x01, 1]]),
                ("3.4.3", Malformed, first, &[ID, &[0, 0, 0]]),
            ],
        );
    }
    check(Version::V31, &[("DUP of PUBREL", Fine, 0x6a, &[ID])]);
    check(Version::V31, &[("DUP of PUBACK", Malformed, 0x48, &[ID])]);
}

#[test]
fn subscribe_and_unsubscribe() {
    for version in [Version::V31, Version::V311] {
        check(
            version,
            &[
                ("3.8.3", Fine, 0x82, &[ID, T, &[2]]),
                ("MQTT-3.8.3-3", Protocol, 0x82, &[ID]),
                ("MQTT-3.8.3-4", Malformed, 0x82, &[ID, T, &[3]]),
                ("MQTT-3.8.3-4", Malformed, 0x82, &[ID, T, &[4]]),
                ("MQTT-3.8.3-4", Malformed, 0x82, &[ID, T, &[0x80]]),
                ("MQTT-3.8.1-1", Malformed, 0x80, &[ID, T, &[0]]),
                ("MQTT-3.8.1-1", Malformed, 0x83, &[ID, T, &[0]]),
                ("MQTT-2.3.1-1", Protocol, 0x82, &[&[0, 0], T, &[0]]),
                ("QoS is missing", Malformed, 0x82, &[ID, T]),
                ("MQTT-3.10.3-2", Protocol, 0xa2, &[ID]),
                ("MQTT-3.10.1-1", Malformed, 0xa0, &[ID, T]),
                ("MQTT-2.3.1-1", Protocol, 0xa2, &[&[0, 0], T]),
                ("MQTT-3.10.3-1", Malformed, 0xa2, &[ID, &[0, 1, 0xff]]),
            ],
        );
    }
    check(Version::V31, &[("DUP", Fine, 0x8a, &[ID, T, &[0]]), ("DUP", Fine, 0xaa, &[ID, T])]);
    check(Version::V311, &[("DUP", Malformed, 0x8a, &[ID, T, &[0]])]);
    check(
        Version::V5,
        &[
            ("3.8.3", Fine, 0x82, &[ID, &[0], T, &[0x2e]]),
            ("MQTT-3.8.3-2", Protocol, 0x82, &[ID, &[0]]),
            ("MQTT-2.2.2-1", Malformed, 0x82, &[ID]),
            ("3.8.3.1", Protocol, 0x82, &[ID, &[0], T, &[3]]),
            ("3.8.3.1", Protocol, 0x82, &[ID, &[0], T, &[0x30]]),
            ("MQTT-3.8.3-5", Malformed, 0x82, &[ID, &[0], T, &[0x40]]),
            ("MQTT-3.8.3-5", Malformed, 0x82, &[ID, &[0], T, &[0x80]]),
            ("MQTT-3.8.1-1", Malformed, 0x8a, &[ID, &[0], T, &[0]]),
            ("3.8.2.1.2", Protocol, 0x82, &[ID, &[2, 0x0b, 0], T, &[0]]),
            ("3.8.2.1.2", Protocol, 0x82, &[ID, &[4, 0x0b, 1, 0x0b, 2], T, &[0]]),
            ("2.2.2.2", Malformed, 0x82, &[ID, &[3, 0x1f, 0, 0], T, &[0]]),
            ("MQTT-3.10.3-2", Protocol, 0xa2, &[ID, &[0]]),
            ("2.2.2.2", Malformed, 0xa2, &[ID, &[2, 0x0b, 1], T]),
            // Judged by the broker, which knows what a filter is.
            ("MQTT-3.8.3-4", Fine, 0x82, &[ID, &[0], b"\x00\x0a$share/g/t\x04"]),
            ("MQTT-4.7.3-1", Fine, 0x82, &[ID, &[0], &[0, 0, 0]]),
        ],
    );
}

#[test]
fn suback_and_unsuback() {
    check(
        Version::V311,
        &[
            ("MQTT-3.9.3-2", Malformed, 0x90, &[ID, &[3]]),
            ("MQTT-3.9.3-2", Malformed, 0x90, &[ID, &[0x87]]),
            ("3.9.3", Protocol, 0x90, &[ID]),
            ("3.11.3", Malformed, 0xb0, &[ID, &[0]]),
        ],
    );
    check(
        Version::V5,
        &[
            ("table 3-8", Protocol, 0x90, &[ID, &[0, 0x11]]),
            ("3.9.3", Protocol, 0x90, &[ID, &[0]]),
            ("MQTT-3.11.3-2", Protocol, 0xb0, &[ID, &[0, 1]]),
            ("3.11.3", Protocol, 0xb0, &[ID, &[0]]),
            ("3.11.2.1.2", Protocol, 0xb0, &[ID, &[6, 0x1f, 0, 0, 0x1f, 0, 0], &[0]]),
        ],
    );
}

#[test]
fn control_packets() {
    for version in corpus::VERSIONS {
        check(
            version,
            &[
                ("3.12", Malformed, 0xc0, &[&[0]]),
                ("3.13", Malformed, 0xd0, &[&[0]]),
                ("reserved", Malformed, 0xc1, &[]),
                ("reserved", Malformed, 0xd8, &[]),
                ("MQTT-3.14.1-1", Malformed, 0xe1, &[]),
                ("type 0", Malformed, 0x00, &[]),
                ("type 15", if version == Version::V5 { Fine } else { Malformed }, 0xf0, &[]),
            ],
        );
    }
    check(Version::V311, &[("3.14", Malformed, 0xe0, &[&[0]])]);
    check(
        Version::V5,
        &[
            ("3.14.2.1", Fine, 0xe0, &[]),
            ("3.14.2.2.1", Fine, 0xe0, &[&[0x8e]]),
            ("MQTT-3.14.2-1", Protocol, 0xe0, &[&[0x10]]),
            ("MQTT-3.14.2-1", Protocol, 0xe0, &[&[0x84, 0]]),
            ("3.14.2.2.2", Protocol, 0xe0, &[&[0, 10], &[0x11, 0, 0, 0, 0], &[0x11, 0, 0, 0, 0]]),
            ("3.14.2.2.3", Protocol, 0xe0, &[&[0, 6, 0x1f, 0, 0, 0x1f, 0, 0]]),
            ("3.14.2.2.5", Protocol, 0xe0, &[&[0, 6, 0x1c, 0, 0, 0x1c, 0, 0]]),
            ("3.14.3", Malformed, 0xe0, &[&[0, 0, 0]]),
            ("MQTT-3.15.1-1", Malformed, 0xf2, &[]),
            ("MQTT-3.15.2-1", Protocol, 0xf0, &[&[1, 0]]),
            ("3.15.2.2.2", Protocol, 0xf0, &[&[0x18, 0]]),
            ("3.15.2.2.2", Protocol, 0xf0, &[&[0x18]]),
            ("3.15.2.2.2", Protocol, 0xf0, &[&[0x18, 6, 0x15, 0, 0, 0x15, 0, 0]]),
            ("3.15.2.2.3", Protocol, 0xf0, &[&[0x18, 6, 0x16, 0, 0, 0x16, 0, 0]]),
            ("3.15.2", Fine, 0xf0, &[&[0x18, 3, 0x15, 0, 0]]),
            ("3.15.3", Malformed, 0xf0, &[&[0x18, 3, 0x15, 0, 0, 0]]),
        ],
    );
}

#[test]
fn remaining_lengths() {
    for version in corpus::VERSIONS {
        for bytes in [&[0xc0, 0x80, 0x00][..], &[0xc0, 0xff, 0xff, 0xff, 0xff, 0x01]] {
            assert_eq!(class(bytes, version), Malformed, "{bytes:02x?}"); // [MQTT-1.5.5-1]
        }
    }
}

#[test]
fn a_property_list_too_long_to_copy() {
    let value = vec![b'x'; 60_000];
    let mut properties = Vec::new();
    for _ in 0..5 {
        properties.extend_from_slice(&[0x26, 0, 0, 0xea, 0x60]);
        properties.extend_from_slice(&value);
    }
    let packet = |first, before: &[u8], behind: &[u8]| {
        let mut body = BytesMut::from(before);
        wire::Writer::new(&mut body).varint(properties.len());
        body.extend_from_slice(&properties);
        body.extend_from_slice(behind);
        let mut packet = BytesMut::from(&[first][..]);
        wire::Writer::new(&mut packet).varint(body.len());
        packet.extend_from_slice(&body);
        decoded(&packet, Version::V5)
    };
    assert!(packet(0x30, T, b"").is_ok());
    let subscribe = packet(0x82, ID, &[0, 1, b't', 0]);
    assert_eq!(subscribe, Err(Error::TooLarge { size: 300_025, max: 262_144 }));
}

#[test]
fn faults_have_reason_codes_and_words() {
    for (error, code, words) in [
        (Error::Malformed("QoS 3"), 0x81, "malformed packet: QoS 3"),
        (Error::Protocol("x"), 0x82, "protocol error: x"),
        (
            Error::TooLarge { size: 70_000, max: 65_536 },
            0x95,
            "packet of 70000 bytes, 65536 allowed",
        ),
        (Error::ProtocolName, 0x84, "not a protocol name of MQTT"),
        (Error::UnsupportedVersion { level: 6 }, 0x84, "unsupported protocol level 6"),
        (Error::Unexpected("SUBACK"), 0x82, "unexpected SUBACK"),
        (Error::TopicAlias, 0x94, "topic alias of 0"),
    ] {
        assert_eq!(ReasonCode::from(&error).value(), code);
        assert_eq!(error.to_string(), words);
    }
}
