//! 5.0, section 3.2: CONNACK.

use super::wire::{
    accepted, authentication_method, client, ends, faulty, join, lasting, maximum_packet_size,
    message, problem_information, publish_aliased, read_connack, refused, subscribed, subscriber,
};
use crate::conformance::cases;
use crate::harness::v5::{connect, publish, suback, subscribe};
use crate::harness::{Broker, Connect, Packet, Raw, id, topic};

cases! { V5;
    connack_comes_first: "MQTT-3.2.0-1" "nothing but AUTH is sent before the CONNACK";
    one_connack: "MQTT-3.2.0-2" "no second CONNACK is sent";
    reserved_bits: "MQTT-3.2.2-1" "bits 7 to 1 of the acknowledge flags are 0";
    clean_start_has_no_session: "MQTT-3.2.2-2" "clean start 1: session present 0, code 0x00";
    session_present: "MQTT-3.2.2-3" "clean start 0: session present says whether there is one";
    refusal_has_no_session: "MQTT-3.2.2-6" "another code than 0x00: session present 0";
    refusal_closes: "MQTT-3.2.2-7" "a code of 0x80 or greater closes the connection";
    known_codes: "MQTT-3.2.2-8" "the code is one of the connect reason codes";
    maximum_qos: "MQTT-3.2.2-9" "a server without QoS 1 or 2 says so";
    every_qos_granted_or_lowered: "MQTT-3.2.2-10" "SUBSCRIBE may ask for QoS 0, 1 and 2";
    will_above_maximum_qos:
        "MQTT-3.2.2-12" "a Will of a higher QoS than the announced maximum is refused";
    retained_will: "MQTT-3.2.2-13" "a retained Will is refused where there are none";
    packet_too_large: "MQTT-3.2.2-15" "a packet above the announced maximum is a 0x95";
    assigned_is_new: "MQTT-3.2.2-16" "an assigned identifier is not another session's";
    alias_too_large: "MQTT-3.2.2-17" "a topic alias above the announced maximum is a 0x94";
    small_refusal:
        "MQTT-3.2.2-19" "no reason string that exceeds the client's Maximum Packet Size",
        "MQTT-3.2.2-20" "no user property that exceeds the client's Maximum Packet Size";
}

/// CONNECTs that a server refuses, each for another reason.
fn refusals() -> Vec<Connect> {
    vec![
        Connect::new("MQTT", 5, id("a"), Some(vec![0x7f])),
        connect("a\0b"),
        connect(id("a")).flags(0x03),
        connect(id("a")).properties([problem_information(1), problem_information(1)].concat()),
        connect(id("a")).properties(authentication_method("no such method")),
        connect(id("a")).will(0, false, "$SYS/x", "0"),
        connect(id("a")).will(0, false, "a/#", "0"),
        connect(id("a")).resume().properties(authentication_method("")),
    ]
}

/// The answer to one of them.
fn refusal(connect: Connect) -> (Raw, Packet) {
    let mut raw = Raw::connect();
    let answer = raw.send(connect).packet();
    assert!(read_connack(&answer).1 != 0, "expected a refusal, got {answer:?}");
    (raw, answer)
}

fn connack_comes_first() {
    let topic = topic("a");
    subscribed(lasting("a"), &topic, 2).disconnect();
    let mut from = client("b");
    from.deliver(publish(&topic, "x").qos(1, 1)).deliver(publish(&topic, "x").qos(2, 2));
    let mut raw = Raw::connect();
    raw.send(lasting("a").resume()).expect(accepted(true, &[]));
    assert_eq!((message(&mut raw).qos, message(&mut raw).qos), (1, 2));
    for connect in refusals() {
        assert_eq!(refusal(connect).1.first(), 0x20);
    }
}

fn one_connack() {
    let mut raw = client("a");
    raw.send(connect(id("a")));
    while let Some(packet) = raw.next() {
        assert!(packet.first() != 0x20, "a second CONNACK");
    }
}

fn reserved_bits() {
    let flags = |connect: Connect| read_connack(&Raw::connect().send(connect).packet()).0;
    assert_eq!(flags(lasting("a")), 0);
    assert_eq!(flags(lasting("a").resume()), 1);
    for connect in refusals() {
        assert_eq!(flags(connect), 0);
    }
}

fn clean_start_has_no_session() {
    for _ in 0..2 {
        Raw::connect().send(lasting("a")).expect(accepted(false, &[]));
    }
}

fn session_present() {
    Raw::connect().send(lasting("a").resume()).expect(accepted(false, &[]));
    Raw::connect().send(lasting("a").resume()).expect(accepted(true, &[]));
}

fn refusal_has_no_session() {
    Raw::online(lasting("a")).disconnect();
    for connect in refusals() {
        assert_eq!(read_connack(&refusal(connect.resume()).1).0, 0, "session present");
    }
}

fn refusal_closes() {
    for connect in refusals() {
        let (mut raw, answer) = refusal(connect);
        assert!(read_connack(&answer).1 >= 0x80);
        raw.expect_closed();
    }
}

fn known_codes() {
    const CODES: [u8; 21] = [
        0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97,
        0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9f,
    ];
    for connect in refusals() {
        refused(connect, &CODES);
    }
}

fn maximum_qos() {
    let topic = topic("a");
    let mut raw = Raw::connect();
    let (_, _, properties) = read_connack(&raw.send(connect(id("a"))).packet());
    assert!(properties.iter().all(|(identifier, _)| *identifier != 0x24), "all are supported");
    join(&mut raw, &topic, 2);
    let mut from = client("b");
    from.deliver(publish(&topic, "x").qos(1, 1));
    from.deliver(publish(&topic, "x").qos(2, 2));
    assert_eq!((message(&mut raw).qos, message(&mut raw).qos), (1, 2));
    for highest in [0, 1] {
        let broker = Broker::configured(&format!("max_qos {highest}\n"));
        let mut raw = Raw::to(&broker);
        let (_, _, properties) = read_connack(&raw.send(connect(id("a"))).packet());
        assert!(properties.contains(&(0x24, vec![highest])), "{properties:?}");
        let filters = [(&topic, 0), (&topic, 1), (&topic, 2)];
        raw.send(subscribe(1, &filters)).expect(suback(1, &[0, highest.min(1), highest]));
        raw.send(publish(&topic, "x").qos(highest, u16::from(highest)));
        assert_eq!(message(&mut raw).qos, highest);
    }
}

fn will_above_maximum_qos() {
    let broker = Broker::configured("max_qos 1\n");
    for qos in [0, 1, 2] {
        let mut raw = Raw::to(&broker);
        let answer = raw.send(connect(id("a")).will(qos, false, topic("w"), "x")).packet();
        let code = read_connack(&answer).1;
        assert_eq!(code, if qos == 2 { 0x9b } else { 0 });
        if qos == 2 {
            raw.expect_closed();
        }
    }
}

fn retained_will() {
    let broker = Broker::configured("retain_available false\n");
    for retain in [false, true] {
        let mut raw = Raw::to(&broker);
        let answer = raw.send(connect(id("a")).will(0, retain, topic("w"), "x")).packet();
        let (_, code, properties) = read_connack(&answer);
        if retain {
            assert_eq!(code, 0x9a);
            raw.expect_closed();
        } else {
            assert!(code == 0 && properties.contains(&(0x25, vec![0])), "{properties:?}");
        }
    }
}

fn every_qos_granted_or_lowered() {
    let filters = [(topic("a"), 0), (topic("b"), 1), (topic("c"), 2)];
    client("a").send(subscribe(1, &filters)).expect(suback(1, &[0, 1, 2]));
}

fn packet_too_large() {
    // A body of 1,999,996 bytes behind a head of four is the largest packet.
    let fits = |more: usize| publish("t", vec![b'x'; 1_999_996 - 4 + more]);
    client("a").send(fits(0)).ping();
    faulty(fits(1), &[0x95]);
    faulty([0x30, 0xff, 0xff, 0xff, 0x7f], &[0x95]); // said in the head alone
}

fn assigned_is_new() {
    let mut ids = Vec::new();
    for _ in 0..3 {
        let mut raw = Raw::connect();
        let (_, _, properties) = read_connack(&raw.send(connect("")).packet());
        let assigned = properties.into_iter().find(|(identifier, _)| *identifier == 0x12);
        let value = assigned.expect("an assigned client identifier").1;
        assert!(!ids.contains(&value), "assigned twice");
        assert!(value.len() > 2, "assigned nothing");
        raw.ping();
        ids.push(value);
    }
}

fn alias_too_large() {
    let topic = topic("a");
    let mut raw = subscriber("a", &topic, 0);
    raw.send(publish_aliased(&topic, 10, "x")).expect(publish(&topic, "x"));
    ends(raw.send(publish_aliased(&topic, 11, "x")), &[0x94]);
    faulty(publish_aliased(&topic, 0xffff, "x"), &[0x94]);
}

fn small_refusal() {
    let reject = |size| {
        let method = authentication_method("no such method");
        let limits = [maximum_packet_size(size), problem_information(1)].concat();
        connect(id("a")).properties([limits, method].concat())
    };
    for size in [5, 6, 16, 40] {
        let answer = refusal(reject(size)).1;
        assert!(answer.bytes.len() <= size as usize, "{answer:?} exceeds {size}");
    }
}
