//! Words that the tests of 5.0 share: properties as bytes, messages as they arrive, the reactions
//! to a fault, a clock.
//!
//! Builds on the harness and owns no connection. A property is its identifier and its value;
//! several are joined with `concat`.

use crate::harness::v5::{connect, publish, suback, subscribe};
use crate::harness::{Connect, Packet, Publish, Raw, bytes, id, text, topic};

pub(super) use crate::harness::bytes::varint;

pub(super) const DUP: u8 = 0x08;
/// A PUBLISH of QoS 3: every broker must find that malformed.
pub(super) const MALFORMED: [u8; 8] = [0x36, 0x06, 0x00, 0x01, b't', 0x00, 0x01, 0x00];
/// Subscription options beside the QoS.
pub(super) const NO_LOCAL: u8 = 0x04;
pub(super) const AS_PUBLISHED: u8 = 0x08;
pub(super) const RETAINED_IF_NEW: u8 = 0x10;
pub(super) const RETAINED_NEVER: u8 = 0x20;

fn two(identifier: u8, value: u16) -> Vec<u8> {
    [&[identifier], &value.to_be_bytes()[..]].concat()
}

fn four(identifier: u8, value: u32) -> Vec<u8> {
    [&[identifier], &value.to_be_bytes()[..]].concat()
}

fn string(identifier: u8, value: impl AsRef<[u8]>) -> Vec<u8> {
    [&[identifier], &text(value)[..]].concat()
}

pub(in crate::conformance) fn payload_format(indicator: u8) -> Vec<u8> {
    vec![0x01, indicator]
}

pub(in crate::conformance) fn message_expiry(seconds: u32) -> Vec<u8> {
    four(0x02, seconds)
}

pub(in crate::conformance) fn content_type(kind: impl AsRef<[u8]>) -> Vec<u8> {
    string(0x03, kind)
}

pub(in crate::conformance) fn response_topic(topic: impl AsRef<[u8]>) -> Vec<u8> {
    string(0x08, topic)
}

pub(in crate::conformance) fn correlation_data(data: impl AsRef<[u8]>) -> Vec<u8> {
    string(0x09, data)
}

pub(in crate::conformance) fn subscription_identifier(identifier: usize) -> Vec<u8> {
    [&[0x0b], &varint(identifier)[..]].concat()
}

pub(in crate::conformance) fn session_expiry(seconds: u32) -> Vec<u8> {
    four(0x11, seconds)
}

pub(in crate::conformance) fn authentication_method(name: impl AsRef<[u8]>) -> Vec<u8> {
    string(0x15, name)
}

pub(in crate::conformance) fn authentication_data(data: impl AsRef<[u8]>) -> Vec<u8> {
    string(0x16, data)
}

pub(in crate::conformance) fn problem_information(wanted: u8) -> Vec<u8> {
    vec![0x17, wanted]
}

pub(in crate::conformance) fn will_delay(seconds: u32) -> Vec<u8> {
    four(0x18, seconds)
}

pub(in crate::conformance) fn response_information(wanted: u8) -> Vec<u8> {
    vec![0x19, wanted]
}

pub(in crate::conformance) fn server_reference(server: impl AsRef<[u8]>) -> Vec<u8> {
    string(0x1c, server)
}

pub(in crate::conformance) fn reason_string(reason: impl AsRef<[u8]>) -> Vec<u8> {
    string(0x1f, reason)
}

pub(in crate::conformance) fn receive_maximum(maximum: u16) -> Vec<u8> {
    two(0x21, maximum)
}

pub(in crate::conformance) fn topic_alias_maximum(maximum: u16) -> Vec<u8> {
    two(0x22, maximum)
}

pub(in crate::conformance) fn topic_alias(alias: u16) -> Vec<u8> {
    two(0x23, alias)
}

pub(in crate::conformance) fn user_property(
    name: impl AsRef<[u8]>,
    value: impl AsRef<[u8]>,
) -> Vec<u8> {
    [string(0x26, name), text(value)].concat()
}

pub(in crate::conformance) fn maximum_packet_size(maximum: u32) -> Vec<u8> {
    four(0x27, maximum)
}

/// Reads a property field from the front: identifiers with the bytes of their values.
pub(in crate::conformance) fn read_properties(from: &mut &[u8]) -> Vec<(u8, Vec<u8>)> {
    let length = read_varint(from);
    let (mut field, rest) = from.split_at(length);
    *from = rest;
    let mut properties = Vec::new();
    while let Some((&identifier, value)) = field.split_first() {
        let length = |at: usize| 2 + usize::from(u16::from_be_bytes([value[at], value[at + 1]]));
        let length = match identifier {
            0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28..=0x2a => 1,
            0x13 | 0x21..=0x23 => 2,
            0x02 | 0x11 | 0x18 | 0x27 => 4,
            0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1a | 0x1c | 0x1f => length(0),
            0x26 => length(0) + length(length(0)),
            0x0b => value.iter().take_while(|byte| **byte & 0x80 != 0).count() + 1,
            _ => panic!("there is no property {identifier:#04x}"),
        };
        properties.push((identifier, value[..length].to_vec()));
        field = &value[length..];
    }
    properties
}

fn read_varint(from: &mut &[u8]) -> usize {
    let length = from.iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
    let (digits, rest) = from.split_at(length);
    *from = rest;
    let value = digits.iter().rev().fold(0, |value, byte| value << 7 | usize::from(byte & 0x7f));
    assert_eq!(varint(value), digits, "a length in more bytes than it needs");
    value
}

/// A PUBLISH from the broker, taken apart.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) dup: bool,
    pub(super) qos: u8,
    pub(super) retain: bool,
    pub(super) topic: String,
    /// 0 when it has none.
    pub(super) id: u16,
    pub(super) properties: Vec<(u8, Vec<u8>)>,
    pub(super) payload: String,
}

impl Message {
    /// All values of a property, in order.
    pub(super) fn all(&self, identifier: u8) -> Vec<&[u8]> {
        let with = |property: &&(u8, Vec<u8>)| property.0 == identifier;
        self.properties.iter().filter(with).map(|(_, value)| &value[..]).collect()
    }

    /// The value of a property that may be there once.
    pub(super) fn one(&self, identifier: u8) -> Option<&[u8]> {
        let all = self.all(identifier);
        assert!(all.len() <= 1, "{identifier:#04x} is there {} times", all.len());
        all.first().copied()
    }

    /// The subscription identifiers, in ascending order.
    pub(super) fn subscriptions(&self) -> Vec<usize> {
        let mut all: Vec<usize> =
            self.all(0x0b).into_iter().map(|mut value| read_varint(&mut value)).collect();
        all.sort_unstable();
        all
    }

    /// Seconds left to it.
    pub(super) fn expiry(&self) -> Option<u32> {
        self.one(0x02).map(|value| u32::from_be_bytes(value.try_into().expect("four bytes")))
    }

    pub(super) fn alias(&self) -> Option<u16> {
        self.one(0x23).map(|value| u16::from_be_bytes(value.try_into().expect("two bytes")))
    }
}

/// The next packet, which must be a PUBLISH.
pub(super) fn message(raw: &mut Raw) -> Message {
    read_message(&raw.packet())
}

/// Takes a PUBLISH apart.
pub(super) fn read_message(packet: &Packet) -> Message {
    let first = packet.first();
    assert!(first >> 4 == 3, "expected a PUBLISH, got {packet:?}");
    let (topic, mut rest) = packet.body()[2..].split_at(usize::from(packet.u16_at(0)));
    let qos = first >> 1 & 3;
    let id = if qos == 0 {
        0
    } else {
        let (id, behind) = rest.split_at(2);
        rest = behind;
        u16::from_be_bytes([id[0], id[1]])
    };
    let properties = read_properties(&mut rest);
    let string = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    Message {
        dup: first & DUP != 0,
        qos,
        retain: first & 1 != 0,
        topic: string(topic),
        id,
        properties,
        payload: string(rest),
    }
}

/// A CONNACK taken apart: flags, reason code, properties.
pub(in crate::conformance) fn read_connack(packet: &Packet) -> (u8, u8, Vec<(u8, Vec<u8>)>) {
    assert!(packet.first() == 0x20, "expected a CONNACK, got {packet:?}");
    let (head, mut rest) = packet.body().split_at(2);
    let properties = read_properties(&mut rest);
    assert!(rest.is_empty(), "bytes behind the properties: {packet:?}");
    (head[0], head[1], properties)
}

/// The CONNACK of a success, with what the CONNECT called for.
pub(super) fn accepted(session_present: bool, called_for: &[u8]) -> Vec<u8> {
    let properties = [
        &topic_alias_maximum(10)[..],
        called_for,
        &maximum_packet_size(2_000_000),
        &receive_maximum(20),
    ];
    let properties = bytes::properties(&properties.concat());
    bytes::packet(0x20, [&[u8::from(session_present), 0], &properties[..]].concat())
}

/// A clean start without a session that outlives it.
pub(super) fn client(who: &str) -> Raw {
    Raw::online(connect(id(who)))
}

/// A CONNECT of a session that outlives its connection by a minute.
pub(super) fn lasting(who: &str) -> Connect {
    connect(id(who)).properties(session_expiry(60))
}

/// Properties of a CONNECT that asks for reasons but takes nothing above 20 bytes: a CONNACK of
/// success fits, an acknowledgement with a few words of reason does not.
pub(super) fn tight() -> Vec<u8> {
    [maximum_packet_size(20), problem_information(1)].concat()
}

/// A client with one subscription.
pub(super) fn subscriber(who: &str, filter: &str, options: u8) -> Raw {
    subscribed(connect(id(who)), filter, options)
}

/// The same with a CONNECT of one's own.
pub(super) fn subscribed(connect: Connect, filter: &str, options: u8) -> Raw {
    let mut raw = Raw::online(connect);
    join(&mut raw, filter, options);
    raw
}

/// Subscribes; what is asked for must be granted at once.
pub(super) fn join(raw: &mut Raw, filter: &str, options: u8) {
    raw.send(subscribe(9, &[(filter, options)])).expect(suback(9, &[options & 0x03]));
}

/// Whether the broker has a session for this CONNECT, which resumes it.
pub(super) fn resume(connect: Connect) -> (Raw, bool) {
    let mut raw = Raw::connect();
    let (flags, code, _) = read_connack(&raw.send(connect.resume()).packet());
    assert!(flags <= 1 && code == 0, "not accepted: flags {flags}, code {code:#04x}");
    (raw, flags == 1)
}

/// The broker must answer with a DISCONNECT of one of these codes and close.
pub(in crate::conformance) fn ends(raw: &mut Raw, codes: &[u8]) {
    let packet = raw.packet();
    assert!(packet.first() == 0xe0, "expected DISCONNECT {codes:02x?}, got {packet:?}");
    let code = packet.body().first().copied().unwrap_or(0);
    assert!(codes.contains(&code), "expected DISCONNECT {codes:02x?}, got {packet:?}");
    raw.expect_closed();
}

/// Bytes sent after CONNECT must end the connection with one of these codes.
pub(in crate::conformance) fn faulty(bytes: impl Into<Vec<u8>>, codes: &[u8]) {
    ends(client("faulty").send(bytes), codes);
}

/// A CONNECT must be answered with a CONNACK of one of these codes, and closed.
pub(in crate::conformance) fn refused(bytes: impl Into<Vec<u8>>, codes: &[u8]) {
    let mut raw = Raw::connect();
    let packet = raw.send(bytes).packet();
    let (flags, code, _) = read_connack(&packet);
    assert!(flags == 0 && codes.contains(&code), "expected CONNACK {codes:02x?}, got {packet:?}");
    raw.expect_closed();
}

/// The broker must close, and may say why in a CONNACK (in that of 3.1.1 that it does not know the
/// version): the standard leaves that open.
pub(in crate::conformance) fn unwelcome(bytes: impl Into<Vec<u8>>) {
    let mut raw = Raw::connect();
    if let Some(packet) = raw.send(bytes).next() {
        let refusal = packet.first() == 0x20 && packet.body()[1] >= 0x80;
        assert!(refusal || packet.bytes == [0x20, 2, 0, 1], "{packet:?} is no refusal");
        raw.expect_closed();
    }
}

/// Lets `seconds` pass on the broker's clock: a will of that delay is published.
pub(super) fn wait(seconds: u32) {
    let mut ear = subscriber("tock", &topic("clock"), 0);
    let will = lasting("tick").will_with(&will_delay(seconds), 0, false, topic("clock"), "");
    Raw::online(will).drop_link();
    ear.packet();
}

/// Ill-formed UTF-8, each for another reason.
pub(in crate::conformance) const ILL_FORMED: &[&[u8]] = &[
    b"\xed\xa0\x80",     // U+D800
    b"\xed\xbf\xbf",     // U+DFFF
    b"\xc0\xaf",         // "/" in two bytes
    b"\xe0\x80\xaf",     // "/" in three
    b"\xf4\x90\x80\x80", // above U+10FFFF
    b"\x80",             // begins with a continuation
    b"a\xc3",            // ends within a character
    b"\xff",             // in no character at all
];

/// A PUBLISH of QoS 0 with a topic alias; an empty topic uses the alias alone.
pub(super) fn publish_aliased(topic: &str, alias: u16, payload: &str) -> Publish {
    publish(topic, payload).properties(topic_alias(alias))
}
