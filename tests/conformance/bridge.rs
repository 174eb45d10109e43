//! The bridge bit: a level of 0x83 (3.1) or 0x84 (3.1.1) in CONNECT says that another broker calls.
//!
//! Such a client does not get its own messages back, and the RETAIN flag reaches it as published,
//! so that it can hand messages on as they were.

use super::v311::{client, say, subscribed, subscriber};
use crate::harness::v3::{connack, publish};
use crate::harness::{Connect, Raw, id, topic};

/// A bridge of each version, connected with a clean session.
fn bridges() -> [Raw; 2] {
    [("MQIsdp", 0x83), ("MQTT", 0x84)].map(|(name, level)| {
        let mut raw = Raw::connect();
        raw.send(Connect::new(name, level, id(name), None)).expect(connack(false, 0));
        raw
    })
}

#[test]
fn bridge_gets_none_of_its_own_messages() {
    for (n, mut bridge) in bridges().into_iter().enumerate() {
        let topic = topic(&n.to_string());
        subscribed(&mut bridge, &[(&topic, 2)]);
        let mut other = subscriber("other", &[(&topic, 2)]);
        for qos in 0..=2 {
            bridge.deliver(publish(&topic, "own").at(qos, 1)).ping();
            other.accept(publish(&topic, "own").at(qos, 0)).ping();
            say(publish(&topic, "other's").at(qos, 1));
            bridge.accept(publish(&topic, "other's").at(qos, 0)).ping();
            other.accept(publish(&topic, "other's").at(qos, 0)).ping();
        }
    }
}

#[test]
fn bridge_sees_retain_as_published() {
    for (n, mut bridge) in bridges().into_iter().enumerate() {
        let topic = topic(&n.to_string());
        subscribed(&mut bridge, &[(&topic, 1)]);
        let mut plain = subscriber("plain", &[(&topic, 1)]);
        let mut raw = client("p");
        for payload in ["kept", ""] {
            raw.deliver(publish(&topic, payload).retain().qos(1, 1));
            bridge.accept(publish(&topic, payload).retain().qos(1, 0)).ping();
            plain.accept(publish(&topic, payload).qos(1, 0)).ping();
            raw.deliver(publish(&topic, "passing").qos(1, 1));
            bridge.accept(publish(&topic, "passing").qos(1, 0)).ping();
            plain.accept(publish(&topic, "passing").qos(1, 0)).ping();
        }
    }
}

#[test]
fn bridge_bit_saves_no_other_level() {
    for level in [0x80, 0x82, 0x86, 0xff] {
        let mut raw = Raw::connect();
        raw.send(Connect::new("MQTT", level, id("a"), None));
        raw.expect(connack(false, 1)).expect_closed();
    }
}
