//! 3.1.1, sections 3.12, 3.14, 4.8 and 7: PINGREQ, DISCONNECT, what is no MQTT, and the transport.

use super::{client, fatal, subscribed, subscriber};
use crate::conformance::cases;
use crate::harness::v3::{
    DISCONNECT, PINGREQ, PINGRESP, connack, connect, puback, publish, suback, subscribe, unsuback,
    unsubscribe,
};
use crate::harness::{Raw, id, packet, topic};

cases! { V311;
    ping_is_answered:
        "MQTT-3.12.4-1" "PINGREQ is answered with PINGRESP";
    disconnect_with_flags_is_none:
        "MQTT-3.14.1-1" "a DISCONNECT with reserved bits set is a violation";
    violations_close:
        "MQTT-4.8.0-1" "a protocol violation closes the connection it came by, and no other";
    nothing_but_the_standard_is_needed:
        "MQTT-7.0.0-2" "no extension is needed to interoperate";
    any_stream_of_bytes_will_do:
        "MQTT-7.1.1-1" "a transport of an ordered, lossless stream of bytes is supported";
}

fn ping_is_answered() {
    let mut raw = client("a");
    raw.send(PINGREQ).expect(PINGRESP);
    raw.send(PINGREQ.repeat(50)).expect(PINGRESP.repeat(50)).ping();
}

fn disconnect_with_flags_is_none() {
    let topic = topic("t");
    let mut watcher = subscriber("w", &[(&topic, 0)]);
    for flags in 1..16 {
        let mut raw = Raw::online(connect(id("a")).will(0, false, &topic, "violation"));
        raw.send([0xe0 | flags, 0x00]).expect_closed();
        watcher.expect(publish(&topic, "violation")).ping();
    }
}

fn violations_close() {
    let topic = topic("t");
    let mut bystander = subscriber("b", &[(&topic, 0)]);
    for violation in [
        // Packets of a server.
        connack(false, 0),
        suback(1, &[0]),
        unsuback(1),
        PINGRESP.to_vec(),
        // Packets of no version, or of another.
        packet(0x00, []),
        packet(0xf0, []),
        packet(0xf0, [0, 0]),
        // Lengths that are wrong.
        vec![0x30, 0xff, 0xff, 0xff, 0xff, 0x01],
        vec![0xc0, 0x80, 0x80, 0x80, 0x80, 0x00],
        packet(0xc0, [0]),
        packet(0xe0, [0]),
        packet(0x40, []),
        packet(0x40, [0]),
        packet(0x40, [0, 1, 0]),
        packet(0x50, [1]),
        packet(0x62, [0]),
        packet(0x62, [0, 1, 0]),
        packet(0x70, [1]),
    ] {
        fatal(violation);
    }
    bystander.send(publish(&topic, "still here")).expect(publish(&topic, "still here")).ping();
    // An acknowledgement of nothing is none.
    bystander.send(puback(99)).ping();
}

fn nothing_but_the_standard_is_needed() {
    let topic = topic("t");
    let mut raw = Raw::connect();
    raw.send(connect(id("a"))).expect(connack(false, 0));
    raw.send(subscribe(1, &[(&topic, 2)])).expect(suback(1, &[2]));
    let mut other = client("b");
    for qos in 0..=2 {
        other.deliver(publish(&topic, "x").at(qos, 2));
        raw.accept(publish(&topic, "x").at(qos, 0)).ping();
    }
    raw.send(unsubscribe(3, &[&topic])).expect(unsuback(3));
    raw.send(DISCONNECT).expect_closed();
}

fn any_stream_of_bytes_will_do() {
    let topic = topic("t");
    // Byte by byte.
    let mut raw = Raw::connect();
    let all = [
        Vec::from(connect(id("a"))),
        subscribe(1, &[(&topic, 0)]),
        publish(&topic, "x").into(),
        PINGREQ.to_vec(),
    ]
    .concat();
    for byte in all {
        raw.send([byte]);
    }
    raw.expect(connack(false, 0)).expect(suback(1, &[0])).expect(publish(&topic, "x"));
    raw.expect(PINGRESP);
    // Lengths around the steps of the remaining length, in both directions; a broker may well
    // refuse what takes a fourth byte.
    subscribed(&mut raw, &[(&topic, 0)]);
    for body in [127, 128, 129, 16_383, 16_384, 16_385, 1_900_000] {
        let payload: Vec<u8> = (0..=250).cycle().take(body - 2 - topic.len()).collect();
        raw.send(publish(&topic, &payload)).expect(publish(&topic, &payload));
    }
    raw.ping();
}
