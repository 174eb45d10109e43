//! The sentences of MQTT 5.0 that have no identifier: "It is a Protocol Error to ..." and "... is a
//! Malformed Packet", by section.
//!
//! A row sends each of its packets on a connection of its own and names the reason codes of the
//! CONNACK or DISCONNECT that must follow, and the end behind it. Sentences about what a server
//! sends are checked on everything it was made to send. Sentences with an identifier are in `v5`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::CLIENT;
use super::v5::wire::{
    ILL_FORMED, authentication_data, authentication_method, content_type, correlation_data, ends,
    faulty, maximum_packet_size, message_expiry, payload_format, problem_information,
    read_properties, reason_string, receive_maximum, refused, response_information, response_topic,
    server_reference, session_expiry, subscription_identifier, topic_alias, topic_alias_maximum,
    user_property, will_delay,
};
use crate::harness::bytes::{identified, properties};
use crate::harness::v5::{
    auth, connect, disconnect_with, publish, subscribe, subscribe_with, unsubscribe,
};
use crate::harness::{Broker, Packet, Raw, id, packet, topic};

/// Section, sentence, proof.
type Sentence = (&'static str, &'static str, Proof);

enum Proof {
    /// Each of these CONNECTs is answered with a CONNACK of one of these codes.
    Refused(fn() -> Vec<Vec<u8>>, &'static [u8]),
    /// Each of these packets is answered with a DISCONNECT of one of these codes.
    Ended(fn() -> Vec<Vec<u8>>, &'static [u8]),
    /// The same of a broker that is configured with this line.
    EndedWhere(&'static str, fn() -> Vec<Vec<u8>>, &'static [u8]),
    /// This property once in a CONNECT is a protocol error.
    Once(fn() -> Vec<u8>),
    /// This property twice in such a packet is a protocol error.
    Twice(Place, fn() -> Vec<u8>),
    /// The server never sends this property twice in a packet, nor with a forbidden value.
    Sent(u8),
    /// Tests in `v5` prove it.
    See(&'static str),
    Exempt(&'static str),
}
use Proof::{Ended, EndedWhere, Exempt, Once, Refused, See, Sent, Twice};

/// Where a property stands.
#[derive(Clone, Copy)]
enum Place {
    Connect,
    Will,
    Publish,
    /// PUBACK and its like, by first byte.
    Ack(u8),
    Disconnect,
    Auth,
}

const BAD: &[u8] = &[0x81];
const ERROR: &[u8] = &[0x82];
const SUPPORTED: &str = "does not arise: the server supports what it speaks of";

const SENTENCES: &[Sentence] = &[
    ("1.5.4", "ill-formed UTF-8", Ended(|| ILL_FORMED.iter().map(named).collect(), BAD)),
    ("1.5.4", "U+0000", Ended(|| vec![named("\0"), named("a\0b")], BAD)),
    ("1.5.4", "disallowed code points", Exempt("permits and does not require")),
    ("1.5.7", "a pair of other than two strings", Ended(pairs, BAD)),
    ("2.1.3", "invalid flags", Ended(|| vec![vec![0xc2, 0], vec![0x41, 2, 0, 1]], BAD)),
    ("2.2.2.2", "a property of another packet, or half of one", Ended(misplaced, BAD)),
    ("2.2.2.2", "the same in CONNECT", Refused(misplaced_in_connect, BAD)),
    ("3.1.2.3", "the reserved connect flag", Refused(|| vec![flagged(0x03)], BAD)),
    ("3.1.2.6", "will QoS 3", Refused(|| vec![will(&[], 3)], BAD)),
    ("3.1.2.11.2", "Session Expiry Interval twice", Twice(Place::Connect, || session_expiry(1))),
    ("3.1.2.11.3", "Receive Maximum twice", Twice(Place::Connect, || receive_maximum(1))),
    ("3.1.2.11.3", "Receive Maximum 0", Once(|| receive_maximum(0))),
    ("3.1.2.11.4", "Maximum Packet Size twice", Twice(Place::Connect, || maximum_packet_size(99))),
    ("3.1.2.11.4", "Maximum Packet Size 0", Once(|| maximum_packet_size(0))),
    ("3.1.2.11.4", "a packet above it", Exempt(CLIENT)),
    ("3.1.2.11.5", "Topic Alias Maximum twice", Twice(Place::Connect, || topic_alias_maximum(1))),
    (
        "3.1.2.11.6",
        "Request Response Information twice",
        Twice(Place::Connect, || response_information(1)),
    ),
    ("3.1.2.11.6", "Request Response Information 2", Once(|| response_information(2))),
    (
        "3.1.2.11.7",
        "Request Problem Information twice",
        Twice(Place::Connect, || problem_information(1)),
    ),
    ("3.1.2.11.7", "Request Problem Information 2", Once(|| problem_information(2))),
    ("3.1.2.11.7", "a reason that was not requested", See("no_problem_information")),
    (
        "3.1.2.11.9",
        "Authentication Method twice",
        Twice(Place::Connect, || authentication_method("m")),
    ),
    ("3.1.2.11.10", "Authentication Data without method", Once(|| authentication_data("d"))),
    ("3.1.2.11.10", "Authentication Data twice", Refused(data_twice, &[0x82, 0x8c])),
    ("3.1.3.2.2", "Will Delay Interval twice", Twice(Place::Will, || will_delay(1))),
    ("3.1.3.2.3", "Payload Format Indicator twice", Twice(Place::Will, || payload_format(1))),
    ("3.1.3.2.4", "Message Expiry Interval twice", Twice(Place::Will, || message_expiry(1))),
    ("3.1.3.2.5", "Content Type twice", Twice(Place::Will, || content_type("a"))),
    ("3.1.3.2.6", "Response Topic twice", Twice(Place::Will, || response_topic("a"))),
    ("3.1.3.2.7", "Correlation Data twice", Twice(Place::Will, || correlation_data("a"))),
    ("3.2.2.3.2", "Session Expiry Interval twice", Sent(0x11)),
    ("3.2.2.3.3", "Receive Maximum twice or 0", Sent(0x21)),
    ("3.2.2.3.4", "Maximum QoS twice, or not 0 or 1", Sent(0x24)),
    ("3.2.2.3.4", "a PUBLISH of a higher QoS", EndedWhere("max_qos 1", qos_2, &[0x9b])),
    ("3.2.2.3.5", "Retain Available twice, or not 0 or 1", Sent(0x25)),
    (
        "3.2.2.3.5",
        "RETAIN 1 where it is not supported",
        EndedWhere("retain_available false", retained, &[0x9a]),
    ),
    ("3.2.2.3.6", "Maximum Packet Size twice or 0", Sent(0x27)),
    ("3.2.2.3.6", "a packet above it", Ended(|| vec![vec![0x30, 255, 255, 255, 127]], &[0x95])),
    ("3.2.2.3.7", "Assigned Client Identifier twice", Sent(0x12)),
    ("3.2.2.3.8", "Topic Alias Maximum twice", Sent(0x22)),
    ("3.2.2.3.9", "Reason String twice", Sent(0x1f)),
    ("3.2.2.3.11", "Wildcard Subscription Available twice, or not 0 or 1", Sent(0x28)),
    ("3.2.2.3.11", "a wildcard where it is not supported", Exempt(SUPPORTED)),
    ("3.2.2.3.12", "Subscription Identifiers Available twice, or not 0 or 1", Sent(0x29)),
    ("3.2.2.3.12", "an identifier where it is not supported", Exempt(SUPPORTED)),
    ("3.2.2.3.13", "Shared Subscription Available twice, or not 0 or 1", Sent(0x2a)),
    ("3.2.2.3.13", "a shared subscription where it is not supported", Exempt(SUPPORTED)),
    ("3.2.2.3.14", "Server Keep Alive twice", Sent(0x13)),
    ("3.2.2.3.15", "Response Information twice", Sent(0x1a)),
    ("3.2.2.3.16", "Server Reference twice", Sent(0x1c)),
    ("3.2.2.3.17", "Authentication Method twice", Sent(0x15)),
    ("3.2.2.3.18", "Authentication Data twice", Sent(0x16)),
    ("3.3.1.2", "QoS 3", Ended(|| vec![publish("t", "x").qos(3, 1).into()], BAD)),
    ("3.3.1.2", "a QoS above Maximum QoS", EndedWhere("max_qos 0", qos_1_or_2, &[0x9b])),
    ("3.3.2.1", "neither topic nor alias", Ended(|| vec![publish("", "x").into()], ERROR)),
    ("3.3.2.3.4", "Topic Alias twice", Twice(Place::Publish, || topic_alias(1))),
    ("3.3.2.3.5", "Response Topic twice", Twice(Place::Publish, || response_topic("a"))),
    ("3.3.2.3.6", "Correlation Data twice", Twice(Place::Publish, || correlation_data("a"))),
    ("3.3.2.3.8", "Subscription Identifier 0", Ended(identified_by_0, &[0x81, 0x82])),
    ("3.3.2.3.9", "Content Type twice", Twice(Place::Publish, || content_type("a"))),
    ("3.3.4", "a Subscription Identifier of no matching subscription", See("identifiers_*")),
    ("3.3.4", "alias 0 or above the maximum", Ended(|| vec![alias(0), alias(11)], &[0x94])),
    ("3.3.4", "an alias that stands for nothing", Ended(|| vec![alias_alone()], ERROR)),
    ("3.4.2.2.2", "Reason String twice", Twice(Place::Ack(0x40), || reason_string("r"))),
    ("3.5.2.2.2", "Reason String twice", Twice(Place::Ack(0x50), || reason_string("r"))),
    ("3.6.2.2.2", "Reason String twice", Twice(Place::Ack(0x62), || reason_string("r"))),
    ("3.7.2.2.2", "Reason String twice", Twice(Place::Ack(0x70), || reason_string("r"))),
    ("3.8.2.1.2", "Subscription Identifier 0", Ended(|| vec![subscribed_as(&[0])], ERROR)),
    ("3.8.2.1.2", "Subscription Identifier twice", Ended(|| vec![subscribed_as(&[1, 2])], ERROR)),
    ("3.8.3", "no filter", Ended(|| vec![subscribe::<&str>(1, &[])], ERROR)),
    ("3.8.3.1", "QoS 3", Ended(|| vec![subscribe(1, &[("t", 0x03)])], ERROR)),
    ("3.8.3.1", "Retain Handling 3", Ended(|| vec![subscribe(1, &[("t", 0x30)])], ERROR)),
    ("3.9.2.1.2", "Reason String twice", Sent(0x1f)),
    ("3.10.3", "no filter", Ended(|| vec![unsubscribe::<&str>(1, &[])], ERROR)),
    ("3.11.2.1.2", "Reason String twice", Sent(0x1f)),
    ("3.14.2.2.2", "Session Expiry Interval twice", Twice(Place::Disconnect, || session_expiry(0))),
    ("3.14.2.2.2", "a session after all", Ended(|| vec![prolonged()], ERROR)),
    ("3.14.2.2.3", "Reason String twice", Twice(Place::Disconnect, || reason_string("r"))),
    ("3.14.2.2.5", "Server Reference twice", Twice(Place::Disconnect, || server_reference("s"))),
    ("3.15", "AUTH without a method at CONNECT", Ended(|| vec![auth(0x18, &[])], ERROR)),
    ("3.15.2.2.2", "no Authentication Method", Ended(|| vec![packet(0xf0, [0x19])], ERROR)),
    (
        "3.15.2.2.2",
        "Authentication Method twice",
        Twice(Place::Auth, || authentication_method("m")),
    ),
    ("3.15.2.2.3", "Authentication Data twice", Twice(Place::Auth, || authentication_data("d"))),
    ("3.15.2.2.4", "Reason String twice", Twice(Place::Auth, || reason_string("r"))),
];

/// Every section that has such a sentence.
const SECTIONS: &str = "
    1.5.4 1.5.7 2.1.3 2.2.2.2 3.1.2.3 3.1.2.6 3.1.2.11.2 3.1.2.11.3 3.1.2.11.4 3.1.2.11.5 3.1.2.11.6
    3.1.2.11.7 3.1.2.11.9 3.1.2.11.10 3.1.3.2.2 3.1.3.2.3 3.1.3.2.4 3.1.3.2.5 3.1.3.2.6 3.1.3.2.7
    3.2.2.3.2 3.2.2.3.3 3.2.2.3.4 3.2.2.3.5 3.2.2.3.6 3.2.2.3.7 3.2.2.3.8 3.2.2.3.9 3.2.2.3.11
    3.2.2.3.12 3.2.2.3.13 3.2.2.3.14 3.2.2.3.15 3.2.2.3.16 3.2.2.3.17 3.2.2.3.18 3.3.1.2 3.3.2.1
    3.3.2.3.4 3.3.2.3.5 3.3.2.3.6 3.3.2.3.8 3.3.2.3.9 3.3.4 3.4.2.2.2 3.5.2.2.2 3.6.2.2.2 3.7.2.2.2
    3.8.2.1.2 3.8.3 3.8.3.1 3.9.2.1.2 3.10.3 3.11.2.1.2 3.14.2.2.2 3.14.2.2.3 3.14.2.2.5 3.15
    3.15.2.2.2 3.15.2.2.3 3.15.2.2.4
";

#[test]
fn every_section_is_here() {
    let mut sections: Vec<&str> = SENTENCES.iter().map(|(section, _, _)| *section).collect();
    sections.dedup();
    assert_eq!(sections, SECTIONS.split_whitespace().collect::<Vec<_>>());
}

#[test]
fn sentences_hold() {
    let sent = sent();
    let mut broken = Vec::new();
    for (section, says, proof) in SENTENCES {
        if catch_unwind(AssertUnwindSafe(|| holds(proof, &sent))).is_err() {
            broken.push(format!("{section}: {says}"));
        }
    }
    assert!(broken.is_empty(), "{} do not hold:\n{}", broken.len(), broken.join("\n"));
}

fn holds(proof: &Proof, sent: &[Packet]) {
    match proof {
        Refused(connects, codes) => connects().into_iter().for_each(|bytes| refused(bytes, codes)),
        Ended(packets, codes) => packets().into_iter().for_each(|bytes| faulty(bytes, codes)),
        EndedWhere(line, packets, codes) => {
            let broker = Broker::configured(line);
            for bytes in packets() {
                ends(Raw::online_at(&broker, connect(id("a"))).send(bytes), codes);
            }
        }
        Once(property) => refused(connect(id("a")).properties(property()), ERROR),
        Twice(place, property) => twice(*place, &property().repeat(2)),
        Sent(identifier) => sent.iter().for_each(|packet| sound(packet, *identifier)),
        See(tests) => println!("see {tests}"),
        Exempt(reason) => println!("exempt: {reason}"),
    }
}

/// These properties in that place are a protocol error.
fn twice(place: Place, both: &[u8]) {
    match place {
        Place::Connect => refused(connect(id("a")).properties(both), ERROR),
        Place::Will => refused(will(both, 0), ERROR),
        Place::Publish => faulty(publish("t", "x").properties(both), ERROR),
        Place::Ack(first) => {
            faulty(identified(first, 1, [vec![0], properties(both)].concat()), ERROR);
        }
        Place::Disconnect => faulty(disconnect_with(0, both), ERROR),
        Place::Auth => {
            let method = if both[0] == 0x15 { vec![] } else { authentication_method("m") };
            faulty(auth(0x19, &[&method, both].concat()), ERROR);
        }
    }
}

/// A PUBLISH with this topic name.
fn named(name: impl AsRef<[u8]>) -> Vec<u8> {
    publish(name, "x").into()
}

fn pairs() -> Vec<Vec<u8>> {
    let wrong = [
        user_property("\0", "x"),
        user_property("x", "\0"),
        user_property(b"\xff", "x"),
        user_property("x", b"\xff"),
        vec![0x26, 0x00, 0x01, b'x'],
    ];
    wrong.map(|pair| publish("t", "x").properties(pair).into()).to_vec()
}

fn misplaced() -> Vec<Vec<u8>> {
    vec![
        publish("t", "x").properties(session_expiry(1)).into(),
        publish("t", "x").properties(will_delay(1)).into(),
        publish("t", "x").properties(reason_string("r")).into(),
        publish("t", "x").properties([0x04, 0x00]).into(), // no such property
        publish("t", "x").properties([0x02, 0x00]).into(), // two of four bytes
        subscribe_with(1, &topic_alias(1), &[("t", 0)]),
        identified(0xa2, 1, [&properties(&subscription_identifier(1))[..], b"\0\x01t"].concat()),
        identified(0x40, 1, [vec![0], properties(&content_type("a"))].concat()),
        disconnect_with(0, &authentication_method("m")),
    ]
}

fn misplaced_in_connect() -> Vec<Vec<u8>> {
    let wrong = [topic_alias(1), reason_string("r"), message_expiry(1), vec![0x7f], vec![0x11, 0]];
    let mut all = wrong.map(|wrong| connect(id("a")).properties(wrong).into()).to_vec();
    all.push(will(&session_expiry(1), 0));
    all
}

fn flagged(flags: u8) -> Vec<u8> {
    connect(id("a")).flags(flags).into()
}

fn will(properties: &[u8], qos: u8) -> Vec<u8> {
    connect(id("a")).will_with(properties, qos, false, topic("a"), "gone").into()
}

fn data_twice() -> Vec<Vec<u8>> {
    let twice = authentication_data("d").repeat(2);
    vec![connect(id("a")).properties([authentication_method("m"), twice].concat()).into()]
}

fn identified_by_0() -> Vec<Vec<u8>> {
    vec![publish("t", "x").properties(subscription_identifier(0)).into()]
}

fn qos_2() -> Vec<Vec<u8>> {
    vec![publish("t", "x").qos(2, 1).into()]
}

fn qos_1_or_2() -> Vec<Vec<u8>> {
    vec![publish("t", "x").qos(1, 1).into(), publish("t", "x").qos(2, 1).into()]
}

fn retained() -> Vec<Vec<u8>> {
    vec![publish("t", "x").retain().into(), publish("t", "x").qos(1, 1).retain().into()]
}

fn alias(alias: u16) -> Vec<u8> {
    publish("t", "x").properties(topic_alias(alias)).into()
}

fn alias_alone() -> Vec<u8> {
    publish("", "x").properties(topic_alias(1)).into()
}

fn subscribed_as(identifiers: &[usize]) -> Vec<u8> {
    let all = identifiers.iter().flat_map(|identifier| subscription_identifier(*identifier));
    subscribe_with(1, &all.collect::<Vec<u8>>(), &[("t", 0)])
}

/// A DISCONNECT that asks for a session where CONNECT asked for none.
fn prolonged() -> Vec<u8> {
    disconnect_with(0, &session_expiry(1))
}

/// CONNACKs, acknowledgements and DISCONNECTs of all kinds.
fn sent() -> Vec<Packet> {
    let all = [response_information(1), problem_information(1), session_expiry(9)].concat();
    let connects = [
        connect(id("a")),
        connect(""),
        connect(id("a")).keep_alive(0xffff).properties(all),
        connect(id("a")).properties(session_expiry(u32::MAX)),
        connect(id("a")).properties(authentication_method("no such method")),
        connect(id("a")).properties(receive_maximum(0)),
    ];
    let mut sent: Vec<Packet> =
        connects.into_iter().filter_map(|connect| Raw::connect().send(connect).next()).collect();
    let packets: [Vec<u8>; 6] = [
        publish("$SYS/x", "x").qos(1, 1).into(),
        publish("$SYS/x", "x").qos(2, 1).into(),
        subscribe(1, &[("$share/g/", 0), ("a#", 0)]),
        unsubscribe(1, &["none"]),
        alias(0),
        vec![0xe1, 0x00],
    ];
    for bytes in packets {
        sent.extend(Raw::online(connect(id("a"))).send(bytes).next());
    }
    sent
}

/// The property is in the packet at most once, and not with a forbidden value.
fn sound(packet: &Packet, identifier: u8) {
    let at = match packet.first() {
        0x20 => 2,        // flags, reason code
        0x90 | 0xb0 => 2, // packet identifier
        0xe0 => 1,        // reason code
        _ => 3,           // packet identifier, reason code
    };
    let mut rest = packet.body().get(at..).unwrap_or(&[]);
    if rest.is_empty() {
        return;
    }
    let all = read_properties(&mut rest);
    let values: Vec<_> = all.iter().filter(|(found, _)| *found == identifier).collect();
    assert!(values.len() <= 1, "{identifier:#04x} twice in {packet:?}");
    for (_, value) in values {
        let good = match identifier {
            0x24 | 0x25 | 0x28 | 0x29 | 0x2a => value[0] <= 1,
            0x21 | 0x27 => value.iter().any(|byte| *byte != 0),
            _ => true,
        };
        assert!(good, "{identifier:#04x} is {value:02x?} in {packet:?}");
    }
}
