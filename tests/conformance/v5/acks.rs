//! 5.0, sections 3.4 to 3.7: PUBACK, PUBREC, PUBREL, PUBCOMP.

use super::wire::{client, faulty, message, subscriber, tight};
use crate::conformance::cases;
use crate::harness::v5::{ack, connect, puback, pubcomp, publish, pubrec, pubrel};
use crate::harness::{Packet, Raw, id, packet, topic};

cases! { V5;
    puback_codes: "MQTT-3.4.2-1" "a PUBACK has one of its reason codes";
    small_puback:
        "MQTT-3.4.2-2" "no reason string too large for the receiver of a PUBACK",
        "MQTT-3.4.2-3" "no user property too large for the receiver of a PUBACK";
    pubrec_codes: "MQTT-3.5.2-1" "a PUBREC has one of its reason codes";
    small_pubrec:
        "MQTT-3.5.2-2" "no reason string too large for the receiver of a PUBREC",
        "MQTT-3.5.2-3" "no user property too large for the receiver of a PUBREC";
    pubrel_flags: "MQTT-3.6.1-1" "a PUBREL has the flags 0010";
    pubrel_codes: "MQTT-3.6.2-1" "a PUBREL has one of its reason codes";
    small_pubrel:
        "MQTT-3.6.2-2" "no reason string too large for the receiver of a PUBREL",
        "MQTT-3.6.2-3" "no user property too large for the receiver of a PUBREL";
    pubcomp_codes: "MQTT-3.7.2-1" "a PUBCOMP has one of its reason codes";
    small_pubcomp:
        "MQTT-3.7.2-2" "no reason string too large for the receiver of a PUBCOMP",
        "MQTT-3.7.2-3" "no user property too large for the receiver of a PUBCOMP";
}

/// The reason code of an acknowledgement of this type, which is left out when it is 0.
fn code(answer: &Packet, first: u8) -> u8 {
    assert!(answer.first() == first, "expected {first:#04x}, got {answer:?}");
    answer.body().get(2).copied().unwrap_or(0)
}

/// The answer to these bytes must fit.
fn fits(bytes: impl Into<Vec<u8>>, first: u8) {
    let mut raw = Raw::online(connect(id("tight")).properties(tight()));
    let answer = raw.send(bytes).packet();
    assert!(answer.first() == first && answer.bytes.len() <= 20, "{answer:?}");
    raw.ping();
}

fn puback_codes() {
    let topic = topic("a");
    let mut raw = client("a");
    assert_eq!(code(&raw.send(publish(&topic, "x").qos(1, 1)).packet(), 0x40), 0x10);
    let _ear = subscriber("ear", &topic, 0);
    assert_eq!(code(&raw.send(publish(&topic, "x").qos(1, 1)).packet(), 0x40), 0x00);
    for denied in ["$SYS/broker/uptime", "$share/group/t"] {
        assert_eq!(code(&raw.send(publish(denied, "x").qos(1, 1)).packet(), 0x40), 0x87);
    }
    raw.ping();
}

fn small_puback() {
    fits(publish("$SYS/x", "x").qos(1, 1), 0x40);
    fits(publish(topic("a"), "x").qos(1, 1), 0x40);
}

fn pubrec_codes() {
    let topic = topic("a");
    let mut raw = client("a");
    assert_eq!(code(&raw.send(publish(&topic, "x").qos(2, 1)).packet(), 0x50), 0x10);
    let _ear = subscriber("ear", &topic, 0);
    assert_eq!(code(&raw.send(publish(&topic, "x").qos(2, 2)).packet(), 0x50), 0x00);
    for denied in ["$SYS/broker/uptime", "$share/group/t"] {
        assert_eq!(code(&raw.send(publish(denied, "x").qos(2, 3)).packet(), 0x50), 0x87);
    }
    raw.ping();
}

fn small_pubrec() {
    fits(publish("$SYS/x", "x").qos(2, 1), 0x50);
    fits(publish(topic("a"), "x").qos(2, 1), 0x50);
}

fn pubrel_flags() {
    for flags in (0..16).filter(|flags| *flags != 2) {
        faulty(packet(0x60 | flags, [0, 1]), &[0x81]);
    }
}

fn pubrel_codes() {
    let topic = topic("a");
    let mut raw = subscriber("a", &topic, 2);
    client("b").deliver(publish(&topic, "x").qos(2, 1));
    let id = message(&mut raw).id;
    assert_eq!(code(&raw.send(pubrec(id)).packet(), 0x62), 0x00);
    raw.send(pubcomp(id));
    let unknown = raw.send(pubrec(id + 1)).packet();
    assert!([0x00, 0x92].contains(&code(&unknown, 0x62)), "{unknown:?}");
    raw.send(ack(0x50, id + 2, 0x80)).ping(); // an error is not released
}

fn small_pubrel() {
    fits(pubrec(77), 0x62);
}

fn pubcomp_codes() {
    let mut raw = client("a");
    raw.send(publish(topic("a"), "x").qos(2, 1)).packet();
    assert_eq!(code(&raw.send(pubrel(1)).packet(), 0x70), 0x00);
    let unknown = raw.send(pubrel(2)).packet();
    assert!([0x00, 0x92].contains(&code(&unknown, 0x70)), "{unknown:?}");
    raw.send(puback(9)).send(pubcomp(9)).ping(); // of unknown identifiers: no answer
}

fn small_pubcomp() {
    fits(pubrel(77), 0x70);
}
